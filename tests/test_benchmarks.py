"""The benchmark can be trusted: it goes red on different work, and its statistics tell noise from
a difference."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks.engines import Control, PyTorch
from benchmarks.harness import Ratio, Timing, Unfair, check, measure, ratio, verdict
from benchmarks.tasks import Array, Task, tutorial

TASKS = tutorial(points=32)


class Toy:
    """A session of one weight, w -= w / 10 a step."""

    def __init__(self, name: str, gradient: object = (1.0, 2.0)) -> None:
        self.name, self.gradient, self.steps = name, np.array(gradient), 0

    def reset(self) -> None:
        self.steps = 0

    def step(self) -> float:
        self.steps += 1
        return 0.9**self.steps

    def state(self) -> dict[str, Array]:
        return {"w": np.full(2, 0.9**self.steps), "gradient of w": self.gradient}


# --- The same work first ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradient", "says"),
    [
        ([1.0, 2.002], r"2\.002 against 2\.0 at \(1,\)"),
        ([1.0, np.nan], "nan against 2.0"),
        ([-np.inf, 2.0], "-inf against 1.0"),
        ([1.0, 2.0, 3.0], r"float64\(3,\) against float64\(2,\)"),
        (np.array([1, 2], np.float32), r"float32\(2,\) against float64\(2,\)"),
    ],
)
def test_different_work_is_named(gradient: object, says: str) -> None:
    with pytest.raises(Unfair, match=f"toy, step 1, gradient of w: b differs .*{says}"):
        check("toy", [Toy("a"), Toy("b", gradient)], 3, 1e-4)


def test_a_missing_gradient_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = Toy("b")
    monkeypatch.setattr(lazy, "state", lambda: {"w": np.full(2, 0.9)})
    for sessions in ([Toy("a"), lazy], [lazy, Toy("a")]):
        with pytest.raises(Unfair, match=r"gradient of w: .* only one has it"):
            check("toy", sessions, 3, 1e-4)


def test_infinity_on_both_sides_proves_nothing() -> None:
    with pytest.raises(Unfair, match=r"inf against inf at \(0,\)"):
        check("toy", [Toy("a", [np.inf, 2.0]), Toy("b", [np.inf, 2.0])], 3, 1e-4)


def test_the_largest_difference_is_returned() -> None:
    sessions = [Toy("a"), Toy("b", [1.0, 2.00004]), Toy("c", [1.0, 2.00002])]
    assert check("toy", sessions, 3, 1e-4) == pytest.approx(2e-5)


class Faulty(Control):
    """PyTorch with one gradient times 1.001."""

    name = "faulty"
    where = "0.weight"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.model.get_parameter(self.where).register_hook(lambda g: g * 1.001)


@pytest.mark.needs_torch
@pytest.mark.parametrize("task", tutorial(), ids=str)
def test_a_gradient_times_1_001_goes_red(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("clean", [PyTorch(task), Control(task)], 10, task.tolerance) == 0
    for name, _ in PyTorch(task).model.named_parameters():
        monkeypatch.setattr(Faulty, "where", name)
        with pytest.raises(Unfair, match=f"^{task}, step 1, gradient of {name}: faulty differs"):
            check(str(task), [PyTorch(task), Faulty(task)], 10, task.tolerance)


@pytest.mark.needs_torch
def test_no_time_is_shown_for_different_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ENGINES", (PyTorch, Control, Faulty))
    assert command.main(["--quick"]) == 1
    shown = capsys.readouterr()
    assert "microseconds" not in shown.out
    assert "circles-relu float32, step 1, gradient of 0.weight: faulty differs" in shown.err


@pytest.mark.needs_torch
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_reset_repeats_the_same_steps(task: Task) -> None:
    session = PyTorch(task)
    runs = []
    for _ in range(2):
        session.reset()
        runs.append([session.step() for _ in range(5)])
    assert runs[0] == runs[1]
    assert runs[0][-1] < runs[0][0]


# --- Honest statistics ------------------------------------------------------------------------


def bursts(rng: np.random.Generator, rounds: int, median: float) -> Array:
    """Times as machines make them: 2 % of jitter, and one round in ten far too slow."""
    late = np.where(rng.random(rounds) < 0.1, rng.uniform(1, 5, rounds), 1)
    return median * late * (1 + 0.02 * np.abs(rng.normal(size=rounds)))


@pytest.mark.parametrize(("factor", "says"), [(1.15, "faster"), (1 / 1.15, "slower")])
def test_a_known_ratio_is_found(factor: float, says: str) -> None:
    rng = np.random.default_rng(0)
    base, control, other = (bursts(rng, 400, t) for t in (factor, factor, 1.0))
    found = ratio(base, other)
    assert found.low < factor < found.high
    assert found.high - found.low < 0.02
    assert verdict(found, ratio(base, control)) == says


def test_equal_engines_show_no_difference() -> None:
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(25):
        base, control, other = (bursts(rng, 100, 1.0) for _ in range(3))
        verdicts.append(
            verdict(ratio(base, other, resamples=200), ratio(base, control, resamples=200))
        )
    assert verdicts.count("no difference") >= 23


def test_the_interval_holds_the_ratio_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [ratio(bursts(rng, 100, 2.0), bursts(rng, 100, 1.0), resamples=200) for _ in range(100)]
    assert sum(r.low <= 2 <= r.high for r in found) >= 88


def test_a_ratio_within_the_noise_is_no_difference() -> None:
    noisy = Ratio(1.0, 0.8, 1.1)  # its floor is 1 / 0.8
    assert verdict(Ratio(1.23, 1.2, 1.3), noisy) == "no difference"
    assert verdict(Ratio(1.3, 1.26, 1.4), noisy) == "faster"
    assert verdict(Ratio(0.7, 0.6, 0.79), noisy) == "slower"


def test_a_busy_machine_is_told_from_a_quiet_one() -> None:
    rng = np.random.default_rng(0)
    quiet = bursts(rng, 100, 1.0)
    assert Timing(quiet, garbage=0).steady
    assert not Timing(quiet * np.where(rng.random(100) < 0.6, 1.5, 1), garbage=0).steady


def test_every_session_gets_its_turn_in_every_round() -> None:
    turns: list[str] = []

    class Noting(Toy):
        def reset(self) -> None:
            turns.append(self.name)

    found = measure([Noting("a"), Noting("b"), Noting("c")], steps=1, seconds=1e-9)
    rounds = [turns[i : i + 3] for i in range(0, len(turns), 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) > 1
    assert {len(timing.seconds) for timing in found.values()} == {len(rounds) - 3}
    assert all(timing.seconds.min() > 0 and timing.garbage == 0 for timing in found.values())


# --- The command ------------------------------------------------------------------------------


@pytest.mark.needs_torch
def test_smoke(tmp_path: Path) -> None:
    file = tmp_path / "samples.json"
    arguments = ["--points=100", "--seconds=0.1", f"--json={file}"]
    started = [sys.executable, "-W", "error", "-m", "benchmarks", *arguments]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    order = [done.stdout.index(part) for part in ("Same work", "Environment", "Shown", "Goal")]
    assert order == sorted(order)
    found = json.loads(file.read_text())
    assert found["schema"] == "tinygrad_cls benchmark 1"
    assert len(found["rows"]) == len(TASKS)
    for row in found["rows"]:
        assert row["difference"] <= 2 * found["steps"] * row["tolerance"]
        assert len({len(timing["seconds"]) for timing in row["times"].values()}) == 1


@pytest.mark.parametrize("argument", ["--seconds=0", "--seconds=nan", "--points=1", "--nonsense"])
def test_bad_arguments(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main([argument])
    assert "usage" in capsys.readouterr().err
