"""python -m benchmarks.sweep: what a sweep costs beyond its training.

Three measurements, on two processes unless --jobs says otherwise: how much faster 100 runs are than
in one process, interleaved; what a run costs beyond its training; and whether 300 runs are the same
bits in one process, in several and on a Dask cluster.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_cls.sweep import Pool, Sweep, sweep


def timed(what: Sweep, pool: Pool) -> tuple[float, float, dict[str, Any]]:
    """Seconds of a sweep, of its training in all workers together, and the runs without times."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = sweep(what, folder, pool)
        seconds = time.perf_counter() - start
        if outcome.failed:
            sys.exit(outcome.failed[0].error)
        with open(Path(folder, "runs.jsonl"), encoding="utf-8") as file:
            told = [json.loads(line) for line in file]
    training = sum(run.pop("seconds") for run in told)
    return seconds, training, {run.pop("run"): run for run in told}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 if the promises are not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1000, help="of the timed runs (circles-relu)")
    parser.add_argument("--no-dask", action="store_true", help="leave the Dask cluster out")
    arguments = parser.parse_args(argv)
    jobs = arguments.jobs
    timed(Sweep("circles-relu", range(2), [0.1], [10], epochs=2), Pool("serial"))  # imports

    what = Sweep("circles-relu", range(arguments.runs), [0.1], [10], epochs=arguments.epochs)
    ratios, overheads = [], []
    for number in range(arguments.rounds):
        serial, training, _ = timed(what, Pool("serial"))
        parallel, busy, _ = timed(what, Pool("loky", jobs))
        ratios.append(serial / parallel)
        overheads.append(1000 * (serial - training) / len(what))
        print(
            f"round {number + 1}: {len(what)} runs of {arguments.epochs} epochs: {serial:.1f} s in "
            f"one process ({overheads[-1]:.1f} ms a run beyond training), {parallel:.1f} s in "
            f"{jobs} ({busy:.1f} s of training in them): {ratios[-1]:.2f} times faster",
            flush=True,
        )
    ratio, overhead = statistics.median(ratios), statistics.median(overheads)
    print(f"median: {ratio:.2f} times faster (promised: 1.7 on 2 cores), {overhead:.1f} ms a run")

    grid = Sweep("blobs", range(3 * arguments.runs // 6), [0.03, 0.1, 0.3], [5, 10], epochs=50)
    found = {"serial": timed(grid, Pool("serial")), "loky": timed(grid, Pool("loky", jobs))}
    if not arguments.no_dask:
        found["dask"] = timed(grid, Pool("dask", jobs))
    for name, (seconds, training, runs) in found.items():
        processes = 1 if name == "serial" else jobs
        beyond = 1000 * (seconds - training / processes) / len(runs)
        same = "the same bits" if runs == found["serial"][2] else "OTHER NUMBERS"
        print(
            f"{len(runs)} runs, {name}: {seconds:.1f} s, {beyond:.1f} ms a run beyond training, "
            f"{same}"
        )
    equal = all(runs == found["serial"][2] for _, _, runs in found.values())
    return 0 if equal and ratio >= 1.7 and overhead < 20 else 1


if __name__ == "__main__":
    sys.exit(main())
