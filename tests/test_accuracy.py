"""Every result is within its bound of the truth, and a result that isn't is found."""

import doctest
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cls
from reference import accuracy, truth
from reference.accuracy import Row, measure
from reference.truth import FUNCTIONS, Function

OURS = {"ours": tinygrad_cls}
POINTS, WORST = 20_000, 100  # and a hundred of them by mpmath, instead of a million and a thousand
NAMED = {function.name: function for function in FUNCTIONS}
JUDGED = [function for function in FUNCTIONS if function.bound]
FOUR = [function for function in JUDGED if function.bound is truth.four]
BITS = {"float32": np.int32, "float64": np.int64}

dtypes = pytest.mark.parametrize("dtype", accuracy.DTYPES)


def by_name(functions: list[Function]) -> Any:
    return pytest.mark.parametrize("function", functions, ids=lambda function: function.name)


def measured(function: Function, dtype: str, engines: dict[str, Any] = OURS) -> Row:
    return measure(function, dtype, engines, POINTS, worst=WORST)


def planted(function: Function, fault: Callable[[Any], Any]) -> Function:
    """The function with its result, an array, changed."""
    return replace(
        function,
        call=lambda engine, *xs: engine.from_numpy(fault(function.call(engine, *xs).numpy())),
    )


def further(ulp: int) -> Callable[[Any], Any]:
    """Each result that many numbers further from 0, short of overflow."""

    def fault(y: Any) -> Any:
        word = y.view(BITS[y.dtype.name])
        return np.where(abs(y) < np.finfo(y.dtype).max / 2, word + ulp, word).view(y.dtype)

    return fault


# --- What is right passes -------------------------------------------------------------------------


@dtypes
@by_name(JUDGED)
def test_results_are_within_their_bounds(function: Function, dtype: str) -> None:
    errors = measured(function, dtype).errors["ours"]
    assert errors.broken_at is None
    assert errors.lost < 1
    # A float64 has 2**29 times the digits of a float32, a long double 2**11 those of a float64;
    # more than some of its units would mean that the worst were picked by a wrong estimate.
    assert errors.moved < 16 * 2.0 ** (np.finfo(dtype).nmant - np.finfo(wide(dtype)).nmant)


def wide(dtype: str) -> Any:
    if np.finfo(np.longdouble).nmant < 60:
        pytest.skip("where long double is no wider, all of float64 goes to mpmath")
    return accuracy.WIDE[dtype]


@pytest.mark.needs_torch
@dtypes
@by_name(JUDGED)
def test_torch_is_within_the_same_bounds(function: Function, dtype: str) -> None:
    import torch

    assert measured(function, dtype, {"torch": torch}).errors["torch"].broken_at is None


@dtypes
def test_what_mirroring_torch_costs(dtype: str) -> None:
    """The lines that are not judged: the switch of softplus at 20, and what BCE subtracts."""
    u = float(np.finfo(dtype).eps)
    switch = measured(NAMED["softplus as log(1+e^x)"], dtype).errors["ours"]
    lost = math.exp(-20) / np.spacing(np.array(20, dtype))
    assert switch.largest == pytest.approx(lost, rel=0.01) if lost > 1 else switch.largest < 4
    itself = measured(NAMED["BCE relative to itself"], dtype).errors["ours"]
    assert 0.99 / u < itself.largest <= 2 / u  # a result of 0: all digits


def engines() -> list[Any]:
    torch = pytest.param("torch", marks=pytest.mark.needs_torch)
    return ["tinygrad_cls", torch]


@pytest.mark.parametrize("name", engines())
def test_the_notes_are_true_of_both_engines(name: str) -> None:
    engine: Any = __import__(name)
    f, float32 = engine.nn.functional, engine.float32
    x, t = engine.tensor([-20.0], dtype=float32), engine.tensor([0.0], dtype=float32)
    assert f.binary_cross_entropy_with_logits(x, t).item() == 0.0
    assert f.binary_cross_entropy_with_logits(-x, 1 - t).item() == pytest.approx(2.06e-9, rel=1e-3)
    assert engine.sigmoid(engine.tensor([-88.8], dtype=float32)).item() == 0.0
    assert math.exp(-88.8) < np.finfo(np.float32).tiny
    above = engine.tensor([20.000001], dtype=engine.float64)
    assert f.softplus(above).item() == 20.000001
    assert math.log1p(math.exp(20.000001)) - 20.000001 == pytest.approx(2.06e-9, rel=1e-3)


# --- What is wrong is found -----------------------------------------------------------------------


@dtypes
@by_name(FOUR)
def test_six_ulp_go_red(function: Function, dtype: str) -> None:
    row = measured(planted(function, further(6)), dtype)
    assert row.broken
    assert 6 < row.errors["ours"].largest < 16  # an ulp above 1 is two of the ulp below 1


@dtypes
@by_name(FOUR)
def test_one_result_among_all_is_found(function: Function, dtype: str) -> None:
    [(x,)] = function.sample(POINTS, np.dtype(dtype), np.random.default_rng(42))
    at = int(np.flatnonzero(abs(x - 1) < 0.5)[-1])

    def fault(y: Any) -> Any:
        y[at] = further(6)(y[at : at + 1])[0]
        return y

    errors = measured(planted(function, fault), dtype).errors["ours"]
    assert errors.at == f"x {x[at]!s}"
    assert errors.broken_at
    assert errors.broken_at.endswith(f"at x {x[at]!s}")


@dtypes
@by_name(JUDGED)
def test_more_than_the_bound_of_the_shortest_row_goes_red(function: Function, dtype: str) -> None:
    assert function.bound
    assert measured(planted(function, further(2 * int(function.bound(2)))), dtype).broken


@by_name(FOUR)
def test_a_wrong_result_where_the_truth_is_subnormal_goes_red(function: Function) -> None:
    tiny = np.finfo(np.float32).tiny

    def fault(y: Any) -> Any:
        return np.where(abs(y) < tiny, np.float32(2.5) * tiny, y)

    row = measured(planted(function, fault), "float32")
    assert row.broken
    assert row.errors["ours"].lost >= 1.5


NAIVE: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda e, x: e.exp(x) / (1 + e.exp(x)),
    "logsigmoid": lambda e, x: e.log(e.sigmoid(x)),
    "softplus": lambda e, x: e.log(1 + e.exp(x)),
    "softmax": lambda e, x: e.exp(x) / e.exp(x).sum(1, keepdim=True),
    "log_softmax": lambda e, x: e.log(e.softmax(x, 1)),
    "logsumexp": lambda e, x: e.log(e.exp(x).sum(1)),
    "BCE": lambda e, x, t: -(t * e.log(e.sigmoid(x)) + (1 - t) * e.log(1 - e.sigmoid(x))),
    "CE": lambda e, x, t: -e.log(e.softmax(x, 1)).gather(1, t.unsqueeze(1)).squeeze(1),
}


@dtypes
@by_name(JUDGED)
def test_a_naive_formula_goes_red(function: Function, dtype: str) -> None:
    assert measured(replace(function, call=NAIVE[function.name]), dtype).broken


def test_a_wrong_estimate_is_noticed() -> None:
    """The wide formula is only there to pick the worst: mpmath has the last word."""
    sigmoid = NAMED["sigmoid"]
    wrong = replace(sigmoid, truth=lambda x: (truth.sigmoid(x)[0] * (1 + 1e-5), x * 0 + 1))
    assert measured(wrong, "float32").errors["ours"].moved > 10


def test_without_a_wider_long_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a smaller float64 sample goes to mpmath, which finds what it finds with one."""
    sigmoid = NAMED["sigmoid"]
    expected = measure(sigmoid, "float64", OURS, points=2000).errors["ours"]
    monkeypatch.setitem(accuracy.WIDE, "float64", np.float64)
    errors = measure(sigmoid, "float64", OURS, points=2000).errors["ours"]
    assert (errors.largest, errors.at, errors.broken_at) == (expected.largest, expected.at, None)
    assert measure(sigmoid, "float64", OURS, points=20_000).results == 10_000
    assert measure(planted(sigmoid, further(6)), "float64", OURS, points=2000).broken


# --- The sample and the command -------------------------------------------------------------------


@dtypes
def test_the_sample_has_every_stratum(dtype: str) -> None:
    [(x,)] = truth.numbers(POINTS, np.dtype(dtype), np.random.default_rng(0))
    assert (x.dtype, x.shape) == (dtype, (POINTS,))
    info = np.finfo(dtype)
    finite = x[np.isfinite(x)]
    exponents = np.frexp(finite[finite != 0])[1] - 1
    assert set(exponents) == set(range(info.minexp - info.nmant, info.maxexp))
    for switch in np.array([*truth.SWITCHES, *np.negative(truth.SWITCHES)], dtype):
        near = finite[abs(finite - switch) < abs(switch) / 1000]
        assert near.min() < switch < near.max()
        assert abs(near - switch).min() <= 16 * np.spacing(abs(switch))
    for special in (0.0, math.inf, -math.inf, info.max, info.tiny, info.smallest_subnormal):
        assert special in x
    assert np.isnan(x).any()


@dtypes
def test_rows_have_every_length_and_size(dtype: str) -> None:
    blocks = truth.rows(POINTS, np.dtype(dtype), np.random.default_rng(0))
    assert [x.shape[1] for (x,) in blocks] == list(truth.LENGTHS)
    for (x,) in blocks:
        assert np.isneginf(x).any()
        sizes = np.where(np.isfinite(x), abs(x), 0).max(axis=1)
        assert sizes.min() < 0.1
        assert sizes.max() > 1.5e4


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "accuracy.json"
    call = ["--points", "200", "--dtype", "float32", "--json", str(path)]
    assert accuracy.main(call) == 0
    out = capsys.readouterr().out
    assert out.endswith("Accuracy kept: 8 of 8 rows met\n")
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [row["function"] for row in rows] == list(NAMED)
    assert all(row["errors"]["ours"]["at"] in out for row in rows)


def test_the_command_without_torch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(accuracy, "FUNCTIONS", FOUR)
    assert accuracy.main(["--points", "200"]) == 0
    out = capsys.readouterr().out
    assert "without PyTorch" in out
    assert "; torch" not in out
    assert out.endswith("Accuracy kept: 6 of 6 rows met\n")


def test_the_command_says_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        accuracy, "FUNCTIONS", [NAMED["logsigmoid"], planted(NAMED["sigmoid"], further(6))]
    )
    assert accuracy.main(["--points", "200", "--dtype", "float64"]) == 1
    out = capsys.readouterr().out
    assert "  beyond the bound: " in out
    assert out.endswith("Accuracy BROKEN, 1 of 2 rows not met: sigmoid float64\n")


@pytest.mark.parametrize("call", [["--points", "99"], ["--dtype", "float16"], ["--seed", "x"]])
def test_a_wrong_call(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        accuracy.main(call)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("accuracy: error: ")


def test_the_examples() -> None:
    assert doctest.testmod(accuracy) == doctest.TestResults(failed=0, attempted=3)
