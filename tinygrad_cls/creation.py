"""Tensors from data, and tensors of a given shape."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from ._state import state
from .dtypes import asked
from .dtypes import dtype as Dtype
from .errors import not_a_tensor
from .nested import array_of, checked, legacy, numbers, shape_of
from .tensor import Tensor, new


def made(array: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A leaf of ``array``, in ``dtype`` if one is given."""
    if device is not None:
        dtypes.on_cpu(device)
    if dtype is not None:
        array = np.asarray(array, dtypes.of(dtype).numpy)
    result = new(array)
    if requires_grad:
        if result._array.dtype.kind != "f":
            raise RuntimeError(
                f"Only Tensors of floating point and complex dtype can require gradients, not "
                f"{result.dtype}"
            )
        result._requires_grad = True
    return result


def tensor(
    data: Any, *, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A leaf with a copy of ``data``: a number, nested sequences, an array or a tensor.

    Python floats give the default dtype (float32), integers int64, NumPy values their own dtype.
    Raises ValueError for ragged data, RuntimeError for a dtype that can't hold the values.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    kind = None if dtype is None else asked("tensor", dtype)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach()."
            "clone() or sourceTensor.detach().clone().requires_grad_(True), rather than "
            "torch.tensor(sourceTensor).",
            stacklevel=2,
        )
        copied = made(array_of(data._array, kind), None, device, requires_grad)
        if state.recorder is not None:
            state.recorder.copies(data._array, copied._array)
        return copied
    return made(array_of(data, kind), None, device, requires_grad)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the array's memory.

    >>> a = np.zeros(2); t = from_numpy(a); a[0] = 5; t
    tensor([5., 0.], dtype=torch.float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    result = new(checked(array))
    result._shared = True
    return result


def as_tensor(data: Any, dtype: Dtype | None = None, device: Any = None) -> Tensor:
    """``data`` itself if it is a tensor, memory shared with it if it is an array, else a copy."""
    kind = None if dtype is None else asked("as_tensor", dtype)
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if isinstance(data, Tensor):
        converted: Tensor = data.to(device=device, dtype=kind)
        return converted
    return made(array_of(data, kind), None, device, False)


def shaped(name: str, fill: Callable[[Any, Any], Any]) -> Callable[..., Tensor]:
    """``zeros`` and its like: a function of the shape, given as one tuple or as several ints."""

    def create(
        *sizes: Any,
        size: Any = None,
        dtype: Dtype | None = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        if not sizes and size is None:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
        array = fill(shape_of(name, sizes, size), asked(name, dtype).numpy)
        return made(array, None, device, requires_grad)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"A tensor of a given shape: ``{name}(2, 3)`` or ``{name}((2, 3))``."
    return create


def like(create: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``zeros_like`` from ``zeros``: the shape, and by default the dtype, of another tensor."""
    name = f"{create.__name__}_like"

    def create_like(
        input: Tensor, *args: Any, dtype: Dtype | None = None, **options: Any
    ) -> Tensor:
        if not isinstance(input, Tensor):
            not_a_tensor(name, input)
        return create(input.shape, *args, dtype=asked(name, dtype, input.dtype), **options)

    create_like.__name__ = create_like.__qualname__ = name
    create_like.__doc__ = f"``{create.__name__}`` with the shape and the dtype of ``input``."
    return create_like


zeros = shaped("zeros", np.zeros)
ones = shaped("ones", np.ones)
empty = shaped("empty", np.empty)


def full(
    size: Any,
    fill_value: float,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ``size`` with every element ``fill_value``, in the dtype of that number.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    value = number("full", "fill_value", 2, fill_value)
    kind = asked("full", dtype, dtypes.of_number(value))
    filling = numbers([value], kind.numpy, f"{kind.name}_t")[0]
    array = np.full(shape_of("full", (), size), filling, kind.numpy)
    return made(array, None, device, requires_grad)


def number(name: str, argument: str, position: int, x: Any, kind: str = "Number") -> int | float:
    """The Python number ``x``, or that in a 0-d tensor or NumPy scalar; else torch's TypeError."""
    if isinstance(x, Tensor | np.ndarray | np.generic) and x.ndim == 0:
        return x.item()  # type: ignore[no-any-return]
    if isinstance(x, float | int):
        return x
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be {kind}, not "
        f"{type(x).__name__}"
    )


def whole(name: str, argument: str, position: int, x: Any) -> int:
    """The whole number ``x``; else torch's TypeError."""
    if hasattr(x, "__index__") and not isinstance(x, bool) and not getattr(x, "ndim", 0):
        return x.__index__()  # type: ignore[no-any-return]
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be int, not {type(x).__name__}"
    )


zeros_like, ones_like, empty_like, full_like = map(like, (zeros, ones, empty, full))


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below ``end``; int64 where all three are whole numbers.

    >>> arange(3), arange(0.0, 1.0, 0.5)
    (tensor([0, 1, 2]), tensor([0.0000, 0.5000]))
    """
    if start is None and end is None:
        raise TypeError(
            "arange() received an invalid combination of arguments - got (), but expected one of: "
            "end; start and end; start, end and step"
        )
    if start is None or end is None:
        start, end = 0, number("arange", "end", 1, end if start is None else start)
    bounds = [number("arange", *what) for what in (("start", 1, start), ("end", 2, end))]
    bounds.append(number("arange", "step", 3, step))
    integral = all(isinstance(x, int) for x in bounds)
    kind = asked("arange", dtype, dtypes.int64 if integral else None)
    if not all(map(math.isfinite, bounds)):
        raise RuntimeError(f"unsupported range: {start} -> {end}: the bounds must be finite")
    if kind is dtypes.int64:
        bounds = [*map(int, bounds)]
    first, last, by = bounds
    if by == 0:
        raise RuntimeError("step must be nonzero")
    if (last - first) * by < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: from {first} to {last} by "
            f"{by}"
        )
    n = -(-(last - first) // by) if integral else math.ceil((last - first) / by)
    return made((first + np.arange(n) * by).astype(kind.numpy), None, device, requires_grad)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, at equal distances.

    >>> linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    first, last = number("linspace", "start", 1, start), number("linspace", "end", 2, end)
    n = whole("linspace", "steps", 3, steps)
    if n < 0:
        raise RuntimeError(f"number of steps must be non-negative, not {n}")
    kind = asked("linspace", dtype).numpy
    # torch computes from both ends towards the middle: floats in the result's precision, and
    # whole numbers, between whole bounds, in float64
    real: Any = kind.type if kind.kind == "f" else np.float64
    if real is not kind.type:
        first, last = int(first), int(last)
    step = real((last - first) / (n - 1)) if n > 1 else real(0)
    index = np.arange(n).astype(real)
    low, high = real(first) + step * index, real(last) - step * index[::-1]
    values = np.where(np.arange(n) < n // 2 if n > 1 else True, low, high)
    return made(values.astype(kind), None, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix, zeros elsewhere."""
    rows = whole("eye", "n", 1, n)
    columns = rows if m is None else whole("eye", "m", 2, m)
    for name, size in (("n", rows), ("m", columns)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    array = np.eye(rows, columns, dtype=asked("eye", dtype).numpy)
    return made(array, None, device, requires_grad)


class LegacyType:
    """``torch.FloatTensor`` and its like: makes, converts to and recognises one dtype."""

    def __init__(self, kind: Dtype) -> None:
        self.legacy_dtype = kind
        self.__name__ = f"{kind.title}Tensor"

    def __repr__(self) -> str:
        return f"<class 'torch.{self.__name__}'>"

    def __call__(self, *data: Any) -> Tensor:
        return new(legacy(self.legacy_dtype, data))

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is self.legacy_dtype


(FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor,
 BoolTensor) = map(LegacyType, dtypes.DTYPES)  # fmt: skip


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a Tensor."""
    return isinstance(x, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a float."""
    return input.is_floating_point()


def result_type(tensor1: Any, tensor2: Any) -> Dtype:
    """The dtype that arithmetic gives two tensors, or a tensor and a number.

    >>> result_type(ones(2, dtype=dtypes.int32), 1.5)
    torch.float32
    """
    return dtypes.of(dtypes.result_type([getattr(x, "_array", x) for x in (tensor1, tensor2)]))


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()
