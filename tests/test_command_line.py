"""The command line: what it prints and writes, and one line for everything that goes wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs the extra `experiments`")
pytest.importorskip("matplotlib", reason="needs the extra `experiments`")

import tinygrad_cls
from tinygrad_cls import __main__ as command_line
from tinygrad_cls.__main__ import main

BRIEF = ["train", "blobs", "--epochs", "10"]
POINTS = "a,b,kind\n" + "1,2,x\n2,1,y\n" * 5


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_train_prints_the_tutorials_lines_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(BRIEF) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Epoch: 10 | Loss: 0.66")
    assert (out.count("\n"), err) == (1, "")


def test_runs_as_a_module() -> None:
    command = [sys.executable, "-W", "error", "-m", "tinygrad_cls", *BRIEF]
    root = str(Path(tinygrad_cls.__file__).parents[1])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("Epoch: 10 |"), done.stderr) == (0, 1, "")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    if arguments[0] == "train":
        for name in ("circles-linear", "circles-relu", "blobs", "--data", "--eager", "examples:"):
            assert name in out
    else:
        assert ("train" if "--help" in arguments else tinygrad_cls.__version__) in out


def test_eager(capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for options in ([], ["--eager"]):
        assert main([*BRIEF, *options, "--json", "run.json"]) == 0
        runs.append((json.loads(Path("run.json").read_text()), capsys.readouterr()))
    (replay, lines), (eager, same_lines) = runs
    assert (replay["eager"], eager["eager"]) == (False, True)
    assert lines == same_lines


def test_json() -> None:
    assert main([*BRIEF, "--json", "run.json", "--seed", "7", "--lr", ".2"]) == 0
    run = json.loads(Path("run.json").read_text())
    assert (run["experiment"], run["seed"], run["lr"], run["epochs"]) == ("blobs", 7, 0.2, 10)
    assert (run["dtype"], run["train_points"], run["test_points"]) == ("float32", 800, 200)
    assert {len(values) for values in run["history"].values()} == {10}
    assert set(run["history"]) == {"loss", "acc", "test_loss", "test_acc"}


def test_a_diverged_run_is_told_and_its_json_can_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*BRIEF, "--lr", "1e30", "--json", "run.json", "--plot", "run.png"]) == 0
    assert "try a smaller --lr" in capsys.readouterr().err
    text = Path("run.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["history"]["loss"][-1] is None


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_plot(name: str, start: bytes) -> None:
    assert main([*BRIEF, "--plot", name]) == 0
    assert Path(name).read_bytes().startswith(start)
    assert os.listdir() == [name]


@pytest.mark.parametrize("name", ["circles-linear", "circles-relu", "blobs"])
def test_the_readers_points(name: str) -> None:
    Path("points.csv").write_text(POINTS)
    arguments = ["train", name, "--epochs", "300", "--data", "points.csv"]
    assert main([*arguments, "--json", "run.json", "--plot", "run.png"]) == 0
    run = json.loads(Path("run.json").read_text())
    assert (run["features"], run["classes"]) == (["a", "b"], ["x", "y"])
    assert run["history"]["acc"][-1] == 100


def test_a_bar_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(BRIEF) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Epoch: 10 |")
    assert f"\r[{'#' * 20}{' ' * 20}] epoch 5 of 10" in err
    assert err.endswith("\r\x1b[K")


# --- What goes wrong ------------------------------------------------------------------------------

WRONG = {
    "no command": ([], "required: COMMAND"),
    "unknown command": (["fly"], "invalid choice: 'fly'"),
    "no experiment": (["train"], "required: EXPERIMENT"),
    "unknown experiment": (["train", "spirals"], "invalid choice: 'spirals'"),
    "unknown option": ([*BRIEF, "--fast"], "unrecognized arguments: --fast"),
    "no epochs": (["train", "blobs", "--epochs", "0"], "'0' is not a whole number above 0"),
    "epochs a fraction": (["train", "blobs", "--epochs", "1.5"], "'1.5' is not a whole number"),
    "lr zero": ([*BRIEF, "--lr", "0"], "'0' is not a number above 0"),
    "lr negative": ([*BRIEF, "--lr", "-.1"], "'-.1' is not a number above 0"),
    "lr nan": ([*BRIEF, "--lr", "nan"], "'nan' is not a number above 0"),
    "lr infinite": ([*BRIEF, "--lr", "inf"], "'inf' is not a number above 0"),
    "seed a word": ([*BRIEF, "--seed", "luck"], "'luck' is not a whole number"),
    "seed too large": ([*BRIEF, "--seed", str(2**64)], "is not a whole number of 64 bits"),
    "dtype": ([*BRIEF, "--dtype", "float16"], "invalid choice: 'float16'"),
    "no such data": ([*BRIEF, "--data", "none.csv"], "none.csv: No such file"),
    "data a folder": ([*BRIEF, "--data", "."], "Is a directory"),
    "data empty": ([*BRIEF, "--data", "empty.csv"], "holds no points"),
    "data ragged": ([*BRIEF, "--data", "ragged.csv"], "line 2: 2 columns where the first has 3"),
    "data a word": ([*BRIEF, "--data", "word.csv"], "'b' is not a number"),
    "data of one class": ([*BRIEF, "--data", "single.csv"], "every point is of class '0'"),
    "data too short": ([*BRIEF, "--data", "short.csv"], "too few to split"),
    "data of three classes": (
        ["train", "circles-relu", "--data", "three.csv"],
        "two classes apart, the data has 3; the experiment blobs takes any number",
    ),
    "plot of no kind": ([*BRIEF, "--plot", "a.txt"], "must be .png, .svg or .pdf"),
    "plot without ending": ([*BRIEF, "--plot", "a"], "must be .png, .svg or .pdf"),
    "plot nowhere": ([*BRIEF, "--plot", "no/a.png"], "no/a.png: cannot be written"),
    "json nowhere": ([*BRIEF, "--json", "no/a.json"], "no/a.json: cannot be written"),
    "json a folder": ([*BRIEF, "--json", "."], "is not a file"),
    "json over the data": ([*BRIEF, "--data", "short.csv", "--json", "short.csv"], "different"),
}
FILES = {
    "empty.csv": "",
    "ragged.csv": "1,2,0\n1,2\n",
    "word.csv": "1,2,0\n1,b,1\n",
    "single.csv": "1,2,0\n" * 9,
    "short.csv": "1,2,0\n1,2,0\n1,2,1\n1,2,1\n",
    "three.csv": "1,2,0\n1,2,1\n1,2,2\n" * 3,
}


@pytest.mark.parametrize(("arguments", "complaint"), WRONG.values(), ids=WRONG)
def test_one_line_and_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILES.items():
        Path(name).write_text(text)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinygrad-cls: error: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert set(os.listdir()) == set(FILES)


@pytest.mark.parametrize("missing", ["sklearn", "matplotlib"])
def test_a_missing_extra_is_named_before_training(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main([*BRIEF, "--plot", "a.png"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        f"tinygrad-cls: error: {missing} is not installed; "
        "run: pip install 'tinygrad_cls[experiments]'\n",
    )


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "train", interrupt)
    assert main([*BRIEF, "--json", "run.json"]) == 130
    assert capsys.readouterr().err == "tinygrad-cls: interrupted\n"
    assert os.listdir() == []


def test_a_reader_that_leaves() -> None:
    command = f"{sys.executable} -m tinygrad_cls train blobs --epochs 500 | head -1"
    root = str(Path(tinygrad_cls.__file__).parents[1])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (141, 1, "")
