"""The network of a recipe."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from .. import (
    Tensor,
    dtype,
    float32,
    float64,
    get_rng_state,
    manual_seed,
    nn,
    no_grad,
    set_rng_state,
)
from ..experiments.catalogue import BINARY, MULTICLASS, Task
from .recipe import Recipe

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
}
TYPES: dict[str, dtype] = {"float32": float32, "float64": float64}
DRAWING = threading.Lock()
"""Held while weights are drawn: from the default generator, which all threads share."""


def task(recipe: Recipe) -> Task:
    """How the output becomes a loss and probabilities."""
    return MULTICLASS if recipe.loss == "cross_entropy" else BINARY


def fitting(recipe: Recipe, classes: int) -> Recipe:
    """The recipe with a loss for so many classes."""
    return recipe if classes == 2 else replace(recipe, loss="cross_entropy")


def build(recipe: Recipe, features: int, classes: int) -> nn.Sequential:
    """The network with its first weights: those that the tutorial's models get from this seed.

    >>> from .recipe import preset
    >>> build(preset("2"), features=2, classes=2)
    Sequential(
      (layer_1): Linear(in_features=2, out_features=10, bias=True)
      (relu_1): ReLU()
      (layer_2): Linear(in_features=10, out_features=10, bias=True)
      (relu_2): ReLU()
      (layer_3): Linear(in_features=10, out_features=1, bias=True)
    )
    """
    with DRAWING:
        found = get_rng_state()
        try:
            manual_seed(recipe.seed)
            model = _model(recipe, features, classes)
            _draw(model, recipe.init)
        finally:
            set_rng_state(found)
    return model


def _model(recipe: Recipe, features: int, classes: int) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    width = features
    for i, (units, activation) in enumerate(recipe.layers, 1):
        modules[f"layer_{i}"] = nn.Linear(width, units)
        if activation != "none":
            modules[f"{activation}_{i}"] = ACTIVATIONS[activation]()
        width = units
    outputs = 1 if recipe.loss == "bce" else classes
    modules[f"layer_{len(recipe.layers) + 1}"] = nn.Linear(width, outputs)
    model = nn.Sequential(modules)
    model.to(TYPES[recipe.dtype])
    return model


def _draw(model: nn.Sequential, init: str) -> None:
    """Other weights than those that Linear drew for itself."""
    for layer in linears(model) if init != "pytorch" else ():
        weight, bias = layer.parameters()
        nn.init.zeros_(bias)
        if init == "xavier":
            nn.init.xavier_uniform_(weight)
        elif init == "he":
            nn.init.kaiming_uniform_(weight, nonlinearity="relu")
        else:
            nn.init.zeros_(weight)


def linears(model: nn.Sequential) -> list[nn.Linear]:
    """The layers with weights, the output layer last."""
    return [module for module in model if isinstance(module, nn.Linear)]


def outputs(model: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What every layer gives, after its activation; the output layer's logits last."""
    found: list[Tensor] = []
    for module in model:
        x = module(x)
        if isinstance(module, nn.Linear):
            found.append(x)
        else:
            found[-1] = x
    return found


def copy(model: nn.Sequential, recipe: Recipe, features: int, classes: int) -> nn.Sequential:
    """A model of the same weights, free of what has been recorded of the first."""
    twin = build(recipe, features, classes)
    with no_grad():
        for theirs, ours in zip(twin.parameters(), model.parameters(), strict=True):
            theirs.copy_(ours)
    return twin
