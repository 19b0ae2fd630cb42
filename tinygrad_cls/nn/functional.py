"""The layers and losses as functions."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from .. import ops
from ..dtypes import bool_
from ..ops import linear, logsigmoid, one_hot, sigmoid, softplus, tanh
from ..tensor import Tensor

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "linear",
    "log_softmax",
    "logsigmoid",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]

REDUCTIONS = ("none", "mean", "sum")


def implicit_dim(name: str, x: Tensor, dim: int | None) -> int:
    """torch's guess for a softmax without ``dim``, with torch's warning."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        f"dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if x.ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Any:
    """e**x / sum e**x along ``dim``, in ``dtype`` if one is given."""
    x = input if dtype is None else input.to(dtype)
    return ops.softmax(x, implicit_dim("softmax", x, dim))


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Any:
    """log softmax(x) along ``dim``, in ``dtype`` if one is given."""
    x = input if dtype is None else input.to(dtype)
    return ops.log_softmax(x, implicit_dim("log_softmax", x, dim))


def relu(input: Tensor, inplace: bool = False) -> Any:
    """max(x, 0), element by element; ``inplace`` overwrites the input."""
    return input.relu_() if inplace else ops.relu(input)


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction; the values are "
            f"{', '.join(REDUCTIONS)}"
        )


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Any:
    """-(t log p + (1 - t) log(1 - p)) at p = sigmoid(x), without computing p.

    ``input`` holds logits x of any size, ``target`` t of the same shape and of floating point,
    usually 0 or 1; the loss has the target's dtype. Computed as (1 - t) x - log sigmoid x, gradient
    (sigmoid x - t) / N: torch's formulas, so that both engines round alike.

    >>> import tinygrad_cls as tg
    >>> binary_cross_entropy_with_logits(tg.tensor([0.0, 1e4]), tg.tensor([1.0, 1.0]))
    tensor(0.3466)
    """
    check_reduction(reduction)
    if not (input.is_floating_point() and target.is_floating_point()):
        refuse_integers(input, target)
    if target.itemsize >= input.itemsize:
        return ops.binary_cross_entropy_with_logits(input, target, reduction)
    # torch computes in the target's memory: the values are rounded to its dtype before they add up
    loss = ops.binary_cross_entropy_with_logits(input, target, reduction="none").to(target.dtype)
    return loss if reduction == "none" else getattr(loss, reduction)()


def refuse_integers(input: Tensor, target: Tensor) -> NoReturn:
    """torch's errors for logits or targets of binary cross-entropy that are not floats."""
    if not input.is_floating_point():
        raise NotImplementedError(
            f"\"log_sigmoid_cpu\" not implemented for '{input.dtype.title}': logits are of "
            f"floating point; convert them with .float()"
        )
    if target.dtype is bool_:
        ops.sub(target, target)  # raises torch's error for booleans
    raise RuntimeError(
        f"result type Float can't be cast to the desired output type {target.dtype.title}: the "
        f"target must be of floating point; convert it with .float()"
    )


def cross_entropy(
    input: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """-log softmax(x)[t]: the negative log-likelihood of class t under logits x.

    ``input`` is (N, C), (N, C, d1, ...) or (C,); ``target`` holds class indices, int64 or uint8,
    of the shape without C. Rows whose target is ``ignore_index`` count for nothing; the mean is
    over the others, and nan if there are none.

    >>> import tinygrad_cls as tg
    >>> cross_entropy(tg.tensor([[2.0, 0.0], [0.0, 1e4]]), tg.tensor([0, 1]))
    tensor(0.0635)
    """
    check_reduction(reduction)
    for position, (name, x) in enumerate({"input": input, "target": target}.items(), 1):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"cross_entropy_loss(): argument '{name}' (position {position}) must be Tensor, "
                f"not {type(x).__name__}"
            )
    check_labels(input, target)
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.reshape((1,))
        loss = cross_entropy(input, target, ignore_index=ignore_index, reduction=reduction)
        return loss.squeeze(0) if reduction == "none" else loss
    return ops.nll(
        ops.log_softmax(input, 1), target, reduction=reduction, ignore_index=ignore_index
    )


def check_labels(input: Tensor, target: Tensor) -> None:
    """torch's errors for targets that are no class indices for this input."""
    n, shape, given = input.ndim, (*input.shape[:1], *input.shape[2:]), list(target.shape)
    fix = f"an input of shape {tuple(input.shape)} takes class indices of shape {shape}"
    if target.shape == input.shape:
        raise RuntimeError(
            f"class probabilities (a target of the input's shape) are not supported: {fix}"
            if target.is_floating_point()
            else f"Expected floating point type for target with class probabilities, got "
            f"{target.dtype.title}; {fix}"
        )
    if n == 0:
        raise IndexError(
            "Dimension out of range (expected to be in range of [-1, 0], but got 1): "
            "the input needs an axis of classes"
        )
    batch = target.shape[0] if target.ndim else 0
    if n > 1 and batch != input.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({batch}). "
            f"{fix}"
        )
    if n <= 2 and target.ndim > 1:
        raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported; {fix}")
    if n == 4 and target.ndim != 3:
        raise RuntimeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: "
            f"{target.ndim}; {fix}"
        )
    if n not in (1, 2, 4) and tuple(target.shape) != shape:
        raise RuntimeError(f"Expected target size {list(shape)}, got {given}; {fix}")
    if target.dtype.name not in ("int64", "uint8"):
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {target.dtype.title}; convert it "
            f"with .long()"
        )
    if n == 1 and target.numel() != 1:
        raise ValueError(
            f"For 1D input, 1D target must have size 1, but got target size: {target.numel()}"
        )
    if n == 4 and tuple(target.shape) != shape:
        raise RuntimeError(
            f"size mismatch (got input: {list(input.shape)} , target: {given}; {fix}"
        )
