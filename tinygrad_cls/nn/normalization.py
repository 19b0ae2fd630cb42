"""Batch normalization, as a function and as a layer."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes, ops
from .._state import no_grad, state
from ..creation import empty, ones, zeros
from ..dtypes import dtype as Dtype
from ..errors import not_a_tensor
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """(x - mean) / sqrt(var + eps) weight + bias, for each channel: each index of axis 1.

    ``input`` is (N, C) or (N, C, ...), the others (C,). While ``training``, mean and variance are
    the batch's (sum (x - mean)**2 / n), and the running ones, if given, move towards them by
    ``momentum``, running_var towards the unbiased variance, sum (x - mean)**2 / (n - 1). Else they
    are the running ones.

    float16 is computed in float32.

    >>> import tinygrad_cls as tg
    >>> batch_norm(tg.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("batch_norm", input)
    check_batch(input, training, eps)
    stats = {"running_mean": running_mean, "running_var": running_var}
    check_channels(input, stats | {"weight": weight, "bias": bias}, training)
    if not isinstance(momentum, int | float | Tensor):
        raise TypeError(
            f"batch_norm(): argument 'momentum' (position 7) must be float, not "
            f"{type(momentum).__name__}"
        )
    x = at_least_single(input)
    channels = (1, -1, *(1,) * (x.ndim - 2))

    def each(t: Any) -> Any:
        return ops.reshape(at_least_single(t), channels)

    centred: Any = x
    scale: Any = 1.0
    if training and x.numel():
        axes = (0, *range(2, x.ndim))
        mean = ops.mean(x, axes, True)
        centred = x - mean
        var = ops.mean(centred * centred, axes, True)
        scale = 1 / ops.sqrt(var + eps)
        if running_mean is not None and running_var is not None:
            n = x.numel() // x.shape[1]
            with no_grad():
                move(running_mean, mean, momentum)
                move(running_var, var * (n / (n - 1)), momentum)
    elif not training:
        centred = x - each(running_mean)
        scale = 1 / ops.sqrt(each(running_var) + eps)
    if weight is not None:
        scale = each(weight) * scale
    y = centred * scale
    if bias is not None:
        y = y + each(bias)
    return y.to(input.dtype)


def at_least_single(t: Tensor) -> Any:
    """The tensor, in float32 if it is of float16."""
    return t.float() if t.dtype is dtypes.float16 else t


def move(running: Tensor, towards: Tensor, momentum: Any) -> None:
    """running <- (1 - momentum) running + momentum towards, rounded once."""
    momentum = momentum.double() if isinstance(momentum, Tensor) else float(momentum)
    towards = ops.reshape(towards, running.shape).double()
    running.copy_(running.double() * (1 - momentum) + towards * momentum)


def check_batch(input: Tensor, training: bool, eps: float) -> None:
    """torch's errors for a batch whose variance is no number to divide by."""
    shape = input.shape
    if training and math.prod(shape[:1] + shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shape}: the "
            f"variance of one value is 0; use a larger batch, or eval()"
        )
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")


def check_channels(input: Tensor, given: dict[str, Any], training: bool) -> None:
    """torch's errors for tensors that are not one number a channel, in the input's dtype."""
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, t in given.items():
        if t is None:
            if name.startswith("running") and not training:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
            continue
        if not isinstance(t, Tensor):
            position = ("input", "weight", "bias", "running_mean", "running_var").index(name) + 1
            not_a_tensor("batch_norm", t, name, position)
        if t.numel() != channels:
            raise RuntimeError(
                f"{name} should contain {channels} elements not {t.numel()}: one for each channel, "
                f"which is axis 1 of an input of shape {tuple(input.shape)}"
            )
        if name.startswith("running") and state.grad_enabled and t.requires_grad:
            raise RuntimeError(
                f"The function 'native_batch_norm' is not differentiable with respect to argument "
                f"'{name}'. This input cannot have requires_grad True."
            )
    if (given["running_mean"] is None) != (given["running_var"] is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    check_dtypes(input, [t for t in given.values() if t is not None])


def check_dtypes(input: Tensor, others: list[Tensor]) -> None:
    """torch's errors for a mix of dtypes; a float16 input may go with float32."""
    kind = input.dtype
    if not input.is_floating_point():
        raise NotImplementedError(
            f"\"batch_norm\" not implemented for '{kind.title}': convert with .float()"
        )
    kinds = {t.dtype for t in others}
    if len(kinds) > 1 or not kinds <= {kind, dtypes.float32}:
        raise RuntimeError(
            f"mixed dtype (CPU): expect parameter to have scalar type of Float: the input is "
            f"{kind}, the others are {', '.join(sorted(map(str, kinds)))}"
        )
    if not kinds <= {kind} and kind is not dtypes.float16:
        raise RuntimeError(
            f"mixed dtype (CPU): all inputs must share same datatype. The input is {kind}, the "
            f"others are {dtypes.float32}"
        )


class BatchNorm1d(Module):
    """(x - mean) / sqrt(var + eps) weight + bias for each of ``num_features`` channels: (N, C) or
    (N, C, L), with mean and variance over N and L.

    While training they are the batch's, and the buffers ``running_mean`` and ``running_var`` move
    towards them by ``momentum`` (None: they are the plain mean over all batches); in evaluation
    mode they are these buffers. ``affine=False`` has no weight and bias, ``bias=False`` no bias,
    ``track_running_stats=False`` no buffers: then the batch's are taken in evaluation mode too.

    >>> import tinygrad_cls as tg
    >>> norm = BatchNorm1d(2)
    >>> norm(tg.tensor([[1.0, 0.0], [3.0, 4.0]]))
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]], grad_fn=<AddBackward0>)
    >>> norm.running_mean
    tensor([0.2000, 0.2000])
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

        def learned() -> Parameter:
            return Parameter(empty(num_features, dtype=dtype, device=device))

        self.register_parameter("weight", learned() if affine else None)
        self.register_parameter("bias", learned() if affine and bias else None)
        tracked: tuple[Any, ...] = (None, None, None)
        if track_running_stats:
            tracked = (
                zeros(num_features, dtype=dtype, device=device),
                ones(num_features, dtype=dtype, device=device),
                zeros((), dtype=dtypes.int64, device=device),
            )
        for name, t in zip(
            ("running_mean", "running_var", "num_batches_tracked"), tracked, strict=True
        ):
            self.register_buffer(name, t)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches."""
        if self.track_running_stats:
            self.running_mean.zero_()  # type: ignore[union-attr]
            self.running_var.fill_(1)  # type: ignore[union-attr]
            self.num_batches_tracked.zero_()  # type: ignore[union-attr]

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and the running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Any:
        if input.dim() not in (2, 3):
            raise ValueError(
                f"expected 2D or 3D input (got {input.dim()}D input): (N, C) or (N, C, L)"
            )
        update = self.training and self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        if update and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.double()
        mean, var = self.running_mean, self.running_var
        batch = self.training or (mean is None and var is None)
        if self.training and not self.track_running_stats:
            mean = var = None
        return batch_norm(input, mean, var, self.weight, self.bias, batch, momentum, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )
