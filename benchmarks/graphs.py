"""Shapes of graphs, forward and backward: what a tape costs when the arrays are small.

One text of operators, differentiated by every engine: a chain, a chain of diamonds (as many paths
as 2 to their number), one value with many readers, and many values with one reader each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from benchmarks.engines.jax import Jit
from benchmarks.engines.tapes import Hips, MyGrad
from benchmarks.engines.torch import Control, Eager, PyTorch, Replay
from benchmarks.tasks import Array


@dataclass(frozen=True)
class Graph:
    """A shape with ``nodes`` additions and products, of arrays of 16 numbers."""

    name: str
    nodes: int = 300
    dtype: str = "float64"
    kinked: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"{self.name} of {self.nodes} nodes"

    @property
    def exact(self) -> "Graph":
        """The same work in float64, which it is in."""
        return self

    @property
    def tolerance(self) -> float:
        """A rounding for every node, relative to the largest value."""
        return self.nodes * float(np.finfo(self.dtype).eps)

    def leaves(self) -> list[Array]:
        """Return the inputs."""
        count = self.nodes // 2 if self.name == "wide" else 1
        rng = np.random.default_rng(0)
        return [rng.uniform(0.5, 1.5, 16).astype(self.dtype) for _ in range(count)]

    def program(self, leaves: Sequence[Any]) -> Any:
        """Return the graph's sum."""
        x = leaves[0]
        match self.name:
            case "chain":
                for _ in range(self.nodes):
                    x = x * 0.999
            case "diamond":
                for _ in range(self.nodes // 3):
                    x = x * 0.25 + x * 0.75
            case "fan-out":
                y = x
                for reader in range(self.nodes // 2):
                    y = y + x * (reader / self.nodes)
                x = y
            case "wide":
                x = sum((leaf * leaf for leaf in leaves[1:]), x * x)
        return x.sum()


SHAPES = [Graph(name) for name in ("chain", "diamond", "fan-out", "wide")]


class Drawn:
    """A session of a graph: nothing is learned, so nothing is to be reset."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.gradients: Sequence[Any] = ()

    def reset(self) -> None:
        """Nothing to do."""

    def state(self) -> dict[str, Array]:
        """Return the gradients."""
        return {f"gradient of leaf {i}": np.array(g) for i, g in enumerate(self.gradients)}


class TorchDrawn(Drawn):
    """PyTorch's script."""

    name, package, note, load = PyTorch.name, PyTorch.package, PyTorch.note, PyTorch.load

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        torch = self.load()
        leaves = [torch.from_numpy(leaf).requires_grad_() for leaf in graph.leaves()]

        def backward() -> Any:
            for leaf in leaves:
                leaf.grad = None
            loss = graph.program(leaves)
            loss.backward()
            return loss

        self.leaves = leaves
        self.backward = self.prepare(backward)

    def prepare(self, function: Any) -> Any:
        """Compile it, if that is what the engine does."""
        return function

    def step(self) -> float:
        """Forward and backward."""
        loss = float(self.backward().item())
        self.gradients = [leaf.grad.numpy() for leaf in self.leaves]
        return loss


class ControlDrawn(TorchDrawn):
    """PyTorch once more."""

    name, note = Control.name, Control.note


class EagerDrawn(TorchDrawn):
    """This engine."""

    name, package, note, load = Eager.name, Eager.package, Eager.note, Eager.load


class ReplayDrawn(EagerDrawn):
    """This engine, recorded."""

    name, package, note, load = Replay.name, Replay.package, Replay.note, Replay.load

    def prepare(self, function: Any) -> Any:
        return self.load().compile(function)


class HipsDrawn(Drawn):
    """HIPS autograd."""

    name, package, note, load = Hips.name, Hips.package, Hips.note, Hips.load

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.leaves = self.place(graph.leaves())
        self.value_and_grad = self.differentiate(graph)

    def place(self, leaves: list[Array]) -> Any:
        """Return the inputs as the engine wants them."""
        return leaves

    def differentiate(self, graph: Graph) -> Any:
        """Return the function that gives sum and gradients."""
        return self.load().value_and_grad(graph.program)

    def step(self) -> float:
        """Forward and backward."""
        loss, self.gradients = self.value_and_grad(self.leaves)
        return float(loss)


class JitDrawn(HipsDrawn):
    """JAX, compiled."""

    name, package, note, load = Jit.name, Jit.package, Jit.note, Jit.load

    def place(self, leaves: list[Array]) -> Any:
        import_module("jax").config.update("jax_enable_x64", True)
        return import_module("jax").device_put(leaves)

    def differentiate(self, graph: Graph) -> Any:
        jax = self.load()
        return jax.jit(jax.value_and_grad(graph.program))


class MyGradDrawn(Drawn):
    """MyGrad."""

    name, package, note, load = MyGrad.name, MyGrad.package, MyGrad.note, MyGrad.load

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.mygrad = self.load()
        self.mygrad.turn_memory_guarding_off()
        self.arrays = graph.leaves()

    def step(self) -> float:
        """Forward and backward."""
        leaves = [self.mygrad.tensor(array, copy=False) for array in self.arrays]
        loss = self.graph.program(leaves)
        loss.backward()
        self.gradients = [leaf.grad for leaf in leaves]
        return float(loss)


DRAWN = (TorchDrawn, ControlDrawn, EagerDrawn, ReplayDrawn, HipsDrawn, MyGradDrawn, JitDrawn)
