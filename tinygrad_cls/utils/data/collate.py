"""From samples to a batch, as PyTorch puts them together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ... import ops
from ...creation import as_tensor, tensor
from ...dtypes import float64
from ...tensor import Tensor


def default_collate(batch: Any) -> Any:
    """Samples as one batch: tensors and arrays stacked, numbers as a tensor, containers within.

    Of n samples, tensors of shape (...) become one of (n, ...); Python floats become float64,
    integers int64; strings stay a list. Dicts, lists and named tuples keep their type, and a tuple
    becomes a list. TypeError for anything else, RuntimeError where shapes or lengths differ.

    >>> default_collate([(tensor([1.0, 2.0]), 0), (tensor([3.0, 4.0]), 1)])
    [tensor([[1., 2.],
            [3., 4.]]), tensor([0, 1])]
    """
    sample = batch[0]
    if isinstance(sample, Tensor):
        return ops.stack(batch, 0)
    if isinstance(sample, np.ndarray):
        if sample.dtype.kind in "SUO":
            raise unsuitable(sample.dtype)
        return ops.stack([as_tensor(array) for array in batch], 0)
    if isinstance(sample, np.bool_ | np.number):  # before float: np.float64 is one too
        return as_tensor(batch)
    if isinstance(sample, float):
        return tensor(batch, dtype=float64)
    if isinstance(sample, int):
        return tensor(batch)
    if isinstance(sample, str | bytes):
        return batch
    if isinstance(sample, Mapping):
        parts = {key: default_collate([other[key] for other in batch]) for key in sample}
        return refilled(sample, parts)
    if isinstance(sample, Sequence):
        named = hasattr(sample, "_fields")
        if not named and any(len(other) != len(sample) for other in batch):
            raise RuntimeError(
                "each element in list of batch should be of equal size, but the lengths are "
                f"{sorted({len(other) for other in batch})}: pad the samples, or pass a collate_fn"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=False)]
        return type(sample)(*columns) if named else refilled(sample, columns)
    raise unsuitable(type(sample))


def default_convert(data: Any) -> Any:
    """One sample with its NumPy arrays and numbers as tensors, containers as `default_collate`."""
    if isinstance(data, np.ndarray | np.generic) and data.dtype.kind not in "SUO":
        return as_tensor(data)
    if isinstance(data, Mapping):
        return refilled(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        parts = [default_convert(part) for part in data]
        return type(data)(*parts) if hasattr(data, "_fields") else refilled(data, parts)
    return data


def refilled(container: Any, parts: Any) -> Any:
    """A container like this one that holds ``parts``: a copy where it can be written to.

    A copy keeps what the type has beside its items. As in torch a tuple becomes a list, and so
    does what cannot be built from one, such as a range; a mapping then becomes a dict.
    """
    fill: Callable[[Any], Any] = type(container)
    if isinstance(container, tuple):
        return parts
    try:
        if isinstance(container, MutableMapping | MutableSequence):
            filled = copy.copy(container)
            for key, part in parts.items() if isinstance(parts, dict) else enumerate(parts):
                filled[key] = part
            return filled
        return fill(parts)
    except TypeError:
        return parts


def unsuitable(kind: Any) -> TypeError:
    """torch's error for what makes no batch."""
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{kind}. Convert it in the dataset, or pass a collate_fn that does"
    )
