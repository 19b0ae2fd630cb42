"""The stepper's page in a browser: every mode, by keyboard too, without an error or a request."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.trace.page import page, strings
from tinygrad_cls.trace.scene import scene

HOSTILE = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"
TEXTS = strings()["en"]
ENTER, RIGHT, LEFT, DOWN, END, HOME, TAB, SPACE = (
    "\ue007", "\ue014", "\ue012", "\ue015", "\ue010", "\ue011", "\ue004", " ",
)  # fmt: skip


@pytest.fixture(scope="module")
def traced() -> Any:
    """A layer, a ReLU of which neuron 1 is off, and a factor that is broadcast."""
    tg.manual_seed(0)
    layer, out = nn.Linear(2, 3), nn.Linear(3, 1)
    with tg.no_grad():
        layer.bias[1] = -9.0
    x, t = tg.tensor([[1.0, 2.0], [-1.0, 0.5]]), tg.tensor([1.0, 0.0])
    scale = tg.tensor([0.5], requires_grad=True)
    with tg.trace() as made:
        z = out(tg.relu(layer(x))).squeeze(1) * scale
        loss = nn.BCEWithLogitsLoss()(z * z + z, t)
        loss.backward()
    return made


@pytest.fixture(scope="module")
def file(traced: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("stepper") / "page.html"
    path.write_text(page(scene(traced, torch=False), "en"), encoding="utf-8")
    return path


class Opened:
    """A page, and what a person does with it."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())

    def all(self, selector: str) -> Any:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return str(self.one(selector).text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def active(self) -> str:
        return str(self.browser.execute_script("return document.activeElement.className"))


@pytest.fixture
def opened(browser: Any, file: Path, console_errors: Callable[[], list[str]], requests: Any) -> Any:
    """The page; after the test its console is clean and it asked for nothing but itself."""
    yield Opened(browser, file)
    assert console_errors() == []
    assert {url for url in requests() if not url.startswith("about:")} <= {file.as_uri()}


def test_watch(opened: Opened, traced: Any) -> None:
    steps = len(traced.steps)
    assert len(opened.all(".st-item")) == steps + 1
    assert opened.text(".st-count") == f"1 of {steps + 1}"
    said = []
    for step in traced.steps:
        opened.one(".st-next").click()
        said.append(opened.one(".st-live").get_property("textContent"))
        assert opened.text(".st-event h2") == step.rule.symbols
        now = opened.one(".node.st-now").get_attribute("data-node")
        to = opened.one(".node.st-to").get_attribute("data-node")
        assert (now, to) == (step.value, step.receiver)
        edges = opened.all(".edge.st-now")
        assert {e.get_attribute("data-from") for e in edges} == {step.receiver}
        shown = [float(b.text.replace("−", "-")) for b in opened.all("[data-role=c] td button")]
        assert shown == pytest.approx(step.contribution.ravel(), rel=0.006, abs=1e-12)
    assert len(set(said)) == steps
    assert not opened.one(".st-next").is_enabled()
    heads = opened.all(".st-table thead th[scope=col]") + opened.all(".st-table th[scope=row]")
    assert len(heads) > 4


def test_sums_and_broadcasts_are_told(opened: Opened, traced: Any) -> None:
    twice = next(i for i, s in enumerate(traced.steps, 1) if s.arrival == 2)
    opened.all(".st-item")[twice].click()
    assert "is used 3 times" in opened.text(".st-event")
    tables = opened.all(".st-event h3 ~ .st-flow .st-table")
    assert len(tables) == 3  # what was there + what arrives = what is there now
    summed = next(i for i, s in enumerate(traced.steps, 1) if s.summed)
    opened.all(".st-item")[summed].click()
    assert opened.text(".st-axes") == TEXTS["summed"].format(axes=0)


def test_keyboard_only(opened: Opened, traced: Any) -> None:
    last = len(traced.steps) + 1
    opened.press(RIGHT, RIGHT, LEFT)
    assert opened.text(".st-count") == f"2 of {last}"
    opened.press(END)
    assert opened.text(".st-count") == f"{last} of {last}"
    opened.press(HOME, TAB, TAB)  # languages, then the tab that is on
    opened.press(TAB)
    assert opened.active() == "st-tab"
    opened.press(TAB, DOWN, DOWN)  # the list takes one stop
    assert opened.active() == "st-item"
    assert opened.text(".st-count") == f"3 of {last}"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert opened.browser.execute_script(outline) != "none"
    opened.all("[data-role=c] td button")[0].send_keys(RIGHT)
    assert opened.text(".st-count") == f"3 of {last}"  # it moved in the table
    chosen = opened.browser.execute_script("return document.activeElement.dataset.cell")
    opened.press(ENTER)
    assert f"[{chosen}" in opened.text(".st-worked var")
    opened.press("2")
    assert opened.one("[data-mode=predict]").get_attribute("aria-selected") == "true"


def test_play(opened: Opened) -> None:
    opened.browser.execute_script("document.querySelector('.st-play').focus()")
    opened.press(SPACE)
    assert opened.text(".st-play") == TEXTS["pause"]
    done = """const [count, done] = [document.querySelector('.st-count'), arguments[0]];
              const first = count.textContent;
              const timer = setInterval(() => {
                if (count.textContent !== first) { clearInterval(timer); done(count.textContent) }
              }, 20)"""
    assert opened.browser.execute_async_script(done).startswith("2 of")
    opened.one(".st-play").click()
    assert opened.text(".st-play") == TEXTS["play"]


def test_predict(opened: Opened, traced: Any) -> None:
    opened.press("2", RIGHT)
    step = traced.steps[0]
    assert opened.all("[data-role=c] td button") == []  # nothing is given away
    assert len(opened.all("[data-role=c] td.hid")) == step.contribution.size
    asked = int(opened.text(".st-question var").split("[")[1].rstrip("]"))
    answer = float(step.contribution[asked])
    guess = opened.one("#st-guess")
    guess.send_keys(str(-answer), ENTER)
    assert "its sign is not" in opened.text(".st-verdict")
    guess.send_keys("seven", ENTER)
    assert opened.text(".st-verdict") == TEXTS["not.a.number"]
    guess.clear()
    guess.send_keys("99", ENTER)
    assert opened.text(".st-verdict").startswith("Not 99. ")
    assert step.rule.symbols in opened.text(".st-verdict")
    assert len(opened.all(".st-verdict .st-term")) == 1
    guess.clear()
    guess.send_keys(f"{answer:.2g}".replace(".", ","), ENTER)
    assert opened.text(".st-right").startswith("✓ Right")
    assert opened.text(".st-right").endswith("0 of 1 at the first try.")
    assert opened.active() == "st-next"
    opened.press(ENTER)
    opened.one("#st-guess").send_keys(f"{traced.steps[1].contribution.flat[0]:.4f}", ENTER)
    assert "1 of 2" in opened.text(".st-right")
    assert len(opened.all("[data-role=c] td button")) == traced.steps[1].contribution.size


def test_why_zero(opened: Opened, traced: Any) -> None:
    weight = next(g.value for g in traced.gradients if g.arrived.shape == (3, 2))
    number = next(i for i, s in enumerate(traced.steps, 1) if s.receiver == weight)
    opened.all(".st-item")[number].click()
    opened.one('[data-role=c] [data-cell="2"]').click()
    opened.one(".st-why").click()
    stops = opened.all(".st-walk li")
    assert "came in" in stops[0].text
    assert "ReLU was off" in stops[-1].text
    stops[-1].find_element("css selector", "button").click()
    assert opened.text(".st-op").startswith("relu")
    assert opened.one("[data-role=c] [aria-pressed=true]").text == "0"


def test_nudge(opened: Opened, traced: Any) -> None:
    opened.press("3")
    assert len(opened.all("#st-leaf option")) == len(traced.gradients)
    gradient = traced.gradients[0].arrived
    for i in range(gradient.size):
        opened.all("[data-role=n] td button")[i].click()
        numeric, analytic = (float(x.text.replace("−", "-")) for x in opened.all(".st-pair strong"))
        assert analytic == pytest.approx(gradient.flat[i], rel=1e-6)
        assert numeric == pytest.approx(analytic, abs=1e-5)
    assert opened.text(".st-result .st-right").startswith("✓")
    opened.one("[name=st-eps]:checked").send_keys(LEFT)
    assert "± 0.01" in opened.text(".st-result .st-sum")
    assert len(opened.all(".st-chart circle")) == 6
    assert len(opened.all(".st-nudge .st-rows tbody tr")) == 6


def test_torch(opened: Opened) -> None:
    opened.press("4")
    assert opened.text(".st-empty") == TEXTS["torch.off"]


@pytest.mark.needs_torch
def test_torch_agrees(browser: Any, traced: Any, tmp_path: Path, console_errors: Any) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(scene(traced)), encoding="utf-8")
    opened = Opened(browser, path)
    opened.press("4")
    assert opened.text(".st-right").startswith(f"✓ All {len(traced.gradients)} gradients agree")
    assert len(opened.all("td.yes")) == len(traced.gradients)
    opened.all(".st-torch tbody button")[1].click()
    assert opened.all(".st-torch tbody tr")[1].get_attribute("aria-current") == "true"
    assert len(opened.all(".st-torch .st-table")) == 3
    assert console_errors() == []


def test_languages(opened: Opened) -> None:
    opened.press(RIGHT)
    opened.all(".st-lang")[1].click()
    texts = strings()["ko"]
    assert opened.text(".st-next") == texts["next"]
    assert opened.text(".st-count").startswith(texts["count"].split("{")[0] or "1")
    assert opened.one(".stepper").get_attribute("lang") == "ko"
    assert "기울기" in opened.text(".st-words")


@pytest.mark.parametrize("width", [1280, 800, 500])
def test_nothing_sticks_out(opened: Opened, width: int) -> None:
    opened.browser.set_window_size(width, 800)
    for mode in "1234":
        opened.press(mode, *([END] if mode in "12" else []))
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert opened.browser.execute_script(wide) <= 0, mode


def test_hostile_names(browser: Any, tmp_path: Path, console_errors: Any, requests: Any) -> None:
    x = tg.tensor([1.0, math.nan], requires_grad=True)
    with tg.trace({HOSTILE: x}) as t:
        (x * x).sum().backward()
    path = tmp_path / "hostile.html"
    path.write_text(page(scene(t, title=HOSTILE, about=HOSTILE, torch=False)), encoding="utf-8")
    opened = Opened(browser, path)
    for mode in "1234":
        opened.press(mode, RIGHT, RIGHT)
    assert opened.text("h1") == HOSTILE
    assert opened.all("img") == []
    assert browser.execute_script("return window.hit") is None
    assert console_errors() == []
    assert {url for url in requests() if not url.startswith("about:")} == {path.as_uri()}


def test_a_trace_without_backward(browser: Any, tmp_path: Path, console_errors: Any) -> None:
    with tg.trace() as t:
        (tg.ones(2) * 2).sum()
    path = tmp_path / "forward.html"
    path.write_text(page(scene(t, torch=False)), encoding="utf-8")
    opened = Opened(browser, path)
    assert opened.text(".st-event h2") == TEXTS["none.title"]
    for mode in "1234":
        opened.press(mode, RIGHT)
    assert console_errors() == []
