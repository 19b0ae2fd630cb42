"""Functions of other engines as subjects: JAX, HIPS autograd, and torch where its tensors don't
show it.

>>> from tinygrad_cls import judge
>>> from tinygrad_cls.judge import adapters
>>> import autograd.numpy as anp
>>> judge.check(adapters.autograd(lambda x: anp.sin(x) * x), [0.5, 1.0]).passed
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .subject import ENGINES, Array, Arrays, Subject, TensorSubject, names, outputs, title


def jax(f: Callable[..., Any]) -> Subject:
    """A JAX function as a subject: its values, and its gradient by ``jax.vjp``.

    It runs in 64 bits (``jax.enable_x64``) for the time of a call. ImportError without JAX.

    >>> import jax.numpy as jnp
    >>> from tinygrad_cls import judge
    >>> judge.check(jax(jnp.tanh), [0.5, 1.0]).passed
    True
    """
    try:
        import jax as engine
    except ModuleNotFoundError as missing:
        raise ImportError("jax is not installed; run: pip install jax") from missing
    return JaxSubject(f, engine)


def autograd(f: Callable[..., Any]) -> Subject:
    """A HIPS autograd function as a subject. ImportError without autograd.

    >>> import autograd.numpy as anp
    >>> from tinygrad_cls import judge
    >>> judge.check(autograd(anp.tanh), [0.5, 1.0]).passed
    True
    """
    try:
        import autograd as engine
    except ModuleNotFoundError as missing:
        raise ImportError("autograd is not installed; run: pip install autograd") from missing
    return HipsSubject(f, engine)


def torch(f: Callable[..., Any]) -> Subject:
    """A function of torch tensors as a subject, called with arrays. ImportError without torch.

    >>> import torch as engine
    >>> from tinygrad_cls import judge
    >>> judge.check(torch(lambda x: engine.sin(x) * x), [0.5, 1.0]).passed
    True
    """
    return TensorSubject(f, 16, ENGINES["torch"]())


class JaxSubject:
    """What :func:`jax` makes. Compiled (``jax.jit``) where the function can be: a call of small ops
    one by one takes a hundred times as long.
    """

    engine = "jax"

    def __init__(self, f: Callable[..., Any], engine: Any, inputs: tuple[str, ...] = ()) -> None:
        self.f, self.jax = f, engine
        self.name = title(f)
        self.inputs = inputs or names(f, 16)  # cut to those given
        self.compiled = {"values": engine.jit(self.call), "pull": engine.jit(self.pull)}

    def call(self, xs: Sequence[Any]) -> Any:
        return self.f(*xs)

    def quickly(self, what: str, eager: Callable[..., Any], *args: Any) -> Any:
        """Compiled, or op by op if that fails: then it's op by op from now on."""
        if what in self.compiled:
            try:
                return self.compiled[what](*args)
            except Exception:  # noqa: BLE001  (NumPy inside, branches on values, ...)
                del self.compiled[what]
        return eager(*args)

    def values(self, arrays: Arrays) -> tuple[Array, ...]:
        with self.jax.enable_x64(True):
            xs = [self.jax.numpy.asarray(a) for a in arrays]
            y = self.quickly("values", self.call, xs)
            return outputs(self.jax.tree.map(np.asarray, y), self.name)

    def pullback(self, arrays: Arrays, cotangents: Arrays) -> tuple[Any, ...]:
        with self.jax.enable_x64(True):
            xs = [self.jax.numpy.asarray(a) for a in arrays]
            gs = [self.jax.numpy.asarray(g) for g in cotangents]
            found = self.quickly("pull", self.pull, xs, gs)
            return tuple(None if g is None else np.asarray(g) for g in found)

    def pull(self, xs: Sequence[Any], gs: Sequence[Any]) -> list[Any]:
        """The gradient for each input of real numbers, None for others."""
        real = [i for i, x in enumerate(xs) if np.issubdtype(x.dtype, np.floating)]

        def of_real(*moving: Any) -> Any:
            given = list(xs)
            for i, x in zip(real, moving, strict=True):
                given[i] = x
            return self.f(*given)

        y, back = self.jax.vjp(of_real, *(xs[i] for i in real))
        several = tuple if isinstance(y, tuple) else list
        found = back(several(gs) if isinstance(y, tuple | list) else gs[0])
        rest: list[Any] = [None] * len(xs)
        for i, g in zip(real, found, strict=True):
            rest[i] = g
        return rest

    def gradient(self, wanted: Sequence[int]) -> Subject | None:
        count = len(self.inputs)

        def pulled(*args: Any) -> Any:
            found = self.pull(args[:count], args[count:])
            return tuple(found[i] for i in wanted)

        return JaxSubject(pulled, self.jax, (*self.inputs[:count], "g"))


class HipsSubject:
    """What :func:`autograd` makes."""

    engine = "autograd"

    def __init__(self, f: Callable[..., Any], engine: Any, inputs: tuple[str, ...] = ()) -> None:
        self.f, self.autograd = f, engine
        self.name, self.inputs = title(f), inputs or names(f, 16)

    def values(self, arrays: Arrays) -> tuple[Array, ...]:
        return outputs(self.f(*arrays), self.name)

    def pullback(self, arrays: Arrays, cotangents: Arrays) -> tuple[Any, ...]:
        real = [x.dtype.kind == "f" for x in arrays]
        return tuple(
            self.pull(arrays, cotangents, i) if is_real else None for i, is_real in enumerate(real)
        )

    def pull(self, xs: Sequence[Any], gs: Sequence[Any], i: int) -> Any:
        """The gradient for input ``i``: the sum over the outputs."""
        total: Any = 0.0
        for k, g in enumerate(gs):

            def output(moving: Any, k: int = k) -> Any:
                y = self.f(*xs[:i], moving, *xs[i + 1 :])
                return y[k] if isinstance(y, tuple | list) else y

            vjp, _ = self.autograd.make_vjp(output)(xs[i])
            total = total + vjp(g)
        return total

    def gradient(self, wanted: Sequence[int]) -> Subject | None:
        count = len(self.inputs)

        def pulled(*args: Any) -> Any:
            return tuple(self.pull(args[:count], args[count:], i) for i in wanted)

        return HipsSubject(pulled, self.autograd, (*self.inputs[:count], "g"))
