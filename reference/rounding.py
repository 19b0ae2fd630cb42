"""How far apart two correct engines may be: the rounding error of one training step.

First-order running error analysis (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
section 3.3) of a chain of Linear layers. With unit roundoff u, an inner product of n terms, added
in any order, with or without fused multiply-add, is off by at most

    min(n, 8 sqrt(n)) u sum |a_i b_i|

n in the worst case (there, eq. 3.5), 8 sqrt(n) with a probability of failure below 2e-11 for 800
terms (Higham & Mary 2019, theorem 3.1). Every formula below adds to that what its own inputs are
off by. Nothing is tuned: the counts are the terms of the sums, namely a layer's inputs and its
bias, a layer's outputs, and the rows of the batch.

Where a pre-activation is within its own error of zero, one engine's ReLU may be open and the
other's closed; there the whole incoming gradient counts as error.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from .record import Array

EXP = 5
"""Units u that an exponential may be off by: 2.5 ulp, NumPy's largest in float32."""


class Rounding(NamedTuple):
    """Of one gradient: the largest error of each entry, and the scale of what it sums.

    The scale is the largest sum of |terms|, not |the sum|: near a minimum the terms cancel, the
    gradient goes to 0, its rounding error stays.
    """

    error: Array
    scale: float


def gradient_rounding(
    weights: Sequence[Array], X: Array, y: Array, *, relu: bool, integer_targets: bool, u: float
) -> list[Rounding]:
    """The rounding of the loss gradient of each weight and bias, computed in float64.

    weights: W, b, W, b, ... with W (outputs, inputs). The loss is the mean of cross-entropy where
    the targets are integer, else of binary cross-entropy with logits.
    """
    wide = [values.astype(np.float64) for values in weights]
    layers = list(zip(wide[::2], wide[1::2], strict=True))
    rows = len(X)

    a, e_a = X.astype(np.float64), np.zeros(X.shape)
    inputs, open_, doubtful = [], [], []
    for i, (W, b) in enumerate(layers):
        inputs.append((a, e_a))
        z = a @ W.T + b
        e_z = e_a @ abs(W).T + sums(W.shape[1] + 1) * u * (abs(a) @ abs(W).T + abs(b))
        bends = relu and i < len(layers) - 1
        open_.append((z > 0) | (not bends))
        doubtful.append((abs(z) <= e_z) & bends)
        a, e_a = np.where(open_[-1], z, 0), np.where(open_[-1] | doubtful[-1], e_z, 0)

    g, e_g = (_cross_entropy if integer_targets else _binary)(a, e_a, y, u)
    g, e_g = g / rows, (e_g + u * abs(g)) / rows

    result: list[Rounding] = []
    for i in reversed(range(len(layers))):
        W, (a, e_a) = layers[i][0], inputs[i]
        g = np.where(open_[i], g, 0)
        e_g = np.where(doubtful[i], abs(g) + e_g, np.where(open_[i], e_g, 0))
        terms = abs(g).sum(axis=0)
        result.insert(0, Rounding(sums(rows) * u * terms + e_g.sum(axis=0), float(terms.max())))
        terms = abs(g).T @ abs(a)
        error = sums(rows) * u * terms + e_g.T @ abs(a) + abs(g).T @ e_a
        result.insert(0, Rounding(error, float(terms.max())))
        g, e_g = g @ W, e_g @ abs(W) + sums(len(W)) * u * (abs(g) @ abs(W))
    return result


def sums(n: int) -> float:
    """Units u, relative to the sum of |terms|, that a sum of n products may be off by.

    >>> sums(10), round(sums(800))
    (10, 226)
    """
    return min(n, 8 * sqrt(n))


def _binary(z: Array, e_z: Array, y: Array, u: float) -> tuple[Array, Array]:
    """sigmoid(z) - y: an exponential, a sum, a quotient, a difference."""
    p = np.exp(-np.logaddexp(0, -z))
    g = p - y[:, None]
    return g, p * (1 - p) * e_z + (EXP + 2) * u * p + u * abs(g)


def _cross_entropy(z: Array, e_z: Array, y: Array, u: float) -> tuple[Array, Array]:
    """softmax(z) - onehot(y), softmax by way of log_softmax = z - max - log(sum exp(z - max))."""
    top = z.max(1, keepdims=True)
    log_sum = np.log(np.exp(z - top).sum(1, keepdims=True))
    log_p = z - top - log_sum
    p = np.exp(log_p)
    g = p - np.eye(z.shape[1])[y.astype(int)]
    moved = e_z + (p * e_z).sum(1, keepdims=True)
    e_log_p = moved + u * (abs(z - top) + (z.shape[1] + 2 * EXP) + abs(log_sum) + abs(log_p))
    return g, p * (e_log_p + EXP * u) + u * abs(g)
