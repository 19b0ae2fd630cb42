"""What a function sees beside its arguments, and whether all of it is as it was.

Found by looking at the function: its closure, the globals that its code names, and from there
attributes, items and other functions, until an object of the engine, of NumPy or of Python's
library. Of each container the very objects in it are remembered; a replay is allowed while they
are the same.
"""

from __future__ import annotations

import dis
import random
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import chain
from operator import attrgetter, is_
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any
from weakref import ReferenceType

import numpy as np

from ..dtypes import dtype
from ..nn import ModuleDict
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from ..random import Generator
from ..tensor import Tensor
from .program import Array

PLAIN = (int, float, complex, str, bytes, type(None), type(Ellipsis), range, dtype, np.generic)
CONTAINERS = (list, tuple, set, frozenset, deque, array, bytearray)
LIVE = "lr"
"""The option of an optimizer whose value a plan asks for in every call."""
RATES = {LIVE, "param_groups", "defaults", "state_dict"}
"""Names in the user's code by which it may read the learning rate itself."""
BY_NAME = {"getattr", "hasattr", "attrgetter", "globals", "vars", "__dict__", "__getattribute__"}
"""What reads attributes or variables whose names are values."""
WHOLE = {*BY_NAME, "asdict", "astuple", "copy", "deepcopy", "dumps", "replace"}
"""What reads all attributes of an object."""
COMMON = {*dir(object), "step", "optimizer", "__module__"}
"""Attributes of a scheduler that its steps leave as they are."""
CACHE: Any = type(lru_cache(id))
UNSET = object()
"""Stands for a slot without a value."""
DICE = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)

contents: Callable[[CellType], Any] = attrgetter("cell_contents")
looks: Callable[[Tensor], tuple[Any, ...]] = attrgetter(
    "_array", "_requires_grad", "_hooks", "_node"
)


END = (object(),)
"""Stands after all values: one more or less of them moves it."""


class Unwatchable(Exception):
    """The function depends on something whose changes can't be seen."""


class Surroundings:
    """Everything that a function reaches, as it is now."""

    def __init__(self, *roots: Any) -> None:
        self.tensors: list[Tensor] = []
        self._gradients: list[Array] = []
        self._groups: list[Any] = []  # containers, or views of their values
        self._labels: list[str] = []
        self._cells: list[CellType] = []
        self._names: list[str] = []  # of globals
        self._globals: list[dict[str, Any]] = []
        self._options: set[int] = set()  # ids of views of optimizers' groups
        self._schedules: dict[int, LRScheduler] = {}  # by ids of views of their attributes
        self._optimizers: list[tuple[Optimizer, str]] = []
        self._read: set[str] = set()  # all names in the user's code
        self._loaded: set[str] = set()  # those that it reads, not only assigns
        self._plain: list[tuple[Any, str]] = []  # attributes of users' objects and classes
        self._watched: set[tuple[int, str]] = set()  # ids of modules' variables, with a name
        self._classes: set[int] = set()
        self._held: list[ModuleType] = []  # in other variables than globals
        self._modules: set[tuple[int, frozenset[str]]] = set()  # ids, with the names looked for
        self._arrays: list[tuple[Array, Array]] = []
        self._seen: dict[int, Any] = {}
        for root in roots:
            label = getattr(root, "__name__", "an argument")
            try:
                self._visit(root, label, root=True)
                before = -1
                while before != len(self._loaded) + len(self._seen):
                    before = len(self._loaded) + len(self._seen)
                    self._visit_modules()
                    self._visit_attributes()
            except RecursionError:
                raise Unwatchable(f"{label} is nested too deeply to be looked through") from None
        self._rates_are_read = not RATES.isdisjoint(self._read)
        if self._rates_are_read:
            for optimizer, label in self._optimizers:
                self._all_options(optimizer, label)
        self._empty = [group for group in self._groups if not group]
        full = [i for i, group in enumerate(self._groups) if group]
        self._groups = [self._groups[i] for i in full]
        self._labels = [self._labels[i] for i in full]
        self._sizes = list(map(len, self._groups))
        self._values = list(self._now())

    def __contains__(self, x: Any) -> bool:
        return id(x) in self._seen

    def arrays(self) -> list[Array]:
        """All memory that was found."""
        found = [t._array for t in self.tensors]
        return [*found, *self._gradients, *(a for a, _ in self._arrays)]

    def _now(self) -> Iterator[Any]:
        return chain(
            chain.from_iterable(self._groups),
            map(contents, self._cells),
            map(dict.get, self._globals, self._names),
            chain.from_iterable(map(looks, self.tensors)),
            END,
        )

    def same(self) -> bool:
        """Whether nothing has changed; what is live may have."""
        try:
            same = all(map(is_, self._now(), self._values)) and not any(self._empty)
        except (AttributeError, RuntimeError, ValueError):  # a deleted variable, a growing dict
            return False
        if same and not self._arrays:
            return True
        return self.change() is None

    def change(self) -> str | None:
        """What has changed, in words. Equal numbers are taken for the old ones."""
        for label, group, size in zip(self._labels, self._groups, self._sizes, strict=True):
            if len(group) != size:
                return f"{label} has {len(group)} items and had {size}"
        if any(self._empty):
            return "a container that was empty"
        try:
            now = list(self._now())
        except (AttributeError, RuntimeError, ValueError):
            return "a variable or an attribute was deleted"
        for i, (new, old) in enumerate(zip(now, self._values, strict=True)):
            if new is not old and not equal(new, old):
                where, live = self._describe(i)
                if not live:
                    return f"{where}: {brief(old)} became {brief(new)}"
        for a, copy in self._arrays:
            if a.shape != copy.shape or a.tobytes() != copy.tobytes():
                return f"the values of a NumPy array of shape {a.shape}"
        self._values = now
        return None

    def _describe(self, i: int) -> tuple[str, bool]:
        """Where value number ``i`` lies, and whether it is live."""
        for label, group, size in zip(self._labels, self._groups, self._sizes, strict=True):
            if i < size:
                mapping = getattr(group, "mapping", None)
                key = list(mapping)[i] if mapping is not None else i
                if id(group) in self._schedules:
                    live = key != "optimizer" and self._unread(self._schedules[id(group)])
                else:
                    live = key == LIVE and id(group) in self._options and not self._rates_are_read
                return f"{label}[{key!r}]", live
            i -= size
        if i < len(self._cells):
            return "a variable of the enclosing function", False
        i -= len(self._cells)
        if i < len(self._names):
            return f"the global {self._names[i]}", False
        i -= len(self._names)
        what = ("its memory", "requires_grad", "its hooks", "its graph")[i % 4]
        return f"{what} (a tensor of shape {tuple(self.tensors[i // 4].shape)})", False

    def _unread(self, scheduler: LRScheduler) -> bool:
        """Whether no name in the user's code is one of a scheduler's that its steps change."""
        return self._read.isdisjoint(BY_NAME | set(dir(scheduler)) - COMMON)

    # --- finding ------------------------------------------------------------------------------

    def _visit(self, x: Any, label: str, root: bool = False) -> None:
        if isinstance(x, PLAIN) or id(x) in self._seen:
            return
        self._seen[id(x)] = x
        if isinstance(x, CACHE) and not built_in(x.__wrapped__):
            raise Unwatchable(
                f"{label} is a cache: what it keeps can't be recorded; take the cache off, or call "
                f"it outside"
            )
        made_of = parts(x)
        for part in made_of:
            self._visit(part, label)
        if isinstance(x, Tensor):
            self._tensor(x, label)
        elif isinstance(x, np.ndarray):
            if x.dtype == object:
                raise Unwatchable(f"{label} is a NumPy array of Python objects: make it a list")
            self._arrays.append((x, x.copy("K")))
        elif isinstance(x, FunctionType):
            if root or not built_in(x):
                self._function(x, label)
        elif isinstance(x, type):
            self._class(x)
        elif isinstance(x, ModuleType):
            self._held.append(x)
        elif isinstance(x, (*DICE, Iterator)):
            raise Unwatchable(
                f"{label} is a {type(x).__name__}: what it gives next can't be recorded. Pass its "
                f"items to the compiled function as arguments; tinygrad_cls's own random numbers "
                f"may be drawn inside"
            )
        elif not (made_of or isinstance(x, np.dtype | Generator)):
            self._object(x, label)  # what a Generator draws is live

    def _tensor(self, t: Tensor, label: str) -> None:
        self.tensors.append(t)
        if t._hooks:
            self._group(t._hooks.values(), f"the hooks of {label}")
        if t._grad is not None:
            self._gradients.append(t._grad._array)
        if t._attributes():
            self._group(Attributes(t, tuple(t._attributes())), label)

    def _group(self, values: Any, label: str) -> None:
        if not isinstance(values, tuple | frozenset):  # it can't change, what is in it can
            self._groups.append(values)
            self._labels.append(label)
        for x in list(values):
            self._visit(x, label)

    def _function(self, f: FunctionType, label: str) -> None:
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            self._cells.append(cell)
            self._visit(value, name)
        if f.__defaults__ or f.__kwdefaults__:
            defaults = Attributes(f, ("__defaults__", "__kwdefaults__"))
            self._group(defaults, f"the defaults of {label}")
        if f.__dict__:
            self._group(f.__dict__.values(), label)
        names: set[str] = set()
        strings: set[str] = set()
        for code in nested(f.__code__):
            names.update(code.co_names)
            strings.update(words(code.co_consts))
            self._loaded.update(loaded(code))
        self._read |= names | strings
        if not names.isdisjoint(BY_NAME):
            self._loaded |= strings
        if not names.isdisjoint(BY_NAME):
            names |= strings
        self._variables(f.__globals__, names, "")
        for name in names & sys.modules.keys() - f.__globals__.keys():  # imported by the function
            self._module(sys.modules[name], names)

    def _variables(self, variables: dict[str, Any], names: set[str], where: str) -> None:
        """Those of a module's variables that code with these ``names`` in it may ask for."""
        for name in sorted(names & variables.keys()):
            value = variables[name]
            if (id(variables), name) not in self._watched:
                self._watched.add((id(variables), name))
                self._names.append(name)
                self._globals.append(variables)
            if isinstance(value, ModuleType):
                self._module(value, names)
            else:
                self._visit(value, where + name)

    def _module(self, module: ModuleType, names: set[str]) -> None:
        key = id(module), frozenset(names)  # another function may ask for more of it
        if not library(module.__name__) and key not in self._modules:
            self._modules.add(key)
            self._seen[id(module)] = module
            self._variables(vars(module), names, f"{module.__name__}.")

    def _visit_modules(self) -> None:
        """Looks through modules that lie in objects or closures, for any name in user's code."""
        before = -1
        while self._held and before != len(self._read):
            before = len(self._read)
            for module in tuple(self._held):
                self._module(module, self._read)

    def _visit_attributes(self) -> None:
        """Of users' objects and classes, what their code names: an attribute that only other
        methods use, such as a list of losses, may change.
        """
        whole = not WHOLE.isdisjoint(self._read)
        for attributes, label in tuple(self._plain):
            for name in tuple(attributes):
                key = id(attributes), name
                special = name.startswith("__") and name != "__init__"
                if key not in self._watched and (whole or special or name in self._loaded):
                    self._watched.add(key)
                    if isinstance(attributes, dict):
                        self._names.append(name)
                        self._globals.append(attributes)
                    self._visit(attributes[name], f"{label}.{name}")

    def _class(self, kind: type) -> None:
        engines = any(base.__module__.startswith("tinygrad_cls.") for base in kind.__mro__)
        for base in kind.__mro__:
            if not library(base.__module__) and id(base) not in self._classes:
                self._classes.add(id(base))
                names: Any = MappingProxyType(vars(base))
                if engines:  # whose methods the engine calls
                    self._group(names.values(), base.__name__)
                else:
                    self._groups.append(names.values())
                    self._labels.append(base.__name__)
                    self._plain.append((names, base.__name__))

    def _object(self, x: Any, label: str) -> None:
        if isinstance(x, Mapping):
            values = x.values()
            if hasattr(values, "__len__"):
                self._group(values, label)
                self._group(x, f"the keys of {label}")
            elif not hasattr(x, "__dict__"):  # a weak dict's content is in its attributes
                raise Unwatchable(f"{label} is a {type(x).__name__}, which can't be looked through")
        elif isinstance(x, CONTAINERS):
            self._group(x, label)
        own = not library(type(x).__module__)
        if own:
            self._visit(type(x), type(x).__name__)
            names = slots(type(x))
            if names:
                whole = all(hasattr(x, name) for name in names)
                self._group((Attributes if whole else Slots)(x, names), label)
        attributes = getattr(x, "__dict__", None)
        if attributes is None:
            return
        if isinstance(x, Optimizer):
            self._optimizer(x, label)
            return
        if any(kind.__module__.startswith("tinygrad_cls.") for kind in type(x).__mro__):
            # names in its dicts are its business
            self._registries(attributes.values(), label, isinstance(x, ModuleDict))
        else:
            self._group(attributes, f"the names in {label}")
            if own and not isinstance(x, (Mapping, *CONTAINERS)):
                self._plain.append((attributes, label))
                return
        values = attributes.values()
        if isinstance(x, LRScheduler):
            self._schedules[id(values)] = x
        self._group(values, label)

    def _registries(self, values: Iterable[Any], label: str, keys: bool = False) -> None:
        for x in values:
            if isinstance(x, dict) and id(x) not in self._seen:
                self._seen[id(x)] = x
                self._group(x.values(), label)
                if keys and x:
                    self._group(x, f"the names in {label}")

    def _optimizer(self, x: Optimizer, label: str) -> None:
        """What a step depends on; how parameters are packed is the optimizer's own business."""
        for group in x.param_groups:
            options = group.values()
            self._seen[id(group)] = options
            if type(x).__module__.startswith("tinygrad_cls.optim."):
                self._options.add(id(options))
            self._group(options, f"{label}.param_groups")
        self._optimizers.append((x, label))
        self._seen[id(x.state)] = x.state
        self._group(x.state.values(), f"{label}.state")
        self._group(x.state.keys(), f"{label}.state")
        attributes = vars(x)
        names = sorted(attributes.keys() - {"_packings", "defaults"})
        self._registries([attributes[name] for name in names], label)
        names = sorted({*names, "step"})  # which a scheduler or a user may replace
        self._names += names
        self._globals += [attributes] * len(names)
        for name in attributes.keys() - {"_packings", "defaults", "param_groups", "state"}:
            self._visit(attributes[name], f"{label}.{name}")

    def _all_options(self, x: Optimizer, label: str) -> None:
        """What the user's code may read of an optimizer, beside what a step does."""
        self._names += ["defaults", "param_groups"]
        self._globals += [vars(x)] * 2
        self._group(x.defaults.values(), f"{label}.defaults")
        self._group(x.defaults, f"{label}.defaults")
        self._group(x.param_groups, f"{label}.param_groups")
        for group in x.param_groups:
            self._group(group, f"{label}.param_groups")


class Attributes:
    """Some of an object's attributes, as a container."""

    def __init__(self, x: Any, names: tuple[str, ...]) -> None:
        self.get = attrgetter(*names)
        self.x = x
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Any]:
        found = self.get(self.x)
        return iter(found if len(self.names) > 1 else (found,))


class Slots(Attributes):
    """Those of an object's slots, where some have no value yet."""

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self.x, name, UNSET) for name in self.names])


def slots(kind: type) -> tuple[str, ...]:
    """The attributes for which a class, or a base of it, has slots."""
    found = []
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else tuple(names):
            if name.startswith("__") and not name.endswith("__"):  # private, so it's mangled
                found.append(f"_{base.__name__.lstrip('_')}{name}")
            elif name not in {"__dict__", "__weakref__"}:
                found.append(name)
    return tuple(found)


def parts(x: Any) -> tuple[Any, ...]:
    """What a callable or a property is made of, unless it's a function itself."""
    if isinstance(x, MethodType):
        return x.__self__, x.__func__
    if isinstance(x, BuiltinFunctionType):  # such as the append of a list
        return (x.__self__,)
    if isinstance(x, partial):
        return x.func, x.args, x.keywords
    if isinstance(x, property):
        return x.fget, x.fset, x.fdel
    if isinstance(x, staticmethod | classmethod):
        return (x.__func__,)
    if isinstance(x, ReferenceType):
        return (x(),)
    if isinstance(x, FunctionType | CACHE) and hasattr(x, "__wrapped__"):
        return (x.__wrapped__,)
    if hasattr(type(x), "recordings_of"):  # a compiled function, this one or another
        return (x.function,)
    return ()


def nested(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def words(constants: Any) -> Iterator[str]:
    """The strings in a function's constants."""
    for x in constants:
        if isinstance(x, str):
            yield x
        elif isinstance(x, tuple | frozenset):
            yield from words(x)


def built_in(f: Any) -> bool:
    """Whether a function is a library's, and not only named like one, as by ``wraps``."""
    variables = getattr(f, "__globals__", None)
    name = f.__module__ if variables is None else variables.get("__name__", "__main__")
    return library(f.__module__) and library(name)


@lru_cache(maxsize=4096)
def loaded(code: CodeType) -> frozenset[str]:
    """The names that code reads."""
    return frozenset(
        step.argval
        for step in dis.get_instructions(code)
        if step.opcode in dis.hasname and not step.opname.startswith(("STORE_", "DELETE_"))
    )


def library(name: str | None) -> bool:
    """Whether a module is the engine's, NumPy's or Python's, whose functions don't change."""
    if name is None:
        return True
    top = name.partition(".")[0]
    if top == "tinygrad_cls":
        return not name.startswith("tinygrad_cls.experiments")
    if top == "__main__" or top not in sys.modules:
        return False
    file = getattr(sys.modules[top], "__file__", None) or ""
    return top in sys.stdlib_module_names or "site-packages" in file


def equal(new: Any, old: Any) -> bool:
    """Whether two plain values are the same one; 0.0 and -0.0 are not."""
    return type(new) is type(old) and isinstance(new, PLAIN) and repr(new) == repr(old)


def brief(x: Any) -> str:
    """A value in few words."""
    if isinstance(x, PLAIN):
        return repr(x)
    return f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
