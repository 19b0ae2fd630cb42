"""The gradient of a gradient is the derivative of the gradient, and so on: the table is closed."""

from typing import Any

import numpy as np

import tinygrad_cls as tg
from tinygrad_cls import ops
from tinygrad_cls.op import Op

from .calls import (
    Array,
    Call,
    cotangents,
    differentiable,
    directions,
    each,
    leaf,
    results,
    smooth,
    vjp,
)  # fmt: skip
from .differences import EPS, agree, gradient, slope


def check_second_order(call: Call) -> None:
    """The gradient <u, dx_i> of every slot i, for random u, is differentiated once more.

    With respect to the cotangent g: dx_i = J_i' g, so that is J_i u, the slope of the forward
    function along u, which no backward pass had a part in. With respect to every input j: against
    finite differences of the first-order gradient.
    """
    gs, slots = cotangents(call), call.slots
    for i, u in zip(slots, directions([call.arrays[i] for i in slots]), strict=True):
        xs, cs = call.tensors(slots), [leaf(g, True) for g in gs]
        ys = smooth(call.on(xs))
        (dx,) = grad(ys, [xs[i]], cs, create_graph=True)
        found = grad(dx, [*cs, *(xs[j] for j in slots)], leaf(u))

        def along(t: float, k: int, i: int = i, u: Array = u) -> Array:
            arrays = list(call.arrays)
            arrays[i] = np.asarray(arrays[i] + t * u)
            with tg.no_grad():
                return results(call.on([leaf(a) for a in arrays]))[k].numpy()

        for k, y in enumerate(ys):
            # A value of the forward function is rounded a few times, by half a unit of its size.
            noise = 4 * EPS * max(np.abs(y.detach().numpy()).max(initial=0), call.scale)
            expected, bound = slope(lambda t, k=k: along(t, k), noise)
            agree(found[k].numpy(), expected, bound, f"{call}: J u of input {i}")
        # <u, dx> is a sum of products, each rounded a few times, by half a unit of the whole.
        noise = 8 * EPS * float(np.abs(u * dx.detach().numpy()).sum())
        for j, ours in zip(slots, found[len(cs) :], strict=True):
            expected, bound = gradient(
                lambda a, i=i, u=u: float(np.sum(u * vjp(call, a, gs, [i])[0])),
                call.arrays, j, noise,
            )  # fmt: skip
            agree(ours.numpy(), expected, bound, f"{call}: input {i}, then input {j}")


def grad(ys: Any, xs: Any, gs: Any, **how: bool) -> Any:
    return tg.autograd.grad(ys, xs, gs, allow_unused=True, materialize_grads=True, **how)


@each(where=differentiable)
def test_finite_differences(call: Call) -> None:
    check_second_order(call)


def check_closed(tape: list[Any]) -> None:
    """Whatever requires grad went through an op of the table that has a derivative for it."""
    for op, inputs, _, output in tape:
        assert ops.TABLE.get(op.name) is op
        if output.is_floating_point() and op.formulas:  # one without is flat: see test_gradient.py
            slots = range(len(inputs)) if op.law.variadic else op.formulas
            through = [isinstance(x, tg.Tensor) and x.requires_grad for x in inputs]
            assert all(i in slots for i, flows in enumerate(through) if flows), op


@each(where=differentiable)
def test_closed_under_differentiation(call: Call) -> None:
    """Every op met while a formula is read as a graph is of the table, to the third order."""
    xs, cs = call.tensors(call.slots), [leaf(g, True) for g in cotangents(call)]
    with tg.recording() as tape:
        ys = smooth(call.on(xs))
        for _ in range(3):
            if not ys:
                break
            found = tg.autograd.grad(
                ys, [xs[i] for i in call.slots], cs, allow_unused=True, create_graph=True
            )
            ys = smooth([g for g in found if g is not None])
            cs = [tg.ones_like(y) for y in ys]
    check_closed(tape)
    assert tape


def elementwise(call: Call) -> bool:
    op = call.entry
    return op.law.text == ops.EACH and "dim" not in op.static and differentiable(call)


@each(Op, where=elementwise)
def test_third_order(call: Call) -> None:
    (x,) = call.arrays

    def derivative(at: Array, order: int) -> Array:
        z = leaf(at, True)
        y = call.on([z])
        for _ in range(order):
            (y,) = grad(y, [z], tg.ones_like(y), create_graph=True)
            y = y if y.requires_grad else y + 0 * z
        return y.detach().numpy()

    second = derivative(x, 2)
    # The second derivative is made of some ten products and sums of numbers of its own size or 1.
    noise = 10 * EPS * max(1, np.abs(second).max(initial=0))
    expected, bound = slope(lambda t: derivative(np.asarray(x + t), 2), noise)
    agree(derivative(x, 3), expected, bound, f"{call}: third derivative")
