"""The order of the vertices within the rows of a layered picture: few lines shall cross."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

# So many pairs of vertices are compared in search of better places, and so many neighbours after
# that: no end is put to the search in a picture that can be taken in, of a few hundred nodes.
THOROUGH = 400_000
PATIENCE, SWEEPS = 4, 24  # sweeps without a gain, and in all


class Segment(NamedTuple):
    """A line between vertices of neighbouring rows; where it meets them, as a share of their width
    (-0.5 is the left corner), and how much its being straight matters.
    """

    upper: int
    lower: int
    out: float = 0.0
    into: float = 0.0
    weight: float = 1.0


Rows = list[list[int]]


def ordered(rows: Rows, segments: Sequence[Segment]) -> Rows:
    """The rows, each in an order from which no move of one vertex takes a crossing away.

    Where crossings leave a choice, vertices above a common one stand as its segments are listed.

    >>> ordered([[0, 1], [2, 3]], [Segment(0, 3), Segment(1, 2)])
    [[1, 0], [2, 3]]
    """
    best: _Order | None = None
    for start in (_upwards, _downwards):
        order = _Order(start(rows, segments), segments)
        order.sweep()
        order.improve()
        if best is None or order.crossings() < best.crossings():
            best = order
        if best.crossings() == 0 or best.spent > THOROUGH:
            break
    assert best is not None
    best.follow_list()
    return best.rows


def crossings(rows: Rows, segments: Sequence[Segment]) -> int:
    """How many pairs of segments cross.

    >>> crossings([[0, 1], [2, 3]], [Segment(0, 3), Segment(1, 2)])
    1
    """
    return _Order(rows, segments).crossings()


class _Order:
    """Rows in some order."""

    def __init__(self, rows: Rows, segments: Sequence[Segment]) -> None:
        self.rows = [list(row) for row in rows]
        size = sum(map(len, rows))
        self.place = [0] * size
        # per vertex: (the other vertex, the share of its width)
        self.above: list[list[tuple[int, float]]] = [[] for _ in range(size)]
        self.below: list[list[tuple[int, float]]] = [[] for _ in range(size)]
        self.starts: list[list[tuple[float, int, float]]] = [[] for _ in range(size)]
        for upper, lower, out, into, _ in segments:
            self.above[lower].append((upper, out))
            self.below[upper].append((lower, into))
            self.starts[upper].append((out, lower, into))
        for start in self.starts:
            start.sort()
        self.spent = 0  # on moves of single vertices
        for row in self.rows:
            self._renumber(row)

    def _renumber(self, row: list[int]) -> None:
        for place, v in enumerate(row):
            self.place[v] = place

    def _ends(self, links: Sequence[tuple[int, float]]) -> list[float]:
        return sorted(self.place[v] + share for v, share in links)

    def crossings(self) -> int:
        return sum(self._between(row) for row in self.rows)

    def _between(self, row: list[int]) -> int:
        """Crossings of the segments that start in a row."""
        ends: list[float] = []
        count = 0
        for v in row:
            waiting: list[float] = []
            before = None
            for out, lower, into in self.starts[v]:
                if out != before:
                    for end in waiting:
                        insort(ends, end)
                    waiting, before = [], out
                end = self.place[lower] + into
                count += len(ends) - bisect_right(ends, end)
                waiting.append(end)
            for end in waiting:
                insort(ends, end)
        return count

    def sweep(self) -> None:
        """Each vertex goes to the mean of its neighbours in the row before, up and down."""
        best, fewest = [list(row) for row in self.rows], self.crossings()
        idle = 0
        for sweep in range(SWEEPS):
            if fewest == 0 or idle == PATIENCE:
                break
            down = sweep % 2 == 0
            for row in self.rows if down else reversed(self.rows):
                self._sort_by_mean(row, self.above if down else self.below)
            count = self.crossings()
            idle = 0 if count < fewest else idle + 1
            if count < fewest:
                best, fewest = [list(row) for row in self.rows], count
        self.rows = best
        for row in best:
            self._renumber(row)

    def _sort_by_mean(self, row: list[int], links: Sequence[Sequence[tuple[int, float]]]) -> None:
        """Vertices without neighbours keep their places."""
        free = [i for i, v in enumerate(row) if links[v]]
        means = {
            v: sum(self.place[u] + share for u, share in links[v]) / len(links[v])
            for v in (row[i] for i in free)
        }
        for i, v in zip(free, sorted(means, key=means.__getitem__), strict=True):
            row[i] = v
        self._renumber(row)

    def improve(self) -> None:
        """Moves single vertices within their rows as long as that takes crossings away."""
        changed = True
        while changed:
            changed = False
            for row in self.rows:
                if self.spent > 2 * THOROUGH:
                    return
                if self.spent + len(row) ** 2 <= THOROUGH:
                    self.spent += len(row) ** 2
                    changed |= self._sift(row)
                else:
                    self.spent += len(row)
                    changed |= self._swap(row)

    def _gain(self, row: list[int]) -> Callable[[int, int], int]:
        """``gain(u, v)``: the crossings that go if u, left of v, comes to stand right of it."""
        above = {v: self._ends(self.above[v]) for v in row}
        below = {v: self._ends(self.below[v]) for v in row}

        def gain(u: int, v: int) -> int:
            return _inversions(above[u], above[v]) + _inversions(below[u], below[v])

        return gain

    def _swap(self, row: list[int]) -> bool:
        """Exchanges neighbours."""
        gain = self._gain(row)
        changed = False
        for i, (u, v) in enumerate(_live_pairs(row)):
            if gain(u, v) > 0:
                row[i], row[i + 1] = v, u
                changed = True
        self._renumber(row)
        return changed

    def _sift(self, row: list[int]) -> bool:
        """Brings each vertex to the place where it crosses least."""
        gain = self._gain(row)
        changed = False
        for v in list(row):
            here = row.index(v)
            best, target, total = 0, here, 0
            for i in range(here + 1, len(row)):
                total += gain(v, row[i])
                if total > best:
                    best, target = total, i
            total = 0
            for i in range(here - 1, -1, -1):
                total += gain(row[i], v)
                if total > best:
                    best, target = total, i
            if target != here:
                row.insert(target, row.pop(here))
                changed = True
        self._renumber(row)
        return changed

    def follow_list(self) -> None:
        """Exchanges neighbours that stand above a common vertex in another order than listed."""
        slot = {(u, v): i for v, links in enumerate(self.above) for i, (u, _) in enumerate(links)}
        for _ in range(PATIENCE):
            changed = False
            for row in self.rows:
                gain = self._gain(row)
                for i, (u, v) in enumerate(_live_pairs(row)):
                    common = {w for w, _ in self.below[u]} & {w for w, _ in self.below[v]}
                    wrong = sum(1 if slot[u, w] > slot[v, w] else -1 for w in common)
                    if wrong > 0 and gain(u, v) >= 0:
                        row[i], row[i + 1] = v, u
                        changed = True
                self._renumber(row)
            self.improve()
            if not changed:
                break


def _live_pairs(row: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbours, as they are when their turn comes."""
    for i in range(len(row) - 1):
        yield row[i], row[i + 1]


def _inversions(left: list[float], right: list[float]) -> int:
    """Pairs that cross with ``left`` on the left, less those that cross with it on the right."""
    if not left or not right or left[-1] < right[0]:
        few = len(left) * len(right)
        return -few
    return sum(bisect_left(right, end) + bisect_right(right, end) - len(right) for end in left)


def _upwards(rows: Rows, segments: Sequence[Segment]) -> Rows:
    """In the order of a depth-first search from the ends to the beginnings."""
    links: list[list[int]] = [[] for _ in range(sum(map(len, rows)))]
    for upper, lower, *_ in segments:
        links[lower].append(upper)
    return _by_search(rows, links, [v for row in reversed(rows) for v in row])


def _downwards(rows: Rows, segments: Sequence[Segment]) -> Rows:
    links: list[list[int]] = [[] for _ in range(sum(map(len, rows)))]
    for upper, lower, *_ in segments:
        links[upper].append(lower)
    return _by_search(rows, links, [v for row in rows for v in row])


def _by_search(rows: Rows, links: list[list[int]], starts: list[int]) -> Rows:
    row_of = {v: r for r, row in enumerate(rows) for v in row}
    found: Rows = [[] for _ in rows]
    seen = [False] * len(links)
    for start in starts:
        stack = [start]
        while stack:
            v = stack.pop()
            if not seen[v]:
                seen[v] = True
                found[row_of[v]].append(v)
                stack.extend(reversed(links[v]))
    return found
