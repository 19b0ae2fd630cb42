"""The stepper: its scene is complete and consistent, its page can't be broken out of, its command
says what is wrong in one line.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls._torch.gradients import comparison
from tinygrad_cls.experiments import EXPERIMENTS, train
from tinygrad_cls.stepper import StepError, add_step, of_experiment, of_function
from tinygrad_cls.stepper.command import whole as whole_number
from tinygrad_cls.trace.nudge import STEPS
from tinygrad_cls.trace.page import page, part, strings
from tinygrad_cls.trace.scene import scene, table, visible
from tinygrad_cls.trace.why import Walker

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u2028'\"&"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.out = nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return self.out(tg.relu(self.layer(x)))


def net_trace() -> Any:
    """Two layers, a ReLU that is off for one neuron, a value used twice, a broadcast factor."""
    tg.manual_seed(0)
    model = Net()
    with tg.no_grad():
        model.layer.bias[1] = -9.0
    x, t = tg.tensor([[1.0, 2.0], [-1.0, 0.5]]), tg.tensor([1.0, 0.0])
    scale = tg.tensor([0.5], requires_grad=True)
    with tg.trace() as made:
        z = model(x).squeeze(1) * scale
        twice = z * z + z
        loss = nn.BCEWithLogitsLoss()(twice, t)
        loss.backward()
    return made


@pytest.fixture(scope="module")
def trace() -> Any:
    return net_trace()


@pytest.fixture(scope="module")
def made(trace: Any) -> dict[str, Any]:
    return scene(trace, torch=False)


def whole(made: dict[str, Any], index: int) -> Any:
    """A table of the scene as an array; all of these are small."""
    table = made["tables"][index]
    return np.array([float(x) for x in table["data"]]).reshape(table["shape"])


def label(made: dict[str, Any], value: str) -> str:
    return str(made["values"][value]["label"])


# --- the scene ------------------------------------------------------------------------------------


def test_it_is_json_whatever_the_numbers() -> None:
    x = tg.tensor([0.0, math.inf, math.nan, -math.inf], requires_grad=True)
    with tg.trace() as t:
        (x * 0).sum().backward()
    again = json.loads(json.dumps(scene(t, torch=False), allow_nan=False))
    value = again["values"][again["gradients"][0] if "gradients" in again else "v0"]
    assert again["tables"][value["table"]]["data"] == [0.0, "inf", "nan", "-inf"]
    assert again["tables"][value["table"]]["norm"] == "nan"


def test_it_is_complete(trace: Any, made: dict[str, Any]) -> None:
    assert len(made["steps"]) == len(trace.steps)
    for step, found in zip(trace.steps, made["steps"], strict=True):
        assert found["symbols"] == step.rule.symbols
        assert found["words"].keys() == strings().keys()
        assert [x["name"] for x in found["operands"]] == list(step.operands)
        assert found["receiver"] in made["values"]
        for name in ("g", "contribution", "after", "before", "local", "raw"):
            if found[name] is not None:
                assert 0 <= found[name] < len(made["tables"])
    landed = {s["receiver"]: s["lands"]["after"] for s in made["steps"] if "lands" in s}
    assert len(landed) == 5
    for gradient in trace.gradients:
        found = whole(made, landed[gradient.value]).astype(np.float32)
        np.testing.assert_array_equal(found, gradient.after)
    drawn = set(re.findall(r'data-node="([^"]+)"', made["graph"]))
    assert {v["node"] for v in made["values"].values()} == drawn


def test_its_numbers_replay_the_chain_rule(made: dict[str, Any]) -> None:
    """From the seed, with what the page shows: terms, sums, arrivals."""
    arrived = {seed["value"]: whole(made, seed["g"]) for seed in made["seeds"]}
    for step in made["steps"]:
        g = whole(made, step["g"])
        np.testing.assert_array_equal(arrived[step["value"]], g)
        c = whole(made, step["contribution"])
        for cell in range(c.size):
            terms = step["terms"][cell]
            assert all(incoming == g.flat[i] for i, _, incoming in terms)
            total = sum(factor * incoming for _, factor, incoming in terms)
            # the terms' own roundings in float32
            assert abs(total - c.flat[cell]) <= 1e-6 * sum(abs(a * b) for _, a, b in terms)
        before = 0 if step["before"] is None else whole(made, step["before"])
        assert (step["before"] is None) == (step["arrival"] == 1)
        np.testing.assert_allclose(before + c, whole(made, step["after"]), rtol=1e-6)
        arrived[step["receiver"]] = whole(made, step["after"])
        if step["raw"] is not None:
            raw = whole(made, step["raw"]).sum(tuple(step["summed"]))
            np.testing.assert_allclose(raw.reshape(c.shape), c, rtol=1e-6)
    assert {s["arrivals"] for s in made["steps"]} == {1, 3}  # z is used three times
    summed = [s for s in made["steps"] if s["summed"]]
    assert any(s["summed"] == [0] for s in summed)  # scale was broadcast
    assert all(s["raw"] is not None for s in summed)


@pytest.mark.parametrize("shape", [(), (3,), (20,), (2, 3), (20, 10), (3, 4, 12)])
def test_the_cells_in_view_are_those_of_the_table(shape: tuple[int, ...]) -> None:
    a = np.arange(math.prod(shape)).reshape(shape)
    assert [int(x) for x in table(a)["data"]] == visible(shape)


def test_large_tables_are_cut_and_long_sums_end() -> None:
    w = tg.ones(12, 20, requires_grad=True)
    with tg.trace() as t:
        (tg.ones(30, 12) @ w).sum().backward()
    found = scene(t, torch=False)
    (w_id,) = [name for name, value in found["values"].items() if value["label"] == "w"]
    table = found["tables"][found["values"][w_id]["table"]]
    assert (table["shape"], table["rows"], table["columns"]) == ([12, 20], 8, 8)
    assert table["norm"] == pytest.approx(math.sqrt(240))
    terms = found["steps"][-1]["terms"][0]
    assert len(terms) == 13  # 12 products, and how many more, with their sum
    assert terms[-1] == [18, 18.0]


def test_an_earlier_gradient_is_shown() -> None:
    w = tg.tensor([2.0], requires_grad=True)
    w.grad = tg.tensor([5.0])
    with tg.trace() as t:
        (w * 3).sum().backward()
    found = scene(t, torch=False)
    lands = found["steps"][-1]["lands"]
    assert [whole(found, lands[k]).tolist() for k in ("before", "after")] == [[5.0], [8.0]]


def test_it_grows_with_the_trace_and_not_faster() -> None:
    x = tg.ones(2, requires_grad=True)
    with tg.trace() as t:
        y = x
        for _ in range(600):
            y = tg.relu(y) + 1
        y.sum().backward()
    found = scene(t, torch=False)
    assert len(found["steps"]) > 1200
    assert len(page(found)) < 3_000_000


# --- why zero? ------------------------------------------------------------------------------------


def reasons(trace: Any, step: int, cell: int) -> list[str]:
    return [link.because for link in Walker(trace).walk(step, cell)]


def test_a_zero_leads_to_the_relu_that_made_it(trace: Any, made: dict[str, Any]) -> None:
    names = {label(made, s["receiver"]): i for i, s in enumerate(made["steps"])}
    # the weights of neuron 1: row 1 of (3, 2); nothing came in, as its ReLU was off
    assert reasons(trace, names["layer.weight"], 2) == ["arrived", "relu"]
    (*_, last) = Walker(trace).walk(names["layer.weight"], 2)
    assert last.facts["input"] < -8
    # the weight behind it: it is multiplied by that ReLU's zeros
    (link,) = Walker(trace).walk(names["out.weight"], 1)
    assert (link.because, link.facts["relu"]) == ("factor", True)
    assert made["whys"][f"{names['out.weight']}:1"]["because"] == "factor"
    with pytest.raises(ValueError, match="not zero"):
        reasons(trace, names["out.bias"], 0)


def test_every_reason() -> None:
    x = tg.tensor([40.0, 1.0], requires_grad=True)
    w = tg.tensor([[0.0, 2.0], [3.0, 0.0]])

    def because(f: Any, cell: int = 0) -> str:
        with tg.trace() as t:
            f().backward()
        leaf = [s.number for s in t.steps if t[s.receiver].requires_grad and s.receiver == "v0"]
        return reasons(t, leaf[-1], cell)[-1]

    def bce() -> Any:
        loss = nn.BCEWithLogitsLoss()(x, tg.tensor([1.0, 0.0]))
        return loss

    assert because(lambda: tg.sigmoid(x).sum()) == "saturated"
    assert because(bce) == "fitted"
    assert because(lambda: tg.clamp(x, max=2.0).sum()) == "chosen"
    assert because(lambda: tg.floor(x).sum()) == "flat"
    assert because(lambda: (x * 0).sum()) == "factor"
    assert because(lambda: (x * tg.tensor([1.0, -1.0])).sum() * 0) == "factor"
    assert because(lambda: (x @ tg.tensor([[1.0, -1.0], [0.0, 0.0]])).sum()) == "cancel"
    assert because(lambda: (x * 1e-30).sum() * 1e-30) == "underflow"
    masked = tg.tensor([[1.0, 0.0]])
    assert because(lambda: ((tg.relu(x.unsqueeze(0) - 50) * masked) @ w).sum()) == "relu"

    class Own(tg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 0

    assert because(lambda: Own.apply(x).sum()) == "unknown"


def test_arrivals_that_cancel_have_no_one_reason() -> None:
    """One of the arrivals is zero on its own, and is not to blame."""
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.trace() as t:
        y = x * 1
        (y * 3 - y * 3 + y * 0).sum().backward()
    (link,) = Walker(t).walk(t.steps[-1].number, 0)
    assert (link.because, link.next) == ("arrived", None)


@pytest.mark.parametrize("turned", [False, True])
def test_the_zero_factor_is_named(turned: bool) -> None:
    x, zero = tg.tensor([1.0], requires_grad=True), tg.tensor([0.0])
    with tg.trace() as t:
        (zero * x if turned else x * zero).sum().backward()
    (link,) = Walker(t).walk(t.steps[-1].number, 0)
    assert link.facts["operand"] == ("a" if turned else "b")
    assert t[link.facts["value"]].name == "zero"


def test_a_product_of_zeros_on_both_sides_is_mixed() -> None:
    w = tg.ones(1, 2, requires_grad=True)
    x = tg.tensor([[0.0, 1.0], [1.0, 1.0]])
    with tg.trace() as t:
        y = x @ w.T
        (y * tg.tensor([[1.0], [0.0]])).sum().backward()
    step = [s for s in t.steps if s.op is not None and s.op.name == "product"][-1]
    (first, *_) = Walker(t).walk(step.number, 0)
    assert (first.because, first.facts["terms"], first.facts["blocked"]) == ("mixed", 2, 1)


# --- nudge and torch ------------------------------------------------------------------------------


def test_numeric_slopes_agree_with_the_gradients(trace: Any, made: dict[str, Any]) -> None:
    assert len(made["nudge"]["leaves"]) == 5
    entries = 0
    for leaf in made["nudge"]["leaves"]:
        gradient = whole(made, leaf["gradient"])
        for i, losses in leaf["losses"].items():
            more, less = losses[3]
            entries += 1
            # the gradient's float32, and curvature times eps**2
            assert (more - less) / (2 * STEPS[3]) == pytest.approx(gradient.flat[i], abs=1e-6)
    assert entries == 6 + 3 + 3 + 1 + 1


def test_what_cannot_be_nudged_says_so() -> None:
    x = tg.tensor([1.0], requires_grad=True)
    with tg.trace() as t:
        y = (x**3).sum()
        (g,) = tg.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
    assert scene(t, torch=False)["nudge"]["why"] == "function"


@pytest.mark.needs_torch
def test_every_gradient_agrees_with_torch(trace: Any) -> None:
    torch = scene(trace)["torch"]
    assert len(torch["leaves"]) == 5
    assert all(leaf["agrees"] for leaf in torch["leaves"])
    assert all(leaf["exact"] <= 1e-14 for leaf in torch["leaves"])


@pytest.mark.needs_torch
def test_a_wrong_rule_does_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    formula = tg.ops.tanh.formulas[0]
    monkeypatch.setattr(formula, "function", lambda g, y: g * (1 - y * y) * 1.001)
    x, w = tg.tensor([0.5, 1.0], requires_grad=True), tg.tensor([2.0], requires_grad=True)
    with tg.trace() as t:
        (tg.tanh(x) * w).sum().backward()
    torch = scene(t)["torch"]
    assert [leaf["agrees"] for leaf in torch["leaves"]] == [True, False]


def test_the_losses_of_all_backward_passes_are_nudged() -> None:
    w = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    with tg.trace() as t:
        (w * 3).sum().backward()
        (w * w).sum().backward()
    (leaf,) = scene(t, torch=False)["nudge"]["leaves"]
    slopes = [
        (more - less) / (2 * STEPS[2]) for more, less in (p[2] for p in leaf["losses"].values())
    ]
    np.testing.assert_allclose(slopes, w.grad.numpy(), rtol=1e-9)


@pytest.mark.needs_torch
def test_torch_goes_backward_as_often() -> None:
    """Onto a gradient that was there before; and each pass from its own seed."""
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    w.grad = tg.tensor([10.0, 20.0])
    with tg.trace() as t:
        (w * 3).sum().backward()
        (w * w).sum().backward()
    (leaf,) = comparison(t).leaves
    for found in (leaf.ours, leaf.theirs, leaf.ours_exact, leaf.theirs_exact):
        assert found.tolist() == [15.0, 27.0]


@pytest.mark.needs_torch
def test_an_element_that_is_picked_twice_agrees_with_torch() -> None:
    w = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with tg.trace() as t:
        (w[tg.tensor([0, 0, 2])] ** 2).sum().backward()
    (leaf,) = scene(t)["torch"]["leaves"]
    assert leaf["agrees"]


@pytest.mark.needs_torch
def test_nan_and_inf_agree_with_torchs() -> None:
    """And spoil no other leaf; the scale is that of the finite numbers."""
    w = tg.tensor([0.0, -1.0, 2.0], requires_grad=True)
    v = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with tg.trace() as t:
        ((w / w).log() + (v - 1).sqrt()).sum().backward()
    for w_or_v in scene(t)["torch"]["leaves"]:
        assert w_or_v["agrees"]
    t.gradients[-1].after[-1] += 1
    assert [leaf["agrees"] for leaf in scene(t)["torch"]["leaves"]].count(False) == 1


@pytest.mark.needs_torch
def test_what_a_hook_changed_is_not_compared() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda g: 3 * g)
    with tg.trace() as t:
        (w * w).sum().backward()
    assert "a hook changed a gradient" in scene(t)["torch"]["text"]
    assert scene(t)["nudge"]["why"] == "hook"


@pytest.mark.needs_torch
def test_what_torch_cannot_run_is_named() -> None:
    x = tg.tensor([1.0], requires_grad=True)

    class Double(tg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    with tg.trace() as t:
        Double.apply(x).sum().backward()
    torch = scene(t)["torch"]
    assert torch["why"] == "unmatched"
    assert "Double" in torch["text"]


def test_without_torch_it_says_so(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert scene(trace)["torch"] == {"why": "missing"}
    assert "[reference]" in strings()["en"]["torch.missing"]


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile() -> str:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.trace({HOSTILE: x}) as t:
        (x * x).sum().backward()
    found = scene(t, title=HOSTILE, about=HOSTILE, torch=False)
    return page(found, "ko")


def test_hostile_names_stay_inside(hostile: str) -> None:
    assert hostile.count("<script") == 3
    assert hostile.count("</script") == 3
    assert "<img" not in hostile
    assert "<!--" not in hostile
    data = re.search(r'id="scene">(.*?)</script>', hostile, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["title"] == HOSTILE


def test_the_policy_allows_what_is_in_the_page_alone(hostile: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', hostile)
    assert policy is not None
    for tag, source in (("style", "style-src"), ('script type="module"', "script-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag.split()[0]}>", hostile, re.DOTALL)
        assert text is not None
        digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    urls = set(re.findall(r"https?://[^\s\"'\\<]+", hostile))
    assert urls == {"http://www.w3.org/2000/svg"}  # a name, which nothing loads
    assert not re.search(r"\sstyle=|\son\w+=\"|@import|url\(", hostile)


def test_a_notebook_gets_a_frame_that_may_run_scripts_alone(trace: Any) -> None:
    frame = trace._repr_html_()
    assert frame.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert re.sub(r'srcdoc="[^"]*"', "", frame).count('sandbox="allow-scripts"') == 1
    assert frame.count("<") == 2


def test_an_unknown_language(made: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'en' and 'ko'"):
        page(made, "tlh")


def test_all_texts_are_there_in_both_languages() -> None:
    texts = strings()
    assert texts["en"].keys() == texts["ko"].keys()
    for key, text in texts["en"].items():
        places = set(re.findall(r"\{\w+\}", text))
        assert set(re.findall(r"\{\w+\}", texts["ko"][key])) == places, key
    script = part("stepper.js")
    used = set(re.findall(r'\bthis\.t\("([^"]+)"', script))
    assert len(used) > 40
    assert used <= texts["en"].keys()


def test_the_component_has_no_loophole() -> None:
    script = part("stepper.js")
    assert not re.search(
        r"^\s*import\b|\beval\b|innerHTML|Function\(|fetch\(|XMLHttp", script, re.MULTILINE
    )
    assert re.findall(r"^export function (\w+)", script, re.MULTILINE) == [
        "mount",
        "format",
        "typed",
        "near",
    ]


# --- the command ----------------------------------------------------------------------------------


def step(*words: str) -> None:
    """``python -m tinygrad_cls step WORDS``."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_step(parser.add_subparsers().add_parser)
    arguments = parser.parse_args(["step", *words])
    arguments.command(arguments)


@pytest.mark.parametrize("name", ["circles-linear", "circles-relu", "blobs"])
def test_the_pages_of_the_experiments(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.html"
    step(name, "--epoch", "1", "--html", str(file))
    assert 50_000 < file.stat().st_size < 300_000
    assert capsys.readouterr().out.startswith(f"{file}: 1")
    text = file.read_text(encoding="utf-8")
    assert f'"key":"title.{name}"' in text
    assert str(Path(__file__).parent.parent) not in text  # no folders of this machine


CODE = """
import tinygrad_cls as torch

def one_step():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward()

def forward_only():
    return torch.ones(2, requires_grad=True).sum()

def with_data(x):
    x.sum().backward()

def broken():
    raise ValueError("no luck")

number = 3
if __name__ == "__main__":
    import sys
    one_step()
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "net.py"
    file.write_text(CODE)
    return file


def test_own_code(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html = code.with_suffix(".html")
    for words in ([f"{code}:one_step"], [str(code)]):
        step(*words, "--html", str(html), "--lang", "ko")
        assert ": 3 steps of backward" in capsys.readouterr().out
        assert '<html lang="ko">' in html.read_text(encoding="utf-8")
    found = scene(of_function(code, "one_step"), torch=False)
    assert [v["label"] for v in found["values"].values() if v["node"]] == ["w", "mul", "loss"]
    assert found["steps"][0]["line"] == "net.py, line 6, in one_step: loss = (w * w).sum()"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("net.py:forward_only", "net.py:forward_only never called backward"),
        ("net.py:with_data", "called without arguments"),
        ("net.py:broken", r"raised ValueError: no luck \(net.py, line 16\)"),
        ("net.py:one_stop", "no function 'one_stop': did you mean one_step"),
        ("net.py:number", "is of type int, not a function"),
        ("none.py", "there is no file"),
        ("moons", "neither an experiment"),
    ],
)
def test_what_cannot_be_stepped_through(code: Path, what: str, said: str) -> None:
    html = code.with_suffix(".html")
    place = code.parent / what if ".py" in what else what
    with pytest.raises(StepError, match=said) as error:
        step(str(place), "--html", str(html))
    assert "\n" not in str(error.value)
    assert not html.exists()


def test_an_experiment_is_the_tutorials() -> None:
    """Trained so far; its first training samples are shown, and no gradient from before."""
    weights: list[dict[str, Any]] = []

    def keep(_: int, model: nn.Module) -> None:
        weights.append({name: p.numpy(force=True).copy() for name, p in model.named_parameters()})

    run = train(EXPERIMENTS["blobs"], epochs=1, show=lambda line: None, watch=keep)
    for epoch in (0, 1):
        t = of_experiment("blobs", epoch=epoch, samples=3)
        values = {v.name: v.array for v in t.values}
        for name, array in weights[epoch].items():
            np.testing.assert_array_equal(values[name], array)
        np.testing.assert_array_equal(t["v0"].array, np.asarray(run.data.X_train)[:3])
        assert {g.before for g in t.gradients} == {None}


def test_a_script_without_backward(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    for text, said in (
        ("import tinygrad_cls as tg\ntg.ones(2).sum()", "never called backward"),
        ("raise SystemExit(3)", "exited with 3"),
        ("def f(:", r"raised SyntaxError: [^)]*line 1\)$"),
    ):
        file.write_text(text)
        with pytest.raises(StepError, match=said):
            step(str(file), "--html", str(tmp_path / "out.html"))


def test_options_that_do_not_fit(code: Path) -> None:
    html = str(code.with_suffix(".html"))
    with pytest.raises(StepError, match="--epoch belongs to an experiment"):
        step(str(code), "--epoch", "3", "--html", html)
    with pytest.raises(StepError, match="would replace code"):
        step("blobs", "--html", str(code))
    with pytest.raises(argparse.ArgumentTypeError, match="'0' is not a whole number from 1 to 64"):
        whole_number(1, 64)("0")
    with pytest.raises(OSError, match="cannot be written"):
        step("blobs", "--html", str(code.parent / "nowhere" / "page.html"))
