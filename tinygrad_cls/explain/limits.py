"""Where a naive form fails: the first number of the dtype at which it does, found by bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .forms import FUNCTIONS
from .running import Outcome, run


class Limit(NamedTuple):
    """From ``x`` on (away from 0) the naive form fails, as ``what`` says."""

    x: Any
    what: str

    def beyond(self, x: Any) -> bool:
        """Whether a logit lies there."""
        return bool(x >= self.x if self.x > 0 else x <= self.x)


class Edge(NamedTuple):
    """What fails, on which side of 0, at which inputs, and why there."""

    side: int
    target: Any
    logits: Callable[[Any], list[Any]]
    fails: Callable[[dict[str, Any], Outcome], Any]
    what: str


def alone(x: Any) -> list[Any]:
    """One logit."""
    return [x]


def with_zero(x: Any) -> list[Any]:
    """The logit in a row with a 0."""
    return [x, 0]


def twice(x: Any) -> list[Any]:
    """A row of equal logits."""
    return [x, x]


OVERFLOW = "ln of the greatest number, {maxexp} ln 2"


ABOVE = "{bits} ln 2: u is no more than half an ulp of 1"
BELOW = "{more} ln 2: no more than half an ulp below 1"


EDGES: dict[str, list[Edge]] = {
    "sigmoid": [
        Edge(-1, None, alone, lambda v, o: np.isinf(v["u"]),
             f"e^-x overflows ({OVERFLOW}): p is 0 and the gradient 0 * inf = nan"),
        Edge(-1, None, alone, lambda v, o: ~(np.abs(o.gradient) > 0),
             "p p underflows: the gradient is 0, all digits lost"),
        Edge(1, None, alone, lambda v, o: v["p"] == 1,
             f"1 + u rounds to 1 ({ABOVE}): p is 1, and 1 - p is lost"),
    ],
    "bce": [
        Edge(-1, 1.0, alone, lambda v, o: ~np.isfinite(o.value),
             f"e^-x overflows ({OVERFLOW}): log p = log 0; the loss is inf, or nan where t = 0"),
        Edge(1, 0.0, alone, lambda v, o: ~np.isfinite(o.value),
             f"1 + u rounds to 1 ({ABOVE}): log q = log 0; the loss is inf, or "
             "nan where t = 1"),
        Edge(-1, 0.0, alone, lambda v, o: v["q"] == 1,
             f"1 - p rounds to 1 ({BELOW}): the loss of t = 0 is log 1 = 0, all digits lost"),
    ],
    "softmax": [
        Edge(1, 0, with_zero, lambda v, o: np.isinf(v["u"][0]),
             f"e^x overflows ({OVERFLOW}): inf / inf = nan"),
        Edge(-1, 0, twice, lambda v, o: v["s"] == 0,
             "every e^x underflows to 0, if no logit is greater: 0 / 0 = nan"),
    ],
    "cross-entropy": [
        Edge(1, 0, with_zero, lambda v, o: np.isinf(v["u"][0]),
             f"e^x overflows ({OVERFLOW}): inf / inf = nan"),
        Edge(-1, 0, with_zero, lambda v, o: v["p"][0] == 0,
             "p[t] underflows to 0 beside a logit 0: log 0; the loss is inf"),
        Edge(1, 0, with_zero, lambda v, o: ~(v["p"][0] < 1),
             f"p[t] rounds to 1 beside a logit 0 ({BELOW}): the loss is 0, "
             f"all digits lost"),
    ],
}  # fmt: skip
"""Of every function, what can go wrong with its naive form."""


def limits(name: str, dtype: Any) -> list[Limit]:
    """Where the naive form of a function fails in a dtype."""
    info = np.finfo(dtype)
    found = []
    for edge in EDGES[name]:
        x = first(edge, name, dtype)
        what = edge.what.format(
            maxexp=int(info.maxexp), bits=int(info.nmant) + 1, more=int(info.nmant) + 2
        )
        found.append(Limit(x, what))
    return sorted(found, key=lambda limit: float(limit.x))


def first(edge: Edge, name: str, dtype: Any) -> Any:
    """The number nearest to 0 at which the edge is crossed: positive floats are ordered as their
    bits are, so the search is a bisection of integers.
    """
    function = FUNCTIONS[name]
    kind = np.dtype(dtype).type
    bits: Any = {4: np.int32, 8: np.int64}[np.dtype(dtype).itemsize]

    def fails(pattern: int) -> bool:
        x = bits(pattern).view(kind) * kind(edge.side)
        row = np.array(edge.logits(x), kind)
        t = np.full_like(row, edge.target) if isinstance(edge.target, float) else edge.target
        outcome = run(function, function.naive, row, t)
        values = {line.name: line.value for line in outcome.lines}
        return bool(np.all(edge.fails(values, outcome)))

    low, high = 0, int(kind(np.finfo(dtype).max).view(bits))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return bits(high).view(kind) * kind(edge.side)
