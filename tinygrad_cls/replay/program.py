"""What a plan is made of: NumPy calls, each with the memory that it reads and writes.

There are no variables: an argument is an array, that is, a place in memory, and stays that place
for as long as the plan lives. Two arrays are the same value if they have the same `place`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def owner(a: Array) -> Array:
    """The array whose memory ``a`` lies in."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def address(a: Array) -> int:
    """Of the first element."""
    pointer: int = a.__array_interface__["data"][0]
    return pointer


def place(a: Array) -> tuple[Any, ...]:
    """What tells a value from others, as long as it isn't overwritten."""
    return address(a), a.shape, a.strides, a.dtype


def moved(a: Array, old: Array, new: Array) -> Array:
    """The array that lies in the memory of ``new`` as ``a`` lies in that of ``old``."""
    offset = address(a) - address(old)
    return np.ndarray(a.shape, a.dtype, new.ravel("K"), offset, a.strides)


def empty_like(a: Array) -> Array:
    """New memory in the order of ``a``, where an axis along which it is repeated takes none."""
    once = a[tuple(slice(1) if step == 0 else slice(None) for step in a.strides)]
    memory = np.empty_like(once)
    steps = [0 if step == 0 else new for step, new in zip(a.strides, memory.strides, strict=True)]
    return memory if 0 not in steps else np.ndarray(a.shape, a.dtype, memory, 0, steps)


def dense(a: Array) -> bool:
    """Whether it has memory of its own, and fills it."""
    return owner(a).nbytes == a.nbytes and a.flags.owndata | (0 not in a.strides)


SAFE: list[Any] = []


def safe(function: Any) -> Any:
    """Marks a function, or a type of functions, that raises for no values."""
    SAFE.append(function)
    return function


@safe
def copied(x: Any, out: Array) -> None:
    """``out[...] = x``."""
    np.copyto(out, x, casting="unsafe")


ONLY_BY_KEYWORD = (np.maximum, np.minimum)
"""Whose third positional argument NumPy deprecates; ``out`` costs a third of a microsecond less
without its name."""


def arrays(x: Any) -> Iterator[Array]:
    """All arrays in nested arguments."""
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, tuple | list):
        for part in x:
            yield from arrays(part)
    elif isinstance(x, dict):
        yield from arrays(list(x.values()))


def mapped(x: Any, change: Callable[[Array], Array]) -> Any:
    """Nested arguments with every array changed."""
    if isinstance(x, np.ndarray):
        return change(x)
    if isinstance(x, tuple | list):
        return type(x)(mapped(part, change) for part in x)
    if isinstance(x, dict):
        return {key: mapped(part, change) for key, part in x.items()}
    return x


def nested(x: Any, change: Callable[[Any], Any]) -> Any:
    """Nested tuples, lists and dicts with everything in them changed."""
    if isinstance(x, tuple | list):
        parts = [nested(part, change) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if type(x) is dict or type(x) is OrderedDict:
        return type(x)((name, nested(part, change)) for name, part in x.items())
    return change(x)


class Call:
    """``function(*args, **kwargs, out=out)``, and the op of the table it is a part of.

    ``pure``: the result depends on the arguments alone, and nothing but ``out`` changes. ``each``:
    element i of the result depends on no other elements of the arguments than i.
    """

    __slots__ = ("_reads", "args", "function", "kwargs", "op", "out", "pure")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Array | None,
        op: str,
        pure: bool = True,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.out = out
        self.op = op
        self.pure = pure
        self._reads = [*arrays(args), *arrays(kwargs)]

    @property
    def name(self) -> str:
        """NumPy's name of the function."""
        method = getattr(self.function, "__self__", None)
        name: str = getattr(self.function, "__name__", type(self.function).__name__)
        if self.function is copied:
            return "copyto"
        return f"{method.__name__}.{name}" if isinstance(method, np.ufunc) else name

    @property
    def each(self) -> bool:
        """Whether NumPy computes it element by element, so that ``out`` may be an argument."""
        function = self.function
        return function is copied or (isinstance(function, np.ufunc) and not function.signature)

    @property
    def may_raise(self) -> bool:
        """Whether there may be values for which it raises; of ufuncs, only for a power."""
        function = getattr(self.function, "__self__", self.function)
        known = any(f is function or f is type(function) for f in SAFE)
        return not known and (not isinstance(function, np.ufunc) or function is np.power)

    def reads(self) -> list[Array]:
        """The arrays among the arguments."""
        return self._reads

    def touched(self) -> list[Array]:
        """The arrays that it reads or writes."""
        return self._reads if self.out is None else [*self._reads, self.out]

    def change(self, change: Callable[[Array], Array]) -> Call:
        """The same call elsewhere in memory."""
        out = None if self.out is None else change(self.out)
        args, kwargs = mapped(self.args, change), mapped(self.kwargs, change)
        return Call(self.function, args, kwargs, out, self.op, self.pure)

    def bound(self) -> Callable[[], Any]:
        """The call as a function without arguments."""
        if self.out is None:
            return partial(self.function, *self.args, **self.kwargs)
        if isinstance(self.function, np.ufunc) and self.function not in ONLY_BY_KEYWORD:
            return partial(self.function, *self.args, self.out, **self.kwargs)  # 0.3 us faster
        if self.function is not copied:
            return partial(self.function, *self.args, **self.kwargs, out=self.out)
        if np.can_cast(self.args[0], self.out.dtype, "same_kind"):
            return partial(np.copyto, self.out, self.args[0])
        return partial(np.copyto, self.out, self.args[0], casting="unsafe")
