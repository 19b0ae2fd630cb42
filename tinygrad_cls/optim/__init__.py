"""Optimizers, what a gradient does to a parameter, and schedules of their learning rates."""

from typing import TYPE_CHECKING, NoReturn

from ..errors import no_such_name
from . import lr_scheduler
from .adam import Adam
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer", "lr_scheduler"]

if not TYPE_CHECKING:  # a type checker finds a wrong name by itself
    del globals()["adam"], globals()["sgd"]  # files of ours, and SGD and Adam misspelt

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
