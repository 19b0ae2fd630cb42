"""Random tensors, from torch's CPU stream: the same seed gives the same numbers as PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from ._state import no_grad
from .creation import like, made
from .dtypes import dtype as Dtype
from .ops import sizes
from .stream import Stream
from .tensor import Tensor, new


class Generator:
    """A random stream of its own.

    >>> g = Generator().manual_seed(0)
    >>> rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device: Any = "cpu") -> None:
        dtypes.on_cpu(device)
        self.stream = Stream()

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream anew; only the lower 32 bits of the seed count, as in torch."""
        self.stream.seed(seed)
        return self

    def initial_seed(self) -> int:
        """The seed that the stream started with."""
        return self.stream.initial_seed

    def get_state(self) -> Tensor:
        """All that later draws depend on: the bytes of torch's own state."""
        return new(self.stream.get_state())

    def set_state(self, state: Tensor) -> None:
        """Continues where :meth:`get_state` was called."""
        self.stream.set_state(state.numpy())


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator.

    >>> g = manual_seed(42)
    >>> rand(3)
    tensor([0.8823, 0.9150, 0.3829])
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seeds the default generator from the system's entropy and returns the seed."""
    number = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    manual_seed(number)
    return number


def initial_seed() -> int:
    """The seed that the default generator started with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Continues the default generator from a state."""
    default_generator.set_state(state)


def stream(generator: Generator | None) -> Stream:
    return (generator or default_generator).stream


def rand(
    *size: Any,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform on [0, 1): 24 random bits for float32, 53 for float64."""
    kind = dtypes.of(dtype or dtypes.Default.dtype).numpy
    return made(stream(generator).uniform(sizes(size), kind), None, device, requires_grad)


def randn(
    *size: Any,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Standard normal (Box-Muller). From 16 elements on, float32 may differ from torch's vector
    kernels in the last bits; the stream stays in step."""
    kind = dtypes.of(dtype or dtypes.Default.dtype).numpy
    return made(stream(generator).normal(sizes(size), kind), None, device, requires_grad)


def randint(
    low: int,
    high: Any,
    size: Any = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers from ``low`` to ``high - 1``; ``randint(high, size)`` starts at 0."""
    if size is None:
        low, high, size = 0, low, high
    drawn = stream(generator).integers(low, high, sizes((size,)))
    return made(drawn, dtype, device, False)


def randperm(
    n: int,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order."""
    return made(stream(generator).permutation(n), dtype, device, False)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that ``input`` holds, else 0."""
    drawn = stream(generator).bernoulli(tuple(input.shape), input.numpy())
    return new(drawn.astype(input._array.dtype))


rand_like, randn_like = like(rand), like(randn)


def filled(name: str, doc: str) -> Any:
    """An in-place filler: ``Tensor.uniform_`` and its like."""

    def fill(
        self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None
    ) -> Tensor:
        draw = getattr(stream(generator), name)
        self._check_in_place(False)
        with no_grad():
            self._write(new(draw(tuple(self.shape), self._array.dtype, a, b)))
        return self

    fill.__name__, fill.__doc__ = f"{name}_", doc
    return fill


Tensor.uniform_ = filled("uniform", "Fills with uniform numbers from [a, b).")
Tensor.normal_ = filled("normal", "Fills with normal numbers of mean a and deviation b.")
