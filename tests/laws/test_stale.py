"""Stale only if read: writing over a value is an error exactly if backward needs it."""

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls.op import Op

from .calls import Call, cotangents, differentiable, each, leaf


def beside_the_graph(x: tg.Tensor) -> None:
    with tg.no_grad():
        x.zero_()


def through_data(x: tg.Tensor) -> None:
    x.data.zero_()


@pytest.mark.parametrize("overwrite", [beside_the_graph, through_data])
@each(Op, where=differentiable)
def test_stale_only_if_read(call: Call, overwrite: Callable[[tg.Tensor], None]) -> None:
    (g,) = map(leaf, cotangents(call))
    for i in call.slots:
        needs = call.formula(i).needs
        saved = {k for k, name in enumerate(call.entry.inputs) if name in needs}
        saved |= {-1} if "y" in needs else set()
        expected = None
        for k in (None, *range(len(call.arrays)), -1):  # what is overwritten: nothing, inputs, y
            xs = call.tensors([i])
            y = call.on(xs)
            if k is not None:
                target = y if k == -1 else xs[k]
                if not target._array.flags.writeable:  # one number in many places: not writable
                    continue
                overwrite(target)
                if (k if k == -1 else call.place(k)) in saved:
                    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                        tg.autograd.grad(y, xs[i], g)
                    continue
            (found,) = tg.autograd.grad(y, xs[i], g)
            expected = found if expected is None else expected
            np.testing.assert_array_equal(found.numpy(), expected.numpy())
