"""Optimizers: what a gradient does to a parameter."""

from __future__ import annotations

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
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
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
                lr = group["lr"]
                lr32 = np.float32(lr)
                for p in group["params"]:
                    if p._grad is not None:
                        single = p._array.dtype == np.float32
                        descend(p._array, p._grad._array, lr32 if single else lr)
                        p._bump()
        return loss

    def __repr__(self) -> str:
        groups = "".join(
            f"Parameter Group {i}\n    lr: {group['lr']}\n"
            for i, group in enumerate(self.param_groups)
        )
        return f"SGD (\n{groups})"


def descend(p: Any, g: Any, lr: Any) -> None:
    """p <- p - lr g in place. float32 is computed in float64 and rounded once, which is what a
    fused multiply-add gives, where torch's kernels have one; else product and difference are
    rounded each.
    """
    if type(lr) is np.float32 and fused_kernels():
        p[...] = p.astype(np.float64) - g.astype(np.float64) * float(lr)
    else:
        p -= lr * g


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
    return found
