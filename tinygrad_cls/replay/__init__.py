"""Replay: a function of tensors is recorded once and then repeated as a flat list of NumPy calls.

Recording and replay know no derivative: what backward does is recorded with the rest. See
docs/replay.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def compile(model: Callable[..., Any] | None = None, *, passes: Sequence[str] | None = None) -> Any:
    """A function that does what ``model`` (a function or a Module) does, faster from its second
    call on.

    The first call with arguments of given shapes, dtypes and modes runs eagerly and is recorded:
    forward, backward and the optimizer's step become a list of NumPy calls on memory that is
    allocated once. Later calls replay the list. What the function refers to (parameters, data,
    Python's numbers, hooks) may change between calls: the change is seen, or the function is
    recorded again. What can't be replayed, such as looking at a value with ``item()``, raises
    RuntimeError while it's recorded.

    ``passes`` names the rewritings that make the plan faster; None is all of them. The plan used
    last is ``compiled.plan``; printing it shows its calls, their memory and time.

    >>> import tinygrad_cls as tg
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([w], lr=0.1)
    >>> @compile
    ... def step(x):
    ...     loss = (w * x).sum()
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [step(tg.ones(2)).item() for _ in range(3)]
    [3.0, 2.799999952316284, 2.5999999046325684]
    >>> step.recordings
    1
    """
    from .compiled import Compiled
    from .passes import PASSES

    chosen = tuple(PASSES) if passes is None else tuple(passes)
    if model is None:
        return lambda function: Compiled(function, chosen)
    return Compiled(model, chosen)
