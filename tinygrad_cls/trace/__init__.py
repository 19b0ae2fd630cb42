"""The trace: what the code in a block computed, forward and backward, to look at and to replay.

A reader of the tape (:func:`tinygrad_cls.recording`) that also sees every step of the chain rule.
Pictures, texts and the page that steps through backward are made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recorder import Recorder


def trace(names: dict[str, Any] | None = None) -> Recorder:
    """A context manager that records what its block computes, forward and backward, as a
    :class:`~tinygrad_cls.trace.record.Trace`.

    ``names`` are the names of values in pictures and events, such as ``locals()``: of tensors, of
    modules, and of lists and dicts of them. None takes the local variables of the code around the
    block as they are at its end.

    >>> import tinygrad_cls as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> x = tg.tensor([3.0, 4.0])
    >>> with trace() as t:
    ...     loss = (w * x).sum()
    ...     loss.backward()
    >>> print(t.text())
    sum  loss ()
    └─ mul  (2,)
       ├─ w  (2,)
       └─ x  (2,)
    >>> for step in t.steps:
    ...     print(step.rule, step.contribution)
    dx = spread(dy) [1. 1.]
    da = dy ⊙ b [3. 4.]
    """
    from .recorder import Recorder

    return Recorder(names)
