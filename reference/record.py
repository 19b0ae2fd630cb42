"""What a training run leaves behind, by name, the same for both engines."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = dict[str, Array]


def copies(named: Iterable[tuple[str, Any]]) -> Arrays:
    """Tensors of either engine, on any device, as arrays of their own."""
    return {name: tensor.detach().to("cpu").numpy().copy() for name, tensor in named}


class Recorder:
    """Collects the parameters and gradients of a model of either engine."""

    def __init__(self) -> None:
        self._parameters: list[Arrays] = []
        self._gradients: list[Arrays] = []

    def __call__(self, epoch: int, model: Any) -> None:
        named = list(model.named_parameters())
        self._parameters.append(copies(named))
        if epoch > 0:
            self._gradients.append(copies((name, parameter.grad) for name, parameter in named))

    @property
    def parameters(self) -> Arrays:
        return _stack(self._parameters)

    @property
    def gradients(self) -> Arrays:
        return _stack(self._gradients)


def _stack(epochs: list[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in epochs]) for name in epochs[0]}


@dataclass
class Record:
    """A whole run. The first axis of every array but `initial` is the epoch.

    initial: the weights as drawn. curves: loss, acc, test_loss, test_acc.
    parameters: before the first epoch and after each one.
    """

    lines: list[str]
    initial: Arrays
    curves: Arrays
    parameters: Arrays
    gradients: Arrays

    def save(self, path: Path) -> None:
        groups = asdict(self) | {"lines": {"": np.array(self.lines, dtype=str)}}
        np.savez(path, **{f"{g}/{n}": v for g, arrays in groups.items() for n, v in arrays.items()})

    @classmethod
    def load(cls, path: Path) -> Self:
        groups: dict[str, Any] = {field.name: {} for field in fields(cls)}
        with np.load(path) as arrays:
            for key, values in arrays.items():
                group, _, name = key.partition("/")
                groups[group][name] = values
        return cls(**groups | {"lines": groups["lines"][""].tolist()})


@dataclass
class Steps:
    """Single training steps from given weights: the gradient, and the weights after the step."""

    gradients: Arrays
    parameters: Arrays


def steps_from(
    torch: ModuleType,
    parameters: Arrays,
    epochs: Iterable[int],
    model: Any,
    loss_fn: Any,
    logits: Callable[[Any], Any],
    X: Any,
    y: Any,
    lr: float,
    *,
    compiled: bool = False,
) -> Steps:
    """One step from the weights before each of `epochs`. `torch` is PyTorch, or the engine."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def one_step() -> None:
        loss = loss_fn(logits(model(X)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step = torch.compile(one_step) if compiled else one_step
    recorder = Recorder()
    for epoch in epochs:
        model.load_state_dict(
            {name: torch.from_numpy(values[epoch - 1]) for name, values in parameters.items()}
        )
        step()
        recorder(epoch, model)
    return Steps(recorder.gradients, recorder.parameters)


def epochs_of(
    torch: ModuleType,
    model: Any,
    loss_fn: Any,
    logits: Callable[[Any], Any],
    data: Iterable[Any],
    lr: float,
    epochs: int,
    *,
    compiled: bool = False,
) -> Iterator[dict[str, Any]]:
    """The training itself, an epoch at a time: its losses. `torch` is PyTorch, or the engine.

    data: X_train, X_test, y_train, y_test.
    """
    X_train, X_test, y_train, y_test = data
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def one_step() -> Any:
        loss = loss_fn(logits(model(X_train)), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = torch.compile(one_step) if compiled else one_step
    for _ in range(epochs):
        model.train()
        loss = step()
        model.eval()
        with torch.inference_mode():
            test_loss = loss_fn(logits(model(X_test)), y_test)
        yield {"loss": loss, "test loss": test_loss}
