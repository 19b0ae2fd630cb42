"""Rules about layers: their mode, ReLUs that are dead, and Linear layers in a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..callsite import Callsite, caller
from .losses import BCE, RECENT
from .report import Finding, counted, listed, place
from .rule import Rule
from .scene import Leaf, Marks, Root, Scene, Version, is_leaf, learning, version


class EvalMode(Rule):
    """A model in evaluation mode is trained, and has layers that the mode matters to.

    Of a frozen part that is in evaluation mode on purpose, the model around it is in training mode.
    """

    name = "eval-mode-in-training"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.outputs = Marks()
        self.suspects: dict[tuple[str, int], tuple[Root, list[str], dict[Leaf, Version], int]] = {}

    def called(self, root: Root, module: Any, y: Any) -> None:
        if not root.moody or module.training or y._node is None:
            return
        layers = root.in_mode(training=False)
        if layers:
            self.outputs.put(y._node, (root, layers, caller()))

    def node(self, node: Any) -> None:
        found = self.outputs.get(node) if len(self.outputs) else None
        if found is None:
            return
        root, layers, called = found
        key = place(called)
        versions = {leaf: version(t) for leaf in root.leaves if (t := leaf.tensor()) is not None}
        _, _, before, times = self.suspects.get(key, (root, layers, versions, 0))
        self.suspects[key] = root, layers, before, times + 1

    def findings(self) -> Iterator[Finding]:
        for called, (root, layers, before, times) in self.suspects.items():
            now = {leaf: leaf.tensor() for leaf in before}
            updated = [leaf for leaf, t in now.items()
                       if t is None or version(t) != before[leaf]]  # fmt: skip
            if updated:
                yield self.finding(
                    called,
                    f"{root.name} was trained in evaluation mode in "
                    f"{counted(times, 'backward pass')}: {listed(layers)} did not do its part.",
                    f"call {root.name}.train() before the training step, after each .eval()",
                )


class TrainMode(Rule):
    """A model in training mode is evaluated: under no_grad, its output goes into a loss or becomes
    a prediction, and dropout or batch statistics are on.
    """

    name = "train-mode-in-evaluation"
    verdicts = (ops.argmax, ops.round, ops.eq, ops.gt, ops.ge, ops.lt, ops.le, ops.nll,
                ops.squared_error, ops.smooth_l1, ops.binary_cross_entropy, *BCE)  # fmt: skip
    onwards = (ops.sigmoid, ops.softmax, ops.log_softmax, ops.reshaped, ops.getitem, ops.cast)
    wants = verdicts + onwards

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.outputs = Marks()
        self.found: dict[tuple[str, int], tuple[Root, list[str], int]] = {}

    def called(self, root: Root, module: Any, y: Any) -> None:
        if root.moody and module.training and not learning():
            layers = root.in_mode(training=True)
            if layers:
                self.outputs.put(y, (root, layers, caller()))

    def op(self, event: Any) -> None:
        if not len(self.outputs) or learning():
            return
        for x in event.inputs:
            found = self.outputs.get(x)
            if found is None:
                continue
            if event.op in self.onwards:
                self.outputs.put(event.output, found)
            else:
                root, layers, called = found
                key = place(called)
                self.found[key] = root, layers, self.found.get(key, (root, layers, 0))[2] + 1

    def findings(self) -> Iterator[Finding]:
        for called, (root, layers, _) in self.found.items():
            yield self.finding(
                called,
                f"{root.name} was evaluated in training mode: {listed(layers)} used the batch, or "
                f"dropped numbers at random, and the result depends on it.",
                f"call {root.name}.eval() before evaluating, and {root.name}.train() after it",
            )


class Site:
    """One place where ReLU is applied in training."""

    def __init__(self, called: Callsite, layer: str, units: int) -> None:
        self.called = called
        self.layer = layer
        self.passes = 0
        self.idle = np.zeros(units, np.int64)  # passes in a row without an active row

    def sees(self, y: Any) -> None:
        """One more pass."""
        self.passes += 1
        active = (y > 0).reshape(-1, y.shape[-1]).any(0)
        self.idle += 1
        self.idle[active] = 0


class DeadReLU(Rule):
    """Three quarters of a layer's units or more were active for no row in any of the last passes.

    A few are so from the start in any small net: of the tutorial's 2-10-10-1, up to half.
    """

    name = "dead-relu"
    wants = (ops.relu,)
    few = 10  # passes, of which nothing is said

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.sites: dict[Any, Site] = {}

    def op(self, event: Any) -> None:
        y = event.output._array
        if not learning() or event.output._node is None or y.ndim < 2 or not y.size:
            return
        mark = self.scene.linear.get(event.inputs[0])
        called = caller()
        by = mark.weight if isinstance(mark, Linear) else None
        key = (id(by) if by is not None else place(called)), y.shape[-1]
        site = self.sites.get(key)
        if site is None:
            name = self.scene.leaf(by).name.removesuffix(".weight") if by is not None else ""
            site = self.sites[key] = Site(called, name, y.shape[-1])
        site.sees(y)

    def findings(self) -> Iterator[Finding]:
        for site in self.sites.values():
            last = min(site.passes, RECENT)
            dead = int((site.idle >= last).sum())
            if site.passes < self.few or 4 * dead < 3 * site.idle.size:
                continue
            after = f" after {site.layer}" if site.layer else ""
            yield self.finding(
                place(site.called),
                f"{dead} of the {site.idle.size} ReLUs{after} are dead: 0 for every row in the "
                f"last {last} training passes, so no gradient reaches their weights any more.",
                "lower lr, scale the inputs, start from smaller biases, or use nn.LeakyReLU",
            )


class Linear(NamedTuple):
    """A mark: the tensor is x A' + b, and nothing has been done to it since."""

    weight: Any
    bias: Any
    upright: bool  # A is the weight, or else its transpose
    uses: set[str]  # by what it was used, other than a next Linear
    before: Any  # the mark of x, if it is one

    def matrix(self) -> Any:
        """The matrix A."""
        return self.weight._array if self.upright else self.weight._array.T


class Turned(NamedTuple):
    """A mark: the transpose of a parameter."""

    weight: Any


class LinearInARow(Rule):
    """The result of a Linear layer goes into the next one, and nowhere else.

    A narrow middle is a bottleneck, which no single layer is: nothing is said of it.
    """

    name = "linear-in-a-row"
    through = (ops.reshaped, ops.cast, ops.clone)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.chains: dict[tuple[str, int], Linear] = {}

    def every(self, event: Any) -> None:
        op, inputs, marks = event.op, event.inputs, self.scene.linear
        if op is ops.permuted and is_leaf(inputs[0]) and inputs[0].ndim == 2:
            marks.put(event.output, Turned(inputs[0]))
            return
        if not learning():
            return
        weight, bias, upright = None, None, True
        if op is ops.affine and is_leaf(inputs[1]):
            weight, bias = inputs[1], inputs[2]
        elif op is ops.product:
            turned = marks.get(inputs[1])
            if isinstance(turned, Turned):
                weight = turned.weight
            elif is_leaf(inputs[1]) and inputs[1].ndim == 2:
                weight, upright = inputs[1], False
        before = marks.get(inputs[0])
        before = before if isinstance(before, Linear) else None
        if weight is not None:
            if before is not None and before.weight is weight:
                before = None  # one layer twice
            mark = Linear(weight, bias, upright, set(), before)
            marks.put(event.output, mark)
            if before is not None:
                before.uses.add(f"linear {id(weight)}")
                self.chain(mark)
        elif before is not None and op is ops.add and before.bias is None and is_leaf(inputs[1]):
            marks.put(event.output, before._replace(bias=inputs[1]))
        elif before is not None and op in self.through:
            marks.put(event.output, before)
        else:
            for x in inputs:
                mark = marks.get(x)
                if isinstance(mark, Linear):
                    mark.uses.add(op.name)

    def chain(self, last: Linear) -> None:
        """Layers in a row: the longest chain that ends on a line is kept."""
        key = place(caller())
        known = self.chains.get(key)
        if known is None or len(links(last)) > len(links(known)) or known.weight is last.weight:
            self.chains[key] = last

    def findings(self) -> Iterator[Finding]:
        ends = {id(mark.before) for mark in self.chains.values() if mark.before is not None}
        for called, last in self.chains.items():
            layers = links(last)
            if id(last) in ends or len(layers) < 2:
                continue
            names = [self.scene.leaf(x.weight).name.removesuffix(".weight") or "a matrix"
                     for x in layers]  # fmt: skip
            A, b = one(layers)
            shape = f"{A.shape[1]} -> " + " -> ".join(str(len(x.matrix())) for x in layers)
            yield self.finding(
                called,
                f"{counted(len(layers), 'Linear layer')} in a row, {', '.join(names[:-1])} and "
                f"{names[-1]}, with nothing between them: {shape}. Together they are one, "
                f"x W' + b, and here it is:",
                f"put an activation such as nn.ReLU() between them, or keep one nn.Linear"
                f"({A.shape[1]}, {A.shape[0]})",
                matrix_text("W", A) + ("\n" + matrix_text("b", b) if b is not None else ""),
            )


def links(last: Linear) -> list[Linear]:
    """The layers of a chain, from its start: as far back as each feeds the next one alone and is
    no bottleneck.
    """
    layers = [last]
    while (before := layers[0].before) is not None:
        narrow = min(before.matrix().shape[1], len(layers[-1].matrix()))
        if len(before.uses) > 1 or len(before.matrix()) < narrow:
            break
        layers.insert(0, before)
    return layers


def one(layers: list[Linear]) -> tuple[Any, Any]:
    """The matrix and the bias that the layers together are."""
    A, b = np.eye(layers[0].matrix().shape[1]), np.zeros(layers[0].matrix().shape[1])
    for layer in layers:
        A = layer.matrix() @ A
        b = layer.matrix() @ b + (0 if layer.bias is None else layer.bias._array)
    return A, b if any(layer.bias is not None for layer in layers) else None


SHOWN = 24
"""Numbers of a matrix, above which only its corners are shown."""


def matrix_text(name: str, a: Any) -> str:
    """A matrix in a few lines."""
    with np.printoptions(precision=4, suppress=True, threshold=SHOWN, edgeitems=3, linewidth=88):
        lines = str(a).splitlines()
    pad = " " * (len(name) + 3)
    shape = f"   {a.shape}" if a.size > SHOWN else ""
    return f"{name} = " + f"\n{pad}".join(lines) + shape
