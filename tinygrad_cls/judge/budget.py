"""How far a float32 gradient may be off: as far as rounding its inputs moves the exact one.

A stable float32 computation gives the exact result for inputs that are moved by some roundings
(backward stability; Higham, "Accuracy and Stability of Numerical Algorithms", section 1.5). So the
float64 gradient is computed at inputs and cotangents moved by up to one float32 rounding each; how
far it moves is what one rounding is worth, here. A sum of N numbers may add up sqrt(N) of them. And
a number of the gradient may be off by roundings of the largest one: sigmoid(x) - t is 2e-9 at x =
20, t = 1, and 0 in float32, in torch too.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from .point import Point
from .report import Finding, Reading
from .scene import index
from .subject import Answer, Array

if TYPE_CHECKING:
    from .exam import Exam

SAMPLES, ROUNDINGS = 6, 8
"""Random moves that are tried, and the roundings that an op chain of ordinary length may add."""


def natural_size(point: Point, g: Array, i: int) -> Array:
    """The size of an output's share in the cotangent, over the size of input ``i``'s numbers."""
    largest = float(np.abs(g * point.values).max(initial=0))
    return np.full(point.arrays[i].size, largest / min(point.typical(i), 1.0))


def float32_findings(exam: Exam, point: Point) -> tuple[Iterator[Finding], str]:
    """The float32 gradient against the float64 one, and what was measured, in a line."""
    trial = exam.trial
    eps = float(np.finfo(np.float32).eps)
    g = exam.cotangents[0].astype(np.float32).astype(np.float64)
    trial.learn(exam.arrays)
    narrow = exam.numbers(trial.pull(exam.arrays, g))
    values = trial.learn(point.arrays)
    exact = exam.numbers(trial.pull(point.arrays, g)).copy()
    moved = np.zeros_like(exact)
    for _ in range(SAMPLES):
        arrays = list(point.arrays)
        for i in exam.judged:
            arrays[i] = arrays[i] * (1 + eps * exam.rng.uniform(-1, 1, arrays[i].shape))
        shaken = g * (1 + eps * exam.rng.uniform(-1, 1, g.shape))
        try:
            there = exam.numbers(trial.pull(arrays, shaken))
        except Answer:  # a rounding left the domain
            continue
        moved = np.fmax(moved, np.abs(there - exact))
    terms = max([a.size for a in exam.arrays] + [sum(v.size for v in values)])
    times = ROUNDINGS + sqrt(terms)
    scale = np.abs(exact).max(initial=0)
    tiny = float(np.finfo(np.float32).tiny)
    # a slope is made of numbers of the size of outputs over inputs, 1 - y**2 for one
    natural = np.concatenate([natural_size(point, g, i) for i in exam.judged])
    allowed = times * (moved + eps * np.maximum(scale, natural)) + tiny
    off = np.abs(narrow - exact)
    overflow = ~np.isfinite(narrow) & (np.abs(exact) > float(np.finfo(np.float32).max) / 4)
    off = np.where(overflow, 0, np.where(np.isfinite(narrow), off, np.inf))
    unit = np.full(exact.shape, max(eps * scale, tiny))  # an ulp of the largest number
    n = int(np.argmax(off / allowed)) if off.size else 0
    line = "float32: no numbers"
    if off.size:
        found, bound = float(off[n] / unit[n]), float(allowed[n] / unit[n])
        line = (
            f"float32: {found:.2g} ulp measured, {bound:.2g} allowed there (what {times:.3g} "
            f"roundings of the inputs move)"
        )

    def findings() -> Iterator[Finding]:
        if not off.size or off[n] <= allowed[n]:
            return
        start, place = 0, ""
        for i in exam.judged:
            size = exam.arrays[i].size
            if start <= n < start + size:
                place = index(exam.subject.inputs[i], exam.arrays[i].shape, n - start)
            start += size
        yield Finding(
            "float32 budget",
            f"the float32 gradient is {float(off[n] / unit[n]):.3g} ulp off, "
            f"{float(allowed[n] / unit[n]):.3g} are allowed",
            f"d out / d {place}",
            yours=float(narrow[n]),
            readings=(Reading("float64 reading", float(exact[n]), float(allowed[n])),),
            error=float(off[n] / max(abs(exact[n]), tiny)),
            noise=float(off[n] / allowed[n]),
            hint="unstable branch" if not np.isfinite(narrow[n]) else "dtype drop",
            pattern="right in float64, lost in float32",
        )

    return findings(), line
