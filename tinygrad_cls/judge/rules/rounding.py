"""Numbers that carry a bound of their own rounding error: a formula, run on them, tells how far
two right readings of it may part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

Array = NDArray[Any]

SLOPES: dict[Any, Callable[..., tuple[Any, ...]]] = {
    np.add: lambda y, a, b: (1.0, 1.0),
    np.subtract: lambda y, a, b: (1.0, 1.0),
    np.multiply: lambda y, a, b: (b, a),
    np.divide: lambda y, a, b: (1 / b, y / b),
    np.power: lambda y, a, b: (b * a ** (b - 1), 0.0),
    np.maximum: lambda y, a, b: (1.0, 1.0),
    np.minimum: lambda y, a, b: (1.0, 1.0),
    np.negative: lambda y, a: (1.0,),
    np.absolute: lambda y, a: (1.0,),
    np.square: lambda y, a: (2 * a,),
}
"""By ufunc, what an error in each operand is multiplied with, from the result and the operands."""
EXACT = {np.negative, np.absolute, np.maximum, np.minimum}
COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}


class Rounded(NDArrayOperatorsMixin):
    """``value`` in float64, and a first-order bound of its error in an arithmetic of unit ``unit``.

    Running error analysis (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section
    3.3): an operation passes on the errors of its operands, multiplied by its slopes, and adds one
    unit of its result.

    >>> x = Rounded(np.array([1.0]), np.array([0.0]), 2.0**-53)
    >>> float((x + 1e8 - 1e8).bound[0] / 2.0**-53)  # what cancels counts with its full size
    100000002.0
    """

    def __init__(self, value: Any, bound: Any, unit: float) -> None:
        self.value, self.bound, self.unit = np.asarray(value, np.float64), np.asarray(bound), unit

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def __bool__(self) -> bool:
        return bool(self.value)

    @np.errstate(all="ignore")
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs or not all(known(a) for a in args):
            return NotImplemented
        values = [a.value if isinstance(a, Rounded) else np.asarray(a, np.float64) for a in args]
        errors = [a.bound if isinstance(a, Rounded) else np.zeros(()) for a in args]
        y = ufunc(*values)
        if ufunc in COMPARISONS:
            return y
        if ufunc is np.sqrt:  # |sqrt(a + e) - sqrt(a)| <= both of these
            e = errors[0]
            bound = np.minimum(np.sqrt(e), np.where(y > 0, e / np.where(y > 0, y, 1.0), np.inf))
        elif ufunc in SLOPES:
            slopes = SLOPES[ufunc](y, *values)
            pairs = zip(slopes, errors, strict=True)
            bound = sum(np.where(e == 0, 0.0, np.abs(s) * e) for s, e in pairs)
        else:
            return NotImplemented
        return Rounded(y, bound + (0.0 if ufunc in EXACT else self.unit * np.abs(y)), self.unit)


def known(a: Any) -> bool:
    """Whether it is a number or numbers."""
    return isinstance(a, Rounded | np.ndarray | np.generic | float | int)


def read(x: Any, unit: float) -> Any:
    """A number, an array or a tuple of them as it may be after it was rounded to the unit.

    What is no float (a flag, None) stays what it is, and so do 0 and 1.
    """
    if isinstance(x, tuple):
        return tuple(read(a, unit) for a in x)
    if isinstance(x, float) and x not in (0.0, 1.0):
        return Rounded(x, unit * abs(x), unit)
    return x
