"""Runs a form on the engine's ops with the tape on, and says in words what rounding did."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from .._state import recording
from ..tensor import Tensor, new
from .forms import Form, Function, Step

Array = Any


class Line(NamedTuple):
    """One line of an explanation: a value in the dtype, and what happened to whom on the way."""

    name: str
    text: str
    value: Array
    notes: tuple[tuple[str, tuple[int, ...]], ...]  # words, and the elements they are about


class Outcome(NamedTuple):
    """A form's lines, and its result and gradient."""

    lines: tuple[Line, ...]
    backward: tuple[Line, ...]
    value: Array
    gradient: Array


def run(function: Function, form: Form, x: Array, t: Any) -> Outcome:
    """All lines of a form at ``x``."""
    v = inputs(function, x, t)
    if form.gradient:
        lines = [step_line(step, v) for step in form.steps]
        value = getattr(v, function.result)
        slopes = [step_line(step, v) for step in form.gradient]
        return Outcome(tuple(lines), tuple(slopes), value.numpy(), slopes[-1].value)

    v.x.requires_grad_()
    lines = []
    for step in form.steps:
        lines.append(step_line(step, v))
        getattr(v, step.name).retain_grad()
    y = getattr(v, function.result)
    seed = v.hot if y.shape else None
    return Outcome(tuple(lines), backward(form, v, y, seed), y.detach().numpy(), v.x.grad.numpy())


def inputs(function: Function, x: Array, t: Any) -> SimpleNamespace:
    """What the steps find: x, t, and the cotangent that the result gets."""
    hot = np.ones_like(x)
    if function.row:
        hot = np.zeros_like(x)
        hot[t] = 1
    return SimpleNamespace(x=new(x.copy()), t=new(t) if isinstance(t, np.ndarray) else t,
                           hot=new(hot))  # fmt: skip


def step_line(step: Step, v: SimpleNamespace) -> Line:
    """Computes a step, and keeps its value for the next."""
    with recording() as tape:
        value = step.compute(v)
    setattr(v, step.name, value)
    return Line(step.name, step.text, value.detach().numpy().copy(), notes(tape))


def backward(form: Form, v: SimpleNamespace, y: Tensor, seed: Tensor | None) -> tuple[Line, ...]:
    """What backward sends to every step that has words for it, and to x, in its order."""
    marks: list[tuple[str, int]] = []

    def marking(name: str) -> Any:
        return lambda g: marks.append((name, len(tape)))

    told = {step.name: step.cotangent for step in form.steps if step.cotangent} | {"x": form.slope}
    for name in told:
        getattr(v, name).register_hook(marking(name))
    with recording() as tape:
        y.backward(seed)
    lines = []
    start = 0
    for name, stop in marks:
        value = getattr(v, name).grad.numpy().copy()
        said = notes(tape[start:stop])
        worst = tuple(note for note in said if note[0].endswith("nan"))
        lines.append(Line(f"d{form.of}/d{name}", told[name], value, worst or said))
        start = stop
    return tuple(lines)


# --- what happened --------------------------------------------------------------------------------


def notes(tape: list[Any]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What the ops of a step did to its digits, each once, with the elements it was done to."""
    found: dict[str, list[int]] = {}
    for event in tape:
        y = event.output._array
        arrays = [x._array if isinstance(x, Tensor) else np.asarray(x) for x in event.inputs]
        scalar = y.ndim == 0
        if event.op in REDUCTIONS:
            if np.isinf(y).any() and np.isfinite(arrays[0]).all():
                found.setdefault(f"the sum overflows: {greatest(y.dtype)}", [])
            continue
        if event.op not in WORDS:
            continue
        given = np.broadcast_arrays(*arrays)
        for i in range(y.size):
            values = [a.reshape(-1)[i] for a in given]
            words = WORDS[event.op](*values, y.reshape(-1)[i])
            if event.op is ops.sub and y.reshape(-1)[i] == 0 and event.output.requires_grad:
                words = "cancels to 0: nothing is left of the digits"
            if words:
                places = found.setdefault(words, [])
                if not scalar and i not in places:
                    places.append(i)
    told = [(words, tuple(sorted(places))) for words, places in found.items()]
    return tuple(told)


def show(x: Any) -> str:
    """A number in a sentence."""
    return f"{float(x):.4g}"


def greatest(dtype: Any) -> str:
    """The end of the dtype's range, in words."""
    return f"above {np.finfo(dtype).max:.3g}, the greatest {np.dtype(dtype).name}"


def of_exp(x: Any, y: Any) -> str:
    """What happened in e^x."""
    if np.isinf(y) and np.isfinite(x):
        return f"overflows: {greatest(y.dtype)}"
    if y == 0 and np.isfinite(x):
        least = np.finfo(y.dtype).smallest_subnormal
        return f"underflows to 0, which is nearer than {least:.2g}, the least {y.dtype}"
    return ""


def of_log(x: Any, _y: Any) -> str:
    """What happened in log x."""
    if x == 0:
        return "log 0 = -inf"
    return "log 1 = 0: nothing is left of the digits" if x == 1 else ""


def of_sum(a: Any, b: Any, y: Any) -> str:
    """What happened in a + b or a - b."""
    if np.isnan(y) and not (np.isnan(a) or np.isnan(b)):
        return "inf - inf = nan"
    if np.isinf(y) and np.isfinite(a) and np.isfinite(b):
        return f"overflows: {greatest(y.dtype)}"
    for kept, lost in ((a, b), (b, a)):
        if lost != 0 and np.isfinite(lost) and np.isfinite(kept) and abs(y) == abs(kept):
            return f"{show(lost)} is below half an ulp of {show(kept)}: the sum rounds to {show(y)}"
    return ""


def of_product(a: Any, b: Any, y: Any) -> str:
    """What happened in a b."""
    if np.isnan(y) and not (np.isnan(a) or np.isnan(b)):
        return f"{show(a)} * {show(b)} = nan"
    if y == 0 and a != 0 and b != 0:
        return f"{show(a)} * {show(b)} underflows to 0"
    if np.isinf(y) and np.isfinite(a) and np.isfinite(b):
        return f"{show(a)} * {show(b)} overflows"
    return ""


def of_quotient(a: Any, b: Any, y: Any) -> str:
    """What happened in a / b."""
    if (np.isnan(y) and not (np.isnan(a) or np.isnan(b))) or (b == 0 and a != 0):
        return f"{show(a)} / {show(b)} = {show(y)}"
    if np.isinf(b) and y == 0:
        return f"{show(a)} / inf = {show(y)}"
    if y == 0 and a != 0:
        return f"{show(a)} / {show(b)} underflows to 0"
    if y == 1 and a != b:
        return "rounds to 1"
    return ""


def of_reciprocal(x: Any, y: Any) -> str:
    """What happened in 1 / x."""
    return of_quotient(np.ones_like(x), x, y)


REDUCTIONS = (ops.sum, ops.sum_to)
WORDS: dict[Any, Any] = {
    ops.exp: of_exp,
    ops.log: of_log,
    ops.add: of_sum,
    ops.sub: of_sum,
    ops.mul: of_product,
    ops.div: of_quotient,
    ops.reciprocal: of_reciprocal,
}
