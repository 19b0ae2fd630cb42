"""The table's examples as calls: what every law runs on.

An example such as ``"x(3, 4), labels(4, 3), dim=1"`` becomes a :class:`Call`, whose numbers
:mod:`tinygrad_cls.examples` draws. They keep away from one another and from where functions have
kinks, so that a step of :data:`REACH` to either side never crosses one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls import ops
from tinygrad_cls.composition import Composition
from tinygrad_cls.examples import arguments
from tinygrad_cls.op import Formula, Op

Array = np.ndarray[Any, Any]
Entry = Op | Composition
REACH = 2e-3
"""How far a number may be moved (and its neighbour the other way) without meeting a kink."""


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def is_real(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


# --- the calls -----------------------------------------------------------------------------------


def mapped(f: Callable[[Array], Any], value: Any) -> Any:
    """``value`` with ``f`` applied to every array in its lists and tuples."""
    if isinstance(value, list | tuple):
        return type(value)(mapped(f, part) for part in value)
    return f(value) if is_array(value) else value


class Call:
    """An entry of the table and one example's arguments, of which the positional arrays vary."""

    def __init__(self, entry: Entry, text: str, dtype: Any = np.float64, layout: str = "C") -> None:
        self.entry, self.text = entry, text
        self.args, self.kwargs = arguments(entry.name, text)
        self.arrays: list[Array] = []
        mapped(lambda a: self.arrays.append(LAYOUTS[layout](cast(a, dtype))), self.args)

    def __repr__(self) -> str:
        return f"{self.entry.name}({self.text})"

    def with_arrays(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The positional arguments with ``values`` in the place of the arrays."""
        rest = iter(values)
        return mapped(lambda _: next(rest), self.args)

    def replaced(self, arrays: Sequence[Array]) -> Call:
        """The same call of other arrays."""
        twin = Call(self.entry, self.text)
        twin.arrays = list(arrays)
        return twin

    def on(self, values: Sequence[Any], **more: Any) -> Any:
        return self.entry(*self.with_arrays(values), **self.kwargs, **more)

    @property
    def slots(self) -> list[int]:
        """Which of the arrays can be differentiated for."""
        real = [i for i, a in enumerate(self.arrays) if is_real(a)]
        if isinstance(self.entry, Composition) or self.entry.law.variadic:
            return real
        return [i for i in real if self.place(i) in self.entry.formulas]

    def place(self, i: int) -> int:
        """Which input of the op array ``i`` is."""
        return [k for k, a in enumerate(self.args) if is_array(a)][i]

    def formula(self, i: int) -> Formula:
        """The derivative of the op with respect to array ``i``."""
        return self.entry.formulas[0 if self.entry.law.variadic else self.place(i)]

    @property
    def fold(self) -> int:
        """How many numbers one number of the result is made of, at most."""
        return max((a.size for a in self.arrays), default=1)

    @property
    def scale(self) -> float:
        """The size of the largest real input."""
        return max(
            (float(np.abs(a).max()) for a in self.arrays if is_real(a) and a.size), default=0
        )

    def tensors(self, requires_grad: Sequence[int] = ()) -> list[tg.Tensor]:
        return [leaf(a, i in requires_grad) for i, a in enumerate(self.arrays)]


def cast(a: Array, dtype: Any) -> Array:
    return a.astype(dtype) if is_real(a) else a


def every_second(a: Array) -> Array:
    """The same values, every second element of memory of twice the size."""
    wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
    part = wide[(slice(None, None, 2),) * a.ndim] if a.ndim else wide
    part[...] = a
    return part


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": np.array,
    "F": lambda a: np.array(a, order="F"),
    "strided": every_second,
}


def leaf(a: Array, requires_grad: bool = False) -> tg.Tensor:
    """A tensor of ``a``'s values, laid out in memory as ``a`` is."""
    made = tg.tensor(a) if a.flags.c_contiguous else tg.from_numpy(a)
    return made.requires_grad_(requires_grad)


def results(value: Any) -> list[Any]:
    """What a call returned, as a list: a tuple of tensors is several results."""
    return list(value) if isinstance(value, tuple | list) else [value]


def smooth(values: Any) -> list[tg.Tensor]:
    """The results that a gradient flows back from."""
    return [y for y in results(values) if isinstance(y, tg.Tensor) and y.requires_grad]


def vjp(
    call: Call, arrays: Sequence[Array], cotangents: Sequence[Array], wanted: Sequence[int]
) -> list[Array]:
    """The gradients with respect to the ``wanted`` arrays: backward's first-order reading."""
    xs = [leaf(a, i in wanted) for i, a in enumerate(arrays)]
    ys = smooth(call.on(xs))
    gs = [leaf(g) for g in cotangents]
    found = tg.autograd.grad(
        ys, [xs[i] for i in wanted], gs, allow_unused=True, materialize_grads=True
    )
    return [g.numpy() for g in found]


def cotangents(call: Call, seed: int = 0) -> list[Array]:
    """Random cotangents for the call's results, in their dtypes."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(call).encode())])
    ys = smooth(call.on(call.tensors(call.slots)))
    return [rng.standard_normal(y.shape).astype(y.dtype.numpy) for y in ys]


def directions(arrays: Sequence[Array], seed: int = 1) -> list[Array]:
    """Random directions of entries from 1/2 to 1 in size: a step of REACH along one is in reach."""
    rng = np.random.default_rng(seed)
    return [
        (rng.uniform(0.5, 1, a.shape) * rng.choice([-1, 1], a.shape)).astype(a.dtype)
        for a in arrays
    ]


def each(kind: Any = Entry, where: Callable[[Call], bool] = lambda call: True) -> Any:
    """Runs a test on every example of every entry, or of those that ``where`` picks (or fails on:
    then the test shall fail, not the collection of all tests)."""
    calls = [
        call
        for entry in ops.TABLE.values()
        if isinstance(entry, kind)
        for call in (Call(entry, text) for text in entry.examples)
        if outcome(lambda call=call: where(call))
    ]
    return pytest.mark.parametrize("call", calls, ids=repr)


def differentiable(call: Call) -> bool:
    """Whether a gradient flows."""
    return bool(smooth(call.on(call.tensors(call.slots))))


# --- comparing with PyTorch ----------------------------------------------------------------------

DTYPES = ("float64", "float32")


def outcome(f: Callable[[], Any]) -> Any:
    """What ``f()`` returns, or the type of what it raises."""
    try:
        return f()
    except Exception as error:
        return type(error)


def agrees(ours: Any, theirs: Any, ulps: float, least: float = 0.0) -> None:
    """Two tensors, of the engine and of torch, have one shape, dtype and, to ``ulps`` units in the
    last place of the larger of value and ``least``, the same values; nan is equal to nan."""
    if not hasattr(theirs, "numpy"):
        assert ours == theirs
        return
    close(ours.detach().numpy(), theirs.detach().numpy(), ulps, least)


def close(a: Array, b: Array, ulps: float, least: float = 0.0) -> None:
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(a, b)
        return
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.finfo(a.dtype).eps * np.maximum(np.abs(b.astype(np.float64)), least)
        near = np.abs(a.astype(np.float64) - b) <= np.where(np.isfinite(b), ulps * unit, 0)
    wrong = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
    assert not wrong.any(), f"{a[wrong]} is not {b[wrong]}, at {np.argwhere(wrong).tolist()}"
