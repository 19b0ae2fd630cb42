"""An op's value is PyTorch's: numbers, shape and dtype, at ordinary and at awkward arguments."""

import inspect
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls import ops
from tinygrad_cls.op import Op

from .calls import (
    DTYPES,
    LAYOUTS,
    Array,
    Call,
    agrees,
    close,
    cotangents,
    each,
    is_array,
    leaf,
    outcome,
    results,
    smooth,
    vjp,
)  # fmt: skip


@pytest.mark.needs_torch
@each()
def test_examples(call: Call, twins: Any) -> None:
    for dtype, layout in product(DTYPES, LAYOUTS):
        laid = Call(call.entry, call.text, dtype, layout)
        ours = outcome(lambda c=laid: results(c.on(c.tensors())))
        theirs = outcome(lambda c=laid: twins.Twin(c).results)
        if isinstance(theirs, type):
            assert ours is theirs  # both refuse: a view of such memory is impossible
            continue
        assert len(ours) == len(theirs)
        # A kernel rounds a handful of times for each number, by half a unit of numbers that are
        # not larger than its inputs or its result; a fold of n numbers adds n roundings.
        for a, b in zip(ours, theirs, strict=True):
            agrees(a, b, ulps=4 + laid.fold, least=laid.scale)


# --- awkward numbers: kinks, ties, zeros, infinities, nan, the largest and the least ------------

INF, NAN = np.inf, np.nan
MIXED = [0.0, -0.0, 0.5, -0.5, 1, -1, 1.5, 2, -2, 2.5, 3, 20, 25, -25, 90, -90, 100, -100, 800]
ROWS = [
    [0, 0, 0, 0], [-0.0, 0, 0, -0.0], [1, 1, 1, 1], [2, 1, 2, 0], [1, 2, 2, 3], [0, 1, 2, 3],
    [0, 0, 2, 3], [NAN, 1, 2, 1], [1, NAN, NAN, 2], [NAN, NAN, NAN, NAN], [INF, 0, 1, 1],
    [INF, INF, 0, 1], [-INF, -INF, -INF, -INF], [-INF, 0, 1, 2], [-INF, INF, 0, 1],
    [INF, INF, INF, INF], [90, -90, 100, 800], [-800, -800, -801, -900], [1e10, 1e10, -1e10, 3],
    [0.5, 1.5, 2.5, -0.5], [-1, -1, -3, -3],
]  # fmt: skip


def awkward(dtype: str) -> Array:
    info = np.finfo(dtype)
    extreme = [info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal, info.eps]
    return np.array([*MIXED, -800, INF, -INF, NAN, *extreme], dtype)


def awkward_calls(call: Call, dtype: str) -> list[Call]:
    """The call with awkward numbers in the place of ordinary ones; row by row where it folds."""
    entry, numbers = call.entry, awkward(dtype)
    if isinstance(entry, Op) and entry.law.text == ops.PAIR and len(call.arrays) == 2:
        a, b = np.repeat(numbers, numbers.size), np.tile(numbers, numbers.size)
        if entry.name == "remainder":  # torch takes a - b floor(a / b), nan where a / b overflows
            with np.errstate(all="ignore"):
                kept = ~np.isinf(a / b) | ~np.isfinite(a) | (b == 0)
            a, b = a[kept], b[kept]
        return [call.replaced([a, b])]
    if isinstance(entry, Op) and entry.law.text == ops.EACH and "dim" not in entry.static:
        return [call.replaced([numbers])]
    if [a.shape for a in call.arrays] == [(3, 4)] and folds(entry):
        return [call.replaced([np.array([row], dtype)]) for row in ROWS]
    return []


def folds(entry: Any) -> bool:
    names = entry.static if isinstance(entry, Op) else inspect.signature(entry).parameters
    return "dim" in names


# torch leaves open which of equal numbers comes first, and its answer changes with the length.
UNORDERED = {"median", "topk"}


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@each(where=lambda call: call.entry.name not in ops.HELPERS and awkward_calls(call, "float64"))
@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
def test_awkward_numbers(call: Call, dtype: str, twins: Any) -> None:
    """Values and gradients at kinks, ties and the like are torch's, nan for nan."""
    for case in awkward_calls(Call(call.entry, call.text, dtype), dtype):
        row = case.arrays[0].ravel()
        if call.entry.name in UNORDERED and np.unique(row).size < row.size and len(call.args) > 1:
            continue
        twin = outcome(lambda c=case: twins.Twin(c, c.slots))
        xs = case.tensors(case.slots)
        ys = outcome(lambda c=case, xs=xs: results(c.on(xs)))
        if isinstance(twin, type) or isinstance(ys, type):
            assert ys is twin
            continue
        for a, b in zip(ys, twin.results, strict=True):
            agrees(a, b, ulps=8, least=LEAST[dtype])
        if call.entry.name in OWN_BESIDE_NAN and not np.isfinite(row).all():
            continue
        if smooth(ys):
            gs = [np.ones(y.shape, dtype) for y in smooth(ys)]
            ours = tg.autograd.grad(
                smooth(ys), [xs[i] for i in case.slots], [leaf(g) for g in gs], allow_unused=True
            )
            for a, b in zip(ours, twin.vjp(gs, case.slots), strict=True):
                # Differences of numbers up to 1, such as y - y**2, are as exact as 1 is; numbers
                # below the least normal one have no last place to speak of.
                close(a.numpy(), b, ulps=8, least=1)


# Where an operand is nan or infinite, the gradient is this engine's own. amax and amin give it to
# the nan as max() and min() do, where torch gives nan to every element; a product's slope is the
# product of the others, where torch divides the result by the element and gets nan.
OWN_BESIDE_NAN = {"amax", "amin", "prod"}

# Below the least normal number the last place is as coarse as there.
LEAST = {dtype: float(np.finfo(dtype).tiny) / float(np.finfo(dtype).eps) for dtype in DTYPES}


# --- the same op by its other names --------------------------------------------------------------

WIDER = {"masked_fill", "where"}  # take a value of any shape; a mask as the subject


def has_a_subject(call: Call) -> bool:
    return call.entry.name not in ops.HELPERS and is_array(call.args[0])


@pytest.mark.needs_torch
@each(where=has_a_subject)
def test_methods(call: Call, twins: Any) -> None:
    """A tensor has the methods that torch's has, with the same meaning."""
    name, (subject, *rest) = call.entry.name, call.with_arrays(call.tensors())
    twin, kwargs = twins.Twin(call), dict(call.kwargs)
    if "shape" in kwargs:
        rest.append(kwargs.pop("shape"))  # which has another name there
    if not hasattr(twins.torch.Tensor, name):
        assert not hasattr(subject, name)
        return
    ours, theirs = getattr(subject, name), getattr(twin.tensors[0], name)
    if callable(theirs):
        method = ours
        others = [*call.with_arrays(twin.tensors)[1:], *rest[len(call.args) - 1 :]]
        ours = outcome(lambda: method(*rest, **kwargs))
        theirs = outcome(lambda f=theirs: f(*others, **kwargs))
    if isinstance(ours, type) or isinstance(theirs, type):
        assert ours is theirs or name in WIDER
    else:
        for a, b in zip(results(ours), results(theirs), strict=True):
            agrees(a, b, ulps=4 + call.fold, least=call.scale)


@pytest.mark.needs_torch
def test_no_in_place_methods_but_torchs(twins: Any) -> None:
    ours = {name for name in (f"{name}_" for name in ops.TABLE) if hasattr(tg.Tensor, name)}
    assert {name for name in ours if not hasattr(twins.torch.Tensor, name)} == set()


def has_an_in_place_method(call: Call) -> bool:
    return has_a_subject(call) and hasattr(tg.Tensor, f"{call.entry.name}_")


@pytest.mark.needs_torch
@each(where=has_an_in_place_method)
def test_in_place_methods(call: Call, twins: Any) -> None:
    """``x.op_()`` has torch's value, and the value and gradient of ``x.op()``."""
    name = f"{call.entry.name}_"
    if not hasattr(twins.torch.Tensor, name):
        return
    plain = outcome(lambda: call.on(call.tensors(call.slots)))
    xs = call.tensors(call.slots)
    subject, *rest = call.with_arrays([x.clone() for x in xs])
    own = Call(call.entry, call.text)  # torch writes into its arrays
    twin, *others = call.with_arrays(twins.Twin(own).tensors)
    allowed = outcome(lambda: getattr(twin, name)(*others, **call.kwargs))
    written = outcome(lambda: getattr(subject, name)(*rest, **call.kwargs))
    if isinstance(allowed, type) or isinstance(written, type):
        # both refuse: the result is larger than x, or of another kind
        assert written is allowed or call.entry.name in WIDER
        return
    assert written is subject
    agrees(written, allowed, ulps=4, least=call.scale)
    if plain.dtype == written.dtype:
        np.testing.assert_array_equal(written.detach().numpy(), plain.detach().numpy())
    if smooth(written):
        (g,) = cotangents(call)
        ours = tg.autograd.grad(written, [xs[i] for i in call.slots], leaf(g))
        for a, b in zip(ours, vjp(call, call.arrays, [g], call.slots), strict=True):
            np.testing.assert_array_equal(a.numpy(), b)


def test_where_of_a_subject() -> None:
    """The function's first argument is the mask, the method's subject is what it lets through."""
    x, mask = tg.tensor([1.0, -2.0]), tg.tensor([True, False])
    assert x.where(mask, tg.tensor([8.0, 9.0])).tolist() == [1, 9]
