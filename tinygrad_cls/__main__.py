"""The command line: `python -m tinygrad_cls`, installed as `tinygrad-cls`.

Every command is a function of the parsed arguments, entered in `parser`. What the user can put
right is one line on stderr and exit status 2.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn, TypeVar

import tinygrad_cls

from . import nn
from .experiments import EXPERIMENTS, DataError, MissingExtra, Run, extra, from_csv, train
from .experiments.figures import FILE_TYPES, run_figure, save
from .experiments.output import WrongCall, replacing, to_json
from .explain import ExplainError
from .explain.command import add_explain
from .lessons.command import add_lesson
from .lint import LintError
from .lint.command import add_lint
from .playground.command import PlayError, add_play
from .scoreboard.command import add_judge
from .stepper.command import add_step
from .sweep.command import add_sweep


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: the command's, or 2 for a wrong call or wrong data, or 130 when interrupted."""
    try:
        arguments = parser().parse_args(argv)
        status: int | None = arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; let nothing be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _wrong(
            ": ".join(str(part) for part in (error.filename, error.strerror) if part) or error
        )
    except (WrongCall, DataError, ExplainError, LintError, PlayError, MissingExtra) as error:
        return _wrong(error)
    except KeyboardInterrupt:
        print("tinygrad-cls: interrupted", file=sys.stderr)
        return 130
    return status or 0


def _wrong(why: object) -> int:
    print("tinygrad-cls: error:", " ".join(str(why).split()), file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongCall(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """All commands."""
    result = _Parser(
        prog="tinygrad-cls",
        description="Classification on a NumPy tensor and autograd engine shaped like PyTorch.",
    )
    result.add_argument("--version", action="version", version=tinygrad_cls.__version__)
    commands = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands.add_parser)
    for add in (add_sweep, add_play, add_lesson, add_step, add_explain, add_lint, add_judge):
        add(commands.add_parser)
    return result


# --- train ----------------------------------------------------------------------------------------


def _add_train(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_parser(
        "train",
        help="train one of the tutorial's models",
        description="Train one of the tutorial's models, on its own points or on yours, and print "
        "loss and accuracy as the tutorial does.",
        epilog="experiments:\n"
        + "".join(f"  {e.name:16}{e.title}, {e.epochs} epochs\n" for e in EXPERIMENTS.values())
        + "\nexamples:\n"
        "  tinygrad-cls train circles-relu --plot circles.png\n"
        "  tinygrad-cls train blobs --data points.csv --epochs 500 --json run.json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=train_command)
    add = command.add_argument
    add("experiment", choices=list(EXPERIMENTS), metavar="EXPERIMENT", help="one of those below")
    add("--epochs", type=epoch_count, metavar="N", help="passes over the data (default: see below)")
    add("--lr", type=learning_rate, metavar="X", help="learning rate (default: 0.1)")
    add("--seed", type=seed, default=42, metavar="N", help="of the weights (default: 42)")
    add("--dtype", choices=("float32", "float64"), default="float32", help="(default: float32)")
    add(
        "--eager",
        action="store_true",
        help="run every epoch op by op; by default an epoch is recorded and then replayed",
    )
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="your own points, comma-separated: two or more numbers a line, then the class; the "
        "first line may name the columns. circles-* take two classes, blobs any number",
    )
    add(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw the decision boundary and the curves as .png, .svg or .pdf",
    )
    add("--json", type=Path, metavar="FILE", help="write settings and all epochs' numbers as JSON")


def train_command(arguments: argparse.Namespace) -> None:
    """Train, and write what was asked for; whatever cannot be written is found out before."""
    experiment = EXPERIMENTS[arguments.experiment]
    epochs = arguments.epochs or experiment.epochs
    files = [path.resolve() for path in (arguments.data, arguments.plot, arguments.json) if path]
    if len(set(files)) < len(files):
        raise WrongCall("--data, --plot and --json must be different files")
    with ExitStack() as outputs:
        if arguments.plot:
            with extra():
                import matplotlib  # noqa: F401
            kind = arguments.plot.suffix[1:].lower()
            if kind not in FILE_TYPES:
                raise WrongCall(f"--plot {arguments.plot}: the ending must be .png, .svg or .pdf")
            plot = outputs.enter_context(replacing(arguments.plot))
        if arguments.json:
            json = outputs.enter_context(replacing(arguments.json))

        points = from_csv(arguments.data) if arguments.data else None
        with progress(epochs) as (show, watch):
            run = train(
                experiment,
                points,
                epochs=epochs,
                lr=arguments.lr,
                seed=arguments.seed,
                dtype=getattr(tinygrad_cls, arguments.dtype),
                eager=arguments.eager,
                show=show,
                watch=watch,
            )
        if not all(map(math.isfinite, run.history.loss)):
            print("the loss is not finite any more: try a smaller --lr", file=sys.stderr)
        if arguments.json:
            json.write_text(to_json(_as_json(run, arguments)) + "\n", encoding="utf-8")
        if arguments.plot:
            save(run_figure(run), plot, kind)


def _as_json(run: Run, arguments: argparse.Namespace) -> dict[str, object]:
    return {
        "experiment": run.experiment.name,
        "data": arguments.data and str(arguments.data),
        "classes": run.points.classes,
        "features": run.points.features,
        "train_points": len(run.data.y_train),
        "test_points": len(run.data.y_test),
        "epochs": len(run.history.loss),
        "lr": run.experiment.lr if arguments.lr is None else arguments.lr,
        "seed": arguments.seed,
        "dtype": arguments.dtype,
        "eager": arguments.eager,
        "version": tinygrad_cls.__version__,
        "history": asdict(run.history),
    }


@contextmanager
def progress(
    epochs: int,
) -> Iterator[tuple[Callable[[str], None], Callable[[int, nn.Module], None]]]:
    """A bar on a terminal, and how to print lines past it."""
    erase = "\r\x1b[K" if sys.stderr.isatty() else ""
    width = 40

    def show(line: str) -> None:
        print(erase, end="", file=sys.stderr, flush=True)
        print(line, flush=True)

    def watch(epoch: int, _model: nn.Module) -> None:
        done = width * epoch // epochs
        if erase and done > width * (epoch - 1) // epochs:
            bar = f"[{'#' * done:{width}}] epoch {epoch} of {epochs}"
            print(f"\r{bar}", end="", file=sys.stderr, flush=True)

    try:
        yield show, watch
    finally:
        print(erase, end="", file=sys.stderr, flush=True)


Number = TypeVar("Number", int, float)


def _number(
    kind: Callable[[str], Number], fits: Callable[[Number], bool], what: str
) -> Callable[[str], Number]:
    """A type for argparse."""

    def parse(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not fits(number):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return number

    return parse


epoch_count = _number(int, lambda n: n > 0, "a whole number above 0")
learning_rate = _number(float, lambda x: 0 < x < math.inf, "a number above 0")
seed = _number(int, lambda n: -(2**63) <= n < 2**64, "a whole number of 64 bits")


if __name__ == "__main__":
    sys.exit(main())
