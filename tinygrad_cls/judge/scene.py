"""One input's gradient, given and right, and what hypotheses about it are made of."""

from __future__ import annotations

import numpy as np

from .gradient import Evidence
from .point import TIMES
from .subject import Array

Diagnosis = tuple[str, str]
"""A key of HINTS, and the mistake in words, with its numbers."""


Guess = tuple[str, str, Array]
"""A key, words, and the gradient that the mistake would give: (K, n)."""


class Scene:
    """One input's gradient, given and right, and what hypotheses are made of.

    u, T: (K, n), the gradient given and the slopes by differences; J: (n, m); g: (K, m); places:
    which numbers of the input these are. whole: whether they are all.
    """

    def __init__(self, evidence: Evidence, i: int) -> None:
        rows = [r for r, (k, _) in enumerate(evidence.at) if k == i]
        self.evidence, self.i, self.rows = evidence, i, rows
        self.point = point = evidence.point
        self.places = np.array([evidence.at[r][1] for r in rows], int)
        self.u = evidence.yours[rows].T
        self.T = ((evidence.truth_low + evidence.truth_high) / 2)[rows].T
        self.J = np.where(np.isfinite(evidence.error[rows]), evidence.jacobian[rows], 0)
        self.floor, self.scale = evidence.floor[rows].T, evidence.scale[rows].T
        self.wrong = evidence.wrong[rows]
        self.g, self.y = point.cotangents, point.values
        self.shape = point.arrays[i].shape
        self.x = np.asarray(point.arrays[i], np.float64).reshape(-1)[self.places]
        self.whole = len(rows) == point.arrays[i].size
        self.out = point.trial.shapes[0] if len(point.trial.shapes) == 1 else (self.y.size,)
        self.name = point.trial.subject.inputs[i]

    def close(self, prediction: Array) -> Array:
        """Where the gradient given is what a hypothesis predicts: (K, n)."""
        if prediction.shape != self.u.shape:
            return np.zeros(self.u.shape, bool)
        floor = np.where(np.isfinite(self.floor), self.floor, 0)
        # it must explain the difference there is, but for a thousandth
        finite = np.abs(np.where(np.isfinite(self.u), self.u, 0) - self.T)
        limit = 2 * TIMES * floor + 1e-3 * finite.max(initial=0)
        return np.asarray(np.abs(self.u - prediction) <= limit)

    def fits(self, prediction: Array) -> bool:
        """Whether it's the gradient given everywhere, and another one than the right one."""
        if not self.close(prediction).all():
            return False
        gap = np.abs(prediction - self.T)
        return bool((gap > TIMES * np.where(np.isfinite(self.floor), self.floor, 0)).any())

    def pull(self, g: Array) -> Array:
        """The gradient for other cotangents."""
        return np.asarray(g @ self.J.T)

    @property
    def diagonal(self) -> bool:
        """Whether each output depends on one number of the input, its own."""
        if not self.whole or self.J.shape[0] != self.J.shape[1]:
            return False
        off = self.J - np.diag(np.diag(self.J))
        return bool(np.abs(off).max(initial=0) <= 1e-7 * np.abs(self.J).max(initial=0))


def index(name: str, shape: tuple[int, ...], j: int) -> str:
    """``x[1,2]``, from a place in C order.

    >>> index("x", (3, 4), 6), index("x", (), 0)
    ('x[1,2]', 'x')
    """
    where = ",".join(str(int(k)) for k in np.unravel_index(j, shape)) if shape else ""
    return f"{name}[{where}]" if where else name


def where(s: Scene, chosen: Array) -> str:
    """Some of the chosen places, as indices."""
    places = s.places[chosen][:3]
    texts = [index(s.name, s.shape, int(j)) for j in places]
    return ", ".join(texts) + (", ..." if chosen.sum() > len(places) else "")
