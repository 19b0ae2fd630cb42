"""A case as the function of its float inputs that every rival can be given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..case import Array, Triple
from ..case import Pair as Functions


class NotRun(Exception):
    """The adapter cannot put this case to the checker; says why."""


class Pair:
    """f and its vjp, of the float inputs ``xs`` alone: the others are closed over.

    Outputs are always a tuple. Nothing is copied: what f or vjp write into, they write into.
    """

    def __init__(self, functions: Functions | Triple, inputs: Sequence[Array]) -> None:
        self.f, self.vjp, self.vjp2 = (*functions, None)[:3]
        self.inputs = tuple(inputs)
        self.wanted = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
        self.several = self.bare = False
        if not self.wanted:
            raise NotRun("no input is a float")

    @property
    def xs(self) -> list[Array]:
        return [self.inputs[i] for i in self.wanted]

    def all(self, xs: Sequence[Array]) -> list[Array]:
        """The arguments of f."""
        found = list(self.inputs)
        for i, x in zip(self.wanted, xs, strict=True):
            found[i] = x
        return found

    def values(self, *xs: Array) -> tuple[Array, ...]:
        y = self.f(*self.all(xs))
        self.several = isinstance(y, tuple | list)
        return tuple(np.asarray(part) for part in (y if self.several else (y,)))

    def everything(self, gs: Sequence[Array], *xs: Array) -> list[Array | None]:
        """A gradient or None for every input of f, integers too."""
        found = self.vjp(tuple(gs) if self.several else gs[0], *self.all(xs))
        self.bare = not isinstance(found, tuple | list)
        if self.bare:
            found = (found,)
        if len(found) != len(self.inputs):
            raise ValueError(f"{len(found)} gradients for {len(self.inputs)} inputs")
        return [None if x is None else np.asarray(x) for x in found]

    def pullback(self, gs: Sequence[Array], *xs: Array) -> list[Array | None]:
        """A gradient or None for each of the ``xs``."""
        found = self.everything(gs, *xs)
        return [found[i] for i in self.wanted]

    def second(
        self, hs: Sequence[Array], gs: Sequence[Array], *xs: Array
    ) -> tuple[list[Array], list[Array]]:
        """The pullback of ``pullback``, for cotangents ``hs`` of the gradients of ``xs``: for the
        ``gs``, and for the ``xs``. As with f, vjp2 is given a tuple if vjp answered with one.
        """
        h: list[Any] = [None] * len(self.inputs)
        for i, part in zip(self.wanted, hs, strict=True):
            h[i] = part
        given = h[0] if self.bare else tuple(h), tuple(gs) if self.several else gs[0]
        assert self.vjp2 is not None
        for_g, *rest = self.vjp2(*given, *self.all(xs))
        for_xs = [zero_for_none(rest[i], self.inputs[i]) for i in self.wanted]
        parts = for_g if self.several else (for_g,)
        return [zero_for_none(p, g) for p, g in zip(parts, gs, strict=True)], for_xs


def zero_for_none(gradient: Any, x: Array) -> Array:
    """Every engine reads None as no contribution."""
    return np.zeros_like(x) if gradient is None else np.asarray(gradient)


def flat(arrays: Sequence[Array]) -> Array:
    """All numbers in one new vector."""
    return np.concatenate([np.ravel(a) for a in arrays])


def like(vector: Array, arrays: Sequence[Array]) -> list[Array]:
    """A vector as arrays of these shapes and dtypes, each a copy: :func:`flat` undone."""
    parts, start = [], 0
    for a in arrays:
        parts.append(np.array(vector[start : start + a.size], a.dtype).reshape(a.shape))
        start += a.size
    return parts


def one_hot(size: int, at: int) -> Array:
    """The unit vector."""
    g = np.zeros(size)
    g[at] = 1
    return g
