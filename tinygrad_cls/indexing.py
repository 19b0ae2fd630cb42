"""From torch's indices to NumPy's: where the two disagree, torch wins."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._state import state
from .errors import said

Shape = tuple[int, ...]


def split_index(index: Any, shape: Shape) -> list[Any]:
    """One or two NumPy indices that, applied in turn, pick what torch's ``index`` picks.

    NumPy lets an integer beside an index array take part in the array's broadcasting, which moves
    axes to the front; torch takes the integers first. So the integers come first here too.
    IndexError, with torch's text, unless the index fits a tensor of this shape.

    >>> split_index((0, slice(None), [1, 2]), (2, 3, 4))[0]
    (0, slice(None, None, None), slice(None, None, None))
    """
    parts = [_part(p) for p in (index if isinstance(index, tuple) else _unwrapped(index))]
    spans = [p.ndim if _is_mask(p) else 0 if p is None or p is Ellipsis else 1 for p in parts]
    rest = len(shape) - sum(spans)
    if rest < 0:
        raise _too_many(parts, shape)
    if not _check(parts, spans, shape, rest):
        return [tuple(parts)]
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts[at : at + 1] = [slice(None)] * rest  # NumPy has ... part two arrays even if it's empty
    if not any(type(p) is int for p in parts):
        return [tuple(parts)]
    first: list[Any] = []
    second: list[Any] = []
    for p in parts:
        if type(p) is int:
            first.append(p)
        else:
            second.append(p)
            if p is not None:
                first.extend([slice(None)] * (p.ndim if _is_mask(p) else 1))
    return [tuple(first), tuple(second)]


def _unwrapped(index: Any) -> list[Any]:
    """The parts of an index that is no tuple: one, unless torch takes a list for a tuple."""
    if (
        isinstance(index, Sequence)
        and not isinstance(index, str)
        and len(index) < 32
        and any(
            p is None or p is Ellipsis or isinstance(p, slice | Sequence) or hasattr(p, "ndim")
            for p in index
            if not isinstance(p, np.generic)
        )
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be "
            "changed in pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will "
            "be interpreted as tensor index, x[torch.tensor(seq)], which will result either in an "
            "error or a different result",
            stacklevel=4,
        )
        return list(index)
    return [index]


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == np.bool_


def _part(p: Any) -> Any:
    """One index: an int, a slice, None, Ellipsis or an array of integers or booleans."""
    if type(p) is int or p is None or p is Ellipsis:
        return p
    if isinstance(p, slice):
        return _slice(p)
    if isinstance(p, bool | np.bool_):
        return np.asarray(p)
    if hasattr(p, "__index__") and not hasattr(p, "ndim"):
        return p.__index__()
    if isinstance(p, str):
        raise TypeError(f"new(): invalid data type 'str': an index is not {p!r}")
    if not (hasattr(p, "ndim") or isinstance(p, Sequence)):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(p).__name__})"
        )
    a = np.array(getattr(p, "_array", p))  # a copy: backward reads it later
    if state.recorder is not None and hasattr(p, "_array"):
        if a.dtype == np.uint8 or (a.ndim == 0 and a.dtype != np.bool_):
            state.recorder.refuses("use as an index")
        state.recorder.copies(p._array, a)
    if a.size == 0 and a.dtype.kind == "f" and not hasattr(p, "ndim"):
        a = a.astype(np.int64)  # an empty list
    if a.dtype == np.uint8 and hasattr(p, "_array"):
        if a.ndim:
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
                "instead.",
                stacklevel=5,
            )
        a = a != 0  # torch's old masks
    if a.dtype.kind not in "iub":
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, not {a.dtype}"
        )
    return int(a) if a.ndim == 0 and a.dtype.kind != "b" else a


def _slice(part: slice) -> slice:
    """The slice with whole bounds, and a step forward."""
    for bound in (part.start, part.stop, part.step):
        if bound is not None and not hasattr(bound, "__index__"):
            raise TypeError(
                f"slice indices must be integers or None or have an __index__ method, not {bound!r}"
            )
    start, stop, step = (
        None if b is None else b.__index__() for b in (part.start, part.stop, part.step)
    )
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step is not None and step < 0:
        raise ValueError(f"step must be greater than zero, not {step}; use .flip or an index array")
    return slice(start, stop, step)


def _check(parts: list[Any], spans: list[int], shape: Shape, rest: int) -> list[Any]:
    """Refuses, with torch's texts, what does not fit the axes. Returns the index arrays."""
    arrays = []
    axis = 0
    for p, span in zip(parts, spans, strict=True):
        if p is Ellipsis:
            axis += rest
        elif type(p) is int:
            if not -shape[axis] <= p < shape[axis]:
                raise _out_of_bounds(p, axis, shape)
        elif isinstance(p, np.ndarray):
            arrays.append(p)
            if p.dtype != np.bool_:
                if p.size and not shape[axis]:
                    raise said(
                        IndexError,
                        f"index is out of bounds for dimension with size 0: the shape is {shape}",
                    )
                for extreme in (p.min(), p.max()) if p.size else ():
                    if not -shape[axis] <= extreme < shape[axis]:
                        raise _out_of_bounds(extreme, axis, shape)
            elif p.shape != shape[axis : axis + span]:
                differs = [n != shape[axis + i] for i, n in enumerate(p.shape)].index(True)
                raise said(
                    IndexError,
                    f"The shape of the mask {list(p.shape)} at index {differs} does not match the "
                    f"shape of the indexed tensor {list(shape)} at index {axis + differs}",
                )
        axis += span
    if len(arrays) > 1:
        shapes = [(np.count_nonzero(a),) if a.dtype == np.bool_ else a.shape for a in arrays]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            raise said(
                IndexError,
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                f"{', '.join(str(list(s)) for s in shapes)}",
            ) from None
    return arrays


def _too_many(parts: list[Any], shape: Shape) -> Exception:
    if not shape and len(parts) == 1:
        if isinstance(parts[0], slice):
            return said(IndexError, "slice() cannot be applied to a 0-dim tensor.")
        if type(parts[0]) is int:
            return said(
                IndexError,
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number",
            )
    return said(
        IndexError, f"too many indices for tensor of dimension {len(shape)}: its shape is {shape}"
    )


def _out_of_bounds(index: int, axis: int, shape: Shape) -> Exception:
    return said(
        IndexError,
        f"index {index} is out of bounds for dimension {axis} with size {shape[axis]}: "
        f"the shape is {shape}",
    )
