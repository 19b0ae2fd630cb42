"""Why a gradient is zero: from a cell of a contribution back to what stopped it.

Every rule is linear in the cotangent: ``contribution[c] = sum over i of factor[c, i] g[i]``. The
factors of a step are its local derivative; a contribution is zero where every product is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .record import Array, Call, Step, Trace, by_the_rule

LARGEST = 1 << 20  # factors of a step that is not elementwise: these are computed one by one
SATURATES = "sigmoid tanh softplus logsigmoid exp softmax".split()
CHOOSES = (
    "maximum minimum amax amin where_both masked_fill clamp_min clamp_max getitem take_along "
    "replaced nll median_value"
).split()
STEPS = "sign floor ceil round abs zeros_of".split()
MULTIPLIES = "mul product affine div pow prod_along".split()


class Factors:
    """The local derivative of a step, a row for each cell of its contribution.

    >>> import tinygrad_cls as tg
    >>> a = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.trace() as t:
    ...     (a * tg.tensor([3.0, 0.0])).sum().backward()
    >>> indices, factors = Factors(t.steps[1]).row(0)
    >>> indices, factors
    (array([0]), array([3.], dtype=float32))
    """

    def __init__(self, step: Step) -> None:
        self.shape = step.contribution.shape
        self.known = True
        self.dense: Array | None = None
        raw, g = step.raw, step.g
        if step.op is None or raw is None or g is None:
            self.known = False
        elif step.local is not None and step.local.shape == raw.shape:
            cells = np.arange(step.contribution.size).reshape(self.shape)
            self.owner = np.broadcast_to(cells, raw.shape).ravel()
            self.local = step.local.ravel()
            self.source = np.arange(raw.size) if g.size > 1 else np.zeros(raw.size, int)
            self.known = g.size == 1 or g.shape == raw.shape
        elif g.size * step.contribution.size <= LARGEST:
            self.dense = probed(step, g)
            self.known = not np.isnan(self.dense).any()
        else:
            self.known = False

    def row(self, cell: int) -> tuple[Array, Array]:
        """Which elements of the cotangent may reach a cell, and what each is multiplied by."""
        if self.dense is not None:
            return np.arange(self.dense.shape[1]), self.dense[cell]
        places = np.flatnonzero(self.owner == cell)
        return self.source[places], self.local[places]


def probed(step: Step, g: Array) -> Array:
    """The factors, found by sending one element of the cotangent at a time: (cells, elements)."""
    found = np.empty((step.contribution.size, g.size), step.contribution.dtype)
    unit = np.zeros_like(g, order="C")
    flat = unit.reshape(-1)
    for i in range(g.size):
        flat[i] = 1
        found[:, i] = by_the_rule(step, unit).ravel()
        flat[i] = 0
    return found


class Link(NamedTuple):
    """One stop on the way: ``because`` names the reason that ``cell`` of the contribution of step
    ``step`` is zero, ``facts`` are its numbers, ``next`` is the step and cell that it came from.

    arrived: zero came in. mixed: of every product one factor is zero. relu: it was off. saturated,
    chosen, flat, factor, fitted: the local derivative is zero, since an activation is level there,
    another element was picked, the function is a staircase, an operand is zero, or a prediction
    equals its target. local: it is zero. cancel: terms or arrivals add up to zero. underflow: a
    product is too small for the dtype. seed: backward started with zero. unknown: no rule is known.
    """

    step: int
    cell: int
    because: str
    facts: dict[str, Any]
    next: tuple[int, int] | None = None


class Walker:
    """Explains zeros of one trace.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([-1.0, 2.0], requires_grad=True)
    >>> with tg.trace() as t:
    ...     tg.relu(x).sum().backward()
    >>> [(link.because, link.facts) for link in Walker(t).walk(1, 0)]
    [('relu', {'at': 0, 'input': -1.0})]
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.calls: dict[str, Call] = {call.output: call for call in trace.calls}
        self.arrivals: dict[tuple[int, str], list[Step]] = {}
        for step in trace.steps:
            self.arrivals.setdefault((step.backward, step.receiver), []).append(step)
        self._factors: dict[int, Factors] = {}
        self._reached: dict[int, Factors] = {}  # at operands of ones

    def factors(self, step: Step) -> Factors:
        """Of a step, computed once."""
        if step.number not in self._factors:
            self._factors[step.number] = Factors(step)
        return self._factors[step.number]

    def walk(self, step: int, cell: int) -> Iterator[Link]:
        """From a zero cell of a step's contribution to the reason.

        Raises:
            ValueError: the cell is not zero.
        """
        there: tuple[int, int] | None = (step, cell)
        if (x := self.trace.steps[step].contribution.flat[cell]) != 0:
            raise ValueError(f"cell {cell} of step {step} is {x}, not zero")
        while there is not None:
            link = self.link(*there)
            yield link
            there = link.next

    def link(self, number: int, cell: int) -> Link:
        """The first stop."""
        step = self.trace.steps[number]
        factors = self.factors(step)
        if step.g is None or not factors.known:
            return Link(number, cell, "unknown", {})
        indices, slopes = factors.row(cell)
        g = step.g.ravel()[indices]
        passing = indices[slopes != 0]
        if not len(passing):
            return self.stopped(step, cell, indices)
        stopped = passing[step.g.ravel()[passing] == 0]
        terms = self.terms(step, cell, len(passing))
        facts = {"terms": terms, "blocked": terms - len(passing)}
        if len(stopped) < len(passing):
            small = not np.any(slopes * g)
            return Link(number, cell, "underflow" if small else "cancel", facts)
        at = int(stopped[0])
        because = "mixed" if facts["blocked"] else "arrived"
        return Link(number, cell, because, facts | {"at": at}, self.sender(step, at))

    def terms(self, step: Step, cell: int, passing: int) -> int:
        """How many products a cell is the sum of, those with a zero operand too."""
        if step.op is None or step.op.name not in ("product", "affine") or not step.operands:
            return passing
        if step.number not in self._reached:
            ones = {name: np.ones_like(x) for name, x in step.operands.items()}
            self._reached[step.number] = Factors(replace(step, operands=ones))
        return int(np.count_nonzero(self._reached[step.number].row(cell)[1]))

    def sender(self, step: Step, at: int) -> tuple[int, int] | None:
        """Which contribution made element ``at`` of a step's cotangent zero."""
        senders = self.arrivals.get((step.backward, step.value), [])
        zero = [s for s in senders if s.contribution.flat[at] == 0]
        return (zero[0].number, at) if zero and len(zero) == len(senders) else None

    def stopped(self, step: Step, cell: int, indices: Array) -> Link:
        """The reason where the local derivative is zero."""
        name = "" if step.op is None else step.op.name
        at = int(indices[0]) if len(indices) else cell
        facts: dict[str, Any] = {"at": at}
        call = self.calls.get(step.value)
        value = self.trace[step.value].array
        inputs = call.inputs if call is not None else ()
        given = inputs[step.slot] if step.slot < len(inputs) else None
        x = self.trace[given].array if isinstance(given, str) else None
        if name in ("relu", "leaky_relu") and x is not None:
            return Link(step.number, cell, "relu", facts | {"input": number(x, cell)})
        if name in SATURATES and x is not None and value is not None:
            found = {"input": number(x, cell), "output": number(value, cell)}
            return Link(step.number, cell, "saturated", facts | found)
        if name == "binary_cross_entropy_with_logits" and x is not None:
            found = {"input": number(x, cell), "target": number(step.operands.get("t"), cell)}
            return Link(step.number, cell, "fitted", facts | found)
        if name in CHOOSES:
            return Link(step.number, cell, "chosen", facts)
        if name in STEPS:
            return Link(step.number, cell, "flat", facts)
        if name in MULTIPLIES and call is not None and call.op is not None:
            return Link(step.number, cell, "factor", facts | self.operand(step, call))
        return Link(step.number, cell, "local", facts)

    def operand(self, step: Step, call: Call) -> dict[str, Any]:
        """What a zero factor is called, and whether a ReLU made it."""
        op: Any = call.op
        for name, x in step.operands.items():
            if isinstance(x, np.ndarray) and name in op.inputs:
                given = call.inputs[op.inputs.index(name)]
                maker = self.calls.get(given) if isinstance(given, str) else None
                relu = maker is not None and maker.title == "relu"
                return {"operand": name, "value": given if isinstance(given, str) else None,
                        "relu": relu}  # fmt: skip
        return {}


def number(x: Any, cell: int) -> float:
    """The element of a flat index; nan where there is none."""
    a = np.asarray(np.nan if x is None else x)
    return float(str(a.flat[cell])) if cell < a.size else math.nan
