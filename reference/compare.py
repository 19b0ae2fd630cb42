"""The same experiment on both engines."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tinygrad_cls.experiments import Experiment, Run
from tinygrad_cls.experiments.contract import TUTORIAL_SEED

from . import engine, training
from .record import Record, Steps
from .rounding import Rounding, gradient_rounding


@dataclass(frozen=True)
class Setting:
    """What is compared: one experiment in one dtype, for all epochs or fewer.

    `device` is PyTorch's; `eager` is ours: whether steps are run op by op, or replayed.
    """

    experiment: Experiment
    dtype: str = "float32"
    seed: int = TUTORIAL_SEED
    epochs: int = 0
    device: torch.device = training.CPU
    eager: bool = False

    @property
    def probes(self) -> range:
        """The epochs whose step is also taken from equal weights."""
        return range(1, self.epochs + 1, 10)

    @property
    def as_measured(self) -> bool:
        """Whether the contract's rounding-dependent rows were measured for such a run."""
        return (
            self.seed == TUTORIAL_SEED
            and self.epochs <= self.experiment.epochs
            and self.device.type == "cpu"
            and platform.machine().lower() in ("x86_64", "amd64")
        )


@dataclass
class Comparison:
    """Everything both engines leave behind.

    `steps` are the engine's, from the weights of `torch`. `other` is PyTorch trained again on its
    default kernels, and `other_steps` are PyTorch's from the weights of `other`.
    """

    setting: Setting
    run: Run
    ours: Record
    torch: Record
    steps: Steps
    other: Record
    other_steps: Steps
    rounding: list[list[Rounding]]


def compare(setting: Setting, others: Iterator[Record]) -> Comparison:
    """Train both engines, and take the next of `others`, which may be in the making till then."""
    experiment, dtype, device = setting.experiment, setting.dtype, setting.device
    how: dict[str, Any] = {"dtype": dtype, "seed": setting.seed, "epochs": setting.epochs}
    with training.repeatable():
        theirs = training.train(experiment, device=device, **how)
    ours, run = engine.train(experiment, eager=setting.eager, **how)
    steps = engine.steps(
        experiment, theirs.parameters, setting.probes, dtype=dtype, eager=setting.eager
    )
    X, y = np.asarray(run.data.X_train), np.asarray(run.data.y_train)
    rounding = [
        gradient_rounding(
            [values[epoch - 1] for values in theirs.parameters.values()],
            X,
            y,
            relu=experiment.name != "circles-linear",
            integer_targets=experiment.task.integer_targets,
            u=float(np.finfo(dtype).eps) / 2,
        )
        for epoch in setting.probes
    ]
    other = next(others)
    with training.repeatable():
        other_steps = training.steps(
            experiment, other.parameters, setting.probes, dtype=dtype, device=device
        )
    return Comparison(setting, run, ours, theirs, steps, other, other_steps, rounding)
