"""``tinygrad-cls judge``: what it prints and writes, its exit status, and one line for everything
that goes wrong."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_cls
from tinygrad_cls.__main__ import main
from tinygrad_cls.scoreboard import command, run

LAYERS = '''
import numpy as np

limit = 3


def softplus(x):
    return np.logaddexp(0, x)


def softplus_vjp(g, x):
    return (g / (1 + np.exp(-x)),)


def half_vjp(g, x):
    return (0.5 * g / (1 + np.exp(-x)),)


def kinked_vjp(g, x):
    """Wrong above 3 alone."""
    return (np.where(x > 3, 0, g / (1 + np.exp(-x))),)


def nowhere(x):
    return np.log(-1 - x * x)


def scale(x, w):
    return (x * w).tanh()


def take(x, i):
    return x[i]


def take_vjp(g, x, i):
    dx = np.zeros_like(x)
    np.add.at(dx, i, g)
    return dx, None


def tanh(x):
    return x.tanh()


def sigmoid(x):
    """Under another's name."""
    return x.tanh()


class nested:
    sine = staticmethod(np.sin)
    cosine = staticmethod(lambda g, x: (g * np.cos(x),))
'''
FILES = {
    "layers.py": LAYERS,
    "broken.py": 'raise RuntimeError("not\\ntoday")',
    "syntax.py": "def f(:",
    "leaves.py": "raise SystemExit(3)",
    "lacks.py": "import no_such_package",
}
SOFTPLUS = ["judge", "layers:softplus", "--shapes", "3,4"]
RIGHT = [*SOFTPLUS, "--vjp", "softplus_vjp"]
WRONG = [*SOFTPLUS, "--vjp", "half_vjp"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, text in FILES.items():
        Path(name).write_text(text)
    yield
    for name in [*FILES, "others.py"]:
        sys.modules.pop(name.removesuffix(".py"), None)


# --- verdicts -------------------------------------------------------------------------------------


def test_a_right_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(RIGHT) == 0
    out, err = capsys.readouterr()
    assert out.startswith("gradient check  softplus   inputs: x float64 (3, 4)")
    assert "PASS" in out
    assert err == ""


def test_a_wrong_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WRONG) == 1
    out, err = capsys.readouterr()
    assert "FAIL   wrong gradient: d out / d x[" in out
    assert "looks like: " in out
    assert err == ""


def test_no_value_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", "layers:nowhere", "--shapes", "3", "--vjp", "softplus_vjp"]) == 2
    out, err = capsys.readouterr()
    assert "UNSURE not judged" in out
    assert err == ""


def test_the_report_says_how_to_repeat_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WRONG, "--seed", "5", "--domain", "[0, 1]"]) == 1
    first = capsys.readouterr().out
    (line,) = [line for line in first.splitlines() if "reproduce: " in line]
    python, m, module, *words = shlex.split(line.partition("reproduce: ")[2])
    assert (python, m, module) == ("python", "-m", "tinygrad_cls")
    assert main(words) == 1
    second = capsys.readouterr().out
    assert first.splitlines()[1:] == second.splitlines()[1:]  # the first has the seconds
    assert main([*WRONG, "--seed", "6", "--domain", "[0, 1]"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] != first.splitlines()[1:]


def test_tensors_several_inputs_and_domains(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["judge", "layers:scale", "--shapes", "3,4; 4", "--domain", "[-1, 1]; [0.5, 1]"]
    assert main([*words, "--order", "2", "--dtype", "float32", "--probes", "2"]) == 0
    out = capsys.readouterr().out
    assert "x float32 (3, 4), w float32 (4,)" in out
    assert "2 probes" in out


def test_inputs_of_integers() -> None:
    words = ["judge", "layers:take", "--vjp", "take_vjp", "--shapes", "5; 7"]
    assert main([*words, "--domain", "real; integers [0, 5)"]) == 0


def test_a_function_inside_a_class_and_a_vjp_elsewhere() -> None:
    assert main(["judge", "layers:nested.sine", "--vjp", "nested.cosine", "--shapes", "3"]) == 0
    assert main([*SOFTPLUS, "--vjp", "layers:softplus_vjp"]) == 0


def test_examples_find_where_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["judge", "layers:softplus", "--vjp", "kinked_vjp", "--shapes", "2"]
    assert main([*words, "--domain", "[-5, 5]", "--examples", "200"]) == 1
    out = capsys.readouterr().out
    assert "np.array([" in out


@pytest.mark.needs_torch
def test_against_torch(capsys: pytest.CaptureFixture[str]) -> None:
    for twin in ("torch", "torch.tanh", "torch.nn.functional.tanh"):
        assert main(["judge", "layers:tanh", "--shapes", "3", "--against", twin]) == 0
        assert "torch's gradient" in capsys.readouterr().out
    main(["judge", "layers:sigmoid", "--shapes", "3", "--against", "torch"])
    assert "it is another function" in capsys.readouterr().out


ENGINES = {
    "torch": "def tanh(x):\n    return x.tanh()\n",
    "jax": "import jax\n\ndef tanh(x):\n    return jax.numpy.tanh(x)\n",
    "autograd": "import autograd.numpy as np\n\ndef tanh(x):\n    return np.tanh(x)\n",
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_function_of_another_engine(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(engine, reason="needs that engine")
    Path("others.py").write_text(ENGINES[engine])
    words = ["judge", "others:tanh", "--shapes", "3", "--order", "1", "--engine", engine]
    assert main(words) == 0
    assert "tanh   inputs: x float64 (3,)" in capsys.readouterr().out


@pytest.mark.parametrize(("engine", "extra"), [("torch", "'tinygrad_cls[reference]'"),
                         ("jax", "jax"), ("autograd", "autograd")])  # fmt: skip
def test_a_missing_engine_is_named(
    engine: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    assert main(["judge", "layers:tanh", "--shapes", "3", "--engine", engine]) == 2
    said = f"{engine} is not installed; run: pip install {extra}"
    assert capsys.readouterr().err == f"tinygrad-cls: error: {said}\n"


# --- files ----------------------------------------------------------------------------------------


def test_json_and_html(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WRONG, "--json", "a.json", "--html", "a.html"]) == 1
    report = json.loads(Path("a.json").read_text())
    assert (report["verdict"], report["name"]) == ("failed", "softplus")
    assert report["findings"][0]["kind"] == "wrong gradient"
    page = Path("a.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "wrong gradient" in page
    assert "not a file" not in capsys.readouterr().out


def test_a_file_of_a_wrong_call_is_not_written() -> None:
    Path("a.json").write_text("mine")
    assert main([*RIGHT, "--shapes", "3;3", "--json", "a.json"]) == 2
    assert Path("a.json").read_text() == "mine"
    assert set(os.listdir()) - {"__pycache__"} == {*FILES, "a.json"}


# --- the scoreboard -------------------------------------------------------------------------------


def board(verdict: str) -> run.Scoreboard:
    outcome = run.Outcome("halved", "values", verdict, 0.01, "wrong gradient", "factor", True)
    return run.Scoreboard((run.Row("judge", "tinygrad_cls judge", "ours", "", (outcome,)),))


@pytest.mark.parametrize(("verdict", "status"), [("caught", 0), ("missed", 1)])
def test_the_scoreboard(
    verdict: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `experiments`")
    asked = []

    def scoreboard(rivals: object, progress: object) -> run.Scoreboard:
        asked.append((rivals, progress))
        return board(verdict)

    monkeypatch.setattr(command, "scoreboard", scoreboard)
    words = ["judge", "--scoreboard", "--only", "torch", "scipy"]
    assert main([*words, "--json", "a.json", "--figure", "a.svg"]) == status
    assert asked == [(["torch", "scipy"], None)]
    assert json.loads(Path("a.json").read_text())["perfect"] is (status == 0)
    assert Path("a.svg").read_text().startswith("<?xml")
    assert "tinygrad_cls judge" in capsys.readouterr().out
    assert main(["judge", "--scoreboard", "--only"]) == status
    assert main(["judge", "--scoreboard"]) == status
    assert asked[1:] == [([], None), (None, None)]


def test_progress_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def scoreboard(rivals: object, progress: object) -> run.Scoreboard:
        assert callable(progress)
        progress("torch gradcheck: 3 of 100, " + "x" * 200)
        return board("caught")

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(command, "scoreboard", scoreboard)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["judge", "--scoreboard"]) == 0
    err = capsys.readouterr().err
    line = "torch gradcheck: 3 of 100, " + "x" * 32
    assert err == f"\r\x1b[K{line}\r\x1b[K"


# --- what goes wrong ------------------------------------------------------------------------------

CALLS = {
    "nothing": (["judge"], "nothing to judge: name a function, MODULE:FUNCTION, or --scoreboard"),
    "a module alone": (["judge", "layers"], "'layers' names no function: write package.module:"),
    "no name": (["judge", "layers:"], "'layers:' names no function"),
    "two colons": (["judge", "layers:a:b"], "'layers:a:b' names no function"),
    "a file": (["judge", "layers.py:softplus"], "name the module, not its file"),
    "no such module": (["judge", "nowhere:f"], "nowhere cannot be imported: No module named"),
    "a module that lacks another": (["judge", "lacks:f"], "lacks cannot be imported: No module "
                                    "named 'no_such_package'"),
    "a module that raises": (["judge", "broken:f"], "importing broken raised RuntimeError: not "
                             "today"),
    "a module with a mistake": (["judge", "syntax:f"], "importing syntax raised SyntaxError: "),
    "a module that leaves": (["judge", "leaves:f"], "importing leaves raised SystemExit: 3"),
    "no such function": (["judge", "layers:softplos"], "layers has no function 'softplos': did "
                         "you mean softplus?"),
    "not a function": (["judge", "layers:limit"], "layers:limit is of type int, not a function"),
    "no such vjp": ([*SOFTPLUS, "--vjp", "d_softplus"], "layers has no function 'd_softplus'"),
    "no shapes": (["judge", "layers:softplus"], 'shapes of the inputs are needed, for example '
                  '--shapes "3,4; 4"'),
    "no shape": ([*RIGHT, "--shapes", "3;x"], "'x' is no shape"),
    "too many shapes": ([*RIGHT, "--shapes", "3;3"], "softplus(x) does not take the 2 inputs of "
                        "--shapes: too many"),
    "too few shapes": (["judge", "layers:scale", "--shapes", "3"], "does not take the 1 input of "
                       "--shapes: missing a required argument: 'w'"),
    "no domain": ([*RIGHT, "--domain", "luck"], "'luck' is no domain: take real"),
    "too many domains": ([*RIGHT, "--domain", "real;unit"], "2 domains for 1 inputs"),
    "dtype": ([*RIGHT, "--dtype", "int8"], "invalid choice: 'int8'"),
    "no examples": ([*RIGHT, "--examples", "0"], "'0' is not a whole number above 0"),
    "seed": ([*RIGHT, "--seed", "-1"], "'-1' is not a whole number from 0"),
    "numpy without vjp": ([*SOFTPLUS, "--engine", "numpy"], "give its --vjp"),
    "vjp with another engine": ([*RIGHT, "--engine", "torch"], "--vjp is for functions of NumPy"),
    "json nowhere": ([*RIGHT, "--json", "no/a.json"], "no/a.json: cannot be written"),
    "one file twice": ([*RIGHT, "--json", "a", "--html", "./a"], "must be different files"),
    "only without scoreboard": ([*RIGHT, "--only", "torch"], "--only needs --scoreboard"),
    "scoreboard of a function": ([*SOFTPLUS[:2], "--scoreboard"], "layers:softplus belongs to"),
    "scoreboard with shapes": (["judge", "--scoreboard", "--shapes", "3"], "--shapes belongs to a"),
    "no such rival": (["judge", "--scoreboard", "--only", "luck"], "no rival is called 'luck'"),
    "figure of no kind": (["judge", "--scoreboard", "--figure", "a.txt"], "must be .png, .svg or"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "complaint"), CALLS.values(), ids=CALLS)
def test_one_line_and_status_2(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinygrad-cls: error: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert set(os.listdir()) - {"__pycache__"} == set(FILES)


@pytest.mark.needs_torch
@pytest.mark.parametrize(
    ("twin", "complaint"),
    [
        ("torch.nn.functional.softminus", "torch has no such function"),
        ("numpy.tanh", "torch has no such function"),
        ("torch.pi", "torch has no such function"),
        ("torch", "torch has no function named 'scale': name the one you mean"),
    ],
)
def test_no_such_twin(twin: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", "layers:scale", "--shapes", "3;3", "--against", twin]) == 2
    assert complaint in capsys.readouterr().err


def test_torch_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main([*RIGHT, "--against", "torch"]) == 2
    said = "torch is not installed; run: pip install 'tinygrad_cls[reference]'"
    assert capsys.readouterr().err == f"tinygrad-cls: error: {said}\n"


def test_hypothesis_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis.extra.numpy", None)
    assert main([*RIGHT, "--examples", "5"]) == 2
    said = "hypothesis is not installed; run: pip install 'tinygrad_cls[judge]'"
    assert capsys.readouterr().err == f"tinygrad-cls: error: {said}\n"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["judge", "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for word in ("--vjp", "--scoreboard", "positive", "examples:"):
        assert word in out


SCRIPT = "import sys; sys.path.remove(''); from tinygrad_cls.__main__ import main; sys.exit(main())"


@pytest.mark.parametrize("script", [["-m", "tinygrad_cls"], ["-c", SCRIPT]])
def test_the_current_directory_can_be_imported(script: list[str]) -> None:
    root = str(Path(tinygrad_cls.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", *script, *WRONG],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAIL" in done.stdout
