"""Memory peak of one training step, each engine in a process of its own.

``python -m benchmarks.memory ENGINE BATCH`` is that process: it prints what it found as JSON.
"""

import argparse
import ctypes
import gc
import json
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Unfair, ratio

EAGER, REPLAY, BASE = "tinygrad_cls eager", "tinygrad_cls replay", "PyTorch eager"
MODULES = {BASE: "torch", EAGER: "tinygrad_cls", REPLAY: "tinygrad_cls"}
BATCHES = (800, 8_000, 100_000)
LATER = 3  # steps after the first
COLUMNS = ("first", "later", "as it is", "counted")
GOAL_BATCH, GOAL = 100_000, 1.1
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MAPPED = {"MALLOC_MMAP_THRESHOLD_": "16384"}  # glibc's: from 16 kB up, a mapping an array
METHOD = f"""
Memory: how far a training step (2-10-10-1, float32) raises the resident memory of a fresh process.
A training of the same size has run before and is gone, so that what a library makes once is there.
Then free heap is handed back (malloc_trim), the kernel's mark of the peak is reset
(/proc/self/clear_refs), and the peak above that level is read (VmHWM): after the first step of a
new model, at which replay records, and after {LATER} more. Arrays of 16 kB or more are mappings of
their own here ({"=".join(*MAPPED.items())}), returned when they die: what is resident
lives. Left alone, malloc keeps what dies and fits it as it can; "as it is" has the later steps so.
The kernel may be late by 32 pages a core, 0.13 MB, which matters at the smallest batch. "Counted"
are the later steps' bytes by the library's own book: tracemalloc for NumPy (with Python's objects),
torch.profiler for PyTorch. Median over processes [least, most], in MB of 10^6 bytes; times as much
as PyTorch in the later steps [95 %], and as it is."""

Step = Callable[[], float]


def growth(work: Callable[[], Any]) -> tuple[int, Any]:
    """Return by how many bytes ``work`` raised the peak of resident memory, and its result.

    OSError where the system has no ``/proc/self/clear_refs`` (it is Linux's).
    """
    before = level()
    found = work()
    return _resident("VmHWM") - before, found


def level() -> int:
    """Return the resident bytes, from which the kernel's mark of the peak starts anew."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
    CLEAR_REFS.write_text("5", encoding="ascii")
    return _resident("VmRSS")


def training(engine: str, batch: int) -> Step:
    """Return the step of a new model on so many points; ImportError where the engine is absent."""
    torch: Any = import_module(MODULES[engine])
    nn = torch.nn
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.standard_normal((batch, 2)).astype(np.float32))
    y = torch.from_numpy((np.arange(batch) % 2).astype(np.float32))
    torch.manual_seed(42)
    model = nn.Sequential(
        nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1)
    )
    loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> Any:
        loss = loss_fn(model(X).squeeze(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    if engine == REPLAY:
        if not hasattr(torch, "compile"):
            raise ImportError("tinygrad_cls.compile is not there")
        step = torch.compile(step)
    return lambda: float(step().item())


def peaks(engine: str, batch: int) -> dict[str, Any]:
    """Return bytes of the first step, of later ones, and as counted, with the losses."""
    warm = training(engine, batch)
    for _ in range(3):
        warm()
    del warm
    step = training(engine, batch)
    before = level()
    losses = [step()]
    first = _resident("VmHWM") - before
    CLEAR_REFS.write_text("5", encoding="ascii")
    losses += [step() for _ in range(LATER)]
    later = _resident("VmHWM") - before
    count = _counted_by_torch if engine == BASE else _counted_by_tracemalloc
    return {"first": first, "later": later, "counted": count(engine, batch), "losses": losses}


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print the table of peaks and return its rows; nothing to measure off Linux."""
    quick = getattr(options, "quick", False)
    batches = getattr(options, "batches", None) or BATCHES
    processes = 1 if quick else 5
    if not CLEAR_REFS.exists():
        print("\nMemory: not measured, it needs Linux's /proc/self/clear_refs")
        return []
    found, absent = _measure(batches, processes)
    for batch in batches:
        _prove(batch, found)
    print(METHOD)
    for engine, reason in absent.items():
        print(f"  absent: {engine}: {reason}")
    print(
        f"\n  {'batch':>7}  {'engine':20}{'first step':>25}{'later steps':>25}{'as it is':>25}"
        f"{'counted':>9}  times PyTorch's"
    )
    rows = [
        _row(engine, batch, found)
        for batch in batches
        for engine in MODULES
        if (engine, batch) in found
    ]
    _conclude(rows)
    return rows


def _measure(
    batches: Sequence[int], processes: int
) -> tuple[dict[tuple[str, int], list[Any]], dict[str, str]]:
    """Run every engine and batch so many times, in an order shuffled each round."""
    absent = {
        engine: f"no module named {module}"
        for engine, module in MODULES.items()
        if find_spec(module) is None
    }
    shuffle = random.Random(0)
    jobs = [(engine, batch, m) for engine in MODULES for batch in batches for m in (MAPPED, {})]
    found: dict[tuple[str, int], list[Any]] = {}
    for _ in range(processes):
        for engine, batch, malloc in shuffle.sample(jobs, len(jobs)):
            if engine in absent:
                continue
            result = _in_a_process(engine, batch, malloc)
            if "absent" in result:
                absent[engine] = result["absent"]
                continue
            if not malloc:
                result = {"as it is": result["later"], "losses": result["losses"]}
            found.setdefault((engine, batch), []).append(result)
    return found, absent


def _in_a_process(engine: str, batch: int, malloc: dict[str, str]) -> Any:
    command = [sys.executable, "-m", "benchmarks.memory", engine, str(batch)]
    root = Path(__file__).resolve().parent.parent
    env = os.environ | malloc
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _prove(batch: int, found: dict[tuple[str, int], list[Any]]) -> None:
    """Raise ``Unfair`` if an engine's losses aren't the first one's, but for rounding."""
    named = [(engine, found[engine, batch]) for engine in MODULES if (engine, batch) in found]
    base, expected = named[0]
    tolerance = batch * float(np.finfo(np.float32).eps)  # a sum over the batch, in any order
    for engine, results in named:
        for result in results:
            if not np.allclose(result["losses"], expected[0]["losses"], rtol=tolerance, atol=0):
                raise Unfair(
                    f"memory, batch {batch}: {engine} has the losses {result['losses']}, "
                    f"{base} {expected[0]['losses']}"
                )
    print(
        f"\nSame work, batch {batch}: the losses of {', '.join(name for name, _ in named)} agree."
    )


def _row(engine: str, batch: int, found: dict[tuple[str, int], list[Any]]) -> dict[str, Any]:
    """Print and return what was found."""
    cells = {what: _bytes(engine, batch, what, found) for what in COLUMNS}
    times = {}
    if (BASE, batch) in found:
        for what in "later", "as it is":
            ours, theirs = (_bytes(name, batch, what, found) for name in (engine, BASE))
            times[what] = ratio(ours, theirs)
    print(f"  {batch:7,}  {engine:20}", end="")
    print("".join(f"{_cell(cells[what]):>25}" for what in COLUMNS[:3]), end="")
    print(f"{np.median(cells['counted']) / 1e6:9.2f}  ", end="")
    if times:
        known = len(cells["later"]) > 1  # of one process there is no interval
        later = str(times["later"]) if known else f"{times['later'].value:.3f}"
        print(f"{later}  {times['as it is'].value:.2f}")
    else:
        print("-")
    return {
        "study": "memory",
        "task": "2-10-10-1",
        "batch": batch,
        "dtype": "float32",
        "engine": engine,
        "goal": GOAL if (engine, batch) == (EAGER, GOAL_BATCH) else None,
        "bytes": {
            what: {"median": float(np.median(x)), "low": float(x.min()), "high": float(x.max())}
            for what, x in cells.items()
        },
        "times": {what: asdict(found) for what, found in times.items()},
    }


def _bytes(
    engine: str, batch: int, what: str, found: dict[tuple[str, int], list[Any]]
) -> NDArray[np.float64]:
    return np.array([float(r[what]) for r in found[engine, batch] if what in r])


def _conclude(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        if row["goal"] and row["times"]:
            value = row["times"]["later"]["value"]
            met = "met" if value <= row["goal"] else "not met"
            print(
                f"\nGoal, memory, {row['engine']}, batch {row['batch']:,}: at most {row['goal']} "
                f"times PyTorch's. {value:.3f}: {met}"
            )


def _cell(found: NDArray[np.float64]) -> str:
    mega = found / 1e6
    return f"{np.median(mega):.2f} [{mega.min():.2f}, {mega.max():.2f}]"


def _resident(name: str) -> int:
    """Return a line of the process's status in bytes: VmRSS or VmHWM."""
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"{STATUS} has no {name}")


def _counted_by_tracemalloc(engine: str, batch: int) -> int:
    step = training(engine, batch)
    tracemalloc.start()
    step()
    tracemalloc.reset_peak()
    for _ in range(LATER):
        step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _counted_by_torch(engine: str, batch: int) -> int:
    profiler: Any = import_module("torch.profiler")
    step = training(engine, batch)
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profile:
        for _ in range(1 + LATER):
            step()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    totals = [event["args"]["Total Allocated"] for event in events if event["name"] == "[memory]"]
    return int(max(totals))


def main(engine: str, batch: str) -> None:
    """Print what this process finds as JSON."""
    try:
        found = peaks(engine, int(batch))
    except ImportError as error:
        found = {"absent": str(error)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
