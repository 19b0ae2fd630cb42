"""Second opinions: the complex step, a twin in another engine, the order of Taylor's remainder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._state import recording
from ..tensor import Tensor
from .noise import grain
from .point import Coordinate, Point, power_of_two
from .subject import OWN, Array, TensorSubject
from .trial import flat


def complex_step(point: Point, at: Coordinate, noisy: bool = True) -> tuple[Array, Array] | None:
    """The slopes of the outputs, Im f(x + ih) / h, and their noise: where f is analytic they are
    exact but for the rounding of f's own formula, which jumps at neighbouring points show.

    Squire & Trapp, SIAM Review 40, 1998. None where the function takes no complex numbers, or drops
    their imaginary part. A function that is no analytic one (``abs``, ``x.real``) gives a wrong
    number without a warning: believe it only where differences agree.
    """
    i, j = at
    size = power_of_two(max(abs(float(point.arrays[i].reshape(-1)[j])), 1e-200))

    def slopes(t: float) -> Array | None:
        arrays: list[Array] = list(point.arrays)
        moved = np.array(arrays[i], np.complex128, order="C")
        moved.reshape(-1)[j] += t * size + 1j * size * 2.0**-100
        arrays[i] = moved
        ys = complex_values(point, arrays)
        if ys is None:
            return None
        if not t:
            here = flat([y.real for y in ys])
            far = np.abs(here - point.values) > 64 * np.spacing(np.abs(point.values)) + point.noise
            if here.shape != point.values.shape or far.any():
                return None
        return flat([np.asarray(y.imag) for y in ys]) / (size * 2.0**-100)

    found = slopes(0.0)
    if found is None:
        return None
    start = abs(float(point.arrays[i].reshape(-1)[j]))
    least = 4 * float(np.spacing(start)) / size

    line = point.coordinate(at)

    def near(t: float) -> Array:
        outside = np.isnan(line(t * size)[0]).any()
        value = None if outside else slopes(t) if t else found
        return np.full_like(found, np.nan) if value is None else value

    rounding = np.spacing(np.abs(found))
    if not noisy:
        return found, 4 * rounding
    return found, 4 * (rounding + grain(near, -(2.0**-10), 2.0**-10, least, rounding))


def complex_values(point: Point, arrays: Sequence[Array]) -> Sequence[Array] | None:
    """The outputs for complex inputs, or None if the function takes none or makes real ones."""
    subject = point.trial.subject
    try:
        if subject.engine == OWN.name and isinstance(subject, TensorSubject):
            ys: Sequence[Array] = on_kernels(subject, point.arrays, arrays)
        else:
            ys = subject.values(arrays)
    except Exception:  # noqa: BLE001  (many a function takes no complex numbers)
        return None
    kinds = zip(ys, point.trial.dtypes, strict=True)
    return ys if all(y.dtype.kind == "c" for y, kind in kinds if kind.kind == "f") else None


def on_kernels(
    subject: TensorSubject, arrays: Sequence[Array], other: Sequence[Array]
) -> list[Any]:
    """The ops that the function runs on ``arrays``, run by their kernels on ``other`` arrays."""
    xs = subject.tensors(arrays, False)
    with recording() as tape:
        ys = subject.run(xs)
    known: dict[int, Any] = {id(x): a for x, a in zip(xs, other, strict=True)}
    for event in tape:
        inputs = [known.get(id(x), x._array) if isinstance(x, Tensor) else x for x in event.inputs]
        known[id(event.output)] = np.asarray(event.op.kernel(*inputs, **event.static))
    return [known[id(y)] for y in ys]


def taylor_order(point: Point, k: int = 0) -> float | None:
    """The order at which f(x + tv) - f(x) - t <gradient, v> vanishes: 2 for a right gradient, 1 for
    a wrong one; None where the function is a line or rounding hides the order.
    """
    direction = point.random_direction()
    g = point.cotangents[k]
    slope = sum(float(np.dot(point.gradients[i][k], np.ravel(v))) for i, v in direction.items())
    steps = np.array([2.0**-n for n in range(4, 16)])
    values = np.array([point.trial.value(point.with_moved(direction, t)) for t in steps])
    size = np.abs(g) @ point.noise
    rest = np.abs((values - point.values) @ g - steps * slope)
    seen = np.isfinite(rest) & (rest > 100 * size + 1e-14 * abs(slope) * steps)
    n = int(np.argmin(seen)) if not seen.all() else len(steps)  # the first that rounding hides
    if n < 3 or not np.isfinite(slope):
        return None
    orders = np.log2(rest[: n - 1] / rest[1:n])
    return float(np.median(orders[-4:]))
