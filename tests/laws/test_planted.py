"""The laws run on any entry: an op written here passes them as it is, and fails them if spoilt."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_cls import ops
from tinygrad_cls.composition import composed
from tinygrad_cls.op import Op, op

from . import test_gradient, test_out, test_readings, test_second_order, test_shape_law, test_stale
from .calls import Call, differentiable

PAIR = "(...),(...)->(...)"
hypotenuse = op(
    PAIR,
    "sqrt(a**2 + b**2)",
    "x(3, 4), x(4)",
    types="float",
    d_a=lambda g, a, y: g * a / y,
    d_b=lambda g, b, y: g * b / y,
)(np.hypot)


@op(
    "(n,k),(k)->(n)",
    "x w + k, row by row",
    "x(3, 4), x(4)",
    d_x=lambda g, w: ops.unsqueeze(g, 1) * w,
    d_w=lambda g, x: ops.sum(ops.unsqueeze(g, 1) * x, 0),
)
def scores(x: Any, w: Any, *, out: Any = None) -> Any:
    return np.matmul(x, w, out=out)


@composed("x(3, 4), x(4)")
def gap(a: Any, b: Any) -> Any:
    """sqrt(a**2 + b**2) - |a|"""
    return hypotenuse(a, b) - ops.abs(a)


PLANTED = [Call(entry, text) for entry in (hypotenuse, scores, gap) for text in entry.examples]
OPS = [call for call in PLANTED if isinstance(call.entry, Op)]


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in (hypotenuse, scores, gap):
        monkeypatch.setitem(ops.TABLE, entry.name, entry)


@pytest.mark.parametrize("call", PLANTED, ids=repr)
def test_laws_of_any_entry(call: Call) -> None:
    assert differentiable(call)
    test_gradient.test_finite_differences(call)
    test_second_order.test_finite_differences(call)
    test_second_order.test_closed_under_differentiation(call)
    test_readings.test_same_bits(call)


@pytest.mark.parametrize("call", OPS, ids=repr)
def test_laws_of_an_op(call: Call) -> None:
    test_shape_law.test_the_law_foretells_the_shape(call)
    test_out.test_fills_and_returns_it(call)
    test_out.test_of_tensors(call)
    test_stale.test_stale_only_if_read(call, test_stale.beside_the_graph)


def test_a_wrong_size() -> None:
    (call,) = [call for call in OPS if call.entry is scores]
    test_shape_law.test_a_wrong_size_is_told_by_its_axis(call)


def unclosed(g: Any, b: Any, y: Any) -> Any:
    """A derivative that leaves the table: right as a number, constant as a graph."""
    return g * (b.detach() if hasattr(b, "detach") else b) / y


FORMULAS: dict[str, Callable[..., Any]] = {
    "forgets the division": lambda g, b, y: g * b,
    "another input's": lambda g, b, y: g * (y * y - b * b) ** 0.5 / y,
    "leaves the table": unclosed,
}


@pytest.mark.parametrize("fault", FORMULAS)
def test_a_spoilt_op_fails(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypotenuse.formulas[1], "function", FORMULAS[fault])
    (call,) = [call for call in OPS if call.entry is hypotenuse]
    with pytest.raises(AssertionError):
        judge(call)


def judge(call: Call) -> None:
    test_gradient.check_gradient(call)
    test_second_order.check_second_order(call)
