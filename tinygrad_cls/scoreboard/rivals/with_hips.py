"""``autograd.test_util.check_grads`` of HIPS autograd, on a primitive around the pair."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from ...experiments.extras import extra
from ..case import Array
from .pair import Pair, flat, like, zero_for_none
from .rival import Checker


def hips() -> Checker:
    """One random projection: step 1e-6, ``|a - b| < 1e-6`` or ``|a - b| / |a + b| < 1e-6``.

    Reverse mode alone, as the pair has no forward mode; the second order where it has one.
    """
    with extra("scoreboard"):
        engine: Any = import_module("autograd.extend")
        tests: Any = import_module("autograd.test_util")

    def check(pair: Pair) -> str:
        order = 1 if pair.vjp2 is None else 2
        arguments = tuple(range(len(pair.wanted)))
        tests.check_grads(native(engine, pair), arguments, ["rev"], order)(*pair.xs)
        return ""  # what it finds it raises, as an AssertionError

    return Checker(check, f"autograd {version('autograd')}")


def native(engine: Any, pair: Pair) -> Any:
    """The pair as a primitive, of one output: several are laid end to end."""
    shapes: list[Array] = []

    def f(*xs: Array) -> Any:
        shapes[:] = ys = pair.values(*xs)
        return flat(ys) if pair.several else ys[0]

    def cotangents(g: Array) -> list[Array]:
        return like(g, shapes) if pair.several else [g]

    def gradient(i: int) -> Callable[..., Any]:
        """Of input ``i``, as a primitive, so that it can be differentiated too."""

        @engine.primitive  # type: ignore[untyped-decorator]
        def pulled(g: Array, *xs: Array) -> Array:
            return zero_for_none(pair.pullback(cotangents(g), *xs)[i], xs[i])

        def second(argument: int) -> Callable[..., Any]:
            def of(_: Array, g: Array, *xs: Array) -> Callable[[Array], Array]:
                def pull(h: Array) -> Array:
                    hs = [h if j == i else np.zeros_like(x) for j, x in enumerate(xs)]
                    for_gs, for_xs = pair.second(hs, cotangents(g), *xs)
                    for_g = flat(for_gs) if pair.several else for_gs[0]
                    return [for_g, *for_xs][argument]

                return pull

            return of

        if pair.vjp2 is not None:
            engine.defvjp(pulled, *[second(k) for k in range(len(pair.wanted) + 1)])

        def of(_: Array, *xs: Array) -> Callable[[Array], Array]:
            return lambda g: pulled(g, *xs)

        return of

    made = engine.primitive(f)
    engine.defvjp(made, *[gradient(i) for i in range(len(pair.wanted))])
    return made
