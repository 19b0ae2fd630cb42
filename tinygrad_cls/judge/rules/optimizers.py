"""An optimizer, held to its rule: the parameters after every step, and what a difference looks
like.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..report import Finding, Reading, Report, amount
from ..subject import Unfit, title
from .bench import Bench, StepFailed, Trace, engine_of, unwrapped
from .rounding import Rounded, read
from .step_rules import OPTIONS, RULES
from .step_variants import TWISTED, changes, run

Array = NDArray[Any]

UNIT = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
SLACK = 4
"""How much more than the rule's own running error bound an optimizer may be off: the same step in
another order has at most as many roundings again, and square roots and powers that are one unit in
the last place off, not half of one, double both."""
KERNELS = ("foreach", "fused", "capturable", "differentiable")
"""Options of torch's classes that change no number."""


class Setting(NamedTuple):
    """What is compared: the rule's name ("" for the user's own), the rule, its options, and the
    numbers it is run on.
    """

    name: str
    law: Callable[..., Any]
    options: dict[str, Any]
    params: list[Array]
    gradients: list[list[Any]]

    def run(self, law: Any = None, options: Any = None) -> list[Any]:
        """The parameters after every step, in float64."""
        params = [p.astype(np.float64) for p in self.params]
        with np.errstate(all="ignore"):
            return run(law or self.law, options or self.options, params, self.wide)

    @property
    def wide(self) -> list[list[Any]]:
        """The gradients in float64."""
        return [[None if g is None else g.astype(np.float64) for g in row]
                for row in self.gradients]  # fmt: skip

    def bounds(self, exact: list[Any]) -> list[list[Array]]:
        """How far rounding may carry an optimizer from the ``exact`` steps."""
        dtype = self.params[0].dtype
        unit, tiny = UNIT[dtype.name], 16 * float(np.finfo(dtype).smallest_subnormal)
        params = [Rounded(p, np.zeros(p.shape), unit) for p in self.params]
        options = {name: read(value, unit) for name, value in self.options.items()}
        try:
            with np.errstate(all="ignore"):
                steps = run(self.law, options, params, self.wide)
            return [[SLACK * p.bound + tiny for p in row] for row in steps]
        except (TypeError, AttributeError, ValueError):
            # A rule of the user's that only takes arrays: eight roundings, in every step, of the
            # largest number there was
            largest, found = [np.abs(p).max(initial=0.0) for p in self.params], []
            for t, row in enumerate(exact, 1):
                largest = [max(n, np.abs(p).max(initial=0.0))
                           for n, p in zip(largest, row, strict=True)]  # fmt: skip
                found.append([np.full(p.shape, SLACK * 8 * t * unit * n + tiny)
                              for n, p in zip(largest, row, strict=True)])  # fmt: skip
            return found


def check_optimizer(
    make: Any,
    rule: str | Callable[..., Any] | None = None,
    *,
    shapes: Sequence[tuple[int, ...]] = ((3,), (2, 2), (3,)),
    steps: int = 12,
    seed: int = 0,
    dtype: str = "float64",
    engine: str | None = None,
    **options: Any,
) -> Report:
    """Whether an optimizer does in every step what its rule says, and if not, what it does.

    ``make`` is a class, called with the parameters and ``options``; or a function that takes the
    parameters (and options, if it names some) and returns an optimizer: an object whose ``step()``
    reads the parameters' ``.grad``; or a function ``step(params, grads, state)`` of two lists of
    NumPy arrays and a dict, which writes into the arrays or returns new ones.

    ``rule`` is "sgd", "adam", "adamw" or a function ``(p, g, state, **options) -> (p, state)`` of
    one parameter. Without it the rule is the one that has the name of the class, or of a class it
    inherits from. Options that are not given are read from the optimizer's ``defaults``, if it has
    them. ``engine``, "tinygrad_cls", "torch" or "numpy", says whose the parameters are: torch's
    for a class that inherits from torch's, NumPy's for a function of three arguments, else this
    engine's.

    The gradients are random. Now and then one is all zeros, or there is none: the second parameter
    has none in the first step. The rule is run in float64; the optimizer may be off by four times
    the rule's running error bound in ``dtype``, which grows with the steps. It is also judged
    whether ``step`` leaves the gradients alone, keeps none of their memory, and does the same the
    second time.

    >>> import tinygrad_cls as tg
    >>> check_optimizer(tg.optim.SGD, lr=0.1, momentum=0.9).verdict
    'passed'
    >>> def climb(params, grads, state):
    ...     return [p if g is None else p + 0.1 * g for p, g in zip(params, grads)]
    >>> check_optimizer(climb, "sgd", lr=0.1).hints
    ('maximize',)

    Raises:
        TypeError: what ``make`` builds is no optimizer, or the rule has no such option.
        ValueError: an unknown rule, engine or dtype, no steps, or shapes that are none.
    """
    start = time.perf_counter()
    sizes = checked(shapes, steps, dtype)
    bench = Bench(make, engine_of(make, engine), options)
    rng = np.random.default_rng(seed)
    params = [np.asarray(rng.normal(size=shape), dtype) for shape in sizes]
    name, law, options = ruled(bench, rule, params, options)
    case = Setting(name, law, options, params, draw(rng, sizes, steps, dtype))
    findings, measured = judged(bench, case)
    shown = "".join(f", {key}={value!r}" for key, value in bench.options.items())
    chosen = "" if rule is None else f", {rule!r}" if isinstance(rule, str) else f", {title(rule)}"
    return Report(
        name=title(make),
        inputs=tuple(f"p[{i}] {dtype} {shape}" for i, shape in enumerate(sizes)),
        findings=tuple(findings),
        measured=tuple(measured),
        tested=(f"{steps} steps of {name or title(law)}", "zero and missing gradients",
                "the gradients' memory", "repeatable"),
        untested=("parameter groups, closures, zero_grad, state dicts",),
        seed=seed,
        seconds=time.perf_counter() - start,
        reproduce=f"check_optimizer({title(make)}{chosen}{shown}, shapes={sizes}, steps={steps}, "
        f"seed={seed}, dtype={dtype!r})",
    )  # fmt: skip


# --- what was asked -------------------------------------------------------------------------------


def checked(shapes: Any, steps: Any, dtype: Any) -> list[tuple[int, ...]]:
    """The shapes, or a clear error."""
    try:
        sizes = [tuple(int(n) for n in shape) for shape in shapes]
    except TypeError:
        raise Unfit(
            f"shapes is {shapes!r}: give a list of shapes, such as [(3,), (2, 2)]"
        ) from None
    if not sizes or any(n < 0 for shape in sizes for n in shape):
        raise ValueError(f"shapes is {shapes!r}: give at least one shape, of sizes 0 and more")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps is {steps!r}: give a number of steps, 1 or more")
    if dtype not in UNIT:
        raise ValueError(f"dtype is {dtype!r}: give one of {', '.join(UNIT)}")
    return sizes


def draw(rng: Any, shapes: list[tuple[int, ...]], steps: int, dtype: str) -> list[list[Any]]:
    """Gradients for every step: of five, about three random, one of zeros and one missing. Their
    size changes from step to step, so that what remembers the largest shows.
    """

    def one(t: int, i: int, shape: tuple[int, ...]) -> Any:
        g = np.asarray(rng.normal(size=shape) * 2.0 ** rng.integers(-2, 3), dtype)
        place = (t + 2 * i) % 5
        if place == 3 or (t, i) == (0, 1):
            return None
        return np.zeros_like(g) if place == 4 else g

    return [[one(t, i, shape) for i, shape in enumerate(shapes)] for t in range(steps)]


def ruled(
    bench: Bench, rule: Any, params: list[Array], given: dict[str, Any]
) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """The rule's name, the rule, and its options."""
    built = bench.build(params).optimizer
    if rule is not None and not isinstance(rule, str) and callable(rule):
        return "", rule, {**bench.bound, **given}
    if rule is None:
        kinds = [unwrapped(bench.make), type(built)]
        names = [c.__name__.lower() for kind in kinds for c in getattr(kind, "__mro__", ())]
        rule = next((n for n in names if n in RULES), None)
        if rule is None:
            raise ValueError(
                f"which rule is {title(bench.make)} to follow? Give {', '.join(map(repr, RULES))}, "
                f"or a function (p, g, state, **options) -> (p, state)"
            )
    if not isinstance(rule, str) or rule.lower() not in RULES:
        raise ValueError(
            f"unknown rule {rule!r}: the rules are {', '.join(RULES)}; or give a function "
            f"(p, g, state, **options) -> (p, state)"
        )
    rule = rule.lower()
    known = OPTIONS[rule]
    unknown = [name for name in given if name not in known and name not in KERNELS]
    if unknown:
        raise Unfit(
            f"the rule {rule} has no option {unknown[0]!r}: it has {', '.join(known)}. What only "
            f"the optimizer knows goes into partial({title(bench.make)}, {unknown[0]}=...)"
        )
    own = getattr(built, "defaults", None)
    layers = [known, own if isinstance(own, dict) else {}, bench.bound, given]
    options = {name: plain(value) for layer in layers for name, value in layer.items()
               if name in known}  # fmt: skip
    return rule, RULES[rule], options


def plain(x: Any) -> Any:
    """An option as Python's number, which a tensor with one element may be."""
    if isinstance(x, tuple | list):
        return tuple(plain(a) for a in x)
    return x.item() if hasattr(x, "item") else x if isinstance(x, bool) or x is None else float(x)


# --- what is found --------------------------------------------------------------------------------


def judged(bench: Bench, case: Setting) -> tuple[list[Finding], list[str]]:
    """All findings, and what was measured. Where a missing gradient makes ``step`` raise, the rest
    is judged without missing ones.
    """
    findings: list[Finding] = []
    try:
        trace = bench.run(case.params, case.gradients)
    except StepFailed as error:
        full = [[np.zeros_like(p) if g is None else g
                 for p, g in zip(case.params, row, strict=True)]
                for row in case.gradients]  # fmt: skip
        missing = [i for i, g in enumerate(case.gradients[error.step - 1]) if g is None]
        case = case._replace(gradients=full)
        try:
            trace = bench.run(case.params, full)
        except StepFailed as again:
            return [raises(again, [])], []
        findings = [raises(error, missing)]
    found, measured = compared(case, trace)
    return found + findings + habits(bench, case, trace), measured


def raises(error: StepFailed, missing: list[int]) -> Finding:
    """That ``step`` raises, for parameters without a gradient if some are missing."""
    without = " and ".join(f"p[{i}]" for i in missing)
    why = f"; {without} has no gradient there, which is to be skipped" if missing else ""
    return Finding(
        "wrong rule",
        f"step {error.step} raises {error}{why}",
        where=f"step {error.step}",
        hint="skipped parameter" if missing else "",
        pattern="a parameter without a gradient makes step() raise" if missing else "",
    )


def compared(case: Setting, trace: Trace) -> tuple[list[Finding], list[str]]:
    """The first step and parameter that part from the rule, and the diagnosis."""
    exact = case.run()
    bounds = case.bounds(exact)
    ratios = [[excess(p, q, b) for p, q, b in zip(*rows, strict=True)]
              for rows in zip(trace.params, exact, bounds, strict=True)]  # fmt: skip
    worst = max((float(r.max(initial=0.0)) for row in ratios for r in row), default=0.0)
    name = case.name or title(case.law)
    unit = case.params[0].dtype.name
    measured = [f"difference from {name}: {amount(worst)} of what rounding in {unit} explains"]
    for t, row in enumerate(ratios):
        for i, ratio in enumerate(row):
            if ratio.size and ratio.max() > 1:
                return [parted(case, trace, exact, (t, i), ratio)], measured
    return [], measured


def excess(given: Array, exact: Array, bound: Array) -> Array:
    """How many times the bound they are apart; 0 where both are nan or the same infinity."""
    with np.errstate(all="ignore"):
        same = (given == exact.astype(given.dtype)) | (np.isnan(given) & np.isnan(exact))
        ratio = np.abs(given.astype(np.float64) - exact) / bound
    return np.where(same, 0.0, np.where(np.isnan(ratio), np.inf, ratio))


def parted(
    case: Setting, trace: Trace, exact: Any, place: tuple[int, int], ratio: Array
) -> Finding:
    """The finding for step ``t`` (from 0) and parameter ``i``, at its worst element."""
    t, i = place
    at = tuple(int(n) for n in np.unravel_index(int(ratio.argmax()), ratio.shape))
    yours, rule = float(trace.params[t][i][at]), float(exact[t][i][at])
    before = (exact[t - 1] if t else case.params)[i]
    moved = float(np.abs(exact[t][i] - before).max())
    hint, pattern = diagnosed(case, trace)
    index = "".join(f"[{','.join(map(str, at))}]" for _ in [0] if at)
    name = case.name or title(case.law)
    options = ", ".join(f"{n}={v}" for n, v in case.options.items() if v not in (0, False))
    return Finding(
        "wrong rule",
        f"parts from {name} ({options}) in step {t + 1} for the first time",
        where=f"p[{i}]{index} after step {t + 1}",
        readings=(Reading("yours", yours), Reading(f"rule {name}", rule)),
        error=abs(yours - rule) / moved if moved else None,
        noise=float(ratio.max()),
        hint=hint,
        pattern=pattern,
    )


def diagnosed(case: Setting, trace: Trace) -> tuple[str, str]:
    """The mistakes of the rule that do what the optimizer does: hint and words."""
    first = case.params, *trace.params
    if all((p == q).all() for row in trace.params for p, q in zip(first[0], row, strict=True)):
        return "zero", "no parameter ever moves: step() changes nothing, or a copy"
    law = TWISTED.get(case.name, case.law)
    singles: list[tuple[str, str]] = []
    for variants, options in changes(case.name, case.options):
        if len(variants) == 2 and singles:
            break
        if explains(case, trace, law, options):
            words = " and ".join(v.words for v in variants)
            if len(variants) == 2:
                return variants[0].hint, words
            singles.append((variants[0].hint, words))
    if singles:
        others = [words for _, words in singles[1:3]]
        return singles[0][0], " or: ".join([singles[0][1], *others])
    for name, law in RULES.items():
        known = {n: v for n, v in case.options.items() if n in OPTIONS[name]}
        if name != case.name and explains(case, trace, law, known):
            return "neighbour", f"it follows another rule, {name}"
    return scaled(case, trace)


def explains(case: Setting, trace: Trace, law: Any, options: dict[str, Any]) -> bool:
    """Whether the changed rule gives the optimizer's parameters, in every step.

    What it may be off by is not worth an error analysis for each of hundreds of changes: sixteen
    roundings a step of the largest number there was.
    """
    try:
        steps = case.run(law, options)
    except (TypeError, ValueError, ArithmeticError):  # a rule of the user's, with other options
        return False
    unit = UNIT[case.params[0].dtype.name]
    largest = 1e-300
    for t, (row, own) in enumerate(zip(trace.params, steps, strict=True), 1):
        for p, q in zip(row, own, strict=True):
            largest = max(largest, float(np.abs(np.nan_to_num(q)).max(initial=0.0)))
            if (excess(p, q, np.full(p.shape, 16 * t * unit * largest)) > 1).any():
                return False
    return True


def scaled(case: Setting, trace: Trace) -> tuple[str, str]:
    """Whether another learning rate explains it: the one that the first move is made with."""
    lr = case.options.get("lr")
    exact = case.run()
    for p, q, start in zip(trace.params[0], exact[0], case.params, strict=True):
        moved = q - start
        if lr and moved.any():
            k = int(np.abs(moved).argmax())
            rate = lr * float((p - start.astype(np.float64)).flat[k] / moved.flat[k])
            if explains(case, trace, None, case.options | {"lr": rate}):
                return "learning rate", f"as with lr = {rate:.6g}, where it is to be {lr:.6g}"
    return "", ""


def habits(bench: Bench, case: Setting, trace: Trace) -> list[Finding]:
    """What else ``step`` does: to gradients, to dtypes, and when it is run again."""
    found = []
    if trace.changed is not None:
        t, i = trace.changed
        text = f"step {t} changes the gradient of p[{i}]: it writes into .grad"
        found.append(Finding("mutation", text, hint="mutates cotangent"))
    for i, (p, q) in enumerate(zip(case.params, trace.params[-1], strict=True)):
        if p.dtype != q.dtype:
            narrow = q.dtype.itemsize < p.dtype.itemsize
            text = f"p[{i}] is {q.dtype} after a step, it was {p.dtype}"
            found.append(
                Finding("wrong dtype", text, hint="dtype drop")
                if narrow
                else Finding("wider dtype", text)
            )
            break
    if not same(trace, bench.run(case.params, case.gradients)):
        text = "the same steps from the same start end elsewhere the second time"
        return [*found, Finding("not repeatable", text)]
    if trace.changed is None and not same(trace, bench.run(case.params, case.gradients, True)):
        text = (
            "other steps when the next gradients are written into the memory of the last ones: the "
            "optimizer keeps a gradient where it needs a copy"
        )
        found.append(Finding("shared memory", text, hint="shared buffer", pattern=text))
    return found


def same(one: Trace, other: Trace) -> bool:
    """Whether two runs have the same bits."""
    pairs = zip(one.params, other.params, strict=True)
    return all(
        np.array_equal(p, q, equal_nan=True) for rows in pairs for p, q in zip(*rows, strict=True)
    )
