"""The operators of Tensor, and the methods that the table provides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, ops
from .dtypes import dtype
from .op import Op
from .tensor import Tensor, apply


def operand(x: Any) -> Any:
    """A Tensor, a number or an array as an operand; NotImplemented for anything else."""
    if isinstance(x, Tensor) or type(x) in (float, int, bool):
        return x
    if isinstance(x, np.generic):
        return x.item()  # NumPy's scalars are numbers here, without a dtype of their own
    return x if isinstance(x, np.ndarray) else NotImplemented


def operator(op: Op) -> Callable[[Tensor, Any], Any]:
    """``a * b`` with a tensor on the left."""

    def forward(self: Tensor, other: Any) -> Any:
        other = operand(other)
        return NotImplemented if other is NotImplemented else apply(op, (self, other), op.static)

    return forward


def reflected(op: Op) -> Callable[[Tensor, Any], Any]:
    """``a * b`` with a tensor on the right."""

    def backward(self: Tensor, other: Any) -> Any:
        if isinstance(other, np.ndarray):  # torch's answer; a tensor on the left takes an array
            return NotImplemented
        other = operand(other)
        if other is NotImplemented:
            return NotImplemented
        if op is ops.pow:  # its derivative takes the logarithm of the base
            other = np.asarray(other).astype(dtypes.result_type([self._array, other]))
        return apply(op, (other, self), op.static)

    return backward


__all__ = ["Tensor"]  # complete: with its operators and methods

BINARY = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "truediv": ops.div,
    "floordiv": ops.floor_divide,
    "mod": ops.remainder,
    "pow": ops.pow,
    "and": ops.bitwise_and,
    "or": ops.bitwise_or,
    "xor": ops.bitwise_xor,
}
COMPARISONS = {
    "eq": ops.eq, "ne": ops.ne, "lt": ops.lt, "le": ops.le, "gt": ops.gt, "ge": ops.ge
}  # fmt: skip


def method(entry: Any) -> Callable[..., Any]:
    """An entry of the table as a method."""

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return entry(self, *args, **kwargs)

    call.__name__, call.__doc__ = entry.name, entry.__doc__
    return call


def in_place(entry: Any) -> Callable[..., Any]:
    """An entry of the table as a method that writes its result to the tensor."""

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self._in_place(entry, *args, **kwargs)

    call.__name__, call.__doc__ = f"{entry.name}_", f"In place: {entry.__doc__}"
    return call


def assignment(op: Op) -> Callable[[Tensor, Any], Any]:
    """``a *= b``."""

    def call(self: Tensor, other: Any) -> Any:
        other = operand(other)
        return NotImplemented if other is NotImplemented else self._in_place(op, other)

    return call


def conversion(kind: dtype) -> Callable[[Tensor], Any]:
    """``float()`` and its like."""

    def call(self: Tensor) -> Any:
        return self.to(kind)

    call.__doc__ = f"In {kind.name}; itself if it is already."
    return call


def inverted(self: Tensor) -> Any:
    """``~x``, of integers and truth values."""
    if self.is_floating_point():
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return ops.bitwise_not(self)


def install(cls: Any) -> None:
    """Gives ``cls`` the operators, and every entry of the table as a method."""
    for name, entry in ops.TABLE.items():
        if name in ops.HELPERS or name in ops.FUNCTIONS:
            continue
        if not hasattr(cls, name):
            setattr(cls, name, method(entry))
        elementwise = (
            isinstance(entry, Op)
            and entry.law.text in (ops.EACH, ops.PAIR)
            and name not in ops.NOT_IN_PLACE
        )
        if (elementwise or name in ("clamp", "masked_fill", "square")) and f"{name}_" not in vars(
            cls
        ):
            setattr(cls, f"{name}_", in_place(entry))
    for name, entry in BINARY.items():
        setattr(cls, f"__{name}__", operator(entry))
        setattr(cls, f"__r{name}__", reflected(entry))
        setattr(cls, f"__i{name}__", assignment(entry))
    for name, entry in COMPARISONS.items():
        setattr(cls, f"__{name}__", operator(entry))
    for kind in dtypes.DTYPES:  # float(), long(), ...
        setattr(cls, kind.title.lower(), conversion(kind))
    cls.__matmul__ = lambda self, other: (
        ops.matmul(self, other) if isinstance(other, Tensor) else NotImplemented
    )
    cls.__neg__ = method(ops.neg)
    cls.__abs__ = method(ops.abs)
    cls.__invert__ = inverted
    cls.__pos__ = lambda self: self
    cls.absolute, cls.clip, cls.divide, cls.multiply, cls.subtract = (
        cls.abs, cls.clamp, cls.div, cls.mul, cls.sub
    )  # fmt: skip


install(Tensor)
