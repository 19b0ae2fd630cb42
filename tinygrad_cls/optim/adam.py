"""Adam: gradients scaled by the running size of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from .._state import state
from ..tensor import Tensor, new
from .arithmetic import Vector, axpy, lerp
from .optimizer import Optimizer, Params, check_integral, check_kernels, check_rate, number
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
        for i, group in enumerate(self.param_groups):
            batches = self._batches(i)
            for batch in batches:
                self._begin(batch, group)
            for batch in batches:
                for _, part in batch.split(lambda p: float(number(self.state[p]["step"]))):
                    self._update(part, group)
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
            remembered = self.state[p]
            if not remembered:
                remembered["step"] = new(np.zeros((), step_dtype(group)))
                largest = ["max_exp_avg_sq"] if group["amsgrad"] else []
                for name in ["exp_avg", "exp_avg_sq", *largest]:
                    remembered[name] = new(np.zeros(p._array.shape, p._array.dtype))

    @np.errstate(all="ignore")  # nan and inf are values here, as in torch
    def _update(self, batch: Batch, group: dict[str, Any]) -> None:
        states = [self.state[p] for p in batch.params]
        names = ["exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * bool(group["amsgrad"])]
        tensors: dict[str, list[Any]] = {
            "value": batch.params,
            "gradient": [p._grad for p in batch.params],
        }
        for name in names:
            tensors[name] = [remembered[name] for remembered in states]
            batch.check_state(name, tensors[name])
        options = {
            "maximize": bool(group["maximize"]),
            "decays": bool(number(group["weight_decay"]) != 0),
            "decoupled": bool(group["decoupled_weight_decay"]),
            "near": bool(1 - number(group["betas"][0]) < 0.5),
        }
        source = numbers, (group, states[0]["step"])
        if state.recorder is not None:
            counts = [remembered["step"] for remembered in states]
            state.recorder.requires(lambda: len({number(count).item() for count in counts}) == 1)
        self._replace(batch, adam, options, source, tensors, ["value", *names])
        for remembered in states:
            count = remembered["step"]
            if state.recorder is not None:
                state.recorder.counts(count)
            count._array += 1
            count._bump()


def numbers(source: tuple[dict[str, Any], Tensor]) -> list[float]:
    """What `adam` multiplies with: from the options, and the count of the steps before."""
    group, step = source
    lr, decay = number(group["lr"]), number(group["weight_decay"])
    beta1, beta2 = map(number, group["betas"])
    t = float(number(step)) + 1
    shrink = 1 - lr * decay if group["decoupled_weight_decay"] else decay
    root = (1 - beta2**t) ** 0.5
    found = (shrink, 1 - beta1, beta2, 1 - beta2, root, group["eps"], -(lr / (1 - beta1**t)))
    return [float(x) for x in found]


def adam(
    p: Vector,
    g: Vector,
    m: Vector,
    v: Vector,
    *others: Any,
    maximize: bool,
    decays: bool,
    decoupled: bool,
    near: bool,
) -> tuple[Vector, ...]:
    """The parameter and its running averages after a step.

    ``others``: the largest v so far if amsgrad, then the `numbers`.
    """
    *largest, decay, weight, beta2, share, root, eps, rate = others
    if maximize:
        g = -g
    if decays and decoupled:
        p = decay * p
    elif decays:
        g = axpy(decay, p, g)
    m = lerp(m, g, weight, near)
    v = axpy(share * g, g, beta2 * v)
    u = [np.maximum(w, v) for w in largest]
    size = np.sqrt(u[0] if u else v) / root + eps
    return p + rate * m / size, m, v, *u


def step_dtype(group: dict[str, Any]) -> Any:
    """Of the tensor that counts the steps: float64 if that is the default, else float32."""
    single = group["fused"] or group["capturable"] or dtypes.Default.dtype is not dtypes.float64
    return np.float32 if single else np.float64
