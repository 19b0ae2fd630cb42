"""Tensors from data, and tensors of a given shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .dtypes import dtype as Dtype
from .ops import sizes
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
    if isinstance(data, Tensor):
        array = np.array(data._array)
    elif isinstance(data, np.ndarray | np.generic):
        array = np.array(data)
        check_kind(array)
    else:
        array = from_sequence(data, dtype)
    return made(array, dtype, device, requires_grad)


def from_sequence(data: Any, dtype: Dtype | None) -> Any:
    """An array from Python numbers in nested sequences, in torch's dtype for them."""
    check_rectangular(data)
    try:
        array = np.array(plain(data))
    except OverflowError:
        raise ValueError(f"Overflow when unpacking long long: {data!r}") from None
    if (array.dtype.kind == "O" and isinstance(data, int)) or array.dtype == np.uint64:
        raise ValueError(f"Overflow when unpacking long long: {data!r} does not fit into int64")
    if array.dtype.kind not in "fiub":
        kind = "str" if array.dtype.kind in "US" else type(data).__name__
        if kind == "str":
            raise TypeError(f"new(): invalid data type 'str': {data!r}")
        raise RuntimeError(f"Could not infer dtype of {kind}: {data!r}")
    if dtype is not None:
        return fitting(array, dtypes.of(dtype))
    if array.size == 0 or (array.dtype == np.float64 and not holds_numpy(data)):
        return array.astype(dtypes.Default.dtype.numpy)
    return array


def fitting(array: Any, kind: Dtype) -> Any:
    """``array`` in ``kind``, refused where a whole number would wrap around."""
    if kind.numpy.kind in "iu" and array.size:
        limits = np.iinfo(kind.numpy)
        if array.min() < limits.min or array.max() > limits.max:
            raise RuntimeError(
                f"value cannot be converted to type {kind.name} without overflow: the values run "
                f"from {array.min()} to {array.max()}"
            )
    with np.errstate(all="ignore"):
        return array.astype(kind.numpy)


def plain(data: Any) -> Any:
    """``data`` with the tensors in it as NumPy values."""
    if isinstance(data, Tensor):
        return data._array
    if isinstance(data, list | tuple | range):
        return [plain(x) for x in data]
    return data


def holds_numpy(data: Any) -> bool:
    """Whether the first value is NumPy's or a tensor's, which has a dtype of its own."""
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic | Tensor)


def check_rectangular(data: Any, depth: int = 0) -> None:
    """ValueError with torch's text for the first row whose length differs."""
    if isinstance(data, list | tuple) and data and isinstance(data[0], list | tuple):
        for row in data:
            if not isinstance(row, list | tuple) or len(row) != len(data[0]):
                got = len(row) if isinstance(row, list | tuple) else type(row).__name__
                raise ValueError(
                    f"expected sequence of length {len(data[0])} at dim {depth + 1} (got {got}): "
                    f"the rows of a tensor are of one length"
                )
            check_rectangular(row, depth + 1)


def check_kind(array: Any) -> None:
    """TypeError for an array of a dtype that no tensor has."""
    if array.dtype.newbyteorder("=") not in dtypes.OF_NUMPY:
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype.type.__module__}."
            f"{array.dtype.type.__name__}. The only supported types are: "
            f"{', '.join(d.name for d in dtypes.DTYPES)}."
        )


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the array's memory.

    >>> a = np.zeros(2); t = from_numpy(a); a[0] = 5; t
    tensor([5., 0.], dtype=torch.float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    check_kind(array)
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().)"
        )
    result = new(array)
    result._shared = True
    return result


def as_tensor(data: Any, dtype: Dtype | None = None, device: Any = None) -> Tensor:
    """``data`` itself if it is a tensor, memory shared with it if it is an array, else a copy."""
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if isinstance(data, Tensor):
        converted: Tensor = data.to(device=device, dtype=dtype)
        return converted
    return tensor(data, dtype=dtype, device=device)


def shaped(name: str, fill: Callable[[Any, Any], Any]) -> Callable[..., Tensor]:
    """``zeros`` and its like: a function of the shape, given as one tuple or as several ints."""

    def create(
        *size: Any,
        dtype: Dtype | None = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        shape = tuple(n.__index__() for n in sizes(size))
        if any(n < 0 for n in shape):
            raise RuntimeError(f"{name}: Dimension size must be non-negative: {shape}")
        kind = dtypes.Default.dtype if dtype is None else dtypes.of(dtype)
        return made(fill(shape, kind.numpy), None, device, requires_grad)

    create.__name__ = name
    create.__doc__ = f"A tensor of a given shape: ``{name}(2, 3)`` or ``{name}((2, 3))``."
    return create


def like(create: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``zeros_like`` from ``zeros``: the shape, and by default the dtype, of another tensor."""

    def create_like(
        input: Tensor, *args: Any, dtype: Dtype | None = None, **options: Any
    ) -> Tensor:
        return create(input.shape, *args, dtype=dtype or input.dtype, **options)

    create_like.__name__ = f"{create.__name__}_like"
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
    kind = tensor(fill_value).dtype if dtype is None else dtypes.of(dtype)
    return made(np.full(sizes((size,)), fill_value, kind.numpy), None, device, requires_grad)


zeros_like, ones_like, empty_like, full_like = map(like, (zeros, ones, empty, full))


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below ``end``; int64 where all three are whole numbers.

    >>> arange(3), arange(0.0, 1.0, 0.5)
    (tensor([0, 1, 2]), tensor([0.0000, 0.5000]))
    """
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: from {start} to {end} by "
            f"{step}"
        )
    whole = all(isinstance(x, int | np.integer) for x in (start, end, step))
    kind = dtypes.of(dtype) if dtype else dtypes.int64 if whole else dtypes.Default.dtype
    n = -(-(end - start) // step) if whole else int(np.ceil((end - start) / step))
    values = start + np.arange(n) * step
    return made(np.asarray(values).astype(kind.numpy), None, device, requires_grad)


def linspace(
    start: float,
    end: float,
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
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, not {steps}")
    kind = (dtypes.of(dtype) if dtype else dtypes.Default.dtype).numpy
    # torch computes in the result's precision, from both ends towards the middle
    step = kind.type((end - start) / (steps - 1)) if steps > 1 else kind.type(0)
    index = np.arange(steps).astype(kind)
    low, high = kind.type(start) + step * index, kind.type(end) - step * index[::-1]
    return made(np.where(np.arange(steps) < steps // 2 if steps > 1 else True, low, high),
                kind, device, requires_grad)  # fmt: skip


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix, zeros elsewhere."""
    kind = dtypes.of(dtype) if dtype else dtypes.Default.dtype
    return made(np.eye(n, m, dtype=kind.numpy), None, device, requires_grad)


class LegacyType:
    """``torch.FloatTensor`` and its like: makes, converts to and recognises one dtype."""

    def __init__(self, kind: Dtype) -> None:
        self.legacy_dtype = kind
        self.__name__ = f"{kind.title}Tensor"

    def __repr__(self) -> str:
        return f"<class 'torch.{self.__name__}'>"

    def __call__(self, *data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return made(np.array(plain(data[0])).astype(self.legacy_dtype.numpy), None, None, False)
        return empty(*data, dtype=self.legacy_dtype)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is self.legacy_dtype


(FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor,
 BoolTensor) = map(LegacyType, dtypes.DTYPES)  # fmt: skip


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a Tensor."""
    return isinstance(x, Tensor)


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()
