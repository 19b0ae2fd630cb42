"""``tinygrad-cls explain``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable

from . import ExplainError, explain
from .forms import FUNCTIONS
from .report import DTYPES

NEGATIVE = re.compile(r"^-[\d.][\d.,eE+-]*$|^-inf\b|^-nan\b")
"""What is a number, or a list of them, and no option: argparse knows single plain numbers only."""


def add_explain(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "explain",
        help="the naive and the stable form of a loss, step by step",
        description="Show a function's naive and stable form step by step: what overflows, what "
        "is rounded away, where that begins, and how far naive, stable, this engine's and "
        "PyTorch's results are from the exact ones.",
        epilog="examples:\n"
        "  tinygrad-cls explain bce --x -40 20 1000 --t 1 0 1\n"
        "  tinygrad-cls explain cross-entropy --x=1000,0,-5 --t 1\n"
        "  tinygrad-cls explain softmax --x 100 101 --dtype float64\n"
        "  tinygrad-cls explain sigmoid --x=-100,17\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command._negative_number_matcher = NEGATIVE
    command.set_defaults(command=explain_command)
    add = command.add_argument
    add("function", choices=list(FUNCTIONS), metavar="FUNCTION", help=", ".join(FUNCTIONS))
    add(
        "--x",
        nargs="*",
        required=True,
        metavar="X",
        help="logits, with spaces or commas between them; of one row for cross-entropy and softmax",
    )
    add(
        "--t",
        nargs="*",
        metavar="T",
        help="bce: a target in [0, 1] for each logit; cross-entropy: the class; softmax: the class "
        "whose probability is differentiated (default: 0)",
    )
    add("--dtype", choices=DTYPES, default="float32", help="(default: float32)")


def explain_command(arguments: argparse.Namespace) -> None:
    """Prints the explanation."""
    x = listed("--x", arguments.x)
    t = None if arguments.t is None else listed("--t", arguments.t)
    told = explain(arguments.function, x, t, arguments.dtype)
    print(told.text(colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))


def listed(option: str, words: list[str]) -> list[float]:
    """The numbers that an option was given."""
    numbers = []
    for word in words:
        for part in word.split(","):
            try:
                numbers.append(float(part))
            except ValueError:
                raise ExplainError(f"{option}: {part!r} is not a number") from None
    return numbers
