"""Anomaly detection: which op made the first nan of a backward pass, and which line called it."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

from .._state import state


class Watch:
    """A tape that notes on every new node where in the user's code its op was called."""

    def __init__(self, outer: Any) -> None:
        self.outer = outer

    def append(self, event: Any) -> None:
        """Notes the calling lines, and hands the event on to the tape that was there before."""
        node = event.output._node
        if node is not None:
            node.called = traceback.extract_stack(limit=32)
        if self.outer is not None:
            self.outer.append(event)


class set_detect_anomaly:  # noqa: N801  (torch's name)
    """Switches anomaly detection on or off at once; as a context manager, back again at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._found = state.anomaly, state.tape
        state.anomaly = bool(mode) and check_nan
        outer = state.tape.outer if isinstance(state.tape, Watch) else state.tape
        state.tape = Watch(outer) if mode else outer

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        state.anomaly, state.tape = self._found


class detect_anomaly(set_detect_anomaly):  # noqa: N801
    """Inside, a backward pass that makes a nan raises and names the op and the line that called it.

    Slower; for debugging.

    >>> import warnings, tinygrad_cls as tg
    >>> warnings.simplefilter("ignore")
    >>> x = tg.tensor([-1.0, 4.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output. ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )
        self._check_nan = check_nan

    def __enter__(self) -> None:
        super().__init__(True, self._check_nan)
