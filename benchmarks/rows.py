"""What was measured for a case, as a table for people and as rows for JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.engines import BASE, CONTROL
from benchmarks.goals import goals_of
from benchmarks.harness import Ratio, Timing, floor, median, ratio, verdict

Row = dict[str, Any]
Distrust = Callable[[str, Ratio], str]  # why an engine's ratio is not to be trusted, or nothing

HEAD = f"    {'':22}{'microseconds (minimum)':>24}  {'times as fast as PyTorch':26}"


def busy(times: Mapping[str, Timing]) -> Distrust:
    """Distrust what was measured while others had the core too."""

    def why(engine: str, _: Ratio) -> str:
        steady = times[engine].steady and times[BASE.name].steady
        return "" if steady else "busy machine"

    return why


def rows_of(
    study: str, case: Case, times: Mapping[str, Timing], cores: int, distrust: Distrust
) -> list[Row]:
    """Return a row for every engine of the case, timed or not.

    On several cores a ratio that is not to be trusted is left out: it can be off by far.
    """
    seconds = {name: timing.seconds for name, timing in times.items()}
    control = ratio(seconds[BASE.name], seconds[CONTROL.name])
    task = case.task
    common: Row = {
        "study": study,
        "task": task.name,
        "batch": getattr(task, "points", None),
        "width": max(getattr(task, "widths", (0,))[1:], default=None),
        "dtype": task.dtype,
        "cores": cores,
        "steps": case.steps,
        "tolerance": case.judged.tolerance,
        "floor": floor(control),
    }
    rows = []
    for name, timing in times.items():
        reason = distrust(name, control)
        found = ratio(seconds[BASE.name], seconds[name])
        said = reason or ("noise" if name == CONTROL.name else verdict(found, control))
        shown = None if reason and cores > 1 else asdict(found)
        rows.append(
            common
            | _time(timing)
            | {
                "engine": name,
                "ratio": shown,
                "verdict": "base" if name == BASE.name else said,
                "difference": case.differences.get(name, 0.0),
                "first": case.first[name],
                "goals": _judge(task, cores > 1, name, seconds, lambda n: distrust(n, control)),
            }
        )
    for name, reason in (case.unequal | case.unable).items():
        kind = "different work" if name in case.unequal else "absent"
        rows.append(common | {"engine": name, "verdict": kind, "reason": reason})
    for row in rows:
        over_base = [g["factor"] for g in row.get("goals", ()) if g["over"] == BASE.name]
        row["goal"] = over_base[0] if over_base else None
    return rows


def _time(timing: Timing) -> Row:
    found = median(timing.seconds)
    return {
        "median": found.value,
        "low": found.low,
        "high": found.high,
        "minimum": float(timing.seconds.min()),
        "samples": timing.seconds.tolist(),
        "garbage": timing.garbage,
        "cores_busy": timing.cores,
    }


def _judge(
    task: Any, all_cores: bool, name: str, seconds: Mapping[str, Any], why: Callable[[str], str]
) -> list[Row]:
    judged = []
    for goal in goals_of(task.name, task.dtype, all_cores, name):
        row: Row = {"over": goal.over, "factor": goal.factor, "ratio": None}
        if goal.over not in seconds:
            row["verdict"] = f"not judged, {goal.over} was not timed"
            judged.append(row)
            continue
        found = ratio(seconds[goal.over], seconds[name])
        if reason := why(name) or why(goal.over):
            row["verdict"] = f"not judged: {reason}"
        else:
            within = "met" if found.low >= goal.factor else "met, within noise"
            row["verdict"] = within if found.value >= goal.factor else "not met"
        row["ratio"] = None if reason and all_cores else asdict(found)
        judged.append(row)
    return judged


def show(rows: list[Row]) -> None:
    """Print a table of one case, the slowest engines as plainly as the fastest."""
    first = rows[0]
    threads = "one core" if first["cores"] == 1 else f"{first['cores']} cores"
    print(f"\n  {first['task']}, {first['dtype']}, {threads}; noise floor {first['floor']:.3f}")
    print(HEAD)
    for row in rows:
        if "median" not in row:
            continue
        times = f"{1e6 * row['median']:,.1f} ({1e6 * row['minimum']:,.1f})"
        shown = str(Ratio(**row["ratio"])) if row["ratio"] else "-"
        print(f"    {row['engine']:22}{times:>24}  {shown:26}  {row['verdict']}", flush=True)
    missing = [row["engine"] for row in rows if "median" not in row]
    if missing:
        print(f"    not timed: {', '.join(missing)}")


def show_goals(rows: list[Row]) -> None:
    """Print which goals are met."""
    if any(row.get("goals") for row in rows):
        print("\nGoals, times as fast")
    for row in rows:
        what = f"{row['task']}: {row['engine'].removeprefix('tinygrad_cls ')}"
        for goal in row.get("goals", ()):
            found = str(Ratio(**goal["ratio"])) if goal["ratio"] else ""
            aim = f"{goal['factor']} x {goal['over']}"
            print(f"  {what:44} {aim:20} {found:24} {goal['verdict']}")


def show_first(rows: list[Row]) -> None:
    """Print the seconds from loading a task to the end of its first step."""
    timed = [row for row in rows if "first" in row and row["cores"] == 1]
    if not timed:
        return
    print("\nFirst step: seconds to load, compile and take it, imports not counted")
    print(f"  {'':22} {'first task':>12} {'others, median':>16}")
    for engine in dict.fromkeys(row["engine"] for row in timed):
        first, *others = (row["first"] for row in timed if row["engine"] == engine)
        median_of = f"{np.median(others):.3f}" if others else "-"
        print(f"  {engine:22} {first:12.3f} {median_of:>16}")


def show_absent(rows: list[Row]) -> None:
    """Print which engines are missing, and why."""
    reasons = {(row["engine"], row["reason"]) for row in rows if row["verdict"] == "absent"}
    if reasons:
        print("\nNot here, or not able")
    for engine, reason in sorted(reasons):
        print(f"  {engine:22} {reason}")
