"""Derivatives from values alone: central differences, extrapolated, with their own error bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .calls import REACH, Array

EPS = float(np.finfo(np.float64).eps)


def slope(f: Callable[[float], Any], noise: float) -> tuple[Any, Any]:
    """f'(0) and a bound of its error; ``noise`` is the rounding error of one value of ``f``.

    Central differences with steps h, h/2, h/4 are off by a series in h**2, two terms of which
    extrapolation takes out (Richardson). The bound is what the second extrapolation still changed
    (the rest is smaller by a factor of about h**2), and the rounding of the smallest step: two
    values of error ``noise`` divided by 2 h/4, which the extrapolation doubles at most.
    """
    steps = REACH / np.array([1, 2, 4])
    d = [(f(h) - f(-h)) / (2 * h) for h in steps]
    once = [(4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3]
    twice = (16 * once[1] - once[0]) / 15
    return twice, np.abs(twice - once[1]) + 2 * noise / steps[-1]


def gradient(
    f: Callable[[Sequence[Array]], float], at: Sequence[Array], i: int, noise: float
) -> tuple[Array, Array]:
    """The gradient of the number ``f(arrays)`` with respect to array ``i``, and its error bound."""
    found, bound = np.empty_like(at[i]), np.empty_like(at[i])
    for place in np.ndindex(at[i].shape):

        def moved(t: float, place: Any = place) -> float:
            arrays = list(at)
            arrays[i] = at[i].copy()
            arrays[i][place] += t
            return f(arrays)

        found[place], bound[place] = slope(moved, noise)
    return found, bound


def agree(derivative: Array, expected: Array, bound: Array, what: str) -> None:
    """The derivative is what the differences say, to the bound of their error."""
    assert derivative.shape == expected.shape, what
    off = np.abs(derivative - expected)
    wrong = ~(off <= bound)
    assert not wrong.any(), (
        f"{what}: {derivative[wrong]} but the differences say {expected[wrong]} "
        f"(+- {bound[wrong]}), at {np.argwhere(wrong).tolist()}"
    )
