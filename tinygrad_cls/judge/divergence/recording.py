"""What a training run shows of itself, node by node, and how it is made to follow another run.

Duck-typed: models and tensors may be this engine's or torch's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._state import state

Array: TypeAlias = NDArray[Any]
Key: TypeAlias = tuple[str, str, int, int, int, int]
"""Kind and name; then which forward pass of the epoch (counted downwards from -1 in evaluation),
which call in it, which tensor of the result, and which time that this was seen."""

UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}
"""Unit roundoff."""

LABELS = {
    "start": "{} at the start",
    "input": "the input of {}",
    "output": "{}",
    "loss": "{}",
    "cotangent": "the gradient by the output of {}",
    "gradient": "the gradient of {}",
    "step": "{} after the step",
    "value": "{}",
}
"""The kinds of events, and what they are called."""

RANK = {"start": 0, "input": 1, "output": 1, "loss": 2, "cotangent": 3, "gradient": 4, "step": 5}
"""A kind can be the cause only of those after it in its epoch."""
LATE = len(RANK)  # evaluation, and values beside the loss


class Event(NamedTuple):
    """One value of a run.

    start: of a parameter after the step, before it. module: the class of the node.
    """

    key: Key
    value: Array
    start: Array | None = None
    module: str = ""

    @property
    def kind(self) -> str:
        return self.key[0]

    @property
    def evaluation(self) -> bool:
        return self.key[2] < 0

    @property
    def label(self) -> str:
        """The event for people."""
        _, name, turn, call, part, again = self.key
        text = LABELS[self.kind].format(name)
        text += f", call {call}" if call > 1 else ""
        text += f", result {part + 1}" if part and self.kind != "input" else ""
        text += f", time {again + 1}" if again else ""
        text += f", pass {abs(turn)}" if abs(turn) > 1 else ""
        return text + " in evaluation" * self.evaluation

    @property
    def rank(self) -> int:
        return LATE if self.evaluation else RANK.get(self.kind, LATE)


class Lead:
    """What a follower takes over: every value that it has shown is replaced by the leader's.

    So each node starts from equal inputs, and what it computes is its own doing. ``names``
    translates the follower's names. With ``relative``, an error of that size and of random sign is
    put on every entry.
    """

    def __init__(self, names: Mapping[str, str], relative: float = 0.0, seed: int = 0) -> None:
        self.events: dict[Key, Event] = {}
        self.names, self.relative = names, relative
        self.rng = np.random.default_rng(seed)

    def value(self, key: Key) -> Array | None:
        """The leader's value, None if it has shown none."""
        kind, name, *turn = key
        event = self.events.get((kind, self.names.get(name, name), *turn))  # type: ignore[arg-type]
        if event is None or not self.relative or event.value.dtype.kind != "f":
            return event and event.value
        signs = self.rng.choice((-1.0, 1.0), event.value.shape)
        return np.asarray(event.value * (1 + self.relative * signs))


class Watch:
    """What a run is given: ``watch(model)``, once the model is ready, shows the rest."""

    def __init__(self, lead: Lead | None = None) -> None:
        self.lead = lead
        self.events: dict[Key, Event] = {}
        self.engine: Any = None
        self.device = "cpu"
        self.dtypes: set[str] = set()
        self.largest = 1  # entries of an array that was seen: no sum has more terms
        self._named: list[tuple[str, Any]] = []
        self._parameters: list[tuple[str, Any]] = []
        self._start: dict[str, Array] = {}
        self._handles: list[Any] = []
        self._passing: dict[int, Any] = {}  # tensors that were shown as a node's result
        self._pass, self._passes = 0, {True: 0, False: 0}
        self._calls: dict[str, int] = {}
        self._modules: dict[str, str] = {}

    def __call__(self, model: Any, name: str = "") -> None:
        """Shows the model's nodes (the modules that have no others in them), gradients and
        weights; ``name`` goes before their names.
        """
        if not hasattr(model, "named_parameters") or not hasattr(model, "named_modules"):
            raise TypeError(f"watch: {type(model).__name__} is not a module: give the model")
        before = f"{name}." if name else ""
        modules = dict(model.named_modules())
        self._handles.append(model.register_forward_pre_hook(lambda m, _: self._enter(m)))
        for path, module in modules.items():
            if next(iter(module.children()), None) is None:
                self._watch_node(module, before + (path or type(module).__name__))
        parameters = [(before + path, p) for path, p in model.named_parameters()]
        buffers = [(before + path, p) for path, p in model.named_buffers()]
        twice = {path for path, _ in parameters + buffers} & {path for path, _ in self._named}
        if twice:
            raise ValueError(
                f"watch: there are two of {min(twice)}: give each model a name, watch(model, name)"
            )
        self._parameters += parameters
        self._named += parameters + buffers
        if parameters + buffers:
            self.engine = engine((parameters + buffers)[0][1])
            self.device = str((parameters + buffers)[0][1].device)
        for path, p in parameters + buffers:
            self._note(("start", path, 0, 0, 0, 0), p)
            self._take(path, p, "start")

    def _watch_node(self, module: Any, name: str) -> None:
        self._modules[name] = type(module).__name__
        self._handles += [
            module.register_forward_pre_hook(lambda _, args: self._before(name, args)),
            module.register_forward_hook(lambda _, args, y: self._after(name, args, y)),
        ]

    def _enter(self, model: Any) -> None:
        learning = model.training and (not self.engine or self.engine.is_grad_enabled())
        self._passes[learning] += 1
        self._pass = self._passes[learning] * (1 if learning else -1)
        self._calls.clear()

    def _before(self, name: str, args: tuple[Any, ...]) -> Any:
        self._calls[name] = self._calls.get(name, 0) + 1
        if state.recorder is not None:  # replay takes down the ops, and will not call this again
            return None
        shown = [
            x if id(x) in self._passing else self._show("input", name, i, x) if tensor(x) else x
            for i, x in enumerate(args)
        ]
        return tuple(shown) if self.lead else None

    def _after(self, name: str, args: tuple[Any, ...], y: Any) -> Any:
        mapped((args, y), lambda x, _: self._measure(x))
        if state.recorder is not None:
            return None
        shown = mapped(y, lambda x, i: self._show("output", name, i, x))
        return shown if self.lead else None

    def _measure(self, x: Any) -> None:
        self.largest = max(self.largest, x.numel())

    def _show(self, kind: str, name: str, part: int, x: Any) -> Any:
        """Notes a tensor on its way, and returns the one that goes on."""
        turn = self._pass, self._calls[name], part
        key = self._note((kind, name, *turn, 0), x)
        given = self.lead.value(key) if self.lead else None
        if given is not None and x.is_floating_point():
            own = self.events[key].value
            with np.errstate(invalid="ignore", over="ignore"):
                x = x + like(x, np.where(given == own, 0.0, given - own.astype(np.float64)))
        if kind == "output" and x.requires_grad:
            x.register_hook(lambda g: self._pull(name, turn, g))
        if kind == "output":
            self._passing[id(x)] = x
        return x

    def _pull(self, name: str, turn: tuple[int, int, int], g: Any) -> Any:
        if state.recorder is not None:
            return None
        key = self._note(("cotangent", name, *turn, 0), g)
        given = self.lead.value(key) if self.lead else None
        return None if given is None else like(g, given)

    def _note(self, key: Key, x: Any, start: Array | None = None) -> Key:
        while key in self.events:
            key = (*key[:5], key[5] + 1)
        if tensor(x):
            self.dtypes.add(str(x.dtype).rpartition(".")[2])
            self._measure(x)
        self.events[key] = Event(key, array(x), start, self._modules.get(key[1], ""))
        return key

    def _take(self, name: str, p: Any, kind: str) -> None:
        """Writes the leader's values over a parameter or buffer."""
        given = self.lead.value((kind, name, 0, 0, 0, 0)) if self.lead else None
        if given is not None:
            p.detach().copy_(like(p, given))
        self._start[name] = array(p)

    def finish(self, shown: Any) -> dict[Key, Event]:
        """The epoch's events, in an order in which each can be caused by those before it."""
        if not self._named:
            raise ValueError(
                "diff: a run watched no model with parameters: call watch(model) first"
            )
        for name, value in named_values(shown):
            self._note(("loss" if name == "loss" else "value", name, 0, 0, 0, 0), value)
        for name, p in reversed(self._parameters):
            if p.grad is not None:
                self._note(("gradient", name, 0, 0, 0, 0), p.grad)
        for name, p in self._named:
            self._note(("step", name, 0, 0, 0, 0), p, self._start[name])
            self._take(name, p, "step")
        done = dict(sorted(self.events.items(), key=lambda item: item[1].rank))
        self.events = {}
        self._passing.clear()
        self._calls.clear()
        self._pass, self._passes = 0, {True: 0, False: 0}
        return done

    def close(self) -> None:
        """Takes the hooks off."""
        for handle in self._handles:
            handle.remove()


def tensor(x: Any) -> bool:
    """Whether it is a tensor of some engine."""
    return hasattr(x, "requires_grad") and hasattr(x, "detach")


def mapped(x: Any, function: Callable[[Any, int], Any]) -> Any:
    """Nested tuples, lists and dicts with each tensor replaced; the tensors are counted."""
    count = iter(range(sys.maxsize))

    def visit(x: Any) -> Any:
        if tensor(x):
            return function(x, next(count))
        if isinstance(x, dict):
            return type(x)({name: visit(part) for name, part in x.items()})
        if isinstance(x, tuple | list):
            parts = [visit(part) for part in x]
            return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
        return x

    return visit(x)


def array(x: Any) -> Array:
    """A copy of a tensor's values, on any device, or of a number or array."""
    if not tensor(x):
        return np.array(x)
    x = x.detach().to("cpu")
    return np.array((x.float() if str(x.dtype).endswith("bfloat16") else x).numpy())


def like(x: Any, values: Array) -> Any:
    """A tensor of the given values with engine, device and dtype of ``x``."""
    made = engine(x).from_numpy(np.array(values, order="C"))
    return made.to(device=x.device, dtype=x.dtype)


def engine(x: Any) -> ModuleType:
    """The package that a tensor, perhaps of a user's subclass, comes from."""
    roots = (sys.modules.get(kind.__module__.partition(".")[0]) for kind in type(x).__mro__)
    return next(root for root in roots if root and hasattr(root, "from_numpy"))


def named_values(shown: Any) -> list[tuple[str, Any]]:
    """What a run yields: nothing, its loss, or values by name."""
    if shown is None:
        return []
    return list(shown.items()) if isinstance(shown, Mapping) else [("loss", shown)]
