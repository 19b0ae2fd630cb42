"""Tests of the tests: an option computed deliberately wrong turns the lattice check red."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import loss_cases
import numpy as np
import pytest
import test_loss_lattice as losses
import test_optim_lattice as optimizers
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from parity import outcome

import tinygrad_cls as tg

# --- Optimizers -----------------------------------------------------------------------------------


class DampensTheFirst(tg.optim.SGD):
    """b begins at 0, so that the first gradient counts (1 - dampening) times."""

    def _is_new(self, p: Any) -> bool:
        self.state[p].setdefault("momentum_buffer", tg.zeros_like(p).detach())
        return False


class NeverDampens(tg.optim.SGD):
    def _update(self, batch: Any, group: Any, first: bool = True) -> None:
        super()._update(batch, group | {"dampening": 0}, first)


class NeverNesterov(tg.optim.SGD):
    def _update(self, batch: Any, group: Any, first: bool = True) -> None:
        super()._update(batch, group | {"nesterov": False}, first)


class DecaysWithoutGradient(tg.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    p.data.mul_(1 - float(group["lr"]) * group["weight_decay"])
        return loss


class CoastsWithoutGradient(tg.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None and p in self.state:
                    p.data.sub_(float(group["lr"]) * self.state[p]["momentum_buffer"])
        return loss


class DescendsAnyway(tg.optim.SGD):
    def _update(self, batch: Any, group: Any, first: bool = True) -> None:
        super()._update(batch, group | {"maximize": False}, first)


class NearlyTheRate(tg.optim.SGD):
    def _update(self, batch: Any, group: Any, first: bool = True) -> None:
        rate = np.nextafter(np.float32(float(group["lr"])), np.float32(1))
        super()._update(batch, group | {"lr": rate}, first)


class Renamed(tg.optim.SGD):
    """Nothing is wrong with it."""


class NotCorrected(tg.optim.Adam):
    def _update(self, batch: Any, group: Any, t: float) -> None:
        super()._update(batch, group, 1e9)


class ForgetsTheLargest(tg.optim.Adam):
    def _update(self, batch: Any, group: Any, t: float) -> None:
        for p in batch.params:
            if group["amsgrad"]:
                self.state[p]["max_exp_avg_sq"].zero_()
        super()._update(batch, group, t)


class DecaysTheGradient(tg.optim.Adam):
    def _update(self, batch: Any, group: Any, t: float) -> None:
        super()._update(batch, group | {"decoupled_weight_decay": False}, t)


class ClosedForm(tg.optim.lr_scheduler.StepLR):
    """The same rates up to rounding, where no other scheduler changes them."""

    def get_lr(self) -> Any:
        return self._get_closed_form_lr() if self.step_size else super().get_lr()


class WrongSchedulers:
    StepLR = ClosedForm
    ExponentialLR = tg.optim.lr_scheduler.ExponentialLR
    CosineAnnealingLR = tg.optim.lr_scheduler.CosineAnnealingLR
    LambdaLR = tg.optim.lr_scheduler.LambdaLR


def goes_red(judge: Any, right: Any, wrong: Any, cases: st.SearchStrategy[Any]) -> None:
    """The lattice's examples, as many as its own test draws, and one of them must tell."""

    @settings(phases=[Phase.generate], report_multiple_bugs=False, print_blob=False, database=None)
    @given(cases)
    def lattice(case: Any) -> None:
        try:
            judge(wrong, case)
        except AssertionError:
            judge(right, case)  # which is not to blame
            raise

    with pytest.raises(AssertionError):
        lattice()


@pytest.mark.needs_torch
@optimizers.x86_64_linux
@pytest.mark.parametrize(
    "wrong",
    [
        DampensTheFirst,
        NeverDampens,
        NeverNesterov,
        DecaysWithoutGradient,
        CoastsWithoutGradient,
        DescendsAnyway,
        NearlyTheRate,
    ],
)
def test_a_wrong_sgd(wrong: Any) -> None:
    goes_red(optimizers.judge, tg.optim.SGD, wrong, optimizers.sgd_cases)


@pytest.mark.needs_torch
@optimizers.x86_64_linux
@given(optimizers.sgd_cases)
def test_a_right_sgd_of_another_class_is_passed(case: Any) -> None:
    optimizers.judge(Renamed, case)


@pytest.mark.needs_torch
@optimizers.x86_64_linux
@pytest.mark.parametrize("wrong", [NotCorrected, ForgetsTheLargest, DecaysTheGradient])
def test_a_wrong_adam(wrong: Any) -> None:
    goes_red(optimizers.judge, tg.optim.Adam, wrong, optimizers.adam_cases)


@pytest.mark.needs_torch
@optimizers.x86_64_linux
def test_a_wrong_scheduler() -> None:
    right = tg.optim.lr_scheduler
    goes_red(optimizers.judge_schedule, right, WrongSchedulers, optimizers.schedules())


# --- Losses ---------------------------------------------------------------------------------------

F = tg.nn.functional
RIGHT_BCE = F.binary_cross_entropy_with_logits
RIGHT = {name: getattr(F, name) for name in loss_cases.FUNCTIONS.values()}


def losses_with(**wrong: Callable[..., Any]) -> Any:
    """What stands for ``tg.nn``: the functions with some ``wrong``, and modules that call them."""
    functions = RIGHT | wrong

    def module(function: Callable[..., Any]) -> Any:
        return lambda *weight, **options: lambda x, t: function(x, t, *weight, **options)

    modules = {loss: module(functions[name]) for loss, name in loss_cases.FUNCTIONS.items()}
    return SimpleNamespace(functional=SimpleNamespace(**functions), **modules)


def without_value(x: Any) -> Any:
    """0 where ``x`` is finite, with the gradient of ``x``."""
    return tg.where(x.isfinite(), x - x.detach(), 0)


def leaks(x: Any, t: Any, *weight: Any, ignore_index: int = -100, **how: Any) -> Any:
    """The gradient of ignored rows is not stopped: their scores get 1."""
    ignored = (t == ignore_index).unsqueeze(min(1, x.ndim - 1))
    loss = F.cross_entropy(x, t, *weight, ignore_index=ignore_index, **how)
    return loss + tg.where(ignored, without_value(x), 0).sum()


def smoothed_over_the_others(
    x: Any, t: Any, *weight: Any, label_smoothing: float = 0, **how: Any
) -> Any:
    """e / (C - 1) for every other class, and 1 - e for the target."""
    C = x.shape[min(1, x.ndim - 1)]
    smoothing = min(label_smoothing * C / max(C - 1, 1), 1.0)
    return F.cross_entropy(x, t, *weight, label_smoothing=smoothing, **how)


def averaged_over_rows(
    x: Any, t: Any, weight: Any = None, *, reduction: str = "mean", **how: Any
) -> Any:
    """The mean divides by N whatever the weights of the N rows."""
    if weight is None or reduction != "mean":
        return F.cross_entropy(x, t, weight, reduction=reduction, **how)
    kept = (t != how.get("ignore_index", -100)).sum()
    return F.cross_entropy(x, t, weight, reduction="sum", **how) / kept


def smoothed_where_ignored(
    x: Any, t: Any, weight: Any = None, *, label_smoothing: float = 0, **how: Any
) -> Any:
    """Ignored rows get the part of the loss that the uniform distribution has."""
    loss = F.cross_entropy(x, t, weight, label_smoothing=label_smoothing, **how)
    uniform = tg.full_like(x, label_smoothing / max(x.shape[min(1, x.ndim - 1)], 1))
    rows = F.cross_entropy(x, uniform, weight, reduction="none")
    rows = tg.where(t == how.get("ignore_index", -100), rows, 0)
    return loss + (rows if loss.ndim else rows.sum())


def averaged_over_weights(
    x: Any, t: Any, weight: Any = None, *, reduction: str = "mean", **how: Any
) -> Any:
    """The mean divides by the sum of the weights."""
    if weight is None or reduction != "mean":
        return RIGHT_BCE(x, t, weight, reduction=reduction, **how)
    total = weight.expand(x.shape).sum().to(t.dtype)
    return RIGHT_BCE(x, t, weight, reduction="sum", **how) / total


def weighs_negatives(x: Any, t: Any, *weight: Any, **how: Any) -> Any:
    """``pos_weight`` weighs the negatives."""
    return RIGHT_BCE(-x, 1 - t, *weight, **how)


def unclamped(q: Any, t: Any, *weight: Any, **how: Any) -> Any:
    """Without the least logarithm of -100."""
    return F.binary_cross_entropy(q.clamp(1e-30, 1), t, *weight, **how)


def never_smooth(x: Any, t: Any, *, beta: float = 1.0, **how: Any) -> Any:
    return F.smooth_l1_loss(x, t, beta=1.0, **how)


def off_by_a_thousandth(x: Any, t: Any, **how: Any) -> Any:
    """The right value with a gradient that is 1.001 times the right one."""
    loss = F.mse_loss(x, t, **how)
    return loss + without_value(loss * 0.001)


WRONG: dict[Callable[..., Any], tuple[str, str]] = {
    leaks: ("cross_entropy", "CrossEntropyLoss of labels"),
    smoothed_over_the_others: ("cross_entropy", "CrossEntropyLoss of labels"),
    averaged_over_rows: ("cross_entropy", "CrossEntropyLoss of labels"),
    smoothed_where_ignored: ("cross_entropy", "CrossEntropyLoss of labels"),
    averaged_over_weights: ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"),
    weighs_negatives: ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"),
    unclamped: ("binary_cross_entropy", "BCELoss"),
    never_smooth: ("smooth_l1_loss", "SmoothL1Loss"),
    off_by_a_thousandth: ("mse_loss", "MSELoss"),
}


def judge_numbers(nn: Any, case: loss_cases.Case) -> None:
    """The lattice's judge, of cases that raise nothing: a fault shall be told by its numbers."""
    if not outcome(tg, lambda engine: losses.run(engine, nn, case)).error:
        losses.judge(nn, case)


@pytest.mark.needs_torch
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_loss(wrong: Callable[..., Any]) -> None:
    function, cases = WRONG[wrong]
    faulty = losses_with(**{function: wrong})
    goes_red(judge_numbers, tg.nn, faulty, loss_cases.CASES[cases])


@pytest.mark.needs_torch
@given(st.one_of(*loss_cases.CASES.values()))
def test_right_losses_in_the_place_of_wrong_ones_pass(case: loss_cases.Case) -> None:
    losses.judge(losses_with(), case)
