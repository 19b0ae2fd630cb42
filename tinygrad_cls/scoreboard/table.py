"""The scoreboard as text: a Markdown table that reads well in a terminal too."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .case import GROUPS
from .figure import name

if TYPE_CHECKING:
    from .run import Outcome, Row, Scoreboard

WIDTH = 100
HEAD = ("checker", "faults caught", *GROUPS, "correct blamed", "not run", "median time")


def table(board: Scoreboard) -> str:
    """The table, what ours got wrong, what stands where."""
    lines = aligned([HEAD, *(cells(row) for row in board.rows)])
    return "\n".join([*lines, "", *shortfalls(board.ours), *notes(board)])


def cells(row: Row) -> tuple[str, ...]:
    """One checker's line."""
    time = row.seconds()
    return (
        name(row),
        share(row.caught()),
        *(share(row.caught(group)) for group in GROUPS),
        share(row.blamed()),
        str(len(row.those("not run"))),
        "" if time is None else duration(time),
    )


def share(counts: tuple[int, int]) -> str:
    """A part of a whole; nothing of nothing.

    >>> share((58, 62)), share((0, 0))
    ('58 of 62', '')
    """
    return f"{counts[0]} of {counts[1]}" if counts[1] else ""


def duration(seconds: float) -> str:
    """Two digits are what a measurement is worth.

    >>> duration(0.0123), duration(2.345), duration(4e-5)
    ('12 ms', '2.3 s', '0.04 ms')
    """
    return f"{seconds:.2g} s" if seconds >= 1 else f"{float(f'{1000 * seconds:.2g}'):g} ms"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    r"""A Markdown table; numbers to the right.

    >>> print(*aligned([("who", "caught"), ("torch", "1 of 2")]), sep="\n")
    | who   | caught |
    |-------|-------:|
    | torch | 1 of 2 |
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        first, *rest = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]
        return f"| {' | '.join(cells)} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return [line(rows[0]), f"|{rule}|", *map(line, rows[1:])]


def shortfalls(row: Row) -> list[str]:
    """What ours got wrong, a line each, and how many diagnoses were right."""
    right, caught = row.hinted()
    if not row.outcomes:
        return ["the bank is empty"]
    lines = [f"diagnosis: {right} of {caught} faults caught earn the right one"]
    lines += [f"  MISSED {told(o)}" for o in row.those("missed")]
    lines += [f"  BLAMED {told(o)}" for o in row.those("blamed")]
    lines += [
        f"  MISJUDGED {o.case}: {o.hint or 'no diagnosis'}"
        for o in row.those("caught")
        if not o.hinted
    ]
    return lines


def told(outcome: Outcome) -> str:
    """A case, and what was said of it."""
    return f"{outcome.case} ({outcome.group}): {outcome.said}"


def notes(board: Scoreboard) -> list[str]:
    """What a reader must know to trust the numbers."""
    found = [
        "* the project's published rule, re-expressed on NumPy",
        "not run: the checker cannot be given such a case; its shares are of those it was given",
        "rivals look at the inputs given; ours at other sizes, values and layouts as well, and is "
        "told the rule of a loss",
        "torch and minitorch sum a gradient to its input's shape, so that a forgotten sum heals",
    ]
    versions = [f"{name} {version}" for name, version in board.versions.items()]
    versions += dict.fromkeys(row.version for row in board.rows if row.kind == "library")
    found.append(", ".join(versions))
    found += [f"missing: {name}: {why}" for name, why in board.missing.items()]
    return [line for note in found for line in textwrap.wrap(note, WIDTH)]
