"""Faults of the numbers: a wrong formula, at all elements or at some."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..case import Array, Pair, fault
from .pieces import sigmoid, softmax, softplus, unbroadcast

# --- Signs, factors and constants ---


@fault("values", "x(3, 4)", hint="sign")
def exp_with_flipped_sign() -> Pair:
    """exp' with the wrong sign."""
    return np.exp, lambda g, x: -g * np.exp(x)


@fault("values", "x(5)", hint="sign")
def cos_without_its_minus() -> Pair:
    """cos' is -sin."""
    return np.cos, lambda g, x: g * np.sin(x)


@fault("values", "x(3, 4), x(4)", hint="sign")
def difference_with_two_pluses() -> Pair:
    """a - b gives b the gradient of a + b."""
    return np.subtract, lambda g, a, b: (unbroadcast(g, a), unbroadcast(g, b))


@fault("values", "x(3, 4)", hint="factor", says="1.001")
def tanh_too_steep_by_a_thousandth() -> Pair:
    """tanh' times 1.001: what torch's default rtol lets through."""
    return np.tanh, lambda g, x: 1.001 * g * (1 - np.tanh(x) ** 2)


@fault("values", "x(3, 4)", hint="factor", says="1.000001")
def sin_too_steep_by_a_millionth() -> Pair:
    """sin' times 1 + 1e-6."""
    return np.sin, lambda g, x: (1 + 1e-6) * g * np.cos(x)


@fault("values", "x(3, 4)", hint="factor")
def sigmoid_too_steep_by_four_ten_millionths() -> Pair:
    """The slope times 1 + 4e-7, below the tolerance of HIPS autograd's check_grads."""
    return sigmoid, lambda g, x: (1 + 4e-7) * g * sigmoid(x) * sigmoid(-x)


@fault("values", "x(2, 5)", hint="factor", says="2")
def softsign_doubled() -> Pair:
    """Twice the slope of x / (1 + |x|)."""
    return lambda x: x / (1 + np.abs(x)), lambda g, x: 2 * g / (1 + np.abs(x)) ** 2


@fault("values", "x(3, 4)", hint="factor", says="1/2")
def square_without_its_two() -> Pair:
    """(x**2)' is 2 x."""
    return lambda x: x**2, lambda g, x: g * x


@fault("values", "positive(6)", hint=("factor", "neighbour"))
def log2_with_the_slope_of_log() -> Pair:
    """log2' lacks its 1 / log(2)."""
    return np.log2, lambda g, x: g / x


@fault("values", "x(3, 4)", hint=("factor", "mean and sum"))
def mean_without_its_count() -> Pair:
    """The mean of rows, with the gradient of their sum."""
    return lambda x: x.mean(-1), lambda g, x: np.broadcast_to(g[..., None], x.shape)


@fault("values", "x(3, 4)", hint="factor")
def variance_divided_by_one_less() -> Pair:
    """The variance over N elements, its gradient over N - 1."""
    return np.var, lambda g, x: 2 * g * (x - x.mean()) / (x.size - 1)


@fault("values", "positive(3, 4)", hint="constant added")
def sqrt_with_eps_in_its_gradient() -> Pair:
    """1e-8 against a division by zero, added in the wrong place."""
    return np.sqrt, lambda g, x: g / (2 * np.sqrt(x)) + 1e-8


@fault("values", "x(3, 4)", hint="constant added")
def cube_with_a_constant_added() -> Pair:
    """A thousandth on every gradient."""
    return lambda x: x**3, lambda g, x: 3 * g * x**2 + 1e-3


# --- A few entries ---


def scaled(d: Array, entry: int, factor: float) -> Array:
    """The same with one entry, counted in C order, multiplied."""
    return np.asarray(d * np.where(np.arange(d.size).reshape(d.shape) == entry, factor, 1))


@fault("values", "x(500)", hint="entries", says="137")
def one_of_500_entries_off_by_two_percent() -> Pair:
    """Element 137 of the cube's gradient is 2 % too large."""
    return lambda x: x**3, lambda g, x: scaled(3 * g * x**2, 137, 1.02)


@fault("values", "x(500)", hint="entries", says="321")
def one_of_500_entries_zeroed() -> Pair:
    """Element 321 of the sigmoid's gradient is lost."""
    return sigmoid, lambda g, x: scaled(g * sigmoid(x) * sigmoid(-x), 321, 0)


@fault("values", "x(10, 4)", hint="entries")
def two_rows_exchanged() -> Pair:
    """Rows 3 and 4 of a batch of ten are exchanged."""
    order = [0, 1, 2, 4, 3, 5, 6, 7, 8, 9]
    return np.sin, lambda g, x: (g * np.cos(x))[order if x.shape == (10, 4) else ...]


@fault("values", lambda: (np.array([1.7, -0.6, 0.9, 2.1, -1.3]),), hint=("entries", "zero"))
def faint_entry_dropped() -> Pair:
    """Of gradients around 1, the one of size 1e-6 is dropped: below torch's default atol."""
    scale = np.array([1, -2, 1e-6, 0.5, 3])
    seen = np.where(scale == 1e-6, 0, scale)
    return lambda x: x * scale, lambda g, x: unbroadcast(g * seen, x)


@fault(
    "values", lambda: (np.array([[1.3, 0, -2.1], [0.7, 1.9, -1.1], [0.4, 2.2, 1.6]]),), "entries"
)
def product_dead_at_its_zeros() -> Pair:
    """The product over x, divided by each x; a zero's own gradient is not zero."""

    def vjp(g: Array, x: Array) -> Array:
        kept = np.where(x == 0, 1, x)
        return np.where(x == 0, 0, (g * x.prod(-1))[..., None] / kept)

    return lambda x: x.prod(-1), vjp


@fault("values", lambda: (np.array([-1.2, 0, 2.1, 0.7, -0.5, 3]),), hint="entries")
def sinc_nan_at_zero() -> Pair:
    """0 / 0 where the slope is 0: forward is guarded, backward is not."""
    return (
        lambda x: np.where(x == 0, 1, np.sin(x) / np.where(x == 0, 1, x)),
        lambda g, x: g * (x * np.cos(x) - np.sin(x)) / x**2,
    )


@fault("values", lambda: (np.array([-1.2, 0, 2.1, 0.7, -0.5, 3]),), hint="entries")
def relu_with_slope_two_at_zero() -> Pair:
    """At its kink the slope of relu is anything from 0 to 1, not 2."""
    return lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x == 0, 2, x > 0)


# --- Nothing arrives ---


@fault("values", "x(3, 4)", hint="zero")
def softmax_with_zero_backward() -> Pair:
    """Right for a cotangent of ones, as many a checker has it; wrong for every other one."""
    return softmax, lambda g, x: np.zeros_like(x)


@fault("values", "x(3, 4), x(3, 4)", hint="zero")
def small_term_dropped() -> Pair:
    """a + 1e-6 b; the gradient for b is below torch's default atol, and 0."""
    return (
        lambda a, b: a + 1e-6 * b,
        lambda g, a, b: (unbroadcast(g, a), np.zeros_like(b)),
    )


@fault("values", "x(4, 3)", hint="zero")
def relu_with_an_empty_mask() -> Pair:
    """The mask is taken from a copy that was already negated and clipped."""
    return lambda x: np.maximum(x, 0), lambda g, x: g * (np.minimum(-x, 0) > 0)


# --- Moved ---


@fault("values", "x(3, 5)", hint="shifted")
def cumsum_off_by_one() -> Pair:
    """Each element misses its own output: the sum of what comes after it."""

    def vjp(g: Array, x: Array) -> Array:
        return (np.cumsum(g[..., ::-1], -1)[..., ::-1] - g).reshape(x.shape)

    return lambda x: np.cumsum(x, -1), vjp


@fault("values", "x(3, 5)", hint=("shifted", "transposed operand"))
def roll_in_the_same_direction() -> Pair:
    """Rolled on where it should be rolled back."""
    return lambda x: np.roll(x, 1, -1), lambda g, x: np.roll(g, 1, -1)


@fault("values", "x(6)", hint="shifted")
def padding_cropped_from_the_start() -> Pair:
    """Two zeros stand before x; the gradient is cut as if there were none."""
    return lambda x: np.pad(x, 2), lambda g, x: g[tuple(slice(n) for n in x.shape)]


@fault("values", "x(3, 4)", hint="reversed")
def flip_not_flipped_back() -> Pair:
    """x[..., ::-1] with the cotangent passed on as it comes."""
    return lambda x: x[..., ::-1], lambda g, x: g


@fault("values", "x(5)", hint="reversed")
def slice_backwards_filled_forwards() -> Pair:
    """x[::-2], whose cotangents are put back from the front."""

    def vjp(g: Array, x: Array) -> Array:
        out = np.zeros_like(x)
        out[::2] = g
        return out

    return lambda x: x[::-2], vjp


# --- Another formula ---


@fault("values", "x(3, 4)", hint="output for input")
def exp_with_its_input() -> Pair:
    """g x for g e**x: a learner's question in nn-zero-to-hero."""
    return np.exp, lambda g, x: g * x


@fault("values", "x(3, 4)", hint="output for input")
def tanh_with_its_input() -> Pair:
    """1 - x**2 for 1 - y**2."""
    return np.tanh, lambda g, x: g * (1 - x**2)


@fault("values", "positive(5)", hint="output for input")
def sqrt_with_its_input() -> Pair:
    """1 / (2 x) for 1 / (2 y)."""
    return np.sqrt, lambda g, x: g / (2 * x)


@fault("values", "x(3, 4)", hint=("output for input", "divides"))
def reciprocal_with_its_output() -> Pair:
    """-1 / y**2 for -1 / x**2."""
    return lambda x: 1 / x, lambda g, x: -g / (1 / x) ** 2


@fault("values", "x(3, 4)", hint="neighbour")
def sigmoid_without_one_minus_itself() -> Pair:
    """s for s (1 - s): the slope of softplus."""
    return sigmoid, lambda g, x: g * sigmoid(x)


@fault("values", "positive(6)", hint="neighbour")
def log_with_the_slope_of_log1p() -> Pair:
    """1 / (1 + x) for 1 / x."""
    return np.log, lambda g, x: g / (1 + x)


@fault("values", "x(3, 4)", hint="neighbour")
def arctan_with_the_slope_of_tanh() -> Pair:
    """1 - tanh(x)**2 for 1 / (1 + x**2)."""
    return np.arctan, lambda g, x: g * (1 - np.tanh(x) ** 2)


@fault("values", "x(3, 4)", hint="neighbour")
def gelu_with_the_slope_of_its_approximation() -> Pair:
    """gelu by the error function, its slope by the tanh that stands in for it."""
    erf = np.vectorize(math.erf, otypes=[float])
    k = math.sqrt(2 / math.pi)

    def vjp(g: Array, x: Array) -> Any:
        t = np.tanh(k * (x + 0.044715 * x**3))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * k * (1 + 3 * 0.044715 * x**2))

    return lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))), vjp


@fault("values", "x(3, 4)", hint=("neighbour", "overwritten"))
def silu_without_the_product_rule() -> Pair:
    """x s with the gradient of its first factor only, which is the slope of softplus."""
    return lambda x: x * sigmoid(x), lambda g, x: g * sigmoid(x)


@fault("values", "x(4, 4)", hint="neighbour")
def huber_without_its_bend() -> Pair:
    """The slope of x**2 / 2 on both sides of 1."""
    return (
        lambda x: np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5),
        lambda g, x: g * x,
    )


@fault("values", "positive(3, 4)", hint="divides")
def sqrt_divided_by_its_slope() -> Pair:
    """g 2 y for g / (2 y)."""
    return np.sqrt, lambda g, x: g * 2 * np.sqrt(x)


@fault("values", "x(3, 4)", hint="divides")
def softplus_divided_by_its_slope() -> Pair:
    """g / s for g s."""
    return softplus, lambda g, x: g / sigmoid(x)


@fault("values", "x(3, 4)", hint="local derivative twice")
def tanh_chained_twice() -> Pair:
    """The caller and the function both multiply by 1 - y**2."""
    return np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2) ** 2


@fault("values", "x(3, 4)", hint="absolute value")
def sin_with_the_size_of_its_slope() -> Pair:
    """|cos| for cos."""
    return np.sin, lambda g, x: g * np.abs(np.cos(x))


@fault("values", "x(3, 4)", hint="clipped")
def cube_with_a_clipped_gradient() -> Pair:
    """Gradients beyond -1 and 1 are cut off."""
    return lambda x: x**3, lambda g, x: np.clip(3 * g * x**2, -1, 1)
