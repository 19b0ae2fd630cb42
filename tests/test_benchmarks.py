"""The benchmark can be trusted: it goes red on different work, and its statistics tell noise from
a difference."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks import all_cores, cases, document, graphs, harness, rows, tasks
from benchmarks.engines import BASE, ENGINES, Engine, Unable
from benchmarks.engines import numpy as by_hand
from benchmarks.engines.numpy import ByHand
from benchmarks.engines.torch import Compiled, Control, Cuda, Eager, PyTorch, Replay
from benchmarks.harness import Ratio, Timing, Unfair, check, floor, measure, ratio, verdict
from benchmarks.tasks import Array, Task
from benchmarks.worker import Desk, Worker

TASKS = [*tasks.small(points=32), *tasks.epochs(points=32)]
SLOW = {Compiled.name}  # its compiler takes ten seconds: its step is tested uncompiled


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


class Faulty(Eager):
    """An engine with one gradient times 1.001."""

    name = "faulty"
    where = "0.weight"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.model.get_parameter(self.where).register_hook(lambda g: g * 1.001)


@pytest.mark.needs_torch
@pytest.mark.parametrize("task", tasks.small(), ids=str)
def test_a_gradient_times_1_001_goes_red(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("clean", [PyTorch(task), Control(task)], 10, task.tolerance) == 0
    for name in task.names():
        monkeypatch.setattr(Faulty, "where", name)
        with pytest.raises(Unfair, match=f"^{task}, step 1, gradient of {name}: faulty differs"):
            check(str(task), [PyTorch(task), Faulty(task)], 10, task.tolerance)


@pytest.mark.needs_torch
def test_where_relu_may_round_across_zero_float64_is_judged() -> None:
    task = tasks.step("circles-relu", 8_000)
    assert task.kinked
    assert not task.exact.kinked
    assert task.exact.tolerance < 1e-11
    case = cases.load(task, [PyTorch, Faulty])
    assert check(str(task), case.turns, 1, task.tolerance) > 1e-4  # float32 alone is too lenient
    cases.prove(case, [PyTorch, Faulty])
    assert list(case.sessions) == [BASE.name]
    assert "float64, step 1, gradient of 0.weight: faulty differs" in case.unequal["faulty"]


@pytest.mark.needs_torch
def test_no_time_is_shown_for_different_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ENGINES", (PyTorch, Control, Faulty))
    assert command.main(["steps", "--quick", "--tiny", "--points=50", "--seconds=0.01"]) == 1
    shown = capsys.readouterr().out
    assert "circles-relu, batch 50, float32, step 1, gradient of 0.weight: faulty diff" in shown
    tables = [line.split() for line in shown.splitlines() if line.startswith("    ")]
    assert ["control"] in [words[:1] for words in tables]
    assert ["faulty"] not in [words[:1] for words in tables]
    assert "not timed: faulty" in shown


# --- Engines ----------------------------------------------------------------------------------


def able(engine: type[Engine], task: Task) -> Engine:
    try:
        engine.load()
        return engine(task)
    except Unable as reason:
        pytest.skip(str(reason))


@pytest.mark.needs_torch
@pytest.mark.filterwarnings("default")  # other libraries' own
@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_every_engine_does_the_same_work(
    engine: type[Engine], task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.name in SLOW:
        torch = engine.load()
        monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    sessions = [PyTorch(task), able(engine, task)]
    assert check(str(task), sessions, 6, task.tolerance) <= 6 * task.tolerance
    read = harness.run(sessions[1], 1)[0]
    assert len(np.atleast_1d(read)) == (4 if task.epoch else 1)


@pytest.mark.needs_torch
@pytest.mark.parametrize("engine", [PyTorch, Eager, Replay, ByHand], ids=lambda e: e.name)
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_reset_repeats_the_same_steps(engine: type[Engine], task: Task) -> None:
    session = able(engine, task)
    runs = []
    for _ in range(2):
        session.reset()
        runs.append([session.step() for _ in range(5)])
    assert runs[0] == runs[1]
    assert runs[0][-1] != runs[0][0]


@pytest.mark.needs_torch
def test_a_batch_that_stays_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh batches differ, so that an engine that keeps the first does different work."""
    task = tasks.step("circles-relu", 32, fresh=True)
    stale = ByHand(task)
    monkeypatch.setattr(stale, "fill", lambda *_: None)
    with pytest.raises(Unfair, match="loss: NumPy by hand differs"):
        check(str(task), [PyTorch(task), stale], 3, task.tolerance)


@pytest.mark.needs_torch
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_tiles_by_hand(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "TILE", 0)
    monkeypatch.setattr(by_hand, "ROWS", 9)
    assert check(str(task), [PyTorch(task), ByHand(task)], 6, task.tolerance) > 0


def test_an_absent_library_is_the_reason() -> None:
    class Absent(PyTorch):
        package = "no_such_library"

    with pytest.raises(Unable, match="ModuleNotFoundError: No module named 'no_such_library'"):
        Absent.load()


@pytest.mark.needs_torch
def test_what_another_library_raises_is_the_reason() -> None:
    class Broken(ByHand):
        package = "json"

        def __init__(self, task: Task) -> None:
            raise AttributeError("removed\nin this version")

    case = cases.load(TASKS[0], [PyTorch, Broken])
    assert case.unable == {ByHand.name: "AttributeError: removed"}
    Broken.package = "tinygrad_cls"
    with pytest.raises(AttributeError, match="removed"):  # ours must not fail
        cases.load(TASKS[0], [PyTorch, Broken])


@pytest.mark.needs_torch
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("shape", graphs.SHAPES, ids=lambda graph: graph.name)
def test_graphs_agree(shape: graphs.Graph) -> None:
    case = cases.load(graphs.Graph(shape.name, nodes=12), graphs.DRAWN)
    cases.prove(case, graphs.DRAWN)
    assert not case.unequal
    assert len(case.differences) + 1 == len(case.sessions) >= 3


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
    assert floor(noisy) == 1.25
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


class Burning(Toy):
    """A session whose step burns so many seconds, drawn anew for each sample."""

    def __init__(self, name: str, burn: Callable[[float], None], draw: Callable[[], float]) -> None:
        super().__init__(name)
        self.burn, self.draw = burn, draw

    def reset(self) -> None:
        super().reset()
        self.seconds = self.draw()

    def step(self) -> float:
        self.burn(self.seconds)
        return super().step()


@pytest.mark.parametrize(
    ("slowdown", "says"), [(1.0, "no difference"), (1.15, "slower"), (1 / 1.15, "faster")]
)
def test_a_planted_slowdown_is_detected_and_none_is_not(
    slowdown: float, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way from turns to verdict, on a clock that jitters and stalls as machines do."""
    now = 0.0
    rng = np.random.default_rng(0)

    def burn(seconds: float) -> None:
        nonlocal now
        now += seconds

    def burning(name: str, seconds: float) -> Burning:
        return Burning(name, burn, lambda: float(bursts(rng, 1, seconds)[0]))

    monkeypatch.setattr(harness, "perf_counter", lambda: now)
    sessions = [burning("base", 1.0), burning("control", 1.0), burning("other", slowdown)]
    verdicts = []
    for seed in range(10):
        base, control, other = (t.seconds for t in measure(sessions, 1, 200.0, seed).values())
        noise = ratio(base, control, resamples=200)
        verdicts.append(verdict(ratio(base, other, resamples=200), noise))
    assert verdicts.count(says) >= 9  # of ten, at 95 %


def test_a_slowdown_of_real_time_is_measured() -> None:
    """Spinning to a deadline takes as long on a busy machine, but for stalls."""

    def spin(seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    sessions = [Burning(n, spin, lambda t=t: t) for n, t in (("a", 2e-4), ("b", 2.3e-4))]
    found = measure(sessions, 5, 0.2)
    shares = {name: timing.seconds.min() / 2e-4 for name, timing in found.items()}
    assert shares == pytest.approx({"a": 1, "b": 1.15}, abs=0.04)


# --- Rows and goals ---------------------------------------------------------------------------


def case_of(task: Task, **microseconds: float) -> tuple[cases.Case, dict[str, Timing]]:
    rng = np.random.default_rng(0)
    named = {PyTorch.name: 100.0, Control.name: 100.0} | {
        {"eager": Eager.name, "replay": Replay.name}[k]: v for k, v in microseconds.items()
    }
    times = {name: Timing(1e-6 * t * (1 + 0.01 * rng.random(64)), 0) for name, t in named.items()}
    case = cases.Case(task, first=dict.fromkeys(named, 0.1))
    return case, times


def test_goals_are_judged() -> None:
    case, times = case_of(tasks.step("circles-relu", 800), eager=60.0, replay=15.0)
    found = {row["engine"]: row for row in rows.rows_of("steps", case, times, 1, rows.busy(times))}
    assert [g["verdict"] for g in found[Eager.name]["goals"]] == ["not met"]
    assert [(g["over"], g["verdict"]) for g in found[Replay.name]["goals"]] == [
        ("PyTorch eager", "met"),
        ("JAX scan", "not judged, JAX scan was not timed"),
        ("torch.compile", "not judged, torch.compile was not timed"),
    ]
    assert found[Replay.name]["goal"] == 5.5
    assert found[Replay.name]["verdict"] == "faster"
    assert found[PyTorch.name]["goal"] is None


def test_a_busy_machine_judges_no_goal() -> None:
    case, times = case_of(tasks.step("circles-relu", 800), eager=20.0)
    unsteady = times[Eager.name].seconds * np.where(np.arange(64) % 3, 2, 1)
    times[Eager.name] = Timing(unsteady, 0)
    *_, row = rows.rows_of("steps", case, times, 1, rows.busy(times))
    assert (row["verdict"], row["goals"][0]["verdict"]) == ("busy machine",) * 2 or (
        row["goals"][0]["verdict"] == "not judged: busy machine"
    )


def test_every_goal_is_of_a_task_that_is_run() -> None:
    from benchmarks.goals import GOALS

    one = {task.name for task in [*tasks.small(), *tasks.large(), *tasks.epochs()]}
    several = {task.name for task in tasks.large()}
    assert all(goal.task in (several if goal.all_cores else one) for goal in GOALS)


# --- All cores --------------------------------------------------------------------------------


def test_no_ratio_unless_it_takes_as_long_alone() -> None:
    _, times = case_of(TASKS[0], eager=50.0)
    alone = {name: timing.seconds.copy() for name, timing in times.items()}
    control = ratio(times[PyTorch.name].seconds, times[Control.name].seconds)
    assert all_cores.undisturbed(times, alone)(Eager.name, control) == ""
    alone[Eager.name] /= 1.1
    assert "tinygrad_cls eager alone takes 45" in all_cores.undisturbed(times, alone)(
        Eager.name, control
    )
    assert all_cores.undisturbed(times, alone)(Control.name, control) == ""
    alone[PyTorch.name] *= 1.1
    assert "PyTorch eager alone" in all_cores.undisturbed(times, alone)(Control.name, control)


def test_a_ratio_that_is_not_trusted_is_not_in_the_rows() -> None:
    case, times = case_of(tasks.step("circles-relu", 100_000), replay=50.0)
    found = rows.rows_of("steps", case, times, 2, lambda *_: "no ratio: for a test")
    assert {row["ratio"] for row in found} == {None}
    assert found[-1]["goals"][0] == {
        "over": PyTorch.name,
        "factor": 1.3,
        "ratio": None,
        "verdict": "not judged: no ratio: for a test",
    }


def test_a_worker_works_elsewhere() -> None:
    task = tasks.step("circles-relu", 32)
    with Worker(ByHand.name, [0]) as worker:
        assert worker.call("load", task) > 0
        assert check(str(task), [ByHand(task), worker], 4, 0.0) == 0
        seconds, cores = worker.block(2, 3)
        assert len(seconds) == 3
        assert min(seconds) > 0
        assert 0 < cores < 1.5
        assert all(n == 1 for pool, n in worker.call("threads").items() if pool != "process")
        with pytest.raises(AttributeError, match="nonsense"):
            worker.call("nonsense")
    assert worker.process.returncode == 0


class Here:
    """A worker in this process."""

    def __init__(self, name: str, cores: list[int]) -> None:
        self.name, self.desk = name, Desk(name)
        self.reset, self.run, self.state = self.desk.reset, self.desk.run, self.desk.state
        self.block = self.desk.block
        self.load, self.threads = self.desk.load, self.desk.threads

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self, method)(*arguments)


@pytest.mark.needs_torch
def test_all_cores(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(all_cores, "Worker", Here)
    work = [tasks.step("circles-relu", 20), tasks.step("circles-relu", 5_001)]
    engines = [PyTorch, Control, ByHand, Cuda]
    found = all_cores.compare(work, engines, blocks=2, cores=[0, 1])
    assert [row["engine"] for row in found] == [e.name for e in engines] * 2
    assert {row["cores"] for row in found} == {2}
    assert all(row["alone"] > 0 and len(row["samples"]) == 10 for row in found if "median" in row)
    shown = capsys.readouterr().out
    assert shown.index("circles-relu, batch 20, float32 ") < shown.index("2 cores; noise floor")
    assert "in float64, allowed" in shown


# --- The file ---------------------------------------------------------------------------------


def written(path: Path, cpu: str = "a cpu", dtype: str = "float32", **times: float) -> Path:
    case, timings = case_of(Task("a task", (2, 3, 1), dtype), **times)
    found = rows.rows_of("steps", case, timings, 1, rows.busy(timings))
    environment = {
        "date": "2026-01-01T00:00:00",
        "cpu": cpu,
        "cores": 2,
        "platform": "x",
        "python": "3.12",
        "numpy": "2.0",
        "threads": {},
    }
    document.write(path, environment, found)
    return path


def test_two_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "a.json", eager=50.0, replay=20.0)
    after = written(tmp_path / "b.json", eager=50.0, replay=23.0)
    assert command.main(["compare", str(before), str(after)]) == 0
    lines = {line.split("  ")[-1]: line for line in capsys.readouterr().out.splitlines()}
    assert "tinygrad_cls replay    0.87" in lines["slower"]
    assert "tinygrad_cls eager     1.0" in lines["no difference"]


@pytest.mark.parametrize(
    ("change", "says"),
    [({"cpu": "another"}, "two machines: cpu is 'a cpu' and 'another'"),
     ({"dtype": "float64"}, "two dtypes: a task is float32 and float64")],
)  # fmt: skip
def test_machines_and_dtypes_are_not_mixed(
    change: dict[str, str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(tmp_path / "a.json", eager=50.0)
    after = written(tmp_path / "b.json", eager=25.0, **change)  # type: ignore[arg-type]
    assert command.main(["compare", str(before), str(after)]) == 1
    assert says in capsys.readouterr().err
    assert command.main(["compare", str(before), str(after), "--force"]) == 0
    assert "faster" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("schema",), "another", "document.schema is 'another'"),
        (("environment", "cpu"), None, "document.environment.cpu is NoneType, not string"),
        (("environment", "date"), "today", "date is 'today', not like"),
        (("rows", 0, "median"), -1.0, r"rows\[0\].median is -1.0, below 0"),
        (("rows", 0, "samples", 1), "fast", r"rows\[0\].samples\[1\] is str, not number"),
        (("rows", 0, "cores"), True, r"rows\[0\].cores is bool, not integer"),
        (("rows", 2, "ratio"), {"value": 1.0}, r"rows\[2\].ratio lacks 'low'"),
        (("rows",), {}, "document.rows is dict, not array"),
    ],
)
def test_the_schema_finds(path: tuple[Any, ...], value: Any, says: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", eager=50.0)
    content = place = json.loads(file.read_text())
    assert not list(document.faults(content))
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    file.write_text(json.dumps(content))
    with pytest.raises(Unfair, match=says):
        document.read(file)


def test_the_schema_uses_known_words_only() -> None:
    """``faults`` would pass over others."""
    known = {"$schema", "title", "description", "type", "required", "properties", "items"}
    known |= {"const", "pattern", "minimum"}

    def words(schema: dict[str, Any]) -> set[str]:
        parts = [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]
        return set(schema).union(*map(words, parts))

    assert words(document.SCHEMA) <= known


# --- The command ------------------------------------------------------------------------------


@pytest.mark.needs_torch
def test_smoke(tmp_path: Path) -> None:
    file = tmp_path / "samples.json"
    engines = f"{Eager.name},{ByHand.name}"
    arguments = [
        "steps",
        "epochs",
        "--tiny",
        "--quick",
        "--points=100",
        "--seconds=0.1",
        f"--json={file}",
    ]
    started = [sys.executable, "-W", "error", "-m", "benchmarks", *arguments, "--engines", engines]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    parts = ("Same work", "Noise floor", "Environment", "Times on one core", "First step")
    order = [done.stdout.index(part) for part in parts]
    assert order == sorted(order)
    found = document.read(file)["rows"]
    assert {row["study"] for row in found} == {"steps", "epochs"}
    for row in found:
        assert row["difference"] <= 2 * row["steps"] * row["tolerance"]


@pytest.mark.needs_torch
def test_smoke_of_the_sweeps(capsys: pytest.CaptureFixture[str]) -> None:
    started = ["grid", "graphs", "--tiny", "--quick", "--seconds=0.01", "--engines", ByHand.name]
    assert command.main(started) == 0
    shown = capsys.readouterr().out
    assert "2-8-8-1, batch 16, float32, one core" in shown
    assert "diamond of 30 nodes" in shown


@pytest.mark.parametrize(
    "argument", ["--seconds=0", "--seconds=nan", "--points=1", "--nonsense", "nonsense"]
)
def test_bad_arguments(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main([argument])
    assert "usage" in capsys.readouterr().err
