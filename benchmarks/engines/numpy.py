"""A step as one would write it by hand: a flat list of NumPy calls on buffers allocated once.

What an engine over NumPy can hope for. Activations lie feature-major, (features, rows); a row of
ones under each makes the bias a column of the weight, so that one product serves both, forward and
backward. Weights and gradients each lie in one vector, so that the update is two calls. Large
batches go through in tiles that stay in the cache.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.engines.base import Engine, Read
from benchmarks.tasks import Array, Task

TILE = 160_000  # numbers in the activations of a tile
ROWS = 1_024  # at least, lest the products be too small and the tiles' gradients too many to add


class Program(list[Callable[[], Any]]):
    """Calls to make in order."""

    def add(self, kernel: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        """Append a call."""
        self.append(partial(kernel, *arguments, **options))

    def __call__(self) -> None:
        for call in self:
            call()


class ByHand(Engine):
    """The hand-written NumPy step of any multilayer perceptron."""

    name = "NumPy by hand"
    package = "numpy"
    note = "no tensors, no tape: what is left if an engine costs nothing"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.vector, self.layers = self.packed()
        self.slope, self.slopes = self.packed()
        scratch, tile_slopes = self.packed()
        self.X, self.y = self.place(*self.batches[0])
        self.buffers: dict[tuple[Any, ...], Array] = {}
        self.train = Program()
        self.losses: list[Array] = []
        self.hits: list[Array] = []
        rows = max(ROWS, TILE // sum(task.widths[1:]))
        for start in range(0, task.points, rows):
            tile = slice(start, start + rows)
            slopes = tile_slopes if start else self.slopes
            self.learn(self.train, self.X[:, tile], self.y[..., tile], slopes)
            if start:
                self.train.add(np.add, self.slope, scratch, self.slope)
        rate = np.array(task.lr, task.dtype)
        self.train.add(np.multiply, self.slope, rate, scratch)
        self.train.add(np.subtract, self.vector, scratch, self.vector)
        if task.epoch:
            self.evaluate = Program()
            X, y = self.place(*task.test())
            self.judge(self.evaluate, self.forward(self.evaluate, X)[-1], y)
        self.reset()

    def packed(self) -> tuple[Array, list[Array]]:
        """Return a vector and, as views of it, an (out, in + 1) array for each layer."""
        shapes = [(o, i + 1) for i, o in pairwise(self.task.widths)]
        ends = np.cumsum([o * i for o, i in shapes])
        vector = np.zeros(ends[-1], self.task.dtype)
        parts = np.split(vector, ends[:-1])
        return vector, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def buffer(self, name: str, *shape: int, dtype: Any = None, fill: int = 0) -> Array:
        """Return the memory of that name and shape: all tiles work in the same."""
        dtype = dtype or self.task.dtype
        return self.buffers.setdefault((name, shape, fill), np.full(shape, fill, dtype))

    def place(self, X: Array, y: Array) -> tuple[Array, Array]:
        """Return new feature-major points over ones, and labels or one row of 0 and 1 a class."""
        placed = np.ones((X.shape[1] + 1, len(X)), X.dtype)
        labels = np.empty(len(y) if self.task.binary else (self.task.widths[-1], len(y)), X.dtype)
        self.fill(placed, labels, X, y)
        return placed, labels

    def fill(self, placed: Array, labels: Array, X: Array, y: Array) -> None:
        """Copy a batch to where the program reads it."""
        placed[:-1] = X.T
        labels[...] = y if self.task.binary else np.arange(len(labels))[:, None] == y

    def forward(self, program: Program, X: Array) -> list[Array]:
        """Add the forward pass; return the input of every layer and the logits."""
        values = [X]
        n = X.shape[1]
        for k, layer in enumerate(self.layers[:-1]):
            h = self.buffer(f"h{k}", len(layer) + 1, n, fill=1)
            program.add(np.matmul, layer, values[-1], h[:-1])
            if self.task.relu:  # an array of zeros is faster than a number
                zeros = self.buffer("zeros", len(layer), n)
                program.add(np.maximum, h[:-1], zeros, out=h[:-1])
            values.append(h)
        z = self.buffer("z", len(self.layers[-1]), n)
        program.add(np.matmul, self.layers[-1], values[-1], z)
        return [*values, z]

    def judge(self, program: Program, z: Array, y: Array) -> Array:
        """Add sum of losses and number of hits; return what the derivative needs of them."""
        n = z.shape[1]
        loss = np.zeros((), z.dtype)
        self.losses.append(loss)
        if self.task.binary:
            x, zeros = z[0], self.buffer("zeros", n)
            e, entry, part = (self.buffer(name, n) for name in ("e", "entry", "part"))
            program.add(np.abs, x, e)
            program.add(np.negative, e, e)
            program.add(np.exp, e, e)  # exp(-|x|)
            program.add(np.log1p, e, entry)
            program.add(np.maximum, x, zeros, out=part)
            program.add(np.add, entry, part, entry)
            program.add(np.multiply, x, y, part)
            program.add(np.subtract, entry, part, entry)
            program.add(np.add.reduce, entry, None, None, loss)
        else:
            row = self.buffer("row", n)
            e, picked = self.buffer("e", *z.shape), self.buffer("picked", *z.shape)
            program.add(np.maximum.reduce, z, 0, None, row)
            program.add(np.subtract, z, row, z)
            program.add(np.multiply, z, y, picked)
            program.add(np.exp, z, e)
            program.add(np.add.reduce, e, 0, None, row)
            program.add(np.divide, e, row, e)  # softmax
            program.add(np.log, row, row)
            program.add(np.add.reduce, picked, 0, None, picked[0])
            program.add(np.subtract, row, picked[0], row)
            program.add(np.add.reduce, row, None, None, loss)
        if self.task.epoch:
            self.count(program, z, y)
        return e

    def count(self, program: Program, z: Array, y: Array) -> None:
        """Add the number of right labels."""
        right, hits = np.empty(z.shape[1], bool), np.zeros((), np.intp)
        if self.task.binary:
            program.add(np.greater, z[0], np.zeros_like(z[0]), right)
            program.add(np.equal, right, y, right)
        else:
            labels, true = np.empty(z.shape[1], np.intp), np.empty(z.shape[1], np.intp)
            program.add(np.argmax, z, 0, labels)
            program.add(np.argmax, y, 0, true)
            program.add(np.equal, labels, true, right)
        program.add(np.add.reduce, right, None, None, hits)
        self.hits.append(hits)

    def learn(self, program: Program, X: Array, y: Array, slopes: list[Array]) -> None:
        """Add forward, loss and backward of a tile, its gradients into ``slopes``."""
        *inputs, z = self.forward(program, X)
        e = self.judge(program, z, y)
        n = np.array(self.task.points, z.dtype)
        if self.task.binary:  # sigmoid(x) - y, where sigmoid(|x|) = 1 / (1 + exp(-|x|))
            x, half, one = z[0], np.array(0.5, z.dtype), np.array(1, z.dtype)
            program.add(np.add, e, one, e)
            program.add(np.reciprocal, e, e)
            program.add(np.subtract, e, half, e)
            program.add(np.copysign, e, x, e)
            program.add(np.add, e, half, e)
            d = e[None]
        else:
            d = e
        program.add(np.subtract, d, y, d)
        program.add(np.divide, d, n, d)
        bits, sign = (np.int32, 31) if z.dtype == np.float32 else (np.int64, 63)
        for k in reversed(range(len(inputs))):
            h, layer = inputs[k], self.layers[k][:, :-1]
            program.add(np.matmul, d, h.T, slopes[k])
            if k == 0:
                break
            below = self.buffer(f"below{k}", layer.shape[1], z.shape[1])
            product = np.multiply if len(d) == 1 else np.matmul
            program.add(product, layer.T, d, below)
            if self.task.relu:  # positive numbers' bits, negated and shifted, are all ones
                mask = self.buffer("mask", *below.shape, dtype=bits)
                program.add(np.negative, h[:-1].view(bits), mask)
                program.add(np.right_shift, mask, np.array(sign, bits), mask)
                program.add(np.bitwise_and, below.view(bits), mask, below.view(bits))
            d = below

    def reset(self) -> None:
        self.turn = 0
        weights = self.task.weights()
        for layer, W, b in zip(self.layers, weights[::2], weights[1::2], strict=True):
            layer[:, :-1], layer[:, -1] = W, b

    def step(self) -> Read:
        if self.task.fresh:
            self.fill(self.X, self.y, *self.batch())
        self.train()
        if not self.task.epoch:
            return (float(sum(self.losses)) / self.task.points,)
        self.evaluate()
        *losses, test_loss = self.losses
        *hits, test_hits = self.hits
        points, test_points = self.task.points, max(1, self.task.points // 4)
        return (
            float(sum(losses)) / points,
            float(test_loss) / test_points,
            100 * float(sum(hits)) / points,
            100 * float(test_hits) / test_points,
        )

    def state(self) -> dict[str, Array]:
        parameters, gradients = (
            [part for layer in layers for part in (layer[:, :-1], layer[:, -1])]
            for layers in (self.layers, self.slopes)
        )
        return self.named(parameters, gradients)
