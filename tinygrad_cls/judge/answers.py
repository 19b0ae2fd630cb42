"""What backward returns: an array in its input's shape and dtype, with memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .diagnosis import of_shape
from .exam import Answers, Exam
from .report import Finding
from .subject import Array, Arrays, kind


def is_gradient(x: Any) -> bool:
    """Whether it's an array of real numbers, or one number."""
    return (
        isinstance(x, np.ndarray | np.generic | float | int) and np.asarray(x).dtype.kind in "fiub"
    )


def answer_findings(exam: Exam, answers: Answers) -> Iterator[Finding]:
    """Each gradient is an array in its input's shape and dtype, or None where there is none."""
    promoted = any(y.dtype.kind == "f" and y.dtype.itemsize > 4 for y in exam.values)
    for i, x in enumerate(exam.arrays):
        g, where = answers[i], exam.name(i)
        if i not in exam.judged:
            if (
                g is not None
                and x.dtype.kind not in "fc"
                and is_gradient(g)
                and np.any(np.asarray(g) != 0)
            ):
                yield Finding(
                    "unwanted gradient",
                    f"{exam.subject.inputs[i]} is of dtype {x.dtype}: return None for it",
                    where,
                    hint="integer input",
                    pattern="a gradient for an input of integers",
                )
            continue
        if g is None:
            continue  # judged with the values: None is zero
        if not is_gradient(g):
            what = f"an array of dtype {g.dtype}" if isinstance(g, np.ndarray) else kind(g)
            yield Finding(
                "bad answer", f"the gradient is {what}: return an array of numbers", where
            )
            continue
        g = np.asarray(g)
        if g.dtype.kind != "f" and g.any():
            yield Finding(
                "wrong dtype", f"the gradient is of dtype {g.dtype}, the input of {x.dtype}", where,
                hint="dtype drop", pattern=f"the gradient is of dtype {g.dtype}",
            )  # fmt: skip
        elif g.dtype.kind == "f" and g.dtype.itemsize < x.dtype.itemsize:
            yield Finding(
                "wrong dtype",
                f"the gradient is of dtype {g.dtype}, the input of {x.dtype}: digits are lost",
                where,
                hint="dtype drop",
                pattern=f"returned in {g.dtype}",
            )
        elif g.dtype.itemsize > x.dtype.itemsize and not promoted:
            yield Finding(
                "wider dtype", f"the gradient is of dtype {g.dtype}, the input of {x.dtype}", where
            )


def shape_findings(exam: Exam, right: Callable[[int], Array | None]) -> Iterator[Finding]:
    """Each gradient has its input's shape; ``right(i)`` is what differences say, to explain."""
    answers, g = exam.answers[0], exam.trial.cotangents(exam.cotangents[0])[0]
    for i in exam.judged:
        given, want = answers[i], exam.arrays[i].shape
        if given is None or not is_gradient(given) or np.shape(given) == want:
            continue
        truth = right(i)
        hint, pattern = ("", "")
        if truth is not None:
            hint, pattern = of_shape(
                np.asarray(given, np.float64), truth, g, exam.subject.inputs[i]
            )
        yield Finding(
            "wrong shape",
            f"the gradient has shape {np.shape(given)}, the input {want}",
            exam.name(i),
            hint=hint,
            pattern=pattern,
        )


def dropped_digits(exam: Exam) -> Iterator[Finding]:
    """Float64 gradients whose every number is a float32: digits were dropped on the way."""
    if any(y.dtype.kind == "f" and y.dtype.itemsize < 8 for y in exam.values):
        return
    largest = max(float(np.abs(exam.numbers(a)).max(initial=0)) for a in exam.answers)
    # beside what such outputs and inputs would give, residue of rounding is no number either
    sizes = [np.abs(exam.arrays[i][exam.arrays[i] != 0]) for i in exam.judged]
    typical = max(float(np.median(a)) if a.size else 1.0 for a in sizes)
    values = max(float(np.abs(y).max(initial=0)) for y in exam.values if y.dtype.kind == "f")
    largest = max(largest, 1e-3 * values / typical)
    for i in exam.judged:
        if exam.arrays[i].dtype != np.float64 or any(a[i] is None for a in exam.answers):
            continue
        numbers = np.concatenate([np.ravel(np.asarray(a[i], np.float64)) for a in exam.answers])
        numbers = numbers[np.isfinite(numbers)]
        # neither rounding noise nor short numbers anyway
        telling = numbers[(np.abs(numbers) > 1e-6 * largest) & (numbers * 1024 % 1 != 0)]
        if len(telling) >= 3 and (telling == telling.astype(np.float32)).all():
            yield Finding(
                "wrong dtype",
                f"all {len(telling)} numbers of the float64 gradient are float32 numbers",
                exam.name(i),
                hint="dtype drop",
                pattern="cast to float32 on the way",
            )


def aliasing(exam: Exam, parts: Arrays) -> Iterator[Finding]:
    """Gradients that share memory with an argument or with one another."""
    answers = exam.trial.pull_parts(exam.arrays, parts)
    named = [(f"input {exam.subject.inputs[i]}", a) for i, a in enumerate(exam.arrays)]
    named += [("the cotangent", g) for g in parts]
    found = [
        (exam.subject.inputs[i], answers[i])
        for i in exam.judged
        if isinstance(answers[i], np.ndarray)
    ]
    shared = []
    for n, (what, g) in enumerate(found):
        others = named + [(f"that for {name}", a) for name, a in found[:n]]
        with_ = next((other for other, a in others if np.may_share_memory(g, a)), "")
        if with_:
            shared.append(f"that for {what} with {with_}")
    if shared:
        some = "; ".join(shared[:3]) + ("; ..." if len(shared) > 3 else "")
        yield Finding("aliasing", f"gradients share memory: {some}. Don't add to them in place")
