"""From torch's indices to NumPy's: where the two disagree, torch wins."""

from __future__ import annotations

from typing import Any

import numpy as np


def split_index(index: Any, ndim: int) -> list[Any]:
    """One or two NumPy indices that, applied in turn, pick what torch's ``index`` picks.

    NumPy lets an integer beside an index array take part in the array's broadcasting, which moves
    axes to the front; torch takes the integers first. So the integers come first here too.

    >>> split_index((0, slice(None), [1, 2]), 3)[0]
    (0, slice(None, None, None), slice(None, None, None))
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [_part(p) for p in parts]
    if not any(isinstance(p, np.ndarray) for p in parts):
        return [tuple(parts)]
    if not any(isinstance(p, int) for p in parts):
        return [tuple(parts)]
    spans = [p.ndim if _is_mask(p) else 0 if p is None else 1 for p in parts if p is not Ellipsis]
    rest = [slice(None)] * max(ndim - sum(spans), 0)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts[at : at + 1] = rest
    first: list[Any] = []
    second: list[Any] = []
    for p in parts:
        if isinstance(p, int):
            first.append(p)
        else:
            second.append(p)
            if p is not None:
                first.extend([slice(None)] * (p.ndim if _is_mask(p) else 1))
    return [tuple(first), tuple(second)]


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == np.bool_


def _part(p: Any) -> Any:
    """One index: an int, a slice, None, Ellipsis or an array of integers or booleans."""
    if p is None or p is Ellipsis:
        return p
    if isinstance(p, slice):
        bounds = [None if b is None else b.__index__() for b in (p.start, p.stop, p.step)]
        if bounds[2] is not None and bounds[2] <= 0:
            raise ValueError(
                f"step must be greater than zero, not {bounds[2]}; use .flip or an index array"
            )
        return slice(*bounds)
    if isinstance(p, bool | np.bool_):
        return np.asarray(p)
    if hasattr(p, "__index__") and not hasattr(p, "ndim"):
        return p.__index__()
    if isinstance(p, float | str | dict):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(p).__name__})"
        )
    a = np.asarray(p)
    if a.size == 0 and a.dtype.kind == "f" and not hasattr(p, "ndim"):
        a = a.astype(np.int64)  # an empty list
    if a.dtype == np.uint8:
        a = a != 0  # torch's old masks
    if a.dtype.kind not in "iub":
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, not {a.dtype}"
        )
    if a.ndim == 0 and a.dtype.kind != "b":
        return int(a)
    return a
