"""Published rules of projects that are not called here, re-expressed on NumPy arrays.

Each is what the source cited does with a function of arrays and its backward, with its defaults:
step, cotangent, which elements, comparison, and the conversions its arrays undergo. A tuple of
outputs is laid end to end. Where the engine itself refuses a gradient (chainer: shape and dtype),
so does the rule.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..case import Array
from .pair import NotRun, Pair, flat, like, one_hot, zero_for_none
from .rival import Checker, Rival


def dezero(pair: Pair) -> str:
    """DeZero's ``gradient_check`` (oreilly-japan/deep-learning-from-scratch-3, 011aa1e).

    For each input, as float64, in place: central differences of step 1e-4 of every element,
    against backward of an all-ones cotangent; allclose, rtol 1e-4, atol 1e-5.
    """
    for i in range(len(pair.wanted)):
        xs = [x.astype(np.float64) if j == i else x for j, x in enumerate(pair.xs)]
        numeric = np.zeros_like(xs[i])
        for at in np.ndindex(xs[i].shape):
            here = xs[i][at].copy()
            xs[i][at] = here + 1e-4
            above = flat(pair.values(*xs))
            xs[i][at] = here - 1e-4
            below = flat(pair.values(*xs))
            numeric[at] = (above - below).sum() / 2e-4
            xs[i][at] = here
        ys = pair.values(*xs)
        gradient = pulled(pair, [np.ones_like(y) for y in ys], xs)[i]
        if gradient.shape != numeric.shape:
            return f"input {i}: a gradient of shape {gradient.shape} for {numeric.shape}"
        if not np.allclose(numeric, gradient, rtol=1e-4, atol=1e-5):
            return f"input {i}: {apart(gradient, numeric)}"
    return ""


def minitorch(pair: Pair) -> str:
    """minitorch's ``grad_check`` (minitorch/minitorch, 246f231).

    As float64: one random element of each input, central difference of step 1e-6 of the sum,
    against backward of an all-ones cotangent; rtol and atol 1e-2. Its engine broadcasts and sums a
    gradient to its input's shape (``Tensor.expand``), so that a forgotten sum heals.
    """
    xs = [x.astype(np.float64) for x in pair.xs]
    if any(not x.size for x in xs):
        raise NotRun("grad_check samples an element of each input, and one is empty")
    draw = random.Random(10)
    gradients = pulled(pair, [np.ones_like(y) for y in pair.values(*xs)], xs)
    for i, gradient in enumerate(map(expanded, gradients, xs)):
        at = tuple(draw.randint(0, n - 1) for n in xs[i].shape)
        above, below = (
            flat(pair.values(*[stepped(z, at, h) if j == i else z for j, z in enumerate(xs)])).sum()
            for h in (1e-6, -1e-6)
        )
        numeric = (above - below) / 2e-6
        if not np.allclose(gradient[at], numeric, rtol=1e-2, atol=1e-2, equal_nan=True):
            return f"input {i}, {at}: {gradient[at]:.6g} against {numeric:.6g}"
    return ""


def tinygrad(pair: Pair) -> str:
    """tinygrad's ``extra/gradcheck.py`` (tinygrad/tinygrad, 07e4608).

    As float32: the Jacobian for one input at a time, central differences of step 1e-3; allclose,
    rtol and atol 1e-3. Its backward asserts that a gradient has its input's shape.
    """
    xs = [x.astype(np.float32) for x in pair.xs]
    ys, wide = pair.values(*xs), pair.values(*pair.xs)
    if not np.array_equal(np.isfinite(flat(ys)), np.isfinite(flat(wide))):
        raise NotRun("tinygrad computes in float32, which does not reach these numbers")
    gradients = pulled(pair, [np.ones_like(y) for y in ys], xs)
    if any(a.shape != x.shape for a, x in zip(gradients, xs, strict=True)):
        return "grad shape must match tensor shape"
    for i, (backward, numeric) in enumerate(jacobians(pair, xs, 1e-3)):
        if not np.allclose(backward, numeric, rtol=1e-3, atol=1e-3):
            return f"input {i}: {apart(backward, numeric)}"
    return ""


def tensorflow(pair: Pair) -> str:
    """TensorFlow's ``tf.test.compute_gradient`` (2.x, ``gradient_checker_v2.py``).

    The Jacobian for one input at a time, central differences of step 1/1024, in the input's dtype.
    It leaves the verdict to its user: here that of most of its own tests, ``max_error < 1e-4``.
    Without outputs, the gradient must have its input's shape, and be zero.
    """
    ys = pair.values(*pair.xs)
    if not sum(y.size for y in ys):
        gradients = pulled(pair, ys, pair.xs)
        if any(a.shape != x.shape or a.any() for a, x in zip(gradients, pair.xs, strict=True)):
            return "an empty output with a gradient of another shape, or nonzero"
    for i, (backward, numeric) in enumerate(jacobians(pair, pair.xs, 1 / 1024)):
        error = np.max(np.abs(backward - numeric), initial=0)
        if not error < 1e-4:
            return f"input {i}: max_error {error:.2g}"
    return ""


def smallpebble(pair: Pair) -> str:
    """SmallPebble's ``check_grad`` (sradc/SmallPebble, d6afeb3).

    It runs forward, backward and the numerical gradient, then compares the error of the *forward*
    pass with 1e-6, once for itself and once more for each gradient: no gradient is compared.
    """
    xs = pair.xs
    ys = pair.values(*xs)
    pulled(pair, [np.ones_like(y) for y in ys], xs)
    again = pair.values(*xs)
    for i, x in enumerate(xs):
        for at in np.ndindex(x.shape):
            for h in (0.5, -0.5):  # its default step of 1, on both sides
                pair.values(*[stepped(z, at, h) if j == i else z for j, z in enumerate(xs)])
    error = np.sqrt(np.mean((flat(ys) - flat(again)) ** 2))
    return f"function output rmse: {error:.2g}" if error > 1e-6 else ""


def chainer(pair: Pair) -> str:
    """chainer's ``check_backward`` and ``check_double_backward`` (7.x, ``gradient_check.py``).

    Along one random unit direction of all inputs, with a random cotangent (as its own tests give):
    central difference of step 1e-3, atol 1e-5, rtol 1e-4; of second order 1e-4 and 1e-3. Its
    detection of non-differentiable points is off by default. An integer input must have no
    gradient.
    """
    rng = np.random.RandomState(0)
    xs = pair.xs
    ys = pair.values(*xs)
    gs = [rng.uniform(-1, 1, y.shape).astype(y.dtype) if y.shape else np.ones_like(y) for y in ys]
    copies = [g.copy() for g in gs]
    if stray := [i for i, a in enumerate(pair.everything(copies, *xs)) if a is not None]:
        stray = [i for i in stray if i not in pair.wanted]
        if stray:
            return f"gradient of int variable must be None (input {stray[0]})"
    gradients = accepted(pair.pullback([g.copy() for g in gs], *xs), xs)
    directions = unit(rng, xs)

    def along(delta: float) -> list[Array]:
        return [moved(x, delta * d) for x, d in zip(xs, directions, strict=True)]

    above, below = pair.values(*along(1e-3)), pair.values(*along(-1e-3))
    numeric = (
        dot([(a - b).astype(np.float64) for a, b in zip(above, below, strict=True)], gs) / 2e-3
    )
    backward = dot(gradients, directions)
    if not np.allclose(numeric, backward, rtol=1e-4, atol=1e-5, equal_nan=True):
        return f"check_backward: {backward:.6g} against {numeric:.6g}"
    return "" if pair.vjp2 is None else chainer_second(pair, gs, rng)


def chainer_second(pair: Pair, gs: list[Array], rng: np.random.RandomState) -> str:
    """The same for the gradients, as a function of inputs and cotangents."""
    inputs = [*pair.xs, *gs]
    n = len(pair.wanted)
    directions = unit(rng, inputs)
    hs = [rng.uniform(-1, 1, x.shape).astype(x.dtype) for x in pair.xs]

    def at(delta: float) -> list[Array]:
        args = [moved(x, delta * d) for x, d in zip(inputs, directions, strict=True)]
        return pulled(pair, args[n:], args[:n])

    numeric = dot([a - b for a, b in zip(at(1e-3), at(-1e-3), strict=True)], hs) / 2e-3
    for_gs, for_xs = pair.second(hs, gs, *pair.xs)
    backward = dot(accepted([*for_xs, *for_gs], inputs), directions)
    if np.allclose(numeric, backward, rtol=1e-3, atol=1e-4, equal_nan=True):
        return ""
    return f"check_double_backward: {backward:.6g} against {numeric:.6g}"


# --- what they share ------------------------------------------------------------------------------


def pulled(pair: Pair, gs: Sequence[Array], xs: Sequence[Array]) -> list[Array]:
    """The gradients, zero where there is none."""
    return [zero_for_none(a, x) for a, x in zip(pair.pullback(gs, *xs), xs, strict=True)]


def jacobians(pair: Pair, xs: Sequence[Array], step: float) -> Iterator[tuple[Array, Array]]:
    """For one input after the other the Jacobian, pulled back row by row and by differences."""
    ys = pair.values(*xs)
    size = sum(y.size for y in ys)
    for i, x in enumerate(xs):
        backward = np.zeros((size, x.size), x.dtype)
        for row in range(size):
            pair.values(*xs)
            backward[row] = pulled(pair, like(one_hot(size, row), ys), xs)[i].ravel()
        numeric = np.zeros_like(backward)
        for column, at in enumerate(np.ndindex(x.shape)):
            above, below = (
                flat(pair.values(*[stepped(z, at, h) if j == i else z for j, z in enumerate(xs)]))
                for h in (step, -step)
            )
            numeric[:, column] = (above - below) / (2 * step)
        yield backward, numeric


def expanded(gradient: Array, x: Array) -> Array:
    """The gradient broadcast against x, then summed to the shape of x."""
    shape = np.broadcast_shapes(gradient.shape, x.shape)
    full = np.broadcast_to(gradient, shape)
    extra = len(shape) - x.ndim
    axes = [k for k, n in enumerate(shape) if n != 1 and (k < extra or x.shape[k - extra] == 1)]
    return np.asarray(full.sum(tuple(axes), keepdims=True)).reshape(x.shape)


def stepped(x: Array, at: tuple[int, ...], step: float) -> Array:
    """A copy, with one element moved."""
    made = x.copy()
    made[at] += step
    return made


def moved(x: Array, by: Array) -> Array:
    """x + by, added in float64, in the dtype of x."""
    return np.asarray(x.astype(np.float64) + by).astype(x.dtype)


def unit(rng: np.random.RandomState, xs: Sequence[Array]) -> list[Array]:
    """One random direction through all of them, of length 1."""
    directions = [np.asarray(rng.normal(size=x.shape)) for x in xs]
    norm = np.sqrt(sum(float(np.square(d).sum()) for d in directions))
    return [d / norm for d in directions] if norm else directions


def dot(xs: Sequence[Array], ys: Sequence[Array]) -> float:
    """The inner product of arrays taken together."""
    return sum(float((x.astype(np.float64) * y).sum()) for x, y in zip(xs, ys, strict=True))


def accepted(gradients: Sequence[Array | None], xs: Sequence[Array]) -> list[Array]:
    """The gradients that chainer's backward takes: of their input's shape and dtype."""
    found = [zero_for_none(a, x) for a, x in zip(gradients, xs, strict=True)]
    for gradient, x in zip(found, xs, strict=True):
        for what in ("dtype", "shape"):
            if getattr(gradient, what) != getattr(x, what):
                raise TypeError(
                    f"{what} of data and grad mismatch: {getattr(gradient, what)} for "
                    f"{getattr(x, what)}"
                )
    return found


def apart(backward: Array, numeric: Array) -> str:
    """Where two arrays part most."""
    at: Any = np.unravel_index(np.argmax(np.abs(backward - numeric)), backward.shape)
    return f"{backward[at]:.6g} against {numeric[at]:.6g}"


RULES = (
    Rival("chainer", "chainer check_backward", "rule", lambda: Checker(chainer, "7.x")),
    Rival("tensorflow", "TensorFlow compute_gradient", "rule", lambda: Checker(tensorflow, "2.x")),
    Rival("tinygrad", "tinygrad gradcheck", "rule", lambda: Checker(tinygrad, "07e4608")),
    Rival("dezero", "DeZero gradient_check", "rule", lambda: Checker(dezero, "011aa1e")),
    Rival("minitorch", "minitorch grad_check", "rule", lambda: Checker(minitorch, "246f231")),
    Rival("smallpebble", "SmallPebble check_grad", "rule", lambda: Checker(smallpebble, "d6afeb3")),
)
