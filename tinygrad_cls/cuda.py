"""``torch.cuda`` as far as a script asks without a GPU: there is none, seeding it does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from .dtypes import on_cpu
from .errors import no_such_name


def is_available() -> bool:
    """Always False: this engine computes on the CPU."""
    return False


def device_count() -> int:
    """Always 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Does nothing, as torch's does without CUDA."""


def manual_seed_all(seed: int) -> None:
    """Does nothing, as torch's does without CUDA."""


def synchronize(device: object = None) -> None:
    """Refused, as torch's is without CUDA: there is nothing to wait for."""
    on_cpu("cuda" if device is None else device)


def empty_cache() -> None:
    """Does nothing: there is no cache."""


if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
