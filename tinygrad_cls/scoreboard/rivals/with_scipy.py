"""``scipy.optimize.check_grad``, on the pair as a function of one vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...experiments.extras import extra
from ..case import Array
from .pair import NotRun, Pair, flat, like, one_hot, zero_for_none
from .rival import Checker

TOLERANCE = 1e-6  # see scipy()


def scipy() -> Checker:
    """Forward differences of step 1.5e-8 for every entry of the Jacobian.

    check_grad takes a function of one float64 vector, scalar or vector-valued: inputs and outputs
    are laid end to end, and the Jacobian is pulled back row by row, which is more than the sum
    over the outputs that its users mostly write. It returns the norm of the difference and leaves
    the verdict to its user. The verdict here is ``norm <= 1e-6 (1 + norm of the Jacobian)``: a
    hundred times the rounding and truncation of a forward difference of numbers around 1.
    """
    with extra("scoreboard"):
        import scipy as library
        from scipy.optimize import check_grad

    def check(pair: Pair) -> str:
        xs = [x.astype(np.float64) for x in pair.xs]
        if not sum(x.size for x in xs):
            raise NotRun("check_grad takes no empty vector")

        def f(x: Array) -> Array:
            return flat(pair.values(*like(x, xs))).astype(np.float64)

        def jacobian(x: Array) -> Array:
            ys = pair.values(*like(x, xs))
            rows = []
            for k in range(sum(y.size for y in ys)):
                gs = like(one_hot(sum(y.size for y in ys), k), ys)
                parts = like(x, xs)
                found = pair.pullback(gs, *parts)
                rows.append(flat([zero_for_none(a, p) for a, p in zip(found, parts, strict=True)]))
            return np.array(rows)

        x = flat(xs)
        if not f(x).size:
            raise NotRun("check_grad takes no function without outputs")
        error: Any = check_grad(f, jacobian, x)
        allowed = TOLERANCE * (1 + np.linalg.norm(jacobian(x)))
        return "" if error <= allowed else f"check_grad: {error:.2g}, more than {allowed:.2g}"

    return Checker(check, f"scipy {library.__version__}")
