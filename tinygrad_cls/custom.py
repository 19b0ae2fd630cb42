"""Ops that a user writes, of the table's kind. Unlike the table's, no test of this project has seen
them: the first result is held against the law, and every gradient against its input's shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import said
from .op import Op
from .op import op as entry


def op(
    law: str,
    doc: str = "",
    examples: str = "",
    *,
    types: str = "promote",
    view: bool = False,
    quiet: bool = False,
    **formulas: Any,
) -> Callable[[Callable[..., Any]], Op]:
    """An op of your own: a kernel on arrays, decorated with its shape law and its derivatives.

    The **law** is in gufunc notation, ``(n,i),(o,i),(o)->(n,o)``; ``...`` are axes that broadcast,
    ``-dim`` in the output takes the axes ``dim`` out, ``?`` leaves a shape open. A **derivative**
    is given as ``d_<input>`` and takes ``g``, the incoming cotangent, and then by name what it
    needs: an input, the output ``y``, an input's ``x_shape`` or ``x_dtype``, or a static argument
    of the kernel; nothing else is kept for backward. Make it of operators, ``.T`` and ops: the same
    formula is run on arrays and, with ``create_graph``, on tensors. Broadcasting's adjoint is not
    yours to write. An input without a derivative isn't differentiable.

    ``types`` says which dtypes the inputs may have: ``"promote"`` any, brought to a common one;
    ``"float"`` any, integers become floats; ``"floating"`` floats alone; CONTRIBUTING has all.
    ``view=True`` says that the result shares the input's memory, ``quiet=True`` that no value makes
    NumPy warn. A law that isn't element by element needs ``examples``, calls for tests to run.

    >>> import numpy as np, tinygrad_cls as tg
    >>> @tg.op("(...),(...)->(...)", d_a=lambda g, a, y: g * a / y, d_b=lambda g, b, y: g * b / y)
    ... def hypot(a, b):
    ...     "The hypotenuse, sqrt(a**2 + b**2)."
    ...     return np.hypot(a, b)
    >>> x = tg.tensor([3.0, 5.0], requires_grad=True)
    >>> y = hypot(x, tg.tensor([4.0, 12.0])); y
    tensor([ 5., 13.], grad_fn=<HypotBackward0>)
    >>> y.sum().backward(); x.grad
    tensor([0.6000, 0.3846])

    Raises ValueError where law, kernel, derivatives and types don't fit together. What the kernel
    raises when shapes don't fit is explained by the law. :class:`tinygrad_cls.autograd.Function` is
    for what has no formula, or several outputs.
    """
    table_op = entry(law, doc, examples, types=types, view=view, quiet=quiet, **formulas)

    def define(kernel: Callable[..., Any]) -> Op:
        made = table_op(kernel)
        made.__module__ = kernel.__module__  # where pickle finds it
        made.kernel = on_first_call(made)
        for i in made.formulas:
            if not made.variadic:
                hold(made, i)
        return made

    return define


def on_first_call(made: Op) -> Callable[..., Any]:
    """The op's kernel; its first result is held against the law."""
    kernel = made.kernel

    def first(*inputs: Any, **static: Any) -> Any:
        y = kernel(*inputs, **static)
        shapes = [np.shape(x) for x in inputs]
        promised = made.law.output(shapes, made.static | static)
        if promised is not None and np.shape(y) != promised:
            raise said(
                RuntimeError,
                f"{made.name} returned shape {np.shape(y)}, but by its law {made.law.text} inputs "
                f"of shapes {', '.join(map(str, shapes))} give {promised}: correct the kernel, or "
                f"write ->(?) to leave the shape open",
            )
        made.kernel = kernel
        return y

    return first


def hold(made: Op, i: int) -> None:
    """Lets the derivative for input ``i`` raise where its gradient doesn't fit the input."""
    formula = made.formulas[i]
    function = formula.function

    def held(g: Any, *needs: Any) -> Any:
        *values, shape = needs
        gx = function(g, *values)
        if gx.shape != shape and fitting(gx.shape, shape) != gx.shape:
            raise RuntimeError(
                f"Function {made.name.title().replace('_', '')}Backward0 returned an invalid "
                f"gradient at index {i} - got {list(gx.shape)} but expected shape compatible with "
                f"{list(shape)}: look at d_{made.inputs[i]} of {made.name}"
            )
        return gx

    formula.needs += (f"{made.inputs[i]}_shape",)
    formula.function = held


def fitting(a: Any, b: Any) -> Any:
    """The shape to which both broadcast, or None."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
