"""PyTorch's function for every entry of the table: the one of the same name, unless said here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from . import pytorch


def named(dotted: str) -> Any:
    """torch's function of a dotted name, such as "nn.functional.linear"."""
    found: Any = pytorch()
    for name in dotted.split("."):
        found = getattr(found, name)
    return found


def twin(name: str) -> Callable[..., Any] | None:
    """torch's function for the entry ``name``: its own, torch.nn.functional's, or a method; None
    where torch has none.

    >>> import torch
    >>> twin("affine") is torch.nn.functional.linear, twin("exp") is torch.exp
    (True, True)
    """
    torch = pytorch()
    known = TWINS.get(name)
    if known is not None:
        return known if callable(known) else named(known)
    places = (torch, torch.nn.functional, torch.Tensor)
    found: Any = next((getattr(p, name) for p in places if hasattr(p, name)), None)
    function: Callable[..., Any] | None = found
    return function if found is None or callable(found) else found.__get__  # mT is a property


def concatenate(*xs: Any, dim: int = 0) -> Any:
    return pytorch().cat(xs, dim)


def argsort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    return x.argsort(dim=dim, descending=descending, stable=True)  # as the engine promises


def sort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    return x.sort(dim=dim, descending=descending, stable=True)


def median_value(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Over all: torch shares the cotangent among ties; along an axis it doesn't: amax does."""
    return x.median() if dim is None else x.median(dim, keepdim).values


def nll(z: Any, t: Any, w: Any, reduction: str = "mean", ignore_index: int = -100) -> Any:
    weight = w.to(z.dtype) if hasattr(w, "ndim") and w.ndim else None
    return named("nn.functional.nll_loss")(
        z, t, weight, reduction=reduction, ignore_index=ignore_index
    )


def adjoint(
    x: Any, linear: Callable[..., Any], shape: Sequence[int], *args: Any, **kwargs: Any
) -> Any:
    """torch's own adjoint of the function ``linear``, itself differentiable."""
    torch = pytorch()
    z = torch.zeros(tuple(shape), dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(linear(z, *args, **kwargs), z, x, create_graph=True)[0]


def product_of_others(x: Any, dim: int) -> Any:
    """For every element the product of the others: torch's gradient of prod."""
    torch = pytorch()
    z = x if x.requires_grad else x.detach().requires_grad_()
    y = z.prod(dim)
    return torch.autograd.grad(y, z, torch.ones_like(y), create_graph=True)[0]


def paired(loss: str, a: Any, b: Any, **how: Any) -> Any:
    """torch's loss of each pair of elements; its losses want equal shapes."""
    torch = pytorch()
    return named(f"nn.functional.{loss}")(*torch.broadcast_tensors(a, b), reduction="none", **how)


def slope(loss: str, a: Any, b: Any, **how: Any) -> Any:
    """torch's own slope in ``a`` of a loss of pairs, itself differentiable."""
    torch = pytorch()
    a, b = torch.broadcast_tensors(a if a.requires_grad else a.detach().requires_grad_(), b)
    y = paired(loss, a, b, **how)
    return torch.autograd.grad(y, a, torch.ones_like(y), create_graph=True)[0]


def positively_weighted(x: Any, t: Any, p: Any) -> Any:
    loss = named("nn.functional.binary_cross_entropy_with_logits")
    return loss(x, t, pos_weight=p, reduction="none")


def ties(x: Any, y: Any, dim: Any = None) -> Any:
    hit = (x == y).to(x.dtype)
    return hit / hit.sum(dim, keepdim=True).clamp(min=1)


def replaced(x: Any, value: Any, index: Any) -> Any:
    y = x.clone()
    y[index] = value
    return y


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """torch takes a 0-d value alone."""
    filled = x.masked_fill(mask, 0 if value.ndim else value)
    return pytorch().where(~mask, filled, value) if value.ndim else filled


def getitem(x: Any, index: Any) -> Any:
    return x[index]


def gathered(x: Any, index: Any, dim: int) -> Any:
    return pytorch().gather(x, dim, index)


def summed(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return pytorch().sum(x, dim, keepdim)


def p_norm(x: Any, p: float = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return pytorch().linalg.vector_norm(x, p, dim, keepdim)


TWINS: dict[str, str | Callable[..., Any]] = {
    "affine": "nn.functional.linear",
    "argsort": argsort,
    "binary_cross_entropy": partial(paired, "binary_cross_entropy"),
    "binary_cross_entropy_slope": partial(slope, "binary_cross_entropy"),
    "binary_cross_entropy_with_logits": "nn.functional.binary_cross_entropy_with_logits",
    "broadcast_to": lambda x, shape: x.broadcast_to(shape),
    "cast": lambda x, dtype: x.to(named(dtype.name)),
    "concatenate": concatenate,
    "deviation": "std",
    "getitem": getitem,
    "masked_fill": masked_fill,
    "median_value": median_value,
    "nll": nll,
    "nll_adjoint": lambda x, t, w, shape, **how: adjoint(x, nll, shape, t, w, **how),
    "nonzero_rows": "nonzero",
    "p_norm": p_norm,
    "permuted": "permute",
    "positively_weighted": positively_weighted,
    "prod_along": "prod",
    "product": "matmul",
    "product_of_others": product_of_others,
    "put": lambda x, shape, index: adjoint(x, getitem, shape, index),
    "put_along": lambda x, index, shape, dim: adjoint(x, gathered, shape, index, dim),
    "replaced": replaced,
    "reshape": lambda x, *shape: x.reshape(*shape),  # torch.reshape wants a tuple
    "reshaped": lambda x, shape, copy=True: x.reshape(shape),
    "rows": lambda x: x.sum(0),
    "smooth_l1": lambda a, b, beta=1.0: paired("smooth_l1_loss", a, b, beta=beta),
    "smooth_sign": lambda a, b, beta=1.0: slope("smooth_l1_loss", a, b, beta=beta),
    "sort": sort,
    "spread": lambda x, shape, dim=None, keepdim=False: adjoint(x, summed, shape, dim, keepdim),
    "squared_error": partial(paired, "mse_loss"),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "take_along": gathered,
    "ties": ties,
    "variance": "var",
    "where_both": "where",
    "zeros_of": "zeros_like",
}
"""What differs from "torch has it under the same name": torch's dotted name, or a function."""
