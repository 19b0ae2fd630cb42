"""Figures of the measurements: time against batch by width, and the table of the README.

They read the JSON of ``python -m benchmarks --json FILE`` and measure nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cls.experiments.figures import INK, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
BASE, CONTROL = "PyTorch eager", "control"
TOLD = ("faster", "slower")
PANELS = 4  # widths side by side, at most
SHADE, FLOOR = "#f4f4f4", "#d4d4d4"


class Look(NamedTuple):
    """How an engine is drawn, in Okabe and Ito's colours; line and marker tell them apart too."""

    color: str
    marker: str
    line: Any = "-"
    width: float = 1.3


LOOKS = {
    "tinygrad_cls replay": Look("#0072B2", "o", width=2.4),
    "tinygrad_cls eager": Look("#56B4E9", "o", width=2.0),
    "NumPy by hand": Look(INK, "x", (0, (1, 1.3))),
    BASE: Look("#D55E00", "s", width=2.0),
    "torch.compile": Look("#E69F00", "D"),
    "PyTorch CUDA": Look("#D55E00", "*", (0, (4, 1.5))),
    "JAX scan": Look("#009E73", "v"),
    "JAX jit": Look("#009E73", "^", (0, (4, 1.5))),
    "HIPS autograd": Look("#CC79A7", "P"),
    "MyGrad": Look("#CC79A7", "X", (0, (4, 1.5))),
    "scikit-learn": Look("#777777", "h", (0, (4, 1.5))),
}
"""Engines in the order of the legend; one that is not here comes last, in grey."""
UNKNOWN = Look("#999999", ".")


def draw(document: dict[str, Any], path: str | Path) -> None:
    """Draw the rows of the study ``grid``: seconds a step and the ratio to PyTorch eager.

    Log-log, a panel a width (four at most), a line an engine, its interval as a band. Of several
    numbers of cores or dtypes, the first is drawn. ValueError where there is no such row.
    """
    rows = _first(_first(_of(document, "grid"), "cores"), "dtype")
    widths = _spread(sorted({row["width"] for row in rows}))
    with style():
        figure = new_figure(_title("Time of a training step", rows), 2.4 * len(widths) + 1.4, 5.8)
        panels = figure.subplots(
            2, len(widths), sharex=True, sharey="row", squeeze=False, height_ratios=(1.5, 1)
        )
        for above, below, width in zip(*panels, widths, strict=True):
            here = [row for row in rows if row["width"] == width]
            above.set_title(f"width {width:,}")
            for name in _engines(here):
                found = sorted(
                    (row for row in here if row["engine"] == name), key=lambda r: r["batch"]
                )
                _line(above, name, [(r["batch"], r["median"], r["low"], r["high"]) for r in found])
                ratios = [(r["batch"], r["ratio"]) for r in found if r["ratio"] and name != BASE]
                _line(below, name, [(b, q["value"], q["low"], q["high"]) for b, q in ratios])
            below.axhline(1, color=LOOKS[BASE].color, lw=LOOKS[BASE].width, zorder=1)
            below.set_xlabel("Batch (points)")
            for axes in above, below:
                _log(axes)
        panels[0, 0].set_ylabel("Time per step")
        panels[1, 0].set_ylabel("Times as fast\nas PyTorch eager")
        panels[0, 0].yaxis.set_major_formatter(_duration)
        _ratios(panels[1, 0].yaxis, [q["value"] for row in rows if (q := row["ratio"])])
        panels[0, 0].xaxis.set_major_formatter(_count)
        _legend(figure, rows)
    save(figure, path)


def bars(document: dict[str, Any], path: str | Path) -> None:
    """Draw the rows of the studies ``steps`` and ``epochs``: each engine against PyTorch eager.

    A lane a task, a panel a number of cores. A bar for this project's engines, with their numbers
    at the right, and a mark for the others, with 95 % intervals; hollow where an engine is neither
    faster nor slower. The grey band is the noise floor, the black tick the goal. An engine without
    a ratio is not drawn. Of several dtypes, the first is drawn. ValueError where there is no such
    row.
    """
    rows = _first(_of(document, "steps", "epochs"), "dtype")
    groups = [[row for row in rows if row["cores"] == cores] for cores in _unique(rows, "cores")]
    lanes = [_unique(group, "task") for group in groups]
    count = sum(map(len, lanes))
    with style():
        title = f"How many times as fast as PyTorch eager, {rows[0]['dtype']}"
        figure = new_figure(title, 10, 1.5 + 0.62 * count + 0.5 * len(groups))
        panels = figure.subplots(
            len(groups),
            1,
            sharex=True,
            squeeze=False,
            height_ratios=[len(tasks) for tasks in lanes],
        )
        for axes, group, tasks in zip(panels[:, 0], groups, lanes, strict=True):
            cores = group[0]["cores"]
            axes.set_title("One core" if cores == 1 else f"{cores} cores")
            for y, task in enumerate(tasks):
                _lane(axes, y, [row for row in group if row["task"] == task])
            axes.axvline(1, color=LOOKS[BASE].color, lw=LOOKS[BASE].width, zorder=1)
            axes.set_xscale("log")
            axes.minorticks_off()
            axes.grid(axis="x")
            axes.set_yticks(range(len(tasks)), tasks)
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(len(tasks) - 0.5, -0.5)
            axes.spines["left"].set_visible(False)
        last = panels[-1, 0]
        _ratios(last.xaxis, [q["value"] for row in rows if (q := row["ratio"])])
        last.set_xlabel("slower   ←   times as fast as PyTorch eager   →   faster")
        _legend(figure, rows, lanes=True)
    save(figure, path)


# --- the rows ---------------------------------------------------------------------------------


def _of(document: dict[str, Any], *studies: str) -> list[Row]:
    """Return the rows of the studies that have a time; absent engines have none."""
    rows = [row for row in document["rows"] if row["study"] in studies and "median" in row]
    if not rows:
        raise ValueError(f"nothing to draw: the document has no row of the study {studies}")
    return rows


def _first(rows: Sequence[Row], key: str) -> list[Row]:
    return [row for row in rows if row[key] == rows[0][key]]


def _unique(rows: Iterable[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _spread(widths: Sequence[int]) -> list[int]:
    """Return the first, the last, and those evenly between: four at most."""
    n = min(len(widths), PANELS)
    return [widths[round(i * (len(widths) - 1) / max(n - 1, 1))] for i in range(n)]


def _engines(rows: Sequence[Row]) -> list[str]:
    found = [name for name in _unique(rows, "engine") if name != CONTROL]
    known = list(LOOKS)
    return sorted(found, key=lambda name: known.index(name) if name in known else len(known))


def _title(what: str, rows: Sequence[Row]) -> str:
    cores = rows[0]["cores"]
    return f"{what}, {rows[0]['dtype']}, {'one core' if cores == 1 else f'{cores} cores'}"


# --- what is drawn ----------------------------------------------------------------------------


def _line(axes: Axes, name: str, points: Sequence[tuple[float, float, float, float]]) -> None:
    if not points:
        return
    look = LOOKS.get(name, UNKNOWN)
    x, middle, low, high = zip(*points, strict=True)
    axes.fill_between(x, low, high, color=look.color, alpha=0.2, lw=0, zorder=2)
    axes.plot(
        x,
        middle,
        color=look.color,
        ls=look.line,
        lw=look.width,
        marker=look.marker,
        ms=4,
        zorder=4 if _is_ours(name) else 3,
    )


def _lane(axes: Axes, y: int, rows: Sequence[Row]) -> None:
    """Draw one task: the engines from top to bottom in the legend's order."""
    if y % 2:
        axes.axhspan(y - 0.5, y + 0.5, color=SHADE, lw=0, zorder=0)
    floor = rows[0]["floor"]
    axes.fill_between([1 / floor, floor], y - 0.5, y + 0.5, color=FLOOR, lw=0, zorder=1)
    found = {row["engine"]: row for row in rows}
    names = [name for name in _engines(rows) if name != BASE]
    heights = [1.7 if _is_ours(name) else 1.0 for name in names]
    unit = 0.88 / sum(heights or [1])
    top = y - 0.44
    said = []
    for name, height in zip(names, heights, strict=True):
        at, top = top + unit * height / 2, top + unit * height
        _mark(axes, at, found[name], unit * height / 2)
        if _is_ours(name):
            said.append(_said(found[name]))
    axes.text(1.015, y, "\n".join(said), va="center", transform=axes.get_yaxis_transform())


def _mark(axes: Axes, at: float, row: Row, half: float) -> None:
    """Draw one engine's ratio at the height ``at``, and its goal."""
    ratio, look = row["ratio"], LOOKS.get(row["engine"], UNKNOWN)
    if row["goal"]:
        axes.plot([row["goal"]] * 2, [at - half, at + half], color=INK, lw=2, zorder=5)
    if not ratio:
        return
    ours = _is_ours(row["engine"])
    if ours:
        axes.plot([1, ratio["value"]], [at, at], color=look.color, lw=4, zorder=2)
    axes.plot([ratio["low"], ratio["high"]], [at, at], color=look.color, lw=1.2, zorder=3)
    axes.plot(
        ratio["value"],
        at,
        marker=look.marker,
        ms=7 if ours else 5,
        color=look.color,
        mfc=look.color if row["verdict"] in TOLD else "white",
        zorder=4,
    )


def _said(row: Row) -> str:
    """Return the ratio in words, such as "replay 5.90× (goal 5.5)"."""
    value = f"{row['ratio']['value']:.2f}×" if row["ratio"] else "not judged"
    goal = f" (goal {row['goal']:g})" if row["goal"] else ""
    return f"{row['engine'].split()[-1]} {value}{goal}"


def _is_ours(engine: str) -> bool:
    return engine.startswith("tinygrad_cls")


def _log(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid()
    axes.minorticks_off()


def _ratios(axis: Any, values: Sequence[float]) -> None:
    """Ticks at round multiples of what is there, as 0.5x, 1x, 2x, 5x."""
    every = [n * 10**k for k in (-3, -2, -1, 0, 1, 2, 3) for n in (1, 2, 5)]
    low, high = min([*values, 1.0]) / 1.2, max([*values, 1.0]) * 1.2
    axis.set_ticks([tick for tick in every if low <= tick <= high])
    axis.set_major_formatter(lambda value, _: f"{value:g}×")
    axis.set_tick_params(which="minor", length=0)
    axis.set_minor_formatter("")


def _duration(seconds: float, _: Any) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= 0.999 * unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def _count(value: float, _: Any) -> str:
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:,.0f}k"


def _legend(figure: Figure, rows: Sequence[Row], lanes: bool = False) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for name in _engines(rows):
        look = LOOKS.get(name, UNKNOWN)
        line = {"ls": look.line, "lw": look.width, "marker": look.marker}
        if lanes and name == BASE:
            line["marker"] = ""
        elif lanes:
            line |= {"ls": "-" if _is_ours(name) else "", "lw": 4}
        handles.append(Line2D([], [], color=look.color, ms=6, label=name, **line))
    if lanes:
        handles.append(Line2D([], [], color=INK, ls="", marker="|", ms=9, mew=2, label="goal"))
        handles.append(Patch(color=FLOOR, label="noise (hollow: no verdict)"))
    columns = max(1, int(figure.get_figwidth() / 2.4))  # inches that a name takes
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, 4))
