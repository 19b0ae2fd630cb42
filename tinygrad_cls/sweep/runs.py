"""One run of a sweep: an experiment with a seed, a learning rate and a width, on either engine."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np

import tinygrad_cls

from .. import nn
from .._torch import pytorch
from ..experiments import EXPERIMENTS, History, Points, train
from ..experiments.contract import TUTORIAL_SEED

ENGINES = ("tinygrad_cls", "torch")


@dataclass(frozen=True)
class Setting:
    """What one run is told. hidden: the width of both hidden layers."""

    experiment: str
    engine: str
    lr: float
    hidden: int
    seed: int
    dtype: str
    epochs: int

    @property
    def key(self) -> str:
        """What tells it from the others of its sweep."""
        return f"{self.engine}, lr {self.lr:g}, hidden {self.hidden}, seed {self.seed}"

    @property
    def as_measured(self) -> bool:
        """Whether the contract's tighter bounds were measured for it: it's the tutorial's."""
        experiment = EXPERIMENTS[self.experiment]
        return (
            self.seed == TUTORIAL_SEED
            and self.lr == experiment.lr
            and self.hidden == width(self.experiment)
            and self.epochs <= experiment.epochs
            and platform.machine().lower() in ("x86_64", "amd64")
        )


@dataclass(frozen=True)
class Sweep:
    """Every combination of seeds, learning rates, widths and engines."""

    experiment: str
    seeds: Sequence[int]
    lr: Sequence[float]
    hidden: Sequence[int]
    dtype: str = "float64"
    epochs: int = 100
    engines: Sequence[str] = ("tinygrad_cls",)

    def __len__(self) -> int:
        return len(self.seeds) * len(self.lr) * len(self.hidden) * len(self.engines)

    def settings(self) -> Iterator[Setting]:
        """All runs; both engines' for one setting follow each other."""
        for lr, hidden, seed, engine in product(self.lr, self.hidden, self.seeds, self.engines):
            yield Setting(self.experiment, engine, lr, hidden, seed, self.dtype, self.epochs)

    def identity(self) -> dict[str, Any]:
        """What makes it this sweep: all that its numbers depend on, but for the processor."""
        versions = {"tinygrad_cls": tinygrad_cls.__version__, "numpy": np.__version__}
        if "torch" in self.engines:
            versions["torch"] = str(pytorch().__version__)
        return {**asdict(self), "seeds": spans(self.seeds), "versions": versions}


def spans(numbers: Sequence[int]) -> str:
    """Whole numbers as they are given.

    >>> spans([0, 1, 2, 3, 7, 9, 10])
    '0-3,7,9-10'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)


# --- One run --------------------------------------------------------------------------------------


def run(setting: Setting) -> dict[str, Any]:
    """Train, and return what the journal keeps: the setting and the curves.

    A loss that is not finite any more is a result: `diverged`.
    """
    with np.errstate(all="ignore"):
        history = (train_torch if setting.engine == "torch" else train_ours)(setting)
    diverged = not math.isfinite(history.loss[-1] + history.test_loss[-1])
    return {**asdict(setting), "diverged": diverged, **asdict(history)}


@cache
def points(experiment: str) -> Points:
    """An experiment's points, made once in a process."""
    return EXPERIMENTS[experiment].points()


@cache
def width(experiment: str) -> int:
    """Of the tutorial's hidden layers."""
    return len(next(iter(EXPERIMENTS[experiment].model(2, 4).parameters())))


@cache
def bends(experiment: str) -> bool:
    """Whether there are ReLUs between the layers."""
    return any(isinstance(m, nn.ReLU) for m in EXPERIMENTS[experiment].model(2, 4).modules())


def network(library: Any, setting: Setting) -> Callable[[], Any]:
    """Builds the experiment's model in the setting's width from the layers of either engine: with
    draws of the same shapes in the same order as the tutorial's.
    """
    experiment, data = EXPERIMENTS[setting.experiment], points(setting.experiment)
    outputs = len(data.classes) if experiment.task.integer_targets else 1
    widths = (len(data.features), setting.hidden, setting.hidden, outputs)
    between = [library.ReLU] if bends(setting.experiment) else []  # this draws, too: not later

    def build() -> Any:
        layers: list[Any] = []
        for into, out in pairwise(widths):
            layers += [*(kind() for kind in between if layers), library.Linear(into, out)]
        return library.Sequential(*layers)

    return build


def train_ours(setting: Setting) -> History:
    """As `tinygrad-cls train` does."""
    build = network(nn, setting)
    return train(
        replace(EXPERIMENTS[setting.experiment], model=lambda features, classes: build()),
        points(setting.experiment),
        epochs=setting.epochs,
        lr=setting.lr,
        seed=setting.seed,
        dtype=getattr(tinygrad_cls, setting.dtype),
        show=lambda line: None,
    ).history


def train_torch(setting: Setting) -> History:
    """The same run on PyTorch, with one thread."""
    from sklearn.model_selection import train_test_split

    torch: Any = pytorch()
    experiment, data = EXPERIMENTS[setting.experiment], points(setting.experiment)
    task, kind = experiment.task, getattr(torch, setting.dtype)
    X = torch.from_numpy(data.X).type(kind)
    y = torch.from_numpy(data.y).type(torch.int64 if task.integer_targets else kind)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)

    def percent(logits: Any, y: Any) -> float:
        labels = logits.argmax(1) if task.integer_targets else torch.round(torch.sigmoid(logits))
        return float(torch.eq(y, labels).sum().item() / len(y) * 100)

    build = network(torch.nn, setting)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(setting.seed)
        model = build().to(kind)
        loss_fn = getattr(torch.nn, type(task.loss()).__name__)()
        optimizer = torch.optim.SGD(model.parameters(), lr=setting.lr)
        history = History()
        for _ in range(setting.epochs):
            logits = task.logits(model(X_train))
            loss = loss_fn(logits, y_train)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.inference_mode():
                test_logits = task.logits(model(X_test))
                history.loss.append(loss.item())
                history.acc.append(percent(logits, y_train))
                history.test_loss.append(loss_fn(test_logits, y_test).item())
                history.test_acc.append(percent(test_logits, y_test))
        return history
    finally:
        torch.set_num_threads(threads)
