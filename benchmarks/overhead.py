"""What the engine adds to a NumPy call: each op of the table against its own bare kernels."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tinygrad_cls as tg
from benchmarks.harness import Unfair, measure
from benchmarks.tasks import Array
from tinygrad_cls import ops
from tinygrad_cls.examples import arguments
from tinygrad_cls.op import Op

STEPS = 20
KERNEL, AGAIN, CALL, KERNELS, TRAIN = "kernel", "again", "call", "kernels", "call and grad"
METHOD = f"""
Overhead: an op's call on float32 tensors less its bare NumPy kernel on the same arrays; with the
gradient, op and autograd.grad less the kernel and its formulas on arrays. The inputs are the
examples of the table: a dozen numbers, so that what is left is the engine. Sample: the mean of
{STEPS} calls after {STEPS} untimed; call and kernel take turns, and every round gives a difference.
Shown in microseconds: the kernel's median; the difference's median [quartiles]."""


@dataclass
class Subject:
    """A call to be timed: a session without state."""

    name: str
    step: Callable[[], Any]

    def reset(self) -> None:
        """Keep everything: a call changes nothing."""

    def state(self) -> dict[str, Array]:
        """Return what the call computes."""
        found = self.step()
        found = found if isinstance(found, tuple) else (found,)
        return {str(i): np.asarray(x) for i, x in enumerate(found) if x is not None}


class Case:
    """An op and one of its examples in float32, to be called in four ways."""

    def __init__(self, op: Op, text: str) -> None:
        self.op, self.text = op, text
        args, self.kwargs = arguments(op.name, text)
        self.args = [_single(x) for x in args]
        inputs, self.static = op.bind(tuple(self.args), self.kwargs)
        self.slots = [
            i
            for i, x in enumerate(inputs)
            if isinstance(x, np.ndarray)
            and x.dtype.kind == "f"
            and (op.variadic or i in op.formulas)
        ]

    def __str__(self) -> str:
        return f"{self.op.name}({self.text})"

    def subjects(self) -> list[Subject]:
        """Bare kernel (twice: the noise) and call; if differentiable, both with the gradient."""
        kernel = partial(self.op.kernel, *self.args, **self.kwargs)
        call = partial(self.op, *self._tensors(()), **self.kwargs)
        found = [Subject(KERNEL, kernel), Subject(AGAIN, kernel), Subject(CALL, call)]
        y = np.asarray(kernel())
        if not (self.op.formulas and self.slots and y.dtype.kind == "f"):
            return found
        g = np.random.default_rng(0).standard_normal(y.shape).astype(y.dtype)
        return [
            *found,
            Subject(KERNELS, self._kernels(g)),
            Subject(TRAIN, self._train(tg.from_numpy(g))),
        ]

    def _tensors(self, wanted: Any) -> list[Any]:
        return [
            tg.tensor(x).requires_grad_(i in wanted) if isinstance(x, np.ndarray) else x
            for i, x in enumerate(self.args)
        ]

    def _train(self, g: tg.Tensor) -> Callable[[], tuple[Any, ...]]:
        """Return the engine's way: the op, recorded, and its gradients."""
        op, kwargs, args = self.op, self.kwargs, self._tensors(self.slots)
        wanted = [args[i] for i in self.slots]
        return lambda: tg.autograd.grad(op(*args, **kwargs), wanted, g)

    def _kernels(self, g: Array) -> Callable[[], tuple[Any, ...]]:
        """Return the same arithmetic and nothing else: kernel, formulas, sums over broadcasting."""
        op, args, kwargs = self.op, self.args, self.kwargs
        kernel, sum_to = op.kernel, ops.sum_to.kernel
        known = self._known()
        plan = [
            (
                op.formula(i).on_arrays,
                [known.get(need, i) for need in op.formula(i).needs],  # "i" itself: which input
                [k for k, need in enumerate(op.formula(i).needs) if need == "y"],
                np.shape(args[i]) if op.broadcasts else None,
            )
            for i in self.slots
        ]

        def run() -> tuple[Any, ...]:
            y = kernel(*args, **kwargs)
            if type(y) is not np.ndarray:
                y = np.asarray(y)
            found = []
            for formula, values, places, shape in plan:
                for k in places:
                    values[k] = y
                gx = formula(g, *values)
                found.append(gx if shape is None or gx.shape == shape else sum_to(gx, shape))
            return tuple(found)

        return run

    def _known(self) -> dict[str, Any]:
        """Return what a formula may ask for, by name; ``y`` is there when it has been computed."""
        known = dict(self.static) | {"y": None}
        known |= {f"{self.op.inputs[0]}_shapes": [np.shape(x) for x in self.args]}
        for name, x in zip(self.op.inputs, self.args, strict=False):
            known |= {name: x, f"{name}_shape": np.shape(x)}
            known |= {f"{name}_dtype": getattr(x, "dtype", None)}
        return known


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print the table of overheads, the largest first, and return its rows.

    Takes the first example of every op with ``options.quick``, else all.
    """
    quick = getattr(options, "quick", False)
    names = getattr(options, "ops", None)
    cases = [*table(names, first=quick)]
    with np.errstate(all="ignore"):  # as an op's call has it
        for case in cases:
            prove(case)
        print(
            f"\nSame work: {len(cases)} calls and their gradients are their kernels' bit for bit."
        )
        print(METHOD)
        rows = [time(case, 0.02 if quick else 0.2) for case in cases]
    rows.sort(key=lambda row: -row["forward"]["median"])
    _show(rows)
    return rows


def table(names: Any = None, first: bool = False) -> Iterator[Case]:
    """Yield a case for every example, or the first, of the ops (of those ``names``)."""
    for entry in ops.TABLE.values():
        if isinstance(entry, Op) and (names is None or entry.name in names):
            for text in entry.examples[: 1 if first else None]:
                yield Case(entry, text)


def prove(case: Case) -> None:
    """Raise ``Unfair`` where the call computes other numbers than the bare kernels."""
    results = {subject.name: subject.state() for subject in case.subjects()}
    for bare, engine in ((KERNEL, CALL), (KERNELS, TRAIN)):
        if bare in results:
            try:
                np.testing.assert_equal(results[engine], results[bare])
            except AssertionError as error:
                raise Unfair(f"{case}, {engine}, differs from its kernels: {error}") from None


def time(case: Case, seconds: float) -> dict[str, Any]:
    """Return a case's row: seconds."""
    times = measure(case.subjects(), STEPS, seconds)
    samples = {name: timing.seconds for name, timing in times.items()}
    row = {
        "study": "overhead",
        "task": str(case),
        "engine": "tinygrad_cls",
        "kernel": float(np.median(samples[KERNEL])),
        "control": _spread(samples[AGAIN] - samples[KERNEL]),
        "forward": _spread(samples[CALL] - samples[KERNEL]),
        "kernels": None,
        "backward": None,
    }
    if TRAIN in samples:
        row["kernels"] = float(np.median(samples[KERNELS]))
        row["backward"] = _spread(samples[TRAIN] - samples[KERNELS])
    return row


def _single(x: Any) -> Any:
    return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def _spread(seconds: Array) -> dict[str, float]:
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high)}


def _show(rows: list[dict[str, Any]]) -> None:
    print(f"\n  {'forward':>30}{'forward and gradient':>32}")
    print(f"  {'kernel':>8}  {'overhead':20}  {'kernels':>8}  {'overhead':20}  op")
    for row in rows:
        cells = [_cell(row["kernel"], row["forward"]), _cell(row["kernels"], row["backward"])]
        print(f"  {'  '.join(cells)}  {row['task']}")
    for what, key in (("call", "forward"), ("call and gradient", "backward")):
        found = [1e6 * row[key]["median"] for row in rows if row[key]]
        if found:
            print(
                f"\n  {what}: median overhead {np.median(found):.2f} us, "
                f"least {min(found):.2f}, most {max(found):.2f}, of {len(found)}",
                end="",
            )
    noise = [abs(1e6 * row["control"]["median"]) for row in rows]
    print(f"\n  noise floor: a kernel above itself, at most {max(noise):.2f} us in any row")


def _cell(kernel: float | None, spread: dict[str, float] | None) -> str:
    if kernel is None or spread is None:
        return f"{'-':>8}  {'-':20}"
    micro = {name: 1e6 * value for name, value in spread.items()}
    shown = f"{micro['median']:.2f} [{micro['low']:.2f}, {micro['high']:.2f}]"
    return f"{1e6 * kernel:8.2f}  {shown:20}"
