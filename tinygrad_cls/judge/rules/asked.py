"""What :func:`check_loss` is asked: the loss as a subject, the rule, its options, all checked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..subject import Subject, Unfit, kind, subject, title
from ..trial import said
from .loss_rules import MODULES, OPTIONS, Pulled, class_axis
from .loss_variants import ROUNDINGS, Answer, Call, Variant, changes

Array = NDArray[Any]
REDUCTIONS = ("mean", "sum", "none")
COORDINATES = 4096
"""The most numbers of which a rule of the user's is differentiated, one at a time."""


def array(x: Any, what: str) -> Array:
    """A tensor's or anything's numbers."""
    if x is None or isinstance(x, str | bytes) or callable(x):
        raise Unfit(f"{what} is {kind(x)}: give an array or a tensor")
    if hasattr(x, "detach"):
        x = x.detach()
        x = x.cpu().numpy() if hasattr(x, "cpu") else x.numpy()
    try:
        a = np.array(x, order="C")
    except (TypeError, ValueError) as error:
        raise Unfit(f"{what} is no array of numbers: {said(error)}") from None
    if a.dtype.kind not in "fiub":
        raise Unfit(f"{what} is of dtype {a.dtype}: give real numbers")
    return a


def is_torchs(x: Any) -> bool:
    """Whether it is of torch, or inherits from what is."""
    kinds = (*getattr(x, "__mro__", ()), *type(x).__mro__)
    modules = [getattr(x, "__module__", None), *(c.__module__ for c in kinds)]
    return any(str(m).partition(".")[0] == "torch" for m in modules)


@dataclass
class Question:
    """A loss, where it is judged, and the rule it is held to: a name, or a function if ``law`` is
    one.
    """

    subject: Subject
    x: Array
    t: Array
    rule: str
    options: dict[str, Any]
    reduction: str
    law: Callable[[Any, Any], Any] | None
    hand_written: bool

    @property
    def shown(self) -> str:
        """The rule with its options."""
        if self.law is not None:
            return title(self.law)
        words = [n if np.ndim(v) else f"{n}={v:g}" for n, v in self.options.items()]
        words += [f"reduction={self.reduction!r}"] if self.reduction != "mean" else []
        return f"{self.rule}({', '.join(words)})"

    @property
    def tame(self) -> bool:
        """Whether x and target are finite."""
        return bool(np.isfinite(self.x).all() and np.isfinite(self.t).all())

    def readings(self) -> Iterator[tuple[Array, Array]]:
        """x and target in float64, and as given. Not in float16: its range ends within a sum."""
        wide = self.x.astype(np.float64), floats(self.t, np.float64)
        yield wide
        if self.x.dtype == np.float32 and self.t.dtype != np.float16:
            yield self.x, self.t

    def inside(self, x: Array) -> Array:
        """x, for probabilities moved off 0 and 1, where the logarithm ends."""
        if self.rule != "binary_cross_entropy":
            return x
        return np.where(x * (1 - x) <= 1e-10, np.clip(x, 2.0**-10, 1 - 2.0**-10), x)

    def gives_target_gradient(self) -> bool:
        """Whether backward has an answer for the target."""
        try:
            y = self.subject.values([self.x, self.t])[0]
            answer = self.subject.pullback([self.x, self.t], [np.ones_like(y)])
        except Exception:  # noqa: BLE001  (the check reports it)
            return False
        return len(answer) > 1 and answer[1] is not None

    def answer(self, x: Array, t: Array) -> Answer:
        """What the rule gives, in float64."""
        if self.law is not None:
            return own_answer(self.law, x.astype(np.float64), floats(t, np.float64))
        return self.call(x, t).answer()

    def call(self, x: Array, t: Array) -> Call:
        return Call(
            self.rule, x.astype(np.float64), floats(t, np.float64), self.options, self.reduction
        )

    def changes(self, x: Array, t: Array) -> Iterator[tuple[list[Variant], Any]]:
        """The mistakes to try."""
        if self.law is None:
            return changes(self.call(x, t))
        return scaled(self.answer(x, t), x.size, len(x) if x.ndim else 1)

    def untested(self) -> tuple[str, ...]:
        """Options that make no difference for this target."""
        missing = []
        if "ignore_index" in self.options and not (self.t == self.options["ignore_index"]).any():
            missing.append("ignore_index: no row has it")
        if "pos_weight" in self.options and not (self.t != 0).any():
            missing.append("pos_weight: no positive target")
        if np.float16 in (self.x.dtype, self.t.dtype):
            missing.append("float16: judged in float64")
        return tuple(missing)

    def reproduce(self, seed: int) -> str:
        """The call."""
        vjp = ", vjp=vjp" if self.hand_written else ""
        rule = title(self.law) if self.law is not None else repr(self.rule)
        options = "".join(f", {n}={n if np.ndim(v) else v}" for n, v in self.options.items())
        options += f", reduction={self.reduction!r}" if self.reduction != "mean" else ""
        call = f"judge.check_loss({self.subject.name}, x, target, rule={rule}"
        return f"{call}{vjp}{options}, seed={seed})"


def floats(a: Array, dtype: Any) -> Array:
    """The array in the dtype, if it holds floats."""
    return a.astype(dtype) if a.dtype.kind == "f" else a


# --- from what the user gives ---------------------------------------------------------------------


def asked(loss: Any, x: Any, target: Any, rule: Any, vjp: Any, options: dict[str, Any]) -> Question:
    """The question, or one clear error."""
    X, T = array(x, "x"), array(target, "target")
    if X.dtype.kind != "f":
        raise Unfit(f"x is of dtype {X.dtype}: give floating point, it is to be differentiated")
    if not callable(loss):
        raise Unfit(f"loss is {kind(loss)}: give a function of x and target, or a module")
    inputs: list[Any] = [x, target]
    if vjp is None and (is_torchs(loss) or is_torchs(x)):
        torch = sys.modules["torch"]
        inputs = [
            a if is_torchs(a) else torch.from_numpy(b) for a, b in zip(inputs, (X, T), strict=True)
        ]
    made = subject(loss, inputs, vjp)
    if made.inputs == ("input 0", "input 1"):  # a module's call has no names of its own
        made.inputs = "x", "target"
    law = None if isinstance(rule, str) or rule is None else rule
    if law is not None:
        if not callable(law):
            raise Unfit(f"rule is {kind(rule)}: give a name or a function (x, target) -> value")
        if options:
            raise Unfit(
                f"a rule of your own takes no option {next(iter(options))!r}: bind it with "
                f"functools.partial"
            )
        return Question(made, X, T, "", {}, "mean", law, vjp is not None)
    name, own = named(loss, rule)
    found = fitting(name, {**own, **options}, X, T)
    reduction = found.pop("reduction", "mean")
    return Question(made, X, T, name, found, reduction, None, vjp is not None)


def named(loss: Any, rule: str | None) -> tuple[str, dict[str, Any]]:
    """The rule's name, and where none is given, the options that the loss has of its own."""
    if rule is not None:
        name = MODULES.get(rule, rule)
        if name not in OPTIONS:
            raise ValueError(
                f"unknown rule {rule!r}: the rules are {', '.join(OPTIONS)}; or give a function "
                f"(x, target) -> value"
            )
        return name, {}
    for c in type(loss).__mro__:
        if c.__name__ in MODULES:
            name = MODULES[c.__name__]
            every = ("reduction", *OPTIONS[name])
            return name, {n: getattr(loss, n) for n in every if getattr(loss, n, None) is not None}
    inner = loss.func if isinstance(loss, partial) else loss
    name = getattr(inner, "__name__", "")
    if name not in OPTIONS:
        raise ValueError(
            f"which rule is {title(loss)} to follow? Give rule=, one of {', '.join(OPTIONS)}, or a "
            f"function (x, target) -> value"
        )
    bound = loss.keywords if isinstance(loss, partial) else {}
    return name, {n: v for n, v in bound.items() if v is not None}


def fitting(name: str, options: dict[str, Any], x: Array, t: Array) -> dict[str, Any]:
    """The options that differ from their defaults, as numbers and arrays, checked with shapes."""
    known = ("reduction", *OPTIONS[name])
    for option in options:
        if option not in known:
            raise Unfit(f"the rule {name} has no option {option!r}: it has {', '.join(known)}")
    found: dict[str, Any] = {}
    for option, value in options.items():
        if option == "reduction":
            if value not in REDUCTIONS:
                raise ValueError(f"reduction is {value!r}: give one of {', '.join(REDUCTIONS)}")
            found[option] = value
        elif option in ("weight", "pos_weight"):
            if value is not None:
                found[option] = array(value, option).astype(np.float64)
        elif not isinstance(value, int | float | np.number) or isinstance(value, bool):
            raise Unfit(f"{option} is {value!r}: give a number")
        elif option == "ignore_index":
            found[option] = int(value)
        else:
            found[option] = float(value)
    if not 0 <= found.get("label_smoothing", 0.0) <= 1:
        raise ValueError(f"label_smoothing is {found['label_smoothing']:g}: it lies in [0, 1]")
    if not found.get("beta", 0.0) >= 0:
        raise ValueError(f"beta is {found['beta']:g}: it is 0 or more")
    if name in ("cross_entropy", "nll_loss"):
        check_classes(name, found, x, t)
    else:
        check_pairs(name, found, x, t)
    defaults = {"label_smoothing": 0.0, "ignore_index": -100, "beta": 1.0}
    return {n: v for n, v in found.items() if n not in defaults or v != defaults[n]}


def check_classes(name: str, options: dict[str, Any], x: Array, t: Array) -> None:
    """ValueError unless target and weight fit x, of shape (N, C, ...) or (C,)."""
    if not x.ndim:
        raise ValueError(f"x is a single number: {name} takes an axis of classes, (N, C) or (C,)")
    n = x.shape[class_axis(x)]
    rows = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    weight = options.get("weight")
    if weight is not None and weight.shape != (n,):
        raise ValueError(f"weight has the shape {weight.shape}: give one for each of {n} classes")
    if t.dtype.kind == "f":
        if name == "nll_loss" or t.shape != x.shape:
            more = "" if name == "nll_loss" else f", or probabilities of shape {x.shape}"
            raise ValueError(
                f"target is of dtype {t.dtype} and shape {t.shape}: for x of shape {x.shape} give "
                f"integer labels of shape {rows}{more}"
            )
        return
    if t.shape != rows:
        raise ValueError(
            f"target has the shape {t.shape}: x of shape {x.shape} takes labels {rows}"
        )
    ignore = options.get("ignore_index", -100)
    strays = t[(t != ignore) & ((t < 0) | (t >= n))]
    if strays.size:
        raise ValueError(
            f"target holds {strays.flat[0]}: labels run from 0 to {n - 1}, and ignore_index is "
            f"{ignore}"
        )


def check_pairs(name: str, options: dict[str, Any], x: Array, t: Array) -> None:
    """ValueError unless target and weights broadcast with x."""
    if "entropy" in name and x.shape != t.shape:
        raise ValueError(f"target has the shape {t.shape}: {name} takes that of x, {x.shape}")
    try:
        shape = np.broadcast_shapes(x.shape, t.shape)
    except ValueError:
        raise ValueError(f"target of shape {t.shape} doesn't fit x of shape {x.shape}") from None
    for option in ("weight", "pos_weight"):
        size = np.shape(options.get(option, 1.0))
        fits = len(size) <= len(shape) and all(
            n in (1, m) for n, m in zip(size[::-1], shape[::-1], strict=False)
        )
        if not fits:
            raise ValueError(f"{option} has the shape {size}, which doesn't broadcast to {shape}")
    if name == "binary_cross_entropy":
        for what, a in (("x", x), ("target", t)):
            if a.size and not 0 <= a.min() <= a.max() <= 1:
                raise ValueError(
                    f"{what} runs from {a.min():g} to {a.max():g}: {name} takes probabilities, "
                    f"between 0 and 1"
                )


# --- rules of the user's --------------------------------------------------------------------------


def own_answer(law: Callable[[Any, Any], Any], x: Array, t: Array) -> Answer:
    """The value of a rule of the user's, with its measured noise for a size, and the gradient by
    the complex step.
    """
    try:
        value = np.asarray(law(x.copy(), t), np.float64)
    except Exception as error:  # noqa: BLE001  (whatever a user's function raises)
        raise Unfit(f"the rule {title(law)} raised {said(error)}") from None
    eps = float(np.finfo(np.float64).eps)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(4, *x.shape))
    shaken = [np.abs(np.asarray(law(x * (1 + eps * s), t), np.float64) - value) for s in signs]
    size = np.abs(value) + np.max(shaken, axis=0) / eps

    def pull(g: Array) -> Pulled:
        if x.size > COORDINATES:
            return Pulled(np.full(x.shape, np.nan), None, np.full(x.shape, np.inf))
        slope = complex_slope(law, x, t, g)
        rough = complex_slope(law, x * (1 + eps * signs[0]), t, g)
        size = np.abs(slope).max(initial=0.0) + np.abs(rough - slope) / eps
        return Pulled(slope, None, np.where(np.isnan(size), np.inf, size))

    return Answer(value, size, ROUNDINGS + x.size, 0.0, 1.0, pull)


def complex_slope(law: Callable[[Any, Any], Any], x: Array, t: Array, g: Array) -> Array:
    """Im sum(g law(x + ih)) / h, for one number of x at a time; nan if it takes no complex x."""
    h, found = 2.0**-100, np.full(x.size, np.nan)
    for i in range(x.size):
        moved = x.astype(np.complex128).reshape(-1)
        moved[i] += 1j * h
        try:
            value = np.asarray(law(moved.reshape(x.shape), t))
        except Exception:  # noqa: BLE001  (whatever a function raises that takes no complex numbers)
            break
        if value.dtype.kind != "c":
            break
        found[i] = (g * value.imag).sum() / h
    return found.reshape(x.shape)


def scaled(answer: Answer, *sizes: int) -> Iterator[tuple[list[Variant], Any]]:
    """A rule of the user's, times the constants that losses are off by."""

    class Times:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def answer(self) -> Answer:
            def pull(g: Array) -> Pulled:
                found = answer.pull(g)
                return found._replace(
                    x=found.x * self.factor, x_size=found.x_size * abs(self.factor)
                )

            return answer._replace(
                value=answer.value * self.factor, size=answer.size * abs(self.factor), pull=pull
            )

    factors = [("sign", "the sign is flipped", -1.0)]
    for n in dict.fromkeys(sizes):
        factors.append(("mean and sum", f"{n} times the rule: a sum for a mean of {n}", float(n)))
        factors.append(
            ("mean and sum", f"the rule over {n}: a mean of {n} for a sum", 1 / max(n, 1))
        )
    factors += [("factor", "twice the rule", 2.0), ("factor", "half of the rule", 0.5)]
    for hint, words, factor in factors:
        if factor != 1:
            yield [Variant(hint, words, lambda c: None)], Times(factor)
