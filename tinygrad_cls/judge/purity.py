"""Calls that should change nothing: no argument, no answer given before, no other answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .exam import Exam
from .report import Finding
from .subject import Array, Arrays
from .trial import Trial, draw, flat, moved, restore, states


def changed(before: Sequence[Array], after: Sequence[Array]) -> list[int]:
    """Which arrays are not what they were."""
    return [
        n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a.tobytes() != b.tobytes()
    ]


def forward_mutation(trial: Trial, arrays: Arrays) -> Iterator[Finding]:
    """The function leaves its inputs alone."""
    copies = [a.copy() for a in arrays]
    trial.subject.values(copies)
    yield from written("forward", trial, changed(arrays, copies))


def written(who: str, trial: Trial, inputs: Sequence[int]) -> Iterator[Finding]:
    """A finding for each input that was written into."""
    for i in inputs:
        name = trial.subject.inputs[i]
        yield Finding(
            "mutation",
            f"{who} wrote into input {name}",
            hint="mutates input",
            pattern=f"{who} writes into {name}",
        )


def backward_mutation(trial: Trial, arrays: Arrays, g: Array) -> Iterator[Finding]:
    """Backward leaves inputs and cotangents alone."""
    copies, parts = [a.copy() for a in arrays], trial.cotangents(g)
    kept = [p.copy() for p in parts]
    trial.pull_parts(copies, parts)
    yield from written("backward", trial, changed(arrays, copies))
    if changed(kept, parts):
        yield Finding(
            "mutation",
            "backward wrote into the incoming cotangent",
            hint="mutates cotangent",
            pattern="backward writes into the incoming cotangent",
        )


def repeated(exam: Exam) -> Iterator[Finding]:
    """Backward gives the same answer again, leaves answers given alone, and remembers nothing."""
    trial, g = exam.trial, exam.cotangents[0]
    before = states()
    first = trial.pull(exam.arrays, g)
    drew = moved(before, states())
    kept = exam.numbers(first).copy()
    second = exam.numbers(trial.pull(exam.arrays, g)).copy()
    third = exam.numbers(trial.pull(exam.arrays, g)).copy()
    if exam.differ(second, kept) or exam.differ(third, kept):
        step, next_step = second - kept, third - second
        grows = np.abs(step).max(initial=0) > 0 and not exam.differ(next_step, step)
        random = drew or not grows
        yield Finding(
            "not repeatable",
            "backward gave another answer to the same arguments the second time: "
            f"first {kept[:1][0]:.10g}, then {second[:1][0]:.10g}",
            hint="random" if random else "accumulates",
            pattern="random numbers are drawn in backward"
            if drew
            else "each call adds to what the last one left"
            if grows
            else "backward depends on something that changes",
        )
        return
    if exam.differ(exam.numbers(first), kept):
        yield shared_buffer()
        return
    other = exam.cotangents[1] if len(exam.cotangents) > 1 else -2 * g
    trial.pull(exam.arrays, other)
    if exam.differ(exam.numbers(first), kept):
        yield shared_buffer()
        return
    yield from remembered(exam, kept)
    if exam.subject.engine == "numpy":
        yield from handed_out(exam)


def handed_out(exam: Exam) -> Iterator[Finding]:
    """What forward returned may be written to without changing backward."""
    trial, g = exam.trial, exam.cotangents[0]
    kept = exam.numbers(trial.pull(exam.arrays, g)).copy()
    arrays = [a.copy() for a in exam.arrays]
    values = trial.outputs(arrays)
    other = [a * a.dtype.type(1.25) if i in exam.judged else a for i, a in enumerate(arrays)]
    try:
        elsewhere = trial.outputs(other)
    except Exception:  # noqa: BLE001  (the other point may be outside the domain)
        return
    # what is returned for other inputs as well isn't the call's, but the user's own
    others = (*arrays, *elsewhere)
    writable = [
        y
        for y in values
        if y.flags.writeable
        and y.dtype.kind == "f"
        and not any(np.may_share_memory(y, a) for a in others)
    ]
    olds = [y.copy() for y in writable]
    try:
        for y in writable:
            y[...] = 0.5 * y + 1
        again = exam.numbers(trial.pull(exam.arrays, g))
    finally:
        for y, old in zip(writable, olds, strict=True):
            y[...] = old
    if exam.differ(again, kept):
        yield Finding(
            "hidden state",
            "backward gives another answer after the output of forward was written to",
            hint="saved state",
            pattern="backward reads the array that forward handed out: save a copy",
        )


def shared_buffer() -> Finding:
    """An answer that a later call overwrote."""
    return Finding(
        "shared memory",
        "a gradient that had been returned changed when backward was called again",
        hint="shared buffer",
        pattern="one buffer is returned by every call: return a new array",
    )


def remembered(exam: Exam, kept: Array) -> Iterator[Finding]:
    """Backward at one point doesn't depend on a forward at another that came between."""
    trial = exam.trial
    late = getattr(exam.subject, "pullback_late", None)
    changes: list[Callable[[Array], Array]] = [
        lambda x: -x,
        lambda x: np.asarray(x * x.dtype.type(1.25) + x.dtype.type(0.125)),
    ]
    for change in changes:
        other = [change(a) if i in exam.judged else a for i, a in enumerate(exam.arrays)]
        try:
            if late is None:
                trial.outputs(exam.arrays)
                trial.outputs(other)
                again = trial.pull(exam.arrays, exam.cotangents[0])
            else:
                trial.rewind()
                again = late(exam.arrays, other, trial.cotangents(exam.cotangents[0]))
        except Exception:  # noqa: BLE001  (the other point may be outside the domain)
            continue
        if exam.differ(exam.numbers(again), kept):
            yield Finding(
                "hidden state",
                "backward gives another answer after a forward at other inputs",
                hint="saved state",
                pattern="backward reads what the last forward saved",
            )
            break
    trial.outputs(exam.arrays)  # leave it as it was


def random_backward(exam: Exam) -> Iterator[Finding]:
    """With the random state held, another state: only a function that draws may notice."""
    trial = exam.trial
    if trial.held is None:
        return
    held = trial.held
    value = trial.value(exam.arrays)
    u = exam.numbers(trial.pull(exam.arrays, exam.cotangents[0])).copy()
    trial.held = shifted(held)
    try:
        other_value = trial.value(exam.arrays)
        other = exam.numbers(trial.pull(exam.arrays, exam.cotangents[0]))
    finally:
        trial.held = held
    if not exam.differ(flat([other_value]), flat([value])) and exam.differ(other, u):
        yield Finding(
            "hidden state",
            "the gradient depends on the global random state, the function doesn't",
            hint="random",
            pattern="random numbers are drawn in backward",
        )


def shifted(held: list[Any]) -> list[Any]:
    """Other states than those given: as after a draw from each generator."""
    before = states()
    restore(held)
    draw()
    made = states()
    restore(before)
    return made
