"""What can be explained: of each function its naive and its stable form, as named steps.

A step is computed with the engine's ops from the values named before it: ``v.x``, ``v.t`` and
those of earlier steps. A naive form is differentiated by backward, as an engine without the fused
op would; a stable form brings its gradient as steps of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from .. import ops


class Step(NamedTuple):
    """``name = text``, how to compute it, and in words what backward sends to it."""

    name: str
    text: str
    compute: Callable[[SimpleNamespace], Any]
    cotangent: str = ""


class Form(NamedTuple):
    """A way to compute a function."""

    title: str
    steps: tuple[Step, ...]
    gradient: tuple[Step, ...] = ()  # the last is the gradient; without any, backward runs
    slope: str = ""  # what backward sends to x, in words
    of: str = "L"  # what backward differentiates


class Function(NamedTuple):
    """Something to explain: what stands for its result, both forms, and the op itself."""

    result: str
    row: bool  # of one row of logits; else element by element
    naive: Form
    stable: Form
    fused: Callable[[Any, Any, Any], Any]  # of an engine (this or torch), x and t
    remark: str  # about the op where it loses all digits


SIGMOID = (
    Step("u", "e^-x", lambda v: ops.exp(-v.x), "dp/ds"),
    Step("s", "1 + u", lambda v: 1 + v.u, "-p p"),
    Step("p", "1 / s", lambda v: ops.reciprocal(v.s)),
)
SMALL = (
    Step("e", "e^-|x|", lambda v: ops.exp(-ops.abs(v.x))),
    Step("s", "1 + e", lambda v: 1 + v.e),
)

sigmoid = Function(
    "p",
    False,
    Form("p = 1 / (1 + e^-x)", SIGMOID, slope="-u dp/du", of="p"),
    Form(
        "e^-|x| can't overflow",
        (
            *SMALL,
            Step(
                "p", "1 / s where x >= 0, else e / s", lambda v: ops.where(v.x >= 0, 1, v.e) / v.s
            ),
        ),
        (Step("dp/dx", "e / s / s", lambda v: v.e / v.s / v.s),),
    ),
    lambda engine, x, t: engine.sigmoid(x),
    "Both engines compute 1 / (1 + e^-x), which is harmless for values down to the subnormal ones, "
    "and differentiate it as (1 - p) p, which is 0 where p rounds to 1: why losses take logits.",
)

bce = Function(
    "L",
    False,
    Form(
        "p = sigmoid x, L = -(t log p + (1 - t) log(1 - p))",
        (
            SIGMOID[0]._replace(cotangent="dL/ds"),
            SIGMOID[1]._replace(cotangent="-p p dL/dp"),
            SIGMOID[2]._replace(cotangent="-t / p - dL/dq"),
            Step("q", "1 - p", lambda v: 1 - v.p, "-(1 - t) / q"),
            Step("a", "t log p", lambda v: v.t * ops.log(v.p)),
            Step("b", "(1 - t) log q", lambda v: (1 - v.t) * ops.log(v.q)),
            Step("L", "-(a + b)", lambda v: -(v.a + v.b)),
        ),
        slope="-u dL/du",
    ),
    Form(
        "L = (1 - t) x - log sigmoid x",
        (
            SMALL[0],
            Step("l", "log1p e", lambda v: ops.log1p(v.e)),
            Step("k", "min(x, 0) - l", lambda v: ops.minimum(v.x, 0) - v.l),
            Step("L", "(1 - t) x - k", lambda v: (1 - v.t) * v.x - v.k),
        ),
        (
            Step("p", "sigmoid x", lambda v: ops.sigmoid(v.x)),
            Step("dL/dx", "p - t", lambda v: v.p - v.t),
        ),
    ),
    lambda engine, x, t: engine.nn.functional.binary_cross_entropy_with_logits(
        x, t, reduction="none"
    ),
    "Where the logit is right and large, (1 - t) x and log sigmoid x cancel: the loss is off by no "
    "more than a rounding of x, and the gradient p - t by no more than one of 1.",
)

EXPONENTIALS = (
    Step("u", "e^x", lambda v: ops.exp(v.x), "dL/dp / s + dL/ds"),
    Step("s", "sum u", lambda v: v.u.sum(), "-sum(dL/dp u / s / s)"),
    Step("p", "u / s", lambda v: v.u / v.s, "-1 / p at class t, else 0"),
)
SHIFTED = (
    Step("m", "max x", lambda v: ops.amax(v.x)),
    Step("z", "x - m", lambda v: v.x - v.m),
    Step("u", "e^z", lambda v: ops.exp(v.z)),
    Step("s", "sum u", lambda v: v.u.sum()),
)

softmax = Function(
    "p",
    True,
    Form(
        "p = e^x / sum e^x",
        (
            EXPONENTIALS[0]._replace(cotangent="dy/dp / s + dy/ds"),
            EXPONENTIALS[1]._replace(cotangent="-sum(dy/dp u / s / s)"),
            EXPONENTIALS[2]._replace(cotangent="1 at class t, else 0, as y = p[t]"),
        ),
        slope="u dy/du",
        of="y",
    ),
    Form(
        "of x - max x: the greatest exponential is e^0 = 1",
        (*SHIFTED, Step("p", "u / s", lambda v: v.u / v.s)),
        (Step("dy/dx", "(one_hot t - p[t]) p", lambda v: (v.hot - v.p[v.t]) * v.p),),
    ),
    lambda engine, x, t: engine.softmax(x, 0),
    "What is beyond the range of the dtype is 0, and where p[t] rounds to 1 its slope is 0.",
)

cross_entropy = Function(
    "L",
    True,
    Form(
        "p = softmax x, L = -log p[t]",
        (*EXPONENTIALS, Step("L", "-log p[t]", lambda v: -ops.log(v.p[v.t]))),
        slope="u dL/du",
    ),
    Form(
        "L = log sum e^(x - m) - (x[t] - m), m = max x",
        (
            *SHIFTED,
            Step("l", "log s", lambda v: ops.log(v.s)),
            Step("L", "l - z[t]", lambda v: v.l - v.z[v.t]),
        ),
        (
            Step("p", "u / s", lambda v: v.u / v.s),
            Step("dL/dx", "p - one_hot t", lambda v: v.p - v.hot),
        ),
    ),
    lambda engine, x, t: engine.nn.functional.cross_entropy(x, t),
    "Where all other classes together are less than half an ulp of 1, log s is log 1 = 0: the loss "
    "is off by less than one rounding of 1, and so is each entry of the gradient.",
)

FUNCTIONS: dict[str, Function] = {
    "bce": bce,
    "cross-entropy": cross_entropy,
    "softmax": softmax,
    "sigmoid": sigmoid,
}
