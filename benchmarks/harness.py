"""What makes a comparison trusted: the same work first, fair turns, and honest statistics.

Knows no engine: a session is anything that can be reset, stepped and looked into.
"""

import gc
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from time import perf_counter
from typing import Protocol

import numpy as np

from benchmarks.tasks import Array

WARM_UP, LEAST = 3, 10  # rounds: thrown away, and kept whatever the time allowed


class Session(Protocol):
    """An engine with a task loaded."""

    name: str

    def reset(self) -> None:
        """Go back to the initial weights."""

    def step(self) -> float:
        """Take one training step and return its loss."""

    def state(self) -> Mapping[str, Array]:
        """Return copies of every parameter and gradient by name."""


class Unfair(Exception):
    """Times must not be compared: the work or the conditions are not the same."""


@dataclass(frozen=True)
class Timing:
    """Seconds per step of one session, a sample a round, and what it left to the collector."""

    seconds: Array
    garbage: int

    @property
    def steady(self) -> bool:
        """Whether the median is within 1.25 of the minimum: if not, others had the core too.

        Busy machines slow engines down unequally, which no control row shows.
        """
        return bool(np.median(self.seconds) <= 1.25 * self.seconds.min())


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: a ratio of medians with its 95 % interval."""

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


def measure(
    sessions: Sequence[Session], steps: int, seconds: float, seed: int = 0
) -> dict[str, Timing]:
    """Time the sessions in turns, shuffled anew each round, until the seconds are spent.

    A sample is the mean of so many steps, always the same ones: from the initial weights, after as
    many untimed. A training run has caches and branch predictors to itself, and after a turn of
    another session it takes some steps until they are warm again. The garbage collector is off
    within a sample and runs, untimed, after it.
    """
    shuffle = random.Random(seed)
    samples: dict[str, list[float]] = {session.name: [] for session in sessions}
    garbage = dict.fromkeys(samples, 0)
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        deadline = perf_counter() + seconds
        rounds = 0
        while rounds < WARM_UP + LEAST or perf_counter() < deadline:
            for session in shuffle.sample(sessions, len(sessions)):
                samples[session.name].append(_sample(session, steps))
                garbage[session.name] += gc.collect()
            rounds += 1
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
    return {name: Timing(np.array(s[WARM_UP:]), garbage[name]) for name, s in samples.items()}


def ratio(base: Array, other: Array, seed: int = 0, resamples: int = 1000) -> Ratio:
    """Return median(base) / median(other): above 1, the other is the faster.

    The bootstrap draws rounds, so that samples of one moment stay together, and draws them in runs
    of sqrt(n), because noise comes in bursts.
    """
    n = len(base)
    run = np.arange(isqrt(n))
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        starts = rng.integers(n, size=(-(-n // len(run)), 1))
        rounds = ((starts + run) % n).ravel()[:n]
        drawn.append(np.median(base[rounds]) / np.median(other[rounds]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Ratio(float(np.median(base) / np.median(other)), float(low), float(high))


def verdict(found: Ratio, control: Ratio) -> str:
    """Say what a ratio shows, given that of two equal engines: the noise floor."""
    floor = max(control.high, 1 / control.low)
    if found.low > floor:
        return "faster"
    return "slower" if found.high < 1 / floor else "no difference"


def _results(session: Session, steps: int) -> dict[str, Array]:
    session.reset()
    losses = [session.step() for _ in range(steps)]
    return {"loss": np.array(losses), **session.state()}


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


def _sample(session: Session, steps: int) -> float:
    session.reset()
    for _ in range(steps):
        session.step()
    start = perf_counter()
    for _ in range(steps):
        session.step()
    return (perf_counter() - start) / steps
