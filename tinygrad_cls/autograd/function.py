"""Function: an op with a hand-written backward, as ``torch.autograd.Function``.

The table's own way is :func:`tinygrad_cls.op`: kernel, derivative and shape law in one entry,
with second order and broadcasting for free. A Function is for what has no such entry: several
outputs, state from forward to backward, a backward that is code and not a formula.
"""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .. import ops
from .._state import no_grad, state
from ..chain_rule import Lift, Node, Version
from ..errors import freed, stale
from ..tensor import Tensor, new, version


class FunctionCtx:
    """What ``forward`` leaves for ``backward``: saved tensors, and any attribute you set.

    ``needs_input_grad`` says for each argument whether its gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self, name: str) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._materialize = True
        # a tensor, or of an output (that would be a cycle) its array, and its version; or None
        self._kept: list[tuple[Any, Version] | None] | None = []
        self._name = name
        self._node: Callable[[], FunctionNode | None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"'{self.__dict__.get('_name', 'FunctionCtx')}' object has no attribute '{name}': "
            f"forward sets it with ctx.{name} = ..., and what it gives to save_for_backward is in "
            f"ctx.saved_tensors"
        )

    def save_for_backward(self, *tensors: Any) -> None:
        """Keeps inputs or outputs; backward raises if one was overwritten in between."""
        self._to_save = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Says which inputs ``forward`` overwrote; it must return them."""
        only_tensors("mark_dirty can only accept variables, but argument {} is of type {}", tensors)
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Says which outputs have no gradient."""
        words = "mark_non_differentiable only accepts variable arguments, but got {1}"
        only_tensors(words, tensors)
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (default) or None for outputs that nobody used."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept, with its history."""
        if self._kept is None:
            raise freed(self._name)
        node = self._node()
        return tuple(kept and self._read(*kept, node) for kept in self._kept)

    def _read(self, value: Any, kept: Version, node: FunctionNode | None) -> Any:
        """A tensor that was saved, unless its memory was overwritten since."""
        _, where, counter, number = kept
        if node is None:
            return value if where >= 0 else None
        if counter[0] != number:
            raise stale(node, value._array if where >= 0 else value, where, counter, number)
        return value if where >= 0 else Tensor._lift(value, node.out(-1 - where))

    def _keep(self, args: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Takes the tensors that were to be saved, now that the outputs are known."""
        self._kept = []
        for i, x in enumerate(self._to_save):
            if x is None:
                self._kept.append(None)
                continue
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(x).__name__}; keep other values as attributes: ctx.name = value"
                )
            made = position(x, outputs)
            # which input, counted up from 0, or which output, counted down from -1
            where = position(x, args) if made == len(outputs) else -1 - made
            self._kept.append((x._array if where < 0 else x, version(x, "", where)))
        self._to_save = self._dirty = self._non_differentiable = ()  # a dirty input is an output


def only_tensors(words: str, given: tuple[Any, ...]) -> None:
    """Refuses what is no tensor."""
    for i, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise RuntimeError(words.format(i, type(x).__name__))


def position(x: Any, among: Sequence[Any]) -> int:
    """Where this very object stands; the length if it doesn't."""
    return next((i for i, y in enumerate(among) if y is x), len(among))


class FunctionNode(Node):
    """The node of one application of a Function; its cotangents are the user's to compute."""

    __slots__ = ("context", "function", "inputs", "outs")

    def __init__(self, function: type[Function], context: FunctionCtx, args: Sequence[Any]) -> None:
        edges = tuple(x._edge if isinstance(x, Tensor) else None for x in args)
        super().__init__(None, edges, None, {}, keeps_values=False)
        self.function = function
        self.context = context
        self.inputs = [(x.shape, x.dtype) if isinstance(x, Tensor) else None for x in args]
        self.outs: list[Any] = []  # of every tensor: shape, dtype, and a weak link to its node

    def name(self) -> str:
        """torch's name: that of the class."""
        return self.context._name

    def __getattr__(self, name: str) -> Any:
        """``y.grad_fn.saved_tensors``: in torch the context and the node are one."""
        return getattr(self.context, name)

    def out(self, i: int) -> Any:
        """The history of output ``i``."""
        return self.outs[i][2]()

    def pull(self, g: Any, useful: set[Any] | None, lift: Lift | None) -> list[tuple[Any, Any]]:
        """Calls the user's ``backward`` with Tensors and checks what it returns."""
        given = g.parts if isinstance(g, Parts) else {0: g}
        cotangents = []
        for i, out in enumerate(self.outs):
            part = given.get(i)
            if part is None and out is not None and self.context._materialize:
                part = np.zeros(out[0], out[1].numpy)
            cotangents.append(new(part) if isinstance(part, np.ndarray | np.generic) else part)
        answers = self.function.backward(self.context, *cotangents)
        answers = answers if isinstance(answers, tuple) else (answers,)
        count = len(self.edges)
        if len(answers) < count or any(answer is not None for answer in answers[count:]):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{count}, got {len(answers)}): one for each argument of forward, None for those "
                f"that have none"
            )
        pulled = []
        for i, edge in enumerate(self.edges):
            checked = self.checked(i, answers[i])
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
        cast: Tensor = answer.to(dtype)
        return cast

    def release(self) -> None:
        """Frees what was saved. A backward that asks for none of it can run again."""
        self.context._kept = None


class Parts:
    """The cotangents of a Function's outputs on their way to its node: they add up by output."""

    def __init__(self, parts: dict[int, Any]) -> None:
        self.parts = parts

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.parts | other.parts)  # an output's node sends once


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
    operations it can be differentiated again. A tensor inside a list is not seen.

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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            f"new-style autograd function with static forward method: {type(self).__name__}.apply()"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The outputs: a tensor or a tuple."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Saves what ``backward`` needs, where ``forward`` takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """``forward`` of the arguments, recorded so that backward calls ``backward``."""
        context = FunctionCtx(f"{cls.__name__}Backward")
        apart = cls.setup_context is not Function.setup_context
        if apart:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if kwargs:
            args = positional(cls.forward, args, kwargs)
        context.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        with no_grad():
            if apart:
                result = cls.forward(*args)
                cls.setup_context(context, args, result)
            else:
                result = cls.forward(context, *args)
        outputs = list(result) if isinstance(result, tuple) else [result]
        for x in context._dirty:
            x._bump()
            if not any(x is y for y in outputs):
                raise RuntimeError(
                    "Some elements marked as dirty during the forward method were not returned as "
                    "output. The inputs that are modified inplace must all be outputs of the "
                    "Function."
                )
        if state.grad_enabled and any(context.needs_input_grad):
            record(cls, context, args, outputs)
        else:
            for i, y in enumerate(outputs):
                handed = any(y is x for x in args) and not any(y is x for x in context._dirty)
                if isinstance(y, Tensor) and (handed or y.requires_grad):
                    outputs[i] = y.detach()
        return tuple(outputs) if isinstance(result, tuple) else outputs[0]


def positional(forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments with the keywords in their places; defaults are left to Python."""
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    rest = dict(kwargs)
    for i in range(len(args), len(names)):
        if rest and names[i] not in rest and rest.keys() & set(names[i:]):
            raise TypeError(f"forward() missing required argument: '{names[i]}' (position {i})")
        if names[i] in rest:
            args = (*args, rest.pop(names[i]))
    for name in rest:
        wrong = "multiple values for" if name in names else "an unexpected keyword"
        raise TypeError(f"forward() got {wrong} argument '{name}'")
    return args


def record(
    function: type[Function], context: FunctionCtx, args: Sequence[Any], outputs: list[Any]
) -> None:
    """Gives the outputs their history."""
    for x in context._dirty:
        if x.requires_grad and x._node is None:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
    node = FunctionNode(function, context, args)
    if state.watch is not None:
        state.watch.made(node)
    for i, y in enumerate(outputs):
        if not isinstance(y, Tensor):
            node.outs.append(None)
            continue
        if any(y is x for x in args) and not any(y is x for x in context._dirty):
            with no_grad():  # an input handed through: a view of it
                y = outputs[i] = y.view_as(y)  # noqa: PLW2901
        flow: Any = lambda: None  # noqa: E731
        if y.is_floating_point() and not any(y is x for x in context._non_differentiable):
            y._node = OutputNode(node, i) if len(outputs) > 1 else node
            flow = weakref.ref(y._node)
        node.outs.append((y.shape, y.dtype, flow))
    context._node = weakref.ref(node)
    context._keep(args, outputs)


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
            Once.apply(a.detach().requires_grad_()) if isinstance(a, Tensor) else a
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
