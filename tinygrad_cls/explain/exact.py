"""The exact values, by ``decimal`` with digits to spare, and the distance to them in ulp."""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from math import frexp, inf, isfinite
from typing import Any

import numpy as np

DIGITS = 120
"""Right digits of every value: far more than the 17 of float64. Twice as many are computed with."""

Values = list[Decimal]


def exactly(name: str, x: Any, t: Any) -> tuple[Values, Values]:
    """The function's values and gradients at the numbers that the arrays hold."""
    numbers = [Decimal(float(a)) for a in x]
    targets = [Decimal(float(b)) for b in t] if isinstance(t, np.ndarray) else t
    with localcontext(Context(prec=2 * DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])):
        return FORMULAS[name](numbers, targets)


def log1p(e: Decimal) -> Decimal:
    """log(1 + e); where 1 + e would lose digits, by its series."""
    return e - e * e / 2 if e < Decimal(10) ** (-DIGITS // 2) else (1 + e).ln()


def sigmoid_of(x: Decimal) -> Decimal:
    """1 / (1 + e^-x)."""
    small = (-abs(x)).exp()
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def sigmoid(xs: Values, _t: None) -> tuple[Values, Values]:
    """1 / (1 + e^-x); 1 - sigmoid x is sigmoid -x."""
    return [sigmoid_of(x) for x in xs], [sigmoid_of(x) * sigmoid_of(-x) for x in xs]


def bce(xs: Values, t: Values) -> tuple[Values, Values]:
    """t softplus(-x) + (1 - t) softplus(x): no term is negative."""
    values, slopes = [], []
    for x, target in zip(xs, t, strict=True):
        small = log1p((-abs(x)).exp())
        values.append(target * (max(-x, Decimal(0)) + small)
                      + (1 - target) * (max(x, Decimal(0)) + small))  # fmt: skip
        slopes.append((1 - target) * sigmoid_of(x) - target * sigmoid_of(-x))
    return values, slopes


def probabilities(xs: Values) -> Values:
    """e^x / sum e^x."""
    small = [(x - max(xs)).exp() for x in xs]
    return [e / sum(small) for e in small]


def softmax(xs: Values, t: int) -> tuple[Values, Values]:
    """All probabilities, and the gradient of that of class t."""
    p = probabilities(xs)
    others = sum(q for i, q in enumerate(p) if i != t)
    return p, [p[t] * (others if i == t else -q) for i, q in enumerate(p)]


def cross_entropy(xs: Values, t: int) -> tuple[Values, Values]:
    """log sum e^(x - x[t])."""
    top = max(range(len(xs)), key=lambda i: xs[i])
    rest = sum(((x - xs[top]).exp() for i, x in enumerate(xs) if i != top), Decimal(0))
    p = probabilities(xs)
    others = sum((q for i, q in enumerate(p) if i != t), Decimal(0))
    return [(xs[top] - xs[t]) + log1p(rest)], [-others if i == t else q for i, q in enumerate(p)]


FORMULAS: dict[str, Callable[[Values, Any], tuple[Values, Values]]] = {
    "bce": bce,
    "cross-entropy": cross_entropy,
    "softmax": softmax,
    "sigmoid": sigmoid,
}


def ulp(exact: Decimal, dtype: Any) -> Decimal:
    """The distance of neighbouring numbers of the dtype around ``exact``."""
    info = np.finfo(dtype)
    exponent = frexp(float(exact))[1] - 1 if isfinite(float(exact)) else int(info.maxexp) - 1
    if abs(exact) < Decimal(2) ** int(info.minexp):
        exponent = int(info.minexp)
    return Decimal(2) ** (max(exponent, int(info.minexp)) - int(info.nmant))


def distance(computed: Any, exact: Decimal) -> tuple[float, bool]:
    """The error in ulp of the computed number's dtype, and whether all digits are lost."""
    if not np.isfinite(computed):
        return (float("nan") if np.isnan(computed) else inf), True
    with localcontext(Context(prec=2 * DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])):
        error = abs(Decimal(float(computed)) - exact)
        ulps = error / ulp(exact, computed.dtype)
        return float(ulps), bool(error >= abs(exact) and ulps > Decimal("0.5"))
