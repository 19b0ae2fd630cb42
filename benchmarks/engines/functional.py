"""A multilayer perceptron's loss as a function of a list of weights, in any library that has
NumPy's names. JAX, HIPS autograd and MyGrad differentiate the same text.
"""

from collections.abc import Sequence
from typing import Any

from benchmarks.tasks import Task


def forward(np: Any, task: Task, weights: Sequence[Any], X: Any) -> Any:
    """Return the logits, (n,) for two classes or (n, classes)."""
    h = X
    for layer in range(0, len(weights), 2):
        if layer and task.relu:
            h = np.maximum(h, 0)
        h = np.matmul(h, weights[layer].T) + weights[layer + 1]
    return h[:, 0] if task.binary else h


def loss_of(np: Any, task: Task, logits: Any, y: Any) -> Any:
    """Return the mean loss: BCE with logits, or cross entropy of integer labels."""
    if task.binary:
        return np.mean(np.maximum(logits, 0) - logits * y + np.log1p(np.exp(-np.absolute(logits))))
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    picked = shifted[np.arange(len(y)), y]
    return np.mean(np.log(np.sum(np.exp(shifted), axis=1)) - picked)


def hits(np: Any, task: Task, logits: Any, y: Any) -> Any:
    """Return how many labels are right."""
    labels = (logits > 0) if task.binary else np.argmax(logits, axis=1)
    return np.sum(labels == y)
