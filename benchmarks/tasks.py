"""The work that every engine is given, as NumPy arrays: models, data and initial weights."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Batch = tuple[Array, Array]  # points (n, features) and labels (n,)

BATCHES = 4  # where every step gets another batch: so many, in turn


@dataclass(frozen=True)
class Task:
    """Training a multilayer perceptron by full-batch SGD, in steps or in whole epochs.

    A step is forward, loss, zero_grad, backward, update, and the loss read. ``fresh``: the step is
    handed another NumPy array each time. ``epoch``: a step, the accuracy on the training points,
    and loss and accuracy on a quarter as many test points without gradients.

    One output means binary classification (BCE with logits), more mean that many classes (cross
    entropy). Two features are two circles or blobs, more are normal numbers cut by a plane.
    """

    name: str
    widths: tuple[int, ...]
    dtype: str = "float32"
    relu: bool = True
    points: int = 800
    lr: float = 0.1
    fresh: bool = False
    epoch: bool = False

    def __str__(self) -> str:
        return f"{self.name}, {self.dtype}"

    @property
    def binary(self) -> bool:
        """Whether the model ends in one logit."""
        return self.widths[-1] == 1

    @property
    def work(self) -> float:
        """Floating-point operations of the matrix products of a step, roughly."""
        return 6.0 * self.points * sum(i * o for i, o in pairwise(self.widths))

    @property
    def tolerance(self) -> float:
        """How far engines may part in a step, relative to an array's largest value: points x eps.

        It bounds the rounding of a sum over the points, taken in any order, which is what engines
        are free to do differently.

        Except where ``kinked``: one point's share of a gradient then comes or goes, a sum of n
        random terms changes by about 1/sqrt(n) of itself. Three times that is allowed, which says
        little; ``exact`` is judged as well.
        """
        if self.kinked:
            return 3 / math.sqrt(self.points)
        return self.points * float(np.finfo(self.dtype).eps)

    @property
    def kinked(self) -> bool:
        """Whether some ReLU's input may well round to the other side of zero.

        The inputs are about 1, so that each does so with a probability of some eps.
        """
        inputs = self.relu * self.points * sum(self.widths[1:-1])
        return inputs * float(np.finfo(self.dtype).eps) > 0.01

    @property
    def exact(self) -> "Task":
        """The same work in float64."""
        return replace(self, dtype="float64")

    def batches(self) -> list[Batch]:
        """Return the batches that the steps take in turn: one, or several where they are fresh."""
        return [self._data(self.points, seed) for seed in range(BATCHES if self.fresh else 1)]

    def test(self) -> Batch:
        """Return the points and labels on which an epoch is evaluated."""
        return self._data(max(1, self.points // 4), BATCHES)

    def weights(self) -> list[Array]:
        """Return a weight (out, in) and a bias (out,) per layer, uniform within 1/sqrt(in)."""
        rng = np.random.default_rng(1)
        return [
            (rng.uniform(-1, 1, shape) / np.sqrt(fan_in)).astype(self.dtype)
            for fan_in, fan_out in pairwise(self.widths)
            for shape in ((fan_out, fan_in), (fan_out,))
        ]

    def names(self) -> list[str]:
        """Return the names of the weights, as in a torch ``Sequential``."""
        every = 2 if self.relu else 1
        layers = range(0, every * (len(self.widths) - 1), every)
        return [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]

    def _data(self, points: int, seed: int) -> Batch:
        rng = np.random.default_rng(seed)
        features, classes = self.widths[0], max(2, self.widths[-1])
        noise = rng.normal(size=(points, features))
        y = np.arange(points) % classes
        if features > 2:
            X, y = noise, (noise @ np.cos(np.arange(features)) > 0).astype(np.int64)
        elif self.binary:
            angle = rng.uniform(0, 2 * np.pi, points)
            circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            X = (1 - 0.2 * y[:, None]) * circle + 0.03 * noise
        else:
            X = np.random.default_rng(0).uniform(-10, 10, (classes, 2))[y] + 1.5 * noise
        return X.astype(self.dtype), y.astype(self.dtype) if self.binary else y


MODELS = {  # the tutorial's: widths, and whether ReLU stands between the layers
    "circles-relu": ((2, 10, 10, 1), True),
    "circles-linear": ((2, 10, 10, 1), False),
    "blobs": ((2, 8, 8, 4), True),
}


def step(name: str, points: int, dtype: str = "float32", fresh: bool = False) -> Task:
    """Return the bare training step of one of the tutorial's models."""
    widths, relu = MODELS[name]
    called = f"{name}, batch {points:,}" + ", fresh" * fresh
    return Task(called, widths, dtype, relu, points, fresh=fresh)


def epochs(points: int = 800) -> list[Task]:
    """Return whole epochs of the tutorial's three runs."""
    return [
        Task(f"{name}, epoch", widths, relu=relu, points=points, epoch=True)
        for name, (widths, relu) in MODELS.items()
    ]


def small(points: int = 800) -> list[Task]:
    """Return the tutorial's steps, the headline first, then the same with a fresh batch."""
    headline = [step("circles-relu", points), step("circles-relu", points, fresh=True)]
    others = [step("circles-linear", points), step("blobs", points)]
    return headline + others + [replace(task, dtype="float64") for task in others + headline[:1]]


def large() -> list[Task]:
    """Return larger batches and wider models."""
    wide = [(64, 256, 256, 1), (784, 1024, 1024, 1)]
    return [step("circles-relu", 8_000), step("circles-relu", 100_000)] + [
        Task(f"{'-'.join(map(str, widths))}, batch 1,024", widths, points=1024) for widths in wide
    ]


def grid(quick: bool = False) -> list[Task]:
    """Return steps of 2-width-width-1 from tiny to large."""
    batches = (16, 1_000, 8_000) if quick else (16, 128, 1_000, 10_000, 100_000)
    widths = (8, 128) if quick else (8, 32, 128, 512, 1_024)
    return [
        Task(f"2-{width}-{width}-1, batch {points:,}", (2, width, width, 1), points=points)
        for width in widths
        for points in batches
    ]
