"""A compiled function: it looks for a plan that fits, replays it, or records a new one."""

from __future__ import annotations

import functools
import random
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from .. import dtypes
from .._state import set_tape, state, tick
from ..tensor import Tensor, blank
from .guards import PLAIN, Surroundings, Unwatchable
from .passes import PASSES
from .plan import Plan
from .program import empty_like, nested
from .recorder import Recorder, refusal

PLANS = 16
"""Plans that a compiled function keeps: for so many shapes and modes at a time."""
PATIENCE = 8
"""Recordings in a row, none of them replayed, after which a warning says why."""
OFTEN = 12
"""Recordings after which a warning comes too if they are more than a quarter of the calls."""

PACKAGE = __name__.partition(".")[0] + "."


class Compiled:
    """What :func:`compile` returns."""

    recordings_of = "function"

    def __init__(self, function: Callable[..., Any], passes: Sequence[str]) -> None:
        unknown = set(passes) - PASSES.keys()
        if not callable(function):
            raise TypeError(f"compile takes a function, not {type(function).__name__}")
        if unknown:
            raise ValueError(f"compile has no pass {sorted(unknown)}: there are {list(PASSES)}")
        self.function = function
        self.passes = tuple(passes)
        self.plan: Plan | None = None
        self.recordings = 0
        self._plans: OrderedDict[Any, list[Plan]] = OrderedDict()
        self._lock = threading.RLock()
        self._calls = self._in_vain = self._skipped = 0
        self._warned = False
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__qualname__', self.function)}>"

    def __getattr__(self, name: str) -> Any:
        """A Module's parameters, modes and so on."""
        return getattr(self.__dict__["function"], name)

    def __reduce__(self) -> Any:
        return Compiled, (self.function, self.passes)

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.tape is not None:  # a recording inside of another, or a tape that must see each op
            return self.function(*args, **kwargs)
        given = Given((args, kwargs)) if args or kwargs else NOTHING
        key = given.key, modes()
        with self._lock:
            self._calls += 1
            for plan in self._plans.get(key, ()):
                if plan.fits(given):
                    self.plan = plan
                    self._in_vain = 0
                    return plan.run(given)
            self._in_vain += 1
            often = self.recordings >= OFTEN and 4 * self.recordings > self._calls
            if self._in_vain > PATIENCE or often:
                self._skipped += 1
                if self._skipped & (self._skipped - 1):  # tried again after 1, 2, 4, 8, ... calls
                    return self.function(*args, **kwargs)
            return self._record(key, given, often)

    def _record(self, key: Any, given: Given, often: bool) -> Any:
        """The function's result, computed eagerly, and a plan if it can be repeated."""
        plans = self._plans.get(key, [])
        changed = next((c for plan in plans if (c := plan.change())), "other shapes or arguments")
        result, plan = record(self.function, given, self.passes)
        self.recordings += 1
        self.plan = plan
        if plan.once is None:
            self._plans[key] = [plan, *plans]  # the newest is the likeliest to fit
            self._plans.move_to_end(key)
            if sum(map(len, self._plans.values())) > PLANS:
                oldest = next(iter(self._plans))
                self._plans[oldest].pop()
                if not self._plans[oldest]:
                    del self._plans[oldest]
        if (self._in_vain == PATIENCE or often) and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self!r} was recorded {self.recordings} times in {self._calls} calls: "
                f"{plan.once or changed}. Numbers that change belong in tensors, and changes of "
                f"Python objects outside of the function. It now runs eagerly most of the time",
                stacklevel=3,
            )
        return result


class Given:
    """The arguments of a call: its tensors, and a key of all the rest."""

    def __init__(self, structure: Any) -> None:
        self.tensors: list[Tensor] = []
        self.objects: list[Any] = []
        self.structure = structure
        self.key = self._read(structure)

    def _read(self, x: Any) -> Any:
        kind = type(x)
        if isinstance(x, Tensor):
            for i, t in enumerate(self.tensors):
                if t is x:
                    return i
            self.tensors.append(x)
            a = x._array  # sums depend on the order in memory, in their last digits
            graph: Any = None
            if x._requires_grad or x._node or x._inference:
                mode = x._inference, x._grad is None, not x._hooks
                graph = x._requires_grad, x._node is None, *mode
            return kind, a.shape, a.dtype, a.strides, graph
        if isinstance(x, tuple | list):
            return kind, tuple([self._read(part) for part in x])
        if kind is dict or kind is OrderedDict:
            return kind, tuple([(name, self._read(part)) for name, part in x.items()])
        if isinstance(x, np.ndarray):
            raise refusal(
                f"an argument is a NumPy array, of shape {x.shape}: give a tensor, such as "
                f"tinygrad_cls.from_numpy makes without a copy"
            )
        if isinstance(x, (*PLAIN, slice)):
            return kind, repr(x) if isinstance(x, float | complex | slice | np.generic) else x
        self.objects.append(x)
        return kind, id(x)


NOTHING = Given(((), {}))


def record(function: Any, given: Given, passes: Sequence[str]) -> tuple[Any, Plan]:
    """Runs the function eagerly, and makes a plan of what it did."""
    try:
        surroundings = Surroundings(function, *given.objects)
    except Unwatchable as error:
        raise refusal(str(error)) from None
    recorder = Recorder(surroundings.arrays(), tick())
    twins = [x if x in surroundings else twin_of(x) for x in given.tensors]
    for x, twin in zip(given.tensors, twins, strict=True):
        if twin is not x:
            recorder.takes(twin)
    now, dice = modes(), draws_of_others()
    named = {id(x): twin for x, twin in zip(given.tensors, twins, strict=True)}
    args, kwargs = nested(given.structure, lambda x: named.get(id(x), x))
    given_as = skeleton((args, kwargs))
    versions = [(t, version(t)) for t in surroundings.tensors]
    try:
        set_tape(events=recorder)
        state.recorder = recorder
        result = function(*args, **kwargs)
    finally:
        state.recorder = None
        set_tape(events=None)
    if recorder.refused is not None:  # the function caught it
        raise recorder.refused
    if skeleton((args, kwargs)) != given_as:
        raise refusal(
            "the function changes a list or a dict that it was given, which is a copy of the "
            "caller's: return what is new"
        )
    counted = {id(t._counter) for t in recorder.written.values()}
    for t, before in versions:
        if version(t) != before and id(t._counter) not in counted:
            recorder.once = (
                f"the function writes to a tensor of shape {tuple(t.shape)} where it can't be "
                f"recorded, such as in another thread"
            )
    if dice != draws_of_others() and not drawn_elsewhere(function):
        raise refusal(
            "the function drew from Python's or NumPy's random numbers, which a replay would not "
            "draw again: draw with tinygrad_cls, or pass them as arguments"
        )
    for x, twin in zip(given.tensors, twins, strict=True):
        if (twin._hooks and twin is not x) or twin.requires_grad != x.requires_grad:
            raise refusal(
                f"the function changes requires_grad or the hooks of its argument of shape "
                f"{tuple(x.shape)}, which is a copy: do it outside, or on a detach()"
            )
    change = "another grad mode or default dtype" if now != modes() else surroundings.change()
    if change is not None:
        recorder.once = f"the function itself changes {change}"
    plan = Plan(recorder, surroundings, given, twins, result, passes)
    result, plan.first = plan.first, None
    return result, plan


def skeleton(x: Any) -> Any:
    """Nested containers with the ids of what is in them."""
    if isinstance(x, tuple | list):
        return type(x), tuple([skeleton(part) for part in x])
    if isinstance(x, dict):
        return type(x), tuple([(name, skeleton(part)) for name, part in x.items()])
    return id(x)


def version(t: Tensor) -> int:
    """How often a tensor's memory was written to."""
    return t._counter[0] if t._counter else 0


def modes() -> tuple[Any, ...]:
    """What a function depends on and need not name."""
    return state.grad_enabled, state.inference, dtypes.Default.dtype


def twin_of(x: Tensor) -> Tensor:
    """A leaf with a copy of an argument's memory."""
    if x._node is not None and state.grad_enabled:
        raise refusal(
            f"an argument of shape {tuple(x.shape)} was computed with requires_grad: its graph "
            f"does not reach into a compiled function. detach() it, or compute it inside"
        )
    if x._attributes():
        raise refusal(
            f"an argument of shape {tuple(x.shape)} has attributes of its own, "
            f"{', '.join(x._attributes())}, which its copy has not: let the function refer to it "
            f"by a variable"
        )
    if x._hooks:
        raise refusal(
            f"an argument of shape {tuple(x.shape)} has hooks, which a replay would not call: let "
            f"the function refer to it by a variable"
        )
    if x._grad is not None and x._requires_grad and state.grad_enabled:
        raise refusal(
            f"an argument of shape {tuple(x.shape)} has a gradient, to which a replay would not "
            f"add: set its .grad to None before, or let the function refer to it by a variable"
        )
    twin = blank(type(x))
    twin._array = empty_like(x._array)
    np.copyto(twin._array, x._array)
    twin._shared = x._shared or x._base is not None
    twin._requires_grad = x.requires_grad
    if x._inference:
        twin._inference = True
    return twin


def drawn_elsewhere(function: Any) -> bool:
    """Whether another thread has drawn, as a Dask worker's do: the states are the process's. It is
    taken for granted of this package's own functions, which draw from neither.
    """
    own = isinstance(function, FunctionType) and function.__module__.startswith(PACKAGE)
    return own and threading.active_count() > 1


def draws_of_others() -> Any:
    """The states of Python's and NumPy's global random numbers, without reading them twice."""
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (what others draw from)
    key = numpy_state["state"]
    return hash(random.getstate()), key["key"].tobytes(), key["pos"], numpy_state["has_gauss"]
