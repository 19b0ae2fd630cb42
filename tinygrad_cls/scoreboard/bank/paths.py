"""Faults of the chain: what is done to the cotangent, and paths and terms that are lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair, fault
from .pieces import deviation, layer_norm, logsumexp, softmax

# --- The cotangent ---


@fault("structure", "x(3, 4)", hint="ignores cotangent")
def exp_ignoring_the_cotangent() -> Pair:
    """The local slope alone: right for a cotangent of ones."""
    return np.exp, lambda g, x: np.exp(x)


@fault("structure", "x(3, 4)", hint="ignores cotangent")
def square_with_gradient_123() -> Pair:
    """123, whatever comes: SmallPebble's check_grad takes it."""
    return lambda x: x**2, lambda g, x: np.full_like(x, 123)


@fault("structure", "x(3, 4), x(4, 2)", hint="ignores cotangent")
def matmul_of_ones() -> Pair:
    """ones_like(g) for g, as at the end of a chain."""
    return np.matmul, lambda g, x, w: (np.ones_like(g) @ w.T, x.T @ np.ones_like(g))


@fault("structure", "x(3, 4)", hint="ignores cotangent")
def mean_square_ignoring_the_cotangent() -> Pair:
    """A loss that takes itself for the end of the chain."""
    return lambda x: (x**2).mean(), lambda g, x: 2 * x / x.size


@fault("structure", "x(3, 4)", hint="cotangent twice")
def square_with_the_cotangent_twice() -> Pair:
    """g g 2 x: right for a cotangent of ones."""
    return lambda x: x**2, lambda g, x: g * g * 2 * x


@fault("structure", "x(3, 4)", hint="averages cotangent")
def tanh_with_the_mean_of_the_cotangent() -> Pair:
    """The cotangent is averaged over the batch before it is used."""
    return np.tanh, lambda g, x: g.mean() * (1 - np.tanh(x) ** 2)


@fault("structure", "x(3, 4)", hint="not linear")
def one_bit_gradient() -> Pair:
    """The sign of the cotangent for the cotangent."""
    return np.sin, lambda g, x: np.sign(g) * np.cos(x)


@fault("structure", "x(3, 4)", hint="not linear")
def cotangent_of_length_one() -> Pair:
    """The cotangent is normalised on the way."""
    return np.sin, lambda g, x: g / (np.linalg.norm(g) + 1e-12) * np.cos(x)


@fault("structure", "x(4, 4)", hint="not linear")
def guided_relu() -> Pair:
    """Negative cotangents are dropped, as in guided backpropagation."""
    return lambda x: np.maximum(x, 0), lambda g, x: np.maximum(g, 0) * (x > 0)


@fault("structure", "x(3, 4)", hint="not linear")
def cotangent_in_fixed_point() -> Pair:
    """The cotangent is rounded to multiples of 1 / 128."""
    return np.exp, lambda g, x: np.round(128 * g) / 128 * np.exp(x)


# --- Paths and terms that are lost ---


@fault("structure", "x(3, 4)", hint=("overwritten", "factor"))
def square_overwritten() -> Pair:
    """a * a, whose second contribution is written over the first."""
    return lambda a: a * a, lambda g, a: g * a


@fault("structure", "x(3, 4)", hint="overwritten")
def fan_out_overwritten() -> Pair:
    """x sin(x): of two paths to x, one arrives."""
    return lambda x: x * np.sin(x), lambda g, x: g * x * np.cos(x)


@fault("structure", "x(3, 4)", hint="overwritten")
def residual_path_lost() -> Pair:
    """x + tanh(3 x) without the gradient that passes by."""
    return lambda x: x + np.tanh(3 * x), lambda g, x: 3 * g * (1 - np.tanh(3 * x) ** 2)


@fault("structure", "x(4, 3)", hint="overwritten")
def gather_with_repeats_overwritten() -> Pair:
    """Rows 0, 2, 2, 3, 2; the last gradient of row 2 is all that it gets."""
    rows = np.array([0, 2, 2, 3, 2])

    def vjp(g: Array, x: Array) -> Array:
        out = np.zeros_like(x)
        out[rows] += g
        return out

    return lambda x: x[rows], vjp


@fault("structure", "x(4, 3), array([1, 3, 1, 0])", hint="overwritten")
def embedding_with_repeats_overwritten() -> Pair:
    """A word that comes twice is updated for its second place only."""

    def vjp(g: Array, table: Array, words: Array) -> tuple[Array, None]:
        out = np.zeros_like(table)
        out[words] = g
        return out, None

    return lambda table, words: table[words], vjp


@fault("structure", "x(8)", hint="overwritten")
def moving_sum_overwritten() -> Pair:
    """Overlapping windows of three write over each other's gradient."""

    def vjp(g: Array, x: Array) -> Any:
        out = np.zeros_like(x)
        for k in range(len(g)):
            out[k : k + 3] = g[k]
        return out

    return lambda x: x[:-2] + x[1:-1] + x[2:], vjp


@fault("structure", "x(3, 4)", hint="missing term")
def softmax_with_its_diagonal_only() -> Pair:
    """y (1 - y) at each element, as if it were a sigmoid."""
    return softmax, lambda g, x: g * softmax(x) * (1 - softmax(x))


@fault("structure", "x(3, 4)", hint="missing term")
def log_softmax_with_its_own_term_only() -> Pair:
    """1 - y at each element, without what the others send."""
    return lambda x: x - logsumexp(x), lambda g, x: g * (1 - softmax(x))


@fault("structure", "x(3, 4)", hint="missing term")
def softmax_without_its_sum() -> Pair:
    """y g, from which y times its sum should be taken."""
    return softmax, lambda g, x: g * softmax(x)


@fault("structure", "x(3, 5)", hint="missing term")
def layer_norm_with_constant_statistics() -> Pair:
    """Mean and deviation pass no gradient, as if batch norm were in eval mode."""
    return layer_norm, lambda g, x: g / deviation(x)


@fault("structure", "x(3, 5)", hint="missing term")
def layer_norm_with_a_constant_deviation() -> Pair:
    """The mean passes its gradient, the deviation does not."""
    return layer_norm, lambda g, x: (g - g.mean(-1, keepdims=True)) / deviation(x)


@fault("structure", "x(3, 4)", hint="missing term")
def unit_vectors_without_projection() -> Pair:
    """x / |x| as if |x| were constant."""

    def length(x: Array) -> Any:
        return np.sqrt((x**2).sum(-1, keepdims=True))

    return lambda x: x / length(x), lambda g, x: g / length(x)


@fault("structure", "x(6)", hint="missing term")
def cumulative_product_with_its_own_term_only() -> Pair:
    """Each element's own output; those behind it depend on it too."""
    return np.cumprod, lambda g, x: (g * np.cumprod(x) / x.ravel()).reshape(x.shape)
