"""The scoreboard as bars: how much each checker catches, and how often it cries wolf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..experiments.figures import COLORS, INK, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .run import Row, Scoreboard

BLUE, GREEN, ORANGE = COLORS[0], COLORS[2], COLORS[4]
FAINT = "#f1f1f1"


def figure(board: Scoreboard) -> Figure:
    """Two panels: faults caught, correct functions blamed, each in per cent; ours on top."""
    rows = board.rows
    faults, correct = (max(counts) for counts in zip(*map(sizes, rows), strict=True))
    with style():
        title = f"Gradient checkers on {faults} planted faults and {correct} correct functions"
        made = new_figure(title, 11, 1.5 + 0.36 * len(rows))
        left, right = made.subplots(1, 2, sharey=True, width_ratios=(1.35, 1))
        bars(left, [row.caught() for row in rows], [GREEN] + [BLUE] * (len(rows) - 1))
        bars(right, [row.blamed() for row in rows], [ORANGE] * len(rows))
        left.set_title("Faults caught: more is better")
        right.set_title("Correct functions blamed: fewer is better")
        left.set_yticks(range(len(rows)), [name(row) for row in rows])
        left.get_yticklabels()[0].set_fontweight("bold")
        left.set_ylim(len(rows) - 0.4, -0.6)
        if any(row.kind == "rule" for row in rows):
            made.supxlabel(
                "* the project's published rule, re-expressed on NumPy",
                x=0.985,
                ha="right",
                fontsize=8.5,
                color="#555555",
            )
        return made


def sizes(row: Row) -> tuple[int, int]:
    """How many faults and correct functions a checker was given."""
    return row.caught()[1], row.blamed()[1]


def name(row: Row) -> str:
    """Who it is, starred where only its rule is run."""
    return row.title + ("*" if row.kind == "rule" else "")


def bars(axes: Axes, counts: list[tuple[int, int]], colors: list[str]) -> None:
    """A bar a checker on its lane, its counts at its end."""
    for y, ((part, whole), color) in enumerate(zip(counts, colors, strict=True)):
        axes.barh(y, 100, height=0.68, color=FAINT)
        if not whole:
            continue
        percent = 100 * part / whole
        axes.barh(y, percent, height=0.68, color=color)
        inside = percent > 24
        axes.text(
            percent - 1.2 if inside else percent + 1.2,
            y,
            f"{part} of {whole}",
            ha="right" if inside else "left",
            va="center",
            color="white" if inside and color != ORANGE else INK,
            fontsize=9,
        )
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25), [f"{tick} %" for tick in range(0, 101, 25)])
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
