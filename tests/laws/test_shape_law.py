"""The shape law is what happens: it foretells the output, and a wrong shape is told by its axis."""

import inspect
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import tinygrad_cls as tg
from tinygrad_cls import ops
from tinygrad_cls.op import Op

from .calls import Array, Call, each, leaf, outcome, results, smooth

# --- the examples --------------------------------------------------------------------------------


@each(Op)
def test_the_law_foretells_the_shape(call: Call) -> None:
    y, op = call.on(call.tensors()), call.entry
    promised = op.law.output([np.shape(a) for a in call.args], {**op.static, **call.kwargs})
    assert promised in (None, tuple(y.shape))


def grown(a: Array, axis: int) -> Array:
    """``a`` with one more slice along ``axis``."""
    more = np.ones((*a.shape[:axis], 1, *a.shape[axis + 1 :]), a.dtype)
    return np.concatenate([a, more], axis)


def misfits(call: Call) -> list[tuple[str, list[Array]]]:
    """The call's arrays with one axis grown that another array has too, and the axis's name."""
    law, found = call.entry.law, []
    for i, a in enumerate(call.arrays):
        named = [axis for axis in law.inputs[call.place(i)] if axis not in ("...", "?")]
        first = law.inputs[call.place(i)].index(named[0]) if named else 0
        for axis in named:
            if sum(axis in axes for axes in law.inputs) > 1:
                at = named.index(axis) + (a.ndim - len(named) if first else 0)
                found.append((axis, [*call.arrays[:i], grown(a, at), *call.arrays[i + 1 :]]))
    return found


def bound_by_axes(call: Call) -> bool:
    return not call.entry.law.variadic and len(call.arrays) > 1 and bool(misfits(call))


@each(Op, where=bound_by_axes)
def test_a_wrong_size_is_told_by_its_axis(call: Call) -> None:
    for axis, arrays in misfits(call):
        # ValueError is torch's choice where a loss gets too few labels.
        sizes = rf"\baxis {axis} is \d+ in .+ and \d+ in .+"
        with pytest.raises((RuntimeError, ValueError), match=sizes):
            call.on([leaf(a) for a in arrays])


@pytest.mark.needs_torch
@each(where=lambda call: len(call.arrays) > 1 and call.entry.name not in ops.HELPERS)
def test_a_wrong_size_is_told_in_torchs_words(call: Call, twins: Any) -> None:
    """Every axis of every array grown in turn: both compute, or both refuse in the same words."""
    for i, a in enumerate(call.arrays):
        for axis in range(a.ndim):
            wrong = Call(call.entry, call.text)
            wrong.arrays[i] = grown(a, axis)
            refused(lambda c=wrong: call.on(c.tensors()), lambda c=wrong: twins.Twin(c))


def refused(ours: Any, theirs: Any) -> None:
    """Both return, or both raise the same type with the same first sentence."""
    expected = raised(theirs)
    if expected is None:
        ours()
        return
    with pytest.raises(type(expected)) as error:
        ours()
    sentence = re.split(r"(?<=\w)\. |\n|; ", str(expected))[0].rstrip(".")
    assert str(error.value).startswith(sentence), f"{error.value}\nbut torch: {expected}"


def raised(f: Any) -> Exception | None:
    try:
        f()
    except Exception as error:
        return error
    return None


# --- broadcasting --------------------------------------------------------------------------------

PAIRS = [
    op
    for op in ops.TABLE.values()
    if isinstance(op, Op) and op.law.text == ops.PAIR and op.name not in ops.HELPERS
]
SIZES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
each_pair = pytest.mark.parametrize("op", PAIRS, ids=lambda op: op.name)


def operands(op: Op, shapes: tuple[tuple[int, ...], ...]) -> list[Array]:
    """Small distinct numbers in the kind that the op takes."""
    kind = np.int64 if op.types == "integer" else np.float64
    return [
        (np.arange(np.prod(shape)).reshape(shape) * (2 + i) + 1 + i).astype(kind) / kind(1)
        if kind is np.float64
        else np.arange(np.prod(shape), dtype=kind).reshape(shape) + 1 + i
        for i, shape in enumerate(shapes)
    ]


@each_pair
@given(shapes=st.tuples(SIZES, SIZES))
def test_broadcasts_or_refuses_as_numpy_does(op: Op, shapes: Any) -> None:
    a, b = operands(op, shapes)
    expected = outcome(lambda: np.broadcast_shapes(*shapes))
    if expected is ValueError:
        with pytest.raises(RuntimeError, match=r"must match .* at non-singleton dimension \d"):
            op(leaf(a), leaf(b))
    else:
        assert op(leaf(a), leaf(b)).shape == expected == op.law.output(shapes)


@each_pair
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3))
def test_broadcasting_is_repeating(op: Op, shapes: Any) -> None:
    """Values have the bits, and gradients are the sums, of the op on operands written out."""
    arrays = operands(op, shapes.input_shapes)
    full = [np.broadcast_to(a, shapes.result_shape).copy() for a in arrays]
    wanted = range(2) if op.formulas else ()
    xs = [leaf(a, i in wanted) for i, a in enumerate(arrays)]
    fs = [leaf(a, i in wanted) for i, a in enumerate(full)]
    y, z = op(*xs), op(*fs)
    np.testing.assert_array_equal(y.detach().numpy(), z.detach().numpy())
    if smooth(y):
        g = leaf(np.cos(np.arange(z.numel())).reshape(tuple(z.shape)))
        for short, long in zip(tg.autograd.grad(y, xs, g), tg.autograd.grad(z, fs, g), strict=True):
            extra = tuple(range(long.ndim - short.ndim))
            summed = long.numpy().sum(extra)
            kept = tuple(i for i, n in enumerate(short.shape) if n == 1)
            summed = summed.sum(kept, keepdims=True)
            # at most 27 terms, summed in another order
            np.testing.assert_allclose(
                short.numpy(), summed, rtol=27 * 2.3e-16,
                atol=27 * 2.3e-16 * np.abs(long.numpy()).sum(),
            )  # fmt: skip


# --- reducing ------------------------------------------------------------------------------------


def reduces(entry: Any) -> bool:
    """Whether it is called ``f(x, dim=...)``."""
    names = entry.static if isinstance(entry, Op) else inspect.signature(entry).parameters
    single = all(len(Call(entry, text).args) == 1 for text in entry.examples[:1])
    return "dim" in names and single and entry.name not in ops.HELPERS


FOLDS = [entry for entry in ops.TABLE.values() if reduces(entry)]
DIMS = st.one_of(
    st.none(), st.integers(-4, 3), st.lists(st.integers(-3, 2), min_size=1, max_size=3).map(tuple)
)


@pytest.mark.needs_torch
@pytest.mark.parametrize("entry", FOLDS, ids=lambda entry: entry.name)
@given(shape=array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), dim=DIMS)
@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
def test_reduces_or_refuses_as_torch_does(entry: Any, shape: Any, dim: Any, twins: Any) -> None:
    a = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    ours = outcome(lambda: results(entry(leaf(a), dim=dim)))
    theirs = outcome(lambda: results(twins.twin(entry.name)(twins.torch.tensor(a), dim=dim)))
    if theirs is TypeError and dim is None:
        return  # the default said aloud, which torch's C++ does not know
    if isinstance(theirs, type) and isinstance(ours, type) and isinstance(dim, tuple):
        return  # of two things wrong, out of range and twice, either may be said
    if isinstance(theirs, type) or isinstance(ours, type):
        assert ours is theirs
    else:
        for x, y in zip(ours, theirs, strict=True):
            assert (tuple(x.shape), str(x.dtype)) == (tuple(y.shape), str(y.dtype))
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-13)  # nan where torch has nan
