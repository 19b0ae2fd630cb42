"""A program: calls in order, and who uses which memory. Passes look at it and rewrite it.

A pass changes the list of calls and moves what `Program.places` names. It may count on this: memory
of the plan's own is reached by the calls and those places only; all other memory (parameters,
data, arguments' buffers) is written just where the calls say, or by a call that is not pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .program import Array, Call, address, owner


class Use(NamedTuple):
    """Call number ``at`` reads or writes an array."""

    at: int
    writes: bool
    array: Array


def nothing() -> None:
    """Stands for a call that was taken out."""


NOTHING = Call(nothing, (), {}, None, "")


class Program:
    """Calls in order, and the places that are read when they are done."""

    def __init__(self, calls: list[Call], places: list[Array], outside: set[int]) -> None:
        self.calls = calls
        self.places = places
        self.outside = outside  # ids of the owners of memory that isn't the plan's own
        self.fixed: set[int] = set()  # of memory that holds constants beside results
        self.kept: list[Array] = []  # what was moved away, so that no id is given twice
        self._aliases = aliases(self._arrays(), outside)
        self._uses: dict[int, list[Use]] | None = None

    def _arrays(self) -> Iterable[Array]:
        yield from self.places
        for call in self.calls:
            yield from call.touched()

    def root(self, a: Array) -> int:
        """Names the memory that an array lies in: what has another root doesn't overlap."""
        name = id(owner(a))
        return self._aliases.get(name, name)

    def own(self, a: Array) -> bool:
        """Whether the memory is the plan's own, and holds results alone: it can be moved."""
        name = id(owner(a))
        return name not in self.outside and name not in self.fixed

    def uses(self, a: Array) -> list[Use]:
        """Of the memory that ``a`` lies in, in order. Places are read after the last call."""
        if self._uses is None:
            self._uses = defaultdict(list)
            for i, call in enumerate(self.calls):
                self._enter(i, call)
            for place in self.places:
                self._uses[self.root(place)].append(Use(len(self.calls), False, place))
        return self._uses.get(self.root(a), [])

    def writes(self, a: Array) -> list[int]:
        """The calls that write to the memory that ``a`` lies in."""
        return [use.at for use in self.uses(a) if use.writes]

    def written(self, a: Array, start: int, stop: int) -> bool:
        """Whether one of the calls from ``start`` up to, but not including, ``stop`` writes to
        ``a``.
        """
        return any(
            use.writes and start <= use.at < stop and overlap(use.array, a) for use in self.uses(a)
        )

    # --- rewriting ----------------------------------------------------------------------------

    def rewrite(self, calls: list[Call]) -> None:
        """Another list of calls."""
        self.calls = [call for call in calls if call is not NOTHING]
        self._uses = None

    def replace(self, i: int, call: Call) -> None:
        """Another call number ``i``; `NOTHING` is taken out by the next `rewrite`."""
        for a in self.calls[i].touched():
            found = self.uses(a)
            found[:] = [use for use in found if use.at != i]
        self.calls[i] = call
        for root in self._enter(i, call):
            self._sort(root)

    def move(self, old: Array, change: Callable[[Array], Array]) -> None:
        """Changes every array that lies where ``old`` does, in memory of the plan's own."""
        memory = owner(old)

        def moved(a: Array) -> Array:
            return change(a) if owner(a) is memory else a

        self.kept.append(memory)
        found = list(self.uses(old))
        assert self._uses is not None
        del self._uses[id(memory)]
        for i in {use.at for use in found if use.at < len(self.calls)}:
            self.calls[i] = self.calls[i].change(moved)
        self.places = [moved(a) for a in self.places]
        new = [use._replace(array=change(use.array)) for use in found]
        for use in new:
            self._uses[self.root(use.array)].append(use)
        for root in {self.root(use.array) for use in new}:
            self._sort(root)

    def _enter(self, i: int, call: Call) -> set[int]:
        """Remembers what a call uses: reads before its write. Returns the roots."""
        assert self._uses is not None
        roots = set()
        for a in call.reads():
            roots.add(root := self.root(a))
            self._uses[root].append(Use(i, False, a))
        if call.out is not None:
            roots.add(root := self.root(call.out))
            self._uses[root].append(Use(i, True, call.out))
        return roots

    def _sort(self, root: int) -> None:
        assert self._uses is not None
        self._uses[root].sort(key=lambda use: use[:2])


def aliases(arrays: Iterable[Array], outside: set[int]) -> dict[int, int]:
    """One name for memory from outside that has several owners, by their ids."""
    owners = {id(root): root for root in map(owner, arrays) if id(root) in outside}
    found: dict[int, int] = {}
    end = name = 0
    for start, stop, root in sorted((*byte_bounds(root), key) for key, root in owners.items()):
        name = root if start >= end else name
        end = max(end, stop)
        found[root] = name
    return found


def shifted(a: Array, old: Array, new: Array) -> Array:
    """The array that lies to ``new`` as ``a`` lies to ``old``, which has the same strides."""
    root = owner(new)
    offset = address(new) - address(root) + address(a) - address(old)
    return np.ndarray(a.shape, a.dtype, root.ravel("K"), offset, a.strides)


def alike(a: Array, b: Array) -> bool:
    """Whether two arrays have the same shape, dtype and steps."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return all(x == y for n, x, y in zip(a.shape, a.strides, b.strides, strict=True) if n > 1)


def overlap(a: Array, b: Array) -> bool:
    """Whether two arrays have memory in common: not so two columns of a matrix."""
    return np.may_share_memory(a, b) and np.shares_memory(a, b)


def whole(a: Array) -> bool:
    """Whether an array is all of the memory that it lies in."""
    return owner(a).nbytes == a.nbytes
