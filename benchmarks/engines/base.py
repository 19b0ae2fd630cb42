"""What an engine is: a task in, training steps and their results out."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from benchmarks.tasks import Array, Task

Read = tuple[float, ...]  # the loss of a step; of an epoch also test loss and both accuracies


class Unable(Exception):
    """The engine is not here, or cannot do this work: the text says why."""


class Engine:
    """One engine with one task loaded. ``step`` reads the loss, as a training loop does."""

    name: ClassVar[str]
    package: ClassVar[str]
    note: ClassVar[str] = ""  # what a reader must know to judge its times

    def __init__(self, task: Task) -> None:
        self.task = task
        self.turn = 0
        self.batches: list[tuple[Any, Any]] = list(task.batches())

    @classmethod
    def load(cls) -> Any:
        """Import the library; raises ``Unable`` if it is not here."""
        try:
            return import_module(cls.package)
        except ImportError as error:
            raise Unable(f"{type(error).__name__}: {error}") from None

    def batch(self) -> tuple[Any, Any]:
        """Return the batch whose turn it is."""
        self.turn += 1
        return self.batches[(self.turn - 1) % len(self.batches)]

    def reset(self) -> None:
        """Go back to the task's initial weights and first batch."""
        raise NotImplementedError

    def step(self) -> Read:
        """Take a training step or an epoch and return what is read after it."""
        raise NotImplementedError

    def run(self, steps: int) -> list[Read]:
        """Take several steps."""
        return [self.step() for _ in range(steps)]

    def state(self) -> Mapping[str, Array]:
        """Return copies of every gradient and parameter, named as in torch."""
        raise NotImplementedError

    def named(self, parameters: list[Array], gradients: list[Array]) -> dict[str, Array]:
        """Name the arrays, given in the order of ``task.weights()``."""
        names = self.task.names()
        found = {f"gradient of {n}": g for n, g in zip(names, gradients, strict=True)}
        found |= dict(zip(names, parameters, strict=True))
        return {n: np.array(a) for n, a in found.items()}
