"""The judge finds nothing wrong with any op of the table, and the mistake in a changed one."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tinygrad_cls import judge, ops
from tinygrad_cls.judge.report import Report
from tinygrad_cls.op import Op

from .calls import Call, differentiable, each, results

# torch's second derivative of binary cross entropy, which ours is, adds 1e-12 to q and 1 - q so as
# to be finite at 0 and 1: off by 1e-12 / q and 1e-12 / (1 - q), which the judge sees
SOFTENED = {"binary_cross_entropy": 2, "binary_cross_entropy_slope": 1}

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def judged(call: Call, **options: Any) -> Report:
    """The judge's report on an example of an entry, as a function of its real inputs."""
    slots = call.slots
    given: list[Any] = call.tensors()
    flows = [y.requires_grad for y in results(call.on(call.tensors(slots)))]

    def f(*xs: Any) -> Any:
        tensors = [*given]
        for i, x in zip(slots, xs, strict=True):
            tensors[i] = x
        ys = [y for y, flow in zip(results(call.on(tensors)), flows, strict=True) if flow]
        return ys[0] if len(ys) == 1 else tuple(ys)

    return judge.check(f, *(call.arrays[i] for i in slots), name=repr(call), **options)


def is_due(call: Call) -> bool:
    """Whether a gradient flows and it's the entry's first such example; by hand, with make
    test-long, any of them. A check takes a fifth of a second; other laws look at every example.
    """
    if not differentiable(call):
        return False
    texts = [t for t in call.entry.examples if differentiable(Call(call.entry, t))]
    return LONG or call.text == texts[0]


@each(where=is_due)
def test_passes(call: Call) -> None:
    # of what is made of ops, first order shows that they were put together right; and of an op's
    # other examples that the same formulas fit, whose second order test_second_order.py judges
    first = isinstance(call.entry, Op) and call.text == call.entry.examples[0]
    report = judged(call, order=None if first else 1)
    order = SOFTENED.get(call.entry.name)
    if order is None:
        assert report.passed, str(report)
    else:
        for found in report.failures:
            assert order == 1 or found.kind == "second order", str(report)
            assert found.error < 1e-10, str(report)


def sizeable(call: Call) -> bool:
    """Whether there is a gradient to spoil: not that of a step function."""
    if call.entry.name in SOFTENED or not differentiable(call):
        return False
    return all(a.size for a in call.arrays) and any(
        formula.needs or formula.function is not ops.ZERO
        for formula in call.entry.formulas.values()
    )


def stands_for_its_op(call: Call) -> bool:
    """Whether it's the first such example: the others have the same formulas."""
    examples = [Call(call.entry, text) for text in call.entry.examples]
    return call.text == next((c.text for c in examples if sizeable(c)), None)


@each(Op, where=stands_for_its_op)
def test_a_derivative_off_by_a_millionth_fails(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for formula in call.entry.formulas.values():
        right = formula.function
        if right is not ops.ZERO:
            monkeypatch.setattr(
                formula, "function", lambda *args, right=right: right(*args) * (1 + 1e-6)
            )
    report = judged(call, order=1)
    assert report.verdict == "failed", str(report)
    first = report.failures[0]
    assert (first.kind, first.hint) == ("wrong gradient", "factor"), str(report)
    assert "1.000001" in first.pattern
