"""A training run that goes on when it is asked to, and shows itself after every step."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import (
    Tensor,
    compile,
    eq,
    from_numpy,
    inference_mode,
    int64,
    nn,
    no_grad,
    optim,
    trace,
)
from ..experiments.catalogue import Task
from ..experiments.training import percent
from ..random import Generator
from ..trace.record import Trace
from ..utils.data import DataLoader, TensorDataset
from . import model as networks
from .data import Data, load
from .divergence import explain
from .recipe import Recipe, RecipeError
from .reference import Reference
from .views import Views

PARTS = ("map", "neurons", "weights", "points", "reference")
CURVES = ("loss", "acc", "test_loss", "test_acc")
MOST_SAMPLES = 16
"""Training points that one step-by-step backward takes."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run at one step. ``new`` holds the curves of the steps done since, a list a curve.

    norms: of each layer its name, the length of its gradient, and of its last update relative to
    its parameters. dead: [hidden layer, unit] of ReLUs that are 0 for all training points.
    """

    step: int
    state: str
    message: str
    new: dict[str, list[Any]]
    us_per_step: float | None
    norms: list[dict[str, Any]]
    dead: list[list[int]]
    reference: dict[str, Any] | None
    arrays: dict[str, Array]


class Session:
    """One run of a recipe, for one thread at a time: a second waits.

    >>> from .recipe import preset
    >>> session = Session(preset("blobs"))
    >>> snapshot = session.advance(10)
    >>> f"{snapshot.new['loss'][-1]:.5f}", f"{snapshot.new['test_acc'][-1]:.2f}"
    ('0.66986', '97.00')
    """

    def __init__(self, recipe: Recipe, csv: str | None = None, name: str = "the CSV") -> None:
        self.data: Data = load(recipe, csv, name)
        self.notes = list(self.data.notes)
        classes = len(self.data.classes)
        if networks.fitting(recipe, classes) != recipe:
            recipe = networks.fitting(recipe, classes)
            self.notes.append(
                f"bce tells two classes apart and there are {classes}: cross_entropy is used"
            )
        self.recipe, self.kind = recipe, networks.TYPES[recipe.dtype]
        self.task = networks.task(recipe)
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Back to the first weights."""
        with self.lock:
            recipe, data, task = self.recipe, self.data, self.task
            sizes = len(data.features), len(data.classes)
            self.model = networks.build(recipe, *sizes)
            self.parameters = dict(self.model.named_parameters())
            self.step, self.message = 0, ""
            self._curves = {name: array("d") for name in CURVES}
            target = int64 if task.integer_targets else self.kind
            self._X = from_numpy(data.X_train).type(self.kind)
            self._X_test = from_numpy(data.X_test).type(self.kind)
            self._y = from_numpy(data.y_train).type(target)
            self._y_test = from_numpy(data.y_test).type(target)
            self._one_step = self._in_batches() if recipe.batch else self._at_once()
            self._weights = self._before = flat(self.parameters.values())
            self._gradients = np.zeros_like(self._weights)
            sizes_of_layers = [
                sum(p.numel() for p in layer.parameters()) for layer in networks.linears(self.model)
            ]
            self._starts = np.cumsum([0, *sizes_of_layers[:-1]])
            self._views = Views(self.model, recipe, data, task, self.kind)
            self.reference = Reference(recipe, self.model, data)

    # --- Training ---------------------------------------------------------------------------------

    def _at_once(self) -> Callable[[], tuple[Tensor, ...]]:
        """The tutorial's epoch: all points in one step."""
        model, task, loss_fn = self.model, self.task, self.task.loss()
        X, y, X_test, y_test = self._X, self._y, self._X_test, self._y_test
        optimizer = optim.SGD(model.parameters(), lr=self.recipe.lr, momentum=self.recipe.momentum)

        def step() -> tuple[Tensor, ...]:
            model.train()
            logits = task.logits(model(X))
            loss = loss_fn(logits, y)
            correct = eq(task.labels(logits), y).sum()

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            model.eval()
            with inference_mode():
                test_logits = task.logits(model(X_test))
                test_loss = loss_fn(test_logits, y_test)
                test_correct = eq(task.labels(test_logits), y_test).sum()
            return loss, correct, test_loss, test_correct

        compiled: Callable[[], tuple[Tensor, ...]] = compile(step)
        return compiled

    def _in_batches(self) -> Callable[[], tuple[Tensor, ...]]:
        """One batch a step; loss and accuracy are those of all points all the same."""
        model, task, loss_fn = self.model, self.task, self.task.loss()
        optimizer = optim.SGD(model.parameters(), lr=self.recipe.lr, momentum=self.recipe.momentum)
        batches = self._batches()

        @compile
        def step(x: Tensor, t: Tensor) -> None:
            model.train()
            optimizer.zero_grad()
            loss_fn(task.logits(model(x)), t).backward()
            optimizer.step()
            model.eval()

        @compile
        def measure(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            logits = task.logits(model(x))
            return loss_fn(logits, t), eq(task.labels(logits), t).sum()

        def one_step() -> tuple[Tensor, ...]:
            with inference_mode():
                loss, correct = measure(self._X, self._y)
            step(*next(batches))
            with inference_mode():
                return loss, correct, *measure(self._X_test, self._y_test)

        return one_step

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled anew in every pass over the points."""
        loader: DataLoader[Any] = DataLoader(
            TensorDataset(self._X, self._y),
            batch_size=self.recipe.batch,
            shuffle=True,
            generator=Generator().manual_seed(self.recipe.seed),
        )
        while True:
            yield from loader

    def advance(
        self,
        k: int,
        parts: Any = PARTS,
        since: int | None = None,
        seconds: float = math.inf,
        reference_since: int | None = None,
    ) -> Snapshot:
        """Do `k` steps, or as many as `seconds` allow, and show where that leads.

        parts: what to show, of PARTS. since: the step after which the curves are told; by default
        those of this call.
        """
        with self.lock, np.errstate(all="ignore"):
            start = perf_counter()
            since = self.step if since is None else since
            training, first = 0.0, self.step
            while self.step < first + k and not self.message:
                began = perf_counter()
                if began - start > seconds:
                    break
                numbers = self._one_step()
                training += perf_counter() - began
                self._take(*numbers)
            done = self.step - first
            return self._snapshot(
                set(parts), since, 1e6 * training / done if done else None, reference_since
            )

    def _take(self, loss: Tensor, correct: Tensor, test_loss: Tensor, test_correct: Tensor) -> None:
        """Write a step down; or stop for good where it led out of the numbers."""
        self.step += 1
        row = (
            loss.item(),
            percent(correct, self._y),
            test_loss.item(),
            percent(test_correct, self._y_test),
        )
        for curve, number in zip(self._curves.values(), row, strict=True):
            curve.append(number)
        weights = flat(self.parameters.values())
        if math.isfinite(row[0]) and math.isfinite(row[2]) and np.isfinite(weights).all():
            self._before, self._weights = self._weights, weights
            self._gradients = flat(p.grad for p in self.parameters.values())
        else:
            named = {name: p.detach().numpy() for name, p in self.parameters.items()}
            self.message = f"diverged at step {self.step}: {explain(self.recipe, row[0], named)}"
            self._restore(self._weights)

    def _restore(self, weights: Array) -> None:
        ends = np.cumsum([p.numel() for p in self.parameters.values()])
        parts = np.split(weights, ends[:-1])
        with no_grad():
            for p, part in zip(self.parameters.values(), parts, strict=True):
                p.copy_(from_numpy(part.reshape(p.shape)))

    # --- Looking ----------------------------------------------------------------------------------

    def _snapshot(
        self, parts: set[str], since: int, us: float | None, reference_since: int | None
    ) -> Snapshot:
        arrays = self._views.arrays(parts)
        if "weights" in parts:
            arrays["weights"] = self._weights.astype("<f4")
            arrays["gradients"] = self._gradients.astype("<f4")
        reference = None
        if "reference" in parts:
            finite = self.step - bool(self.message)
            reference = self.reference.compare(
                finite, self._curves["loss"], self._weights, self._gradients, reference_since
            )
        return Snapshot(
            step=self.step,
            state="diverged" if self.message else "running" if self.step else "ready",
            message=self.message,
            new={"step": [*range(since + 1, self.step + 1)]}
            | {name: curve[since:].tolist() for name, curve in self._curves.items()},
            us_per_step=us,
            norms=self._norms(),
            dead=self._views.dead(arrays["active"]) if "active" in arrays else [],
            reference=reference,
            arrays=arrays,
        )

    def _norms(self) -> list[dict[str, Any]]:
        if self.step == 0:
            return []
        gradient, update, before = (
            np.sqrt(np.add.reduceat(np.square(x, dtype=np.float64), self._starts)).tolist()
            for x in (self._gradients, self._weights - self._before, self._before)
        )
        return [
            {"name": f"layer_{i}", "gradient": g, "update_ratio": u / b if b else None}
            for i, (g, u, b) in enumerate(zip(gradient, update, before, strict=True), 1)
        ]

    def neuron(self, layer: int, unit: int) -> dict[str, Any]:
        """A neuron's formula and the line on which its sum is 0; the output layer is the last."""
        with self.lock, np.errstate(all="ignore"):
            layers = networks.linears(self.model)
            if not 0 <= layer < len(layers) or not 0 <= unit < layers[layer].out_features:
                raise RecipeError(f"there is no unit {unit} in layer {layer} of this network")
            return self._views.neuron(layer, unit)

    def probabilities(self, xy: list[float]) -> list[float]:
        """Of each class at a point of the picture."""
        with self.lock, np.errstate(all="ignore"):
            return self._views.probabilities(xy)

    def trace_backward(self, samples: list[int]) -> Trace:
        """One forward and backward pass of these training points, recorded; training goes on
        untouched.
        """
        count = len(self._y)
        if not 1 <= len(samples) <= MOST_SAMPLES:
            raise RecipeError(f"1 to {MOST_SAMPLES} points can be traced, not {len(samples)}")
        if (wrong := next((i for i in samples if not 0 <= i < count), None)) is not None:
            raise RecipeError(f"there is no training point {wrong}: they are 0 to {count - 1}")
        with self.lock:
            sizes = len(self.data.features), len(self.data.classes)
            model = networks.copy(self.model, self.recipe, *sizes)
            X, y = self._X[samples], self._y[samples]
        return _traced(model, self.task, X, y)


def _traced(model: nn.Sequential, task: Task, X: Tensor, y: Tensor) -> Trace:
    loss_fn = task.loss()
    with np.errstate(all="ignore"), trace() as t:
        logits = task.logits(model(X))
        loss = loss_fn(logits, y)
        loss.backward()
    return t


def flat(tensors: Any) -> Array:
    """All entries side by side, copied."""
    return np.concatenate([t.detach().numpy().ravel() for t in tensors])
