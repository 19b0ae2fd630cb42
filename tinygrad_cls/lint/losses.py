"""Rules about what losses are fed: logits, and neither probabilities nor saturated ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import e, log
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..callsite import Callsite, caller
from .report import Finding, place
from .rule import Rule
from .scene import Marks, Scene, learning

LAYOUT = (
    ops.reshaped,
    ops.permuted,
    ops.cast,
    ops.clone,
    ops.getitem,
    ops.clamp_min,
    ops.clamp_max,
)
"""What keeps a probability one."""
BCE = (ops.binary_cross_entropy_with_logits, ops.positively_weighted)
RECENT = 50
"""Passes that a verdict about the end of a run looks at."""


class Activated(NamedTuple):
    """A mark: the tensor is what a sigmoid or a softmax gave, on this line."""

    by: str
    called: Callsite


class ProbabilitiesAsLogits(Rule):
    """A loss that applies softmax or sigmoid itself is given the result of one."""

    wants = (ops.softmax, ops.sigmoid, ops.log_softmax, *BCE, *LAYOUT)
    name = "softmax-before-cross-entropy"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.marks = Marks()
        self.found: dict[tuple[str, tuple[str, int]], tuple[str, str]] = {}

    def op(self, event: Any) -> None:
        marks = self.marks
        given = marks.get(event.inputs[0])
        if event.op in (ops.softmax, ops.sigmoid):
            marks.put(event.output, Activated(event.op.name, caller()))
        elif event.op in LAYOUT:
            if isinstance(given, Activated):
                marks.put(event.output, given)
        elif isinstance(given, Activated):
            x = event.inputs[0]._array
            if event.op is ops.log_softmax:
                axis = event.static["dim"]
                classes = x.shape[axis] if x.ndim else 1
                least = log(e + classes - 1) - 1
                self.note("softmax-before-cross-entropy", given, x, "cross entropy", "softmax",
                          f"{least:.3f} with {classes} classes")  # fmt: skip
            else:
                self.note("sigmoid-before-bce", given, x, "BCE with logits", "sigmoid",
                          f"{log(1 + 1 / e):.3f} where the target is 1 and {log(2):.3f} where it "
                          f"is 0")  # fmt: skip

    def note(self, rule: str, given: Activated, x: Any, loss: str, own: str, least: str) -> None:
        """Words for the first time that it happens on a line."""
        called = caller()
        key = rule, place(called)
        if key in self.found:
            return
        file, line = place(given.called)
        where = "" if (file, line) == key[1] else f" on line {line}"
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
        what = (
            f"{loss.capitalize() if loss[0].islower() else loss} applies {own} itself, but gets "
            f"what {given.by} gave{where}: shape {tuple(x.shape)}, {low:.3g} to {high:.3g}. "
            f"With such inputs it can't fall below {least}, and gradients are small."
        )
        fix = f"give the loss the logits; apply {given.by} for predictions only"
        self.found[key] = what, fix

    def findings(self) -> Iterator[Finding]:
        for (rule, (file, line)), (what, fix) in self.found.items():
            yield Finding(rule, file, line, what, fix)


class Saturated(Rule):
    """In the last passes, half of the rows have logits so large that their probability rounds to 0
    or 1, and some of them on the wrong side: confident and right is how a good model ends.
    """

    wants = (ops.log_softmax, ops.nll, ops.binary_cross_entropy, *BCE)
    name = "saturated-logits"
    half, wrong = 0.5, 0.05

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.seen: dict[tuple[str, int], deque[tuple[float, float, float]]] = {}
        self.sizes = Marks()
        self.limit = 0.0

    def op(self, event: Any) -> None:
        if not learning() or not event.output.requires_grad:
            return
        x = event.inputs[0]._array
        if event.op is ops.log_softmax:
            size = float(np.abs(x).max(initial=0))
            self.sizes.put(event.output, size)
            return
        t = event.inputs[1]
        t = t._array if hasattr(t, "_array") else np.asarray(t)
        limit = (np.finfo(x.dtype).nmant + 1) * log(2)  # from where 1 + e**-x is 1
        if event.op is ops.nll:
            size = self.sizes.get(event.inputs[0])
            if x.ndim != 2 or not x.size or size is None:
                return
            kept = (t >= 0) & (t < x.shape[1])
            if not kept.any():
                return
            x, t = x[kept], t[kept]
            saturated = x.max(1) == 0
            wrong = x[np.arange(len(x)), t] < -limit
        elif event.op is ops.binary_cross_entropy:
            saturated = (x == 0) | (x == 1)
            wrong = saturated & ((x > 0.5) != (t > 0.5))
            size = 0.0
        else:
            saturated = np.abs(x) >= limit
            wrong = saturated & ((x > 0) != (t > 0.5))
            size = float(np.abs(x).max(initial=0))
        if not saturated.size:
            return
        key = place(caller())
        if key not in self.seen:
            self.seen[key] = deque(maxlen=RECENT)
        self.seen[key].append((float(saturated.mean()), float(wrong.mean()), size))
        self.limit = limit

    def findings(self) -> Iterator[Finding]:
        for called, seen in self.seen.items():
            saturated, wrong, size = np.array(seen).mean(0)
            if saturated < self.half or wrong < self.wrong:
                continue
            reach = f" The logits reach {size:.3g}." if size else ""
            yield self.finding(
                called,
                f"In the last {len(seen)} training passes {saturated:.0%} of the rows had a "
                f"probability that rounds to 0 or 1 (a logit beyond {self.limit:.1f}), and "
                f"{wrong:.0%} were that sure of the wrong class.{reach}",
                "scale the inputs to mean 0 and deviation 1, lower lr, or start from smaller "
                "weights",
            )
