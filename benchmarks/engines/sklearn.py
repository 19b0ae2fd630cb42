"""scikit-learn's MLPClassifier: one ``partial_fit`` of the whole batch is one step."""

import numpy as np

from benchmarks.engines.base import Engine, Read, Unable
from benchmarks.tasks import Array, Task


class MLPClassifier(Engine):
    """Plain SGD: no momentum, no penalty, one batch, no shuffling."""

    name = "scikit-learn"
    package = "sklearn.neural_network"
    note = "partial_fit also checks its input and encodes the labels, each time"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.epoch:
            raise Unable("MLPClassifier keeps no logits of its step: accuracy costs another pass")
        self.model = self.load().MLPClassifier(
            hidden_layer_sizes=task.widths[1:-1],
            activation="relu" if task.relu else "identity",
            solver="sgd",
            alpha=0.0,
            batch_size=task.points,
            learning_rate_init=task.lr,
            momentum=0.0,
            shuffle=False,
        )
        self.classes = np.arange(max(2, task.widths[-1]))
        self.reset()
        self.step()  # draws weights of its own, which the next reset replaces
        self.reset()

    def reset(self) -> None:
        self.turn = 0
        if not hasattr(self.model, "coefs_"):
            return
        weights = self.task.weights()
        for own, weight in zip(self.model.coefs_, weights[::2], strict=True):
            own[...] = weight.T
        for own, bias in zip(self.model.intercepts_, weights[1::2], strict=True):
            own[...] = bias

    def step(self) -> Read:
        self.model.partial_fit(*self.batch(), classes=self.classes)
        return (float(self.model.loss_),)

    def state(self) -> dict[str, Array]:
        """Without momentum the optimizer's velocities are -lr x gradient."""
        velocities = [v / -self.task.lr for v in self.model._optimizer.velocities]
        depth = len(velocities) // 2
        parameters, gradients = (
            [array for pair in zip((c.T for c in coefs), biases, strict=True) for array in pair]
            for coefs, biases in (
                (self.model.coefs_, self.model.intercepts_),
                (velocities[:depth], velocities[depth:]),
            )
        )
        return self.named(parameters, gradients)
