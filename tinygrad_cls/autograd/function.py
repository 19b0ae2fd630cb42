"""Function: an op with a hand-written backward, as ``torch.autograd.Function``.

The table's own way is :func:`tinygrad_cls.op.op`: kernel, derivative and shape law in one entry,
with second order, broadcasting and tests for free. A Function is for what has no such entry: several
outputs, state from forward to backward, a backward that is code and not a formula.
"""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from .._state import no_grad, state
from ..chain_rule import Lift, Node, Saved
from ..errors import freed
from ..tensor import Tensor, new


class Kept(NamedTuple):
    """A value of ``save_for_backward``: a tensor, or which output (that one would be a cycle)."""

    value: Any
    saved: Saved | None


class Context:
    """What ``forward`` leaves for ``backward``: saved tensors, and any attribute you set.

    ``needs_input_grad`` says for each argument whether its gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._materialize = True
        self._kept: list[Kept] | None = []
        self._node: Callable[[], FunctionNode | None] = lambda: None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keeps inputs or outputs; backward raises if one was overwritten in between."""
        for i, x in enumerate(tensors):
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(x).__name__}; keep other values as attributes: ctx.name = value"
                )
        self._to_save = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs ``forward`` overwrote; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (default) or None for outputs that nobody used."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept, with its history."""
        node = self._node()
        if self._kept is None:
            raise freed(node)
        found = []
        for value, saved in self._kept:
            if saved is None or node is None:
                found.append(value)
                continue
            saved.read(node, None)  # raises where the memory was overwritten since
            found.append(value if value is not None else Tensor._lift(saved.value, node.out(saved)))
        return tuple(found)

    def _keep(self, outputs: Sequence[Any]) -> None:
        """Takes the tensors that were to be saved, now that the outputs are known."""
        self._kept = []
        for x in self._to_save:
            if x is None:
                self._kept.append(Kept(None, None))
                continue
            counter = x._counted()
            made = any(x is y for y in outputs)
            # an output's position stands in `where`, counted down from -1
            where = -1 - next(i for i, y in enumerate(outputs) if x is y) if made else 0
            saved = Saved(x._array, counter, counter[0], where)
            self._kept.append(Kept(None if made else x, saved))
        self._to_save = ()


class FunctionNode(Node):
    """The node of one application of a Function; its cotangents are the user's to compute."""

    __slots__ = ("context", "function", "inputs", "outs")

    def __init__(self, function: type[Function], context: Context, inputs: Sequence[Any]) -> None:
        edges = tuple(x._edge if isinstance(x, Tensor) else None for x in inputs)
        super().__init__(None, edges, None, {}, keeps_values=True)
        self.function = function
        self.context = context
        self.inputs = [(x.shape, x.dtype) if isinstance(x, Tensor) else None for x in inputs]
        self.outs: list[Any] = []  # of every output: shape, dtype, and a weak link to its node

    def name(self) -> str:
        """torch's name: that of the class."""
        return f"{self.function.__name__}Backward"

    def out(self, saved: Saved) -> Any:
        """The history of a saved output."""
        return self.outs[-1 - saved.where][2]()

    def pull(self, g: Any, useful: set[Any] | None, lift: Lift | None) -> list[tuple[Any, Any]]:
        """Calls the user's ``backward`` with Tensors and checks what it returns."""
        if self.saved is None:
            raise freed(self)
        given = g.parts if isinstance(g, Parts) else {0: g}
        cotangents = []
        for i, (shape, dtype, _) in enumerate(self.outs):
            part = given.get(i)
            if part is None and self.context._materialize:
                part = np.zeros(shape, dtype.numpy)
            cotangents.append(new(part) if isinstance(part, np.ndarray | np.generic) else part)
        answers = self.function.backward(self.context, *cotangents)
        answers = answers if isinstance(answers, tuple | list) else (answers,)
        if len(answers) > len(self.edges) and all(a is None for a in answers[len(self.edges) :]):
            answers = answers[: len(self.edges)]
        if len(answers) != len(self.edges):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{len(self.edges)}, got {len(answers)}): one for each argument of forward, None "
                f"for those that have none"
            )
        pulled = []
        for i, (edge, answer) in enumerate(zip(self.edges, answers, strict=True)):
            checked = self.checked(i, answer)
            if checked is not None and edge is not None and (useful is None or edge in useful):
                pulled.append((edge, checked if lift is not None else checked._array))
        return pulled

    def checked(self, i: int, answer: Any) -> Tensor | None:
        """A gradient that ``backward`` returned, in its input's shape and dtype."""
        if answer is None:
            return None
        if not isinstance(answer, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(answer).__name__})")
        expected = self.inputs[i]
        if expected is None:
            raise RuntimeError(
                f"function {self.name()} returned a gradient different than None at position "
                f"{i + 1}, but the corresponding forward input was not a Variable"
            )
        shape, dtype = expected
        if answer.shape != shape:
            try:
                fits = np.broadcast_shapes(answer.shape, shape) == answer.shape
            except ValueError:
                fits = False
            if not fits:
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {i} - got "
                    f"{list(answer.shape)} but expected shape compatible with {list(shape)}"
                )
            answer = ops.sum_to(answer, shape)
        return answer.to(dtype)

    def release(self) -> None:
        """Frees what was saved."""
        super().release()
        self.context._kept = None


class Parts:
    """The cotangents of a Function's outputs on their way to its node: they add up by output."""

    def __init__(self, parts: dict[int, Any]) -> None:
        self.parts = parts

    def __add__(self, other: Parts) -> Parts:
        both = dict(self.parts)
        for i, g in other.parts.items():
            both[i] = both[i] + g if i in both else g
        return Parts(both)


class OutputNode(Node):
    """One of several outputs of a Function: hands its cotangent to the Function's node."""

    __slots__ = ("position",)

    def __init__(self, node: FunctionNode, position: int) -> None:
        super().__init__(None, (node,), None, {}, keeps_values=False)
        self.position = position

    def name(self) -> str:
        """torch gives all outputs the Function's own node."""
        name: str = self.edges[0].name()
        return name

    def pull(self, g: Any, useful: set[Any] | None, lift: Lift | None) -> list[tuple[Any, Any]]:
        return [(self.edges[0], Parts({self.position: g}))]


class Function:
    """Base class: define static ``forward(ctx, *args)`` and ``backward(ctx, *gradients)``, and call
    ``MyFunction.apply(*args)``.

    ``forward`` computes under no_grad; ``backward`` gets one cotangent for each output and returns
    one gradient for each argument, None for those that have none. Or, as torch's newer style,
    ``forward(*args)`` and ``setup_context(ctx, inputs, output)``. Where backward is made of tensor
    operations it can be differentiated again.

    >>> import tinygrad_cls as tg
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x * x
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> y = Cube.apply(x); y
    tensor(8., grad_fn=<CubeBackward>)
    >>> y.backward(); x.grad
    tensor(12.)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            f"static, so you should invoke them on the class itself: {type(self).__name__}.apply()",
            DeprecationWarning,
            stacklevel=2,
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """``forward`` of the arguments, recorded so that backward calls ``backward``."""
        context = Context()
        apart = cls.setup_context is not Function.setup_context
        if kwargs:
            first = () if apart else (context,)
            bound = inspect.signature(cls.forward).bind(*first, *args, **kwargs)
            bound.apply_defaults()
            args = bound.args if apart else bound.args[1:]
        # a keyword argument counts as the positional one that it stands for
        context.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        with no_grad():
            if apart:
                result = cls.forward(*args)
                cls.setup_context(context, args, result)
            else:
                result = cls.forward(context, *args)
        outputs = list(result) if type(result) is tuple else [result]
        if state.grad_enabled and any(context.needs_input_grad):
            outputs = recorded(cls, context, args, outputs)
        else:
            context._keep(())
        return tuple(outputs) if type(result) is tuple else outputs[0]


def recorded(
    function: type[Function], context: Context, args: Sequence[Any], outputs: list[Any]
) -> list[Any]:
    """The outputs with their history."""
    for x in context._dirty:
        if x.requires_grad and x._node is None:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
    node = FunctionNode(function, context, args)
    flows = [
        isinstance(y, Tensor)
        and y.is_floating_point()
        and not any(y is x for x in context._non_differentiable)
        for y in outputs
    ]
    several = sum(flows) > 1 or len(outputs) > 1
    for i, y in enumerate(outputs):
        if not isinstance(y, Tensor):
            node.outs.append((None, None, None))
            continue
        if any(y is x for x in args) and not any(y is x for x in context._dirty):
            outputs[i] = handed = y.detach()  # an input handed through: the same memory
            context._to_save = tuple(handed if x is y else x for x in context._to_save)
            y = handed  # noqa: PLW2901
        if flows[i]:
            y._node = OutputNode(node, i) if several else node
            node.outs.append((y.shape, y.dtype, weakref.ref(y._node)))
        else:
            node.outs.append((y.shape, y.dtype, lambda: None))
    context._node = weakref.ref(node)
    context._keep(outputs)
    return outputs


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a ``backward`` whose result can't be differentiated again: trying to raises."""

    @wraps(backward)
    def wrapped(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            answers = backward(ctx, *gradients)
        if not state.grad_enabled or not any(
            isinstance(g, Tensor) and g.requires_grad for g in (*gradients, *ctx.saved_tensors)
        ):
            return answers
        several = isinstance(answers, tuple)
        barred = [
            Once.apply(a.requires_grad_()) if isinstance(a, Tensor) else a
            for a in (answers if several else (answers,))
        ]
        return tuple(barred) if several else barred[0]

    return wrapped


class Once(Function):
    """The identity, which refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
