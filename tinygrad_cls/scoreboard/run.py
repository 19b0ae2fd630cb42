"""Runs the judge and its rivals over the bank, and holds what came out."""

from __future__ import annotations

import platform
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import judge
from ..experiments.output import to_json
from ..judge.report import Report
from ..judge.trial import quietly
from ..sweep.pool import Pool
from .case import GROUPS, Case
from .rivals import RIVALS, Checker, NotRun, Pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Look = Callable[["Case"], "Outcome"]
Task = tuple[str, Case]
"""A checker's name and a case."""
OURS, OUR_TITLE = "judge", "tinygrad_cls judge"
CAUGHT, MISSED, PASSED, BLAMED, NOT_RUN = "caught", "missed", "passed", "blamed", "not run"


@dataclass(frozen=True)
class Outcome:
    """What one checker said of one case.

    verdict: of a fault ``"caught"`` or ``"missed"``, of a correct function ``"passed"`` or
    ``"blamed"``; ``"not run"`` where the adapter can't put the case to the checker. hint: the
    first failure's diagnosis; hinted: whether it is the one the case must earn.
    """

    case: str
    group: str
    verdict: str
    seconds: float
    said: str = ""
    hint: str = ""
    hinted: bool | None = None


@dataclass(frozen=True)
class Row:
    """One checker's outcomes. kind: ``"ours"``, ``"library"`` or ``"rule"``."""

    name: str
    title: str
    kind: str
    version: str
    outcomes: tuple[Outcome, ...]

    def those(self, *verdicts: str, group: str = "") -> list[Outcome]:
        """The outcomes with one of these verdicts."""
        of_group = [o for o in self.outcomes if group in {"", o.group}]
        return [o for o in of_group if o.verdict in verdicts]

    def caught(self, group: str = "") -> tuple[int, int]:
        """Faults caught, of those that were run."""
        return len(self.those(CAUGHT, group=group)), len(self.those(CAUGHT, MISSED, group=group))

    def blamed(self) -> tuple[int, int]:
        """Correct functions blamed, of those that were run."""
        return len(self.those(BLAMED)), len(self.those(BLAMED, PASSED))

    def hinted(self) -> tuple[int, int]:
        """Right diagnoses, of the faults caught."""
        caught = self.those(CAUGHT)
        return sum(bool(o.hinted) for o in caught), len(caught)

    def seconds(self) -> float | None:
        """The median time of a case, of those that were run."""
        times = [o.seconds for o in self.outcomes if o.verdict != NOT_RUN]
        return statistics.median(times) if times else None


@dataclass(frozen=True)
class Scoreboard:
    """The rows, ours first; missing: rivals that are not installed, and why."""

    rows: tuple[Row, ...]
    missing: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> Row:
        return self.rows[0]

    @property
    def perfect(self) -> bool:
        """Ours caught every fault and blamed no correct function."""
        return all(outcome.verdict in {CAUGHT, PASSED} for outcome in self.ours.outcomes)

    def table(self) -> str:
        """A table in Markdown, and below it what ours got wrong and what stood where."""
        from .table import table

        return table(self)

    def figure(self) -> Figure:
        """Bars: faults caught and correct functions blamed. Needs the extra `experiments`."""
        from .figure import figure

        return figure(self)

    def to_json(self) -> str:
        """Everything, case by case."""
        return to_json(
            {
                "perfect": self.perfect,
                "versions": self.versions,
                "missing": self.missing,
                "rows": [
                    summary(row) | {"outcomes": [asdict(outcome) for outcome in row.outcomes]}
                    for row in self.rows
                ],
            }
        )


def summary(row: Row) -> dict[str, Any]:
    """A row's counts."""
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "version": row.version,
        "caught": row.caught()[0],
        "faults": row.caught()[1],
        "groups": {
            group: {"caught": row.caught(group)[0], "faults": row.caught(group)[1]}
            for group in GROUPS
        },
        "blamed": row.blamed()[0],
        "correct": row.blamed()[1],
        "not run": len(row.those(NOT_RUN)),
        "hinted": row.hinted()[0] if row.kind == "ours" else None,
        "median seconds": row.seconds(),
    }


def run(
    rivals: Sequence[str] | None,
    progress: Callable[[str], None] | None,
    faults: Mapping[str, Case] | None,
    correct: Mapping[str, Case] | None,
    jobs: int = 1,
) -> Scoreboard:
    """See :func:`tinygrad_cls.scoreboard.scoreboard`."""
    chosen = list(RIVALS) if rivals is None else list(rivals)
    if unknown := [name for name in chosen if name not in RIVALS]:
        raise ValueError(f"no rival is called {unknown[0]!r}: there are {', '.join(RIVALS)}")
    if faults is None or correct is None:
        from . import bank

        faults = bank.FAULTS if faults is None else faults
        correct = bank.CORRECT if correct is None else correct
    cases = [*faults.values(), *correct.values()]
    missing, versions_of = {}, {OURS: ""}
    for name in chosen:
        try:
            versions_of[name] = checker(name).version
        except ImportError as error:
            missing[name] = str(error)
    tasks = {f"{name}: {case.name}": (name, case) for name in versions_of for case in cases}
    found = outcomes(tasks, progress or (lambda line: None), jobs)

    def row(name: str) -> Row:
        title, kind = titled(name)
        its = tuple(found[f"{name}: {case.name}"] for case in cases)
        return Row(name, title, kind, versions_of[name], its)

    rows = [row(name) for name in versions_of]
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    rows[1:] = sorted(rows[1:], key=standing)
    return Scoreboard(tuple(rows), missing, versions)


def titled(name: str) -> tuple[str, str]:
    """A checker's title and kind."""
    return (OUR_TITLE, "ours") if name == OURS else (RIVALS[name].title, RIVALS[name].kind)


def outcomes(
    tasks: Mapping[str, Task], tell: Callable[[str], None], jobs: int
) -> dict[str, Outcome]:
    """What every checker says of every case, asked here one after the other or by `jobs` processes,
    whose times are those of a busier machine.
    """
    found = {}
    if jobs == 1:
        places: Counter[str] = Counter()
        for key, (name, case) in tasks.items():
            places[name] += 1
            each = len(tasks) // len({name for name, _ in tasks.values()})
            tell(f"{titled(name)[0]}: {places[name]} of {each}, {case.name}")
            found[key] = look((name, case))
        return found
    for number, done in enumerate(Pool("loky", jobs).do(look, tasks), 1):
        name, case = tasks[done.key]
        tell(f"{number} of {len(tasks)}: {titled(name)[0]}, {case.name}")
        found[done.key] = done.value or objection(name, case, done.seconds, done.error)
    return found


def look(task: Task) -> Outcome:
    """What one checker says of one case."""
    name, case = task
    return ours(case) if name == OURS else asked(checker(name))(case)


@cache
def checker(name: str) -> Checker:
    """A rival, loaded once in a process. ImportError if it isn't installed."""
    return RIVALS[name].load()


def objection(name: str, case: Case, seconds: float, error: str) -> Outcome:
    """Where there is no verdict but an error: ours has failed, a rival has objected."""
    verdicts = (MISSED, BLAMED) if name == OURS else (CAUGHT, BLAMED)
    return Outcome(case.name, case.group, verdicts[not case.faulty], seconds, error)


def standing(row: Row) -> tuple[float, float]:
    """Who catches more comes first, of those who blames less."""
    (caught, faults), (blamed, correct) = row.caught(), row.blamed()
    return -caught / max(faults, 1), blamed / max(correct, 1)


def judged(case: Case) -> Report:
    """The judge's report on a case: by its rule, if it has one, else by what it does."""
    f, vjp, *second = case.make()
    inputs = case.inputs()
    if case.rule:
        return judge.check_loss(f, *inputs, vjp=vjp, rule=case.rule, **case.options)
    return judge.check(f, *inputs, vjp=vjp, vjp2=second[0] if second else None)


def ours(case: Case) -> Outcome:
    """The judge on a case. An exception is no verdict: it counts against us."""
    start = time.perf_counter()
    try:
        with undisturbed():
            report = judged(case)
    except Exception as error:  # noqa: BLE001  (whatever it is, the board must show it)
        return objection(OURS, case, since(start), one_line(error))
    seconds = since(start)
    first = report.failures[0] if report.failures else None
    said = f"{first.kind}: {first.text}" if first else report.verdict
    if not case.faulty:
        verdict = PASSED if report.passed else BLAMED
        return Outcome(case.name, case.group, verdict, seconds, said)
    if first is None:
        return Outcome(case.name, case.group, MISSED, seconds, said)
    right = first.hint in case.hint and case.says in first.pattern
    pattern = first.pattern or first.hint
    return Outcome(case.name, case.group, CAUGHT, seconds, said, pattern, right)


def asked(checker: Checker) -> Look:
    """The function that asks a rival about a case."""

    def look(case: Case) -> Outcome:
        start = time.perf_counter()
        try:
            with undisturbed():
                said = checker.check(Pair(case.make(), case.inputs()))
        except NotRun as why:
            return Outcome(case.name, case.group, NOT_RUN, since(start), str(why))
        except Exception as error:  # noqa: BLE001  (a checker or its engine that objects, objects)
            said = one_line(error)
        seconds = since(start)
        verdicts = (CAUGHT, MISSED) if case.faulty else (BLAMED, PASSED)
        return Outcome(case.name, case.group, verdicts[not said], seconds, said)

    return look


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without warnings, and with random numbers that are the same for every checker and run."""
    with quietly():
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  (what HIPS autograd and some faults draw from)
        yield


def since(start: float) -> float:
    """Seconds."""
    return time.perf_counter() - start


def one_line(error: BaseException) -> str:
    """An exception in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:300]}" if words else type(error).__name__
