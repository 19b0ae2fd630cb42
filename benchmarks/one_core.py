"""Engines side by side on one core, taking turns in one process."""

from collections.abc import Iterable, Sequence

from benchmarks import environment
from benchmarks.cases import Adapter, Case, Work, load, prove, quiet_pair, show_equality
from benchmarks.harness import Unfair, floor, measure, ratio
from benchmarks.rows import Row, busy, rows_of, show

METHOD = """
Times on one core. Engines take turns in one process, in an order shuffled each round; a sample is
the mean of up to 10 steps after as many untimed, always the same steps; the garbage collector runs
between samples. Shown: microseconds a step, median (minimum); how many times as fast as PyTorch
eager, a ratio of medians [95 % interval]. The control is PyTorch once more; how far it is from
PyTorch is the noise floor, and ratios within it are "no difference". "Busy machine": a median
over 1.25 minima."""


def compare(
    pairs: Sequence[tuple[str, Work]], engines: Sequence[Adapter], seconds: float, seed: int
) -> list[Row]:
    """Prove, then describe, then time the tasks, each named with its study."""
    print("Same work: losses, gradients and parameters, after one step and after a sample's steps.")
    cases = [_proven(task, engines) for _, task in pairs]
    print("\nNoise floor, PyTorch against itself")
    base, control = quiet_pair(cases[0])
    times = measure([base, control], cases[0].steps, min(0.5, seconds), seed)
    noise = ratio(times[base.name].seconds, times[control.name].seconds)
    print(f"  {noise}: ratios below {floor(noise):.3f} say nothing")
    environment.show(environment.record())
    _alone()
    print(METHOD)
    each = seconds / len(cases)
    return [
        row
        for (study, _), case in zip(pairs, cases, strict=True)
        for row in _time(study, case, each, seed)
    ]


def sweep(
    study: str, tasks: Iterable[Work], engines: Sequence[Adapter], seconds: float, seed: int
) -> list[Row]:
    """Prove and time one task after another, where all at once would not fit into memory."""
    _alone()
    rows = []
    for task in tasks:
        rows += _time(study, _proven(task, engines), seconds, seed)
    return rows


def _proven(task: Work, engines: Sequence[Adapter]) -> Case:
    case = load(task, engines)
    prove(case, engines)
    show_equality(case)
    return case


def _alone() -> None:
    pools = {name: n for name, n in environment.threads().items() if name != "process"}
    if any(count > 1 for count in pools.values()):
        raise Unfair(f"one thread was asked for, more were found: {pools}")


def _time(study: str, case: Case, seconds: float, seed: int) -> list[Row]:
    times = measure(case.turns, case.steps, seconds, seed)
    rows = rows_of(study, case, times, 1, busy(times))
    show(rows)
    return rows
