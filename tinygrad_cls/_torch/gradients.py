"""A trace's gradients by PyTorch: the calls that were recorded, made with torch's functions.

A trace, of :mod:`tinygrad_cls.trace.record`, is above this floor: it is known by its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .._state import enable_grad, no_grad
from ..chain_rule import grad
from ..creation import from_numpy
from . import pytorch
from .twins import twin

Array = np.ndarray[Any, Any]


class Compared(NamedTuple):
    """A leaf's ``.grad``: as recorded, as torch has it, and from both in float64."""

    value: str
    ours: Array
    theirs: Array
    ours_exact: Array
    theirs_exact: Array


class Comparison(NamedTuple):
    """Every leaf's gradient; or, in ``why``, what keeps torch from computing them."""

    version: str
    leaves: list[Compared]
    why: str = ""


class Unmatched(Exception):
    """A call that can't be made with the other engine; the message says which."""


class Engine(NamedTuple):
    """What it takes to make a trace's calls."""

    tensor: Callable[[Array], Any]
    static: Callable[[Array], Any]  # an array in a static argument
    function: Callable[[Any], Callable[..., Any]]  # that a Call was made of
    mode: Callable[[bool], Any]  # whether what is computed inside requires grad
    grad: Callable[..., Any]
    array: Callable[[Any], Array]


def here() -> Engine:
    """This engine."""

    def mode(recorded: bool) -> Any:
        return enable_grad() if recorded else no_grad()

    def function(call: Any) -> Any:
        return call.op

    return Engine(from_numpy, np.array, function, mode, grad, lambda x: x.numpy())


def there() -> Engine:
    """PyTorch."""
    torch = pytorch()

    def function(call: Any) -> Callable[..., Any]:
        name = "" if call.op is None else call.op.name
        found = twin(name)
        if found is None:
            raise Unmatched(f"torch has no function that does what {name} does")
        return found

    @contextmanager
    def mode(recorded: bool) -> Iterator[None]:
        with torch.inference_mode(False), torch.set_grad_enabled(recorded):
            yield

    def tensor(a: Array) -> Any:
        return torch.from_numpy(a)

    def static(a: Array) -> Any:
        return torch.from_numpy(np.array(a))

    return Engine(tensor, static, function, mode, torch.autograd.grad, lambda x: x.numpy())


def comparison(trace: Any) -> Comparison:
    """The gradient of every leaf, by both engines.

    >>> import torch, tinygrad_cls as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> with tg.trace() as t:
    ...     (w * w).sum().backward()
    >>> leaf, = comparison(t).leaves
    >>> leaf.ours, leaf.theirs
    (array([ 2., -4.], dtype=float32), array([ 2., -4.], dtype=float32))
    """
    version = str(pytorch().__version__)
    ours = {g.value: g.after for g in trace.gradients}
    try:
        theirs = gradients(trace, there())
        wide = gradients(trace, here(), np.float64), gradients(trace, there(), np.float64)
    except Unmatched as why:
        return Comparison(version, [], str(why))
    leaves = [Compared(v, ours[v], theirs[v], wide[0][v], wide[1][v]) for v in ours]
    return Comparison(version, leaves)


def gradients(trace: Any, engine: Engine, wide: Any = None) -> dict[str, Array]:
    """The ``.grad`` of every leaf after all passes, all in the dtype ``wide`` if it's given.

    Raises:
        Unmatched: for what the other engine can't do.
    """
    if any(noted.hooked for noted in (*trace.steps, *trace.gradients)):
        raise Unmatched("a hook changed a gradient on its way, and torch's has no such hook")
    values = rerun(trace, engine, wide)
    leaves = list(dict.fromkeys(g.value for g in trace.gradients))
    made: dict[str, Array] = {}
    for g in trace.gradients:
        if g.before is not None and g.value not in made:
            made[g.value] = widened(g.before, wide)
    for number in dict.fromkeys(g.backward for g in trace.gradients):
        seeds = [(v, widened(s, wide)) for backward, v, s in trace.seeds if backward == number]
        if any(v not in values for v, _ in seeds):
            raise Unmatched("a backward pass of a backward pass: only the first is compared")
        roots = [values[v] for v, _ in seeds]
        asked = [v for v in leaves if any(g[:2] == (v, number) for g in pairs(trace))]
        cotangents = [engine.tensor(s) for _, s in seeds]
        try:
            found = engine.grad(
                roots, [values[v] for v in asked], cotangents, retain_graph=True, allow_unused=True
            )
        except RuntimeError as error:
            raise Unmatched(f"backward raised: {error}") from error
        for v, g in zip(asked, found, strict=True):
            arrived = np.zeros(values[v].shape) if g is None else engine.array(g)
            made[v] = made[v] + arrived if v in made else arrived
    return made


def pairs(trace: Any) -> list[tuple[str, int]]:
    """Which leaf got a gradient in which pass."""
    return [(g.value, g.backward) for g in trace.gradients]


def rerun(trace: Any, engine: Engine, wide: Any) -> dict[str, Any]:
    """Every value of the forward pass, as the engine's tensors."""
    values: dict[str, Any] = {}
    made = {call.output for call in trace.calls}
    for value in trace.values:
        if value.id not in made and value.array is not None:
            tensor = engine.tensor(widened(value.array, wide))
            differentiable = value.requires_grad and value.array.dtype.kind == "f"
            values[value.id] = tensor.requires_grad_() if differentiable else tensor
    for call in trace.calls:
        if call.within is not None:
            continue
        if call.op is None:
            raise Unmatched(f"{call.title} has no entry in the table, so torch has no twin of it")
        output = trace[call.output].array
        kind = np.dtype(wide or (np.float32 if output is None else output.dtype))

        def operand(x: Any, kind: np.dtype[Any] = kind) -> Any:
            if isinstance(x, str):
                return values[x]
            a = np.asarray(x)
            fits = isinstance(x, float) and kind.kind == "f"
            return engine.tensor(np.asarray(x, kind) if fits else widened(a, wide))

        static = {name: mapped(x, engine, wide) for name, x in call.static.items()}
        try:
            with engine.mode(call.recorded):
                values[call.output] = engine.function(call)(*map(operand, call.inputs), **static)
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
            raise Unmatched(f"{call.title} raised: {error}") from error
    return values


def widened(a: Array, wide: Any) -> Array:
    """A copy, in the dtype ``wide`` if it's a float's and that is given."""
    return np.array(a, wide if wide is not None and a.dtype.kind == "f" else None, order="C")


def mapped(x: Any, engine: Engine, wide: Any) -> Any:
    """A static argument as the engine takes it."""
    if isinstance(x, np.ndarray):
        return engine.static(x)
    if isinstance(x, tuple | list):
        return type(x)(mapped(part, engine, wide) for part in x)
    if isinstance(x, np.dtype) and x.kind == "f" and wide is not None:
        return np.dtype(wide)
    return x
