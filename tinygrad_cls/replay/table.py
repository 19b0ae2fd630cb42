"""What ``print(plan)`` shows: every call, the memory it uses, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from time import perf_counter

import numpy as np

from .program import Array, Call, moved, owner

SECONDS = 0.2
"""For measuring a plan that is printed."""
LONGEST = 64
"""Calls of the longest piece whose repetitions are found."""
LEAST = 12
"""Lines that must be saved for repetitions to be shown as one."""

LEGEND = "t: a tensor from outside, arg: an argument's copy, m: the plan's memory, c: its constants"


def table(calls: Sequence[Call], outside: dict[int, str]) -> str:
    """A line for each call; calls that repeat, as those of tiles do, are shown once, with the time
    of all. ``outside`` names the memory that isn't the plan's, by owner's id.
    """
    names, size = named(calls, outside)
    times = measure(calls)
    total = sum(t for t in times if t is not None)
    width = max((len(call.op) for call in calls), default=0)
    lines = [
        f"{len(calls)} calls, {1e6 * total:.1f} us in NumPy; {len(names) - len(outside)} buffers, "
        f"{amount(size)}",
        f"{'':>4} {'us':>8}  {'op':{width}}  {'call':16} result <- arguments",
    ]
    for start, length, repetitions in pieces([signature(call) for call in calls]):
        end = start + length * repetitions
        if repetitions > 1:
            lines.append(f"{start:>4} to {end - 1}: {repetitions} times {length} calls, such as")
        for i in range(start, start + length):
            spent = [t for t in times[i:end:length] if t is not None]
            time = f"{1e6 * sum(spent):.2f}" if spent else ""
            lines.append(f"{i:>4} {time:>8}  {calls[i].op:{width}}  {line(calls[i], names)}")
    return "\n".join([*lines, LEGEND])


def line(call: Call, names: dict[int, str]) -> str:
    """What is called, with what."""
    read = ", ".join(shown(a, names) for a in call.reads())
    result = "" if call.out is None else shown(call.out, names)
    return f"{call.name[:16]:16} {result} <- {read}".rstrip()


def named(calls: Sequence[Call], outside: dict[int, str]) -> tuple[dict[int, str], int]:
    """Names of all memory, by owner's id, and how many bytes of it are the plan's."""
    names = dict(outside)
    written = {id(owner(call.out)) for call in calls if call.out is not None}
    numbers = {"m": count(1), "c": count(1)}
    size = 0
    for call in calls:
        for root in map(owner, call.touched()):
            if id(root) not in names:
                letter = "m" if id(root) in written else "c"
                names[id(root)] = f"{letter}{next(numbers[letter])}"
                size += root.nbytes
    return names, size


def shown(a: Array, names: dict[int, str]) -> str:
    """An array's memory, type and shape, such as ``m3 f4[10,800]``."""
    return f"{names[id(owner(a))]} {a.dtype.str[1:]}[{','.join(map(str, a.shape))}]"


def amount(size: float) -> str:
    """Bytes for people.

    >>> amount(1536), amount(20e9)
    ('1.536 kB', '20 GB')
    """
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.4g} {unit}"
        size /= 1000
    return f"{size:.4g} GB"


def signature(call: Call) -> tuple[object, ...]:
    """What repeated calls have in common."""
    return call.op, call.name, *[(a.shape, a.dtype) for a in call.touched()]


def pieces(signatures: Sequence[object]) -> Iterator[tuple[int, int, int]]:
    """All of a sequence, cut into pieces: where each starts, its length, and how often it's there
    in a row. Only long repetitions are taken for one.

    >>> list(pieces("a" + 20 * "bc" + "d"))
    [(0, 1, 1), (1, 2, 20), (41, 1, 1)]
    """
    i = 0
    while i < len(signatures):
        length, repetitions = 1, 1
        for n in range(1, LONGEST + 1):
            pairs = zip(signatures[i:], signatures[i + n :], strict=False)
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if same - same % n >= LEAST:
                length, repetitions = n, same // n + 1
                break
        yield i, length, repetitions
        i += length * repetitions


def measure(calls: Sequence[Call]) -> list[float | None]:
    """The shortest time of each call in seconds, in turns, on a copy of what the calls write to.
    Calls that are no mere computation (random numbers, checks) are not made, and have no time.
    """
    written = {id(owner(call.out)): owner(call.out) for call in calls if call.out is not None}
    copies = {key: root.copy("K") for key, root in written.items()}

    def copy_of(a: Array) -> Array:
        root = owner(a)
        return moved(a, root, copies[id(root)]) if id(root) in copies else a

    kernels = [(i, call.change(copy_of).bound()) for i, call in enumerate(calls) if call.pure]
    best = {i: float("inf") for i, _ in kernels}
    end = perf_counter() + SECONDS
    with np.errstate(all="ignore"):
        while True:
            for i, kernel in kernels:
                start = perf_counter()
                kernel()
                best[i] = min(best[i], perf_counter() - start)
            if perf_counter() > end:
                return [best.get(i) for i in range(len(calls))]
