"""What `training` asks of PyTorch, asked of tinygrad_cls."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

import tinygrad_cls
from tinygrad_cls import experiments
from tinygrad_cls.experiments import Experiment, Run

from .record import Arrays, Record, Recorder, Steps, epochs_of, steps_from


def train(
    experiment: Experiment,
    *,
    dtype: str = "float32",
    seed: int = 42,
    epochs: int | None = None,
    eager: bool = False,
) -> tuple[Record, Run]:
    """The product's own training, watched."""
    lines: list[str] = []
    recorder = Recorder()
    run = experiments.train(
        experiment,
        epochs=epochs,
        seed=seed,
        dtype=getattr(tinygrad_cls, dtype),
        eager=eager,
        show=lines.append,
        watch=recorder,
    )
    curves = {name: np.array(values) for name, values in asdict(run.history).items()}
    parameters = recorder.parameters
    initial = {name: values[0] for name, values in parameters.items()}
    return Record(lines, initial, curves, parameters, recorder.gradients), run


def steps(
    experiment: Experiment,
    parameters: Arrays,
    epochs: Iterable[int],
    *,
    dtype: str,
    eager: bool = False,
) -> Steps:
    """The engine's step from the given weights before each of `epochs`."""
    task, points = experiment.task, experiment.points()
    kind = getattr(tinygrad_cls, dtype)
    data = experiments.split(points, kind, tinygrad_cls.int64 if task.integer_targets else kind)
    model = experiment.model(len(points.features), len(points.classes)).to(kind)
    return steps_from(
        tinygrad_cls,
        parameters,
        epochs,
        model,
        task.loss(),
        task.logits,
        data.X_train,
        data.y_train,
        experiment.lr,
        compiled=not eager,
    )


def watched(
    watch: Callable[[Any], None],
    experiment: Experiment,
    *,
    dtype: str,
    seed: int,
    epochs: int,
    eager: bool,
) -> Iterator[Any]:
    """The engine's run for `judge.diff`."""
    task, points = experiment.task, experiment.points()
    kind = getattr(tinygrad_cls, dtype)
    data = experiments.split(points, kind, tinygrad_cls.int64 if task.integer_targets else kind)
    tinygrad_cls.manual_seed(seed)
    model = experiment.model(len(points.features), len(points.classes)).to(kind)
    watch(model)
    yield from epochs_of(
        tinygrad_cls, model, task.loss(), task.logits, data, experiment.lr, epochs,
        compiled=not eager,
    )  # fmt: skip
