"""An explanation: its numbers, and how it prints."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal  # noqa: F401  (its doctest)
from typing import Any

import numpy as np

import tinygrad_cls

from .._torch import pytorch
from . import ExplainError
from .exact import Values, distance, exactly
from .forms import FUNCTIONS, Function
from .limits import Limit, limits
from .running import Line, Outcome, run

Array = Any
DTYPES = ("float32", "float64")
COLUMNS = 4
"""Logits that are shown; of more, the worst error has a column."""
CELL = 14
PAGE = 100
BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


@dataclass
class Row:
    """What one way to compute gives, and how far it is from the exact values, in ulp."""

    value: Array
    gradient: Array
    value_error: list[tuple[float, bool]]
    gradient_error: list[tuple[float, bool]]


@dataclass
class Explanation:
    """Both forms of a function at some logits; ``str`` shows it."""

    name: str
    dtype: str
    given: Array  # the logits before they were rounded to the dtype
    x: Array
    t: Any
    naive: Outcome
    stable: Outcome
    limits: list[Limit]
    exact: tuple[Values, Values]  # of the value and of the gradient
    rows: dict[str, Row]  # naive, stable, tinygrad_cls and, if it is installed, torch
    missing: str = ""  # why there is no row of torch

    def __str__(self) -> str:
        return self.text()

    def text(self, colour: bool = False) -> str:
        """The explanation for a terminal."""
        return "\n".join(Page(self, colour).lines())


def explanation(
    name: str, x: Sequence[float] | float, t: Any = None, dtype: str = "float32"
) -> Explanation:
    """Runs everything; see :func:`tinygrad_cls.explain.explain`."""
    if name not in FUNCTIONS:
        raise ExplainError(f"{name!r} can't be explained: choose from {', '.join(FUNCTIONS)}")
    function = FUNCTIONS[name]
    if dtype not in DTYPES:
        raise ExplainError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
    given = numbers("x", x, dtype)
    logits = given.astype(dtype)
    if function.row and logits.size < 2:
        raise ExplainError(f"{name} takes a row of two or more logits; x holds {logits.size}")
    target = target_of(name, t, logits)
    exact = exactly(name, logits, target)
    naive, stable = (run(function, form, logits, target) for form in (function.naive,
                                                                     function.stable))  # fmt: skip
    computed = {
        "naive": (naive.value, naive.gradient),
        "stable": (stable.value, stable.gradient),
        "tinygrad_cls": fused(function, tinygrad_cls, logits, target),
    }
    missing = ""
    try:
        computed["torch"] = fused(function, pytorch(), logits, target)
    except ImportError:
        missing = "PyTorch is not installed; run: pip install 'tinygrad_cls[reference]'"
    rows = {who: Row(*pair, *errors(pair, exact)) for who, pair in computed.items()}
    return Explanation(
        name, dtype, given, logits, target, naive, stable, limits(name, dtype), exact, rows, missing
    )


def fused(function: Function, engine: Any, x: Array, t: Any) -> tuple[Array, Array]:
    """Value and gradient by the op of an engine."""
    leaf = engine.tensor(x, requires_grad=True)
    target = engine.tensor(t) if t is not None else None
    y = function.fused(engine, leaf, target)
    (y[t] if function.result == "p" and function.row else y).sum().backward()
    return y.detach().numpy(), leaf.grad.numpy()


def errors(pair: tuple[Array, Array], exact: tuple[Values, Values]) -> Any:
    """The distances of values and gradients."""
    return [
        [distance(a, b) for a, b in zip(np.ravel(computed), values, strict=True)]
        for computed, values in zip(pair, exact, strict=True)
    ]


# --- what is asked --------------------------------------------------------------------------------


def numbers(what: str, given: Any, dtype: str) -> Array:
    """One or more numbers as an array, or one sentence about them."""
    try:
        listed = np.array(given, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise ExplainError(f"{what} must be numbers, not {given!r}") from None
    if not listed.size:
        raise ExplainError(f"{what} is empty: give one number or more")
    largest = float(np.finfo(dtype).max)
    for a in listed:
        if not math.isfinite(a):
            raise ExplainError(f"{what} holds {a:g}: only finite numbers can be explained")
        if abs(a) > largest:
            raise ExplainError(f"{what} holds {a:g}, more than {largest:.4g}, the greatest {dtype}")
    return listed


def target_of(name: str, t: Any, x: Array) -> Any:
    """The target in the form that the function takes."""
    if name == "sigmoid":
        if t is not None:
            raise ExplainError("sigmoid has no target: leave t out")
        return None
    if name == "bce":
        if t is None:
            raise ExplainError("bce needs t: one target in [0, 1] for each logit")
        targets = numbers("t", t, str(x.dtype)).astype(x.dtype)
        if targets.size != x.size:
            raise ExplainError(
                f"bce needs one target for each logit: x holds {x.size}, t holds {targets.size}"
            )
        for a in targets:
            if not 0 <= a <= 1:
                raise ExplainError(f"t holds {a:g}: a target of bce lies in [0, 1]")
        return targets
    if t is None:
        if name == "softmax":
            return 0
        raise ExplainError(f"cross-entropy needs t: the class, 0 to {x.size - 1}")
    classes = numbers("t", t, "float64")
    if classes.size != 1:
        raise ExplainError(f"{name} takes one row of logits and one class; t holds {classes.size}")
    label = float(classes[0])
    if label != int(label):
        raise ExplainError(f"t is {label:g}: a class is a whole number, 0 to {x.size - 1}")
    if not 0 <= label < x.size:
        raise ExplainError(f"t is {label:g}, but the {x.size} logits are those of the classes 0 to "
                           f"{x.size - 1}")  # fmt: skip
    return int(label)


# --- how it prints --------------------------------------------------------------------------------


def short(a: Any) -> str:
    """A number in six digits that is never shown as the 0 or 1 that it is not.

    >>> short(np.float32(1 - 2**-24)), short(np.float32(1)), short(np.float64(1 / 3))
    ('1 - 6e-08', '1', '0.333333')
    >>> short(Decimal("1e-500"))
    '1.0e-500'
    """
    value = float(a)
    if value == 0 and a != 0:
        return f"{a:.1e}"
    text = f"{value:.6g}"
    if text in ("1", "-1") and abs(a) != 1:
        off = float(abs(a) - 1)
        return f"{text} {'+' if off * value > 0 else '-'} {abs(off):.1g}"
    return text


class Page:
    """The lines of an explanation."""

    def __init__(self, told: Explanation, colour: bool) -> None:
        self.told = told
        self.colour = colour
        self.function = FUNCTIONS[told.name]
        self.shown = list(range(told.x.size))
        if told.x.size > COLUMNS:
            first = [told.t, int(told.x.argmax())] if self.function.row else []
            self.shown = sorted(list(dict.fromkeys([*first, *self.shown]))[:COLUMNS])
        steps = [s for o in (told.naive, told.stable) for s in (*o.lines, *o.backward)]
        self.label = max(len(f"{s.name} = {s.text}") for s in steps) + 3

    def lines(self) -> Iterator[str]:
        told = self.told
        yield from self.head()
        for what, form, outcome in (
            ("naive", self.function.naive, told.naive),
            ("stable", self.function.stable, told.stable),
        ):
            yield ""
            yield self.paint(f"{what}: {form.title}", BOLD)
            for step in outcome.lines:
                yield from self.step(step)
            yield self.paint("  gradient" + ", by backward" * (not form.gradient), DIM)
            for step in outcome.backward:
                yield from self.step(step)
        yield from self.errors()
        yield from self.where()

    def head(self) -> Iterator[str]:
        """What is explained, of which numbers."""
        told, row = self.told, self.function.row
        names = [f"x[{i}]" if row else "x" for i in range(told.x.size)]
        heads = [f"{name} = {short(a)}" for name, a in zip(names, told.x, strict=True)]
        yield self.paint(self.line(f"{told.name} in {told.dtype}", heads), BOLD)
        if told.name == "bce":
            yield self.paint(self.line("", [f"t = {short(a)}" for a in told.t]), BOLD)
        elif told.name == "cross-entropy":
            yield f"t = {told.t}, the class"
        elif told.name == "softmax":
            yield f"t = {told.t}: the gradient is that of y = p[{told.t}]"
        moved = [i for i in self.shown if told.given[i] != told.x[i]]
        if moved:
            i = moved[0]
            yield self.paint(
                f"rounded to {told.dtype} first: {told.given[i]:.12g} is {told.x[i]:.12g}", DIM
            )
        if len(self.shown) < told.x.size:
            yield self.paint(f"{len(self.shown)} of the {told.x.size} logits are shown", DIM)

    def line(self, label: str, cells: Sequence[str], paints: Sequence[str] = ()) -> str:
        """A label and a column for each logit that is shown."""
        paints = paints or [""] * len(cells)
        columns = self.shown if len(cells) == self.told.x.size else range(len(cells))
        padded = [self.paint(f"{cells[i]:>{CELL}}", paints[i]) for i in columns]
        return f"{label:<{self.label}}" + "".join(padded)

    def step(self, step: Line) -> Iterator[str]:
        """A step's value, and what happened."""
        values = np.ravel(step.value)
        paints = ["" if np.isfinite(a) else RED for a in values]
        yield self.line(f"  {step.name} = {step.text}", list(map(short, values)), paints)
        for words, places in step.notes:
            names = [f"x[{i}]" if self.function.row else f"x = {short(self.told.x[i])}"
                     for i in places[:COLUMNS]]  # fmt: skip
            names += ["..."] * (len(places) > COLUMNS)
            who = f"{', '.join(names)}: " if names and self.told.x.size > 1 else ""
            yield self.paint(f"      {who}{words}", YELLOW)

    def errors(self) -> Iterator[str]:
        """The exact values, and everybody's distance."""
        told = self.told
        lost = False
        for number, what in enumerate((f"exact value {self.function.result}", "exact gradient")):
            yield ""
            yield self.paint(self.line(what, [short(a) for a in told.exact[number]]), BOLD)
            for who, row in told.rows.items():
                errors = (row.value_error, row.gradient_error)[number]
                lost |= who == "tinygrad_cls" and any(gone for _, gone in errors)
                paints = [RED if gone else GREEN if ulps <= 4 else YELLOW for ulps, gone in errors]
                line = self.line(f"  {who}, off by", [off(*e) for e in errors], paints)
                if len(errors) > len(self.shown):
                    line += f"   worst of all: {off(*max(errors, key=badness))}"
                yield line
        if told.missing:
            yield self.paint(told.missing, DIM)
        if lost:
            yield from self.wrapped(self.function.remark, "", DIM)

    def where(self) -> Iterator[str]:
        """Where the naive form fails."""
        yield ""
        yield self.paint(f"where the naive form fails in {self.told.dtype}", BOLD)
        for limit in self.told.limits:
            sign = ">=" if limit.x > 0 else "<="
            beyond = [short(a) for a in self.told.x if limit.beyond(a)]
            start = f"  x {sign} {float(limit.x):<9.6g} "
            here = f" <- x = {', '.join(beyond[:COLUMNS])}" if beyond else ""
            yield from self.wrapped(limit.what + here, start, RED if beyond else "")

    def wrapped(self, text: str, start: str, code: str) -> Iterator[str]:
        """A paragraph of the page's width."""
        for line in textwrap.wrap(
            text, PAGE, initial_indent=start, subsequent_indent=" " * len(start)
        ):
            yield self.paint(line, code)

    def paint(self, text: str, code: str) -> str:
        """The text in a terminal's colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text


def off(ulps: float, lost: bool) -> str:
    """A distance in a cell of the table."""
    if not math.isfinite(ulps):
        return f"{ulps:g}"
    if lost:
        return "all digits"
    return f"{ulps:.2f} ulp" if ulps < 1000 else f"{ulps:.1e} ulp"


def badness(error: tuple[float, bool]) -> tuple[bool, float]:
    """Sorts errors: what lost all digits last, nan after inf."""
    return error[1], math.inf if math.isnan(error[0]) else error[0]
