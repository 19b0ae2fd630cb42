"""Backward's answer is the derivative: by finite differences, and by PyTorch."""

from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls import ops
from tinygrad_cls.op import Op

from .calls import (
    DTYPES,
    Array,
    Call,
    close,
    cotangents,
    differentiable,
    each,
    is_real,
    leaf,
    results,
    vjp,
)  # fmt: skip
from .differences import EPS, agree, gradient


def weighed(call: Call, arrays: list[Array], gs: list[Array], size: bool = False) -> float:
    """sum <g, y> over the call's results: what the cotangents ``gs`` make a number of."""
    with tg.no_grad():
        ys = [y.numpy() for y in results(call.on([leaf(a) for a in arrays])) if real(y)]
    return float(sum(np.sum(np.abs(g * y) if size else g * y) for g, y in zip(gs, ys, strict=True)))


def real(y: Any) -> bool:
    return isinstance(y, tg.Tensor) and y.is_floating_point()


def check_gradient(call: Call) -> None:
    """Every slot's gradient of <g, y> is what finite differences of <g, y> say."""
    gs = cotangents(call)
    for i, ours in zip(call.slots, vjp(call, call.arrays, gs, call.slots), strict=True):
        # Each of the n products is rounded a few times, by half a unit of the whole at most.
        noise = 4 * EPS * max(weighed(call, call.arrays, gs, size=True), call.scale)
        expected, bound = gradient(lambda a: weighed(call, a, gs), call.arrays, i, noise)
        agree(ours, expected, bound, f"{call}: gradient of input {i}")


@each(where=differentiable)
def test_finite_differences(call: Call) -> None:
    check_gradient(call)


@each(Op, where=lambda call: not call.entry.formulas and any(map(is_real, call.arrays)))
def test_what_has_no_derivative_is_flat(call: Call) -> None:
    """An op without a formula whose result is a real number is a step function."""
    with tg.no_grad():
        ys = results(call.on(call.tensors()))
    if all(map(real, ys)):
        gs = [np.ones(y.shape) for y in ys]
        for i in range(len(call.arrays)):
            slope, _ = gradient(lambda a: weighed(call, a, gs), call.arrays, i, noise=0)
            assert (slope == 0).all()


def scaled(call: Call, i: int, factor: float) -> list[Array]:
    """The results' values with array ``i`` multiplied by ``factor``."""
    arrays = [factor * a if k == i else a for k, a in enumerate(call.arrays)]
    with tg.no_grad():
        return [y.numpy() for y in results(call.on([leaf(a) for a in arrays])) if real(y)]


def homogeneous(call: Call, i: int) -> bool:
    """Whether f(t x) - f(0) = t (f(x) - f(0)) for t = 2 and 3.7, as for all that is linear."""
    zero, one = (scaled(call, i, t) for t in (0.0, 1.0))
    return all(
        np.isfinite(a).all() and np.allclose(y - a, t * (b - a), rtol=1e-12, atol=1e-12)
        for t in (2.0, 3.7)
        for a, b, y in zip(zero, one, scaled(call, i, t), strict=True)
    )


def somewhere_homogeneous(call: Call) -> bool:
    return differentiable(call) and any(homogeneous(call, i) for i in call.slots)


@each(where=somewhere_homogeneous)
def test_adjoint_identity(call: Call) -> None:
    """<A x, g> = <x, A' g>, to rounding, where f is A x + c: sum and spread, getitem and put, and
    so on prove each other. (By Euler's theorem it holds for max(x, 0) or a norm of x as well.)"""
    gs = cotangents(call)
    for i, dx in zip(call.slots, vjp(call, call.arrays, gs, call.slots), strict=True):
        if homogeneous(call, i):
            parts = zip(gs, scaled(call, i, 1.0), scaled(call, i, 0.0), strict=True)
            forward = np.concatenate([(g * (one - zero)).ravel() for g, one, zero in parts])
            backward = call.arrays[i] * dx
            # Each number on either side is a sum of at most `fold` products of two roundings.
            noise = EPS * (2 + call.fold) * (np.abs(forward).sum() + np.abs(backward).sum())
            assert abs(forward.sum() - backward.sum()) <= noise


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@each(where=differentiable)
def test_torch(call: Call, dtype: str, twins: Any) -> None:
    call = Call(call.entry, call.text, dtype)
    gs = cotangents(call)
    with tg.recording() as tape:
        ours = vjp(call, call.arrays, gs, call.slots)
    # Each op on the way forward and back rounds by at most 2 units of the largest number around,
    # a fold of n numbers by n/2 more; torch's way is another one of the same length.
    ulps = 4 * len(tape) + call.fold
    for a, b in zip(ours, twins.Twin(call, call.slots).vjp(gs, call.slots), strict=True):
        largest = max(float(np.abs(x).max(initial=0)) for x in (b, *gs))
        close(a, b, ulps, largest)


@pytest.mark.needs_torch
@each(where=lambda call: call.entry.name not in ops.HELPERS)
def test_differentiable_where_torch_is(call: Call, twins: Any) -> None:
    if call.entry.name == "floor_divide":
        pytest.skip("torch says so, and that the derivative is not implemented in backward")
    every = [i for i, a in enumerate(call.arrays) if is_real(a)]
    for i in every:
        ours = [real(y) and y.requires_grad for y in results(call.on(call.tensors([i])))]
        theirs = [getattr(y, "requires_grad", False) for y in twins.Twin(call, [i]).results]
        assert ours == theirs
