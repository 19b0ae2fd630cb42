"""What watches while a trace runs: every op at the choke-point, every step of the chain rule."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from typing import Any

import numpy as np

from .._state import set_tape, state
from ..autograd.function import OutputNode, Parts
from ..callsite import caller, line
from ..chain_rule import Lift, Node, chain_rule
from ..nn import Module, Parameter
from ..op import Op
from ..tensor import Event, Tensor
from .record import Array, Call, Gradient, Step, Trace, Value
from .rules import rule

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
        self._now = -1  # which backward pass runs
        self._sums: dict[Any, tuple[Array, int]] = {}  # by edge: the cotangent so far, of how many
        self._before: dict[Any, Array | None] = {}

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
        within = self._now if backward else None
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

    def begins(self, seeds: Any) -> None:
        """A backward pass starts."""
        if self.outer is not None:
            self.outer.begins(seeds)
        self._sums, self._before, self._now = {}, {}, self._passes
        self._passes += 1
        for edge, g in seeds:
            self._arrive(edge, array_of(g))
            self.trace.seeds.append((self._now, self._edge_value(edge), array_of(g).copy("K")))

    def pull(
        self, node: Node, g: Any, useful: set[Any] | None, lift: Lift | None
    ) -> list[tuple[Any, Any]]:
        """The cotangents that ``node`` makes, noted as steps."""
        saved = dict(node.saved) if node.saved else {}
        found = self._sums, self._before, self._now
        try:
            pull = node.pull if self.outer is None else partial(self.outer.pull, node)
            pulled: list[tuple[Any, Any]] = pull(g, useful, lift)
        finally:  # a Function's backward may run a pass of its own
            self._sums, self._before, self._now = found
        if any(isinstance(gx, Parts) for _, gx in pulled):
            return pulled  # on its way from one of a Function's outputs to its node
        came = None if isinstance(g, Parts) else array_of(g)
        total = self._sums.pop(node)[0] if node in self._sums else came
        hooked = came is not total and not np.array_equal(came, total, equal_nan=True)  # type: ignore[arg-type]
        arrivals = list(pulled)
        for slot, edge in enumerate(node.edges):
            if arrivals and arrivals[0][0] is edge:
                gx = array_of(arrivals.pop(0)[1])
                self._step(node, slot, came, saved, gx, edge, hooked)
        return pulled

    def ends(self, leaves: dict[Any, Any]) -> None:
        """A backward pass has added the cotangents of ``leaves`` to their gradients."""
        if self.outer is not None:
            self.outer.ends(leaves)
        for leaf, g in leaves.items():
            if isinstance(leaf, Tensor) and leaf._grad is not None:
                before = self._before.get(leaf)
                after = leaf._grad._array.copy("K")
                found = self.value_of(leaf)
                arrived = array_of(g).copy("K")
                self.trace.gradients.append(Gradient(found, self._now, before, arrived, after))

    # --- notes ------------------------------------------------------------------------------------

    def _add(self, kind: str, x: Any, array: Array | None) -> str:
        """A new value's id."""
        found = f"v{len(self.trace.values)}"
        copy = None if array is None else array.copy("K")
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
            found = self._edge_value(x._node, x)
            if found not in self._tensors.setdefault(id(x), []):  # written in place: a new value
                self._kept.append(x)
                self._tensors[id(x)].append(found)
            return found
        key = id(x), version(x)
        if key not in self._values:
            kind = "parameter" if isinstance(x, Parameter) or x._requires_grad else "input"
            self._note(key, self._add(kind, x, x._array))
        return self._values[key]

    def _edge_value(self, edge: Any, x: Tensor | None = None) -> str:
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
            inputs = tuple(self._edge_value(e) for e in node.edges if e is not None)
        found = self._add("result", x, None if x is None else x._array)
        self._note(node, found)
        title = node.op.name if node.op is not None else node.name().removesuffix("Backward")
        self.trace.calls.append(Call(None, title, inputs, {}, found, (), "", True, None))

    def _arrive(self, edge: Any, gx: Array) -> tuple[int, Array | None, Array]:
        """Adds a cotangent up; which arrival it is, what was there, and what is there now."""
        if edge not in self._sums:
            if isinstance(edge, Tensor) and edge not in self._before:
                grad = edge._grad
                self._before[edge] = None if grad is None else grad._array.copy("K")
            self._sums[edge] = gx, 1
            return 1, None, gx
        before, count = self._sums[edge]
        self._sums[edge] = before + gx, count + 1
        return count + 1, before, before + gx

    def _step(
        self, node: Node, slot: int, g: Array | None, saved: dict[str, Any], gx: Array, edge: Any,
        hooked: bool,
    ) -> None:  # fmt: skip
        """Notes the cotangent that ``node`` sends to the input ``slot``."""
        op = node.op if isinstance(node.op, Op) and g is not None else None
        name, operands = str(slot), dict[str, Any]()
        raw = local = None
        if op is not None and g is not None:
            formula = op.formula(slot)
            name = f"{op.inputs[0]}[{slot}]" if op.variadic else op.inputs[slot]
            for need in formula.needs:
                value = saved.get(need, slot)
                operands[need] = value.copy("K") if isinstance(value, np.ndarray) else value
            with np.errstate(all="ignore"):
                raw = formula.on_arrays(g, *operands.values())
                if is_elementwise(op) or g.size == 1:
                    local = formula.on_arrays(np.ones_like(g), *operands.values())
        gx = gx.copy("K")
        arrival, before, after = self._arrive(edge, gx)
        step = Step(
            number=len(self.trace.steps),
            backward=self._now,
            value=self._edge_value(node),
            op=op,
            node=node.name(),
            slot=slot,
            input=name,
            rule=rule(op, slot, operands),
            g=None if g is None else g.copy("K"),
            operands=operands,
            raw=raw,
            contribution=gx,
            summed=() if raw is None else summed_axes(raw.shape, gx.shape),
            local=local,
            receiver=self._edge_value(edge),
            arrival=arrival,
            before=before,
            after=after,
            hooked=hooked,
        )
        self.trace.steps.append(step)

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


def array_of(g: Any) -> Array:
    """A cotangent's numbers."""
    return g._array if isinstance(g, Tensor) else np.asarray(g)


def version(x: Tensor) -> int:
    """How often a tensor's memory was written to."""
    return x._counter[0] if x._counter else 0


def is_elementwise(op: Op) -> bool:
    """Whether an element of the output depends on one element of each input."""
    axes = [*op.law.inputs, op.law.result]
    return all(group == ["..."] for group in axes) and "dim" not in op.static


def summed_axes(wide: tuple[int, ...], narrow: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of ``wide`` that were summed to get ``narrow``: the adjoint of broadcasting."""
    lead = len(wide) - len(narrow)
    kept = [i for i, n in enumerate(narrow, lead) if n == 1 and wide[i] != 1]
    return (*range(lead), *kept) if wide != narrow else ()
