"""A lesson on the terminal: its prose, its code and what that prints, in turn."""

from __future__ import annotations

import io
import linecache
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from ..experiments import extra
from .cells import Cell, blocks, cells, columns, wrapped

WIDTH = 80
WORDS = {
    "unseen": "A figure: --figures FOLDER saves it.",
    "saved": "A figure: saved as {path}",
    "passed": "All checks passed.",
    "invitation": "Now break it: {command}",
    "changed": "Changed: {new}",
    "failed": 'The check "{check}" failed, as it must:',
    "unnoticed": "No check noticed the change.",
}
"""What the command itself says; in the catalogue as well."""


class Failed(AssertionError):
    """A check of a lesson failed: `check` is what it says, `line` its first line of code."""

    def __init__(self, check: str, line: str) -> None:
        super().__init__(check)
        self.check = check
        self.line = line


def perform(
    source: str,
    name: str,
    words: Mapping[str, str],
    *,
    stem: str,
    figures: Path | None,
    color: bool,
) -> None:
    """Prints and runs the lesson `source`. Raises Failed at the first check that fails."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": name}
    album = Album(words, stem, figures)
    with album.no_display() if "matplotlib" in source else nullcontext(), _one_thread():
        for cell in cells(source):
            if cell.kind == "code":
                print(styled(textwrap.indent(cell.text, "    "), DIM, color))
            else:
                print("\n".join(readable(cell.text, color)))
            print()
            if cell.kind == "code":
                _run(cell, name, namespace)
                album.collect()


def _run(cell: Cell, name: str, namespace: dict[str, Any]) -> None:
    """Runs a cell; what it prints stands behind a bar."""
    code = compile("\n" * (cell.line - 1) + cell.text, name, "exec", optimize=0)  # asserts stay
    output = Barred(sys.stdout)
    try:
        with redirect_stdout(output), extra():
            exec(code, namespace)
    except AssertionError as error:
        place = _innermost(error.__traceback__)
        if place.tb_frame.f_code.co_filename != name:
            raise
        raise Failed(str(error), linecache.getline(name, place.tb_lineno).strip()) from None
    finally:
        output.finish()


def _innermost(place: TracebackType | None) -> TracebackType:
    assert place is not None
    while place.tb_next is not None:
        place = place.tb_next
    return place


class Barred(io.TextIOBase):
    """Writes on, each line behind a bar, and an empty line after the last."""

    def __init__(self, to: TextIO) -> None:
        self.to = to
        self.begun = False  # a line
        self.used = False

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            self.to.write(line if self.begun else f"  | {line}")
            self.begun = not line.endswith("\n")
            self.used = True
        return len(text)

    def flush(self) -> None:
        self.to.flush()

    def finish(self) -> None:
        """Ends the last line."""
        if self.used:
            self.to.write("\n" * (1 + self.begun))
        self.to.flush()


# --- Looks ----------------------------------------------------------------------------------------

BOLD, DIM = "1", "36"


def styled(text: str, code: str, color: bool) -> str:
    """In bold or in colour, where that is wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if color else text


def readable(prose: str, color: bool = False) -> list[str]:
    r"""Prose without reST's marks, in lines for a terminal.

    >>> readable("Take ``x``, **now**::\n\n    x += 1")
    ['Take `x`, now:', '', '    x += 1']
    """
    lines: list[str] = []
    for block in blocks(prose):
        plain = block.text.replace("\\\\ ", "").replace("\\ ", "").replace("``", "`")
        match block.kind:
            case "title":
                lines += [styled(plain, BOLD, color), styled("=" * columns(plain), BOLD, color)]
            case "literal":
                lines += block.text.split("\n")
            case _:
                text = "\n".join(wrapped(re.sub("::$", ":", plain), WIDTH))
                text = re.sub(
                    r"\*\*(.+?)\*\*", lambda m: styled(m[1], BOLD, color), text, flags=re.DOTALL
                )
                lines += text.split("\n")
        lines.append("")
    return lines[:-1]


# --- Surroundings ---------------------------------------------------------------------------------


class Album:
    """The figures of a lesson, which nobody may be there to see."""

    def __init__(self, words: Mapping[str, str], stem: str, folder: Path | None) -> None:
        self.words = words
        self.stem = stem
        self.folder = folder
        self.count = 0

    @contextmanager
    def no_display(self) -> Iterator[None]:
        """Figures are made in memory."""
        with extra():
            import matplotlib
        with matplotlib.rc_context(), warnings.catch_warnings():
            matplotlib.use("Agg")
            warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
            yield

    def collect(self) -> None:
        """Saves and closes what a cell has drawn."""
        plt: Any = sys.modules.get("matplotlib.pyplot")
        for number in plt.get_fignums() if plt is not None else ():
            self.count += 1
            line = WORDS["unseen"]
            path = Path()
            if self.folder is not None:
                line = WORDS["saved"]
                self.folder.mkdir(parents=True, exist_ok=True)
                path = self.folder / f"{self.stem}_{self.count}.png"
                plt.figure(number).savefig(path, dpi=150)
            plt.close(number)
            print(f"  | [{self.words.get(line, line).format(path=path)}]\n")


@contextmanager
def _one_thread() -> Iterator[None]:
    """BLAS on one thread: several fight over a net this small, on a busy machine a hundredfold."""
    try:
        import threadpoolctl  # type: ignore[import-untyped]  # comes with scikit-learn
    except ImportError:
        yield
        return
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield
