"""Figures of points, decision boundaries and training curves, as matplotlib Figures.

Classes differ in colour (Okabe & Ito's palette, which colour-blind readers can tell apart) and in
marker. Needs the extra `experiments`; nothing here touches pyplot or a display.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .data import Points
from .extras import extra
from .training import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#F0E442")
MARKERS = "osD^vPX"  # one fewer than colours: 56 classes look different
INK = "#222222"
DPI = 150
FILE_TYPES = ("png", "svg", "pdf")

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.titlesize": 14,
    "figure.titleweight": "bold",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.hashsalt": "tinygrad_cls",
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
}


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure here."""
    with extra():
        from matplotlib import rc_context
    with rc_context(STYLE):
        yield


def new_figure(title: str, width: float, height: float) -> Figure:
    """An empty figure, in inches, headed by what it shows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[call-arg, union-attr]
    figure.suptitle(title, x=0.015, ha="left")
    return figure


def save(figure: Figure, path: str | Path, file_type: str = "png") -> None:
    """Write `figure`; equal figures give equal bytes."""
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with style():
        figure.savefig(path, format=file_type, metadata=undated.get(file_type))


def data_figure(title: str, panels: Sequence[tuple[str, Points]]) -> Figure:
    """Points side by side, for two features."""
    with style():
        figure = new_figure(title, 5 * len(panels), 5.6)
        for axes, (name, points) in zip(_row(figure, len(panels)), panels, strict=True):
            axes.set_title(name)
            _scatter(axes, points, points.X, points.y)
            axes.set_aspect("equal", "datalim")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, handletextpad=0.2)
        return figure


def boundary_figure(title: str, panels: Sequence[tuple[str, Run, str]]) -> Figure:
    """What models decide, side by side. A panel is a name, a run, and its "train" or "test" set."""
    with style():
        figure = new_figure(title, 5 * len(panels), 5.8)
        for axes, panel in zip(_row(figure, len(panels)), panels, strict=True):
            _boundary(axes, *panel)
        _legend_below(figure)
        return figure


def run_figure(run: Run) -> Figure:
    """One run: train and test points with the decision boundary (for two features), and curves."""
    flat = len(run.points.features) == 2
    with style():
        figure = new_figure(finding(run), 15 if flat else 9, 5.8)
        grid = figure.add_gridspec(2, 3 if flat else 1)
        if flat:
            for column, (name, part) in enumerate(
                (("Training set", "train"), ("Test set", "test"))
            ):
                _boundary(figure.add_subplot(grid[:, column]), name, run, part)
            _legend_below(figure)
        loss, acc = figure.add_subplot(grid[0, -1]), figure.add_subplot(grid[1, -1])
        _curves(loss, "Loss (nats per point)", run.history.loss, run.history.test_loss)
        _curves(acc, "Accuracy (%)", run.history.acc, run.history.test_acc)
        loss.legend()
        acc.set_xlabel("Epoch")
        return figure


def finding(run: Run) -> str:
    """One sentence on what a run came to."""
    source = run.points.source
    subject = f"{source}, {run.experiment.name}" if source else run.experiment.title
    right, epochs = run.history.test_acc[-1], len(run.history.test_acc)
    return f"{subject}: {right:.1f} % of test points right after {epochs} epochs"


def _row(figure: Figure, count: int) -> list[Axes]:
    return [figure.add_subplot(1, count, i + 1) for i in range(count)]


def _scatter(axes: Axes, points: Points, X: NDArray[Any], y: NDArray[Any]) -> None:
    for number, name in enumerate(points.classes):
        chosen = y == number
        axes.scatter(
            X[chosen, 0],
            X[chosen, 1],
            s=26,
            color=COLORS[number % len(COLORS)],
            marker=MARKERS[number % len(MARKERS)],
            edgecolors="white",
            linewidths=0.5,
            label=f"class {name}" if name.lstrip("-").isdecimal() else name,
        )
    axes.set_xlabel(points.features[0])
    axes.set_ylabel(points.features[1])


def _boundary(axes: Axes, name: str, run: Run, part: str) -> None:
    X, y = (np.asarray(getattr(run.data, f"{letter}_{part}")) for letter in "Xy")
    wrong = run.probabilities(X).argmax(axis=1) != y
    axes.set_title(f"{name}: {100 * (1 - wrong.mean()):.1f} % right")

    low, high = run.points.X.min(axis=0), run.points.X.max(axis=0)
    margin = 0.06 * (high - low) + 1e-9
    (left, bottom), (right, top) = low - margin, high + margin
    x1, x2 = np.meshgrid(np.linspace(left, right, 300), np.linspace(bottom, top, 300))
    p = run.probabilities(np.column_stack([x1.ravel(), x2.ravel()])).reshape(*x1.shape, -1)

    axes.imshow(
        _shade(p), extent=(left, right, bottom, top), origin="lower", aspect="auto", zorder=0
    )
    for number in range(p.shape[-1]):
        lead = p[..., number] - np.delete(p, number, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            axes.contour(x1, x2, lead, levels=[0], colors=INK, linewidths=1.2)
    axes.plot([], [], color=INK, lw=1.2, label="decision boundary")
    _scatter(axes, run.points, X, y)
    axes.scatter(
        X[wrong, 0],
        X[wrong, 1],
        s=60,
        facecolors="none",
        edgecolors=INK,
        linewidths=0.8,
        label="misclassified",
    )


def _shade(p: NDArray[Any]) -> NDArray[Any]:
    """(..., classes) to (..., RGB): the likeliest class's colour, paler where it is less likely."""
    from matplotlib.colors import to_rgb

    colors = np.array([to_rgb(COLORS[i % len(COLORS)]) for i in range(p.shape[-1])])
    certainty = (p.max(axis=-1, keepdims=True) * p.shape[-1] - 1) / (p.shape[-1] - 1)
    strength = 0.06 + 0.36 * certainty
    return np.asarray(1 - strength * (1 - colors[p.argmax(axis=-1)]))


def _legend_below(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(len(labels), 6),
        title="Deeper shade: the model is more certain",
        title_fontsize=9,
    )


def _curves(axes: Axes, name: str, train: list[float], test: list[float]) -> None:
    epochs = range(1, len(train) + 1)
    axes.plot(epochs, train, color=COLORS[0], lw=1.8, label="training set")
    axes.plot(epochs, test, color=COLORS[1], lw=1.8, ls=(0, (4, 1.5)), label="test set")
    axes.set_title(name)
    axes.grid()
    axes.margins(x=0.01)
