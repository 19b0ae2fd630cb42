"""One function at one point: its slopes there by differences, and what backward says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .differences import Line, Slopes, sample, slopes
from .noise import grain, measured
from .subject import Array
from .trial import Trial

FAST = np.array([2.0**-k for k in range(3, 8)])
"""Steps that do for an ordinary function, relative to the size of the number moved."""
CAREFUL = np.array([2.0**-k for k in range(-2, 43)])
"""Steps for all others, from four times its size down to its last digits."""
TIMES = 10.0
"""An error up to this many times the noise floor is no error: the bounds are estimates."""
UNRELIABLE = 1e-3
"""A noise floor above this share of the gradient's scale hides what it should show."""
CHUNK = 2**18

Coordinate = tuple[int, int]
"""A number of the inputs: which input, and its place in C order."""


@dataclass
class Point:
    """A function at given inputs, with K random cotangents and backward's answers to them.

    judged: the inputs that are differentiated. values: the outputs as one vector of m numbers;
    noise: of each, its rounding error. cotangents: (K, m); gradients: of each judged input, (K, n).
    """

    trial: Trial
    arrays: list[Array]
    judged: tuple[int, ...]
    values: Array
    cotangents: Array
    gradients: dict[int, Array]
    rng: np.random.Generator
    noise: Array = field(init=False)
    gradient_noise: dict[int, Array] = field(init=False)
    forgiven: tuple[float, float] = (0.0, 0.0)  # of each slope, absolute and relative
    twin_engine: str = "the twin"
    copies: dict[int, Array] = field(default_factory=dict)
    deadline: float = float("inf")  # of time.perf_counter(); doubts are left as they are after it

    def __post_init__(self) -> None:
        self.noise = self.values * 0 + np.spacing(np.abs(self.values))
        self.gradient_noise = {i: np.zeros_like(g) for i, g in self.gradients.items()}

    @property
    def eps(self) -> float:
        """The unit of rounding of the coarsest judged input."""
        return max(float(np.finfo(self.arrays[i].dtype).eps) for i in self.judged)

    def typical(self, i: int) -> float:
        """The size of an ordinary number of input ``i``."""
        sizes = np.abs(self.arrays[i][self.arrays[i] != 0])
        sizes = sizes[np.isfinite(sizes)]
        return float(np.median(sizes)) if sizes.size else 1.0

    # --- moving ---------------------------------------------------------------------------------

    def with_moved(self, directions: dict[int, Array], t: float) -> list[Array]:
        """The inputs moved by t along directions (in the shapes of the inputs)."""
        moved = list(self.arrays)
        for i, v in directions.items():
            moved[i] = (self.arrays[i] + t * v).astype(self.arrays[i].dtype)
        return moved

    def along(self, directions: dict[int, Array]) -> Line:
        """The function on the line through the point."""
        return lambda t: (self.trial.value(self.with_moved(directions, t)), t)

    def coordinate(self, at: Coordinate) -> Line:
        """The function of one number; all lines through an input share a copy of it."""
        i, j = at
        copy = self.copies.get(i)
        if copy is None:
            copy = self.copies[i] = np.array(self.arrays[i], order="C")
        number = copy.reshape(-1)[j : j + 1]
        start = number[0]
        arrays = [*self.arrays[:i], copy, *self.arrays[i + 1 :]]

        def line(t: float) -> tuple[Array, float]:
            number[0] = start + number.dtype.type(t)
            taken = float(number[0]) - float(start)
            y = self.trial.value(arrays)
            number[0] = start
            return y, taken

        return line

    def random_direction(self) -> dict[int, Array]:
        """A direction in which every number moves in proportion to its size."""
        found = {}
        for i in self.judged:
            x = self.arrays[i].astype(np.float64)
            size = np.where(x == 0, self.typical(i) / 1024, np.abs(x))
            size = np.where(np.isfinite(x), size, 0)  # an infinity stays one
            signs = self.rng.choice([-1.0, 1.0], x.shape) * self.rng.uniform(0.5, 1, x.shape)
            found[i] = np.asarray(size * signs)
        return found

    def measure_noise(self) -> None:
        """The noise of the outputs and of backward's answers, from their scatter nearby."""
        direction = self.random_direction()
        spacing = 2.0**-26 if self.eps < 1e-12 else 64 * self.eps
        found = measured(self.valued(direction), spacing)
        self.noise = np.fmax(4 * found, self.noise)
        for k, g in enumerate(self.cotangents):
            try:
                near = measured(self.pulled(direction, g), spacing)
            except Exception:  # noqa: BLE001  (beside the point, nothing is known)
                return
            start = 0
            for i in self.judged:
                n = self.arrays[i].size
                part = near[start : start + n]
                # more than half of the digits are not excused: then it's a wave, or a fault
                most = 100 * np.sqrt(self.eps) * np.abs(self.gradients[i][k]).max(initial=0)
                self.gradient_noise[i][k] = np.fmin(np.where(np.isfinite(part), part, 0), most)
                start += n

    def answers(self, g: Array) -> dict[int, Array]:
        """Backward's answers to another cotangent, (n,) for each judged input."""
        answer = self.trial.pull(self.arrays, g)
        return {
            i: np.zeros(self.arrays[i].size)
            if answer[i] is None
            else np.asarray(answer[i], np.float64).ravel()
            for i in self.judged
        }

    def valued(self, direction: dict[int, Array]) -> Any:
        return lambda t: self.trial.value(self.with_moved(direction, t))

    def pulled(self, direction: dict[int, Array], g: Array) -> Any:
        """Backward's answers to ``g``, as one vector, at a point on a line."""

        def at(t: float) -> Array:
            answers = self.trial.pull(self.with_moved(direction, t), g)
            return np.concatenate(
                [
                    np.asarray(
                        np.zeros(self.arrays[i].size) if answers[i] is None else answers[i],
                        np.float64,
                    ).ravel()
                    for i in self.judged
                ]
            )

        return at

    def roughen(self, coordinates: Sequence[Coordinate]) -> bool:
        """Looks for jumps of the outputs near the point, as rounding makes them; whether the noise
        is greater than was known.

        Within a thousandth of a number any jump counts; within a quarter, small ones on both sides.
        """
        before = self.noise.copy()
        for at in coordinates:
            i, j = at
            values = values_on(self.coordinate(at))
            size = abs(float(self.arrays[i].reshape(-1)[j]))
            least = 4 * float(np.spacing(np.abs(self.arrays[i].reshape(-1)[j])))
            scale = size or self.step_scale(at)
            near = grain(values, -scale / 1024, scale / 1024, least, self.noise)
            sides = [
                grain(values, low * scale, high * scale, least, self.noise)
                for low, high in ((-0.25, -0.001), (0.001, 0.25))
            ]
            rounding = 1e-6 * max(1.0, size, float(np.abs(self.values).max(initial=0)))
            small = [np.where(side <= rounding, side, 0) for side in sides]
            if all((side > 4 * self.noise).any() for side in small):
                near = np.maximum(near, np.maximum(*small))
            self.noise = np.maximum(self.noise, 2 * near)
        return bool((self.noise > 4 * before).any())

    def stepped(self, at: Coordinate) -> bool:
        """Whether the outputs jump on both sides of a number, within a quarter of it."""
        i, j = at
        size = self.size(at)
        values = values_on(self.coordinate(at))
        least = 4 * float(np.spacing(np.abs(self.arrays[i].reshape(-1)[j])))
        unit = np.spacing(np.abs(self.values))
        sides = (
            grain(values, low * size, high * size, least, unit)
            for low, high in ((-0.25, -0.001), (0.001, 0.25))
        )
        return all(bool((side > 100 * unit).any()) for side in sides)

    # --- slopes ---------------------------------------------------------------------------------

    def fast(
        self, coordinates: Sequence[Coordinate]
    ) -> Iterator[tuple[Sequence[Coordinate], Slopes]]:
        """Slopes by a few steps, for many coordinates at once."""
        size = max(1, CHUNK // max(1, self.values.size))
        for first in range(0, len(coordinates), size):
            part = coordinates[first : first + size]
            scale = np.array([self.step_scale(at) for at in part])
            lines = [self.coordinate(at) for at in part]
            right, left, *steps = sample(lines, FAST[:, None] * scale)
            yield part, slopes(self.values, right, left, (steps[0], steps[1]), self.noise)

    def step_scale(self, at: Coordinate) -> float:
        i, j = at
        size = abs(float(self.arrays[i].reshape(-1)[j]))
        return power_of_two(max(size, self.typical(i) / 8))

    def careful(self, at: Coordinate) -> Slopes:
        """Slopes by all steps, at every scale that the number may have."""
        i, j = at
        size = abs(float(self.arrays[i].reshape(-1)[j]))
        unit = float(np.spacing(np.abs(self.arrays[i].reshape(-1)[j])))
        scales = [size, self.typical(i), 1.0]
        return self.scan(self.coordinate(at), scales, 8 * unit)

    def scan(self, line: Line, scales: Sequence[float], least: float = 0.0) -> Slopes:
        """Slopes along a line, from steps around each of the scales, the smallest first."""
        chosen: list[float] = []
        for scale in sorted(power_of_two(s) for s in scales if 0 < s < np.inf):
            if not chosen or scale > 2.0**12 * chosen[-1]:
                chosen.append(scale)
        found: Slopes | None = None
        edge = np.inf
        for scale in chosen:
            steps = CAREFUL * scale
            steps = steps[steps >= least]
            if len(steps) < 6:
                continue
            right, left, *taken = sample([line], steps[:, None])
            outside = np.isnan(right).any(axis=(1, 2)) | np.isnan(left).any(axis=(1, 2))
            if outside.any() and not outside.all():
                edge = min(edge, float(steps[outside].min()))
            new = slopes(self.values, right, left, (taken[0], taken[1]), self.noise)
            found = new if found is None else refined(found, new)
            size = np.maximum(np.abs(found.low), np.abs(found.high))
            if (found.error <= 1e-9 * np.nanmax(size, initial=0)).all():
                break
        if found is None:
            return unknown(self.values.size)
        if edge < 2.0**-20 * chosen[-1]:  # few steps fit in between: finer ones
            steps = edge * CAREFUL[2:]
            right, left, *taken = sample([line], steps[steps >= least][:, None])
            new = slopes(self.values, right, left, (taken[0], taken[1]), self.noise)
            return refined(new, found)
        return found

    def around(
        self, coordinates: Sequence[Coordinate], count: int, radius: float
    ) -> tuple[Array, Array, Array] | None:
        """The least and the greatest slope of every output at ``count`` points close by, and the
        error of these; None if the function has no values there. Each is (n, m).
        """
        scale = np.array([self.size(at) for at in coordinates])
        return self.nearby(
            lambda there: [there.coordinate(at) for at in coordinates], scale, count, radius
        )

    def around_along(
        self, directions: dict[int, Array], count: int, radius: float
    ) -> tuple[Array, Array, Array] | None:
        """The same of the slope along a direction, each (m,)."""
        scale = np.array([max(self.typical(i) for i in directions)])
        found = self.nearby(lambda there: [there.along(directions)], scale, count, radius)
        return None if found is None else (found[0][0], found[1][0], found[2][0])

    def size(self, at: Coordinate) -> float:
        """The size of a number, or of its neighbours if it's 0."""
        return abs(float(self.arrays[at[0]].reshape(-1)[at[1]])) or self.typical(at[0])

    def nearby(
        self, lines: Callable[[Point], list[Line]], scale: Array, count: int, radius: float
    ) -> tuple[Array, Array, Array] | None:
        """Slopes of lines through points close by, from steps far smaller than their distance."""
        lows, errors = [], []
        steps = radius / 64 * np.array([[2.0], [1.0]]) * scale
        for _ in range(count):
            near = {}
            for i in self.judged:
                x = self.arrays[i].astype(np.float64)
                size = np.where(x == 0, self.typical(i), np.abs(x))
                size = np.where(np.isfinite(x), size, 0)
                signs = self.rng.choice([-1, 1], x.shape)
                near[i] = np.asarray(size * self.rng.uniform(0.5, 1, x.shape) * signs)
            arrays = self.with_moved(near, radius)
            if np.isnan(self.trial.value(arrays)).any():
                continue
            there = Point(
                self.trial, arrays, self.judged, self.values, self.cotangents, {}, self.rng
            )
            right, left, h, k = sample(lines(there), steps)
            found = (right - left) / (h + k)
            lows.append(found[1])
            errors.append(np.abs(found[1] - found[0]) + self.noise / h[1])
        if not lows:
            return None
        # a point whose slope can't be told, since a step meets a kink again, says nothing
        e = np.array(errors)
        clear = e <= 100 * np.fmin.reduce(e) + 1e-300
        slopes = np.where(clear, lows, np.nan)
        error = np.fmax.reduce(np.where(clear, e, np.nan))
        return np.fmin.reduce(slopes), np.fmax.reduce(slopes), error


def refined(small: Slopes, large: Slopes) -> Slopes:
    """The better of two estimates, output by output; the larger steps' must agree to be taken."""
    gap = np.maximum(large.low - small.high, small.low - large.high)
    agrees = (gap <= 2 * (small.error + large.error)) | ~np.isfinite(small.error)
    better = agrees & (large.error < small.error) & ~(small.jump | small.infinite)
    # a kink that large steps cross, and small ones don't meet, is not here
    better &= ~(large.kink | large.jump) | (small.error > (large.high - large.low) / 20)
    return Slopes(
        *(
            np.where(better, getattr(large, name), getattr(small, name))
            for name in ("low", "high", "error", "kink", "jump", "infinite", "one_sided")
        )
    )


def unknown(m: int) -> Slopes:
    """Nothing is known of any output."""
    no = np.zeros((1, m), bool)
    return Slopes(
        np.full((1, m), np.nan), np.full((1, m), np.nan), np.full((1, m), np.inf), no, no, no, no
    )


def values_on(line: Line) -> Callable[[float], Array]:
    """A line's values, without the steps taken."""
    return lambda t: line(t)[0]


def power_of_two(x: float) -> float:
    """The power of two at or below x.

    >>> power_of_two(5.0), power_of_two(0.3)
    (4.0, 0.25)
    """
    return float(2.0 ** np.floor(np.log2(max(x, 1e-300))))
