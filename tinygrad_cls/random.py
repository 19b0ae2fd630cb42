"""Random tensors, from torch's CPU stream: the same seed gives the same numbers as PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import dtypes
from ._state import state
from .creation import like, made, number, whole
from .dtypes import asked
from .dtypes import dtype as Dtype
from .nested import shape_of
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
        if state.recorder is not None:  # made anew in every call
            state.recorder.repeats(partial(self.stream.seed, self.stream.initial_seed))

    device = dtypes.CPU

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream anew; only the lower 32 bits of the seed count, as in torch."""
        if not hasattr(seed, "__index__") or isinstance(seed, bool):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        self.stream.seed(seed)
        if state.recorder is not None:
            state.recorder.repeats(partial(self.stream.seed, seed))
        return self

    def seed(self) -> int:
        """Starts the stream anew from the system's entropy and returns the seed."""
        import secrets  # and cryptography with it: for this function alone

        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def initial_seed(self) -> int:
        """The seed that the stream started with."""
        if state.recorder is not None:
            state.recorder.refuses("initial_seed()")
        return self.stream.initial_seed

    def get_state(self) -> Tensor:
        """All that later draws depend on: the bytes of torch's own state."""
        return drawn(self.stream.get_state)

    def set_state(self, state: Tensor) -> None:
        """Continues where :meth:`get_state` was called."""
        if not isinstance(state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")
        self.stream.set_state(state.numpy())


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator.

    >>> g = manual_seed(42)
    >>> rand(3)
    tensor([0.8823, 0.9150, 0.3829])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the system's entropy and returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator started with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continues the default generator from a state."""
    default_generator.set_state(new_state)


def stream_of(name: str, generator: Generator | None) -> Stream:
    """The stream that the function ``name`` draws from: the default one, unless one is given."""
    if generator is None:
        return default_generator.stream
    if not isinstance(generator, Generator):
        raise TypeError(
            f"{name}(): argument 'generator' must be torch.Generator, not "
            f"{type(generator).__name__}; a seed goes to Generator().manual_seed(seed)"
        )
    return generator.stream


def real(name: str, dtype: Any, kernel: str) -> np.dtype[Any]:
    """The NumPy dtype to draw, refused where it is not one of floating point."""
    kind = asked(name, dtype)
    if kind.numpy.kind != "f":
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{kind.title}': draw floating point, and convert"
        )
    return kind.numpy


def drawn(draw: Callable[..., Any], *args: Any) -> Tensor:
    """A tensor of what ``draw`` gives of arrays; a replay draws it again."""
    array = np.asarray(draw(*args))
    if state.recorder is not None:
        state.recorder.draws(draw, *args, array=array)
    return new(array)


def sampler(name: str, kernel: str, draw: Callable[[Stream, Any, Any], Any], doc: str) -> Any:
    """``rand`` and its like: a function of the shape, given as one tuple or as several ints."""

    def create(
        *sizes: Any,
        size: Any = None,
        dtype: Dtype | None = None,
        device: Any = None,
        requires_grad: bool = False,
        generator: Generator | None = None,
    ) -> Tensor:
        if not sizes and size is None:
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got (), but expected one "
                f"of: {name}(2, 3); {name}((2, 3)); {name}(size=(2, 3))"
            )
        shape, kind = shape_of(name, sizes, size), real(name, dtype, kernel)
        sampled = drawn(partial(draw, stream_of(name, generator), shape, kind))
        return made(sampled._array, None, device, requires_grad)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = doc
    return create


rand = sampler(
    "rand", "check_uniform_bounds", Stream.uniform,
    "Uniform on [0, 1): 24 random bits for float32, 53 for float64; float16 is float32 rounded.",
)  # fmt: skip
randn = sampler(
    "randn", "normal_kernel_cpu", Stream.normal,
    "Standard normal (Box-Muller): torch's bits, but for float32 where torch does without AVX2.\n\n"
    "There 1 value in 70 is off, by 2.4e-7 at most: :meth:`tinygrad_cls.stream.Stream.normal`.",
)  # fmt: skip


def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers from ``low`` to ``high - 1``; ``randint(high, size)`` starts at 0."""
    if size is None:
        low, high, size = None, low, high
    elif high is None:
        low, high = None, low
    if high is None or size is None:
        raise TypeError(
            f"randint() received an invalid combination of arguments - got ("
            f"{'int' * (high is not None)}), but expected one of: high and size; low, high and size"
        )
    first = 0 if low is None else whole("randint", "low", 1, low)
    end = whole("randint", "high", 1 if low is None else 2, high)
    shape = shape_of("randint", (), size, 2 if low is None else 3)
    kind = asked("randint", dtype, dtypes.int64)
    if kind.numpy.kind in "iub":
        least, most = (0, 1) if kind is dtypes.bool_ else limits(kind)
        for name, bound in (("from", first), ("to - 1", end - 1)):
            if not least <= bound <= most:
                raise RuntimeError(f"{name} is out of bounds for {kind.c_name}: {bound}")
    stream = stream_of("randint", generator)
    sampled = drawn(lambda: stream.integers(first, end, shape).astype(kind.numpy))
    return made(sampled._array, None, device, requires_grad)


def limits(kind: Dtype) -> tuple[int, int]:
    """The least and the greatest value of an integer dtype."""
    return int(np.iinfo(kind.numpy).min), int(np.iinfo(kind.numpy).max)


def randperm(
    n: int,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order."""
    count, kind = whole("randperm", "n", 1, n), asked("randperm", dtype, dtypes.int64)
    if kind.numpy.kind in "iu" and count - 1 > limits(kind)[1]:
        raise RuntimeError(
            f"value cannot be converted to type {kind.name}_t without overflow: {count - 1}"
        )
    stream = stream_of("randperm", generator)
    sampled = drawn(lambda: stream.permutation(count).astype(kind.numpy))
    return made(sampled._array, None, device, requires_grad)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that ``input`` holds, else 0."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"bernoulli(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(
            f"\"bernoulli_tensor_cpu_p_\" not implemented for '{input.dtype.title}': probabilities "
            f"are of floating point"
        )
    stream = stream_of("bernoulli", generator)

    def draw(p: Any) -> Any:
        if not ((p >= 0) & (p <= 1)).all():
            raise RuntimeError(
                "Expected p_in >= 0 && p_in <= 1 to be true, but got false: a probability lies in "
                f"[0, 1], and these run from {p.min()} to {p.max()}"
            )
        return stream.bernoulli(p.shape, p).astype(p.dtype)

    return drawn(draw, input._canonical())


rand_like, randn_like = like(rand), like(randn)


def in_memory_order(tensor: Tensor, draw: Callable[[Any], Any]) -> Callable[[], Any]:
    """What ``draw(shape)`` gives for the tensor's elements in the order of its memory, as torch."""
    steps, shape = tensor.stride(), tuple(tensor.shape)
    if 0 in steps:  # an expanded tensor, which has no order
        return partial(draw, shape)
    order = sorted(range(len(shape)), key=lambda i: -steps[i])
    back = np.argsort(order)
    return lambda: draw(tuple(shape[i] for i in order)).transpose(back)


def overwrite(tensor: Tensor, draw: Callable[[Any], Any]) -> Tensor:
    """Writes what ``draw(shape)`` gives into the tensor."""
    tensor._check_in_place(False)
    tensor.copy_(drawn(in_memory_order(tensor, draw)))
    return tensor


def uniform_(
    self: Tensor, low: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills with uniform numbers from [low, to)."""
    kind = real("uniform_", self.dtype, "check_uniform_bounds")
    first = number("uniform_", "from", 1, low, "float")
    end = number("uniform_", "to", 2, to, "float")
    stream = stream_of("uniform_", generator)
    return overwrite(self, lambda shape: stream.uniform(shape, kind, first, end))


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills with normal numbers of mean ``mean`` and standard deviation ``std``."""
    kind = real("normal_", self.dtype, "normal_kernel_cpu")
    stream = stream_of("normal_", generator)
    mean = number("normal_", "mean", 1, mean, "float")
    std = number("normal_", "std", 2, std, "float")
    if self.is_contiguous():
        return overwrite(self, lambda shape: stream.normal(shape, kind, mean, std))
    # torch draws one by one where memory has gaps; so does the stream, for fewer than 16
    parts = [min(15, self.numel() - i) for i in range(0, self.numel(), 15)]

    def draw(shape: Any) -> Any:
        pieces = [stream.normal(n, kind, mean, std) for n in parts]
        return np.concatenate([*pieces, np.empty(0, kind)]).reshape(shape)

    return overwrite(self, draw)


for _fill in (uniform_, normal_):
    setattr(Tensor, _fill.__name__, _fill)
