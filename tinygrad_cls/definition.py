"""What is wrong with an op is said where it is defined, not where its gradient is asked for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any

from numpy import ufunc

from .law import EXAMPLES

AXIS = r"(\.\.\.|\?|-?\w+)"
GROUP = rf"\(({AXIS}(,{AXIS})*)?\)"
NOTATION = re.compile(rf"{GROUP}(,{GROUP})*\*?->{GROUP}")
OPEN = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
TYPES = "promote arithmetic number integer float floating same first any".split()
"""The rules of :mod:`tinygrad_cls.dtypes`."""


def notation(law: str, examples: str, formulas: dict[str, Any]) -> tuple[str, ...]:
    """The examples of an op of this law; ValueError if it's none, or has none."""
    for name in formulas:
        if not name.startswith("d_"):
            raise TypeError(f"op() got an unexpected keyword argument {name!r}")
    if not NOTATION.fullmatch(law):
        raise ValueError(
            f"{law!r} is no shape law: write the axes of every input and of the output, such as "
            f"'(n,i),(o,i),(o)->(n,o)', '(...),(...)->(...)' for what works element by element, or "
            f"'(...)->(?)' to leave the output's shape open; no spaces"
        )
    if not examples and law not in EXAMPLES:
        raise ValueError(
            f"the law {law} brings no examples of its own: give some calls on which the op can be "
            f"tested, such as examples='x(3, 4), x(2, 4), x(2)'"
        )
    return tuple((examples or EXAMPLES[law]).split("; "))


def parameters(kernel: Callable[..., Any]) -> list[inspect.Parameter]:
    """A kernel's parameters; none if it doesn't tell them, as a ufunc and some functions of C."""
    if isinstance(kernel, ufunc):
        return []
    with suppress(ValueError):
        return list(inspect.signature(kernel).parameters.values())
    return []


def names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters; of a plain one without the cost of a signature."""
    if not isinstance(function, FunctionType) or function.__code__.co_flags & OPEN:
        return tuple(inspect.signature(function).parameters)
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def check(op: Any, formulas: dict[str, Any]) -> None:
    """Refuses a definition whose parts don't fit together."""
    taken = f"The inputs of {op.name} are {', '.join(op.inputs)}"
    taken += f", its static arguments {', '.join(op.static)}." if op.static else "."
    if len(op.inputs) != len(op.law.inputs):
        raise ValueError(
            f"the law {op.law.text} has {len(op.law.inputs)} inputs, but the kernel of {op.name} "
            f"takes {len(op.inputs)}. {taken}"
        )
    if op.types not in TYPES:
        raise ValueError(f"types={op.types!r} of {op.name} is none of {', '.join(TYPES)}")
    axes = {axis for group in op.law.inputs for axis in group} | {"?", "-dim", *op.static}
    for axis in op.law.result:
        if axis and axis not in axes:
            raise ValueError(
                f"the output of {op.law.text} has an axis {axis} that is no axis of an input and "
                f"no static argument. {taken}"
            )
    saved = {"y", *op.inputs, *op.static} | ({"i"} if op.law.variadic else set())
    kinds = ["shapes"] if op.law.variadic else ["shape", "dtype"]
    saved |= {f"{name}_{kind}" for name in op.inputs for kind in kinds}
    for name, formula in formulas.items():
        if name[2:] not in op.inputs:
            raise ValueError(f"{name} is the derivative for no input. {taken}")
        for need in formula.needs:
            if need not in saved:
                raise ValueError(
                    f"{name} of {op.name} asks for {need!r}, which is nothing that is there in "
                    f"backward. {taken} A derivative takes g first, and then what it needs of "
                    f"{', '.join(sorted(saved))}."
                )
