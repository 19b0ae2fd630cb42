"""How noisy a computed function is: the scatter of its values nearby, and its jumps.

ECNoise (Moré & Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011): of values at
equally spaced points, so close that the function is a line there, the differences of higher order
are noise alone. The k-th difference of independent errors of size s has variance
s**2 (2k)! / k!**2.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, sqrt

import numpy as np

from .subject import Array

POINTS, ORDERS = 9, (3, 4, 5, 6)
Interval = tuple[float, float, Array, Array]
"""Two steps, and the values there."""


def scatter(values: Array) -> Array:
    """The noise of one value, from values at :data:`POINTS` neighbouring points (points, ...).

    >>> rng = np.random.default_rng(0)
    >>> noisy = np.linspace(0, 1e-3, 9)[:, None] + 1e-9 * rng.standard_normal((9, 1000))
    >>> bool(0.8e-9 < np.median(scatter(noisy)) < 1.2e-9)
    True
    """
    largest = np.max(np.abs(values), axis=0)
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
    sizes = []
    difference = values / scale  # whose squares are in range
    for k in range(1, max(ORDERS) + 1):
        difference = np.diff(difference, axis=0)
        if k in ORDERS:
            gamma = factorial(k) / sqrt(factorial(2 * k))
            sizes.append(gamma * np.sqrt(np.mean(difference**2, axis=0)))
    return np.asarray(np.median(sizes, axis=0) * scale)


def measured(at: Callable[[float], Array], spacing: float) -> Array:
    """The noise of ``at(t)``, a vector, near t = 0: beside it, so that a kink at 0 isn't met.

    Never less than half a unit in the last place of the values; nan where there is no value.
    """
    values = np.array([at(spacing * k) for k in range(1, POINTS + 1)])
    rounding = np.spacing(np.max(np.abs(values), axis=0)) / 2
    return np.asarray(np.maximum(scatter(values), rounding))


def grain(
    at: Callable[[float], Array], start: float, end: float, least: float, noise: Array
) -> Array:
    """The largest jump of ``at(t)``, a vector, found between two steps.

    What rounding makes of (1 - cos x) / x**2 near 0 is a staircase, whose steps are too wide for
    neighbouring points to show: flat in between, and another function's slope. So the intervals
    that change most, in multiples of ``noise``, are halved until they are as short as ``least``.
    The change of a continuous function goes with the interval; a jump stays.

    >>> stairs = lambda t: np.array([np.floor(1000 * t) / 1000])
    >>> float(grain(stairs, -0.1, 0.1, 1e-15, np.array([1e-16]))[0].round(6))
    0.001
    """
    if not noise.size:
        return np.zeros_like(noise)
    while True:
        places = [float(t) for t in np.linspace(start, end, POINTS)]
        values = [at(t) for t in places]
        if np.isfinite(values).all():
            break
        start, end = start / 32, end / 32  # an edge of the domain is near
        if end - start < POINTS * least:
            return np.zeros_like(noise)
    scale = np.maximum(noise, 1e-300)

    def changes(intervals: list[Interval]) -> Array:
        """The greatest change over each interval in multiples of the noise, with its sign."""
        steps = np.array([high - low for _, _, low, high in intervals]) / scale
        steps = np.nan_to_num(steps, nan=0.0)  # no value there; what overflows stays the greatest
        most = np.argmax(np.abs(steps), axis=1)
        return np.asarray(steps[np.arange(len(steps)), most])

    intervals: list[Interval] = [
        (places[k], places[k + 1], values[k], values[k + 1]) for k in range(POINTS - 1)
    ]
    least = max(least, (end - start) * 2.0**-50)
    for _ in range(int(np.log2(max((end - start) / POINTS / least, 1.0)))):
        halves: list[Interval] = []
        for a, b, low, high in intervals:
            middle = (a + b) / 2
            value = at(middle)
            halves += [(a, middle, low, value), (middle, b, value, high)]
        # of both signs: half a tooth of a saw changes as much as the half with the jump
        order = np.argsort(changes(halves), kind="stable")
        intervals = [halves[k] for k in (*order[:2], *order[-2:])]
    found = np.array([np.abs(high - low) for _, _, low, high in intervals])
    return np.asarray(np.max(np.where(np.isfinite(found), found, 0), axis=0))
