"""The work that every engine is given, as NumPy arrays: models, data and initial weights."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Task:
    """Training steps of a multilayer perceptron by full-batch SGD, learning rate 0.1.

    One output means binary classification (BCE with logits, two circles); more mean that many
    classes (cross entropy, as many blobs). ``goal`` is the speed to reach, in multiples of the
    base engine's.
    """

    name: str
    widths: tuple[int, ...]
    dtype: str
    relu: bool = True
    points: int = 800
    lr: float = 0.1
    goal: float | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}"

    @property
    def binary(self) -> bool:
        """Whether the model ends in one logit."""
        return self.widths[-1] == 1

    @property
    def tolerance(self) -> float:
        """How far engines may part in a step, relative to an array's largest value: points x eps.

        It bounds the rounding of a sum over the points, taken in any order, which is what engines
        are free to do differently.
        """
        return self.points * float(np.finfo(self.dtype).eps)

    def data(self) -> tuple[Array, Array]:
        """Return the points (n, 2) and their labels (n,): floats 0 and 1, or integers."""
        rng = np.random.default_rng(0)
        noise = rng.normal(size=(self.points, 2))
        y = np.arange(self.points) % max(2, self.widths[-1])
        if self.binary:
            angle = rng.uniform(0, 2 * np.pi, self.points)
            circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            X = (1 - 0.2 * y[:, None]) * circle + 0.03 * noise
            return X.astype(self.dtype), y.astype(self.dtype)
        centres = rng.uniform(-10, 10, size=(self.widths[-1], 2))
        return (centres[y] + 1.5 * noise).astype(self.dtype), y

    def weights(self) -> list[Array]:
        """Return a weight (out, in) and a bias (out,) per layer, uniform within 1/sqrt(in)."""
        rng = np.random.default_rng(1)
        return [
            (rng.uniform(-1, 1, shape) / np.sqrt(fan_in)).astype(self.dtype)
            for fan_in, fan_out in pairwise(self.widths)
            for shape in ((fan_out, fan_in), (fan_out,))
        ]


def tutorial(points: int = 800) -> list[Task]:
    """Return the tutorial's three models in both dtypes, the headline first."""
    return [
        Task(name, widths, dtype, relu, points, goal=2.0 if first else None)
        for dtype in ("float32", "float64")
        for name, widths, relu, first in (
            ("circles-relu", (2, 10, 10, 1), True, dtype == "float32"),
            ("circles-linear", (2, 10, 10, 1), False, False),
            ("blobs", (2, 8, 8, 4), True, False),
        )
    ]
