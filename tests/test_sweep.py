"""Sweeps: the journal, the pool, what the command says, and that wrong calls are one line."""

import argparse
import errno
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("joblib", reason="needs the extra `sweep`")
pytest.importorskip("matplotlib", reason="needs the extra `sweep`")

import tinygrad_cls
from tinygrad_cls.__main__ import main
from tinygrad_cls.experiments import EXPERIMENTS, train
from tinygrad_cls.experiments.output import to_json
from tinygrad_cls.sweep import Journal, JournalError, Pool, Progress, Sweep, pool, sweep
from tinygrad_cls.sweep import command as command_line
from tinygrad_cls.sweep.outcome import Outcome, Result, distance
from tinygrad_cls.sweep.runs import Setting, run, spans, width

ROOT = Path(__file__).resolve().parent.parent
SHORT = Sweep("blobs", seeds=range(6), lr=[0.1, 0.3], hidden=[4, 8], epochs=3)
CALL = ["sweep", "blobs", "--seeds", "0-2", "--epochs", "2", "--backend", "serial", "--out"]


def lines(folder: Path) -> dict[str, dict[str, Any]]:
    """What the journal holds, but for times; every run once."""
    found: dict[str, dict[str, Any]] = {}
    for line in (folder / "runs.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line)
        told.pop("seconds")
        key = told.pop("run")
        assert key not in found
        found[key] = told
    return found


# --- One run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_is_the_experiments(name: str, dtype: str) -> None:
    setting = Setting(name, "tinygrad_cls", 0.1, width(name), 7, dtype, 12)
    quiet: Any = {"show": lambda line: None}
    kind = getattr(tinygrad_cls, dtype)
    history = train(EXPERIMENTS[name], epochs=12, seed=7, dtype=kind, **quiet).history
    found = run(setting)
    assert {curve: found[curve] for curve in asdict(history)} == asdict(history)
    assert not found["diverged"]


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_torchs_run_is_the_twins(name: str) -> None:
    import reference.training

    setting = Setting(name, "torch", 0.1, width(name), 7, "float64", 12)
    with reference.training.repeatable():
        twin = reference.training.train(EXPERIMENTS[name], epochs=12, seed=7, dtype="float64")
    found = run(setting)
    for curve, values in twin.curves.items():
        assert found[curve] == values.tolist()


def test_divergence_is_a_result() -> None:
    found = run(Setting("circles-linear", "tinygrad_cls", 1e200, 4, 0, "float64", 20))
    assert found["diverged"]
    read = Result.read(
        Setting("circles-linear", "tinygrad_cls", 1e200, 4, 0, "float64", 20),
        {**json.loads(to_json(found)), "seconds": 1.0},
    )
    assert np.isnan(read.curves["loss"][-1])


def test_threads_that_draw_do_not_disturb_a_run() -> None:
    import random
    import threading

    setting = Setting("blobs", "tinygrad_cls", 0.1, 8, 0, "float64", 2)
    quiet, ended = run(setting), threading.Event()

    def draw() -> None:
        while not ended.is_set():
            random.random()

    other = threading.Thread(target=draw)
    other.start()
    try:
        assert run(setting) == quiet
    finally:
        ended.set()
        other.join()


# --- The journal ----------------------------------------------------------------------------------


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", {}) as journal:
        for key in "abc":
            journal.record(key, {"value": float("nan")})
    path = tmp_path / "j" / "runs.jsonl"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with Journal(tmp_path / "j", {}) as journal:
            there = whole[:end].count(b"\n")
            assert journal.finished == set("abc"[:there])
            journal.record("d", {"value": 1})
            assert [key for key, _ in journal.read()] == [*"abc"[:there], "d"]
        assert path.read_bytes().startswith(whole[: whole[:end].rfind(b"\n") + 1])


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path, {}) as journal:
        journal.record("a", {})
    path = tmp_path / "runs.jsonl"
    for damage in (b"what\n", b"[]\n", b"{}\n", b"\0\0\0\n"):
        path.write_bytes(b'{"run": "a"}\n' + damage + b'{"run": "b"}\n')
        with (
            pytest.raises(JournalError, match=r"runs\.jsonl, line 2, is damaged"),
            Journal(tmp_path, {}),
        ):
            pass


def test_one_command_at_a_time(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, {}),
        pytest.raises(JournalError, match="another command is writing"),
        Journal(tmp_path, {}),
    ):
        pass
    with Journal(tmp_path, {}):  # free again
        pass


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with (
        pytest.raises(JournalError, match="is not empty and holds no sweep"),
        Journal(tmp_path, {}),
    ):
        pass
    assert sorted(os.listdir(tmp_path)) == ["lock", "thesis.tex"]
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / ".sweep.json.x7").write_text("{")  # killed while it was written
    with Journal(tmp_path, {"seeds": "1"}):
        pass
    (tmp_path / "sweep.json").write_text("[]")
    with pytest.raises(JournalError, match="is damaged"), Journal(tmp_path, {}):
        pass


def test_a_full_disk_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.write, [100]

    def full(file: int, data: Any) -> int:
        if file != journal._file:
            return write(file, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = write(file, data[: room[0]])
        room[0] -= count
        return count

    with Journal(tmp_path, {}) as journal:
        monkeypatch.setattr(os, "write", full)
        journal.record("a", {"value": 1})
        with pytest.raises(OSError, match="No space left") as caught:
            journal.record("b", {"value": "x" * 100})
        assert caught.value.filename == str(tmp_path / "runs.jsonl")
    assert (tmp_path / "runs.jsonl").read_text() == '{"run": "a", "value": 1}\n'
    monkeypatch.undo()
    with Journal(tmp_path, {}) as journal:
        assert journal.finished == {"a"}


def test_a_finished_run_is_synced_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    with Journal(tmp_path, {}) as journal:
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
        journal.record("a", {})
        assert synced == [(tmp_path / "runs.jsonl").stat().st_size]


# --- The pool -------------------------------------------------------------------------------------


def moody(task: Any) -> Any:
    """Some work: a number is squared; anything else goes wrong in its own way."""
    match task:
        case "raises":
            raise ValueError("two\nlines")
        case "exits":
            sys.exit("enough")
        case "kills":
            os.kill(os.getpid(), 9)
        case ("kills once", path):
            if not os.path.exists(path):
                Path(path).touch()
                os.kill(os.getpid(), 9)
            return "done"
    import threadpoolctl

    np.ones((3, 3)) @ np.ones((3, 3))
    return task**2, [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]


def test_loky(tmp_path: Path) -> None:
    tasks: dict[str, Any] = {str(i): i for i in range(8)}
    tasks |= {"e": "raises", "x": "exits", "k": "kills", "o": ("kills once", str(tmp_path / "k"))}
    found = {done.key: done for done in Pool(jobs=2).do(moody, tasks)}
    assert found.keys() == tasks.keys()
    for i in range(8):
        square, threads = found[str(i)].value
        assert (square, set(threads)) == (i**2, {1})
    assert found["e"].error == "ValueError: two lines"
    assert found["x"].error == "SystemExit: enough"
    assert found["k"].error.startswith("its worker died 4 times: TerminatedWorkerError")
    assert found["o"].value == "done"


def test_workers_that_cannot_start_are_no_runs_fault(tmp_path: Path) -> None:
    script = tmp_path / "here.py"
    script.write_text(
        "import os, sys\n"
        "if sys.argv[1:] != ['first']: os._exit(3)\n"  # when workers import what they shall do
        "from tinygrad_cls.sweep import Pool, PoolError\n"
        "try: print(list(Pool(jobs=2).do(abs, {'a': 1})))\n"
        "except PoolError as error: print(error)\n"
    )
    code = f"import sys; sys.argv = ['x', 'first']; sys.path[:0] = {[str(tmp_path), str(ROOT)]}\n"
    code += "import os; os.environ['PYTHONPATH'] = ''; os.environ['PYTHONHOME'] = '/nowhere'\n"
    code += "import here"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith("workers die before they have work"), done


def test_what_a_pool_cannot_be() -> None:
    for options, why in [
        ({"backend": "lokky"}, "no backend is called 'lokky': loky, dask, ray, serial"),
        ({"address": "here:1"}, "an address belongs to the backends dask and ray, not loky"),
        ({"backend": "dask", "address": "here:1", "jobs": 2}, "its own number of workers"),
    ]:
        with pytest.raises(pool.PoolError, match=why):
            Pool(**options)
    assert list(Pool("dask", address="nowhere:1").do(moody, {})) == []


@pytest.mark.parametrize(
    ("backend", "module", "name"), [("dask", "dask", "dask"), ("ray", "ray", "ray")]
)
def test_a_missing_extra_is_named(
    backend: str, module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, module, None)
    call = [*CALL, str(tmp_path / "s"), "--backend", backend]
    assert main(call) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"run: pip install 'tinygrad_cls[{name}]'")


# --- Progress -------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_in_a_file_is_sparse() -> None:
    out, now = io.StringIO(), [0.0]
    progress = Progress(100, out, lambda: now[0])
    progress.begin(20)
    for _ in range(80):
        now[0] += 2
        progress.step(failed=now[0] == 10)
    told = out.getvalue().splitlines()
    assert told[0] == "22 of 100 runs, 2 min 36 s left"
    assert told[-1] == "100 of 100 runs, 1 failed, 2 min 40 s taken"
    assert len(told) < 9


def test_progress_on_a_terminal_stays_in_its_line() -> None:
    out, now = Terminal(), [0.0]
    progress = Progress(4, out, lambda: now[0])
    for _ in range(4):
        now[0] += 1
        progress.step()
    progress.clear()
    told = out.getvalue()
    assert "\n" not in told
    assert "[###############               ] 2 of 4 runs, 2.0 s left" in told
    assert told.endswith("\r\x1b[K")


# --- The command ----------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s"
    call = [*CALL, str(out), "--lr", "0.1,0.3", "--hidden", "3,8"]
    assert main(call) == 0
    told, err = capsys.readouterr()
    assert len(lines(out)) == 12
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines()[:6]]
    assert [row[:6] for row in rows[2:]] == [
        ["tinygrad_cls", lr, hidden, "3", "0", "0"]
        for lr in ("0.1", "0.3")
        for hidden in ("3", "8")
    ]
    assert "12 of 12 runs" in err
    for name in ("curves.png", "heatmap.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert summary["sweep"]["seeds"] == "0-2"
    assert len(summary["runs"]) == 12

    before = (out / "runs.jsonl").read_bytes()
    assert main(call) == 0  # nothing is left to do
    again, err = capsys.readouterr()
    assert (again, err) == (told, "12 of 12 runs are there already\n")
    assert (out / "runs.jsonl").read_bytes() == before

    assert main([*CALL, str(out), "--lr", "0.1,0.3", "--hidden", "3,9"]) == 2
    err = capsys.readouterr().err
    assert "belongs to another sweep, with hidden 3,8 instead of 3,9" in err
    assert (out / "runs.jsonl").read_bytes() == before


def test_a_failed_run_is_recorded_and_the_rest_continue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinygrad_cls.sweep import sweeping

    def sometimes(setting: Setting) -> dict[str, Any]:
        if setting.seed == 1:
            raise MemoryError("no room\nfor it")
        return run(setting)

    monkeypatch.setattr(sweeping, "run", sometimes)
    assert main([*CALL, str(tmp_path / "s")]) == 1
    told = capsys.readouterr().out
    assert (
        "1 of 3 runs failed:\n  tinygrad_cls, lr 0.1, hidden 8, seed 1: MemoryError: no room for it"
        in told
    )
    assert [set(x) == {"error"} for x in lines(tmp_path / "s").values()] == [False, True, False]
    monkeypatch.undo()
    assert main([*CALL, str(tmp_path / "s")]) == 1  # it has been tried


WRONG = {
    "experiment": (["moons"], "invalid choice: 'moons'"),
    "no seeds": (["blobs", "--seeds", ""], "'' is not seeds such as 0-99"),
    "words": (["blobs", "--seeds", "a-b"], "'a-b' is not seeds such as 0-99"),
    "backwards": (["blobs", "--seeds", "5-1"], "did you mean 1-5?"),
    "open": (["blobs", "--seeds", "1-"], "'1-' is not seeds"),
    "negative": (["blobs", "--seeds", "0,-3"], "is not seeds"),
    "large": (["blobs", "--seeds", str(2**64)], "made of whole numbers below 2**64"),
    "many": (["blobs", "--seeds", "0-999999999"], "1,000,000,000 seeds: at most 1,000,000"),
    "product": (
        ["blobs", "--seeds", "0-999999", "--lr", "0.1,0.2"],
        "2,000,000 runs: at most 1,000,000",
    ),
    "rate": (["blobs", "--seeds", "1", "--lr", "0.1,zero"], "not learning rates above 0"),
    "nan": (["blobs", "--seeds", "1", "--lr", "nan"], "not learning rates above 0"),
    "width": (["blobs", "--seeds", "1", "--hidden", "5,0"], "'5,0' is not widths from 1"),
    "engine": (["blobs", "--seeds", "1", "--engine", "jax"], "'jax' is not one of tinygrad_cls"),
    "jobs": (["blobs", "--seeds", "1", "--jobs", "0"], "'0' is not a number of processes"),
    "epochs": (["blobs", "--seeds", "1", "--epochs", "1,2"], "'1,2' is not a whole number"),
    "address": (["blobs", "--seeds", "1", "--address", "a:1"], "dask and ray, not loky"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "why"), WRONG.values(), ids=WRONG)
def test_wrong_calls(
    call: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *call, "--out", str(tmp_path / "s")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert why in line
    assert not (tmp_path / "s").exists()


def test_a_folder_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main([*CALL, str(tmp_path / "file" / "s")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "file" in line


def test_a_full_disk_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, room = os.fsync, [4]

    def full(file: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)  # sweep.json, the folder, two runs
    assert main([*CALL, str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == f"tinygrad-cls: error: {tmp_path / 's' / 'runs.jsonl'}: No space left on device"
    monkeypatch.undo()
    assert len(lines(tmp_path / "s")) == 2
    assert main([*CALL, str(tmp_path / "s")]) == 0
    assert len(lines(tmp_path / "s")) == 3


# --- Both engines ---------------------------------------------------------------------------------


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_engines_agree(dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["--hidden", "8,3", "--dtype", dtype, "--engine", "tinygrad_cls,torch"]
    assert main([*CALL, str(tmp_path / "s"), *call]) == 0
    told = capsys.readouterr().out
    bound = {"float32": "1e-05", "float64": "1e-08"}[dtype]
    assert f"tinygrad_cls and torch: 6 of 6 agree within {bound} (relative)" in told
    assert "lr 0.1, hidden 3: 3 of 3 seeds agree" in told
    assert ("alone; the others are counted" in told) == (dtype == "float32")


def result(seed: int, loss: list[float], test_loss: list[float], engine: str) -> Result:
    setting = Setting("blobs", engine, 0.1, 8, seed, "float64", len(loss))
    curves = {"loss": loss, "acc": loss, "test_loss": test_loss, "test_acc": loss}
    return Result(setting, curves={name: np.array(c) for name, c in curves.items()})


@pytest.mark.parametrize(
    ("seed", "factor", "beyond"),
    [(1, 1 + 5e-9, False), (1, 1 + 2e-8, True), (42, 1 + 5e-9, True), (1, np.nan, True)],
)
def test_a_difference_is_found_at_its_epoch(seed: int, factor: float, beyond: bool) -> None:
    one, two = [1.0, 0.5, 0.25], [1.1, 0.6, 0.3]
    moved = [1.1, 0.6 * factor, 0.3]
    apart = distance(result(seed, one, moved, "tinygrad_cls"), result(seed, one, two, "torch"))
    assert (apart.epoch, apart.loss) == ((2, "test loss") if beyond else (0, ""))
    same = distance(result(seed, one, two, "tinygrad_cls"), result(seed, one, two, "torch"))
    assert (same.largest, same.epoch) == (0, 0)
    if beyond:
        text = str(apart)
        assert f"seed {seed}: from epoch 2 on, test loss" in text


def test_both_runaways_agree() -> None:
    a = [1.0, np.nan]
    assert distance(result(1, a, a, "tinygrad_cls"), result(1, a, a, "torch")).largest == 0


def test_what_parts_is_told() -> None:
    what = Sweep("blobs", [1, 2], [0.1], [8], "float64", 2, ("tinygrad_cls", "torch"))
    ours = [result(seed, [1.0, 0.5], [1.0, 0.5], "tinygrad_cls") for seed in (1, 2)]
    theirs = [result(seed, [1.0, 0.5], [1.0, 0.5 * seed], "torch") for seed in (1, 2)]
    told = "\n".join(Outcome(what, [*ours, *theirs]).agreement())
    assert "1 of 2 agree within 1e-08" in told
    assert "seed 2: from epoch 2 on, test loss 0.5 here and 1 in torch (5.0e-01 apart)" in told
    assert "hidden 8: 1 of 2 seeds agree" in told


# --- Small things ---------------------------------------------------------------------------------


def test_seeds() -> None:
    assert command_line.seeds("3, 1-2,2") == [3, 1, 2]
    assert spans(command_line.seeds("0-9,20,30-31")) == "0-9,20,30-31"
    with pytest.raises(argparse.ArgumentTypeError):
        command_line.seeds("1,,2")


def test_the_module_is_light() -> None:
    script = "import sys, tinygrad_cls.sweep; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {"joblib", "sklearn", "matplotlib", "torch", "distributed", "ray", "threadpoolctl"}
    assert not set(done.stdout.split()) & heavy


def test_overhead_of_a_run_is_small(tmp_path: Path) -> None:
    """Loosely, on a machine that has other work: without training, 200 runs in a process take
    less than 20 ms each.
    """
    tasks = {str(i): i for i in range(200)}
    curves = {name: [0.6931471805599453] * 1000 for name in ("loss", "acc", "a", "b")}
    start = time.process_time()
    with Journal(tmp_path, {}) as journal:
        for done in Pool("serial").do(lambda i: curves, tasks):
            journal.record(done.key, done.value)
    assert (time.process_time() - start) / 200 < 0.02


def test_serial_and_loky_are_the_same_bits(tmp_path: Path) -> None:
    for backend in ("serial", "loky"):
        sweep(SHORT, tmp_path / backend, Pool(backend, 2))
    assert lines(tmp_path / "serial") == lines(tmp_path / "loky")
    assert len(lines(tmp_path / "loky")) == 24
