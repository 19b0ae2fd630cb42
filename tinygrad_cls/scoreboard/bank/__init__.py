"""The bank: faults that a judge must catch, and correct functions that it must not blame."""

from ..case import CORRECT, FAULTS
from . import (
    correct,
    extremes,
    kinks,
    losses,
    paths,
    places,
    state,
    structure,
    values,
)

__all__ = [
    "CORRECT",
    "FAULTS",
    "correct",
    "extremes",
    "kinks",
    "losses",
    "paths",
    "places",
    "state",
    "structure",
    "values",
]
