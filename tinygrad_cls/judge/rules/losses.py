"""A loss, held to its own slope and to its rule, and what a difference looks like."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...tensor import new
from ..report import FAIL, UNSURE, Finding, Reading, Report, amount
from ..subject import Answer as NoAnswer
from ..subject import Subject, Unfit
from ..trial import quietly
from .asked import Question, asked
from .loss_variants import Answer

Array = NDArray[Any]

SATURATED = ("cross_entropy", "binary_cross_entropy_with_logits")
"""The rules that take logits of any size."""


def check_loss(
    loss: Any,
    x: Any,
    target: Any,
    *,
    rule: str | Callable[[Any, Any], Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    name: str = "",
    seed: int = 0,
    probes: int = 3,
    order: int | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Report:
    """Whether a loss's gradient is its own slope, and both are what the rule says.

    ``loss`` is a function of arrays ``loss(x, target)`` with ``vjp(g, x, target) -> (for x, for
    target or None)``, a function of this engine's tensors, a loss module of ours, or torch's.

    ``rule`` is the name of a function of ``torch.nn.functional``: "cross_entropy", "nll_loss",
    "binary_cross_entropy_with_logits", "binary_cross_entropy", "mse_loss", "l1_loss" or
    "smooth_l1_loss"; ``options`` are that function's (reduction, weight, pos_weight,
    label_smoothing, ignore_index, beta). For a module or function of such a name both may be left
    out: they are then the module's own. ``rule`` may also be a function ``(x, target) -> value``;
    its gradient is taken by the complex step, if it takes complex numbers.

    The rule is computed in float64, from plain formulas. The loss is compared with it in float64,
    if it takes float64, and in x's own dtype. It may be off by one eps for each rounding on the
    way: the terms added up, the classes of a row, and 16 more; each of the size of what is added
    up, without signs. Where value or gradient is wrong, the known mistakes of losses are tried,
    alone and in pairs. Logits are also judged at ``±1e4``.

    >>> import numpy as np
    >>> x, t = np.array([[2.0, 0.0, 1.0], [0.5, 1.0, -1.0]]), np.array([0, 2])
    >>> def loss(x, t):
    ...     log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    ...     return -log_p[np.arange(len(t)), t].sum()
    >>> def vjp(g, x, t):
    ...     p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    ...     return g * (p - np.eye(x.shape[1])[t]), None
    >>> check_loss(loss, x, t, vjp=vjp, rule="cross_entropy").hints
    ('mean and sum',)

    Raises:
        TypeError: what is given is no loss, no rule, or the rule has no such option.
        ValueError: an unknown rule, or values and shapes that don't fit it.
    """
    start = time.perf_counter()
    with quietly():
        question = asked(loss, x, target, rule, vjp, options)
    if name:
        question.subject.name = name
    with quietly():
        report = own_slope(question, seed, probes, order, progress)
        findings = compared(question, report, np.random.default_rng(seed))
    tested = (f"the rule {question.shown}", *report.tested)
    return replace(
        report,
        findings=tuple(findings),
        tested=tested,
        untested=(*report.untested, *question.untested()),
        seconds=time.perf_counter() - start,
        reproduce=question.reproduce(seed),
    )


def own_slope(question: Question, seed: int, probes: int, order: Any, progress: Any) -> Report:
    """The gradient against the loss's own forward."""
    from .. import check

    blank = Report(question.subject.name, seed=seed)
    if not question.tame:
        return replace(blank, untested=("the slope: x or target holds what is not finite",))
    try:
        several = len(question.subject.values([question.x.copy(), question.t.copy()]))
    except Exception:  # noqa: BLE001  (the check says what it raised)
        several = 1
    if several != 1:
        text = f"{question.subject.name} returned {several} values: a loss has one"
        return replace(blank, findings=(Finding("not judged", text),))
    x, t = question.x, question.t
    if np.float16 in (x.dtype, t.dtype) or question.rule == "binary_cross_entropy":
        # float16 has no digits to spare; roundings of 0 and 1 in float32 may be no probabilities
        x, t = next(question.readings())
    x = question.inside(x)
    inputs: list[Any] = [new(x).requires_grad_(), t]
    if t.dtype.kind == "f" and question.gives_target_gradient():
        inputs[1] = new(t).requires_grad_()
    if question.rule == "binary_cross_entropy" and order is None:
        order = 1  # torch's second derivative, and ours, adds 1e-12 to every divisor
    return check(
        question.subject, *inputs, seed=seed, probes=probes, order=order, progress=progress
    )


# --- what the loss gives, beside the rule ---------------------------------------------------------


class Given(NamedTuple):
    """The loss's value, the cotangent, and the gradients by x and target; eps of its dtype."""

    value: Array
    g: Array
    x: Array | None
    t: Array | None
    eps: float
    dtype: Any


def given(subject: Subject, x: Array, t: Array, rng: Any) -> Given | None:
    """The loss in the dtype of ``x``; None where it raises, which the check reports."""
    try:
        values = subject.values([x.copy(), t.copy()])
        if len(values) != 1:
            raise Unfit(f"{subject.name} returned {len(values)} values: a loss has one")
        value = np.asarray(values[0])
        kind = value.dtype if value.dtype.kind == "f" else np.dtype(np.float64)
        g = np.asarray(rng.normal(size=value.shape) if value.ndim else 1.0, kind)
        gx, gt = subject.pullback([x.copy(), t.copy()], [g.copy()])
    except (Unfit, NoAnswer):
        return None
    except Exception:  # noqa: BLE001  (whatever a user's function raises)
        return None
    found = [a if a is None else np.asarray(a) for a in (gx, gt)]
    kinds = [x.dtype, kind, *(a.dtype for a in found if a is not None and a.dtype.kind == "f")]
    coarsest = max(kinds, key=lambda k: np.finfo(k).eps)
    eps = float(np.finfo(coarsest).eps)
    return Given(value, g.astype(np.float64), found[0], found[1], eps, coarsest)


def off(yours: Any, rule: Array, tolerance: Array, dtype: Any, wild: bool = False) -> Array:
    """How many times the tolerance each number is off: 0 for what is equal or can't be judged.

    What the rule leaves infinite or nan is judged if x and target are finite.
    """
    tiny = 16 * float(np.finfo(dtype).smallest_subnormal)
    rule = np.asarray(rule, np.float64)
    with np.errstate(all="ignore"):
        cast = rule.astype(dtype)  # what overflows in the dtype is rightly infinite
        same = (yours == rule) | (np.isnan(yours) & np.isnan(rule)) | (yours == cast)
        ratio = np.abs(np.asarray(yours, np.float64) - rule) / (tolerance + tiny)
    ratio = np.where(np.isnan(ratio), np.where(np.isinf(tolerance), 0.0, np.inf), ratio)
    excused = same | (wild & ~np.isfinite(rule))
    return np.where(excused, 0.0, ratio)


class Difference(NamedTuple):
    """By how much value and gradients are off; None where shapes differ or there is none."""

    value: Array | None
    x: Array | None
    t: Array | None

    @property
    def value_wrong(self) -> bool:
        return self.value is None or bool((self.value > 1).any())

    @property
    def slope_wrong(self) -> bool:
        return any(r is not None and bool((r > 1).any()) for r in (self.x, self.t))


def difference(found: Given, answer: Answer, wild: bool) -> Difference:
    """The loss beside the answer of a rule or of a changed one."""
    if found.value.shape != answer.value.shape:
        value = None
    else:
        value = off(found.value, answer.value, answer.tolerance(found.eps), found.dtype, wild)
    if found.g.ndim and value is None:  # no cotangent that fits
        infinite = None if found.x is None else np.full(found.x.shape, np.inf)
        return Difference(None, infinite, None)
    with np.errstate(all="ignore"):
        pulled = answer.pull(found.g)
        unit = found.eps * answer.length
        ratios: list[Array | None] = []
        for yours, rule, size, slack in (
            (found.x, pulled.x, pulled.x_size, pulled.x_slack),
            (found.t, pulled.t, pulled.t_size, pulled.t_slack),
        ):
            if yours is None or rule is None or size is None or yours.shape != rule.shape:
                ratios.append(None)
            else:
                tolerance = unit * size + slack
                ratios.append(off(yours, rule, tolerance, found.dtype, wild))
    return Difference(value, *ratios)


# --- findings -------------------------------------------------------------------------------------


def compared(question: Question, report: Report, rng: Any) -> list[Finding]:
    """The check's findings and the rule's, those that say what is wrong first."""
    findings = list(report.findings)
    wild = not question.tame
    for x, t in question.readings():
        found = given(question.subject, x, t, rng)
        if found is None:
            continue
        answer = question.answer(x, t)
        far = difference(found, answer, wild)
        if far.value_wrong or far.slope_wrong:
            return merged(question, findings, found, answer, far, x, t)
        findings = [settled(f, question) for f in findings]
    if question.rule in SATURATED and not any(f.level == FAIL for f in findings):
        findings += saturated(question, rng)
    return findings


def settled(finding: Finding, question: Question) -> Finding:
    """What a difference could not judge, the rule could."""
    stopped = "raised" in finding.text or "the check stopped" in finding.text
    if finding.level != UNSURE or stopped:
        return finding
    text = f"{finding.text}; value and gradient are those of {question.shown}"
    return replace(finding, kind="saved by another oracle", text=text)


def merged(
    question: Question,
    findings: list[Finding],
    found: Given,
    answer: Answer,
    far: Difference,
    x: Array,
    t: Array,
) -> list[Finding]:
    """The check's findings with those of the rule, which come first if they say what it is."""
    own = next((f for f in findings if f.kind in ("wrong gradient", "missing gradient")), None)
    hint, pattern = diagnosed(question, found, far, x, t, own is not None)
    made = []
    if own is not None and far.slope_wrong:
        extra = reading(question, found, answer, far, own)
        own_hint = (hint, pattern) if hint else (own.hint, own.pattern)
        first = replace(own, hint=own_hint[0], pattern=own_hint[1], readings=own.readings + extra)
        made.append(first)
        if far.value_wrong:
            hint, pattern = diagnosed(question, found, far._replace(x=None, t=None), x, t, False)
    if far.value_wrong:
        made.append(value_finding(question, found, answer, far, hint, pattern, own is None))
    elif own is None:
        made.append(slope_finding(question, found, answer, far, x, hint, pattern))
    rest = [f for f in findings if f is not own and f.level != UNSURE]
    if own is not None and not far.slope_wrong:
        rest = [own, *rest]
    made.sort(key=lambda f: not f.hint)
    structural = [f for f in rest if f.level == FAIL and f.kind in STRUCTURE]
    return [*structural, *made, *(f for f in rest if f not in structural)]


STRUCTURE = ("mutation", "not repeatable", "bad answer", "backward raises", "wrong shape",
             "hidden state", "shared memory")  # fmt: skip
"""Findings that explain wrong numbers better than a rule does."""


def place(ratio: Array) -> tuple[int, ...]:
    """Where an array is largest."""
    return tuple(int(n) for n in np.unravel_index(int(ratio.argmax()), ratio.shape))


def at_index(name: str, at: tuple[int, ...]) -> str:
    """``x[1,2]``; without an index the name alone."""
    return f"{name}[{','.join(map(str, at))}]" if at else name


def reading(
    question: Question, found: Given, answer: Answer, far: Difference, own: Finding
) -> tuple[Reading, ...]:
    """What the rule says of the slope, where the check's finding stands by the same place."""
    ratio = far.x
    if ratio is None or not ratio.size or found.value.ndim:
        return ()
    at = place(ratio)
    if not own.where.endswith(at_index(question.subject.inputs[0], at)):
        return ()
    return (Reading("rule", float(answer.pull(found.g).x[at]), how="for cotangent 1"),)


def slope_finding(
    question: Question,
    found: Given,
    answer: Answer,
    far: Difference,
    x: Array,
    hint: str,
    pattern: str,
) -> Finding:
    """The value is right, the gradient is not the rule's, and the check did not see it."""
    of_x = far.x is not None and (far.x > 1).any()
    ratio, yours = (far.x, found.x) if of_x else (far.t, found.t)
    pulled = answer.pull(found.g)
    rule = pulled.x if of_x else pulled.t
    assert ratio is not None
    assert yours is not None
    assert rule is not None
    at = place(ratio)
    name = question.subject.inputs[0 if of_x else 1]
    scale = float(np.abs(rule[np.isfinite(rule)]).max(initial=0.0))
    return Finding(
        "wrong rule",
        f"the value is that of {question.shown}, the gradient is not",
        where=f"d loss / d {at_index(name, at)}",
        at=f"{at_index(name, at)} = {float((x if of_x else question.t)[at]):.10g}",
        yours=float(yours[at]),
        readings=(Reading("rule", float(rule[at])),),
        error=abs(float(yours[at]) - float(rule[at])) / scale if scale else None,
        noise=float(ratio[at]),
        hint=hint,
        pattern=pattern,
    )


def value_finding(
    question: Question,
    found: Given,
    answer: Answer,
    far: Difference,
    hint: str,
    pattern: str,
    consistent: bool,
) -> Finding:
    """The value is not the rule's."""
    agree = "; the gradient is not either, and agrees with the loss's own slope"
    tail = "" if not far.slope_wrong else agree if consistent else "; nor is the gradient"
    if far.value is None:
        text = f"the loss has the shape {found.value.shape}, {question.shown} {answer.value.shape}"
        return Finding("wrong rule", text + tail, where="loss", hint=hint, pattern=pattern)
    at = place(far.value)
    yours, rule = float(found.value[at]), float(answer.value[at])
    if not hint and not far.slope_wrong:
        hint = "constant added"
        pattern = f"the value is off by {yours - rule:.6g}, and has the right slope"
    return Finding(
        "wrong rule",
        f"the value is not that of {question.shown}{tail}",
        where=at_index("loss", at),
        readings=(Reading("yours (forward)", yours), Reading("rule", rule)),
        error=abs(yours - rule) / abs(rule) if rule else None,
        noise=float(far.value[at]),
        hint=hint,
        pattern=pattern,
    )


def diagnosed(
    question: Question, found: Given, far: Difference, x: Array, t: Array, apart: bool
) -> tuple[str, str]:
    """The known mistakes that explain what is wrong: those that explain value and gradient, if both
    are wrong; else (or if the gradient is not the value's: ``apart``) those of the gradient.
    """
    wild = not question.tame
    singles: list[tuple[str, str]] = []
    part: tuple[str, str] | None = None
    for variants, call in question.changes(x, t):
        if len(variants) == 2 and (singles or part):
            break
        try:
            there = difference(found, call.answer(), wild)
        except (TypeError, ValueError, IndexError, KeyError):  # a pair that makes no sense
            continue
        slope = not far.slope_wrong or (there.x is not None and not there.slope_wrong)
        value = not far.value_wrong or not there.value_wrong
        words = variants[0].hint, " and ".join(v.words for v in variants)
        if slope and value:
            singles.append(words)
            if len(variants) == 2:
                break
        elif slope and far.slope_wrong and apart and part is None:
            part = words
    if singles:
        others = [words for _, words in singles[1:3]]
        return singles[0][0], " or: ".join([singles[0][1], *others])
    return part or ("", "")


# --- logits of any size ---------------------------------------------------------------------------


def saturated(question: Question, rng: Any) -> list[Finding]:
    """The loss at logits of ±20, ±100 and ±1e4, where formulas overflow."""
    wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in (question.x, question.t)]
    x = rng.choice([-1e4, -100.0, -20.0, 20.0, 100.0, 1e4], size=wide[0].shape)
    found = given(question.subject, x, wide[1], rng)
    if found is None or not question.tame:
        return []
    answer = question.answer(x, wide[1])
    far = difference(found, answer, False)
    if not far.value_wrong and not far.slope_wrong:
        return []
    if far.value is not None and far.value_wrong:
        at = place(far.value)
        yours, rule, where = found.value[at], answer.value[at], at_index("loss", at)
    elif far.x is not None:
        at = place(far.x)
        assert found.x is not None
        yours, rule = found.x[at], answer.pull(found.g).x[at]
        where = f"d loss / d {at_index(question.subject.inputs[0], at)}"
    else:
        return []
    how = "overflows" if not np.isfinite(yours) else f"is off by {amount(abs(yours - rule))}"
    text = f"at logits of ±20, ±100 and ±1e4 the loss {how}, where the rule does not"
    readings = Reading("yours", float(yours)), Reading("rule", float(rule))
    return [Finding("other values", text, where, readings=readings, hint="unstable branch",
                    pattern="wrong only where logits are large")]  # fmt: skip
