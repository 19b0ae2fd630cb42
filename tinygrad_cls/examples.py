"""What the table's examples mean: the arguments that tests and benchmarks call an op with."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def arguments(name: str, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that the example ``text`` of the entry ``name`` stands for.

    Their numbers are drawn from a stream seeded with name and text: the same in every run.

    >>> args, kwargs = arguments("softmax", "x(3, 4), dim=1")
    >>> [a.shape for a in args], kwargs
    ([(3, 4)], {'dim': 1})
    """
    made: tuple[tuple[Any, ...], dict[str, Any]]
    made = eval(f"arguments({text})", namespace(f"{name}({text})"))
    return made


def reals(rng: np.random.Generator) -> Iterator[float]:
    """Endless reals from 0.3 upwards and their negatives, small ones first: any two differ by
    0.006, also in size; none is within 0.006 of a multiple of 0.05, where floor, round and
    ``round(decimals=1)`` jump.
    """
    for k in count():
        sizes = 0.3 + 2.6 * k + 0.0131 * np.arange(198) + rng.uniform(0, 0.0003, 198)
        signed = np.concatenate([sizes, -sizes - 0.0064])
        far = np.abs(signed / 0.05 - np.round(signed / 0.05)) * 0.05 > 0.006
        yield from rng.permutation(signed[far])


def namespace(seed: str) -> dict[str, Any]:
    """The names that an example may use."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    stream = reals(rng)

    def x(*shape: int) -> Array:
        return np.array([next(stream) for _ in range(int(np.prod(shape)))]).reshape(shape)

    def mask(*shape: int) -> Array:
        size = int(np.prod(shape))
        return rng.permutation(np.arange(size) % 2 == 0).reshape(shape)

    def labels(classes: int, *shape: int) -> Array:
        return rng.integers(0, classes, shape)

    def whole(*shape: int) -> Array:
        return np.asarray(rng.integers(1, 10, shape) * rng.choice([-1, 1], shape))

    return {
        "x": x,
        "positive": lambda *shape: np.asarray(np.abs(x(*shape))),
        "unit": lambda *shape: np.asarray(1 / (1 + np.exp(-x(*shape)))),
        "mask": mask,
        "labels": labels,
        "whole": whole,
        "array": np.array,
        "dtype": np.dtype,
        "inf": np.inf,
        "slice": slice,
        "arguments": lambda *args, **kwargs: (args, kwargs),
    }
