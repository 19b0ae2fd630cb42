"""The judge's evidence: slopes lie within their bounds, noise is measured, and errors are seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_cls as tg
from tinygrad_cls import judge
from tinygrad_cls.judge.differences import BEND, CENTRAL, ONE_SIDED, Slopes, limit, sample, slopes
from tinygrad_cls.judge.noise import POINTS, grain, measured, scatter
from tinygrad_cls.judge.point import CAREFUL, FAST, TIMES
from tinygrad_cls.judge.report import Report

EPS = float(np.finfo(np.float64).eps)
few = settings(max_examples=settings.default.max_examples // 10)  # a check takes some 0.1 s
many = settings(max_examples=settings.default.max_examples)
sizes = st.integers(-40, 40).map(lambda e: 2.0**e)
numbers = st.floats(-2, 2).filter(lambda x: abs(x) > 1e-2)


def slope_of(f: Callable[[float], float], x: float, scale: float, noise: float, steps: Any) -> Any:
    """The slope of f at x, from steps of that scale."""
    right, left, h, k = sample(
        [lambda t: (np.array([f(x + t)]), (x + t) - x)], scale * steps[:, None]
    )
    return slopes(np.array([f(x)]), right, left, (h, k), np.array([noise]))


def off(found: Slopes, truth: float) -> float:
    """How far the truth is outside what was found."""
    return max(float(found.low[0, 0]) - truth, truth - float(found.high[0, 0]), 0.0)


# --- slopes ---------------------------------------------------------------------------------------


@many
@given(
    st.floats(-10, 10), st.lists(st.floats(-10, 10), min_size=7, max_size=7),
    st.sampled_from([CENTRAL, ONE_SIDED, BEND]), st.integers(5, 45), st.floats(0, 1e-12),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_limit_is_within_its_bound(
    truth: float, terms: list[float], powers: Any, steps: int, noise: float, random: Any
) -> None:
    """Of any series in the powers that it is told of, and of higher ones."""
    h = 0.5 ** np.arange(2.0, 2 + steps)
    more = [*powers, *(powers[-1] + (powers[1] - powers[0]) * n for n in (1, 2, 3))]
    quotients = truth + sum(c * h**p for c, p in zip(terms, more, strict=True))
    rounding = (noise + 4 * EPS * np.abs(quotients).max()) / h
    quotients += rounding * [random.uniform(-1, 1) for _ in h]
    value, error = limit(quotients[:, None], rounding[:, None], powers)
    assert abs(value[0] - truth) <= TIMES * error[0]
    assert error[0] < np.inf


@many
@given(numbers, numbers, numbers, sizes, st.sampled_from(["sin", "exp", "tanh"]))
def test_a_smooth_slope_is_within_a_tight_bound(
    a: float, b: float, at: float, size: float, name: str
) -> None:
    """a f(b x / size) at any size of x."""
    f: Any = getattr(np, name)
    slope: Any = {"sin": np.cos, "exp": np.exp, "tanh": lambda t: 1 / np.cosh(t) ** 2}[name]
    x, scale = at * size, 2.0 ** np.floor(np.log2(abs(at))) * size
    natural = abs(a * b) / size * max(1.0, float(np.exp(b * at)) if name == "exp" else 1.0)
    noise = 4 * EPS * abs(a) * max(1.0, float(np.exp(b * at)) if name == "exp" else 1.0)
    truth = float(a * slope(b * at)) * b / size
    for steps in (FAST, CAREFUL):
        found = slope_of(lambda t: float(a * f(b * t / size)), x, scale, noise, steps)
        assert off(found, truth) <= TIMES * found.error[0, 0]
        assert found.error[0, 0] < (1e-8 if steps is CAREFUL else 1e-5) * natural / min(1, abs(at))
    assert not (found.kink | found.jump | found.infinite | found.one_sided).any()


@many
@given(st.lists(numbers, min_size=1, max_size=6), numbers, sizes)
def test_a_polynomials_slope_is_within_a_tight_bound(
    c: list[float], at: float, size: float
) -> None:
    p = np.polynomial.Polynomial(c)
    terms = float(np.polynomial.Polynomial(np.abs(c))(abs(at)))
    found = slope_of(lambda t: float(p(t / size)), at * size, abs(at) * size, EPS * terms, CAREFUL)
    truth = float(p.deriv()(at)) / size
    assert off(found, truth) <= TIMES * found.error[0, 0]
    assert found.error[0, 0] <= 1e-8 * terms / abs(at) / size


@given(st.floats(0.1, 0.9), st.integers(-5, 5), st.sampled_from([1.0, 2.0, 4.0]))
def test_the_slope_of_steps_is_none(part: float, n: int, scale: float) -> None:
    """Not 1, which is what large steps show."""
    found = slope_of(lambda x: float(np.floor(x)), n + part, scale, EPS, CAREFUL)
    assert off(found, 0.0) <= TIMES * found.error[0, 0] < 1e-6


@given(st.floats(1e3, 1e5), st.floats(0.5, 2))
def test_a_wave_is_not_undersampled(rate: float, x: float) -> None:
    found = slope_of(lambda t: float(np.sin(rate * t)), x, 1.0, 4 * EPS * rate * x, CAREFUL)
    assert off(found, rate * float(np.cos(rate * x))) <= TIMES * found.error[0, 0]
    assert found.error[0, 0] < 1e-5 * rate


@given(numbers, numbers, st.floats(-1, 1), st.floats(-1, 1))
def test_a_kink_has_two_slopes(left: float, right: float, bend: float, rest: float) -> None:
    assume(abs(left - right) > 1e-3)
    found = slope_of(
        lambda t: (right if t > 0 else left) * t + bend * t * t + rest, 0.0, 1.0, EPS, CAREFUL
    )
    assert found.kink[0, 0]
    for end, truth in ((found.low, min(left, right)), (found.high, max(left, right))):
        assert abs(end[0, 0] - truth) <= TIMES * found.error[0, 0] < 1e-6


@given(numbers, numbers, st.floats(0.01, 10))
def test_a_jump_is_seen(left: float, right: float, height: float) -> None:
    """The pieces keep their slopes, on whichever side the value at the jump is."""
    found = slope_of(
        lambda t: height + right * t if t >= 0 else left * t, 0.0, 1.0, EPS * height, CAREFUL
    )
    assert found.jump[0, 0]
    assert not found.kink.any()
    for truth in (left, right):
        assert off(found, truth) <= TIMES * found.error[0, 0] < 1e-6


@given(st.floats(0.1, 0.8), numbers)
def test_an_infinite_slope_is_seen(power: float, c: float) -> None:
    found = slope_of(
        lambda t: c * float(np.sign(t) * abs(t) ** power), 0.0, 1.0, EPS * abs(c), CAREFUL
    )
    assert found.infinite[0, 0]


@given(st.floats(1.5, 4), numbers, st.booleans())
def test_an_edge_has_one_side(power: float, c: float, right: bool) -> None:
    """t ** 1.5 has no power series at its edge: the bound must know."""

    def f(t: float) -> float:
        t = t if right else -t
        return c * (t**power + t) if t >= 0 else np.nan

    found = slope_of(f, 0.0, 1.0, EPS * abs(c), CAREFUL)
    assert found.one_sided[0, 0]
    assert off(found, c if right else -c) <= TIMES * found.error[0, 0] < 1e-3 * abs(c)


# --- noise ----------------------------------------------------------------------------------------


@given(st.floats(-15, 3), st.sampled_from([np.sin, np.exp, np.square]), st.integers(0, 99), numbers)
def test_scatter_is_the_noise_that_was_planted(size: float, f: Any, seed: int, x: float) -> None:
    noise = 10.0**size
    t = x + np.linspace(0, 1e-8, POINTS)[:, None]
    planted = noise * np.random.default_rng(seed).standard_normal((POINTS, 400))
    assert 0.7 * noise < np.median(scatter(f(t) + planted)) < 1.4 * noise


@given(st.floats(1e-9, 1e9), numbers)
def test_without_noise_rounding_is_left(size: float, x: float) -> None:
    found = measured(lambda t: np.array([size * np.sin(x + t)]), 2.0**-26)
    last_place = np.spacing(size * max(abs(np.sin(x)), 1e-3))
    assert last_place / 8 < found[0] < 64 * max(last_place, size * EPS)


@given(st.floats(1e-6, 1e-2), st.floats(0.1, 1e6), st.floats(0, 1), numbers)
def test_grain_is_the_height_of_a_stair(width: float, height: float, part: float, c: float) -> None:
    """Stairs with a slope between."""

    def stairs(t: float) -> Any:
        return np.array([height * np.floor(t / width + part) + c * t])

    found = grain(stairs, -0.1, 0.1, 1e-14, np.array([1e-16 * height / width]))
    assert height * 0.9 < found[0] < height * 1.1


def test_a_jump_without_noise_and_without_values_beside_it_is_found() -> None:
    """In multiples of no noise it overflows; where there is no value, there is no jump."""

    def cliff(t: float) -> Any:
        return np.array([np.nan if 0.051 < t < 0.06 else 1e9 * (t > 0.0123)])

    with np.errstate(over="ignore"):  # as under examination
        assert grain(cliff, -0.1, 0.1, 1e-14, np.zeros(1)) == 1e9
    assert grain(lambda t: np.zeros(0), -0.1, 0.1, 1e-14, np.zeros(0)).size == 0


@given(numbers, st.floats(0.1, 100))
def test_a_smooth_function_has_no_grain(x: float, rate: float) -> None:
    found = grain(
        lambda t: np.array([np.sin(rate * (x + t))]), -1e-3, 1e-3, 1e-15, np.array([1e-16])
    )
    assert found[0] < 1e-12 * max(rate, 1)


# --- power ----------------------------------------------------------------------------------------


def layer(seed: int, n: int, m: int) -> tuple[Any, Any, Any]:
    """tanh(A x), its vjp, and a point."""
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((m, n)) / np.sqrt(n), rng.standard_normal(n)
    return lambda x: np.tanh(A @ x), lambda g, x: A.T @ (g * (1 - np.tanh(A @ x) ** 2)), x


@few
@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.floats(-6, 0), st.data())
def test_a_relative_error_is_seen(seed: int, n: int, m: int, size: float, data: Any) -> None:
    """Of 1e-6 and more, in all numbers or in one; the right gradient passes."""
    f, vjp, x = layer(seed, n, m)
    error = np.full(n, data.draw(st.sampled_from([1, -1])) * 10.0**size)
    where = data.draw(st.one_of(st.none(), st.integers(0, n - 1)))
    if where is not None:
        error[np.arange(n) != where] = 0
    assert judge.check(f, x, vjp=vjp)
    report = judge.check(f, x, vjp=lambda g, x: vjp(g, x) * (1 + error))
    assert report.verdict == "failed", report
    assert report.failures[-1].kind == "wrong gradient"
    assert where is None or report.failures[-1].where == f"d out / d x[{where}]"


@few
@given(st.floats(-9, -5), st.floats(-1, 1))
def test_a_tiny_gradient_that_was_dropped_is_seen(size: float, x: float) -> None:
    """Beside large ones: the cotangents are weighed."""
    c = np.array([1.0, 10.0**size])
    report = judge.check(lambda x: c * np.sin(x), [x, x], vjp=lambda g, x: g * [1, 0] * np.cos(x))
    assert report.verdict == "failed"
    assert report.failures[0].where == "d out / d x[1]"


@pytest.mark.parametrize("error", [1e-5, 0.5, -1.0])
@pytest.mark.parametrize("place", [0, 4321, 7999])
def test_one_wrong_number_of_thousands_is_found_and_named(place: int, error: float) -> None:
    x = np.random.default_rng(1).normal(size=8000)

    def vjp(g: Any, x: Any) -> Any:
        u = g * np.cos(x)
        u[place] *= 1 + error
        return u

    report = judge.check(lambda x: np.sin(x).sum(), x, vjp=vjp, coordinates=32)
    assert report.failures[0].where == f"d out / d x[{place}]"
    assert report.failures[0].error == pytest.approx(abs(error), rel=1e-3)
    assert judge.check(lambda x: np.sin(x).sum(), x, vjp=lambda g, x: g * np.cos(x), coordinates=32)


@pytest.mark.parametrize("x", [1e-8, 3e-8, 1e-7, 1e-6, 1e-5, 1e-3, 0.1])
def test_a_cancellation_in_the_function_is_not_blamed_on_the_gradient(x: float) -> None:
    """(1 - cos x) / x**2 near 0 is a staircase: rounding makes slopes of 1e7 of one of 1e-8."""
    report = judge.check(lambda x: (1 - np.cos(x)) / x**2, [x], vjp=lambda g, x: g * (-x / 12))
    exact = x < 1e-2  # -x / 12 is the start of a series
    assert (report.verdict != "failed") == exact, report


@pytest.mark.parametrize("size", [1e3, 1e9, 1e14])
@pytest.mark.parametrize("factor", [2.0, 0.0, -1.0])
def test_a_constant_added_hides_no_wrong_gradient(size: float, factor: float) -> None:
    """Wrong, or not to be judged, or said to be too small to be seen: but never right."""
    report = judge.check(
        lambda x: size + np.exp(x), [-1.0, -2.0], vjp=lambda g, x: factor * g * np.exp(x)
    )
    assert not report.passed or "below the noise" in report.untested[0]
    assert size > 1e12 or not report.passed


# --- kinks, ties and edges ------------------------------------------------------------------------

legal, above, below = st.floats(0, 1), st.floats(1.001, 9), st.floats(-9, -0.001)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


@few
@given(legal)
def test_a_legal_slope_at_a_kink_passes(p: float) -> None:
    report = judge.check(relu, [0.0, 1.0, -2.0], vjp=lambda g, x: g * np.where(x, x > 0, p))
    assert report.passed, report
    assert [f.kind for f in report.findings] == ["kink"]
    assert "slopes 0 and 1" in report.findings[0].text
    report = judge.check(
        np.abs, [0.0, 1.0], vjp=lambda g, x: g * np.where(x, np.sign(x), 2 * p - 1)
    )
    assert report.passed, report


@few
@given(st.one_of(above, below))
def test_no_other_slope_at_a_kink_passes(p: float) -> None:
    report = judge.check(relu, [0.0, 1.0, -2.0], vjp=lambda g, x: g * np.where(x, x > 0, p))
    assert report.verdict == "failed"
    assert report.failures[0].where == "d out / d x[0]"
    assert [r.oracle for r in report.failures[0].readings][:2] == ["left slope", "right slope"]


@few
@given(st.integers(-12, -1), st.sampled_from([1, -1]))
def test_near_a_kink_there_is_one_slope(size: int, sign: int) -> None:
    """Nearer than 2**-24 of the numbers' size is at it."""
    x = [sign * 10.0**size, 1.0, -2.0]
    assert judge.check(relu, x, vjp=lambda g, x: g * (x > 0))
    assert size < -6 or not judge.check(
        relu, x, vjp=lambda g, x: g * np.where(np.abs(x) < 0.5, 0.5, x > 0)
    )


def tied(n: int, weights: Any) -> Report:
    """The largest of n equal numbers and a smaller one, with given shares of the gradient."""
    shares = np.array([*weights, 0.0])

    def vjp(g: Any, x: Any) -> Any:
        return g * (shares if (x[:-1] == x[0]).all() and x[-1] < x[0] else x == x.max())

    return judge.check(np.max, np.array([1.5] * n + [0.25]), vjp=vjp)


@few
@given(st.lists(st.integers(0, 5), min_size=2, max_size=4).filter(any))
def test_any_share_among_ties_passes(weights: list[int]) -> None:
    report = tied(len(weights), np.array(weights) / sum(weights))
    assert "wrong gradient" not in {f.kind for f in report.failures}, report


@few
@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.data())
def test_shares_that_do_not_add_up_fail(weights: list[float], data: Any) -> None:
    """Each is legal alone: the largest may have any slope from 0 to 1."""
    assume(abs(sum(weights) - 1) > 1e-3)
    report = tied(len(weights), weights)
    assert report.failures[0].kind == "wrong gradient"


@few
@given(st.lists(st.floats(-1, 2), min_size=2, max_size=3), st.data())
def test_shares_beyond_the_whole_fail(weights: list[float], data: Any) -> None:
    weights[-1] = 1 - sum(weights[:-1])
    assume(min(weights) < -1e-3)
    assert tied(len(weights), weights).failures[0].kind == "wrong gradient"


@pytest.mark.parametrize(
    ("f", "x", "vjp", "kind"),
    [
        (lambda x: np.floor(x) + 3 * x, [1.0, 0.5], lambda g, x: 3 * g, "jump"),
        (np.sqrt, [0.0, 1.0], lambda g, x: g / 2 / np.sqrt(x), "infinite slope"),
        (np.cbrt, [0.0, 1.0], lambda g, x: g / 3 / np.cbrt(x) ** 2, "infinite slope"),
        (lambda x: x * np.sqrt(x), [0.0, 1.0], lambda g, x: 1.5 * g * np.sqrt(x),
         "edge of the domain"),
    ],
)  # fmt: skip
def test_other_odd_places(f: Any, x: Any, vjp: Any, kind: str) -> None:
    report = judge.check(f, x, vjp=vjp)
    assert report.passed, report
    assert kind in {f.kind for f in report.findings}
    wrong = judge.check(f, x, vjp=lambda g, x: 1.25 * vjp(g, x))
    assert wrong.verdict == "failed"


# --- float32 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        tg.tanh, tg.exp, tg.sigmoid, lambda x: x.softmax(dim=0), lambda x: x.log_softmax(dim=0),
        lambda x: x.var(dim=0), lambda x: (x * x).sum().sqrt(), lambda x: x.logsumexp(dim=0),
    ],
)  # fmt: skip
@settings(max_examples=4)
@given(st.integers(0, 999), st.sampled_from([1e-3, 1.0, 5.0]))
def test_right_functions_pass_in_single_precision(f: Any, seed: int, size: float) -> None:
    x = (size * np.random.default_rng(seed).standard_normal(6)).astype(np.float32)
    report = judge.check(f, tg.tensor(x), order=1)
    assert report.passed, report
    assert any(line.startswith("float32:") and "ulp" in line for line in report.measured)


@few
@given(st.floats(1e-5, 1e-4))
def test_a_cancellation_in_single_precision_is_found(x: float) -> None:
    """(exp(x) - exp(-x)) / 2 is right in float64, and has lost half of its digits in float32."""

    def f(x: Any) -> Any:
        return 2 * np.sinh(x / 2) ** 2

    narrow = np.array([x, 1.1 * x, 1.3 * x], np.float32)
    report = judge.check(f, narrow, vjp=lambda g, x: g * (np.exp(x) - np.exp(-x)) / 2)
    assert [f.kind for f in report.failures] == ["float32 budget"], report
    assert judge.check(f, narrow, vjp=lambda g, x: g * np.sinh(x))


def test_a_function_that_cancels_is_not_blamed_for_the_layout_of_memory() -> None:
    """NumPy's float32 expm1 of strided memory may differ in the last place."""
    x = np.array([2.0**-7, 1.1 * 2**-7, 1.3 * 2**-7], np.float32)
    report = judge.check(lambda x: np.expm1(x) - x, x, vjp=lambda g, x: g * np.expm1(x))
    assert report.passed, report


@pytest.mark.parametrize("size", [5.0, 10.0, 20.0, 35.0, 60.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saturated_softmax_is_right(size: float, dtype: Any) -> None:
    """Its gradient is what is left of terms that cancel."""
    for n in (2, 3, 6):
        x = tg.tensor(size * np.eye(n, dtype=dtype)[0])
        report = judge.check(lambda x: x.softmax(dim=0), x, order=1)
        assert report.passed, report
