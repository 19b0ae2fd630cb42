"""What is done to all parameters of a model, or to their gradients, at once."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, NoReturn

from .. import ops
from .._state import no_grad
from ..creation import tensor
from ..errors import no_such_name, typename
from ..tensor import Tensor

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]


def several(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """One tensor or some, as a list."""
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradients of those that have one."""
    return [p.grad for p in several(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001  (changes no number)
) -> Tensor:
    """The p-norm of all elements of all ``tensors``, as of one vector; p is ``norm_type``."""
    tensors = several(tensors)
    p = float(norm_type)
    if not tensors:
        return tensor(0.0)
    with no_grad():
        total: Tensor = ops.norm(ops.stack([ops.norm(t, p) for t in tensors]), p)
    if error_if_nonfinite and not ops.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it "
            f"cannot be clipped. To disable this error and scale the gradients by the non-finite "
            f"norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,  # noqa: ARG001
) -> None:
    """Multiplies every gradient by min(max_norm / (total_norm + 1e-6), 1), in place."""
    with no_grad():
        scale = ops.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
        for g in gradients(parameters):
            g.mul_(scale)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients, in place, so that their p-norm as one vector is at most ``max_norm``
    (less a millionth's share of it); returns the norm that they had.

    ``error_if_nonfinite``: RuntimeError where that norm is infinite or nan. ``foreach`` is accepted
    and changes no number.

    >>> import tinygrad_cls as tg
    >>> p = tg.zeros(2, requires_grad=True)
    >>> p.grad = tg.tensor([3.0, 4.0])
    >>> clip_grad_norm_([p], max_norm=1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    found = several(parameters)
    if isinstance(parameters, Generator) and not found:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
        )
    total = get_total_norm(gradients(found), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(found, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor],
    clip_value: float,
    foreach: bool | None = None,  # noqa: ARG001
) -> None:
    """Limits every gradient to [-clip_value, clip_value], element by element, in place."""
    bound = float(clip_value)
    with no_grad():
        for g in gradients(parameters):
            g.clamp_(min=-bound, max=bound)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector, one after the other.

    >>> from tinygrad_cls import nn
    >>> parameters_to_vector(nn.Linear(2, 3).parameters()).shape
    torch.Size([9])
    """
    vector: Tensor = ops.cat([p.view(-1) for p in parameters])
    return vector


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Gives every parameter its slice of ``vec`` for its data: afterwards they share memory."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    start = 0
    for p in parameters:
        stop = start + p.numel()
        p.data = vec[start:stop].view_as(p).data
        start = stop


if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
