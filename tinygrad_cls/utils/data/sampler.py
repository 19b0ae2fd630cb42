"""Orders of samples, and batches of indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from ...random import Generator, randint, randperm, stream_of

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order of samples: a subclass iterates over indices, or over batches of them."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} needs an __iter__ that yields indices")


class SequentialSampler(Sampler[int]):
    """0 .. n-1 for n samples."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The samples in random order; with ``replacement``, each drawn from all of them.

    ``num_samples`` (by default as many as there are) may be more than there are: then a new
    permutation follows the last. ValueError for none.

    >>> import tinygrad_cls as tg
    >>> list(RandomSampler(range(5), generator=tg.Generator().manual_seed(0)))
    [4, 0, 1, 3, 2]
    """

    def __init__(
        self,
        data_source: Any,
        replacement: Any = False,
        num_samples: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement: bool = replacement
        self._num_samples: int | None = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        count: Any = self.num_samples
        if not isinstance(count, int) or count <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={count}: there are {len(data_source)} samples to draw from"
            )

    @property
    def num_samples(self) -> int:
        """How many indices one pass draws."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count, generator = len(self.data_source), self.num_samples, self.generator
        if generator is None:
            generator = Generator().manual_seed(new_seed(None))
        if self.replacement:
            for start in range(0, count, 32):  # torch draws 32 at a time: seen by who breaks off
                size = min(32, count - start)
                yield from randint(n, (size,), generator=generator).tolist()
        else:
            for _ in range(count // n):
                yield from randperm(n, generator=generator).tolist()
            # drawn even where no samples are left, as in torch
            yield from randperm(n, generator=generator).tolist()[: count % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order; draws one permutation."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class BatchSampler(Sampler[list[int]]):
    """Another sampler's indices in lists of ``batch_size``; ``drop_last`` drops a shorter last.

    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Any, batch_size: Any, drop_last: Any) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size: int = batch_size
        self.drop_last: bool = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        least = self.batch_size if self.drop_last else 1
        while len(batch := [*islice(indices, self.batch_size)]) >= least:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def new_seed(generator: Generator | None) -> int:
    """A seed in [0, 2^63), as ``Tensor.random_()`` draws it: two words of the stream."""
    return int(stream_of("random_", generator).integers(0, 2**63, 1)[0])
