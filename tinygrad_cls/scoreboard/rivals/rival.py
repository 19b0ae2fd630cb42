"""What a rival is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .pair import Pair


class Checker(NamedTuple):
    """A rival that is there: what it says of a pair ("" if nothing is wrong), and its version.

    ``check`` may raise: :class:`~.pair.NotRun` where the adapter can't say what the checker would
    say, anything else where the checker or its engine objects to the pair.
    """

    check: Callable[[Pair], str]
    version: str


@dataclass(frozen=True)
class Rival:
    """A checker by name.

    kind: ``"library"`` if its own code is called, ``"rule"`` if its rule is re-expressed here.
    load: imports what it needs; ImportError, in one line, where that is missing.
    """

    name: str
    title: str
    kind: str
    load: Callable[[], Checker]
