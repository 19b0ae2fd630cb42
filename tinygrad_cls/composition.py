"""What a composition is: a function made of ops, listed in the table beside them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from numpy import generic, ndarray

from . import errors

EXPECTED = (ndarray, generic, list, tuple)
"""What a first argument may be, beside a Tensor."""


class Composition:
    """A function made of ops, listed beside them. It has no derivative: the chain rule finds it."""

    def __init__(self, function: Callable[..., Any], examples: tuple[str, ...]) -> None:
        self.function: Any = function
        self.name = self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        code = self.function.__code__
        open_ended = code.co_flags & inspect.CO_VARARGS  # x.reshape(2, 3)
        self.sequence = code.co_varnames[: code.co_argcount + 1] if open_ended else ()
        self.names = self.sequence or code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        self.keywords = frozenset(self.names)
        self.examples = examples

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def __repr__(self) -> str:
        return f"<composition {self.name}{self.__signature__}>"

    def __reduce__(self) -> str:
        return self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs and (self.sequence or not self.keywords.issuperset(kwargs)):
            kwargs = errors.aliased(self, kwargs)
            args = (*args, *(kwargs.pop(name) for name in self.sequence if name in kwargs))
        if len(args) < len(self.sequence) and not kwargs:
            raise errors.missing(self.name, self.sequence[len(args) :])
        if args and not hasattr(args[0], "_apply") and not isinstance(args[0], EXPECTED):
            errors.not_a_tensor(self.name, args[0])
        try:
            return self.function(*args, **kwargs)
        except TypeError as error:
            raise errors.not_bound(self, args, kwargs, error) from None


def composed(examples: str) -> Callable[[Callable[..., Any]], Composition]:
    """A composition from its examples and (the decorated) its function."""
    return lambda function: Composition(function, tuple(examples.split("; ")))
