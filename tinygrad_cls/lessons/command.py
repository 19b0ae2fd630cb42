"""`tinygrad-cls lesson`: reads a lesson to you on the terminal, and runs it.

Exit status 0: all checks passed; 1: one failed, as it must with `--break`; 2: a wrong call.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path

from .catalogue import LANGUAGES, catalogue
from .running import BOLD, WORDS, Failed, styled
from .shelf import FILES, change, mutant, run, source, title


def add_lesson(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "lesson",
        help="read and run one of the twelve lessons",
        description="Read one of the twelve lessons, from a single scalar to a compiler: prose, "
        "code, and what the code prints. Without a number: list them.",
        epilog="examples:\n"
        "  tinygrad-cls lesson 1\n"
        "  tinygrad-cls lesson 6 --lang ko --figures pictures\n"
        "  tinygrad-cls lesson 1 --break        make the change that its end proposes\n"
        "  tinygrad-cls lesson 1 --source > lesson.py\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=lesson_command)
    add = command.add_argument
    add("number", nargs="?", type=lesson_number, metavar="N", help=f"1 to {len(FILES)}")
    add("--lang", choices=LANGUAGES, default="en", help="English or Korean (default: en)")
    add(
        "--break",
        dest="broken",
        action="store_true",
        help="make the change that the lesson's end proposes, and see which check fails",
    )
    add("--source", action="store_true", help="print the lesson's file instead of running it")
    add("--figures", type=Path, metavar="FOLDER", help="save the lesson's figures there, as PNG")


def lesson_number(text: str) -> int:
    """A type for argparse."""
    if not text.isdecimal() or int(text) not in FILES:
        raise argparse.ArgumentTypeError(f"{text!r} is no lesson: there are 1 to {len(FILES)}")
    return int(text)


def lesson_command(arguments: argparse.Namespace) -> int:
    """Lists, prints or runs."""
    number, lang = arguments.number, arguments.lang
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # formulas, on a terminal without them
    if number is None:
        print("\n".join(title(each, lang) for each in FILES))
        return 0
    if arguments.source:
        print((mutant if arguments.broken else source)(number, lang), end="")
        return 0
    color = sys.stdout.isatty()

    def say(which: str, **values: object) -> None:
        text = WORDS[which]
        print(styled(catalogue(lang).get(text, text).format(**values), BOLD, color))

    if arguments.broken:
        say("changed", new=change(number, lang).new)
        print()
    try:
        run(number, lang, broken=arguments.broken, figures=arguments.figures, color=color)
    except Failed as failed:
        say("failed", check=failed.check)
        print(f"    {failed.line}")
        return 1
    if arguments.broken:
        say("unnoticed")
        return 0
    say("passed")
    language = "" if lang == "en" else f" --lang {lang}"
    say("invitation", command=f"python -m tinygrad_cls lesson {number}{language} --break")
    return 0
