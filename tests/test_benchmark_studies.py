"""The benchmark's studies: their methods find what was planted, and each runs at a tiny size."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from benchmarks import accuracy, figures, memory, overhead, startup
from benchmarks.harness import Unfair

ROOT = Path(__file__).resolve().parent.parent


# --- Overhead per op --------------------------------------------------------------------------


def test_every_call_does_its_kernels_work() -> None:
    cases = [*overhead.table()]
    with np.errstate(all="ignore"):
        for case in cases:
            overhead.prove(case)
    assert len({case.op.name for case in cases}) > 90
    differentiable = sum(overhead.TRAIN in [s.name for s in case.subjects()] for case in cases)
    assert len(cases) > differentiable > 150


@pytest.mark.parametrize("reading", ["call", "call and grad"])
def test_other_work_is_found(reading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = overhead.Case._tensors

    def off(self: overhead.Case, wanted: Any) -> list[Any]:
        planted = (reading == overhead.TRAIN) == bool(wanted)
        return [
            (x * 1.001).detach().requires_grad_(x.requires_grad) if planted else x
            for x in given(self, wanted)
        ]

    monkeypatch.setattr(overhead.Case, "_tensors", off)
    case = next(overhead.table(names=["exp"]))
    with pytest.raises(Unfair, match=rf"exp\(x\(3, 4\)\), {reading}, differs"):
        overhead.prove(case)


def test_a_planted_overhead_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = overhead.Case.subjects

    def slower(self: overhead.Case) -> list[overhead.Subject]:
        found = subjects(self)
        call = next(subject for subject in found if subject.name == overhead.CALL)
        step = call.step

        def late() -> Any:
            start = perf_counter()
            while perf_counter() < start + 1e-3:
                pass
            return step()

        call.step = late
        return found

    monkeypatch.setattr(overhead.Case, "subjects", slower)
    case = next(overhead.table(names=["exp"]))
    row = overhead.time(case, 0.01)
    assert row["forward"]["median"] >= 1e-3
    assert abs(row["control"]["median"]) < 0.5e-3
    assert row["forward"]["low"] <= row["forward"]["median"] <= row["forward"]["high"]


def test_overhead_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = overhead.run(Namespace(quick=True, ops=["exp", "add", "eq", "concatenate"]))
    shown = capsys.readouterr().out
    assert [row["task"] for row in rows if row["backward"] is None] == ["eq(x(3, 4), x(3, 4))"]
    medians = [row["forward"]["median"] for row in rows]
    assert medians == sorted(medians, reverse=True)
    assert shown.index("Same work") < shown.index("Overhead:") < shown.index("exp(x(3, 4))")


# --- Memory -----------------------------------------------------------------------------------

linux = pytest.mark.skipif(not memory.CLEAR_REFS.exists(), reason="needs Linux's /proc")
KNOWN = """
import numpy as np
from benchmarks.memory import growth, level

def fleeting():
    for _ in range(3):
        np.ones(4_000_000)  # 32 MB, which die at once

print([growth(f)[0] for f in (lambda: None, lambda: np.ones(8_000_000), fleeting)])
kept = np.ones(8_000_000)
print(growth(fleeting)[0])
"""


@linux
def test_known_bytes_are_found() -> None:
    """A peak, not a sum; above the level, not from nothing; to 1 MB of 32 and 64."""
    done = subprocess.run(
        [sys.executable, "-c", KNOWN],
        cwd=ROOT,
        env=os.environ | memory.MAPPED,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [float(n) / 1e6 for n in done.stdout.replace("[", "").replace("]", ",").split(",")]
    assert found == pytest.approx([0, 64, 32, 32], abs=1)


@linux
def test_a_step_is_measured_in_a_process() -> None:
    """Four arrays (20000, 10) and what comes with them, by the kernel as by tracemalloc."""
    found = memory._in_a_process(memory.EAGER, 20_000, memory.MAPPED)
    for what in "first", "later", "counted":
        assert found[what] == pytest.approx(3.4e6, rel=0.15)
    assert len(found["losses"]) == 1 + memory.LATER


@linux
@pytest.mark.needs_torch
def test_a_step_of_torch_is_measured() -> None:
    """Here in this process, whose other memory moves: its own count alone is exact."""
    found = memory.peaks(memory.BASE, 20_000)
    assert found["counted"] == pytest.approx(3.2e6, rel=0.01)
    assert min(found["first"], found["later"]) > 0
    ours = [memory.training(memory.EAGER, 20_000)()]
    assert ours == pytest.approx(found["losses"][:1], rel=1e-5)  # the sum's rounding


def canned(scale: float = 1.0, loss: float = 0.7) -> Any:
    """A process's report, without the process."""

    def report(engine: str, batch: int, malloc: dict[str, str]) -> dict[str, Any]:
        if engine == memory.REPLAY:
            return {"absent": "left out"}
        ours = engine == memory.EAGER
        value = 160 * batch * (scale if ours else 1)
        names = ("first", "later", "counted")
        return dict.fromkeys(names, value) | {"losses": [loss if ours else 0.7]}

    return report


@linux
@pytest.mark.needs_torch
@pytest.mark.parametrize(("scale", "says"), [(1.05, "1.050: met"), (1.2, "1.200: not met")])
def test_the_goal_for_memory_is_judged(
    scale: float,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(memory, "_in_a_process", canned(scale))
    rows = memory.run(Namespace(quick=True))
    shown = capsys.readouterr().out
    assert len(rows) == 2 * len(memory.BATCHES)
    assert "absent: tinygrad_cls replay: left out" in shown
    assert shown.rstrip().endswith(says)


@linux
@pytest.mark.needs_torch
def test_no_memory_is_shown_for_different_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "_in_a_process", canned(loss=0.72))
    with pytest.raises(Unfair, match=r"batch 800: tinygrad_cls eager has the losses \[0\.72\]"):
        memory.run(Namespace(quick=True))
    assert "first step" not in capsys.readouterr().out


# --- Start-up ---------------------------------------------------------------------------------


def test_imports_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    found = {row["engine"]: row for row in startup.imports(1, ("numpy", "tinygrad_cls", "absent"))}
    assert found.keys() == {"numpy", "tinygrad_cls"}
    assert 0.005 < found["numpy"]["median"] < found["tinygrad_cls"]["median"] < 5
    assert found["tinygrad_cls"]["times"]["value"] > 1
    shown = capsys.readouterr().out
    assert "absent: absent" in shown
    assert "Goal, import tinygrad_cls: under 1.5 times numpy's" in shown


def test_cold_starts_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    engines = [name for name in startup.ENGINES if startup.NEEDS.get(name) not in {"torch", "jax"}]
    engines.remove(startup.OTHER_WEIGHTS)
    rows = {row["engine"]: row for row in startup.cold_starts(1, engines)}
    assert "tinygrad_cls eager" in rows
    for row in rows.values():
        assert row["median"] == pytest.approx(row["import"] + row["first"])
        assert 0 < row["second"] < row["first"] < 5
    assert "absent: torch.compile: left out of a quick run" in capsys.readouterr().out


def test_no_cold_start_is_shown_for_different_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    eager = startup.ENGINES["tinygrad_cls eager"]
    other = (eager[0], eager[1].replace("lr=0.1", "lr=0.2"), eager[2])
    monkeypatch.setattr(startup, "ENGINES", {"tinygrad_cls eager": eager, "other": other})
    with pytest.raises(Unfair, match="other has the losses"):
        startup.cold_starts(1, ["tinygrad_cls eager", "other"])
    assert "to 1st loss" not in capsys.readouterr().out


def test_a_failing_script_is_shown() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        startup._in_a_process("1 / 0")


# --- Time to an accuracy ----------------------------------------------------------------------


def test_time_to_an_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    rows = accuracy.run(Namespace(rounds=1, target=52.0))
    assert {"tinygrad_cls eager", "scikit-learn"} <= {row["engine"] for row in rows}
    assert len({row["epochs"] for row in rows}) == 1
    assert all(row["accuracy"] >= 52 and row["median"] > 0 for row in rows)
    shown = capsys.readouterr().out
    assert shown.index("Same work") < shown.index("Time to") < shown.index("seconds")


def test_an_accuracy_that_is_not_reached(capsys: pytest.CaptureFixture[str]) -> None:
    reached = accuracy.train(lambda: lambda: (0.5, 60.0), target=99, most=7)
    assert (len(reached.losses), reached.accuracy) == (7, 60.0)
    row = accuracy._row("lazy", [reached], [reached], 99)
    assert row["ratio"] is None
    assert "not reached" in capsys.readouterr().out


def test_another_loss_curve_is_found() -> None:
    with pytest.raises(Unfair, match=r"the loss of b is 0\.502 in epoch 2, that of a 0\.5"):
        accuracy.prove({"a": np.array([0.7, 0.5, 0.4]), "b": np.array([0.7, 0.502])})


# --- Figures ----------------------------------------------------------------------------------


def row(study: str, engine: str, ratio: float | None, **more: Any) -> dict[str, Any]:
    around = ratio and {"value": ratio, "low": ratio / 1.02, "high": ratio * 1.02}
    made = {"study": study, "task": "circles-relu", "batch": 800, "width": 10, "dtype": "float32"}
    made |= {"cores": 1, "engine": engine, "median": 1e-4, "low": 9e-5, "high": 2e-4}
    made |= {"ratio": around, "goal": None, "floor": 1.02, "verdict": "no difference"}
    return made | more


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved."""
    kept: list[Any] = []
    save = figures.save

    def keep(figure: Any, path: Path) -> None:
        kept.append(figure)
        save(figure, path)

    monkeypatch.setattr(figures, "save", keep)
    return kept


def test_the_grid_is_drawn(tmp_path: Path, drawn: list[Any]) -> None:
    rows = [
        row("grid", engine, ratio, batch=batch, width=width)
        for width in (8, 16, 32, 64, 1024)
        for batch in (16, 1000)
        for engine, ratio in (("PyTorch eager", None), ("tinygrad_cls replay", 2.0), ("new", 0.5))
    ]
    figures.draw({"rows": rows}, tmp_path / "grid.png")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    above, below = drawn[0].axes[:4], drawn[0].axes[4:]
    assert [axes.get_title(loc="left") for axes in above] == [
        f"width {width}" for width in ("8", "16", "64", "1,024")
    ]
    for axes in drawn[0].axes:
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {tuple(line.get_ydata()) for line in above[0].lines} == {(1e-4, 1e-4)}
    assert [tuple(line.get_ydata()) for line in below[0].lines] == [(2, 2), (0.5, 0.5), (1, 1)]


def test_the_table_is_drawn(tmp_path: Path, drawn: list[Any]) -> None:
    rows = [
        row("steps", "PyTorch eager", None),
        row("steps", "control", 1.0),
        row("steps", "tinygrad_cls replay", 5.9, goal=5.5, verdict="faster"),
        row("steps", "tinygrad_cls eager", 2.0, goal=2.3, verdict="faster"),
        row("steps", "MyGrad", 0.5, verdict="slower"),
        row("steps", "JAX jit", 1.01),
        row("epochs", "tinygrad_cls replay", None, task="blobs, epoch", cores=2, goal=0.9),
        row("steps", "tinygrad_cls replay", 3.0, task="the second dtype", dtype="float64"),
        {"study": "steps", "engine": "MyGrad", "verdict": "absent", "reason": "not installed"},
    ]
    figures.bars({"rows": rows}, tmp_path / "table.png")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    one, all_cores = drawn[0].axes
    assert one.texts[0].get_text() == "replay 5.90× (goal 5.5)\neager 2.00× (goal 2.3)"
    assert all_cores.texts[0].get_text() == "replay not judged (goal 0.9)"
    assert [label.get_text() for label in all_cores.get_yticklabels()] == ["blobs, epoch"]
    hollow = {line.get_marker() for line in one.lines if line.get_markerfacecolor() == "white"}
    assert hollow == {figures.LOOKS["JAX jit"].marker}
    left, right = one.get_xlim()
    assert left < 0.5
    assert right > 5.9


def test_nothing_to_draw(tmp_path: Path) -> None:
    for figure in figures.draw, figures.bars:
        with pytest.raises(ValueError, match="nothing to draw"):
            figure({"rows": [row("memory", "PyTorch eager", None)]}, tmp_path / "none.png")
    assert not [*tmp_path.iterdir()]


# --- What the examples mean -------------------------------------------------------------------


def test_an_example_is_the_same_in_every_run() -> None:
    from tinygrad_cls.examples import arguments

    (a,), _ = arguments("exp", "x(3, 4)")
    (b,), _ = arguments("exp", "x(3, 4)")
    (c,), _ = arguments("log", "x(3, 4)")
    assert (a == b).all()
    assert (a != c).any()
    assert tg.exp(a).shape == (3, 4)
