"""``jax.test_util.check_grads``, on a ``jax.custom_vjp`` around the pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ...experiments.extras import extra
from ..case import Array
from .pair import Pair
from .rival import Checker


def jax() -> Checker:
    """One random projection: step 1e-4, atol and rtol 1e-5 for float64, 2e-3 for float32.

    In 64 bits. Reverse mode alone, as the pair has no forward mode; the second order where it has
    one. check_grads compiles nothing, so NumPy may be called on the concrete values: the arrays
    are JAX's own memory, which is read-only.
    """
    with extra("scoreboard"):
        library: Any = import_module("jax")
        tests: Any = import_module("jax.test_util")

    def check(pair: Pair) -> str:
        order = 1 if pair.vjp2 is None else 2
        with library.enable_x64(True):
            xs = [library.numpy.asarray(x) for x in pair.xs]
            tests.check_grads(native(library, pair), xs, order, modes=["rev"])
        return ""  # what it finds it raises, as an AssertionError

    return Checker(check, f"jax {library.__version__}")


def native(library: Any, pair: Pair) -> Callable[..., Any]:
    """The pair as JAX has it; the backward pass has a custom derivative as well."""

    def arrays(values: Sequence[Any]) -> list[Array]:
        return [np.asarray(x) for x in values]

    def given(found: Sequence[Array | None]) -> tuple[Any, ...]:
        return tuple(None if a is None else library.numpy.asarray(a) for a in found)

    @library.custom_vjp  # type: ignore[untyped-decorator]
    def f(*xs: Any) -> Any:
        ys = given(pair.values(*arrays(xs)))
        return ys if pair.several else ys[0]

    @library.custom_vjp  # type: ignore[untyped-decorator]
    def backward(gs: Any, *xs: Any) -> Any:
        return given(pair.pullback(arrays(gs), *arrays(xs)))

    def second(saved: Any, hs: Any) -> Any:
        gs, xs = saved
        some = [np.zeros_like(x) if h is None else h for h, x in zip(hs, xs, strict=True)]
        for_gs, for_xs = pair.second(arrays(some), arrays(gs), *arrays(xs))
        return given(for_gs), *given(for_xs)

    def pull(xs: Any, g: Any) -> Any:
        return backward(g if pair.several else (g,), *xs)

    f.defvjp(lambda *xs: (f(*xs), xs), pull)
    backward.defvjp(lambda gs, *xs: (backward(gs, *xs), (gs, xs)), second)
    made: Callable[..., Any] = f
    return made
