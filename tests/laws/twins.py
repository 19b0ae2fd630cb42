"""PyTorch's function for every entry of the table: the one of the same name, unless said here.

Import it through the fixture ``twins``: it needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from .calls import Array, Call, mapped, results

torch = pytest.importorskip("torch", reason="compares with PyTorch")
F = torch.nn.functional


def cat(*xs: Any, dim: int = 0) -> Any:
    return torch.cat(xs, dim)


def argsort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    return torch.argsort(x, dim=dim, descending=descending, stable=True)  # as the engine promises


def sort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    return torch.sort(x, dim=dim, descending=descending, stable=True)


def converted(x: Any, dtype: Any) -> Any:
    return x.to(getattr(torch, dtype.name))


def median_value(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Over all: torch shares the cotangent among ties; along an axis it doesn't: amax does."""
    return torch.median(x) if dim is None else torch.median(x, dim, keepdim).values


def nll(z: Any, t: Any, w: Any, reduction: str = "mean", ignore_index: int = -100) -> Any:
    weight = w.to(z.dtype) if hasattr(w, "ndim") and w.ndim else None
    return F.nll_loss(z, t, weight, reduction=reduction, ignore_index=ignore_index)


def adjoint(
    x: Any, twin: Callable[..., Any], shape: Sequence[int], *args: Any, **kwargs: Any
) -> Any:
    """torch's own adjoint of the linear function ``twin``, itself differentiable."""
    z = torch.zeros(tuple(shape), dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(twin(z, *args, **kwargs), z, x, create_graph=True)[0]


def product_of_others(x: Any, dim: int) -> Any:
    """For every element the product of the others: torch's gradient of prod."""
    z = x if x.requires_grad else x.detach().requires_grad_()
    y = z.prod(dim)
    return torch.autograd.grad(y, z, torch.ones_like(y), create_graph=True)[0]


def slope(twin: Callable[..., Any], a: Any, b: Any) -> Any:
    """torch's own slope in ``a`` of the elementwise ``twin``, itself differentiable."""
    a, b = torch.broadcast_tensors(a if a.requires_grad else a.detach().requires_grad_(), b)
    y = twin(a, b, reduction="none")
    return torch.autograd.grad(y, a, torch.ones_like(y), create_graph=True)[0]


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
    return torch.where(~mask, filled, value) if value.ndim else filled


def p_norm(x: Any, p: float = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return torch.linalg.vector_norm(x, p, dim, keepdim)


TWINS: dict[str, Callable[..., Any]] = {
    "affine": F.linear,
    "argsort": argsort,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "positively_weighted": lambda x, t, p: F.binary_cross_entropy_with_logits(
        x, t, pos_weight=p, reduction="none"
    ),
    "smooth_l1": lambda a, b, beta=1.0: F.smooth_l1_loss(
        *torch.broadcast_tensors(a, b), reduction="none", beta=beta
    ),
    "squared_error": lambda a, b: F.mse_loss(*torch.broadcast_tensors(a, b), reduction="none"),
    "binary_cross_entropy_slope": lambda q, t: slope(F.binary_cross_entropy, q, t),
    "smooth_sign": lambda a, b, beta=1.0: slope(partial(F.smooth_l1_loss, beta=beta), a, b),
    "binary_cross_entropy": lambda q, t: F.binary_cross_entropy(q, t, reduction="none"),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "cast": converted,
    "concatenate": cat,
    "deviation": torch.std,
    "getitem": lambda x, index: x[index],
    "masked_fill": masked_fill,
    "median_value": median_value,
    "nll": nll,
    "nll_adjoint": lambda x, t, w, shape, **how: adjoint(x, nll, shape, t, w, **how),
    "nonzero_rows": torch.nonzero,
    "p_norm": p_norm,
    "permuted": torch.permute,
    "prod_along": torch.prod,
    "product": torch.matmul,
    "product_of_others": product_of_others,
    "put": lambda x, shape, index: adjoint(x, TWINS["getitem"], shape, index),
    "put_along": lambda x, index, shape, dim: adjoint(x, torch.gather, shape, dim, index),
    "replaced": replaced,
    "reshape": lambda x, *shape: x.reshape(*shape),  # torch.reshape wants a tuple
    "reshaped": torch.reshape,
    "rows": lambda x: x.sum(0),
    "sort": sort,
    "spread": lambda x, shape, dim=None, keepdim=False: adjoint(x, torch.sum, shape, dim, keepdim),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "take_along": lambda x, index, dim: torch.gather(x, dim, index),
    "ties": ties,
    "variance": torch.var,
    "where_both": torch.where,
    "zeros_of": torch.zeros_like,
}


def twin(name: str) -> Callable[..., Any] | None:
    """torch's function for the entry ``name``: its own, torch.nn.functional's, or a method."""
    if name in TWINS:
        return TWINS[name]
    found = next((getattr(p, name) for p in (torch, F, torch.Tensor) if hasattr(p, name)), None)
    return found if found is None or callable(found) else found.__get__  # mT is a property


class Twin:
    """A call made to PyTorch: the same arrays as its tensors, the same arguments."""

    def __init__(self, call: Call, requires_grad: Sequence[int] = ()) -> None:
        self.tensors = [
            torch.from_numpy(a).detach().requires_grad_(i in requires_grad)
            for i, a in enumerate(call.arrays)
        ]
        function = twin(call.entry.name)
        if function is None:
            pytest.skip("torch has no such function: its value is judged where formulas use it")
        kwargs = {name: mapped(torch.tensor, value) for name, value in call.kwargs.items()}
        self.results = results(function(*call.with_arrays(self.tensors), **kwargs))

    def vjp(self, cotangents: Sequence[Array], wanted: Sequence[int]) -> list[Array]:
        ys = [y for y in self.results if isinstance(y, torch.Tensor) and y.requires_grad]
        found = torch.autograd.grad(
            ys,
            [self.tensors[i] for i in wanted],
            [torch.tensor(g) for g in cotangents],
            allow_unused=True,
            materialize_grads=True,
        )
        return [g.numpy() for g in found]
