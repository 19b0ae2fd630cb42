"""The contract with PyTorch: how far apart both engines may be, and whether they are.

Gradients and steps are judged from equal weights, so that each epoch is a test of its own. What
adds up over a run depends on the kernels' rounding and is judged where it was measured: seed 42,
the tutorial's epochs, an x86-64 CPU.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_cls.experiments import contract

from .compare import Comparison, Setting
from .record import Array, Arrays, Record

GRADIENT_FLOAT64 = 1e-10
"""Relative to the gradient's scale."""


@dataclass(frozen=True)
class Place:
    """Where two numbers differ, and the numbers."""

    epoch: int
    name: str
    ours: float
    torch: float

    def __str__(self) -> str:
        digits = 9 if f"{self.ours:.9g}" != f"{self.torch:.9g}" else 17  # of float32, of float64
        values = f"ours {self.ours:.{digits}g}, torch {self.torch:.{digits}g}"
        return f"epoch {self.epoch}, {self.name}: {values}"


@dataclass(frozen=True)
class Row:
    """The largest difference in one quantity, in multiples of `unit`.

    `allowed` is the bound at the place of `measured`, None where the contract sets none. Every
    place is judged by its own bound: `broken_at` tells the first one beyond. `itself` is PyTorch's
    distance from PyTorch on its default kernels.
    """

    quantity: str
    unit: str
    measured: float
    allowed: float | None
    itself: float
    broken_at: str | None

    @property
    def met(self) -> bool | None:
        return None if self.allowed is None else self.broken_at is None


@dataclass(frozen=True)
class Verdict:
    """What the comparison of one experiment in one dtype found."""

    rows: list[Row]
    first_difference: Place | None

    @property
    def judged(self) -> int:
        return sum(row.met is not None for row in self.rows)

    @property
    def broken(self) -> list[Row]:
        return [row for row in self.rows if row.met is False]


def loss_bound(setting: Setting) -> float | None:
    """Largest relative difference of the loss allowed over a whole run."""
    return contract.loss_bound(setting.experiment.name, setting.dtype, setting.as_measured)


def judge(comparison: Comparison) -> Verdict:
    """Every row of the contract."""
    return Verdict(
        [_lines(comparison), _initial(comparison), *_rows(comparison)],
        first_difference(comparison.ours, comparison.torch),
    )


def _lines(c: Comparison) -> Row:
    pairs = list(zip(c.ours.lines, c.torch.lines, strict=True))
    wrong = [f"ours {ours!r}, torch {theirs!r}" for ours, theirs in pairs if ours != theirs]
    judged = c.setting.as_measured and c.setting.dtype == "float32"
    return Row(
        "printed lines",
        "lines",
        len(wrong),
        0 if judged else None,
        sum(a != b for a, b in zip(c.other.lines, c.torch.lines, strict=True)),
        wrong[0] if judged and wrong else None,
    )


def _initial(c: Comparison) -> Row:
    ours, theirs, other = (
        matrix({name: value[None] for name, value in record.initial.items()})
        for record in (c.ours, c.torch, c.other)
    )
    first = _first(ours != theirs, (ours, theirs), np.arange(1), entries(c.torch.parameters))
    return Row(
        "initial weights",
        "values",
        int(np.sum(ours != theirs)),
        0,
        int(np.sum(other != theirs)),
        str(first) if first else None,
    )


def _rows(c: Comparison) -> Iterator[Row]:
    setting, ours, theirs, other = c.setting, c.ours, c.torch, c.other
    every, probes = np.arange(setting.epochs + 1), np.array(setting.probes)
    parameters, gradients = entries(theirs.parameters), entries(theirs.gradients, "gradient of ")

    loss, loss_ours, loss_other = (
        np.stack([record.curves["loss"], record.curves["test_loss"]], axis=1)
        for record in (theirs, ours, other)
    )
    bound = loss_bound(setting)
    yield _row(
        "loss, whole run",
        "relative",
        (loss_ours, loss),
        (loss_other, loss),
        abs(loss),
        None if bound is None else np.full(loss.shape, bound),
        every[1:],
        ["loss", "test loss"],
    )
    for quantity, names in (("parameters", parameters), ("gradients", gradients)):
        value, value_ours, value_other = (
            matrix(getattr(record, quantity)) for record in (theirs, ours, other)
        )
        yield _row(
            f"{quantity}, whole run",
            "relative",
            (value_ours, value),
            (value_other, value),
            largest(getattr(theirs, quantity)).max(axis=0, keepdims=True),
            None,
            every[-len(value) :],
            names,
        )

    p, p_other = matrix(theirs.parameters), matrix(other.parameters)
    epsilon = float(np.finfo(setting.dtype).eps)
    g = matrix(theirs.gradients)[probes - 1]
    scale = spread(np.array([[r.scale for r in step] for step in c.rounding]), theirs.gradients)
    errors = np.array([np.concatenate([r.error.ravel() for r in step]) for step in c.rounding])
    if setting.dtype == "float64":
        unit, allowed = scale, np.full(g.shape, GRADIENT_FLOAT64)
    else:
        unit = np.spacing(scale.astype(setting.dtype))
        allowed = 2 * errors / unit  # each engine's own
    yield _row(
        "gradients, from equal weights",
        "relative" if setting.dtype == "float64" else "ulp",
        (matrix(c.steps.gradients), g),
        (matrix(c.other_steps.gradients), matrix(other.gradients)[probes - 1]),
        unit,
        allowed,
        probes,
        gradients,
    )

    lr = setting.experiment.lr
    allowed = 2 * lr * errors + epsilon * (abs(p[probes]) + lr * abs(g))
    unit = np.spacing(largest(theirs.parameters)[probes])
    yield _row(
        "one step, from equal weights",
        "ulp",
        (matrix(c.steps.parameters), p[probes]),
        (matrix(c.other_steps.parameters), p_other[probes]),
        unit,
        allowed / unit,
        probes,
        parameters,
    )


def _row(
    quantity: str,
    unit_name: str,
    pair: tuple[Array, Array],
    other_pair: tuple[Array, Array],
    unit: Array,
    allowed: Array | None,
    epochs: Array,
    names: list[str],
) -> Row:
    unit = np.fmax(unit, np.finfo(np.float64).tiny)
    distance = _distance(*pair) / unit
    itself = float(np.max(_distance(*other_pair) / unit))
    if allowed is None:
        return Row(quantity, unit_name, float(np.max(distance)), None, itself, None)
    wrong = ~(distance <= allowed)  # what is not a number is wrong, too
    broken_at = _first(wrong, pair, epochs, names)
    shown = np.nan_to_num(np.where(wrong, distance, -1) if broken_at else distance, nan=np.inf)
    at = np.unravel_index(np.argmin(np.where(shown == shown.max(), allowed, np.inf)), shown.shape)
    return Row(
        quantity,
        unit_name,
        float(distance[at]),
        float(allowed[at]),
        itself,
        str(broken_at) if broken_at else None,
    )


def first_difference(ours: Record, theirs: Record) -> Place | None:
    """The earliest bit that differs in two runs: in the weights, a loss or a gradient."""
    groups = (
        ("", {"loss": ours.curves["loss"]}, {"loss": theirs.curves["loss"]}, 1),
        ("gradient of ", ours.gradients, theirs.gradients, 1),
        ("", ours.parameters, theirs.parameters, 0),
    )
    places = []
    for noun, a, b, start in groups:
        pair = (matrix(a), matrix(b))
        epochs = np.arange(start, start + len(pair[1]))
        place = _first(_distance(*pair) != 0, pair, epochs, entries(b, noun))
        if place:
            places.append(place)
    return min(places, key=lambda place: place.epoch, default=None)


def _distance(ours: Array, theirs: Array) -> Array:
    """|ours - theirs|; 0 where both are the same infinity or not a number."""
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0, abs(ours.astype(np.float64) - theirs))


def _first(
    wrong: Array, pair: tuple[Array, Array], epochs: Array, names: list[str]
) -> Place | None:
    if not wrong.any():
        return None
    row, column = np.argwhere(wrong)[0]
    ours, theirs = (float(values[row, column]) for values in pair)
    return Place(int(epochs[row]), names[column], ours, theirs)


# Named arrays as one matrix: a row an epoch, a column an entry.


def matrix(arrays: Arrays) -> Array:
    """All entries side by side."""
    return np.concatenate([values.reshape(len(values), -1) for values in arrays.values()], axis=1)


def entries(arrays: Arrays, noun: str = "") -> list[str]:
    """The name of each column.

    >>> entries({"bias": np.zeros((5, 2))}, "gradient of ")
    ['gradient of bias[0]', 'gradient of bias[1]']
    """
    return [
        f"{noun}{name}" + (f"[{','.join(map(str, index))}]" if index else "")
        for name, values in arrays.items()
        for index in np.ndindex(values.shape[1:])
    ]


def spread(columns: Array, like: Arrays) -> Array:
    """One column an array, repeated for each of its entries."""
    return np.repeat(columns, [values[0].size for values in like.values()], axis=1)


def largest(arrays: Arrays) -> Array:
    """The largest |entry| of each array in each epoch, spread over its entries."""
    columns = [abs(values).reshape(len(values), -1).max(axis=1) for values in arrays.values()]
    return spread(np.stack(columns, axis=1), arrays)
