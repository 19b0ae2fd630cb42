"""Which row of a layered picture each vertex stands in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Pair = tuple[int, int]


def back_edges(count: int, edges: Iterable[Pair]) -> set[Pair]:
    """Edges without which there is no cycle: those that a depth-first search finds going back.

    >>> back_edges(3, [(0, 1), (1, 2), (2, 0)])
    {(2, 0)}
    """
    below: list[list[int]] = [[] for _ in range(count)]
    roots = [True] * count
    for source, target in edges:
        below[source].append(target)
        roots[target] = False
    NEW, OPEN, DONE = 0, 1, 2
    state = [NEW] * count
    back = set()
    for start in sorted(range(count), key=lambda v: not roots[v]):  # sources first
        stack = [(start, iter(below[start]))] if state[start] == NEW else []
        state[start] = max(state[start], OPEN)
        while stack:
            vertex, rest = stack[-1]
            for target in rest:
                if state[target] == OPEN:
                    back.add((vertex, target))
                elif state[target] == NEW:
                    state[target] = OPEN
                    stack.append((target, iter(below[target])))
                    break
            else:
                state[vertex] = DONE
                stack.pop()
    return back


def ranks(
    count: int, edges: Iterable[Pair], first: Iterable[int] = (), last: Iterable[int] = ()
) -> list[int]:
    """A row for each vertex, so that every edge of an acyclic graph goes down.

    A row is the longest path from a source; what hangs on one consumer alone, such as a parameter,
    stands just above it. The vertices in ``first`` get a row of their own at the top, those in
    ``last`` one at the bottom.

    >>> ranks(5, [(0, 1), (1, 2), (2, 3), (4, 3)])
    [0, 1, 2, 3, 2]
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in dict.fromkeys(edges):
        above[target].append(source)
        below[source].append(target)
    order = _topological(above, below)

    top, bottom = set(first), set(last)
    row = [1 if top and v not in top else 0 for v in range(count)]
    loose = [False] * count  # nothing holds it but what is below
    held = [0] * count  # edges from above that keep it where it is
    for v in order:
        row[v] = max([row[u] + 1 for u in above[v]], default=row[v])
        held[v] = sum(not loose[u] or len(below[u]) > 1 for u in above[v])
        loose[v] = held[v] == 0 and v not in top
    for v in reversed(order):
        if v not in top and len(below[v]) > held[v]:
            row[v] = min(row[w] for w in below[v]) - 1
    if bottom:
        deepest = max([row[v] for v in range(count) if v not in bottom], default=0)
        for v in bottom:
            row[v] = deepest + 1
    highest = min(row, default=0)
    return [r - highest for r in row]


def _topological(above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> list[int]:
    waiting = [len(sources) for sources in above]
    order = [v for v, n in enumerate(waiting) if n == 0]
    for v in order:
        for w in below[v]:
            waiting[w] -= 1
            if waiting[w] == 0:
                order.append(w)
    return order
