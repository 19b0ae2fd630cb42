"""The three experiments as data: what is learned, by which model, for how long."""

from collections.abc import Callable
from dataclasses import dataclass

from .. import Tensor, argmax, nn, round, sigmoid, softmax, stack
from .data import Points, blobs, circles
from .models import BlobModel, CircleModelV1, CircleModelV2


@dataclass(frozen=True)
class Task:
    """How a model's output becomes a loss, a prediction and probabilities.

    `logits` is one number a row for two classes, else one a row and class.
    """

    loss: Callable[[], nn.Module]
    logits: Callable[[Tensor], Tensor]
    labels: Callable[[Tensor], Tensor]
    probabilities: Callable[[Tensor], Tensor]
    integer_targets: bool


def _both(p: Tensor) -> Tensor:
    both: Tensor = stack((1 - p, p), dim=1)
    return both


BINARY = Task(
    loss=nn.BCEWithLogitsLoss,
    logits=lambda output: output.squeeze(dim=1),  # a bare squeeze() would eat a lone row too
    labels=lambda logits: round(sigmoid(logits)),
    probabilities=lambda logits: _both(sigmoid(logits)),
    integer_targets=False,
)
MULTICLASS = Task(
    loss=nn.CrossEntropyLoss,
    logits=lambda output: output,
    labels=lambda logits: argmax(softmax(logits, dim=1), dim=1),
    probabilities=lambda logits: softmax(logits, dim=1),
    integer_targets=True,
)


@dataclass(frozen=True)
class Experiment:
    """One of the tutorial's training runs. `model` gets the numbers of features and classes."""

    name: str
    title: str
    points: Callable[[], Points]
    model: Callable[[int, int], nn.Module]
    task: Task
    epochs: int
    print_every: int
    line: str
    lr: float = 0.1


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            name="circles-linear",
            title="Two circles, linear layers",
            points=circles,
            model=lambda features, classes: CircleModelV1(features),
            task=BINARY,
            epochs=1000,
            print_every=100,
            line="Epoch: {epoch} | Loss: {loss:.5f} | Acc: {acc:.2f}% | "
            "Test loss: {test_loss:.5f} | Test acc: {test_acc:.2f}%",
        ),
        Experiment(
            name="circles-relu",
            title="Two circles, with ReLU",
            points=circles,
            model=lambda features, classes: CircleModelV2(features),
            task=BINARY,
            epochs=2000,
            print_every=100,
            line="Epoch: {epoch} | Loss: {loss:.5f}, Accuracy: {acc:.2f}% | "
            "Test Loss: {test_loss:.5f}, Test Accuracy: {test_acc:.2f}%",
        ),
        Experiment(
            name="blobs",
            title="Four blobs, with ReLU",
            points=blobs,
            model=lambda features, classes: BlobModel(features, classes, hidden_units=8),
            task=MULTICLASS,
            epochs=100,
            print_every=10,
            line="Epoch: {epoch} | Loss: {loss:.5f}, Acc: {acc:.2f}% | "
            "Test Loss: {test_loss:.5f}, Test Acc: {test_acc:.2f}%",
        ),
    )
}
