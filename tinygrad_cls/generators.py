"""Generator functions that run in a mode, as ``@no_grad()`` above one means it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any


def stepwise(
    mode: Callable[[], AbstractContextManager[Any]], function: Callable[..., Iterator[Any]]
) -> Callable[..., Iterator[Any]]:
    """The generator function whose steps run in ``mode()``; what its user does between two steps
    does not.

    >>> from contextlib import redirect_stdout
    >>> from io import StringIO
    >>> def steps():
    ...     print("a step")
    ...     yield 1
    >>> list(stepwise(lambda: redirect_stdout(StringIO()), steps)())
    [1]
    """

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps: Any = function(*args, **kwargs)
        resume, answer = steps.send, None
        while True:
            try:
                with mode():
                    value = resume(answer)
            except StopIteration as end:
                return end.value
            try:
                resume, answer = steps.send, (yield value)
            except BaseException as error:  # noqa: BLE001  (the user's throw() or close())
                resume, answer = steps.throw, error

    return wrapped
