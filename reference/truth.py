"""The functions whose accuracy is measured: a sample, the truth, and the error that is allowed.

An error is counted in ulp, units in the last place, of a *largest term*:

    function               largest term                why
    sigmoid, logsigmoid,   |result|                    nothing cancels
    softplus
    softmax                y_i max(1, |x_i - max|)     e**d is as wrong, relatively, as d absolutely
    log_softmax, CE        max(1, |x_i - max|, log S)  x_i - max - log S, where S is the sum of
    logsumexp              max(1, |max|, log S)        e**(x_i - max), the largest of which is 1
    BCE                    max(|(1-t) x|, |log p|)     (1 - t) x - log p, p = sigmoid(x)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from tinygrad_cls.experiments import extra

from .record import Array
from .rounding import sums

with extra("test"):
    from mpmath import mp

Block: TypeAlias = tuple[Array, ...]
"""Inputs of one call: numbers, or rows of one length; and targets."""

Truth: TypeAlias = tuple[Array, Array]
"""Values and their largest terms."""


# --- The sample ---------------------------------------------------------------------------------

SWITCHES = (17, 20, 37, 88, 104, 709, 745)
"""Beyond 17 (37 in float64) a number hides the 1 in 1 + e**x; beyond 20 softplus is x; at 88 (709)
e**x overflows, at -104 (-745) it vanishes.
"""

LENGTHS = (2, 3, 10, 100, 1000)
SPREADS = (1e-3, 1, 10, 100, 1e4)
OFFSETS = (0, 1e4, -1e4)


def numbers(n: int, dtype: np.dtype[Any], rng: np.random.Generator) -> list[Block]:
    """Special values, and four strata of equal size: every exponent from subnormal to overflow,
    the switch points, all that exp has a number for, and [-30, 30].

    Near a switch point distances are log-uniform, from one ulp to a sixteenth of it.
    """
    info = np.finfo(dtype)
    smallest = float(info.smallest_subnormal)
    special = [0.0, smallest, float(info.tiny), float(info.max), math.inf]
    fourth = (n - 2 * len(special) - 1) // 4

    signs = rng.choice([-1, 1], (2, fourth))
    exponents = np.resize(np.arange(info.minexp - info.nmant, info.maxexp), fourth)
    steps = np.rint(2 ** rng.uniform(0, info.nmant - 4, fourth))
    switches = np.resize(np.array([*SWITCHES, *np.negative(SWITCHES)], dtype), fourth)
    strata = [
        [*special, *np.negative(special), math.nan],
        signs[0] * np.ldexp(1 + rng.random(fourth), exponents),
        switches + np.spacing(switches) * signs[1] * steps,
        evenly(-math.log(smallest), fourth, rng),
        evenly(30, n - 2 * len(special) - 1 - 3 * fourth, rng),
    ]
    with np.errstate(over="ignore"):
        return [(np.concatenate([np.asarray(x, dtype) for x in strata]),)]


def evenly(reach: float, n: int, rng: np.random.Generator) -> Array:
    """One number at random in each of `n` equal parts of [-reach, reach)."""
    return reach * (2 * (np.arange(n) + rng.random(n)) / n - 1)


def logits(n: int, dtype: np.dtype[Any], rng: np.random.Generator) -> list[Block]:
    """The finite ones of `numbers` with targets 0, 1 and between. For infinities torch has nan."""
    [(x,)] = numbers(n, dtype, rng)
    t = np.choose(np.arange(len(x)) % 3, [0, 1, rng.random(len(x))]).astype(dtype)
    return [(np.where(np.isfinite(x), x, 0).astype(dtype), t)]


def rows(n: int, dtype: np.dtype[Any], rng: np.random.Generator) -> list[Block]:
    """As many numbers of each length, in every spread around every offset; some rows hold -inf."""
    blocks: list[Block] = []
    kinds = np.array([(spread, offset) for spread in SPREADS for offset in OFFSETS])
    for length in LENGTHS:
        height = max(n // len(LENGTHS) // length, len(kinds))
        spread, offset = np.resize(kinds, (height, 2)).T[:, :, None]
        x = (spread * rng.standard_normal((height, length)) + offset).astype(dtype)
        x[::4, 0] = -math.inf
        blocks.append((x,))
    return blocks


def labelled(n: int, dtype: np.dtype[Any], rng: np.random.Generator) -> list[Block]:
    """`rows` with a class each."""
    return [(x, rng.integers(0, x.shape[1], len(x))) for (x,) in rows(n, dtype, rng)]


# --- The truth ----------------------------------------------------------------------------------
#
# Written twice: here for arrays of a wider dtype, value and largest term; in FUNCTIONS for mpmath,
# where nothing overflows, so that the definition will do.


def sigmoid(x: Array) -> Truth:
    """1 / (1 + e**-x), without an e**x that overflows."""
    y = np.exp(-abs(x))
    y = np.where(x < 0, y, 1) / (1 + y)
    return y, y


def curved(x: Array) -> Truth:
    """log(1 + e**x), without an e**x that overflows."""
    y = np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
    return y, y


def logsigmoid(x: Array) -> Truth:
    """-log(1 + e**-x)."""
    y, scale = curved(-x)
    return -y, scale


def softplus(x: Array) -> Truth:
    """log(1 + e**x), and x above 20."""
    y = np.where(x > 20, x, curved(x)[0])
    return y, y


def parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """The maximum of each row, x - max, S = sum e**(x - max), and log S."""
    top = x.max(axis=1, keepdims=True)
    below = x - top
    total = np.exp(below).sum(axis=1, keepdims=True)
    return top, below, total, np.log(total)


def logsumexp(x: Array) -> Truth:
    """max + log S of each row."""
    top, _, _, log_total = parts(x)
    return (top + log_total)[:, 0], np.maximum(np.maximum(1, abs(top)), log_total)[:, 0]


def softmax(x: Array) -> Truth:
    """e**(x - max) / S."""
    _, below, total, _ = parts(x)
    y = np.exp(below) / total
    return y, y * np.where(y > 0, np.maximum(1, -below), 1)


def log_softmax(x: Array) -> Truth:
    """x - max - log S."""
    _, below, _, log_total = parts(x)
    return below - log_total, np.maximum(np.maximum(1, -below), log_total)


def cross_entropy(x: Array, label: Array) -> Truth:
    """-log_softmax(x)[label] of each row."""
    y, scale = (np.take_along_axis(a, label[:, None], 1)[:, 0] for a in log_softmax(x))
    return -y, scale


def binary_cross_entropy(x: Array, t: Array) -> Truth:
    """-(t log p + (1 - t) log(1 - p)): no difference, so that it is right relative to itself."""
    y = t * curved(-x)[0] + (1 - t) * curved(x)[0]
    return y, np.maximum(abs((1 - t) * x), curved(-x)[0])


def own(truth: Callable[..., Truth]) -> Callable[..., Truth]:
    """The same with the result itself as the largest term, whatever cancels on the way to it."""

    def of_itself(*inputs: Array) -> Truth:
        value, _ = truth(*inputs)
        return value, value

    return of_itself


@lru_cache(maxsize=10_000)
def log_sum(row: tuple[float, ...]) -> Any:
    """The logsumexp of a row, by mpmath. The worst rows of several functions are the same."""
    return mp.log(mp.fsum(map(mp.exp, row)))


# --- The functions ------------------------------------------------------------------------------

EXP, LOG, LOG1P = 6, 8, 4
"""Units u = ulp/2 that NumPy may be off by: its own tests allow 3 ulp for exp and 4 for log in
float32; log1p was 1.96 ulp at worst over every float32 in (0, 1]. In float64 all three stayed below
1 ulp.
"""


def four(_: int) -> float:
    """Over every float32 NumPy's exp is 2.54 ulp off at worst, and with what follows sigmoid 3.68,
    logsigmoid and softplus 3.30.
    """
    return 4


def of_bce(_: int) -> float:
    """(1 - t) x: two roundings. log p: exp, log1p, one difference. Their difference is at most
    twice the largest term.
    """
    return 2 + (EXP + LOG1P + 1) + 2


def of_log_sum(n: int) -> float:
    """Of log S, absolutely: each x_i - max is off by u |x_i - max|, which moves log S by that times
    p_i = e**(x_i - max) / S; these add up to u (entropy of p - log S), at most u log n. An
    exponential and the sum move it by their relative error, the logarithm by its own.
    """
    return math.log(n) + EXP + sums(n) + LOG


def of_logsumexp(n: int) -> float:
    """log S, then log S + max, which is at most twice the largest term."""
    return of_log_sum(n) + 2


def of_log_softmax(n: int) -> float:
    """x_i - max, then log S, then their difference, at most twice the largest term."""
    return 1 + of_log_sum(n) + 2


def of_softmax(n: int) -> float:
    """x_i - max and its exponential; S, which is as wrong as log S without the logarithm; the
    quotient.
    """
    return 1 + EXP + (of_log_sum(n) - LOG) + 1


@dataclass(frozen=True)
class Function:
    """One line of the table.

    call: the function of an engine's tensors; the engine, torch or this package, comes first.
    truth: of wide arrays, the value and the largest term. exact: in mpmath, of one number, or of
    one row, and after it the place in the row or the label. bound: the ulp allowed for rows of n;
    k units u of a number are at most k of its ulp. None: printed, not judged.
    """

    name: str
    sample: Callable[[int, np.dtype[Any], np.random.Generator], list[Block]]
    call: Callable[..., Any]
    truth: Callable[..., Truth]
    exact: Callable[..., Any]
    bound: Callable[[int], float] | None = None


SOFTPLUS = Function(
    "softplus",
    numbers,
    lambda engine, x: engine.nn.functional.softplus(x),
    softplus,
    lambda x: x if x > 20 else mp.log1p(mp.exp(x)),
    four,
)
BCE = Function(
    "BCE",
    logits,
    lambda engine, x, t: engine.nn.functional.binary_cross_entropy_with_logits(
        x, t, reduction="none"
    ),
    binary_cross_entropy,
    lambda x, t: t * mp.log1p(mp.exp(-x)) + (1 - t) * mp.log1p(mp.exp(x)),
    of_bce,
)
FUNCTIONS = [
    Function(
        "sigmoid",
        numbers,
        lambda engine, x: engine.sigmoid(x),
        sigmoid,
        lambda x: 1 / (1 + mp.exp(-x)),
        four,
    ),
    Function(
        "logsigmoid",
        numbers,
        lambda engine, x: engine.nn.functional.logsigmoid(x),
        logsigmoid,
        lambda x: -mp.log1p(mp.exp(-x)),
        four,
    ),
    SOFTPLUS,
    Function(
        "softmax",
        rows,
        lambda engine, x: engine.softmax(x, 1),
        softmax,
        lambda row, i: mp.exp(row[i] - log_sum(row)),
        of_softmax,
    ),
    Function(
        "log_softmax",
        rows,
        lambda engine, x: engine.log_softmax(x, 1),
        log_softmax,
        lambda row, i: row[i] - log_sum(row),
        of_log_softmax,
    ),
    Function(
        "logsumexp",
        rows,
        lambda engine, x: engine.logsumexp(x, 1),
        logsumexp,
        log_sum,
        of_logsumexp,
    ),
    BCE,
    Function(
        "CE",
        labelled,
        lambda engine, x, t: engine.nn.functional.cross_entropy(x, t, reduction="none"),
        cross_entropy,
        lambda row, label: log_sum(row) - row[label],
        of_log_softmax,
    ),
    replace(
        SOFTPLUS,
        name="softplus as log(1+e^x)",
        truth=curved,
        exact=lambda x: mp.log1p(mp.exp(x)),
        bound=None,
    ),
    replace(BCE, name="BCE relative to itself", truth=own(binary_cross_entropy), bound=None),
]
