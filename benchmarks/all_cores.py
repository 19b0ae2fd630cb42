"""Engines with all cores: a process each, in blocks by turns, and judged against itself alone."""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.cases import OURS, SAMPLE, STEPS, Case, agree, show_equality
from benchmarks.engines import BASE, Engine, Unable
from benchmarks.harness import Ratio, Timing, Unfair, ratio, verdict
from benchmarks.rows import Distrust, Row, rows_of, show
from benchmarks.tasks import Array, Task
from benchmarks.worker import Worker

SAMPLES = 5  # in a block, after one that is thrown away
METHOD = """
All cores. One process an engine; one at a time runs a block of samples while the others
wait at a pipe until its threads sleep. Before that, each is timed alone: where its median by
turns is not its median alone, give or take the noise floor, no ratio is shown."""


def compare(
    tasks: Sequence[Task], engines: Sequence[type[Engine]], blocks: int, cores: list[int]
) -> list[Row]:
    """Time every engine alone, then prove and time them by turns."""
    print(METHOD)
    cases = [Case(task) for task in tasks]
    alone = _alone(cases, engines, blocks, cores)
    rows = []
    with ExitStack() as stack:
        workers = {
            engine.name: stack.enter_context(Worker(engine.name, cores))
            for engine in engines
            if engine.name not in cases[0].unable
        }
        for case in cases:
            rows += _by_turns(case, workers, alone[str(case.task)], blocks, len(cores))
        print("\n  Threads of each pool, measured")
        for name, worker in workers.items():
            print(f"    {name:22}{worker.call('threads')}")
    return rows


def _alone(
    cases: Sequence[Case], engines: Sequence[type[Engine]], blocks: int, cores: list[int]
) -> dict[str, dict[str, Array]]:
    """Return each engine's samples by task and name, when no other engine runs."""
    found: dict[str, dict[str, Array]] = {str(case.task): {} for case in cases}
    for engine in engines:
        with Worker(engine.name, cores) as worker:
            for case in cases:
                try:
                    case.first[engine.name] = worker.call("load", case.task)
                except Unable as reason:
                    case.unable[engine.name] = str(reason)
                    continue
                except Exception as error:
                    if engine.package in OURS:
                        raise
                    case.unable[engine.name] = f"{type(error).__name__}: {error}"
                    continue
                if engine is BASE:
                    once = min(worker.block(1, 3)[0])
                    case.steps = max(1, min(STEPS, int(SAMPLE / once)))
                samples = [worker.block(case.steps, SAMPLES)[0] for _ in range(blocks)]
                found[str(case.task)][engine.name] = np.ravel(samples)
    if BASE.name in cases[0].unable:
        raise Unfair(f"there is nothing to compare with: {cases[0].unable[BASE.name]}")
    return found


def _by_turns(
    case: Case, workers: dict[str, Worker], alone: dict[str, Array], blocks: int, cores: int
) -> list[Row]:
    case.sessions = dict(workers)
    for task in dict.fromkeys((case.judged, case.task)):
        for worker in workers.values():
            worker.call("load", task)
        agree(case, task, workers)
    show_equality(case)
    samples: dict[str, list[float]] = {name: [] for name in case.sessions}
    busy: dict[str, list[float]] = {name: [] for name in case.sessions}
    rng = np.random.default_rng(0)
    for _ in range(blocks):
        for name in rng.permutation(list(case.sessions)):
            seconds, cores_busy = workers[str(name)].block(case.steps, SAMPLES)
            samples[str(name)] += seconds
            busy[str(name)].append(cores_busy)
    times = {
        name: Timing(np.array(samples[name]), 0, float(np.mean(busy[name]))) for name in samples
    }
    rows = rows_of("steps", case, times, cores, undisturbed(times, alone))
    for row in rows:
        if row["engine"] in alone:
            row["alone"] = float(np.median(alone[row["engine"]]))
    show(rows)
    shown = ", ".join(f"{name} {timing.cores:.1f}" for name, timing in times.items())
    print(f"    cores busy: {shown}")
    return rows


def undisturbed(times: dict[str, Timing], alone: dict[str, Array]) -> Distrust:
    """Distrust an engine, or a base, whose median by turns is not its median alone."""

    def why(engine: str, control: Ratio) -> str:
        for name in dict.fromkeys((engine, BASE.name)):
            if not times[name].steady:
                return "busy machine"
            found = ratio(alone[name], times[name].seconds)
            if verdict(found, control) != "no difference":
                micro = 1e6 * float(np.median(alone[name]))
                return f"no ratio: {name} alone takes {micro:,.1f} us"
        return ""

    return why
