"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor, new
from .arithmetic import Vector, axpy
from .optimizer import Optimizer, Params, check_integral, check_kernels, check_rate, number
from .packing import Batch


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum μ, dampening τ and weight decay λ.

    Of every parameter p that has a gradient g::

        g <- -g                  if maximize
        g <- g + λ p
        b <- g                   in the parameter's first step
             μ b + (1 - τ) g     in a later one                     if μ != 0
        g <- g + μ b             if nesterov, else b                if μ != 0
        p <- p - lr g

    A parameter without a gradient is left alone: it neither decays nor coasts. ``lr`` is a number
    or a tensor with one element. ``foreach`` and ``fused`` are accepted and change no number
    (torch's own fused kernel parts from its others in last places). Float32 and float64 have
    torch's bits, but for the rare result that `axpy` rounds twice; float16 is within a few
    roundings.

    ``state[p]["momentum_buffer"]`` is b.

    >>> import tinygrad_cls as tg
    >>> p = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (3 * p).sum().backward()
    ...     optimizer.step()
    >>> p, optimizer.state[p]["momentum_buffer"]
    (tensor([0.1300], requires_grad=True), tensor([5.7000]))
    """

    _since = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"Nesterov momentum requires a momentum and zero dampening, not momentum "
                f"{momentum} and dampening {dampening}"
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_kernels(foreach, fused, differentiable)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter; ``closure`` recomputes the loss, which is returned."""
        loss = self._loss(closure)
        for i, group in enumerate(self.param_groups):
            batches = self._batches(i)
            if group["momentum"] == 0:
                for batch in batches:
                    self._update(batch, group)
            else:
                for first, batch in [part for b in batches for part in b.split(self._is_new)]:
                    self._update(batch, group, first)
        return loss

    def _is_new(self, p: Tensor) -> bool:
        return self.state[p].get("momentum_buffer") is None

    @np.errstate(all="ignore")  # nan and inf are values here, as in torch
    def _update(self, batch: Batch, group: dict[str, Any], first: bool = True) -> None:
        if batch.integral:
            check_integral(batch.params[0], group, ("weight_decay", "momentum", "dampening", "lr"))
        tensors: dict[str, list[Any]] = {
            "value": batch.params,
            "gradient": [p._grad for p in batch.params],
        }
        changed = ["value"]
        if group["momentum"] != 0:
            states = [self.state[p] for p in batch.params]
            for p, remembered in zip(batch.params, states, strict=True):
                if first:
                    remembered["momentum_buffer"] = new(np.zeros(p._array.shape, p._array.dtype))
            tensors["momentum_buffer"] = [remembered["momentum_buffer"] for remembered in states]
            batch.check_state("momentum_buffer", tensors["momentum_buffer"])
            changed.append("momentum_buffer")
        options = {
            "maximize": bool(group["maximize"]),
            "decays": bool(number(group["weight_decay"]) != 0),
            "first": first,
            "nesterov": bool(group["nesterov"]),
        }
        self._replace(batch, sgd, options, (numbers, group), tensors, changed)


def numbers(group: dict[str, Any]) -> list[Any]:
    """-lr, weight decay, and, with momentum, it and 1 - dampening."""
    found = [-number(group["lr"]), number(group["weight_decay"])]
    if group["momentum"] != 0:
        found += [number(group["momentum"]), 1 - number(group["dampening"])]
    return found


def sgd(
    p: Vector,
    g: Vector,
    *others: Any,
    maximize: bool,
    decays: bool,
    first: bool,
    nesterov: bool,
) -> tuple[Vector, ...]:
    """The parameter after a step, and the momentum buffer if there is momentum.

    ``others``: the buffer if there is momentum, then the `numbers`.
    """
    if len(others) == 2:
        rate, decay = others
    else:
        b, rate, decay, momentum, share = others
    if maximize:
        g = -g
    if decays:
        g = axpy(decay, p, g)
    if len(others) == 2:
        return (axpy(rate, g, p),)
    b = g if first else axpy(share, g, momentum * b)
    g = axpy(momentum, b, g) if nesterov else b
    return axpy(rate, g, p), b
