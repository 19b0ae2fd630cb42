"""Minibatch training follows PyTorch: four data sets, shuffled, with momentum, both dtypes.

The runs are those of `python -m reference.minibatch`, where the tolerances stand beside their
reasons.
"""

import copy
import math
from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="compares with PyTorch")
pytest.importorskip("sklearn", reason="needs the extra `experiments`")

import tinygrad_cls
from reference import minibatch
from reference.minibatch import TASKS, Comparison, Curves, distance, train
from tinygrad_cls.utils.data import dataloader

DTYPES = ("float64", "float32")


@pytest.fixture(scope="module")
def comparisons() -> dict[tuple[str, str], Comparison]:
    return {(task.name, dtype): Comparison(task, dtype) for task in TASKS for dtype in DTYPES}


@pytest.fixture
def iris(comparisons: dict[tuple[str, str], Comparison]) -> Comparison:
    found = comparisons["iris", "float64"]
    assert found.verdict == "PASS"
    return copy.deepcopy(found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [task.name for task in TASKS])
def test_the_curves_are_torchs(
    comparisons: dict[tuple[str, str], Comparison], name: str, dtype: str
) -> None:
    comparison = comparisons[name, dtype]
    assert comparison.allowed is not None
    assert comparison.verdict == "PASS", str(comparison)


def test_digits_in_float64(comparisons: dict[tuple[str, str], Comparison]) -> None:
    """64-32-10, momentum 0.9, 20 epochs of 45 shuffled minibatches, the last one shorter."""
    ours, theirs = comparisons["digits", "float64"].ours, comparisons["digits", "float64"].theirs
    assert len(ours.loss) == len(theirs.loss) == 20 * 45
    assert len(ours.test_loss) == len(ours.accuracy) == 20
    assert distance(ours, theirs) <= 1e-9
    assert ours.accuracy == theirs.accuracy
    assert ours.loss[-1] < ours.loss[0] / 100
    assert ours.accuracy[-1] > 95


# --- What is wrong fails --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plant",
    [
        lambda ours: ours.loss.__setitem__(3, ours.loss[3] * (1 + 2e-9)),
        lambda ours: ours.test_loss.__setitem__(-1, ours.test_loss[-1] * (1 - 2e-9)),
        lambda ours: ours.loss.__setitem__(0, math.nan),
        lambda ours: ours.accuracy.__setitem__(5, 50.0),
    ],
    ids=["a minibatch", "a test loss", "nan", "accuracy"],
)
def test_a_planted_difference_fails(iris: Comparison, plant: Callable[[Curves], None]) -> None:
    plant(iris.ours)
    assert iris.verdict == "FAIL"
    assert str(iris).endswith("FAIL")


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        (minibatch, "MOMENTUM", 0.9 * (1 + 1e-6)),
        (dataloader, "new_seed", lambda generator: 0),  # the draw that nothing here makes use of
    ],
    ids=["momentum", "a draw less"],
)
def test_a_wrong_engine_fails(
    iris: Comparison, monkeypatch: pytest.MonkeyPatch, module: object, name: str, wrong: object
) -> None:
    monkeypatch.setattr(module, name, wrong)
    iris.ours = train(tinygrad_cls, iris.task, iris.dtype)
    assert iris.verdict == "FAIL"


def test_float32_is_judged_where_it_was_measured(
    comparisons: dict[tuple[str, str], Comparison],
) -> None:
    other = copy.deepcopy(comparisons["iris", "float32"])
    other.seed = 1
    assert other.verdict == "-"
    other.ours.loss[0] = 9.0
    assert other.verdict == "-"


# --- The command ----------------------------------------------------------------------------------


def test_the_command(
    iris: Comparison, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minibatch, "Comparison", lambda *_: iris)
    assert minibatch.main([]) == 0
    assert capsys.readouterr().out.endswith("The contract is kept\n")
    iris.ours.loss[0] += 1e-6
    assert minibatch.main(["--seed", "3"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAIL") == 2 * len(TASKS)
    assert printed.endswith("The contract is broken in 8 rows\n")


def test_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        minibatch.main(["--epochs", "0"])
    assert stop.value.code == 2
    assert "--epochs" in capsys.readouterr().err
