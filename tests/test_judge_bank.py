"""The judge over the whole fault bank: every fault is caught, no correct function is blamed."""

from __future__ import annotations

from functools import cache

import pytest

from tinygrad_cls.judge.report import Report
from tinygrad_cls.scoreboard.bank import CORRECT, FAULTS
from tinygrad_cls.scoreboard.run import judged


@cache
def report(name: str) -> Report:
    return judged(FAULTS[name])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught(name: str) -> None:
    assert report(name).verdict == "failed", str(report(name))


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_function_is_not_blamed(name: str) -> None:
    found = judged(CORRECT[name])
    assert found.passed, str(found)


@pytest.mark.parametrize("group", dict.fromkeys(case.group for case in FAULTS.values()))
def test_nine_of_ten_faults_earn_their_diagnosis(group: str) -> None:
    """Nine in ten of all is the promise; here of each group but the smallest, the losses."""
    cases = [case for case in FAULTS.values() if case.group == group]
    missed = []
    for case in cases:
        first = report(case.name).failures[0]
        if first.hint not in case.hint or case.says not in first.pattern:
            missed.append(f"{case.name}: {first.hint}, {first.pattern}")
    share = 0.7 if group == "losses" else 0.9
    assert len(missed) <= (1 - share) * len(cases), missed
