"""The tester is tested: a fault in any formula turns the laws red."""

from collections.abc import Callable
from typing import Any

import pytest

from tinygrad_cls import ops
from tinygrad_cls.op import Op

from .calls import Call
from .test_gradient import check_gradient
from .test_second_order import check_second_order

Formula = Callable[..., Any]
FAULTS: dict[str, Callable[[Formula], Formula]] = {
    "wrong sign": lambda d: lambda g, *saved: -d(g, *saved),
    "ignores g": lambda d: lambda g, *saved: d(g * 0 + 1, *saved),
    "zero": lambda d: lambda g, *saved: d(g, *saved) * 0,
}
SLOTS = [
    pytest.param(op, slot, id=f"{op.name}.d_{op.inputs[slot]}")
    for op in ops.TABLE.values()
    if isinstance(op, Op)
    for slot, formula in op.formulas.items()
    if formula.function is not ops.ZERO  # there is nothing to spoil
]


def red(check: Callable[[Call], None], op: Op) -> bool:
    """Whether ``check`` fails on one of the op's examples."""
    for text in op.examples:
        try:
            check(Call(op, text))
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize(("op", "slot"), SLOTS)
def test_times_1_001(op: Op, slot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slightest of faults: the laws' tolerances are not what lets an op pass."""
    formula = op.formulas[slot]
    truth = formula.function
    monkeypatch.setattr(formula, "function", lambda g, *saved: truth(g, *saved) * 1.001)
    assert red(check_gradient, op), "the first-order law did not see it"
    assert red(check_second_order, op), "the second-order law did not see it"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("op", "slot"), SLOTS)
def test_a_wrong_formula(op: Op, slot: int, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of these the second order need not see a thing: the adjoint of a linear op that is its own
    adjoint, with the wrong sign, is the wrong sign's adjoint."""
    formula = op.formulas[slot]
    monkeypatch.setattr(formula, "function", FAULTS[fault](formula.function))
    assert red(check_gradient, op)


@pytest.mark.parametrize("check", [check_gradient, check_second_order])
def test_half_of_a_broadcasts_sum(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ops.sum_to
    monkeypatch.setattr(ops, "sum_to", lambda g, shape: whole(g, shape) * 0.5)
    assert red(check, ops.add)


def test_no_sum_over_a_broadcast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "sum_to", lambda g, shape: g)
    assert red(check_gradient, ops.mul)
