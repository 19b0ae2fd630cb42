"""A subject at the inputs as they were given, and backward's answers there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .noise import measured
from .point import TIMES
from .subject import Array, Subject
from .trial import Trial

Answers = tuple[Any, ...]


@dataclass
class Exam:
    """A subject at the inputs as they were given (float32 stays float32).

    answers: backward's, to each of the K cotangents (rows of ``cotangents``).
    """

    trial: Trial
    arrays: list[Array]
    judged: tuple[int, ...]
    values: tuple[Array, ...]
    cotangents: Array
    answers: list[Answers]
    rng: np.random.Generator
    nondeterminism: float = 0.0  # how far answers to equal questions may differ
    rounding: float = 0.0  # of an answer, as measured

    @property
    def subject(self) -> Subject:
        return self.trial.subject

    def name(self, i: int) -> str:
        return f"d out / d {self.subject.inputs[i]}"

    def numbers(self, answers: Answers) -> Array:
        """An answer's gradients for the judged inputs, end to end; None counts as zeros."""
        parts = [
            np.zeros(self.arrays[i].size) if answers[i] is None else np.ravel(answers[i])
            for i in self.judged
        ]
        return np.concatenate([np.asarray(p, np.float64) for p in parts])

    def measure_rounding(self) -> None:
        """What rounding does to an answer, where terms cancel in it: a saturated softmax's. Moved,
        a cotangent moves the answer along a line, whose scatter is rounding; more than that is none
        (a clipped gradient's).
        """
        size, rng = np.abs(self.cotangents).max(axis=0), np.random.default_rng(0)

        def along(g: Array, move: Array) -> Array:
            return measured(
                lambda t: self.numbers(self.trial.pull(self.arrays, g + t * move)), 0.037
            )

        found = np.array([along(*rng.choice([-1.0, 1.0], (2, size.size)) * size) for _ in range(3)])
        values = max(float(np.abs(y).max(initial=0)) for y in self.values)
        most = 4 * self.eps * float(size.max(initial=0)) * (1 + values)
        self.rounding = min(4 * float(found[np.isfinite(found)].max(initial=0)), most)

    @property
    def eps(self) -> float:
        """The unit of rounding of the coarsest judged input."""
        return max(float(np.finfo(self.arrays[i].dtype).eps) for i in self.judged)

    def allowed(self, numbers: Array) -> Array:
        """How far rounding, in another order, may move these numbers."""
        terms = max(max((a.size for a in self.arrays), default=1), self.trial.size)
        finite = np.abs(numbers[np.isfinite(numbers)])
        rounding = np.sqrt(terms) * self.eps * (np.abs(numbers) + finite.max(initial=0))
        return np.asarray(TIMES * (rounding + self.rounding) + self.nondeterminism)

    def differ(self, a: Array, b: Array) -> bool:
        """Whether two answers differ by more than rounding explains."""
        if a.shape != b.shape:
            return True
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return bool((~same & ~(np.abs(a - b) <= self.allowed(b))).any())


def number_array(g: Any, x: Array) -> Array:
    """A gradient's numbers; None is zeros."""
    return np.zeros(x.size) if g is None else np.asarray(g, np.float64).ravel()
