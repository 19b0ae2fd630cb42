"""The watch: where ops, backward passes, module calls and optimizers are seen, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._state import set_tape, state
from ..callsite import caller
from ..chain_rule import Node
from ..nn.hooks import Hooked
from ..optim import Optimizer
from ..tensor import Tensor
from .report import Finding
from .rule import Rule
from .rules import LOSSES, RULES
from .scene import Scene


class Watch:
    """All rules, and who is told what. It stands where anomaly detection stands."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.rules: list[Rule] = [rule(self.scene) for rule in RULES]
        self.by_op: dict[Any, list[Callable[[Any], None]]] = {}
        for rule in self.rules:
            for op in rule.wants:
                self.by_op.setdefault(op, []).append(rule.op)
        self.every: list[Callable[[Any], None]] = [
            rule.every for rule in self.rules if type(rule).every is not Rule.every
        ]
        self._depth = 0  # of modules that call modules

    # --- what state.watch is asked ------------------------------------------------------------

    def over(self, events: Any) -> Any:
        """The tape: itself, or what hands the events on to a recording of the script too."""
        return self if events is None else Both(self, events)

    def append(self, event: Any) -> None:
        """Takes the event of an op that was just applied."""
        self.scene.ops += 1
        if event.op in LOSSES:
            self.scene.loss = caller()
        for told in self.every:
            told(event)
        for told in self.by_op.get(event.op, ()):
            told(event)

    def made(self, node: Node) -> None:
        """Takes the node of a Function."""

    def begins(self, seeds: Any) -> Watch:
        """A backward pass starts: what watches it."""
        self.scene.passes += 1
        return self

    def ends(self, leaves: Any) -> None:
        """A backward pass has added the cotangents of ``leaves`` to their gradients."""

    def pull(self, node: Node, g: Any, useful: Any, lift: Any) -> list[tuple[Any, Any]]:
        """The cotangents that a node makes."""
        for rule in self.rules:
            rule.node(node)
        pulled = node.pull(g, useful, lift)
        for edge, _ in pulled:
            if isinstance(edge, Tensor):
                leaf = self.scene.leaf(edge)
                for rule in self.rules:
                    rule.arrives(edge, leaf)
        return pulled

    # --- what else is seen --------------------------------------------------------------------

    def calls(self, module: Any, call: Callable[[], Any]) -> Any:
        """A module is called, by the script or by another module."""
        if self._depth or state.watch is None:  # None: in another thread
            return call()
        root = self.scene.root(module)
        self._depth += 1
        try:
            result = call()
        finally:
            self._depth -= 1
        for y in result if isinstance(result, tuple | list) else (result,):
            if isinstance(y, Tensor):
                for rule in self.rules:
                    rule.called(root, module, y)
        return result

    @contextmanager
    def on(self) -> Iterator[None]:
        """Inside, everything that this thread does is seen."""
        call, add = Hooked.__call__, Optimizer.add_param_group

        def watched_call(module: Any, *args: Any, **kwargs: Any) -> Any:
            return self.calls(module, lambda: call(module, *args, **kwargs))

        def watched_add(optimizer: Any, param_group: Any) -> None:
            add(optimizer, param_group)
            self.scene.optimizes(optimizer)

        found = state.events, state.watch
        setattr(Hooked, "__call__", watched_call)  # noqa: B010  (mypy: a method is assigned to)
        setattr(Optimizer, "add_param_group", watched_add)  # noqa: B010
        set_tape(events=None, watch=self)
        try:
            yield
        finally:
            set_tape(events=found[0], watch=found[1])
            setattr(Hooked, "__call__", call)  # noqa: B010
            setattr(Optimizer, "add_param_group", add)  # noqa: B010

    def findings(self) -> list[Finding]:
        """What all rules found."""
        return list(dict.fromkeys(f for rule in self.rules for f in rule.findings()))


class Both:
    """A tape for two."""

    def __init__(self, *tapes: Any) -> None:
        self.tapes = tapes

    def append(self, event: Any) -> None:
        """Hands an event on."""
        for tape in self.tapes:
            tape.append(event)
