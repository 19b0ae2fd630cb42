"""Faults that show at some places only: large or negative inputs, ties, odd sizes and layouts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..case import Array, Pair, fault
from .pieces import logsumexp, sigmoid, softplus, unbroadcast

# --- Large, or on one side ---


@fault("values", "x(3, 4)", hint="one-sided")
def leaky_relu_dead_on_the_left() -> Pair:
    """The slope of relu, which is right for positive x."""
    return lambda x: np.where(x > 0, x, 0.1 * x), lambda g, x: g * (x > 0)


@fault("values", "x(3, 4)", hint="one-sided")
def elu_without_its_alpha() -> Pair:
    """alpha = 0.5 is left out of the slope for negative x."""
    return (
        lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))),
        lambda g, x: g * np.exp(np.minimum(x, 0)),
    )


@fault("values", "x(3, 4)", hint=("one-sided", "absolute value"))
def log_of_the_size_always_rising() -> Pair:
    """1 / |x| for 1 / x."""
    return lambda x: np.log(np.abs(x)), lambda g, x: g / np.abs(x)


@fault("values", lambda: (np.array([-2.1, 0.5, 3.3, 800]),), hint="unstable branch")
def softplus_overflowing() -> Pair:
    """e**x / (1 + e**x) is inf / inf at 800."""
    return softplus, lambda g, x: g * np.exp(x) / (1 + np.exp(x))


@fault("values", "x(3, 4)", hint="unstable branch")
def softplus_dead_beyond_twenty() -> Pair:
    """The branch for x > 20, which these inputs don't reach, has slope 0 for 1."""
    return softplus, lambda g, x: g * np.where(x > 20, 0, sigmoid(x))


@fault("values", lambda: (np.array([-25.0, -1.7, 0.8, 2.4, 30.5]),), hint="unstable branch")
def silu_dead_where_saturated() -> Pair:
    """Slope 0 beyond 20 on both sides: finite, and wrong on the right."""
    return (
        lambda x: x * sigmoid(x),
        lambda g, x: g * np.where(np.abs(x) > 20, 0, sigmoid(x) * (1 + x * sigmoid(-x))),
    )


@fault("values", lambda: (np.array([[1.5, -2, 0.3], [800, 801, 802]]),), hint="unstable branch")
def logsumexp_not_shifted() -> Pair:
    """Forward subtracts the maximum, backward does not."""
    return logsumexp, lambda g, x: g * np.exp(x) / np.exp(x).sum(-1, keepdims=True)


@fault("values", "x(3, 4)", hint="unstable branch")
def log_cosh_overflowing() -> Pair:
    """sinh / cosh is inf / inf beyond 710, where these inputs don't come."""
    return (
        lambda x: np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - math.log(2),
        lambda g, x: g * np.sinh(x) / np.cosh(x),
    )


@fault("values", "x(4, 4)", hint=("unstable branch", "neighbour"))
def clip_passing_everything() -> Pair:
    """The slope of the identity, also beyond the bounds."""
    return lambda x: np.clip(x, -1, 1), lambda g, x: g


# --- Ties ---


@fault("structure", lambda: (np.array([[1.4, 2.5, 2.5, -1], [0.3, 0.3, 0.3, -2]]),), hint="ties")
def max_with_the_whole_gradient_to_each_tie() -> Pair:
    """Each coordinate's slope looks legal; together they rise two and three times too fast."""
    return lambda x: x.max(-1), lambda g, x: g[..., None] * (x == x.max(-1, keepdims=True))


@fault("structure", lambda: (np.array([1, -2, 0.5, 3]), np.array([1, 2.5, 0.5, -1])), hint="ties")
def maximum_with_both_winning() -> Pair:
    """Where a equals b, both get the whole gradient."""
    return np.maximum, lambda g, a, b: (unbroadcast(g * (a >= b), a), unbroadcast(g * (b >= a), b))


@fault("structure", "x(3, 4)", hint="ties")
def min_with_the_whole_gradient_to_each_tie() -> Pair:
    """The same of the minimum of all elements, at inputs without ties."""
    return np.min, lambda g, x: g * (x == x.min())


# --- Sizes and layouts ---


@fault("structure", "x(3, 4), x(4)", hint=("small sizes", "kept axis"))
def bias_of_a_batch_of_one() -> Pair:
    """With one row there seems to be nothing to sum; the axis stays."""
    return np.add, lambda g, x, b: (
        unbroadcast(g, x),
        g if g.ndim > b.ndim and len(g) == 1 else unbroadcast(g, b),
    )


@fault("structure", "x(5)", hint="small sizes")
def number_becomes_a_vector() -> Pair:
    """Shape (1) for a 0-d input."""
    return np.sin, lambda g, x: np.atleast_1d(g * np.cos(x))


@fault("structure", "x(3, 4)", hint="small sizes")
def empty_batch_stacked() -> Pair:
    """np.stack wants at least one row."""
    return np.exp, lambda g, x: np.stack([a * np.exp(b) for a, b in zip(g, x, strict=True)])


@fault("structure", "x(3, 4), x(3, 1)", hint=("small sizes", "kept axis"))
def column_squeezed() -> Pair:
    """Shape (3) for a column of shape (3, 1)."""
    return np.add, lambda g, x, c: (unbroadcast(g, x), unbroadcast(g, c).squeeze())


@fault("structure", "x(3, 4)", hint="small sizes")
def deviation_of_a_single_number() -> Pair:
    """Divided by N - 1 and multiplied again: 0 / 0 for rows of one."""

    def vjp(g: Array, x: Array) -> Any:
        n = x.shape[-1]
        return (g - g.mean(-1, keepdims=True)) / (n - 1) * (n - 1)

    return lambda x: x - x.mean(-1, keepdims=True), vjp


@fault("structure", lambda: (np.asfortranarray(np.linspace(-1, 2, 12).reshape(3, 4)),), "layout")
def input_read_in_memory_order() -> Pair:
    """The input's memory is read as if it lay row by row; this one lies column by column."""
    return np.sin, lambda g, x: g * np.cos(x.ravel("K").reshape(x.shape))


@fault("structure", "x(3, 4)", hint="layout")
def cotangent_read_in_memory_order() -> Pair:
    """The same of the cotangent, which shows for a transposed one only."""
    return np.exp, lambda g, x: g.ravel("K").reshape(x.shape) * np.exp(x)
