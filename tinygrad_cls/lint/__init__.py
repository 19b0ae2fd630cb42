"""Runs a training script and reports the mistakes that raise no error.

The script is watched, not read: every op passes the tape, every node of a backward pass is asked
through the place of anomaly detection. What is kept of it does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import Report

__all__ = ["LintError", "lint"]


class LintError(ValueError):
    """There is no such script to watch; the message says why, in one line."""


def lint(path: str | Path, argv: Sequence[str] = ()) -> Report:
    """Runs the script with the arguments ``argv`` and reports what it did wrong.

    A script that raises, exits or is interrupted with Ctrl-C is reported as far as it came. The
    report is a sequence of findings, and prints itself.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     script = Path(folder, "train.py")
    ...     n = script.write_text('''
    ... import tinygrad_cls as torch
    ... w = torch.ones(2, requires_grad=True)
    ... optimizer = torch.optim.SGD([w], lr=0.1)
    ... for step in range(5):
    ...     loss = (w * w).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ... ''')
    ...     report = lint(script)
    >>> [(finding.rule, finding.line) for finding in report]
    [('no-zero-grad', 7)]
    """
    from .running import watched

    return watched(Path(path), list(argv))
