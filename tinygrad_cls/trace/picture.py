"""The graph of a trace: a node for every call, and one for every leaf."""

from __future__ import annotations

from typing import Any

from ..drawing.graph import Edge, Graph, Node
from .record import Call, Trace, Value


def graph_of(trace: Trace) -> Graph:
    """What the results were computed from. If a graph was recorded for backward, the calls outside
    of it are left out unless something in it was computed from them: metrics, updates.
    """
    calls = [call for call in trace.calls if call.within is None]
    shown = drawn(calls)
    used = {x for call in shown for x in call.inputs if isinstance(x, str)}
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for call in shown:
        for slot, x in enumerate(call.inputs):
            if isinstance(x, str):
                if x not in nodes:
                    nodes[x] = leaf(trace[x], call)
                edges.append(Edge(x, call.output, label(call, slot)))
        result = trace[call.output]
        kind = "op" if call.output in used else "result"
        detail = " ".join(part for part in (result.name, result.shape) if part)
        nodes[call.output] = Node(call.output, call.title, detail, kind, call.group)
    return Graph(list(nodes.values()), edges)


def drawn(calls: list[Call]) -> list[Call]:
    """Those that belong into the picture, in order."""
    wanted = {call.output for call in calls if call.recorded}
    if not wanted:
        return calls
    shown = []
    for call in reversed(calls):
        if call.output in wanted:
            shown.append(call)
            wanted.update(x for x in call.inputs if isinstance(x, str))
    return shown[::-1]


def leaf(value: Value, call: Call) -> Node:
    """The node of a value that no call made. A parameter stands with the module that uses it."""
    group = call.group if value.kind == "parameter" else ()
    name = value.name
    for part in call.group:
        name = name.removeprefix(f"{part.split(' ')[0]}.") if group else name
    kind = {"parameter": "parameter", "input": "leaf"}.get(value.kind, "constant")
    return Node(value.id, name or value.kind, value.shape, kind, group)


def label(call: Call, slot: int) -> str:
    """The name of an input, where an op has several."""
    op: Any = call.op
    if op is None or len(call.inputs) < 2:
        return ""
    return f"{op.inputs[0]}{slot}" if op.variadic else str(op.inputs[slot])
