"""Hypothesis strategies for what gradients are tested on.

Shapes, arrays of the domains of :mod:`tinygrad_cls.judge.domains`, logits and targets. Give them
to :func:`tinygrad_cls.judge.check` in the place of inputs, or use them in tests of your own. All
shrink towards few axes, small sizes and simple numbers. Needs the extra ``judge``.

>>> import hypothesis
>>> @hypothesis.given(broadcastable(2, domain="positive"))
... def division_undoes_multiplication(pair):
...     a, b = pair
...     np.testing.assert_allclose(a * b / b, a + 0 * b)
>>> division_undoes_multiplication()
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import domains
from .domains import Array, Domain, Shape

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MANY = 256
"""An array of more numbers is drawn as a whole, from a random seed: its numbers do not shrink."""

T = TypeVar("T")


def hypothesis() -> ModuleType:
    """hypothesis, or one clear sentence."""
    try:
        import hypothesis.extra.numpy
    except ModuleNotFoundError as missing:
        raise ImportError(
            "hypothesis is not installed; run: pip install 'tinygrad_cls[judge]'"
        ) from missing
    return hypothesis


def made(function: Callable[[Callable[..., Any]], T]) -> SearchStrategy[T]:
    """What ``function(draw)`` makes of what it draws."""
    strategy: SearchStrategy[T] = hypothesis().strategies.composite(function)()
    return strategy


def is_strategy(x: Any) -> bool:
    """Whether ``x`` is a strategy; hypothesis is not imported for that."""
    loaded = sys.modules.get("hypothesis.strategies")
    return loaded is not None and isinstance(x, loaded.SearchStrategy)


def fixed(x: Any) -> SearchStrategy[Any]:
    """``x`` if it is a strategy, or the strategy that always draws it."""
    strategy: SearchStrategy[Any] = x if is_strategy(x) else hypothesis().strategies.just(x)
    return strategy


# --- shapes ---------------------------------------------------------------------------------------


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> SearchStrategy[Shape]:
    """Shapes, that of a single number, ``()``, too; empty ones with ``min_side=0``."""
    found: SearchStrategy[Shape] = hypothesis().extra.numpy.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )
    return found


def broadcastable_shapes(
    n: int, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> SearchStrategy[tuple[Shape, ...]]:
    """``n`` shapes that broadcast with one another."""
    found: SearchStrategy[tuple[Shape, ...]] = (
        hypothesis()
        .extra.numpy.mutually_broadcastable_shapes(
            num_shapes=n, min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
        )
        .map(lambda broadcast: tuple(broadcast.input_shapes))
    )
    return found


# --- arrays ---------------------------------------------------------------------------------------


def elements(domain: str | Domain = "real", dtype: Any = "float64") -> SearchStrategy[Any]:
    """The numbers of a domain, none of which the dtype rounds; simple ones first."""
    found = domains.parse(domain)
    kind = found.dtype(dtype)
    st = hypothesis().strategies
    strategy: SearchStrategy[Any]
    if found.kind == "booleans":
        strategy = st.booleans()
    elif found.kind == "whole":
        strategy = st.integers(*domains.whole(found, kind))
    else:
        width = 8 * kind.itemsize
        strategy = st.one_of(
            st.just(low) if low == high else st.floats(low, high, width=width)
            for low, high, *_ in found.floats(kind)
        )
    return strategy


def arrays(
    shape: Shape | int | SearchStrategy[Shape],
    domain: str | Domain = "real",
    dtype: Any = "float64",
) -> SearchStrategy[Array]:
    """Arrays of a domain.

    Args:
        shape: A shape, or a strategy that draws one, such as :func:`shapes`.
        domain: A name in :data:`tinygrad_cls.judge.domains.DOMAINS`, or an interval ``"(0, 3]"``.
        dtype: float16, float32 or float64; ``"integers"`` and ``"mask"`` choose their own.

    Raises:
        ValueError: There is no such domain, or the dtype has no numbers in it.
    """
    sizes, fill = fixed((shape,) if isinstance(shape, int) else shape), filler(domain, dtype)
    return made(lambda draw: fill(draw, draw(sizes)))


def filler(domain: str | Domain, dtype: Any) -> Callable[[Callable[..., Any], Shape], Array]:
    """A function of ``draw`` and a shape that makes arrays of a domain: each number is drawn by
    itself unless they are very many.
    """
    found = domains.parse(domain)
    kind, numbers = found.dtype(dtype), elements(found, dtype)
    st, numpy = hypothesis().strategies, hypothesis().extra.numpy

    def fill(draw: Callable[..., Any], shape: Shape) -> Array:
        if math.prod(shape) > MANY:
            seed = draw(st.integers(0, 2**32 - 1))
            return domains.draw(np.random.default_rng(seed), shape, found, kind)
        x = draw(numpy.arrays(kind, shape, elements=numbers, fill=st.nothing()))
        return domains.rows(x) if found.kind == "rows" else np.asarray(x)

    return fill


def same_shape(
    n: int,
    shape: Shape | SearchStrategy[Shape] | None = None,
    domain: str | Sequence[str] = "real",
    dtype: Any = "float64",
) -> SearchStrategy[tuple[Array, ...]]:
    """``n`` arrays of one shape; ``domain`` is one for all, or one for each."""
    shared = fixed(shapes() if shape is None else shape).map(lambda found: (found,) * n)
    return several(shared, n, domain, dtype)


def broadcastable(
    n: int,
    domain: str | Sequence[str] = "real",
    dtype: Any = "float64",
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 1,
    max_side: int = 4,
) -> SearchStrategy[tuple[Array, ...]]:
    """``n`` arrays that broadcast with one another; ``domain`` is one for all, or one for each."""
    shared = broadcastable_shapes(n, min_dims, max_dims, min_side, max_side)
    return several(shared, n, domain, dtype)


def several(
    shapes: SearchStrategy[tuple[Shape, ...]], n: int, domain: str | Sequence[str], dtype: Any
) -> SearchStrategy[tuple[Array, ...]]:
    """An array for each of the drawn shapes."""
    texts = domain.split(";") if isinstance(domain, str) else domain
    each = domains.each([domains.parse(text) for text in texts], n, "domains")
    fillers = [filler(found, dtype) for found in each]

    def tuples(draw: Callable[..., Any]) -> tuple[Array, ...]:
        drawn = zip(fillers, draw(shapes), strict=True)
        return tuple(fill(draw, shape) for fill, shape in drawn)

    return made(tuples)


# --- classification -------------------------------------------------------------------------------


def logits(
    shape: Shape | SearchStrategy[Shape] | None = None, dtype: Any = "float64"
) -> SearchStrategy[Array]:
    """Scores before softmax or sigmoid, some of them saturated: (N, C) unless told otherwise."""
    return arrays(scores() if shape is None else shape, "logits", dtype)


def scores(max_rows: int = 4, max_classes: int = 4) -> SearchStrategy[Shape]:
    """Shapes (N, C) of a batch's scores, for two classes or more."""
    st = hypothesis().strategies
    found: SearchStrategy[Shape] = st.tuples(st.integers(1, max_rows), st.integers(2, max_classes))
    return found


def class_targets(
    shape: Shape | int | SearchStrategy[Shape],
    classes: int,
    ignore_index: int | None = None,
    dtype: Any = "int64",
) -> SearchStrategy[Array]:
    """Labels from 0 to ``classes - 1``, of shape (N,) or (N, d1, ...); with ``ignore_index``, some
    are that.
    """
    st = hypothesis().strategies
    labels = st.integers(0, classes - 1)
    if ignore_index is not None:
        labels = st.one_of(labels, st.just(ignore_index))
    return of_numbers(shape, labels, dtype)


def probability_targets(
    shape: Shape | SearchStrategy[Shape], dtype: Any = "float64"
) -> SearchStrategy[Array]:
    """Probabilities of the classes, which are axis 1, or axis 0 of a single point's; zeros and
    certainties are among them.
    """
    st = hypothesis().strategies

    def probabilities(draw: Callable[..., Any]) -> Array:
        found = draw(fixed(shape))
        axis = min(1, len(found) - 1)
        counts = draw(of_numbers(found, st.integers(0, 8), np.int64))
        counts[counts.sum(axis, keepdims=True).repeat(found[axis], axis) == 0] = 1
        return np.asarray(counts / counts.sum(axis, keepdims=True), dtype)

    return made(probabilities)


def binary_targets(
    shape: Shape | int | SearchStrategy[Shape], soft: bool = False, dtype: Any = "float64"
) -> SearchStrategy[Array]:
    """Zeros and ones as floats; ``soft``: numbers in between as well."""
    st = hypothesis().strategies
    numbers = st.sampled_from([0.0, 1.0])
    if soft:
        numbers = st.one_of(numbers, st.floats(0, 1, width=16))
    return of_numbers(shape, numbers, dtype)


def of_numbers(
    shape: Shape | int | SearchStrategy[Shape], numbers: Any, dtype: Any
) -> SearchStrategy[Array]:
    """Arrays of drawn numbers."""
    st, numpy = hypothesis().strategies, hypothesis().extra.numpy
    found: SearchStrategy[Array] = fixed(shape).flatmap(
        lambda drawn: numpy.arrays(dtype, drawn, elements=numbers, fill=st.nothing())
    )
    return found


def class_weights(classes: int, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Weights of the classes, as ``weight`` and ``pos_weight`` take them: above zero."""
    return arrays((classes,), "[0.25, 4]", dtype)


def classification(
    targets: str = "classes",
    ignore_index: int | None = None,
    dtype: Any = "float64",
    max_rows: int = 4,
    max_classes: int = 4,
) -> SearchStrategy[tuple[Array, Array]]:
    """Logits and the targets that go with them.

    Args:
        targets: ``"classes"`` (labels), ``"probabilities"``, ``"binary"`` (of the logits' shape) or
            ``"soft"`` (binary, and in between).
        ignore_index: The label of points that do not count; some are, but never all of them.
        dtype: Of the logits and of targets that are no labels.
        max_rows: The most points.
        max_classes: The most classes.
    """
    kinds: dict[str, Callable[[Shape], Any]] = {
        "classes": lambda shape: class_targets(shape[:1], shape[1], ignore_index),
        "probabilities": lambda shape: probability_targets(shape, dtype),
        "binary": lambda shape: binary_targets(shape, dtype=dtype),
        "soft": lambda shape: binary_targets(shape, soft=True, dtype=dtype),
    }
    if targets not in kinds:
        raise ValueError(f"targets is {targets!r}: must be one of {', '.join(map(repr, kinds))}")

    def pair(draw: Callable[..., Any]) -> tuple[Array, Array]:
        shape = draw(scores(max_rows, max_classes))
        x, t = draw(logits(shape, dtype)), draw(kinds[targets](shape))
        if targets == "classes" and ignore_index is not None and (t == ignore_index).all():
            t[0] = 0 if ignore_index else 1
        return x, t

    return made(pair)
