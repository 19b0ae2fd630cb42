"""A graph as text: a tree for a terminal, and the languages of Graphviz and Mermaid."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from .graph import Edge, Graph, Node, group_name
from .lettering import plain
from .svg import COLORS, INK

DEEP = 24  # a branch that is deeper goes on as a tree of its own
MERMAID_SHAPES = {"op": ('("', '")'), "result": ('(["', '"])'), "module": ('[["', '"]]')}

Group = tuple[str, ...]


def text(graph: Graph) -> str:
    """A tree from each result to the inputs; what is used twice is shown once.

    A group stands in brackets where it is entered. If two nodes look alike, numbers tell which one
    is meant.

    >>> x, y = Node("x", "x", "(2,)", "leaf"), Node("y", "mul", "(2,)", "result")
    >>> print(text(Graph([x, y], [Edge("x", "y"), Edge("x", "y")])))
    mul  (2,)
    ├─ x  (2,)
    └─ x  (shown above)
    """
    nodes = {node.id: node for node in graph.nodes}
    rows = list(_rows(graph, nodes))
    alike = Counter(node[1:3] for node in graph.nodes)
    numbers: dict[str, int] = {}
    for row in rows:
        if row.note == "below" or (row.note == "above" and alike[nodes[row.node][1:3]] > 1):
            numbers.setdefault(row.node, len(numbers) + 1)

    lines = []
    for prefix, name, times, group, note in rows:
        node = nodes[name]
        words = [plain(node.label), "×" + str(times) if times > 1 else ""]
        words.append("" if note else plain(node.detail))
        words.append(f"[{plain(group_name(group))}]" if group else "")
        mark = f"#{numbers[name]}" if name in numbers else ""
        words.append(f"({mark + ', ' if mark else ''}shown {note})" if note else mark)
        lines.append(prefix + "  ".join(filter(None, words)))
    return "\n".join(lines)


class _Row(NamedTuple):
    """A line of a tree: ``group`` is the one that is entered, ``note`` where the rest is shown."""

    prefix: str
    node: str
    times: int
    group: Group
    note: str


def _rows(graph: Graph, nodes: dict[str, Node]) -> Iterator[_Row]:
    inputs: dict[str, list[Edge]] = {name: [] for name in nodes}
    for edge in graph.edges:
        inputs[edge.target].append(edge)
    used = {edge.source for edge in graph.edges}
    # A cycle of modules has no end: it comes last, from its last node.
    starts = deque([*(name for name in nodes if name not in used), *reversed(nodes)])
    shown: set[str] = set()
    while starts:
        start = starts.popleft()
        if start in shown:
            continue
        # what stands in front of it, and of what it is made of; it, how often, where it is used
        tree: list[tuple[str, str, str, int, Group]] = [("", "", start, 1, ())]
        while tree:
            here, under, name, times, outside = tree.pop()
            group = nodes[name].group
            entered = group if group != outside[: len(group)] else ()
            deep = len(under) > 3 * DEEP and bool(inputs[name])
            if name in shown or deep:
                yield _Row(here, name, times, entered, "above" if name in shown else "below")
                if name not in shown:
                    starts.appendleft(name)
                continue
            shown.add(name)
            yield _Row(here, name, times, entered, "")
            for i, edge in reversed(list(enumerate(inputs[name], start=1))):
                last = i == len(inputs[name])
                branch, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
                tree.append((under + branch, under + rest, edge.source, edge.times, group))


def dot(graph: Graph) -> str:
    r"""The graph in Graphviz's language, a group as a cluster.

    >>> print(dot(Graph([Node("x", 'say "x"'), Node("y", "y")], [Edge("x", "y")])))
    digraph {
      node [shape=box style="rounded,filled" fontname="Helvetica" fontcolor="#222222"]
      n0 [label="say \"x\"" color="#0072B2" fillcolor="#e3f1fa"]
      n1 [label="y" color="#0072B2" fillcolor="#e3f1fa"]
      n0 -> n1
    }
    """
    number = {node.id: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = ["digraph {"]
    if graph.title:
        lines.append(f"  label={_dot(graph.title)}")
    lines.append(
        f'  node [shape=box style="rounded,filled" fontname="Helvetica" fontcolor="{INK}"]'
    )
    clusters = 0
    for depth, item in _nested(graph):
        space = "  " * (depth + 1)
        if isinstance(item, Node):
            line, fill = COLORS[item.kind]
            label = _dot(item.label, item.detail)
            look = f'label={label} color="{line}" fillcolor="{fill}"'
            lines.append(f"{space}{number[item.id]} [{look}]")
        elif item:
            lines.append(f"{space}subgraph cluster{clusters} {{")
            lines.append(f"{space}  label={_dot(item[-1])}")
            clusters += 1
        else:
            lines.append(f"{space}}}")
    for edge in graph.edges:
        label = f" [label={_dot(edge.text)}]" if edge.text else ""
        lines.append(f"  {number[edge.source]} -> {number[edge.target]}{label}")
    return "\n".join([*lines, "}"])


def mermaid(graph: Graph) -> str:
    """The graph in Mermaid's language, a group as a subgraph.

    >>> print(mermaid(Graph([Node("x", "x", kind="leaf"), Node("y", "y")], [Edge("x", "y", "a")])))
    flowchart TD
      n0["x"]:::leaf
      n1("y"):::op
      n0 -->|"a"| n1
      classDef op fill:#e3f1fa,stroke:#0072B2,color:#222222
      classDef leaf fill:#def3ec,stroke:#009E73,color:#222222
    """
    number = {node.id: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    clusters = 0
    for depth, item in _nested(graph):
        space = "  " * (depth + 1)
        if isinstance(item, Node):
            left, right = MERMAID_SHAPES.get(item.kind, ('["', '"]'))
            label = "<br/>".join(map(_mermaid, filter(None, [item.label, item.detail])))
            lines.append(f"{space}{number[item.id]}{left}{label or ' '}{right}:::{item.kind}")
        elif item:
            lines.append(f'{space}subgraph g{clusters}["{_mermaid(item[-1]) or " "}"]')
            clusters += 1
        else:
            lines.append(f"{space}end")
    for edge in graph.edges:
        label = f'|"{_mermaid(edge.text)}"|' if plain(edge.text) else ""
        lines.append(f"  {number[edge.source]} -->{label} {number[edge.target]}")
    kinds = {node.kind for node in graph.nodes}
    for kind, (line, fill) in COLORS.items():
        if kind in kinds:
            lines.append(f"  classDef {kind} fill:{fill},stroke:{line},color:{INK}")
    return "\n".join(lines)


def _nested(graph: Graph) -> Iterator[tuple[int, Node | Group]]:
    """The nodes, and before those of a group the group, after them (); each with its depth."""
    members: dict[Group, list[Node | Group]] = {(): []}
    for group in graph.groups():
        members[group] = []
        members[group[:-1]].append(group)
    for node in graph.nodes:
        members[node.group].append(node)
    stack: list[tuple[int, Node | Group, bool]] = [(0, m, False) for m in reversed(members[()])]
    while stack:
        depth, item, done = stack.pop()
        if isinstance(item, Node):
            yield depth, item
        elif done:
            yield depth, ()
        else:
            yield depth, item
            stack.append((depth, item, True))
            stack += [(depth + 1, member, False) for member in reversed(members[item])]


def _dot(*lines: str) -> str:
    """A quoted string; in it a backslash would begin an escape."""
    quoted = (plain(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines if line)
    return '"' + "\\n".join(quoted) + '"'


def _mermaid(line: str) -> str:
    """What stands between quotes: letters, digits and spaces as they are, the rest by number."""
    return "".join(c if c.isalnum() or c in " _.,()×-=+" else f"#{ord(c)};" for c in plain(line))
