"""How far two right engines may part in a loss: first-order rounding error analyses.

All bounds are in units u = eps / 2 of the coarsest dtype that takes part. An exponential or a
logarithm counts EXP units; a sum of n terms at most n units of the sum of their magnitudes (Higham,
Accuracy and Stability of Numerical Algorithms, 2nd ed., eq. 3.5). What cancels in a result counts
with its full size: the bounds are relative to the largest term. Cotangents are at most 1.

A loss is bounded by its value, its gradient by every tensor, and the gradient's gradient: that of
S = sum over the tensors of <v, gradient by that tensor>, so that all second derivatives show.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
EXP = 5  # 2.5 ulp, the largest error of NumPy's float32 exponential; torch's is smaller
UNIT = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
TINY = {"float16": 2.0**-20, "float32": 2.0**-145, "float64": 2.0**-1070}
"""16 of the smallest numbers: there a rounding is no longer relative."""


@dataclass
class Bounds:
    """Of the error of a loss, in its unit: of the value, of the gradients by input and target, and
    of the gradient's gradients by input and target.
    """

    value: Array
    first: tuple[Array, Array]
    second: tuple[Array, Array]


def unit(dtypes: Any) -> float:
    """The coarsest unit of these dtypes; integers are exact."""
    return max(UNIT.get(str(d), 0.0) for d in dtypes)


def near(ours: Array, theirs: Array, bound: Any, what: str) -> None:
    """Same shape and dtype, the same nan and inf, and finite entries no further than ``bound``."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), (
        f"{what}: {ours.dtype}{ours.shape}, in torch {theirs.dtype}{theirs.shape}"
    )
    bound = np.broadcast_to(bound + TINY.get(str(theirs.dtype), 0.0), theirs.shape)
    wrong = ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    with np.errstate(invalid="ignore"):
        wrong &= ~(np.abs(ours.astype(np.float64) - theirs) <= bound)
    assert not wrong.any(), (
        f"{what}: {ours[wrong]}, in torch {theirs[wrong]}, bound {bound[wrong]} of {ours.shape}"
    )


def finite_part(x: Array) -> Array:
    """``x`` in float64 with 0 for what is not finite: bounds are judged for finite values only."""
    return np.where(np.isfinite(x), x, 0).astype(np.float64)


# --- losses of pairs: the input and the target of one element ------------------------------------


@dataclass
class Terms:
    """Of a loss of pairs, element by element: its size, and the errors of its value, of its slopes
    by x and t, and of its second derivatives by xx, by xt as differentiated by x and then t, by tx
    and by tt.
    """

    size: Array
    value: Array
    by_x: Array
    by_t: Array
    by_xx: Array
    by_xt: Array
    by_tx: Array
    by_tt: Array


def logits(x: Array, t: Array, p: Array | None) -> Terms:
    """(1 - t) x - log s ((p - 1) t + 1), s = sigmoid x: BCEWithLogitsLoss."""
    p = 1.0 if p is None else p
    a, t = np.abs(x), np.abs(t)
    tail = np.log1p(np.exp(-a))
    # log s = min(x, 0) - log1p(e**-|x|): two functions and a sum, then their difference
    log_s = a + tail
    log_s_off = a + (2 * EXP + 3) * (tail + 1)
    linear, weight = (1 + t) * a, (1 + p) * t + 1
    # 1 - t, its product with x; weight: three; their product and difference
    value = 4 * linear + weight * (log_s_off + 5 * log_s)
    # s: an exponential, a sum and a quotient; s (1 - s) twice that. The other factors and sums: 12
    slope = p * t + 1 + t
    rounds = EXP + 12
    return Terms(
        size=linear + weight * log_s, value=value,
        by_x=rounds * (slope + p * t), by_t=(1 + p) * (log_s_off + 8 * log_s),
        by_xx=2 * rounds * slope, by_xt=rounds * (1 + 2 * p),
        by_tx=rounds * (1 + p), by_tt=0 * a,
    )  # fmt: skip


def probabilities(q: Array, t: Array) -> Terms:
    """-(t log q + (1 - t) log(1 - q)), each logarithm at least -100: BCELoss."""
    with np.errstate(divide="ignore"):
        low, high = np.abs(np.log(q)), np.abs(np.log1p(-q))
        inverse = 1 / q + 1 / (1 - q)
    size = t * np.minimum(low, 100) + (1 - t) * np.minimum(high, 100)
    cut = np.maximum((1 - q) * q, 1e-12)
    # torch's second derivative shifts q and 1 - q by 1e-12, so that it is finite
    curve = (q * q + 2 * q * t + t) / ((q + 1e-12) * (1 - q + 1e-12)) ** 2
    # 1 - q is rounded before its logarithm is taken: a unit of 1
    return Terms(
        size=size, value=(EXP + 4) * size,
        by_x=9 * np.abs(q - t) / cut, by_t=finite_part((EXP + 6) * (low + high) + 4),
        by_xx=20 * curve, by_xt=9 / cut,
        by_tx=finite_part(9 * inverse), by_tt=0 * q,
    )  # fmt: skip


def squares(x: Array, t: Array) -> Terms:
    d = np.abs(x - t)
    each, two = d * d, np.full(d.shape, 2.0)
    return Terms(
        size=each, value=4 * each, by_x=6 * 2 * d, by_t=6 * 2 * d,
        by_xx=4 * two, by_xt=4 * two, by_tx=4 * two, by_tt=4 * two,
    )  # fmt: skip


def distances(x: Array, t: Array) -> Terms:
    d = np.abs(x - t)
    one, none = np.ones(d.shape), np.zeros(d.shape)
    return Terms(
        size=d, value=2 * d, by_x=3 * one, by_t=3 * one,
        by_xx=none, by_xt=none, by_tx=none, by_tt=none,
    )  # fmt: skip


def smooth_distances(x: Array, t: Array, beta: float) -> Terms:
    """d**2 / (2 beta) below beta, else d - beta / 2. d is rounded alike in both engines, so that
    they agree on its side; at the corner value and slope are continuous.
    """
    if beta == 0:
        return distances(x, t)
    d = np.abs(x - t)
    size, slope = np.where(d < beta, d * d / beta, d + beta), np.minimum(d / beta, 1)
    curve = np.where(d < beta * 1.1, 1 / beta, 0)
    return Terms(
        size=size, value=6 * size, by_x=6 * slope, by_t=6 * slope,
        by_xx=5 * curve, by_xt=5 * curve, by_tx=5 * curve, by_tt=5 * curve,
    )  # fmt: skip


def folded(errors: Array, shape: tuple[int, ...]) -> Array:
    """The error of the sum over what broadcasting repeated: of n terms, and n units of them."""
    lead = errors.ndim - len(shape)
    axes = tuple(
        i for i in range(errors.ndim) if i < lead or shape[i - lead] == 1 != errors.shape[i]
    )
    n = math.prod(errors.shape[i] for i in axes)
    return (1 + n) * errors.sum(axes).reshape(shape) if axes else errors


def of_pairs(
    terms: Terms, x: Array, t: Array, weight: Array, total: float | None, reduction: str
) -> Bounds:
    """``total``: what the mean divides by."""
    n = terms.size.size
    scale = 1 / total if reduction == "mean" and total else 1.0
    weight = np.abs(weight)
    value = weight * (terms.value + 2 * terms.size)
    if reduction != "none":
        value = (value.sum() + 2 * (n + 1) * (weight * terms.size).sum()) * scale
    by_x, by_t, by_xx, by_xt, by_tx, by_tt = (
        folded(weight * (each + 2) * scale, of)
        for each, of in (
            (terms.by_x, x.shape), (terms.by_t, t.shape), (terms.by_xx, x.shape),
            (terms.by_xt, t.shape), (terms.by_tx, x.shape), (terms.by_tt, t.shape),
        )
    )  # fmt: skip
    return Bounds(value, (by_x, by_t), (by_xx + by_tx, by_xt + by_tt))


# --- losses of classes ---------------------------------------------------------------------------


def of_classes(
    z: Array, t: Array, weight: Array | None, ignore_index: int, reduction: str, smoothing: float,
    *, softmax: bool = True,
) -> Bounds:  # fmt: skip
    """-sum_c A_c log p_c over rows of C classes, where A is the target with weights and smoothing:
    of logits z, or (without ``softmax``) of z = log p.
    """
    axis, soft = (0 if z.ndim == 1 else 1), t.dtype.kind == "f"
    rows_first = np.moveaxis(z, axis, -1)
    C = z.shape[axis]
    z = rows_first.reshape(math.prod(rows_first.shape[:-1]), C).astype(np.float64)
    R = len(z)
    w = np.ones(C) if weight is None else np.abs(finite_part(weight))
    if soft:
        q = np.abs(finite_part(np.moveaxis(t, axis, -1).reshape(R, C)))
        A = w * (q * (1 - smoothing) + smoothing / max(C, 1))
        total = float(R)
    else:
        label = t.reshape(R).astype(np.int64)
        kept = label != ignore_index
        of_label = np.where(kept, w[np.where(kept, label, 0)], 0) if C else np.zeros(R)
        A = (np.arange(C) == label[:, None]) * of_label[:, None] * (1 - smoothing)
        A = A + kept[:, None] * w * smoothing / max(C, 1)
        total = float(of_label.sum())
    scale = 1 / total if reduction == "mean" and total else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        away = z.max(1, keepdims=True, initial=-np.inf) - z if softmax else np.abs(z)
    away = np.where(np.isfinite(z) & np.isfinite(away), away, 0)
    if softmax:
        # log p = (z - top) - log sum exp(z - top): differences, C exponentials, a logarithm
        log_p = away + math.log(max(C, 1))
        off = 3 * away + C + 2 * EXP + 2 * math.log(max(C, 1)) + 2
        p = np.where(np.isfinite(z), np.exp(-away), 0)
        p /= np.maximum(p.sum(1, keepdims=True), 1)
    else:
        log_p, off, p = away, 0 * away, 0 * away

    W = A.sum(1, keepdims=True)
    value = (A * (off + 8 * log_p)).sum(1) + C * (A * log_p).sum(1)
    if reduction == "none":
        value = value.reshape(rows_first.shape[:-1])
    else:
        value = (value.sum() + 2 * (R * C + 1) * (A * log_p).sum()) * scale
    # A p-th part of W, and A: p is off by the factor e**off; sums over classes, and over rows in
    # the divisor of the mean
    P = p * (off + EXP + 3 * C + R + 12)
    by_z = (W * P + A * (8 + R)) * scale
    by_zz = W * (2 * P + p * P.sum(1, keepdims=True)) * scale
    B = np.where(soft, w * (1 - smoothing) * scale, 0) * np.ones_like(z)
    by_q = B * (off + 8 * log_p)
    by_qz = 8 * B + P * B.sum(1, keepdims=True)  # and twice: <v, p> is also a sum over classes
    by_zq = B * (P.sum(1, keepdims=True) + 12 + C)

    def back(rows: Array) -> Array:
        return np.moveaxis(rows.reshape(rows_first.shape), -1, axis)

    return Bounds(value, (back(by_z), back(by_q)), (back(by_zz + 2 * by_qz), back(by_zq)))
