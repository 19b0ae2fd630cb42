"""What `python -m reference` prints."""

import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import takewhile
from operator import eq
from typing import Any

import numpy as np
import torch

import tinygrad_cls
from tinygrad_cls.judge.divergence import Divergence

from .compare import Comparison, Setting
from .contract import Row, Verdict

Judged = tuple[Comparison, Verdict]
Found = dict[tuple[str, str], list[Divergence]]
"""By experiment and dtype: where the engines part first."""

COLUMNS = ("measured", "allowed", "met", "torch from itself")
WIDTHS = (10, 10, 3, 17)

NOTES = """\
Measured: the largest difference between the engines. Allowed: the bound at that place; every other
place is judged by its own. A dash: the contract sets no bound. Torch from itself: PyTorch against
PyTorch on its default kernels (ATEN_CPU_CAPABILITY=default), from the same initial weights.
Whole run: relative to the loss itself, or to the largest entry of that parameter or gradient.
From equal weights: every 10th epoch both engines take the step from PyTorch's weights.
ulp: units in the last place of the scale; of a gradient, that is the largest sum of |terms| over
the rows, since the gradient itself goes to 0 near a minimum; of a parameter, its largest entry.
The ulp allowed count the operations and are not tuned: a sum of n products is off by
min(n, 8 sqrt(n)) units u = ulp/2 of its |terms|, n being 1 to 11 in a layer and 800 in a gradient;
an exponential by 5 u, any other operation by 1 u. These add up through the three layers, and twice
that is allowed, once for each engine (reference/rounding.py). Where a ReLU's input is within its
own error of 0, both sides of the kink are right, and much more is allowed."""


def key(setting: Setting) -> tuple[str, str]:
    """What a comparison is found by."""
    return setting.experiment.name, setting.dtype


def title(setting: Setting) -> str:
    """The engines, the machine and the seed."""
    return f"{engines(setting)}, seed {setting.seed}"


def engines(setting: Setting) -> str:
    """The engines and the machine."""
    kernels = torch.backends.cpu.get_cpu_capability()
    device = torch.cuda.get_device_name() if setting.device.type == "cuda" else f"CPU ({kernels})"
    return (
        f"tinygrad_cls {tinygrad_cls.__version__}{' eager' * setting.eager} "
        f"on NumPy {np.__version__}, "
        f"PyTorch {torch.__version__} on {device}, {platform.machine()}"
    )


def lines(comparison: Comparison) -> Iterator[str]:
    """The tutorial's lines: once where both engines print the same, else both, and where."""
    setting = comparison.setting
    yield f"{setting.experiment.name}, {setting.dtype}: {setting.experiment.title}"
    for ours, theirs in zip(comparison.ours.lines, comparison.torch.lines, strict=True):
        if ours == theirs:
            yield f"      =  {ours}"
        else:
            yield f"   ours  {ours}"
            yield f"  torch  {theirs}"
            yield f"         {' ' * common(ours, theirs)}^ differs"
    yield f"  {identical([comparison])}"


def common(a: str, b: str) -> int:
    """How many characters two lines share from the start.

    >>> common("Loss: 0.69", "Loss: 0.71")
    8
    """
    return sum(1 for _ in takewhile(bool, map(eq, a, b)))


def identical(comparisons: Iterable[Comparison]) -> str:
    """How many printed lines are."""
    pairs = [pair for c in comparisons for pair in zip(c.ours.lines, c.torch.lines, strict=True)]
    return f"{sum(a == b for a, b in pairs)}/{len(pairs)} lines identical"


def contract(judged: Iterable[Judged]) -> Iterator[str]:
    """The table of all rows."""
    yield _columns("", COLUMNS)
    for comparison, verdict in judged:
        yield f"{comparison.setting.experiment.name}, {comparison.setting.dtype}"
        for row in verdict.rows:
            yield _columns(f"  {row.quantity}", _cells(row))
            if row.broken_at:
                yield f"    first beyond: {row.broken_at}"
        if verdict.first_difference:
            yield f"  first difference: {verdict.first_difference}"
        else:
            yield "  first difference: none, the runs are equal bit for bit"


def divergences(found: Found) -> Iterator[str]:
    """Where the engines part first, of each experiment that breaks the contract."""
    for (experiment, dtype), ones in found.items():
        yield f"{experiment}, {dtype}"
        for one in ones:
            yield from (f"  {line}" for line in str(one).splitlines())
        if all(ones):
            yield (
                "  From equal inputs the engines agree in every step: what breaks the contract is "
                "in the training around them, or rounding, amplified"
            )
        yield ""


def conclusion(judged: Iterable[Judged]) -> str:
    """The last line."""
    judged = list(judged)
    broken = [
        f"{comparison.setting.experiment.name} {comparison.setting.dtype}: {row.quantity}"
        for comparison, verdict in judged
        for row in verdict.broken
    ]
    count = sum(verdict.judged for _, verdict in judged)
    if broken:
        return f"Contract BROKEN, {len(broken)} of {count} rows not met: {'; '.join(broken)}"
    return f"Contract kept: {count} of {count} rows met"


def as_json(
    setting: Setting, judged: Iterable[Judged], found: Found | None = None
) -> dict[str, Any]:
    """All that is printed, for machines."""
    return {
        "title": title(setting),
        "comparisons": [
            {
                "experiment": comparison.setting.experiment.name,
                "dtype": comparison.setting.dtype,
                "seed": comparison.setting.seed,
                "epochs": comparison.setting.epochs,
                "device": str(comparison.setting.device),
                "eager": comparison.setting.eager,
                "lines": {"ours": comparison.ours.lines, "torch": comparison.torch.lines},
                "rows": [asdict(row) | {"met": row.met} for row in verdict.rows],
                "first_difference": verdict.first_difference and asdict(verdict.first_difference),
                "first_divergence": [
                    one.to_dict() for one in (found or {}).get(key(comparison.setting), [])
                ],
            }
            for comparison, verdict in judged
        ],
    }


def amount(value: float, unit: str) -> str:
    """A number with its unit.

    >>> amount(2.345, "ulp"), amount(1234.5, "ulp"), amount(1.23e-7, "relative"), amount(2, "lines")
    ('2.3 ulp', '1234 ulp', '1.2e-07', '2 differ')
    """
    if unit == "relative":
        return f"{value:.1e}" if value else "0"
    if unit == "ulp":
        return f"{value:.{1 if 0 < value < 100 else 0}f} ulp"
    return f"{value:.0f} differ"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        amount(row.measured, row.unit),
        "-" if row.allowed is None else amount(row.allowed, row.unit),
        {True: "yes", False: "NO", None: "-"}[row.met],
        amount(row.itself, row.unit),
    )


def _columns(first: str, cells: tuple[str, ...]) -> str:
    return f"{first:32}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, WIDTHS, strict=True))
