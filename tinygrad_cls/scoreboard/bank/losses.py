"""Faults of losses: the backward of another rule, or another rule both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..case import Array, Pair, fault
from .pieces import (
    bce_with_logits,
    cross_entropy,
    mixed,
    same,
    sigmoid,
    softmax,
    softplus,
)

WEIGHT = np.array([0.5, 2, 1, 3])
"""Of four classes."""
BCE, CE = "binary_cross_entropy_with_logits", "cross_entropy"


# --- Reductions ---


@fault("losses", "x(6), labels(2, 6)", hint="mean and sum", rule=BCE)
def bce_with_the_gradient_of_the_sum() -> Pair:
    """The mean, with the gradient not divided by N."""
    return mixed(bce_with_logits(), bce_with_logits(over="one"))


@fault("losses", "x(5, 4), labels(4, 5)", hint="mean and sum", rule=CE, reduction="sum")
def cross_entropy_with_the_gradient_of_the_mean() -> Pair:
    """The sum, with the gradient divided by N."""
    return mixed(cross_entropy(over="one"), cross_entropy(over="rows"))


@fault("losses", "x(5, 3), x(5, 3)", hint=("factor", "mean and sum"), rule="mse_loss")
def mse_divided_by_the_rows() -> Pair:
    """The gradient of a mean over the batch for that over all elements."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, Array]:
        same(x.shape, t.shape)
        slope = 2 * g * (x - t) / len(x)
        return slope, -slope

    return mean_square, vjp


@fault("losses", "x(8), x(8)", hint="factor", says="1/2", rule="mse_loss")
def mse_without_its_two() -> Pair:
    """The gradient of half the mean square."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, Array]:
        slope = g * (x - t) / x.size
        return slope, -slope

    return mean_square, vjp


def mean_square(x: Array, t: Array) -> Any:
    """The mean of (x - t)**2."""
    same(x.shape, t.shape)
    return ((x - t) ** 2).mean()


@fault("losses", "x(5, 4), labels(4, 5)", hint="weighted mean", rule=CE, weight=WEIGHT)
def weighted_cross_entropy_over_the_count() -> Pair:
    """The gradient is divided by N, the loss by the sum of weights."""
    return mixed(cross_entropy(WEIGHT), cross_entropy(WEIGHT, over="count"))


@fault("losses", "x(5, 4), labels(4, 5)", hint="weighted mean", rule="nll_loss", weight=WEIGHT)
def weighted_nll_over_the_count() -> Pair:
    """The same of nll_loss, which takes log-probabilities."""

    def f(x: Array, t: Array) -> Any:
        return -(WEIGHT[t] * x[np.arange(len(x)), t]).sum() / WEIGHT[t].sum()

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return -g * WEIGHT[t][:, None] * np.eye(x.shape[1])[t] / len(t), None

    return f, vjp


@fault("losses", "x(4), array([1, 0, 0, 1])", hint="weighted mean", rule=BCE, weight=WEIGHT)
def weighted_bce_over_the_weights() -> Pair:
    """The reverse: binary_cross_entropy divides by N, its gradient by the sum of weights."""

    def f(x: Array, t: Array) -> Any:
        same(x.shape, t.shape)
        return (WEIGHT * (softplus(x) - t * x)).sum() / len(x)

    return f, lambda g, x, t: (g * WEIGHT * (sigmoid(x) - t) / WEIGHT.sum(), None)


# --- Options ---


@fault("losses", "x(5, 4), labels(4, 5)", hint="label smoothing", rule=CE, label_smoothing=0.1)
def smoothing_over_the_other_classes() -> Pair:
    """In backward 0.1 / (C - 1) for each wrong class, in forward 0.1 / C for each."""
    return mixed(
        cross_entropy(label_smoothing=0.1), cross_entropy(label_smoothing=0.1, spread="others")
    )


@fault("losses", "x(5, 4), labels(4, 5)", hint="label smoothing", rule=CE, label_smoothing=0.2)
def smoothing_left_out_of_backward() -> Pair:
    """The gradient of the loss without smoothing."""
    return mixed(cross_entropy(label_smoothing=0.2), cross_entropy())


@fault("losses", "x(6, 4), array([0, 3, 2, 3, 1, 3])", hint="ignored rows", rule=CE, ignore_index=3)
def ignored_rows_leak_gradient() -> Pair:
    """Rows labelled 3 count for nothing in forward, and get a gradient."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return g * (softmax(x) - np.eye(x.shape[1])[t]) / (t != 3).sum(), None

    return cross_entropy(ignore_index=3)[0], vjp


@fault("losses", "x(6, 4), array([0, -1, 2, 3, -1, 1])", "ignored rows", rule=CE, ignore_index=-1)
def ignored_rows_count_in_the_mean() -> Pair:
    """The gradient is divided by all rows, the loss by those that are not ignored."""
    return mixed(cross_entropy(ignore_index=-1), cross_entropy(ignore_index=-1, over="rows"))


@fault("losses", "x(6), array([1, 0, 0, 1, 0, 1])", "positive weight", rule=BCE, pos_weight=3.0)
def pos_weight_on_the_negative_term() -> Pair:
    """The gradient of the labels 0 is tripled, where it should be that of the labels 1."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return g * (3 * (1 - t) * sigmoid(x) - t * sigmoid(-x)) / x.size, None

    return bce_with_logits(3.0)[0], vjp


@fault("losses", "x(6), array([1, 0, 0, 1, 0, 1])", "positive weight", rule=BCE, pos_weight=3.0)
def pos_weight_left_out_of_backward() -> Pair:
    """The gradient of the loss without pos_weight."""
    return mixed(bce_with_logits(3.0), bce_with_logits())


# --- The formula ---


@fault("losses", "x(4, 4), labels(4, 4)", hint="wrong softmax axis", rule=CE)
def cross_entropy_with_softmax_over_the_batch() -> Pair:
    """softmax(x, 0) - y for softmax(x, 1) - y."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return g * (softmax(x, 0) - np.eye(x.shape[1])[t]) / len(x), None

    return cross_entropy()[0], vjp


@fault("losses", "x(5, 4), labels(4, 5)", hint="double softmax", rule=CE)
def cross_entropy_with_a_double_softmax() -> Pair:
    """The softmax of probabilities."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return g * (softmax(softmax(x)) - np.eye(x.shape[1])[t]) / len(x), None

    return cross_entropy()[0], vjp


@fault("losses", "x(6), labels(2, 6)", hint="double softmax", rule=BCE)
def bce_with_a_double_sigmoid() -> Pair:
    """The sigmoid of probabilities."""
    return bce_with_logits()[0], lambda g, x, t: (g * (sigmoid(sigmoid(x)) - t) / x.size, None)


@fault("losses", "x(5, 4), labels(4, 5)", hint=("missing term", "neighbour"), rule=CE)
def cross_entropy_without_its_label() -> Pair:
    """The softmax alone: the label is not subtracted."""
    return cross_entropy()[0], lambda g, x, t: (g * softmax(x) / len(x), None)


@fault("losses", "x(6), labels(2, 6)", hint="sign", rule=BCE)
def bce_pulling_away() -> Pair:
    """t - s for s - t."""
    return bce_with_logits()[0], lambda g, x, t: (g * (t - sigmoid(x)) / x.size, None)


@fault("losses", "x(6), labels(2, 6)", hint=("neighbour", "divides"), rule=BCE)
def bce_with_the_slope_for_probabilities() -> Pair:
    """(s - t) / (s (1 - s)): the gradient for s, handed on as that for the logit."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return g * (sigmoid(x) - t) / (sigmoid(x) * sigmoid(-x)) / x.size, None

    return bce_with_logits()[0], vjp


@fault("losses", "x(6), labels(2, 6)", hint=("local derivative twice", "neighbour"), rule=BCE)
def bce_with_the_slope_of_a_square() -> Pair:
    """(s - t) s (1 - s): half the gradient of (s - t)**2."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        return g * (sigmoid(x) - t) * sigmoid(x) * sigmoid(-x) / x.size, None

    return bce_with_logits()[0], vjp


@fault("losses", "x(8), x(8)", hint="absolute value", rule="l1_loss")
def l1_always_rising() -> Pair:
    """The size of a step without its direction."""

    def f(x: Array, t: Array) -> Any:
        same(x.shape, t.shape)
        return np.abs(x - t).mean()

    return f, lambda g, x, t: (g * np.ones_like(x) / x.size, -g * np.ones_like(t) / x.size)


@fault("losses", "x(8), x(8)", hint="neighbour", rule="smooth_l1_loss")
def smooth_l1_without_its_bend() -> Pair:
    """The gradient of half the mean square, however far x is from t."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, Array]:
        slope = g * (x - t) / x.size
        return slope, -slope

    return smooth_l1(1.0), vjp


@fault("losses", "x(8), x(8)", hint=("factor", "neighbour"), rule="smooth_l1_loss", beta=0.5)
def smooth_l1_with_the_gradient_of_huber() -> Pair:
    """Huber's loss is beta times as large."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, Array]:
        slope = g * np.clip(x - t, -0.5, 0.5) / x.size
        return slope, -slope

    return smooth_l1(0.5), vjp


def smooth_l1(beta: float) -> Callable[[Array, Array], Any]:
    """The mean of d**2 / (2 beta) within beta and |d| - beta / 2 beyond."""

    def f(x: Array, t: Array) -> Any:
        same(x.shape, t.shape)
        d = np.abs(x - t)
        return np.where(d < beta, d**2 / (2 * beta), d - beta / 2).mean()

    return f


# --- Saturated logits ---

SATURATED = np.array([-800, -40, -1.5, 0.7, 45, 900]), np.array([1, 1, 0, 1, 0, 0])


@fault("losses", lambda: SATURATED, hint="unstable branch", rule=BCE)
def bce_nan_where_saturated() -> Pair:
    """By way of dloss / ds, which is 0 / 0 where s (1 - s) is 0."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        s = sigmoid(x)
        return g * (s - t) / (s * (1 - s)) * (s * (1 - s)) / x.size, None

    return bce_with_logits()[0], vjp


@fault("losses", lambda: SATURATED, hint="unstable branch", rule=BCE)
def bce_dead_where_saturated() -> Pair:
    """The same with s clipped against the division: 0 where the gradient is largest."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        s = sigmoid(x)
        p = np.clip(s, 1e-12, 1 - 1e-12)
        return g * (p - t) / (p * (1 - p)) * (s * (1 - s)) / x.size, None

    return bce_with_logits()[0], vjp


@fault("losses", "x(5, 4), labels(4, 5)", hint="unstable branch", rule=CE)
def cross_entropy_overflowing() -> Pair:
    """e**x / sum e**x, not shifted: nan for logits beyond 709, which these are not."""

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
        return g * (p - np.eye(x.shape[1])[t]) / len(x), None

    return cross_entropy()[0], vjp


# --- Another rule both ways: only the rule can tell ---


@fault("losses", "x(5, 4), labels(4, 5)", hint="label smoothing", rule=CE, label_smoothing=0.1)
def smoothing_over_the_other_classes_consistently() -> Pair:
    """0.1 / (C - 1) for each wrong class in both directions."""
    return cross_entropy(label_smoothing=0.1, spread="others")


@fault("losses", "x(5, 4), labels(4, 5)", hint="weighted mean", rule=CE, weight=WEIGHT)
def weighted_cross_entropy_over_the_count_consistently() -> Pair:
    """Divided by N in both directions."""
    return cross_entropy(WEIGHT, over="count")


@fault("losses", "x(6, 4), array([0, -1, 2, 3, -1, 1])", "ignored rows", rule=CE, ignore_index=-1)
def ignored_rows_count_in_the_mean_consistently() -> Pair:
    """Divided by all rows in both directions."""
    return cross_entropy(ignore_index=-1, over="rows")
