"""Stale only if read: writing over a value is an error exactly if backward needs it."""

import re
from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls import nn, optim
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


# --- the error names the line that wrote ---------------------------------------------------------

WRITES = """
w += 1
w.mul_(2)
w.zero_()
w[0] = 5.0
w[w > 1] = 0.0
w[1:] = tg.zeros(2)
w.copy_(tg.zeros(3))
w.fill_(2.0)
w.masked_fill_(w > 1, 0.0)
w.clamp_(0, 1)
w.view(-1)[0] = 3.0
w[1:].add_(1)
w.T[0] = 5.0
w.unsqueeze(0).exp_()
w.data.mul_(2)
w.data[0] = 5.0
w.detach().sub_(1)
tg.exp(tg.ones(3), out=w)
tg.nn.init.ones_(w)
""".strip().splitlines()


@pytest.mark.parametrize("write", WRITES)
def test_the_line_of_the_write(write: str) -> None:
    """Whatever the way to the memory, it is the user's line and not one of the engine's."""
    w = tg.tensor([1.0, 2.0, 3.0])
    y = (tg.ones(3, requires_grad=True) * w).sum()
    exec(
        compile(f"\n\ndef write(w):\n    {write}\nwrite(w)", "users.py", "exec"), {"w": w, "tg": tg}
    )
    with pytest.raises(RuntimeError, match=r"The last write was at users\.py, line 4, in write"):
        y.backward()


@pytest.mark.parametrize(
    "update",
    [
        lambda ps: optim.SGD(ps, lr=0.1).step(),
        lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9).step(),
        lambda ps: optim.Adam(ps).step(),
        lambda ps: nn.init.zeros_(ps[0]),
    ],
)
def test_the_line_of_an_update(update: Callable[[list[tg.Tensor]], None]) -> None:
    """A second backward after step(), the commonest of these mistakes: step()'s line is named."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    loss = model(tg.ones(1, 2)).sum()
    loss.backward(retain_graph=True)
    update(list(model.parameters())[2:])
    with pytest.raises(RuntimeError, match=r"The last write was at .*test_stale\.py.*: lambda ps:"):
        loss.backward()


def test_the_last_of_several_writes_is_named() -> None:
    w = tg.ones(3)
    y = (tg.ones(3, requires_grad=True) * w).sum()
    w.add_(1)  # the first
    w.view(-1).add_(1)  # the last
    with pytest.raises(RuntimeError, match=r"at version 2; expected version 0.*# the last\."):
        y.backward()


def test_the_value_of_an_in_place_op_that_is_saved() -> None:
    """exp_ saves what it wrote; a later write is named, its own is none."""
    y = tg.ones(3, requires_grad=True) * 1
    y.exp_()
    y.mul_(2)  # here
    with pytest.raises(RuntimeError, match=r"output 0 of Exp.*y\.mul_\(2\)  # here"):
        y.sum().backward()


def test_a_write_with_no_line_of_its_own() -> None:
    """Code without a source, as in exec: the file, the line and the function are still told."""
    w = tg.ones(3)
    y = (tg.ones(3, requires_grad=True) * w).sum()
    exec("w.add_(1)", {"w": w})
    with pytest.raises(RuntimeError) as error:
        y.backward()
    assert re.search(r"at <string>, line 1, in <module>\. Hint", str(error.value))
