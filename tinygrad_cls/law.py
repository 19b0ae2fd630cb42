"""Shape laws: what an op's inputs must have in common, and what shape follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import errors

Shape = tuple[int, ...]

EXAMPLES = {
    "(...)->(...)": "x(3, 4); x(); x(0, 2)",
    "(...),(...)->(...)": "x(3, 4), x(3, 4); x(3, 1), x(2, 1, 4); x(), x(2); x(0), x(1)",
    "(...)->(...,-dim)": "x(3, 4); x(3, 4), dim=1; x(2, 3, 4), dim=-2, keepdim=True; x()",
}
"""The calls that stand for an op of a common law. ``x(3, 4)`` is an array of distinct reals."""


class Law:
    """A shape law in gufunc notation: ``(n,i),(o,i),(o)->(n,o)``.

    ``...`` stands for any axes, broadcast among the inputs; ``(...)*`` for any number of inputs.
    In the output, ``-dim`` takes the axes ``dim`` out (or keeps them as 1, with ``keepdim``), a
    static argument's name is its value. ``?`` leaves a shape to the op's doc.

    >>> Law("(n,i),(o,i),(o)->(n,o)").output([(800, 2), (10, 2), (10,)])
    (800, 10)
    """

    def __init__(self, text: str) -> None:
        self.text = text
        left, right = text.split("->")
        self.variadic = left.endswith("*")
        self.inputs = [part.split(",") for part in left.strip("()*").split("),(")]
        self.result = right.strip("()").split(",")

    def bind(self, shapes: Sequence[Shape], names: Sequence[str]) -> dict[str, Any]:
        """The size of every named axis, and of ``...``; ValueError names the axis that differs."""
        sizes: dict[str, tuple[int, str]] = {}
        rest: Shape = ()
        for axes, shape, name in zip(self.inputs, shapes, names, strict=False):
            if axes == ["?"]:
                continue
            named = [axis for axis in axes if axis != "..."]
            if len(shape) < len(named) or (len(shape) > len(named) and "..." not in axes):
                raise ValueError(f"{name} has shape {shape}, the law asks for ({','.join(axes)})")
            before = axes.index("...") if "..." in axes else 0
            after = len(shape) - (len(named) - before)
            for axis, size in zip(named, (*shape[:before], *shape[after:]), strict=True):
                known, where = sizes.setdefault(axis, (size, name))
                if known != size:
                    raise ValueError(f"axis {axis} is {known} in {where} and {size} in {name}")
            try:
                rest = np.broadcast_shapes(rest, shape[before:after])
            except ValueError:
                raise ValueError(
                    f"axes {shape[before:after]} of {name} do not broadcast with {rest}"
                ) from None
        return {axis: size for axis, (size, _) in sizes.items()} | {"...": rest}

    def output(self, shapes: Sequence[Shape], static: dict[str, Any] | None = None) -> Shape | None:
        """The shape that the law promises, or None where it leaves it open (``?``)."""
        static = static or {}
        bound = self.bind(shapes, [f"input {i}" for i in range(len(shapes))])
        shape: Shape = ()
        for axis in self.result:
            if axis == "?":
                return None
            if axis == "-dim":
                gone = errors.axes(static.get("dim"), len(shape))
                keep = static.get("keepdim", False)
                shape = tuple(
                    1 if i in gone else n for i, n in enumerate(shape) if keep or i not in gone
                )
            elif axis:
                size = bound[axis] if axis in bound else static[axis]
                shape += (size,) if isinstance(size, int) else tuple(size)
        return shape
