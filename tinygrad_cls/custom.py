"""Ops that a user writes, of the table's kind. Unlike the table's, no test of this project has seen
them: the first result is held against the law, every result is kept apart from the inputs' memory,
and every gradient is held against its input's shape.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial, update_wrapper, wraps
from typing import Any

import numpy as np

from .errors import said
from .op import Formula, Op
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
    ``view=True`` says that the result shares the input's memory; without it a result that does is
    copied. ``quiet=True`` says that no value makes NumPy warn. A law that isn't element by element
    needs ``examples``, calls for tests to run.

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
        made.__module__ = getattr(kernel, "__module__", "numpy")  # where pickle finds it
        made.kernel, made.quiet = guarded(made), True  # it sees to NumPy's warnings itself
        made.formulas = {i: held(made, i, formula) for i, formula in made.formulas.items()}
        return made

    return define


def guarded(made: Op) -> Callable[..., Any]:
    """The op's kernel, whose result is an array that shares no memory unless the op is a view; the
    first is held against the law.
    """
    # By their own names: a closure over the op would make a cycle, and keep it alive.
    kernel, name, law, defaults, view = made.kernel, made.name, made.law, made.static, made.view
    silence: Callable[[], Any] = nullcontext if made.quiet else partial(np.errstate, all="ignore")
    lawful = False

    @wraps(kernel)
    def run(*inputs: Any, **static: Any) -> Any:
        nonlocal lawful
        with silence():  # in the caller's context, not in the engine's: settings end with the call
            y = kernel(*inputs, **static)
        if not isinstance(y, np.ndarray | np.generic):
            raise said(
                TypeError,
                f"the kernel of {name} returned {kind(y)}: return an array, as np.asarray makes "
                f"one, or a NumPy number",
            )
        if not lawful:
            shapes = [np.shape(x) for x in inputs]
            # of any number of inputs, the law does not say how their shapes go together
            promised = None if law.variadic else law.output(shapes, defaults | static)
            if promised is not None and y.shape != promised:
                raise said(
                    RuntimeError,
                    f"{name} returned shape {y.shape}, but by its law {law.text} inputs of shapes "
                    f"{', '.join(map(str, shapes))} give {promised}: correct the kernel, or write "
                    f"->(?) to leave the shape open",
                )
            lawful = True
        return y if y is static.get("out") else apart(y, inputs, view)

    return run


def apart(y: Any, inputs: tuple[Any, ...], view: bool) -> Any:
    """The result in memory that the engine can follow. An alias that it doesn't know of would let
    a write to the one change the other, and with it gradients, unseen.
    """
    if view:
        x: Any = inputs[0]
        if y is x:
            return y.view()
        if y.base is not None and (y.base is x or y.base is x.base):
            return y
    return np.array(y) if any(np.may_share_memory(y, x) for x in inputs) else y


def held(made: Op, i: int, formula: Formula) -> Formula:
    """The derivative for input ``i``, which raises where its gradient doesn't fit the input, and
    gives it in the input's dtype.
    """
    function, name, x, variadic = formula.function, made.name, made.inputs[i], made.variadic
    broadcasts, mixed = made.broadcasts, variadic and made.types == "any"

    def checked(g: Any, *needs: Any) -> Any:
        *values, at, shape, dtype = needs
        at, shape = (at, shape[at]) if variadic else (i, shape)
        on_tensors = hasattr(g, "_apply")
        try:
            gx = function(g, *values)
        except (RuntimeError, TypeError) as error:
            if on_tensors and "numpy" in str(error):
                raise type(error)(
                    f"{error} Make d_{x} of {name} of operators and ops, without NumPy: to be "
                    f"differentiated again (create_graph=True) or recorded it is run on tensors."
                ) from error
            raise
        if not isinstance(gx, np.ndarray | np.generic) and not hasattr(gx, "_apply"):
            raise TypeError(
                f"d_{x} of {name} returned {kind(gx)}: return the gradient for {x}, made of g by "
                f"operators and ops; for an input that isn't differentiable, leave its d_ out"
            )
        # the engine sums what was broadcast, but only where the law broadcasts inputs
        if gx.shape != shape and not (broadcasts and fitting(gx.shape, shape) == gx.shape):
            raise RuntimeError(
                f"Function {name.title().replace('_', '')}Backward0 returned an invalid gradient "
                f"at index {at} - got {list(gx.shape)} but expected shape compatible with "
                f"{list(shape)}: look at d_{x} of {name}"
            )
        if mixed:  # each input has a dtype of its own, and only the first one's is known
            return gx
        return gx.to(dtype=dtype) if hasattr(gx, "_apply") else gx.astype(dtype, copy=False)

    update_wrapper(checked, function, assigned=(), updated=())  # whose source a trace shows
    which = f"{x}_shapes" if variadic else f"{x}_shape"
    return Formula(checked, (*formula.needs, "i", which, f"{x}_dtype"))


def kind(value: Any) -> str:
    """What a value is, in words: "a list", "None"."""
    return "None" if value is None else f"a {type(value).__name__}"


def fitting(a: Any, b: Any) -> Any:
    """The shape to which both broadcast, or None."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
