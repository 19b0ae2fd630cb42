"""Large batches in tiles that stay in the cache."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from .memory import Program, overlap
from .program import Array, Call, address, owner, place
from .tracing import choose

BATCH = 1 << 12
"""The least batch that is worth cutting."""
ROWS = 1 << 10
"""The least rows of a tile: fewer are not worth the calls."""
CACHE = 1 << 18
"""Bytes of the widest array of a tile: a layer's arrays are to stay in a core's own cache."""


def tiled(program: Program) -> None:
    """A large batch is cut into tiles, each of which goes through all calls while it is in the
    cache. Sums over the batch are added up from tile to tile, in another order than without.

    Nothing is done unless each call either treats the rows alike or sums over them.
    """
    batch = _batch(program)
    if batch is None:
        return
    try:
        before, within, after = _stages(program, batch)
        cut = _cut(program, within, batch)
        rows = max(ROWS, CACHE // _width(within, batch))
        if batch < 2 * rows:
            return
        cutter = Cutter(program, batch, rows, cut)
        tiles = [cutter.cut(call, start) for start in range(0, batch, rows) for call in within]
    except Uncut:
        return
    program.rewrite([*before, *[call for calls in tiles for call in calls], *after])


class Uncut(Exception):
    """A call that mixes the rows of a batch."""


def _batch(program: Program) -> int | None:
    """The number of rows: the size that most calls have as an axis, if it is a large one."""
    found: dict[int, int] = defaultdict(int)
    for call in program.calls:
        for n in {n for a in call.touched() for n in a.shape if n >= BATCH}:
            found[n] += 1
    return max(found, key=lambda n: found[n]) if found else None


def _width(calls: list[Call], batch: int) -> int:
    """The most bytes that an array has in a row."""
    return max(a.nbytes // batch for call in calls for a in call.touched() if batch in a.shape)


def axis_of(a: Array, batch: int) -> int | None:
    """Which axis of an array is the batch, counted from the end. Raises Uncut if two may be."""
    axes = [i - a.ndim for i, n in enumerate(a.shape) if n == batch]
    if len(axes) > 1:
        raise Uncut
    return axes[0] if axes else None


def rows_of(a: Array, axis: int, start: int, stop: int) -> Array:
    """A part of an array along an axis that is counted from the end."""
    index: Any = (..., slice(start, stop), *[slice(None)] * (-1 - axis))
    part: Array = a[index]
    return part


class Touched:
    """Arrays that calls use, and whether another one overlaps with them."""

    def __init__(self, program: Program) -> None:
        self.root = program.root
        self.found: dict[int, dict[Any, Array]] = defaultdict(dict)

    def add(self, arrays: list[Array]) -> None:
        """More of them."""
        for a in arrays:
            self.found[self.root(a)][place(a)] = a

    def meets(self, arrays: list[Array]) -> bool:
        """Whether one of these overlaps with one of those."""
        return any(
            overlap(a, b)
            for a in arrays
            if self.root(a) in self.found
            for b in self.found[self.root(a)].values()
        )


def _stages(program: Program, batch: int) -> tuple[list[Call], list[Call], list[Call]]:
    """The calls before the tiles, those of each tile, and those after them. Raises Uncut.

    A call without rows is done before all tiles or after them, where it finds and leaves the values
    that it would have between them: after, if it needs a sum, or overwrites what others read.
    """
    before: list[Call] = []
    within: list[Call] = []
    after: list[Call] = []
    late = Touched(program)  # what is known only after the last tile
    used = Touched(program)  # by the tiles, or after them
    impure = False
    for call in program.calls:
        touched, out = call.touched(), [] if call.out is None else [call.out]
        is_late = impure or not call.pure or late.meets(touched)
        if any(axis_of(a, batch) is not None for a in touched):
            sums = not _by_rows(call, batch)
            if is_late or (sums and used.meets(out)):
                raise Uncut
            within.append(call)
        elif is_late or used.meets(out):
            sums = True
            after.append(call)
            impure |= not call.pure  # it may write to what it doesn't name, as `Numbers` does
        else:
            before.append(call)
            continue
        used.add(touched)
        if sums:
            late.add(out)
    return before, within, after


def _cut(program: Program, within: list[Call], batch: int) -> set[int]:
    """The memory that tiles write rows to, by its roots. Raises Uncut unless all arrays in it lie
    in it by rows, and so are used by the tiles alone.
    """
    outs = [call.out for call in within if call.out is not None]
    cut = {program.root(a) for a in outs if axis_of(a, batch) is not None}
    for call in program.calls:
        for a in call.touched():
            if program.root(a) in cut:
                if id(owner(a)) != program.root(a):  # others have the same memory
                    raise Uncut
                lies(a, batch)
    return cut


def lies(a: Array, batch: int) -> tuple[list[int], list[int]]:
    """Where an array lies in its memory: at which index of it, and along which of its axes each
    axis of the array runs; -1 for one without steps.

    Raises Uncut unless the batch is the same axis of both, and starts where that of the memory
    does.
    """
    memory, axis = owner(a), axis_of(a, batch)
    rows = axis_of(memory, batch)
    sizes = enumerate(zip(memory.shape, memory.strides, strict=True))
    known = {step: i for i, (n, step) in sizes if n > 1 and step > 0}
    index = [0] * memory.ndim
    rest = address(a) - address(memory)
    for step in sorted(known, reverse=True):
        index[known[step]], rest = divmod(rest, step)
    once = [n == 1 or step == 0 for n, step in zip(a.shape, a.strides, strict=True)]
    if axis is None or rows is None or rest or index[rows]:
        raise Uncut
    if any(step not in known and not one for step, one in zip(a.strides, once, strict=True)):
        raise Uncut
    along = [-1 if one else known[step] for step, one in zip(a.strides, once, strict=True)]
    if [i - a.ndim for i, k in enumerate(along) if k == rows % memory.ndim] != [axis]:
        raise Uncut
    return index, along


def _by_rows(call: Call, batch: int) -> bool:
    """Whether a call treats rows alike (else it sums over them). Raises Uncut."""
    out = None if call.out is None else axis_of(call.out, batch)
    if call.function is np.matmul:
        left, right = (axis_of(a, batch) for a in call.args)
        if any(a.ndim > 2 for a in call.args):
            raise Uncut
        if out is not None:  # rows of the left or columns of the right factor
            if (left == -2) == (right == -1 and call.args[1].ndim == 2):
                raise Uncut
            return True
        if left == -1 and right == -call.args[1].ndim:
            return False
        raise Uncut
    if call.each or call.function is choose:
        return True
    if not call.name.endswith(".reduce") or call.kwargs.keys() - {"axis", "keepdims", "dtype"}:
        raise Uncut
    if out is None:
        if call.name != "add.reduce":
            raise Uncut
        return False
    (a,) = call.args
    over, kept = call.kwargs.get("axis", 0), axis_of(a, batch)
    axes = {i % a.ndim for i in (over if isinstance(over, tuple) else (over,))}
    if kept is None or kept % a.ndim in axes:
        raise Uncut
    return True


class Cutter:
    """Makes the calls of a tile from those of the batch."""

    def __init__(self, program: Program, batch: int, rows: int, cut: set[int]) -> None:
        self.batch = batch
        self.rows = rows
        self.tiles: dict[int, Array] = {}  # by owner: memory that needs no more than one tile
        self.parts: dict[Any, Array] = {}  # by place: a tile's share of a sum
        self.local = cut - program.outside - {program.root(a) for a in program.places}

    def cut(self, call: Call, start: int) -> list[Call]:
        """The call for the rows from ``start``."""
        stop = min(start + self.rows, self.batch)
        tile = call.change(lambda a: self.piece(a, start, stop))
        assert call.out is not None
        if axis_of(call.out, self.batch) is not None or start == 0:
            return [tile]
        key = place(call.out)
        if key not in self.parts:
            self.parts[key] = np.empty_like(call.out)
        part = self.parts[key]
        once = Call(tile.function, tile.args, tile.kwargs, part, call.op)
        return [once, Call(np.add, (call.out, part), {}, call.out, call.op)]

    def piece(self, a: Array, start: int, stop: int) -> Array:
        """An array's rows from ``start`` to ``stop``."""
        axis = axis_of(a, self.batch)
        if axis is None:
            return a
        if id(owner(a)) not in self.local:
            return rows_of(a, axis, start, stop)
        return rows_of(self.in_tile(a), axis, 0, stop - start)

    def in_tile(self, a: Array) -> Array:
        """The array that lies in the memory of a tile as ``a`` lies in that of the batch."""
        memory = owner(a)
        tile = self.tiles.get(id(memory))
        if tile is None:
            self.tiles[id(memory)] = tile = self.memory(memory)
        index, along = lies(a, self.batch)
        offset = sum(i * step for i, step in zip(index, tile.strides, strict=True))
        shape = [self.rows if n == self.batch else n for n in a.shape]
        strides = [0 if axis < 0 else tile.strides[axis] for axis in along]
        return np.ndarray(shape, a.dtype, tile.ravel("K"), offset, strides)

    def memory(self, root: Array) -> Array:
        """Memory for a tile, laid out like that of the batch, with its constants."""
        axis = axis_of(root, self.batch)
        assert axis is not None
        return rows_of(root, axis, 0, self.rows).copy("K")
