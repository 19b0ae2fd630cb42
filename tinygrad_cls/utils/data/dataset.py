"""Samples by index."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from ...random import Generator, default_generator, randperm
from ...tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by index. A subclass has ``__getitem__``, and ``__len__`` to be sampled from.

    With ``__getitems__`` as well, which takes a list of indices and returns a list of samples,
    the loader asks for a batch in one call.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors: sample i is the tuple of every tensor's row i.

    AssertionError unless all have the same size along their first axis.

    >>> import tinygrad_cls as tg
    >>> dataset = TensorDataset(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([0, 1]))
    >>> len(dataset), dataset[1]
    (2, (tensor([3., 4.]), tensor(1)))
    """

    def __init__(self, *tensors: Any) -> None:
        for tensor in tensors:
            if isinstance(tensor, np.ndarray):
                raise TypeError(
                    "'int' object is not callable: a TensorDataset holds tensors, and this is a "
                    f"NumPy array of shape {tensor.shape}; make it a tensor with from_numpy(...)"
                )
        if any(tensor.size(0) != tensors[0].size(0) for tensor in tensors):
            raise AssertionError(
                "Size mismatch between tensors: the first axis counts the samples, and the shapes "
                f"are {', '.join(str(tuple(tensor.shape)) for tensor in tensors)}"
            )
        self.tensors: tuple[Any, ...] = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].size(0))


class Subset(Dataset[T_co]):
    """The samples of another data set at ``indices``, in that order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        own = type(self)
        if own.__getitem__ is not Subset.__getitem__ and own.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{own.__name__} overrides __getitem__ but not __getitems__. A DataLoader asks for "
                "batches by __getitems__, so define both: def __getitems__(self, indices): "
                "return [self[i] for i in indices]"
            )

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[no-any-return]
        return self.dataset[self.indices[index]]  # type: ignore[no-any-return]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        return samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Several data sets, one after the other; ``a + b`` makes one."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable: give at least one")
        self.cumulative_sizes = [*accumulate(map(len, self.datasets))]

    def __getitem__(self, index: int) -> T_co:
        if index < -len(self):
            raise ValueError(
                "absolute value of index should not exceed dataset length: the index is "
                f"{index}, the length {len(self)}"
            )
        index += len(self) if index < 0 else 0
        which = bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Any,
    lengths: Sequence[float],
    generator: Generator | None = default_generator,
) -> list[Subset[Any]]:
    """The samples in random order, dealt out to subsets of ``lengths``.

    Lengths that sum to 1 are fractions, rounded down; what then remains of the samples goes to the
    first subsets, one each. ValueError unless the lengths sum to the number of samples. Draws one
    permutation.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n, total = len(dataset), sum(lengths)
    if total <= 1 and math.isclose(total, 1):
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1: it is {fraction}")
        counts = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if not count:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
        lengths, total = counts, sum(counts)
    if total != n:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! The lengths "
            f"{list(lengths)} sum to {total}, and there are {n} samples; or give fractions of sum 1"
        )
    order = randperm(total, generator=generator).tolist()  # type: ignore[arg-type]
    ends: list[Any] = [*accumulate(lengths)]
    return [Subset(dataset, order[end - n : end]) for n, end in zip(lengths, ends, strict=True)]


def samples(dataset: Any, indices: Any) -> list[Any]:
    """The samples at ``indices``, in one call where the data set has ``__getitems__``."""
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)  # type: ignore[no-any-return]
    return [dataset[i] for i in indices]
