"""The figures of `python -m reference`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cls.experiments import EXPERIMENTS
from tinygrad_cls.experiments.figures import (
    COLORS,
    INK,
    boundary_figure,
    data_figure,
    finding,
    new_figure,
    save,
    style,
)

from .compare import Comparison
from .contract import loss_bound
from .record import Array, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write(folder: Path, comparisons: Sequence[Comparison]) -> list[Path]:
    """Write every figure that the experiments at hand allow; the files written."""
    runs = {c.setting.experiment.name: c.run for c in reversed(comparisons)}  # float32 before 64
    figures: dict[str, Figure] = {
        "data": data_figure(
            "No line parts the circles; the blobs nearly part by themselves",
            [
                ("Two circles, 1000 points", EXPERIMENTS["circles-linear"].points()),
                ("Four blobs, 1000 points", EXPERIMENTS["blobs"].points()),
            ],
        ),
        "loss-curves": loss_figure(comparisons),
    }
    for name, run in runs.items():
        panels = [("Training set", run, "train"), ("Test set", run, "test")]
        figures[name] = boundary_figure(finding(run), panels)
    if "circles-linear" in runs and "circles-relu" in runs:
        linear, relu = runs["circles-linear"], runs["circles-relu"]
        before, after = (run.history.test_acc[-1] for run in (linear, relu))
        figures["linear-against-relu"] = boundary_figure(
            f"ReLU between the layers: from {before:.1f} to {after:.1f} % of test points right",
            [("Linear layers only", linear, "test"), ("With ReLU between", relu, "test")],
        )
    paths = [folder / f"{name}.png" for name in figures]
    for figure, path in zip(figures.values(), paths, strict=True):
        save(figure, path)
    return paths


def loss_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Both engines' training loss on top of each other, and below it their difference."""
    names = list(dict.fromkeys(c.setting.experiment.name for c in comparisons))
    with style():
        worst: dict[str, float] = {}
        for c in comparisons:
            largest = float(np.max(_difference(c.ours, c.torch)))
            worst[c.setting.dtype] = max(worst.get(c.setting.dtype, 0), largest)
        apart = ", ".join(f"{value:.0e} in {dtype}" for dtype, value in worst.items())
        figure = new_figure(
            f"Loss of both engines, largest relative difference: {apart}", 4.8 * len(names) + 0.6, 7
        )
        grid = figure.add_gridspec(2, len(names), height_ratios=(1, 1))
        for column, name in enumerate(names):
            group = [c for c in comparisons if c.setting.experiment.name == name]
            loss = figure.add_subplot(grid[0, column])
            distance = figure.add_subplot(grid[1, column], sharex=loss)
            loss.set_title(group[0].setting.experiment.title)
            _losses(loss, group[0])
            for comparison in group:
                _distances(distance, comparison)
            distance.set_yscale("log")
            distance.set_ylim(EQUAL / 2, 1)
            distance.set_yticks([EQUAL, *(10.0**k for k in range(-15, 1, 3))])
            distance.set_yticklabels(["equal", *(f"$10^{{{k}}}$" for k in range(-15, 1, 3))])
            distance.minorticks_off()
            distance.grid(axis="y")
            distance.set_xlabel("Epoch")
            loss.legend()
            if column == 0:
                loss.set_ylabel("Training loss (nats per point)")
                distance.set_ylabel("Relative difference of the loss")
        figure.legend(
            *distance.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=6,
            markerscale=3,
        )
        return figure


EQUAL = 1e-17
"""Where a difference of 0 is drawn on a logarithmic axis: below the smallest possible."""


def _losses(axes: Axes, c: Comparison) -> None:
    epochs = np.arange(1, c.setting.epochs + 1)
    axes.plot(epochs, c.torch.curves["loss"], color="#9ecae1", lw=6, label="PyTorch")
    axes.plot(epochs, c.ours.curves["loss"], color=INK, lw=1.3, label="tinygrad_cls")
    axes.grid()
    axes.margins(x=0.01)


def _distances(axes: Axes, c: Comparison) -> None:
    dtype, epochs = c.setting.dtype, np.arange(1, c.setting.epochs + 1)
    color, gray = (COLORS[1], "#bbbbbb") if dtype == "float32" else (COLORS[0], "#dddddd")
    dots: dict[str, Any] = {
        "ls": "none",
        "marker": ".",
        "ms": 4 if len(epochs) > 200 else 7,
        "mew": 0,
    }
    itself = np.maximum(_difference(c.other, c.torch), EQUAL)
    axes.plot(epochs, itself, color=gray, label=f"PyTorch from itself, {dtype}", **dots)
    ours = np.maximum(_difference(c.ours, c.torch), EQUAL)
    axes.plot(epochs, ours, color=color, label=f"ours from PyTorch, {dtype}", **dots)
    if bound := loss_bound(c.setting):
        axes.axhline(bound, color=color, lw=1.2, ls="--", label=f"allowed, {dtype}")


def _difference(a: Record, b: Record) -> Array:
    return np.asarray(abs(a.curves["loss"] - b.curves["loss"]) / b.curves["loss"])
