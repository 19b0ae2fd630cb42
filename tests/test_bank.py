"""The fault bank: its faults are faults and its correct functions are correct, by an oracle that
shares nothing with the judge.
"""

import numpy as np
import pytest
from bank_oracle import Silent, remembers, second_order, variants, wrong

from tinygrad_cls.judge.hints import HINTS
from tinygrad_cls.scoreboard.bank import CORRECT, FAULTS
from tinygrad_cls.scoreboard.case import GROUPS

OF_OPTIMIZERS = {
    "weight decay", "momentum", "bias correction", "learning rate", "maximize", "epsilon",
    "amsgrad", "skipped parameter", "shared state",
}  # fmt: skip
OF_RULES = {"weights", "no softmax"}  # planted in test_judge_losses.py

LOOSE = {
    "oscillation": 1e-8,  # 1e4 x is rounded by up to 1e-12, for large x by 1e-9
    "variance_around_1e8": 1e-7,  # so is the mean, by 1e-8 of the deviation
    "root_to_eight_digits": 1e-7,
    "solve_with_hilberts_matrix": 1e-9,
}
"""Relative errors of gradients that are right, because of how they are rounded."""
NOISE = {
    "sum_in_float32_of_float64": 1e-7,
    "root_to_eight_digits": 1e-8,
    "solve_with_hilberts_matrix": 1e-10,
    "gelu_with_the_slope_of_its_approximation": 1e-15,  # math.erf knows float64 only
}
"""Relative errors of functions, where they are not those of extended precision."""
CLARKE = ("sort_with_ties", "median_of_three_equals", "median_of_an_even_number")
"""Of three ties each alone has another slope than all together: one-sided slopes don't judge it."""
ENTRIES = {"one_of_500_entries_off_by_two_percent": [137], "one_of_500_entries_zeroed": [321]}


def judged(case, inputs):
    at = ENTRIES.get(case.name, () if case.name in CLARKE else None)
    f, vjp = case.make()[:2]
    return wrong(f, vjp, inputs, LOOSE.get(case.name, 0), NOISE.get(case.name, 0), at)


def shown(case):
    """How a fault can be seen, "" if it can't."""
    if len(functions := case.make()) == 3:
        return "" if second_order(functions[1], functions[2], *case.inputs()) else "second order"
    if found := judged(case, case.inputs()) or remembers(case.make, case.inputs()):
        return found
    return next(
        (f"{kind}: {w}" for kind, v in variants(case.inputs()) if (w := judged(case, v))), ""
    )


def test_the_bank_is_large_enough() -> None:
    assert len(FAULTS) >= 60
    assert len(CORRECT) >= 40
    assert {case.group for case in FAULTS.values()} == set(GROUPS)


def test_hints_are_known_and_each_is_earned_by_a_fault() -> None:
    assert {hint for case in FAULTS.values() for hint in case.hint} == (
        HINTS.keys() - OF_OPTIMIZERS - OF_RULES
    )


@pytest.mark.parametrize("case", [*FAULTS.values(), *CORRECT.values()], ids=lambda c: c.name)
def test_inputs_are_the_same_at_each_draw(case) -> None:
    first, second = case.inputs(), case.inputs()
    for a, b in zip(first, second, strict=True):
        assert a is not b
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert case.make.__doc__


@pytest.mark.parametrize("case", CORRECT.values(), ids=lambda c: c.name)
def test_correct_functions_are_correct(case) -> None:
    with Silent():
        assert judged(case, case.inputs()) == ""


@pytest.mark.parametrize("case", CORRECT.values(), ids=lambda c: c.name)
def test_correct_functions_are_correct_elsewhere(case) -> None:
    if case.name == "chain_of_a_thousand":
        pytest.skip("elementwise, and slow")
    with Silent():
        for kind, inputs in variants(case.inputs()):
            assert not judged(case, inputs), kind


@pytest.mark.parametrize("case", CORRECT.values(), ids=lambda c: c.name)
def test_correct_functions_remember_nothing(case) -> None:
    with Silent():
        if isinstance(case.make()[0](*case.inputs()), tuple):
            pytest.skip("several outputs")
        assert remembers(case.make, case.inputs()) == ""


@pytest.mark.parametrize("case", FAULTS.values(), ids=lambda c: c.name)
def test_faults_are_faults(case) -> None:
    if case.name.endswith("_consistently"):
        pytest.skip("only the rule can tell: test_losses_and_their_rules")
    with Silent():
        assert shown(case)


def test_second_order() -> None:
    triples = [c for c in CORRECT.values() if len(c.make()) == 3]
    assert len(triples) >= 3
    for case in triples:
        _, vjp, vjp2 = case.make()
        with Silent():
            assert second_order(vjp, vjp2, *case.inputs()), case.name


@pytest.mark.needs_torch
@pytest.mark.parametrize(
    "case", [c for c in (FAULTS | CORRECT).values() if c.rule], ids=lambda c: c.name
)
def test_losses_and_their_rules(case) -> None:
    """Forward is torch's, except where a fault is in both directions; backward is not."""
    torch = pytest.importorskip("torch")
    x, t = (torch.from_numpy(a) for a in case.inputs())
    x.requires_grad_()
    options = {
        key: torch.as_tensor(value, dtype=x.dtype) if "weight" in key else value
        for key, value in case.options.items()
    }
    like_x = t.to(x.dtype) if case.rule not in {"cross_entropy", "nll_loss"} else t
    loss = getattr(torch.nn.functional, case.rule)(x, like_x, **options)
    loss.backward()
    f, vjp = case.make()[:2]
    with Silent():
        ours, slope = f(*case.inputs()), vjp(np.array(1.0), *case.inputs())[0]
    follows = np.allclose(ours, loss.item(), rtol=1e-12, atol=0)
    assert follows != case.name.endswith("_consistently")
    right = np.allclose(slope, x.grad, rtol=1e-9, atol=1e-12)
    latent = case.name == "cross_entropy_overflowing"  # right for these logits
    assert right == (not case.faulty or latent)
