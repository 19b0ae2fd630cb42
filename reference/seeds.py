"""The contract over many seeds: for how many each of its rows holds.

Each seed is a piece of work of its own, with all experiments and dtypes in it, done on all cores;
a finished one is on disk before it counts, and the same command goes on where it stopped.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tinygrad_cls
from tinygrad_cls.experiments import EXPERIMENTS
from tinygrad_cls.sweep import Journal, Pool, Progress, complete
from tinygrad_cls.sweep.runs import spans

from .compare import Setting, compare
from .contract import judge
from .other import default_kernels
from .report import amount


@dataclass(frozen=True)
class Task:
    """All comparisons with one seed. epochs: None for the tutorial's."""

    experiments: Sequence[str]
    dtypes: Sequence[str]
    seed: int
    epochs: int | None
    device: str
    eager: bool

    def settings(self) -> list[Setting]:
        """One for each experiment in each dtype."""
        return [
            Setting(
                EXPERIMENTS[name],
                dtype,
                self.seed,
                self.epochs or EXPERIMENTS[name].epochs,
                torch.device(self.device),
                self.eager,
            )
            for name in self.experiments
            for dtype in self.dtypes
        ]


def judged(task: Task) -> dict[str, Any]:
    """Every row of every comparison."""
    rows = []
    with default_kernels(task.settings()) as records:
        for setting in task.settings():
            for row in judge(compare(setting, records)).rows:
                where = {"experiment": setting.experiment.name, "dtype": setting.dtype}
                rows.append(where | asdict(row) | {"met": row.met})
    return {"seed": task.seed, "rows": rows}


def run(tasks: Sequence[Task], folder: Path, jobs: int | None = None) -> list[dict[str, Any]]:
    """What `judged` says of each; of one that failed, its error."""
    first = asdict(tasks[0]) | {"seed": None}
    versions = {
        "tinygrad_cls": tinygrad_cls.__version__,
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "machine": platform.machine(),
    }
    identity = first | {"seeds": spans([task.seed for task in tasks]), "versions": versions}
    work = {f"seed {task.seed}": task for task in tasks}
    progress = Progress(len(work), noun="seeds")
    with Journal(folder, identity) as journal:
        progress.begin(len(journal.finished))
        try:
            complete(
                journal,
                judged,
                work,
                Pool("loky", jobs),
                lambda done: progress.step(bool(done.error)),
            )
        finally:
            progress.clear()
        found = {key: {"seed": work[key].seed} | value for key, value in journal.read()}
    return [found[key] for key in work]


def lines(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The table: of each row, for how many seeds it holds, and the worst of all."""
    fine = [result for result in results if "error" not in result]
    cells: dict[tuple[str, str], dict[str, list[tuple[int, Mapping[str, Any]]]]] = {}
    for result in fine:
        for row in result["rows"]:
            place = cells.setdefault((row["experiment"], row["dtype"]), {})
            place.setdefault(row["quantity"], []).append((result["seed"], row))
    yield f"{'':32}  {'holds for':>10}  {'worst':>10}  {'of seed':>8}  {'torch from itself':>17}"
    for (experiment, dtype), quantities in cells.items():
        yield f"{experiment}, {dtype}"
        for quantity, rows in quantities.items():
            yield f"  {quantity:30}{_columns(rows)}"
            for seed, row in rows:
                if row["met"] is False:
                    yield f"    seed {seed}, first beyond: {row['broken_at']}"
    for result in results:
        if "error" in result:
            yield f"seed {result['seed']} failed: {result['error']}"


def _columns(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    judged_rows = [row["met"] for _, row in rows if row["met"] is not None]
    holds = f"{sum(judged_rows)} of {len(judged_rows)}" if judged_rows else "-"
    seed, worst = max(rows, key=lambda pair: _size(pair[1]["measured"]))
    itself = max(_size(row["itself"]) for _, row in rows)
    unit = worst["unit"]
    return (
        f"  {holds:>10}  {amount(_size(worst['measured']), unit):>10}  {seed:>8}"
        f"  {amount(itself, unit):>17}"
    )


def _size(value: float | None) -> float:
    """A number that was not finite comes back from the disk as None."""
    return float("inf") if value is None else value


def conclusion(results: Sequence[Mapping[str, Any]]) -> str:
    """The last line."""
    rows = [row for result in results for row in result.get("rows", ())]
    met = [row["met"] for row in rows if row["met"] is not None]
    failed = sum("error" in result for result in results)
    if failed:
        return f"{failed} of {len(results)} seeds failed"
    if not all(met):
        return f"Contract BROKEN: {len(met) - sum(met)} of {len(met)} rows not met"
    return f"Contract kept for {len(results)} seeds: {len(met)} of {len(met)} rows met"
