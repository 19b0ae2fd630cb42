"""Derivatives of elementary functions, by their formulas: what a neighbour's slope looks like."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .subject import Array

ERF = np.vectorize(math.erf, otypes=[np.float64])


SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "x": lambda x, y: x,
    "y": lambda x, y: y,
    "1": lambda x, y: np.ones_like(x),
    "2 x": lambda x, y: 2 * x,
    "2 y": lambda x, y: 2 * y,
    "-x": lambda x, y: -x,
    "-y": lambda x, y: -y,
    "x**2": lambda x, y: x**2,
    "y**2": lambda x, y: y**2,
    "-y**2": lambda x, y: -(y**2),
    "-x**2": lambda x, y: -(x**2),
    "3 x**2": lambda x, y: 3 * x**2,
    "1 - x**2": lambda x, y: 1 - x**2,
    "1 - y**2": lambda x, y: 1 - y**2,
    "1 + x**2": lambda x, y: 1 + x**2,
    "1 + y**2": lambda x, y: 1 + y**2,
    "1 - y": lambda x, y: 1 - y,
    "1 - x": lambda x, y: 1 - x,
    "1 + y": lambda x, y: 1 + y,
    "1 + x": lambda x, y: 1 + x,
    "y (1 - y)": lambda x, y: y * (1 - y),
    "x (1 - x)": lambda x, y: x * (1 - x),
    "1 / x": lambda x, y: 1 / x,
    "1 / y": lambda x, y: 1 / y,
    "-1 / x": lambda x, y: -1 / x,
    "-1 / y": lambda x, y: -1 / y,
    "1 / (2 x)": lambda x, y: 1 / (2 * x),
    "1 / (2 y)": lambda x, y: 1 / (2 * y),
    "1 / x**2": lambda x, y: 1 / x**2,
    "1 / y**2": lambda x, y: 1 / y**2,
    "-1 / x**2": lambda x, y: -1 / x**2,
    "-1 / y**2": lambda x, y: -1 / y**2,
    "1 / (1 + x)": lambda x, y: 1 / (1 + x),
    "1 / (1 + y)": lambda x, y: 1 / (1 + y),
    "1 / (1 + x**2)": lambda x, y: 1 / (1 + x**2),
    "1 / (1 + y**2)": lambda x, y: 1 / (1 + y**2),
    "sqrt(x)": lambda x, y: np.sqrt(x),
    "1 / sqrt(x)": lambda x, y: 1 / np.sqrt(x),
    "1 / (2 sqrt(x))": lambda x, y: 1 / (2 * np.sqrt(x)),
    "1 / (2 sqrt(y))": lambda x, y: 1 / (2 * np.sqrt(y)),
    "exp(x)": lambda x, y: np.exp(x),
    "exp(y)": lambda x, y: np.exp(y),
    "exp(-x)": lambda x, y: np.exp(-x),
    "-exp(-x)": lambda x, y: -np.exp(-x),
    "2**x": lambda x, y: 2**x,
    "expm1(x)": lambda x, y: np.expm1(x),
    "log(x)": lambda x, y: np.log(x),
    "log1p(x)": lambda x, y: np.log1p(x),
    "sin(x)": lambda x, y: np.sin(x),
    "-sin(x)": lambda x, y: -np.sin(x),
    "cos(x)": lambda x, y: np.cos(x),
    "-cos(x)": lambda x, y: -np.cos(x),
    "sin(y)": lambda x, y: np.sin(y),
    "cos(y)": lambda x, y: np.cos(y),
    "sinh(x)": lambda x, y: np.sinh(x),
    "cosh(x)": lambda x, y: np.cosh(x),
    "tanh(x)": lambda x, y: np.tanh(x),
    "tanh(y)": lambda x, y: np.tanh(y),
    "1 - tanh(x)**2": lambda x, y: 1 - np.tanh(x) ** 2,
    "1 - tanh(y)**2": lambda x, y: 1 - np.tanh(y) ** 2,
    "1 + tan(x)**2": lambda x, y: 1 + np.tan(x) ** 2,
    "sigmoid(x)": lambda x, y: 1 / (1 + np.exp(-x)),
    "sigmoid(-x)": lambda x, y: 1 / (1 + np.exp(x)),
    "sigmoid(y)": lambda x, y: 1 / (1 + np.exp(-y)),
    "sigmoid(-y)": lambda x, y: 1 / (1 + np.exp(y)),
    "s (1 - s), s = sigmoid(x)": lambda x, y: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    "s (1 - s), s = sigmoid(y)": lambda x, y: np.exp(-y) / (1 + np.exp(-y)) ** 2,
    "x > 0": lambda x, y: (x > 0) * 1.0,
    "x >= 0": lambda x, y: (x >= 0) * 1.0,
    "y > 0": lambda x, y: (y > 0) * 1.0,
    "x < 0": lambda x, y: (x < 0) * 1.0,
    "sign(x)": lambda x, y: np.sign(x),
    "|x|": lambda x, y: np.abs(x),
    "x / |y|": lambda x, y: x / np.abs(y),
    "erf'(x)": lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
    "exp(-x**2)": lambda x, y: np.exp(-(x**2)),
    "-2 x exp(-x**2)": lambda x, y: -2 * x * np.exp(-(x**2)),
    "1 / sqrt(1 - x**2)": lambda x, y: 1 / np.sqrt(1 - x**2),
    "-1 / sqrt(1 - x**2)": lambda x, y: -1 / np.sqrt(1 - x**2),
    "1 / sqrt(1 + x**2)": lambda x, y: 1 / np.sqrt(1 + x**2),
    "1 / (x log 2)": lambda x, y: 1 / (x * np.log(2)),
    "1 / (x log 10)": lambda x, y: 1 / (x * np.log(10)),
    "y log 2": lambda x, y: y * np.log(2),
    "gelu'": lambda x, y: (
        (1 + ERF(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    ),
    "gelu', in tanh's approximation": lambda x, y: gelu_slope(x),
    "silu'": lambda x, y: (1 + x / (1 + np.exp(x))) / (1 + np.exp(-x)),
    "softsign'": lambda x, y: 1 / (1 + np.abs(x)) ** 2,
}
"""Derivatives of elementary functions, of input x and output y."""


def gelu_slope(x: Array) -> Array:
    """The derivative of x (1 + tanh(c (x + 0.044715 x**3))) / 2, c = sqrt(2 / pi)."""
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return np.asarray((1 + t + x * (1 - t * t) * c * (1 + 3 * 0.044715 * x**2)) / 2)
