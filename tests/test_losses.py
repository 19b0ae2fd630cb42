"""The losses are PyTorch's: value, gradient and the gradient's gradient, for logits of any size.

The bounds are first-order rounding error analyses of both engines' formulas, in units u = eps / 2.
An exponential or a logarithm counts EXP units; a sum of n terms at most n units of the sum of
their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., eq. 3.5).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import check

import tinygrad_cls as tg

EXP = 5  # 2.5 ulp, the largest error of NumPy's float32 exponential; torch's is smaller
UNIT = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
TINY = 2.0**-147  # a few of float32's smallest numbers, where a rounding is no longer relative
INF = math.inf

dtypes = st.sampled_from(["float32", "float64"])
reductions = st.sampled_from(["mean", "sum", "none"])
# 1e-7 and below: there the gradients of small logits lose digits if formed as differences.
finite = st.one_of(
    st.floats(-4, 4, width=32),
    st.floats(-1e4, 1e4, width=32),
    st.floats(-(2.0**-20), 2.0**-20, width=32),
    st.sampled_from([0.0, -0.0, 20.0, -20.0, 88.0, -88.0, 104.0, -104.0, 1e4, -1e4]),
)
anything = st.one_of(finite, st.sampled_from([INF, -INF]))


def table(**snippets: str) -> Any:
    return pytest.mark.parametrize("code", snippets.values(), ids=snippets)


@dataclass
class Found:
    """Of a loss: value, gradients of <w, loss>, and of <v, gradient by the logits>, or None."""

    value: np.ndarray
    gradients: list[np.ndarray | None]
    second: list[np.ndarray | None]


def found(engine: Any, loss: Any, inputs: list[Any], seed: int) -> Found:
    """``inputs``: arrays; those of floating point require grad, the first is the logits."""
    tensors = [engine.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    leaves = [t for t in tensors if t.requires_grad]
    value = loss(engine)(*tensors)
    rng = np.random.default_rng(seed)  # random cotangents: equal ones let errors cancel

    def like(x: Any) -> Any:
        return engine.tensor(rng.uniform(0.5, 1, tuple(x.shape))).to(x.dtype)

    w = like(value)
    gradients = engine.autograd.grad(value, leaves, w, create_graph=True)
    second: tuple[Any, ...] = (None,) * len(leaves)
    if gradients[0].requires_grad:
        second = engine.autograd.grad(gradients[0], leaves, like(gradients[0]), allow_unused=True)
    return Found(
        value.detach().numpy(),
        [g.detach().numpy() for g in gradients],
        [None if g is None else g.detach().numpy() for g in second],
    )


def near(ours: np.ndarray, theirs: np.ndarray, bound: Any, what: str) -> None:
    """Same shape and dtype, the same nan and inf, and finite entries no further than ``bound``."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), what
    bound = np.broadcast_to(bound + TINY, theirs.shape)
    wrong = ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    with np.errstate(invalid="ignore"):
        wrong &= ~(np.abs(ours.astype(np.float64) - theirs) <= bound)
    assert not wrong.any(), (
        f"{what}: {ours[wrong]}, in torch {theirs[wrong]}, bound {bound[wrong]} of {ours.shape}"
    )


# --- BCEWithLogitsLoss ----------------------------------------------------------------------------


def finite_part(x: np.ndarray) -> np.ndarray:
    """``x`` in float64 with 0 for what is not finite: bounds are judged for finite values only."""
    return np.where(np.isfinite(x), x, 0).astype(np.float64)


@pytest.mark.needs_torch
@given(st.data())
def test_bce(data: st.DataObject) -> None:
    import torch

    dtype, of_target, reduction = data.draw(st.tuples(dtypes, dtypes, reductions))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    x = data.draw(hnp.arrays(np.float64, shape, elements=anything)).astype(dtype)
    soft = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(-1, 2, width=32))
    t = data.draw(hnp.arrays(np.float64, shape, elements=soft)).astype(of_target)

    def loss(engine: Any) -> Any:
        return engine.nn.BCEWithLogitsLoss(reduction=reduction)

    ours, theirs = (found(engine, loss, [x, t], 0) for engine in (tg, torch))
    # The loss is of the target's dtype; torch computes log sigmoid x in that of x, so the coarser
    # of the two counts.
    u, n = max(UNIT[dtype], UNIT[of_target]), max(x.size, 1)
    z, s = finite_part(x), finite_part(t)
    # (1 - t) x: 2 roundings; log1p(exp(-|x|)): two functions and a sum; their difference: 1
    tail = np.log1p(np.exp(-np.abs(z)))
    each = u * (3 * np.abs((1 - s) * z) + np.abs(np.minimum(z, 0)) + (2 * EXP + 3) * (tail + 1))
    size = np.abs((1 - s) * z) + np.abs(z) + tail
    whole = (each.sum() + n * u * size.sum()) / (n if reduction == "mean" else 1)
    near(ours.value, theirs.value, 2 * (each if reduction == "none" else whole), "value")
    scale = 1 / n if reduction == "mean" else 1.0
    # sigmoid: an exponential, a sum, a quotient; then a difference, a product and a quotient
    slope = 2 * u * scale * ((EXP + 2) + 3 * (1 + np.abs(s)))
    near(ours.gradients[0], theirs.gradients[0], slope, "d/dx")
    near(ours.gradients[1], theirs.gradients[1], 2 * u * scale * 3 * np.abs(z), "d/dt")
    # sigmoid (1 - sigmoid) w v / n, and -w v / n
    near(ours.second[0], theirs.second[0], 2 * u * scale * (2 * EXP + 8), "d2/dx2")
    near(ours.second[1], theirs.second[1], 2 * u * scale * 4, "d2/dx dt")


@pytest.mark.needs_torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@table(
    infinities="x, t = torch.tensor([1, -1, 1, -1, 1, -1]) * math.inf, [0.0, 0, 1, 1, 0.5, 0.5]",
    nan="x, t = torch.tensor([math.nan, 1.0]), [1.0, math.nan]",
    huge="x, t = torch.tensor([1e4, -1e4, 1e38, -1e38]), [1.0, 0.0, 1.0, 0.0]",
    wrong_and_huge="x, t = torch.tensor([1e4, -1e4]), [0.0, 1.0]",
    lost_digits="x, t = torch.tensor([20.0, -20.0, 17.0, -17.0]), [1.0, 0.0, 1.0, 0.0]",
    sigmoid_underflows="x, t = torch.tensor([-100.0, -88.0, -90.0, 100.0]), [0.0, 0.0, 1.0, 0.0]",
    outside_of_0_and_1="x, t = torch.tensor([1.0, -1.0]), [3.0, -2.0]",
    empty="x, t = torch.ones(0), []",
    empty_rows="x, t = torch.ones(2, 0), [[], []]",
    scalar="x, t = torch.tensor(0.5), 1.0",
    column="x, t = torch.tensor([[0.5], [1.0]]), [[1.0], [0.0]]",
)
def test_bce_cases(code: str, reduction: str) -> None:
    check(f"""
{code}
x = x.requires_grad_()
t = torch.tensor(t, requires_grad=True)
y = nn.BCEWithLogitsLoss(reduction="{reduction}")(x, t)
y.sum().backward()
y, x.grad, t.grad""")


@pytest.mark.needs_torch
@table(
    column_against_row="nn.BCEWithLogitsLoss()(torch.ones(4, 1), torch.ones(4))",
    row_against_column="nn.BCEWithLogitsLoss()(torch.ones(4), torch.ones(4, 1))",
    other_length="nn.BCEWithLogitsLoss()(torch.ones(4), torch.ones(3))",
    scalar_against_one="nn.BCEWithLogitsLoss()(torch.ones(()), torch.ones(1))",
    integer_target="nn.BCEWithLogitsLoss()(torch.ones(3), torch.ones(3).long())",
    short_target="nn.BCEWithLogitsLoss()(torch.ones(3), torch.ones(3, dtype=torch.int32))",
    boolean_target="nn.BCEWithLogitsLoss()(torch.ones(3), torch.ones(3) > 0)",
    integer_logits="nn.BCEWithLogitsLoss()(torch.arange(3), torch.ones(3))",
    boolean_logits="nn.BCEWithLogitsLoss()(torch.ones(3) > 0, torch.ones(3))",
    integers="nn.BCEWithLogitsLoss()(torch.arange(3), torch.arange(3))",
    reduction="nn.BCEWithLogitsLoss(reduction='avg')(torch.ones(3), torch.ones(3))",
    no_reduction="nn.BCEWithLogitsLoss(reduction=None)(torch.ones(3), torch.ones(3))",
    function="x = torch.ones(3); F.binary_cross_entropy_with_logits(x, x, reduction='')",
    by_keyword="F.binary_cross_entropy_with_logits(input=torch.ones(3), target=torch.ones(3))",
    state="nn.BCEWithLogitsLoss().state_dict(), list(nn.BCEWithLogitsLoss().parameters())",
    attribute="nn.BCEWithLogitsLoss(reduction='sum').reduction",
    unknown_argument="try: nn.BCEWithLogitsLoss(other=1)\nexcept TypeError: 'no'",
    reduction_by_place="try: nn.BCEWithLogitsLoss('sum')\nexcept TypeError: 'no'",
    transposed="nn.BCEWithLogitsLoss()(torch.arange(6.0).reshape(2, 3).T, torch.ones(3, 2))",
    target_is_not_needed_later="""
x, t = torch.ones(2, requires_grad=True), torch.ones(2)
y = nn.BCEWithLogitsLoss()(x, t)
t.zero_()
y.backward()""",
)
def test_bce_rules(code: str) -> None:
    check(code)


# --- CrossEntropyLoss -----------------------------------------------------------------------------


@st.composite
def classification(draw: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Logits, labels and ignore_index: a batch, a batch of grids, or one row."""
    classes = draw(st.integers(1, 5))
    batch = draw(st.integers(0, 5))
    grid = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    shape = draw(st.sampled_from([(batch, classes), (batch, classes, *grid), (classes,)]))
    z = draw(hnp.arrays(np.float64, shape, elements=draw(st.sampled_from([finite, anything]))))
    ignore = draw(st.sampled_from([-100, -100, -1, 0, classes - 1, classes + 3]))
    label = st.integers(0, classes - 1)
    kinds = [label, st.one_of(label, st.just(ignore)), st.just(ignore)]
    of = shape[:1] + shape[2:] if len(shape) > 1 else ()
    return z, draw(hnp.arrays(np.int64, of, elements=draw(st.sampled_from(kinds)))), ignore


@pytest.mark.needs_torch
@given(classification(), dtypes, reductions)
@example((np.array([[1.0, 2.0]] * 3), np.array([-100] * 3), -100), "float32", "mean")
@example((np.zeros((0, 3)), np.zeros(0, np.int64), -100), "float32", "mean")
@example((np.array([[1e4, -1e4, 0.0]]), np.array([1]), -100), "float32", "sum")
def test_cross_entropy(
    case: tuple[np.ndarray, np.ndarray, int], dtype: str, reduction: str
) -> None:
    import torch

    x, t, ignore = case
    x = x.astype(dtype)

    def loss(engine: Any) -> Any:
        return engine.nn.CrossEntropyLoss(ignore_index=ignore, reduction=reduction)

    ours, theirs = (found(engine, loss, [x, t], 0) for engine in (tg, torch))
    u = UNIT[dtype]
    classes = x.shape[min(1, x.ndim - 1)]
    z = np.moveaxis(finite_part(x), min(1, x.ndim - 1), -1).reshape(-1, classes)
    away = np.abs(z - z.max(1, keepdims=True, initial=-INF))
    p = np.exp(-away)
    p /= p.sum(1, keepdims=True)
    # log p = (z - top) - log sum exp(z - top): differences, a sum of C exponentials, a logarithm
    log_p = u * (3 * away + classes + 2 * EXP + 2 * math.log(classes) + 2)
    rows = max(int((t != ignore).sum()), 1)
    each = log_p.max(1, initial=0)
    if reduction == "none":
        bound = each.reshape(np.shape(t))
    else:
        bound = each.sum() + len(each) * u * (away + math.log(classes)).sum()
        bound /= rows if reduction == "mean" else 1
    near(ours.value, theirs.value, 2 * bound, "value")
    scale = 1 / rows if reduction == "mean" else 1.0
    # p - onehot: p is off by a factor of 1 + (the error of log p) + EXP u, and w is below 1
    slope = 2 * scale * (p * (log_p + (EXP + classes + 4) * u) + 4 * u).max(initial=0)
    near(ours.gradients[0], theirs.gradients[0], slope, "d/dx")
    # p (v - <p, v>) w: as many products again, and a sum of C terms
    near(ours.second[0], theirs.second[0], 2 * slope + 4 * (classes + 4) * u * scale, "d2/dx2")


@pytest.mark.needs_torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@table(
    all_ignored="x, t = torch.ones(3, 2), [-100] * 3",
    some_ignored="x, t = torch.tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 0.0]]), [0, -100, 1]",
    empty_batch="x, t = torch.ones(0, 2), []",
    empty_grid="x, t = torch.ones(3, 2, 0), [[], [], []]",
    one_class="x, t = torch.ones(3, 1), [0, 0, 0]",
    huge="x, t = torch.tensor([[1e4, -1e4], [1e38, -1e38], [-1e38, 1e38]]), [0, 0, 0]",
    minus_infinity_elsewhere="x, t = torch.tensor([[0.0, -math.inf, 1.0]]), [0]",
    minus_infinity_here="x, t = torch.tensor([[0.0, -math.inf, 1.0]]), [1]",
    infinity="x, t = torch.tensor([[0.0, math.inf, 1.0]]), [0]",
    nothing_but_minus_infinity="x, t = torch.full((1, 3), -math.inf), [1]",
    nan="x, t = torch.tensor([[0.0, math.nan], [0.0, 1.0]]), [0, 1]",
    nan_in_an_ignored_row="x, t = torch.tensor([[0.0, math.nan], [0.0, 1.0]]), [-100, 1]",
    unbatched="x, t = torch.tensor([1.0, 2.0, 3.0]), 2",
    unbatched_ignored="x, t = torch.tensor([1.0, 2.0, 3.0]), -100",
    grid="x, t = torch.arange(24.0).reshape(2, 3, 4), [[0, 1, 2, 0], [1, 2, 0, -100]]",
    image="x, t = torch.arange(24.0).reshape(1, 3, 4, 2) / 7, [[[0, 1], [2, 0], [1, 2], [0, 1]]]",
    deep="x, t = torch.arange(12.0).reshape(1, 3, 2, 1, 2) / 7, [[[[0, 1]], [[2, 0]]]]",
)
def test_cross_entropy_cases(code: str, reduction: str) -> None:
    check(f"""
{code}
x = x.requires_grad_()
t = torch.tensor(t, dtype=torch.int64)
y = nn.CrossEntropyLoss(reduction="{reduction}")(x, t)
y.sum().backward()
y, x.grad""")


X = "x = torch.arange(12.0).reshape(3, 4)\n"


@pytest.mark.needs_torch
@table(
    out_of_bounds=X + "nn.CrossEntropyLoss()(x, torch.tensor([0, 1, 4]))",
    negative=X + "nn.CrossEntropyLoss()(x, torch.tensor([0, 1, -1]))",
    negative_when_another_is_ignored=X
    + "nn.CrossEntropyLoss(ignore_index=2)(x, torch.tensor([0, 1, -100]))",
    unbatched_out_of_bounds=X + "nn.CrossEntropyLoss()(x[0], torch.tensor(7))",
    ignoring_a_class=X + "nn.CrossEntropyLoss(ignore_index=1)(x, torch.tensor([0, 1, 1]))",
    ignoring_the_only_class=X + "nn.CrossEntropyLoss(ignore_index=1)(x, torch.tensor([1, 1, 1]))",
    ignoring_minus_one=X + "nn.CrossEntropyLoss(ignore_index=-1)(x, torch.tensor([-1, 1, 1]))",
    byte=X + "nn.CrossEntropyLoss()(x, torch.tensor([0, 1, 3], dtype=torch.uint8))",
    int32=X + "nn.CrossEntropyLoss()(x, torch.tensor([0, 1, 3], dtype=torch.int32))",
    int16=X + "nn.CrossEntropyLoss()(x, torch.tensor([0, 1, 3], dtype=torch.int16))",
    float_labels=X + "nn.CrossEntropyLoss()(x, torch.tensor([0.0, 1.0, 3.0]))",
    boolean_labels=X + "nn.CrossEntropyLoss()(x, torch.tensor([True, False, True]))",
    batch_size=X + "nn.CrossEntropyLoss()(x, torch.tensor([0, 1]))",
    batch_size_of_a_scalar=X + "nn.CrossEntropyLoss()(x, torch.tensor(1))",
    batch_size_of_a_grid=X + "nn.CrossEntropyLoss()(x[:, :, None], torch.ones(2, 1).long())",
    column_of_labels=X + "nn.CrossEntropyLoss()(x, torch.tensor([[0], [1], [2]]))",
    one_hot_integers=X + "nn.CrossEntropyLoss()(x, torch.eye(4)[:3].long())",
    grid_mismatch=X + "nn.CrossEntropyLoss()(x.reshape(3, 2, 2), torch.ones(3, 3).long())",
    grid_missing=X + "nn.CrossEntropyLoss()(x.reshape(3, 2, 2), torch.ones(3).long())",
    image_missing=X + "nn.CrossEntropyLoss()(x.reshape(3, 2, 2, 1), torch.ones(3).long())",
    image_mismatch=X + "nn.CrossEntropyLoss()(x.reshape(3, 2, 2, 1), torch.ones(3, 1, 1).long())",
    unbatched_label_in_a_list=X + "nn.CrossEntropyLoss()(x[0], torch.tensor([2]))",
    unbatched_label_in_a_list_kept=X
    + "nn.CrossEntropyLoss(reduction='none')(x[0], torch.tensor([2]))",
    unbatched_two_labels=X + "nn.CrossEntropyLoss()(x[0], torch.tensor([0, 1]))",
    unbatched_same_shape=X + "nn.CrossEntropyLoss()(x[0], torch.tensor([0, 1, 2, 3]))",
    unbatched_matrix_of_labels=X + "nn.CrossEntropyLoss()(x[0], torch.ones(2, 2).long())",
    unbatched_int32=X + "nn.CrossEntropyLoss()(x[0], torch.tensor(1, dtype=torch.int32))",
    scalar="nn.CrossEntropyLoss()(torch.tensor(1.0), torch.tensor([1]))",
    no_classes="nn.CrossEntropyLoss()(torch.ones(3, 0), torch.ones(3).long())",
    integer_logits="nn.CrossEntropyLoss()(torch.ones(3, 4).long(), torch.ones(3).long())",
    a_list=X + "nn.CrossEntropyLoss()(x, [0, 1, 2])",
    a_number=X + "nn.CrossEntropyLoss()(x, 1)",
    none=X + "nn.CrossEntropyLoss()(x, None)",
    reduction=X + "nn.CrossEntropyLoss(reduction='avg')(x, torch.tensor([0, 1, 2]))",
    function_reduction=X + "F.cross_entropy(x, torch.tensor([0, 1, 2]), reduction='avg')",
    by_keyword=X + "F.cross_entropy(input=x, target=torch.tensor([0, 1, 2]), ignore_index=1)",
    state="nn.CrossEntropyLoss().state_dict(), list(nn.CrossEntropyLoss().parameters())",
    attributes="m = nn.CrossEntropyLoss(); m.reduction, m.ignore_index",
    unknown_argument="try: nn.CrossEntropyLoss(other=1)\nexcept TypeError: 'no'",
    reduction_by_place="try: nn.CrossEntropyLoss('sum')\nexcept TypeError: 'no'",
    labels_change_later="""
x, t = torch.ones(2, 3, requires_grad=True), torch.tensor([0, 1])
y = nn.CrossEntropyLoss()(x, t)
t.zero_()
y.backward()""",
)
def test_cross_entropy_rules(code: str) -> None:
    check(code)


# --- On this engine alone -------------------------------------------------------------------------


def test_an_array_of_labels_is_refused() -> None:
    with pytest.raises(TypeError, match=r"argument 'target' \(position 2\) must be Tensor, not"):
        tg.nn.CrossEntropyLoss()(tg.ones(3, 4), np.array([0, 1, 2]))


def test_what_torch_offers_and_this_engine_does_not_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"class probabilities .* not supported"):
        tg.nn.CrossEntropyLoss()(tg.ones(3, 4), tg.full((3, 4), 0.25))
    for loss in (tg.nn.BCEWithLogitsLoss, tg.nn.CrossEntropyLoss):
        for option in ("weight", "size_average", "reduce"):
            with pytest.raises(TypeError, match=option):
                loss(**{option: None})
        with pytest.raises(ValueError, match="avg is not a valid value for reduction"):
            loss(reduction="avg")  # torch refuses it when the loss is called


def test_a_confident_row_of_one_loss_equals_the_other() -> None:
    """Two classes are one logit: cross-entropy of (0, x) is binary cross-entropy of x."""
    x = np.array([-1e4, -50.0, -1.0, 0.0, 0.3, 20.0, 1e4])
    for label in (0, 1):
        targets = tg.tensor(np.full(x.shape, float(label)))
        one = tg.nn.BCEWithLogitsLoss(reduction="none")(tg.tensor(x), targets)
        rows = tg.tensor(np.stack([0 * x, x], 1))
        two = tg.nn.CrossEntropyLoss(reduction="none")(rows, tg.full(x.shape, label))
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-14, atol=1e-16)
        # log(1 + e**x) - x loses, for x = 1e4, as many digits as 1e4 has more than the result
        exact = np.logaddexp(0, x) - label * x
        np.testing.assert_allclose(two.numpy(), exact, rtol=1e-14, atol=1e4 * 2.0**-52)
