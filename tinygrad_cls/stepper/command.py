"""The command that writes a page to step through a backward pass."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..experiments import EXPERIMENTS
from ..experiments.output import replacing
from ..trace.page import page, strings
from ..trace.record import Trace
from ..trace.scene import scene
from .recording import StepError, of_experiment, of_function, of_script

EPOCH, SAMPLES = 10, 4
MOST = 64  # samples of a batch: tables show 8


def add_step(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "step",
        help="write a page that steps through a backward pass",
        description="Record one forward and backward pass and write a page of one file, which "
        "needs no network: watch every step, predict it first, nudge a weight, compare with "
        "PyTorch.",
        epilog="experiments:\n"
        + "".join(f"  {e.name:16}{e.title}\n" for e in EXPERIMENTS.values())
        + "\nor your own code, which must call backward():\n"
        "  FILE.py           run as a script\n"
        "  FILE.py:function  loaded, and the function called without arguments\n"
        "\nexamples:\n"
        "  tinygrad-cls step circles-relu --epoch 100 --html circles.html\n"
        "  tinygrad-cls step net.py:one_step --html net.html --lang ko\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=step_command)
    add = command.add_argument
    add("what", metavar="EXPERIMENT|FILE.py[:FUNCTION]", help="what to record (see below)")
    add("--html", type=Path, required=True, metavar="FILE", help="the page to write")
    add("--epoch", type=whole(0, 10**6), metavar="N",
        help=f"of an experiment: train it so many epochs first (default: {EPOCH})")  # fmt: skip
    add("--samples", type=whole(1, MOST), metavar="N",
        help=f"of an experiment: how many training samples (default: {SAMPLES})")  # fmt: skip
    add("--lang", choices=sorted(strings()), default="en", help="of the page (default: en)")


def step_command(arguments: argparse.Namespace) -> None:
    """Records, and writes the page; if it can't be written that is found out before."""
    if arguments.html.suffix == ".py":
        raise StepError(f"--html {arguments.html} is the page to write, and would replace code")
    with replacing(arguments.html) as place:
        made, heading = recorded(arguments)
        text = page(scene(made, **heading), arguments.lang)
        place.write_text(text, encoding="utf-8")
    print(f"{arguments.html}: {len(made.steps)} steps of backward, {len(text) // 1000} kB")


def recorded(arguments: argparse.Namespace) -> tuple[Trace, dict[str, Any]]:
    """The trace that was asked for, and what the page is headed by."""
    what = arguments.what
    if what in EXPERIMENTS:
        epoch = EPOCH if arguments.epoch is None else arguments.epoch
        samples = arguments.samples or SAMPLES
        about = {"key": "about.experiment", "epoch": epoch, "samples": samples}
        made = of_experiment(what, epoch, samples)
        return made, {"title": {"key": f"title.{what}"}, "about": about, "lines": False}
    for name in ("epoch", "samples"):
        if getattr(arguments, name) is not None:
            raise StepError(f"--{name} belongs to an experiment ({', '.join(EXPERIMENTS)})")
    file, colon, function = what.rpartition(":")
    if colon and file.endswith(".py"):
        return of_function(Path(file), function), {"title": f"{Path(file).name}: {function}"}
    if what.endswith(".py"):
        return of_script(Path(what)), {"title": Path(what).name}
    raise StepError(
        f"{what!r} is neither an experiment ({', '.join(EXPERIMENTS)}) nor a file FILE.py or "
        f"FILE.py:function"
    )


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type for argparse: a whole number between two others."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {least} to {most}"
            )
        return int(text)

    return parse
