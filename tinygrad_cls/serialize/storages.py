"""Memory that tensors share: from arrays to storages, torch's word for it, and back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import dtype as Dtype
from .refused import FileRefused

Array = np.ndarray[Any, Any]


class Place(NamedTuple):
    """Where an array lies: in which storage, from which element, by which steps in elements."""

    storage: int
    offset: int
    strides: tuple[int, ...]


class Group:
    """Arrays of one dtype whose addresses overlap, from ``low`` to ``high``."""

    def __init__(self, low: int, first: Array) -> None:
        self.low = low
        self.high = low + extent(first)
        self.arrays = [first]

    def takes(self, a: Array, low: int) -> bool:
        """Whether ``a``, which begins at ``low``, overlaps with the group."""
        same = a.dtype == self.arrays[0].dtype
        return same and low < self.high and (low - self.low) % a.itemsize == 0

    def memory(self) -> Array:
        """A copy of the stretch of memory, with zeros where no array of the group looks."""
        kind = self.arrays[0].dtype
        copy = np.zeros((self.high - self.low) // kind.itemsize, kind)
        for a in self.arrays:
            if a.size:
                once = a[tuple(slice(1) if step == 0 else slice(None) for step in a.strides)]
                start = address(a) - self.low
                np.ndarray(once.shape, kind, copy, start, once.strides)[...] = once
        return copy


def address(a: Array) -> int:
    """Where the first element lies."""
    return int(a.ctypes.data)


def extent(a: Array) -> int:
    """How many bytes from the first element to the end of the last."""
    last = sum((n - 1) * step for n, step in zip(a.shape, a.strides, strict=True))
    return last + a.itemsize if a.size else 0


def steps(a: Array) -> tuple[int, ...]:
    """The strides in elements; without elements, those of the C order, as in torch."""
    if a.size:
        return tuple(step // a.itemsize for step in a.strides)
    return tuple(math.prod(max(n, 1) for n in a.shape[i + 1 :]) for i in range(a.ndim))


def regular(a: Array) -> bool:
    """Whether the steps are such as torch knows: forward, in whole elements."""
    return all(step >= 0 and step % a.itemsize == 0 for step in a.strides)


def allocate(arrays: list[Array]) -> tuple[list[Array], list[Place]]:
    """Storages for ``arrays``, each as long as is looked at, and the place of every array in them.

    Arrays that overlap in memory share a storage, and their views of it are kept. Storages are
    numbered in the order in which ``arrays`` first use them.
    """
    arrays = [a if regular(a) else np.array(a, order="C") for a in arrays]
    group_of: dict[int, Group] = {}
    group = None
    for i in sorted(range(len(arrays)), key=lambda i: (arrays[i].dtype.str, address(arrays[i]))):
        a, low = arrays[i], address(arrays[i])
        if not a.size:
            group_of[i] = Group(low, a)
        elif group is not None and group.takes(a, low):
            group_of[i] = group
            group.arrays.append(a)
            group.high = max(group.high, low + extent(a))
        else:
            group_of[i] = group = Group(low, a)
    groups = list({id(group_of[i]): group_of[i] for i in range(len(arrays))}.values())
    number = {id(group): n for n, group in enumerate(groups)}
    places = []
    for i, a in enumerate(arrays):
        offset = (address(a) - group_of[i].low) // a.itemsize
        places.append(Place(number[id(group_of[i])], offset, steps(a)))
    return [group.memory() for group in groups], places


def little(a: Array) -> bytes:
    """The elements in C order, little-endian."""
    return a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes()


def from_bytes(raw: bytes, kind: Dtype, big: bool = False) -> Array:
    """A writable vector of the elements in ``raw``, which are little-endian unless ``big``."""
    if len(raw) % kind.itemsize:
        raise FileRefused(f"{len(raw)} bytes are no whole number of {kind.name} elements")
    if kind.name == "bool" and raw.translate(None, b"\0\1"):
        raise FileRefused("a byte of a bool tensor is neither 0 nor 1")
    return np.frombuffer(raw, kind.numpy.newbyteorder(">" if big else "<")).astype(kind.numpy)
