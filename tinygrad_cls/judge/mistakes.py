"""The known mistakes: each yields the gradients that it would give, from what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from typing import Any

import numpy as np

from .differences import Slopes
from .formulas import SHAPES
from .point import Coordinate, Point
from .scene import Guess, Scene
from .subject import Array


def of_nothing(s: Scene) -> Iterator[Guess]:
    """What must be asked before all others: nothing came back, or a constant came along."""
    if not s.T.any() and s.u.any():
        yield "unused input", f"the output doesn't depend on {s.name}", s.u
    if not s.evidence.flags["kink"][s.rows].any():
        yield "zero", "the gradient is zero everywhere", np.zeros_like(s.u)
    with np.errstate(invalid="ignore"):
        gap = s.u - s.T
    if np.isfinite(gap).all() and gap.size > s.u.shape[0]:
        constant = float(np.median(gap))
        yield "constant added", f"{constant:.3g} was added to every number", s.T + constant


def of_numbers(s: Scene) -> Iterator[Guess]:
    """The right numbers, scaled, signed or limited."""
    yield "sign", "yours = - the gradient", -s.T
    finite = np.isfinite(s.u) & np.isfinite(s.T)
    if finite.all() and np.abs(s.T).max(initial=0) > 0:
        c = float((s.u * s.T).sum() / (s.T * s.T).sum())
        residue = np.abs(s.u - c * s.T).max(initial=0)
        if c and residue <= 0.1 * abs(c - 1) * np.abs(s.T).max():
            yield "factor", f"yours = {named_factor(c, s)} x the gradient", c * s.T
    yield "absolute value", "yours = |the gradient|", np.abs(s.T)
    if np.isfinite(s.u).all():
        top = np.abs(s.u).max(initial=0)
        if (np.abs(np.abs(s.u) - top) <= 1e-12 * top).sum() > 1:
            yield (
                "clipped",
                f"yours = the gradient, clipped to +-{top:.6g}",
                np.clip(s.T, -top, top),
            )


def named_factor(c: float, s: Scene) -> str:
    """A factor with its likely origin: ``1/4 (a mean over 4: axis 1 of x)``."""
    fraction = Fraction(c).limit_denominator(2000)
    near = abs(float(fraction) - c) <= 1e-7 * abs(c)
    small = fraction.denominator <= 12 or fraction.numerator in (1, -1)
    text = str(fraction) if near and (small or fraction.denominator == 1) else f"{c:.12g}"
    if abs(c - 0.5) <= 1e-7:
        return f"{text} (a factor 2 is missing, or one of two equal contributions)"
    sizes = {s.y.size: "the number of outputs", int(np.prod(s.shape)): f"the size of {s.name}"}
    for k, a in enumerate(s.point.arrays):
        for axis, n in enumerate(a.shape):
            sizes.setdefault(n, f"axis {axis} of {s.point.trial.subject.inputs[k]}")
    for n, what in sizes.items():
        if n > 2 and abs(c * n - 1) <= 1e-7:
            return f"{text} (1/N with N = {n}, {what})"
        if n > 2 and abs(c / n - 1) <= 1e-7:
            return f"{text} (N = {n}, {what})"
    return text


def of_cotangents(s: Scene) -> Iterator[Guess]:
    """The right derivative, applied to something else than the incoming cotangent."""
    ones = np.ones_like(s.g)
    yield "ignores cotangent", "yours = the gradient for a cotangent of ones", s.pull(ones)
    yield (
        "averages cotangent",
        "yours = the gradient for the cotangent's mean",
        s.pull(ones * s.g.mean(axis=1, keepdims=True)),
    )
    yield (
        "averages cotangent",
        "yours = the gradient for the cotangent's sum",
        s.pull(ones * s.g.sum(axis=1, keepdims=True)),
    )
    yield "cotangent twice", "yours = the gradient for g * g", s.pull(s.g * s.g)
    if s.u.shape[1] == s.g.shape[1] and s.whole:
        yield "cotangent twice", "yours = g * the gradient", s.T * s.g
    yield "ignores cotangent", "yours = the gradient for |g|", s.pull(np.abs(s.g))
    if s.diagonal:
        yield "absolute value", "yours = g * |the local derivative|", s.g @ np.abs(s.J).T
    yield "local derivative twice", "the local derivative is squared", np.asarray(s.g @ (s.J**2).T)
    for words, moved in rearranged(s.g, s.out):
        yield moved_hint(words), f"yours = the gradient for the cotangent {words}", s.pull(moved)


def moved_hint(words: str) -> str:
    """The hint that a rearrangement belongs to."""
    keys = {
        "moved": "shifted",
        "reversed": "reversed",
        "transposed": "transposed",
        "Fortran": "memory order",
    }
    return next(hint for word, hint in keys.items() if word in words)


def rearranged(rows: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Each row of (K, n), numbers in this shape, with its numbers in other places."""
    K, n = rows.shape
    if int(np.prod(shape)) != n or n < 2:
        return
    arrays = rows.reshape(K, *shape)
    for axis, size in enumerate(shape):
        if size > 1:
            yield f"reversed along axis {axis}", np.flip(arrays, axis + 1).reshape(K, n)
            for by in sorted(range(-min(size, 8) + 1, min(size, 8)), key=abs):
                if not by:
                    continue
                rolled = np.roll(arrays, by, axis + 1)
                yield f"moved by {by} along axis {axis}, around", rolled.reshape(K, n)
                edge: list[Any] = [slice(None)] * arrays.ndim
                edge[axis + 1] = slice(by) if by > 0 else slice(by, None)
                cut = rolled.copy()
                cut[tuple(edge)] = 0
                yield f"moved by {by} along axis {axis}", cut.reshape(K, n)
    if len(shape) > 1:
        for order in permutations(range(len(shape))):
            if order != tuple(range(len(shape))):
                turned = arrays.transpose(0, *(a + 1 for a in order))
                if turned.shape == arrays.shape:
                    yield f"transposed to axes {order}", turned.reshape(K, n)
        yield "in Fortran's order", np.array([a.ravel(order="F") for a in arrays])
        yield (
            "read from Fortran's order",
            np.array([row.reshape(shape, order="F").ravel() for row in rows]),
        )


def of_order(s: Scene) -> Iterator[Guess]:
    """The right numbers in the wrong places."""
    if s.whole:
        for words, moved in rearranged(s.T, s.shape):
            yield moved_hint(words), f"yours = the gradient {words}", moved


def of_swaps(s: Scene) -> Iterator[Guess]:
    """Another input's gradient."""
    for k in s.point.judged:
        if k != s.i and s.point.arrays[k].shape == s.shape:
            other = Scene(s.evidence, k)
            if other.T.shape == s.T.shape:
                both = other.close(s.T).all()
                hint = "swapped inputs" if both else "other operand"
                yield hint, f"yours is the gradient for {other.name}", other.T


def of_sums(s: Scene) -> Iterator[Guess]:
    """Contributions of several outputs, summed over the wrong axes or not at all."""
    if not s.whole:
        return
    if s.J.shape[0] == s.J.shape[1] and not s.diagonal:
        words = "the function's own linear map of the cotangent, where its transpose belongs"
        yield "transposed operand", words, s.g @ s.J
        own = np.diag(s.J) * s.g
        yield "missing term", "yours has each output's own slope only: cross terms are missing", own
    used = np.abs(s.J) > 1e-9 * np.abs(s.J).max(initial=0)
    if s.J.size and (used.sum(axis=1) > 1).any():
        rows = np.arange(len(s.J))
        first = used.argmax(axis=1)
        last = used.shape[1] - 1 - used[:, ::-1].argmax(axis=1)
        for which, words in ((last, "last"), (first, "first")):
            text = f"of several contributions, yours has the {words} alone: overwritten, not added"
            yield "overwritten", text, s.g[:, which] * s.J[rows, which]
    if not (used.sum(axis=0) <= 1).all():
        return
    each = s.g * s.J.sum(axis=0)  # what every output sends back to its one number
    K = len(s.g)
    contributions = each.reshape(K, *s.out)
    target = tuple(n for n in s.shape if n != 1)
    for count in range(1, len(s.out)):
        for axes in combinations(range(len(s.out)), count):
            rest = tuple(n for a, n in enumerate(s.out) if a not in axes and n != 1)
            if rest != target:
                continue
            where = tuple(a + 1 for a in axes)
            words = "axis " + " and ".join(map(str, axes)) + " of the output"
            yield (
                "wrong axis",
                f"yours was summed over {words}",
                contributions.sum(where).reshape(K, -1),
            )
            index: list[Any] = [slice(None)] * contributions.ndim
            for at, which in ((0, "first"), (-1, "last")):
                for a in where:
                    index[a] = at
                part = contributions[tuple(index)].reshape(K, -1)
                yield "missing sum", f"yours is the {which} slice of {words}, not their sum", part


def of_paths(s: Scene) -> Iterator[Guess]:
    """Elementwise: y = x + h(x) or y = x h(x), of which one path alone sent its gradient back."""
    if s.y.size == 1 or s.diagonal:
        g = s.g if s.y.size > 1 else np.repeat(s.g, s.u.shape[1], axis=1)
        with np.errstate(all="ignore"):
            c = float(np.median((s.T - s.u)[g != 0] / g[g != 0])) if (g != 0).any() else 0.0
        if np.isfinite(c) and abs(c - 1) > 1e-6:
            yield "missing term", f"yours lacks a term: {c:.6g} times the cotangent", s.T - c * g
    if not s.diagonal or not s.x.size:
        return
    true = np.diag(s.J)
    text = "of two paths to x, yours has one: overwritten, not added"
    yield "overwritten", f"{text} (y = x + h(x))", s.g * (true - 1)
    if (s.x != 0).all():
        yield "overwritten", f"{text} (y = x h(x))", s.g * (true - s.y / s.x)
        yield "overwritten", f"{text} (y = x h(x))", s.g * s.y / s.x


def of_normalizers(s: Scene) -> Iterator[Guess]:
    """Softmax, log-softmax, logsumexp, norms and layer norm: cross terms left out, or summed over
    another axis. Which one it is shows in the output: rows that sum to 1, of mean 0, of length 1.
    """
    if not s.whole or not s.shape or 0 in s.shape:
        return
    K = len(s.g)
    x = s.x.reshape(s.shape)
    shape = (K, *s.shape)
    if s.out != s.shape:
        if len(s.out) == len(s.shape) - 1 or int(np.prod(s.out)) == s.y.size:
            yield from of_folds(s, x)
        return
    y, g = s.y.reshape(s.shape), s.g.reshape(shape)
    axes = range(len(s.shape))
    for axis in axes:
        others = [a for a in axes if a != axis]
        if alike(y.sum(axis), np.ones(1)) and (y >= 0).all():
            yield "missing term", "g * y: softmax without its sum", (g * y).reshape(K, -1)
            for other in others:
                u = y * (g - (g * y).sum(other + 1, keepdims=True))
                words = f"softmax of axis {axis}, its sum taken over axis {other}"
                yield "wrong axis", words, u.reshape(K, -1)
        if alike(np.exp(y).sum(axis), np.ones(1)):
            yield "missing term", "g: log-softmax without its sum", s.g
            mean = g - np.exp(y) * g.mean(axis + 1, keepdims=True)
            yield "factor", "log-softmax with a mean where its sum belongs", mean.reshape(K, -1)
            for other in others:
                u = g - np.exp(y) * g.sum(other + 1, keepdims=True)
                words = f"log-softmax of axis {axis}, its sum taken over axis {other}"
                yield "wrong axis", words, u.reshape(K, -1)
        if alike(y.mean(axis), np.zeros(1)) and np.ptp(x, axis).min() > 0:
            yield from of_standardized(x, y, g, axis)
        size = np.sqrt((x * x).sum(axis, keepdims=True))
        if (size > 0).all() and alike((y * y).sum(axis), np.ones(1)):
            yield "missing term", "g / |x|: without the projection", (g / size).reshape(K, -1)
            for other in others:
                u = (g - y * (g * y).sum(other + 1, keepdims=True)) / size
                yield "wrong axis", f"the projection of axis {other}", u.reshape(K, -1)


def of_standardized(x: Array, y: Array, g: Array, axis: int) -> Iterator[Guess]:
    """Layer and batch norm, y = (x - mean) / deviation."""
    K = len(g)
    centred = x - x.mean(axis, keepdims=True)
    at = np.abs(centred).argmax(axis=axis, keepdims=True)
    deviation = np.take_along_axis(centred, at, axis) / np.take_along_axis(y, at, axis)
    if not np.isfinite(deviation).all():
        return

    def mean(a: Array, over: int) -> Array:
        return np.asarray(a.mean(over + 1, keepdims=True))

    terms = {
        "mean and deviation taken as constants": g / deviation,
        "the deviation taken as a constant": (g - mean(g, axis)) / deviation,
        "the mean taken as a constant": (g - y * mean(g * y, axis)) / deviation,
    }
    for words, u in terms.items():
        yield "missing term", words, u.reshape(K, -1)
    for other in range(x.ndim):
        if other != axis:
            u = (g - mean(g, other) - y * mean(g * y, other)) / deviation
            yield "wrong axis", f"means taken over axis {other}", u.reshape(K, -1)


def of_folds(s: Scene, x: Array) -> Iterator[Guess]:
    """logsumexp, whose gradient is a softmax."""
    K, top = len(s.g), x.max(initial=-np.inf)
    for axis in range(x.ndim):
        out = np.log(np.exp(x - top).sum(axis)) + top
        if out.size != s.y.size or not alike(out.ravel(), s.y):
            continue
        g = np.expand_dims(s.g.reshape(K, *out.shape), axis + 1)
        for other in range(x.ndim):
            if other != axis:
                y = np.exp(x - top) / np.exp(x - top).sum(other, keepdims=True)
                words = f"softmax over axis {other}, where axis {axis} belongs"
                yield "wrong softmax axis", words, (g * y).reshape(K, -1)


def of_formulas(s: Scene) -> Iterator[Guess]:
    """Elementwise: the local derivative is another elementary function's, or a formula's with x
    and y exchanged.
    """
    if not s.diagonal:
        return
    true = np.diag(s.J)
    right = [name for name, shape in SHAPES.items() if alike(shape(s.x, s.y), true)]
    should = f", where {right[0]} belongs" if right else ""
    shapes = [(name, shape(s.x, s.y)) for name, shape in SHAPES.items()]
    finite = [(name, derivative) for name, derivative in shapes if np.isfinite(derivative).all()]
    for name, derivative in finite:
        if name.translate(str.maketrans("xy", "yx")) in right:
            yield "output for input", f"yours = g * ({name}){should}", s.g * derivative
    if (true != 0).all():
        yield "divides", "yours = g / the local derivative", s.g / true
    for name, derivative in finite:
        yield "neighbour", f"yours = g * ({name}){should}", s.g * derivative


def alike(a: Array, b: Array) -> bool:
    """Equal to what differences can tell."""
    return bool(np.isfinite(a).all() and np.allclose(a, b, rtol=1e-6, atol=1e-9))


def of_operands(s: Scene) -> Iterator[Guess]:
    """The right formula, read at other inputs: exchanged, transposed, or of another axis."""
    arrays, point = s.point.arrays, s.point
    if not s.whole or s.J.size > 250_000:
        return
    for k in range(len(arrays)):
        if k != s.i and arrays[k].shape == s.shape and arrays[k].dtype == arrays[s.i].dtype:
            swapped = list(arrays)
            swapped[s.i], swapped[k] = arrays[k], arrays[s.i]
            names = point.trial.subject.inputs
            J = jacobian(point, swapped, s.i)
            if J is not None:
                words = f"the formula with {names[s.i]} and {names[k]} exchanged"
                yield "other operand", words, s.g @ J.T
            J = jacobian(point, swapped, k)
            if J is not None:
                words = f"the product with its factors {names[s.i]} and {names[k]} exchanged"
                yield "transposed operand", words, s.g @ J.T
    for k, a in enumerate(arrays):
        for axis in range(a.ndim if k != s.i and a.dtype.kind == "f" else 0):
            turned = [*arrays[:k], np.flip(a, axis).copy(), *arrays[k + 1 :]]
            J = jacobian(point, turned, s.i) if a.shape[axis] > 1 else None
            if J is not None:
                name = point.trial.subject.inputs[k]
                yield "reversed", f"the formula with {name} reversed along axis {axis}", s.g @ J.T
    for k, a in enumerate(arrays):
        if k != s.i and a.ndim == 2 and a.shape[0] == a.shape[1]:
            turned = [*arrays[:k], a.T.copy(), *arrays[k + 1 :]]
            J = jacobian(point, turned, s.i)
            if J is not None:
                name = point.trial.subject.inputs[k]
                yield "transposed operand", f"the formula with {name} transposed", s.g @ J.T
    x = arrays[s.i]
    if x.ndim == 2 and s.out == x.shape and min(x.shape) > 1:
        turned = [*arrays[: s.i], x.T.copy(), *arrays[s.i + 1 :]]
        J = jacobian(point, turned, s.i, x.T.shape)
        if J is not None:
            K = len(s.g)
            g = s.g.reshape(K, *s.out).transpose(0, 2, 1).reshape(K, -1)
            u = (g @ J.T).reshape(K, *x.T.shape).transpose(0, 2, 1).reshape(K, -1)
            yield "wrong axis", "the formula along the other axis", u
        if J is not None and x.shape[0] == x.shape[1]:
            yield "transposed operand", f"the formula with {s.name} transposed", s.g @ J.T


def jacobian(
    point: Point, arrays: Sequence[Array], i: int, shape: tuple[int, ...] | None = None
) -> Array | None:
    """The Jacobian (n, m) of input ``i`` at other inputs; None if the function takes them not."""
    trial = point.trial
    shapes = trial.shapes
    if shape is not None:
        trial.shapes = [shape]
    try:
        values = trial.value(arrays)
        if not np.isfinite(values).all():
            return None
        there = Point(
            trial, list(arrays), (i,), values, point.cotangents[:, : values.size], {}, point.rng
        )
        at: list[Coordinate] = [(i, j) for j in range(arrays[i].size)]
        parts: list[Slopes] = [found for _, found in there.fast(at)]
        J = np.concatenate([p.middle for p in parts]) if parts else np.zeros((0, values.size))
        return J if np.isfinite(J).all() else None
    finally:
        trial.shapes = shapes
