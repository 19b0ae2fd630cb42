"""NumPy's other tapes: HIPS autograd and MyGrad. The update is NumPy's."""

from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.engines.base import Engine, Read
from benchmarks.engines.functional import forward, hits, loss_of
from benchmarks.tasks import Array, Task


class Tape(Engine):
    """The step around a tape that gives loss, logits and gradients."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.test = task.test()
        self.reset()

    def backward(self, X: Array, y: Array) -> tuple[Any, Array, list[Array]]:
        """Return loss, logits and the gradients of ``self.weights``."""
        raise NotImplementedError

    def reset(self) -> None:
        self.turn = 0
        self.weights = self.task.weights()

    def step(self) -> Read:
        task = self.task
        X, y = self.batch()
        loss, logits, self.gradients = self.backward(X, y)
        for w, g in zip(self.weights, self.gradients, strict=True):
            np.subtract(w, task.lr * g, out=w)
        if not task.epoch:
            return (float(loss),)
        X_test, y_test = self.test
        test_logits = forward(np, task, self.weights, X_test)
        test_loss = loss_of(np, task, test_logits, y_test)
        accuracy = 100 * hits(np, task, logits, y) / task.points
        test_accuracy = 100 * hits(np, task, test_logits, y_test) / len(y_test)
        return float(loss), float(test_loss), float(accuracy), float(test_accuracy)

    def state(self) -> dict[str, Array]:
        return self.named(self.weights, self.gradients)


class Hips(Tape):
    """HIPS autograd: value_and_grad of the loss."""

    name = "HIPS autograd"
    package = "autograd"

    def __init__(self, task: Task) -> None:
        autograd = self.load()
        self.value_and_grad = autograd.value_and_grad
        self.numpy: Any = import_module("autograd.numpy")
        super().__init__(task)

    def backward(self, X: Array, y: Array) -> tuple[Any, Array, list[Array]]:
        seen: list[Any] = []

        def loss(weights: list[Any]) -> Any:
            logits = forward(self.numpy, self.task, weights, X)
            seen.append(logits)
            return loss_of(self.numpy, self.task, logits, y)

        value, gradients = self.value_and_grad(loss)(self.weights)
        return value, seen[0]._value, gradients


class MyGrad(Tape):
    """MyGrad, which locks arrays in use unless told not to: it is told."""

    name = "MyGrad"
    package = "mygrad"
    note = "its guard against writing to arrays in use is off, which is faster"

    def __init__(self, task: Task) -> None:
        self.mygrad: Any = self.load()
        self.mygrad.turn_memory_guarding_off()
        super().__init__(task)

    def backward(self, X: Array, y: Array) -> tuple[Any, Array, list[Array]]:
        weights = [self.mygrad.tensor(w, copy=False) for w in self.weights]
        logits = forward(self.mygrad, self.task, weights, X)
        loss = loss_of(self.mygrad, self.task, logits, y)
        loss.backward()
        return loss, logits.data, [w.grad for w in weights]
