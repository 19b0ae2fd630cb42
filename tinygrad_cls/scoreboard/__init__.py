"""The scoreboard: this judge and the field's gradient checkers on one bank of planted faults and of
correct functions that look like faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .case import Case
    from .run import Scoreboard


def scoreboard(
    rivals: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
    faults: Mapping[str, Case] | None = None,
    correct: Mapping[str, Case] | None = None,
    jobs: int = 1,
) -> Scoreboard:
    """What the judge and its rivals say of the bank.

    Args:
        rivals: their names (``"torch"``, ``"dezero"``, ...); None is every one that is installed,
            ``[]`` the judge alone. ValueError for a name that there isn't.
        progress: is called with a line before each case.
        faults: by name, instead of the bank's.
        correct: correct functions by name, instead of the bank's.
        jobs: processes that share the work (more than one: with the extra `sweep`).

    >>> board = scoreboard(["smallpebble"], faults={}, correct={})
    >>> [row.name for row in board.rows], board.perfect
    (['judge', 'smallpebble'], True)
    """
    from .run import run

    return run(rivals, progress, faults, correct, jobs)
