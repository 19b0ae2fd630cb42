"""What safetensors and ``.npz`` can hold: tensors by name, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..tensor import Tensor, new

Array = np.ndarray[Any, Any]


def arrays(obj: Any, suffix: str) -> dict[str, Array]:
    """The arrays of a flat state dict, in C order."""
    fix = f"a {suffix} file holds a dict of tensors alone; save to .pt for anything else"
    if not isinstance(obj, Mapping):
        raise TypeError(f"save: a {type(obj).__name__} is no dict of tensors: {fix}")
    for key, value in obj.items():
        if not isinstance(key, str):
            raise TypeError(f"save: the key {key!r} is a {type(key).__name__}, no string: {fix}")
        if not isinstance(value, Tensor):
            kind = type(value)
            raise TypeError(
                f"save: the key {key!r} holds a {kind.__module__}.{kind.__qualname__}: {fix}"
            )
        if not key.isprintable() or not key.strip():
            raise ValueError(f"save: the key {key!r} can't name a tensor in a {suffix} file")
    return {key: np.array(value._array, order="C") for key, value in obj.items()}


def tensors(found: Iterable[tuple[str, Array]]) -> dict[str, Tensor]:
    """Tensors of arrays that nobody else holds."""
    return {name: new(array) for name, array in found}
