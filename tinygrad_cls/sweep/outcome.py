"""What came out of a sweep: a table, and how far the engines' curves are apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..experiments.contract import LOSS_FLOAT32, loss_bound
from .runs import ENGINES, Setting, Sweep, spans

CURVES = ("loss", "acc", "test_loss", "test_acc")
Cell = tuple[str, float, int]
"""Engine, learning rate, width."""


@dataclass(frozen=True, eq=False)
class Result:
    """A finished run. curves: one number an epoch; not a number where it was not finite. error:
    why there are none.
    """

    setting: Setting
    diverged: bool = False
    error: str = ""
    seconds: float = 0.0
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def read(cls, setting: Setting, value: Mapping[str, Any]) -> Result:
        """From the journal."""
        if value.get("error"):
            return cls(setting, error=value["error"], seconds=value["seconds"])
        curves = {name: np.array(value[name], dtype=np.float64) for name in CURVES}
        return cls(setting, value["diverged"], "", value["seconds"], curves)


@dataclass(frozen=True)
class Distance:
    """How far apart the engines' loss curves of one setting are.

    largest: over all epochs and both losses, relative to torch's. allowed: by the contract, or
    where it promises nothing (`promised` is false) what it allows the tutorial's run. epoch: the
    first beyond that, with the losses there and how far apart they are.
    """

    setting: Setting
    largest: float
    allowed: float
    promised: bool
    epoch: int = 0
    loss: str = ""
    ours: float = 0.0
    torch: float = 0.0
    size: float = 0.0

    def __str__(self) -> str:
        s = self.setting
        return (
            f"lr {s.lr:g}, hidden {s.hidden}, seed {s.seed}: from epoch {self.epoch} on, "
            f"{self.loss} {self.ours:.9g} here and {self.torch:.9g} in torch "
            f"({self.size:.1e} apart)"
        )


def distance(ours: Result, theirs: Result) -> Distance:
    """Of two runs of one setting."""
    setting = ours.setting
    bound = loss_bound(setting.experiment, setting.dtype, setting.as_measured)
    allowed = LOSS_FLOAT32[setting.experiment] if bound is None else bound
    names = ("loss", "test_loss")
    a, b = (np.stack([result.curves[name] for name in names], axis=1) for result in (ours, theirs))
    with np.errstate(all="ignore"):
        apart = abs(a - b) / np.maximum(abs(b), np.finfo(np.float64).tiny)
    apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    apart[np.isnan(apart)] = np.inf  # one of them is finite, the other isn't
    beyond = np.argwhere(apart > allowed)
    largest = float(apart.max(initial=0))
    if not len(beyond):
        return Distance(setting, largest, allowed, bound is not None)
    epoch, column = beyond[0]
    at = epoch, column
    return Distance(
        setting, largest, allowed, bound is not None, int(epoch) + 1,
        names[column].replace("_", " "), float(a[at]), float(b[at]), float(apart[at]),
    )  # fmt: skip


class Outcome:
    """The results of a sweep, in its order."""

    def __init__(self, sweep: Sweep, results: Iterable[Result]) -> None:
        self.sweep = sweep
        self.results = list(results)
        self.cells: dict[Cell, list[Result]] = {}
        for engine in sweep.engines:
            for lr in sweep.lr:
                for hidden in sweep.hidden:
                    self.cells[engine, lr, hidden] = []
        for result in self.results:
            s = result.setting
            self.cells[s.engine, s.lr, s.hidden].append(result)

    @property
    def failed(self) -> list[Result]:
        """The runs that ended with an error."""
        return [result for result in self.results if result.error]

    @cached_property
    def distances(self) -> dict[tuple[float, int], list[Distance]]:
        """By rate and width, of each seed that both engines have finished."""
        if set(ENGINES) - set(self.sweep.engines):
            return {}
        found = {}
        for lr in self.sweep.lr:
            for hidden in self.sweep.hidden:
                ours, theirs = (
                    {r.setting.seed: r for r in self.cells[engine, lr, hidden] if not r.error}
                    for engine in ENGINES
                )
                both = [seed for seed in self.sweep.seeds if seed in ours and seed in theirs]
                found[lr, hidden] = [distance(ours[seed], theirs[seed]) for seed in both]
        return found

    def text(self) -> str:
        """A table in Markdown, what failed, and how the engines agree."""
        return "\n".join([*self.table(), *self.failures(), *self.agreement()])

    def table(self) -> Iterator[str]:
        """A line for each engine, rate and width. Accuracy is the test set's in the last epoch."""
        head = (
            "engine", "lr", "hidden", "runs", "failed", "diverged", "loss", "test accuracy",
            "lowest", "highest", "per run",
        )  # fmt: skip
        rows = [head, *(self._row(cell, results) for cell, results in self.cells.items())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for number, row in enumerate(rows):
            cells = [
                text.ljust(w) if column == 0 else text.rjust(w)
                for column, (text, w) in enumerate(zip(row, widths, strict=True))
            ]
            yield f"| {' | '.join(cells)} |"
            if not number:
                rules = [
                    "-" * w if column == 0 else "-" * (w - 1) + ":"
                    for column, w in enumerate(widths)
                ]
                yield f"| {' | '.join(rules)} |"
        yield ""
        yield (
            f"Loss and accuracy: medians over the seeds {spans(self.sweep.seeds)} after epoch "
            f"{self.sweep.epochs}. Loss: of the"
        )
        yield "training set, where it is finite. Accuracy: % of test points, with the lowest and"
        yield "the highest of all seeds."

    def _row(self, cell: Cell, results: list[Result]) -> tuple[str, ...]:
        engine, lr, hidden = cell
        fine = [result for result in results if not result.error]
        right = [float(result.curves["test_acc"][-1]) for result in fine]
        losses = [float(r.curves["loss"][-1]) for r in fine if not r.diverged]
        return (
            engine,
            f"{lr:g}",
            str(hidden),
            str(len(results)),
            str(len(results) - len(fine)),
            str(sum(result.diverged for result in fine)),
            f"{median(losses):.5f}" if losses else "",
            *((f"{f(right):.2f}" for f in (median, min, max)) if right else ("", "", "")),
            f"{median(result.seconds for result in fine):.2f} s" if fine else "",
        )

    def failures(self) -> Iterator[str]:
        """The failed runs and why."""
        if self.failed:
            yield ""
            yield f"{len(self.failed)} of {len(self.results)} runs failed:"
        for result in self.failed:
            yield f"  {result.setting.key}: {result.error}"

    def agreement(self, most: int = 20) -> Iterator[str]:
        """For how many seeds the engines' curves agree, and where the others part."""
        if not self.distances:
            return
        every = [one for ones in self.distances.values() for one in ones]
        beyond = [one for one in every if one.epoch]
        yield ""
        if not every:
            yield "Nothing to compare: no setting was finished by both engines"
            return
        bounds = ", ".join(f"{bound:g}" for bound in sorted({one.allowed for one in every}))
        yield (
            f"Loss curves of tinygrad_cls and torch: {len(every) - len(beyond)} of {len(every)} "
            f"agree within {bounds} (relative); the largest distance is "
            f"{max(one.largest for one in every):.1e}"
        )
        if not all(one.promised for one in every):
            yield (
                "In float32 the contract promises this of the tutorial's own run alone; the others "
                "are counted, not judged."
            )
        for (lr, hidden), ones in self.distances.items():
            agree = sum(not one.epoch for one in ones)
            yield f"  lr {lr:g}, hidden {hidden}: {agree} of {len(ones)} seeds agree"
        if beyond:
            yield "Where the others part first:"
        for one in beyond[:most]:
            yield f"  {one}"
        if len(beyond) > most:
            yield f"  and {len(beyond) - most} more, in summary.json"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the curves, for machines."""
        from dataclasses import asdict

        runs = []
        for result in self.results:
            last = {name: float(curve[-1]) for name, curve in result.curves.items()}
            told = {"diverged": result.diverged, "error": result.error, "seconds": result.seconds}
            runs.append({**asdict(result.setting), **told, **last})
        apart = [asdict(one) for ones in self.distances.values() for one in ones]
        return {"sweep": self.sweep.identity(), "runs": runs, "distances": apart}
