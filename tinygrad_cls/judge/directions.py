"""Slopes along directions: where tied elements move together, and for inputs too large to visit
number by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .differences import Slopes
from .gradient import Evidence
from .point import TIMES, UNRELIABLE, Coordinate, Point
from .subject import Array

TIES = 8
"""Groups of tied elements that are moved together, at most."""
NEIGHBOURS = 8
"""Points beside the one given at which the slope along a direction is looked at."""
DIRECTIONS = 6
"""Random directions through an input too large to be visited number by number."""


@dataclass
class Along:
    """A direction's slope by differences and by the gradient, for the cotangent that differs most.

    members: the coordinates that move. low, high: the slope, which differs from side to side at a
    kink; floor: its noise; ratio: how many times that ``yours`` is off.
    """

    members: list[Coordinate]
    yours: float
    low: float
    high: float
    floor: float
    ratio: float
    what: str


Compared = tuple[float, float, float, float, float]
"""Yours, low, high, noise floor, and how many times it."""


def compare(point: Point, directions: dict[int, Array], found: Slopes) -> list[Compared]:
    """For each cotangent: yours, low, high, noise floor, and the multiple of it."""
    rows = []
    flagged = (found.infinite | found.jump)[0]
    for k, whole in enumerate(point.cotangents):
        g = np.where(flagged, 0, whole)  # outputs without a slope are left out
        gradients = (
            point.answers(g) if flagged.any() else {i: u[k] for i, u in point.gradients.items()}
        )
        low, high = np.nan_to_num(found.low[0]), np.nan_to_num(found.high[0])
        a, b = low * g, high * g
        parts = [
            (gradients[i], v.ravel(), point.gradient_noise[i][k]) for i, v in directions.items()
        ]
        yours = float(sum(u @ v for u, v, _ in parts))
        terms = float(sum(np.abs(u) @ np.abs(v) for u, v, _ in parts))
        noise = float(sum(n @ np.abs(v) for _, v, n in parts))
        used = g != 0
        floor = float(found.error[0][used] @ np.abs(g[used])) + noise + 8 * point.eps * terms
        least, most = float(np.minimum(a, b).sum()), float(np.maximum(a, b).sum())
        off = max(least - yours, yours - most, 0.0)
        hidden = not np.isfinite(yours) or floor > UNRELIABLE * max(terms, abs(least), abs(most))
        rows.append((yours, least, most, floor, 0.0 if hidden else off / max(floor, 1e-300)))
    return rows


def worst(point: Point, directions: dict[int, Array], scales: list[float], what: str) -> Along:
    """The slope along a direction, for the cotangent that the gradient misses most."""
    return widest(point, directions, point.scan(point.along(directions), scales), what)


def widest(point: Point, directions: dict[int, Array], found: Slopes, what: str) -> Along:
    """The comparison with known slopes, for the cotangent that the gradient misses most."""
    row = max(compare(point, directions, found), key=lambda r: r[-1])
    members = [(i, int(j)) for i, v in directions.items() for j in np.flatnonzero(v)]
    return Along(members, *row, what)


def ties(evidence: Evidence) -> Iterator[Along]:
    """Elements at a kink, moved together.

    Each alone may have any slope between left and right; together they move along the kink, where
    the function may be smooth: the slopes that the gradient gives them must add up.
    """
    point = evidence.point
    kinked = [
        evidence.at[r] for r in np.flatnonzero(evidence.flags["kink"].any(axis=1) & ~evidence.wrong)
    ]
    if len(kinked) < 2:
        return
    values = {float(point.arrays[i].reshape(-1)[j]) for i, j in kinked}
    groups: dict[float, list[Coordinate]] = {}
    for i in point.judged:
        for j, value in enumerate(point.arrays[i].reshape(-1).tolist()):
            if value in values:
                groups.setdefault(value, []).append((i, j))
    for members in sorted(groups.values(), key=len, reverse=True)[:TIES]:
        if len(members) > 1:
            v = direction(point, members)
            found = point.scan(point.along(v), [1.0, size(point, members)])
            what = "tied elements, moved together"
            yield widest(point, v, with_neighbours(point, v, found), what)


def with_neighbours(point: Point, v: dict[int, Array], found: Slopes) -> Slopes:
    """The slopes along a direction with those at points beside: a gradient may have any of them."""
    near = point.around_along(v, NEIGHBOURS, 2.0**-24)
    if near is None:
        return found
    low, high, error = near
    wide = high - low > 20 * error
    found.low[0] = np.where(wide, np.fmin(found.low[0], low), found.low[0])
    found.high[0] = np.where(wide, np.fmax(found.high[0], high), found.high[0])
    found.error[0] = np.where(wide, np.maximum(found.error[0], error), found.error[0])
    return found


def direction(point: Point, members: list[Coordinate]) -> dict[int, Array]:
    """The direction in which these numbers move, by 1 each."""
    found: dict[int, Array] = {}
    for i, j in members:
        v = found.setdefault(i, np.zeros(point.arrays[i].shape))
        v.reshape(-1)[j] = 1.0
    return found


def size(point: Point, members: list[Coordinate]) -> float:
    """The size of the numbers that move."""
    return max(abs(float(point.arrays[i].reshape(-1)[j])) for i, j in members)


def sweep(point: Point, i: int) -> Along | None:
    """Input ``i`` as a whole: random directions, and the number that is wrong, found by halving.

    One wrong number of 8,000 shows in a random direction as a part in a hundred of its slope.
    """
    x = point.arrays[i].astype(np.float64)
    scale = np.maximum(np.abs(x), point.typical(i) / 8)
    for _ in range(DIRECTIONS):
        v = scale * point.rng.choice([-1.0, 1.0], x.shape)
        found = worst(point, {i: v}, [1.0], "a random direction")
        if found.ratio > TIMES:
            return halved(point, i, v, found)
    return None


def halved(point: Point, i: int, v: Array, found: Along) -> Along:
    """The smallest part of a direction that is still wrong."""
    places = np.flatnonzero(v)
    while len(places) > 1:
        halves = np.array_split(places, 2)
        tries = []
        for half in halves:
            part = np.zeros(v.size)
            part[half] = v.reshape(-1)[half]
            tries.append(worst(point, {i: part.reshape(v.shape)}, [1.0], found.what))
        best = int(np.argmax([t.ratio for t in tries]))
        if tries[best].ratio <= TIMES:
            break
        places, found = halves[best], tries[best]
    return found
