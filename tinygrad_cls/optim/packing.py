"""Many small parameters as one vector: a few NumPy calls a step, not a few a parameter."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from operator import is_
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..callsite import caller
from ..tensor import Tensor
from .arithmetic import Vector


class Batch:
    """Parameters of one dtype, in memory of their own, that are updated together.

    ``read`` lays tensors end to end in a vector, which is good until the next ``read`` of that
    name; ``write`` takes a vector apart.
    """

    def __init__(self, params: list[Tensor]) -> None:
        self.params = params
        self.integral = params[0]._array.dtype.kind != "f"
        self._vectors: dict[str, tuple[Vector, list[Vector]]] = {}

    def _vector(self, name: str) -> tuple[Vector, list[Vector]]:
        found = self._vectors.get(name)
        if found is None:
            arrays = [p._array for p in self.params]
            stops = np.cumsum([a.size for a in arrays])
            whole = np.empty(stops[-1], arrays[0].dtype)
            parts = [whole[stop - a.size : stop] for a, stop in zip(arrays, stops, strict=True)]
            shaped = [part.reshape(a.shape) for part, a in zip(parts, arrays, strict=True)]
            found = self._vectors[name] = whole, shaped
        return found

    def read(self, name: str, tensors: Sequence[Any]) -> Vector:
        """Tensors of the parameters' shapes as one vector."""
        whole, parts = self._vector(name)
        for part, tensor in zip(parts, tensors, strict=True):
            part[...] = tensor._array
        return whole

    def check_state(self, name: str, tensors: Sequence[Any]) -> None:
        """Errors for what will be written, and a user may have loaded for another model."""
        for tensor, p in zip(tensors, self.params, strict=True):
            check_writable(tensor)
            if tensor.shape != p.shape:
                raise RuntimeError(
                    f"The size of tensor a {tuple(tensor.shape)} must match the size of tensor b "
                    f"{tuple(p.shape)}: {name!r} has not the shape of its parameter; was the state "
                    f"that of another model?"
                )

    def write(self, name: str, vector: Vector, tensors: Sequence[Any]) -> None:
        """The vector's parts into tensors, one write each."""
        whole, parts = self._vector(name)
        whole[...] = vector
        called = caller()
        for part, tensor in zip(parts, tensors, strict=True):
            tensor._array[...] = part
            tensor._bump(called)

    def split(self, key: Callable[[Tensor], Hashable]) -> list[tuple[Any, Batch]]:
        """By ``key`` of the parameters: itself, where all have the same."""
        found: dict[Any, list[Tensor]] = {}
        for p in self.params:
            found.setdefault(key(p), []).append(p)
        if len(found) == 1:
            return [(next(iter(found)), self)]
        return [(value, Batch(params)) for value, params in found.items()]


class Packing:
    """The batches of a group's parameters, kept as long as these keep their memory."""

    def __init__(self, params: list[Tensor]) -> None:
        for p in params:
            check_writable(p)
        self._params = params
        self._inference = [p for p in params if p._inference]
        self._arrays = [p._array for p in params]
        self._owners = {id(p._counted()) for p in params}
        self._singles = [Batch([p]) for p in params]
        kinds = dict.fromkeys(a.dtype for a in self._arrays)
        self._batches = [Batch([p for p in params if p._array.dtype == kind]) for kind in kinds]
        if overlap(self._arrays):
            self._batches = self._singles

    def fits(self, params: list[Tensor]) -> bool:
        """Whether these are the parameters, in the same memory."""
        arrays = [p._array for p in params]
        return (
            len(params) == len(self._params)
            and all(map(is_, params, self._params))
            and all(map(is_, arrays, self._arrays))
        )

    def batches(self) -> list[Batch]:
        """As few as can be; one for each parameter, in their order, where memory is shared."""
        for p in self._inference:
            p._check_inference()  # now, for the mode may have changed since the last step
        for p in self._params:
            g: Any = p._grad
            if g._shared or id(g._counter) in self._owners:  # it may be another one's memory
                return self._singles
        return self._batches


def check_writable(p: Tensor) -> None:
    """RuntimeError where torch would write to no such tensor in place."""
    p._check_inference()
    if not (p._array.flags.writeable or p._canonical().flags.writeable):
        raise RuntimeError(
            f"unsupported operation: more than one element of the written-to tensor refers to a "
            f"single memory location. Please clone() the tensor before performing the operation. "
            f"It is expanded or lies in read-only memory, and has shape {tuple(p.shape)}."
        )


def overlap(arrays: list[Vector]) -> bool:
    """Whether two of the arrays may have memory in common."""
    bounds = sorted(byte_bounds(a) for a in arrays if a.size)
    return any(stop > start for (_, stop), (start, _) in pairwise(bounds))
