"""A graph as an SVG image that depends on nothing: no style sheet, no script, no font to load."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .graph import Edge, Graph, Node, group_name
from .layered import Box, Point, label_left, middle
from .layout import DETAIL, LABEL, SMALL, WIDEST, Group, layout
from .lettering import plain, shorten

FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, MUTED, LINE, PAGE = "#222222", "#595959", "#7d7d7d", "#ffffff"
# Okabe & Ito's palette, and pale tints of it to write on: (line, fill)
COLORS = {
    "op": ("#0072B2", "#e3f1fa"),
    "leaf": ("#009E73", "#def3ec"),
    "parameter": ("#E69F00", "#fdf1d6"),
    "constant": ("#999999", "#f2f2f2"),
    "result": ("#D55E00", "#fce5d6"),
    "module": ("#CC79A7", "#f9e9f2"),
}
ROUND = {"op": 14.0, "result": 14.0, "module": 7.0}  # corners; values have sharper ones
BOLD = ("result", "module")
ARROW = 7.0


def svg(graph: Graph) -> str:
    """The picture: inputs at the top, results at the bottom.

    A node is a ``<g class="node">`` with ``data-node`` (its id) and ``data-kind``, an edge a
    ``<g class="edge">`` with ``data-edge`` (its number), ``data-from`` and ``data-to``; a frame
    and a module carry ``data-group`` (the group's name). Equal graphs give equal bytes.

    >>> svg(Graph([Node("x", "x")], [])).count('class="node" data-node="x"')
    1
    """
    plan = layout(graph)
    width, height = _number(plan.width), _number(plan.height)
    name = _safe(graph.title) or _summary(graph)
    label = {node.id: node.label for node in graph.nodes}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" aria-label="{name}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{FONT}" font-size="{_number(LABEL)}" fill="{INK}" text-anchor="middle">',
        f"<title>{name}</title>",
        f'<rect width="{width}" height="{height}" rx="10" fill="{PAGE}"/>',
        *(_frame(group, box) for group, box in plan.frames.items()),
    ]
    for number, (edge, route, text) in enumerate(
        zip(graph.edges, plan.routes, plan.texts, strict=True)
    ):
        title = f"{label[edge.source]} → {label[edge.target]}"
        parts += _edge(edge, number, f"{title} ({edge.text})" if edge.text else title, route)
        if text:
            parts.append(_beside(text, route, plan.positions[edge.target]))
        parts.append("</g>")
    parts += [_node(node, plan.positions[node.id]) for node in graph.nodes]
    return "\n".join([*parts, "</svg>\n"])


def _summary(graph: Graph) -> str:
    return f"Graph of {len(graph.nodes)} nodes and {len(graph.edges)} edges"


def _frame(group: Group, box: Box) -> str:
    name = _safe(group_name(group))
    x, y, width, height = map(_number, box)
    right = _number(box.x + box.width - 9)
    return (
        f'<g class="frame" data-group="{name}"><title>{name}</title>'
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#fafafa" '
        f'stroke="{COLORS["module"][0]}" stroke-dasharray="4 3"/>'
        f'<text x="{right}" y="{_number(box.y + 15)}" font-size="{_number(SMALL + 1)}" '
        f'font-weight="bold" fill="{MUTED}" text-anchor="end">'
        f"{_fitted(group[-1], SMALL + 1)}</text></g>"
    )


def _node(node: Node, box: Box) -> str:
    line, fill = COLORS[node.kind]
    x, y, width, height = map(_number, box)
    center = _number(middle(box))
    group = f' data-group="{_safe(node.id.removeprefix("module:"))}"' * (node.kind == "module")
    title = " ".join(filter(None, [node.label, node.detail, f"({node.kind})"]))
    baseline = box.y + (18.5 if node.detail else 19)
    parts = [
        f'<g class="node" data-node="{_safe(node.id)}" data-kind="{node.kind}"{group}>'
        f"<title>{_safe(title)}</title>"
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{ROUND.get(node.kind, 3)}" '
        f'fill="{fill}" stroke="{line}" stroke-width="{2 if node.kind in BOLD else 1.3}"/>'
        f'<text x="{center}" y="{_number(baseline)}">{_fitted(node.label, LABEL)}</text>'
    ]
    if node.detail:
        parts.append(
            f'<text x="{center}" y="{_number(box.y + 34)}" font-size="{_number(DETAIL)}" '
            f'fill="{MUTED}">{_fitted(node.detail, DETAIL)}</text>'
        )
    return "".join([*parts, "</g>"])


def _edge(edge: Edge, number: int, title: str, route: Sequence[Point]) -> list[str]:
    """The line and its arrow; what is written beside it, and the end, are left to the caller."""
    (x, y), up = route[-1], route[-1][1] < route[-2][1]
    tip, base = f"{_number(x)} {_number(y)}", _number(y + ARROW if up else y - ARROW)
    return [
        f'<g class="edge" data-edge="{number}" data-from="{_safe(edge.source)}" '
        f'data-to="{_safe(edge.target)}" stroke="{LINE}"><title>{_safe(title)}</title>',
        f'<path d="{_curve(route)}" fill="none" stroke-width="1.3"/>'
        f'<path d="M{_number(x - 3.5)} {base}L{tip}L{_number(x + 3.5)} {base}Z" fill="{LINE}"/>',
    ]


def _curve(route: Sequence[Point]) -> str:
    """Straight down, or vertical at both ends of each bend."""
    parts = [f"M{_number(route[0][0])} {_number(route[0][1])}"]
    for (x, y), (to_x, to_y) in pairwise(route):
        half = _number((y + to_y) / 2)
        a, b, c = _number(x), _number(to_x), _number(to_y)
        parts.append(f"V{c}" if x == to_x else f"C{a} {half} {b} {half} {b} {c}")
    return "".join(parts)


def _beside(text: str, route: Sequence[Point], box: Box) -> str:
    """A label at the end of an edge, on the side where the edge leaves room for it."""
    end, y = route[-1]
    start = next((x for x, _ in reversed(route) if x != end), end)
    left = label_left(start, box)
    up = y < route[-2][1]
    return (
        f'<text x="{_number(end - 5 if left else end + 5)}" y="{_number(y + 16 if up else y - 7)}" '
        f'font-size="{_number(SMALL)}" fill="{MUTED}" stroke="none" '
        f'text-anchor="{"end" if left else "start"}">{_fitted(text, SMALL)}</text>'
    )


def _fitted(text: str, size: float) -> str:
    return _safe(shorten(plain(text), size, WIDEST))


def _safe(text: str) -> str:
    """Harmless in XML, between tags and between quotes."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def _number(x: float) -> str:
    """With two decimals at most."""
    return f"{x:.2f}".rstrip("0").rstrip(".")
