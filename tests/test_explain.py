"""``explain``: its numbers are those of the dtype, its thresholds are where they say, its exact
values are exact, and what cannot be explained is refused in one line.
"""

import argparse
import importlib.util
import math
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls.explain import ExplainError, exact, explain, report
from tinygrad_cls.explain.command import add_explain
from tinygrad_cls.explain.forms import FUNCTIONS
from tinygrad_cls.explain.limits import EDGES, limits
from tinygrad_cls.explain.running import run

LOGITS = [-1000.0, -90.0, -17.0, -1.5, 0.0, 0.1, 3.0, 17.0, 89.0, 710.0]
DTYPES = ["float32", "float64"]


def asked(name: str, rng: Any) -> tuple[list[float], Any]:
    """Inputs for a function."""
    if name in ("softmax", "cross-entropy"):
        return [float(a) for a in rng.choice(LOGITS, 4)], int(rng.integers(4))
    t = [float(a) for a in rng.choice([0, 0.25, 1], len(LOGITS))]
    return LOGITS, t if name == "bce" else None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_stable_form_is_what_the_op_computes_and_both_are_right(name: str, dtype: str) -> None:
    """To a few roundings of the logits, or of 1 if they are smaller."""
    rng = np.random.default_rng(3)
    for _ in range(4):
        told = explain(name, *asked(name, rng), dtype)
        scale = float(np.finfo(dtype).eps) * max(1, float(np.abs(told.x).max()))
        for who in ("stable", "tinygrad_cls"):
            row = told.rows[who]
            for computed, values in zip((row.value, row.gradient), told.exact, strict=True):
                for a, b in zip(np.ravel(computed), values, strict=True):
                    assert abs(float(a) - float(b)) <= 6 * scale


@pytest.mark.parametrize("name", FUNCTIONS)
def test_exact_values_are_mpmaths(name: str) -> None:
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(5)
    with mpmath.workdps(900):  # 1 - p at p = 1 - e**-1000
        for _ in range(3):
            x, t = asked(name, rng)
            target = np.array(t) if isinstance(t, list) else t
            found = exact.exactly(name, np.array(x), target)
            for ours, theirs in zip(found, truth(mpmath, name, x, t), strict=True):
                for a, b in zip(ours, theirs, strict=True):
                    assert abs(mpmath.mpf(str(a)) - b) <= abs(b) * mpmath.mpf(10) ** -100


def truth(m: Any, name: str, xs: list[float], t: Any) -> tuple[list[Any], list[Any]]:
    """By the definition, with digits enough for it."""
    xs = [m.mpf(x) for x in xs]
    p = [1 / (1 + m.exp(-x)) for x in xs]
    if name == "sigmoid":
        return p, [q * (1 - q) for q in p]
    if name == "bce":
        pairs = list(zip(p, t, strict=True))
        values = [-(b * m.log(q) + (1 - b) * m.log(1 - q)) for q, b in pairs]
        return values, [q - b for q, b in pairs]
    total = sum(m.exp(x) for x in xs)
    p = [m.exp(x) / total for x in xs]
    hot = [float(i == t) for i in range(len(xs))]
    if name == "softmax":
        return p, [p[t] * (h - q) for h, q in zip(hot, p, strict=True)]
    return [-m.log(p[t])], [q - h for h, q in zip(hot, p, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_limits_are_the_first_numbers_that_fail(name: str, dtype: str) -> None:
    function = FUNCTIONS[name]
    found = {float(limit.x) for limit in limits(name, dtype)}
    for edge in EDGES[name]:

        def fails(x: Any, edge: Any = edge) -> bool:
            row = np.array(edge.logits(x), dtype)
            t = np.full_like(row, edge.target) if isinstance(edge.target, float) else edge.target
            outcome = run(function, function.naive, row, t)
            return bool(np.all(edge.fails({s.name: s.value for s in outcome.lines}, outcome)))

        (x,) = (x for x in found if x * edge.side > 0 and fails(np.dtype(dtype).type(x)) and not
                fails(np.nextafter(np.dtype(dtype).type(x), np.dtype(dtype).type(0))))  # fmt: skip
        found.remove(x)
    assert not found


@pytest.mark.parametrize(("dtype", "overflow", "rounds"), [("float32", 128, 24),
                                                           ("float64", 1024, 53)])  # fmt: skip
def test_limits_are_where_the_format_puts_them(dtype: str, overflow: int, rounds: int) -> None:
    found = [float(limit.x) for limit in limits("bce", dtype)]
    assert found == pytest.approx(
        [-overflow * math.log(2), -(rounds + 1) * math.log(2), rounds * math.log(2)], rel=1e-4
    )


def test_naive_gradient_is_backwards_through_the_naive_form() -> None:
    x = tg.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    t = tg.tensor([0.0, 1.0, 0.25])
    p = 1 / (1 + tg.exp(-x))
    loss = -(t * p.log() + (1 - t) * (1 - p).log())
    loss.sum().backward()
    told = explain("bce", x.tolist(), t.tolist())
    assert told.naive.value == pytest.approx(loss.detach().numpy(), rel=1e-6)
    assert told.naive.gradient == pytest.approx(x.grad.numpy(), rel=1e-6)
    assert [line.name for line in told.naive.backward] == [
        "dL/dq", "dL/dp", "dL/ds", "dL/du", "dL/dx",
    ]  # fmt: skip


def test_every_failure_is_told() -> None:
    page = str(explain("bce", [-1000, 20, 1000], [0, 0, 1]))
    for words in (
        "x = -1000: overflows: above 3.4e+38, the greatest float32",
        "x = 20: 2.061e-09 is below half an ulp of 1: the sum rounds to 1",
        "cancels to 0: nothing is left of the digits",
        "log 0 = -inf",
        "0 * -inf = nan",
        "-0 / 0 = nan",
        "x >= 16.6355   1 + u rounds to 1 (24 ln 2",
        "<- x = 20, 1000",
        "exact value L                     1e-434            20      5.1e-435",
    ):
        words = words.replace("1e-434", "5.1e-435") if "exact" in words else words  # noqa: PLW2901
        assert " ".join(words.split()) in " ".join(page.split()), words
    page = str(explain("cross-entropy", [1000, 0], 1))
    assert "inf / inf = nan" in page
    page = str(explain("softmax", [-200, -300], 0))
    assert "0 / 0 = nan" in page


def test_a_loss_of_all_digits_is_admitted() -> None:
    """Of the op too: the loss is 0 where the others together round away."""
    told = explain("cross-entropy", [20, 0], 0)
    assert told.rows["tinygrad_cls"].value_error[0][1]
    assert "log s is log 1 = 0" in str(told)
    assert "log s is log 1 = 0" not in str(explain("cross-entropy", [2, 0], 0))


@pytest.mark.parametrize("computed", [np.float32(1), np.float64(1)])
def test_distance_is_in_ulp(computed: Any) -> None:
    """Of the exact value: below a power of two the ulp is half as large."""
    step = np.spacing(computed)
    for n in (0, 1, 3):
        moved = type(computed)(computed + n * step)
        assert exact.distance(moved, exact.Decimal(1)) == (n, False)
    assert exact.distance(computed, exact.Decimal(float(1 - step / 2)))[0] == 1
    tiny = np.finfo(computed.dtype).smallest_subnormal
    assert exact.distance(type(computed)(0), exact.Decimal(float(tiny))) == (1, True)
    assert exact.distance(type(computed)("nan"), exact.Decimal(1))[1]


def test_page_is_at_most_a_hundred_wide_and_shows_the_class() -> None:
    for told in (
        explain("bce", [-1e30] * 9, [0.5] * 9),
        explain("cross-entropy", [*range(11), 1000.5], 9),
        explain("softmax", [0.1, -2], 1, "float64"),
        explain("sigmoid", -0.1),
    ):
        lines = str(told).splitlines()
        assert max(map(len, lines)) <= 100 + 25 * ("worst" in str(told))
        assert str(told).isascii()
    page = str(explain("cross-entropy", [*range(11), 1000.5], 9))
    assert "x[9] = 9" in page
    assert "x[11] = 1000.5" in page
    assert "4 of the 12 logits are shown" in page
    assert "rounded to float32 first: -0.1 is -0.10000000149" in str(explain("sigmoid", -0.1))
    assert "\x1b[31m" in explain("bce", [1000], [1]).text(colour=True)


@pytest.mark.needs_torch
def test_torch_has_a_row() -> None:
    told = explain("cross-entropy", [3, 1, -2], 1)
    assert told.rows["torch"].value == pytest.approx(told.rows["tinygrad_cls"].value, rel=1e-6)
    assert told.missing == ""


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("no torch")

    monkeypatch.setattr(report, "pytorch", missing)
    told = explain("sigmoid", 1.0)
    assert "torch" not in told.rows
    assert "PyTorch is not installed; run: pip install" in str(told)


# --- the command ----------------------------------------------------------------------------------


def command(line: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_explain(parser.add_subparsers().add_parser)
    arguments = parser.parse_args(["explain", *line.split()])
    arguments.command(arguments)


@pytest.mark.parametrize("x", ["--x=-40,1000", "--x -40 1000", "--x -40,1e3", "--x -.4e2 1000."])
def test_ways_to_write_numbers(x: str, capsys: pytest.CaptureFixture[str]) -> None:
    command(f"sigmoid {x}")
    first = capsys.readouterr().out.splitlines()[0]
    assert first.split() == "sigmoid in float32 x = -40 x = 1000".split()


def test_command_explains(capsys: pytest.CaptureFixture[str]) -> None:
    command("cross-entropy --x -1e3 5 --t 1 --dtype float64")
    out = capsys.readouterr().out
    assert out.startswith("cross-entropy in float64")
    assert "tinygrad_cls, off by" in out
    assert ("torch, off by" in out) is (importlib.util.find_spec("torch") is not None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bce --x 1", "needs t: one target"),
        ("bce --x 1 2 --t 1", "x holds 2, t holds 1"),
        ("bce --x 1 --t 1.5", "t holds 1.5"),
        ("bce --x nan --t 0", "x holds nan"),
        ("sigmoid --x -inf", "x holds -inf"),
        ("sigmoid --x", "x is empty"),
        ("sigmoid --x 1,,2", "'' is not a number"),
        ("sigmoid --x one", "'one' is not a number"),
        ("sigmoid --x 1 --t 0", "leave t out"),
        ("sigmoid --x 1e39", "the greatest float32"),
        ("cross-entropy --x 1,2", "needs t: the class, 0 to 1"),
        ("cross-entropy --x 1,2 --t 2", "t is 2, but the 2 logits"),
        ("cross-entropy --x 1,2 --t -1", "t is -1"),
        ("cross-entropy --x 1,2 --t 0.5", "a class is a whole number"),
        ("cross-entropy --x 1,2 --t 0 1", "one class; t holds 2"),
        ("softmax --x 1", "a row of two or more logits; x holds 1"),
    ],
)
def test_bad_input_is_one_line(line: str, message: str) -> None:
    with pytest.raises(ExplainError) as refused:
        command(line)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bad_names() -> None:
    with pytest.raises(ExplainError, match="'relu' can't be explained: choose from bce"):
        explain("relu", 1)
    with pytest.raises(ExplainError, match="dtype 'float16' is none of"):
        explain("sigmoid", 1, dtype="float16")
    with pytest.raises(ExplainError, match="x must be numbers, not 'a'"):
        explain("sigmoid", "a")  # type: ignore[arg-type]
