"""From a kernel to the NumPy calls that it makes.

A kernel is run on symbols: they compute like arrays, and write down what they compute. A kernel
that does with a symbol what can't be written down (looks at a value, writes to a part of it, hands
it to a function that isn't listed here) raises `Untraceable`, and stays one call as a whole.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .program import Array, Call, copied, dense, owner, safe

Calls = list[Call]
VIEWS = {np.broadcast_to, np.reshape, np.transpose, np.moveaxis, np.squeeze, np.expand_dims}
NUMBERS = {"f": (float, int), "i": (int,)}
"""Python's numbers that take the dtype of an array, by its kind."""
WITH_OUT = {np.argmax, np.argmin, np.round, np.clip, np.cumprod, np.cumsum, np.concatenate}


EXTREMA = (np.maximum, np.minimum)
"""Which NumPy computes faster with an array of equal numbers than with a number."""


class Untraceable(Exception):
    """The kernel does more than NumPy calls on whole arrays."""


def trace(kernel: Callable[..., Any], args: Any, static: Any, op: str) -> tuple[Calls, Any]:
    """The calls that ``kernel(*args, **static)`` makes, and its result or results.

    Raises Untraceable.
    """
    calls: Calls = []
    symbols = [Symbol(a, calls, op) if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        found = kernel(*symbols, **static)
    return calls, tuple(map(bare, found)) if isinstance(found, tuple) else bare(found)


def whole(kernel: Callable[..., Any], args: Any, static: Any, op: str) -> tuple[Calls, Any]:
    """The kernel as one call, and its result."""
    with np.errstate(all="ignore"):
        result = np.asarray(kernel(*args, **static))
    if not dense(result) or any(owner(result) is owner(a) for a in args if type(a) is np.ndarray):
        result = result.copy("K")
    try:
        writes = "out" in inspect.signature(kernel).parameters
    except (TypeError, ValueError):
        writes = False
    if writes:
        return [Call(kernel, tuple(args), static, result, op)], result
    return [Call(Stored(kernel), tuple(args), static, result, op)], result


class Stored:
    """A kernel without ``out=``: its result is copied there."""

    def __init__(self, kernel: Callable[..., Any]) -> None:
        self.kernel = kernel
        self.__name__: str = getattr(kernel, "__name__", type(kernel).__name__)

    def __call__(self, *args: Any, out: Array, **static: Any) -> None:
        result = np.asarray(self.kernel(*args, **static))
        if (result.shape, result.dtype) != (out.shape, out.dtype):
            raise RuntimeError(
                f"{self.__name__}: the result has shape {result.shape} and dtype {result.dtype}; "
                f"when the function was recorded they were {out.shape} and {out.dtype}. Compute "
                f"what depends on values in this way outside the compiled function"
            )
        np.copyto(out, result)


def bare(x: Any) -> Any:
    """The array of a symbol."""
    return x.array if isinstance(x, Symbol) else x


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that writes down what is computed with it.

    Writing to it in place makes a new array: every array of the program is written once. That is
    refused where another array might see the write.
    """

    def __init__(self, array: Array, calls: Calls, op: str, fresh: bool = False) -> None:
        self.array = array
        self.calls = calls
        self.op = op
        self.fresh = fresh  # nobody else has this memory

    def made(self, array: Any, fresh: bool = True) -> Symbol:
        """Another symbol of the same kernel."""
        return Symbol(array, self.calls, self.op, fresh)

    def call(self, function: Any, args: Any, kwargs: Any, result: Any) -> Symbol:
        """Writes down a call that was made."""
        result = np.asarray(result)
        self.calls.append(Call(function, tuple(args), kwargs, result, self.op))
        return self.made(result)

    def store(self, result: Symbol) -> Symbol:
        """Takes the place of what is written to it."""
        if not self.fresh or result.shape != self.shape:
            raise Untraceable("writes to memory that others see")
        if result.dtype != self.dtype:
            result = result.astype(self.dtype)
        self.array = result.array
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", (None,))[0]
        whole_arrays = kwargs.get("where", True) is True
        if method not in ("__call__", "reduce") or len(inputs) > 3 or not whole_arrays:
            raise Untraceable(method)
        function = ufunc if method == "__call__" else ufunc.reduce
        args = [bare(x) for x in inputs]
        kinds = {a.dtype for a in args if isinstance(a, np.ndarray)}
        if len(kinds) == 1 and ufunc.signature is None:  # NumPy is slow to convert a number
            (kind,) = kinds
            for i, a in enumerate(args):
                if type(a) in NUMBERS.get(kind.kind, ()):
                    args[i] = np.asarray(a, kind)
                    if ufunc in EXTREMA:
                        args[i] = np.full_like(args[1 - i], a)
        kwargs = {k: bare(v) for k, v in kwargs.items() if v is not None or k == "axis"}
        result = self.call(function, args, kwargs, function(*args, **kwargs))
        if out is None:
            return result
        if not isinstance(out, Symbol):
            raise Untraceable("writes to an array of its own")
        return out.store(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.empty_like and len(args) == 1 and not kwargs:
            return self.made(np.empty_like(bare(args[0])))
        if function in (np.zeros_like, np.ones_like) and len(args) == 1 and not kwargs:
            return self.made(function(bare(args[0])))
        if function is np.shape:
            return bare(args[0]).shape
        if function is np.ndim:
            return bare(args[0]).ndim
        if function is np.size:
            return bare(args[0]).size
        if function in VIEWS:
            return self.view_of(function(bare(args[0]), *args[1:], **kwargs), args[0])
        if function is np.where and len(args) == 3:
            args = [bare(x) for x in args]
            return self.call(choose, args, {}, np.where(*args))
        if function is np.copyto and len(args) == 2 and set(kwargs) <= {"casting"}:
            if not isinstance(args[0], Symbol):
                raise Untraceable("copies into an array of its own")
            x = np.broadcast_to(bare(args[1]), args[0].shape)
            args[0].store(self.call(copied, (x,), {}, x.astype(args[0].dtype)))
            return None
        if function in WITH_OUT and kwargs.get("out") is None:
            kwargs = {k: v for k, v in kwargs.items() if k != "out"}
            args = [[bare(x) for x in a] if isinstance(a, tuple | list) else bare(a) for a in args]
            return self.call(function, args, kwargs, function(*args, **kwargs))
        raise Untraceable(function.__name__)

    def view_of(self, view: Any, source: Symbol) -> Symbol:
        """A view that was taken of a symbol, which others see from then on."""
        if not isinstance(view, np.ndarray) or owner(view) is not owner(source.array):
            raise Untraceable("a view that is a copy")
        source.fresh = False
        return self.made(view, fresh=False)

    # --- what arrays have ---------------------------------------------------------------------

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    itemsize = property(lambda self: self.array.itemsize)
    flags = property(lambda self: self.array.flags)
    T = property(lambda self: self.view_of(self.array.T, self))

    def __len__(self) -> int:
        return len(self.array)

    def reshape(self, *shape: Any) -> Symbol:
        """A view where it can be, else a view of a copy in C order."""
        view = self.array.reshape(*shape)
        if owner(view) is owner(self.array):
            return self.view_of(view, self)
        copy = self.copy()
        return self.view_of(copy.array.reshape(*shape), copy)

    def transpose(self, *axes: Any) -> Symbol:
        """A view with the axes in another order."""
        return self.view_of(self.array.transpose(*axes), self)

    def view(self, dtype: Any) -> Symbol:
        """The same bits as another type."""
        return self.view_of(self.array.view(dtype), self)

    def copy(self, order: Any = "C") -> Symbol:
        """A copy, in C order as NumPy's method makes it."""
        return self.call(copied, (self.array,), {}, self.array.copy(order))

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        """A copy of another type."""
        if not copy and self.dtype == dtype:
            return self
        return self.call(copied, (self.array,), {}, self.array.astype(dtype))

    def fill(self, value: Any) -> None:
        """Makes it a constant."""
        if not self.fresh:
            raise Untraceable("fills memory that others see")
        self.array = np.full_like(self.array, value)

    def __getitem__(self, index: Any) -> Symbol:
        return self.view_of(self.array[index], self)

    def any(self, axis: Any = None) -> Any:
        """Whether one is true."""
        return np.logical_or.reduce(self, axis=axis)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum over the axis."""
        total: Any = np.add.reduce
        return total(self, axis=axis, keepdims=keepdims)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise Untraceable(name)

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Raises: a plan can't look at values."""
        raise Untraceable("looks at a value")

    __setitem__ = __bool__ = __float__ = __int__ = __index__ = __array__ = refuse
    item = tolist = refuse


@safe
def choose(mask: Any, a: Any, b: Any, out: Array) -> None:
    """``np.where``, which has no ``out=``."""
    np.copyto(out, b)
    np.copyto(out, a, where=mask)
