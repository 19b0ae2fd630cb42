"""From a data set and an order to batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from ...random import Generator
from ...tensor import Tensor
from .collate import default_collate, default_convert
from .dataset import Subset, TensorDataset, samples
from .sampler import BatchSampler, RandomSampler, SequentialSampler, new_seed

T_co = TypeVar("T_co", covariant=True)


class DataLoader(Generic[T_co]):
    """The samples of a data set in batches.

    ``batch_size`` samples a batch (the last one may be shorter, or is dropped by ``drop_last``),
    put together by ``collate_fn`` (by default `default_collate`), in the data set's order or, with
    ``shuffle``, in a new random order each time. ``sampler`` gives another order,
    ``batch_sampler`` the batches themselves; ``batch_size=None`` gives single samples.

    Samples are loaded in the process that asks for them, and only then. ``num_workers`` and what
    goes with it are accepted and give the batches of ``num_workers=0``, which are torch's for any
    number of workers, unless the data set itself draws at random. ``worker_init_fn`` is refused
    with workers: there is none to run it in. ValueError, as in torch, for options that exclude one
    another.

    >>> import tinygrad_cls as tg
    >>> g = tg.manual_seed(0)
    >>> for x, y in DataLoader(TensorDataset(tg.arange(5), tg.ones(5)), 2, shuffle=True):
    ...     print(x, y)
    tensor([1, 4]) tensor([1., 1.])
    tensor([2, 3]) tensor([1., 1.])
    tensor([0]) tensor([1.])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable "
                f"multiprocessing. It is {num_workers}"
            )
        if timeout < 0:
            raise ValueError(f"timeout option should be non-negative: it is {timeout}")
        if prefetch_factor is not None and not num_workers:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing.let "
                "num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError(f"prefetch_factor option should be non-negative: {prefetch_factor}")
        if persistent_workers and not num_workers:
            raise ValueError("persistent_workers option needs num_workers > 0: there are none")
        if multiprocessing_context is not None and not num_workers:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers "
                f"> 0), but got num_workers={num_workers}"
            )
        if worker_init_fn is not None and num_workers:
            raise ValueError(
                "worker_init_fn is not supported with num_workers > 0: this engine loads in the "
                "process that asks, and has no worker to run it in; call it before the loop"
            )
        if sampler is not None and shuffle:
            raise ValueError(
                "sampler option is mutually exclusive with shuffle: the sampler is the order"
            )
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last: the batch_sampler decides all of them"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last: there is no last batch"
            )
        if sampler is None and shuffle:
            sampler = RandomSampler(dataset, generator=generator)
        elif sampler is None:
            sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        default = default_convert if batch_sampler is None else default_collate
        self.collate_fn = default if collate_fn is None else collate_fn
        self.num_workers = num_workers
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self._started = False
        self._built = True

    _built = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._built and name in FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized: "
                "the samplers are made of it; make a new loader"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Batches:
        if self.timeout and not self.num_workers:
            raise AssertionError(
                "_SingleProcessDataLoaderIter requires timeout == 0: there is no worker to wait for"
            )
        if self.pin_memory and self.pin_memory_device:
            warnings.warn(
                "pin_memory_device is deprecated, the current accelerator will be used as the "
                f"device,ignore pin_memory_device='{self.pin_memory_device}'.",
                stacklevel=2,
            )
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=2,
            )
        batches = Batches(self)
        if not (self.persistent_workers and self._started):  # such workers are seeded once
            new_seed(self.generator)
        self._started = True
        return batches

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}
"""What no one may change of a loader."""


class Batches:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.dataset = loader.dataset
        self.collate_fn = loader.collate_fn
        self.single = loader.batch_sampler is None
        self.sampler = loader.sampler if self.single else loader.batch_sampler
        self.indices = iter(self.sampler)

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Any:
        index = next(self.indices)
        if self.single:
            return self.collate_fn(self.dataset[index])
        if self.collate_fn is default_collate:
            batch = batch_at_once(self.dataset, index)
            if batch is not None:
                return batch
        return self.collate_fn(samples(self.dataset, index))

    def __len__(self) -> int:
        return len(self.sampler)


def batch_at_once(dataset: Any, indices: Any) -> list[Tensor] | None:
    """What `default_collate` makes of these samples, by one index a tensor; None if that won't do.

    Only for plain row numbers, of a TensorDataset or of Subsets of one, and not for a subclass,
    which may do otherwise, nor for tensors in a graph, which records sample by sample in torch.
    """
    if not (isinstance(indices, list | tuple) and indices):
        return None
    while type(dataset) is Subset:
        dataset, indices = dataset.dataset, [dataset.indices[i] for i in indices]
    if type(dataset) is not TensorDataset or not set(map(type, indices)) <= {int, np.int64}:
        return None
    if any(not isinstance(t, Tensor) or t.requires_grad for t in dataset.tensors):
        return None
    rows = np.array(indices)
    return [t[rows] for t in dataset.tensors]
