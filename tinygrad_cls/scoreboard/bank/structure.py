"""Faults of structure: sums over axes, products of matrices, the cotangent, paths that are lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair, fault
from .pieces import deviation, layer_norm, logsumexp, softmax, unbroadcast

MATRIX = np.array([[4, 1, -1], [0.5, 3, 2], [2, -1, 5]])

# --- Broadcasting and reductions ---


@fault("structure", "x(3, 4), x(4)", hint="missing sum", says="axis 0")
def bias_not_summed() -> Pair:
    """A row added to all rows gets a gradient for each of them."""
    return np.add, lambda g, x, b: (unbroadcast(g, x), g)


@fault("structure", "x(3, 4), x(3, 1)", hint="missing sum", says="axis 1")
def column_not_summed() -> Pair:
    """A column that multiplies all columns gets a gradient for each of them."""
    return np.multiply, lambda g, x, c: (unbroadcast(g * c, x), g * x)


@fault("structure", "x(3, 4), x()", hint="missing sum")
def scalar_not_summed() -> Pair:
    """A number that divides an array gets a gradient for each element."""
    return np.divide, lambda g, x, c: (unbroadcast(g / c, x), -g * x / c**2)


@fault("structure", "x(3, 4), x(4)", hint=("overwritten", "missing sum"))
def bias_of_the_last_row() -> Pair:
    """Rows write their gradient for the bias over each other's."""
    return np.add, lambda g, x, b: (unbroadcast(g, x), g[-1])


@fault("structure", "x(3, 4), x(4)", hint="factor", says="1/3")
def bias_averaged() -> Pair:
    """The mean over the batch for the sum."""
    return np.add, lambda g, x, b: (unbroadcast(g, x), g.mean(0))


@fault("structure", "x(3, 4), x(4)", hint="kept axis")
def bias_with_its_axis_kept() -> Pair:
    """Shape (1, 4) for a bias of shape (4)."""
    return np.add, lambda g, x, b: (unbroadcast(g, x), g.sum(0, keepdims=True))


@fault("structure", "x(4, 4), x(4)", hint="wrong axis", says="axis")
def bias_summed_over_columns() -> Pair:
    """Axis 1 for axis 0: the shape is right, for as many rows as columns."""
    return np.add, lambda g, x, b: (unbroadcast(g, x), g.sum(1))


@fault("structure", "x(4, 4)", hint=("wrong axis", "transposed"))
def column_sums_spread_along_rows() -> Pair:
    """The cotangents of columns go to the rows."""
    return lambda x: x.sum(0), lambda g, x: np.broadcast_to(g[:, None], x.shape)


@fault("structure", "x(3, 4)", hint="wrong axis")
def softmax_summed_over_the_batch() -> Pair:
    """The sum in backward runs over rows, the softmax over columns."""

    def vjp(g: Array, x: Array) -> Any:
        y = softmax(x)
        return y * (g - (g * y).sum(0, keepdims=True))

    return softmax, vjp


@fault("structure", "x(5, 4)", hint="wrong axis")
def layer_norm_averaged_over_the_batch() -> Pair:
    """The means in backward are those of batch norm."""

    def vjp(g: Array, x: Array) -> Any:
        y = layer_norm(x)
        return (g - g.mean(0) - y * (g * y).mean(0)) / deviation(x)

    return layer_norm, vjp


@fault("structure", "x(3, 4)", hint="wrong softmax axis")
def logsumexp_with_softmax_over_the_batch() -> Pair:
    """The softmax in backward runs over rows."""
    return logsumexp, lambda g, x: g * softmax(x, 0)


@fault("structure", "x(4)", hint="factor", says="1/5")
def expansion_averaged() -> Pair:
    """Five copies, and the mean of their gradients for the sum."""
    return lambda x: np.broadcast_to(x, (5, *x.shape)), lambda g, x: g.mean(0)


@fault("structure", "x(3, 8)", hint="factor", says="2")
def mean_pool_without_its_width() -> Pair:
    """Means of pairs, with the gradient of their sums."""
    return (
        lambda x: (x[..., ::2] + x[..., 1::2]) / 2,
        lambda g, x: np.repeat(g, 2, -1),
    )


# --- Products and layouts ---


@fault("structure", "x(4, 4), x(4, 4)", hint="transposed operand")
def matmul_with_the_right_factor_not_transposed() -> Pair:
    """g @ w for g @ w.T."""
    return np.matmul, lambda g, x, w: (g @ w, x.T @ g)


@fault("structure", "x(4, 4), x(4, 4)", hint="transposed operand")
def matmul_with_the_left_factor_not_transposed() -> Pair:
    """x @ g for x.T @ g."""
    return np.matmul, lambda g, x, w: (g @ w.T, x @ g)


@fault("structure", "x(4, 4), x(4, 4)", hint="transposed operand")
def matmul_with_the_factors_exchanged() -> Pair:
    """w.T @ g for g @ w.T."""
    return np.matmul, lambda g, x, w: (w.T @ g, x.T @ g)


@fault("structure", "x(5, 4), x(4, 4)", hint="transposed")
def linear_weight_gradient_transposed() -> Pair:
    """x.T @ g for g.T @ x, in a layer that has its weight by rows."""
    return lambda x, w: x @ w.T, lambda g, x, w: (g @ w, x.T @ g)


@fault("structure", "x(3, 6)", hint="transposed operand")
def circular_convolution_with_the_kernel_not_flipped() -> Pair:
    """Backward rolls the way forward does."""

    def f(x: Array) -> Any:
        return x - 0.5 * np.roll(x, 1, -1) + 2 * np.roll(x, 2, -1)

    return f, lambda g, x: f(g)


@fault("structure", "x(3, 5)", hint="transposed operand")
def cumsum_from_the_same_end() -> Pair:
    """Backward sums from the front, as forward does."""
    return (
        lambda x: np.cumsum(x, -1),
        lambda g, x: np.cumsum(g, -1).reshape(x.shape),
    )


@fault("structure", lambda: (MATRIX, np.array([1.0, -2, 0.5])), hint="transposed operand")
def solve_with_the_same_matrix() -> Pair:
    """A y = b, and A h = g for A.T h = g."""

    def vjp(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        return -np.outer(np.linalg.solve(a.T, g), np.linalg.solve(a, b)), np.linalg.solve(a, g)

    return np.linalg.solve, vjp


@fault("structure", lambda: (MATRIX,), hint="transposed operand")
def inverse_not_transposed() -> Pair:
    """-y g y for -y.T g y.T."""
    return np.linalg.inv, lambda g, a: -np.linalg.inv(a) @ g @ np.linalg.inv(a)


@fault("structure", lambda: (MATRIX,), hint="transposed")
def determinant_not_transposed() -> Pair:
    """The inverse for its transpose."""
    return np.linalg.det, lambda g, a: g * np.linalg.det(a) * np.linalg.inv(a)


@fault("structure", "x(4, 4)", hint="transposed")
def transpose_not_undone() -> Pair:
    """The gradient of x.T, passed on as it comes."""
    return lambda x: np.exp(x.T), lambda g, x: g * np.exp(x.T)


@fault("structure", "x(3, 4)", hint="memory order")
def ravel_refilled_in_fortran_order() -> Pair:
    """A flattened array, put back column by column."""
    return np.ravel, lambda g, x: g.reshape(x.shape, order="F")


@fault("structure", "x(3, 4), x(3, 4)", hint="swapped inputs")
def exponential_with_swapped_gradients() -> Pair:
    """a e**b, whose gradients come in the order of b, a."""
    return (
        lambda a, b: a * np.exp(b),
        lambda g, a, b: (unbroadcast(g * a * np.exp(b), a), unbroadcast(g * np.exp(b), b)),
    )


@fault("structure", "x(3, 4), x(3, 4)", hint="swapped inputs")
def concatenation_split_in_the_wrong_order() -> Pair:
    """The first half of the cotangent goes to the second part."""
    return (
        lambda a, b: np.concatenate([a, b]),
        lambda g, a, b: (g[len(b) :], g[: len(b)]),
    )


@fault("structure", "mask(3, 4), x(3, 4), x(3, 4)", hint="swapped inputs")
def where_with_the_mask_negated() -> Pair:
    """What was not chosen gets the gradient."""
    return (
        lambda mask, a, b: np.where(mask, a, b),
        lambda g, mask, a, b: (None, unbroadcast(g * ~mask, a), unbroadcast(g * mask, b)),
    )


@fault("structure", "x(3, 4), x(3, 4)", hint="other operand")
def product_with_one_factor_for_both() -> Pair:
    """Both gradients are g b."""
    return np.multiply, lambda g, a, b: (unbroadcast(g * b, a), unbroadcast(g * b, b))


@fault("structure", "x(3, 4), x(3, 4)", hint="other operand")
def quotient_with_exchanged_roles() -> Pair:
    """-b / a**2 for -a / b**2."""
    return np.divide, lambda g, a, b: (unbroadcast(g / b, a), unbroadcast(-g * b / a**2, b))
