"""What the losses are: plain formulas in float64, with torch's options and meanings.

A rule is a function ``(x, t, **options) -> Parts`` of inputs and targets. It is written for
reading, shares no code with the losses of ``nn``, and says of every number how large the numbers
are that it is made from: what rounding may do to it follows from that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Pulled(NamedTuple):
    """Gradients by input and target. ``size``: what they are sums of, without signs. ``slack``: how
    far from the gradient a legal one may be, which is more than nothing at kinks.
    """

    x: Array
    t: Array | None
    x_size: Array
    t_size: Array | None = None
    x_slack: Array | float = 0.0
    t_slack: Array | float = 0.0


class Parts(NamedTuple):
    """A loss before it is reduced: one term for each element, or for each row of classes.

    size: what each term is a sum of, without signs. weights: of the terms, 0 for ignored ones.
    kept: which terms count. divisor: what the mean divides by. length: how many numbers a term adds
    up. pull: the gradients for a cotangent of the terms. lossy: by how much the textbook's formula
    multiplies the rounding error of each term.
    """

    terms: Array
    size: Array
    weights: Array
    kept: Array
    divisor: float
    length: int
    pull: Callable[[Array], Pulled]
    lossy: Array | float = 0.0


def summed(a: Any, shape: tuple[int, ...]) -> Array:
    """The sum over the axes along which an array of this shape was broadcast."""
    a = np.asarray(a)
    a = np.asarray(a.sum(tuple(range(a.ndim - len(shape)))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and a.shape[i] != 1)
    return np.asarray(a.sum(axes, keepdims=True)) if axes else a


# --- losses of pairs ------------------------------------------------------------------------------


def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return np.exp(-softplus(-x))


def binary_cross_entropy_with_logits(
    x: Array, t: Array, *, weight: Any = None, pos_weight: Any = None
) -> Parts:
    """-w (p t log s + (1 - t) log(1 - s)), s = sigmoid(x). The mean divides by the number of terms.

    Slope: w ((1 - t) s - p t (1 - s)).
    """
    w = np.broadcast_to(1.0 if weight is None else weight, x.shape)
    p = 1.0 if pos_weight is None else pos_weight
    yes, no = softplus(-x), softplus(x)  # -log s and -log(1 - s)
    terms = w * (p * t * yes + (1 - t) * no)
    # the sizes of what any of the usual formulas adds up: x itself, and the logarithm of 1 + e^-|x|
    parts = np.abs(w) * (1 + np.abs(p)) * (1 + np.abs(t))

    def pull(g: Array) -> Pulled:
        slope = w * ((1 - t) * sigmoid(x) - p * t * sigmoid(-x))
        return Pulled(
            g * slope,
            g * w * (p * yes - no),
            np.abs(g) * parts,
            np.abs(g) * parts * (np.abs(x) + 1),
        )

    lossy = np.abs(w) * np.exp(np.minimum(np.abs(x), 100))  # 1 - s, from an s that was rounded
    size = parts * (np.abs(x) + 1)
    return Parts(terms, size, w, np.ones(x.shape, bool), x.size, 1, pull, lossy)


def binary_cross_entropy(x: Array, t: Array, *, weight: Any = None) -> Parts:
    """-w (t log x + (1 - t) log(1 - x)) of probabilities x, each logarithm at least -100.

    Slope: w (x - t) / (x (1 - x)). Within 1e-12 of 0 and 1 any slope is accepted: torch cuts that
    by x there, and not that by t.
    """
    w = np.broadcast_to(1.0 if weight is None else weight, x.shape)
    yes, no = -np.maximum(np.log(x), -100), -np.maximum(np.log1p(-x), -100)
    free = np.where(x * (1 - x) <= 1e-12, np.inf, 0.0)
    room = np.maximum(x * (1 - x), 1e-12)

    def pull(g: Array) -> Pulled:
        size = np.abs(g)
        return Pulled(
            g * w * (x - t) / room,
            g * w * (yes - no),
            size * np.abs(w) * (x + np.abs(t)) / room,
            size * np.abs(w) * (yes + no + 1),
            free,
            free,
        )

    size = np.abs(w) * (np.abs(t) * (yes + 1) + np.abs(1 - t) * (no + 1))
    return Parts(w * (t * yes + (1 - t) * no), size, w, np.ones(x.shape, bool), x.size, 1, pull)


def distance(
    x: Array, t: Array, terms: Array, slope: Array, weight: Any, kinks: Array | None = None
) -> Parts:
    """A loss of x - t: terms and their slope. The weighted mean divides by the sum of weights."""
    w = np.broadcast_to(1.0 if weight is None else weight, terms.shape)

    def pull(g: Array) -> Pulled:
        gx, size = g * w * slope, np.abs(g * w) * np.abs(slope)
        free = np.zeros(terms.shape) if kinks is None else np.abs(g * w) * kinks
        return Pulled(
            summed(gx, x.shape),
            summed(-gx, t.shape),
            summed(size, x.shape),
            summed(size, t.shape),
            summed(free, x.shape),
            summed(free, t.shape),
        )

    count = terms.size if weight is None else float(w.sum())
    return Parts(w * terms, np.abs(w * terms), w, np.ones(terms.shape, bool), count, 1, pull)


def mse_loss(x: Array, t: Array, *, weight: Any = None) -> Parts:
    """(x - t)², slope 2 (x - t)."""
    d = x - t
    return distance(x, t, d * d, 2 * d, weight)


def l1_loss(x: Array, t: Array, *, weight: Any = None) -> Parts:
    """``|x - t|``, slope 1 or -1; at x = t any number between is a legal slope."""
    d = x - t
    return distance(x, t, np.abs(d), np.sign(d), weight, d == 0)


def smooth_l1_loss(x: Array, t: Array, *, beta: float = 1.0) -> Parts:
    """d² / (2 beta) where d = ``|x - t|`` < beta, else d - beta / 2; for beta = 0 it's d."""
    if beta == 0:
        return l1_loss(x, t)
    d = x - t
    near = np.abs(d) < beta
    terms = np.where(near, d * d / (2 * beta), np.abs(d) - beta / 2)
    made = distance(x, t, terms, np.where(near, d / beta, np.sign(d)), None)
    return made._replace(size=np.where(near, terms, np.abs(d) + beta))


# --- losses of classes ----------------------------------------------------------------------------


def class_axis(x: Array) -> int:
    """Classes are the second axis of a batch, the only one of a row."""
    return min(1, x.ndim - 1)


def shaped(weight: Any, x: Array) -> Array:
    """A weight for every class, in a shape that broadcasts with the inputs."""
    shape = [1] * x.ndim
    shape[class_axis(x)] = -1
    return np.reshape(1.0 if weight is None else weight, [1] * x.ndim if weight is None else shape)


def of_labels(x: Array, t: Array, ignore_index: int) -> tuple[Array, Array]:
    """Which entries are their row's label, and which rows count."""
    shape = [1] * x.ndim
    shape[class_axis(x)] = -1
    classes = np.arange(x.shape[class_axis(x)]).reshape(shape)
    kept = t != ignore_index
    hot = (classes == np.expand_dims(t, class_axis(x))) & np.expand_dims(kept, class_axis(x))
    return hot, kept


def log_sum_exp(x: Array, axis: int) -> Array:
    """The logarithm of the sum of e^x along an axis, which is kept."""
    top = x.max(axis, keepdims=True, initial=-np.inf)
    return np.asarray(top + np.log(np.exp(x - top).sum(axis, keepdims=True)))


def cross_entropy(
    x: Array,
    t: Array,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    axis: int | None = None,
) -> Parts:
    """-sum_c w_c q_c log softmax(x)_c with q = (1 - e) target + e / C, e the label smoothing.

    Labels: rows of ``ignore_index`` count for nothing, the mean divides by the sum of w over the
    others' labels. Probabilities: the mean divides by the number of rows. Slope of a row:
    softmax(x) sum_c(w_c q_c) - w q. ``axis`` is that of the softmax, the classes' own.
    """
    c = class_axis(x)
    axis = c if axis is None else axis
    w, n, e = shaped(weight, x), x.shape[c], max(label_smoothing, 0.0)
    labels = t.shape != x.shape
    if labels:
        target, kept = of_labels(x, t, ignore_index)
        weights = (w * target).sum(c)
        count = float(weights.sum())
    else:
        target, kept = t, np.ones(np.delete(x.shape, c), bool)
        weights = np.ones(kept.shape)
        count = kept.size if x.size else 0.0
    rows = np.expand_dims(kept, c)
    q = np.where(rows, w * ((1 - e) * target + (e / n if n else 0.0)), 0.0)
    lse = log_sum_exp(x, axis)
    log_p = x - lse
    p = np.exp(log_p)
    plain = labels and not e  # one term a row: no other logit, infinite or not, takes part
    terms = -np.where(target if plain else rows, q * log_p, 0.0).sum(c)
    reach = np.abs(x) + np.abs(lse)
    size = np.where(q == 0, 0.0, np.abs(q) * (reach + 1)).sum(c)

    def pull(g: Array) -> Pulled:
        G = np.expand_dims(g, c)
        gq = np.where(rows, G * q, 0.0)
        spread = np.where(p == 0, 0.0, p * (1 + reach))
        return Pulled(
            p * gq.sum(axis, keepdims=True) - gq,
            None if labels else -(1 - e) * G * w * log_p,
            spread * np.abs(gq).sum(axis, keepdims=True) + np.abs(gq),
            None if labels else np.abs(G * w) * (reach + 1),
        )

    return Parts(terms, size, weights, kept, count, max(n, 1), pull)


def nll_loss(x: Array, t: Array, *, weight: Any = None, ignore_index: int = -100) -> Parts:
    """-w_t x_t of log-probabilities x: reduced as cross entropy is. Slope: -w at the label."""
    c = class_axis(x)
    hot, kept = of_labels(x, t, ignore_index)
    q = shaped(weight, x) * hot
    weights = q.sum(c)
    terms = -np.where(hot, q * x, 0.0).sum(c)

    def pull(g: Array) -> Pulled:
        gx = np.where(hot, -np.expand_dims(g, c) * q, 0.0)
        return Pulled(gx, None, np.abs(gx))

    return Parts(terms, np.abs(terms), weights, kept, float(weights.sum()), 1, pull)


RULES: dict[str, Callable[..., Parts]] = {
    "cross_entropy": cross_entropy,
    "nll_loss": nll_loss,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "binary_cross_entropy": binary_cross_entropy,
    "mse_loss": mse_loss,
    "l1_loss": l1_loss,
    "smooth_l1_loss": smooth_l1_loss,
}
"""The rules by the names that torch's functions have."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("weight", "ignore_index", "label_smoothing"),
    "nll_loss": ("weight", "ignore_index"),
    "binary_cross_entropy_with_logits": ("weight", "pos_weight"),
    "binary_cross_entropy": ("weight",),
    "mse_loss": ("weight",),
    "l1_loss": ("weight",),
    "smooth_l1_loss": ("beta",),
}
"""The options of each rule, beside reduction."""

MODULES: dict[str, str] = {
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll_loss",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "BCELoss": "binary_cross_entropy",
    "MSELoss": "mse_loss",
    "L1Loss": "l1_loss",
    "SmoothL1Loss": "smooth_l1_loss",
}
"""The rule of each of torch's classes."""
