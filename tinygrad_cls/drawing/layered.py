"""A layered picture of boxes and wires: rows from top to bottom, wires between neighbouring rows.

A wire over several rows passes through a lane in each row between; wires of one net, which have a
source in common, share their lanes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from .ordering import Segment, ordered
from .placing import SAME, isotonic, placed
from .ranking import ranks

GAP = 18.0  # between neighbours
ROW_GAP = 40.0
PORT_GAP = 22.0  # between a row of ports and the next
LANE = 8.0  # the width that a wire takes
LONG, LANED = 2.0, 6.0  # how straight a wire's ends at lanes and its lanes are, times its weight
MARGIN = 9.0  # between a box's corner and where a wire ends
PORT = 12.0  # between wires that end at one box
LANES = 20_000  # wires beyond so many lanes go straight from end to end

Point = tuple[float, float]


class Box(NamedTuple):
    """``x`` and ``y`` are its left upper corner."""

    x: float
    y: float
    width: float
    height: float


class Wire(NamedTuple):
    """From one box down to another. ``out`` and ``into``: how far right of the boxes' middles it
    begins and ends; without ``into`` it ends where it is straightest, with ``room`` for a label.
    """

    source: int
    target: int
    net: Hashable
    out: float = 0.0
    into: float | None = None
    weight: float = 1.0
    room: float = 0.0


class Picture(NamedTuple):
    """Boxes, the points of each wire, and the size of the whole."""

    boxes: list[Box]
    routes: list[list[Point]]
    width: float
    height: float


def draw(
    sizes: Sequence[tuple[float, float]],
    wires: Sequence[Wire],
    first: Sequence[int] = (),
    last: Sequence[int] = (),
) -> Picture:
    """Places boxes of these sizes; those in ``first`` and ``last`` make up the outermost rows.

    >>> draw([(20, 10), (20, 10)], [Wire(0, 1, "net")]).boxes
    [Box(x=0.0, y=0.0, width=20, height=10), Box(x=0.0, y=50.0, width=20, height=10)]
    """
    row_of = ranks(len(sizes), [wire[:2] for wire in wires], first, last)
    widths = [size[0] for size in sizes]
    lanes, segments = _lanes(row_of, widths, wires)

    rows: list[list[int]] = [[] for _ in range(max(row_of, default=-1) + 1)]
    for v, r in enumerate(row_of):
        rows[r].append(v)
    rows = ordered(rows, segments)
    x = placed(rows, widths, segments, GAP)

    heights = [max([sizes[v][1] for v in row if v < len(sizes)], default=0.0) for row in rows]
    tops = _tops(rows, heights, x, segments, {row_of[v] for v in (*first, *last)})
    sources = {wire.target for wire in wires}
    boxes = []
    for v, (width, height) in enumerate(sizes):
        spare = heights[row_of[v]] - height
        share = 0.5 if v in sources else 1.0  # what nothing leads to stands near what it leads to
        boxes.append(Box(x[v] - width / 2, tops[row_of[v]] + share * spare, width, height))

    ends = _ends(boxes, wires, [x[lane[-1]] if lane else None for lane in lanes])
    routes = []
    for wire, lane, end in zip(wires, lanes, ends, strict=True):
        box, row = boxes[wire.source], row_of[wire.source]
        here, down = middle(box) + wire.out, tops[row] + heights[row]
        points = [(here, box.y + box.height)]
        for v in lane:
            row = row_of[v]
            if abs(x[v] - here) > SAME:
                points += [(here, down), (x[v], tops[row])]
                here = x[v]
            down = tops[row] + heights[row]
        points += [(here, down), (end, tops[row_of[wire.target]]), (end, boxes[wire.target].y)]
        routes.append(points)
    width = max([x[v] + widths[v] / 2 for v in range(len(x))], default=0.0)
    return Picture(boxes, routes, width, tops[-1] + heights[-1] if rows else 0.0)


def _lanes(
    row_of: list[int], widths: list[float], wires: Sequence[Wire]
) -> tuple[list[list[int]], list[Segment]]:
    """The lanes of each wire, appended to ``row_of`` and ``widths``, and all segments."""
    chains: dict[tuple[Hashable, int], list[int]] = {}  # net, source -> lanes
    segments: dict[tuple[int, int, float, float], float] = {}
    boxes = len(row_of)

    def link(upper: int, lower: int, out: float, into: float, weight: float) -> None:
        ends = upper, lower, out / widths[upper], into / widths[lower]
        segments[ends] = max(segments.get(ends, 0.0), weight)

    chosen: list[list[int]] = []
    for wire in wires:
        source, target = wire.source, wire.target
        chain = chains.setdefault((wire.net, source), [])
        between = row_of[target] - row_of[source] - 1
        if len(row_of) - boxes + between - len(chain) > LANES:
            chosen.append([])
            continue
        while len(chain) < between:
            lane = len(row_of)
            row_of.append(row_of[source] + 1 + len(chain))
            widths.append(LANE)
            if chain:
                link(chain[-1], lane, 0.0, 0.0, LANED * wire.weight)
            else:
                link(source, lane, wire.out, 0.0, LONG * wire.weight)
            chain.append(lane)
        lanes = chain[:between]
        if lanes:
            link(lanes[-1], target, 0.0, wire.into or 0.0, LONG * wire.weight)
        else:
            link(source, target, wire.out, wire.into or 0.0, wire.weight)
        chosen.append(lanes)
    return chosen, [Segment(*ends, weight) for ends, weight in segments.items()]


def _tops(
    rows: list[list[int]],
    heights: list[float],
    x: list[float],
    segments: Sequence[Segment],
    ports: set[int],
) -> list[float]:
    """Where each row begins: further down where wires must go far to the side."""
    row_of = {v: r for r, row in enumerate(rows) for v in row}
    furthest = [0.0] * len(rows)
    for segment in segments:
        r = row_of[segment.upper]
        furthest[r] = max(furthest[r], abs(x[segment.upper] - x[segment.lower]))
    tops = []
    y = 0.0
    for r in range(len(rows)):
        tops.append(y)
        near = PORT_GAP if r in ports or r + 1 in ports else ROW_GAP
        y += heights[r] + near + min(80.0, max(0.0, furthest[r] - 100.0) / 8)
    return tops


def _ends(
    boxes: Sequence[Box], wires: Sequence[Wire], lanes: Sequence[float | None]
) -> list[float]:
    """Where each wire ends: as near as may be to where it comes from."""
    arriving: dict[int, list[tuple[float, int]]] = {}
    ends = [0.0] * len(wires)
    for i, (wire, lane) in enumerate(zip(wires, lanes, strict=True)):
        if wire.into is None:
            start = middle(boxes[wire.source]) + wire.out if lane is None else lane
            arriving.setdefault(wire.target, []).append((start, i))
        else:
            ends[i] = middle(boxes[wire.target]) + wire.into
    for v, comers in arriving.items():
        comers.sort()
        box = boxes[v]
        before = [wires[i].room * label_left(start, box) for start, i in comers]
        after = [wires[i].room - room for (_, i), room in zip(comers, before, strict=True)]
        steps = [0.0]
        for here, there in zip(after, before[1:], strict=False):
            steps.append(steps[-1] + max(PORT, here + there))
        half = box.width / 2
        left = box.x + min(half, max(MARGIN, before[0]))
        room = box.x + box.width - min(half, max(MARGIN, after[-1])) - left
        if steps[-1] > room:
            steps = [step * room / steps[-1] for step in steps]
        pulls = [
            (start - step, wires[i].weight) for (start, i), step in zip(comers, steps, strict=True)
        ]
        for (_, i), step, x in zip(comers, steps, isotonic(pulls), strict=True):
            ends[i] = min(max(x, left), left + room - steps[-1]) + step
    return ends


def middle(box: Box) -> float:
    """Halfway from left to right."""
    return box.x + box.width / 2


def label_left(start: float, box: Box) -> bool:
    """On which side of a wire that comes from ``start`` the room for its label is."""
    return start > middle(box) - 1
