"""The dtype of a result, and which dtypes are refused, are PyTorch's."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cls as tg
from tinygrad_cls import dtypes, ops
from tinygrad_cls.op import Op

from .calls import Array, agrees, is_array, outcome

KINDS = [d.numpy for d in dtypes.DTYPES]
PUBLIC = [op for op in ops.TABLE.values() if isinstance(op, Op) and op.name not in ops.HELPERS]
PAIRS = [op for op in PUBLIC if op.law.text == ops.PAIR]
SINGLES = [
    op for op in PUBLIC if op.law.text == ops.FOLD or (op.law.text == ops.EACH and not op.static)
]
NUMBERS = (True, 2, 2.5)
ARRAYS = [
    value.astype(kind) for kind in KINDS for value in (np.array([1, 2]), np.array(3))
]  # with an axis and without: 0-d tensors stand below those with axes


def same(op: Op, operands: tuple[Any, ...], twins: Any) -> None:
    ours = outcome(lambda: op(*(tg.tensor(x) if is_array(x) else x for x in operands)))
    theirs = outcome(
        lambda: twins.twin(op.name)(
            *(twins.torch.tensor(x) if is_array(x) else x for x in operands)
        )
    )
    if theirs is TypeError and not all(map(is_array, operands)):
        return  # torch's C++ wants a tensor in this place; a number does no harm here
    if isinstance(theirs, type) or isinstance(ours, type):
        assert ours is theirs, operands
    else:
        # One op: two roundings, and a few more where the kernel is a formula.
        agrees(ours, theirs, ulps=4)


# Of two truth values torch takes some of these as tensors and refuses them as numbers, or the
# other way round; here they are all taken.
UNUSUAL_OF_TRUTHS = {"pow", "clamp_min", "clamp_max"}


@pytest.mark.needs_torch
@pytest.mark.parametrize("op", PAIRS, ids=lambda op: op.name)
def test_every_pair(op: Op, twins: Any) -> None:
    """Each dtype, with axes and 0-d, and each Python number, against each."""
    for operands in itertools.product([*ARRAYS, *NUMBERS], repeat=2):
        truths = all(np.asarray(x).dtype == np.bool_ for x in operands)
        if any(map(is_array, operands)) and not (truths and op.name in UNUSUAL_OF_TRUTHS):
            same(op, operands, twins)


@pytest.mark.needs_torch
@pytest.mark.parametrize("op", SINGLES, ids=lambda op: op.name)
def test_every_single(op: Op, twins: Any) -> None:
    for x in ARRAYS:
        same(op, (x,), twins)


WHOLE = [kind for kind in KINDS if kind.kind in "iu"]


@st.composite
def wholes(draw: Any) -> Array:
    """A few integers of any size that the dtype holds, or a Python number."""
    kind = draw(st.sampled_from(WHOLE))
    bounds = np.iinfo(kind)
    size = draw(st.integers(0, 3))
    numbers = st.integers(int(bounds.min), int(bounds.max)) | st.integers(0, 9)
    return np.array(draw(st.lists(numbers, min_size=size, max_size=size)), kind)[:3]


@pytest.mark.needs_torch
@pytest.mark.parametrize("op", PAIRS, ids=lambda op: op.name)
@given(a=wholes(), b=st.integers(1, 9))
def test_whole_numbers_wrap_around(op: Op, a: Array, b: int, twins: Any) -> None:
    same(op, (a, b), twins)
    same(op, (a, np.array(b, a.dtype)), twins)
