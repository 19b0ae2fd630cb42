"""``tinygrad-cls sweep``: many runs of an experiment, and what they come to."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..experiments import EXPERIMENTS, extra
from ..experiments.output import WrongCall, replacing, to_json
from .outcome import Outcome
from .pool import BACKENDS, Done, Pool
from .progress import Progress
from .runs import ENGINES, Sweep, width
from .sweeping import sweep

MOST = 1_000_000
"""Runs in a sweep."""
Value = TypeVar("Value", int, float, str)


def add_sweep(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "sweep",
        help="train an experiment with many seeds, learning rates and widths",
        description="Train every combination of seeds, learning rates and widths, one process a "
        "core or on a cluster. Each finished run is on disk at once: whatever is killed, the same "
        "command goes on where it stopped. At the end: a table, the learning curves of all seeds "
        "(curves.png), a heat map (heatmap.png) and summary.json. Exit status 0: done, 1: some "
        "runs failed, 2: a wrong call, or it could not go on.",
        epilog="examples:\n"
        "  tinygrad-cls sweep circles-relu --seeds 0-99 --out relu\n"
        "  tinygrad-cls sweep blobs --seeds 0-9 --lr 0.03,0.1,0.3 --hidden 5,10,20 --out grid\n"
        "  tinygrad-cls sweep blobs --seeds 0-99 --engine tinygrad_cls,torch --out both\n"
        "  tinygrad-cls sweep blobs --seeds 0-99 --backend dask --address HOST:8786 --out far\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=sweep_command)
    add = command.add_argument
    names = ", ".join(EXPERIMENTS)
    add("experiment", choices=list(EXPERIMENTS), metavar="EXPERIMENT", help=f"one of {names}")
    add("--seeds", type=seeds, required=True, metavar="N-M", help="such as 0-99 or 1,2,10-19")
    add("--lr", type=rates, metavar="X,Y", help="learning rates (default: the tutorial's)")
    add("--hidden", type=widths, metavar="N,M", help="widths of both hidden layers (default: the "
        "tutorial's)")  # fmt: skip
    add("--dtype", choices=("float32", "float64"), default="float64", help="(default: float64)")
    add("--epochs", type=epochs, metavar="N", help="(default: the tutorial's)")
    add(
        "--engine",
        type=engines,
        default=ENGINES[:1],
        metavar="E,F",
        help="tinygrad_cls, torch, or both: then their curves are compared (default: tinygrad_cls)",
    )
    add("--backend", choices=BACKENDS, default="loky", help="where runs are done: processes here, "
        "a Dask or Ray cluster, or this process (default: loky)")  # fmt: skip
    add("--jobs", type=jobs, metavar="N", help="processes (default: one a core)")
    add("--address", metavar="HOST:PORT", help="of the cluster's scheduler (default: a cluster of "
        "its own on this computer)")  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR", help="a folder for this sweep alone")


def sweep_command(arguments: argparse.Namespace) -> int:
    """Do what is missing, and show all of it."""
    with extra("sweep"):
        import joblib  # noqa: F401
        import matplotlib  # noqa: F401
    what = asked(arguments)
    pool = Pool(arguments.backend, arguments.jobs, arguments.address)
    progress = Progress(len(what))

    def start(finished: int) -> None:
        progress.begin(finished)
        if finished:
            progress.say(f"{finished} of {len(what)} runs are there already")

    def tell(done: Done) -> None:
        progress.step(failed=bool(done.error))

    try:
        outcome = sweep(what, arguments.out, pool, start, tell)
    except ImportError as error:  # torch's
        raise WrongCall(error) from error
    finally:
        progress.clear()
    print(outcome.text())
    files = write(outcome, arguments.out)
    print("\nWritten:", *files)
    return 1 if outcome.failed else 0


def asked(arguments: argparse.Namespace) -> Sweep:
    """The sweep that the options describe."""
    experiment = EXPERIMENTS[arguments.experiment]
    what = Sweep(
        arguments.experiment,
        arguments.seeds,
        arguments.lr or [experiment.lr],
        arguments.hidden or [width(arguments.experiment)],
        arguments.dtype,
        arguments.epochs or experiment.epochs,
        arguments.engine,
    )
    count = math.prod(len(x) for x in (what.lr, what.hidden, what.engines, what.seeds))
    if count > MOST:
        raise WrongCall(f"that would be {count:,} runs: at most {MOST:,} fit in one sweep")
    return what


def write(outcome: Outcome, folder: Path) -> list[Path]:
    """The figures and the summary."""
    from ..experiments.figures import save
    from .figures import curves_figure, heat_figure

    files = [folder / "curves.png", folder / "heatmap.png", folder / "summary.json"]
    for path, draw in zip(files, (curves_figure, heat_figure), strict=False):
        with replacing(path) as scratch:
            save(draw(outcome), scratch)
    with replacing(files[-1]) as scratch:
        scratch.write_text(to_json(outcome.to_dict()) + "\n", encoding="utf-8")
    return files


# --- Types for argparse ---------------------------------------------------------------------------


def seeds(text: str) -> list[int]:
    """Whole numbers and ranges of them, each once.

    >>> seeds("0-3,9")
    [0, 1, 2, 3, 9]
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,20})\s*(?:-\s*(\d{1,20})\s*)?", part, re.ASCII)
        if match is None:
            raise wrong(text, "seeds such as 0-99 or 1,2,10-19")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise wrong(
                part.strip(), f"a range: it ends before it starts; did you mean {high}-{low}?"
            )
        if high >= 2**64:
            raise wrong(part.strip(), "made of whole numbers below 2**64")
        if high - low >= MOST:
            raise argparse.ArgumentTypeError(
                f"{part.strip()} are {high - low + 1:,} seeds: at most {MOST:,} fit in one sweep"
            )
        found.update(dict.fromkeys(range(low, high + 1)))
    return list(found)


def each(
    kind: Callable[[str], Value], fits: Callable[[Value], bool], what: str
) -> Callable[[str], list[Value]]:
    """Values with commas between them, each once."""

    def parse(text: str) -> list[Value]:
        try:
            values = [kind(part.strip()) for part in text.split(",")]
        except ValueError:
            values = []
        if not values or not all(map(fits, values)):
            raise wrong(text, what)
        return list(dict.fromkeys(values))

    return parse


def wrong(text: str, what: str) -> argparse.ArgumentTypeError:
    """What argparse makes one line of."""
    return argparse.ArgumentTypeError(f"{text!r} is not {what}")


def one(kind: Callable[[str], list[int]], what: str) -> Callable[[str], int]:
    """A single one of those."""

    def parse(text: str) -> int:
        if "," in text:
            raise wrong(text, what)
        return kind(text)[0]

    return parse


WHOLE = "a whole number above 0"
rates = each(float, lambda x: 0 < x < math.inf, "learning rates above 0, such as 0.03,0.1")
widths = each(int, lambda n: 0 < n <= 100_000, "widths from 1 to 100000, such as 5,10,20")
engines = each(str, lambda name: name in ENGINES, f"one of {', '.join(ENGINES)}, or both")
epochs = one(each(int, lambda n: n > 0, WHOLE), WHOLE)
jobs = one(
    each(int, lambda n: 0 < n <= 4096, "a number of processes from 1 to 4096"),
    "a number of processes",
)
