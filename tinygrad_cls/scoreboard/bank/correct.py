"""Correct functions of odd shapes and manners, and losses that follow their rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair, Triple, correct
from .pieces import (
    bce_with_logits,
    cross_entropy,
    matrix_product,
    same,
    scatter,
    sigmoid,
    softmax,
    softmax_vjp,
    unbroadcast,
)

# --- Shapes ---


@correct(lambda: (np.zeros((0, 4)),))
def exp_of_nothing() -> Pair:
    """Elementwise on an empty array."""
    return np.exp, lambda g, x: g * np.exp(x)


@correct(lambda: (np.zeros((3, 0)),))
def sum_of_nothing() -> Pair:
    """A number from no numbers."""
    return np.sum, lambda g, x: np.broadcast_to(g, x.shape)


@correct("x()")
def tanh_of_a_number() -> Pair:
    """0-d in, 0-d out."""
    return np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)


@correct("x(1, 4), x(3, 1)")
def product_of_a_row_and_a_column() -> Pair:
    """Both are broadcast, along different axes."""
    return np.multiply, lambda g, a, b: (unbroadcast(g * b, a), unbroadcast(g * a, b))


@correct("x(2, 1, 4), x(3, 1)")
def quotient_of_three_axes_and_two() -> Pair:
    """One has an axis more, and both an axis of size 1."""
    return np.divide, lambda g, a, b: (unbroadcast(g / b, a), unbroadcast(-g * a / b**2, b))


@correct("x(), x(2, 3)")
def number_times_matrix() -> Pair:
    """A 0-d input's gradient is 0-d."""
    return np.multiply, lambda g, a, b: (unbroadcast(g * b, a), unbroadcast(g * a, b))


@correct("x(1, 1)")
def softmax_of_one_class() -> Pair:
    """Constantly 1: the gradient is 0."""
    return softmax, softmax_vjp


@correct("x(3, 4)")
def several_outputs() -> Pair:
    """sin, cos and the sum of all; the cotangent is a tuple of three."""

    def vjp(g: tuple[Array, Array, Array], x: Array) -> Any:
        return g[0] * np.cos(x) - g[1] * np.sin(x) + g[2]

    return lambda x: (np.sin(x), np.cos(x), x.sum()), vjp


@correct("x(3, 4)")
def view_of_the_input() -> Pair:
    """Every second column of the transpose, in the input's own memory."""

    def vjp(g: Array, x: Array) -> Array:
        out = np.zeros_like(x)
        out[..., ::-2] = g.T
        return out

    return lambda x: x[..., ::-2].T, vjp


@correct("x(4)")
def output_without_strides() -> Pair:
    """Five copies that share the input's memory."""
    return lambda x: np.broadcast_to(x, (5, *x.shape)), lambda g, x: g.sum(0)


@correct("x(3, 4)")
def gradient_without_strides() -> Pair:
    """A mean, whose gradient is one number, broadcast and read-only."""
    return np.mean, lambda g, x: np.broadcast_to(g / x.size, x.shape)


# --- Inputs without a gradient ---


@correct("x(5, 4), labels(4, 5)")
def chosen_by_labels() -> Pair:
    """One element of each row; None for the integers."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return scatter(g, (np.arange(len(t)), t), x), None

    def f(x: Array, t: Array) -> Any:
        same(x.shape[:-1], t.shape)
        return x[np.arange(len(t)), t]

    return f, vjp


@correct("x(4, 3)")
def gather_with_repeats() -> Pair:
    """Row 2 is taken three times, row 1 never."""
    rows = np.array([0, 2, 2, 3, 2])
    return lambda x: x[rows], lambda g, x: scatter(g, rows, x)


@correct("mask(3, 4), x(3, 4), x(4)")
def where_with_a_mask() -> Pair:
    """None for the booleans."""
    return (
        lambda mask, a, b: np.where(mask, a, b),
        lambda g, mask, a, b: (None, unbroadcast(g * mask, a), unbroadcast(g * ~mask, b)),
    )


@correct("x(3, 4), x(2)")
def unused_input_with_zeros() -> Pair:
    """Zeros for what changes nothing."""
    return lambda a, b: np.exp(a), lambda g, a, b: (g * np.exp(a), np.zeros_like(b))


@correct("x(3, 4), x(2)")
def unused_input_with_none() -> Pair:
    """None for what changes nothing."""
    return lambda a, b: np.exp(a), lambda g, a, b: (g * np.exp(a), None)


@correct("x(3, 4)")
def constant_function() -> Pair:
    """Three everywhere."""
    return lambda x: np.full_like(x, 3), lambda g, x: np.zeros_like(x)


@correct("x(3, 4), array([1, 2, 3, 0])")
def power_of_integers() -> Pair:
    """x**n with an n of 0, where n x**(n - 1) would be 0 / 0 at x = 0."""

    def vjp(g: Array, x: Array, n: Array) -> tuple[Array, None]:
        return unbroadcast(g * n * x ** np.maximum(n - 1, 0), x), None

    def f(x: Array, n: Array) -> Any:
        if (n < 0).any():
            raise ValueError("whole powers only")
        return x**n

    return f, vjp


# --- Odd but legal manners ---


@correct("x(3, 4), x(3, 4)")
def sum_whose_gradients_are_the_cotangent() -> Pair:
    """Both gradients are g itself, one object twice."""
    return np.add, lambda g, a, b: (unbroadcast(g, a), unbroadcast(g, b))


@correct("x(3, 4)")
def transpose_whose_gradient_is_a_view() -> Pair:
    """The gradient shares the cotangent's memory, column by column."""
    return np.transpose, lambda g, x: g.T


@correct("x(3, 4)")
def cache_by_value() -> Pair:
    """Softmax, kept for inputs that are the same to the last bit; nobody sees the kept array."""
    kept: dict[tuple[Any, ...], Array] = {}

    def forward(x: Array) -> Array:
        key = x.shape, x.dtype, x.tobytes()
        return kept.setdefault(key, softmax(x))

    def vjp(g: Array, x: Array) -> Any:
        y = forward(x)
        return y * (g - (g * y).sum(-1, keepdims=True))

    return lambda x: forward(x).copy(), vjp


@correct("x(5, 4)")
def layer_with_its_weights_in_a_closure() -> Pair:
    """tanh(x W + b), where W and b are no inputs."""
    w, b = np.linspace(-1, 1, 12).reshape(4, 3), np.array([0.1, -0.2, 0.3])

    def vjp(g: Array, x: Array) -> Any:
        return (g * (1 - np.tanh(x @ w + b) ** 2)) @ w.T

    return lambda x: np.tanh(x @ w + b), vjp


@correct(lambda: (np.asfortranarray(np.linspace(-1, 2, 12).reshape(3, 4)), np.eye(4)[:, ::2]))
def product_of_fortran_arrays() -> Pair:
    """Neither factor lies row by row."""
    return matrix_product, lambda g, x, w: (g @ w.T, x.T @ g)


@correct("x(3, 4)")
def tanh_to_second_order() -> Triple:
    """With the derivative of its derivative."""

    def vjp2(h: Array, g: Array, x: Array) -> tuple[Array, Array]:
        y = np.tanh(x)
        return h * (1 - y**2), -2 * h * g * y * (1 - y**2)

    return np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), vjp2


# --- Losses, held to their rules ---


@correct("x(6), array([1, 0, 0, 1, 0, 1])", "binary_cross_entropy_with_logits", pos_weight=3.0)
def bce_with_pos_weight() -> Pair:
    """As torch has it."""
    return bce_with_logits(3.0)


@correct(
    lambda: (np.array([-800, -40, -1.5, 0.7, 45, 900]), np.array([1, 1, 0, 1, 0, 0])),
    "binary_cross_entropy_with_logits",
)
def bce_saturated() -> Pair:
    """Logits up to 900, on the wrong side."""
    return bce_with_logits()


@correct(
    "x(6, 4), array([0, 3, -1, 2, 3, 1])",
    "cross_entropy",
    weight=np.array([0.5, 2, 1, 3]),
    ignore_index=-1,
    label_smoothing=0.1,
)
def cross_entropy_with_all_options() -> Pair:
    """Weights, a row that is ignored, and smoothing."""
    return cross_entropy(np.array([0.5, 2, 1, 3]), 0.1, -1)


@correct(lambda: (np.array([1, 2.5, -0.5, 0, 3.1]), np.array([1, 1.5, 0.5, 0, 3])), "l1_loss")
def l1_at_its_target() -> Pair:
    """Slope 0 where the prediction hits."""

    def f(x: Array, t: Array) -> Any:
        same(x.shape, t.shape)
        return np.abs(x - t).mean()

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, Array]:
        slope = g * np.sign(x - t) / x.size
        return slope, -slope

    return f, vjp


@correct("unit(6), array([1, 0, 0, 1, 0, 1])", "binary_cross_entropy")
def bce_of_probabilities() -> Pair:
    """-log(p) and -log(1 - p), of probabilities that are not at their ends."""

    def f(p: Array, t: Array) -> Any:
        same(p.shape, t.shape)
        return -np.where(t == 1, np.log(p), np.log1p(-p)).mean()

    return f, lambda g, p, t: (g * np.where(t == 1, -1 / p, 1 / (1 - p)) / p.size, None)


@correct("x(5, 2), labels(2, 5)")
def accuracy_is_flat() -> Pair:
    """The share of right answers has slope 0 almost everywhere; soft scores beside it have not."""

    def f(x: Array, t: Array) -> Any:
        same(x.shape[:-1], t.shape)
        return (x.argmax(-1) == t).mean(), sigmoid(x)

    return f, lambda g, x, t: (g[1] * sigmoid(x) * sigmoid(-x), None)
