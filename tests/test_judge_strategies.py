"""Where the judge's inputs come from: domains, hypothesis strategies, the search for the smallest
input at which a check fails, and inputs as source."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_cls import judge
from tinygrad_cls.judge import domains, explore, strategies
from tinygrad_cls.judge.domains import DOMAINS, draw
from tinygrad_cls.judge.explore import Explored, source

FLOATS = ("float16", "float32", "float64")
ORDINARY = (2.0**-10, 4.0)


def of_size(x: Any, low: float, high: float) -> Any:
    return (np.abs(x) >= low) & (np.abs(x) <= high)


def eps(x: Any) -> float:
    return float(np.finfo(x.dtype).eps)


INSIDE = {
    "real": lambda x: (x == 0) | of_size(x, *ORDINARY),
    "positive": lambda x: (x > 0) & of_size(x, *ORDINARY),
    "unit": lambda x: (x > 0) & (x < 1),
    "nonzero": lambda x: of_size(x, *ORDINARY),
    "large": lambda x: of_size(x, 20, 1 / eps(x)),
    "tiny": lambda x: (x != 0) & (1 + x * x == 1) & (np.abs(x) >= eps(x) ** 2),
    "any": np.isfinite,
    "probabilities": lambda x: (x > 0) & (np.abs(x.sum(-1, keepdims=True) - 1) < 4 * eps(x)),
    "logits": lambda x: (x == 0) | of_size(x, 2.0**-10, 1000),
    "integers": lambda x: (x >= -9) & (x <= 9),
    "mask": lambda x: (x == 0) | (x == 1),
    "[-1, 1]": lambda x: (x >= -1) & (x <= 1),
    "(0, 0.1)": lambda x: (x.astype(float) > 0) & (x.astype(float) < 0.1),
    "integers [0, 3)": lambda x: (x >= 0) & (x < 3),
}
"""By domain, which numbers belong to it."""

by_domain = pytest.mark.parametrize("name", INSIDE)
by_dtype = pytest.mark.parametrize("dtype", FLOATS)


# --- domains --------------------------------------------------------------------------------------


def test_every_domain_is_tested() -> None:
    assert set(DOMAINS) < set(INSIDE)


def expected(name: str, dtype: str) -> Any:
    return bool if name == "mask" else np.int64 if name.startswith("integers") else dtype


@by_domain
@by_dtype
def test_drawn_numbers_are_in_the_domain(name: str, dtype: str) -> None:
    x = draw(np.random.default_rng(0), (500, 3), name, dtype)
    assert (x.shape, x.dtype) == ((500, 3), expected(name, dtype))
    assert INSIDE[name](x).all()
    assert len(np.unique(x)) > (1 if x.dtype.kind in "bi" else 100)


@by_domain
def test_a_seed_draws_the_same_numbers(name: str) -> None:
    one, same, other = (draw(np.random.default_rng(s), (40,), name) for s in (7, 7, 8))
    assert one.tobytes() == same.tobytes() != other.tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3), (1, 1)])
@by_domain
def test_any_shape_can_be_drawn(name: str, shape: tuple[int, ...]) -> None:
    x = draw(np.random.default_rng(0), shape, name)
    assert x.shape == shape
    assert INSIDE[name](x).all() or name == "probabilities"
    if name == "probabilities" and shape == ():
        assert x == 1


def test_any_reaches_the_extremes() -> None:
    info = np.finfo(np.float32)
    x = draw(np.random.default_rng(0), (3000,), "any", "float32")
    for extreme in (info.max, -info.max, info.smallest_subnormal, 0):
        assert (x == extreme).any()
    assert ((x != 0) & (np.abs(x) < info.tiny)).any()
    assert np.signbit(x[x == 0]).any()


def test_logits_mix_ordinary_and_saturated() -> None:
    saturated = np.abs(draw(np.random.default_rng(0), (1000,), "logits")) >= 20
    assert 0.02 < saturated.mean() < 0.5


def test_integers_take_a_dtype_of_integers() -> None:
    rng = np.random.default_rng(0)
    assert draw(rng, (9,), "integers", "int8").dtype == np.int8
    assert (draw(rng, (99,), "integers", "uint8") <= 9).all()


SHAPES = {
    "3,4; 4; ()": [(3, 4), (4,), ()],
    "5": [(5,)],
    "(2, 3)": [(2, 3)],
    "(4,)": [(4,)],
    "4,": [(4,)],
    " 2 , 0 ;( )": [(2, 0), ()],
}


@pytest.mark.parametrize(("text", "shapes"), SHAPES.items())
def test_shapes(text: str, shapes: list[tuple[int, ...]]) -> None:
    assert domains.shapes(text) == shapes


@pytest.mark.parametrize("text", ["", "3;", "-1", "3,,4", "(,)", "1e5", "3 4", "x", "(3", "²"])
def test_no_shape(text: str) -> None:
    with pytest.raises(ValueError, match="is no shape: give whole numbers"):
        domains.shapes(text)


def test_too_large_a_shape() -> None:
    with pytest.raises(ValueError, match="at most 10000000 fit"):
        domains.shapes("100000,100000")


NO_DOMAINS = {
    "luck": "'luck' is no domain: take real, positive",
    "": "'' is no domain",
    "[1]": "is no domain",
    "[0, inf]": "is no domain",
    "[a, b]": "is no domain",
    "[nan, 1]": "is no domain",
    "[2, 1]": r"the interval \[2, 1\] holds no finite float64",
    "(1, 1)": "holds no finite float64",
    "integers (0, 1)": "holds no whole number",
}


@pytest.mark.parametrize(("text", "complaint"), NO_DOMAINS.items())
def test_no_domain(text: str, complaint: str) -> None:
    for wrong in (
        lambda: draw(np.random.default_rng(0), (), text),
        lambda: strategies.arrays((), text),
    ):
        with pytest.raises(ValueError, match=complaint):
            wrong()


def test_no_such_dtype() -> None:
    with pytest.raises(ValueError, match="'real' has no numbers of dtype int64: take float16"):
        strategies.arrays((3,), "real", "int64")
    with pytest.raises(ValueError, match=r"\[1e5, 1e6\] holds no finite float16"):
        strategies.broadcastable(2, "[1e5, 1e6]", "float16")
    with pytest.raises(ValueError, match="2 domains for 3 inputs: give one, or one for each"):
        strategies.same_shape(3, domain="real; unit")


# --- strategies -----------------------------------------------------------------------------------


@by_domain
@by_dtype
def test_drawn_arrays_are_in_the_domain(name: str, dtype: str) -> None:
    @given(strategies.arrays(strategies.shapes(min_side=0), name, dtype))
    def law(x: Any) -> None:
        assert x.dtype == expected(name, dtype)
        assert x.ndim <= 3
        assert max(x.shape, default=0) <= 4
        assert INSIDE[name](x).all()

    law()


def smallest(strategy: Any, condition: Any) -> tuple[Any, ...]:
    found = explore.explore(condition, [strategy], examples=2000)
    assert found.inputs is not None
    return found.inputs


def test_subnormals_and_single_precision() -> None:
    anything = strategies.arrays((), "any", "float32")
    (x,) = smallest(anything, lambda x: 0 < x < 1e-40)
    assert x.dtype == np.float32
    (x,) = smallest(anything, lambda x: x > 1e38)
    assert np.isfinite(x)


@pytest.mark.parametrize(
    ("condition", "inputs"),
    [
        (lambda x: True, "np.array(0.0)"),
        (lambda x: (x > 2).any(), "np.array(3.0)"),
        (lambda x: (x < 0).any(), "np.array(-1.0)"),
        (lambda x: x.ndim > 1, "np.zeros((0, 0))"),
        (lambda x: x.ndim > 1 and x.size, "np.array([[0.0]])"),
        (lambda x: x.size > 4, "np.zeros((2, 3))"),
        (lambda x: x.size == 0, "np.zeros((0,))"),
        (lambda x: x.size > 1 and (x != 0).all(), "np.array([1.0, 1.0])"),
    ],
)
def test_arrays_shrink_to_small_and_simple(condition: Any, inputs: str) -> None:
    found = smallest(strategies.arrays(strategies.shapes(min_side=0)), condition)
    assert source(found) in {inputs, inputs.replace("2, 3", "5,"), inputs.replace("2, 3", "3, 2")}


def test_large_arrays_are_drawn_whole() -> None:
    (x,) = smallest(strategies.arrays((40, 50)), lambda x: True)
    assert x.shape == (40, 50)
    assert len(np.unique(x)) == x.size


@given(strategies.same_shape(3, domain=("real", "unit", "integers")))
def test_same_shape(found: tuple[Any, ...]) -> None:
    a, b, n = found
    assert a.shape == b.shape == n.shape
    assert INSIDE["unit"](b).all()
    assert n.dtype == np.int64


@given(strategies.broadcastable(3, "real; positive; mask", "float32"))
def test_broadcastable(found: tuple[Any, ...]) -> None:
    a, b, m = found
    np.broadcast_shapes(a.shape, b.shape, m.shape)
    assert (a.dtype, b.dtype, m.dtype) == (np.float32, np.float32, bool)
    assert (b > 0).all()


def test_broadcastable_shapes_differ() -> None:
    found = smallest(
        strategies.broadcastable_shapes(2).map(lambda s: (s,)), lambda s: len(set(s)) > 1
    )
    assert found in {(((), (1,)),), (((1,), ()),)}


@given(st.data())
@pytest.mark.parametrize("kind", ["classes", "probabilities", "binary", "soft"])
def test_classification(kind: str, data: st.DataObject) -> None:
    ignore = data.draw(st.sampled_from([None, -100, 0, 1]))
    x, t = data.draw(strategies.classification(kind, ignore, "float32"))
    n, c = x.shape
    assert n >= 1
    assert c >= 2
    assert x.dtype == np.float32
    if kind == "classes":
        assert (t.shape, t.dtype) == ((n,), np.int64)
        assert ((t >= 0) & (t < c) | (t == ignore)).all()
        assert (t != ignore).any()
    else:
        assert (t.shape, t.dtype) == ((n, c), np.float32)
        assert ((t >= 0) & (t <= 1)).all()
    if kind == "probabilities":
        np.testing.assert_allclose(t.sum(1), 1, rtol=1e-6)
    if kind == "binary":
        assert np.isin(t, [0, 1]).all()


def test_some_labels_are_ignored() -> None:
    _, t = smallest(strategies.classification(ignore_index=-100), lambda x, t: (t == -100).any())
    assert set(t) == {-100, 0}


def test_targets_of_other_shapes() -> None:
    (t,) = smallest(strategies.class_targets((2, 3, 3), 4), lambda t: t.max() == 3)
    assert t.shape == (2, 3, 3)
    (t,) = smallest(strategies.probability_targets((2, 3, 4)), lambda t: t.max() < 1)
    np.testing.assert_allclose(t.sum(1), np.ones((2, 4)))
    (t,) = smallest(strategies.probability_targets((3,)), lambda t: True)
    np.testing.assert_allclose(t.sum(), 1)
    (t,) = smallest(strategies.probability_targets((0, 3)), lambda t: True)
    assert t.shape == (0, 3)
    (w,) = smallest(strategies.class_weights(5), lambda w: True)
    assert w.shape == (5,)
    assert (w > 0).all()
    (x,) = smallest(strategies.logits(), lambda x: np.abs(x).max() > 700)
    assert x.shape == (1, 2)


def test_no_such_targets() -> None:
    with pytest.raises(ValueError, match="targets is 'soft labels': must be one of 'classes'"):
        strategies.classification("soft labels")


def test_hypothesis_is_imported_when_it_is_needed() -> None:
    script = "import sys, tinygrad_cls.judge.strategies, tinygrad_cls.judge.explore as e; "
    script += "assert not e.is_strategy(3); print('hypothesis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "use",
    [
        lambda: strategies.shapes(),
        lambda: strategies.arrays((3,)),
        lambda: strategies.logits(),
        lambda: explore.explore(lambda x: True, [1.0]),
    ],
)
def test_a_missing_hypothesis_is_named(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis.extra.numpy", None)
    with pytest.raises(ImportError) as raised:
        use()
    said = "hypothesis is not installed; run: pip install 'tinygrad_cls[judge]'"
    assert str(raised.value) == said


# --- the search -----------------------------------------------------------------------------------


def search(fails: Any, *inputs: Any, **options: Any) -> Explored:
    return explore.explore(fails, inputs, **options)


def test_nothing_is_found_where_nothing_fails() -> None:
    found = search(lambda x: False, strategies.arrays((2,)), examples=30)
    assert found == (None, 30, False)


def test_the_same_seed_finds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    def seen(seed: int) -> list[bytes]:
        found: list[bytes] = []
        search(lambda x: bool(found.append(x.tobytes())), strategies.arrays((3,)), seed=seed)
        return found

    assert seen(1) == seen(1) != seen(2)
    search(lambda x: True, strategies.arrays((3,)))
    assert capsys.readouterr() == ("", "")


def test_inputs_that_are_given_stay() -> None:
    w = np.array([1.0, 2.0])
    found = search(lambda x, w, n: x.size > 2, strategies.arrays((3,)), w, 5)
    assert found.inputs is not None
    x, same, five = found.inputs
    assert (x.tolist(), same.tolist(), five) == ([0, 0, 0], [1, 2], 5)


def test_a_tuple_is_all_inputs() -> None:
    found = search(lambda a, b: (a + b).ndim > 1, strategies.broadcastable(2))
    assert found.inputs is not None
    assert sorted(x.ndim for x in found.inputs) == [0, 2]


def test_a_check_may_write_into_its_inputs() -> None:
    w = np.ones(2)

    def writes(x: Any, w: Any) -> bool:
        failed = x.sum() > 2
        x[...], w[...] = 7, 7
        return bool(failed)

    found = search(writes, strategies.arrays((1,)), w)
    assert found.inputs is not None
    assert found.inputs[0].tolist() == [3]
    assert w.tolist() == found.inputs[1].tolist() == [1, 1]


def test_a_flaky_check_is_told() -> None:
    calls = []

    def flaky(x: Any) -> bool:
        calls.append(x)
        return len(calls) == 9

    found = search(flaky, strategies.arrays((2,)))
    assert found.flaky
    assert found.inputs is not None
    assert found.inputs[0].tobytes() == calls[8].tobytes()


def test_what_a_check_raises_is_raised() -> None:
    def raises(x: Any) -> bool:
        raise ZeroDivisionError("by me")

    with pytest.raises(ZeroDivisionError, match="by me"):
        search(raises, strategies.arrays((2,)))


def test_strategies_that_draw_nothing() -> None:
    with pytest.raises(ValueError, match="the strategies draw no inputs"):
        search(lambda x: True, strategies.arrays((2,)).filter(lambda x: False))


def test_the_judge_takes_strategies() -> None:
    def vjp(g: Any, x: Any, w: Any) -> Any:  # wrong for two axes
        return g * w, (g * x) * (1 if w.ndim < 2 else 2)

    pairs = strategies.same_shape(2, strategies.shapes(max_dims=2, max_side=2), "[-4, 4]")
    report = judge.check(lambda x, w: x * w, pairs, vjp=vjp, examples=50)
    assert report.verdict == "failed"
    assert [x.shape for x in report.example] == [(1, 1), (1, 1)]
    assert "np.array([[" in report.reproduce
    right = judge.check(lambda x, w: x * w, pairs, vjp=lambda g, x, w: (g * w, g * x), examples=3)
    assert right.verdict == "passed"


# --- source ---------------------------------------------------------------------------------------

whatever = st.sampled_from([*FLOATS, "complex128", "complex64", "int64", "int8", "uint16", "bool"])


@settings(max_examples=300)
@given(whatever.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))))
def test_source_gives_back_every_bit(x: Any) -> None:
    same = eval(source([x]), {"np": np})
    assert (same.shape, same.dtype) == (x.shape, x.dtype)
    np.testing.assert_array_equal(same, x)  # nan equals nan
    number = ~np.isnan(x)
    assert same[number].tobytes() == x[number].tobytes()


def test_single_precision_is_not_rounded_twice() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float16, np.float32):
        bits = rng.integers(0, 2 ** (8 * np.dtype(dtype).itemsize), 50_000)
        x = bits.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
        x = x[np.isfinite(x)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            same = [dtype(float(explore.number(v, x.dtype))) for v in x]
        assert np.array(same).tobytes() == x.tobytes()


SOURCES = {
    "np.array(0.1)": np.array(0.1),
    "np.array([[1.0, -0.0], [np.nan, -np.inf]])": np.array([[1, -0.0], [np.nan, -np.inf]]),
    "np.array([0.1, 0.2], dtype=np.float32)": np.array([0.1, 0.2], np.float32),
    "np.array([True, False])": np.array([True, False]),
    "np.zeros((2, 0))": np.zeros((2, 0)),
    "np.zeros((20, 30))": np.zeros((20, 30)),
    "np.zeros((4,), dtype=np.int64)": np.zeros(4, np.int64),
    "np.full((9,), 7, dtype=np.uint8)": np.full(9, 7, np.uint8),
    "np.full((4,), -0.0)": np.full(4, -0.0),
    "np.array([1.0, 2.0])": np.arange(1.0, 5)[::3] / [1, 2],
    "<float64 (20, 30): 600 numbers>": np.arange(600.0).reshape(20, 30),
    "3": 3,
    "np.inf": float("inf"),
}


@pytest.mark.parametrize(("text", "value"), SOURCES.items())
def test_source(text: str, value: Any) -> None:
    assert source([value]) == text


def test_a_large_array_is_its_recipe() -> None:
    recipe = "draw(np.random.default_rng(3), (300,), 'unit', 'float32')"
    x = draw(np.random.default_rng(3), (300,), "unit", "float32")
    text = source([np.ones(1), x], ["", recipe])
    assert text == f"np.array([1.0]), {recipe}"
    assert eval(text, {"np": np, "draw": draw})[1].tobytes() == x.tobytes()
