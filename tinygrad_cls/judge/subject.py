"""What is judged: a function of arrays and its backward, wherever it comes from.

A :class:`Subject` hides the engine: NumPy with a hand-written ``vjp``, this engine's Tensors, and,
taught by their adapters, torch, JAX and HIPS autograd.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import chain_rule
from .._state import enable_grad, inference_mode
from ..tensor import Tensor, new

Array = NDArray[Any]
Arrays = Sequence[Array]


class Unfit(TypeError):
    """What was given cannot be judged; one line says why, and what to give instead."""


class Answer(Exception):
    """Backward gave no gradient: the finding's kind and text."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Subject(Protocol):
    """A function with a backward, on arrays.

    ``values`` returns the outputs, ``pullback`` for cotangents of the outputs a gradient (or None)
    for every input. ``gradient`` is the pullback as a Subject of inputs and cotangents, for second
    order, or None where the engine has none.
    """

    name: str
    engine: str
    inputs: tuple[str, ...]  # the inputs' names

    def values(self, arrays: Arrays) -> tuple[Array, ...]: ...

    def pullback(self, arrays: Arrays, cotangents: Arrays) -> tuple[Any, ...]: ...

    def gradient(self, wanted: Sequence[int]) -> Subject | None: ...


def title(f: Any) -> str:
    """A function's name, whatever kind of callable it is; of a Function's ``apply``, the class's.

    >>> title(np.sin), title(title)
    ('sin', 'title')
    """
    owner = getattr(f, "__self__", None)
    if getattr(f, "__name__", "") == "apply" and isinstance(owner, type):
        f = owner
    try:
        name = getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__
        return printable(str(name))[:60]
    except Exception:  # noqa: BLE001  (a name may be anything)
        return type(f).__name__


def printable(text: str) -> str:
    """One line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def names(f: Any, count: int) -> tuple[str, ...]:
    """The names of the first ``count`` inputs, as the function's signature has them."""
    if isinstance(f, np.ufunc):  # before NumPy 2.4 they have no signature
        return (("x",) if f.nin == 1 else tuple(f"x{k + 1}" for k in range(f.nin)))[:count]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [p.name for p in parameters if p.kind in plain][:count]
    return tuple(found + [f"input {i}" for i in range(len(found), count)])


def outputs(y: Any, name: str) -> tuple[Array, ...]:
    """What a function of arrays returned, as arrays; Unfit if it's something else."""
    parts = y if isinstance(y, tuple | list) else (y,)
    for part in parts:
        if not isinstance(part, np.ndarray | np.generic | float | int | complex):
            raise Unfit(
                f"{name} returned {kind(part)}: return an array, a number, or a tuple of these"
            )
        if np.asarray(part).dtype.kind not in "fciub":
            raise Unfit(f"{name} returned an array of dtype {np.asarray(part).dtype}: no numbers")
    if not parts:
        raise Unfit(f"{name} returned an empty tuple: there is nothing to differentiate")
    return tuple(np.asarray(part) for part in parts)


def kind(value: Any) -> str:
    """What a value is, in words.

    >>> kind([]), kind(3), kind(None)
    ('a list', 'an int', 'None')
    """
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class NumPySubject:
    """A function of arrays with ``vjp(g, *inputs)``."""

    engine = "numpy"

    def __init__(self, f: Callable[..., Any], vjp: Callable[..., Any], count: int) -> None:
        self.f, self.vjp = f, vjp
        self.name, self.inputs = title(f), names(f, count)

    def values(self, arrays: Arrays) -> tuple[Array, ...]:
        y = self.f(*arrays)
        self.several = isinstance(y, tuple | list)
        return outputs(y, self.name)

    def pullback(self, arrays: Arrays, cotangents: Arrays) -> tuple[Any, ...]:
        found = self.vjp(tuple(cotangents) if self.several else cotangents[0], *arrays)
        many = len(arrays) > 1
        if not isinstance(found, tuple | list):
            if many:
                raise Answer(
                    "bad answer",
                    f"vjp returned {kind(found)} for {len(arrays)} inputs: return a tuple, a "
                    f"gradient (or None) for each",
                )
            found = (found,)
        elif not many and len(found) != 1 and not any(isinstance(g, np.ndarray) for g in found):
            found = (found,)  # one gradient, as a list of numbers
        if len(found) != len(arrays):
            raise Answer(
                "bad answer",
                f"vjp returned {len(found)} gradients for {len(arrays)} "
                f"input{'s' if many else ''}: return one (or None) for each",
            )
        return tuple(numbers(g) for g in found)

    def gradient(self, wanted: Sequence[int]) -> Subject | None:
        return None


def numbers(g: Any) -> Any:
    """A list of numbers as an array; anything else as it is."""
    if isinstance(g, list | tuple):
        try:
            a = np.asarray(g)
        except ValueError:
            return g
        return a if a.dtype.kind in "fiub" else g
    return g


class Engine(NamedTuple):
    """A tensor library that records a graph, as far as the judge needs it."""

    name: str
    tensor: type
    leaf: Callable[[Array], Any]  # a tensor in the array's own memory
    array: Callable[[Any], Array]
    grad: Callable[..., Sequence[Any]]  # torch.autograd.grad
    enable_grad: Callable[[], Any]


def own_leaf(a: Array) -> Tensor:
    """A tensor of this engine that lies in memory as the array does."""
    made = new(a)
    made._shared = True  # the judge sees what is written to it
    return made


@contextmanager
def recorded() -> Iterator[None]:
    """A graph is recorded, whatever mode the caller is in."""
    with inference_mode(False), enable_grad():
        yield


OWN = Engine("tinygrad_cls", Tensor, own_leaf, lambda x: x._array, chain_rule.grad, recorded)


class TensorSubject:
    """A function of tensors, of this engine or of another that records a graph."""

    def __init__(self, f: Callable[..., Any], count: int, engine: Engine = OWN) -> None:
        self.f, self.toolkit = f, engine
        self.engine, self.name, self.inputs = engine.name, title(f), names(f, count)

    def tensors(self, arrays: Arrays, requires_grad: bool) -> list[Any]:
        """Leaves of the arrays' own memory, laid out as they are."""
        made = [self.toolkit.leaf(a) for a in arrays]
        for x, a in zip(made, arrays, strict=True):
            if requires_grad and a.dtype.kind == "f":
                x.requires_grad_()
        return made

    def run(self, xs: Sequence[Any]) -> list[Any]:
        """The function's results, which must be tensors."""
        y = self.f(*xs)
        parts = list(y) if isinstance(y, tuple | list) else [y]
        for part in parts:
            if not isinstance(part, self.toolkit.tensor):
                raise Unfit(
                    f"{self.name} returned {kind(part)}: return a tensor or a tuple of them, or "
                    f"give vjp= if it's a function of arrays"
                )
        if not parts:
            raise Unfit(f"{self.name} returned an empty tuple: there is nothing to differentiate")
        return parts

    def values(self, arrays: Arrays) -> tuple[Array, ...]:
        ys = self.run(self.tensors(arrays, False))
        return tuple(np.array(self.toolkit.array(y.detach())) for y in ys)

    def pullback(self, arrays: Arrays, cotangents: Arrays) -> tuple[Any, ...]:
        return self.pulled(arrays, self.run, cotangents)

    def pullback_late(self, arrays: Arrays, other: Arrays, cotangents: Arrays) -> tuple[Any, ...]:
        """Backward after another forward came between."""

        def forward(xs: list[Any]) -> list[Any]:
            ys = self.run(xs)
            self.run(self.tensors(other, True))
            return ys

        return self.pulled(arrays, forward, cotangents)

    def pullback_twice(self, arrays: Arrays, cotangents: Arrays) -> tuple[Any, ...]:
        """The gradients of two calls that use the same leaves."""
        twice = [*cotangents, *cotangents]
        return self.pulled(arrays, lambda xs: self.run(xs) + self.run(xs), twice)

    def pullback_same(self, arrays: Arrays, i: int, k: int, cotangents: Arrays) -> Any:
        """The gradient for a tensor that is both input ``i`` and input ``k``."""

        def forward(xs: list[Any]) -> list[Any]:
            return self.run([xs[i] if n == k else x for n, x in enumerate(xs)])

        return self.pulled(arrays, forward, cotangents)[i]

    def pullback_of(
        self,
        arrays: Arrays,
        cotangents: Arrays,
        inputs: Sequence[int] | None = None,
        outputs: Sequence[int] | None = None,
    ) -> tuple[Any, ...]:
        """Backward when only some inputs require grad, or only some outputs are used."""
        used = range(len(cotangents)) if outputs is None else outputs

        def forward(xs: list[Any]) -> list[Any]:
            ys = self.run(xs)
            return [ys[k] for k in used]

        return self.pulled(arrays, forward, [cotangents[k] for k in used], inputs)

    def pulled(
        self,
        arrays: Arrays,
        forward: Callable[[list[Any]], list[Any]],
        cotangents: Arrays,
        inputs: Sequence[int] | None = None,
    ) -> tuple[Any, ...]:
        """Forward from leaves, of which all (or ``inputs``) require grad, and backward."""
        with self.toolkit.enable_grad():
            xs = self.tensors(arrays, inputs is None)
            for i in inputs or ():
                xs[i].requires_grad_()
            found = self.pull(xs, forward(xs), [self.toolkit.leaf(g) for g in cotangents])
        return tuple(None if g is None else self.toolkit.array(g.detach()) for g in found)

    def pull(
        self, xs: Sequence[Any], ys: Sequence[Any], gs: Sequence[Any], create_graph: bool = False
    ) -> list[Any]:
        """A gradient or None for each input."""
        pairs = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
        leaves = [x for x in xs if x.requires_grad]
        if not pairs or not leaves:
            return [None] * len(xs)
        found = self.toolkit.grad(
            [y for y, _ in pairs],
            leaves,
            [g for _, g in pairs],
            create_graph=create_graph,
            retain_graph=create_graph,
            allow_unused=True,
        )
        rest = iter(found)
        return [next(rest) if x.requires_grad else None for x in xs]

    def gradient(self, wanted: Sequence[int]) -> Subject | None:
        """The gradients for the ``wanted`` inputs, as a function of the inputs and cotangents."""
        count = len(self.inputs)

        def pulled(*args: Any) -> Any:
            with self.toolkit.enable_grad():
                leaves = [x if x.requires_grad else x.detach() for x in args[:count]]
                for x in leaves:
                    if x.is_floating_point() and not x.requires_grad:
                        x.requires_grad_()
                found = self.pull(leaves, self.run(leaves), args[count:], create_graph=True)
            return tuple(args[i] * 0 if found[i] is None else found[i] for i in wanted)

        made = TensorSubject(pulled, 0, self.toolkit)
        made.name, made.inputs = f"gradient of {self.name}", (*self.inputs, "g")
        return made


ENGINES: dict[str, Callable[[], Engine]] = {"tinygrad_cls": lambda: OWN}
"""Engines by name; the door to torch adds its own."""
MAKERS: list[Callable[[Any, Sequence[Any]], Subject | None]] = []
"""Adapters that know another engine's functions or arrays; each returns None for what isn't its."""


def subject(f: Any, inputs: Sequence[Any], vjp: Callable[..., Any] | None) -> Subject:
    """The subject that ``f`` is, by what it is called with."""
    if vjp is not None:
        if not callable(f) or not callable(vjp):
            raise Unfit(f"f is {kind(f)}, vjp is {kind(vjp)}: both must be functions")
        return NumPySubject(f, vjp, len(inputs))
    if hasattr(f, "pullback"):  # an adapter's, ready made
        made: Subject = copy(f)
        more = (f"input {i}" for i in range(len(made.inputs), len(inputs)))
        made.inputs = (*made.inputs, *more)[: len(inputs)]
        return made
    for maker in MAKERS:
        found = maker(f, inputs)
        if found is not None:
            return found
    function = getattr(f, "apply", f) if isinstance(f, type) else f
    if not callable(function):
        raise Unfit(f"f is {kind(f)}: give a function, and its vjp if it is one of arrays")
    return TensorSubject(function, len(inputs))
