"""What there is to see of a network: the decision, each neuron's map, wrong points, dead units."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import Tensor, compile, dtype, from_numpy, inference_mode, nn
from ..experiments.catalogue import Task
from .data import Data
from .model import linears, outputs
from .recipe import Recipe

MAP, NEURON_MAP = 64, 24
"""Cells along an edge of the decision's map and of a neuron's."""

Array = NDArray[Any]
POSITIVE = {"relu", "sigmoid"}


class Views:
    """All rows that a picture needs, in one batch through the layers."""

    def __init__(self, model: nn.Sequential, recipe: Recipe, data: Data, task: Task, kind: dtype):
        self.model, self.recipe, self.data, self.task, self.kind = model, recipe, data, task, kind
        parts = {
            "map": data.on_plane(cells(data.extent, MAP)),
            "neurons": data.on_plane(cells(data.extent, NEURON_MAP)),
            "train": data.X_train,
            "test": data.X_test,
        }
        ends = np.cumsum([len(rows) for rows in parts.values()]).tolist()
        self._rows = dict(zip(parts, map(slice, [0, *ends], ends), strict=False))
        rows = self._tensor(np.concatenate(list(parts.values())))
        labels = np.concatenate([data.y_train, data.y_test])

        def look() -> tuple[Tensor, ...]:
            *hidden, logits = outputs(model, rows)
            return (*hidden, task.probabilities(task.logits(logits)))

        self._look: Callable[[], tuple[Tensor, ...]] = compile(look)
        self._labels = labels

    def _tensor(self, rows: Array) -> Tensor:
        x: Tensor = from_numpy(rows).type(self.kind)
        return x

    def arrays(self, parts: set[str]) -> dict[str, Array]:
        """Of "map", "neurons" and "points", those that are asked for."""
        if not parts & {"map", "neurons", "points"}:
            return {}
        with inference_mode():
            *hidden, p = map(np.asarray, self._look())
        found: dict[str, Array] = {}
        rows = self._rows
        if "map" in parts:
            planes = p[rows["map"]].T
            shown = planes[1:] if self.recipe.loss == "bce" else planes
            found["map"] = shown.reshape(-1, MAP, MAP).astype("<f4")
        if "neurons" in parts:
            found |= self._neurons(hidden)
        if "points" in parts:
            guesses = p[rows["train"].start :].argmax(axis=1)
            found["wrong"] = (guesses != self._labels).astype("u1")
        return found

    def _neurons(self, hidden: list[Array]) -> dict[str, Array]:
        """Each neuron's map in 256 shades, what the shades mean, and how many points it is for."""
        if not hidden:
            return {
                "neurons": np.zeros((0, NEURON_MAP, NEURON_MAP), "u1"),
                "neuron_range": np.zeros((0, 2), "<f4"),
                "active": np.zeros(0, "<i4"),
            }
        a = np.concatenate([h[self._rows["neurons"]] for h in hidden], axis=1).astype(np.float32)
        positive = np.concatenate(
            [np.full(units, name in POSITIVE) for units, name in self.recipe.layers]
        )
        high = abs(a).max(axis=0)
        high[high == 0] = 1
        low = np.where(positive, np.float32(0), -high)
        shades = np.rint((a - low) * (255 / (high - low))).astype("u1")
        active = [np.count_nonzero(h[self._rows["train"]] > 0, axis=0) for h in hidden]
        return {
            "neurons": np.ascontiguousarray(shades.T).reshape(-1, NEURON_MAP, NEURON_MAP),
            "neuron_range": np.column_stack([low, high]).astype("<f4"),
            "active": np.concatenate(active).astype("<i4"),
        }

    def dead(self, active: Array) -> list[list[int]]:
        """[hidden layer, unit] of each ReLU that is 0 for every training point."""
        places = [
            (i, unit, activation)
            for i, (units, activation) in enumerate(self.recipe.layers)
            for unit in range(units)
        ]
        return [
            [i, unit]
            for (i, unit, activation), count in zip(places, active.tolist(), strict=True)
            if activation == "relu" and count == 0
        ]

    def probabilities(self, xy: list[float]) -> list[float]:
        """Of each class, at one point of the picture."""
        x = self._tensor(self.data.on_plane(np.array([xy], dtype=np.float64)))
        with inference_mode():
            p = np.asarray(self.task.probabilities(self.task.logits(self.model(x))))
        found: list[float] = p[0].astype(float).tolist()
        return found

    def neuron(self, layer: int, unit: int) -> dict[str, Any]:
        """What one neuron computes; layer 0 is the first hidden one, the output layer the last."""
        linear = linears(self.model)[layer]
        W, b = (np.asarray(p.detach())[unit].astype(float) for p in linear.parameters())
        weights, bias = W.tolist(), float(b)
        units = range(1, len(weights) + 1)
        names = [*self.data.features] if layer == 0 else [f"h{layer}.{i}" for i in units]
        hidden = layer < len(self.recipe.layers)
        activation = self.recipe.layers[layer].activation if hidden else "none"
        z = self._sums(layer, unit, self.data.on_plane(corners(self.data.extent, MAP)))
        at_points = self._sums(layer, unit, self.data.X_train)
        count = int(np.count_nonzero(at_points > 0))
        if activation == "sigmoid":
            count = len(at_points)
        return {
            "formula": formula(weights, names, bias, activation),
            "activation": activation,
            "bias": bias,
            "terms": [
                {"input": name, "weight": weight}
                for name, weight in zip(names, weights, strict=True)
            ],
            "segments": zero_line(z.reshape(MAP, MAP), self.data.extent),
            "active": count,
            "of": len(at_points),
        }

    def _sums(self, layer: int, unit: int, X: Array) -> Array:
        """The neuron's weighted sum, before its activation."""
        x, linear = self._tensor(X), linears(self.model)[layer]
        with inference_mode():
            below = outputs(self.model, x)[layer - 1] if layer else x
            return np.asarray(linear(below))[:, unit].astype(np.float64)


def formula(weights: list[float], names: Any, bias: float, activation: str) -> str:
    """A neuron as one writes it.

    >>> formula([0.314, -2.0], ["x₁", "x₂"], 0.1, "relu")
    'relu(0.314 x₁ − 2 x₂ + 0.1)'
    """
    numbers = [*zip(weights, names, strict=True), (bias, "")]
    text = " ".join(
        f"{'−' if number < 0 else '+'} {abs(number):.3g} {name}".strip() for number, name in numbers
    )
    text = text.removeprefix("+ ").replace("− ", "−", text.startswith("−"))
    return text if activation == "none" else f"{activation}({text})"


# --- Grids ----------------------------------------------------------------------------------------


def cells(extent: tuple[float, float, float, float], n: int) -> Array:
    """The centres of n by n cells, row by row from the top, as pictures are stored."""
    x0, x1, y0, y1 = extent
    steps = (np.arange(n) + 0.5) / n
    x, y = np.meshgrid(x0 + steps * (x1 - x0), y1 - steps * (y1 - y0))
    return np.column_stack([x.ravel(), y.ravel()])


def corners(extent: tuple[float, float, float, float], n: int) -> Array:
    """n by n points from edge to edge, row by row from the top."""
    x0, x1, y0, y1 = extent
    x, y = np.meshgrid(np.linspace(x0, x1, n), np.linspace(y1, y0, n))
    return np.column_stack([x.ravel(), y.ravel()])


def zero_line(z: Array, extent: tuple[float, float, float, float]) -> list[list[float]]:
    """Segments [xa, ya, xb, yb] along which z, given at `corners`, is 0.

    Each square of the grid is two triangles, in which z is taken to be linear.

    >>> zero_line(np.array([[-1.0, 1.0], [-1.0, 1.0]]), (0, 2, 0, 2))
    [[1.0, 2.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]]
    """
    grid = corners(extent, len(z)).reshape(*z.shape, 2)
    corner = [
        (slice(None, -1), slice(None, -1)),
        (slice(None, -1), slice(1, None)),
        (slice(1, None), slice(1, None)),
        (slice(1, None), slice(None, -1)),
    ]
    halves = ((0, 1, 2), (0, 2, 3))
    v = np.concatenate([np.stack([z[corner[i]].ravel() for i in half]) for half in halves], axis=1)
    at = np.concatenate(
        [np.stack([grid[corner[i]].reshape(-1, 2) for i in half]) for half in halves], axis=1
    )
    up = v > 0
    mixed = up.any(axis=0) & ~up.all(axis=0)
    v, at, up = v[:, mixed], at[:, mixed], up[:, mixed]
    alone = np.where(up.sum(axis=0) == 1, up.argmax(axis=0), up.argmin(axis=0))
    each = np.arange(len(alone))
    ends = []
    for turn in (1, 2):
        other = (alone + turn) % 3
        share = v[alone, each] / (v[alone, each] - v[other, each])
        ends.append(at[alone, each] + share[:, None] * (at[other, each] - at[alone, each]))
    segments: list[list[float]] = np.concatenate(ends, axis=1).tolist()
    return segments
