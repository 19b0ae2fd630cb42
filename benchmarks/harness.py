"""What makes a comparison trusted: the same work first, fair turns, and honest statistics.

Knows no engine: a session is anything that can be reset, stepped and looked into. One that takes
many steps in one call also has ``run(steps)``, which returns what each of them read.
"""

import gc
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from time import perf_counter, process_time
from typing import Any, Protocol

import numpy as np

from benchmarks.tasks import Array

WARM_UP, LEAST = 3, 10  # rounds: thrown away, and kept whatever the time allowed
LONG = 1.0  # seconds: rounds that take longer are fewer
FEW_WARM_UP, FEW_LEAST = 1, 6


class Session(Protocol):
    """An engine with a task loaded."""

    @property
    def name(self) -> str:
        """What the engine is called."""

    def reset(self) -> None:
        """Go back to the initial weights."""

    def step(self) -> Any:
        """Take one step and return what is read after it: a loss, or several numbers."""

    def state(self) -> Mapping[str, Array]:
        """Return copies of every parameter and gradient by name."""


class Unfair(Exception):
    """Times must not be compared: the work or the conditions are not the same."""


@dataclass(frozen=True)
class Timing:
    """Seconds per step of one session, a sample a round, and what it left to the collector.

    ``cores`` is the processor's time by the clock's: how many cores the session kept busy.
    """

    seconds: Array
    garbage: int
    cores: float = 1.0

    @property
    def steady(self) -> bool:
        """Whether the median is within 1.25 of the minimum: if not, others had the core too.

        Busy machines slow engines down unequally, which no control row shows.
        """
        return bool(np.median(self.seconds) <= 1.25 * self.seconds.min())


@dataclass(frozen=True)
class Ratio:
    """A number with its 95 % interval: how many times as fast, a ratio of medians."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def check(task: str, sessions: Sequence[Session], steps: int, tolerance: float) -> float:
    """Compare every session with the first: losses, gradients and parameters.

    After one step, where a wrong gradient stands alone, and after all of them. Returns the largest
    difference, relative to the largest value of its array; raises ``Unfair``, naming the first
    array whose difference is not within the tolerance, which every step adds anew.
    """
    base, *others = sessions
    worst = 0.0
    for count in (1, steps):
        expected = _results(base, count)
        for other in others:
            found = _results(other, count)
            for name in expected | found:
                what = f"{task}, step {count}, {name}: {other.name} differs from {base.name}: "
                difference = _difference(
                    what, found.get(name), expected.get(name), count * tolerance
                )
                worst = max(worst, difference)
    return worst


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the garbage collector out of the samples; what exists already is not its business."""
    enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if not frozen:  # it thaws all, and what was frozen before is its owner's to thaw
            gc.unfreeze()
        if enabled:
            gc.enable()


def sample(session: Session, steps: int) -> float:
    """Return the seconds a step takes, the mean of so many.

    Always the same steps: from the initial weights, after as many untimed. A training run has
    caches and branch predictors to itself, and after a turn of another session it takes some
    steps until they are warm again.
    """
    session.reset()
    run(session, steps)
    start = perf_counter()
    run(session, steps)
    return (perf_counter() - start) / steps


def run(session: Session, steps: int) -> list[Any]:
    """Take so many steps and return what each of them read."""
    if many := getattr(session, "run", None):
        read: list[Any] = many(steps)
        return read
    return [session.step() for _ in range(steps)]


def measure(
    sessions: Sequence[Session], steps: int, seconds: float, seed: int = 0
) -> dict[str, Timing]:
    """Time the sessions in turns, shuffled anew each round, until the seconds are spent.

    The garbage collector is off within a sample and runs, untimed, after it.
    """
    shuffle = random.Random(seed)
    names = [session.name for session in sessions]
    samples: dict[str, list[float]] = {name: [] for name in names}
    garbage, busy, taken = (dict.fromkeys(names, 0.0) for _ in range(3))
    warm_up, least, rounds = WARM_UP, LEAST, 0
    with collector_off():
        start = perf_counter()
        while rounds < warm_up + least or perf_counter() < start + seconds:
            for session in shuffle.sample(sessions, len(sessions)):
                began, worked = perf_counter(), process_time()
                samples[session.name].append(sample(session, steps))
                busy[session.name] += process_time() - worked
                taken[session.name] += perf_counter() - began
                garbage[session.name] += gc.collect()
            rounds += 1
            if rounds == 1 and perf_counter() > start + LONG:
                warm_up, least = FEW_WARM_UP, FEW_LEAST
    return {
        name: Timing(
            np.array(samples[name][warm_up:]), int(garbage[name]), busy[name] / taken[name]
        )
        for name in names
    }


def median(seconds: Array, seed: int = 0, resamples: int = 1000) -> Ratio:
    """Return the median with its 95 % interval."""
    rounds = _rounds(len(seconds), seed, resamples)
    return _interval(np.median(seconds), np.median(seconds[rounds], axis=1))


def ratio(base: Array, other: Array, seed: int = 0, resamples: int = 1000) -> Ratio:
    """Return median(base) / median(other): above 1, the other is the faster."""
    rounds = _rounds(len(base), seed, resamples)
    drawn = np.median(base[rounds], axis=1) / np.median(other[rounds], axis=1)
    return _interval(np.median(base) / np.median(other), drawn)


def floor(control: Ratio) -> float:
    """Return the noise floor: how far two equal engines may be apart, as a ratio above 1."""
    return max(control.high, 1 / control.low)


def verdict(found: Ratio, control: Ratio) -> str:
    """Say what a ratio shows, given that of two equal engines: the noise floor."""
    noise = floor(control)
    if found.low > noise:
        return "faster"
    return "slower" if found.high < 1 / noise else "no difference"


def _rounds(n: int, seed: int, resamples: int) -> Array:
    """Draw rounds, (resamples, n), so that samples of one moment stay together.

    In runs of sqrt(n), because noise comes in bursts.
    """
    burst = np.arange(isqrt(n))
    starts = np.random.default_rng(seed).integers(n, size=(resamples, -(-n // len(burst)), 1))
    return ((starts + burst) % n).reshape(resamples, -1)[:, :n]


def _interval(value: Any, drawn: Array) -> Ratio:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Ratio(float(value), float(low), float(high))


def _results(session: Session, steps: int) -> dict[str, Array]:
    session.reset()
    read = np.array(run(session, steps), dtype=np.float64).reshape(steps, -1)
    names = ["loss", "test loss", "accuracy", "test accuracy"]
    return dict(zip(names, read.T, strict=False)) | dict(session.state())


def _difference(what: str, a: Array | None, b: Array | None, tolerance: float) -> float:
    if a is None or b is None:
        raise Unfair(f"{what}only one has it")
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        raise Unfair(f"{what}{a.dtype}{a.shape} against {b.dtype}{b.shape}")
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b)
        difference = float(gap.max() / (np.abs(b).max() or 1.0))
    if not difference <= tolerance:  # nan is a difference too
        at = tuple(map(int, np.unravel_index(gap.argmax(), gap.shape)))
        where = f"{float(a[at])!r} against {float(b[at])!r} at {at}"
        raise Unfair(f"{what}{where}, by {difference:.1e} of the largest value; {tolerance=:.1e}")
    return difference
