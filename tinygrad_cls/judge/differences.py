"""Slopes from values alone, each with a bound of its error.

A difference quotient D(h) is the slope plus a series in powers of h, plus rounding of about
noise / h. :func:`limit` extrapolates the series away (Richardson) and chooses the step by
consistency (Lepski's principle): it starts at the smallest steps, where rounding is all there is,
and goes to larger ones, whose bounds are tighter, as long as these agree with all before. So a
plateau at large steps that isn't the derivative (a step function, an undersampled wave) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .subject import Array

CENTRAL, ONE_SIDED, BEND = (2, 4, 6, 8), (1, 2, 3, 4), (1, 3, 5, 7)
"""The powers of h in the series of the central and the one-sided quotient, and of their gap."""

EPS = float(np.finfo(np.float64).eps)


def limit(quotients: Array, rounding: Array, powers: Sequence[int]) -> tuple[Array, Array]:
    """What ``quotients`` (steps, ...) tend to as the step, halved from row to row, goes to 0, and
    a bound of the error. ``rounding`` is what rounding may do to each quotient.

    nan where a value is missing; a bound of inf says that nothing is known.

    >>> h = 0.5 ** np.arange(1.0, 8)[:, None]
    >>> value, error = limit(np.sin(h) / h, 1e-16 / h, CENTRAL)
    >>> abs(value[0] - 1) <= error[0] < 1e-13
    np.True_
    """
    columns, bounds = [quotients], [np.full_like(quotients, np.inf)]
    noise = rounding
    for power in powers[: len(quotients) - 1]:
        before, factor = columns[-1], 2.0**power
        column = (factor * before[1:] - before[:-1]) / (factor - 1)
        noise = (factor * noise[1:] + noise[:-1]) / (factor - 1)
        # what the step changed is the error of what it started from: more than what is left
        left = np.maximum(np.abs(column - before[1:]), np.abs(column - before[:-1]))
        columns.append(column)
        bounds.append(left + noise)
    best, bound = np.full_like(quotients, np.nan), np.full_like(quotients, np.inf)
    for column, left in zip(columns[1:], bounds[1:], strict=True):
        rows = slice(len(quotients) - len(left), None)  # a column's entry ends at this step
        better = left < bound[rows]  # false for nan
        bound[rows] = np.where(better, left, bound[rows])
        best[rows] = np.where(better, column, best[rows])
    return consistent(best, bound)


def consistent(best: Array, bound: Array) -> tuple[Array, Array]:
    """The estimate with the least bound among those that agree with all of smaller steps."""
    best, bound = best[::-1], bound[::-1]
    known = np.isfinite(bound)
    below = np.where(known, best - 2 * bound, -np.inf)
    above = np.where(known, best + 2 * bound, np.inf)
    agrees = ~known
    agrees[:1] = True
    agrees[1:] |= (below[1:] <= np.minimum.accumulate(above)[:-1]) & (
        above[1:] >= np.maximum.accumulate(below)[:-1]
    )
    error = np.where(known & np.logical_and.accumulate(agrees), bound, np.inf)
    least = np.argmin(error, axis=0)[None]
    value, error = (np.take_along_axis(a, least, axis=0)[0] for a in (best, error))
    return np.where(error < np.inf, value, np.nan), error


@dataclass
class Slopes:
    """The slopes of m outputs along n directions, as (n, m) arrays.

    The slope lies in [low, high], to ``error``; the two differ at a kink or a jump. kink, jump,
    infinite, one_sided: what was met, as booleans.
    """

    low: Array
    high: Array
    error: Array
    kink: Array
    jump: Array
    infinite: Array
    one_sided: Array

    @property
    def middle(self) -> Array:
        return (self.low + self.high) / 2


Line = Callable[[float], tuple[Array, float]]
"""A function of a step: the values there, and the step that rounding let it be."""


def sample(lines: Sequence[Line], steps: Array) -> tuple[Array, Array, Array, Array]:
    """Values to the right and the left of each line's start, and the steps really taken:
    (steps, n, m) twice and (steps, n, 1) twice. ``steps`` is (steps, n).
    """
    sides: list[list[Any]] = [[], []]
    taken: list[list[Any]] = [[], []]
    for row in steps:
        for side, sign in enumerate((1.0, -1.0)):
            found = [line(sign * h) for line, h in zip(lines, row, strict=True)]
            sides[side].append(np.array([y for y, _ in found]))
            taken[side].append(np.array([[abs(h)] for _, h in found]))
    return np.array(sides[0]), np.array(sides[1]), np.array(taken[0]), np.array(taken[1])


KINK = 20.0
"""A bend this many times its error bound is a kink."""


def slopes(
    start: Array, right: Array, left: Array, steps: tuple[Array, Array], noise: Array
) -> Slopes:
    """Slopes from samples (:func:`sample`); ``start`` are the values in the middle, ``noise`` the
    rounding error of one value (both (m,) or (n, m)).
    """
    h_right, h_left = steps
    h = (h_right + h_left) / 2
    moved = (right - left) / (h_right + h_left)
    jump = leap(right - start, noise) | leap(left - start, noise)
    missing_right, missing_left = (np.isnan(side[-3:]).all(axis=0) for side in (right, left))
    to_right, to_left = (right - start) / h_right, (start - left) / h_left
    (up, steep_up), (down, steep_down) = (
        boundless(to_right, right - start, noise),
        boundless(to_left, left - start, noise),
    )
    up, down = up & ~missing_right, down & ~missing_left
    infinite = up | down
    pieces = [piece(side, steps, noise) for side, steps in ((right, h_right), (-left, h_left))]
    noise = np.maximum(noise, restless(moved, h))
    rounding = noise / h
    value, error = limit(moved, rounding, CENTRAL)
    bend, bend_error = limit(to_right - to_left, 4 * rounding, BEND)
    # Of a bend smaller than the error of the slope itself nothing can be made.
    kink = np.abs(bend) > KINK * np.fmax(bend_error, error)

    one = [limit(side, 2 * rounding, ONE_SIDED) for side in (to_right, to_left)]
    (r, r_error), (l, l_error) = one
    only_right, only_left = missing_left & ~missing_right, missing_right & ~missing_left
    one_sided = only_right | only_left
    value = np.where(only_right, r, np.where(only_left, l, value))
    error = np.where(only_right, r_error, np.where(only_left, l_error, error))
    kink &= ~one_sided

    low = np.where(kink, np.fmin(r, l), value)
    high = np.where(kink, np.fmax(r, l), value)
    error = np.where(kink, np.fmax(r_error, l_error), error)
    both = np.array([p for p, _ in pieces])
    low = np.where(jump, np.fmin.reduce(both), low)
    high = np.where(jump, np.fmax.reduce(both), high)
    error = np.where(jump, np.fmax.reduce([e for _, e in pieces]), error)
    infinite &= ~jump
    steep = np.where(up, steep_up, steep_down)  # a number for its sign
    low, high = np.where(infinite, steep, low), np.where(infinite, steep, high)
    error = np.where(infinite, np.abs(steep), error)
    flags = (kink & ~jump, jump, infinite, one_sided)
    return Slopes(low, high, error, *(np.asarray(flag) for flag in flags))


def restless(quotients: Array, h: Array) -> Array:
    """The noise that the smallest steps show: there, a quotient's changes are rounding alone."""
    if len(quotients) < 16:
        return np.zeros(quotients.shape[1:])
    tail = slice(-8, None)
    change = np.abs(np.diff(quotients[tail], axis=0)) * h[tail][1:]
    return np.asarray(np.nan_to_num(np.fmax.reduce(change, axis=0), nan=0.0))


def leap(change: Array, noise: Array) -> Array:
    """Whether the change does not shrink with the step: a jump at the start."""
    if len(change) < 16:
        return np.zeros(change.shape[1:], bool)
    small, larger = np.abs(change[-1]), np.abs(change[-5])
    return np.asarray((small > 100 * noise) & (small > 0.9 * larger))


def piece(side: Array, h: Array, noise: Array) -> tuple[Array, Array]:
    """The slope just beside the start, from values beside it alone: (F(h) - F(h/2)) / (h/2)."""
    gaps = h[:-1] - h[1:]
    return limit((side[:-1] - side[1:]) / gaps, 2 * noise / gaps, ONE_SIDED)


def boundless(quotients: Array, change: Array, noise: Array) -> tuple[Array, Array]:
    """Whether the quotient still grows, as a power of the step does, at the smallest steps whose
    change can be told; and its value there.
    """
    none = np.zeros(quotients.shape[1:])
    if len(quotients) < 16:
        return none.astype(bool), none
    seen = np.abs(change) > 100 * noise
    value = np.where(seen, quotients, np.nan)
    last = np.where(seen.all(axis=0), len(seen), np.argmin(seen, axis=0)) - 1
    deep = last >= 12
    at = np.where(deep, last, 0)
    now, four, eight, twelve = (
        np.take_along_axis(value, np.maximum(at - k, 0)[None], axis=0)[0] for k in (0, 4, 8, 12)
    )
    rates = np.array([now / four, four / eight, eight / twelve])
    steady = (rates > 1.5).all(axis=0) & (rates.max(axis=0) < 2 * rates.min(axis=0))
    return np.asarray(deep & steady), np.nan_to_num(now)
