"""A rule about shapes: (N,) against (N, 1)."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

from .. import ops
from ..callsite import NOT_THE_USERS, caller
from ..nn import loss_functions
from ..tensor import Tensor
from .report import Finding, place
from .rule import Rule
from .scene import Marks, Scene

RESHAPING = (ops.reshaped, ops.getitem)
NAME = "target-shape"
JUST = 4  # ops ago
LOSSES = {ops.squared_error: "MSE", ops.smooth_l1: "Smooth L1"}


def fix(a: Any, b: Any) -> str:
    """How to make the shapes one."""
    return (
        f"make both the same shape: .squeeze(1) on the one of shape {max(a, b, key=len)}, or "
        f".unsqueeze(1) on the other"
    )


class TargetShape(Rule):
    """A loss, a difference or a comparison of (N,) and (N, 1) broadcasts to (N, N).

    On purpose, as for all pairwise distances, one of them was given its axis by hand just before.
    """

    name = NAME
    wants = (*LOSSES, ops.sub, ops.eq, *RESHAPING)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.grown = Marks()
        self.found: dict[tuple[str, int], Finding] = {}

    def op(self, event: Any) -> None:
        if event.op in RESHAPING:
            if event.output.ndim > event.inputs[0].ndim:
                self.grown.put(event.output, self.scene.ops)
            return
        if len(event.inputs) < 2 or not all(isinstance(x, Tensor) for x in event.inputs[:2]):
            return
        a, b = (tuple(x.shape) for x in event.inputs[:2])
        if a == b or not column(a, b):
            return
        loss = event.op in LOSSES
        made = [self.grown.get(x) for x in event.inputs[:2]]
        if not loss and any(n is not None and self.scene.ops - n < JUST for n in made):
            return
        if event.op is ops.sub and not event.output.requires_grad:
            return
        called = place(caller())
        n = event.output.shape[0]
        words = LOSSES.get(event.op, "a comparison" if event.op is ops.eq else "a difference")
        self.found.setdefault(
            called,
            self.finding(
                called,
                f"{words[0].upper()}{words[1:]} of shapes {a} and {b} broadcasts to ({n}, {n}): "
                f"every row meets the target of every other row, {n * n} pairs instead of {n}.",
                fix(a, b),
            ),
        )

    def findings(self) -> Iterator[Finding]:
        yield from self.found.values()


def column(a: Any, b: Any) -> bool:
    """Whether one is (N,) and the other (N, 1), with N above 1."""
    short, long = sorted((a, b), key=len)
    return len(short) == 1 and len(long) == 2 and long == (short[0], 1) and short[0] > 1


def from_error(error: BaseException) -> list[Finding]:
    """The finding in an error that a loss raised about shapes."""
    called = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if not code.co_filename.startswith(NOT_THE_USERS):
            called = code.co_filename, line
        if code.co_filename != loss_functions.__file__ or called is None:
            continue
        a, b = frame.f_locals.get("input"), frame.f_locals.get("target")
        if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
            continue
        shapes = tuple(a.shape), tuple(b.shape)
        last_axis = len(shapes[1]) == 2 and shapes[1] == (len(a), 1) and "entropy" in code.co_name
        if shapes[0] != shapes[1] and (column(*shapes) or last_axis):
            what = (
                f"{code.co_name} got an input of shape {shapes[0]} and a target of shape "
                f"{shapes[1]}, and raised {type(error).__name__}."
            )
            return [Finding(NAME, *called, what, fix(*shapes))]
    return []
