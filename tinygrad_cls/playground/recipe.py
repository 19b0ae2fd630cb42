"""What a run is made of: read from JSON or a URL's hash, clamped, and written again.

A number out of range is replaced by the nearest that is allowed, and a note says so. Everything
else that cannot be understood is a RecipeError. `static/recipe.js` is the same codec for the page.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import numpy as np

from ..experiments import EXPERIMENTS

VERSION = 1
LIMITS: dict[str, tuple[float, float]] = {
    "samples": (20, 5000),
    "noise": (0, 5),
    "test": (0.1, 0.8),
    "data_seed": (0, 2**32 - 1),
    "seed": (0, 2**32 - 1),
    "lr": (0, 100),
    "momentum": (0, 0.999),
    "batch": (0, 5000),
    "layers": (0, 6),
    "units": (1, 32),
}
WHOLE = {"samples", "data_seed", "seed", "batch", "units"}
CHOICES = {
    "data": ("circles", "blobs", "moons", "xor", "spiral", "csv"),
    "activation": ("relu", "tanh", "sigmoid", "leaky_relu", "none"),
    "loss": ("bce", "cross_entropy"),
    "init": ("pytorch", "xavier", "he", "zeros"),
    "dtype": ("float32", "float64"),
}
SMALLEST = 1e-6
"""Numbers between 0 and this are 0, so that a hash never holds an exponent."""
LONGEST = 2000
"""Characters of a hash; the longest that is written has about 300."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class RecipeError(ValueError):
    """A recipe that cannot be understood; the message says where and why."""


class Layer(NamedTuple):
    """A hidden layer."""

    units: int
    activation: str


@dataclass(frozen=True)
class Recipe:
    """Everything that a run depends on but the points of a CSV. The defaults are preset 2.

    data_seed: of the points and of the split. seed: of the weights and of the batches' order.
    batch: points a step; 0 takes all.
    """

    data: str = "circles"
    samples: int = 1000
    noise: float = 0.03
    test: float = 0.2
    data_seed: int = 42
    seed: int = 42
    layers: tuple[Layer, ...] = (Layer(10, "relu"), Layer(10, "relu"))
    loss: str = "bce"
    lr: float = 0.1
    momentum: float = 0.0
    batch: int = 0
    init: str = "pytorch"
    dtype: str = "float32"

    def to_json(self) -> dict[str, Any]:
        """As the page reads it.

        >>> Recipe(layers=(Layer(4, "tanh"),)).to_json()["layers"]
        [{'units': 4, 'activation': 'tanh'}]
        """
        layers = [layer._asdict() for layer in self.layers]
        return {"v": VERSION} | asdict(self) | {"layers": layers}

    def to_hash(self) -> str:
        """As it stands behind the # of a link.

        >>> Recipe(layers=(Layer(4, "tanh"), Layer(2, "none")), lr=1.0).to_hash()
        'v=1&data=circles&samples=1000&noise=0.03&test=0.2&data_seed=42&seed=42\
&layers=4:tanh,2:none&loss=bce&lr=1&momentum=0&batch=0&init=pytorch&dtype=float32'
        """
        values = {name: _text(value) for name, value in vars(self).items()}
        return "&".join(f"{key}={value}" for key, value in ({"v": str(VERSION)} | values).items())


DEFAULT = Recipe()
KEYS = [field.name for field in fields(Recipe)]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{units}:{activation}" for units, activation in value)
    if isinstance(value, float):  # as JavaScript's String() writes it
        return np.format_float_positional(value, trim="-")
    return str(value)


PRESETS = {
    "circles-linear": Recipe(layers=(Layer(10, "none"), Layer(10, "none"))),
    "circles-relu": DEFAULT,
    "blobs": Recipe(
        data="blobs",
        noise=1.5,
        layers=(Layer(8, "relu"), Layer(8, "relu")),
        loss="cross_entropy",
    ),
}
"""The tutorial's three runs: the models, points and rates of EXPERIMENTS, to the bit."""


def preset(name: str) -> Recipe:
    """A preset by its name or its number.

    >>> preset("3") == preset("blobs")
    True
    """
    by_number = {str(i): recipe for i, recipe in enumerate(PRESETS.values(), 1)}
    if (found := (PRESETS | by_number).get(name)) is None:
        known = ", ".join(f"{i} {name}" for i, name in enumerate(PRESETS, 1))
        raise RecipeError(f"there is no preset {name!r}; there are {known}")
    return found


def titles() -> dict[str, str]:
    """What each preset shows."""
    return {name: EXPERIMENTS[name].title for name in PRESETS}


# --- Reading --------------------------------------------------------------------------------------


def from_json(data: Any) -> tuple[Recipe, list[str]]:
    """A recipe and notes on what was clamped. What is missing is as in preset 2.

    >>> recipe, notes = from_json({"v": 1, "data": "xor", "lr": 1000000000})
    >>> recipe == replace(DEFAULT, data="xor", lr=100.0), notes
    (True, ['lr 1000000000 is too large: 100 is used'])
    """
    if not isinstance(data, Mapping):
        raise RecipeError(f"a recipe is an object with keys such as data and lr, not {_said(data)}")
    version = data.get("v")
    if version != VERSION or isinstance(version, bool):
        raise RecipeError(
            f"this is a recipe of version {_said(version)}, and this playground reads version "
            f"{VERSION}: open it with the tinygrad_cls that wrote it, or start from a preset"
            if "v" in data
            else f"the recipe does not tell its version: v={VERSION} is missing"
        )
    unknown = [key for key in data if key != "v" and key not in KEYS]
    if unknown:
        raise RecipeError(f"a recipe has no {_said(unknown[0])}; it has {', '.join(KEYS)}")
    notes: list[str] = []
    found = {key: _value(key, data[key], notes) for key in KEYS if key in data}
    return replace(DEFAULT, **found), notes


def from_hash(text: str) -> tuple[Recipe, list[str]]:
    """The recipe of a link, with or without its #; and notes on what was clamped.

    >>> from_hash("#v=1&layers=10:none,10:none")[0] == preset("1")
    True
    """
    if len(text) > LONGEST:
        raise RecipeError(
            f"the link's recipe has {len(text)} characters, at most {LONGEST} are read"
        )
    pairs = parse_qsl(text.removeprefix("#"), keep_blank_values=True)
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise RecipeError(f"the link names {_said(key)} twice")
        data[key] = _layers(value) if key == "layers" else _number_or_word(key, value)
    return from_json(data)


def _number_or_word(key: str, text: str) -> Any:
    if key in CHOICES or not NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _layers(text: str) -> list[dict[str, Any]]:
    pairs = [part.partition(":") for part in text.split(",")] if text else []
    return [
        {"units": _number_or_word("units", units), "activation": name} for units, _, name in pairs
    ]


def _value(key: str, value: Any, notes: list[str]) -> Any:
    if key in CHOICES:
        if not isinstance(value, str) or value not in CHOICES[key]:
            raise RecipeError(f"{key} is one of {', '.join(CHOICES[key])}, not {_said(value)}")
        return value
    if key == "layers":
        return _hidden(value, notes)
    return _clamped(key, key, value, notes)


def _hidden(layers: Any, notes: list[str]) -> tuple[Layer, ...]:
    if not isinstance(layers, list):
        raise RecipeError(f"layers is a list of hidden layers, not {_said(layers)}")
    most = int(LIMITS["layers"][1])
    if len(layers) > most:
        notes.append(f"{len(layers)} hidden layers are too many: the first {most} are used")
    found = []
    for i, layer in enumerate(layers[:most], 1):
        if not isinstance(layer, Mapping) or layer.keys() != {"units", "activation"}:
            raise RecipeError(f"hidden layer {i} needs units and an activation and nothing else")
        units = _clamped("units", f"units of layer {i}", layer["units"], notes)
        found.append(Layer(int(units), _value("activation", layer["activation"], notes)))
    return tuple(found)


def _clamped(key: str, name: str, value: Any, notes: list[str]) -> int | float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (isinstance(value, float) and math.isnan(value)):
        raise RecipeError(f"{name} must be a number, not {_said(value)}")
    whole = key in WHOLE
    low, high = LIMITS[key]
    used = min(max(value, low), high)
    if not whole and used < SMALLEST:
        used = 0
    if used != value:
        notes.append(
            f"{name} {_said(value)} is too {'large' if value > used else 'small'}: "
            f"{_text(float(used))} is used"
            if value > high or value < low
            else f"{name} {_said(value)} is too small to matter: 0 is used"
        )
    if whole and used != int(used):
        raise RecipeError(f"{name} must be a whole number, not {_said(value)}")
    return int(used) if whole else float(used)


def _said(value: Any) -> str:
    """A value in a sentence, however long or hostile."""
    text = ascii(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= 40 else text[:37] + "..."
