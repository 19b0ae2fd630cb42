"""Runs that take turns: an epoch at a time, each with random numbers of its own."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from ... import dtypes
from ...random import get_rng_state, set_rng_state
from .recording import Event, Key, Lead, Watch

Run: TypeAlias = Callable[[Watch], Iterator[Any]]
"""A generator function: it calls ``watch`` with its model and yields at the end of each epoch."""


class Running:
    """A run that takes its turns: an epoch at a time, with random numbers of its own."""

    def __init__(self, function: Run, lead: Lead | None = None) -> None:
        self.watch, self.lead = Watch(lead), lead
        self._globals = Globals()
        with self._globals:
            self._epochs: Any = function(self.watch)
        if not hasattr(self._epochs, "__next__"):
            raise TypeError(
                f"diff: a run is a generator, and {function!r} returned "
                f"{type(self._epochs).__name__}: def run(watch): ... and at the end of each epoch "
                f"'yield loss'"
            )

    def epoch(self, leader: dict[Key, Event] | None = None) -> dict[Key, Event] | None:
        """The events of the next epoch, None after the last."""
        if self.lead is not None and leader is not None:
            self.lead.events = leader
        with self._globals:
            for shown in self._epochs:
                return self.watch.finish(shown)
        return None

    def close(self) -> None:
        """Ends the run where it is."""
        with self._globals:
            close = getattr(self._epochs, "close", None)
            if close:
                close()
        self.watch.close()


class Globals:
    """Random states and default dtypes: outside, and as a run has left them."""

    def __init__(self) -> None:
        self.own = look()

    def __enter__(self) -> None:
        self.outside = look()
        put(self.own)

    def __exit__(self, *error: object) -> None:
        self.own = look()
        put(self.outside)


Setting: TypeAlias = tuple[Callable[[Any], object], Any]


def look() -> list[Setting]:
    """The global state of random numbers and dtypes, each with what sets it."""
    found: list[Setting] = [
        (random.setstate, random.getstate()),
        (np.random.set_state, np.random.get_state()),  # noqa: NPY002  (what a run may draw from)
        (set_rng_state, get_rng_state()),
        (dtypes.set_default_dtype, dtypes.Default.dtype),
    ]
    torch = sys.modules.get("torch")
    if torch is not None:
        found += [
            (torch.set_rng_state, torch.get_rng_state()),
            (torch.set_default_dtype, torch.get_default_dtype()),
        ]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            found.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    return found


def put(settings: list[Setting]) -> None:
    """Sets it again."""
    for set, value in settings:
        set(value)
