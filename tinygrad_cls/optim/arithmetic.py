"""y + a x, rounded as torch's kernels round it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..stream import fused_kernels

Vector = np.ndarray[Any, Any]


def axpy(a: Any, x: Vector, y: Vector) -> Vector:
    """y + a x for a vector a, or a number of y's dtype.

    Where torch's kernels use a fused multiply-add (`tinygrad_cls.stream.fused_kernels`), float32
    and float64 are rounded once. That is done with twice the digits, whose own rounding changes
    one float32 result in about 2**29 and as rarely a float64 one. Elsewhere, and in float16,
    the product is rounded and then the sum.

    >>> x = np.array([1 + 2.0**-30])
    >>> float(axpy(x, x, np.array([-1.0]))[0]) in (2.0**-29 + 2.0**-60, 2.0**-29)
    True
    """
    if y.dtype == np.float32 and fused_kernels():
        wide = x.astype(np.float64)
        wide *= a.astype(np.float64)  # exact: 24 + 24 bits
        wide += y
        rounded: Vector = wide.astype(np.float32)
        return rounded
    product = a * x
    total: Vector = y + product
    if y.dtype == np.float64 and fused_kernels():
        z = total - y
        lost = (y - (total - z)) + (product - z) + product_error(a, x, product)
        return np.where(np.abs(lost) > 0, total + lost, total)  # neither nan nor a zero's sign
    return total


def product_error(a: Any, x: Vector, product: Vector) -> Vector:
    """a x - product, exactly, for the rounded product of float64 numbers (Dekker 1971).

    Nan above 1e300, and not exact where the product is below 1e-290.
    """
    (a1, a2), (x1, x2) = halves(a), halves(x)
    error: Vector = ((a1 * x1 - product) + a1 * x2 + a2 * x1) + a2 * x2
    return error


def halves(x: Any) -> tuple[Any, Any]:
    """x as a sum of two numbers of 26 bits (Veltkamp), whose products are exact."""
    shifted = x * (2.0**27 + 1)
    high = shifted - (shifted - x)
    return high, x - high


def lerp(m: Vector, g: Vector, weight: Any, near: bool) -> Vector:
    """m + weight (g - m), from the nearer end: ``near`` says that the weight is below 1/2."""
    return axpy(weight, g - m, m) if near else axpy(weight - 1, g - m, g)
