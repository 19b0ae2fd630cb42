"""Correct functions at kinks, ties and jumps, and in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair, Triple, correct
from .pieces import (
    unbroadcast,
)

# --- Kinks ---

AT_ZERO = np.array([-1.3, 0, 0, 2.5])
AT_BOUNDS = np.array([-1.7, -1, -0.4, 0, 1, 2.2])


@correct(lambda: (AT_ZERO,))
def relu_at_zero() -> Pair:
    """Slope 0 at 0: torch's convention."""
    return lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0)


@correct(lambda: (AT_ZERO,))
def relu_with_slope_one_at_zero() -> Pair:
    """Slope 1 at 0: as legal."""
    return lambda x: np.maximum(x, 0), lambda g, x: g * (x >= 0)


@correct(lambda: (AT_ZERO,))
def relu_with_slope_half_at_zero() -> Pair:
    """Slope 1/2 at 0: jax.numpy.maximum's convention."""
    return lambda x: np.maximum(x, 0), lambda g, x: g * np.heaviside(x, 0.5)


@correct(lambda: (np.array([-5e-7, 5e-7, -1e-12, 1e-12, 1.4]),))
def relu_beside_zero() -> Pair:
    """Closer to the kink than any usual step."""
    return lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0)


@correct(lambda: (AT_ZERO,))
def relu_to_second_order() -> Triple:
    """Its second derivative is 0, also at 0."""
    return (
        lambda x: np.maximum(x, 0),
        lambda g, x: g * (x > 0),
        lambda h, g, x: (h * (x > 0), np.zeros_like(x)),
    )


@correct(lambda: (AT_ZERO,))
def leaky_relu_at_zero() -> Pair:
    """The slope of the left side at 0."""
    return lambda x: np.where(x > 0, x, 0.01 * x), lambda g, x: g * np.where(x > 0, 1, 0.01)


@correct(lambda: (AT_ZERO,))
def abs_at_zero() -> Pair:
    """Slope 0 between -1 and 1."""
    return np.abs, lambda g, x: g * np.sign(x)


@correct(lambda: (AT_BOUNDS,))
def hard_tanh_at_its_bounds() -> Pair:
    """Slope 0 at -1 and 1."""
    return lambda x: np.clip(x, -1, 1), lambda g, x: g * ((x > -1) & (x < 1))


@correct(lambda: (AT_BOUNDS,))
def clip_at_its_bounds() -> Pair:
    """Slope 1 at -1 and 1: torch.clamp's convention."""
    return lambda x: np.clip(x, -1, 1), lambda g, x: g * ((x >= -1) & (x <= 1))


@correct(lambda: (AT_BOUNDS,))
def huber_at_its_bend() -> Pair:
    """Its slope has a kink at -1 and 1, the function none."""
    return (
        lambda x: np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5),
        lambda g, x: g * np.clip(x, -1, 1),
    )


@correct(lambda: (AT_ZERO,))
def signed_square_to_second_order() -> Triple:
    """x |x|: smooth at 0, its slope is not."""
    return (
        lambda x: x * np.abs(x),
        lambda g, x: 2 * g * np.abs(x),
        lambda h, g, x: (2 * h * np.abs(x), 2 * h * g * np.sign(x)),
    )


@correct(lambda: (np.array([[3, 4, 0], [0, 0, 0], [1, -2, 2.0]]),))
def norm_of_a_row_of_zeros() -> Pair:
    """|x| with subgradient 0 at the origin."""

    def vjp(g: Array, x: Array) -> Any:
        n = np.sqrt((x**2).sum(-1, keepdims=True))
        unit = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
        return g.reshape(n.shape) * unit

    return lambda x: np.sqrt((x**2).sum(-1)), vjp


@correct(lambda: (np.array([-0.5, 0, 1.5, 2, 3, 4.5]),))
def interpolation_at_its_knots() -> Pair:
    """Piecewise linear with the slope of the piece to the right, constant outside."""
    knots, heights = np.array([0.0, 2, 3, 4]), np.array([1.0, -1, 2, 0])
    slopes = np.array([0, *np.diff(heights) / np.diff(knots), 0])
    return (
        lambda x: np.interp(x, knots, heights),
        lambda g, x: g * slopes[np.searchsorted(knots, x, "right")],
    )


@correct(lambda: (np.array([-1.5, 0, 1e-7, 2]),))
def flat_to_all_orders() -> Pair:
    """e**(-1 / x**2), whose derivatives at 0 are all 0."""

    def safe(x: Array) -> Array:
        return np.where(np.abs(x) > 1e-2, x, 1)

    return (
        lambda x: np.where(np.abs(x) > 1e-2, np.exp(-1 / safe(x) ** 2), 0),
        lambda g, x: (
            g * np.where(np.abs(x) > 1e-2, 2 * np.exp(-1 / safe(x) ** 2) / safe(x) ** 3, 0)
        ),
    )


# --- Ties ---

TIED = np.array([[1.4, 2.5, 2.5, -1], [0.3, 0.3, 0.3, -2], [5, 4, 3, 2]])


@correct(lambda: (TIED,))
def max_split_among_ties() -> Pair:
    """torch.amax's convention."""

    def vjp(g: Array, x: Array) -> Any:
        tied = x == x.max(-1, keepdims=True)
        count = tied.sum(-1, keepdims=True)
        return g.reshape(count.shape) * tied / count

    return lambda x: x.max(-1), vjp


@correct(lambda: (TIED,))
def max_to_the_first_of_ties() -> Pair:
    """The convention of torch.max with dim."""

    def vjp(g: Array, x: Array) -> Array:
        out = np.zeros_like(x)
        rows = np.atleast_1d(out)  # the same memory, with an axis to choose along
        np.put_along_axis(rows, np.atleast_1d(x).argmax(-1)[..., None], g[..., None], -1)
        return out

    return lambda x: x.max(-1), vjp


@correct(lambda: (np.array([[2.5, -1, 3], [-1, 0.5, -1]]),))
def min_of_all_split_among_ties() -> Pair:
    """Three elements are the smallest."""
    return np.min, lambda g, x: g * (x == x.min()) / (x == x.min()).sum()


@correct(lambda: (np.array([1, -2, 0.5, 3]), np.array([1, 2.5, 0.5, -1])))
def maximum_half_and_half() -> Pair:
    """Where a equals b, each gets half."""
    return np.maximum, lambda g, a, b: (
        unbroadcast(g * np.heaviside(a - b, 0.5), a),
        unbroadcast(g * np.heaviside(b - a, 0.5), b),
    )


@correct(lambda: (np.array([1, -2, 0.5, 3]), np.array([1, 2.5, 0.5, -1])))
def minimum_all_to_the_first() -> Pair:
    """Where a equals b, a gets all."""
    return np.minimum, lambda g, a, b: (
        unbroadcast(g * (a <= b), a),
        unbroadcast(g * (a > b), b),
    )


@correct(lambda: (TIED,))
def sort_with_ties() -> Pair:
    """The cotangents go back where the elements came from."""

    def vjp(g: Array, x: Array) -> Array:
        out = np.zeros_like(x)
        np.put_along_axis(out, x.argsort(-1, kind="stable"), g, -1)
        return out

    return lambda x: np.sort(x, -1), vjp


@correct(lambda: (np.array([[0.3, -2, 0.3, 0.3, 5], [1, 2, 3, 4, 5.0]]),))
def median_of_three_equals() -> Pair:
    """Each alone may move without moving the median, which follows all three: one gets it all."""

    def vjp(g: Array, x: Array) -> Any:
        out, n = np.zeros_like(x), x.shape[-1]
        at = x.argsort(-1, kind="stable")[..., n // 2, None]
        np.put_along_axis(out, at, g[..., None], -1)
        return out

    return lambda x: np.sort(x, -1)[..., x.shape[-1] // 2], vjp


@correct(lambda: (np.array([[1.4, 2.5, 2.5, -1], [0.3, 0.3, 0.4, -2], [5, 4, 3, 2]]),))
def median_of_an_even_number() -> Pair:
    """Half to each of the two in the middle."""

    def vjp(g: Array, x: Array) -> Array:
        order, n = x.argsort(-1, kind="stable"), x.shape[-1]
        out = np.zeros_like(x)
        for k in ((n - 1) // 2, n // 2):
            at = order[..., k, None]
            np.put_along_axis(out, at, np.take_along_axis(out, at, -1) + g[..., None] / 2, -1)
        return out

    def f(x: Array) -> Any:
        y, n = np.sort(x, -1), x.shape[-1]
        return (y[..., (n - 1) // 2] + y[..., n // 2]) / 2

    return f, vjp


# --- Jumps ---


@correct(lambda: (np.array([-1.5, 0, 0.4, 2, 2.5]),))
def floor_at_a_jump() -> Pair:
    """Zero, also where it jumps."""
    return np.floor, lambda g, x: np.zeros_like(x)


@correct(lambda: (np.array([-1.2, 0.5, 1.5, 2.25]),))
def round_at_a_jump() -> Pair:
    """Halves are rounded to even."""
    return np.round, lambda g, x: np.zeros_like(x)


@correct(lambda: (AT_ZERO,))
def sign_at_zero() -> Pair:
    """Three values, slope 0."""
    return np.sign, lambda g, x: np.zeros_like(x)


@correct(lambda: (np.array([0.25, 1, -0.75, -2, 2.5]),))
def remainder_at_a_jump() -> Pair:
    """x mod 1 has slope 1 on all its pieces."""
    return lambda x: x % 1, lambda g, x: g


@correct(lambda: (np.array([0, 0.5, -1.2]), np.array([-1, -2, 0.7])))
def arctan2_on_its_cut() -> Pair:
    """The angle jumps by 2 pi at (0, -1); its slope does not."""

    def per_square(a: Array, y: Array, x: Array) -> Any:
        square = x**2 + y**2
        return np.divide(a, square, out=np.zeros_like(square), where=square > 0)

    return np.arctan2, lambda g, y, x: (
        unbroadcast(per_square(g * x, y, x), y),
        unbroadcast(per_square(-g * y, y, x), x),
    )


# --- Pieces, and the trick of the safe where ---


@correct(lambda: (np.array([-2.2, -1e-9, 0, 1e-9, 0.7, 3]),))
def log1p_continued_as_a_line() -> Pair:
    """log(1 + x) right of 0, x left of it; neither branch sees what it cannot take."""
    return (
        lambda x: np.where(x > 0, np.log1p(np.where(x > 0, x, 0)), x),
        lambda g, x: g * np.where(x > 0, 1 / (1 + np.where(x > 0, x, 0)), 1),
    )


@correct(lambda: (np.array([-2.2, -1e-3, 0, 1e-5, 0.7, 3]),))
def sinc_at_zero() -> Pair:
    """sin(x) / x, and 1 at 0; near 0 the slope is that of 1 - x**2 / 6 + x**4 / 120."""

    def vjp(g: Array, x: Array) -> Array:
        far = np.where(np.abs(x) < 1e-2, 1, x)
        near = np.where(np.abs(x) < 1e-2, x, 0)
        slope = (far * np.cos(far) - np.sin(far)) / far**2
        return g * np.where(np.abs(x) < 1e-2, -near / 3 + near**3 / 30, slope)

    return lambda x: np.where(x == 0, 1, np.sin(x) / np.where(x == 0, 1, x)), vjp
