"""Runs a script as Python would, under the watch."""

from __future__ import annotations

import ast
import runpy
import sys
import tokenize
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..callsite import NOT_THE_USERS
from . import LintError
from .report import Finding, Report, near, place
from .shapes import from_error
from .watching import Watch

TORCH = (
    "imports torch itself, whose ops can't be watched; change the import: "
    "import tinygrad_cls as torch"
)


def watched(path: Path, argv: list[str]) -> Report:
    """Runs a script and reports; LintError for what is no script of this engine."""
    file = path.resolve()
    check(path)
    watch = Watch()
    report = Report(str(file), [], 0)
    kept: Any = None  # what the rules ask about must live till they are asked
    with as_main(file, str(path), argv) as new_modules:
        try:
            with watch.on():
                kept = runpy.run_path(str(file), run_name="__main__")
        except KeyboardInterrupt as error:
            kept = error
            report.ended = f"interrupted: {where(error, str(file))}"
        except SystemExit as stopped:
            kept = stopped
            if stopped.code not in (None, 0):
                report.failed = True
                report.ended = f"the script exited with status {stopped.code}"
        except BaseException as error:  # noqa: BLE001  (whatever the script raises is its own)
            kept = error
            report.failed = True
            report.ended = f"{where(error, str(file))}: {type(error).__name__}: {error}"
            report.findings = from_error(error)
        if not watch.scene.ops and "torch" in new_modules():
            raise LintError(f"{path} {TORCH}")
    report.passes = watch.scene.passes
    report.findings += watch.findings()
    if not report.passes and not report.ended:
        report.findings.append(never_backward(str(file), watch))
    report.findings.sort(key=lambda f: (f.file != str(file), f.file, f.line, f.rule))
    del kept
    return report


def never_backward(file: str, watch: Watch) -> Finding:
    """The finding that says it plainly."""
    scene = watch.scene
    line = 1
    if scene.loss is not None:
        file, line = place(scene.loss)
        what = "A loss is computed here, but the script never calls backward: nothing was learned."
    elif scene.ops:
        what = (
            f"The script never calls backward: nothing was learned. It computed {scene.ops} ops, "
            f"and no loss."
        )
    else:
        what = "The script computed nothing with tinygrad_cls, and never called backward."
    return Finding(
        "no-backward",
        file,
        line,
        what,
        "compute a loss from the model's output and call loss.backward(), then optimizer.step()",
    )


def check(path: Path) -> None:
    """LintError for what is no script, does not compile, or is written for torch alone."""
    if not path.exists():
        raise LintError(f"there is no script {path}")
    if not path.is_file():
        raise LintError(f"{path} is not a file: give the training script")
    try:
        with tokenize.open(path) as source:
            tree = ast.parse(source.read(), str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        at = f", line {line}" if line else ""
        raise LintError(f"{path}{at} is not Python: {getattr(error, 'msg', error)}") from None
    except OSError as error:
        raise LintError(f"{path} cannot be read: {error.strerror}") from None
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(str(node.module).partition(".")[0])
    if "torch" in imported and "tinygrad_cls" not in imported:
        raise LintError(f"{path} {TORCH}")


@contextmanager
def as_main(file: Path, name: str, argv: list[str]) -> Iterator[Any]:
    """Arguments, import path and modules as for ``python FILE``, and as they were afterwards."""
    found_argv, found_path, found = sys.argv, sys.path, set(sys.modules)
    sys.argv = [name, *argv]
    sys.path = [str(file.parent), *found_path]
    try:
        yield lambda: set(sys.modules) - found
    finally:
        sys.argv, sys.path = found_argv, found_path
        for module in set(sys.modules) - found:  # another script's may have the same name
            origin = getattr(sys.modules[module], "__file__", None)
            if origin and Path(origin).is_relative_to(file.parent):
                del sys.modules[module]


def where(error: BaseException, file: str) -> str:
    """The last line of the script that was running, or of what it imports."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == file]
    users = [f for f in frames if not f.filename.startswith((*NOT_THE_USERS, "<frozen"))]
    last = (own or users or frames)[-1]
    return f"{near(last.filename)}:{last.lineno}"
