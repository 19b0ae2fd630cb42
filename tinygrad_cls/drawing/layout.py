"""Where the nodes, edges and groups of a graph are drawn.

Each group is a picture of its own, which the picture around it takes for one box: a frame never
holds a stranger. Edges cross a frame at ports, which both pictures know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .graph import Graph, Node
from .layered import GAP, LANE, PORT, Box, Picture, Point, Wire, draw, middle
from .lettering import plain, width
from .ranking import back_edges

LABEL, DETAIL, SMALL = 13.0, 10.5, 10.0  # sizes of letters: names, second lines, edges and groups
WIDEST = 240.0  # longer labels are shortened
PADDING = 12.0  # around the picture, around a group, and beside a label
ABOVE = 28.0  # from the top of a group's frame, where its name is, to what is in it
LABELS = 8  # so many edges into one node are labelled, at most
SPINE = 4.0  # the weight of an edge's being straight, if its source is computed
WEIGHTS = {"leaf": 1.0, "parameter": 0.2, "constant": 0.2}

Group = tuple[str, ...]
Unit = str | Group  # a node's id, or a group
Net = tuple[str, bool]  # edges from one node, and whether they are drawn upwards


class Layout(NamedTuple):
    """What is where. A route is the points of an edge, in the edge's direction; between two points
    it runs straight, or in a curve that is vertical at both.
    """

    positions: dict[str, Box]
    routes: list[list[Point]]  # as the graph's edges
    frames: dict[Group, Box]
    texts: list[str]  # beside the edges
    width: float
    height: float


def layout(graph: Graph) -> Layout:
    """Places nodes in rows from the inputs down to the results, and groups in frames.

    >>> layout(Graph([Node("x", "x")], [])).positions["x"]
    Box(x=12.0, y=12.0, width=44.0, height=28.0)
    """
    texts = _texts(graph)
    sizes = _sizes(graph, texts)
    levels, plans = _plan(graph, texts)
    groups = sorted(levels, key=len)
    for group in reversed(groups):
        levels[group].draw(sizes, levels)

    positions: dict[str, Box] = {}
    frames: dict[Group, Box] = {}
    levels[()].corner = PADDING, PADDING
    for group in groups:
        left, top = levels[group].corner
        for unit, (x, y, *size) in levels[group].boxes.items():
            box = Box(left + x, top + y, *size)
            if isinstance(unit, str):
                positions[unit] = box
            else:
                frames[unit] = box
                levels[unit].corner = box.x + levels[unit].indent, box.y + ABOVE
    return Layout(
        {node.id: positions[node.id] for node in graph.nodes},
        [_route(plan, levels) for plan in plans],
        frames,
        texts,
        levels[()].width + 2 * PADDING,
        levels[()].height + 2 * PADDING,
    )


def _texts(graph: Graph) -> list[str]:
    """What stands beside each edge: nothing if it is alone and says what its source does."""
    label = {node.id: node.label for node in graph.nodes}
    arriving = Counter(edge.target for edge in graph.edges)
    parallel = Counter(edge[:2] for edge in graph.edges)
    return [
        ""
        if arriving[edge.target] > LABELS
        or (edge.text == label[edge.source] and parallel[edge[:2]] == 1)
        else plain(edge.text)
        for edge in graph.edges
    ]


def _room(text: str) -> float:
    return width(text, SMALL) + 10 if text else 0.0


def _sizes(graph: Graph, texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Of each node: wide enough for its letters, and for the edges' at its top."""
    top = {node.id: 20.0 for node in graph.nodes}
    for edge, text in zip(graph.edges, texts, strict=True):
        top[edge.target] += 1.5 * max(PORT, _room(text))  # with a choice of where they end
    return {
        node.id: (
            max(
                44.0,
                min(WIDEST, width(plain(node.label), LABEL)) + 2 * PADDING,
                min(WIDEST, width(plain(node.detail), DETAIL)) + 2 * PADDING,
                min(WIDEST + 2 * PADDING, top[node.id]),
            ),
            42.0 if node.detail else 28.0,
        )
        for node in graph.nodes
    }


@dataclass(frozen=True)
class _Port:
    """Where a net crosses the frame of a group, at the top or the bottom."""

    net: Net
    at_top: bool


class _Line(NamedTuple):
    """A piece of an edge within one group. Edges share it, unless it ends at a node."""

    source: Unit | _Port
    target: Unit | _Port
    net: Net
    edge: int | None


Plan = list[tuple[Group, _Line]]


@dataclass
class _Level:
    """A group: what is directly in it, and once it's drawn, where, from its own left top corner."""

    group: Group
    units: dict[Unit, None] = field(default_factory=dict)
    lines: dict[_Line, tuple[float, float]] = field(default_factory=dict)  # weight, room

    boxes: dict[Unit, Box] = field(default_factory=dict)
    routes: dict[_Line, list[Point]] = field(default_factory=dict)
    ports: dict[_Port, float] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0
    corner: Point = (0.0, 0.0)

    @property
    def frame(self) -> tuple[float, float]:
        """The size of its frame: its name shall have room beside an edge in the middle."""
        name = width(plain(self.group[-1]), LABEL) + PADDING  # SMALL, but bold
        return max(self.width + 2 * PADDING, min(2 * name, WIDEST)), self.height + ABOVE + PADDING

    @property
    def indent(self) -> float:
        """From the frame's left side to what is in it."""
        return (self.frame[0] - self.width) / 2

    def offset(self, port: _Port) -> float:
        """How far right of the frame's middle a port is."""
        return self.ports[port] - self.width / 2

    def draw(self, sizes: dict[str, tuple[float, float]], levels: dict[Group, _Level]) -> None:
        """Places everything, with the groups inside drawn before."""
        ends = dict.fromkeys(end for line in self.lines for end in line[:2])
        members = [*self.units, *(end for end in ends if isinstance(end, _Port))]
        components = _components(members, self.lines)
        drawings = [self._draw(*component, sizes, levels) for component in components]
        self._pack(components, drawings)

    def _draw(
        self,
        members: list[Unit | _Port],
        lines: list[_Line],
        sizes: dict[str, tuple[float, float]],
        levels: dict[Group, _Level],
    ) -> Picture:
        number = {member: i for i, member in enumerate(members)}
        wires = []
        for line in lines:
            source, target, net, _ = line
            out: float = 0
            into: float | None = None
            if isinstance(source, tuple):
                out = levels[source].offset(_Port(net, at_top=False))
            if isinstance(target, _Port):
                into = 0
            elif isinstance(target, tuple):
                into = levels[target].offset(_Port(net, at_top=True))
            wires.append(Wire(number[source], number[target], net, out, into, *self.lines[line]))
        return draw(
            [self._size(member, sizes, levels) for member in members],
            wires,
            [i for m, i in number.items() if isinstance(m, _Port) and m.at_top],
            [i for m, i in number.items() if isinstance(m, _Port) and not m.at_top],
        )

    def _size(
        self,
        member: Unit | _Port,
        sizes: dict[str, tuple[float, float]],
        levels: dict[Group, _Level],
    ) -> tuple[float, float]:
        if isinstance(member, _Port):
            return LANE, 0.0
        return sizes[member] if isinstance(member, str) else levels[member].frame

    def _pack(
        self, components: list[tuple[list[Unit | _Port], list[_Line]]], drawings: list[Picture]
    ) -> None:
        """Puts the components side by side; outside of all groups, in several rows if need be."""
        area = sum((p.width + GAP) * (p.height + GAP) for p in drawings)
        limit = max([(1.6 * area) ** 0.5, *(p.width for p in drawings)], default=0.0)
        x = y = bottom = 0.0
        for (members, lines), drawing in zip(components, drawings, strict=True):
            if not self.group and x > 0 and x + drawing.width > limit:
                x, y = 0.0, bottom + 2 * GAP
            for member, box in zip(members, drawing.boxes, strict=True):
                if isinstance(member, _Port):
                    self.ports[member] = middle(box) + x
                else:
                    self.boxes[member] = box._replace(x=box.x + x, y=box.y + y)
            for line, route in zip(lines, drawing.routes, strict=True):
                self.routes[line] = [(a + x, b + y) for a, b in route]
            self.width = max(self.width, x + drawing.width)
            x += drawing.width + 2 * GAP
            bottom = max(bottom, y + drawing.height)
        self.height = bottom
        for line, route in self.routes.items():
            if isinstance(line.target, _Port):
                route.append((route[-1][0], self.height))


def _components(
    members: list[Unit | _Port], lines: Iterable[_Line]
) -> list[tuple[list[Unit | _Port], list[_Line]]]:
    """What hangs together."""
    near: dict[Unit | _Port, list[Unit | _Port]] = {member: [] for member in members}
    for line in lines:
        near[line.source].append(line.target)
        near[line.target].append(line.source)
    component: dict[Unit | _Port, int] = {}
    count = 0
    for member in members:
        stack = [member] if member not in component else []
        count += len(stack)
        while stack:
            found = stack.pop()
            if found not in component:
                component[found] = count - 1
                stack += near[found]
    parts: list[tuple[list[Unit | _Port], list[_Line]]] = [([], []) for _ in range(count)]
    for member in members:
        parts[component[member]][0].append(member)
    for line in lines:
        parts[component[line.source]][1].append(line)
    return parts


def _plan(graph: Graph, texts: Sequence[str]) -> tuple[dict[Group, _Level], list[Plan]]:
    """The groups, () among them, and the lines that make up each edge, from top to bottom."""
    nodes = {node.id: node for node in graph.nodes}
    levels = {group: _Level(group) for group in [(), *graph.groups()]}
    for node in graph.nodes:
        unit: Unit = node.id
        for depth in range(len(node.group), -1, -1):
            units = levels[node.group[:depth]].units
            if unit in units:
                break
            units[unit] = None
            unit = node.group[:depth]

    upwards = _upwards(graph, nodes, levels)
    plans = []
    for i, (edge, text) in enumerate(zip(graph.edges, texts, strict=True)):
        top, bottom = nodes[edge.source], nodes[edge.target]
        weight = WEIGHTS.get(top.kind, SPINE)
        if upwards[i]:
            top, bottom = bottom, top
        plan = _lines(top, bottom, (top.id, upwards[i]), i)
        for group, line in plan:
            old = levels[group].lines.get(line, (0.0, 0.0))[0]
            room = 0.0 if line.edge is None or upwards[i] else _room(text)
            levels[group].lines[line] = max(old, weight), room
        plans.append(plan)
    return levels, plans


def _lines(top: Node, bottom: Node, net: Net, edge: int) -> Plan:
    """Up through the groups of one node, and down through those of the other."""
    common = _common(top, bottom)
    climb: Plan = []
    source: Unit | _Port = top.id
    for depth in range(len(top.group), common, -1):
        group = top.group[:depth]
        climb.append((group, _Line(source, _Port(net, at_top=False), net, None)))
        source = group
    descent: Plan = []
    target: Unit | _Port = bottom.id
    own: int | None = edge
    for depth in range(len(bottom.group), common, -1):
        group = bottom.group[:depth]
        descent.append((group, _Line(_Port(net, at_top=True), target, net, own)))
        target, own = group, None
    return [*climb, (top.group[:common], _Line(source, target, net, own)), *reversed(descent)]


def _common(a: Node, b: Node) -> int:
    """How many groups have both nodes inside."""
    depth = 0
    while depth < min(len(a.group), len(b.group)) and a.group[depth] == b.group[depth]:
        depth += 1
    return depth


def _upwards(graph: Graph, nodes: dict[str, Node], levels: dict[Group, _Level]) -> list[bool]:
    """Which edges are drawn upwards: those that lead back in a cycle of groups, if there is one."""
    pairs: dict[Group, list[tuple[int, int]]] = {}
    places: list[tuple[Group, tuple[int, int]]] = []
    number = {
        group: {unit: i for i, unit in enumerate(level.units)} for group, level in levels.items()
    }
    for edge in graph.edges:
        source, target = nodes[edge.source], nodes[edge.target]
        depth = _common(source, target)
        group = source.group[:depth]
        ends = [
            number[group][node.id if len(node.group) == depth else node.group[: depth + 1]]
            for node in (source, target)
        ]
        places.append((group, (ends[0], ends[1])))
        pairs.setdefault(group, []).append(places[-1][1])
    back = {group: back_edges(len(number[group]), found) for group, found in pairs.items()}
    return [pair in back[group] for group, pair in places]


def _route(plan: Plan, levels: dict[Group, _Level]) -> list[Point]:
    """The points of an edge, without those that lie between others on a straight line."""
    points: list[Point] = []
    for group, line in plan:
        left, top = levels[group].corner
        for x, y in levels[group].routes[line]:
            here = round(x + left, 2), round(y + top, 2)
            if points and abs(here[0] - points[-1][0]) < 0.05:
                here = points[-1][0], here[1]
                straight = len(points) > 1 and points[-2][0] == here[0]
                if straight or here == points[-1]:
                    points.pop()
            points.append(here)
    return points[::-1] if plan[0][1].net[1] else points
