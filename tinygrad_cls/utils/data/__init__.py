"""Data sets, samplers and batches: ``torch.utils.data`` for a small classifier.

From the same seed the batches, their order and all that is drawn afterwards are PyTorch's. A loop
over a `DataLoader` draws, from its ``generator`` or else from the default one:

1. where the loop begins, a 63-bit seed for worker processes, shuffled or not;
2. with ``shuffle=True`` and no generator, where the first batch is asked for, a second such seed.
   It starts a generator of this loop's own, which draws the permutation;
3. with ``shuffle=True`` and a generator, the permutation itself there, and one more permutation
   where the loop runs out of samples: torch asks for "the rest of the samples", which are none.
"""

from typing import TYPE_CHECKING, NoReturn

from ...errors import no_such_name
from .collate import default_collate, default_convert
from .dataloader import DataLoader
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "random_split",
]

if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
