"""A graph to look at: nodes, edges in the direction of the forward pass, and groups of nodes.

A node's group is the path of the module that it belongs to: ``("encoder", "layer_1")``. A picture
draws a frame around every group that its nodes have; `collapse` puts one node in a group's place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

KINDS = ("op", "leaf", "parameter", "constant", "result", "module")


class Node(NamedTuple):
    """A box: an operation or a value. ``detail`` is a second, smaller line, such as a shape."""

    id: str
    label: str
    detail: str = ""
    kind: str = "op"  # one of KINDS
    group: tuple[str, ...] = ()


class Edge(NamedTuple):
    """An arrow: ``target`` uses ``source``. One may stand for several: ``times``."""

    source: str
    target: str
    label: str = ""
    times: int = 1

    @property
    def text(self) -> str:
        """What is written beside it: the label, and how many edges it stands for."""
        return self.label if self.times == 1 else f"{self.label} ×{self.times}".strip()


class Graph:
    """Nodes and edges. Order matters: it settles what a picture would otherwise leave open.

    >>> Graph([Node("x", "x"), Node("y", "x * x")], [Edge("x", "y"), Edge("x", "y")])
    Graph(2 nodes, 2 edges)
    """

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge], title: str = "") -> None:
        self.nodes = list(nodes)
        self.edges = list(edges)
        self.title = title
        known: set[str] = set()
        for node in self.nodes:
            if node.id in known:
                raise ValueError(f"two nodes have the id {node.id!r}: give each its own")
            if node.kind not in KINDS:
                raise ValueError(
                    f"node {node.id!r} is of kind {node.kind!r}: use one of {', '.join(KINDS)}"
                )
            known.add(node.id)
        for edge in self.edges:
            if missing := [end for end in edge[:2] if end not in known]:
                raise ValueError(
                    f"an edge goes from {edge.source!r} to {edge.target!r}, "
                    f"but no node has the id {missing[0]!r}"
                )
            if edge.source == edge.target:
                raise ValueError(f"an edge goes from {edge.source!r} to itself")

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes, {len(self.edges)} edges)"

    def groups(self) -> list[tuple[str, ...]]:
        """Every group with a node inside, an outer one ahead of its inner ones.

        >>> Graph([Node("w", "w", group=("encoder", "layer_1"))], []).groups()
        [('encoder',), ('encoder', 'layer_1')]
        """
        found: dict[tuple[str, ...], None] = {}
        for node in self.nodes:
            for depth in range(1, len(node.group) + 1):
                found.setdefault(node.group[:depth])
        return list(found)


def group_name(group: tuple[str, ...]) -> str:
    r"""A group's path as one string, another one for every group: ``encoder.layer_1``.

    >>> group_name(("encoder", "layer_1")), group_name(("a.b",))
    ('encoder.layer_1', 'a\\.b')
    """
    return ".".join(part.replace("\\", "\\\\").replace(".", "\\.") for part in group)


def module_id(group: tuple[str, ...]) -> str:
    """The id of the node that stands for a collapsed group.

    >>> module_id(("encoder", "layer_1"))
    'module:encoder.layer_1'
    """
    return f"module:{group_name(group)}"


def collapse(graph: Graph, opened: Collection[tuple[str, ...]] = ()) -> Graph:
    """``graph`` with one node of kind "module" for each outermost group that isn't in ``opened``.

    Edges inside such a group vanish; parallel edges from or to it become one, with their count.

    >>> w, x = Node("w", "weight", kind="parameter", group=("0",)), Node("x", "X", kind="leaf")
    >>> y = Node("y", "linear", group=("0",))
    >>> collapse(Graph([x, w, y], [Edge("x", "y"), Edge("w", "y")])).nodes[1]
    Node(id='module:0', label='0', detail='1 op, 1 parameter', kind='module', group=())
    """
    opened = {(), *map(tuple, opened)}
    place: dict[str, tuple[str, ...] | None] = {}  # node -> the closed group that hides it
    hidden: dict[tuple[str, ...], list[Node]] = {}
    for node in graph.nodes:
        prefixes = (node.group[:depth] for depth in range(1, len(node.group) + 1))
        place[node.id] = group = next((p for p in prefixes if p not in opened), None)
        if group is not None:
            hidden.setdefault(group, []).append(node)

    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        group = place[node.id]
        if group is None:
            nodes[node.id] = node
        elif module_id(group) not in nodes:
            nodes[module_id(group)] = _module(group, hidden[group])

    def end(name: str) -> str:
        group = place[name]
        return name if group is None else module_id(group)

    edges: list[Edge] = []
    merged: dict[tuple[str, str], int] = {}  # ends -> where in edges
    for edge in graph.edges:
        ends = end(edge.source), end(edge.target)
        if ends == edge[:2]:
            edges.append(edge)
        elif ends in merged:
            old = edges[merged[ends]]
            label = old.label if old.label == edge.label else ""
            edges[merged[ends]] = Edge(*ends, label, old.times + edge.times)
        elif ends[0] != ends[1]:
            merged[ends] = len(edges)
            edges.append(Edge(*ends, edge.label, edge.times))
    return Graph(nodes.values(), edges, graph.title)


def _module(group: tuple[str, ...], members: list[Node]) -> Node:
    """The node for a group: its name, and what is in it."""
    counts = {kind: sum(node.kind == kind for node in members) for kind in ("op", "parameter")}
    detail = ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items() if n)
    return Node(module_id(group), group[-1], detail, "module", group[:-1])
