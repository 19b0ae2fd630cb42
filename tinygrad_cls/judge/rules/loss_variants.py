"""A rule at a point, reduced; and the known mistakes of losses, each a change of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .loss_rules import RULES, Parts, Pulled, class_axis, log_sum_exp, sigmoid

Array = NDArray[Any]
ROUNDINGS = 16
"""Roundings of a term and of its slope, sums apart: two or three functions of at most 2.5 units in
the last place each, and a handful of operations."""


@dataclass(frozen=True)
class Call:
    """A rule and what it is called with, reduced.

    What no right loss does: ``count`` is what the mean divides by, if not by the rule's own.
    ``factor`` multiplies value and gradient, ``rows`` each term. ``squash`` is what the inputs go
    through first, "softmax" or "sigmoid". ``leak`` adds softmax(x) to the gradient of ignored rows.
    """

    rule: str
    x: Array
    t: Array
    options: Mapping[str, Any] = field(default_factory=dict)
    reduction: str = "mean"
    count: float | None = None
    factor: float = 1.0
    rows: Array | None = None
    squash: str = ""
    leak: bool = False

    def other(self, **options: Any) -> Call:
        """The same with other options of the rule."""
        return replace(self, options={**self.options, **options})

    @property
    def parts(self) -> Parts:
        return RULES[self.rule](self.x, self.t, **self.options)

    def answer(self) -> Answer:
        with np.errstate(all="ignore"):
            return self._answer()

    def _answer(self) -> Answer:
        x, c = self.x, class_axis(self.x)
        if self.squash:
            s = sigmoid(x) if self.squash == "sigmoid" else np.exp(x - log_sum_exp(x, c))
            parts = replace(self, x=s, squash="").parts
        else:
            parts = self.parts
        scale: Any = self.factor * (1.0 if self.rows is None else self.rows)
        terms, size = parts.terms * scale, parts.size * np.abs(scale)
        lossy: Any = parts.lossy * np.abs(scale)
        share, several = 1.0, 0
        value, total = terms, np.asarray(size)
        if self.reduction != "none":
            several = terms.size
            value, total = terms.sum(), size.sum()
            if self.reduction == "mean":
                count = parts.divisor if self.count is None else self.count
                share = np.divide(1.0, count)
                value, total = np.divide(value, count), np.divide(total, count)

        def pull(g: Array) -> Pulled:
            with np.errstate(all="ignore"):
                cotangent = np.broadcast_to(g * share, terms.shape) * scale
                found = parts.pull(cotangent)
                if self.leak:
                    p = np.exp(x - log_sum_exp(x, c))
                    more = np.expand_dims(np.where(parts.kept, 0.0, cotangent), c) * p
                    found = found._replace(x=found.x + more, x_size=found.x_size + np.abs(more))
                if self.squash == "softmax":
                    rest = found.x - (s * found.x).sum(c, keepdims=True)
                    found = found._replace(x=s * rest)
                elif self.squash:
                    found = found._replace(x=found.x * s * (1 - s))
                return found

        length = parts.length + ROUNDINGS + several
        return Answer(np.asarray(value), total, length, lossy, share, pull)


class Answer(NamedTuple):
    """What a rule gives: the value, its size, roundings on the longest way, and the gradients."""

    value: Array
    size: Array
    length: int
    lossy: Any
    share: Any
    pull: Callable[[Array], Pulled]

    def tolerance(self, eps: float) -> Array:
        """How far a right loss may be off: one eps of the sizes for each rounding on the way, and
        what the textbook's formula loses, up to half of the digits.
        """
        with np.errstate(all="ignore"):
            lost = np.minimum(eps * np.asarray(self.lossy), math.sqrt(eps))
            lost = lost if self.value.ndim or not lost.ndim else lost.sum() * self.share
            return np.asarray(eps * self.length * self.size + lost)


# --- the mistakes ---------------------------------------------------------------------------------

Change = Callable[[Call], "Call | None"]


class Variant(NamedTuple):
    """A mistake: its hint, words for it, and the changed call, None where it'd be no change."""

    hint: str
    words: str
    change: Change


def fields(**values: Any) -> Change:
    """The call with other fields."""
    return lambda call: replace(call, **values)


def option(**values: Any) -> Change:
    """The call with other options of the rule."""
    return lambda call: call.other(**values)


def times(factor: float, **options: Any) -> Change:
    """The call times a constant."""
    return lambda call: replace(call.other(**options), factor=call.factor * factor)


def divisors(call: Call) -> Iterator[tuple[str, str, float]]:
    """What else than the rule's own number a mean might divide by: hint, words, number."""
    parts, weight = call.parts, call.options.get("weight")
    kept = float(parts.kept.sum())
    if weight is None:
        yield "mean and sum", "divides by the number of terms", kept
    else:
        mean = "weighted mean"
        yield mean, "divides by the number of terms, where the sum of weights belongs", kept
        words = "divides by the sum of weights, where the number of terms belongs"
        yield mean, words, float(parts.weights.sum())
        words = "divides by the sum of the weights given, however often a class occurs"
        yield mean, words, float(np.sum(weight))
        e = call.options.get("label_smoothing", 0.0)
        if e:
            share = e / call.x.shape[class_axis(call.x)] * np.sum(weight)
            smoothed = (1 - e) * parts.weights.sum() + kept * share
            yield mean, "divides by the sum of the smoothed weights", float(smoothed)
    if kept != parts.terms.size:
        yield "ignored rows", "ignored rows count in the mean", float(parts.terms.size)
    if call.x.size != parts.terms.size:
        yield "mean and sum", "divides by the number of logits, all classes", float(call.x.size)
    if parts.terms.ndim and len(parts.terms) != parts.terms.size:
        yield "mean and sum", "divides by the batch size alone", float(len(parts.terms))
    if call.x.ndim > 1:
        yield "mean and sum", "divides by the number of columns", float(call.x.shape[1])


def reductions(call: Call) -> Iterator[Variant]:
    """Other ways to reduce."""
    for other in ("sum", "none", "mean"):
        if other != call.reduction:
            shown = "no reduction" if other == "none" else f"the {other}"
            words = f"{shown} where the rule takes {call.reduction!r}"
            yield Variant("mean and sum", words, fields(reduction=other))
    if call.reduction == "mean":
        words = "divided by the number of terms twice"
        yield Variant("mean and sum", words, fields(count=call.parts.divisor**2))


def means(call: Call) -> Iterator[Variant]:
    """Means that divide by another number."""
    own = call.parts.divisor
    for hint, words, number in divisors(call):
        if number and number != own:
            yield Variant(hint, words, fields(reduction="mean", count=number))


def scales(call: Call) -> Iterator[Variant]:
    """The same times a constant."""
    if call.rule == "mse_loss":
        words = "half of the rule: the 2 of the square's slope is left out"
        yield Variant("factor", words, times(0.5))
    yield Variant("sign", "the sign is flipped", times(-1.0))
    yield Variant("factor", "twice the rule", times(2.0))
    yield Variant("factor", "half of the rule", times(0.5))
    if "entropy" in call.rule:
        yield Variant("factor", "a logarithm to the base 2", times(1 / math.log(2)))


def of_options(call: Call) -> Iterator[Variant]:
    """Options left out, or applied twice."""
    weight, pos = call.options.get("weight"), call.options.get("pos_weight")
    if weight is not None:
        count, square = call.parts.divisor, np.square(weight)
        hint = "weights"
        yield Variant(hint, "the weights are left out", option(weight=None))
        yield Variant(hint, "the weights are left out of the sum, not of its divisor",
                      lambda c: replace(c.other(weight=None), count=count))  # fmt: skip
        yield Variant(hint, "the weights are applied twice", option(weight=square))
        yield Variant(hint, "the weights are applied twice, but once in the divisor",
                      lambda c: replace(c.other(weight=square), count=count))  # fmt: skip
    if pos is not None:
        w, hint = 1.0 if weight is None else weight, "positive weight"
        # -w (t log s + p (1 - t) log(1 - s)) is what the weights w p and 1 / p say
        swapped = option(weight=pos * w, pos_weight=1.0 / np.asarray(pos))
        yield Variant(hint, "pos_weight on the negative term", swapped)
        both = option(weight=pos * w, pos_weight=None)
        yield Variant(hint, "pos_weight on both terms", both)
        yield Variant(hint, "pos_weight left out", option(pos_weight=None))
        yield Variant(hint, "pos_weight applied twice", option(pos_weight=np.square(pos)))


def of_classes(call: Call) -> Iterator[Variant]:
    """Label smoothing, ignored rows, the softmax, the labels."""
    n = call.x.shape[class_axis(call.x)]
    labels = call.t.shape != call.x.shape
    if call.options.get("label_smoothing", 0.0) > 0 and n > 1:
        yield from of_smoothing(call, n)
    if not call.parts.kept.all():
        yield from of_ignored(call, n)
    if call.rule == "cross_entropy":
        for axis in range(call.x.ndim):
            if axis != class_axis(call.x):
                words = f"softmax over axis {axis}, not over the classes'"
                yield Variant("wrong softmax axis", words, option(axis=axis))
        yield Variant("double softmax", "softmax applied twice", fields(squash="softmax"))
        if labels and "label_smoothing" not in call.options:
            words = "the inputs count as log-probabilities: no softmax"
            yield Variant("no softmax", words, fields(rule="nll_loss"))
    else:
        words = "log_softmax applied to what is logarithms already"
        yield Variant("double softmax", words, fields(rule="cross_entropy"))
    if labels and n > 1:
        for step, way in ((1, "up"), (-1, "down")):
            moved = np.where(call.parts.kept, (call.t + step) % n, call.t)
            yield Variant("shifted", f"labels off by one: counted {way}", fields(t=moved))


def of_smoothing(call: Call, n: int) -> Iterator[Variant]:
    """Targets a (1 - e') + a e' / C, for other a and e' than 1 and the smoothing e."""
    e, hint = call.options["label_smoothing"], "label smoothing"
    words = "smoothing spreads eps over C - 1 classes, where the rule has C"
    yield Variant(hint, words, option(label_smoothing=e * n / (n - 1)))
    yield Variant(hint, "label smoothing left out", option(label_smoothing=0.0))
    words = "the target keeps 1 - eps: its own share eps / C is missing"
    yield Variant(hint, words, times(1 - e / n, label_smoothing=e * n / (n - e)))
    words = "the target keeps all of its mass: 1, not 1 - eps"
    yield Variant(hint, words, times(1 + e, label_smoothing=e / (1 + e)))
    total = 1 - e + e * n
    words = "eps for every class, not eps / C"
    yield Variant(hint, words, times(total, label_smoothing=e * n / total))
    yield Variant(hint, "1 - eps and eps exchanged", option(label_smoothing=1 - e))
    if "weight" in call.options and call.t.shape != call.x.shape:
        rows, count = call.parts.weights, call.parts.divisor
        words = "smoothed rows are weighted by their label's weight"
        yield Variant(hint, words, lambda c: replace(c.other(weight=None), rows=rows, count=count))


def of_ignored(call: Call, n: int) -> Iterator[Variant]:
    """Rows that are to be ignored take part."""
    kept, count, hint = call.parts.kept, call.parts.divisor, "ignored rows"
    if n and ((call.t >= 0) & (call.t < n)).all():
        places = [("their own label", call.t)]
    elif n:
        places = [
            ("the label that a negative index finds", np.where(kept, call.t, call.t % n)),
            ("label 0", np.where(kept, call.t, 0)),
            ("the last label", np.where(kept, call.t, n - 1)),
        ]
    else:
        places = []
    options = {**call.options, "ignore_index": -1}  # which no row has then
    for label, t in places:
        words = f"ignored rows count as {label}"
        yield Variant(hint, words, fields(t=t, options=options))
        words += ", but not in the mean"
        yield Variant(hint, words, fields(t=t, options=options, count=count))
    if call.rule == "cross_entropy":
        yield Variant(hint, "ignored rows get softmax(x) for a gradient", fields(leak=True))


def of_pairs(call: Call) -> Iterator[Variant]:
    """Another loss for the same purpose, the sigmoid twice or never, the classes exchanged."""
    weight = {name: v for name, v in call.options.items() if name == "weight"}
    logits = call.rule == "binary_cross_entropy_with_logits"
    if logits:
        yield Variant("double softmax", "sigmoid applied twice", fields(squash="sigmoid"))
        if weight == call.options and ((call.x >= 0) & (call.x <= 1)).all():
            words = "the logits count as probabilities: no sigmoid"
            yield Variant("no softmax", words, fields(rule="binary_cross_entropy"))
    elif call.rule == "binary_cross_entropy":
        words = "sigmoid applied to what is probabilities already"
        yield Variant("double softmax", words, fields(rule="binary_cross_entropy_with_logits"))
    if "entropy" in call.rule:
        words = "classes 0 and 1 exchanged" + ", or the logit's sign" * logits
        yield Variant("sign", words, fields(t=1 - call.t))
        return
    beta = call.options.get("beta", 1.0)
    if call.rule == "smooth_l1_loss" and beta:
        yield Variant("neighbour", "Huber's loss: beta times the rule", times(beta))
    others: dict[str, dict[str, Any]] = {"mse_loss": weight, "l1_loss": weight}
    if not weight:
        others["smooth_l1_loss"] = {}
    for name, options in others.items():
        if (name, options) != (call.rule, call.options):
            other = fields(rule=name, options=options)
            yield Variant("neighbour", f"that is {name}", other)
            half = fields(rule=name, options=options, factor=call.factor / 2)
            yield Variant("neighbour", f"that is half of {name}", half)


def mistakes(call: Call) -> list[Variant]:
    """Every known mistake for the rule, those that say most first."""
    classes = call.rule in ("cross_entropy", "nll_loss")
    own = of_classes(call) if classes else of_pairs(call)
    rest = [means(call), scales(call)]  # a factor of 2 is most often a square's
    rest = rest[::-1] if call.rule == "mse_loss" else rest
    return [*reductions(call), *own, *of_options(call), *rest[0], *rest[1]]


def changes(call: Call) -> Iterator[tuple[list[Variant], Call]]:
    """Every mistake made, then all pairs of two different ones."""
    with np.errstate(all="ignore"):
        variants = mistakes(call)
        for variant in variants:
            changed = variant.change(call)
            if changed is not None:
                yield [variant], changed
        for one, other in combinations(variants, 2):
            first = one.change(call)
            second = None if first is None or one.hint == other.hint else other.change(first)
            if second is not None:
                yield [one, other], second
