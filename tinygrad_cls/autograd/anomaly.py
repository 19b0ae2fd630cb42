"""Anomaly detection: which op made the first nan of a backward pass, and which lines called it."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import numpy as np

from .._state import set_tape, state
from ..callsite import NOT_THE_USERS
from ..chain_rule import Lift, Node
from ..tensor import Tensor

TORCH_ORDER = {"affine": (1, 2, 0)}
"""Where torch's backward has the gradients, if not in the order of the inputs: the bias first."""


class Watch:
    """A tape that notes on every new node which lines of the user's code called its op, and what
    backward asks instead of a node, to blame those lines where it goes wrong.
    """

    def __init__(self, check_nan: bool, outer: Any = None, events: Any = None) -> None:
        self.check_nan = check_nan
        self.outer = outer  # what watches already: a trace
        self.events = events

    def over(self, events: Any) -> Watch:
        """The same watch, handing the events on to a recording."""
        return Watch(self.check_nan, self.outer, self.outer.over(events) if self.outer else events)

    def append(self, event: Any) -> None:
        """Takes the event of an op that was just applied."""
        if event.output._node is not None:
            note(event.output._node)
        if self.events is not None:
            self.events.append(event)

    def made(self, node: Node) -> None:
        """Takes the node of a Function."""
        note(node)

    def begins(self, seeds: Any) -> Watch:
        """A backward pass starts: what watches it."""
        return self if self.outer is None else Watch(self.check_nan, self.outer.begins(seeds))

    def ends(self, leaves: Any) -> None:
        """A backward pass has added the cotangents of ``leaves`` to their gradients."""
        if self.outer is not None:
            self.outer.ends(leaves)

    def pull(
        self, node: Node, g: Any, useful: set[Any] | None, lift: Lift | None
    ) -> list[tuple[Any, Any]]:
        """The cotangents that ``node`` makes; where it raises or makes a nan, a warning says who
        called its op.
        """
        try:
            if self.outer is None:
                pulled = node.pull(g, useful, lift)
            else:
                pulled = self.outer.pull(node, g, useful, lift)
            if self.check_nan:
                refuse_nan(node, pulled)
        except Exception:
            where = "No forward pass information available. It was recorded before detection was on"
            if hasattr(node, "called"):
                where = "Traceback of forward call that caused the error:\n"
                where += "".join(traceback.format_list(node.called))
            warnings.warn(f"Error detected in {node.name()}. {where}", stacklevel=2)
            raise
        return pulled


def note(node: Node) -> None:
    """Keeps the lines of the user's code that are running, the innermost last."""
    stack = traceback.extract_stack(limit=32)
    node.called = [f for f in stack if not f.filename.startswith(NOT_THE_USERS)]


def refuse_nan(node: Node, pulled: list[tuple[Any, Any]]) -> None:
    """Raises if one of the cotangents has a nan."""
    left = list(pulled)
    for i, edge in enumerate(node.edges):
        if not left or left[0][0] is not edge:  # nobody asked for it
            continue
        g = left.pop(0)[1]
        a = g._array if isinstance(g, Tensor) else g
        if isinstance(a, np.ndarray | np.generic) and np.isnan(a).any():
            place = TORCH_ORDER.get(getattr(node.op, "name", ""), range(i + 1))[i]
            where = ""
            if getattr(node, "called", None):
                last = node.called[-1]
                where = f"; its op was called in {last.filename}, line {last.lineno}: {last.line}"
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {place}th output. That is "
                f"the gradient of its input {i}{where}"
            )


class set_detect_anomaly:  # noqa: N801  (torch's name)
    """Switches anomaly detection on or off at once; as a context manager, back again at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._found = found = state.watch
        outer = found.outer if isinstance(found, Watch) else found
        set_tape(watch=Watch(check_nan, outer) if mode else outer)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        set_tape(watch=self._found)


class detect_anomaly(set_detect_anomaly):  # noqa: N801
    """Inside, a backward pass that makes a nan raises and names the op and the line that called it;
    any error of backward comes with a warning that has the traceback of that call.

    The ops must be called inside as well. With ``check_nan=False`` a nan is no error. Slower; for
    debugging.

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
