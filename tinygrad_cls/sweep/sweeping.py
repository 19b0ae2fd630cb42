"""What is missing from a journal is done, and then all of it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .journal import Journal
from .outcome import Outcome, Result
from .pool import Done, Pool, Work
from .runs import Sweep, run


def complete(
    journal: Journal,
    work: Work,
    tasks: Mapping[str, Any],
    pool: Pool,
    tell: Callable[[Done], None] = lambda done: None,
) -> None:
    """Do the tasks that are not in the open journal, and record each as soon as it is finished.

    `work` returns a dict; of a task that fails, the error is recorded. tell: is called with each,
    after it is on disk.
    """
    left = {key: task for key, task in tasks.items() if key not in journal.finished}
    for done in pool.do(work, left):
        told = {"error": done.error} if done.error else done.value
        journal.record(done.key, {**told, "seconds": done.seconds})
        tell(done)


def sweep(
    what: Sweep,
    folder: str | Path,
    pool: Pool | None = None,
    start: Callable[[int], None] = lambda finished: None,
    tell: Callable[[Done], None] = lambda done: None,
) -> Outcome:
    """Do the runs of a sweep that the folder lacks, and return them all.

    start: is called with the number of those that are there.

    >>> import tempfile
    >>> short = Sweep("blobs", seeds=range(2), lr=[0.1], hidden=[8], epochs=3)
    >>> outcome = sweep(short, Path(tempfile.mkdtemp()), Pool("serial"))
    >>> [result.setting.key for result in outcome.results]
    ['tinygrad_cls, lr 0.1, hidden 8, seed 0', 'tinygrad_cls, lr 0.1, hidden 8, seed 1']
    """
    tasks = {setting.key: setting for setting in what.settings()}
    with Journal(folder, what.identity()) as journal:
        start(len(journal.finished))
        complete(journal, run, tasks, pool or Pool(), tell)
        found = {key: Result.read(tasks[key], value) for key, value in journal.read()}
    return Outcome(what, [found[key] for key in tasks])
