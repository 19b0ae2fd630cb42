"""What the bank is made of: planted faults, and correct functions that look like faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..examples import arguments

Array = NDArray[Any]
Pair = tuple[Callable[..., Any], Callable[..., Any]]
Triple = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]

GROUPS = ("values", "structure", "state", "losses")


@dataclass(frozen=True)
class Case:
    """A function of arrays, its ``vjp(g, *inputs)``, and the inputs to judge it at.

    make: builds f and vjp anew, so that no checker sees another's state; with a third function,
    ``vjp2(h, g, *inputs) -> (for g, *for inputs)``, the vjp of the vjp, second order is judged too.
    hint: the diagnoses that are right (none: the function is correct); says: what the diagnosis
    must mention. rule, options: of a loss, what :func:`tinygrad_cls.judge.check_loss` is told.
    """

    name: str
    group: str
    make: Callable[[], Pair | Triple]
    draw: Callable[[], tuple[Any, ...]]
    hint: tuple[str, ...] = ()
    says: str = ""
    rule: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def faulty(self) -> bool:
        return bool(self.hint)

    def inputs(self) -> tuple[Array, ...]:
        """The same arrays at every call, each time new."""
        return tuple(np.array(x) for x in self.draw())


FAULTS: dict[str, Case] = {}
CORRECT: dict[str, Case] = {}


def fault(
    group: str,
    inputs: str | Callable[[], tuple[Any, ...]],
    hint: str | tuple[str, ...],
    says: str = "",
    rule: str = "",
    **options: Any,
) -> Callable[[Callable[[], Pair | Triple]], Callable[[], Pair | Triple]]:
    """Enters the decorated factory of (f, vjp) into the bank of faults, under its name.

    ``inputs`` is an example in the notation of :mod:`tinygrad_cls.examples`, ``"x(3, 4), x(4)"``,
    or a function that returns the arrays.
    """
    hints = (hint,) if isinstance(hint, str) else hint
    return enter(FAULTS, group, inputs, hints, says, rule, options)


def correct(
    inputs: str | Callable[[], tuple[Any, ...]], rule: str = "", **options: Any
) -> Callable[[Callable[[], Pair | Triple]], Callable[[], Pair | Triple]]:
    """Enters the decorated factory of (f, vjp) among the correct functions, under its name."""
    return enter(CORRECT, "correct", inputs, (), "", rule, options)


def enter(
    bank: dict[str, Case],
    group: str,
    inputs: str | Callable[[], tuple[Any, ...]],
    hint: tuple[str, ...],
    says: str,
    rule: str,
    options: Mapping[str, Any],
) -> Callable[[Callable[[], Pair | Triple]], Callable[[], Pair | Triple]]:
    """The decorator that both banks share."""

    def add(make: Callable[[], Pair | Triple]) -> Callable[[], Pair | Triple]:
        name = make.__name__
        if name in FAULTS or name in CORRECT:
            raise ValueError(f"the bank has two cases named {name}")
        draw = inputs if callable(inputs) else lambda: arguments(name, inputs)[0]
        bank[name] = Case(name, group, make, draw, hint, says, rule, options)
        return make

    return add
