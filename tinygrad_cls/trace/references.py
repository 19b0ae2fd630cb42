"""Other engines to compare a trace's gradients with. This room knows of none: they enter
themselves, as :mod:`tinygrad_cls._torch` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Compared(NamedTuple):
    """A leaf's ``.grad``: as recorded, as the other engine has it, and from both in float64."""

    value: str
    ours: Array
    theirs: Array
    ours_exact: Array
    theirs_exact: Array


class Comparison(NamedTuple):
    """Every leaf's gradient; or, in ``why``, what keeps the other engine from computing them."""

    version: str
    leaves: list[Compared]
    why: str = ""


REFERENCES: dict[str, Callable[[Any], Comparison]] = {}
"""By name, what compares a :class:`~tinygrad_cls.trace.record.Trace`. It raises ImportError where
the engine is not installed."""
