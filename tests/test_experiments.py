"""The three experiments: the tutorial's numbers, the reader's points, the figures."""

import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cls as tg

pytest.importorskip("sklearn", reason="needs the extra `experiments`")
pytest.importorskip("matplotlib", reason="needs the extra `experiments`")

from tinygrad_cls.experiments import (
    EXPERIMENTS,
    DataError,
    MissingExtra,
    Points,
    Run,
    from_csv,
    split,
    train,
    training,
)
from tinygrad_cls.experiments.figures import run_figure, save
from tinygrad_cls.experiments.output import replacing, to_json

# --- Training -------------------------------------------------------------------------------------

LINES = {
    "circles-linear": (
        "Epoch: 100 | Loss: 0.69305 | Acc: 50.62% | Test loss: 0.69378 | Test acc: 49.00%",
        "Epoch: 1000 | Loss: 0.69298 | Acc: 51.00% | Test loss: 0.69468 | Test acc: 46.00%",
    ),
    "circles-relu": (
        "Epoch: 100 | Loss: 0.69117, Accuracy: 53.00% | Test Loss: 0.69104, Test Accuracy: 52.50%",
        "Epoch: 2000 | Loss: 0.04182, Accuracy: 99.88% | Test Loss: 0.06591, "
        "Test Accuracy: 100.00%",
    ),
    "blobs": (
        "Epoch: 10 | Loss: 0.66986, Acc: 96.38% | Test Loss: 0.68530, Test Acc: 97.00%",
        "Epoch: 100 | Loss: 0.03331, Acc: 99.25% | Test Loss: 0.02453, Test Acc: 99.50%",
    ),
}
X86 = platform.machine().lower() in ("x86_64", "amd64")


@pytest.mark.skipif(not X86, reason="the tutorial's digits hold on x86-64")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_prints_the_tutorials_lines(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    train(EXPERIMENTS[name])
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == LINES[name]
    train(EXPERIMENTS[name], eager=True)
    assert capsys.readouterr().out.splitlines() == lines
    assert len(lines) == {"circles-linear": 10, "circles-relu": 20, "blobs": 10}[name]


def brief(name: str = "blobs", points: Points | None = None, **options: object) -> Run:
    options = {"epochs": 3, "show": lambda line: None} | options
    return train(EXPERIMENTS[name], points, **options)


def test_the_seed_comes_before_the_model() -> None:
    first = brief()
    tg.rand(10)
    assert brief().history == first.history
    assert brief(seed=43).history != first.history


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64])
def test_history_and_dtype(name: str, dtype: tg.dtype) -> None:
    run = brief(name, dtype=dtype)
    history = run.history
    assert {len(history.loss), len(history.acc), len(history.test_loss), len(history.test_acc)} == {
        3
    }
    assert history.loss[2] < history.loss[0]
    assert all(p.dtype == dtype for p in run.model.parameters())
    assert (len(run.data.X_train), len(run.data.X_test)) == (800, 200)


def test_float64_starts_from_the_same_weights() -> None:
    narrow, wide = (brief(dtype=dtype).history.loss[0] for dtype in (tg.float32, tg.float64))
    assert narrow == pytest.approx(wide, rel=1e-5)  # float32 rounds to 6e-8 in some dozen steps


def test_options_count() -> None:
    assert brief(lr=0.5).history.loss[0] == brief().history.loss[0]
    assert brief(lr=0.5).history.loss[1] != brief().history.loss[1]
    assert len(brief(epochs=1).history.loss) == 1


def test_the_last_epoch_is_shown() -> None:
    shown: list[str] = []
    brief(epochs=12, show=shown.append)
    assert [line.split(" | ")[0] for line in shown] == ["Epoch: 10", "Epoch: 12"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_replay_gives_the_numbers_of_eager(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile(function: Callable[[], object]) -> object:
        compiled.append(tg.compile(function))
        return compiled[-1]

    def triple(epoch: int, model: tg.nn.Module) -> None:
        """The user writes between two epochs."""
        if epoch == 20:
            model.load_state_dict({name: 3 * p for name, p in model.state_dict().items()})

    monkeypatch.setattr(training, "compile", compile)
    eager, replay = (
        brief(name, epochs=30, dtype=tg.float64, watch=triple, eager=eager)
        for eager in (True, False)
    )
    assert [step.recordings for step in compiled] == [2]  # in training and in evaluation mode
    assert replay.history.loss[20] != pytest.approx(replay.history.loss[19], rel=1e-3)
    for curve, values in asdict(eager.history).items():
        # 1e-12: what docs/contract.md allows whatever reorders sums
        assert getattr(replay.history, curve) == pytest.approx(values, rel=1e-12, abs=0), curve
    assert replay.model.training is eager.model.training is False


@pytest.mark.parametrize("eager", [False, True])
def test_watch_sees_every_epoch(eager: bool) -> None:
    seen: list[tuple[int, bool]] = []

    def watch(epoch: int, model: tg.nn.Module) -> None:
        seen.append((epoch, all(p.grad is not None for p in model.parameters())))

    brief(watch=watch, eager=eager)
    assert seen == [(0, False), (1, True), (2, True), (3, True)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_probabilities_agree_with_the_predictions(name: str) -> None:
    run = brief(name, epochs=20)
    p = run.probabilities(run.points.X[:50])
    assert p.shape == (50, len(run.points.classes))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    right = run.probabilities(np.asarray(run.data.X_test)).argmax(axis=1)
    accuracy = 100 * np.mean(right == np.asarray(run.data.y_test))
    assert abs(accuracy - run.history.test_acc[-1]) < 5  # one step later than the history's


def test_a_lone_test_point() -> None:
    points = Points(np.eye(5, 3), np.array([0, 1, 0, 1, 0]), ("a", "b", "c"), ("0", "1"))
    run = brief("circles-relu", points)
    assert len(run.data.X_test) == 1


# --- The reader's points --------------------------------------------------------------------------

BODY = "1,2,0\n3,4,1\n5,6,0\n7,8,1\n9,10,1\n"


def csv(folder: Path, text: str | bytes) -> Path:
    path = folder / "points.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "features", "classes"),
    [
        (BODY, ("x1", "x2"), ("0", "1")),
        ("a,b,kind\n" + BODY, ("a", "b"), ("0", "1")),
        ("\ufeffa,b,kind\r\n" + BODY.replace("\n", "\r\n"), ("a", "b"), ("0", "1")),
        ("\n \n" + BODY.replace(",", " , ") + "\n\n", ("x1", "x2"), ("0", "1")),
        (BODY.replace(",0\n", ",-3.0\n").replace(",1\n", ",10\n"), ("x1", "x2"), ("-3", "10")),
        (
            BODY.replace(",0\n", ",dog\n").replace(",1\n", ',"c, t"\n'),
            ("x1", "x2"),
            ("c, t", "dog"),
        ),
        (BODY.replace(",", ";"), ("x1", "x2"), ("0", "1")),
        ('a,"b; in m",kind\n' + BODY, ("a", "b; in m"), ("0", "1")),
        ('"a\n1",b,kind\n' + BODY, ("a\n1", "b"), ("0", "1")),
        ("a\tb, in m\tkind\n" + BODY.replace(",", "\t"), ("a", "b, in m"), ("0", "1")),
    ],
    ids=[
        "plain",
        "header",
        "byte order mark",
        "blanks",
        "numbers in order",
        "words",
        "semicolons",
        "a semicolon",
        "a line break",
        "tabs",
    ],
)
def test_reads_points(
    tmp_path: Path, text: str, features: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    points = from_csv(csv(tmp_path, text))
    assert (points.features, points.classes) == (features, classes)
    assert points.X.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    first = int(classes[0] == "c, t")
    assert points.y.tolist() == [first, 1 - first, first, 1 - first, 1 - first]
    assert (points.X.dtype, points.y.dtype) == (np.float64, np.int64)


WRONG = {
    "empty": ("", "holds no points"),
    "only a header": ("a,b,c\n", "holds no points"),
    "one column": ("1\n2\n", "1 column: at least two features"),
    "two columns": ("1,0\n2,1\n", "2 columns: at least two features"),
    "spaces": ("0 " + BODY.replace(",", " "), "holds no points|separated by commas"),
    "ragged": (BODY + "1,2\n", "line 6: 2 columns where the first has 3"),
    "header too short": ("a,b\n" + BODY, "2 columns"),
    "a word": (BODY + "1,two,0\n", "line 6: 'two' is not a number"),
    "a word in the first line": ("1,two,0\n" + BODY, "line 1: 'two' is not a number"),
    "a gap": (BODY + "1,,0\n", "line 6: '' is not a number"),
    "not a number": (BODY + "1,nan,0\n", "line 6: 'nan' is not finite"),
    "infinite": (BODY + "-inf,1,0\n", "line 6: '-inf' is not finite"),
    "no class": (BODY + "1,2,\n", "line 6: '' names no class"),
    "class not a number": (BODY + "1,2,nan\n", "line 6: 'nan' names no class"),
    "words and numbers": (BODY + "1,2,l\n", "line 6: class 'l' is a word where others are numbers"),
    "one class": ("1,2,7\n3,4,7\n5,6,7\n", "every point is of class '7'"),
    "a measurement": ("1,2,.1\n3,4,.2\n5,6,.3\n", "3 classes in 3 points"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "not comma-separated text"),
}


@pytest.mark.parametrize(("text", "complaint"), WRONG.values(), ids=WRONG)
def test_refuses_points(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        from_csv(csv(tmp_path, text))
    assert "points.csv" in str(caught.value)


def test_refuses_what_does_not_suit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="4 points are too few"):
        brief("circles-relu", from_csv(csv(tmp_path, BODY[:-7])))
    with pytest.raises(DataError, match="two classes apart, the data has 4"):
        brief("circles-relu", EXPERIMENTS["blobs"].points())
    large = from_csv(csv(tmp_path, BODY + "1e39,1,0\n"))
    with pytest.raises(DataError, match=r"too large for torch\.float32"):
        split(large, tg.float32, tg.int64)
    assert split(large, tg.float64, tg.int64).X_train.dtype == tg.float64


@pytest.mark.parametrize("missing", ["sklearn", "sklearn.datasets"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets" if missing == "sklearn" else "x", False)
    with pytest.raises(MissingExtra, match=r"pip install 'tinygrad_cls\[experiments\]'"):
        EXPERIMENTS["blobs"].points()


# --- Figures and files ----------------------------------------------------------------------------


def spread_out(features: int, classes: int) -> Points:
    rng = np.random.default_rng(0)
    y = np.arange(20 * classes) % classes
    X = rng.normal(size=(len(y), features)) + 3 * y[:, None]
    names = tuple(f"x{i}" for i in range(features))
    return Points(X, y, names, tuple(map(str, range(classes))), source="mine.csv")


@pytest.mark.parametrize(("features", "classes"), [(2, 2), (2, 20), (3, 2)])
def test_draws_any_run(features: int, classes: int) -> None:
    figure = run_figure(brief(points=spread_out(features, classes)))
    assert figure.get_suptitle().startswith("mine.csv, blobs: ")
    assert len(figure.axes) == (4 if features == 2 else 2)


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(run_figure(brief(points=spread_out(2, 3))), tmp_path / name, "svg")
    a, b = ((tmp_path / name).read_bytes() for name in "ab")
    assert len(a) > 10_000
    assert a == b


def test_a_diverged_run_is_drawn() -> None:
    run = brief(lr=1e30)
    assert np.isnan(run.history.loss[-1])
    run_figure(run)


def test_replaces_a_file_only_when_all_went_well(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path) as scratch:
        scratch.write_text((tmp_path / "missing").read_text())
    assert path.read_text() == "old"
    with replacing(path) as scratch:
        scratch.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_what_a_link_points_to(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.touch()
    link.symlink_to(path)
    with replacing(link) as scratch:
        scratch.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


@pytest.mark.parametrize("where", [".", "missing/a.txt", "/dev/null"])
def test_what_cannot_be_written_is_told_on_entering(tmp_path: Path, where: str) -> None:
    with pytest.raises(OSError, match=r"not a file|cannot be written"), replacing(tmp_path / where):
        pytest.fail("entered")


def test_json_has_no_nan() -> None:
    assert to_json((float("inf"), {"a": [float("nan"), 1.5, "é"]})).split() == (
        '[ null, { "a": [ null, 1.5, "é" ] } ]'.split()
    )
