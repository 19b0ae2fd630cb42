"""Every pass alone, on programs written by hand and on recorded ones: what it does, why it leaves
a call alone, and that no result changes but for the rounding of sums in another order.
"""

import itertools
import re
from types import SimpleNamespace as World

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from replaying import Twins, flat, same

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.replay import table, tiling
from tinygrad_cls.replay.memory import Program, aliases
from tinygrad_cls.replay.passes import PASSES
from tinygrad_cls.replay.program import Call, copied, owner
from tinygrad_cls.replay.tracing import Stored, choose

ALL = tuple(PASSES)
EXACT = ("direct",)
"""Passes that keep every bit."""
BATCH, TILE = 500, 200
"""Rows that are cut, into two tiles and a shorter one: see the fixture `small`."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Smaller batches are cut than else are."""
    monkeypatch.setattr(tiling, "BATCH", 400)
    monkeypatch.setattr(tiling, "ROWS", TILE)
    monkeypatch.setattr(tiling, "CACHE", 1)


# --- programs written by hand --------------------------------------------------------------------


SORT = Stored(np.sort)
"""A kernel without ``out=``."""


class Hand:
    """Writes a program: memory from outside, the plan's own, calls and the places read at last."""

    def __init__(self):
        self.random = np.random.default_rng(0)
        self.calls, self.places, self.outside, self.constants = [], [], [], []

    def given(self, *shape, dtype=np.float32):
        """Memory from outside."""
        self.outside.append(np.array(self.random.normal(size=shape), dtype))
        return self.outside[-1]

    def own(self, *shape, dtype=np.float32):
        """The plan's memory, with what an earlier replay left there."""
        return np.full(shape, 77, dtype)

    def __call__(self, function, *args, out=None, pure=True, **kwargs):
        """A call; without ``out`` its result gets new memory."""
        if out is None:
            known = {choose: np.where, SORT: np.sort}.get(function, function)
            out = self.own(*np.shape(found := known(*args, **kwargs)), dtype=found.dtype)
        self.calls.append(Call(function, args, kwargs, out, "hand", pure))
        return out

    def copy(self, x, out=None):
        out = self.own(*x.shape, dtype=x.dtype) if out is None else out
        self.calls.append(Call(copied, (x,), {}, out, "hand"))
        return out

    def program(self):
        return Program(self.calls, self.places, {id(owner(a)) for a in self.outside})


def layer(h, W, x, b):
    return h(np.add, h(np.matmul, W, x), b[:, None])


def gradient(h, g, x):
    """Of the weight and of the bias."""
    return h(np.matmul, g, x.T), h(np.matmul, np.ones(len(g.T), g.dtype), g.T)


def replay(h, passes):
    """What two replays leave in the places and outside, and the program."""
    program = h.program()
    for name in passes:
        PASSES[name](program)
    found = []
    for _ in range(2):
        for call in program.calls:
            call.bound()()
        found.append([a.copy() for a in (*program.places, *h.outside)])
        for a in h.outside:  # it may change between two replays
            np.multiply(a, 2, out=a)
    return found, program


def compare(write, passes, exact=False, terms=BATCH):
    """Replays a program with and without passes; returns the calls that are left."""
    hands = [Hand(), Hand()]
    for h in hands:
        write(h)
    (expected, _), (found, program) = replay(hands[0], ()), replay(hands[1], passes)
    for a, b in zip(flat(expected), flat(found), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if exact:
            np.testing.assert_array_equal(b, a)
        else:  # a few sums after one another, of terms that are no greater than the results
            limit = 10 * terms * np.finfo(np.float32).eps * max(1.0, np.abs(a).max(initial=0))
            np.testing.assert_allclose(b, a, rtol=0, atol=limit)
    return program.calls


def names(calls):
    return [call.name for call in calls]


# --- folded --------------------------------------------------------------------------------------


def test_layer_is_one_product():
    def write(h):
        W, x, b = h.given(3, 2), h.given(2, 50), h.given(3)
        h.places.append(h(np.maximum, layer(h, W, x, b), np.float32(0)))

    calls = compare(write, ["folded"], terms=3)
    assert names(calls) == ["copyto", "copyto", "copyto", "matmul", "maximum"]
    Wb, X = calls[3].args
    assert Wb.shape == (3, 3)
    assert X.shape == (3, 50)
    np.testing.assert_array_equal(X[-1], 1)


def test_activations_get_their_row_of_ones_where_they_are_computed():
    def write(h):
        x = h(np.maximum, h.given(4, 50), np.float32(0))
        h.places += [x, layer(h, h.given(3, 4), x, h.given(3)), x[1], x.T, x.reshape(-1)[7:]]

    calls = compare(write, ["folded"], terms=5)
    assert names(calls) == ["maximum", "copyto", "copyto", "matmul"]
    assert calls[0].out.base is calls[3].args[1]


def backward(h, turned=False, sum_first=False):
    W, b, g = h.given(3, 4), h.given(3), h.given(3, 50)
    x = h(np.tanh, h.given(4, 50))
    h.places.append(layer(h, W, x, b))

    def sum_():
        h.places.append(h(np.matmul, np.ones(50, np.float32), g.T))

    if sum_first:
        sum_()
    h.places.append(h(np.matmul, x, g.T).T if turned else h(np.matmul, g, x.T))
    if not sum_first:
        sum_()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("sum_first", [False, True])
def test_gradient_of_the_bias_comes_out_of_the_weights(turned, sum_first):
    calls = compare(lambda h: backward(h, turned, sum_first), ["folded"], terms=50)
    assert names(calls).count("matmul") == 2
    assert calls[-1].out.shape == (3, 5)


def no_layer(change):
    """A program that is a layer but for one thing."""

    def write(h):
        W, x, b = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3)
        change(h, W, x, b)

    return write


def product_returned(h, W, x, b):
    z = h(np.matmul, W, x)
    h.places += [z, h(np.add, z, b[:, None])]


def product_used_again(h, W, x, b):
    z = h(np.matmul, W, x)
    y = h(np.add, z, b[:, None])
    h.places += [y, h(np.exp, z)]


def product_in_memory_from_outside(h, W, x, b):
    z = h(np.matmul, W, x, out=h.given(3, 50))
    h.places.append(h(np.add, z, b[:, None]))


def bias_of_each_column(h, W, x, b):
    h.places.append(h(np.add, h(np.matmul, W, x), h.given(50)))


def difference(h, W, x, b):
    h.places.append(h(np.subtract, h(np.matmul, W, x), b[:, None]))


def other_dtype(h, W, x, b):
    h.places.append(h(np.add, h(np.matmul, W, x), h.given(3, dtype=np.float64)[:, None]))


def rows_first(h, W, x, b):
    h.places.append(h(np.add, h(np.matmul, W, h(np.tanh, h.given(50, 4)).T), b[:, None]))


def something_between(h, W, x, b):
    z = h(np.matmul, W, x)
    h(np.add, b, np.float32(1), out=b)
    h.places.append(h(np.add, z, b[:, None]))


@pytest.mark.parametrize(
    "change",
    [
        product_returned,
        product_used_again,
        product_in_memory_from_outside,
        bias_of_each_column,
        difference,
        other_dtype,
        rows_first,
        something_between,
    ],
)
def test_no_layer(change):
    """What only looks like a layer stays as it is."""
    h = Hand()
    no_layer(change)(h)
    assert names(compare(no_layer(change), ["folded"], exact=True)) == names(h.calls)


def rewritten_input(h):
    """Another layer reads x after it was changed."""
    W, x, b = h.given(3, 4), h.given(4, 50), h.given(3)
    h.places.append(layer(h, W, x, b))
    h.copy(h(np.multiply, x, np.float32(2)), x)
    h.places.append(layer(h, W, x, b))


def rewritten_activation(h):
    W, x, b = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3)
    h.places.append(layer(h, W, x, b))
    h(np.exp, h.given(4, 50), out=x)
    h.places += [layer(h, W, x, b), x]


def rewritten_before_the_gradient(h):
    W, x, b, g = h.given(3, 4), h.given(4, 50), h.given(3), h.given(3, 50)
    h.places.append(layer(h, W, x, b))
    h.copy(h(np.exp, x), x)
    h.places += gradient(h, g, x)


def changed_between_product_and_sum(h):
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    h.places += [layer(h, W, x, b), h(np.matmul, g, x.T)]
    h(np.exp, x, out=h.given(4, 50))
    h(np.negative, h.given(3, 50), out=g)
    h.places.append(h(np.matmul, np.ones(50, np.float32), g.T))


def weighted_by_what_starts_as_ones(h):
    """A vector from outside with a product that is a sum now, but not in the next replay."""
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    v = h.given(50)
    v.fill(1)
    h.places += [layer(h, W, x, b), h(np.matmul, g, x.T), h(np.matmul, v, g.T)]
    h(np.add, v, np.float32(1), out=v)


def weighted_by_ones_of_somebody(h):
    """What lies outside may change between two replays."""
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    v = h.given(50)
    v.fill(1)
    h.places += [layer(h, W, x, b), h(np.matmul, g, x.T), h(np.matmul, v, g.T)]


def constant_input(h):
    x = np.arange(200, dtype=np.float32).reshape(4, 50) / 200
    h.places += [layer(h, h.given(3, 4), x, h.given(3)), *gradient(h, h.given(3, 50), x)]


def weighted_by_computed_ones(h):
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    v = h(np.exp, h.given(50), out=np.ones(50, np.float32))
    h.places += [layer(h, W, x, b), h(np.matmul, g, x.T), h(np.matmul, v, g.T)]


def summed_before_the_input_is_known(h):
    W, b, g = h.given(3, 4), h.given(3), h.given(3, 50)
    h.places.append(h(np.matmul, np.ones(50, np.float32), g.T))
    x = h(np.tanh, h.given(4, 50))
    h.places += [layer(h, W, x, b), h(np.matmul, g, x.T)]


def gradient_seen_as_a_vector(h):
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    h.places.append(layer(h, W, x, b))
    d, db = gradient(h, g, x)
    h.places += [d.reshape(-1), db]


def gradients_added_up(h):
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    h.places.append(layer(h, W, x, b))
    d, db = gradient(h, g, x)
    h(np.add, d, h.given(3, 4), out=d)
    h.places += [d, db]


def sum_in_used_memory(h):
    W, x, b, g = h.given(3, 4), h(np.tanh, h.given(4, 50)), h.given(3), h.given(3, 50)
    h.places += [layer(h, W, x, b), h(np.matmul, g, x.T)]
    db = h(np.exp, h.given(3))
    h.places.append(h(np.negative, db))
    h.places.append(h(np.matmul, np.ones(50, np.float32), g.T, out=db))


def two_views_of_one_input(h):
    W, b, x = h.given(3, 4), h.given(3), h(np.tanh, h.given(4, 50))
    h.places.append(layer(h, W, x, b))
    h.places += [layer(h, h.given(3, 8), x.reshape(8, 25), b), x]


def input_in_parts(h):
    """Two calls write to the memory that is multiplied."""
    W, b, x = h.given(3, 4), h.given(3), h.own(4, 50)
    h(np.tanh, h.given(2, 50), out=x[:2])
    h(np.exp, h.given(2, 50), out=x[2:])
    h.places.append(layer(h, W, x, b))


HOSTILE = [
    rewritten_input,
    rewritten_activation,
    rewritten_before_the_gradient,
    changed_between_product_and_sum,
    weighted_by_what_starts_as_ones,
    weighted_by_ones_of_somebody,
    constant_input,
    weighted_by_computed_ones,
    summed_before_the_input_is_known,
    gradient_seen_as_a_vector,
    gradients_added_up,
    sum_in_used_memory,
    two_views_of_one_input,
    input_in_parts,
]


@pytest.mark.parametrize("passes", [["folded"], ["folded", "direct"], ["direct"]])
@pytest.mark.parametrize("write", HOSTILE)
def test_order_matters(write, passes):
    compare(write, passes, terms=50)


# --- direct --------------------------------------------------------------------------------------


def packed(h):
    """Two gradients end to end."""
    v = h.own(7)
    h.copy(h(np.exp, h.given(2, 2)), v[:4].reshape(2, 2))
    h.copy(h(np.exp, h.given(3)), v[4:])
    h.places.append(h(np.multiply, v, np.float32(2)))


def block(h):
    """A matrix whose columns are copied one by one."""
    m, v = h(np.exp, h.given(3, 4)), h.own(12)
    h.copy(m[:, :-1], v.reshape(3, 4)[:, :-1])
    h.copy(m[:, -1], v.reshape(3, 4)[:, -1])
    h.places += [h(np.multiply, v, np.float32(2)), m]


def read_from_the_original(h):
    x = h(np.exp, h.given(3))
    h.places += [h(np.negative, h.copy(x)), x]


def read_from_a_larger_original(h):
    v = h(np.exp, h.given(12))
    m = h.own(3, 3)
    h.copy(v[:9].reshape(3, 3)[:, :2], m[:, :2])
    h.copy(v[:9].reshape(3, 3)[:, 2], m[:, 2])
    h.places += [h(np.matmul, m, h.given(3, 2)), m]


def turned(h):
    x = h(np.exp, h.given(3, 4))
    h.places.append(h(np.add.reduce, h.copy(x.T), axis=None))


def turned_and_copied(h):
    x = h(np.exp, h.given(3, 4))
    h.copy(h.copy(x.T), h.given(4, 3))


def of_another_dtype(h):
    x = h(np.exp, h.given(3))
    h.places.append(h.copy(x, h.own(3, dtype=np.float64)))


def repeated(h):
    x = h(np.exp, h.given(3))
    h.places.append(h(np.add.reduce, h.copy(x, h.own(2, 3)), axis=None))


def to_outside(h):
    h.copy(h(np.exp, h.given(3)), h.given(3))


def to_outside_and_inside(h):
    s = h(np.exp, h.given(3))
    h.copy(s, h.given(3))
    h.places.append(h(np.negative, h.copy(s)))


def from_outside(h):
    h.places.append(h.copy(h.given(3)))


def original_changes(h):
    x = h(np.exp, h.given(3))
    y = h.copy(x)
    h(np.negative, x, out=x)
    h.places += [x, y]


def copy_changes(h):
    x = h(np.exp, h.given(3))
    y = h.copy(x)
    h(np.negative, y, out=y)
    h.places += [x, y]


def target_read_in_between(h):
    v = h.own(3)
    h.copy(h.given(3), v)
    x = h(np.exp, h.given(3))
    h.places.append(h(np.negative, v))
    h.copy(x, v)
    h.places.append(v)


def target_written_in_between(h):
    v = h.own(3)
    x = h(np.exp, h.given(3))
    h(np.exp, h.given(2), out=v[1:])
    h.places.append(h(np.negative, v[1:]))
    h.copy(x, v)
    h.places.append(v)


def target_written_later(h):
    v = h.own(3)
    x = h(np.exp, h.given(3))
    h.copy(x, v)
    h(np.negative, h.given(3), out=v)
    h.places += [x, v]


def two_sources(h):
    v = h.own(4)
    h.copy(h(np.exp, h.given(2)), v[:2])
    h.copy(h(np.exp, h.given(2)), v[2:])
    h.places.append(v)


def neighbour_is_there_first(h):
    """Only a part of the source is copied; the rest would lie on another's result."""
    v = h.own(4)
    h.copy(h.given(2), v[2:])
    s = h(np.exp, h.given(4))
    h.copy(s[:2], v[:2])
    h.places.append(v)


def written_between_two_copies(h):
    v, s = h.own(4), h.own(4)
    h(np.exp, h.given(4), out=s)
    h.copy(s[:2], v[:2])
    h(np.negative, s, out=s)
    h.copy(s[2:], v[2:])
    h.places += [v, s]


def read_between_two_copies(h):
    v, s = h.own(4), h(np.exp, h.given(4))
    h.copy(s[:2], v[:2])
    h.places.append(h(np.negative, v))
    h.copy(s[2:], v[2:])
    h.places.append(v)


def no_room(h):
    """The source has more memory than there is behind the place where a part of it is copied."""
    v, s = h.own(3), h(np.exp, h.given(4))
    h.copy(s[:2], v[1:])
    h.copy(h(np.exp, h.given(1)), v[:1])
    h.places += [v, s]


def chosen_in_place(h):
    """``np.where`` made of two copies must not write to what it reads."""
    t = h.own(5)
    h(np.negative, h.given(5), out=t)
    h.copy(h(choose, t > 0, np.zeros(5, np.float32), t), t)
    mask = h(np.greater, h.given(5), np.float32(0))
    h.copy(h(choose, mask, t, np.ones(5, np.float32)), t)
    h.places.append(t)


def drawn(h):
    """Random numbers stay where they are drawn: who knows how they are written."""
    x = h(np.exp, h.given(3), pure=False)
    v = h.own(4)
    h.copy(x, v[:3])
    h.copy(h.given(1), v[3:])
    h.places.append(v)


def moved_along(h):
    """A copy within its own memory."""
    v = h.own(5)
    h(np.exp, h.given(5), out=v)
    h.copy(v[1:], v[:-1])
    h.places += [h.copy(v[1:]), h.copy(v[:-1])]
    h(np.negative, v, out=v)


def moved_along_outside(h):
    v = h.given(5)
    h.copy(v[1:], v[:-1])
    h.places += [h(np.negative, h.copy(v[1:])), h(np.negative, h.copy(v[:-1]))]


def parameter_copied_twice(h):
    p = h.given(3)
    for _ in range(2):
        h.places.append(h(np.negative, h.copy(p)))


def parameter_copied_before_and_after_an_update(h):
    p = h.given(3)
    h.places.append(h(np.negative, h.copy(p)))
    h.copy(h(np.exp, p), p)
    h.places.append(h(np.negative, h.copy(p)))
    h(np.add, p, np.float32(1), out=p)
    h.places.append(h(np.negative, h.copy(p)))


def copy_used_up(h):
    """The first copy of a parameter is overwritten before there is another."""
    p = h.given(3)
    v = h.copy(p)
    h(np.negative, v, out=v)
    h.places += [h(np.negative, h.copy(p)), v]


def read_before_it_is_filled(h):
    """The target keeps something from the replay before."""
    v = h.own(3)
    h.places.append(h(np.negative, h.given(3)))
    s = h(np.exp, h.given(3))
    h.copy(s, v)
    h(np.add, s, np.float32(1), out=s)
    h.places += [v, s]


COPIES = {
    packed: 0,
    block: 0,
    read_from_the_original: 0,
    read_from_a_larger_original: 0,
    turned: 1,
    turned_and_copied: 1,
    of_another_dtype: 1,
    repeated: 1,
    to_outside: 1,
    to_outside_and_inside: 1,
    from_outside: 1,
    original_changes: 1,
    copy_changes: 1,
    target_read_in_between: 2,
    target_written_in_between: 1,
    target_written_later: 1,
    two_sources: 0,
    neighbour_is_there_first: 2,
    written_between_two_copies: 2,
    read_between_two_copies: 2,
    no_room: 1,
    chosen_in_place: 2,
    drawn: 2,
    moved_along: 3,
    moved_along_outside: 3,
    parameter_copied_twice: 1,
    parameter_copied_before_and_after_an_update: 3,
    copy_used_up: 2,
    read_before_it_is_filled: 1,
}
"""How many copies stay."""


@pytest.mark.parametrize("write", COPIES)
def test_copies(write):
    assert names(compare(write, EXACT, exact=True)).count("copyto") == COPIES[write]
    compare(write, ALL, terms=5)


def test_ones_stay_below_their_activations():
    """Memory with constants in it moves nowhere."""

    def write(h):
        x = h(np.tanh, h.given(4, 50))
        h.places.append(layer(h, h.given(3, 4), x, h.given(3)))
        v = h.own(500)
        h.copy(x, v[:200].reshape(4, 50))
        h.copy(h(np.exp, h.given(200)), v[300:])
        h.places += [v[:200], v[300:]]

    assert names(compare(write, ["folded", "direct"], terms=5)).count("copyto") == 3


def test_memory_with_two_owners():
    """Outside, arrays may share memory and not know it."""
    buffer = bytearray(40)
    a, b, c = (np.frombuffer(buffer, np.float32, 4, 4 * at) for at in (0, 2, 6))
    outside = {id(a), id(b), id(c)}
    found = aliases([a, b[1:], c, np.ones(2)], outside)
    assert found == {id(a): found[id(a)], id(b): found[id(a)], id(c): id(c)}
    program = Program([Call(copied, (c,), {}, b, ""), Call(copied, (a,), {}, c, "")], [], outside)
    assert program.writes(a) == [0]
    assert program.written(a, 0, 1)
    assert not program.written(a[:2], 0, 1)


# --- tiled ---------------------------------------------------------------------------------------


def elementwise(h):
    x = h(np.exp, h.given(BATCH, 3))
    h.places.append(h(np.add.reduce, h(np.multiply, x, h.given(3)), axis=0))


def products(h):
    x, g = h(np.tanh, h.given(4, BATCH)), h.given(3, BATCH)
    h.places.append(layer(h, h.given(3, 4), x, h.given(3)))
    h.places += gradient(h, g, x)
    h.places.append(h(np.matmul, h(np.exp, h.given(BATCH, 3)), h.given(3)))


def folds_along_the_features(h):
    x = h(np.exp, h.given(BATCH, 3))
    top = h(np.maximum.reduce, x, axis=1, keepdims=True)
    h.places += [h(np.subtract, x, top), h(np.add.reduce, x, axis=-1)]


def choices(h):
    x = h(np.exp, h.given(BATCH, 3))
    h.places.append(h(choose, h(np.greater, x, np.float32(1)), x, np.zeros(3, np.float32)))


def turned_rows(h):
    x = h(np.exp, h.given(3, BATCH))
    h.places.append(h(np.add.reduce, h(np.negative, x.T[:, 1:]), axis=0))


def sums_used_after(h):
    x, y = h.given(BATCH), h.given()
    loss = h(np.divide, h(np.add.reduce, h(np.exp, x)), np.float32(BATCH))
    h.places.append(loss)
    h.copy(h(np.multiply, loss, y), y)
    h.copy(h(np.add, y, np.float32(1)), y)


def counter_that_the_result_reads(h):
    """A call that needs no sum, and overwrites what one that does reads."""
    k = h.given()
    h.places.append(h(np.multiply, h(np.add.reduce, h(np.exp, h.given(BATCH))), k))
    h.copy(h(np.add, k, np.float32(1)), k)


def overwritten_after_its_use(h):
    """So does a call that overwrites what the tiles read."""
    w = h.given(3)
    h.places.append(h(np.multiply, h(np.exp, h.given(BATCH, 3)), w))
    h.copy(h(np.negative, h.given(3)), w)


def numbers_in_between(h):
    """A call that is not pure writes to memory that it doesn't name."""
    rate = h.given()
    h.places.append(h(np.add.reduce, h(np.exp, h.given(BATCH))))

    def change(out):
        out[...] += 1
        rate[...] += 1

    h.calls.append(Call(change, (), {}, h.own(), "hand", pure=False))
    h.places.append(h(np.multiply, h.given(3), rate))


def in_place(h):
    x = h(np.exp, h.given(BATCH, 3))
    h(np.negative, x, out=x)
    m = h.given(BATCH, 3)
    h.copy(h(np.add, x, m), m)


CUT = [
    elementwise,
    products,
    folds_along_the_features,
    choices,
    turned_rows,
    sums_used_after,
    counter_that_the_result_reads,
    overwritten_after_its_use,
    numbers_in_between,
    in_place,
]


def softmax_over_the_batch(h):
    x = h.given(BATCH, 3)
    h.places.append(h(np.subtract, x, h(np.maximum.reduce, x, axis=0)))


def greatest_of_the_batch(h):
    h.places.append(h(np.maximum.reduce, h(np.exp, h.given(BATCH, 3)), axis=0))


def window(h):
    """Rows that start in the middle of one feature and end in the next."""
    x = h(np.exp, h.given(3, BATCH))
    h.places.append(h(np.negative, x.reshape(-1)[100 : 100 + BATCH]))


def mean_of_the_batch(h):
    x = h(np.exp, h.given(BATCH, 3))
    h.places.append(h(np.subtract, x, h(np.add.reduce, x, axis=0)))


def sorted_batch(h):
    h.places.append(h(SORT, h.given(BATCH, 3), axis=0))


def running_sum(h):
    h.places.append(h(np.cumsum, h.given(BATCH, 3), axis=0))


def merged(h):
    """The batch becomes part of another axis."""
    x = h(np.negative, h(np.exp, h.given(BATCH, 2)))
    h.places.append(h(np.add.reduce, x.reshape(-1), axis=0))


def two_axes(h):
    """A layer as wide as the batch is large."""
    h.places.append(h(np.add.reduce, h(np.exp, h.given(BATCH, BATCH)[:, ::-1]), axis=0)[:5])


def some_rows(h):
    x = h(np.exp, h.given(BATCH, 3))
    h.places.append(h(np.negative, x[:5]))
    h.places.append(h(np.add.reduce, x, axis=0))


def every_other_row(h):
    x = h(np.exp, h.given(2 * BATCH, 3))
    h(np.negative, x[::2], out=x[1::2])
    h.places.append(h(np.add.reduce, x[1::2], axis=0))


def next_row(h):
    """In memory from outside, a row takes from the one before."""
    m = h.given(BATCH + 1, 2)
    h.copy(h(np.add, m[:-1], np.float32(1)), m[1:])


def next_row_of_another_owner(h):
    """Two arrays that don't know that they share memory."""
    buffer = bytearray(h.random.bytes(BATCH + 1))
    a, b = (np.frombuffer(buffer, np.uint8, BATCH, at) for at in (0, 1))
    h.outside += [a, b]
    h(np.bitwise_xor, a, np.uint8(5), out=b)


def as_many_features(h):
    """A part of the features is as long as the batch."""
    x = h(
        np.exp,
        h.given(BATCH, 2 * BATCH)[:, :7].copy().repeat(2 * BATCH // 7 + 1, 1)[:, : BATCH + 9],
    )
    h.places.append(h(np.negative, x[0, :BATCH]))
    h.places.append(h(np.add.reduce, h(np.exp, h.given(BATCH))))


def backwards(h):
    x = h(np.exp, h.given(BATCH, 3))
    h.places.append(h(np.add, x, x[::-1]))


def drawn_rows(h):
    h.places.append(h(np.exp, h.given(BATCH, 3), pure=False))


def checked(h):
    t = h.given(BATCH)
    h.calls.append(Call(lambda t: None, (t,), {}, None, "check", pure=False))
    h.places.append(h(np.exp, t))


def gram(h):
    x = h(np.exp, h.given(BATCH, 1))
    h.places.append(h(np.matmul, x[:, 0], h.given(BATCH, 2)))
    h.places.append(h(np.add.reduce, h(np.negative, x), axis=0, initial=3))


def overwritten_by_its_sum(h):
    w = h(np.exp, h.given(3))
    x = h(np.multiply, h.given(BATCH, 3), w)
    h.places.append(h(np.add.reduce, x, axis=0, out=w))


def after_a_draw(h):
    noise = h(np.exp, h.given(3), pure=False)
    h.places.append(h(np.add, h.given(BATCH, 3), noise))


UNCUT = [
    softmax_over_the_batch,
    greatest_of_the_batch,
    window,
    mean_of_the_batch,
    sorted_batch,
    running_sum,
    merged,
    two_axes,
    some_rows,
    every_other_row,
    next_row,
    next_row_of_another_owner,
    as_many_features,
    backwards,
    drawn_rows,
    checked,
    gram,
    overwritten_by_its_sum,
    after_a_draw,
]


@pytest.mark.parametrize("write", CUT)
def test_cut(write):
    calls = compare(write, ["tiled"])
    rows = {n for call in calls for a in call.touched() for n in a.shape if n >= 100}
    assert rows == {TILE, BATCH - 2 * TILE}
    compare(write, ALL)


@pytest.mark.parametrize("write", UNCUT)
def test_uncut(write):
    h = Hand()
    write(h)
    calls = compare(write, ["tiled"], exact=True)
    assert [(c.name, c.out is None or c.out.shape) for c in calls] == [
        (c.name, c.out is None or c.out.shape) for c in h.calls
    ]


def test_tiles_need_no_more_memory_than_one():
    def write(h):
        x = h.given(3, BATCH)
        y = layer(h, h.given(3, 3), x, h.given(3))
        h.places.append(h(np.add.reduce, h(np.exp, y), axis=1))

    calls = compare(write, ["tiled"])
    own = {id(owner(c.out)): owner(c.out).size for c in calls}
    assert max(own.values()) == 3 * TILE


@pytest.mark.parametrize(("rows", "cache"), [(399, 1), (BATCH, 1100)])
def test_small_batches_are_not_cut(monkeypatch, rows, cache):
    monkeypatch.setattr(tiling, "CACHE", cache)
    calls = compare(lambda h: h.places.append(h(np.exp, h.given(rows))), ["tiled"], exact=True)
    assert len(calls) == 1


def test_rows_of_what_was_computed_as_a_vector():
    """What is written as a whole before the tiles is kept as a whole."""

    def write(h):
        x = h(np.exp, h.given(BATCH * 2))
        h.places.append(h(np.add.reduce, h(np.negative, x.reshape(BATCH, 2)), axis=0))

    calls = compare(write, ["tiled"])
    assert calls[0].out.size == 2 * BATCH
    assert len(calls) == 1 + 2 + 3 + 3


# --- recorded steps ------------------------------------------------------------------------------


def world(widths=(3, 8, 6, 1), n=40, dtype=tg.float64, optimizer="SGD", model=None, **options):
    """A classifier with its data."""

    def build():
        rows = tg.randn(n, widths[0], dtype=dtype)
        labels = (tg.arange(n) % 2).to(dtype) if widths[-1] == 1 else tg.arange(n) % widths[-1]
        pairs = itertools.pairwise(widths)
        layers = [part for i, o in pairs for part in (nn.Linear(i, o, dtype=dtype), nn.ReLU())]
        m = nn.Sequential(*layers[:-1])
        if model is not None:
            model(m)
        made = getattr(tg.optim, optimizer)(m.parameters(), **{"lr": 0.1} | options)
        return World(model=m, optimizer=made, x=rows, y=labels)

    return build


def loss_of(w, z):
    if z.shape[1] == 1:
        return nn.functional.binary_cross_entropy_with_logits(z.squeeze(1), w.y)
    return nn.functional.cross_entropy(z, w.y)


def training(w):
    def step():
        z = w.model(w.x)
        loss = loss_of(w, z)
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        return loss, z

    return step


def evaluated(w):
    """The step reads the new parameters, too."""

    def step():
        loss, z = training(w)()
        with tg.no_grad():
            right = ((w.model(w.x[:7]) > 0) == (w.y[:7, None] > 0)).sum()
            again = w.model(w.x)
        return loss, z, right, again

    return step


def activations(w):
    """What lies above the ones is handed over, and used by others."""

    def step():
        found = list(itertools.accumulate(w.model, lambda x, f: f(x), initial=w.x))[1:]
        h = found[:2][-1]
        loss = loss_of(w, found[-1]) + h.square().mean() + h[:, 0].sum() / 100
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        return loss, found, h.T, h[-1]

    return step


def twice(w):
    """Gradients of two losses are added up."""

    def step():
        w.optimizer.zero_grad()
        loss_of(w, w.model(w.x)).backward()
        second = w.model(w.x * 0.5).square().mean()
        second.backward()
        w.optimizer.step()
        return second, w.model[0].weight.grad * 2

    return step


def two_losses(w):
    def step():
        z = w.model(w.x)
        loss = loss_of(w, z) + z.square().mean()
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        return loss

    return step


def two_steps(w):
    def step():
        training(w)()
        return training(w)()

    return step


def bias_changes(w):
    """Between forward and backward; and a second forward sees it."""

    def step():
        loss = loss_of(w, w.model(w.x))
        with tg.no_grad():
            w.model[0].bias.add_(0.5)
            again = w.model(w.x)
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        return loss, again

    return step


def without_zero(w):
    """Gradients go on from step to step."""

    def step():
        loss = loss_of(w, w.model(w.x))
        loss.backward()
        w.optimizer.step()
        return loss

    return step


def clipped(w):
    def step():
        loss = loss_of(w, w.model(w.x))
        w.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(w.model.parameters(), 0.1)
        w.optimizer.step()
        return loss, norm, sum(p.grad.sum() for p in w.model.parameters() if p.requires_grad)

    return step


def data_changes(w):
    """The data are changed in place, between two uses by the same layer."""

    def step():
        with tg.no_grad():
            first = w.model(w.x)
            w.x.mul_(0.9)
        return first, training(w)()

    return step


STEPS = [
    training,
    evaluated,
    activations,
    twice,
    two_losses,
    two_steps,
    bias_changes,
    without_zero,
    clipped,
    data_changes,
]


def tied(m):
    m[4].weight = m[2].weight


def one_bias(m):
    m[4].bias = m[2].bias


def no_bias(m):
    m[2].bias = None


def frozen(m):
    m[2].weight.requires_grad = False
    m[0].bias.requires_grad = False


def no_relu(m):
    m[1] = nn.Identity()


WORLDS = {
    "plain": world(),
    "float32": world(dtype=tg.float32),
    "one layer": world((3, 1)),
    "classes": world((2, 8, 8, 4)),
    "one row": world(n=1),
    "fewer rows than features": world((70, 50, 1), n=20),
    "more features than are laid feature by feature": world((3, 200, 1)),
    "as many rows as features": world((8, 8, 8, 1), n=8),
    "momentum": world(momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": world(optimizer="Adam", lr=0.01),
    "tied weights": world((3, 6, 6, 6, 1), model=tied),
    "one bias": world((3, 6, 6, 6, 1), model=one_bias),
    "no bias": world(model=no_bias),
    "frozen": world(model=frozen),
    "layer on layer": world(model=no_relu),
    "tiles": world(n=BATCH),
    "tiles, momentum": world(n=BATCH, momentum=0.9),
}
SUBSETS = [p for n in range(len(ALL) + 1) for p in itertools.combinations(ALL, n)]


def near(terms, dtype=np.float64):
    """Compares structures of tensors whose sums, of at most so many terms, may be in another order.

    Such a sum is off by eps for each of its terms, of their size; what is compared here is made by
    some twenty sums after another, of terms that are not much greater than 1.
    """

    def check(a, b, where="result"):
        if isinstance(a, tg.Tensor) and a.is_floating_point():
            x, y = a.detach().numpy(), b.detach().numpy()
            assert (x.shape, x.dtype, a.requires_grad) == (y.shape, y.dtype, b.requires_grad)
            limit = 20 * terms * np.finfo(x.dtype).eps * max(1.0, np.abs(x).max(initial=0))
            np.testing.assert_allclose(y, x, rtol=0, atol=limit, err_msg=where)
            if a.is_leaf and a.grad is not None:
                check(a.grad, b.grad, f"{where}.grad")
        elif isinstance(a, tuple | list | dict):
            values = [[*x.values()] if isinstance(x, dict) else x for x in (a, b)]
            for x, y in zip(*values, strict=True):
                check(x, y, where)
        else:
            same(a, b, where)

    return check


def check_steps(build, step, passes, calls=3):
    """Trains twins."""
    exact = set(passes) <= set(EXACT)
    twins = Twins(build, step, passes, same if exact else near(max(200, len(build().x))))
    for _ in range(calls):
        twins.call()
    return twins.compiled.plan


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("step", STEPS)
def test_steps(name, step):
    check_steps(WORLDS[name], step, ALL)
    check_steps(WORLDS[name], step, EXACT)


@pytest.mark.parametrize("passes", SUBSETS, ids=lambda p: "+".join(p) or "none")
def test_each_subset(passes):
    for step in STEPS:
        check_steps(world(n=BATCH, momentum=0.9), step, passes, calls=2)


def test_step_of_the_tutorial():
    """What the passes are for: one product a layer and a gradient, one vector for all gradients."""
    plan = check_steps(world((2, 10, 10, 1), n=350, dtype=tg.float32), training, ALL)
    calls = [(call.op, call.name) for call in plan]
    assert calls.count(("affine", "matmul")) == 3
    assert ("affine", "add") not in calls
    assert calls.count(("product", "matmul")) == 4
    assert ("rows", "matmul") not in calls
    assert ("pack", "copyto") not in calls
    assert ("copy", "copyto") not in calls
    assert calls.count(("unpack", "copyto")) == 6


@pytest.mark.parametrize("step", [training, twice, clipped])
def test_large_batches_are_cut(step):
    plan = check_steps(world((2, 10, 10, 1), n=BATCH), step, ALL)
    assert any(TILE in a.shape for call in plan for a in call.touched())


def test_outputs_of_tiles_have_all_rows():
    twins = Twins(world(n=BATCH), training, ALL, near(BATCH))
    for _ in range(2):
        assert twins.call()[1].shape == (BATCH, 1)
    assert any(TILE in a.shape for call in twins.compiled.plan for a in call.touched())


def no_tile(layer):
    def change(m):
        m[1] = layer()

    return world((3, 6, 6, 1), n=BATCH, model=change)


@pytest.mark.parametrize(
    "layer",
    [lambda: nn.BatchNorm1d(6, dtype=tg.float64), lambda: nn.Softmax(0), lambda: nn.Dropout(0.5)],
    ids=["BatchNorm", "softmax over the batch", "Dropout"],
)
def test_layers_that_mix_rows(layer):
    plan = check_steps(no_tile(layer), training, ALL)
    assert not any(TILE in a.shape for call in plan for a in call.touched())


def test_two_models_of_which_one_is_cut():
    """The numbers of the second optimizer are read after they change."""

    def build():
        w = world(n=BATCH)()
        w.p = tg.ones(3, dtype=tg.float64, requires_grad=True)
        w.second = tg.optim.Adam([w.p], lr=0.1)
        return w

    def step(w):
        def f():
            (w.p * w.p).sum().backward()
            w.second.step()
            w.second.zero_grad()
            return training(w)(), w.p.detach() * 2

        return f

    twins = Twins(build, step, ALL, near(BATCH))
    for rate in (0.1, 0.1, 0.5, 0.2):
        twins.change(lambda w, rate=rate: w.second.param_groups[0].update(lr=rate))
        twins.call()
    assert twins.recordings <= 2


def test_batch_as_large_as_a_layer_is_wide():
    def step(w):
        def f():
            loss = (w.x @ w.W).relu().mean()
            w.W.grad = None
            loss.backward()
            return loss

        return f

    def build():
        return World(x=tg.randn(BATCH, 2), W=tg.randn(2, BATCH, requires_grad=True))

    twins = Twins(build, step, ("tiled",), same)
    for _ in range(2):
        twins.call()


@st.composite
def networks(draw):
    sizes = st.sampled_from([1, 2, 3, 8, 33, 64, 200])
    widths = draw(st.lists(sizes, min_size=1, max_size=3)), draw(st.sampled_from([1, 2, 4, 10]))
    change = draw(st.sampled_from([None, None, no_bias, frozen, no_relu]))
    options = draw(st.sampled_from([{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}]))
    n = draw(st.sampled_from([1, 2, 3, 16, 33, 100, 800, BATCH]))
    deep = len(widths[0]) > 1
    return world((*widths[0], widths[1]), n, model=change if deep else None, **options)


@given(
    networks(),
    st.sampled_from(STEPS),
    st.sets(st.sampled_from(ALL)),
)
def test_random_networks(build, step, chosen):
    check_steps(build, step, tuple(p for p in ALL if p in chosen))


# --- the table -----------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(table, "SECONDS", 0.0)


def lines(plan):
    """The table's first line, its calls, and its last line."""
    first, _, *calls, last = str(plan).splitlines()
    return first, calls, last


def test_table(quick):
    twins = Twins(world(dtype=tg.float32), training, ALL, near(200))
    twins.call()
    plan = twins.compiled.plan
    first, calls, last = lines(plan)
    number, time, buffers = re.match(
        r"(\d+) calls, ([\d.]+) us in NumPy; (\d+) buffers, .*B$", first
    ).groups()
    assert int(number) == len(plan) == len(calls)
    names = {name for line in calls for name in re.findall(r"\b[mc]\d+\b", line)}
    assert len(names) == int(buffers)
    times = [float(line[5:13]) for line in calls if line[5:13].strip()]
    assert abs(sum(times) - float(time)) < 0.01 * len(times) + 0.1  # they are rounded
    assert {"t", "m", "c"} <= {name[0] for name in re.findall(r"\b[a-z]+\d+ ", " ".join(calls))}
    assert "arg: an argument's copy" in last


def test_table_names_what_is_what(quick):
    a = tg.ones(3, requires_grad=True)
    compiled = tg.compile(lambda x: (a * x + 1.0).sum())
    compiled(tg.ones(3))
    _, calls, _ = lines(compiled.plan)
    assert [" ".join(line[14:].split()) for line in calls] == [
        "mul multiply m1 f4[3] <- t1 f4[3], arg0 f4[3]",
        "add add m2 f4[3] <- m1 f4[3], c1 f4[]",
        "sum add.reduce m3 f4[] <- m2 f4[3]",
    ]


@pytest.mark.parametrize("step", [training, two_steps, bias_changes, data_changes])
def test_printing_changes_nothing(quick, step):
    """Though it makes all calls again, in-place ones too."""
    twins = Twins(world(optimizer="Adam", lr=0.01), step, ALL, near(200))
    for _ in range(3):
        twins.call()
        assert str(twins.compiled.plan)
        twins.compare()


def test_printing_draws_no_random_numbers(quick):
    """Nor does it say how long that takes."""
    compiled = tg.compile(lambda: tg.rand(3) * 2)
    compiled()
    before = tg.get_rng_state()
    first, second = lines(compiled.plan)[1]
    assert tg.get_rng_state().tolist() == before.tolist()
    assert not first[5:13].strip()
    assert second[5:13].strip()


def test_a_call_that_raises_leaves_all_as_it_was(quick):
    p = np.ones(3)

    def fail(out):
        raise RuntimeError("planted")

    calls = [Call(np.add, (p, p), {}, p, ""), Call(fail, (), {}, p, "")]
    with pytest.raises(RuntimeError, match="planted"):
        table.measure(calls)
    np.testing.assert_array_equal(p, 1)


def test_tiles_are_shown_once(quick):
    plan = check_steps(world((2, 10, 10, 1), n=12 * TILE), training, ALL)
    _, calls, _ = lines(plan)
    assert len(plan) > 300
    assert len(calls) < 150
    (said,) = [line for line in calls if "times" in line]
    start, end, times, length = map(int, re.findall(r"\d+", said))
    assert (end + 1 - start) == times * length
    assert times == 11


def test_no_calls():
    compiled = tg.compile(lambda x: x)
    compiled(tg.ones(2))
    assert str(compiled.plan).startswith("0 calls, 0.0 us in NumPy; 0 buffers, 0 B\n")


def test_names_of_bytes():
    assert [table.amount(n) for n in (0, 999, 1000, 4.5e6, 2e13)] == [
        "0 B",
        "999 B",
        "1 kB",
        "4.5 MB",
        "2e+04 GB",
    ]


def test_only_long_repetitions_are_one_piece():
    text = "x" + 3 * "ab" + "y" + 9 * "abc" + "abd"
    found = list(table.pieces(text))
    assert [text[i : i + n] for i, n, times in found if times > 1] == ["abc"]
    assert sum(n * times for _, n, times in found) == len(text)
    assert list(table.pieces(text)) == found
