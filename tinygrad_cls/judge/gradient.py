"""The verdict on the numbers of a gradient: every oracle is heard, and each has its error bar.

Differences judge where their bound is tight. Where it isn't (a noisy function, an edge, a scale
that no step fits), the complex step and the twin in another engine judge, if differences confirm
them elsewhere: "your gradient is wrong" and "the difference is unreliable" are different verdicts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from .differences import Slopes, sample, slopes
from .oracles import complex_step
from .point import FAST, TIMES, UNRELIABLE, Coordinate, Point
from .report import Reading
from .subject import Array

CAREFULLY = 256
"""Doubtful coordinates that are looked at with all steps, a hundred calls each."""
CONFIRM = 8
"""Of many wrong numbers, how many are looked at with all steps."""
STORE = 4_000_000
"""Entries of the Jacobian that are kept, at most."""


@dataclass
class Evidence:
    """What is known of n coordinates: the Jacobian by differences, and the verdict on each.

    low, high, error: (n, m), the slopes of every output with their bounds (low < high at a kink).
    yours: (n, K), backward's answers. truth_low, truth_high, floor, scale: (n, K), what the slopes
    make of the K cotangents. wrong, unreliable: (n,). saved: which oracle judged where differences
    could not.
    """

    point: Point
    at: list[Coordinate]
    low: Array
    high: Array
    error: Array
    flags: dict[str, Array]
    complex: dict[int, Array] = field(default_factory=dict)  # by row, and its noise
    complex_noise: dict[int, Array] = field(default_factory=dict)
    twin: dict[int, Array] | None = None  # of each judged input the twin's gradients, (K, n)
    saved: dict[int, str] = field(default_factory=dict)
    symmetric: list[int] = field(default_factory=list)
    narrowed: str = ""  # of what halving chose these coordinates

    def __post_init__(self) -> None:
        self.project()

    @property
    def yours(self) -> Array:
        found = [self.point.gradients[i][:, j] for i, j in self.at]
        return np.array(found).reshape(len(found), len(self.point.cotangents))

    def number(self, at: Coordinate) -> float:
        """The input's number at a coordinate."""
        return float(self.point.arrays[at[0]].reshape(-1)[at[1]])

    @property
    def jacobian(self) -> Array:
        return (self.low + self.high) / 2

    def project(self) -> None:
        """What the slopes of the outputs say of each cotangent's gradient."""
        G = self.point.cotangents
        n, K = len(self.at), len(G)
        known = np.isfinite(self.error)
        low, high = np.where(known, self.low, 0), np.where(known, self.high, 0)
        error = np.where(known, self.error, np.inf)
        self.truth_low, self.truth_high = np.empty((n, K)), np.empty((n, K))
        self.floor, self.scale, self.forgiven = (np.empty((n, K)) for _ in range(3))
        atol, rtol = self.point.forgiven
        size = np.maximum(np.abs(low), np.abs(high))
        kinked = (low != high).any()
        for k, g in enumerate(G):
            used = g != 0
            self.truth_low[:, k] = low @ g
            self.truth_high[:, k] = self.truth_low[:, k]
            if kinked:
                self.truth_low[:, k] = np.minimum(low * g, high * g).sum(axis=1)
                self.truth_high[:, k] = np.maximum(low * g, high * g).sum(axis=1)
            self.floor[:, k] = error[:, used] @ np.abs(g[used])
            self.scale[:, k] = size @ np.abs(g)
            touched = (size > 0) | ~known
            least = np.abs(g[used]).min(initial=np.inf, where=g[used] != 0)
            each = atol * touched + rtol * size
            self.forgiven[:, k] = np.where(touched.any(axis=1), each @ np.abs(g), atol * least)
        noise = np.array([self.point.gradient_noise[i][:, j] for i, j in self.at]).reshape(n, K)
        self.floor += noise + 4 * self.point.eps * self.scale
        self.weigh()

    def weigh(self) -> None:
        """How far off each coordinate is, in multiples of its noise floor."""
        yours = self.yours
        off = np.maximum(np.maximum(self.truth_low - yours, yours - self.truth_high), 0)
        self.off = np.where(np.isfinite(yours), off, np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(self.off <= self.forgiven, 0, self.off / self.floor)
        endless = self.flags["infinite"].any(axis=1)
        unknown = ~np.isfinite(self.floor).all(axis=1)
        # a slope is small beside what the outputs are made of, or beside the other slopes
        sizes = np.abs(self.point.cotangents) @ np.abs(self.point.values)
        moved = np.array([max(self.point.step_scale(at), 1e-300) for at in self.at])
        typical = np.zeros_like(self.scale)
        for i in self.point.judged:
            its = np.array([a[0] == i for a in self.at], bool)
            typical[its] = self.scale[its].max(axis=0, initial=0)
        self.reach = np.maximum(typical, sizes / moved[:, None])
        hidden = self.floor > np.maximum(UNRELIABLE * self.reach, 1e-300)
        fixed = np.array([not np.isfinite(self.number(a)) for a in self.at], bool)
        no_slope = np.asarray(endless | unknown)[:, None]
        self.ratio = np.where(hidden | no_slope, 0, ratio).max(axis=1, initial=0)
        self.unreliable = np.asarray((hidden.all(axis=1) | unknown) & ~endless & ~fixed)
        # where the slope is infinite, a gradient may be so, or 0, but not nan or of another sign
        against = np.sign(self.truth_low) * np.sign(yours) < 0
        astray = endless & (np.isnan(yours) | against).all(axis=1)
        self.endless = endless
        self.wrong = ((self.ratio > TIMES) & ~self.unreliable & ~fixed) | astray
        # 0 would be as right: differences don't see such slopes under such outputs
        size = np.maximum(np.abs(np.where(np.isfinite(yours), yours, 0)), self.scale)
        self.blind = ((TIMES * self.floor >= size) & (size > 0)).all(axis=1) & ~endless & ~fixed
        self.blind &= ~self.unreliable & ~self.wrong

    def replace(self, row: int, found: Slopes) -> None:
        """Better slopes for one coordinate."""
        self.low[row], self.high[row], self.error[row] = found.low[0], found.high[0], found.error[0]
        for name, flag in self.flags.items():
            flag[row] = getattr(found, name)[0]

    # --- second opinions --------------------------------------------------------------------------

    def analytic(self) -> bool:
        """Whether the complex step agrees with differences wherever both are asked."""
        asked = 0
        for row, theirs in self.complex.items():
            if (
                self.unreliable[row]
                or self.flags["kink"][row].any()
                or self.flags["jump"][row].any()
            ):
                continue
            asked += 1
            gap = np.abs(theirs - self.jacobian[row])
            if not (gap <= TIMES * (self.error[row] + self.complex_noise[row])).all():
                return False
        return asked > 0

    def second_opinions(self, rows: Sequence[int], noisy: bool = True) -> None:
        """Asks the complex step about these coordinates, and how ``noisy`` it is there."""
        for row in rows:
            if row not in self.complex:
                found = complex_step(self.point, self.at[row], noisy)
                if found is None or not np.isfinite(found[0]).all():
                    return
                self.complex[row], self.complex_noise[row] = found

    def judge_unreliable(self) -> None:
        """Where differences can't judge, others do. What no difference confirms anywhere may agree
        with a gradient, but not blame it.
        """
        asked = self.unreliable | self.blind
        rows = [int(r) for r in np.flatnonzero(asked)]
        if not rows:
            return
        reliable = [int(r) for r in np.flatnonzero(~asked)]
        self.second_opinions(reliable[:5], noisy=False)
        self.second_opinions(rows)
        alone = not reliable
        confirmed = {"complex step": self.analytic(), "twin": self.twin_agrees()}
        for row in rows:
            for oracle, value, noise in self.others(row):
                if not (confirmed[oracle] or alone):
                    continue
                # what cancels in the gradient given is of the size of its other numbers
                floor = noise + 64 * self.point.eps * np.maximum(np.abs(value), self.reach[row])
                off = np.abs(self.yours[row] - value)
                size = np.maximum(np.abs(value), np.abs(self.yours[row]))
                if self.blind[row] and (TIMES * floor >= size).all():
                    continue  # 0 would agree as well
                agrees = bool((off <= TIMES * floor).all())
                if self.blind[row] and not (agrees or confirmed[oracle]):
                    self.unreliable[row] = True  # two opinions, and nobody to decide
                if agrees or confirmed[oracle]:
                    self.saved[row], self.unreliable[row] = oracle, False
                if not agrees and confirmed[oracle]:
                    self.wrong[row] = True
                    self.truth_low[row] = self.truth_high[row] = value
                    self.off[row], self.floor[row] = off, floor
                    self.ratio[row] = float(np.nanmax(off / floor))
                if row in self.saved:
                    self.blind[row] = False
                    break

    def others(self, row: int) -> Iterator[tuple[str, Array, Array]]:
        """What the other oracles say of a coordinate, (K,), and how noisy that is; without those
        that are not sure themselves.
        """
        i, j = self.at[row]
        G, own = self.point.cotangents, self.point.gradient_noise[i][:, j]
        sizes = self.reach[row]
        readings = []
        if row in self.complex:
            noise = np.abs(G) @ self.complex_noise[row]
            readings.append(("complex step", G @ self.complex[row], noise))
        if self.twin is not None:
            readings.append(("twin", self.twin[i][:, j], own))
        for oracle, value, noise in readings:
            sure = noise <= UNRELIABLE * np.maximum(np.abs(value), sizes)
            if np.isfinite(value).all() and sure.all():
                yield oracle, value, own + noise

    def unit(self, row: int, k: int) -> tuple[float, str]:
        """The one cotangent that reaches a coordinate, to divide by, and how to say so; else 1."""
        used = np.flatnonzero((self.low[row] != 0) | (self.high[row] != 0))
        g = self.point.cotangents[k]
        if len(used) == 1 and g[used[0]]:
            return float(g[used[0]]), " (for a cotangent of 1)"
        return 1.0, ""

    def twin_agrees(self) -> bool:
        """Whether the twin's gradient is what reliable differences say."""
        if self.twin is None:
            return False
        fine = ~self.unreliable & ~self.flags["kink"].any(axis=1) & ~self.flags["jump"].any(axis=1)
        if not fine.any():
            return False
        theirs = np.array([self.twin[i][:, j] for i, j in self.at])
        off = np.maximum(np.maximum(self.truth_low - theirs, theirs - self.truth_high), 0)
        return bool((off <= TIMES * self.floor)[fine].all())

    def readings(self, row: int, k: int) -> tuple[Reading, ...]:
        """What every oracle says of one coordinate and cotangent."""
        found = []
        low, high = self.truth_low[row, k], self.truth_high[row, k]
        unit, _ = self.unit(row, k)
        error = abs(float(self.floor[row, k]) / unit)
        low, high = sorted((low / unit, high / unit))
        if row in self.saved:
            pass
        elif low == high:
            found.append(Reading("finite difference", float(low), error, "Richardson"))
        else:
            found.append(Reading("left slope", float(low), error, "one-sided differences"))
            found.append(Reading("right slope", float(high), error, "one-sided differences"))
        smooth = not self.flags["kink"][row].any()
        if row in self.complex and smooth and (row in self.saved or self.analytic()):
            value = float(self.point.cotangents[k] @ self.complex[row]) / unit
            error = abs(float(np.abs(self.point.cotangents[k]) @ self.complex_noise[row]) / unit)
            found.append(Reading("complex step", value, error, "the function is analytic"))
        if self.twin is not None:
            i, j = self.at[row]
            value = float(self.twin[i][k, j]) / unit
            found.append(Reading(self.point.twin_engine, value, 0.0, "in float64"))
        return tuple(found)


def examine(
    point: Point,
    coordinates: Sequence[Coordinate],
    twin: dict[int, Array] | None = None,
    progress: Callable[[str], None] | None = None,
    thorough: bool = True,
) -> Evidence:
    """The evidence on these coordinates: with few steps on all, with all steps where in doubt, or
    (not ``thorough``) only where the numbers seem wrong.
    """
    evidence = first_look(point, coordinates, twin, progress)
    look_closely(evidence, progress, thorough)
    for _ in range(3):  # of several outputs, one may hide the other's jumps
        if not point.roughen(suspects(evidence)):
            break
        evidence = first_look(point, coordinates, twin, progress)
        look_closely(evidence, progress, thorough)
    overrule(evidence)
    if thorough:
        evidence.judge_unreliable()
    look_around(evidence)
    accept_symmetric(evidence)
    return evidence


def accept_symmetric(evidence: Evidence) -> None:
    """A symmetric gradient for a symmetric matrix whose function reads one triangle: right for all
    changes that keep it symmetric, which is what it is for.
    """
    point = evidence.point
    for i in point.judged:
        x = point.arrays[i]
        if x.ndim != 2 or x.shape[0] != x.shape[1] or x.size < 4 or (x != x.T).any():
            continue
        rows = [r for r, (k, _) in enumerate(evidence.at) if k == i]
        if len(rows) != x.size or not evidence.wrong[rows].any():
            continue
        shape = (*x.shape, len(point.cotangents))
        yours = evidence.yours[rows].reshape(shape)
        truth = ((evidence.truth_low + evidence.truth_high) / 2)[rows].reshape(shape)
        floor = evidence.floor[rows].reshape(shape)
        floor = floor + floor.transpose(1, 0, 2)
        J = np.abs(evidence.jacobian[rows]).reshape(*x.shape, -1)
        halves = [J[np.tril_indices(len(x), -1)].max(), J[np.triu_indices(len(x), 1)].max()]
        if min(halves) > 1e-7 * max(halves):  # it reads both
            continue
        own = np.abs(yours - yours.transpose(1, 0, 2)) <= TIMES * floor
        both = yours + yours.transpose(1, 0, 2) - truth - truth.transpose(1, 0, 2)
        if own.all() and (np.abs(both) <= TIMES * floor).all():
            evidence.wrong[rows] = False
            evidence.symmetric.append(i)


def suspects(evidence: Evidence) -> list[Coordinate]:
    """Coordinates to look for jumps at, before a gradient is blamed or a kink believed."""
    kinked = evidence.flags["kink"].any(axis=1) & ~evidence.wrong
    jumps = np.asarray(evidence.flags["jump"].any(axis=1))
    order = np.argsort(-evidence.ratio, kind="stable")
    wrong = [int(r) for r in order if evidence.wrong[r] and not jumps[r]][:4]
    bent = [int(r) for r in np.flatnonzero(kinked & ~jumps)][:4]
    return [evidence.at[r] for r in wrong + bent]


def first_look(
    point: Point,
    coordinates: Sequence[Coordinate],
    twin: dict[int, Array] | None,
    progress: Callable[[str], None] | None,
) -> Evidence:
    """The evidence by a few steps."""
    m = point.values.size
    names = ("kink", "jump", "infinite", "one_sided")
    parts: list[Slopes] = []
    done = 0
    for part, found in point.fast(coordinates):
        parts.append(found)
        done += len(part)
        if progress:
            progress(f"{done} of {len(coordinates)} coordinates")
    joined = {
        name: np.concatenate([getattr(p, name) for p in parts]) if parts else np.zeros((0, m))
        for name in ("low", "high", "error", *names)
    }
    return Evidence(
        point,
        list(coordinates),
        joined["low"],
        joined["high"],
        joined["error"],
        {name: joined[name].astype(bool) for name in names},
        twin=twin,
    )


def look_closely(
    evidence: Evidence, progress: Callable[[str], None] | None, thorough: bool
) -> None:
    """All steps for the coordinates that need them, the worst first."""
    if not evidence.at:
        return
    bent = np.any([flag.any(axis=1) for flag in evidence.flags.values()], axis=0)
    coarse = (evidence.floor > 1e-7 * evidence.scale.max(axis=0, initial=0)).any(axis=1)
    off = evidence.ratio > TIMES
    odd = ~np.isfinite(evidence.yours).all(axis=1)
    doubtful = off | odd
    if thorough:
        doubtful |= bent | coarse | evidence.unreliable
    order = [int(r) for r in np.argsort(-evidence.ratio, kind="stable") if doubtful[r]]
    sure, visited = 0, np.zeros(len(evidence.at), bool)
    for n, row in enumerate(order):
        if n >= CAREFULLY or time.perf_counter() > evidence.point.deadline:
            break
        if sure >= CONFIRM and off[row]:
            continue
        if progress and n % 8 == 0:
            progress(f"{n} of {len(order)} doubtful coordinates")
        evidence.replace(row, evidence.point.careful(evidence.at[row]))
        visited[row] = True
        if off[row] and n < CONFIRM:
            evidence.project()
            sure += bool(evidence.wrong[row])
    evidence.project()
    if not evidence.wrong[visited].any():  # a first look alone blames nobody
        left = evidence.wrong & ~visited
        evidence.unreliable |= left
        evidence.wrong &= ~left


FINE = 2.0 ** np.arange(24, 8, -1)
"""Steps in units of the last place: for a wave that all larger steps take for noise."""


def overrule(evidence: Evidence) -> None:
    """Before a number is blamed: do steps of another size confirm it?

    Rounding makes (1 - cos x) / x**2 a staircase near 0, of treads as wide as a hundredth of x,
    whose slope is not the function's: there, steps of size 1 may confirm a gradient. Elsewhere
    steps of some units in the last place may: sin at 1e9 is a wave that looks like noise from any
    farther. To three digits or more, by a slope that isn't 0 as that of a flat tread is.
    """
    point = evidence.point
    for row in [int(r) for r in np.flatnonzero(evidence.wrong)][:CONFIRM]:
        at = evidence.at[row]
        unit = float(np.spacing(abs(evidence.number(at))))
        if confirmed(evidence, row, FINE * unit):
            continue
        if point.stepped(at):
            confirmed(evidence, row, FAST * max(1.0, point.typical(at[0])))
    evidence.project()


def confirmed(evidence: Evidence, row: int, steps: Array) -> bool:
    """Whether other steps contradict the evidence and confirm the gradient; then they stand."""
    point = evidence.point
    right, left, *taken = sample([point.coordinate(evidence.at[row])], steps[:, None])
    rounding = np.spacing(np.abs(point.values))
    found = slopes(point.values, right, left, (taken[0], taken[1]), rounding)
    error, size = found.error[0], np.abs(found.middle[0])
    if not (error <= 1e-3 * size.max(initial=0)).all() or found.kink.any():
        return False
    gap = np.abs(found.middle[0] - evidence.jacobian[row])
    if not (gap > 1e-2 * size.max() + TIMES * (error + evidence.error[row])).any():
        return False  # they say the same, the others more exactly
    G = point.cotangents
    floor = np.abs(G) @ error + 4 * point.eps * (np.abs(G) @ size)
    if (np.abs(evidence.yours[row] - G @ found.middle[0]) > TIMES * floor).any():
        return False
    evidence.replace(row, found)
    return True


AROUND = 12
"""Points beside the one given at which slopes are looked at."""
RADII = (2.0**-20, 2.0**-26)
"""How far away they are, relative to each number."""


def look_around(evidence: Evidence) -> None:
    """The slopes at points beside this one, where numbers are wrong.

    Where a function isn't smooth, a legal gradient is one that it has arbitrarily near by (Clarke's
    generalized gradient; sampled as by Burke, Lewis & Overton, SIAM J. Optim. 15, 2005). Of three
    equal numbers, each may move alone without moving their median; the gradient of a median gives
    one of them everything.
    """
    rows = [int(r) for r in np.flatnonzero(evidence.wrong)][:128]
    bent = evidence.flags["kink"] | evidence.flags["jump"]
    for first, last in ((0, 4), (4, len(rows))):
        part = rows[first:last]
        if not part:
            return
        at = [evidence.at[r] for r in part]
        far, near = (evidence.point.around(at, AROUND, radius) for radius in RADII)
        if far is None or near is None:
            return
        low, high, error = near
        size = np.maximum(np.abs(evidence.low[part]), np.abs(evidence.high[part])) + error
        size = size.max(axis=1, keepdims=True)
        spread = high - low
        # a bend's slopes come together as the points do, a kink's don't
        wide = (spread > np.maximum(1e-2 * size, 20 * error)) & np.isfinite(error)
        wide &= spread > (far[1] - far[0]) / 2
        if not wide.any():
            return
        for n, r in enumerate(part):
            use = wide[n]
            lows, highs = evidence.low[r], evidence.high[r]
            evidence.low[r] = np.where(use, np.fmin(lows, low[n]), lows)
            evidence.high[r] = np.where(use, np.fmax(highs, high[n]), highs)
            evidence.error[r] = np.where(
                use, np.maximum(evidence.error[r], error[n]), evidence.error[r]
            )
            bent[r] |= use
            evidence.flags["kink"][r] |= use
        evidence.project()
