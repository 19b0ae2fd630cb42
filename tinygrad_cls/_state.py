"""What the engine knows about *now*: grad mode, inference mode, the current tape, the clock.

Every thread has its own modes and its own tape; the clock is one for all threads. The context
managers restore what they found, also when the body raises.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from inspect import isgeneratorfunction
from typing import Any

from .generators import stepwise


class _State(threading.local):
    grad_enabled: bool = True
    inference: bool = False
    events: list[Any] | None = None  # of the recording that runs
    watch: Any = None  # of anomaly detection or a trace
    tape: Any = None  # what takes every op's event for these two
    recorder: Any = None  # of replay: what no op does is told to it


state = _State()

tick: Callable[[], int] = itertools.count().__next__
"""The clock: every node of the graph gets the next number, so that a node is always younger
than the nodes it was computed from. (``next`` on a ``count`` is atomic in CPython.)"""


def set_tape(**changes: Any) -> None:
    """Changes ``state.events`` or ``state.watch``, and puts the tape there that both ask for."""
    state.__dict__.update(changes)
    state.tape = state.events if state.watch is None else state.watch.over(state.events)


class _Mode(ContextDecorator):
    """Sets attributes of ``state`` inside a ``with`` block or inside a decorated function."""

    _settings: dict[str, bool]

    def __init__(self, mode: Any = None) -> None:
        self._found: list[dict[str, bool]] = []  # a stack: a mode may be entered while active

    def __enter__(self) -> None:
        self._found.append({name: getattr(state, name) for name in self._settings})
        state.__dict__.update(self._settings)

    def __exit__(self, *_: object) -> None:
        state.__dict__.update(self._found.pop())

    def __call__(self, function: Any) -> Any:
        if isgeneratorfunction(function):
            return stepwise(self._recreate_cm, function)
        return super().__call__(function)

    def _recreate_cm(self) -> _Mode:
        """A twin for every call of a decorated function: it may run in many threads."""
        twin = _Mode()
        twin._settings = self._settings
        return twin


class _BareMode(_Mode):
    """A mode that also decorates without parentheses: ``@no_grad`` as well as ``@no_grad()``."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        _Mode.__init__(mode)  # Python itself calls __init__ only where __new__ returns a mode
        return mode if function is None else mode(function)


class no_grad(_BareMode):  # noqa: N801  (torch's name)
    """Inside, results do not require grad. Context manager and decorator.

    >>> import tinygrad_cls as tg
    >>> x = tg.ones(2, requires_grad=True)
    >>> with tg.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    _settings = {"grad_enabled": False}


class enable_grad(_BareMode):  # noqa: N801
    """Inside, results require grad again, also within :class:`no_grad`."""

    _settings = {"grad_enabled": True}


class set_grad_enabled(_Mode):  # noqa: N801
    """Switches grad mode at once and, used as a context manager, back again at the end.

    >>> import tinygrad_cls as tg
    >>> with tg.set_grad_enabled(False):
    ...     tg.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__()
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not "
                f"{type(mode).__name__}"
            )
        self._settings = {"grad_enabled": mode}
        self.__enter__()

    def __call__(self, function: Any) -> Any:
        self.__exit__()  # as a decorator it switches only while the function runs
        return super().__call__(function)

    def __enter__(self) -> None:
        if not self._found:  # by the constructor; the ``with`` that follows finds it entered
            super().__enter__()


class inference_mode(_BareMode):  # noqa: N801
    """No grad, and results that can never take part in a graph later. ``inference_mode(False)``
    is ordinary mode with grad enabled.

    >>> import tinygrad_cls as tg
    >>> with tg.inference_mode():
    ...     tg.ones(2).is_inference()
    True
    """

    _settings = {"grad_enabled": False, "inference": True}

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls, mode if callable(mode) else None)
        if mode is False:
            made._settings = {"grad_enabled": True, "inference": False}
        return made


@contextmanager
def recording() -> Iterator[list[Any]]:
    """The tape: inside, every op that passes the choke-point is appended, backward's ops too.

    >>> import tinygrad_cls as tg
    >>> with recording() as tape:
    ...     y = tg.ones(2) * 3
    >>> [event.op.name for event in tape]
    ['mul']
    """
    found = state.events
    events: list[Any] = []
    set_tape(events=events)
    try:
        yield events
    finally:
        set_tape(events=found)


def is_grad_enabled() -> bool:
    """Whether results of differentiable ops require grad when an input does."""
    return state.grad_enabled


def is_inference_mode_enabled() -> bool:
    """Whether results are inference tensors."""
    return state.inference
