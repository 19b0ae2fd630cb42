"""One formula, three readings: arrays, a graph, a tape. They give the same bits."""

from itertools import product
from typing import Any

import numpy as np

import tinygrad_cls as tg

from .calls import DTYPES, LAYOUTS, Call, cotangents, differentiable, each, leaf, outcome, smooth


def same_bits(a: tg.Tensor, b: tg.Tensor) -> None:
    """Shape, dtype and values, the sign of a zero included; nan is equal to nan."""
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    a, b = a.detach().numpy(), b.detach().numpy()
    np.testing.assert_array_equal(a, b)
    number = ~np.isnan(a)
    np.testing.assert_array_equal(np.signbit(a)[number], np.signbit(b)[number])


def read(call: Call, gs: list[Any], **how: bool) -> tuple[tg.Tensor, ...]:
    xs = call.tensors(call.slots)
    ys = smooth(call.on(xs))
    return tg.autograd.grad(ys, [xs[i] for i in call.slots], gs, allow_unused=True, **how)


@each(where=differentiable)
def test_same_bits(call: Call) -> None:
    for dtype, layout in product(DTYPES, LAYOUTS):
        laid = Call(call.entry, call.text, dtype, layout)
        if outcome(lambda c=laid: c.on(c.tensors())) is RuntimeError:
            continue  # no view of such memory: test_value.py has seen that torch refuses it too
        gs = [leaf(g) for g in cotangents(laid)]
        numbers, graph = read(laid, gs), read(laid, gs, create_graph=True)
        with tg.recording() as tape:
            taped = read(laid, gs)
        with tg.recording():
            both = read(laid, gs, create_graph=True)
        computed = [event.output for event in tape]
        for g, *others in zip(numbers, graph, taped, both, strict=True):
            for other in others:
                assert (other is None) == (g is None)
                if g is not None:
                    same_bits(g, other)
        for g in taped:  # nothing was computed beside the tape
            assert g is None or any(g is x for x in (*gs, *computed))
