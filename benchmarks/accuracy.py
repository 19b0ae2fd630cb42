"""Time to 99 % test accuracy: the tutorial's circles with ReLU, from the same initial weights."""

import argparse
import gc
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_cls as tg
from benchmarks.harness import Unfair, ratio
from benchmarks.tasks import Array

SEED, WIDTHS, LR = 42, (2, 10, 10, 1), 0.1
TARGET, MOST = 99.0, 5_000  # percent of the test points; epochs after which to give up
TOLERANCE = 1e-3  # of the loss, relative, over a whole float32 run with ReLU: docs/contract.md
METHOD = f"""
Time to {TARGET:g} % test accuracy: make_circles, 800 points to train on and 200 to test with,
2-10-10-1 with ReLU, float32, SGD on all points, learning rate {LR}, seed {SEED}. An epoch: a
training step, then the accuracy on the test points. Timed from building the model, with recording,
to the epoch that gets there; imports and data are there before. The engines take turns, in an order
shuffled each round. Medians [least, most]; how many times as fast as PyTorch eager, a ratio of
medians [95 % interval]."""


@dataclass(frozen=True)
class Data:
    """Points (n, 2) and labels (n,) of both sets, and the initial weights, as arrays."""

    X_train: Array
    X_test: Array
    y_train: Array
    y_test: Array
    weights: list[Array]


@dataclass(frozen=True)
class Reached:
    """A training that got there: seconds, the accuracy of its last epoch, the loss of each."""

    seconds: float
    accuracy: float
    losses: Array


Epoch = Callable[[], tuple[float, float]]
"""Takes a training step; returns its loss, and the percentage of right labels on the test set."""


class PyTorch:
    """PyTorch eager, as the tutorial writes it."""

    name = "PyTorch eager"
    module = "torch"

    def __init__(self, data: Data) -> None:
        self.torch: Any = import_module(self.module)
        arrays = data.X_train, data.X_test, data.y_train, data.y_test
        self.data = [self.torch.from_numpy(array) for array in arrays]

    def start(self) -> Epoch:
        """Build the model and return its epoch."""
        torch, nn = self.torch, self.torch.nn
        X_train, X_test, y_train, y_test = self.data
        torch.manual_seed(SEED)
        i, h1, h2, o = WIDTHS
        model = nn.Sequential(
            nn.Linear(i, h1), nn.ReLU(), nn.Linear(h1, h2), nn.ReLU(), nn.Linear(h2, o)
        )
        loss_fn = nn.BCEWithLogitsLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=LR)

        def train() -> Any:
            loss = loss_fn(model(X_train).squeeze(), y_train)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        def right() -> Any:
            with torch.inference_mode():
                labels = torch.round(torch.sigmoid(model(X_test).squeeze()))
                return torch.eq(labels, y_test).sum()

        train, right = self.wrapped(train), self.wrapped(right)
        return lambda: (train().item(), 100 * right().item() / len(y_test))

    def wrapped(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Return the function as this engine runs it."""
        return function


class Eager(PyTorch):
    """This project's engine: the same script with another import."""

    name = "tinygrad_cls eager"
    module = "tinygrad_cls"


class Replay(Eager):
    """The same with its two functions recorded and replayed."""

    name = "tinygrad_cls replay"

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        if not hasattr(self.torch, "compile"):
            raise ImportError("tinygrad_cls.compile is not there")

    def wrapped(self, function: Callable[[], Any]) -> Callable[[], Any]:
        compiled: Callable[[], Any] = self.torch.compile(function)
        return compiled


class ScikitLearn:
    """MLPClassifier told to do the same: plain SGD on all points, from the same weights."""

    name = "scikit-learn"

    def __init__(self, data: Data) -> None:
        self.networks: Any = import_module("sklearn.neural_network")
        self.data = data

    def start(self) -> Epoch:
        """Build the model and return its epoch."""
        data = self.data
        model = self.networks.MLPClassifier(
            WIDTHS[1:-1],
            solver="sgd",
            learning_rate_init=LR,
            momentum=0,
            nesterovs_momentum=False,
            alpha=0,
            batch_size=len(data.X_train),
            shuffle=False,
        )
        model.partial_fit(data.X_train, data.y_train, classes=(0, 1))  # makes the weights, ...
        for i, (W, b) in enumerate(zip(data.weights[::2], data.weights[1::2], strict=True)):
            model.coefs_[i][:], model.intercepts_[i][:] = W.T, b  # ... which are taken back

        def epoch() -> tuple[float, float]:
            model.partial_fit(data.X_train, data.y_train)
            return model.loss_, 100 * float(model.score(data.X_test, data.y_test))

        return epoch


ENGINES: tuple[Any, ...] = (PyTorch, Eager, Replay, ScikitLearn)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print epochs and seconds of every engine that is there, and return their rows."""
    rounds = getattr(options, "rounds", None) or (2 if getattr(options, "quick", False) else 15)
    target = getattr(options, "target", None) or TARGET
    data = circles()
    engines, absent = [], {}
    for engine in ENGINES:
        try:
            engines.append(engine(data))
        except ImportError as error:
            absent[engine.name] = str(error)
    for engine in engines:
        train(engine.start, most=20)  # what a library makes once
    found: dict[str, list[Reached]] = {engine.name: [] for engine in engines}
    shuffle = random.Random(0)
    for _ in range(rounds):
        for engine in shuffle.sample(engines, len(engines)):
            found[engine.name].append(train(engine.start, target))
    prove({name: results[0].losses for name, results in found.items()})
    print(METHOD)
    for name, reason in absent.items():
        print(f"  absent: {name}: {reason}")
    print(f"\n  {'':20}{'epochs':>7}{'accuracy':>10}  {'seconds':24}times as fast")
    base = found.get(PyTorch.name)
    return [_row(name, results, base, target) for name, results in found.items()]


def circles() -> Data:
    """Return the tutorial's circles, split as it splits them, and the weights of its seed."""
    datasets: Any = import_module("sklearn.datasets")
    selection: Any = import_module("sklearn.model_selection")
    X, y = datasets.make_circles(n_samples=1000, noise=0.03, random_state=SEED)
    X_train, X_test, y_train, y_test = selection.train_test_split(
        X.astype(np.float32), y.astype(np.float32), test_size=0.2, random_state=SEED
    )
    tg.manual_seed(SEED)
    layers = [tg.nn.Linear(i, o) for i, o in pairwise(WIDTHS)]
    weights = [p.detach().numpy() for layer in layers for p in layer.parameters()]
    return Data(X_train, X_test, y_train, y_test, weights)


def train(start: Callable[[], Epoch], target: float = 200.0, most: int = MOST) -> Reached:
    """Run epochs until the accuracy is there (200 % never is), or the most of them; time it all."""
    gc.collect()
    clock = perf_counter()
    epoch = start()
    losses: list[float] = []
    accuracy = 0.0
    while accuracy < target and len(losses) < most:
        loss, accuracy = epoch()
        losses.append(loss)
    return Reached(perf_counter() - clock, accuracy, np.array(losses))


def prove(losses: Mapping[str, Array]) -> None:
    """Print how far the loss curves are apart; raises ``Unfair`` if too far."""
    base, *others = losses
    print(f"\nSame work: the loss of every epoch, relative; allowed {TOLERANCE:g}.")
    for name in others:
        n = min(len(losses[base]), len(losses[name]))
        gap = np.abs(losses[name][:n] / losses[base][:n] - 1)
        if not gap.max() <= TOLERANCE:
            raise Unfair(
                f"accuracy: the loss of {name} is {losses[name][gap.argmax()]} in epoch "
                f"{gap.argmax() + 1}, that of {base} {losses[base][gap.argmax()]}"
            )
        print(f"  {name} is at most {gap.max():.1e} from {base}")


def _row(
    name: str, results: Sequence[Reached], base: Sequence[Reached] | None, target: float
) -> dict[str, Any]:
    """Print and return what an engine reached."""
    seconds = np.array([result.seconds for result in results])
    epochs, accuracy = len(results[0].losses), results[0].accuracy
    times = None
    if base and min(accuracy, base[0].accuracy) >= target:
        times = ratio(np.array([result.seconds for result in base]), seconds)
    said = "-" if accuracy >= target else "not reached"
    shown = f"{np.median(seconds):.3f} [{seconds.min():.3f}, {seconds.max():.3f}]"
    print(f"  {name:20}{epochs:7}{accuracy:8.1f} %  {shown:24}{times or said}")
    return {
        "study": "accuracy",
        "task": "circles-relu",
        "batch": 800,
        "width": WIDTHS[1],
        "dtype": "float32",
        "engine": name,
        "epochs": epochs,
        "accuracy": accuracy,
        "median": float(np.median(seconds)),
        "low": float(seconds.min()),
        "high": float(seconds.max()),
        "ratio": asdict(times) if times else None,
    }
