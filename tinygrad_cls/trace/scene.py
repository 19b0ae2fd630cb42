"""A trace as a scene: all that the page shows, as plain data for JSON.

Numbers are written as the dtype prints them; what is not finite is "nan", "inf" or "-inf". Tables
hold the first 8 x 8 numbers, with the shape and norm of the whole.
"""

from __future__ import annotations

import math
import os
import re
from typing import Any, TypeAlias

import numpy as np

from .._torch.gradients import Compared, comparison
from ..drawing.graph import Graph, collapse, module_id
from ..drawing.svg import svg
from .korean import korean
from .nudge import STEPS, nudges
from .record import Array, Step, Trace, Value
from .why import Walker

ROWS = COLUMNS = 8
TERMS = 12  # of a sum that is written out
CELLS = 6000  # whose sums are written out and zeros explained: a long trace's page stays small
DRAWN = 150  # nodes of a picture: of a larger graph modules are closed
Said: TypeAlias = str | dict[str, Any]
TOLERANCE = 1e-10
"""How close float64 gradients must be to PyTorch's, relative to the largest of all leaves."""


def scene(
    trace: Trace, *, title: Said = "", about: Said = "", torch: bool = True, lines: bool = True
) -> dict[str, Any]:
    """What the stepper needs of a trace.

    ``title`` and ``about`` head the page: texts, or ``{"key": ...}`` and the values of one of its
    strings, which is there in every language; by default it says what it is. ``torch``: compare
    every gradient with PyTorch's, where it's installed. ``lines``: show the user's lines of code.

    >>> import tinygrad_cls as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> with tg.trace() as t:
    ...     (w * w).sum().backward()
    >>> made = scene(t, torch=False)
    >>> [step["symbols"] for step in made["steps"]]
    ['dx = spread(dy)', 'da = dy ⊙ b', 'db = dy ⊙ a']
    >>> made["tables"][made["steps"][2]["after"]]["data"]
    [2.0, -4.0]
    """
    return Scene(trace, lines).made(title, about, torch)


class Scene:
    """The tables of a scene, each once."""

    def __init__(self, trace: Trace, lines: bool) -> None:
        self.trace = trace
        self.lines = lines
        self.tables: list[dict[str, Any]] = []
        self.known: dict[Any, int] = {}
        self.walker = Walker(trace)
        self.calls = self.walker.calls
        self.budget = CELLS

    def made(self, title: Said, about: Said, torch: bool) -> dict[str, Any]:
        """The whole scene."""
        trace = self.trace
        graph = trace.graph(collapse=False)
        drawn = graph if len(graph.nodes) <= DRAWN else collapse(graph)
        places = drawn_as(graph, drawn)
        whys: dict[str, dict[str, Any]] = {}
        steps = [self.step(step) | self.worked(step, whys) for step in trace.steps]
        met = {*places, *(v for s in trace.steps for v in (s.value, s.receiver))}
        met |= {v for _, v, _ in trace.seeds}
        for gradient in trace.gradients:
            arrivals = self.walker.arrivals.get((gradient.backward, gradient.value))
            if arrivals:
                before, after = self.table(gradient.before), self.table(gradient.after)
                steps[arrivals[-1].number]["lands"] = {"before": before, "after": after}
        return {
            "version": 1,
            "title": title,
            "about": about,
            "graph": svg(drawn),
            "values": {v.id: self.value(v, places.get(v.id)) for v in trace.values if v.id in met},
            "seeds": [
                {"backward": number, "value": v, "g": self.table(g)} for number, v, g in trace.seeds
            ],
            "steps": steps,
            "whys": whys,
            "nudge": self.nudge(),
            "torch": self.compared() if torch else {"why": "off"},
            "tables": self.tables,
        }

    # --- values and steps -------------------------------------------------------------------------

    def table(self, a: Any) -> int | None:
        """The number of an array's table."""
        if a is None:
            return None
        a = np.asarray(a)
        key = (a.shape, a.dtype, a.tobytes())
        if key not in self.known:
            self.known[key] = len(self.tables)
            self.tables.append(table(a))
        return self.known[key]

    def value(self, value: Value, node: str | None) -> dict[str, Any]:
        """A tensor, what it's called, and the node that stands for it in the picture."""
        call = self.calls.get(value.id)
        title = call.title if call is not None else value.kind
        module = value.module if call is not None else ""
        own = module.rpartition(".")[2].partition(" ")[0] == title  # the relu of a module relu
        label = value.name or (module if own else " · ".join(filter(None, [module, title])))
        return {
            "label": label,
            "named": bool(value.name),
            "kind": value.kind,
            "op": call.title if call is not None else "",
            "node": node,
            "table": self.table(value.array),
        }

    def step(self, step: Step) -> dict[str, Any]:
        """An event of backward."""
        call = self.calls.get(step.value)
        return {
            "backward": step.backward,
            "value": step.value,
            "op": step.op.name if step.op is not None else step.node,
            "input": step.input,
            "source": step.rule.source,
            "symbols": step.rule.symbols,
            "words": {"en": step.rule.words, "ko": korean(step.op, step.slot)},
            "line": short(call.line) if call is not None and self.lines else "",
            "g": self.table(step.g),
            "operands": self.operands(step),
            "local": self.table(step.local) if step.g is not None and step.g.size > 1 else None,
            "raw": self.table(step.raw) if step.summed else None,
            "summed": list(step.summed),
            "contribution": self.table(step.contribution),
            "receiver": step.receiver,
            "arrival": step.arrival,
            "arrivals": len(self.walker.arrivals[step.backward, step.receiver]),
            "before": self.table(step.before),
            "after": self.table(step.after),
            "hooked": step.hooked,
        }

    def operands(self, step: Step) -> list[dict[str, Any]]:
        """What the rule reads beside the cotangent."""
        call = self.calls.get(step.value)
        found: list[dict[str, Any]] = []
        for name, x in step.operands.items():
            if not isinstance(x, np.ndarray):
                found.append({"name": name, "text": plain(x)})
                continue
            value = step.value if name == "y" else None
            if step.op is not None and call is not None and name in step.op.inputs:
                given = call.inputs[step.op.inputs.index(name)]
                value = given if isinstance(given, str) else None
            found.append({"name": name, "table": self.table(x), "value": value})
        return found

    # --- cells ------------------------------------------------------------------------------------

    def worked(self, step: Step, whys: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """For the cells in view: the products that they are the sum of, [element of g, factor, g]
        each; and cells to ask for. Enters into ``whys`` why cells are zero.
        """
        c, g = step.contribution, step.g
        cells = visible(c.shape)
        self.budget -= len(cells)
        factors = self.walker.factors(step)
        if self.budget < 0:
            return {"terms": None, "ask": cells[:3]}
        for cell in cells:
            if c.flat[cell] == 0:
                self.explain(step.number, cell, whys)
        if g is None or not factors.known:
            return {"terms": None, "ask": asked(c, cells, None)}
        terms: dict[int, list[Any]] = {}
        for cell in cells:
            indices, slopes = factors.row(cell)
            kept = np.flatnonzero(slopes)
            terms[cell] = [
                [int(indices[i]), number(slopes[i]), number(g.flat[indices[i]])]
                for i in kept[:TERMS]
            ]
            if len(kept) > TERMS:
                rest = kept[TERMS:]
                terms[cell].append(
                    [len(rest), number(np.sum(slopes[rest] * g.ravel()[indices[rest]]))]
                )
        return {"terms": terms, "ask": asked(c, cells, terms)}

    def explain(self, step: int, cell: int, whys: dict[str, dict[str, Any]]) -> None:
        """Enters all stops on the way from a zero."""
        there: tuple[int, int] | None = (step, cell)
        while there is not None and f"{there[0]}:{there[1]}" not in whys:
            link = self.walker.link(*there)
            facts = {k: number(x) if isinstance(x, float) else x for k, x in link.facts.items()}
            onward = None if link.next is None else list(link.next)
            whys[f"{there[0]}:{there[1]}"] = {"because": link.because, **facts, "next": onward}
            there = link.next

    # --- the other modes --------------------------------------------------------------------------

    def nudge(self) -> dict[str, Any]:
        """Losses beside the recorded one."""
        arrived: dict[str, Array] = {}
        for g in self.trace.gradients:
            arrived[g.value] = arrived[g.value] + g.arrived if g.value in arrived else g.arrived
        moved, why = nudges(self.trace, {v: visible(g.shape) for v, g in arrived.items()})
        leaves = [
            {
                "value": v,
                "gradient": self.table(arrived[v]),
                "losses": {
                    i: [[number(x) for x in pair] for pair in pairs] for i, pairs in found.items()
                },
            }
            for v, found in moved.items()
            if found
        ]
        return {"eps": list(STEPS), "leaves": leaves, "why": why}

    def compared(self) -> dict[str, Any]:
        """Every gradient beside PyTorch's."""
        try:
            found = comparison(self.trace)
        except ImportError:
            return {"why": "missing"}
        if found.why:
            return {"why": "unmatched", "text": found.why, "version": found.version}
        scale = max([largest(finite(leaf.theirs_exact)) for leaf in found.leaves], default=0.0)
        return {
            "version": found.version,
            "tolerance": TOLERANCE,
            "leaves": [self.leaf(leaf, scale) for leaf in found.leaves],
        }

    def leaf(self, leaf: Compared, scale: float) -> dict[str, Any]:
        """A leaf's gradient by both engines. As recorded they may part by rounding, which can cost
        half of the digits where large terms cancel; in float64 they may not.
        """
        away = difference(leaf.ours, leaf.theirs)
        exact = largest(difference(leaf.ours_exact, leaf.theirs_exact)) / (scale or 1.0)
        kind = leaf.ours.dtype
        ulp = float(np.spacing(np.asarray(largest(finite(leaf.theirs)), kind)))
        half = math.sqrt(float(np.finfo(kind).eps)) * (scale or 1.0)
        return {
            "value": leaf.value,
            "dtype": str(kind),
            "ours": self.table(leaf.ours),
            "theirs": self.table(leaf.theirs.astype(kind)),
            "difference": self.table(away),
            "largest": number(np.float64(largest(away))),
            "ulps": number(np.float64(round(largest(away) / ulp, 2))),
            "exact": number(np.float64(exact)),
            "agrees": bool(exact <= TOLERANCE and largest(away) <= half),
        }


def drawn_as(graph: Graph, drawn: Graph) -> dict[str, str]:
    """Which node of the picture stands for a value: its own, or that of a closed module."""
    nodes = {node.id for node in drawn.nodes}
    found = {}
    for node in graph.nodes:
        modules = (module_id(node.group[: i + 1]) for i in range(len(node.group)))
        place = next((place for place in (node.id, *modules) if place in nodes), None)
        if place is not None:
            found[node.id] = place
    return found


def table(a: Array) -> dict[str, Any]:
    """An array as the page shows it: its last axis lies along a row."""
    rows = a.reshape(-1, a.shape[-1]) if a.ndim and a.shape[-1] else a.reshape(-1, 1)
    shown = rows[:ROWS, :COLUMNS]
    made = {
        "shape": list(a.shape),
        "dtype": str(a.dtype),
        "rows": shown.shape[0],
        "columns": shown.shape[1],
        "data": [number(x) for x in shown.ravel()],
    }
    if a.dtype.kind == "f":
        wide = a.astype(np.float64)
        made["norm"] = number(np.sqrt(np.sum(wide * wide)))
    return made


def visible(shape: tuple[int, ...]) -> list[int]:
    """The flat indices of the numbers that a table shows."""
    width = shape[-1] if shape else 1
    height = math.prod(shape[:-1])
    return [r * width + c for r in range(min(height, ROWS)) for c in range(min(width, COLUMNS))]


def asked(c: Array, cells: list[int], terms: dict[int, list[Any]] | None) -> list[int]:
    """Which cells to ask a learner for: first those that are not zero, and take few products."""

    def effort(cell: int) -> tuple[bool, int]:
        work = len(terms[cell]) if terms else 0
        return c.flat[cell] == 0, abs(work - 2)

    finite = [cell for cell in cells if np.isfinite(c.flat[cell])]
    return sorted(finite, key=effort)[:3]


def number(x: Any) -> Any:
    """A number for JSON: the shortest that is the same in its dtype, or a word for what isn't
    finite.

    >>> number(np.float32(0.1)), number(np.float64("nan")), number(np.True_)
    (0.1, 'nan', True)
    """
    if isinstance(x, bool | np.bool_):
        return bool(x)
    if isinstance(x, int | np.integer):
        return int(x)
    return float(str(x)) if np.isfinite(x) else str(float(x))


def difference(a: Array, b: Array) -> Array:
    """|a - b|, 0 where both are the same infinity or nan."""
    with np.errstate(invalid="ignore"):
        away = np.abs(a.astype(np.float64) - b)
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, away)


def finite(a: Array) -> Array:
    """Its finite numbers."""
    return a[np.isfinite(a)]


def largest(a: Array) -> float:
    """The largest magnitude; of nothing, 0."""
    return float(np.max(np.abs(a))) if a.size else 0.0


def plain(x: Any) -> str:
    """A static argument in a few characters."""
    text = " ".join(str(x).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def short(line: str) -> str:
    """A line of code without the folders of its file.

    >>> short("/home/me/net.py, line 3, in main: loss.backward()")
    'net.py, line 3, in main: loss.backward()'
    """
    path, found, rest = line.partition(", line ")
    return re.split(r"[/\\]", path)[-1] + found + rest if found else os.path.basename(line)
