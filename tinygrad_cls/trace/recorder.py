"""What watches while a trace runs: every op at the choke-point, every step of the chain rule."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from .._state import set_tape, state
from ..autograd.function import OutputNode
from ..callsite import caller, line
from ..chain_rule import Node, chain_rule
from ..nn import Module, Parameter
from ..tensor import Event, Tensor
from .backward import Pass, same
from .record import Array, Call, Trace, Value, copied

CALL = Module.__call__.__code__
"""Whose frames say which modules are running."""
BACKWARD = inspect.unwrap(chain_rule).__code__
"""Whose frame says that backward runs."""


class Recorder:
    """The context manager that :func:`tinygrad_cls.trace` returns. It stands where anomaly
    detection stands, and hands on what it sees to whatever watched before.
    """

    def __init__(self, names: dict[str, Any] | None) -> None:
        if names is not None and not isinstance(names, dict):
            raise TypeError(
                f"trace() takes names, a dict such as locals(), not {type(names).__name__}. It "
                f"records what a block computes: with trace() as t. (The sum of a matrix's "
                f"diagonal, torch.trace, is not in this engine)"
            )
        self.names = names
        self.trace = Trace()
        self.outer: Any = None
        self.tape: Any = None  # what else takes the events
        self._values: dict[Any, str] = {}  # of a node, or of a leaf and its version
        self._kept: list[Any] = []  # so that no other object gets the id of one of these
        self._tensors: dict[int, list[str]] = {}  # the values of a tensor, by its id
        self._running: list[tuple[Any, Any, int]] = []  # frames of modules, which, the nth call
        self._calls: dict[tuple[Any, ...], int] = {}
        self._passes = 0
        self.now = -1  # which backward pass runs
        self.grads: dict[Tensor, Array | None] = {}  # what is in a tensor's .grad

    # --- the block ------------------------------------------------------------------------------

    def __enter__(self) -> Trace:
        self.outer = state.watch
        set_tape(watch=self)
        return self.trace

    def __exit__(self, *_: object) -> None:
        set_tape(watch=self.outer)
        self._running.clear()  # frames, which hold everything in them
        names = self.names if self.names is not None else sys._getframe(1).f_locals
        self.trace.finish(dict(names), self._tensors)

    # --- what state.watch is asked ----------------------------------------------------------------

    def over(self, events: Any) -> Recorder:
        """Itself, handing the events on to a recording."""
        self.tape = self.outer.over(events) if self.outer is not None else events
        return self

    def append(self, event: Event) -> None:
        """Takes the event of an op that was just applied."""
        if self.tape is not None:
            self.tape.append(event)
        y = event.output
        modules, backward = self._modules()
        if backward and y._node is None:
            return  # a rule or a sum at work, whose result no later backward reads
        inputs = tuple(self.value_of(x) if isinstance(x, Tensor) else x for x in event.inputs)
        found = self._add("result", y, y._array)
        recorded = y._node is not None
        self._note(y._node if recorded else (id(y), version(y)), found)
        within = self.now if backward else None
        place = line(caller())
        self.trace.calls.append(
            Call(
                event.op,
                event.op.name,
                inputs,
                event.static,
                found,
                modules,
                place,
                recorded,
                within,
            )
        )

    def made(self, node: Node) -> None:
        """Takes the node of a Function."""
        if self.outer is not None:
            self.outer.made(node)

    def begins(self, seeds: Any) -> Pass:
        """A backward pass starts: what watches it."""
        outer = None if self.outer is None else self.outer.begins(seeds)
        self._passes += 1
        self.now = self._passes - 1
        return Pass(self, self.now, outer, seeds)

    # --- notes ------------------------------------------------------------------------------------

    def _add(self, kind: str, x: Any, array: Array | None) -> str:
        """A new value's id."""
        found = f"v{len(self.trace.values)}"
        copy = None if array is None else copied(array)
        needs = x.requires_grad if isinstance(x, Tensor) else True
        self.trace.values.append(Value(found, kind, copy, needs))
        if isinstance(x, Tensor):
            self._kept.append(x)
            self._tensors.setdefault(id(x), []).append(found)
        return found

    def _note(self, key: Any, found: str) -> None:
        self._values[key] = found
        self._kept.append(key)

    def value_of(self, x: Tensor) -> str:
        """The id of a tensor's present value."""
        if x._node is not None:
            found = self.edge_value(x._node, x)
            if found not in self._tensors.setdefault(id(x), []):  # written in place: a new value
                self._kept.append(x)
                self._tensors[id(x)].append(found)
            return found
        key = id(x), version(x)
        if key not in self._values or not self._is(x, self._values[key]):
            kind = "parameter" if isinstance(x, Parameter) or x._requires_grad else "input"
            self._note(key, self._add(kind, x, x._array))
        return self._values[key]

    def _is(self, x: Tensor, found: str) -> bool:
        """Whether a tensor still holds that value: x.data and NumPy write past the version."""
        array = self.trace[found].array
        return array is not None and same(array, x._array)

    def edge_value(self, edge: Any, x: Tensor | None = None) -> str:
        """The id of the value whose cotangent goes to ``edge``; what a Function made, or what was
        computed before the block, is noted with all that leads to it.
        """
        if isinstance(edge, Tensor):
            return self.value_of(edge)
        stack = [edge]
        while stack:
            node = stack[-1]
            missing = [e for e in node.edges if isinstance(e, Node) and e not in self._values]
            if missing and node not in self._values:
                stack.extend(missing)
                continue
            stack.pop()
            if node not in self._values:
                self._unseen(node, x if node is edge else None)
        return self._values[edge]

    def _unseen(self, node: Node, x: Tensor | None) -> None:
        """Notes the result of a node that passed no choke-point in this block."""
        if isinstance(node, OutputNode):
            inputs: tuple[Any, ...] = (self._values[node.edges[0]],)
        else:
            inputs = tuple(self.edge_value(e) for e in node.edges if e is not None)
        found = self._add("result", x, None if x is None else x._array)
        self._note(node, found)
        title = node.op.name if node.op is not None else node.name().removesuffix("Backward")
        self.trace.calls.append(Call(None, title, inputs, {}, found, (), "", True, None))

    def _modules(self) -> tuple[tuple[tuple[Any, int], ...], bool]:
        """The modules that are running, the outermost first, each with the number of its call; and
        whether backward runs.
        """
        frame: Any = sys._getframe(2)
        frames, backward = [], False
        while frame is not None:
            if frame.f_code is CALL:
                frames.append(frame)
            backward |= frame.f_code is BACKWARD
            frame = frame.f_back
        running: list[tuple[Any, Any, int]] = []
        for depth, frame in enumerate(reversed(frames)):
            module = frame.f_locals["self"]
            known = self._running[depth] if depth < len(self._running) else None
            if known is not None and known[0] is frame:
                running.append(known)
                continue
            self._running = self._running[:depth]  # what ran further in has ended
            key = (*((id(m), n) for _, m, n in running), id(module))
            self._calls[key] = self._calls.get(key, 0) + 1
            self._kept.append(module)
            running.append((frame, module, self._calls[key]))
        self._running = running
        return tuple((module, n) for _, module, n in running), backward


def version(x: Tensor) -> int:
    """How often a tensor's memory was written to."""
    return x._counter[0] if x._counter else 0
