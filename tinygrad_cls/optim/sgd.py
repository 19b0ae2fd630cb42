"""Optimizers: what a gradient does to a parameter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ._state import enable_grad
from .stream import fused_kernels
from .tensor import Tensor, clear


class SGD:
    """Stochastic gradient descent: p <- p - lr g for every parameter that has a gradient.

    ``foreach`` and ``fused`` are accepted and change no number. The float32 update is rounded
    once, as torch's kernels do where the CPU has a fused multiply-add.

    >>> import tinygrad_cls as tg
    >>> p = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1)
    >>> (3 * p).sum().backward(); optimizer.step(); p
    tensor([0.7000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        foreach: bool | None = None,
        fused: bool | None = None,
        differentiable: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, not of shape {tuple(lr.shape)}")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if foreach and fused:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        if differentiable:
            raise ValueError(
                "differentiable=True is not supported: this engine's SGD writes in place; compute "
                "p - lr * g with create_graph=True to differentiate through an update"
            )
        self.param_groups: list[dict[str, Any]] = [{"params": checked(params), "lr": lr}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops every parameter's gradient, or zeroes it."""
        for group in self.param_groups:
            clear(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter; ``closure`` recomputes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with np.errstate(all="ignore"):
            for group in self.param_groups:
                params = [p for p in group["params"] if p._grad is not None]
                single = [p for p in params if p._array.dtype == np.float32]
                if single and fused_kernels():
                    twice = len({id(p._counted()) for p in single}) < len(single)
                    for batch in [[p] for p in single] if twice else [single]:
                        descend_fused(batch, group["lr"])
                    params = [p for p in params if p._array.dtype != np.float32]
                for p in params:
                    p._array -= p._array.dtype.type(group["lr"]) * p._grad._array
                    p._bump()
        return loss

    def __repr__(self) -> str:
        groups = "".join(
            f"Parameter Group {i}\n    lr: {group['lr']}\n"
            for i, group in enumerate(self.param_groups)
        )
        return f"SGD (\n{groups})"


def descend_fused(params: list[Any], lr: float) -> None:
    """p <- p - lr g for float32, rounded once: what a fused multiply-add gives.

    In float64 the product of two float32 numbers is exact, and the sum is rounded so far below
    float32's last place that rounding it once more changes about one update in 2**29. All
    parameters go as one vector, which is a few NumPy calls and not a few a parameter.
    """
    p64 = np.concatenate([p._array.reshape(-1) for p in params], dtype=np.float64)
    g64 = np.concatenate([p._grad._array.reshape(-1) for p in params], dtype=np.float64)
    p64 -= float(np.float32(lr)) * g64
    start = 0
    for p in params:
        stop = start + p._array.size
        p._array[...] = p64[start:stop].reshape(p._array.shape)
        p._bump()
        start = stop


def checked(params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list, refused where an update would go nowhere."""
    if isinstance(params, Tensor):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, but "
            "got torch.FloatTensor; put it into a list: [tensor]"
        )
    found = list(params)
    if not found:
        raise ValueError("optimizer got an empty parameter list")
    for p in found:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
            )
        if not p.is_leaf:
            raise ValueError("can't optimize a non-leaf Tensor: make it a leaf with .detach()")
    if len(set(map(id, found))) < len(found):
        warnings.warn(
            "optimizer contains a parameter group with duplicate parameters; in future, this will "
            "cause an error; see github.com/pytorch/pytorch/issues/40967 for more information",
            stacklevel=3,
        )
    return found
