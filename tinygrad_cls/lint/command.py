"""``tinygrad-cls lint``."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable

from . import lint


def add_lint(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "lint",
        help="run a training script and report the mistakes that raise no error",
        description="Run a training script under a watch and report: gradients that pile up, "
        "softmax or sigmoid before a loss that applies it, shapes that broadcast, a model left in "
        "the wrong mode, dead ReLUs, saturated logits, parameters that don't learn, Linear layers "
        "in a row. Ctrl-C reports what was found so far. Exit status 0: no findings, 1: findings, "
        "2: the script failed, or a wrong call.",
        epilog="examples:\n"
        "  tinygrad-cls lint train.py\n"
        "  tinygrad-cls lint --quiet train.py -- --epochs 10\n"
        "  tinygrad-cls lint --json train.py > findings.json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=lint_command)
    add = command.add_argument
    add("script", metavar="SCRIPT.py", help="it is run as `python SCRIPT.py` would")
    add("arguments", nargs="*", metavar="ARG", help="the script's own arguments, after --")
    add("--quiet", action="store_true", help="don't show what the script prints")
    add(
        "--json",
        action="store_true",
        help="print the findings as JSON; what the script prints goes to stderr",
    )


def lint_command(arguments: argparse.Namespace) -> int:
    """Runs the script and prints the report."""
    out = sys.stderr if arguments.json else sys.stdout
    with contextlib.redirect_stdout(io.StringIO() if arguments.quiet else out):
        report = lint(arguments.script, arguments.arguments)
    if arguments.json:
        print(report.to_json())
    else:
        print(report.text(colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return 2 if report.failed else int(bool(report.findings))
