"""``lint``: a faulty script fires its rule and no other, correct scripts stay silent, and the watch
changes no number that a script computes.
"""

import argparse
import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls._state import state
from tinygrad_cls.lint import LintError, lint, running
from tinygrad_cls.lint.command import add_lint
from tinygrad_cls.lint.watching import Watch

pytestmark = pytest.mark.filterwarnings("ignore:Using a target size")

HEAD = """
import tinygrad_cls as torch
from tinygrad_cls import nn, optim
from tinygrad_cls.nn import functional as F
torch.manual_seed(0)
X = torch.randn(32, 2)
y = (X[:, 0] > 0).float()
labels = (X[:, 1] > 0).long()
def net(*last):
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), *last)
"""
TRAIN = """
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(12):
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def training(model: str, loss: str = "F.binary_cross_entropy_with_logits(model(X).squeeze(1), y)"):
    return f"model = {model}\n" + TRAIN.format(loss=loss)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lints a script after the common head; its lines are numbered without the head."""
    monkeypatch.chdir(tmp_path)

    def run(body: str, *argv: str, head: str = HEAD) -> Any:
        script = tmp_path / "train.py"
        script.write_text(head + body, encoding="utf-8")
        return lint(script, argv)

    return run


def lines(report: Any, head: str = HEAD) -> list[tuple[str, int]]:
    return [(f.rule, f.line - head.count("\n")) for f in report]


# --- one faulty script a rule ---------------------------------------------------------------------

FAULTS: dict[str, tuple[str, int, str]] = {
    # of each: the script, the line that is blamed, and words of the finding
    "no-zero-grad": (
        training("net()").replace("    optimizer.zero_grad()\n", ""),
        6,
        "11 steps used gradients that still held .* 4 parameters: model.0.weight \\(8, 2\\)",
    ),
    "no-zero-grad by hand": (
        "w = torch.zeros(2, requires_grad=True)\nfor epoch in range(3):\n"
        "    loss = F.binary_cross_entropy_with_logits(X @ w, y)\n    loss.backward()\n"
        "    with torch.no_grad():\n        w -= 0.1 * w.grad\n",
        4,
        "2 steps used .* 1 parameter: w \\(2,\\)",
    ),
    "no-zero-grad by .data": (
        "w = torch.zeros(2, requires_grad=True)\nfor epoch in range(3):\n"
        "    loss = F.binary_cross_entropy_with_logits(X @ w, y)\n    loss.backward()\n"
        "    w.data = w.data - 0.1 * w.grad\n",
        4,
        "2 steps used .* 1 parameter: w \\(2,\\)",
    ),
    "softmax-before-cross-entropy": (
        training("nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(dim=1))",
                 "F.cross_entropy(model(X), labels)"),
        5,
        "Cross entropy applies softmax itself, but gets what softmax gave: shape \\(32, 2\\), .*"
        "can't fall below 0.313 with 2 classes",
    ),
    "softmax-before-cross-entropy by sigmoid": (
        training("nn.Linear(2, 2)", "F.cross_entropy(torch.sigmoid(model(X)).clamp(0.01), labels)"),
        5,
        "gets what sigmoid gave",
    ),
    "sigmoid-before-bce": (
        training("net(nn.Sigmoid())"),
        5,
        "BCE with logits applies sigmoid itself, but gets what sigmoid gave: shape .*"
        "0.313 where the target is 1 and 0.693",
    ),
    "target-shape": (
        training("net()", "F.mse_loss(model(X), y)"),
        5,
        "MSE of shapes \\(32, 1\\) and \\(32,\\) broadcasts to \\(32, 32\\): .* 1024 pairs",
    ),
    "target-shape by hand": (
        training("net()", "((model(X) - y) ** 2).mean()"),
        5,
        "A difference of shapes \\(32, 1\\) and \\(32,\\)",
    ),
    "target-shape in the accuracy": (
        training("net()") + "with torch.no_grad():\n    right = (model(X).round() == y).sum()\n",
        10,
        "A comparison of shapes",
    ),
    "eval-mode-in-training": (
        training("nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1))")
        .replace("    loss = ", "    model.eval() if epoch == 1 else None\n    loss = "),
        6,
        "model was trained in evaluation mode in 11 backward passes: Dropout 2 did not",
    ),
    "train-mode-in-evaluation": (
        training("nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))")
        + "with torch.inference_mode():\n    logits = model(X).squeeze(1)\n"
        "    predicted = torch.round(torch.sigmoid(logits))\n",
        10,
        "model was evaluated in training mode: BatchNorm1d 1 used the batch",
    ),
    "dead-relu": (
        training("net()") .replace("optimizer =", "nn.init.constant_(model[0].bias, -100)\n"
                                   "optimizer ="),
        6,
        "8 of the 8 ReLUs after model.0 are dead: 0 for every row in the last 12",
    ),
    "saturated-logits": (
        training("nn.Linear(2, 1)",
                 "F.binary_cross_entropy_with_logits(model(X * 1e5).squeeze(1), y.flip(0))")
        .replace("y.flip(0)", "1 - y").replace("lr=0.1", "lr=1e-9"),
        5,
        "In the last 12 training passes 100% of the rows .* beyond 16.6",
    ),
    "saturated-logits of a softmax": (
        training("nn.Linear(2, 2)", "F.cross_entropy(model(X * 1e5), labels)")
        .replace("lr=0.1", "lr=1e-9"),
        5,
        "that sure of the wrong class. The logits reach",
    ),
    "no-gradient": (
        training("nn.ModuleDict({'a': nn.Linear(2, 1), 'b': nn.Linear(2, 1)})"
                 if hasattr(tg.nn, "ModuleDict") else "Two()",
                 "F.binary_cross_entropy_with_logits(model.a(X).squeeze(1), y)"),
        3,
        "2 parameters never got a gradient in 12 backward passes: model.b.weight \\(1, 2\\), "
        "model.b.bias",
    ),
    "no-gradient for detach": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 1)\n"
        "    def forward(self, x):\n        return self.b(self.a(x).relu().detach())\n"
        + training("Net()"),
        9,
        "2 parameters never got .*: model.a.weight \\(4, 2\\)",
    ),
    "not-in-optimizer": (
        training("net()").replace("model.parameters()", "model[0].parameters()"),
        3,
        "2 parameters got gradients but were never given to an optimizer: model.2.weight",
    ),
    "linear-in-a-row": (
        training("nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 4), nn.Linear(4, 1))"),
        5,
        "3 Linear layers in a row, model.0, model.1 and model.2, with nothing between them: "
        "2 -> 8 -> 4 -> 1",
    ),
    "linear-in-a-row by hand": (
        "A = torch.randn(2, 4, requires_grad=True)\na = torch.zeros(4, requires_grad=True)\n"
        "B = torch.randn(4, 1, requires_grad=True)\noptimizer = optim.SGD([A, a, B], lr=0.1)\n"
        "for epoch in range(5):\n    h = X @ A + a\n    logits = (h @ B).squeeze(1)\n"
        "    loss = F.binary_cross_entropy_with_logits(logits, y)\n"
        "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n",
        7,
        "2 Linear layers in a row, A and B, with nothing between them: 2 -> 4 -> 1",
    ),
    "no-backward": (
        training("net()").replace("    loss.backward()\n", ""),
        5,
        "A loss is computed here, but the script never calls backward",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_script_fires_its_rule_alone(name: str, run: Any) -> None:
    body, line, words = FAULTS[name]
    report = run(body)
    assert not report.ended, report
    assert lines(report) == [(name.split(maxsplit=1)[0], line)], report
    assert re.search(words, report[0].what), report
    assert report[0].fix
    assert "train.py:" in str(report)


def test_every_rule_has_a_faulty_script() -> None:
    fired = {name.split()[0] for name in FAULTS}
    assert {rule.name for rule in Watch().rules} <= fired
    assert {"sigmoid-before-bce", "no-backward"} <= fired


def test_raised_for_the_shapes(run: Any) -> None:
    report = run(training("net()", "nn.BCEWithLogitsLoss()(model(X), y)"))
    assert lines(report) == [("target-shape", 5)]
    assert "input of shape (32, 1) and a target of shape (32,)" in report[0].what
    assert report.failed
    assert f"train.py:{5 + HEAD.count(chr(10))}: ValueError: Target size" in report.ended


# --- correct scripts ------------------------------------------------------------------------------

CORRECT = {
    "plain": training("net()"),
    "zero_grad after the step, to zeros": training("net()").replace(
        "    optimizer.zero_grad()\n", ""
    )
    + "    optimizer.zero_grad(set_to_none=False)\n",
    "minibatches": training("net()").replace(
        "    loss = F.binary_cross_entropy_with_logits(model(X).squeeze(1), y)",
        "    rows = torch.randperm(32)[:8]\n"
        "    loss = F.binary_cross_entropy_with_logits(model(X[rows]).squeeze(1), y[rows])",
    ),
    "accumulation on purpose": """
model = net()
optimizer = optim.Adam(model.parameters(), lr=0.01)
for epoch in range(5):
    for part in range(4):
        rows = slice(8 * part, 8 * part + 8)
        loss = F.binary_cross_entropy_with_logits(model(X[rows]).squeeze(1), y[rows])
        (loss / 4).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    optimizer.zero_grad()
""",
    "two optimizers, a generator and a discriminator": """
G = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 2))
D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(8, 1))
of_g, of_d = optim.Adam(G.parameters()), optim.Adam(D.parameters())
one, zero = torch.ones(32, 1), torch.zeros(32, 1)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(12):
    with torch.no_grad():
        fake = G(torch.randn(32, 3))
    D.zero_grad()
    (loss_fn(D(X), one) + loss_fn(D(fake), zero)).backward()
    of_d.step()
    G.zero_grad()
    loss_fn(D(G(torch.randn(32, 3))), one).backward()
    of_g.step()
""",
    "shared weights": """
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.same = nn.Linear(2, 4), nn.Linear(4, 4)
        self.last = nn.Linear(4, 1)
        self.last.weight = nn.Parameter(torch.ones(1, 4))
    def forward(self, x):
        h = self.first(x).tanh()
        for _ in range(3):
            h = self.same(h).tanh()
        return self.last(self.same(h).tanh() @ self.same.weight.T + 1)
"""
    + training("Tied()"),
    "frozen layers, and a frozen part in evaluation mode": """
body = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU())
body.requires_grad_(False)
body.eval()
model = nn.Linear(8, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
whole = nn.Sequential(body, model)
for epoch in range(12):
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits((model(body(X)) + whole(X)).squeeze(1), y)
    loss.backward()
    optimizer.step()
""",
    "train and eval around each epoch": """
model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(12):
    model.train()
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(model(X), labels)
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.inference_mode():
        logits = model(X)
        right = (logits.softmax(dim=1).argmax(dim=1) == labels).float().mean()
        F.cross_entropy(logits, labels)
""",
    "left in evaluation mode, which matters to no layer": training("net()").replace(
        "    loss =", "    model.eval()\n    loss ="
    ),
    "a saliency map in evaluation mode": """
model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1))
"""
    + TRAIN.format(loss="F.binary_cross_entropy_with_logits(model(X).squeeze(1), y)")
    + """
model.eval()
x = X.clone().requires_grad_()
model(x).sum().backward()
print(x.grad.abs().mean())
""",
    "compiled steps": """
model = net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
@torch.compile
def step(x, t):
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(x).squeeze(1), t)
    loss.backward()
    optimizer.step()
    return loss
for epoch in range(12):
    step(X, y)
""",
    "a main function, and sys.exit(0)": """
import sys
def main(epochs):
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(X).squeeze(1), y).backward()
        optimizer.step()
    return 0
if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
""",
    "a bottleneck, and a hidden layer that is used twice": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.back = nn.Linear(2, 1), nn.Linear(1, 2)
        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 4)
    def forward(self, x):
        h = self.a(self.back(self.code(x)))
        return self.b(h).relu() + h
"""
    + training("Net()", "model(X).pow(2).mean()"),
    "pairs on purpose": training(
        "net()", "(model(X).unsqueeze(1) - model(X).squeeze(1)).pow(2).mean()"
    )
    + "same = labels.unsqueeze(1) == labels\napart = X[:, :1] - X[:, 0]\n",
    "a good end is confident": training("nn.Linear(2, 1)").replace("lr=0.1", "lr=1e3"),
    "a gradient of a gradient, and one by autograd.grad": """
w = torch.ones(2, requires_grad=True)
optimizer = optim.SGD([w], lr=0.01)
for epoch in range(12):
    loss = F.binary_cross_entropy_with_logits(X @ w, y)
    (g,) = torch.autograd.grad(loss, w, create_graph=True)
    optimizer.zero_grad()
    (loss + g.pow(2).sum()).backward()
    optimizer.step()
""",
    "the script's own recording and anomaly detection": """
import warnings
warnings.simplefilter("ignore")
model = net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(12):
    with torch.autograd.detect_anomaly(), torch.recording() as tape:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(X).squeeze(1), y).backward()
        optimizer.step()
    assert tape[0].op is torch.ops.affine
""",
    "a Function of the script's own": """
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, g):
        return g * 2
"""
    + training("net()", "F.binary_cross_entropy_with_logits(Double.apply(model(X)).squeeze(1), y)"),
}


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_script_stays_silent(name: str, run: Any) -> None:
    report = run(CORRECT[name], "12")
    assert not report.findings, report
    assert not report.ended, report
    assert report.passes >= 5
    assert "train.py: no findings in" in str(report)


def tutorial() -> str:
    """The tutorial's script, for this engine."""
    text = Path(__file__).with_name("tutorial.py").read_text(encoding="utf-8")
    text = re.sub(r"import torch  # engine", "import tinygrad_cls as torch", text)
    text = re.sub(r"from torch import nn  # engine", "from tinygrad_cls import nn", text)
    text = re.sub(r"epochs = (1000|2000)", "epochs = 120", text)
    assert "from torch" not in text
    return text


def test_the_tutorial(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first model is three Linear layers in a row, as its text explains; nothing else is said,
    and it prints what it prints without the watch, to the last digit.
    """
    pytest.importorskip("sklearn", reason="needs the extra `experiments`")
    pytest.importorskip("matplotlib", reason="needs the extra `experiments`")
    report = run(tutorial(), head="")
    assert not report.ended, report
    assert report.rules == ["linear-in-a-row"], report
    assert "model_1.layer_1, model_1.layer_2 and model_1.layer_3" in report[0].what
    watched = capsys.readouterr().out
    exec(compile(tutorial(), "tutorial", "exec"), {"__name__": "__main__"})
    assert watched == capsys.readouterr().out


# --- what is shown --------------------------------------------------------------------------------


def test_here_it_is(run: Any) -> None:
    """The matrix that the layers are: the network's own output."""
    body = training("nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2, bias=False), nn.Linear(2, 2))",
                    "F.cross_entropy(model(X), labels)")  # fmt: skip
    body += "print(repr((model(torch.eye(2)) - model(torch.zeros(2))).T.tolist()))\n"
    report = run(body)
    numbers = [float(x) for x in re.findall(r"-?\d+\.\d*", report[0].shown)]
    namespace: dict[str, Any] = {}
    exec(HEAD + body, namespace)
    model = namespace["model"]
    b = model(tg.zeros(2))
    W = (model(tg.eye(2)) - b).T
    assert numbers == pytest.approx([*W.flatten().tolist(), *b.tolist()], abs=1e-4)
    assert report[0].shown.startswith("W = [[")
    assert "keep one nn.Linear(2, 2)" in report[0].fix


def test_report(run: Any) -> None:
    report = run(FAULTS["no-zero-grad"][0])
    page = str(report).splitlines()
    assert page[0] == f"train.py:{6 + HEAD.count(chr(10))}  no-zero-grad"
    assert page[1] == "    loss.backward()"
    assert page[-1] == "train.py: 1 finding in 12 backward passes"
    assert max(map(len, page)) <= 100
    assert "\x1b[31m" in report.text(colour=True)
    told = json.loads(report.to_json())
    assert told["passes"] == 12
    assert told["findings"][0]["rule"] == "no-zero-grad"
    assert told["findings"][0]["line"] == 6 + HEAD.count("\n")


# --- how a run ends -------------------------------------------------------------------------------


def test_a_script_that_raises(run: Any) -> None:
    report = run(training("net()").replace("    optimizer.zero_grad()\n", "") + "1 / 0\n")
    assert report.rules == ["no-zero-grad"]
    line = 8 + HEAD.count("\n")
    assert report.ended == f"train.py:{line}: ZeroDivisionError: division by zero"
    assert report.failed
    assert "1 finding so far" in str(report)


def test_a_script_that_exits_otherwise(run: Any) -> None:
    report = run(training("net()") + "raise SystemExit(3)")
    assert report.failed
    assert report.ended == "the script exited with status 3"


def test_ctrl_c(run: Any) -> None:
    report = run(FAULTS["no-zero-grad"][0] + "raise KeyboardInterrupt\n")
    assert report.rules == ["no-zero-grad"]
    assert report.ended.startswith("interrupted: train.py:")
    assert not report.failed


def test_a_script_that_computes_nothing(run: Any) -> None:
    report = run("print(1)\n", head="")
    assert lines(report, "") == [("no-backward", 1)]
    assert "computed nothing with tinygrad_cls" in report[0].what


def test_the_scripts_surroundings(run: Any, tmp_path: Path) -> None:
    """Arguments, name, import path; afterwards all is as it was."""
    (tmp_path / "helper.py").write_text("LR = 0.1\n")
    found = sys.argv, list(sys.path), tg.nn.Module.__call__, tg.optim.SGD.add_param_group
    body = training("net()").replace("lr=0.1", "lr=helper.LR")
    for epochs in ("3", "4"):
        report = run("import helper, sys\nassert __name__ == '__main__'\n"
                     + body.replace("12", "int(sys.argv[1])"), epochs)  # fmt: skip
        assert (report.rules, report.ended, report.passes) == ([], "", int(epochs))
    assert "helper" not in sys.modules
    assert found == (sys.argv, sys.path, tg.nn.Module.__call__, tg.optim.SGD.add_param_group)
    assert state.tape is state.watch is state.events is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n", "imports torch itself, whose ops can't be watched; change the import"),
        ("from torch import nn\n", "import tinygrad_cls as torch"),
        ("x = (\n", "train.py, line 1 is not Python: '(' was never closed"),
        ("\0", "is not Python"),
    ],
)
def test_no_script_of_this_engine(text: str, message: str, run: Any) -> None:
    with pytest.raises(LintError) as refused:
        run(text, head="")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_script(tmp_path: Path) -> None:
    with pytest.raises(LintError, match="there is no script"):
        lint(tmp_path / "none.py")
    with pytest.raises(LintError, match="is not a file"):
        lint(tmp_path)


def test_torch_in_what_the_script_imports(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the run can tell."""
    monkeypatch.setitem(sys.modules, "torch", sys)
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(LintError, match=running.TORCH[:20]):
        run("import sys\nsys.modules['torch'] = sys\n", head="")


# --- the cost -------------------------------------------------------------------------------------

LOOP = """
model = net()
optimizer = optim.SGD(model.parameters(), lr=0.01)
import time
start = time.process_time()
for epoch in range({n}):
    loss = F.binary_cross_entropy_with_logits(model(X).squeeze(1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
seconds = time.process_time() - start
"""


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    """What is remembered of tensors goes with them."""

    def left(n: int) -> tuple[int, int]:
        watch = Watch()
        with watch.on():
            exec(HEAD + LOOP.format(n=n), {})
        gc.collect()
        sizes = [len(watch.scene.linear), len(watch.scene.leaves), len(watch.scene.known)]
        for rule in watch.rules:
            sizes += [len(v) for v in vars(rule).values() if hasattr(v, "__len__")]
        return sum(sizes), watch.scene.passes

    (small, passes), (large, more) = left(60), left(300)
    assert (passes, more) == (60, 300)
    assert large == small


def test_slowdown(run: Any) -> None:
    """The smallest step there is takes less than five times as long: 2 were measured. Of three."""
    ratios = []
    for _ in range(3):
        alone: dict[str, Any] = {}
        exec(HEAD + LOOP.format(n=100), alone)
        start = time.process_time()
        with Watch().on():
            exec(HEAD + LOOP.format(n=100), {})
        ratios.append((time.process_time() - start) / alone["seconds"])
    assert min(ratios) < 5


# --- the command ----------------------------------------------------------------------------------


def command(*words: str) -> int:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_lint(parser.add_subparsers().add_parser)
    arguments = parser.parse_args(["lint", *words])
    status: int = arguments.command(arguments)
    return status


def test_command(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(training("net()") + "import sys\nprint('of the script', sys.argv[1:])\n")
    capsys.readouterr()
    assert command("train.py", "--", "--epochs", "3") == 0
    out = capsys.readouterr().out
    assert out.startswith("of the script ['--epochs', '3']\n")
    assert out.endswith("train.py: no findings in 12 backward passes\n")
    assert command("--quiet", "train.py") == 0
    assert capsys.readouterr().out == "train.py: no findings in 12 backward passes\n"
    assert command("--json", "train.py") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["findings"] == []
    assert err == "of the script []\n"


def test_status(run: Any) -> None:
    run(FAULTS["no-zero-grad"][0])
    assert command("--quiet", "train.py") == 1
    run("1 / 0\n")
    assert command("--quiet", "train.py") == 2
    with pytest.raises(LintError):
        command("none.py")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_in_a_terminal(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    body = FAULTS["no-zero-grad"][0].replace("range(12)", "range(10**9)")
    body = body.replace("    loss =", "    print(epoch, flush=True)\n    loss =")
    script.write_text(HEAD + body)
    code = """
import signal
from tinygrad_cls.lint import lint
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
print(lint("train.py"))
"""
    root = str(Path(tg.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "5":
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "no-zero-grad" in out
    assert "interrupted: train.py:" in out


def test_numbers_are_those_of_a_run_without_a_watch(run: Any) -> None:
    """Bit for bit, though a tape makes backward feed Tensors."""
    body = HEAD + training("net()")
    alone: dict[str, Any] = {}
    exec(body, alone)
    watched: dict[str, Any] = {}
    with Watch().on():
        exec(body, watched)
    for a, b in zip(alone["model"].parameters(), watched["model"].parameters(), strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())
