"""The losses are PyTorch's, case by case: what they say of infinite logits, of labels that nothing
counts, of weights; and their errors. ``test_loss_lattice.py`` draws every combination of options.
"""

from typing import Any

import numpy as np
import pytest
from parity import check

import tinygrad_cls as tg

every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def table(**snippets: str) -> Any:
    return pytest.mark.parametrize("code", snippets.values(), ids=snippets)


# --- BCEWithLogitsLoss ----------------------------------------------------------------------------


@pytest.mark.needs_torch
@every_reduction
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


WEIGHTS = """
x = torch.tensor([[0.5, -1.0], [2.0, 0.0], [-20.0, 20.0]], requires_grad=True)
t = torch.tensor([[1.0, 0.0], [0.0, 0.25], [1.0, 0.0]], requires_grad=True)
w, p = torch.tensor([0.5, 2.0]), torch.tensor([3.0, 0.0])
"""


@pytest.mark.needs_torch
@every_reduction
@table(
    weight="nn.BCEWithLogitsLoss(w, reduction=R)(x, t)",
    pos_weight="nn.BCEWithLogitsLoss(pos_weight=p, reduction=R)(x, t)",
    both="nn.BCEWithLogitsLoss(w, pos_weight=p, reduction=R)(x, t)",
    of_each_element="nn.BCEWithLogitsLoss(torch.ones(3, 2) * 2, reduction=R)(x, t)",
    one_for_all="nn.BCEWithLogitsLoss(torch.tensor(2.0), reduction=R)(x, t)",
    column="F.binary_cross_entropy_with_logits(x, t, torch.ones(3, 1) / 3, reduction=R)",
    zeros="nn.BCEWithLogitsLoss(w * 0, reduction=R)(x, t)",
    negative="nn.BCEWithLogitsLoss(-w, reduction=R)(x, t)",
    whole_numbers="nn.BCEWithLogitsLoss(w.long(), pos_weight=p.long(), reduction=R)(x, t)",
    wider="nn.BCEWithLogitsLoss(w.double(), pos_weight=p.double(), reduction=R)(x, t)",
    infinite_logits="nn.BCEWithLogitsLoss(w, pos_weight=p, reduction=R)(x * math.inf, t)",
    impossible="nn.BCEWithLogitsLoss(pos_weight=p, reduction=R)(0 * x - 1e4, t)",
)
def test_bce_weights(code: str, reduction: str) -> None:
    check(f"{WEIGHTS}y = {code.replace('R)', repr(reduction) + ')')}\n"
          "y.sum().backward()\ny, x.grad, t.grad")  # fmt: skip


@pytest.mark.needs_torch
@table(
    pos_weight_does_not_fit="nn.BCEWithLogitsLoss(pos_weight=torch.ones(3))(x, t)",
    pos_weight_is_larger="nn.BCEWithLogitsLoss(pos_weight=torch.ones(4, 3, 2))(x, t)",
    weight_does_not_fit="nn.BCEWithLogitsLoss(torch.ones(3))(x, t)",
    weight_is_larger="nn.BCEWithLogitsLoss(torch.ones(4, 3, 2))(x, t)",
    weight_learned="F.binary_cross_entropy_with_logits(x, t, w.requires_grad_())",
    pos_weight_learned="F.binary_cross_entropy_with_logits(x, t, pos_weight=p.requires_grad_())",
    weight_learned_without_grad="""
w.requires_grad_()
with torch.no_grad(): y = F.binary_cross_entropy_with_logits(x, t, w)
y""",
    boolean_pos_weight="nn.BCEWithLogitsLoss(pos_weight=p > 0)(x, t)",
    a_list_of_weights="nn.BCEWithLogitsLoss([0.5, 2.0])(x, t)",
    a_number_as_pos_weight="F.binary_cross_entropy_with_logits(x, t, pos_weight=3.0)",
    a_number_as_target="F.binary_cross_entropy_with_logits(x, 1.0)",
    no_target="F.binary_cross_entropy_with_logits(x, None)",
    buffers="""
m = nn.BCEWithLogitsLoss(w, pos_weight=p)
m.state_dict(), [n for n, _ in m.named_buffers()], m.double().pos_weight.dtype""",
    buffers_that_are_none="m = nn.BCEWithLogitsLoss(); m.weight, m.pos_weight, list(m.buffers())",
    state_of_none="nn.BCEWithLogitsLoss().load_state_dict(nn.BCEWithLogitsLoss(w).state_dict())",
    state_of_weights="""
m = nn.BCEWithLogitsLoss(torch.zeros(2))
m.load_state_dict(nn.BCEWithLogitsLoss(w).state_dict())
m.weight""",
)
def test_bce_weight_rules(code: str) -> None:
    check(WEIGHTS + code)


@pytest.mark.needs_torch
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bce_has_torchs_bits(dtype: str, weighted: bool) -> None:
    """Where both engines' sigmoid and logsigmoid have the same bits, so have loss and gradient:
    the formulas round alike. The mean's gradient is divided by N, not multiplied by 1 / N. (With
    weights the mean is an op of its own, so that only the sum's gradient has torch's bits.)
    """
    import torch

    rng = np.random.default_rng(0)
    x, t = (rng.normal(size=1003).astype(dtype), rng.random(1003).astype(dtype))
    p = rng.random(1003).astype(dtype)

    def found(engine: Any) -> Any:
        z, s = engine.tensor(x, requires_grad=True), engine.tensor(t)
        how = {"pos_weight": engine.tensor(p), "reduction": "sum"} if weighted else {}
        loss = engine.nn.BCEWithLogitsLoss(**how | {"reduction": "none"})(z, s)
        engine.nn.BCEWithLogitsLoss(**how)(z, s).backward()
        parts = (engine.sigmoid(z), engine.nn.functional.logsigmoid(z), loss, z.grad)
        return [part.detach().numpy() for part in parts]

    (s, log_s, loss, slope), (their_s, their_log_s, their_loss, their_slope) = map(
        found, (tg, torch)
    )
    alike = (s == their_s) & (log_s == their_log_s)
    assert alike.mean() > 0.5
    np.testing.assert_array_equal(loss[alike], their_loss[alike])
    np.testing.assert_array_equal(slope[alike], their_slope[alike])
    if not weighted:
        assert (((s - t) * x.dtype.type(1 / 1003))[alike] != slope[alike]).any()


# --- CrossEntropyLoss -----------------------------------------------------------------------------


@pytest.mark.needs_torch
@every_reduction
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


CLASSES = """
x = torch.tensor([[0.5, -1.0, 0.0], [2.0, 0.0, 1.0], [-20.0, 20.0, 0.0]], requires_grad=True)
t, w = torch.tensor([0, 2, 1]), torch.tensor([0.5, 2.0, 0.0])
q = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 2.0], [1.0, 0.0, -1.0]], requires_grad=True)
grid, labels = torch.arange(24.0).reshape(2, 3, 2, 2) / 7, torch.arange(8).reshape(2, 2, 2) % 3
off = torch.tensor([[0.0, -math.inf, 1.0]], requires_grad=True)
"""


@pytest.mark.needs_torch
@every_reduction
@table(
    weight="nn.CrossEntropyLoss(w, reduction=R)(x, t)",
    weight_and_ignored="nn.CrossEntropyLoss(w, ignore_index=0, reduction=R)(x, t)",
    weights_of_zero="nn.CrossEntropyLoss(w * 0, reduction=R)(x, t)",
    weights_of_the_labels_are_zero="nn.CrossEntropyLoss(w, reduction=R)(x[1:2], t[1:2])",
    all_ignored_with_weights="nn.CrossEntropyLoss(w, reduction=R)(x, t * 0 - 100)",
    all_ignored_and_smooth="nn.CrossEntropyLoss(label_smoothing=0.1, reduction=R)(x, t * 0 - 100)",
    smooth="nn.CrossEntropyLoss(label_smoothing=0.3, reduction=R)(x, t)",
    smooth_and_ignored="F.cross_entropy(x, t, ignore_index=2, label_smoothing=0.3, reduction=R)",
    smooth_and_weighted="nn.CrossEntropyLoss(w, label_smoothing=0.3, reduction=R)(x, t)",
    all_smooth="nn.CrossEntropyLoss(w, label_smoothing=1.0, reduction=R)(x, t)",
    a_whole_number_of_smoothing="nn.CrossEntropyLoss(label_smoothing=1, reduction=R)(x, t)",
    less_than_none_counts_as_none="nn.CrossEntropyLoss(label_smoothing=-0.5, reduction=R)(x, t)",
    nan_counts_as_none="nn.CrossEntropyLoss(label_smoothing=math.nan, reduction=R)(x, t)",
    smooth_grid="F.cross_entropy(grid * x[1, 2], labels, w, label_smoothing=0.3, reduction=R)",
    smooth_row="nn.CrossEntropyLoss(w, label_smoothing=0.3, reduction=R)(x[0], t[0])",
    smooth_bytes="F.cross_entropy(x, t.to(torch.uint8), label_smoothing=0.3, reduction=R)",
    probabilities="nn.CrossEntropyLoss(reduction=R)(x, q)",
    probabilities_weighted="nn.CrossEntropyLoss(w, reduction=R)(x, q)",
    probabilities_with_weights_of_zero="nn.CrossEntropyLoss(w * 0, reduction=R)(x, q)",
    probabilities_smooth="nn.CrossEntropyLoss(w, label_smoothing=0.3, reduction=R)(x, q)",
    probabilities_of_a_row="nn.CrossEntropyLoss(reduction=R)(x[0], q[0])",
    probabilities_of_a_grid="nn.CrossEntropyLoss(w, reduction=R)(x[:, :, None], q[:, :, None])",
    probabilities_of_no_row="nn.CrossEntropyLoss(w, reduction=R)(x[:0], q[:0])",
    impossible_label="nn.CrossEntropyLoss(reduction=R)(off, torch.tensor([1])) + 0 * x[0, 0]",
    impossible_other="nn.CrossEntropyLoss(reduction=R)(off, torch.tensor([2])) + 0 * x[0, 0]",
    impossible_probability="nn.CrossEntropyLoss(reduction=R)(off + 0 * x[:1], q[1:2] * 0)",
    impossible_smooth="F.cross_entropy(off + 0 * x[:1], t[1:2], label_smoothing=0.1, reduction=R)",
    huge="nn.CrossEntropyLoss(reduction=R)(x * 1e29, t)",
    likelihood="nn.NLLLoss(reduction=R)(x, t)",
    likelihood_weighted="nn.NLLLoss(w, ignore_index=1, reduction=R)(x, t)",
    likelihood_all_ignored="nn.NLLLoss(reduction=R)(x, t * 0 - 100)",
    likelihood_of_a_row="nn.NLLLoss(w, reduction=R)(x[0], t[0])",
    likelihood_of_a_grid="nn.NLLLoss(w, reduction=R)(grid + 0 * x[0, 0], labels)",
    likelihood_of_infinity="nn.NLLLoss(w, reduction=R)(x * math.inf, t)",
)
def test_class_options(code: str, reduction: str) -> None:
    check(f"{CLASSES}y = {code.replace('R)', repr(reduction) + ')')}\n"
          "y.sum().backward()\ny, x.grad, q.grad, off.grad")  # fmt: skip


@pytest.mark.needs_torch
@table(
    too_smooth="nn.CrossEntropyLoss(label_smoothing=1.5)(x, t)",
    too_smooth_probabilities="nn.CrossEntropyLoss(label_smoothing=1.5)(x, q)",
    smoothing_is_no_number="nn.CrossEntropyLoss(label_smoothing='0.1')(x, t)",
    weight_of_another_length="nn.CrossEntropyLoss(w[:2])(x, t)",
    weight_of_another_length_for_a_grid="nn.CrossEntropyLoss(w[:2])(grid, labels)",
    weight_of_another_length_for_probabilities="nn.CrossEntropyLoss(w[:2])(x, q)",
    weight_with_two_axes="nn.CrossEntropyLoss(w[None])(x, t)",
    weight_of_another_dtype="nn.CrossEntropyLoss(w.double())(x, t)",
    weight_of_another_dtype_for_a_grid="nn.CrossEntropyLoss(w.double())(grid, labels)",
    weight_learned="F.cross_entropy(x, t, w.requires_grad_())",
    weight_learned_for_a_grid="F.cross_entropy(grid, labels, w.requires_grad_())",
    weight_learned_for_probabilities="""
F.cross_entropy(x, q, w.requires_grad_()).backward()
w.grad, x.grad, q.grad""",
    a_list_of_weights="F.cross_entropy(x, t, [0.5, 2.0, 0.0])",
    ignored_with_probabilities="nn.CrossEntropyLoss(ignore_index=0)(x, q)",
    ignored_negative_with_probabilities="nn.CrossEntropyLoss(ignore_index=-1)(x, q)",
    ignored_is_no_whole_number="nn.CrossEntropyLoss(ignore_index=1.0)(x, t)",
    ignored_is_a_truth_value="nn.CrossEntropyLoss(ignore_index=True)(x, t)",
    ignored_is_numpys="nn.CrossEntropyLoss(ignore_index=np.int64(1))(x, t)",
    one_hot_labels="nn.CrossEntropyLoss()(x, F.one_hot(t, 3))",
    grid_of_bytes="nn.CrossEntropyLoss()(grid, labels.to(torch.uint8))",
    bytes_smooth_and_weighted="nn.CrossEntropyLoss(w, label_smoothing=0.1)(x, t.to(torch.uint8))",
    probabilities_of_a_scalar="nn.CrossEntropyLoss()(x[0, 0], q[0, 0])",
    out_of_bounds_but_smooth="nn.CrossEntropyLoss(label_smoothing=0.1)(x, t + 1)",
    state="nn.CrossEntropyLoss(w).state_dict(), nn.NLLLoss(w).state_dict()",
    attributes="m = nn.CrossEntropyLoss(w, ignore_index=1, label_smoothing=0.1)\n"
    "m.ignore_index, m.label_smoothing, m.reduction, m.weight",
    likelihood_of_a_scalar="nn.NLLLoss()(x[0, 0], t[0])",
    likelihood_of_whole_numbers="nn.NLLLoss()(x.long(), t)",
    likelihood_of_a_list="F.nll_loss(x, [0, 2, 1])",
)
def test_class_rules(code: str) -> None:
    check(CLASSES + code)


# --- BCELoss --------------------------------------------------------------------------------------

UNIT = """
q = torch.tensor([[0.5, 0.0], [1.0, 0.25], [1.0, 0.0]], requires_grad=True)
t = torch.tensor([[1.0, 1.0], [1.0, 0.25], [0.0, 0.0]], requires_grad=True)
w = torch.tensor([0.5, 2.0])
"""


@pytest.mark.needs_torch
@every_reduction
@table(
    logarithms_end_at_minus_100="nn.BCELoss(reduction=R)(q, t)",
    weight="nn.BCELoss(w, reduction=R)(q, t)",
    weight_of_zero="nn.BCELoss(w * 0, reduction=R)(q, t)",
    wider_weight="nn.BCELoss(w.double(), reduction=R)(q, t)",
    column="F.binary_cross_entropy(q, t, weight=torch.ones(3, 1) / 3, reduction=R)",
    empty="nn.BCELoss(w, reduction=R)(q[:0], t[:0])",
    near_one="nn.BCELoss(reduction=R)(1 - q * 2**-23, t)",
)
def test_bce_of_probabilities(code: str, reduction: str) -> None:
    check(f"{UNIT}y = {code.replace('R)', repr(reduction) + ')')}\n"
          "y.sum().backward()\ny, q.grad, t.grad")  # fmt: skip


@pytest.mark.needs_torch
@table(
    below_0="nn.BCELoss()(q - 1, t)",
    above_1="nn.BCELoss()(q + 1, t)",
    nan="nn.BCELoss()(q * math.nan, t)",
    target_above_1="nn.BCELoss()(q, t * 2)",
    sizes="nn.BCELoss()(q, t[0])",
    dtypes="nn.BCELoss()(q, t.double())",
    integers="nn.BCELoss()(q, t.long())",
    weight_does_not_fit="nn.BCELoss(torch.ones(3))(q, t)",
    weight_is_larger="nn.BCELoss(torch.ones(4, 3, 2))(q, t)",
    weight_learned="F.binary_cross_entropy(q, t, w.requires_grad_())",
    a_number_as_target="nn.BCELoss()(q, 1.0)",
    a_number_as_weight="F.binary_cross_entropy(q, t, 1.0)",
    reduction="F.binary_cross_entropy(q, t, reduction='avg')",
    state="nn.BCELoss(w).state_dict(), nn.BCELoss().reduction",
    second_derivative="""
(g,) = torch.autograd.grad(nn.BCELoss(reduction="sum")(q, t), q, create_graph=True)
torch.autograd.grad(g.sum(), (q, t))""",
)
def test_bce_of_probabilities_rules(code: str) -> None:
    check(UNIT + code)


# --- MSELoss, L1Loss, SmoothL1Loss ----------------------------------------------------------------

PAIRS = """
x = torch.tensor([[0.5, -1.0], [2.0, 0.0], [0.0, 5.0]], requires_grad=True)
t = torch.tensor([[0.5, 1.0], [1.0, -0.5], [0.25, 1.0]], requires_grad=True)
w = torch.tensor([[0.5, 2.0], [0.0, 1.0], [1.0, 3.0]])
"""


@pytest.mark.needs_torch
@every_reduction
@table(
    squares="nn.MSELoss(reduction=R)(x, t)",
    squares_weighted="F.mse_loss(x, t, weight=w, reduction=R)",
    squares_with_weights_of_zero="F.mse_loss(x, t, weight=w * 0, reduction=R)",
    squares_against_a_row="nn.MSELoss(reduction=R)(x, t[0])",
    squares_of_a_column="nn.MSELoss(reduction=R)(x[:, :1], t)",
    squares_against_whole_numbers="nn.MSELoss(reduction=R)(x, t.long() * t.long())",
    squares_of_nothing="nn.MSELoss(reduction=R)(x[:0], t[:0])",
    squares_in_mixed_dtypes="nn.MSELoss(reduction=R)(x.half(), t.double())",
    squares_of_infinity="nn.MSELoss(reduction=R)(x * math.inf, t)",
    distances="nn.L1Loss(reduction=R)(x, t)",
    distances_weighted="F.l1_loss(x, t, weight=w, reduction=R)",
    distances_against_a_row="nn.L1Loss(reduction=R)(x, t[0])",
    distances_of_nothing="nn.L1Loss(reduction=R)(x[:0], t[:0])",
    distances_of_nan="nn.L1Loss(reduction=R)(x * math.nan, t)",
    smooth="nn.SmoothL1Loss(reduction=R)(x, t)",
    smooth_at_the_corner="nn.SmoothL1Loss(reduction=R)(t + 1, t)",
    smooth_against_a_row="nn.SmoothL1Loss(reduction=R)(x, t[0])",
    half_as_smooth="nn.SmoothL1Loss(reduction=R, beta=0.5)(x, t)",
    not_smooth="nn.SmoothL1Loss(beta=0.0, reduction=R)(x, t)",
    not_smooth_in_whole_numbers="nn.SmoothL1Loss(beta=0, reduction=R)(x, t)",
    smooth_nan="nn.SmoothL1Loss(reduction=R)(x * math.nan, t)",
    smooth_infinity="nn.SmoothL1Loss(reduction=R)(x * math.inf, t)",
)
def test_distances(code: str, reduction: str) -> None:
    check(f"{PAIRS}y = {code.replace('R)', repr(reduction) + ')')}\n"
          "y.sum().backward()\ny, x.grad, t.grad")  # fmt: skip


@pytest.mark.needs_torch
@table(
    squares_that_do_not_fit="nn.MSELoss()(x, torch.ones(3))",
    column_against_row="nn.MSELoss()(torch.ones(4, 1), torch.ones(4))",
    distances_that_do_not_fit="nn.L1Loss()(x, torch.ones(3))",
    smooth_that_do_not_fit="nn.SmoothL1Loss()(x, torch.ones(3))",
    beta_below_0="nn.SmoothL1Loss(beta=-1.0)(x, t)",
    beta_nan="nn.SmoothL1Loss(beta=math.nan)(x, t)",
    beta_none="nn.SmoothL1Loss(beta=None)(x, t)",
    beta_of_numpy="nn.SmoothL1Loss(beta=np.float32(0.5))(x, t)",
    weight_of_another_shape="F.mse_loss(x, t, weight=w[0])",
    weight_that_is_a_number="F.l1_loss(x, t, weight=1.0)",
    weight_learned="F.mse_loss(x, t, weight=w.requires_grad_()).backward(); w.grad",
    integers="nn.MSELoss()(x.long(), t.long())  # type",
    sum_of_integers="nn.L1Loss(reduction='sum')(x.long(), t.long())",
    mean_of_integers="nn.L1Loss()(x.long(), t.long())",
    booleans="nn.L1Loss()(x > 0, t > 0)",
    a_number_as_target="nn.MSELoss()(x, 1.0)",
    a_list_as_input="F.l1_loss([1.0], t)",
    reduction="F.mse_loss(x, t, reduction='avg')",
    reduction_with_weight="F.mse_loss(x, t, weight=w, reduction='avg')",
    attributes="nn.SmoothL1Loss(beta=0.5).beta, nn.L1Loss(reduction='sum').reduction",
)
def test_distance_rules(code: str) -> None:
    check(PAIRS + code)


# --- On this engine alone -------------------------------------------------------------------------


def test_an_array_of_labels_is_refused() -> None:
    with pytest.raises(TypeError, match=r"argument 'target' \(position 2\) must be Tensor, not"):
        tg.nn.CrossEntropyLoss()(tg.ones(3, 4), np.array([0, 1, 2]))


def test_what_torch_offers_and_this_engine_does_not_is_refused() -> None:
    for loss in (tg.nn.BCEWithLogitsLoss, tg.nn.CrossEntropyLoss, tg.nn.MSELoss, tg.nn.BCELoss):
        for option in ("size_average", "reduce"):
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
