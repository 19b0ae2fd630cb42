"""What the cases share: the adjoint of broadcasting, stable functions, two losses with options."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair


def unbroadcast(g: Any, x: Array) -> Array:
    """The cotangent of an input that was broadcast: ``g`` summed to the shape of ``x``."""
    if g.shape == x.shape:
        return np.asarray(g)
    new = g.ndim - x.ndim
    axes = (*range(new), *(new + i for i, n in enumerate(x.shape) if n == 1))
    return np.asarray(g.sum(axes)).reshape(x.shape)


def scatter(g: Array, index: Any, x: Array) -> Array:
    """Zeros like ``x`` with ``g`` added at ``index``, repeats and all."""
    out = np.zeros_like(x)
    np.add.at(out, index, g)
    return out


def softplus(x: Array) -> Array:
    """log(1 + e**x) without overflow."""
    return np.asarray(np.logaddexp(0, x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e**-x) without overflow, to the last digits on both sides."""
    return np.asarray(np.exp(-softplus(-x)))


def softmax(x: Array, axis: int = -1) -> Array:
    """e**x / sum e**x along an axis, without overflow."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def logsumexp(x: Array, axis: int = -1) -> Array:
    """log sum e**x along an axis, without overflow; the axis is kept."""
    top = x.max(axis, keepdims=True)
    return np.asarray(top + np.log(np.exp(x - top).sum(axis, keepdims=True)))


def softmax_vjp(g: Array, x: Array) -> Array:
    """The pullback of softmax along the last axis."""
    y = softmax(x)
    return np.asarray(y * (g - (g * y).sum(-1, keepdims=True)))


def matrix_product(x: Array, w: Array) -> Array:
    """x @ w of two matrices and nothing else."""
    same(x.shape[1:], w.shape[:1])
    return np.asarray(np.einsum("ij,jk->ik", x, w))


def layer_norm(x: Array) -> Array:
    """(x - mean) / sqrt(variance + 1e-5) along the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / deviation(x))


def deviation(x: Array) -> Array:
    """What layer_norm divides by."""
    return np.asarray(np.sqrt(x.var(-1, keepdims=True) + 1e-5))


def layer_norm_vjp(g: Array, x: Array) -> Array:
    """The pullback of layer_norm."""
    y = layer_norm(x)
    own = g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)
    return np.asarray(own / deviation(x))


def mixed(right: Pair, wrong: Pair) -> Pair:
    """The forward of one rule with the backward of another."""
    return right[0], wrong[1]


def bce_with_logits(pos_weight: float = 1.0, over: str = "count") -> Pair:
    """Binary cross-entropy of logits and labels of 0 and 1, summed and divided by the ``count`` of
    elements or by ``one``.
    """

    def f(x: Array, t: Array) -> Any:
        same(x.shape, t.shape)
        loss = pos_weight * t * softplus(-x) + (1 - t) * softplus(x)
        return loss.sum() / (x.size if over == "count" else 1)

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        slope = (1 - t) * sigmoid(x) - pos_weight * t * sigmoid(-x)
        return g * slope / (x.size if over == "count" else 1), None

    return f, vjp


def cross_entropy(
    weight: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    over: str = "weights",
    spread: str = "all",
    axis: int = -1,
) -> Pair:
    """Cross-entropy of logits (N, C) and labels (N), as torch has it.

    over: divided by the ``weights`` of the labels that count, by their ``count``, by the ``rows``,
    or by ``one``; spread: smoothing is spread over ``all`` classes or over the ``others``;
    axis: of the softmax.
    """

    def target(x: Array, t: Array) -> tuple[Array, Any]:
        """What the log-probabilities are weighed by, and what the sum is divided by."""
        same(x.shape[:-1], t.shape)
        classes = x.shape[-1]
        w = np.ones(classes) if weight is None else weight
        counts = np.ones(t.shape, bool) if ignore_index is None else t != ignore_index
        hot = np.eye(classes)[np.where(counts, t, 0)]
        even = 1 / classes if spread == "all" else (1 - hot) / (classes - 1)
        q = w * ((1 - label_smoothing) * hot + label_smoothing * even) * counts[:, None]
        same(q.shape, x.shape)
        sums = {"weights": (w * hot * counts[:, None]).sum(), "count": counts.sum()}
        return q, {**sums, "rows": len(t), "one": 1}[over]

    def f(x: Array, t: Array) -> Any:
        q, total = target(x, t)
        return (q * (logsumexp(x, axis) - x)).sum() / total

    def vjp(g: Array, x: Array, t: Array) -> tuple[Array, None]:
        q, total = target(x, t)
        return g * (softmax(x, axis) * q.sum(axis, keepdims=True) - q) / total, None

    return f, vjp


def same(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Raises ValueError for two shapes that differ."""
    if one != other:
        raise ValueError(f"shapes {one} and {other} differ")
