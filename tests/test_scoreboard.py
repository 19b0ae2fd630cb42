"""The scoreboard counts what was said, and every rival's adapter is fair: it catches a gross fault,
passes plain correct functions, and shows the blind spots that its original is known for.
"""

import json
import sys
import xml.etree.ElementTree

import numpy as np
import pytest

from tinygrad_cls import judge
from tinygrad_cls.judge.report import Finding, Report
from tinygrad_cls.scoreboard import run as runner
from tinygrad_cls.scoreboard import scoreboard
from tinygrad_cls.scoreboard.case import Case
from tinygrad_cls.scoreboard.rivals import RIVALS, NotRun, Pair

MODULES = {"jax": "jax", "hips": "autograd", "scipy": "scipy"}
EVERY = [
    pytest.param(name, marks=[pytest.mark.needs_torch] if name.startswith("torch") else [])
    for name in RIVALS
]
SECOND = [p for p in EVERY if p.values[0] in {"torch", "torch-fast", "jax", "hips", "chainer"}]
SEEING = [p for p in EVERY if p.values != ("smallpebble",)]


def asked(name, f, vjp, *inputs, vjp2=None):
    """What a rival says of a case: an Outcome of a case that is called a fault."""
    if name in MODULES:
        pytest.importorskip(MODULES[name])
    case = case_of((f, vjp) if vjp2 is None else (f, vjp, vjp2), inputs, hint=("any",))
    return runner.asked(RIVALS[name].load())(case)


def case_of(functions, inputs, hint=(), name="case", group="values", **more):
    return Case(name, group, lambda: functions, lambda: tuple(inputs), hint, **more)


def objects(name, *args, **kwargs):
    outcome = asked(name, *args, **kwargs)
    assert outcome.verdict != "not run", outcome
    return outcome.verdict == "caught"


X = np.array([[0.3, -0.7, 1.1], [0.9, 0.4, -1.3]])
W = np.array([0.6, -0.2, 0.8])


def product(x, w):
    return np.sin(x) * w


def product_vjp(g, x, w):
    return g * np.cos(x) * w, (g * np.sin(x)).sum(0)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# --- each adapter, in both directions -------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_plain_correct_function_passes(name):
    outcome = asked(name, product, product_vjp, X, W)
    assert outcome.verdict == "missed", outcome.said


@pytest.mark.parametrize("name", EVERY)
def test_a_tuple_of_outputs_passes(name):
    outcome = asked(
        name,
        lambda x: (np.sin(x), (x**2).sum()),
        lambda g, x: (g[0] * np.cos(x) + g[1] * 2 * x,),
        X,
    )
    assert outcome.verdict == "missed", outcome.said


@pytest.mark.parametrize("name", EVERY)
def test_integers_are_closed_over(name):
    labels = np.array([2, 0])
    outcome = asked(name, pick, lambda g, x, t: (picked(g, x, t), None), X, labels)
    assert outcome.verdict == "missed", outcome.said


def pick(x, t):
    return x[np.arange(len(t)), t] ** 2


def picked(g, x, t):
    gradient = np.zeros_like(x)
    rows = np.arange(len(t))
    gradient[rows, t] = 2 * g * x[rows, t]
    return gradient


@pytest.mark.parametrize("name", EVERY)
def test_none_is_no_contribution(name):
    outcome = asked(name, lambda x, w: np.sin(x), lambda g, x, w: (g * np.cos(x), None), X, W)
    assert outcome.verdict == "missed", outcome.said


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize("wrong", [2.0, -1.0, 0.0])
def test_a_gross_fault_is_caught(name, wrong):
    assert objects(name, np.exp, lambda g, x: (wrong * g * np.exp(x),), X)


@pytest.mark.parametrize("name", SEEING)
def test_a_gross_fault_in_one_of_two_outputs_is_caught(name):
    assert objects(
        name,
        lambda x: (np.sin(x), np.exp(x)),
        lambda g, x: (g[0] * np.cos(x) - g[1] * np.exp(x),),
        X,
    )


@pytest.mark.parametrize("name", EVERY)
def test_a_backward_that_raises_is_noticed(name):
    def vjp(g, x):
        raise ZeroDivisionError("inside backward")

    assert objects(name, np.exp, vjp, X)


@pytest.mark.parametrize("name", EVERY)
def test_a_wrong_number_of_gradients_is_noticed(name):
    assert objects(name, product, lambda g, x, w: (g * np.cos(x) * w,), X, W)


@pytest.mark.parametrize("name", SECOND)
def test_second_order(name):
    def vjp(g, x, w):
        return g * np.cos(x) * w, g * np.sin(x)

    def vjp2(h, g, x, w):
        return (
            h[0] * np.cos(x) * w + h[1] * np.sin(x),
            -h[0] * g * np.sin(x) * w + h[1] * g * np.cos(x),
            h[0] * g * np.cos(x),
        )

    same = W * np.ones_like(X)
    outcome = asked(name, product, vjp, X, same, vjp2=vjp2)
    assert outcome.verdict == "missed", outcome.said
    assert objects(name, product, vjp, X, same, vjp2=lambda *args: [2 * a for a in vjp2(*args)])
    assert not objects(name, product, vjp, X, same)


@pytest.mark.parametrize("name", SECOND)
def test_second_order_of_a_bare_gradient_and_of_several_outputs(name):
    cube = (lambda x: x**3, lambda g, x: 3 * g * x**2)
    vjp2 = lambda h, g, x: (3 * h * x**2, 6 * h * g * x)  # noqa: E731
    outcome = asked(name, *cube, X, vjp2=vjp2)
    assert outcome.verdict == "missed", outcome.said
    assert objects(name, *cube, X, vjp2=lambda h, g, x: (3 * h * x**2, np.zeros_like(x)))

    both = (lambda x: (np.sin(x), x**2), lambda g, x: (g[0] * np.cos(x) + g[1] * 2 * x,))

    def both2(h, g, x):
        return (h[0] * np.cos(x), h[0] * 2 * x), h[0] * (2 * g[1] - g[0] * np.sin(x))

    outcome = asked(name, *both, X, vjp2=both2)
    assert outcome.verdict == "missed", outcome.said
    assert objects(name, *both, X, vjp2=lambda *args: (both2(*args)[0], both2(*args)[1] * 1.5))


# --- what the originals are known for -------------------------------------------------------------


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", ["torch", "torch-fast"])
def test_torch_passes_a_relative_error_of_a_thousandth(name):
    assert not objects(name, np.exp, lambda g, x: (1.0009 * g * np.exp(x),), X)
    assert objects(name, np.exp, lambda g, x: (1.01 * g * np.exp(x),), X)


@pytest.mark.needs_torch
def test_torch_blames_relu_at_zero_and_float32():
    relu = (lambda x: np.maximum(x, 0), lambda g, x: (g * (x > 0),))
    assert objects("torch", *relu, np.array([0.0, 1.0]))
    assert not objects("torch", *relu, np.array([-1.0, 1.0]))
    square = (lambda x: x**2, lambda g, x: (2 * g * x,))
    assert objects("torch", *square, np.array([200.0], np.float32))


@pytest.mark.needs_torch
def test_torch_fast_mode_passes_a_zeroed_entry_that_slow_mode_sees():
    def vjp(g, x):
        gradient = g * np.cos(x)
        gradient[250] = 0
        return (gradient,)

    x = np.linspace(0.5, 1, 500)
    assert objects("torch", np.sin, vjp, x)
    assert not objects("torch-fast", np.sin, vjp, x)


@pytest.mark.parametrize("name", ["dezero", "minitorch"])
def test_an_all_ones_cotangent_passes_a_softmax_without_gradient(name):
    assert not objects(name, softmax, lambda g, x: (np.zeros_like(x),), X)


@pytest.mark.parametrize("name", [p for p in SEEING if p.values[0] not in {"dezero", "minitorch"}])
def test_the_others_see_a_softmax_without_gradient(name):
    assert objects(name, softmax, lambda g, x: (np.zeros_like(x),), X)


def test_smallpebble_passes_any_gradient():
    assert not objects("smallpebble", np.square, lambda g, x: (g * 123,), X)


def test_hips_passes_a_relative_error_below_its_constant():
    assert not objects("hips", np.exp, lambda g, x: ((1 + 4e-7) * g * np.exp(x),), X)


def test_minitorch_looks_at_one_element_of_each_input():
    def vjp(at):
        def pull(g, x):
            gradient = g * np.cos(x)
            gradient[at] *= 2
            return (gradient,)

        return pull

    seen = [objects("minitorch", np.sin, vjp(at), X) for at in np.ndindex(X.shape)]
    assert sum(seen) == 1


@pytest.mark.parametrize("name", EVERY)
def test_a_forgotten_sum_is_caught_unless_the_engine_heals_it(name):
    seen = objects(name, product, lambda g, x, w: (g * np.cos(x) * w, g * np.sin(x)), X, W)
    assert seen == (name not in {"torch", "torch-fast", "minitorch", "smallpebble"})


def test_chainer_refuses_what_its_engine_refuses():
    assert objects("chainer", np.sin, lambda g, x: ((g * np.cos(x)).astype(np.float32),), X)
    assert objects("chainer", np.sin, lambda g, x: ((g * np.cos(x))[:1],), X)
    assert objects("chainer", pick, lambda g, x, t: (picked(g, x, t), g), X, np.array([2, 0]))


# --- what can't be run ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_without_a_float_there_is_nothing_to_run(name):
    outcome = asked(name, lambda t: 1.0 * t, lambda g, t: (None,), np.arange(3))
    assert outcome.verdict == "not run"
    assert "float" in outcome.said


def test_what_an_adapter_cannot_give_is_not_run():
    empty = (lambda x: x.sum(), lambda g, x: (g * np.ones_like(x),), np.zeros((0, 3)))
    assert asked("minitorch", *empty).verdict == "not run"
    assert asked("scipy", *empty).verdict == "not run"


def test_numbers_beyond_float32_are_not_run_by_tinygrad():
    square = (np.square, lambda g, x: (2 * g * x,))
    assert asked("tinygrad", *square, np.array([1e30])).verdict == "not run"
    assert asked("tinygrad", *square, np.array([2.0])).verdict == "missed"


@pytest.mark.parametrize("name", [p for p in EVERY if p.values[0] not in {"minitorch", "scipy"}])
def test_an_empty_input_passes(name):
    x = np.zeros((0, 3))[:0]
    outcome = asked(name, np.exp, lambda g, x: (g * np.exp(x),), x)
    assert outcome.verdict == "missed", outcome.said
    outcome = asked(name, lambda x: x.sum(), lambda g, x: (g * np.ones_like(x),), x)
    assert outcome.verdict == "missed", outcome.said


def test_a_pair_says_why_it_cannot_be_made():
    with pytest.raises(NotRun, match="no input is a float"):
        Pair((np.exp, np.exp), [np.arange(3)])


# --- isolation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_random_state_is_the_same_before_and_after_and_for_everyone(name):
    drawn = []

    def f(x):
        drawn.append(np.random.random())
        return np.sin(x)

    before = np.random.get_state()[1].tolist()
    asked(name, f, lambda g, x: (g * np.cos(x),), X)
    assert np.random.get_state()[1].tolist() == before
    assert drawn[0] == np.random.RandomState(0).random()


def test_every_case_gets_new_arrays_and_functions():
    made, seen = [], []

    def make():
        made.append(1)
        return lambda x: seen.append(x.copy()) or np.sin(x.copy()), spoil

    def spoil(g, x):
        x[...] = 77  # a fault that must not reach the next checker
        return (g * np.cos(x),)

    case = Case("spoiler", "state", make, lambda: (X,), ("mutates input",))
    for name in ("dezero", "chainer"):
        seen.clear()
        runner.asked(RIVALS[name].load())(case)
        first = seen[0] if name == "chainer" else seen[0] - np.eye(1, 6).reshape(2, 3) * 1e-4
        np.testing.assert_allclose(first, X, atol=1e-12)
    assert len(made) == 2


# --- the board ------------------------------------------------------------------------------------

EXP = (np.exp, lambda g, x: (g * np.exp(x),))
DOUBLED = (np.exp, lambda g, x: (2 * g * np.exp(x),))
FLIPPED = (np.exp, lambda g, x: (-g * np.exp(x),))
FAULTS = {
    "doubled": case_of(DOUBLED, [X], ("factor",), "doubled", says="2"),
    "flipped": case_of(FLIPPED, [X], ("sign",), "flipped", "structure"),
}
CORRECT = {"exp": case_of(EXP, [X], name="exp", group="correct")}


@pytest.fixture
def answers(monkeypatch):
    """Makes the judge say what a test wants of the cases in turn."""

    def install(*reports):
        rest = iter(reports)

        def check(*args, **kwargs):
            report = next(rest)
            if isinstance(report, Exception):
                raise report
            return report

        monkeypatch.setattr(judge, "check", check, raising=False)

    return install


def failed(hint, pattern=""):
    return Report("f", findings=(Finding("wrong gradient", "off", hint=hint, pattern=pattern),))


GOOD = [failed("factor", "off by a factor 2"), failed("sign"), Report("f")]
RULES_ONLY = [name for name, rival in RIVALS.items() if rival.kind == "rule"]


def test_a_perfect_board(answers):
    answers(*GOOD)
    lines = []
    board = scoreboard(["dezero", "smallpebble"], lines.append, FAULTS, CORRECT)
    assert board.perfect
    assert [row.name for row in board.rows] == ["judge", "dezero", "smallpebble"]
    assert [row.caught() for row in board.rows] == [(2, 2), (2, 2), (0, 2)]
    assert [row.blamed() for row in board.rows] == [(0, 1)] * 3
    assert board.ours.hinted() == (2, 2)
    assert lines[0] == "tinygrad_cls judge: 1 of 3, doubled"
    assert len(lines) == 9
    text = board.table()
    assert "diagnosis: 2 of 2" in text
    assert "| DeZero gradient_check*" in text
    assert "MISSED" not in text


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ([Report("f"), *GOOD[1:]], "MISSED doubled (values): passed"),
        ([GOOD[0], ValueError("a bug\nof ours"), GOOD[2]], "MISSED flipped (structure): Value"),
        ([*GOOD[:2], failed("zero")], "BLAMED exp (correct): wrong gradient: off"),
        ([*GOOD[:2], ValueError("a bug")], "BLAMED exp (correct): ValueError: a bug"),
    ],
)
def test_whatever_ours_gets_wrong_is_on_the_board(answers, reports, told):
    answers(*reports)
    board = scoreboard([], None, FAULTS, CORRECT)
    assert not board.perfect
    assert told in board.table()


@pytest.mark.parametrize("report", [failed("zero"), failed("factor", "off by 3"), failed("")])
def test_a_wrong_diagnosis_is_on_the_board(answers, report):
    answers(report, *GOOD[1:])
    board = scoreboard([], None, FAULTS, CORRECT)
    assert board.perfect
    assert board.ours.hinted() == (1, 2)
    assert "MISJUDGED doubled" in board.table()


def test_unsure_is_neither_caught_nor_passed(answers):
    unsure = Report("f", findings=(Finding("not judged", "no finite value"),))
    answers(unsure, GOOD[1], unsure)
    board = scoreboard([], None, FAULTS, CORRECT)
    assert [outcome.verdict for outcome in board.ours.outcomes] == ["missed", "caught", "blamed"]


def test_a_loss_is_judged_by_its_rule(monkeypatch):
    told = {}

    def check_loss(f, *inputs, **kwargs):
        told.update(kwargs, inputs=inputs)
        return failed("mean and sum")

    monkeypatch.setattr(judge, "check_loss", check_loss, raising=False)
    options = {"reduction": "sum"}
    case = case_of(EXP, [X, W], ("mean and sum",), rule="mse_loss", options=options)
    board = scoreboard([], None, {"case": case}, {})
    assert board.ours.hinted() == (1, 1)
    assert told["rule"] == "mse_loss"
    assert told["reduction"] == "sum"
    assert len(told["inputs"]) == 2


def test_json(answers):
    answers(*GOOD)
    data = json.loads(scoreboard(["smallpebble"], None, FAULTS, CORRECT).to_json())
    assert data["perfect"] is True
    ours, pebble = data["rows"]
    assert (ours["caught"], ours["faults"], ours["hinted"]) == (2, 2, 2)
    assert ours["groups"]["structure"] == {"caught": 1, "faults": 1}
    assert pebble["hinted"] is None
    assert [o["verdict"] for o in pebble["outcomes"]] == ["missed", "missed", "passed"]
    assert data["versions"]["numpy"] == np.__version__


def test_a_missing_rival_is_listed(answers, monkeypatch):
    answers(*GOOD)
    for module in ("jax", "jax.test_util"):
        monkeypatch.setitem(sys.modules, module, None)
    board = scoreboard(["jax"], None, FAULTS, CORRECT)
    assert [row.name for row in board.rows] == ["judge"]
    assert "pip install 'tinygrad_cls[scoreboard]'" in board.missing["jax"]
    assert "missing: jax: jax is not installed" in " ".join(board.table().split())
    assert "jax" in json.loads(board.to_json())["missing"]


def test_an_unknown_rival_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no rival is called 'troch': there are torch, torch-fast"):
        scoreboard(["troch"])


def test_the_figure(answers, tmp_path):
    from tinygrad_cls.experiments.figures import save

    answers(*GOOD)
    figure = scoreboard(RULES_ONLY, None, FAULTS, CORRECT).figure()
    path = tmp_path / "board.svg"
    save(figure, path, "svg")
    assert xml.etree.ElementTree.parse(path).getroot().tag.endswith("svg")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("2 of 2") >= 2
    assert "0 of 2" in texts  # SmallPebble
    assert figure.axes[0].get_yticklabels()[0].get_text() == "tinygrad_cls judge"
