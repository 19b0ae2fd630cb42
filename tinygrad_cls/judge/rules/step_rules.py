"""What optimizers do in a step: the rules of SGD and Adam as plain formulas.

A rule is a function ``(p, g, state, **options) -> (p, state)`` of one parameter, its gradient, and
what was remembered of it, a dict that starts empty. Nothing is written in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

State = dict[str, Any]
Rule = Callable[..., tuple[Any, State]]


def sgd(
    p: Any,
    g: Any,
    state: State,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Any, State]:
    """Stochastic gradient descent as torch has it: the first momentum is the gradient, undampened.

    >>> p, state = sgd(1.0, 1.0, {}, lr=0.1, momentum=0.9, dampening=0.5)
    >>> p, sgd(p, 1.0, state, lr=0.1, momentum=0.9, dampening=0.5)[0]
    (0.9, 0.76)
    """
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * p
    if momentum:
        b = momentum * state["b"] + (1 - dampening) * g if state else g
        state = {"b": b}
        g = g + momentum * b if nesterov else b
    return p - lr * g, state


def adam(
    p: Any,
    g: Any,
    state: State,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> tuple[Any, State]:
    """Adam (Kingma & Ba, 2015, algorithm 1), with torch's options.

    >>> round(float(adam(1.0, 3.0, {}, lr=0.1)[0]), 6)
    0.9
    """
    beta1, beta2 = betas
    t = state.get("t", 0) + 1
    if maximize:
        g = -g
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    elif weight_decay:
        g = g + weight_decay * p
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * g * g
    u = np.maximum(state.get("u", 0.0), v) if amsgrad else v
    size = np.sqrt(u / (1 - beta2**t)) + eps
    return p - lr * (m / (1 - beta1**t)) / size, {"t": t, "m": m, "v": v, "u": u}


def adamw(p: Any, g: Any, state: State, **options: Any) -> tuple[Any, State]:
    """Adam whose weight decay does not pass through the gradient (Loshchilov & Hutter, 2019).

    >>> float(adamw(1.0, 0.0, {}, lr=0.1, weight_decay=0.5)[0])
    0.95
    """
    return adam(p, g, state, **({"weight_decay": 1e-2, "decoupled_weight_decay": True} | options))


RULES: dict[str, Rule] = {"sgd": sgd, "adam": adam, "adamw": adamw}
"""The rules by name, which is that of torch's class in small letters."""

SGD: dict[str, Any] = {
    "lr": 1e-3,
    "momentum": 0.0,
    "dampening": 0.0,
    "weight_decay": 0.0,
    "nesterov": False,
    "maximize": False,
}
ADAM: dict[str, Any] = {
    "lr": 1e-3,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0.0,
    "amsgrad": False,
    "maximize": False,
    "decoupled_weight_decay": False,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": SGD,
    "adam": ADAM,
    "adamw": ADAM | {"weight_decay": 1e-2, "decoupled_weight_decay": True},
}
"""The options of each rule, with torch's defaults."""
