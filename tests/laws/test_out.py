"""``out=``: the result is written where the caller says, with the same bits."""

import inspect

import numpy as np

import tinygrad_cls as tg
from tinygrad_cls.op import Op

from .calls import DTYPES, Array, Call, each


def takes_out(call: Call) -> bool:
    kernel = call.entry.kernel
    return isinstance(kernel, np.ufunc) or "out" in inspect.signature(kernel).parameters


def into(call: Call, arrays: list[Array], out: Array) -> None:
    """The kernel fills ``out`` and returns it (or a view that is all of it)."""
    y = call.on(arrays, out=out)
    assert (y.ctypes.data, y.shape, y.strides) == (out.ctypes.data, out.shape, out.strides)


@each(Op, where=takes_out)
@np.errstate(all="ignore")
def test_fills_and_returns_it(call: Call) -> None:
    for dtype in DTYPES:
        call = Call(call.entry, call.text, dtype)
        y = np.asarray(call.on(call.arrays))
        for like in (y, np.array(y, order="C"), np.array(y, order="F")):
            out = np.full_like(like, 7)
            into(call, call.arrays, out)
            np.testing.assert_array_equal(out, y)


def elementwise(call: Call) -> bool:
    law = call.entry.law
    return takes_out(call) and all(axes == ["..."] for axes in (*law.inputs, law.result))


@each(Op, where=elementwise)
@np.errstate(all="ignore")
def test_in_place(call: Call) -> None:
    """Any input of the result's shape and dtype can be ``out``."""
    y = np.asarray(call.on(call.arrays))
    for i, x in enumerate(call.arrays):
        if (x.shape, x.dtype) == (y.shape, y.dtype):
            arrays = [a.copy() for a in call.arrays]
            into(call, arrays, arrays[i])
            np.testing.assert_array_equal(arrays[i], y)


@each(Op, where=takes_out)
def test_of_tensors(call: Call) -> None:
    xs = call.tensors()
    y = call.on(xs)
    out = tg.zeros_like(y)
    assert call.on(xs, out=out) is out
    np.testing.assert_array_equal(out.numpy(), y.numpy())
