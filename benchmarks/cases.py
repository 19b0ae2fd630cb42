"""A case: one task loaded into every engine that is here and proves to do the same work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from benchmarks.engines import BASE, CONTROL, Unable
from benchmarks.harness import Session, Unfair, check, sample

STEPS = 10  # a sample: long against the clock's tick, short against a machine's moods
OURS = ("tinygrad_cls", "numpy", "torch")  # what must not fail; torch.compile may
SAMPLE = 0.02  # seconds: where steps are slow, fewer make a sample


Adapter = type[Any]  # an engine's class: name, package, note, load(); a call loads a task


class Work(Protocol):
    """A task, as far as cases know it."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def tolerance(self) -> float: ...
    @property
    def kinked(self) -> bool: ...
    @property
    def exact(self) -> "Work": ...


@dataclass
class Case:
    """What stands ready to be timed, how long it took, and why the others do not."""

    task: Work
    sessions: dict[str, Session] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)  # seconds: set-up and the first step
    unable: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    unequal: dict[str, str] = field(default_factory=dict)
    steps: int = STEPS

    @property
    def judged(self) -> Work:
        """The task whose tolerance means something: the same, or its twin in float64."""
        return self.task.exact if self.task.kinked else self.task

    @property
    def turns(self) -> list[Session]:
        """The sessions to be timed, the base first."""
        return list(self.sessions.values())


def load(task: Work, engines: Sequence[Adapter]) -> Case:
    """Load a task into every engine that is able; raises ``Unfair`` if the base is not."""
    case = Case(task)
    for engine in engines:
        try:
            engine.load()
            start = perf_counter()
            session = engine(task)
            session.step()
            case.first[engine.name] = perf_counter() - start
            case.sessions[engine.name] = session
        except Unable as reason:
            case.unable[engine.name] = str(reason)
        except Exception as error:
            if engine.package in OURS:
                raise
            case.unable[engine.name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if BASE.name not in case.sessions:
        raise Unfair(
            f"there is nothing to compare with: {case.unable[BASE.name]}; pip install -e '.[bench]'"
        )
    base = case.sessions[BASE.name]
    once = min(sample(base, 1) for _ in range(3))
    case.steps = max(1, min(STEPS, int(SAMPLE / once)))
    return case


def prove(case: Case, engines: Sequence[Adapter]) -> None:
    """Compare every engine's results with the base's; those that differ leave the case."""
    if case.task.kinked:
        agree(case, case.judged, load(case.judged, engines).sessions)
    agree(case, case.task, case.sessions)


def agree(case: Case, task: Work, sessions: Mapping[str, Session]) -> None:
    """Compare sessions of the case's task, or of its twin in float64, with the base's."""
    for name in [name for name in case.sessions if name != BASE.name and name in sessions]:
        try:
            pair = [sessions[BASE.name], sessions[name]]
            found = check(str(task), pair, 2 * case.steps, task.tolerance)
        except Unfair as reason:
            case.unequal[name] = str(reason)
            del case.sessions[name]
        else:
            case.differences.setdefault(name, found)


def show_equality(case: Case) -> None:
    """Print by how much the engines' results differ."""
    worst = max(case.differences.values(), default=0.0)
    by = f"{worst:.0e}{' in float64' * case.task.kinked}"
    allowed = f"allowed {case.judged.tolerance:.0e} a step"
    print(
        f"  {case.task!s:42} {len(case.sessions):2} engines, differ by {by}, {allowed}", flush=True
    )
    for reason in case.unequal.values():
        print(f"    DIFFERENT WORK, not timed: {reason}")


def quiet_pair(case: Case) -> list[Session]:
    """Return the base and its control, for the noise floor."""
    return [case.sessions[BASE.name], case.sessions[CONTROL.name]]
