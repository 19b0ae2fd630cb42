"""The known mistakes of optimizers, each a change of the rule, for the judge to try."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .step_rules import State

Array = NDArray[Any]
Options = dict[str, Any]
Gradients = Sequence[Sequence[Any]]


class Variant(NamedTuple):
    """A mistake: its hint, words for it, and the options that make it out of the rule's own.

    ``change`` returns no options where the mistake would make no difference.
    """

    hint: str
    words: str
    change: Callable[[Options], Options]


def run(rule: Any, options: Options, params: Sequence[Any], gradients: Gradients) -> list[Any]:
    """The parameters after every step: ``gradients`` holds for every step one gradient, or None, a
    parameter.

    Four options change what happens around the rule. ``absent="zero"``: no gradient counts as a
    gradient of zeros. ``zeros="skip"``: zeros count as no gradient. ``rate``: what the learning
    rate is multiplied with in step t. ``shared``: what the parameters' states have in common,
    "step" the number of calls of step(), "count" a t that every update increases, "shape" all of
    the state among parameters of one shape.
    """
    options = dict(options)
    absent, zeros = options.pop("absent", "skip"), options.pop("zeros", "step")
    rate, shared = options.pop("rate", None), options.pop("shared", "")
    lr, count = options.get("lr"), 0
    states: list[State] = [{} for _ in params]
    if shared == "shape":
        by_shape: dict[Any, State] = {}
        states = [by_shape.setdefault(np.shape(p), {}) for p in params]
    now, history = list(params), []
    for t, row in enumerate(gradients, 1):
        if rate is not None:
            options["lr"] = rate(t) * lr
        for i, g in enumerate(row):
            if absent == "skip" if g is None else zeros == "skip" and not g.any():
                continue
            state = states[i]
            if shared in ("step", "count"):
                state = state | {"t": t - 1 if shared == "step" else count}
            slope = np.zeros(now[i].shape) if g is None else g
            now[i], found = rule(now[i], slope, state, **options)
            count += 1
            if shared == "shape":
                states[i].update(found)
            else:
                states[i] = found
        history.append(list(now))
    return history


# --- rules with a place for every mistake ---------------------------------------------------------


def twisted_sgd(
    p: Any,
    g: Any,
    state: State,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: str = "gradient",
    ahead: str = "new",
    decay: str = "gradient",
    flip: str = "gradient",
) -> tuple[Any, State]:
    """SGD, which can dampen its first step, look ahead wrongly, and decay or turn elsewhere."""
    if maximize and flip == "gradient":
        g = -g
    if decay == "gradient":
        g = g + weight_decay * p
    if maximize and flip == "sum":
        g = -g
    if momentum:
        old = state["b"] if state else 0 * g
        share = 1 - dampening if state or first == "dampened" else 1
        b = momentum * old + share * g
        state = {"b": b}
        looks = {"new": g + momentum * b, "old": g + momentum * old, "alone": momentum * b,
                 "twice": b + momentum * b}  # fmt: skip
        g = looks[ahead] if nesterov else b
    if decay == "decoupled":
        p = p - lr * weight_decay * p
    elif decay == "bare":
        p = p - weight_decay * p
    return p - lr * g, state


def twisted_adam(
    p: Any,
    g: Any,
    state: State,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
    decoupled_weight_decay: bool,
    shift: int = 0,
    corrects: str = "both",
    root: str = "outside",
    square: str = "square",
    means: str = "mean",
    largest: str = "raw",
    decay: str = "rule",
    flip: str = "gradient",
) -> tuple[Any, State]:
    """Adam, which can correct, take roots and squares, decay or turn in other ways."""
    beta1, beta2 = betas
    t = state.get("t", 0) + 1
    if maximize and flip == "gradient":
        g = -g
    raw = g
    if decay == "rule" and decoupled_weight_decay:
        p = p - lr * weight_decay * p
    elif decay == "rule":
        g = g + weight_decay * p
    elif decay == "bare":
        p = p - weight_decay * p
    if maximize and flip == "sum":
        g = -g
    m = beta1 * state.get("m", 0.0) + (1 - beta1 if means == "mean" else 1) * g
    powered = {"square": g * g, "size": np.abs(g), "raw": raw * raw}[square]
    v = beta2 * state.get("v", 0.0) + (1 - beta2 if means == "mean" else 1) * powered
    k = max(t + shift, 0)
    c1 = 1 - beta1**k if corrects in ("both", "first") else 1
    c2 = 1 - beta2**k if corrects in ("both", "second") else 1
    u = v / c2 if largest == "corrected" else v
    u = np.maximum(state.get("u", 0.0), u) if amsgrad else u
    w = u if largest == "corrected" else u / c2
    if root == "inside":
        size = np.sqrt(w + eps)
    elif root == "before":
        size = (np.sqrt(u) + eps) / np.sqrt(c2)
    else:
        size = np.sqrt(w) + eps
    return p - lr * (m / c1) / size, {"t": t, "m": m, "v": v, "u": u}


TWISTED: dict[str, Any] = {"sgd": twisted_sgd, "adam": twisted_adam, "adamw": twisted_adam}
"""By rule, the same with places for mistakes: without any it is the rule."""


# --- the mistakes ---------------------------------------------------------------------------------


def where(condition: Any, **change: Any) -> Options:
    """The change, if the condition holds."""
    return change if condition else {}


SHARED = [
    Variant("maximize", "it climbs where the rule descends, or the reverse",
            lambda o: {"maximize": not o["maximize"]}),
    Variant("learning rate", "the step is multiplied by the learning rate twice",
            lambda o: {"lr": o["lr"] ** 2}),
    Variant("learning rate", "the step is not multiplied by the learning rate",
            lambda o: {"lr": 1.0}),
    Variant("learning rate", "the learning rate falls as 1 / t",
            lambda o: {"rate": lambda t: 1 / t}),
    Variant("learning rate", "the learning rate falls as 1 / sqrt(t)",
            lambda o: {"rate": lambda t: 1 / math.sqrt(t)}),
    Variant("weight decay", "weight decay left out",
            lambda o: where(o["weight_decay"], weight_decay=0.0)),
    Variant("weight decay", "weight decay with the wrong sign",
            lambda o: where(o["weight_decay"], weight_decay=-o["weight_decay"])),
    Variant("weight decay", "weight decay of half the strength",
            lambda o: where(o["weight_decay"], weight_decay=o["weight_decay"] / 2)),
    Variant("weight decay", "weight decay of twice the strength",
            lambda o: where(o["weight_decay"], weight_decay=o["weight_decay"] * 2)),
    Variant("weight decay", "the weights shrink by weight_decay, not by lr * weight_decay",
            lambda o: where(o["weight_decay"], decay="bare")),
    Variant("weight decay", "maximize turns the weight decay too",
            lambda o: where(o["weight_decay"] and o["maximize"]
                            and not o.get("decoupled_weight_decay"), flip="sum")),
    Variant("skipped parameter", "a parameter without a gradient is updated as if it were zeros",
            lambda o: {"absent": "zero"}),
    Variant("skipped parameter", "a gradient of zeros counts as none: no decay, no momentum",
            lambda o: {"zeros": "skip"}),
    Variant("shared state", "parameters of one shape share what is remembered",
            lambda o: {"shared": "shape"}),
]  # fmt: skip

SGD = [
    Variant("momentum", "momentum left out", lambda o: where(o["momentum"], momentum=0.0)),
    Variant("momentum", "the first step is dampened: its buffer starts at zeros",
            lambda o: where(o["momentum"] and o["dampening"], first="dampened")),
    Variant("momentum", "dampening left out",
            lambda o: where(o["momentum"] and o["dampening"], dampening=0.0)),
    Variant("momentum", "the momentum is a mean, mu b + (1 - mu) g",
            lambda o: where(o["momentum"], dampening=o["momentum"], first="dampened")),
    Variant("momentum", "the momentum is a mean, mu b + (1 - mu) g, that starts at the gradient",
            lambda o: where(o["momentum"], dampening=o["momentum"])),
    Variant("momentum", "momentum and 1 - momentum exchanged",
            lambda o: where(o["momentum"], momentum=1 - o["momentum"])),
    Variant("momentum", "nesterov ignored", lambda o: where(o["nesterov"], nesterov=False)),
    Variant("momentum", "nesterov where plain momentum belongs",
            lambda o: where(o["momentum"] and not o["nesterov"], nesterov=True)),
    Variant("momentum", "nesterov looks ahead along the buffer of the step before",
            lambda o: where(o["nesterov"], ahead="old")),
    Variant("momentum", "nesterov's step is mu b, without the gradient",
            lambda o: where(o["nesterov"], ahead="alone")),
    Variant("momentum", "nesterov's step is b + mu b, with the buffer for the gradient",
            lambda o: where(o["nesterov"], ahead="twice")),
    Variant("weight decay", "weight decay is decoupled: it does not pass through the momentum",
            lambda o: where(o["weight_decay"], decay="decoupled")),
]  # fmt: skip

ADAM = [
    Variant("bias correction", "no bias correction", lambda o: {"corrects": "none"}),
    Variant("bias correction", "no bias correction of the first moment",
            lambda o: {"corrects": "second"}),
    Variant("bias correction", "no bias correction of the second moment",
            lambda o: {"corrects": "first"}),
    Variant("bias correction", "the bias correction is a step ahead: t + 1",
            lambda o: {"shift": 1}),
    Variant("bias correction", "the bias correction is a step behind: t - 1",
            lambda o: {"shift": -1}),
    Variant("bias correction", "t counts the calls of step(), not the parameter's own updates",
            lambda o: {"shared": "step"}),
    Variant("bias correction", "t grows with every parameter that is updated",
            lambda o: {"shared": "count"}),
    Variant("epsilon", "eps stands inside the square root", lambda o: {"root": "inside"}),
    Variant("epsilon", "eps is added before the bias correction", lambda o: {"root": "before"}),
    Variant("epsilon", "eps left out", lambda o: where(o["eps"], eps=0.0)),
    Variant("amsgrad", "amsgrad ignored", lambda o: where(o["amsgrad"], amsgrad=False)),
    Variant("amsgrad", "amsgrad where it is not asked for",
            lambda o: where(not o["amsgrad"], amsgrad=True)),
    Variant("amsgrad", "the largest is taken after the bias correction",
            lambda o: where(o["amsgrad"], largest="corrected")),
    Variant("momentum", "the betas exchanged", lambda o: {"betas": o["betas"][::-1]}),
    Variant("momentum", "the first moment left out", lambda o: {"betas": (0.0, o["betas"][1])}),
    Variant("momentum", "the second moment is not a mean of squares but of sizes",
            lambda o: {"square": "size"}),
    Variant("momentum", "sums where the moments are means: 1 - beta left out",
            lambda o: {"means": "sum"}),
    Variant("weight decay", "decoupled weight decay (AdamW's) where it belongs to the gradient",
            lambda o: where(o["weight_decay"] and not o["decoupled_weight_decay"],
                            decoupled_weight_decay=True)),
    Variant("weight decay", "weight decay in the gradient where it is to be decoupled",
            lambda o: where(o["weight_decay"] and o["decoupled_weight_decay"],
                            decoupled_weight_decay=False)),
    Variant("weight decay", "weight decay in the first moment, not in the second",
            lambda o: where(o["weight_decay"] and not o["decoupled_weight_decay"], square="raw")),
]  # fmt: skip


VARIANTS: dict[str, list[Variant]] = {
    "sgd": [*SGD, *SHARED],
    "adam": [*ADAM, *SHARED],
    "adamw": [*ADAM, *SHARED],
    "": [v for v in SHARED if v.hint != "weight decay"],
}
"""By rule, the mistakes to try; "" is a rule of the user's."""


def changes(rule: str, options: Options) -> Iterator[tuple[list[Variant], Options]]:
    """Every mistake that makes a difference with these options, then all pairs of two."""
    found = []
    for variant in VARIANTS[rule]:
        try:
            change = variant.change(options)
        except KeyError:  # an option that the user's rule does not have
            continue
        if change:
            found.append((variant, change))
    for variant, change in found:
        yield [variant], options | change
    for (one, first), (other, second) in combinations(found, 2):
        if first.keys().isdisjoint(second):
            yield [one, other], options | first | second
