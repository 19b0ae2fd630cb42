"""Adam: gradients scaled by the running size of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor, new
from .arithmetic import axpy, lerp
from .optimizer import Optimizer, Params, check_integral, check_kernels, check_rate
from .packing import Batch


class Adam(Optimizer):
    r"""Adam (Kingma & Ba, ICLR 2015) with betas β1 and β2 and weight decay λ.

    Of every parameter p that has a gradient g, in its step number t = 1, 2, ...::

        g <- -g                            if maximize
        p <- p - lr λ p                    if decoupled_weight_decay (AdamW), else
        g <- g + λ p
        m <- β1 m + (1 - β1) g             a running mean of g, from 0
        v <- β2 v + (1 - β2) g²            and of g², from 0
        u <- v, or the largest v so far    if amsgrad
        p <- p - lr m / (1 - β1^t) / (√(u / (1 - β2^t)) + eps)

    A parameter without a gradient is left alone, and its t stands still. ``lr`` and the betas
    are numbers or tensors with one element. ``foreach`` and ``fused`` are accepted and change no
    number; ``capturable`` needs a GPU, so that ``step`` refuses it, as torch's does on a CPU.

    ``state[p]`` holds ``step`` (t), ``exp_avg`` (m), ``exp_avg_sq`` (v) and, if amsgrad,
    ``max_exp_avg_sq`` (u). From equal parameters and gradients m, v and u have torch's bits in
    float32 and float64, but for the rare result that `axpy` rounds twice. torch's square root is
    the one of Intel's MKL, which is up to one unit in the last place off, so that p parts from
    torch's by about as much of its update.

    >>> import tinygrad_cls as tg
    >>> p = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.1)
    >>> (3 * p).sum().backward(); optimizer.step(); p
    tensor([0.9000], requires_grad=True)
    """

    _since = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_rate(lr, "lr", bool(foreach) and not capturable)
        if not 0.0 <= lr <= math.inf:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps <= math.inf:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        if not 0.0 <= weight_decay <= math.inf:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not any(all(isinstance(beta, kind) for beta in betas[:2]) for kind in (float, Tensor)):
            raise ValueError("betas must be either both floats or both Tensors")
        for i in (0, 1):
            check_rate(betas[i], f"betas[{i}]", bool(foreach) and not capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(b.squeeze() if isinstance(b, Tensor) else b for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_kernels(foreach, fused, differentiable)

    def _complete(self, groups: list[dict[str, Any]], state: dict[Any, Any]) -> None:
        super()._complete(groups, state)
        for group in groups:
            for p in group["params"]:
                if state.get(p) and not isinstance(state[p]["step"], Tensor):
                    state[p]["step"] = new(np.array(state[p]["step"], step_dtype(group)))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter; ``closure`` recomputes the loss, which is returned."""
        loss = self._loss(closure)
        for number, group in enumerate(self.param_groups):
            batches = self._batches(number)
            for batch in batches:
                self._begin(batch, group)
            for batch in batches:
                for steps, part in batch.split(lambda p: float(self.state[p]["step"])):
                    self._update(part, group, steps + 1)
        return loss

    def _begin(self, batch: Batch, group: dict[str, Any]) -> None:
        """What a parameter remembers, at its first step."""
        if group["capturable"] and not group["fused"]:
            devices = ["cuda", "xpu", "hpu", "privateuseone", "xla"]
            raise AssertionError(
                f"If capturable=True, params and state_steps must be on supported devices: "
                f"{devices[: 4 if group['foreach'] else 5]}. This engine runs on the CPU."
            )
        if group["foreach"]:
            check_rate(group["lr"], number_only=True, kind=RuntimeError)
        if batch.integral:
            p = batch.params[0]
            check_integral(p, group, ["weight_decay"])
            raise NotImplementedError(
                f'"lerp_kernel_scalar" not implemented for {p.dtype.title!r}: Adam divides; '
                f"convert the parameter of shape {tuple(p.shape)} with .float()"
            )
        for p in batch.params:
            state = self.state[p]
            if not state:
                state["step"] = new(np.zeros((), step_dtype(group)))
                largest = ["max_exp_avg_sq"] if group["amsgrad"] else []
                for name in ["exp_avg", "exp_avg_sq", *largest]:
                    state[name] = new(np.zeros(p._array.shape, p._array.dtype))

    @np.errstate(all="ignore")  # nan and inf are values here, as in torch
    def _update(self, batch: Batch, group: dict[str, Any], t: float) -> None:
        states = [self.state[p] for p in batch.params]
        steps, averages, squares = (
            [state[name] for state in states] for name in ("step", "exp_avg", "exp_avg_sq")
        )
        lr, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        p = batch.read("value", batch.params)
        g = batch.read("gradient", [q._grad for q in batch.params])
        m, v = batch.read_state("exp_avg", averages), batch.read_state("exp_avg_sq", squares)
        if group["maximize"]:
            g = -g
        if decay != 0:
            if group["decoupled_weight_decay"]:
                p = float(1 - lr * decay) * p
            else:
                g = axpy(float(decay), p, g)
        m = lerp(m, g, float(1 - beta1))
        v = u = axpy(float(1 - beta2) * g, g, float(beta2) * v)
        if group["amsgrad"]:
            largest = [state["max_exp_avg_sq"] for state in states]
            u = np.maximum(batch.read_state("max_exp_avg_sq", largest), v)
            batch.write("max_exp_avg_sq", u, largest)
        size = np.sqrt(u) / float((1 - beta2**t) ** 0.5) + float(group["eps"])
        rate = -float(lr / (1 - beta1**t))
        batch.write("exp_avg", m, averages)
        batch.write("exp_avg_sq", v, squares)
        batch.write("value", p + rate * m / size, batch.params)
        for step in steps:
            step._array += 1
            step._bump()


def step_dtype(group: dict[str, Any]) -> Any:
    """Of the tensor that counts the steps: float64 if that is the default, else float32."""
    single = group["fused"] or group["capturable"] or dtypes.Default.dtype is not dtypes.float64
    return np.float32 if single else np.float64
