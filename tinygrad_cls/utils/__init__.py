"""What stands around a model: the data and its batches."""

from typing import TYPE_CHECKING, NoReturn

from ..errors import no_such_name
from . import data

__all__ = ["data"]

if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
