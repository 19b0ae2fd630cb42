"""The graph of a plan: a node for every call, and one for memory that no call before it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..drawing.graph import Edge, Graph, Node
from .program import Array, Call, owner
from .table import named, pieces, signature


def graph_of(calls: Sequence[Call], outside: dict[int, str]) -> Graph:
    """What reads what: an edge comes from a call that wrote the memory last. Calls that repeat, as
    those of tiles do, are drawn once, in a frame that says how often. ``outside`` names the memory
    that isn't the plan's, by owner's id.
    """
    names, _ = named(calls, outside)
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    writers: dict[int, list[tuple[Array, str]]] = {}
    for start, length, repetitions in pieces([signature(call) for call in calls]):
        group = (f"{repetitions} times, from call {start}",) if repetitions > 1 else ()
        for i in range(start, start + length):
            call, found = calls[i], f"call{i}"
            for a in call.reads():
                sources = list(last_writers(a, writers.get(id(owner(a)), [])))
                if not sources:
                    name = names[id(owner(a))]
                    kind = "constant" if name.startswith("c") else "leaf"
                    nodes.setdefault(name, Node(name, name, described(owner(a)), kind))
                    sources = [name]
                edges += [Edge(source, found) for source in sources]
            detail = call.name if call.out is None else f"{call.name} {described(call.out)}"
            nodes[found] = Node(found, call.op, detail, "op", group)
            if call.out is not None:
                writers.setdefault(id(owner(call.out)), []).append((call.out, found))
    read = {edge.source for edge in edges}
    last = [n._replace(kind="result") if n.kind == "op" and n.id not in read else n
            for n in nodes.values()]  # fmt: skip
    return Graph(last, edges)


def last_writers(a: Array, writes: list[tuple[Array, str]]) -> Iterator[str]:
    """The calls that wrote what stands in ``a``, the last one first."""
    for out, call in reversed(writes):
        if np.shares_memory(a, out):
            yield call
            (start, end), (first, last) = byte_bounds(a), byte_bounds(out)
            if first <= start and end <= last and last - first == out.nbytes:
                return  # it wrote all of it


def described(a: Array) -> str:
    """Type and shape, such as ``f4[10,800]``."""
    return f"{a.dtype.str[1:]}[{','.join(map(str, a.shape))}]"
