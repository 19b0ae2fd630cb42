"""Pictures of graphs: what they show, their layout's laws, and that no name breaks out of them."""

import os
import pickle
import re
import subprocess
import sys
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.drawing import layered
from tinygrad_cls.drawing.graph import Edge, Graph, Node, collapse, group_name, module_id
from tinygrad_cls.drawing.layout import Layout, layout
from tinygrad_cls.drawing.lettering import plain, shorten, width
from tinygrad_cls.drawing.ordering import Segment, crossings, ordered
from tinygrad_cls.drawing.ranking import ranks
from tinygrad_cls.drawing.svg import svg
from tinygrad_cls.drawing.text import dot, mermaid, text

SVG = "{http://www.w3.org/2000/svg}"


def mlp(sizes=(2, 10, 10, 1)):
    """The tutorial's model with its loss."""
    nodes, edges, last = [Node("X", "X", f"(4, {sizes[0]})", "leaf")], [], "X"
    for i, (n, m) in enumerate(pairwise(sizes), start=1):
        group = (f"layer_{i}",)
        nodes += [
            Node(f"W{i}", "weight", f"({m}, {n})", "parameter", group),
            Node(f"b{i}", "bias", f"({m},)", "parameter", group),
            Node(f"l{i}", "linear", f"(4, {m})", "op", group),
        ]
        edges += [Edge(last, f"l{i}", "x"), Edge(f"W{i}", f"l{i}"), Edge(f"b{i}", f"l{i}")]
        last = f"l{i}"
        if i < len(sizes) - 1:
            nodes.append(Node(f"relu{i}", "relu", f"(4, {m})"))
            edges.append(Edge(last, f"relu{i}"))
            last = f"relu{i}"
    nodes += [Node("y", "y", "(4, 1)", "leaf"), Node("loss", "bce", "()", "result")]
    edges += [Edge(last, "loss", "input"), Edge("y", "loss", "target")]
    return Graph(nodes, edges, "the tutorial's model")


def flat(graph):
    return Graph([node._replace(group=()) for node in graph.nodes], graph.edges)


def residual(blocks):
    nodes, edges = [Node("x0", "x", "(4, 8)", "leaf")], []
    for i in range(blocks):
        group = ("encoder", f"block_{i}")
        nodes += [Node(f"W{i}", "weight", "(8, 8)", "parameter", group)]
        nodes += [Node(f"{op}{i + 1}", op, "", "op", group) for op in ("matmul", "relu")]
        nodes += [Node(f"x{i + 1}", "add", "(4, 8)", "op", group)]
        edges += [Edge(f"x{i}", f"matmul{i + 1}", "a"), Edge(f"W{i}", f"matmul{i + 1}", "b")]
        edges += [Edge(f"matmul{i + 1}", f"relu{i + 1}")]
        edges += [Edge(f"x{i}", f"x{i + 1}", "a"), Edge(f"relu{i + 1}", f"x{i + 1}", "b")]
    return Graph(nodes, edges)


def unrolled(steps):
    """A recurrent net: one weight is used by each step."""
    nodes, edges, last = [Node("W", "W", kind="parameter"), Node("h", "h_0", kind="leaf")], [], "h"
    for i in range(steps):
        nodes += [Node(f"x{i}", f"x_{i}", kind="leaf"), Node(f"m{i}", "matmul")]
        nodes += [Node(f"a{i}", "add"), Node(f"t{i}", "tanh")]
        edges += [Edge("W", f"m{i}", "a"), Edge(last, f"m{i}", "b"), Edge(f"m{i}", f"a{i}", "a")]
        edges += [Edge(f"x{i}", f"a{i}", "b"), Edge(f"a{i}", f"t{i}")]
        last = f"t{i}"
    return Graph(nodes, edges)


SQUARE = Graph(
    [Node("a", "a", "(3,)", "leaf"), Node("m", "mul"), Node("s", "sum", "()", "result")],
    [Edge("a", "m", "a"), Edge("a", "m", "b"), Edge("m", "s")],
)
DIAMOND = Graph(
    [Node("x", "x"), Node("exp", "exp"), Node("sin", "sin"), Node("z", "add")],
    [Edge("x", "exp"), Edge("x", "sin"), Edge("exp", "z", "a"), Edge("sin", "z", "b")],
)
SHARED = collapse(  # its module is used twice: a cycle, once it's one node
    Graph(
        [
            Node("x", "x", kind="leaf"),
            Node("w", "weight", kind="parameter", group=("f",)),
            Node("1", "linear", group=("f",)),
            Node("relu", "relu"),
            Node("2", "linear", group=("f",)),
            Node("sum", "sum", kind="result"),
        ],
        [Edge(*pair) for pair in ("x1", "w1", "w2")]
        + [Edge("1", "relu"), Edge("relu", "2"), Edge("2", "sum")],
    )
)
PICTURES = {
    "empty": Graph([], []),
    "one": Graph([Node("x", "x")], []),
    "apart": Graph([Node(c, c * 5) for c in "abcdefghi"], [Edge("a", "b")]),
    "square": SQUARE,
    "diamond": DIAMOND,
    "shared": SHARED,
    "mlp": flat(mlp()),
    "mlp open": mlp(),
    "mlp closed": collapse(mlp()),
    "mlp half": collapse(mlp(), [("layer_2",)]),
    "residual": flat(residual(4)),
    "residual open": residual(4),
    "residual half": collapse(residual(4), [("encoder",), ("encoder", "block_1")]),
    "unrolled": unrolled(5),
}


WORDS = st.sampled_from(["x", "weight", "matmul", "가중치 행렬"])


@st.composite
def graphs(draw, texts=WORDS, grouped=True):
    """Any acyclic graph, in groups that may make it a cyclic one."""
    groups = [(), ("a",), ("a", "b"), ("c",)] if grouped else [()]
    kinds = st.sampled_from(["op", "leaf", "parameter", "result"])
    size = draw(st.integers(0, 12))
    nodes = [
        Node(f"n{i}", draw(texts), draw(texts), draw(kinds), draw(st.sampled_from(groups)))
        for i in range(size)
    ]
    ends = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)).filter(
        lambda pair: pair[0] < pair[1]
    )
    pairs = draw(st.lists(ends, max_size=20)) if size > 1 else []
    return Graph(nodes, [Edge(f"n{a}", f"n{b}", draw(texts)) for a, b in pairs])


# --- laws of the layout ---------------------------------------------------------------------------


def inside(box, x, y, slack=0.1):
    return (
        box.x + slack < x < box.x + box.width - slack
        and box.y + slack < y < box.y + box.height - slack
    )


def apart(a, b):
    return (
        a.x + a.width <= b.x + 1e-6
        or b.x + b.width <= a.x + 1e-6
        or a.y + a.height <= b.y + 1e-6
        or b.y + b.height <= a.y + 1e-6
    )


def holds(outer, inner):
    return inside(outer, inner.x, inner.y) and inside(
        outer, inner.x + inner.width, inner.y + inner.height
    )


def curve(route, pieces=12):
    """Points on the line, as the SVG draws it: cubic, and vertical at both ends."""
    points = [route[0]]
    for (x, y), (to_x, to_y) in pairwise(route):
        for t in (i / pieces for i in range(1, pieces + 1)):
            bend = 3 * t**2 - 2 * t**3
            half = 3 * t * (1 - t) * (y + to_y) / 2
            points.append((x + (to_x - x) * bend, y * (1 - t) ** 3 + half + to_y * t**3))
    return points


def check(graph: Graph, plan: Layout):
    """Everything is where it belongs."""
    groups = {node.id: node.group for node in graph.nodes}
    assert plan.positions.keys() == groups.keys()
    assert plan.frames.keys() == set(graph.groups())
    for box in [*plan.positions.values(), *plan.frames.values()]:
        assert min(box.x, box.y) >= 0
        assert box.x + box.width <= plan.width
        assert box.y + box.height <= plan.height
    for a, b in combinations(plan.positions.values(), 2):
        assert apart(a, b)

    def within(group, name):
        return group[: len(name)] == name

    for name, frame in plan.frames.items():
        for node, box in plan.positions.items():
            assert holds(frame, box) if within(groups[node], name) else apart(frame, box)
        for other, box in plan.frames.items():
            if other != name and within(other, name):
                assert holds(frame, box)

    for edge, route in zip(graph.edges, plan.routes, strict=True):
        source, target = plan.positions[edge.source], plan.positions[edge.target]
        if route[0][1] < route[-1][1]:
            start, end = source.y + source.height, target.y
        else:
            start, end = source.y, target.y + target.height  # upwards, in a cycle of modules
        assert abs(route[0][1] - start) < 0.02
        assert abs(route[-1][1] - end) < 0.02
        assert source.x < route[0][0] < source.x + source.width
        assert target.x < route[-1][0] < target.x + target.width
        strangers = [box for node, box in plan.positions.items() if node not in edge[:2]]
        for name, frame in plan.frames.items():
            if not (within(groups[edge.source], name) or within(groups[edge.target], name)):
                strangers.append(frame)
        for x, y in curve(route):
            assert 0 < x < plan.width
            assert 0 < y < plan.height
            assert not any(inside(box, x, y) for box in strangers)


@pytest.mark.parametrize("name", PICTURES)
def test_everything_is_where_it_belongs(name):
    check(PICTURES[name], layout(PICTURES[name]))


@given(graphs())
def test_everything_is_where_it_belongs_in_any_graph(graph):
    check(graph, layout(graph))
    closed = collapse(graph, [("a",)])
    check(closed, layout(closed))


def test_the_check_of_a_layout_can_fail():
    plan = layout(DIAMOND)
    moved = plan.positions | {"exp": plan.positions["sin"]}
    with pytest.raises(AssertionError):
        check(DIAMOND, plan._replace(positions=moved))
    with pytest.raises(AssertionError):
        check(DIAMOND, plan._replace(routes=plan.routes[::-1]))


def crossings_drawn(graph, plan):
    """Pairs of edges without a common end whose lines cross on the page."""
    lines = [curve(route) for route in plan.routes]
    return sum(
        bool(any(cross(p, q) for p in pairwise(lines[i]) for q in pairwise(lines[j])))
        for i, j in combinations(range(len(lines)), 2)
        if not set(graph.edges[i][:2]) & set(graph.edges[j][:2])
    )


def cross(p, q):
    def side(line, point):
        (a, b), (c, d) = line
        return (c - a) * (point[1] - b) - (d - b) * (point[0] - a)

    return side(p, q[0]) * side(p, q[1]) < 0 and side(q, p[0]) * side(q, p[1]) < 0


@pytest.mark.parametrize("name", PICTURES)
def test_no_lines_cross_on_the_page(name):
    assert crossings_drawn(PICTURES[name], layout(PICTURES[name])) == 0


def test_crossings_on_the_page_are_seen():
    butterfly = Graph(
        [Node(c, c) for c in "abxyz"],
        [Edge(*pair) for pair in ("ax", "ay", "az", "bx", "by", "bz")],
    )
    assert crossings_drawn(butterfly, layout(butterfly)) > 0


@st.composite
def layers(draw):
    """Rows, and segments between neighbouring ones."""
    rows, vertices = [], 0
    for size in draw(st.lists(st.integers(1, 6), min_size=2, max_size=5)):
        rows.append(list(range(vertices, vertices + size)))
        vertices += size
    segments = []
    for upper, lower in pairwise(rows):
        pairs = st.tuples(st.sampled_from(upper), st.sampled_from(lower))
        segments += [Segment(a, b) for a, b in draw(st.lists(pairs, max_size=12, unique=True))]
    return rows, segments


def crossings_counted(rows, segments):
    place = {v: i for row in rows for i, v in enumerate(row)}
    row_of = {v: r for r, row in enumerate(rows) for v in row}
    return sum(
        (place[a.upper] - place[b.upper]) * (place[a.lower] - place[b.lower]) < 0
        for a, b in combinations(segments, 2)
        if row_of[a.upper] == row_of[b.upper]
    )


def moves(rows):
    """All rows that one vertex's move within its row leads to."""
    for r, row in enumerate(rows):
        for here in range(len(row)):
            for there in range(len(row)):
                moved = list(row)
                moved.insert(there, moved.pop(here))
                yield [*rows[:r], moved, *rows[r + 1 :]]


@given(layers())
def test_no_move_takes_a_crossing_away(case):
    rows, segments = case
    found = ordered(rows, segments)
    assert [sorted(row) for row in found] == rows
    fewest = crossings_counted(found, segments)
    assert crossings(found, segments) == fewest
    assert min(crossings_counted(other, segments) for other in moves(found)) >= fewest


def test_a_move_takes_a_crossing_away_where_there_is_one():
    rows, segments = [[0, 1], [2, 3]], [Segment(0, 3), Segment(1, 2)]
    assert min(crossings_counted(other, segments) for other in moves(rows)) == 0
    assert crossings_counted(rows, segments) == 1


@given(graphs(grouped=False))
def test_edges_lead_down(graph):
    number = {node.id: i for i, node in enumerate(graph.nodes)}
    edges = [(number[edge.source], number[edge.target]) for edge in graph.edges]
    row = ranks(len(number), edges)
    assert all(row[a] < row[b] for a, b in edges)
    for v in set(range(len(row))) - {b for _, b in edges}:  # a leaf is next to its consumer
        assert min([row[b] - row[v] for a, b in edges if a == v], default=1) == 1


def test_rows_and_columns_of_the_tutorials_model():
    """One straight spine from the input to the loss; parameters stand just above their layer."""
    for graph in (flat(mlp()), mlp()):
        plan = layout(graph)
        middle = {n: box.x + box.width / 2 for n, box in plan.positions.items()}
        spine = ["X", "l1", "relu1", "l2", "relu2", "l3"]
        assert all(abs(middle[a] - middle[b]) < 0.02 for a, b in pairwise(spine))
        tops = [plan.positions[n].y for n in [*spine, "loss"]]
        assert tops == sorted(tops)
        for i in "123":
            layer, weight, bias = (plan.positions[c + i] for c in ("l", "W", "b"))
            assert weight.y == bias.y
            assert 30 < layer.y - weight.y - weight.height < 60


def test_operands_stand_in_order():
    graph = Graph(
        [Node(c, c, kind="leaf") for c in "zyx"] + [Node("f", "f")],
        [Edge(c, "f", c * 3) for c in "xyz"],
    )
    x, y, z = (layout(graph).positions[c].x for c in "xyz")
    assert x < y < z
    ends = [(1, 4), (1, 2), (0, 4), (4, 5), (3, 5)]  # 3 and 4 may stand either way
    segments = [Segment(*pair) for pair in ends]
    assert ordered([[0, 1], [2, 3, 4], [5, 6]], segments)[1] == [2, 4, 3]


def test_two_edges_to_one_node_are_two_lines():
    plan = layout(SQUARE)
    assert plan.routes[0][-1] != plan.routes[1][-1]
    assert plan.texts == ["a", "b", ""]


def test_letters_fit_into_boxes():
    graph = Graph([Node("1", "W" * 20), Node("2", "중앙값" * 4), Node("3", "x", "(1, 2) " * 6)], [])
    for node in graph.nodes:
        box = layout(graph).positions[node.id]
        assert width(node.label, 13) < box.width
        assert width(node.detail, 10.5) < box.width
    assert width("중앙값", 10) >= 30  # square letters
    assert width(shorten("W" * 999, 13, 240), 13) <= 240
    assert "W" * 99 in svg(Graph([Node("1", "W" * 99)], []))  # in full in the title


# --- the file -------------------------------------------------------------------------------------

ANY = st.text(
    st.characters() | st.sampled_from("<>&\"'\\#;[](){}|\0\x1b\ud800\u202e\n"), max_size=9
)


def parsed(graph):
    made = svg(graph)
    made.encode()
    return ElementTree.fromstring(made)


@given(graphs(ANY), ANY)
def test_no_text_breaks_out_of_the_svg(graph, title):
    root = parsed(Graph(graph.nodes, graph.edges, title))
    found = {
        (e.get("class"), e.get(key)) for key in ("data-node", "data-edge") for e in root.iter()
    }
    assert {("node", node.id) for node in graph.nodes} <= found
    assert {("edge", str(i)) for i in range(len(graph.edges))} <= found
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "rect", "g", "path", "text"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not {n for n in names if n.startswith(("on", "href", "style", "{"))}
    for group, node in zip(root.findall(f"{SVG}g[@data-node]"), graph.nodes, strict=True):
        assert plain(node.label) in group.findtext(f"{SVG}title")


@given(ANY)
def test_no_id_or_group_breaks_out(name):
    nodes = [Node(f"{name}1", "x", group=(name,)), Node(f"{name}2", "y")]
    graph = Graph(nodes, [Edge(f"{name}1", f"{name}2")])
    for shown in (graph, collapse(graph)):
        (edge,) = parsed(shown).findall(f"{SVG}g[@class='edge']")
        assert edge.get("data-to") == plain(f"{name}2")


def test_svg_names_what_it_shows():
    root = parsed(collapse(mlp(), [("layer_2",)]))
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext(f"{SVG}title") == "the tutorial's model"
    size = root.get("width"), root.get("height")
    assert root.get("viewBox").split() == ["0", "0", *size]
    (frame,) = root.findall(f"{SVG}g[@class='frame']")
    assert frame.get("data-group") == "layer_2"
    modules = root.findall(f"{SVG}g[@data-kind='module']")
    assert [module.get("data-group") for module in modules] == ["layer_1", "layer_3"]
    edges = root.findall(f"{SVG}g[@class='edge']")
    assert (edges[0].get("data-from"), edges[0].get("data-to")) == ("X", "module:layer_1")
    assert edges[0].findtext(f"{SVG}title") == "X → layer_1 (x)"
    assert [len(edge.findall(f"{SVG}path")) for edge in edges] == [2] * len(edges)


def test_bytes_do_not_depend_on_the_process():
    code = """
import pickle, sys
from tinygrad_cls.drawing.svg import svg
from tinygrad_cls.drawing.text import dot, mermaid, text
for graph in pickle.load(sys.stdin.buffer):
    for show in (svg, text, dot, mermaid):
        print(show(graph))
"""
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            input=pickle.dumps(list(PICTURES.values())),
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1
    assert len(made.pop()) > 50_000


DEEP = 1500  # more than Python's stack holds


@pytest.mark.parametrize(
    "graph",
    [
        Graph(
            [Node(str(i), "f") for i in range(DEEP)],
            [Edge(*map(str, p)) for p in pairwise(range(DEEP))],
        ),
        unrolled(DEEP // 4),
        Graph(
            [Node("0", "cat")] + [Node(str(i), "x") for i in range(1, DEEP)],
            [Edge(str(i), "0") for i in range(1, DEEP)],
        ),
    ],
    ids=["a chain", "an unrolled net", "a star"],
)
def test_large_graphs(graph):
    made = svg(graph)
    assert made.count('class="node"') == len(graph.nodes)
    assert made.count('class="edge"') == len(graph.edges)
    tree = text(graph)
    assert len(tree) < 250 * len(graph.edges)
    assert max(map(len, tree.splitlines())) < 120
    assert dot(graph).count("->") == mermaid(graph).count("-->") == len(graph.edges)


def test_lines_beyond_the_limit_go_straight(monkeypatch):
    chain = [Edge(str(i), str(i + 1)) for i in range(9)]
    graph = Graph([Node(str(i), "f") for i in range(10)], [*chain, Edge("1", "8"), Edge("0", "9")])
    check(graph, layout(graph))
    monkeypatch.setattr(layered, "LANES", 7)
    assert len(layout(graph).routes[-1]) == 2
    with pytest.raises(AssertionError):
        check(graph, layout(graph))


# --- groups ---------------------------------------------------------------------------------------


def test_collapse():
    graph = collapse(mlp())
    assert [node.id for node in graph.nodes if node.kind == "module"] == [
        module_id((f"layer_{i}",)) for i in (1, 2, 3)
    ]
    assert graph.nodes[1] == Node("module:layer_1", "layer_1", "1 op, 2 parameters", "module", ())
    assert graph.edges[0] == Edge("X", "module:layer_1", "x")
    assert len(graph.edges) == 7
    assert collapse(mlp(), mlp().groups()).nodes == mlp().nodes


def test_collapse_opens_inner_groups():
    graph = residual(2)
    ids = {node.id: node.group for node in collapse(graph, [("encoder",)]).nodes}
    assert ids == {
        "x0": (),
        "module:encoder.block_0": ("encoder",),
        "module:encoder.block_1": ("encoder",),
    }
    (outer,) = collapse(graph, [("encoder", "block_0")]).nodes[1:]  # what's around it is closed
    assert (outer.id, outer.detail) == ("module:encoder", "6 ops, 2 parameters")


def test_collapse_counts_edges():
    into, _ = collapse(residual(2), [("encoder",)]).edges
    assert (into.times, into.label, into.text) == (2, "a", "a ×2")
    mixed = Graph(
        [Node("x", "x"), Node("1", "f", group=("f",)), Node("2", "f", group=("f",))],
        [Edge("x", "1", "a"), Edge("x", "2", "b"), Edge("x", "2", "b")],
    )
    assert collapse(mixed).edges == [Edge("x", "module:f", "", 3)]
    assert collapse(SQUARE).edges == SQUARE.edges
    (edge,) = collapse(collapse(residual(2), [("encoder",)])).edges
    assert (edge.source, edge.target, edge.times) == ("x0", "module:encoder", 2)
    pairs = [Edge("x", "1"), Edge("x", "2"), Edge("x", "3")]
    nested = [
        Node("x", "x"),
        *(Node(i, "f", group=("f", "g")) for i in "12"),
        Node("3", "f", group=("f",)),
    ]
    (edge,) = collapse(collapse(Graph(nested, pairs), [("f",)])).edges
    assert edge.times == 3
    assert "×3" in svg(collapse(mixed))


def test_names_of_groups_differ():
    groups = [("a.b",), ("a", "b"), ("a\\", "b"), ("a\\.b",), ("a", "", "b")]
    assert len({group_name(group) for group in groups}) == len(groups)


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        ([Node("x", "x"), Node("x", "y")], [], "two nodes have the id 'x': give each its own"),
        ([Node("x", "x", kind="tensor")], [], "is of kind 'tensor': use one of op, leaf,"),
        ([Node("x", "x")], [Edge("x", "y")], "from 'x' to 'y', but no node has the id 'y'"),
        ([Node("x", "x")], [Edge("x", "x")], "an edge goes from 'x' to itself"),
    ],
)
def test_wrong_graphs(nodes, edges, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Graph(nodes, edges)


# --- text -----------------------------------------------------------------------------------------


def test_tree():
    assert (
        text(mlp((2, 3, 1)))
        == """\
bce  ()
├─ linear  (4, 1)  [layer_2]
│  ├─ relu  (4, 3)
│  │  └─ linear  (4, 3)  [layer_1]
│  │     ├─ X  (4, 2)
│  │     ├─ weight  (3, 2)
│  │     └─ bias  (3,)
│  ├─ weight  (1, 3)
│  └─ bias  (1,)
└─ y  (4, 1)"""
    )


def test_tree_shows_what_is_used_twice_once():
    x, y, z = Node("x", "x", kind="leaf"), Node("y", "exp"), Node("z", "exp")
    out = Node("out", "add")
    twice = [Edge("x", "y"), Edge("y", "out"), Edge("y", "out")]
    assert text(Graph([x, y, out], twice)).splitlines() == [
        "add", "├─ exp", "│  └─ x", "└─ exp  (shown above)",
    ]  # fmt: skip
    alike = [Edge("x", "y"), Edge("y", "z"), Edge("z", "out"), Edge("y", "out")]
    assert text(Graph([x, y, z, out], alike)).splitlines() == [
        "add", "├─ exp", "│  └─ exp  #1", "│     └─ x", "└─ exp  (#1, shown above)",
    ]  # fmt: skip


def test_tree_of_a_cycle_and_of_nothing():
    assert text(SHARED).count("f  ") == 2
    ring = Graph([Node("a", "a"), Node("b", "b")], [Edge("a", "b"), Edge("b", "a")])
    assert text(ring).splitlines() == ["b", "└─ a", "   └─ b  (shown above)"]
    assert text(Graph([], [])) == ""


DOT = re.compile(
    r"""digraph\ {\n(\ \ label="([^"\\]|\\.)*"\n)?\ \ node\ .*\n
    (\ +(subgraph\ cluster\d+\ {|label="([^"\\]|\\.)*"|}
      |n\d+\ \[label="([^"\\]|\\.)*"\ color="\#\w+"\ fillcolor="\#\w+"\]
      |n\d+\ ->\ n\d+(\ \[label="([^"\\]|\\.)*"\])?)\n)*}""",
    re.VERBOSE,
)
SAFE = r"([\w\ .,()×=+-]|\#\d+;|<br/>)*"
MERMAID = re.compile(
    rf"""flowchart\ TD(\n\ +(subgraph\ g\d+\["{SAFE}"\]|end
      |n\d+(\["|\("|\(\["|\[\["){SAFE}("\]|"\)|"\]\)|"\]\]):::\w+
      |n\d+\ -->(\|"{SAFE}"\|)?\ n\d+|classDef\ \w+\ fill:\#\w+,stroke:\#\w+,color:\#\w+))*""",
    re.VERBOSE,
)


@given(graphs(ANY), ANY)
def test_no_text_breaks_out_of_dot_and_mermaid(graph, title):
    graph = Graph(graph.nodes, graph.edges, title)
    assert DOT.fullmatch(dot(graph))
    assert MERMAID.fullmatch(mermaid(graph))


def test_groups_in_dot_and_mermaid():
    graph = residual(1)
    assert re.findall(r"subgraph|label=\"\w+\"|}", dot(graph)) == [
        "subgraph", 'label="encoder"', "subgraph", 'label="block_0"', 'label="matmul"',
        'label="relu"', "}", "}", 'label="a"', 'label="b"', 'label="a"', 'label="b"', "}",
    ]  # fmt: skip
    assert re.findall(r"subgraph.*|end", mermaid(graph)) == [
        'subgraph g0["encoder"]', 'subgraph g1["block_0"]', "end", "end",
    ]  # fmt: skip


def test_a_replay_plan() -> None:
    """Every call of a compiled step is drawn, after the calls that wrote what it reads."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x, y = tg.ones(4, 2), tg.ones(4, 1)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

    @tg.compile
    def step() -> tg.Tensor:
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    before = [step(), step()]
    graph = step.plan.graph()
    calls = [n for n in graph.nodes if n.id.startswith("call")]
    assert [n.label for n in calls] == [call.op for call in step.plan]
    number = {n.id: i for i, n in enumerate(graph.nodes)}
    assert all(number[e.source] < number[e.target] for e in graph.edges)
    read = {e.target for e in graph.edges}
    assert all(n.id in read for n in calls if n.detail != "Numbers")  # the learning rate's
    results = {n.label for n in graph.nodes if n.kind == "result"}
    assert {"unpack"} <= results  # the new weights
    assert step().item() < before[-1].item()  # drawing disturbs nothing
    assert step.plan._repr_svg_() == step.plan.svg()
