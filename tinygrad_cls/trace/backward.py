"""One backward pass as a trace watches it: which cotangents arrive where, and by which rules."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd.function import Parts
from ..chain_rule import Lift, Node
from ..op import Op
from ..tensor import Tensor
from .record import Array, Gradient, Step, copied
from .rules import rule

if TYPE_CHECKING:
    from .recorder import Recorder


class Pass:
    """What ``Recorder.begins`` returns: it is asked instead of the nodes, in this pass alone. A
    hook or a Function's backward may run another one in the middle.
    """

    def __init__(self, recorder: Recorder, number: int, outer: Any, seeds: Any) -> None:
        self.recorder = recorder
        self.trace = recorder.trace
        self.number = number
        self.outer = outer
        self._sums: dict[Any, tuple[Array, int]] = {}  # by edge: the cotangent so far, of how many
        for edge, g in seeds:
            self._arrive(edge, array_of(g))
            self.trace.seeds.append((number, recorder.edge_value(edge), copied(array_of(g))))

    def pull(
        self, node: Node, g: Any, useful: set[Any] | None, lift: Lift | None
    ) -> list[tuple[Any, Any]]:
        """The cotangents that ``node`` makes, noted as steps."""
        self.recorder.now = self.number
        saved = dict(node.saved) if node.saved else {}
        pull = node.pull if self.outer is None else partial(self.outer.pull, node)
        pulled: list[tuple[Any, Any]] = pull(g, useful, lift)
        if any(isinstance(gx, Parts) for _, gx in pulled):
            return pulled  # on its way from one of a Function's outputs to its node
        came = None if isinstance(g, Parts) else array_of(g)
        hooked = came is not None and node in self._sums and not same(came, self._sums[node][0])
        arrivals = list(pulled)
        for slot, edge in enumerate(node.edges):
            if arrivals and arrivals[0][0] is edge:
                gx = array_of(arrivals.pop(0)[1])
                self._step(node, slot, came, saved, gx, edge, hooked)
        return pulled

    def ends(self, added: dict[Tensor, Any]) -> None:
        """The pass has added cotangents to the ``.grad`` of tensors: of leaves at its end, of what
        retains its gradient on the way.
        """
        if self.outer is not None:
            self.outer.ends(added)
        for x, g in added.items():
            if x._grad is None:
                continue
            arrived, after = copied(array_of(g)), copied(x._grad._array)
            known = self._sums.get(x._edge)
            self.trace.gradients.append(
                Gradient(
                    value=self.recorder.edge_value(x._edge),
                    backward=self.number,
                    before=self.recorder.grads.get(x),
                    arrived=arrived,
                    after=after,
                    hooked=known is not None and not same(arrived, known[0]),
                )
            )
            self.recorder.grads[x] = after

    def _arrive(self, edge: Any, gx: Array) -> tuple[int, Array | None, Array]:
        """Adds a cotangent up; which arrival it is, what was there, and what is there now."""
        if edge not in self._sums:
            keeps = edge.retained and edge.retained() if isinstance(edge, Node) else edge
            if keeps is not None:
                grad = keeps._grad
                self.recorder.grads[keeps] = None if grad is None else copied(grad._array)
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
                operands[need] = copied(value) if isinstance(value, np.ndarray) else value
            with np.errstate(all="ignore"):
                raw = formula.on_arrays(g, *operands.values())
                if is_elementwise(op) or g.size == 1:
                    local = formula.on_arrays(np.ones_like(g), *operands.values())
        gx = copied(gx)
        arrival, before, after = self._arrive(edge, gx)
        step = Step(
            number=len(self.trace.steps),
            backward=self.number,
            value=self.recorder.edge_value(node),
            op=op,
            node=node.name(),
            slot=slot,
            input=name,
            rule=rule(op, slot, operands),
            g=None if g is None else copied(g),
            operands=operands,
            raw=raw,
            contribution=gx,
            summed=() if raw is None else summed_axes(raw.shape, gx.shape),
            local=local,
            receiver=self.recorder.edge_value(edge),
            arrival=arrival,
            before=before,
            after=after,
            hooked=hooked,
        )
        self.trace.steps.append(step)


def array_of(g: Any) -> Array:
    """A cotangent's numbers."""
    return g._array if isinstance(g, Tensor) else np.asarray(g)


def same(a: Array, b: Array) -> bool:
    """Whether two arrays hold the same bits: -0 is not 0, and nan is nan."""
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def is_elementwise(op: Op) -> bool:
    """Whether an element of the output depends on one element of each input."""
    axes = [*op.law.inputs, op.law.result]
    return all(group == ["..."] for group in axes) and "dim" not in op.static


def summed_axes(wide: tuple[int, ...], narrow: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of ``wide`` that were summed to get ``narrow``: the adjoint of broadcasting."""
    lead = len(wide) - len(narrow)
    kept = [i for i, n in enumerate(narrow, lead) if n == 1 and wide[i] != 1]
    return (*range(lead), *kept) if wide != narrow else ()
