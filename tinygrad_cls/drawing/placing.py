"""How far to the right each vertex of a layered picture stands: straight lines, no overlap."""

from __future__ import annotations

from collections.abc import Sequence

from .ordering import Rows, Segment

SWEEPS = 12
ROUNDS, MOVES = 30, 200_000  # of straightening, and how often a vertex is looked at in all
WIDE = 200  # wider rows are placed by squares alone
SAME = 0.01  # offsets below this are none
NUDGE = 0.01  # the weight of staying, where a choice is left

Pull = tuple[float, float]  # where to, how strongly


def placed(
    rows: Rows, widths: Sequence[float], segments: Sequence[Segment], gap: float
) -> list[float]:
    """The middle of each vertex; neighbours in a row are at least ``gap`` apart.

    First the squares of the segments' offsets are made small, then their sizes, which makes most
    of them exactly straight.

    >>> x = placed([[0, 1], [2]], [10, 10, 10], [Segment(0, 2), Segment(1, 2)], 10)
    >>> [round(v, 6) for v in x]
    [5.0, 25.0, 15.0]
    """
    above: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    below: list[list[tuple[int, float, float]]] = [[] for _ in widths]
    for upper, lower, out, into, weight in segments:
        shift = out * widths[upper] - into * widths[lower]
        above[lower].append((upper, shift, weight))
        below[upper].append((lower, -shift, weight))

    x = [0.0] * len(widths)
    steps = [_steps(row, widths, gap) for row in rows]
    for row, step in zip(rows, steps, strict=True):
        for v, offset in zip(row, step, strict=True):
            x[v] = offset

    def settle(down: bool, both: bool = True, by_size: bool = False) -> None:
        near, far = (above, below) if down else (below, above)
        order = range(len(rows)) if down else range(len(rows) - 1, -1, -1)
        for r in order:
            pulls = []
            for v, offset in zip(rows[r], steps[r], strict=True):
                links = near[v] + far[v] if both else near[v]
                pull = [(x[u] + shift - offset, weight) for u, shift, weight in links]
                if both or not pull:
                    pull.append((x[v] - offset, NUDGE))
                pulls.append(pull)
            if by_size and len(pulls) <= WIDE:
                found = isotonic_median(pulls)
            else:
                found = isotonic([mean(pull) for pull in pulls])
            for v, offset, z in zip(rows[r], steps[r], found, strict=True):
                x[v] = z + offset

    for _ in range(2):
        settle(down=True, both=False, by_size=True)
        settle(down=False, both=False, by_size=True)
    for i in range(SWEEPS):
        settle(down=i % 2 == 0)
    for i in range(4):
        settle(down=i % 2 == 0, by_size=True)
    for i in range(min(ROUNDS, 1 + MOVES // (1 + len(x)))):
        if not _straighten(x, rows if i % 2 else rows[::-1], widths, segments, gap):
            break
    left = min((x[v] - widths[v] / 2 for row in rows for v in row), default=0.0)
    return [v - left for v in x]


def _straighten(
    x: list[float],
    rows: Rows,
    widths: Sequence[float],
    segments: Sequence[Segment],
    gap: float,
) -> bool:
    """Moves what hangs together by straight segments to where its other segments are shortest."""
    leader = list(range(len(x)))

    def block(v: int) -> int:
        while leader[v] != v:
            leader[v] = v = leader[leader[v]]
        return v

    pulls: dict[int, list[tuple[int, int, float, float]]] = {}
    bent = []
    for segment in segments:
        upper, lower, out, into, weight = segment
        shift = out * widths[upper] - into * widths[lower]
        if abs(x[upper] + shift - x[lower]) < SAME:
            leader[block(lower)] = block(upper)
        else:
            bent.append((upper, lower, shift, weight))
    for upper, lower, shift, weight in bent:
        pulls.setdefault(block(lower), []).append((upper, lower, shift, weight))
        pulls.setdefault(block(upper), []).append((lower, upper, -shift, weight))

    members: dict[int, list[int]] = {}
    beside: dict[int, tuple[int | None, int | None]] = {}
    for row in rows:
        for left, v, right in zip([None, *row], row, [*row[1:], None], strict=False):
            members.setdefault(block(v), []).append(v)
            beside[v] = left, right

    moved = False
    for name, vertices in members.items():
        lowest, highest = -float("inf"), float("inf")
        for v in vertices:
            left, right = beside[v]
            if left is not None and block(left) != name:
                lowest = max(lowest, x[left] + (widths[left] + widths[v]) / 2 + gap - x[v])
            if right is not None and block(right) != name:
                highest = min(highest, x[right] - (widths[right] + widths[v]) / 2 - gap - x[v])
        ways = [(x[u] + shift - x[v], weight) for u, v, shift, weight in pulls.get(name, ())]
        if not ways or lowest > highest:
            continue
        way = min(max(median(ways), lowest), highest)
        gain = sum(weight * (abs(to) - abs(to - way)) for to, weight in ways)
        if gain > SAME:
            moved = True
            for v in vertices:
                x[v] += way
    return moved


def _steps(row: Sequence[int], widths: Sequence[float], gap: float) -> list[float]:
    """The middles of a row as close together as may be."""
    steps = []
    edge = 0.0
    for v in row:
        steps.append(edge + widths[v] / 2)
        edge += widths[v] + gap
    return steps


def isotonic(pulls: Sequence[Pull]) -> list[float]:
    """The non-decreasing numbers nearest to where they are pulled, by their squares.

    >>> isotonic([(3, 1), (1, 1), (5, 1)])
    [2.0, 2.0, 5]
    """
    pools: list[tuple[float, float, int]] = []
    for own in pulls:
        (to, weight), count = own, 1
        while pools and pools[-1][0] > to:  # they would come out of order
            other, more, size = pools.pop()
            to = (to * weight + other * more) / (weight + more)
            weight, count = weight + more, count + size
        pools.append((to, weight, count))
    return [to for to, _, count in pools for _ in range(count)]


def isotonic_median(pulls: Sequence[list[Pull]]) -> list[float]:
    """The same by their sizes, where each may be pulled to several places.

    >>> isotonic_median([[(3, 1), (9, 1), (3, 1)], [(1, 1)], [(5, 1)]])
    [3.0, 3.0, 5]
    """
    pools: list[tuple[float, list[Pull], int]] = []
    for own in pulls:
        pull, count = own, 1
        to = median(pull)
        while pools and pools[-1][0] > to:
            _, before, size = pools.pop()
            pull, count = before + pull, count + size
            to = median(pull)
        pools.append((to, pull, count))
    return [to for to, _, count in pools for _ in range(count)]


def mean(pulls: Sequence[Pull]) -> Pull:
    """Where to, all together, and how strongly."""
    weight = sum(weight for _, weight in pulls)
    return sum(to * weight for to, weight in pulls) / weight, weight


def median(pulls: list[Pull]) -> float:
    """The weighted median; halfway if two are.

    >>> median([(1, 1), (5, 3), (9, 1)]), median([(1, 2), (5, 2)])
    (5, 3.0)
    """
    pulls.sort()
    half = sum(weight for _, weight in pulls) / 2
    passed = 0.0
    for i, (to, weight) in enumerate(pulls):
        passed += weight
        if passed == half:
            return (to + pulls[i + 1][0]) / 2
        if passed > half:
            return to
    return pulls[-1][0]
