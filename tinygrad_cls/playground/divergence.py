"""A run that led out of the numbers: what happened, and what to change."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe


def explain(recipe: Recipe, loss: float, parameters: dict[str, NDArray[Any]]) -> str:
    """A sentence about the step after which something is not finite.

    >>> explain(Recipe(lr=30.0), math.nan, {})
    'the loss is not a number; with a learning rate of 30 each step overshoots further than the \
last: try 0.1'
    """
    return f"{_what(recipe, loss, parameters)}; {_why(recipe)}"


def _what(recipe: Recipe, loss: float, parameters: dict[str, NDArray[Any]]) -> str:
    if not math.isfinite(loss):
        return f"the loss is {'not a number' if math.isnan(loss) else 'infinite'}"
    for name, values in parameters.items():
        if not np.isfinite(values).all():
            return f"{name} grew beyond the largest {recipe.dtype}"
    return "the loss of the test set is not finite"


def _why(recipe: Recipe) -> str:
    lr, momentum = recipe.lr, recipe.momentum
    if momentum > 0.9:
        return (
            f"momentum {momentum:g} makes steps up to {1 / (1 - momentum):.0f} times as long: "
            "try 0.9 or a smaller learning rate"
        )
    better = 0.1 if lr > 0.5 else lr / 10
    return (
        f"with a learning rate of {lr:g} each step overshoots further than the last: "
        f"try {better:.1g}"
    )
