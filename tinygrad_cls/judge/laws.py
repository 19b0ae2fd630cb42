"""Laws that every backward keeps: linear in the cotangent, blind to memory layout, additive.

Each is a function of an :class:`~tinygrad_cls.judge.exam.Exam` and yields findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .exam import Exam, number_array
from .noise import POINTS, scatter
from .point import TIMES
from .report import Finding
from .subject import Answer, Array, TensorSubject

# --- linearity ------------------------------------------------------------------------------------


def linearity(exam: Exam) -> Iterator[Finding]:
    """vjp(a g + b h) = a vjp(g) + b vjp(h), and vjp(0) = 0."""
    trial, g = exam.trial, exam.cotangents[0]
    h = exam.cotangents[1] if len(exam.cotangents) > 1 else exam.rng.standard_normal(g.shape)

    def u(cotangent: Array) -> Array:
        return exam.numbers(trial.pull(exam.arrays, cotangent)).copy()

    ug, uh = u(g), u(h)
    if not (np.isfinite(ug).all() and np.isfinite(uh).all()):
        return
    # what cancels on the way rounds by more than the result shows: it scatters
    near = [u(g * (1 + k * 2.0**-40)) for k in range(POINTS)]
    noise = 4 * TIMES * scatter(np.array(near)) if np.isfinite(near).all() else 0 * ug
    zero = u(0 * g)
    if (zero != 0).any():
        ignored = not exam.differ(zero, ug)
        constant = not exam.differ(zero, np.full_like(zero, zero.flat[0]))
        hint = "ignores cotangent" if ignored else "constant added" if constant else "not linear"
        yield Finding(
            "not linear",
            f"a cotangent of zeros gives a gradient of {float(np.abs(zero).max()):.3g}, not zeros",
            hint=hint,
            pattern="the same answer for every cotangent"
            if ignored
            else f"{zero.flat[0]:.3g} is added to every number"
            if constant
            else "",
        )
        return
    for a, b in ((2.0, 0.0), (2.0**20, 0.0), (2.0**-20, 0.0), (0.75, -1.5)):
        mixed, expected = u(a * g + b * h), a * ug + b * uh
        if not np.isfinite(expected).all():  # an overflow of ours
            continue
        terms = abs(a) * (exam.allowed(ug) + noise) + abs(b) * (exam.allowed(uh) + noise)
        off = np.abs(mixed - expected)
        if (off <= terms + exam.allowed(expected)).all():
            continue
        ratio = float(np.median(mixed[ug != 0] / ug[ug != 0])) if (ug != 0).any() else 1.0
        hint, pattern = "not linear", ""
        if b == 0:
            pattern = f"{a:g} times the cotangent gives {ratio:.6g} times the gradient"
        if not exam.differ(uh, ug):
            hint, pattern = "ignores cotangent", "the same answer for every cotangent"
        elif b == 0 and abs(ratio / a**2 - 1) < 1e-6:
            hint = "cotangent twice"
        elif clips(u(2.0**-20 * g) * 2.0**20, ug, exam):
            hint, pattern = "clipped", f"cut off at +-{np.abs(ug).max():.6g}"
        words = f"{a:g} g" if b == 0 else f"{a:g} g + {b:g} h"
        yield Finding(
            "not linear",
            f"the gradient for {words} is not that combination of gradients: off by "
            f"{float((off / np.maximum(np.abs(expected), 1e-300)).max()):.2g} relative",
            hint=hint,
            pattern=pattern,
        )
        return


def clips(whole: Array, ug: Array, exam: Exam) -> bool:
    """Whether the gradient is that of a small cotangent, scaled up and cut off."""
    top = np.abs(ug).max(initial=0)
    return bool((np.abs(whole) > top).any()) and not exam.differ(np.clip(whole, -top, top), ug)


# --- memory layout --------------------------------------------------------------------------------


def layouts(a: Array) -> Iterator[tuple[str, Array]]:
    """The same values, laid out otherwise in memory."""
    if a.ndim > 1:
        yield "Fortran's order", np.array(a, order="F")
    if a.ndim and a.size:
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        wide[..., ::2] = a
        yield "every second element of memory", wide[..., ::2]
        yield "a negative stride", np.ascontiguousarray(a[..., ::-1])[..., ::-1]


def layout_findings(exam: Exam) -> Iterator[Finding]:
    """The answer depends on values, not on where they lie."""
    trial, parts = exam.trial, exam.trial.cotangents(exam.cotangents[0])
    if trial.held is not None:  # random numbers are drawn in the order of memory
        return
    plain = exam.numbers(trial.pull_parts(exam.arrays, parts)).copy()
    value = trial.value(exam.arrays)
    tries: list[tuple[str, list[Array], list[Array]]] = []
    parameters = getattr(getattr(exam.subject, "f", None), "lent_to", ())  # check_module's
    for i in (i for i in exam.judged if i not in parameters):
        for words, laid in layouts(exam.arrays[i]):
            if words == "a negative stride" and exam.subject.engine == "torch":
                continue  # torch has none
            arrays = [*exam.arrays[:i], laid, *exam.arrays[i + 1 :]]
            tries.append((f"{exam.subject.inputs[i]} in {words}", arrays, parts))
    for words, laid in layouts(parts[0]):
        if words == "a negative stride" and exam.subject.engine == "torch":
            continue
        tries.append((f"the cotangent in {words}", exam.arrays, [laid, *parts[1:]]))
    for words, arrays, gs in tries:
        there = trial.value(arrays)
        if np.isnan(there).any() or exam.differ(there, value):
            if not np.isnan(there).all():
                yield Finding(
                    "memory layout",
                    f"forward gives other values for {words}",
                    hint="layout",
                    pattern="forward reads memory as if it were contiguous",
                )
                return
            continue
        try:
            answer = trial.pull_parts(arrays, gs)
        except Answer as error:
            yield Finding(
                "memory layout", f"for {words}, {error}", hint="layout", pattern=str(error)
            )
            return
        shapes_fit = all(
            answer[i] is None or np.shape(answer[i]) == np.shape(exam.answers[0][i])
            for i in exam.judged
        )
        if not shapes_fit or exam.differ(exam.numbers(answer), plain):
            yield Finding(
                "memory layout",
                f"backward gives another answer for {words}",
                hint="layout",
                pattern="memory is read as if it were contiguous",
            )
            return


# --- an input used twice --------------------------------------------------------------------------


def accumulation(exam: Exam) -> Iterator[Finding]:
    """Of an input used twice, both contributions arrive: in two calls, and in one."""
    subject, trial, g = exam.subject, exam.trial, exam.trial.cotangents(exam.cotangents[0])
    if (
        isinstance(subject, TensorSubject) and trial.held is None
    ):  # two calls draw different numbers
        u, both = (
            exam.numbers(exam.answers[0]),
            exam.numbers(subject.pullback_twice(exam.arrays, g)),
        )
        if exam.differ(both, 2 * u):
            yield overwritten("of an input that two calls use, the gradient is not the sum of both")
            return
    arrays, names = exam.arrays, subject.inputs
    for i, k in list(combinations(exam.judged, 2))[:3]:
        if arrays[i].shape != arrays[k].shape or arrays[i].dtype != arrays[k].dtype:
            continue
        apart = [arrays[i].copy() if n == k else a for n, a in enumerate(arrays)]
        text = f"another answer when {names[i]} and {names[k]} are the same array"
        try:
            answer = trial.pull_parts(apart, g)
            u = exam.numbers(answer).copy()
            if isinstance(subject, TensorSubject):
                ends = [number_array(answer[n], apart[n]).copy() for n in (i, k)]
                trial.rewind()
                shared = subject.pullback_same(apart, i, k, g)
                if exam.differ(number_array(shared, apart[i]), ends[0] + ends[1]):
                    yield overwritten(text)
                    return
                continue
            both = exam.numbers(
                trial.pull_parts([apart[i] if n == k else a for n, a in enumerate(apart)], g)
            )
        except Answer:
            continue
        if exam.differ(both, u):
            yield overwritten(text)
            return


def overwritten(text: str) -> Finding:
    """A contribution that got lost."""
    words = "contributions are overwritten, not added"
    return Finding("accumulation", text, hint="overwritten", pattern=words)


def partial_graphs(exam: Exam) -> Iterator[Finding]:
    """The gradient for an input is the same when no other asks for one, and when only some outputs
    are used (the others' cotangents are then None).
    """
    subject, trial = exam.subject, exam.trial
    if not isinstance(subject, TensorSubject) or trial.held is not None:
        return
    g = trial.cotangents(exam.cotangents[0])
    whole = exam.answers[0]
    for i in exam.judged if len(exam.judged) > 1 else ():
        alone = subject.pullback_of(exam.arrays, g, inputs=(i,))[i]
        if exam.differ(number_array(alone, exam.arrays[i]), number_array(whole[i], exam.arrays[i])):
            yield Finding(
                "hidden state",
                "another gradient when no other input requires one",
                exam.name(i),
                hint="none for used",
                pattern="backward mistakes which inputs need a gradient (needs_input_grad)",
            )
            return
    for k in range(len(g)) if len(g) > 1 else ():
        masked = [part if n == k else 0 * part for n, part in enumerate(g)]
        expected = exam.numbers(trial.pull_parts(exam.arrays, masked)).copy()
        found = exam.numbers(subject.pullback_of(exam.arrays, g, outputs=(k,)))
        if exam.differ(found, expected):
            yield Finding(
                "hidden state",
                f"another gradient when output {k} alone is used: the cotangents of the others are "
                f"None, not zeros",
                hint="overwritten",
                pattern="a cotangent of None drops the contributions of other outputs",
            )
            return
