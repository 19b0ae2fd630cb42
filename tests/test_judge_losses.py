"""check_loss: right losses pass, planted mistakes are found and named."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES, FUNCTIONS, Case

import tinygrad_cls as tg
from tinygrad_cls.judge.hints import HINTS
from tinygrad_cls.judge.rules.asked import complex_slope
from tinygrad_cls.judge.rules.loss_rules import RULES
from tinygrad_cls.judge.rules.loss_variants import Call, changes
from tinygrad_cls.judge.rules.losses import check_loss

F = tg.nn.functional
rng = np.random.default_rng(0)
X = rng.normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 2])
IGNORED = np.array([0, 2, -100, 1, -100])
W = np.array([0.5, 2.0, 1.5])
Z = rng.normal(size=(4, 2))
BITS = np.array([[0.0, 1], [1, 1], [0, 0], [1, 0]])

# --- right ones pass ------------------------------------------------------------------------------


def numbers(case: Case) -> dict[str, Any]:
    """The options without those that a rule takes by another name."""
    return {n: np.asarray(v, np.float64) if isinstance(v, np.ndarray) else v
            for n, v in case.options.items()}  # fmt: skip


def in_dtype(function: Any, options: dict[str, Any], tensor: Any) -> Callable[..., Any]:
    """A loss whose weights come in the input's dtype."""

    def loss(input: Any, target: Any) -> Any:
        own = {n: tensor(v).to(input.dtype) if isinstance(v, np.ndarray) else v
               for n, v in options.items()}  # fmt: skip
        return function(input, target, **own)

    return loss


few = settings(max_examples=settings.default.max_examples // 12)  # a check takes 0.2 s


@pytest.mark.parametrize("cases", CASES.values(), ids=CASES)
@few
@given(st.data())
def test_ours_pass(cases: Any, data: st.DataObject) -> None:
    case = data.draw(cases)
    name = FUNCTIONS[case.loss]
    options = numbers(case)
    loss = in_dtype(getattr(F, name), options, tg.tensor)
    report = check_loss(loss, case.input, case.target, rule=name, **options)
    assert judged_well(report, case), report


def judged_well(report: Any, case: Case) -> bool:
    """It passes; bytes for labels, whose weights smoothing adds up, raise in torch and so here; and
    torch's gradient for a float64 target is a float32 if the logits are and there's a pos_weight.
    """
    if case.target.dtype == np.uint8 and any("gather()" in f.text for f in report.findings):
        return not report.failures
    mixed = case.input.dtype != case.target.dtype
    return not [f for f in report.findings if f.level != "NOTE"
                and not (mixed and f.kind == "wrong dtype")]  # fmt: skip


@pytest.mark.parametrize("cases", CASES.values(), ids=CASES)
@pytest.mark.needs_torch
@few
@given(st.data())
def test_torchs_pass(cases: Any, data: st.DataObject) -> None:
    import torch

    case = data.draw(cases)
    name = FUNCTIONS[case.loss]
    options = numbers(case)
    loss = in_dtype(getattr(torch.nn.functional, name), options, torch.tensor)
    x, t = torch.tensor(case.input), torch.tensor(case.target)
    report = check_loss(loss, x, t, rule=name, **options)
    assert judged_well(report, case), report


@pytest.mark.parametrize(
    ("module", "x", "t"),
    [
        (tg.nn.CrossEntropyLoss(), X, LABELS),
        (tg.nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.2), X, IGNORED),
        (tg.nn.CrossEntropyLoss(ignore_index=2), X.astype(np.float32), LABELS),
        (tg.nn.CrossEntropyLoss(tg.tensor(W)), X, IGNORED),
        (tg.nn.NLLLoss(reduction="none"), X, LABELS),
        (tg.nn.BCEWithLogitsLoss(pos_weight=tg.tensor([1.0, 3.0])), Z, BITS),
        (tg.nn.BCELoss(), np.abs(np.tanh(Z)), BITS),
        (tg.nn.MSELoss(), Z, BITS),
        (tg.nn.L1Loss(reduction="none"), Z, BITS),
        (tg.nn.SmoothL1Loss(beta=0.5), Z, BITS),
        (F.mse_loss, Z, BITS),
        (partial(F.cross_entropy, label_smoothing=0.1, reduction="sum"), X, LABELS),
    ],
)
def test_what_has_a_name_needs_no_rule(module: Any, x: Any, t: Any) -> None:
    report = check_loss(module, x, t)
    assert report, report


EXTREME: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("cross_entropy", np.array([[1e4, -1e4, 0.0], [0, 1e4, -1e4]]), np.array([1, 1]), {}),
    ("cross_entropy", np.array([[0.0, -np.inf], [1.0, 2.0]]), np.array([0, 1]), {}),
    ("cross_entropy", np.array([[0.0, np.inf], [1.0, 2.0]]), np.array([0, 1]), {}),
    ("cross_entropy", X, np.full(5, -100), {}),
    ("cross_entropy", X, np.full(5, -100), {"reduction": "sum"}),
    ("cross_entropy", X, np.full(5, -100), {"weight": W, "label_smoothing": 0.5}),
    ("cross_entropy", X[:0], LABELS[:0], {}),
    ("cross_entropy", X[:0], LABELS[:0], {"reduction": "none"}),
    ("cross_entropy", X, LABELS, {"weight": np.zeros(3)}),
    ("binary_cross_entropy_with_logits", np.array([1e4, -1e4, 1e4]), np.array([1.0, 1, 0]), {}),
    ("binary_cross_entropy_with_logits", np.array([np.inf, -np.inf]), np.array([1.0, 1]), {}),
    ("binary_cross_entropy_with_logits", Z[:0], BITS[:0], {}),
    ("binary_cross_entropy", np.array([0.0, 1.0, 0.0, 0.5]), np.array([0.0, 1, 1, 1]), {}),
    ("mse_loss", np.array([1e200, 0.0]), np.array([0.0, 0]), {"reduction": "none"}),
    ("l1_loss", np.zeros(3), np.array([0.0, 0, 1]), {}),
]


@pytest.mark.parametrize(("name", "x", "t", "options"), EXTREME)
def test_extremes(name: str, x: Any, t: Any, options: dict[str, Any]) -> None:
    report = check_loss(in_dtype(getattr(F, name), options, tg.tensor), x, t, rule=name, **options)
    assert report, report
    off = check_loss(
        lambda x, t: getattr(F, name)(x, t, **{n: tg.tensor(v) if n == "weight" else v
                                              for n, v in options.items()}) * 1.001 + 1e-3,
        x, t, rule=name, **options,
    )  # fmt: skip
    empty_or_wild = (
        not x.size or not np.isfinite(x).all() or not np.isfinite(report_value(name, x, t, options))
    )
    assert empty_or_wild or not off


def report_value(name: str, x: Any, t: Any, options: dict[str, Any]) -> float:
    options = dict(options)
    reduction = options.pop("reduction", "mean")
    return float(np.sum(Call(name, x, t, options, reduction).answer().value))


@pytest.mark.parametrize("sigmoid", [lambda z: 1 / (1 + np.exp(-z))])
def test_textbook_formulas_are_not_blamed_where_they_are_good(sigmoid: Any) -> None:
    """Only what they lose at large logits is."""

    def loss(x: Any, t: Any) -> Any:
        s = sigmoid(x)
        return -np.mean(t * np.log(s) + (1 - t) * np.log(1 - s))

    def vjp(g: Any, x: Any, t: Any) -> Any:
        return g * (sigmoid(x) - t) / x.size, None

    name = "binary_cross_entropy_with_logits"
    report = check_loss(loss, 5 * Z, BITS, vjp=vjp, rule=name)
    assert [(f.kind, f.hint) for f in report.failures] == [("other values", "unstable branch")]


# --- mistakes are found ---------------------------------------------------------------------------


class Planted:
    """A loss of classes, right if nothing is changed: ``loss`` and ``vjp``."""

    x, t = X, LABELS
    rule, options = "cross_entropy", {}
    hint, kind = "", "wrong rule"

    # forward: sum(q * nll) / count
    def mass(self, t: Any, n: int) -> Any:
        e = self.options.get("label_smoothing", 0.0)
        return (1 - e) * self.hot(t, n) + e / n * (t >= 0)[:, None]

    def hot(self, t: Any, n: int) -> Any:
        return np.eye(n)[t % n] * (t >= 0)[:, None]

    def weights(self) -> Any:
        return self.options.get("weight", np.ones(3))

    def count(self, t: Any) -> Any:
        return self.weights()[t[t >= 0]].sum()

    def logits(self, x: Any) -> Any:
        return x

    axis = 1

    def log_p(self, x: Any) -> Any:
        z = x - x.max(self.axis, keepdims=True)
        return z - np.log(np.exp(z).sum(self.axis, keepdims=True))

    def loss(self, x: Any, t: Any) -> Any:
        return -(self.weights() * self.mass(t, 3) * self.log_p(x)).sum() / self.count(t)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        q = self.weights() * self.mass(t, 3) / self.count(t)
        p = np.exp(self.log_p(x))
        return g * (p * q.sum(self.axis, keepdims=True) - q), None


FAULTS: dict[str, type[Planted]] = {}


def planted(hint: str, kind: str = "wrong rule") -> Any:
    def add(c: Any) -> Any:
        c.hint, c.kind = hint, kind
        FAULTS[c.__name__] = c
        return c

    return add


@planted("mean and sum")
class SumForMean(Planted):
    def count(self, t: Any) -> Any:
        return 1


@planted("mean and sum")
class MeanForSum(Planted):
    options = {"reduction": "sum"}


@planted("mean and sum")
class MeanOverClassesToo(Planted):
    def count(self, t: Any) -> Any:
        return 15


@planted("mean and sum", "wrong gradient")
class SumBackward(Planted):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return super().vjp(g, x, t)[0] * 5, None


@planted("weighted mean")
class CountsRows(Planted):
    options = {"weight": W}

    def count(self, t: Any) -> Any:
        return len(t)


@planted("weighted mean", "wrong gradient")
class CountsRowsBackward(Planted):
    options = {"weight": W}

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return super().vjp(g, x, t)[0] * self.count(t) / 5, None


@planted("weighted mean")
class SumOfAllWeights(Planted):
    options = {"weight": W}

    def count(self, t: Any) -> Any:
        return W.sum()


@planted("weights")
class NoWeights(Planted):
    options = {"weight": W}

    def weights(self) -> Any:
        return np.ones(3)


@planted("label smoothing")
class SpreadOverOthers(Planted):
    options = {"label_smoothing": 0.1}

    def mass(self, t: Any, n: int) -> Any:
        return np.where(self.hot(t, n), 0.9, 0.1 / (n - 1))


@planted("label smoothing", "wrong gradient")
class SpreadOverOthersBackward(Planted):
    options = {"label_smoothing": 0.1}

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        q = np.where(self.hot(t, 3), 0.9, 0.1 / 2) / 5
        return g * (np.exp(self.log_p(x)) / 5 - q), None


@planted("label smoothing")
class TargetWithoutItsShare(Planted):
    options = {"label_smoothing": 0.1}

    def mass(self, t: Any, n: int) -> Any:
        return np.where(self.hot(t, n), 0.9, 0.1 / n)


@planted("label smoothing")
class NoSmoothing(Planted):
    options = {"label_smoothing": 0.1}

    def mass(self, t: Any, n: int) -> Any:
        return self.hot(t, n)


@planted("ignored rows")
class IgnoredRowsCount(Planted):
    t = IGNORED

    def count(self, t: Any) -> Any:
        return len(t)


@planted("ignored rows", "wrong gradient")
class IgnoredRowsLeak(Planted):
    t = IGNORED

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * (np.exp(self.log_p(x)) - self.hot(t, 3)) / self.count(t), None


@planted("ignored rows", "wrong gradient")
class IgnoredRowsLeakTheirLabel(Planted):
    t = np.array([0, 2, 1, 1, 2])
    options = {"ignore_index": 2}

    def hot(self, t: Any, n: int) -> Any:
        return np.eye(n)[t] * (t != 2)[:, None]

    def count(self, t: Any) -> Any:
        return (t != 2).sum()

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * (np.exp(self.log_p(x)) - np.eye(3)[t]) / self.count(t), None


@planted("wrong softmax axis")
class SoftmaxOverTheBatch(Planted):
    axis = 0


@planted("wrong softmax axis", "wrong gradient")
class SoftmaxOverTheBatchBackward(Planted):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        p = np.exp(x) / np.exp(x).sum(0)
        q = self.mass(t, 3) / 5
        return g * (p * q.sum(0) - q), None


@planted("double softmax")
class SoftmaxTwice(Planted):
    def loss(self, x: Any, t: Any) -> Any:
        return super().loss(np.exp(self.log_p(x)), t)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        p = np.exp(self.log_p(x))
        h = super().vjp(g, p, t)[0]
        return p * (h - (p * h).sum(1, keepdims=True)), None


@planted("sign")
class Flipped(Planted):
    def loss(self, x: Any, t: Any) -> Any:
        return -super().loss(x, t)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return super().vjp(-g, x, t)


@planted("sign", "wrong gradient")
class FlippedBackward(Planted):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return super().vjp(-g, x, t)


@planted("factor")
class BaseTwo(Planted):
    def count(self, t: Any) -> Any:
        return len(t) * np.log(2)


@planted("shifted", "wrong gradient")
class LabelsFromOne(Planted):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return super().vjp(g, x, (t - 1) % 3)


@planted("label smoothing")
class TwoMistakes(Planted):
    """Neither explains it alone."""

    options = {"label_smoothing": 0.1}

    def mass(self, t: Any, n: int) -> Any:
        return np.where(self.hot(t, n), 0.9, 0.1 / (n - 1))

    def loss(self, x: Any, t: Any) -> Any:
        return -super().loss(x, t)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return super().vjp(-g, x, t)


class Binary(Planted):
    """A loss of logits, right if nothing is changed."""

    x, t = Z, BITS
    rule = "binary_cross_entropy_with_logits"
    options: dict[str, Any] = {"pos_weight": np.array([3.0, 0.5])}

    def pair(self) -> tuple[Any, Any]:
        """The weights of the positive and of the negative term."""
        return self.options.get("pos_weight", 1.0), 1.0

    def count(self, t: Any) -> Any:
        return t.size

    def loss(self, x: Any, t: Any) -> Any:
        yes, no = self.pair()
        each = yes * t * np.logaddexp(0, -x) + no * (1 - t) * np.logaddexp(0, x)
        return (self.options.get("weight", 1.0) * each).sum() / self.count(t)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        (yes, no), s = self.pair(), np.exp(-np.logaddexp(0, -x))
        slope = no * (1 - t) * s - yes * t * (1 - s)
        return g * self.options.get("weight", 1.0) * slope / self.count(t), None


@planted("positive weight")
class PositiveOnNegative(Binary):
    def pair(self) -> tuple[Any, Any]:
        return 1.0, self.options["pos_weight"]


@planted("positive weight", "wrong gradient")
class PositiveOnNegativeBackward(Binary):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        p, s = self.options["pos_weight"], 1 / (1 + np.exp(-x))
        return g * (p * (1 - t) * s - t * (1 - s)) / t.size, None


@planted("positive weight")
class PositiveOnBoth(Binary):
    def pair(self) -> tuple[Any, Any]:
        return self.options["pos_weight"], self.options["pos_weight"]


@planted("positive weight")
class PositiveLeftOut(Binary):
    def pair(self) -> tuple[Any, Any]:
        return 1.0, 1.0


@planted("weighted mean")
class DividesByWeights(Binary):
    options = {"weight": np.array([[1.0, 2.0], [0.5, 1.5], [2, 2], [1, 3]])}

    def count(self, t: Any) -> Any:
        return self.options["weight"].sum()


@planted("mean and sum")
class RowsAddUp(Binary):
    def count(self, t: Any) -> Any:
        return len(t)


@planted("double softmax")
class SigmoidTwice(Binary):
    options = {}

    def loss(self, x: Any, t: Any) -> Any:
        return super().loss(1 / (1 + np.exp(-x)), t)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        s = 1 / (1 + np.exp(-x))
        return super().vjp(g, s, t)[0] * s * (1 - s), None


@planted("sign", "wrong gradient")
class TargetMinusSigmoid(Binary):
    options = {}

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * (t - 1 / (1 + np.exp(-x))) / t.size, None


class Square(Planted):
    """A loss of differences, right if nothing is changed."""

    x, t = Z, BITS
    rule = "mse_loss"

    def loss(self, x: Any, t: Any) -> Any:
        return np.mean((x - t) ** 2)

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        d = 2 * g * (x - t) / x.size
        return d, -d


@planted("factor", "wrong gradient")
class TwoLeftOut(Square):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * (x - t) / x.size, None


@planted("factor")
class HalfOfTheSquare(Square):
    def loss(self, x: Any, t: Any) -> Any:
        return np.mean((x - t) ** 2) / 2

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * (x - t) / x.size, None


@planted("neighbour")
class AbsoluteForSquare(Square):
    def loss(self, x: Any, t: Any) -> Any:
        return np.mean(np.abs(x - t))

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * np.sign(x - t) / x.size, None


@planted("neighbour")
class Huber(Square):
    rule, options = "smooth_l1_loss", {"beta": 0.25}

    def loss(self, x: Any, t: Any) -> Any:
        d = np.abs(x - t)
        return np.mean(np.where(d < 0.25, d * d / 2, 0.25 * (d - 0.125)))

    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return g * np.clip(x - t, -0.25, 0.25) / x.size, None


@planted("mean and sum", "wrong gradient")
class SumOfSquaresBackward(Square):
    def vjp(self, g: Any, x: Any, t: Any) -> Any:
        return 2 * g * (x - t), None


@planted("constant added")
class Offset(Square):
    def loss(self, x: Any, t: Any) -> Any:
        return super().loss(x, t) + 0.5


@pytest.mark.parametrize("name", FAULTS)
def test_mistake_is_named(name: str) -> None:
    case = FAULTS[name]()
    report = check_loss(case.loss, case.x, case.t, vjp=case.vjp, rule=case.rule, **case.options)
    assert report.verdict == "failed"
    first = report.failures[0]
    assert (first.hint, first.kind) == (case.hint, case.kind), report


@pytest.mark.parametrize("base", [Planted, Binary, Square])
def test_the_base_of_the_mistakes_is_right(base: Any) -> None:
    case = base()
    report = check_loss(case.loss, case.x, case.t, vjp=case.vjp, rule=case.rule, **case.options)
    assert report, report


def test_two_mistakes_are_both_named() -> None:
    case = TwoMistakes()
    report = check_loss(case.loss, case.x, case.t, vjp=case.vjp, rule=case.rule, **case.options)
    pattern = report.failures[0].pattern
    assert "C - 1" in pattern
    assert "the sign is flipped" in pattern


def test_a_small_mistake_is_found() -> None:
    """A relative error of 1e-6, in value and gradient alike."""
    report = check_loss(
        lambda x, t: F.cross_entropy(x, t) * (1 + 1e-6), X, LABELS, rule="cross_entropy"
    )
    assert [f.kind for f in report.failures] == ["wrong rule"]


def test_a_loss_of_tensors_is_diagnosed() -> None:
    report = check_loss(
        lambda x, t: F.cross_entropy(x, t, label_smoothing=0.15), X, LABELS,
        rule="cross_entropy", label_smoothing=0.1,
    )  # fmt: skip
    assert report.failures[0].hint == "label smoothing"


def test_no_reduction_for_a_mean() -> None:
    report = check_loss(lambda x, t: F.mse_loss(x, t, reduction="none"), Z, BITS, rule="mse_loss")
    assert report.failures[0].hint == "mean and sum"
    assert "the loss has the shape (4, 2)" in str(report)


# --- rules of one's own ---------------------------------------------------------------------------


def focal(x: Any, t: Any) -> Any:
    """(1 - p)^2 times the cross entropy: takes complex numbers."""
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    p = p[np.arange(len(t)), t]
    return (-((1 - p) ** 2) * np.log(p)).mean()


def tensor_focal(x: Any, t: Any, times: float = 1.0) -> Any:
    p = x.softmax(1).gather(1, t.reshape((-1, 1)))
    return (-((1 - p) ** 2) * p.log()).mean() * times


def test_a_rule_of_ones_own() -> None:
    assert check_loss(tensor_focal, X, LABELS, rule=focal)
    report = check_loss(partial(tensor_focal, times=5.0), X, LABELS, rule=focal)
    assert report.failures[0].hint == "mean and sum"
    report = check_loss(partial(tensor_focal, times=1.01), X, LABELS, rule=focal)
    assert report.failures[0].kind == "wrong rule"
    assert check_loss(tensor_focal, X, LABELS, rule=lambda x, t: float(focal(x, t)))


# --- the judge's own parts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "x", "t", "options"),
    [
        ("cross_entropy", X, LABELS, {"weight": W, "label_smoothing": 0.3, "ignore_index": 2}),
        ("cross_entropy", X, np.abs(X), {"weight": W, "label_smoothing": 0.3}),
        ("cross_entropy", X, LABELS, {"axis": 0}),
        ("nll_loss", X, IGNORED, {"weight": W}),
        ("binary_cross_entropy_with_logits", Z, BITS * 0.7, {"pos_weight": 3.0, "weight": 0.5}),
        ("binary_cross_entropy", np.tanh(np.abs(Z)), BITS * 0.7, {"weight": 0.5}),
        ("mse_loss", Z, BITS[:1], {"weight": np.abs(Z)}),
        ("smooth_l1_loss", Z, BITS, {"beta": 0.5}),
    ],
)
def test_slopes_of_the_rules_are_their_own(name: str, x: Any, t: Any, options: Any) -> None:
    """By differences of the fifth order: exact to about 1e-10."""

    def total(x: Any, t: Any) -> float:
        return float(RULES[name](x, t, **options).terms.sum())

    pulled = RULES[name](x, t, **options).pull(np.ones(RULES[name](x, t, **options).terms.shape))
    inputs = [x, t]
    for which, slope in ((0, pulled.x), (1, pulled.t)):
        for at in np.ndindex(np.shape(slope)) if slope is not None else ():
            values = []
            for h in (-2e-3, -1e-3, 1e-3, 2e-3):
                moved = [np.array(a, float) if i == which else a for i, a in enumerate(inputs)]
                moved[which][at] += h
                values.append(total(*moved))
            quotient = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-3
            assert abs(quotient - slope[at]) < 1e-8, (at, quotient, slope[at])


def test_hints_are_known() -> None:
    weighted = {"weight": W, "label_smoothing": 0.1}
    calls = [
        Call("cross_entropy", X, IGNORED, weighted),
        Call("nll_loss", X, IGNORED, {"ignore_index": 2}),
        Call("binary_cross_entropy_with_logits", Z, BITS, {"pos_weight": W[:2]}),
        Call("binary_cross_entropy", BITS, BITS, {}),
        Call("smooth_l1_loss", Z, BITS, {}),
        Call("mse_loss", Z, BITS, {}),
    ]
    used = {made[0].hint for call in calls for made, _ in changes(call)}
    used |= {case.hint for case in FAULTS.values()}
    assert used <= set(HINTS)


def test_the_complex_step_is_exact() -> None:
    slope = complex_slope(lambda x, t: (x**3).sum(), X, LABELS, np.ones(()))
    np.testing.assert_allclose(slope, 3 * X**2, rtol=1e-15)
    assert np.isnan(complex_slope(lambda x, t: np.abs(x).sum(), X, LABELS, np.ones(()))).all()


# --- bad input ------------------------------------------------------------------------------------

CE = tg.nn.CrossEntropyLoss()


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((CE, X, LABELS), {"rule": "hinge"}, "unknown rule 'hinge'"),
        ((CE, X, LABELS), {"rule": 3}, "rule is an int"),
        ((CE, X, LABELS), {"rule": "cross_entropy", "beta": 1}, "has no option 'beta'"),
        ((CE, X, LABELS), {"rule": focal, "beta": 1}, "takes no option 'beta'"),
        ((CE, X, LABELS), {"reduction": "avg"}, "reduction is 'avg'"),
        ((CE, X, LABELS), {"label_smoothing": 2}, "label_smoothing is 2"),
        ((CE, X, LABELS), {"label_smoothing": "x"}, "label_smoothing is 'x'"),
        ((CE, X, LABELS), {"weight": W[:2]}, "weight has the shape \\(2,\\)"),
        ((CE, X, LABELS[:3]), {}, "target has the shape \\(3,\\)"),
        ((CE, X, LABELS + 1), {}, "target holds 3: labels run from 0 to 2"),
        ((CE, X, LABELS * 1.0), {}, "give integer labels of shape \\(5,\\)"),
        ((CE, "x", LABELS), {}, "x is a str"),
        ((CE, X, None), {}, "target is None"),
        ((CE, LABELS, LABELS), {}, "x is of dtype int64"),
        ((3, X, LABELS), {"rule": "mse_loss"}, "loss is an int"),
        ((lambda x, t: x, X, LABELS), {}, "which rule is <lambda> to follow"),
        ((tg.nn.BCELoss(), Z, BITS), {}, "it? ?.*takes probabilities"),
        ((F.mse_loss, Z, X), {}, "doesn't fit x"),
        ((F.smooth_l1_loss, Z, BITS), {"beta": -1}, "beta is -1"),
        ((tg.nn.BCEWithLogitsLoss(), Z, BITS[0]), {}, "takes that of x"),
        ((tg.nn.BCEWithLogitsLoss(), Z, BITS), {"pos_weight": W}, "doesn't broadcast"),
    ],
)
def test_bad_input(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text) as caught:
        check_loss(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, t: 1 / 0,
        lambda x, t: None,
        lambda x, t: (x, t),
        lambda x, t: x.detach().sum(),
        lambda x, t: x.sum() * float("nan"),
        lambda x, t: "loss",
    ],
)
def test_a_loss_that_is_none_is_a_verdict(loss: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_loss(loss, X, LABELS, rule="cross_entropy")
    assert not report
    assert report.findings


@pytest.mark.parametrize(
    "vjp",
    [lambda g, x, t: None, lambda g, x, t: (x,), lambda g, x, t: 1 / 0,
     lambda g, x, t: (None, None), lambda g, x, t: (x[0], None), lambda g, x, t: ("a", None)],
)  # fmt: skip
def test_a_vjp_that_is_none_is_a_verdict(vjp: Any) -> None:
    report = check_loss(Planted().loss, X, LABELS, vjp=vjp, rule="cross_entropy")
    assert report.verdict == "failed", report
