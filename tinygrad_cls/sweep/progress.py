"""How far many runs have come, and how long the rest will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

BAR = 30
EVERY = 30.0  # seconds between two lines where no terminal is


class Progress:
    """Tells of `total` runs, from `begin` on.

    On a terminal it is a bar that stays in its line; elsewhere a line now and then. The estimate
    is the rate of this command since its first run, so what was there before speeds nothing up.
    """

    def __init__(
        self,
        total: int,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        noun: str = "runs",
    ) -> None:
        self.total, self.failed, self.noun = total, 0, noun
        self.out = out or sys.stderr
        self.clock = clock
        self.terminal = self.out.isatty()
        self.drawn = False
        self.begin(0)

    def begin(self, before: int) -> None:
        """Now it starts, and an earlier command has finished so many."""
        self.before = self.done = before
        self.start = self.first = self.told = self.clock()

    def step(self, failed: bool = False) -> None:
        """One more run is finished."""
        self.done += 1
        self.failed += failed
        now = self.clock()
        if self.done == self.before + 1:
            self.first = now
        pause = 0.1 if self.terminal else EVERY
        last = self.done == self.total
        if now - self.told < pause and not last and self.done != self.before + 2:
            return
        self.told = now
        if self.terminal:
            filled = BAR * self.done // self.total
            print(f"\r\x1b[K[{'#' * filled:{BAR}}] {self}", end="", file=self.out, flush=True)
            self.drawn = True
        else:
            print(self, file=self.out, flush=True)

    def say(self, line: str) -> None:
        """A line past the bar."""
        self.clear()
        print(line, file=self.out, flush=True)

    def clear(self) -> None:
        """Take the bar away."""
        if self.drawn:
            print("\r\x1b[K", end="", file=self.out, flush=True)
            self.drawn = False

    def __str__(self) -> str:
        now, here = self.clock(), self.done - self.before
        words = [f"{self.done} of {self.total} {self.noun}"]
        if self.failed:
            words.append(f"{self.failed} failed")
        if self.done == self.total:
            words.append(f"{duration(now - self.start)} taken")
        elif here > 1:  # the first one waits for its process to start
            words.append(
                f"{duration((now - self.first) / (here - 1) * (self.total - self.done))} left"
            )
        return ", ".join(words)


def duration(seconds: float) -> str:
    """Two units at most.

    >>> duration(0.3), duration(75), duration(3700), duration(200000)
    ('0.3 s', '1 min 15 s', '1 h 1 min', '2 d 7 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    rest = round(seconds)
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in sizes:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
