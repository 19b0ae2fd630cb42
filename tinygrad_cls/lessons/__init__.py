"""Twelve lessons on how learning works, each an executable file with its check.

A lesson is `lesson_NN_*.py` in this folder: cells of prose and code, asserts, and at the end a
change that breaks it, with the check that must then fail. English is the source; Korean comes from
`ko.po`. The lessons need the extra `experiments`.
"""

from .catalogue import LANGUAGES
from .cells import Change
from .running import Failed
from .shelf import FILES, change, messages, mutant, recorded, run, source, title

__all__ = [
    "FILES",
    "LANGUAGES",
    "Change",
    "Failed",
    "change",
    "messages",
    "mutant",
    "recorded",
    "run",
    "source",
    "title",
]
