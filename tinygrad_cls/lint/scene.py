"""What the rules know in common: marked tensors, leaves, the modules that are called, and names."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from typing import Any, TypeAlias

from .._state import state
from ..callsite import NOT_THE_USERS, Callsite, caller
from ..nn import Module
from ..tensor import Tensor

Version: TypeAlias = tuple[int, int]


class Marks:
    """What is remembered of tensors as long as they live."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def put(self, tensor: Any, mark: Any) -> None:
        """Remembers ``mark``."""
        key = id(tensor)

        def forget(_: Any) -> None:
            self._found.pop(key, None)

        self._found[key] = weakref.ref(tensor, forget), mark

    def get(self, tensor: Any) -> Any:
        """What was remembered, or None."""
        found = self._found.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def __len__(self) -> int:
        return len(self._found)


class Leaf:
    """A leaf of the graph: a parameter, or another tensor that requires grad."""

    def __init__(self, tensor: Any, name: str) -> None:
        self.tensor = weakref.ref(tensor)
        self.name = name
        self.shape = tuple(tensor.shape)
        self.wanted = tensor.requires_grad
        self.root: Root | None = None  # the module it belongs to
        self.optimizer: Callsite | None = None  # where it was given to one
        self.gradients = 0  # how often one came
        self.version: Version | None = None  # of its memory, when the last one came
        self.first: Version | None = None  # and when the first came
        self.polluted: Version | None = None  # its version when one came onto the last step's
        self.stale = 0  # steps that used such a sum
        self.called: Callsite | None = None  # backward that made it

    def __str__(self) -> str:
        return f"{self.name} {self.shape}" if self.name else f"a tensor of shape {self.shape}"


class Root:
    """A module that the script calls itself."""

    def __init__(self, module: Any, name: str) -> None:
        self.module = weakref.ref(module)
        self.name = name
        self.called = caller()
        self.leaves: list[Leaf] = []
        self.moody = [  # layers that compute something else in evaluation mode
            (path, type(m).__name__, weakref.ref(m))
            for path, m in module.named_modules()
            if getattr(m, "p", 0) > 0 or getattr(m, "running_mean", None) is not None
        ]

    def in_mode(self, training: bool) -> list[str]:
        """Its layers that the mode matters to and that are in this mode."""
        found = []
        for path, kind, ref in self.moody:
            m = ref()
            if m is not None and m.training is training:
                found.append(f"{kind} {path}".strip())
        return found


class Scene:
    """All that is alive, and the names that the script has for it."""

    def __init__(self) -> None:
        self.linear = Marks()  # what LinearInARow knows of tensors
        self.leaves = Marks()
        self.roots = Marks()
        self.known: list[Leaf] = []  # of modules and optimizers
        self.others: dict[int, Leaf] = {}  # that got gradients, by the line of their fault
        self.alive: deque[Any] = deque(maxlen=8)  # kept till the end, to be asked then
        self.passes = 0  # backward passes
        self.ops = 0
        self.loss: Callsite | None = None  # where the last loss was computed

    def leaf(self, tensor: Any, name: str = "") -> Leaf:
        """What is known of a leaf."""
        found: Leaf | None = self.leaves.get(tensor)
        if found is None:
            found = Leaf(tensor, name or name_of(tensor))
            self.leaves.put(tensor, found)
        elif name and not found.name:
            found.name = name
        return found

    def keep(self, leaf: Leaf) -> None:
        """A leaf that belongs to nobody is remembered if there is something to say about it."""
        if leaf.root is None and leaf.optimizer is None and leaf.called is not None:
            self.others.setdefault(leaf.called[1], leaf)

    def kept(self) -> list[Leaf]:
        """All leaves that something may have to be said about."""
        return [*self.known, *(x for x in self.others.values() if x not in self.known)]

    def enlist(self, leaf: Leaf) -> None:
        """A leaf that is meant to learn."""
        if leaf.root is None and leaf.optimizer is None:
            self.known.append(leaf)

    def root(self, module: Any) -> Root:
        """What is known of a module that the script calls."""
        found: Root | None = self.roots.get(module)
        if found is None:
            name = name_of(module)
            found = Root(module, name or type(module).__name__)
            self.roots.put(module, found)
            self.alive.append(module)
            for path, parameter in module.named_parameters():
                leaf = self.leaf(parameter, f"{name}.{path}" if name else path)
                self.enlist(leaf)
                leaf.root = leaf.root or found
                found.leaves.append(leaf)
        return found

    def optimizes(self, optimizer: Any) -> None:
        """An optimizer was given parameters."""
        called = caller()
        self.alive.append(optimizer)
        for group in optimizer.param_groups:
            for p in group["params"]:
                leaf = self.leaf(p)
                self.enlist(leaf)
                leaf.optimizer = leaf.optimizer or called


def version(tensor: Any) -> Version:
    """Which memory a tensor has (``.data = ...`` gives it another), and how often that was written
    to.
    """
    counter = tensor._counted()
    return id(counter), counter[0]


def is_leaf(x: Any) -> bool:
    """Whether it's a tensor that learns."""
    return isinstance(x, Tensor) and x._requires_grad and x._node is None


def learning() -> bool:
    """Whether what is computed now is recorded for a backward pass."""
    return state.grad_enabled and not state.inference


def name_of(wanted: Any) -> str:
    """The name that the running functions of the script have for a tensor or a module: that of a
    variable, or its path in a module that is one. Nothing if there is none.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(NOT_THE_USERS):
            for scope in (frame.f_locals, frame.f_globals):
                for name, value in list(scope.items()):
                    if value is wanted and name != "self":
                        return str(name)
                for name, value in list(scope.items()):
                    path = path_in(value, wanted)
                    if path:
                        return path if name == "self" else f"{name}.{path}"
        frame = frame.f_back
    return ""


def path_in(module: Any, wanted: Any) -> str:
    """Where in a module a part or a parameter is."""
    if not isinstance(module, Module) or "_modules" not in module.__dict__:
        return ""
    parts = module.named_parameters() if isinstance(wanted, Tensor) else module.named_modules()
    found: str = next((path for path, part in parts if part is wanted), "")
    return found
