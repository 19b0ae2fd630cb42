"""The losses as functions: torch's formulas, options, defaults and errors.

``reduction`` is "mean", "sum" or "none" in all of them. torch's older ``size_average`` and
``reduce`` are refused: Python says that there is no such argument.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, NoReturn

import numpy as np

from .. import ops
from .._state import state
from ..dtypes import bool_, uint8
from ..errors import not_a_tensor, sizes_must_match
from ..kernels import ratio, same_size
from ..tensor import Tensor, apply

REDUCTIONS = ("none", "mean", "sum")
NO_WEIGHT = 1
"""What the table's nll takes for the weight where there is none."""


def check_reduction(reduction: str) -> None:
    """torch's error for another word."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction; the values are "
            f"{', '.join(REDUCTIONS)}"
        )


def reduced(loss: Tensor, reduction: str) -> Any:
    """The loss's mean or sum, or the loss itself."""
    return loss if reduction == "none" else getattr(loss, reduction)()


def check_tensors(name: str, **arguments: Any) -> None:
    """torch's error for what is no tensor; a weight may be None."""
    for position, (argument, x) in enumerate(arguments.items(), 1):
        if not isinstance(x, Tensor) and not (x is None and "weight" in argument):
            not_a_tensor(name, x, argument, position)


def check_sized(name: str, **arguments: Any) -> None:
    """torch's errors, of losses that compare sizes first, for what is no tensor."""
    for position, (argument, x) in enumerate(arguments.items(), 1):
        if isinstance(x, np.ndarray | np.generic):
            not_a_tensor(name, x, argument, position)
        if not isinstance(x, Tensor):
            raise AttributeError(
                f"'{type(x).__name__}' object has no attribute 'size': {name}() takes tensors; "
                f"make one with tensor(...)"
            )


def check_constant(name: str, **arguments: Tensor | None) -> None:
    """torch's error for a weight that requires grad: the losses have no derivative for it."""
    for argument, x in arguments.items():
        if x is not None and x.requires_grad and state.grad_enabled:
            raise RuntimeError(
                f"The function '{name}' is not differentiable with respect to argument "
                f"'{argument}'. This input cannot have requires_grad True. Pass "
                f"{argument}.detach()"
            )


def check_fits(first: Any, second: Any, shape: Any) -> None:
    """torch's errors for two shapes whose broadcast is not ``shape``."""
    try:
        grown = np.broadcast_shapes(first, second)
    except ValueError:
        raise RuntimeError(f"{sizes_must_match([first, second])} {FIT} {tuple(shape)}") from None
    if grown != shape:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(grown)}. "
            f"{FIT} {tuple(shape)}"
        )


FIT = "A weight must broadcast to the loss's shape"


# --- two classes ---------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Any:
    """-w (p t log s + (1 - t) log(1 - s)) at s = sigmoid(x), without computing s.

    ``input`` holds logits x of any size, ``target`` t of the same shape and of floating point,
    usually 0 or 1; the loss has the target's dtype. ``weight`` w and ``pos_weight`` p, the weight
    of the positive answer, broadcast to that shape and are constants. The mean divides by the
    number of elements, not by the sum of the weights. Computed as (1 - t) x - log s ((p - 1) t +
    1), gradient (s - t) / N: torch's formulas, so that both engines round alike.

    >>> import tinygrad_cls as tg
    >>> binary_cross_entropy_with_logits(tg.tensor([0.0, 1e4]), tg.tensor([1.0, 1.0]))
    tensor(0.3466)
    """
    check_reduction(reduction)
    if weight is None and pos_weight is None and type(input) is type(target) is Tensor:
        kind = input._array.dtype
        if kind is target._array.dtype and kind.kind == "f":  # the usual case, the shortest way
            bce = ops.binary_cross_entropy_with_logits
            return apply(bce, (input, target), {"reduction": reduction})
    name = "binary_cross_entropy_with_logits"
    check_sized(name, target=target, input=input)
    same_size(input, target)
    check_tensors(name, input=input, target=target, weight=weight, pos_weight=pos_weight)
    check_constant(name, weight=weight, pos_weight=pos_weight)
    if not floats(input, target):
        refuse_integers(input, target)
    if pos_weight is None:
        loss = ops.binary_cross_entropy_with_logits(input, target, reduction="none")
    else:
        if pos_weight.dtype is bool_:
            ops.sub(pos_weight, 1)  # raises torch's error for booleans
        check_fits(pos_weight.shape, target.shape, target.shape)
        common = input.dtype if input.itemsize > target.itemsize else target.dtype
        loss = ops.positively_weighted(input, target, pos_weight.to(common))
    # torch computes in the target's memory: values are rounded to its dtype before they add up
    loss = loss.to(target.dtype)
    if weight is not None:
        check_fits(loss.shape, weight.shape, loss.shape)
        loss = (loss * weight).to(loss.dtype)
    return reduced(loss, reduction)


def floats(x: Any, t: Any) -> bool:
    """Whether both are tensors of floating point."""
    both = isinstance(x, Tensor) and isinstance(t, Tensor)
    return both and x.is_floating_point() and t.is_floating_point()


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


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Any:
    """-w (t log q + (1 - t) log(1 - q)) of probabilities q, each logarithm at least -100.

    ``input`` q and ``target`` t lie in [0, 1] and are of one shape and dtype. At q = 0 or 1 the
    slope is cut to 1e12 as in torch. Prefer
    :func:`binary_cross_entropy_with_logits`: there no digit of q is lost near 1.

    >>> import tinygrad_cls as tg
    >>> binary_cross_entropy(tg.tensor([0.5, 0.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931, 100.0000])
    """
    check_reduction(reduction)
    name = "binary_cross_entropy"
    check_sized(name, target=target, input=input)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        check_sized(name, weight=weight)
        check_expands(weight.shape, target.shape)
    check_constant(name, weight=weight)
    for what, x in (("input", input), ("target", target)):
        if x.dtype is not input.dtype:
            raise RuntimeError(
                f"Found dtype {x.dtype.title} but expected {input.dtype.title}: input and target "
                f"must be of one dtype"
            )
        check_probabilities(x, what)
    loss = ops.binary_cross_entropy(input, target)
    if weight is not None:
        check_fits(loss.shape, weight.shape, loss.shape)
        loss = (loss * weight).to(loss.dtype)
    return reduced(loss, reduction)


def check_probabilities(x: Tensor, what: str) -> None:
    """torch's error for what lies outside of [0, 1]."""

    def check(a: Any) -> None:
        low, high = (float(a.min()), float(a.max())) if a.size else (0.0, 0.0)
        if not 0 <= low <= high <= 1:
            raise RuntimeError(
                f"all elements of {what} should be between 0 and 1: they run from {low:g} to "
                f"{high:g}{'; logits go to binary_cross_entropy_with_logits' * (what == 'input')}"
            )

    check(x._array)
    if state.recorder is not None:
        state.recorder.checks(check, x._array)


def check_expands(shape: Any, target: Any) -> None:
    """torch's error for a weight of probabilities that does not broadcast with the target."""
    common = [1] * (len(shape) - len(target)) + list(target)
    for axis in range(-1, -1 - len(shape), -1):
        if common[axis] == 1:
            common[axis] = shape[axis]
        elif shape[axis] not in (1, common[axis]):
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {shape[axis]} at {axis}! "
                f"Mismatching argument at index 1 had {shape}; but expected shape should be "
                f"broadcastable to {common}"
            )


# --- many classes --------------------------------------------------------------------------------


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-sum_c w_c q_c log softmax(x)_c: of logits x against classes or class probabilities q.

    ``input`` is (N, C), (N, C, d1, ...) or (C,). ``target`` holds either class indices of the shape
    without C, int64 (uint8 too, where there is no d1), or probabilities q of the input's shape.
    ``weight`` w, (C,), is a constant for indices.

    Indices: rows whose target is ``ignore_index`` count for nothing; the mean divides by the sum
    of w over the targets of the others. If there are none it is nan, and the gradient 0.
    Probabilities need not add up to 1; the mean divides by the number of rows, whatever the
    weights; gradients flow to them. ``label_smoothing`` e mixes the target with the uniform
    distribution: (1 - e) q + e / C.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([[2.0, 0.0], [0.0, 1e4]])
    >>> cross_entropy(x, tg.tensor([0, 1]))
    tensor(0.0635)
    >>> cross_entropy(x, tg.tensor([0, 1]), label_smoothing=0.5, reduction="none")
    tensor([6.2693e-01, 2.5000e+03])
    >>> cross_entropy(x, tg.tensor([[0.5, 0.5], [0.0, 1.0]]))
    tensor(0.5635)
    """
    check_reduction(reduction)
    name = "cross_entropy_loss"
    check_tensors(name, input=input, target=target, weight=weight)
    check_index(name, ignore_index)
    check_number(name, 6, label_smoothing=label_smoothing)
    if target.shape == input.shape:
        return of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    check_smoothing(label_smoothing)
    if input.ndim == 0:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-1, 0], but got 1): {AXIS}"
        )
    log_p = ops.log_softmax(input, 0 if input.ndim == 1 else 1)
    loss = nll(log_p, target, weight, ignore_index, reduction)
    if not label_smoothing > 0:
        return loss
    uniform = smoothed(log_p, target, weight, ignore_index, reduction)
    return (1 - label_smoothing) * loss + uniform * share(label_smoothing, input)


AXIS = "the input needs an axis of classes"


def check_index(name: str, ignore_index: Any) -> None:
    """torch's error for an ignore_index that is no int, which a truth value isn't either."""
    if not hasattr(ignore_index, "__index__") or isinstance(ignore_index, bool):
        raise TypeError(
            f"{name}(): argument 'ignore_index' (position 5) must be int, not "
            f"{type(ignore_index).__name__}"
        )


def check_number(name: str, position: int, **option: Any) -> None:
    """torch's error for an option that is no number."""
    ((argument, x),) = option.items()
    if not hasattr(x, "__float__"):
        raise TypeError(
            f"{name}(): argument '{argument}' (position {position}) must be float, not "
            f"{type(x).__name__}"
        )


def check_smoothing(label_smoothing: float) -> None:
    """torch's error for more smoothing than there is. Less than none counts as none."""
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")


def classes(input: Tensor) -> int:
    """The number of classes."""
    return int(input.shape[0 if input.ndim == 1 else 1])


def share(label_smoothing: float, input: Tensor) -> float:
    """What smoothing gives to every class; of no classes infinite, as torch's division has it."""
    return ratio(float(label_smoothing), classes(input))


def along_classes(weight: Tensor, input: Tensor) -> Any:
    """The weight of every class in a shape that broadcasts against the input's."""
    return weight.reshape((-1,) + (1,) * max(input.ndim - 2, 0))


def smoothed(
    log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Any:
    """-sum_c w_c log p_c, reduced as the likelihood of the targets is: smoothing's other half.

    The mean divides by the sum of w over the targets, though all weights are in the numerator: as
    torch does.
    """
    terms = log_p if weight is None else log_p * along_classes(weight, log_p)
    ignored = target == ignore_index
    loss = ops.masked_fill(-terms.sum(0 if log_p.ndim == 1 else 1), ignored, 0)
    if reduction != "mean":
        return reduced(loss, reduction)
    if weight is None:
        return loss.sum() / (~ignored).sum()
    if len(weight):  # without classes all rows are ignored
        label = ops.masked_fill(target, ignored, 0).flatten()
        if target.dtype is uint8:  # torch refuses it, unless there is none to look up
            return loss.sum() / weight.gather(0, target[~ignored]).sum()
        weight = ops.masked_fill(weight.gather(0, label), ignored.flatten(), 0)
    return loss.sum() / weight.sum()


def of_probabilities(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Any:
    """Cross entropy against class probabilities."""
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got "
            f"{target.dtype.title}: class indices have the input's shape {tuple(input.shape)} "
            f"without the axis of classes"
        )
    if ignore_index >= 0:
        raise RuntimeError(
            f"ignore_index is not supported for floating point target: it is {ignore_index}"
        )
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as 1 but tensor has no dimensions: {AXIS}")
    if weight is not None:
        check_weight(weight, classes(input), "cross_entropy: ")
    check_smoothing(label_smoothing)
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + share(label_smoothing, input)
    axis = 0 if input.ndim == 1 else 1
    terms = ops.log_softmax(input, axis) * target
    if weight is not None:
        terms = terms * along_classes(weight, input)
    if reduction == "none":
        return -terms.sum(axis)
    rows = input.numel() // classes(input) if classes(input) else 0
    total = -terms.sum()
    return total if reduction == "sum" else total / (rows if input.numel() else float("nan"))


def check_weight(weight: Tensor, count: int, prefix: str = "", grid: bool = False) -> None:
    """torch's errors for a weight that isn't one number a class; for a grid it has other words."""
    if tuple(weight.shape) != (count,):
        some = "all or no classes" if grid else f"all {count} classes or no classes"
        raise RuntimeError(
            f"{prefix}weight tensor should be defined either for {some} but got weight tensor of "
            f"shape: {list(weight.shape)}"
        )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """-w_t z_t: the likelihood of class t, of log-probabilities z as ``log_softmax`` gives them.

    Shapes, ``weight``, ``ignore_index`` and the mean are those of :func:`cross_entropy`.

    >>> import tinygrad_cls as tg
    >>> nll_loss(tg.tensor([[-1.0, -2.0], [-3.0, -4.0]]), tg.tensor([0, 1]))
    tensor(2.5000)
    """
    check_reduction(reduction)
    check_tensors("nll_loss_nd", input=input, target=target, weight=weight)
    check_index("nll_loss_nd", ignore_index)
    if input.ndim == 0:
        raise ValueError(
            "Expected 1 or more dimensions (got 0): the input needs an axis of classes"
        )
    return nll(input, target, weight, ignore_index, reduction)


def nll(
    log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Any:
    """The likelihood, after torch's checks; an unbatched row is a batch of one."""
    check_labels(log_p, target)
    if not log_p.is_floating_point():
        raise NotImplementedError(
            f"\"nll_loss_out_frame\" not implemented for '{log_p.dtype.title}': log-probabilities "
            f"are of floating point"
        )
    grid = log_p.ndim > 2
    if weight is not None:
        check_constant("nll_loss2d_forward" if grid else "nll_loss_forward", weight=weight)
        check_weight(weight, classes(log_p), grid=grid)
        if weight.dtype is not log_p.dtype:
            raise RuntimeError(
                f"expected scalar type {log_p.dtype.title} but found {weight.dtype.title}: the "
                f"weight must have the input's dtype"
            )
    if grid and target.dtype is uint8:
        raise RuntimeError(
            "expected scalar type Long but found Byte: the labels of a grid are no bytes; convert "
            "them with .long()"
        )
    w = NO_WEIGHT if weight is None else weight
    if log_p.ndim > 1:
        return ops.nll(log_p, target, w, reduction=reduction, ignore_index=ignore_index)
    row = log_p.unsqueeze(0), target.reshape((1,))
    loss = ops.nll(*row, w, reduction=reduction, ignore_index=ignore_index)
    return loss.squeeze(0) if reduction == "none" else loss


def check_labels(input: Tensor, target: Tensor) -> None:
    """torch's errors for targets that are no class indices for this input."""
    n, shape, given = input.ndim, (*input.shape[:1], *input.shape[2:]), list(target.shape)
    shape = () if n == 1 else shape
    fix = f"an input of shape {tuple(input.shape)} takes class indices of shape {shape}"
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
    if n == 2 and target.ndim == 0:  # which an empty batch lets pass so far
        raise IndexError(f"Dimension specified as 0 but tensor has no dimensions; {fix}")
    if n == 1 and target.numel() != 1:
        raise ValueError(
            f"For 1D input, 1D target must have size 1, but got target size: {target.numel()}"
        )
    if n == 4 and tuple(target.shape) != shape:
        raise RuntimeError(
            f"size mismatch (got input: {list(input.shape)} , target: {given}; {fix}"
        )


# --- distances -----------------------------------------------------------------------------------


def distance(
    name: str, each: Any, input: Tensor, target: Tensor, reduction: str, weight: Tensor | None
) -> Any:
    """``each(input, target)``, weighted and reduced; the weighted mean divides by the weights."""
    check_sized(name, target=target, input=input)
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            f"Please ensure they have the same size.",
            stacklevel=3,
        )
    if weight is None:
        check_reduction(reduction)
        return reduced(each(input, target), reduction)
    check_sized(name, weight=weight)
    if weight.shape != input.shape:
        raise ValueError(
            f"Weights and input must have the same size. They have the shapes "
            f"{tuple(weight.shape)} and {tuple(input.shape)}"
        )
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'."
        )
    loss = each(input, target) * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


def apart(input: Tensor, target: Tensor) -> Any:
    """``|x - t|``, element by element."""
    return ops.abs(ops.sub(input, target))


def mse_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Any:
    """(x - t)**2, element by element.

    >>> import tinygrad_cls as tg
    >>> mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 5.0]))
    tensor(4.5000)
    """
    return distance("mse_loss", ops.squared_error, input, target, reduction, weight)


def l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Any:
    """``|x - t|``, element by element; at x = t the slope is 0.

    >>> import tinygrad_cls as tg
    >>> l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 5.0]))
    tensor(1.5000)
    """
    return distance("l1_loss", apart, input, target, reduction, weight)


def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """d**2 / (2 beta) where d = ``|x - t|`` < beta, else d - beta / 2; for beta 0, d itself.

    >>> import tinygrad_cls as tg
    >>> smooth_l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.5, 5.0]), reduction="none")
    tensor([0.1250, 2.5000])
    """
    name = "smooth_l1_loss"
    check_number(name, 4, beta=beta)
    if not beta >= 0:
        raise RuntimeError(f"{name} does not support negative values for beta. It is {beta}")
    each = partial(ops.smooth_l1, beta=float(beta)) if beta else apart
    return distance(name, each, input, target, reduction, None)
