"""The tutorial's training in PyTorch, on the CPU or on CUDA."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from tinygrad_cls.experiments import Experiment, Points

from .models import BlobModel, CircleModelV1, CircleModelV2
from .record import Arrays, Record, Recorder, Steps, copies, epochs_of, steps_from

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Twin:
    """What an experiment uses of PyTorch."""

    model: Callable[[], nn.Module]
    loss: Callable[[], nn.Module]
    logits: Callable[[Tensor], Tensor]
    labels: Callable[[Tensor], Tensor]
    integer_targets: bool = False


def _binary(model: Callable[[], nn.Module]) -> Twin:
    return Twin(
        model=model,
        loss=nn.BCEWithLogitsLoss,
        logits=lambda output: output.squeeze(),
        labels=lambda logits: torch.round(torch.sigmoid(logits)),
    )


TWINS = {
    "circles-linear": _binary(CircleModelV1),
    "circles-relu": _binary(CircleModelV2),
    "blobs": Twin(
        model=lambda: BlobModel(input_features=2, output_features=4, hidden_units=8),
        loss=nn.CrossEntropyLoss,
        logits=lambda output: output,
        labels=lambda logits: torch.softmax(logits, dim=1).argmax(dim=1),
        integer_targets=True,
    ),
}


def accuracy_fn(y_true: Tensor, y_pred: Tensor) -> float:
    """Percentage of equal labels."""
    correct = torch.eq(y_true, y_pred).sum().item()
    return (correct / len(y_pred)) * 100


def pick_device(wish: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises OSError for CUDA where there is none."""
    if wish == "cuda" and not torch.cuda.is_available():
        raise OSError("--device cuda: this PyTorch finds no CUDA device")
    return torch.device("cuda" if wish != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread, no TF32, and deterministic kernels on CUDA: the same numbers in every run."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    if torch.cuda.is_available():  # the call loads a compiler, and one thread needs none of it
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        if torch.cuda.is_available():
            torch.use_deterministic_algorithms(deterministic)


def split(
    points: Points, dtype: torch.dtype, integer_targets: bool, device: torch.device
) -> list[Tensor]:
    """X_train, X_test, y_train, y_test."""
    X = torch.from_numpy(points.X).type(dtype)
    y = torch.from_numpy(points.y).type(torch.int64 if integer_targets else dtype)
    return [part.to(device) for part in train_test_split(X, y, test_size=0.2, random_state=42)]


def train(
    experiment: Experiment,
    *,
    dtype: str = "float32",
    seed: int = 42,
    epochs: int | None = None,
    device: torch.device = CPU,
    start: Arrays | None = None,
) -> Record:
    """The twin of `tinygrad_cls.experiments.train`, from the weights `start` if given."""
    epochs = epochs or experiment.epochs
    twin = TWINS[experiment.name]
    X_train, X_test, y_train, y_test = split(
        experiment.points(), getattr(torch, dtype), twin.integer_targets, device
    )

    torch.manual_seed(seed)
    torch.cuda.manual_seed(seed)
    model = twin.model().to(getattr(torch, dtype))
    initial = copies(model.named_parameters())
    if start:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in start.items()})
    model = model.to(device)  # drawn on the CPU and copied: CUDA starts from the same numbers
    loss_fn = twin.loss()
    optimizer = torch.optim.SGD(model.parameters(), lr=experiment.lr)

    lines: list[str] = []
    curves: list[tuple[float, ...]] = []
    recorder = Recorder()
    recorder(0, model)
    for epoch in range(1, epochs + 1):
        model.train()
        y_logits = twin.logits(model(X_train))
        y_pred = twin.labels(y_logits)

        loss = loss_fn(y_logits, y_train)
        acc = accuracy_fn(y_train, y_pred)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        model.eval()
        with torch.inference_mode():
            test_logits = twin.logits(model(X_test))
            test_pred = twin.labels(test_logits)
            test_loss = loss_fn(test_logits, y_test)
            test_acc = accuracy_fn(y_test, test_pred)

        recorder(epoch, model)
        curves.append((loss.item(), acc, test_loss.item(), test_acc))
        if epoch % experiment.print_every == 0 or epoch == epochs:
            lines.append(
                experiment.line.format(
                    epoch=epoch, loss=loss, acc=acc, test_loss=test_loss, test_acc=test_acc
                )
            )
    named = dict(zip(("loss", "acc", "test_loss", "test_acc"), np.array(curves).T, strict=True))
    return Record(lines, initial, named, recorder.parameters, recorder.gradients)


def draw(experiment: Experiment, dtype: str, seed: int) -> Arrays:
    """The initial weights."""
    torch.manual_seed(seed)
    return copies(TWINS[experiment.name].model().to(getattr(torch, dtype)).named_parameters())


def steps(
    experiment: Experiment,
    parameters: Arrays,
    epochs: Iterable[int],
    *,
    dtype: str,
    device: torch.device = CPU,
) -> Steps:
    """PyTorch's step from the given weights before each of `epochs`."""
    twin = TWINS[experiment.name]
    X, _, y, _ = split(experiment.points(), getattr(torch, dtype), twin.integer_targets, device)
    model = twin.model().to(getattr(torch, dtype)).to(device)
    return steps_from(
        torch, parameters, epochs, model, twin.loss(), twin.logits, X, y, experiment.lr
    )


def watched(
    watch: Callable[[Any], None],
    experiment: Experiment,
    *,
    dtype: str,
    seed: int,
    epochs: int,
    device: torch.device,
) -> Iterator[Any]:
    """PyTorch's run for `judge.diff`."""
    twin, kind = TWINS[experiment.name], getattr(torch, dtype)
    data = split(experiment.points(), kind, twin.integer_targets, device)
    torch.manual_seed(seed)
    model = twin.model().to(kind).to(device)
    watch(model)
    yield from epochs_of(torch, model, twin.loss(), twin.logits, data, experiment.lr, epochs)
