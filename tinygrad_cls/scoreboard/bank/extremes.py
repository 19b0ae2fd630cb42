"""Correct functions at the ends of the number line: tiny, huge, stiff, saturated, noisy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair, correct
from .pieces import (
    layer_norm,
    layer_norm_vjp,
    logsumexp,
    matrix_product,
    sigmoid,
    softmax,
    softmax_vjp,
    softplus,
    unbroadcast,
)

# --- Scales ---


@correct(lambda: (np.array([1e-9, 4e-9, 1, 2.5]),))
def sqrt_near_zero() -> Pair:
    """A step of 1e-6 leaves the domain."""
    return np.sqrt, lambda g, x: g / (2 * np.sqrt(x))


@correct(lambda: (np.array([0.0, 1, 4]),))
def sqrt_at_zero() -> Pair:
    """The slope is infinite."""
    return np.sqrt, lambda g, x: g / (2 * np.sqrt(x))


@correct(lambda: (np.array([0, 1e-12, 2.0]),))
def power_three_halves_at_zero() -> Pair:
    """Slope 0 at the edge of the domain, and a second slope without bound."""
    return lambda x: x**1.5, lambda g, x: g * 1.5 * np.sqrt(x)


@correct(lambda: (np.array([-8, 0, 1e-12, 27.0]),))
def cube_root_at_zero() -> Pair:
    """The slope is infinite on both sides."""
    return np.cbrt, lambda g, x: g / (3 * np.cbrt(x) ** 2)


@correct(lambda: (np.array([1e-300, 1e-9, 1, 1e300]),))
def log_over_the_whole_range() -> Pair:
    """Slopes from 1e300 to 1e-300."""
    return np.log, lambda g, x: g / x


@correct(lambda: (np.array([1e9, -3e8, 123456789.5]),))
def sin_of_a_billion() -> Pair:
    """Neighbouring numbers are 1e-7 apart."""
    return np.sin, lambda g, x: g * np.cos(x)


@correct(lambda: (np.array([700, -700, 0.5]),))
def exp_of_seven_hundred() -> Pair:
    """1e304, four digits below overflow."""
    return np.exp, lambda g, x: g * np.exp(x)


@correct("x(5)")
def outputs_of_1e_minus_200() -> Pair:
    """Below any absolute tolerance."""
    return lambda x: 1e-200 * np.sin(x), lambda g, x: g * 1e-200 * np.cos(x)


@correct("x(5)")
def gradients_of_1e_minus_30() -> Pair:
    """Below the rounding of an output of 1."""
    return lambda x: 1 + 1e-30 * x**2, lambda g, x: g * 2e-30 * x


@correct("x(5)")
def outputs_of_1e200() -> Pair:
    """Their squares overflow."""
    return lambda x: 1e200 * np.tanh(x), lambda g, x: g * 1e200 * (1 - np.tanh(x) ** 2)


@correct(lambda: (np.array([1e-8, 1, -3, 1e8]),))
def square_of_mixed_scales() -> Pair:
    """One step does not fit all coordinates."""
    return lambda x: x**2, lambda g, x: 2 * g * x


@correct(lambda: (np.array([1e-8, 1, -3, 1e8]),))
def sum_of_squares_of_mixed_scales() -> Pair:
    """The small ones' share is below the rounding of the sum."""
    return lambda x: (x**2).sum(), lambda g, x: 2 * g * x


@correct(lambda: (1e8 + np.array([0.1, -0.7, 1.3, 0.4, -1.1]),))
def variance_around_1e8() -> Pair:
    """The mean is 1e8 times the deviation."""
    return np.var, lambda g, x: 2 * g * (x - x.mean()) / x.size


@correct(lambda: (np.full((2, 4), 1000.0),))
def logsumexp_of_large_equals() -> Pair:
    """1000 + log 4."""
    return logsumexp, lambda g, x: g * softmax(x)


# --- Stiff, saturated, oscillating ---


@correct(lambda: (np.array([0, 1e-6, 3e-6, 2e-5]),))
def decay_within_a_millionth() -> Pair:
    """e**(-1e6 x)."""
    return lambda x: np.exp(-1e6 * x), lambda g, x: g * -1e6 * np.exp(-1e6 * x)


@correct(lambda: (np.array([0, 1e-9, -2e-8, 0.5]),))
def tanh_almost_a_step() -> Pair:
    """tanh(1e8 x)."""
    return lambda x: np.tanh(1e8 * x), lambda g, x: g * 1e8 * (1 - np.tanh(1e8 * x) ** 2)


@correct(lambda: (np.array([-800, -40, -20, 0.3, 20, 40, 800]),))
def sigmoid_saturated() -> Pair:
    """s (1 - s), which rounds to 0 from 40 on."""
    return sigmoid, lambda g, x: g * sigmoid(x) * (1 - sigmoid(x))


@correct(lambda: (np.array([-25, -20, 0.3, 8, 20]),))
def tanh_saturated() -> Pair:
    """1 - y**2, which has no digits left from 20 on."""
    return np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)


@correct(lambda: (np.array([[800, -800, 0], [-800, -800, -800], [1, 2, 3.0]]),))
def softmax_saturated() -> Pair:
    """Zeros and a one to the last bit."""
    return softmax, softmax_vjp


@correct(lambda: (np.array([-800, -37, 0.4, 37, 800]),))
def softplus_saturated() -> Pair:
    """0 on one side, x on the other."""
    return softplus, lambda g, x: g * sigmoid(x)


@correct("x(6)")
def oscillation() -> Pair:
    """sin(1e4 x): a period of 6e-4."""
    return lambda x: np.sin(1e4 * x), lambda g, x: g * 1e4 * np.cos(1e4 * x)


@correct("x(3)")
def chain_of_a_thousand() -> Pair:
    """x + sin(x) / 1000, a thousand times over."""

    def f(x: Array) -> Array:
        for _ in range(1000):
            x = x + np.sin(x) / 1000
        return x

    def vjp(g: Array, x: Array) -> Array:
        for _ in range(1000):
            g = g * (1 + np.cos(x) / 1000)
            x = x + np.sin(x) / 1000
        return g

    return f, vjp


# --- Rounding ---


@correct(lambda: (np.array([200, -150, 3], np.float32),))
def square_in_float32() -> Pair:
    """A step of 1e-6 is no step at 200."""
    return lambda x: x**2, lambda g, x: 2 * g * x


def single(seed: int, *shape: int) -> Array:
    """Normal numbers in float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@correct(lambda: (3 * single(0, 4, 6),))
def softmax_in_float32() -> Pair:
    """Six classes."""
    return softmax, softmax_vjp


@correct(lambda: (20 * single(1, 3, 5),))
def logsumexp_in_float32() -> Pair:
    """Logits of 20."""
    return logsumexp, lambda g, x: g * softmax(x)


@correct(lambda: (single(2, 4, 8),))
def layer_norm_in_float32() -> Pair:
    """Rows of eight."""
    return layer_norm, layer_norm_vjp


@correct(lambda: (single(3, 6, 20), single(4, 20, 3)))
def matmul_in_float32() -> Pair:
    """Sums of twenty."""
    return matrix_product, lambda g, x, w: (g @ w.T, x.T @ g)


@correct(lambda: (8 * single(5, 10), np.arange(10) % 2))
def bce_in_float32() -> Pair:
    """The mean over ten logits and labels."""

    def f(x: Array, t: Array) -> Any:
        return (softplus(x) - t.astype(x.dtype) * x).mean()

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        slope = g * (sigmoid(x) - t.astype(x.dtype))
        return unbroadcast(slope / slope.dtype.type(slope.size), x), None

    return f, vjp


@correct(lambda: (single(6, 50),))
def float64_inside_of_float32() -> Pair:
    """A mean of cubes that is summed in float64."""
    return (
        lambda x: (x.astype(np.float64) ** 3).mean().astype(x.dtype),
        lambda g, x: (3 * g * x.astype(np.float64) ** 2 / x.size).astype(x.dtype),
    )


# --- Noise and cancellation ---


@correct("x(20)")
def sum_in_float32_of_float64() -> Pair:
    """The output has seven digits, the gradient sixteen."""
    return (
        lambda x: np.exp(x).astype(np.float32).sum().astype(np.float64),
        lambda g, x: g * np.exp(x),
    )


@correct("x(4)")
def root_to_eight_digits() -> Pair:
    """y**3 + y = x, bisected until y is known to 1e-8; the slope by the implicit function."""

    def f(x: Array) -> Array:
        low, high = -np.abs(x), np.abs(x)
        for _ in range(1100):  # from the largest number down
            wide = high - low > 1e-8
            if not wide.any():
                break
            y = (low + high) / 2
            below = y**3 + y < x
            low, high = np.where(wide & below, y, low), np.where(wide & ~below, y, high)
        return (low + high) / 2

    return f, lambda g, x: g / (3 * f(x) ** 2 + 1)


@correct(lambda: (np.array([0.3, 0.99, 1, 1.01, 2]),))
def seventh_power_multiplied_out() -> Pair:
    """(x - 1)**7 by its eight terms: near 1 they cancel to the last digit."""
    terms = np.array([1, -7, 21, -35, 35, -21, 7, -1.0])
    return lambda x: np.polyval(terms, x), lambda g, x: 7 * g * (x - 1) ** 6


HILBERT = 1 / (np.arange(5)[:, None] + np.arange(5) + 1.0)


@correct(lambda: (HILBERT, np.array([1, -2, 3, -1, 0.5])))
def solve_with_hilberts_matrix() -> Pair:
    """A condition number of 5e5."""

    def vjp(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        to_b = np.linalg.solve(a.T, g)
        return -np.outer(to_b, np.linalg.solve(a, b)), to_b

    return np.linalg.solve, vjp


@correct("x(3, 3)")
def inverse() -> Pair:
    """-y.T g y.T."""

    def vjp(g: Array, a: Array) -> Array:
        y = np.linalg.inv(a)
        return -y.T @ g @ y.T

    return np.linalg.inv, vjp


@correct("x(3, 3)")
def log_determinant() -> Pair:
    """log |det a|."""
    return lambda a: np.linalg.slogdet(a)[1], lambda g, a: g * np.linalg.inv(a).T


@correct(lambda: (np.array([[1.5, 0, -2], [0.7, 1.9, -1.1], [0, 0, 1.6]]),))
def product_with_zeros() -> Pair:
    """Each gradient is the product of the others, zeros and all."""

    def vjp(g: Array, x: Array) -> Array:
        rows = np.atleast_1d(x)
        others = [np.delete(rows, i, -1).prod(-1) for i in range(rows.shape[-1])]
        return np.array([g * other for other in others]).T.reshape(x.shape)

    return lambda x: x.prod(-1), vjp


@correct("x(3, 5)")
def cumulative_sum() -> Pair:
    """Summed from the other end."""

    def vjp(g: Array, x: Array) -> Array:
        return np.cumsum(g[..., ::-1], -1)[..., ::-1].reshape(x.shape)

    return lambda x: np.cumsum(x, -1), vjp


@correct("x(2, 8)")
def real_part_of_fourier() -> Pair:
    """A symmetric linear map: it is its own adjoint."""
    return lambda x: np.fft.fft(x).real, lambda g, x: np.fft.fft(g).real


@correct("x(8), x(3)")
def convolution() -> Pair:
    """Every overlap of a signal and a kernel; backward correlates."""
    return np.convolve, lambda g, x, w: (
        np.correlate(g, w.ravel(), "valid").reshape(x.shape),
        np.correlate(g, x.ravel(), "valid").reshape(w.shape),
    )
