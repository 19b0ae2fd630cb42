"""The search for an input at which a check fails, and that input as source to paste."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .strategies import fixed, hypothesis, is_strategy

Array = NDArray[Any]

LARGE = 100
"""An array of more numbers is not written out."""


class Explored(NamedTuple):
    """The outcome of a search: the smallest inputs found at which the check fails, or None."""

    inputs: tuple[Any, ...] | None
    tried: int
    flaky: bool = False  # the check failed at these inputs, and then did not


def explore(
    fails: Callable[..., bool],
    strategies: Sequence[Any],
    examples: int = 100,
    seed: int = 0,
) -> Explored:
    """Draws inputs until ``fails(*inputs)``, and then looks for the smallest that still do.

    The same seed draws the same inputs. Nothing is printed, and nothing is kept for another run.

    Args:
        fails: Says whether the check fails; what it raises is raised.
        strategies: One for each input; what is no strategy is an input that stays as it is. A
            single strategy that draws a tuple stands for all inputs.
        examples: How many inputs to draw before giving up; shrinking draws more.
        seed: Of the random numbers.

    Raises:
        ValueError: The strategies draw nothing.

    >>> from .strategies import arrays, shapes
    >>> explore(lambda x: (x > 2).any(), [arrays(shapes(min_dims=1))]).inputs
    (array([3.]),)
    """
    library = hypothesis()
    tried = 0
    smallest: tuple[Any, ...] | None = None

    def condition(drawn: tuple[Any, ...]) -> bool:
        nonlocal tried, smallest
        tried += 1
        found = bool(fails(*copied(drawn)))
        if found:
            smallest = copied(drawn)
        return found

    phases = library.Phase
    settings = library.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,  # the seed is given
        phases=(phases.generate, phases.shrink),
        verbosity=library.Verbosity.quiet,
        print_blob=False,
    )
    try:
        inputs = library.find(
            together(strategies), condition, settings=settings, random=random.Random(seed)
        )
    except library.errors.NoSuchExample:
        return Explored(None, tried)
    except library.errors.Flaky:
        return Explored(smallest, tried, flaky=True)
    except library.errors.Unsatisfiable:
        raise ValueError("the strategies draw no inputs: their filters refuse all") from None
    return Explored(copied(inputs), tried)


def together(strategies: Sequence[Any]) -> Any:
    """One strategy for the tuple of all inputs."""
    if len(strategies) == 1 and is_strategy(strategies[0]):
        return strategies[0].map(lambda x: x if isinstance(x, tuple) else (x,))
    return hypothesis().strategies.tuples(*map(fixed, strategies))


def copied(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The inputs with arrays of their own, which a check may write into."""
    return tuple(np.array(x) if isinstance(x, np.ndarray) else x for x in inputs)


# --- as source ------------------------------------------------------------------------------------


def source(inputs: Sequence[Any], recipes: Sequence[str] = ()) -> str:
    """The inputs as Python source, comma-separated, where ``np`` is NumPy.

    Evaluated, it gives the same numbers, bit for bit (a nan may lose its payload), the same shapes
    and dtypes. An array of more than 100 numbers that are not all equal is given as its recipe, if
    there is one: an expression that draws it. Otherwise it is named, in words that Python refuses.

    >>> print(source([np.array([[0.1, np.inf]]), np.zeros((0, 3), np.float32), np.array(2)]))
    np.array([[0.1, np.inf]]), np.zeros((0, 3), dtype=np.float32), np.array(2)
    """
    given = [*recipes, *[""] * (len(inputs) - len(recipes))]
    return ", ".join(written(x, recipe) for x, recipe in zip(inputs, given, strict=True))


def written(x: Any, recipe: str = "") -> str:
    """One input as source."""
    if isinstance(x, np.generic):
        x = np.asarray(x)
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiubc":
        return number(x, None) if isinstance(x, float) else repr(x)
    usual = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool))
    dtype = "" if x.dtype in usual else f", dtype=np.{x.dtype.name}"
    if x.ndim and (x.size == 0 or x.size > 3):
        zero = np.zeros((), x.dtype).tobytes()
        if x.size == 0 or x.tobytes() == zero * x.size:
            wide = dtype or ("" if x.dtype == np.float64 else f", dtype=np.{x.dtype.name}")
            return f"np.zeros({x.shape}{wide})"
        if x.tobytes() == x.ravel()[:1].tobytes() * x.size:
            return f"np.full({x.shape}, {number(x.ravel()[0], x.dtype)}{dtype})"
    if x.size > LARGE:
        return recipe or f"<{x.dtype} {x.shape}: {x.size} numbers>"
    return f"np.array({nested(x, x.dtype)}{dtype})"


def nested(x: Any, dtype: np.dtype[Any]) -> str:
    """An array's numbers in lists of lists."""
    if x.ndim == 0:
        return number(x[()], dtype)
    return f"[{', '.join(nested(part, dtype) for part in map(np.asarray, x))}]"


def number(x: Any, dtype: np.dtype[Any] | None) -> str:
    """A number in the fewest digits that give it back."""
    value = x.item() if isinstance(x, np.generic) else x
    if isinstance(value, complex):
        return f"complex({number(value.real, None)}, {number(value.imag, None)})"
    if not isinstance(value, float):
        return repr(value)
    if not math.isfinite(value):
        return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    short = str(x)
    # Read as a double and then rounded once more, a few short numbers would end up next door.
    exact = dtype is not None and float(dtype.type(float(short))) == value
    return short if exact else repr(value)
