"""Runs a function eagerly and compiled, on twins, and compares all that it leaves behind."""

import copy
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cls as tg
from tinygrad_cls.replay.passes import PASSES

EXACT = ()
"""No passes: a replay then has the eager bits."""
ALL = tuple(PASSES)
ROUNDING = 2e-5
"""How far float32 results of ALL may be off, relative to the greatest: they take sums of up to
200 terms in another order, each rounded to 2**-24."""


def same(a: Any, b: Any, where: str = "result") -> None:
    """Raises unless two structures of tensors are the same, bit for bit."""
    assert type(a) is type(b), f"{where}: {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, tg.Tensor):
        x, y = a.detach().numpy(), b.detach().numpy()
        assert (x.shape, x.dtype) == (y.shape, y.dtype), where
        assert bits(x) == bits(y), f"{where}: {x} and {y}"
        assert a.requires_grad == b.requires_grad, where
        assert (a.grad_fn is None) == (b.grad_fn is None), where
        if a.grad_fn is not None:
            assert a.grad_fn.name() == b.grad_fn.name(), where
        if a.is_leaf or a.retains_grad:
            same(a.grad, b.grad, f"{where}.grad")
    elif isinstance(a, tuple | list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{i}]")
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            same(a[name], b[name], f"{where}[{name!r}]")
    elif isinstance(a, float):
        assert np.float64(a).tobytes() == np.float64(b).tobytes(), where
    else:
        assert a == b, where


def bits(x: np.ndarray[Any, Any]) -> bytes:
    """The bits of the values; all nans are one."""
    return np.where(np.isnan(x), np.nan, x).astype(x.dtype).tobytes()


def flat(x: Any) -> list[Any]:
    """What is in nested containers."""
    if isinstance(x, tuple | list):
        return [t for part in x for t in flat(part)]
    return flat([*x.values()]) if isinstance(x, dict) else [x]


def close(a: Any, b: Any, where: str = "result", limit: float = ROUNDING) -> None:
    """Raises unless two structures are the same but for rounding."""
    if isinstance(a, tg.Tensor) and a.is_floating_point():
        x, y = a.detach().numpy(), b.detach().numpy()
        assert (x.shape, x.dtype) == (y.shape, y.dtype), where
        greatest = np.abs(np.where(np.isfinite(x), x, 0)).max(initial=1.0)
        np.testing.assert_allclose(y, x, rtol=0, atol=limit * greatest, err_msg=where)
        if a.is_leaf or a.retains_grad:
            close(a.grad, b.grad, f"{where}.grad", limit)
    elif isinstance(a, tuple | list):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            close(x, y, f"{where}[{i}]", limit)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            close(a[name], b[name], f"{where}[{name!r}]", limit)
    else:
        same(a, b, where)


class Twins:
    """A program run twice: ``world`` is built anew for each, then ``step(world, ...)`` is called
    eagerly in the one and compiled in the other.
    """

    passes: Any = EXACT

    def __init__(
        self,
        build: Callable[[], types.SimpleNamespace],
        step: Callable[[types.SimpleNamespace], Callable[..., Any]],
        passes: Any = None,
        check: Callable[..., None] | None = None,
    ) -> None:
        passes = self.passes if passes is None else passes
        self.check = check or (close if passes == ALL else same)
        self.worlds = []
        for _ in range(2):
            tg.manual_seed(0)
            self.worlds.append(build())
        self.states = [tg.get_rng_state()] * 2
        self.eager, function = map(step, self.worlds)
        self.compiled = tg.compile(function, passes=passes)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Calls both and compares; returns the compiled result."""
        results = []
        for i, function in enumerate((self.eager, self.compiled)):
            tg.set_rng_state(self.states[i])
            # arguments of its own for each: leaves get gradients
            own = copy.deepcopy((args, kwargs))
            results.append((function(*own[0], **own[1]), own))
            self.states[i] = tg.get_rng_state()
        same(self.states[0], self.states[1], "random state")
        self.check(results[0], results[1], "result")
        self.compare()
        return results[1][0]

    def compare(self) -> None:
        """Compares the worlds."""
        for name in vars(self.worlds[0]):
            a, b = (contents(getattr(world, name)) for world in self.worlds)
            self.check(a, b, name)

    def change(self, change: Callable[[types.SimpleNamespace], Any]) -> None:
        """Does something to both worlds."""
        for world in self.worlds:
            change(world)

    @property
    def recordings(self) -> int:
        """How often the function was recorded."""
        return self.compiled.recordings


def contents(x: Any) -> Any:
    """What can be compared of a model or an optimizer."""
    if isinstance(x, tg.nn.Module):
        return [dict(x.named_parameters()), dict(x.named_buffers())]
    if isinstance(x, tg.optim.Optimizer):
        return [[*x.state.values()], [g["params"] for g in x.param_groups]]
    return x if isinstance(x, tg.Tensor | list | tuple | dict | float | int) else None
