"""Optimizers of any engine at work: they are given parameters and gradients, and watched."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...tensor import new
from ..subject import Unfit, kind, title

Array = NDArray[Any]

ENGINES = ("tinygrad_cls", "torch", "numpy")


class StepFailed(Exception):
    """``step`` raised, in this step (counted from 1); the text says what."""

    def __init__(self, step: int, text: str) -> None:
        super().__init__(text)
        self.step = step


class Trace(NamedTuple):
    """The parameters after every step, and the first step and parameter whose gradient changed."""

    params: list[list[Array]]
    changed: tuple[int, int] | None


class Built(NamedTuple):
    """An optimizer and its parameters."""

    optimizer: Any
    params: list[Any]


def unwrapped(make: Any) -> Any:
    """What a partial is of."""
    return make.func if isinstance(make, partial) else make


def signature(make: Any) -> list[inspect.Parameter]:
    """The parameters of a function, as far as they can be told."""
    try:
        return list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):
        return []


def engine_of(make: Any, engine: str | None) -> str:
    """Whose parameters an optimizer takes."""
    if not callable(make):
        raise Unfit(
            f"make is {kind(make)}: give an optimizer's class, a function of the parameters that "
            f"builds one, or a function step(params, grads, state) of arrays"
        )
    if engine is not None:
        if engine not in ENGINES:
            raise ValueError(f"unknown engine {engine!r}: the engines are {', '.join(ENGINES)}")
        return engine
    kinds = getattr(unwrapped(make), "__mro__", ())
    if any(c.__module__.partition(".")[0] == "torch" for c in kinds):
        return "torch"
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in signature(make) if p.default is p.empty and p.kind in plain]
    return "numpy" if len(needed) == 3 and not kinds else "tinygrad_cls"


def own_leaf(a: Array) -> Any:
    """A Tensor of the array's memory that requires grad."""
    return new(a).requires_grad_()


def torch_leaf(a: Array) -> Any:
    """The same of torch."""
    return sys.modules["torch"].from_numpy(a).requires_grad_()


class Bench:
    """Builds and runs an optimizer. ``options``: those that it is called with."""

    def __init__(self, make: Any, engine: str, options: dict[str, Any]) -> None:
        if engine == "torch" and "torch" not in sys.modules:
            raise Unfit("engine is 'torch', which has not been imported: import torch first")
        self.make, self.engine, self.options = make, engine, options
        self.bound = dict(make.keywords) if isinstance(make, partial) else {}
        if not isinstance(unwrapped(make), type):  # a function is told what it asks for
            named = {p.name for p in signature(make)}
            options = {name: value for name, value in options.items() if name in named}
        self.passed = options

    def build(self, arrays: list[Array]) -> Built:
        """The optimizer of parameters that hold the arrays; a step function is its own."""
        arrays = [a.copy() for a in arrays]
        if self.engine == "numpy":
            return Built(partial(self.make, **self.passed), arrays)
        leaf = torch_leaf if self.engine == "torch" else own_leaf
        params = [leaf(a) for a in arrays]
        shown = "".join(f", {name}={value!r}" for name, value in self.passed.items())
        try:
            optimizer = self.make(list(params), **self.passed)
        except Exception as error:
            hint = "" if self.engine == "torch" else "; torch's optimizers need engine='torch'"
            raise Unfit(
                f"{title(self.make)}(params{shown}) raised {type(error).__name__}: "
                f"{first_line(error)}{hint if 'ensor' in str(error) else ''}"
            ) from error
        if not callable(getattr(optimizer, "step", None)):
            raise Unfit(
                f"{title(self.make)}(params{shown}) returned {kind(optimizer)}, which has no "
                f"step(): return an optimizer"
            )
        return Built(optimizer, params)

    def run(self, arrays: list[Array], gradients: list[list[Any]], reuse: bool = False) -> Trace:
        """The steps, from anew. ``reuse``: all gradients of a parameter come in one memory."""
        built = self.build(arrays)
        memory: list[Any] = [np.zeros_like(a) for a in arrays]
        take = self.array_step(built) if self.engine == "numpy" else self.tensor_step(built)
        history, changed = [], None
        for t, row in enumerate(gradients, 1):
            given: list[Any] = [None if g is None else m if reuse else g.copy()
                                for g, m in zip(row, memory, strict=True)]  # fmt: skip
            for m, g in zip(given, row, strict=True):
                if g is not None:
                    m[...] = g
            try:
                history.append(take(given))
            except Exception as error:
                text = f"{type(error).__name__}: {first_line(error)}"
                raise StepFailed(t, text) from error
            for i, (m, g) in enumerate(zip(given, row, strict=True)):
                if g is not None and changed is None and not np.array_equal(m, g, equal_nan=True):
                    changed = t, i
        return Trace(history, changed)

    def array_step(self, built: Built) -> Callable[[list[Any]], list[Array]]:
        """A step of a function of arrays."""
        state: dict[str, Any] = {}
        shapes = [a.shape for a in built.params]

        def take(given: list[Any]) -> list[Array]:
            found = built.optimizer(built.params, given, state)
            if found is not None:
                built.params[:] = [np.array(p) for p in found]
            return checked(built.params, shapes)

        return take

    def tensor_step(self, built: Built) -> Callable[[list[Any]], list[Array]]:
        """A step of an optimizer that reads ``.grad``."""
        wrap = sys.modules["torch"].from_numpy if self.engine == "torch" else new
        shapes = [tuple(p.shape) for p in built.params]

        def take(given: list[Any]) -> list[Array]:
            for p, g in zip(built.params, given, strict=True):
                p.grad = None if g is None else wrap(g)
            built.optimizer.step()
            return checked([p.detach().numpy() for p in built.params], shapes)

        return take


def checked(params: list[Array], shapes: list[tuple[int, ...]]) -> list[Array]:
    """Copies of the parameters after a step; ValueError if one has another shape."""
    if len(params) != len(shapes):
        raise ValueError(f"there are {len(params)} parameters after the step, not {len(shapes)}")
    for i, (p, shape) in enumerate(zip(params, shapes, strict=True)):
        if p.shape != shape:
            raise ValueError(f"p[{i}] has the shape {p.shape} after the step, it was {shape}")
    return [np.array(p) for p in params]


def first_line(error: Exception) -> str:
    """An error's text up to its first line break."""
    return str(error).partition("\n")[0]
