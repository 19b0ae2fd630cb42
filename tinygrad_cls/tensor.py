"""Tensor: an array with a history. Every op passes the one choke-point, ``apply``."""

from __future__ import annotations

import contextvars
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import dtypes, ops
from ._state import enable_grad, state, tick
from .callsite import caller
from .chain_rule import Node, Version, backward
from .errors import explain, not_a_tensor, sizes_must_match
from .indexing import split_index
from .nested import legacy
from .op import EXPLAINED, Op
from .surface import Surface

ndarray = np.ndarray
EVERYWHERE = np.ones((), np.bool_)
blank = object.__new__  # makes a tensor without its constructor


class Event(NamedTuple):
    """What the tape keeps of one op."""

    op: Op
    inputs: tuple[Any, ...]
    static: dict[str, Any]
    output: Tensor


def apply(op: Op, inputs: tuple[Any, ...], static: dict[str, Any]) -> Tensor:
    """The choke-point: computes an op's value, and records it if the graph or a tape asks.

    ``inputs`` are Tensors, and arrays or Python numbers for constants.
    """
    if op.view:
        inputs[0]._canonical()
    arrays = []
    kind, agreed = None, op.types != "integer"
    for x in inputs:
        if isinstance(x, Tensor):
            array = x._array
            if array.dtype is not kind:
                agreed = agreed and kind is None and array.dtype.kind == "f"
                kind = array.dtype
            arrays.append(array)
        else:
            agreed = agreed and (type(x) is float or type(x) is int)
            arrays.append(x)
    if not agreed:
        inputs = agree(op, inputs, arrays)
        arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
    if static and static.get("out") is not None:
        return into(op, inputs, dict(static))
    try:
        y = op.kernel(*arrays, **static) if op.quiet else quiet.run(op.kernel, *arrays, **static)
    except EXPLAINED as error:
        if state.recorder is not None:
            state.recorder.once = f"{op.name} raises an error that the function catches"
        raise explain(op, arrays, error, static) from None
    except RuntimeError as error:
        if not (INSIDE.get() and str(error).startswith("cannot enter context")):
            raise
        y = op.kernel(*arrays, **static)  # in a kernel that itself computes with Tensors
    inference = state.inference
    result = blank(Tensor)
    result._array = y if type(y) is ndarray else np.asarray(y)
    if op.view and y.base is not None and (y.base is arrays[0] or y.base is arrays[0].base):
        result._share(inputs[0])
    elif inference:
        result._inference = True
    if state.grad_enabled and not inference and op.formulas and y.dtype.kind == "f":
        record(op, inputs, arrays, static, result)
    if state.tape is not None:
        state.tape.append(Event(op, inputs, static, result))
    return result


class Quiet(threading.local):
    """Runs a kernel without NumPy's warnings: nan and inf are values here, as in torch.

    What ``np.errstate`` does, in a context of its own that each thread sets up once and enters for
    every op: that spares 0.9 us an op on the machine of the README's table.
    """

    def __init__(self) -> None:
        context = contextvars.copy_context()
        context.run(np.seterr, all="ignore")
        context.run(INSIDE.set, True)
        self.run = context.run


INSIDE = contextvars.ContextVar("inside a kernel", default=False)
quiet = Quiet()


def record(
    op: Op, inputs: tuple[Any, ...], arrays: list[Any], static: dict[str, Any], result: Tensor
) -> None:
    """Gives ``result`` its node, if an input that ``op`` has a derivative for requires grad."""
    edges: list[Any] = [None] * len(inputs)
    wanted: tuple[int, ...] = ()
    for i in range(len(inputs)) if op.variadic else op.formulas:
        x = inputs[i]
        if isinstance(x, Tensor):
            if x._base is not None:
                x._check_history()
            if x._node is not None:
                edges[i] = x._node
            elif x._requires_grad:
                edges[i] = x
            else:
                continue
            wanted += (i,)
    if not wanted:
        return
    memory = op.memory(wanted)
    saved: dict[str, Any] = {}
    versions = []
    for name, i in memory.values:
        x = result if i < 0 else inputs[i]
        saved[name] = x._array if isinstance(x, Tensor) else arrays[i]
        if isinstance(x, Tensor):
            versions.append(version(x, name, i))
    shapes: Any = None
    if op.broadcasts or memory.others:
        shapes = [a.shape if type(a) is ndarray else np.shape(a) for a in arrays]
        for name, what, i in memory.others:
            if what == "static":
                saved[name] = static[name]
            elif what == "dtype":
                saved[name] = arrays[i].dtype
            else:
                saved[name] = shapes if what == "shapes" else shapes[i]
    broadcast = shapes if op.broadcasts else None
    result._node = Node(op, tuple(edges), broadcast, saved, bool(memory.values), versions)


def version(x: Tensor, name: str, where: int) -> Version:
    """What tells whether ``x``, kept for backward, was overwritten since."""
    if x._inference:
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
            "inference mode in computation tracked by autograd. To work around this, you can make "
            "a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` "
            "instead of `torch.inference_mode()`."
        )
    counter = x._counter or x._counted()
    return name, where, counter, counter[0]


def agree(op: Op, inputs: tuple[Any, ...], arrays: list[Any]) -> tuple[Any, ...]:
    """The inputs in the dtype that the op's rule gives them; a cast is an op of its own."""
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor | ndarray | float | int | np.generic):
            raise TypeError(
                f"{op.name}(): argument '{'input' if i == 0 else 'other'}' (position {i + 1}) must "
                f"be Tensor, not {type(x).__name__}"
            )
    if op.types == "any":
        return inputs
    arrays = [a.item() if isinstance(a, np.generic) else a for a in arrays]
    taking_part = [a for i, a in enumerate(arrays) if op.law.variadic or i in op.participants]
    kind = dtypes.common(op, taking_part)
    agreed = list(inputs)
    for i, x in enumerate(inputs):
        if not op.law.variadic and i not in op.participants:
            continue
        if isinstance(x, Tensor):
            agreed[i] = x if x._array.dtype == kind else apply(ops.cast, (x,), {"dtype": kind})
        else:
            agreed[i] = quiet.run(np.asarray(arrays[i]).astype, kind)
    return tuple(agreed)


def into(op: Op, inputs: tuple[Any, ...], static: dict[str, Any]) -> Tensor:
    """``out=``: the value is written to a given tensor, which may not be part of a graph."""
    out: Tensor = static.pop("out")
    if state.grad_enabled and any(x.requires_grad for x in (*inputs, out) if isinstance(x, Tensor)):
        raise RuntimeError(
            f"{op.name}(): functions with out=... arguments don't support automatic "
            f"differentiation, but one of the arguments requires grad."
        )
    out._write(apply(op, inputs, static))
    return out


def new(array: Any) -> Tensor:
    """A tensor that takes ``array`` as its memory."""
    made = blank(Tensor)
    made._array = array if type(array) is ndarray else np.asarray(array)
    if state.inference:
        made._inference = True
    if state.recorder is not None:
        state.recorder.makes(made._array)
    return made


class Tensor(Surface):
    """An n-dimensional array that remembers how it was computed.

    Made by :func:`tensor`, :func:`zeros` and so on; ``Tensor(data)`` makes float32 as in torch.

    >>> import tinygrad_cls as tg
    >>> W = tg.tensor([[1.0, -2.0]], requires_grad=True)
    >>> loss = (tg.tensor([[3.0, 4.0]]) @ W.T).relu().sum()
    >>> loss.backward()
    >>> W.grad
    tensor([[0., 0.]])
    """

    # What most tensors never change stands here once; an instance holds only what differs.
    _array: np.ndarray[Any, Any]
    _node: Node | None = None
    _requires_grad: bool = False
    _grad: Tensor | None = None
    _counter: list[Any] | None = None
    _base: Tensor | None = None  # whose memory this is; None: its own, in an order that is private
    _base_node: Node | None = None
    _shared: bool = False  # memory that a NumPy array or a detached tensor has too
    _inference: bool = False
    _hooks: dict[int, Callable[[Any], Any]] | None = None

    __hash__ = object.__hash__

    def __init__(self, *data: Any, device: Any = None) -> None:
        if device is not None:
            dtypes.on_cpu(device)
        self._array = legacy(dtypes.Default.dtype, data)

    # --- memory: what aliases a value sees it in C order --------------------------------------

    def _canonical(self) -> np.ndarray[Any, Any]:
        """The array, first laid out in C order if its layout is the engine's private choice."""
        a = self._array
        if self._base is None and not self._shared:
            flags = a.flags
            if not (flags.c_contiguous and flags.writeable):
                laid_out = np.array(a, order="C")
                if state.recorder is not None:
                    state.recorder.copies(a, laid_out)
                a = self._array = laid_out
        return a

    def _share(self, owner: Tensor) -> None:
        """Marks this tensor as a view of ``owner``'s memory: one version counter for both."""
        self._counter = owner._counter or owner._counted()
        self._inference = owner._inference
        self._base = owner._base if owner._base is not None else owner
        self._base_node = self._base._node

    def _counted(self) -> list[Any]:
        """The version counter, made when it's first needed."""
        counter = self._counter
        if counter is None:  # one for all, also where two threads save the tensor at once
            counter = self.__dict__.setdefault("_counter", [0])
        return counter

    def _check_history(self) -> None:
        if self._base is not None and self._base._node is not self._base_node:
            raise RuntimeError(
                f"a view of shape {tuple(self.shape)} is used after its base, of shape "
                f"{tuple(self._base.shape)}, was modified by an inplace operation that the graph "
                f"recorded: take the view again after the write"
            )

    def _write(self, value: Tensor) -> None:
        """Overwrites the memory with ``value`` and counts the write."""
        self._check_inference()
        a, y = self._canonical(), value._array
        if y.shape != a.shape and np.broadcast_shapes(y.shape, a.shape) != a.shape:
            raise RuntimeError(
                f"output with shape {list(a.shape)} doesn't match the broadcast shape "
                f"{list(y.shape)}"
            )
        if "bif".index(y.dtype.kind.replace("u", "i")) > "bif".index(
            a.dtype.kind.replace("u", "i")
        ):
            raise RuntimeError(
                f"result type {dtypes.of(y.dtype).title} can't be cast to the desired output type "
                f"{self.dtype.title}"
            )
        if not a.flags.writeable:
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a "
                "single memory location. Please clone() the tensor before performing the operation."
            )
        if state.recorder is not None:
            state.recorder.writes(self, a, y)
        quiet.run(np.copyto, a, y, casting="unsafe")
        self._bump()

    def _check_inference(self) -> None:
        if self._inference and not state.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed."
                "You can make a clone to get a normal tensor before doing inplace update."
                "See https://github.com/pytorch/rfcs/pull/17 for more details."
            )

    def _bump(self, called: Any = None) -> None:
        """Counts a write, and remembers which line of the user's code did it."""
        counter = self._counter or self._counted()
        counter[:] = counter[0] + 1, called or caller()

    def _check_in_place(self, takes_grad: bool, through_view: bool = False) -> None:
        """Refuses an in-place write that the graph could not follow."""
        if not state.grad_enabled:
            return
        for x, through in ((self, through_view), (self._base, True)):
            if x is not None and x._requires_grad and x._node is None:
                raise RuntimeError(
                    f"a {'view of a ' if through else ''}leaf Variable that requires grad is being "
                    f"used in an in-place operation. Update parameters under no_grad(), or use an "
                    f"out-of-place operation."
                )
        if self._base is not None and (
            takes_grad or self.requires_grad or self._base.requires_grad
        ):
            raise RuntimeError(
                "an in-place operation on a view that requires grad is not supported by this "
                "engine: write to the whole tensor, or build it with cat, stack or where"
            )

    def _in_place(self, function: Any, *args: Any, **kwargs: Any) -> Tensor:
        """``self <- function(self, ...)``: the same op as out of place, in the same memory."""
        operands = (*args, *kwargs.values())
        takes_grad = any(isinstance(x, Tensor) and x.requires_grad for x in operands)
        self._check_in_place(takes_grad)
        before = self
        if state.grad_enabled and (takes_grad or self.requires_grad):
            before = blank(Tensor)  # the graph may keep what is overwritten here
            before._array, before._node = self._array.copy(), self._node
            if state.recorder is not None:
                state.recorder.copies(self._array, before._array)
        result = function(before, *args, **kwargs)
        self._write(result)
        if result.dtype is not self.dtype:
            result = result.to(self.dtype)  # on the way back, the cotangent is cast again
        node = result._node
        if node is not None:
            if self._node is not None:  # who asked to keep the gradient means the new value's
                node.retained, self._node.retained = self._node.retained, None
            if "y" in node.saved:
                node.saved["y"] = self._array
                others = [kept for kept in node.versions if kept[0] != "y"]
                node.versions = [*others, version(self, "y", -1)]
            self._node = node
        return self

    # --- history ------------------------------------------------------------------------------

    @property
    def _edge(self) -> Any:
        """Where this tensor's cotangent goes: its node, itself if it's a leaf, or None."""
        return self._node or (self if self._requires_grad else None)

    @staticmethod
    def _lift(array: Any, edge: Any) -> Tensor:
        """A tensor of ``array`` whose history is ``edge``."""
        if isinstance(edge, Tensor):
            return edge
        lifted = new(array)
        lifted._node = edge
        lifted._shared = True  # as it lies in memory, so that both readings round alike
        return lifted

    _apply = staticmethod(apply)
    _new = staticmethod(new)

    def _seed(self, g: Any, lifted: bool) -> Any:
        """The cotangent that a backward pass starts with, from what the user gave."""
        self._check_history()
        if self._edge is None:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn: no input "
                "of its computation has requires_grad=True, or it ran under no_grad()"
            )
        if g is None:
            if self._array.size != 1:
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs: this one has shape "
                    f"{tuple(self.shape)}; reduce it with .sum() or .mean(), or pass gradient="
                )
            g = np.array(1, self._array.dtype).reshape(self._array.shape)
            return new(g) if lifted else g
        if not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
        if g.shape != self.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[0] has a shape of {g.shape} and output[0] has a "
                f"shape of {self.shape}."
            )
        g = g.to(self.dtype)
        return g if lifted else g._array

    def _hooked(self, g: Any) -> Any:
        for hook in (*self._hooks.values(),) if self._hooks else ():
            g = hook(g)
        return g

    def _gradient(self, g: Any) -> Tensor:
        """The tensor that ``autograd.grad`` returns for this input."""
        if self._node is None:
            g = self._hooked(g)
        if not isinstance(g, Tensor):
            return new(np.array(g, order="C"))
        if not g.requires_grad:  # a tape runs: the same tensor may be on its way to another input
            copy = apply(ops.clone, (g,), {})
            copy._canonical()
            return copy
        return g

    def _accumulate(self, g: Any) -> Any:
        """Adds a cotangent to ``.grad``: in place, unless the sum has a history of its own. What
        was added: hooks may have changed it.
        """
        if self._hooks and self._node is None:
            g = self._hooked(g)
        if isinstance(g, Tensor):
            if g.requires_grad or (self._grad is not None and self._grad.requires_grad):
                with enable_grad():  # a copy: two leaves may get the same cotangent
                    self.grad = ops.clone(g) if self._grad is None else self._grad + g
                return g
            g = g._array
        if self._grad is None:
            self._grad = grad = blank(Tensor)
            # A copy: the same array may be on its way to another leaf. And an array: two 0-d ones
            # add up to NumPy's scalar, which nothing can be written to.
            grad._array = np.array(g, order="C")
            if state.recorder is not None:
                state.recorder.accumulates(self, g)
        elif self._grad.requires_grad:
            self.grad = self._grad + new(g)
        else:
            if state.recorder is not None:
                state.recorder.adds(self, g)
            quiet.run(np.add, self._grad._array, g, out=self._grad._array)
            self._grad._bump()
        return g

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward accumulated, or None."""
        if state.recorder is not None:
            state.recorder.meets(self)
        if self._grad is None and self._node is not None and not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed want "
                "the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
                "non-leaf Tensor.",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.shape != self.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of "
                    f"size '{list(self.shape)}'. Please ensure that the gradient and the tensor "
                    f"are the same size"
                )
            if value.dtype is not self.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{value.dtype.c_name}' to a "
                    f"tensor with grad_dtype '{self.dtype.title}'. The gradient must match the "
                    f"tensor's dtype."
                )
        self._grad = value
        if state.recorder is not None:
            state.recorder.replaces(self)

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def grad_fn(self) -> Node | None:
        """The node that recorded this tensor's computation; None for a leaf."""
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op computed this tensor."""
        return self._node is None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor."""
        return self._node is not None or self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            if value:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if value and self._array.dtype.kind != "f":
            raise RuntimeError(
                f"only Tensors of floating point and complex dtype can require gradients, not "
                f"{self.dtype}"
            )
        if value and self._inference and not state.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed."
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets ``requires_grad`` and returns the tensor."""
        if requires_grad and self._array.dtype.kind != "f":
            raise RuntimeError(
                f"only Tensors of floating point dtype can require gradients, not {self.dtype}"
            )
        self.requires_grad = requires_grad
        return self

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradient of this tensor to ``.grad`` of every leaf (or of ``inputs``)."""
        backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Lets backward keep this non-leaf's gradient in ``.grad``."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._node is not None:
            self._node.retained = weakref.ref(self)  # a node must not keep its own output alive

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad`` was called on this non-leaf."""
        return self._node is not None and self._node.retained is not None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls ``hook(gradient)`` when this tensor's gradient is known; what it returns, if
        anything, takes the gradient's place.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")

        def wrapped(g: Any) -> Any:
            seen = g if isinstance(g, Tensor) else new(g)
            answer = hook(seen)
            if answer is None:
                return g
            check_hook(hook, seen, answer)
            return answer if isinstance(g, Tensor) else answer._array

        owner: Any = self._node or self
        name = "hooks" if self._node is not None else "_hooks"
        if getattr(owner, name) is None:
            setattr(owner, name, {})
        return RemovableHandle(getattr(owner, name), wrapped)

    def detach(self) -> Tensor:
        """The same memory without the history."""
        result = blank(Tensor)
        result._array = self._canonical()
        result._counter, result._inference = self._counted(), self._inference
        result._shared = True
        return result

    def detach_(self) -> Tensor:
        """Forgets the history."""
        self._node = None
        self._requires_grad = False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without the history. A write through it is seen by backward's check of
        saved values (torch misses it and computes a wrong gradient).
        """
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.requires_grad and not value.is_floating_point():
            raise RuntimeError(
                f"data set to a tensor that requires gradients must be floating point or complex "
                f"dtype, not {value.dtype}"
            )
        if state.recorder is not None:
            state.recorder.refuses("assigning .data")
        self._array = value._canonical()
        self._shared = value._shared = True
        self._counter = value._counted()

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._counter[0] if self._counter else 0

    def is_inference(self) -> bool:
        """Whether this tensor was made under inference_mode."""
        return self._inference

    # --- index --------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        result = self
        for part in split_index(index, self._array.shape):
            result = apply(ops.getitem, (result,), {"index": part})
        return result

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(value, Tensor):
            if not isinstance(value, int | float | np.generic):
                kind = "numpy.ndarray" if isinstance(value, ndarray) else type(value).__name__
                raise TypeError(f"can't assign a {kind} to a {self.type()}: make it a tensor")
            dtypes.check_number(value, self.dtype)
            value = new(quiet.run(np.asarray(value).astype, self._array.dtype))
        parts = split_index(index, self._array.shape)
        where = parts[0]
        if len(parts) == 2:  # as one index: the places that both pick, one after the other
            if state.recorder is not None:
                state.recorder.settles("an index of tensors and numbers", parts)
            places = np.arange(self._array.size).reshape(self._array.shape)
            where = np.unravel_index(places[parts[0]][parts[1]], self._array.shape)
        try:
            target = self._array[where].shape
        except IndexError as error:
            raise explain(ops.getitem, (self._array,), error) from None
        while value.ndim > len(target) and value.shape[0] == 1:
            value = value[0]  # torch drops leading axes of size 1
        if not fits(value.shape, target):
            if not any(isinstance(part, ndarray) for part in where):
                ops.broadcast_to(value, target)  # raises torch's error for a basic index
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
                f"indexing result of shape {list(target)}"
            )
        if state.grad_enabled and (self.requires_grad or value.requires_grad):
            self._check_in_place(True, through_view=True)
            self._in_place(ops.replaced, value.to(self.dtype), index=where)
        else:
            self._check_in_place(False, through_view=True)
            self._check_inference()
            a = self._canonical()
            if state.recorder is not None:
                state.recorder.writes(self, a, value._array, where)
            quiet.run(a.__setitem__, where, value._array)
            self._bump()

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    # --- in place -----------------------------------------------------------------------------

    def zero_(self) -> Tensor:
        """Sets every element to 0."""
        return self.fill_(0)

    def fill_(self, value: Any) -> Tensor:
        """Sets every element to ``value``."""
        if getattr(value, "ndim", 0):
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
                f"dimensions."
            )
        if not isinstance(value, Tensor | ndarray | np.generic | float | int):
            raise TypeError(
                f"fill_() received an invalid combination of arguments - got "
                f"({type(value).__name__}), but expected one of: a number; a tensor of one element"
            )
        dtypes.check_number(value, self.dtype)
        return self._in_place(ops.masked_fill, EVERYWHERE, value)

    def copy_(self, other: Tensor, non_blocking: bool = False) -> Tensor:
        """Sets every element from ``other``, broadcast and cast."""
        if not isinstance(other, Tensor):
            not_a_tensor("copy_", other, "other")
        if not fits(other.shape, self.shape):
            raise RuntimeError(sizes_must_match([self.shape, other.shape]))
        return self._in_place(ops.masked_fill, EVERYWHERE, other.to(self.dtype))


def fits(shape: Any, target: Any) -> bool:
    """Whether a value of ``shape`` broadcasts to ``target``."""
    tail = target[len(target) - len(shape) :]
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(shape, tail, strict=True))


def check_hook(hook: Any, value: Tensor, answer: Any) -> None:
    """torch's errors for a hook whose answer can't take the gradient's place."""
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(answer, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    if answer.dtype is not value.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {value.type()} got {answer.type()})"
        )
    if answer.shape != value.shape:
        raise RuntimeError(
            f"hook '{name}' has changed the size of value: {tuple(value.shape)} became "
            f"{tuple(answer.shape)}"
        )


class RemovableHandle:
    """Takes a hook out again: ``handle.remove()``, or at the end of ``with handle:``."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks = hooks
        self._key = tick()
        hooks[self._key] = hook

    def remove(self) -> None:
        """Takes the hook out; a second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def clear(parameters: Any, set_to_none: bool) -> None:
    """Drops or zeroes the gradients of ``parameters``."""
    recorder = state.recorder
    for parameter in parameters:
        if set_to_none:
            parameter._grad = None
            if recorder is not None:
                recorder.replaces(parameter)
        elif parameter.grad is not None:
            parameter.grad.detach_().zero_()
