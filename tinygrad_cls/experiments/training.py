"""The tutorial's training loop, with the seed set before the model is built."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import (
    Tensor,
    compile,
    dtype,
    eq,
    float32,
    from_numpy,
    inference_mode,
    int64,
    manual_seed,
    nn,
    optim,
)
from .catalogue import Experiment
from .data import DataError, Points, Split, split


def percent(correct: Tensor, y: Tensor) -> float:
    """Accuracy: the percentage of the labels ``y`` that were predicted correctly."""
    count: int = correct.item()
    return (count / len(y)) * 100


@dataclass
class History:
    """Loss (mean over the points) and accuracy (percent) after every epoch's forward pass."""

    loss: list[float] = field(default_factory=list)
    acc: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_acc: list[float] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training: what was learned from, the model, and its course."""

    experiment: Experiment
    points: Points
    data: Split
    model: nn.Module
    history: History

    def probabilities(self, X: NDArray[Any]) -> NDArray[Any]:
        """The model's probability of each class, (points, classes)."""
        task = self.experiment.task
        with inference_mode():
            output = self.model(from_numpy(X).type(self.data.X_train.dtype))
            return np.asarray(task.probabilities(task.logits(output)))


def no_watch(epoch: int, model: nn.Module) -> None:
    """Called before the first epoch (as epoch 0) and after each one."""


def train(
    experiment: Experiment,
    points: Points | None = None,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    seed: int = 42,
    dtype: dtype = float32,
    eager: bool = False,
    show: Callable[[str], None] = print,
    watch: Callable[[int, nn.Module], None] = no_watch,
) -> Run:
    """Train `experiment` as the tutorial does, on its own points or on the reader's.

    An epoch is recorded and then replayed (`tinygrad_cls.compile`), unless `eager`: the same
    numbers but for rounding. Raises DataError where the points do not suit the experiment.

    >>> from tinygrad_cls.experiments import EXPERIMENTS
    >>> run = train(EXPERIMENTS["blobs"], epochs=10)
    Epoch: 10 | Loss: 0.66986, Acc: 96.38% | Test Loss: 0.68530, Test Acc: 97.00%
    """
    points = points or experiment.points()
    epochs = epochs or experiment.epochs
    task = experiment.task
    if not task.integer_targets and len(points.classes) != 2:
        raise DataError(
            f"{experiment.name} tells two classes apart, the data has {len(points.classes)}; "
            "the experiment blobs takes any number"
        )
    data = split(points, dtype, int64 if task.integer_targets else dtype)
    X_train, X_test, y_train, y_test = data

    manual_seed(seed)
    model = experiment.model(len(points.features), len(points.classes)).to(dtype)
    loss_fn = task.loss()
    optimizer = optim.SGD(model.parameters(), lr=experiment.lr if lr is None else lr)

    def one_epoch() -> tuple[Tensor, ...]:
        model.train()
        y_logits = task.logits(model(X_train))
        y_pred = task.labels(y_logits)

        loss = loss_fn(y_logits, y_train)
        correct = eq(y_train, y_pred).sum()

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        model.eval()
        with inference_mode():
            test_logits = task.logits(model(X_test))
            test_pred = task.labels(test_logits)
            test_loss = loss_fn(test_logits, y_test)
            test_correct = eq(y_test, test_pred).sum()
        return loss, correct, test_loss, test_correct

    # Recorded in the first two epochs, as the second is the first to start in evaluation mode.
    step = one_epoch if eager else compile(one_epoch)

    history = History()
    watch(0, model)
    for epoch in range(1, epochs + 1):
        loss, correct, test_loss, test_correct = step()
        acc, test_acc = percent(correct, y_train), percent(test_correct, y_test)
        history.loss.append(loss.item())
        history.acc.append(acc)
        history.test_loss.append(test_loss.item())
        history.test_acc.append(test_acc)
        watch(epoch, model)

        if epoch % experiment.print_every == 0 or epoch == epochs:
            show(
                experiment.line.format(
                    epoch=epoch, loss=loss, acc=acc, test_loss=test_loss, test_acc=test_acc
                )
            )
    return Run(experiment, points, data, model, history)
