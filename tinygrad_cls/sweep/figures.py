"""The pictures of a sweep: the learning curves of all seeds, and which settings learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..experiments import EXPERIMENTS
from ..experiments.figures import COLORS, INK, new_figure, style
from .outcome import Outcome, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8
"""Panels side by side, and one below the other; of more values, so many are shown."""
FAINT = "#7a8a99"


def chosen(values: Sequence[Any]) -> list[Any]:
    """At most `MOST` of them, evenly spread, the first and the last included.

    >>> chosen(range(100))
    [0, 14, 28, 42, 57, 71, 85, 99]
    """
    places = np.linspace(0, len(values) - 1, min(len(values), MOST)).round().astype(int)
    return [values[place] for place in places]


def finished(outcome: Outcome, lr: float, hidden: int) -> list[Result]:
    """A setting's runs on this engine, or on the only other."""
    return [r for r in outcome.cells[outcome.sweep.engines[0], lr, hidden] if not r.error]


def title(outcome: Outcome) -> str:
    """What was swept."""
    sweep = outcome.sweep
    count = len(sweep.seeds)
    return f"{EXPERIMENTS[sweep.experiment].title}: {count} seed{'s' * (count != 1)}"


def curves_figure(outcome: Outcome) -> Figure:
    """The test loss of every seed, a panel for each rate and width; the median on top."""
    sweep = outcome.sweep
    rates, widths = chosen(sweep.lr), chosen(sweep.hidden)
    with style():
        from matplotlib.ticker import LogLocator, NullFormatter

        columns, rows = len(rates), len(widths)
        figure = new_figure(
            f"{title(outcome)}, test loss",
            max(6.4, 1.2 + 2.6 * columns),
            max(4.2, 1.4 + 2.1 * rows),
        )
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        low, high = limits(outcome)
        for row, hidden in zip(grid, widths, strict=True):
            for axes, lr in zip(row, rates, strict=True):
                panel(axes, finished(outcome, lr, hidden))
                axes.set_title(f"lr {lr:g}, width {hidden}", fontsize=10)
                axes.set_yscale("log")
                axes.set_ylim(low, high)
                axes.yaxis.set_major_locator(
                    LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,))
                )
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_minor_formatter(NullFormatter())
                axes.set_xlim(1, max(sweep.epochs, 2))
            row[0].set_ylabel("Test loss (nats)")
        for axes in grid[-1]:
            axes.set_xlabel("Epoch")
        shown = [r for lr in rates for hidden in widths for r in finished(outcome, lr, hidden)]
        kinds = [("median", COLORS[0], 2.2), ("one seed", FAINT, 0.9)]
        if any(map(worse, shown)):
            kinds.append(("ends worse than it began", COLORS[1], 0.9))
        for name, color, lw in kinds:
            grid[0, 0].plot([], [], color=color, lw=lw, label=name)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return figure


def worse(result: Result) -> bool:
    """Whether a run ends with a larger test loss than it began with, or none at all."""
    curve = result.curves["test_loss"]
    return not curve[-1] <= curve[0]


def limits(outcome: Outcome) -> tuple[float, float]:
    """Of the loss axis: all losses but those of runs that run away."""
    losses = [r.curves["test_loss"] for r in outcome.results if not r.error]
    every = np.concatenate([*losses, np.zeros(0)])
    every = every[np.isfinite(every) & (every > 0)]
    if not len(every):
        return 0.1, 1.0
    start = max(float(curve[0]) for curve in losses)
    low = float(np.quantile(every, 0.001))
    high = min(float(every.max()), 4 * start if np.isfinite(start) else float(every.max()))
    return 0.8 * low, 1.25 * max(high, low)


def panel(axes: Axes, results: Sequence[Result]) -> None:
    """One setting's curves."""
    axes.grid()
    if not results:
        axes.text(0.5, 0.5, "no run finished", transform=axes.transAxes, ha="center", color=INK)
        return
    curves = np.stack([result.curves["test_loss"] for result in results])
    epochs = np.arange(1, curves.shape[1] + 1)
    alpha = float(np.clip(8 / len(curves), 0.15, 0.8))
    for result, curve in zip(results, curves, strict=True):
        if worse(result):
            axes.plot(epochs, curve, color=COLORS[1], lw=0.8, alpha=max(alpha, 0.6))
        else:
            axes.plot(epochs, curve, color=FAINT, lw=0.8, alpha=alpha)
    middle = np.median(np.where(np.isnan(curves), np.inf, curves), axis=0)
    axes.plot(epochs, np.where(np.isfinite(middle), middle, np.nan), color=COLORS[0], lw=2.2)


def heat_figure(outcome: Outcome) -> Figure:
    """Rate by width: the median accuracy over the seeds, and the lowest. With one setting alone:
    seeds by epochs.
    """
    sweep = outcome.sweep
    if len(sweep.lr) == len(sweep.hidden) == 1:
        return strip_figure(outcome)
    rates, widths = chosen(sweep.lr), chosen(sweep.hidden)
    right = [
        [[float(r.curves["test_acc"][-1]) for r in finished(outcome, lr, hidden)] for lr in rates]
        for hidden in widths
    ]
    with style():
        figure = new_figure(
            f"{title(outcome)}, test accuracy after {sweep.epochs} epochs",
            max(8.6, 3.2 + 1.7 * len(rates)),
            max(3.6, 2.0 + 0.75 * len(widths)),
        )
        both = figure.subplots(1, 2, sharey=True)
        panels = (("Median seed", np.median), ("Worst seed", np.min))
        found = [
            np.array([[measure(x) if x else np.nan for x in row] for row in right])
            for _, measure in panels
        ]
        low = lowest(np.stack(found))
        for axes, (name, _), values in zip(both, panels, found, strict=True):
            image = heat(axes, values, low)
            axes.set_title(name)
            axes.set_xticks(range(len(rates)), [f"{lr:g}" for lr in rates])
            axes.set_yticks(range(len(widths)), [str(hidden) for hidden in widths])
            axes.set_xlabel("Learning rate")
        both[0].set_ylabel("Width of the hidden layers")
        scale = figure.colorbar(image, ax=list(both), aspect=16, pad=0.02)
        scale.outline.set(visible=False)
        scale.set_label("% of test points right")
        return figure


def lowest(values: NDArray[np.float64]) -> float:
    """Where the colours start: at whole tens, to tell apart what there is."""
    there = values[np.isfinite(values)]
    return min(90.0, 10.0 * math.floor(float(there.min(initial=100)) / 10))


def heat(axes: Axes, values: NDArray[np.float64], low: float) -> Any:
    """Coloured cells with their numbers."""
    image = axes.imshow(values, cmap="cividis", vmin=low, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        told = "-" if np.isnan(value) else f"{value:.1f}"
        color = "white" if np.isnan(value) or value < (low + 100) / 2 else INK
        axes.text(column, row, told, ha="center", va="center", color=color, fontsize=11)
    axes.set_xticks(np.arange(values.shape[1] - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return image


def strip_figure(outcome: Outcome) -> Figure:
    """A line of colour for each seed: its accuracy over the epochs, the best on top."""
    sweep = outcome.sweep
    results = finished(outcome, sweep.lr[0], sweep.hidden[0])
    with style():
        figure = new_figure(
            f"{title(outcome)}, test accuracy", 9, float(np.clip(2.2 + 0.14 * len(results), 3.6, 9))
        )
        axes = figure.add_subplot()
        axes.set_title(
            f"lr {sweep.lr[0]:g}, width {sweep.hidden[0]}: a line for each seed, the best on top"
        )
        axes.set_xlabel("Epoch")
        axes.set_ylabel("Seeds, sorted")
        axes.set_yticks([])
        if results:
            right = np.stack([result.curves["test_acc"] for result in results])
            order = np.lexsort((right.mean(axis=1), right[:, -1]))[::-1]
            image = axes.imshow(
                right[order], cmap="cividis", vmin=lowest(right), vmax=100, aspect="auto",
                extent=(0.5, right.shape[1] + 0.5, len(right), 0), interpolation="nearest",
            )  # fmt: skip
            scale = figure.colorbar(image, ax=axes, aspect=18, pad=0.02)
            scale.outline.set(visible=False)
            scale.set_label("% of test points right")
        axes.spines[:].set_visible(False)
        return figure
