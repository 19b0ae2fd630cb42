"""Where two training runs part first, and whether rounding explains it.

Two runs of one model on two engines part with the first rounding, and training amplifies what has
parted. So the runs are not compared as they are, but from equal inputs: one run, the follower, is
run again, and each value that a node of it has shown is replaced by the other's, the leader's; so
are the weights after each step. What then differs, one node has done.

How much rounding may do is measured: the follower is run a few times more, with errors of random
sign put on all that it takes over, as large as backward error analysis allows. A sum of n products,
added in any order, is the exact sum of products that are off by at most min(n, 8 sqrt(n)) u each
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1; Higham & Mary 2019,
theorem 3.1), with the unit roundoff u of the coarser dtype; elementary functions get 8 u more. No
sum has more terms than the largest array has entries. The bound of an array is twice the largest
effect of these errors, once for each engine, and twice what its last operation may be off by.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from ..report import finite
from ..subject import title
from .lockstep import Course, from_equal_inputs
from .place import Place
from .turns import Run

PROBES, MANY_PROBES = 3, 12
"""Perturbed runs: at first, and before it is said that two runs part. A ReLU inside of a node whose
input is within its error of 0 opens in half of them."""

VERDICTS = {
    "equal": "every value is, bit for bit",
    "explained by rounding": "from equal inputs, no node parts by more than rounding may do",
    "parts": "a node parts by more than rounding may do",
    "not finite": "there is a nan, or an inf in one run alone; nothing after it can be compared",
    "different structure": "there is nothing to compare: other names, shapes or epochs",
}

AGREEING = {"equal", "explained by rounding"}


@dataclass(frozen=True)
class Divergence:
    """What :func:`diff` found. ``bool(divergence)`` is whether the runs agree.

    verdict: a key of :data:`VERDICTS`. place: where they part, or what comes closest to its bound.
    first_bit: the first number that differs in the runs as they are; growth: the epoch at which
    their weights first differ by more than a power of 10, relative to the largest entry.
    """

    verdict: str
    a: str
    b: str
    epochs: int
    compared: int
    text: str = ""
    place: Place | None = None
    first_bit: Place | None = None
    growth: tuple[tuple[float, int], ...] = ()
    at_the_end: float = 0.0
    untested: tuple[str, ...] = ()
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return self.verdict in AGREEING

    def __str__(self) -> str:
        lines = [
            f"first divergence  a: {self.a}   b: {self.b}   "
            f"{self.epochs} epoch{'s' * (self.epochs != 1)}, {self.compared} arrays, "
            f"{self.seconds:.2g} s",
            f" {self.verdict.upper()}: {self.text or VERDICTS[self.verdict]}",
        ]
        place = self.place
        if place is not None and self.verdict == "explained by rounding":
            lines.append(
                f"   closest to its bound: {place}: {place.ulp:.2g} ulp apart, "
                f"{place.times:.2g} of the bound"
            )
        elif place is not None:
            lines += [f"   {place}", f"   a  {place.a!r}", f"   b  {place.b!r}"]
            if isfinite(place.difference):
                times = f", {place.times:.2g} x the bound {place.bound:.2g}" if place.bound else ""
                lines.append(f"   difference {place.difference:.3g} = {place.ulp:.3g} ulp{times}")
            lines += [f"   {place.alike}"] if place.alike else []
            lines += [f"   before it agrees: {place.after}"] if place.after else []
        if self.first_bit is not None:
            lines.append(
                f"   first bit that differs in the runs as they are: {self.first_bit}: "
                f"a {self.first_bit.a!r}, b {self.first_bit.b!r}"
            )
        if self.growth and self:
            largest = {epoch: size for size, epoch in self.growth}
            steps = ", ".join(f"{size:.0e} at epoch {at}" for at, size in largest.items())
            lines.append(
                f"   which training amplifies: the weights part by more than {steps}; "
                f"by {self.at_the_end:.1e} at the end"
            )
        lines += [f"   not compared: {'; '.join(self.untested)}"] if self.untested else []
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data; what is not finite is None."""
        data = asdict(self) | {"agree": bool(self)}
        plain: dict[str, Any] = finite(data)
        return plain

    def to_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)


def diff(
    run_a: Run,
    run_b: Run,
    *,
    names: Sequence[str] | None = None,
    epochs: int | None = None,
    unit: float | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Divergence:
    """Runs one model's training twice, on two engines, and names the first node that parts by more
    than rounding explains.

    A run is a generator function. It gets ``watch`` and calls it with its model when that is ready;
    at the end of each epoch (or minibatch) it yields its loss, or values by name, before gradients
    are zeroed again. Each run is run several times, an epoch at a time, with random states of its
    own: it has to do the same every time.

    Args:
        run_a: A run.
        run_b: Another.
        names: What to call them; else the functions' names.
        epochs: How many to run at most.
        unit: The unit roundoff to allow for; else that of the coarsest dtype seen. Kernels that
            round more coarsely than their dtype, such as TF32 (2**-11), part with the default.
        seed: Of the perturbations.
        progress: Told what is being done.

    >>> import tinygrad_cls as tg
    >>> def train(watch, dtype, slope=0.0):
    ...     tg.manual_seed(0)
    ...     X, y = tg.randn(20, 2).to(dtype), tg.randint(0, 2, (20,))
    ...     layers = tg.nn.Linear(2, 8), tg.nn.LeakyReLU(slope), tg.nn.Linear(8, 2)
    ...     model = tg.nn.Sequential(*layers).to(dtype)
    ...     watch(model)
    ...     optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    ...     for epoch in range(3):
    ...         optimizer.zero_grad()
    ...         loss = tg.nn.functional.cross_entropy(model(X), y)
    ...         loss.backward()
    ...         optimizer.step()
    ...         yield loss
    >>> def narrow(watch): return train(watch, tg.float32)
    >>> def wide(watch): return train(watch, tg.float64)
    >>> def leaky(watch): return train(watch, tg.float64, slope=0.01)
    >>> diff(narrow, wide).verdict
    'explained by rounding'
    >>> found = diff(narrow, leaky)
    >>> found.verdict, str(found.place)
    ('parts', 'epoch 1, 1[19,3] (LeakyReLU)')
    """
    began = time.perf_counter()
    a, b = names or (title(run_a), title(run_b))
    say = progress or (lambda text: None)
    say(f"{a} and {b} as they are")
    course = Course(run_a, run_b, epochs)
    verdict, place, done, compared = "equal", None, course.epochs, course.compared
    if course.first_bit is not None and done:
        for probes in (PROBES, MANY_PROBES):
            say(f"{a} and {b} from equal inputs, and {probes} perturbed runs")
            verdict, place, done, compared = from_equal_inputs(
                run_a, run_b, course, unit or course.unit, probes, seed
            )
            if verdict == "explained by rounding":
                break
    text = ""
    agree = verdict in AGREEING
    if agree and course.problem:
        verdict, text, place = "different structure", course.problem, None
    elif agree and course.not_finite is not None:
        verdict, place = "not finite", course.not_finite
    kinds = course.kinds()
    return Divergence(
        verdict,
        f"{a} ({kinds[0]})",
        f"{b} ({kinds[1]})",
        done,
        compared,
        text,
        place,
        course.first_bit,
        tuple(course.growth.items()),
        course.apart,
        tuple(course.untested),
        time.perf_counter() - began,
    )
