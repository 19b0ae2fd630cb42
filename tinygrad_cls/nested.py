"""From nested Python data, and from sizes, to arrays: torch's rules, its dtypes, its refusals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np

from . import dtypes
from .dtypes import dtype as Dtype

Array = np.ndarray[Any, Any]


def array_of(data: Any, dtype: Dtype | None = None) -> Array:
    """A new array from a number, nested sequences or an array, in ``dtype`` or torch's choice.

    Python's floats take the default dtype and its integers int64; NumPy's values and tensors keep
    their own; a mix is promoted. ValueError for ragged rows, RuntimeError for numbers that the
    dtype can't hold.

    >>> array_of([[1, 2.5]]), array_of([True, np.int8(3)])
    (array([[1. , 2.5]], dtype=float32), array([1, 3], dtype=int8))
    """
    if not isinstance(data, Sequence) and hasattr(data, "__array__"):
        array = np.array(checked(np.asarray(data)))
        with np.errstate(all="ignore"):
            return array if dtype is None else array.astype(dtype.numpy)
    shape, leaves = flattened(data)
    if not set(map(type, leaves)) <= {float, int, bool}:
        leaves = [single(x, dtype) for x in leaves]
    kinds = [kind_of(kind) for kind in set(map(type, leaves))] or [dtypes.Default.dtype.numpy]
    kind = reduce(dtypes.promoted, kinds) if dtype is None else dtype.numpy
    return numbers(leaves, kind, None if dtype is None else dtype.name).reshape(shape)


def flattened(data: Any) -> tuple[list[int], list[Any]]:
    """The shape of nested sequences, as the first row of each level has it, and the elements.

    >>> flattened([[1, 2], (3, 4)])
    ([2, 2], [1, 2, 3, 4])
    """
    shape: list[int] = []
    first, level = data, [data]
    while is_sequence(first):
        for row in level:
            if not is_sequence(row):
                raise TypeError(f"not a sequence: {row!r}, in the place of a row of {len(first)}")
            if len(row) != len(first):
                raise ValueError(
                    f"expected sequence of length {len(first)} at dim {len(shape)} (got "
                    f"{len(row)}): the rows of a tensor are of one length"
                )
        shape.append(len(first))
        level = [*chain.from_iterable(level)]
        first = level[0] if level else None
    if isinstance(first, str) and shape:
        raise ValueError(f"too many dimensions 'str': {first!r} is not a number")
    return shape, level


def is_sequence(x: Any) -> bool:
    """Whether ``x`` is a row rather than an element."""
    return bool(x.ndim) if isinstance(x, np.ndarray) else (
        isinstance(x, Sequence) and not isinstance(x, str)
    )  # fmt: skip


def single(x: Any, dtype: Dtype | None) -> Any:
    """The element ``x``, as a NumPy scalar if it has a dtype of its own."""
    if hasattr(x, "_array"):
        return x._array.dtype.type(x._scalar())
    if isinstance(x, np.ndarray):
        return checked(x)[()]
    if isinstance(x, str):
        raise TypeError(f"new(): invalid data type 'str': {x!r} is not a number")
    if not isinstance(x, float | int | np.generic):
        if isinstance(x, list | tuple) or dtype is not None:
            raise TypeError(f"must be real number, not {type(x).__name__}: {x!r}")
        raise RuntimeError(f"Could not infer dtype of {type(x).__name__}: {x!r}")
    return x


def kind_of(kind: type) -> np.dtype[Any]:
    """The dtype of elements of a Python or NumPy type."""
    if issubclass(kind, np.generic):
        return dtypes.of(kind).numpy
    if issubclass(kind, float):
        return dtypes.Default.dtype.numpy
    return np.dtype(bool if issubclass(kind, bool) else np.int64)


def numbers(values: list[Any], kind: np.dtype[Any], name: str | None) -> Array:
    """An array of Python and NumPy numbers; refused where one would overflow integers.

    ``name`` is how torch calls the dtype that was asked for. Like torch, unsigned integers take
    negative numbers, which wrap around.
    """
    if kind.kind not in "iu":
        with np.errstate(over="ignore"):
            return np.array(values, np.float64 if kind.kind == "f" else None).astype(kind)
    bounds = np.iinfo(kind)
    try:
        whole = [*map(int, values)]  # ValueError for nan, OverflowError for inf
        fits = all(-bounds.max - (kind.kind == "i") <= n <= bounds.max for n in whole)
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        if name is None:
            raise ValueError(f"Overflow when unpacking long long: int64 does not hold {values}")
        raise RuntimeError(f"value cannot be converted to type {name} without overflow: {values}")
    return np.array(whole, np.int64).astype(kind)


def checked(array: Array) -> Array:
    """``array``, if a tensor may hold it: TypeError for its dtype, ValueError for its layout."""
    kind = array.dtype
    if kind.newbyteorder("=") not in dtypes.OF_NUMPY:
        raise TypeError(
            f"can't convert np.ndarray of type {kind.type.__module__}.{kind.type.__name__}. The "
            f"only supported types are: {', '.join(d.name for d in dtypes.DTYPES)}."
        )
    if not kind.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    if any(step < 0 for step in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().)"
        )
    return array


def legacy(kind: Dtype, data: tuple[Any, ...]) -> Array:
    """What ``Tensor(*data)`` and its like hold: the numbers in a sequence, or any, of given sizes.

    >>> legacy(dtypes.float32, ([1, 2],)), legacy(dtypes.int64, (2, 0)).shape
    (array([1., 2.], dtype=float32), (2, 0))
    """
    if not data:
        return np.empty(0, kind.numpy)
    first = data[0]
    if len(data) > 1 or type(first) is int or isinstance(first, dtypes.Size):
        return np.empty(shape_of("new", data), kind.numpy)
    if not hasattr(first, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__}): {first!r}")
    array = first._looked_at("a copy by a type") if hasattr(first, "_array") else first
    return array_of(array, kind)


def shape_of(
    name: str, given: tuple[Any, ...], size: Any = None, position: int = 1
) -> tuple[int, ...]:
    """The shape from ``name(2, 3)``, ``name((2, 3))`` or ``name(size=(2, 3))``.

    >>> shape_of("zeros", (2, 3)), shape_of("zeros", ([2, 3],)), shape_of("zeros", (), (2, 3))
    ((2, 3), (2, 3), (2, 3))
    """
    if size is None:
        size = given[0] if len(given) == 1 and not counts(given[0]) else given
    argument = f"{name}(): argument 'size'"
    wanted = f"{argument} (position {position}) must be tuple of ints"
    if not isinstance(size, tuple | list):
        raise TypeError(f"{wanted}, not {type(size).__name__}")
    for i, n in enumerate(size):
        kind = type(n).__name__
        if not counts(n) and i:
            raise TypeError(
                f'{argument} failed to unpack the object at pos {i + 1} with error "type must be '
                f'tuple of ints,but got {kind}"'
            )
        if not counts(n) or (not i and kind == "bool"):
            wrong = f"not {kind}" if size is given else f"but found element of type {kind} at pos 0"
            raise TypeError(f"{wanted}, {wrong}")
    shape = tuple(n.__index__() for n in size)
    for n in shape:
        if n < 0:
            also = "zeros: Dimension size must be non-negative. " * (name == "zeros")
            raise RuntimeError(
                f"{also}Trying to create tensor with negative dimension {n}: {list(shape)}"
            )
    return shape


def counts(n: Any) -> bool:
    """Whether ``n`` is a whole number."""
    return hasattr(n, "__index__")
