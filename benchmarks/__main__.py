"""``python -m benchmarks``: one training step, PyTorch eager against tinygrad_cls."""

import argparse
import cProfile
import json
import pstats
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environment
from benchmarks.engines import Control, PyTorch, TinygradCls
from benchmarks.harness import Ratio, Session, Timing, Unfair, check, measure, ratio, verdict
from benchmarks.tasks import Task, tutorial

SCHEMA = "tinygrad_cls benchmark 1"
STEPS = 10  # a sample: long against the clock's tick, short against a machine's moods
ENGINES = (PyTorch, Control, TinygradCls)  # the first is the base of every ratio
METHOD = f"""
Step: forward, loss, zero_grad, backward, SGD, loss.item(). Sample: the mean of {STEPS} steps
after {STEPS} untimed, always the same. Engines take turns in one process, in an order shuffled each
round. The garbage collector is off in a sample and runs after it. Shown: microseconds a step,
median (minimum); how many times as fast, a ratio of medians [95 % interval]; the same for PyTorch
against itself, the noise floor: a ratio within it is "no difference". "Busy machine": a median
over 1.25 minima.

  {"":22}{"PyTorch":>16}{"tinygrad_cls":>16}  {"times as fast":20}  control"""


@dataclass(frozen=True)
class Row:
    """What was found for one task."""

    task: Task
    times: dict[str, Timing]
    ratio: Ratio
    control: Ratio

    @property
    def steady(self) -> bool:
        """Whether the machine was quiet enough for the ratio to mean something."""
        return all(timing.steady for timing in self.times.values())

    def __str__(self) -> str:
        cells = [f"  {self.task!s:22}"]
        for engine in PyTorch, TinygradCls:
            micro = 1e6 * self.times[engine.name].seconds
            cells.append(f"{np.median(micro):6.1f} ({micro.min():.1f})".rjust(16))
        shown = verdict(self.ratio, self.control) if self.steady else "busy machine"
        return "".join(cells) + f"  {self.ratio}  {self.control}  {shown}"


def prove(loaded: Sequence[tuple[Task, Sequence[Session]]]) -> list[float]:
    """Print by how much the engines' results differ; raises ``Unfair`` if by too much."""
    print(f"Same work: {2 * STEPS} steps from equal weights; every loss, parameter and gradient.")
    print("Allowed a step: points x eps of the largest value, the rounding of a sum in any order.")
    found = [check(str(task), sessions, 2 * STEPS, task.tolerance) for task, sessions in loaded]
    for (task, _), difference in zip(loaded, found, strict=True):
        print(f"  {task!s:22}  differ by {difference:.1e}, allowed {task.tolerance:.1e} a step")
    return found


def describe() -> dict[str, Any]:
    """Print the environment; raises ``Unfair`` if it runs more than one thread."""
    found = environment.record()
    print("\nEnvironment, as measured")
    for name, value in found.items():
        print(f"  {name:22}  {value}")
    if any(count > 1 for count in found["threads"].values()):
        raise Unfair("one thread was asked for, more were found")
    return found


def compare(task: Task, sessions: Sequence[Session], seconds: float, seed: int) -> Row:
    """Measure and print one row."""
    times = measure(sessions, STEPS, seconds, seed)
    base, control, ours = (times[session.name].seconds for session in sessions)
    row = Row(task, times, ratio(base, ours), ratio(base, control))
    print(row, flush=True)
    return row


def conclude(rows: Sequence[Row]) -> None:
    """Print what was left to the garbage collector, and whether the goals are met."""
    for name in rows[0].times:
        garbage = sum(row.times[name].garbage for row in rows)
        print(f"  {name} left {garbage} objects to the garbage collector")
    for row in rows:
        if goal := row.task.goal:
            met = "met" if row.ratio.value >= goal else "not met"
            met = met if row.steady else "not judged, the machine was busy"
            print(f"\nGoal, {row.task}: {goal} times as fast as PyTorch eager. {row.ratio}: {met}")


def profile(task: Task) -> None:
    """Print where the engine's time goes."""
    session = TinygradCls(task)
    session.step()
    print(f"\nProfile of 1000 steps, {task}: 0.001 seconds are a microsecond a step")
    with cProfile.Profile() as profiler:
        for _ in range(1000):
            session.step()
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(20)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison: equality, environment, times. No time is shown without the first."""
    options = _options(arguments)
    tasks = tutorial(options.points)[: 1 if options.quick else None]
    seconds = (options.seconds or (0.5 if options.quick else 24.0)) / len(tasks)
    try:
        loaded = [(task, [engine(task) for engine in ENGINES]) for task in tasks]
        differences = prove(loaded)
        where = describe()
    except Unfair as error:
        print(f"No times: {error}", file=sys.stderr)
        return 1
    print(METHOD)
    rows = [compare(task, sessions, seconds, options.seed) for task, sessions in loaded]
    conclude(rows)
    if options.profile:
        profile(tasks[0])
    if options.json:
        document = {
            "schema": SCHEMA,
            "environment": where,
            "steps": STEPS,
            "seed": options.seed,
            "rows": [
                asdict(row) | {"difference": difference, "tolerance": row.task.tolerance}
                for row, difference in zip(rows, differences, strict=True)
            ],
        }
        text = json.dumps(document, default=np.ndarray.tolist)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the headline row alone, 0.5 s")
    parser.add_argument("--seconds", type=float, help="time to measure for, all rows (24)")
    parser.add_argument("--points", type=int, default=800, help="points of a batch (800)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of turns (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--profile", action="store_true", help="where the engine's time goes")
    options = parser.parse_args(arguments)
    if options.points < 2 or (options.seconds is not None and not options.seconds > 0):
        parser.error("--points must be 2 or more, --seconds more than 0")
    if find_spec("torch") is None:
        parser.error("there is nothing to compare with: pip install 'tinygrad_cls[reference]'")
    return options


if __name__ == "__main__":
    environment.pin()
    sys.exit(main())
