"""Two runs in lockstep: as they are, and one of them from the other's values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import count
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from .pairing import Events, Structure, names_of, pairs, resemblance
from .place import Place
from .recording import UNITS, Array, Event, Lead, Watch
from .turns import Run, Running

FUNCTION = 8
"""Units u of an elementary function and of a few operations around it."""
STEP = 3
"""Units u of a weight that an optimizer's step may be off by: it multiplies and adds to it."""
TINY = {2.0**-11: 2.0**-20, 2.0**-8: 2.0**-129, 2.0**-24: 2.0**-145, 2.0**-53: 2.0**-1070}
"""16 of a dtype's smallest numbers, by its unit: there a rounding is no longer relative."""


class Course:
    """Both runs as they are: where bits differ, how that grows, whether there is a counterpart.

    names: b's for each name of a. b_follows: whether b is better suited to be run from a's values
    than the other way round.
    """

    def __init__(self, a: Run, b: Run, epochs: int | None) -> None:
        self.epochs = self.compared = 0
        self.problem = ""
        self.untested: list[str] = []
        self.first_bit: Place | None = None
        self.not_finite: Place | None = None
        self.growth: dict[float, int] = {}
        self.apart = 0.0
        self.names: dict[str, str] = {}
        nodes = [0, 0]
        with closing(Running(a)) as run_a, closing(Running(b)) as run_b:
            self.watches = run_a.watch, run_b.watch
            for epoch in range(1, epochs + 1) if epochs else count(1):
                of_a, of_b = run_a.epoch(), run_b.epoch()
                if of_a is None and of_b is None:
                    break
                try:
                    if of_a is None or of_b is None:
                        early, late = "ab" if of_a is None else "ba"
                        raise Structure(f"{early} has ended, {late} goes on")
                    if epoch == 1:
                        self.names = names_of(of_a, of_b)
                        nodes = self._shown(of_a, of_b)
                    self.epochs = epoch
                    if not self._compare(epoch, pairs(of_a, of_b, self.names)):
                        break
                except Structure as problem:
                    self.problem = f"epoch {epoch}: {problem}"
                    break
        if not self.epochs and not self.problem:
            raise ValueError("diff: both runs ended before their first yield: there is no epoch")
        units = [unit_of(watch) for watch in self.watches]
        self.unit = max(units)
        # The finer one follows, for its own errors matter least; else the one that shows more.
        self.b_follows = (units[1], -nodes[1]) < (units[0], -nodes[0])

    def kinds(self) -> list[str]:
        """Each run's engine, dtypes and device."""
        return [
            ", ".join([w.engine.__name__, *sorted(w.dtypes & set(UNITS)), *({w.device} - {"cpu"})])
            for w in self.watches
        ]

    def _shown(self, of_a: Events, of_b: Events) -> list[int]:
        """How many nodes each run shows; notes what can't be compared."""
        nodes = []
        for name, of in (("a", of_a), ("b", of_b)):
            kinds = [event.kind for event in of.values() if not event.evaluation]
            nodes.append(kinds.count("output"))
            if "output" not in kinds:
                self.untested.append(
                    f"nodes, as {name} shows none (a replayed step calls no hooks)"
                )
            if "gradient" not in kinds:
                self.untested.append(f"gradients, as {name} has none when it yields")
        return nodes

    def _compare(self, epoch: int, paired: Iterable[tuple[Event, Event]]) -> bool:
        """Whether there is any use in going on."""
        self.apart = 0.0
        for a, b in paired:
            self.compared += 1
            off = distance(a.value, b.value)
            if self.first_bit is None and off.any():
                self.first_bit = place(epoch, (a, b), off, np.zeros(off.shape), self.unit_so_far())
            strange = unfinite(a.value, b.value)
            if strange.any():
                times = np.where(strange, inf, 0.0)
                unit = self.unit_so_far()
                self.not_finite = place(epoch, (a, b), times, np.zeros(off.shape), unit)
                return False
            if a.kind == "step" and off.size:
                scale = float(np.max(np.abs(a.value)))
                self.apart = max(self.apart, float(np.max(off)) / (scale or 1.0))
        for exponent in range(-15, 1):
            if self.apart > 10.0**exponent:
                self.growth.setdefault(10.0**exponent, epoch)
        return True

    def unit_so_far(self) -> float:
        """The unit of the coarsest dtype seen."""
        return max(unit_of(watch) for watch in self.watches)


class Outcome(NamedTuple):
    """Of runs from equal inputs: a verdict, its place, and what was looked at."""

    verdict: str
    place: Place | None
    epochs: int
    compared: int


def from_equal_inputs(
    a: Run, b: Run, course: Course, unit: float, probes: int, seed: int
) -> Outcome:
    """Whether any node parts by more than rounding may do, and which is the first."""
    follower, leader, names = a, b, course.names
    if course.b_follows:
        follower, leader, names = b, a, {of_b: of_a for of_a, of_b in names.items()}
    largest = max(watch.largest for watch in course.watches)
    relative = (FUNCTION + min(largest, 8 * sqrt(largest))) * unit
    leads = [Lead(names)] + [Lead(names, relative, seed + k) for k in range(probes)]
    closest: Place | None = None
    compared, after = 0, ""
    before: tuple[Events, Events] = {}, {}
    with ExitStack() as open_runs:
        lead = open_runs.enter_context(closing(Running(leader)))
        followers = [open_runs.enter_context(closing(Running(follower, to))) for to in leads]
        for epoch in range(1, course.epochs + 1):
            of_leader = lead.epoch() or {}
            exact, *perturbed = [run.epoch(of_leader) or {} for run in followers]
            for mine, other in agreeing(exact, of_leader, names, course):
                compared += 1
                spread = max(moved(mine, p.get(mine.key)) for p in perturbed)
                bound = rounding(mine, other, spread, relative, unit)
                off = distance(mine.value, other.value)
                strange = unfinite(mine.value, other.value)
                with np.errstate(divide="ignore", invalid="ignore"):
                    times = np.where(strange, inf, np.where(off == 0, 0.0, off / bound))
                pair = (other, mine) if course.b_follows else (mine, other)
                if (times > 1).any():
                    earlier = [of.get(e.key) for e, of in zip((mine, other), before, strict=True)]
                    was_a, was_b = earlier[::-1] if course.b_follows else earlier
                    alike = resemblance(*pair, float(np.max(bound)), (was_a, was_b))
                    found = place(epoch, pair, times, bound, unit, after, alike)
                    verdict = "not finite" if strange.any() else "parts"
                    return Outcome(verdict, found, epoch, compared)
                if off.any() and (closest is None or times.max() > closest.times):
                    closest = place(epoch, pair, times, bound, unit)
                after = pair[0].label
            before, after = (exact, of_leader), f"all of epoch {epoch}"
    return Outcome("explained by rounding", closest, course.epochs, compared)


def agreeing(
    exact: Events, of_leader: Events, names: Mapping[str, str], course: Course
) -> Iterator[tuple[Event, Event]]:
    """The pairs up to where the structure differs, as it is known to."""
    try:
        yield from pairs(exact, of_leader, names)
    except Structure as problem:
        if not course.problem:
            raise ValueError(
                f"diff: run again, a run does something else: {problem}. Set its seeds in it"
            ) from None


def moved(exact: Event, perturbed: Event | None) -> float:
    """The largest effect of the perturbations; of a step, on its way and not on where it starts."""
    if perturbed is None or perturbed.value.shape != exact.value.shape or not exact.value.size:
        return 0.0
    x, y = (np.asarray(e.value, np.float64) for e in (exact, perturbed))
    if exact.start is not None and perturbed.start is not None:
        x, y = x - exact.start, y - perturbed.start
    with np.errstate(invalid="ignore"):
        return float(np.fmax.reduce(np.abs(x - y), axis=None, initial=0.0))


def rounding(mine: Event, other: Event, spread: float, relative: float, unit: float) -> Array:
    """How far two right engines may be apart in each entry: twice what one may be off by."""
    size = np.fmax(np.abs(mine.value), np.abs(other.value)).astype(np.float64)
    if mine.value.dtype.kind != "f" or other.value.dtype.kind != "f":
        return np.full(size.shape, 2 * spread)
    if mine.kind in {"start", "step"}:
        move = 0.0 if mine.start is None else np.abs(mine.value - mine.start)
        own = unit * (STEP * size + FUNCTION * move)
    else:
        own = relative * size
    return np.asarray(2 * (own + spread) + TINY.get(unit, 0.0))


def unit_of(watch: Watch) -> float:
    """The unit roundoff of the coarsest dtype that a run has shown."""
    return max((UNITS[d] for d in watch.dtypes if d in UNITS), default=UNITS["float64"])


def distance(a: Array, b: Array) -> Array:
    """|a - b| in float64; 0 where both are the same infinity or not a number."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))


def unfinite(a: Array, b: Array) -> Array:
    """Where one is nan, or one alone is infinite."""
    return np.asarray(~((np.isfinite(a) & np.isfinite(b)) | (a == b)))


def place(
    epoch: int,
    pair: tuple[Event, Event],
    times: Array,
    bound: Array,
    unit: float,
    after: str = "",
    alike: str = "",
) -> Place:
    """The entry of the largest ``times``."""
    a, b = pair
    shape = a.value.shape
    index = tuple(
        int(i) for i in np.unravel_index(int(np.argmax(np.nan_to_num(times, nan=inf))), shape)
    )
    x, y = float(a.value[index]), float(b.value[index])
    off = float(distance(a.value, b.value)[index])
    size = max(abs(x), abs(y))
    ulp = off / (2 * unit * 2.0 ** np.floor(np.log2(size))) if 0 < size < inf else inf * bool(off)
    label = a.label if a.key[1] == b.key[1] else f"{a.label} (in b: {b.key[1]})"
    module = a.module if a.module == b.module else f"{a.module}, in b {b.module}"
    return Place(
        epoch, label, index, x, y, off, float(ulp), float(bound[index]), module, after, alike
    )
