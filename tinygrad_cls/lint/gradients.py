"""Rules about gradients: where they add up, and whom they never reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ..callsite import Callsite, caller
from .report import Finding, counted, listed, place
from .rule import Rule
from .scene import Leaf, version


class NoZeroGrad(Rule):
    """A step used a gradient that still held the one of the step before.

    A gradient that comes onto another one is nothing yet: so works accumulation over several
    batches, and so does a generator's loss with the discriminator's. It counts where the parameter
    was updated in between, and is updated with the sum.
    """

    name = "no-zero-grad"

    def arrives(self, tensor: Any, leaf: Leaf) -> None:
        now = version(tensor)
        grad = tensor._grad
        if grad is None or not grad._array.any():
            leaf.polluted = None
        else:
            if leaf.polluted is not None and now != leaf.polluted:
                leaf.stale += 1
            if leaf.version is not None and now != leaf.version:
                leaf.polluted = now
                leaf.called = leaf.called or caller()
        leaf.version = now
        if not leaf.gradients:
            leaf.first = now
        leaf.gradients += 1
        self.scene.keep(leaf)

    def findings(self) -> Iterator[Finding]:
        found: dict[tuple[str, int], list[Leaf]] = defaultdict(list)
        for leaf in self.scene.kept():
            tensor = leaf.tensor()
            if tensor is not None and leaf.polluted is not None and tensor._grad is not None:
                leaf.stale += version(tensor) != leaf.polluted
                leaf.polluted = None
            if leaf.stale and leaf.called is not None:
                found[place(leaf.called)].append(leaf)
        for called, leaves in found.items():
            steps = max(leaf.stale for leaf in leaves)
            yield self.finding(
                called,
                f"{counted(steps, 'step')} used gradients that still held those of the steps "
                f"before: backward adds to .grad, and nothing reset it. "
                f"{counted(len(leaves), 'parameter')}: {listed([str(x) for x in leaves])}.",
                "call optimizer.zero_grad() once a step, before backward()",
            )


class NoGradient(Rule):
    """A parameter was to learn, and no backward pass reached it."""

    name = "no-gradient"

    def findings(self) -> Iterator[Finding]:
        if not self.scene.passes:
            return
        found: dict[tuple[str, int], list[Leaf]] = defaultdict(list)
        for leaf in self.scene.known:
            tensor = leaf.tensor()
            wanted = leaf.wanted if tensor is None else tensor.requires_grad
            alive = leaf.root is not None and any(x.gradients for x in leaf.root.leaves)
            if wanted and not leaf.gradients and (alive or leaf.optimizer is not None):
                called = leaf.optimizer or leaf.root.called  # type: ignore[union-attr]
                found[place(called)].append(leaf)
        for called, leaves in found.items():
            yield self.finding(
                called,
                f"{counted(len(leaves), 'parameter')} never got a gradient in "
                f"{counted(self.scene.passes, 'backward pass')}: "
                f"{listed([str(x) for x in leaves])}.",
                "use them in forward() without detach(), or freeze them: requires_grad_(False)",
            )


class NotInOptimizer(Rule):
    """A parameter got gradients, and neither an optimizer nor the script ever updated it, while
    others of its model are in an optimizer.
    """

    name = "not-in-optimizer"

    def findings(self) -> Iterator[Finding]:
        found: dict[tuple[str, int], list[Leaf]] = defaultdict(list)
        for leaf in self.scene.known:
            if leaf.optimizer is not None or leaf.root is None or not leaf.gradients:
                continue
            others: list[Callsite] = [x.optimizer for x in leaf.root.leaves if x.optimizer]
            tensor = leaf.tensor()
            moved = leaf.version != leaf.first or (
                tensor is not None and version(tensor) != leaf.first
            )
            if others and not moved:
                found[place(others[0])].append(leaf)
        for called, leaves in found.items():
            yield self.finding(
                called,
                f"{counted(len(leaves), 'parameter')} got gradients but was never given to an "
                f"optimizer: {listed([str(x) for x in leaves])}."
                if len(leaves) == 1
                else f"{len(leaves)} parameters got gradients but were never given to an "
                f"optimizer: {listed([str(x) for x in leaves])}.",
                "give the optimizer model.parameters(), or freeze these: requires_grad_(False)",
            )
