"""Which line of the user's code is running: errors name it."""

from __future__ import annotations

import contextlib
import linecache
import sys
from types import CodeType
from typing import Any

import numpy as np

NOT_THE_USERS = (
    __file__.removesuffix("callsite.py"),
    np.__file__.removesuffix("__init__.py"),  # np.errstate and no_grad decorate functions here,
    contextlib.__file__,  # and stand between them and who calls them
)
"""Where the engine's own code lies, and what it calls itself through; code elsewhere is the user's.
"""

Callsite = tuple[CodeType, int]


def caller() -> Callsite:
    """The user's line that is running, as a code object and an instruction: :func:`line` reads it.

    Every in-place write asks; it takes a tenth of a microsecond a frame.
    """
    frame: Any = sys._getframe(1)
    while frame.f_code.co_filename.startswith(NOT_THE_USERS) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def line(called: Callsite) -> str:
    """File, line, function and text.

    >>> line(caller())
    '<doctest tinygrad_cls.callsite.line[0]>, line 1, in <module>: line(caller())'
    """
    code, instruction = called
    number = next(
        (n for start, stop, n in code.co_lines() if start <= instruction < stop and n is not None),
        code.co_firstlineno,
    )
    text = linecache.getline(code.co_filename, number).strip()
    return f"{code.co_filename}, line {number}, in {code.co_name}{f': {text}' * bool(text)}"
