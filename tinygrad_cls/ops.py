"""The table: every op's kernel, derivatives, shape law and doc, once.

A derivative is made of operators, ``.T`` and ops of this table, so it means numbers when it is fed
arrays and a graph when it is fed Tensors. Broadcasting's adjoint appears in no formula: the engine
sums a cotangent to its input's shape. See :mod:`tinygrad_cls.op` for the notation. To add an op,
write it here; functions, methods, tests and docs read this table.
"""

from __future__ import annotations

import builtins
import warnings
from typing import Any, NamedTuple

import numpy as np

from . import kernels as k
from .composition import Composition, composed
from .errors import TITLES, axes, not_a_tensor, said
from .kernels import count, inverse, nonempty, permutation, ratio, resolved, segment
from .op import Op, op

KERNELS: dict[str, Any] = {}
"""What the names of this module mean to a derivative that is fed arrays: an op is its kernel."""

EACH = "(...)->(...)"
PAIR = "(...),(...)->(...)"
FOLD = "(...)->(...,-dim)"


def ZERO(g):
    """The derivative of a step function, as torch has it: zero, also where the slope is none."""
    return zeros_of(g)


# The table is laid out by hand, a paragraph an op.
# fmt: off
# --- arithmetic ----------------------------------------------------------------------------------

add = op(PAIR, "a + alpha b", d_a=lambda g: g,
    d_b=lambda g, alpha: g if alpha == 1 else g * alpha)(k.add)
sub = op(PAIR, "a - alpha b", types="arithmetic", d_a=lambda g: g,
    d_b=lambda g, alpha: g * -alpha)(k.subtract)
mul = op(PAIR, "a b", d_a=lambda g, b: g * b, d_b=lambda g, a: g * a)(np.multiply)
div = op(PAIR, "a / b", "x(3, 4), x(3, 4); x(3, 1), x(2, 1, 4); x(), x(2)", types="float",
    d_a=lambda g, b: g / b, d_b=lambda g, a, b: -g * (a / b / b))(np.true_divide)
# 0**b has slope 0 in b, as torch has it, where the formula says 0 * log 0
pow = op(PAIR, "a**b",
    "positive(3, 4), x(3, 4); positive(3, 1), x(4); x(3, 4), 2; x(3, 4), 3; positive(3), 0.5",
    d_a=lambda g, a, b: g * masked_fill(b * a ** (b - 1), b == 0, 0),
    d_b=lambda g, a, b, y: g * masked_fill(y * log(a), (a == 0) & (b >= 0), 0))(k.power)
floor_divide = op(PAIR, "The floor of a / b, as Python's //.",
    "x(3, 4), x(4)", types="number")(k.divides(np.floor_divide))
remainder = op(PAIR, "a - b floor(a / b): Python's %, with the sign of b.", "x(3, 4), x(4)",
    types="number", d_a=lambda g: g, d_b=lambda g, a, b: -g * (a // b))(k.divides(np.remainder))
neg = op(EACH, "-x", types="arithmetic", d_x=lambda g: -g)(np.negative)
abs = op(EACH, "|x|, with slope 0 at 0.", types="number", d_x=lambda g, x: g * sign(x))(np.abs)
sign = op(EACH, "-1, 0 or 1; 0 for nan.", d_x=ZERO)(k.sign)
reciprocal = op(EACH, "1 / x", types="float", d_x=lambda g, y: -g * y * y)(np.reciprocal)

# --- exponentials and activations ----------------------------------------------------------------

exp = op(EACH, "e**x", types="float", d_x=lambda g, y: g * y)(np.exp)
expm1 = op(EACH, "e**x - 1, exact near 0.", types="float", d_x=lambda g, y: g * (y + 1))(np.expm1)
log = op(EACH, "The natural logarithm.", "positive(3, 4); positive(); positive(0, 2)",
    types="float", d_x=lambda g, x: g / x)(np.log)
log1p = op(EACH, "log(1 + x), exact near 0.", "positive(3, 4)", types="float",
    d_x=lambda g, x: g / (x + 1))(np.log1p)
sqrt = op(EACH, "The square root.", "positive(3, 4); positive()", types="float",
    d_x=lambda g, y: g / (2 * y))(np.sqrt)
tanh = op(EACH, "tanh x", types="float", d_x=lambda g, y: g * (1 - y * y))(np.tanh)
sigmoid = op(EACH, "1 / (1 + e**-x)", types="float", d_x=lambda g, y: g * (1 - y) * y)(k.sigmoid)
logsigmoid = op(EACH, "log sigmoid x = min(x, 0) - log1p(e**-|x|), right for any x.",
    types="floating",
    d_x=lambda g, x: g * sigmoid(-x))(k.logsigmoid)
softplus = op(EACH, "log(1 + e**(beta x)) / beta, and x where beta x > threshold.",
    "x(3, 4); x(3, 4), beta=2.0, threshold=1.0", types="floating",
    d_x=lambda g, x, beta, threshold: (
        where(x * beta > threshold, g, g * sigmoid(x * beta))))(k.softplus)


@op(EACH, "max(x, 0), with slope 0 at 0.", types="number", quiet=True,
    d_x=lambda g, y: where_both(y != 0, g, 0))  # true at nan; where_both is where, at once
def relu(x, *, out=None):
    zeros = np.empty_like(x)  # NumPy's maximum is faster with an array than with a number
    zeros.fill(0)
    return np.maximum(x, zeros, out=zeros if out is None else out)


@op(EACH, "x where x > 0, else negative_slope x, which is the slope at 0 too.",
    "x(3, 4); x(3, 4), negative_slope=0.2", types="floating",
    d_x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope))
def leaky_relu(x, negative_slope=0.01, *, out=None):
    return k.where(x > 0, x, x * negative_slope, out)


# --- choosing ------------------------------------------------------------------------------------

maximum = op(PAIR, "The greater of a and b; a tie gives half the cotangent to each.",
    d_a=lambda g, a, b: masked_fill(where(a == b, g / 2, g), a < b, 0),
    d_b=lambda g, a, b: masked_fill(where(a == b, g / 2, g), a > b, 0))(np.maximum)
minimum = op(PAIR, "The lesser of a and b; a tie gives half the cotangent to each.",
    d_a=lambda g, a, b: masked_fill(where(a == b, g / 2, g), a > b, 0),
    d_b=lambda g, a, b: masked_fill(where(a == b, g / 2, g), a < b, 0))(np.minimum)
clamp_min = op(PAIR, "The greater of a and the bound b; at the bound the slope in a is 1.",
    d_a=lambda g, a, b: where(a >= b, g, 0), d_b=lambda g, a, b: where(a < b, g, 0))(np.maximum)
clamp_max = op(PAIR, "The lesser of a and the bound b; at the bound the slope in a is 1.",
    d_a=lambda g, a, b: where(a <= b, g, 0), d_b=lambda g, a, b: where(a > b, g, 0))(np.minimum)
where_both = op("(...),(...),(...)->(...)", "a where mask is true, else b.",
    "mask(3, 4), x(3, 4), x(3, 4); mask(3, 1), x(2, 1, 4), x()",
    d_a=lambda g, mask: where(mask, g, 0), d_b=lambda g, mask: where(mask, 0, g))(k.where)
masked_fill = op("(...),(...),(...)->(...)", "x, with value where mask is true.",
    "x(3, 4), mask(3, 4), x(); x(3, 4), mask(4), x(3, 1)", types="first",
    d_x=lambda g, mask: masked_fill(g, mask, 0),
    d_value=lambda g, mask: where(mask, g, 0))(k.masked_fill)
floor = op(EACH, "The greatest whole number up to x.", types="number", d_x=ZERO)(np.floor)
ceil = op(EACH, "The least whole number from x.", types="number", d_x=ZERO)(np.ceil)
round = op(EACH, "The nearest number of `decimals` places; a half goes to even.",
    "x(3, 4); x(3, 4), decimals=1", d_x=ZERO)(k.round_to)

# --- comparing and asking (not differentiable) ---------------------------------------------------

eq = op(PAIR, "a == b")(np.equal)
ne = op(PAIR, "a != b")(np.not_equal)
lt = op(PAIR, "a < b")(np.less)
le = op(PAIR, "a <= b")(np.less_equal)
gt = op(PAIR, "a > b")(np.greater)
ge = op(PAIR, "a >= b")(np.greater_equal)
logical_and = op(PAIR, "a and b, of truth values.")(np.logical_and)
logical_or = op(PAIR, "a or b, of truth values.")(np.logical_or)
logical_xor = op(PAIR, "Whether just one of a and b is true.")(np.logical_xor)
logical_not = op(EACH, "not x")(np.logical_not)
bitwise_and = op(PAIR, "a & b, of integers or booleans.", "whole(3, 4), whole(4); mask(3), mask(3)",
    types="integer")(np.bitwise_and)
bitwise_or = op(PAIR, "a | b, of integers or booleans.", "whole(3, 4), whole(4); mask(3), mask(3)",
    types="integer")(np.bitwise_or)
bitwise_xor = op(PAIR, "a ^ b, of integers or booleans.", "whole(3, 4), whole(4); mask(3), mask(3)",
    types="integer")(np.bitwise_xor)
bitwise_not = op(EACH, "~x, of integers or booleans.", "whole(3, 4); mask(3)",
    types="integer")(np.invert)
isnan = op(EACH, "Whether x is nan.")(np.isnan)
isinf = op(EACH, "Whether x is infinite.")(np.isinf)
isfinite = op(EACH, "Whether x is neither nan nor infinite.")(np.isfinite)
any = op(FOLD, "Whether one is true along dim.",
    "mask(3, 4); mask(3, 4), dim=1; mask(2, 3), dim=0, keepdim=True")(k.truth(np.logical_or))
all = op(FOLD, "Whether all are true along dim.",
    "mask(3, 4); mask(3, 4), dim=1; mask(2, 3), dim=0, keepdim=True")(k.truth(np.logical_and))
argmax = op(FOLD, "The index of the first greatest.",
    "x(3, 4); x(3, 4), dim=1; x(2, 3), dim=0, keepdim=True",
    types="number")(k.arg_extremum(np.argmax, "argmax"))
argmin = op(FOLD, "The index of the first least.",
    "x(3, 4); x(3, 4), dim=1; x(2, 3), dim=0, keepdim=True",
    types="number")(k.arg_extremum(np.argmin, "argmin"))
argsort = op(EACH, "The indices that sort along dim; equal values keep their order.",
    "x(3, 4); x(3, 4), dim=0, descending=True")(k.argsort)
one_hot = op("(...)->(...,?)", "A new last axis with 1 at the index x, else 0.",
    "labels(4, 3, 2); labels(3, 2), num_classes=5")(k.one_hot)
nonzero_rows = op("(...)->(?)", "The index of every element that isn't 0, a row each.",
    "x(3, 4); mask(3, 4)")(k.nonzero)

# --- reductions ----------------------------------------------------------------------------------

sum = op(FOLD, "The sum over dim; integers add up in int64.",
    d_x=lambda g, x_shape, dim, keepdim: spread(g, x_shape, dim, keepdim))(k.total)


@op(FOLD, "The mean over dim: sum / n.", types="floating",
    d_x=lambda g, x_shape, dim, keepdim: spread(g / count(x_shape, dim), x_shape, dim, keepdim))
@k.widened
def mean(x, dim=None, keepdim=False, *, out=None):
    y = k.total(x, dim, keepdim, out=out)
    n = k.ratio_or_nan(count(x.shape, dim))
    return np.true_divide(y, n, out=out)


variance = op(FOLD, "The variance over dim: sum (x - mean)**2 / (n - correction).",
    "x(3, 4); x(3, 4), dim=1, correction=0; x(2, 3), dim=0, keepdim=True", types="floating",
    d_x=lambda g, x, x_shape, dim, correction, keepdim: (
        spread(g, x_shape, dim, keepdim) * (x - mean(x, dim, True))
        * ratio(2.0, count(x_shape, dim) - correction)))(k.variance)


@op(FOLD, "The standard deviation over dim: sqrt(var); of equal values it has slope 0.",
    "x(3, 4); x(3, 4), dim=1, correction=0; x(2, 3), dim=0, keepdim=True", types="floating",
    d_x=lambda g, x, y, x_shape, dim, correction, keepdim: (
        spread(masked_fill(g / y, y == 0, 0), x_shape, dim, keepdim) * (x - mean(x, dim, True))
        * ratio(1.0, count(x_shape, dim) - correction)))
@k.widened
def deviation(x, dim=None, correction=1, keepdim=False, *, out=None):
    return np.sqrt(k.variance(x, dim, correction, keepdim, out), out=out)


@op(FOLD, "The p-norm over dim, (sum |x|**p)**(1/p) for 0 < p < inf; at 0 it has slope 0.",
    "x(3, 4); x(3, 4), p=3.0, dim=1; x(3, 4), p=1, dim=0, keepdim=True; x(3, 4), p=1.5",
    types="floating",
    d_x=lambda g, x, y, x_shape, p, dim, keepdim: (
        spread(masked_fill(g / pow(y, p - 1), y == 0, 0), x_shape, dim, keepdim)
        * (x if p == 2 else sign(x) * pow(masked_fill(abs(x), x == 0, 1), p - 1))))
@k.widened
def p_norm(x, p=2, dim=None, keepdim=False, *, out=None):
    if count(x.shape, dim) == 1:
        return k.total(np.abs(x), dim, keepdim, out=out)  # no power, which may overflow
    y = k.total(k.power(np.abs(x), p), dim, keepdim, out=out)
    return np.sqrt(y, out=out) if p == 2 else np.power(y, 1 / p, out=out)


def evenly(g, x, y, x_shape, dim, keepdim):
    """The derivative of an extremum: its cotangent, shared among the ties."""
    return spread(g, x_shape, dim, keepdim) * ties(x, spread(y, x_shape, dim, keepdim), dim)


amax = op(FOLD, "The greatest over dim; ties share the cotangent evenly.",
    "x(3, 4); x(3, 4), dim=1; x(2, 3, 4), dim=(0, 2), keepdim=True",
    d_x=evenly)(k.extremum(np.maximum, "amax"))
amin = op(FOLD, "The least over dim; ties share the cotangent evenly.",
    "x(3, 4); x(3, 4), dim=1; x(2, 3, 4), dim=(0, 2), keepdim=True",
    d_x=evenly)(k.extremum(np.minimum, "amin"))
median_value = op(FOLD, "The lower middle value over dim; ties share the cotangent evenly.",
    "x(3, 4); x(3, 4), dim=1; x(2, 3), dim=0, keepdim=True", d_x=evenly)(k.median)
prod_along = op(FOLD, "The product along one dim.", "x(3, 4), dim=1; x(3, 4), dim=0, keepdim=True",
    d_x=lambda g, x, x_shape, dim, keepdim: (
        spread(g, x_shape, dim, keepdim) * product_of_others(x, dim)))(k.product)
logsumexp = op(FOLD, "log sum e**x over dim, right for x of any size.",
    "x(3, 4), dim=1; x(2, 3, 4), dim=(0, 2), keepdim=True", types="float",
    d_x=lambda g, x, y, x_shape, dim, keepdim: (
        spread(g, x_shape, dim, keepdim)
        * exp(x - spread(y, x_shape, dim, keepdim))))(k.logsumexp)
softmax = op(EACH, "e**x / sum e**x along dim, right for x of any size.",
    "x(3, 4), dim=1; x(2, 3, 4), dim=1", types="floating",
    d_x=lambda g, y, dim: (g - sum(g * y, dim, True)) * y)(k.softmax)
log_softmax = op(EACH, "log softmax(x) = x - log sum e**x along dim.",
    "x(3, 4), dim=1; x(2, 3, 4), dim=1", types="floating",
    d_x=lambda g, y, dim: g - exp(y) * sum(g, dim, True))(k.log_softmax)

# --- products ------------------------------------------------------------------------------------

product = op("(...,n,k),(...,k,m)->(...,n,m)",
    "The matrix product of the last two axes; the axes before them broadcast.",
    "x(3, 4), x(4, 2); x(5, 1, 3, 4), x(2, 4, 3); x(50, 3), x(3, 2)", types="same",
    d_a=lambda g, b: product(g, mT(b)), d_b=lambda g, a: product(mT(a), g))(k.mm)
affine = op("(n,i),(o,i),(o)->(n,o)", "x W' + b for a batch of rows.",
    "x(3, 4), x(2, 4), x(2); x(50, 3), x(2, 3), x(2)", types="same", d_x=lambda g, W: product(g, W),
    d_W=lambda g, x: product(g.T, x), d_b=lambda g: rows(g))(k.affine)

# --- shape and index -----------------------------------------------------------------------------

reshaped = op("(...)->(shape)", "The elements in C order, in another shape.",
    "x(3, 4), shape=(2, 6)", types="any", view=True,
    d_x=lambda g, x_shape: reshaped(g, x_shape))(k.reshaped)


@op("(...)->(?)", "The axes in the order `dims`.", "x(2, 3, 4), dims=(2, 0, 1)", types="any",
    view=True, d_x=lambda g, dims: permuted(g, inverse(dims)))
def permuted(x, dims):
    return np.transpose(x, dims)


broadcast_to = op("(...)->(shape)", "x repeated, without copying, along new and size-1 axes.",
    "x(3, 1), shape=(2, 3, 4)", types="any", view=True,
    d_x=lambda g, x_shape: sum_to(g, x_shape))(k.broadcast_to)
getitem = op("(...)->(?)", "x[index]; repeats in an integer index add their cotangents up.",
    "x(3, 4), index=(slice(1, 3), None, 0); x(3, 4), index=(array([0, 2, 0]),); "
    "x(3, 4), index=array([[True, False, True, True]] * 3)", types="any", view=True,
    d_x=lambda g, x_shape, index: put(g, x_shape, index))(k.getitem)
take_along = op("(...),(?)->(?)",
    "y[i, j] = x[index[i, j], j] for dim 0, and so on: torch's gather.",
    "x(3, 4), labels(4, 3, 2), dim=1; x(3, 4), labels(3, 2, 4), dim=0", types="any",
    d_x=lambda g, index, x_shape, dim: put_along(g, index, x_shape, dim))(k.take_along)
concatenate = op("(...)*->(?)", "The inputs one after the other along dim.",
    "x(3, 4), x(3, 1), x(3, 2), dim=1; x(2), x(3)",
    d_xs=lambda g, i, xs_shapes, dim: getitem(g, segment(xs_shapes, i, dim)))(k.concatenate)
clone = op(EACH, "A copy in memory of its own.", types="any", d_x=lambda g: g)(k.clone)
zeros_of = op(EACH, "Zeros in the shape of x.", types="any", d_x=ZERO)(k.zeros_of)
cast = op(EACH, "x in another dtype.", "x(3, 4), dtype=dtype('float64')", types="any",
    d_x=lambda g, x_dtype: cast(g, x_dtype))(k.cast)

# --- what closure needs: the adjoints of the above -----------------------------------------------

spread = op("(...)->(shape)", "The adjoint of sum: x repeated over the axes `dim` of `shape`.",
    "x(3), shape=(3, 4), dim=1; x(1, 4), shape=(3, 4), dim=0, keepdim=True", types="any",
    d_x=lambda g, dim, keepdim: sum(g, dim, keepdim))(k.spread)
rows = op("(n,o)->(o)", "The sum of the rows: the adjoint of adding a bias to each.",
    "x(3, 4); x(50, 3)", types="any", d_x=lambda g, x_shape: broadcast_to(g, x_shape))(k.rows)
sum_to = op("(...)->(shape)", "The adjoint of broadcast_to: the sum over what it repeated.",
    "x(2, 3, 4), shape=(3, 1)", types="any",
    d_x=lambda g, x_shape: broadcast_to(g, x_shape))(k.sum_to)
ties = op("(...),(...)->(...)",
    "1/k at each of the k elements of x that equal y, the extremum over dim; else 0.",
    "x(3, 4), x(3, 1), dim=1; x(3), x(3)", d_x=ZERO, d_y=ZERO)(k.ties)
product_of_others = op(EACH, "For every element the product of the others along dim.",
    "x(3, 4), dim=1; x(3), dim=0",
    d_x=lambda g, x, dim: product_of_others_adjoint(g, x, dim))(k.product_of_others)


def product_of_others_adjoint(g, x, dim):
    """sum_i g_i prod_{k not in (i, j)} x_k: row i of a matrix lacks x_i, its others lack x_j."""
    diagonal = np.eye(x.shape[dim], dtype=np.bool_)
    rows = where(diagonal, 1, unsqueeze(transpose(x, dim, -1), -2))
    slopes = where(diagonal, 0, product_of_others(rows, -1))
    return transpose(sum(unsqueeze(transpose(g, dim, -1), -1) * slopes, -2), dim, -1)


put = op("(...)->(shape)", "The adjoint of getitem: zeros of `shape` with x added at `index`.",
    "x(2, 4), shape=(3, 4), index=(slice(1, 3),); "
    "x(3, 4), shape=(3, 4), index=(array([0, 2, 0]),)", types="any",
    d_x=lambda g, index: getitem(g, index))(k.put)
put_along = op("(...),(?)->(shape)",
    "The adjoint of gather: zeros of `shape` with x added along dim at `index`.",
    "x(3, 2), labels(4, 3, 2), shape=(3, 4), dim=1", types="any",
    d_x=lambda g, index, dim: take_along(g, index, dim))(k.put_along)
replaced = op("(...),(?)->(...)",
    "x with `value` in the place of x[index]: what x[index] = value writes.",
    "x(3, 4), x(4), index=(1,); x(3, 4), x(2, 1), index=(array([0, 2]),)", types="first",
    d_x=lambda g, index: replaced(g, 0, index),
    d_value=lambda g, index: getitem(g, index))(k.replaced)

# --- losses --------------------------------------------------------------------------------------

binary_cross_entropy_with_logits = op("(...),(...)->(?)",
    "(1 - t) x - log sigmoid x, reduced: -(t log p + (1 - t) log(1 - p)) at p = sigmoid x.",
    "x(3, 4), x(3, 4); x(5), x(5), reduction='sum'; x(5), x(5), reduction='none'",
    d_x=lambda g, x, t, x_shape, reduction: (
        (sigmoid(x) - t) * g / (count(x_shape) if reduction == "mean" else 1)),
    d_t=lambda g, x, x_shape, reduction: (
        -x * g / (count(x_shape) if reduction == "mean" else 1)))(k.bce)
positively_weighted = op("(...),(...),(...)->(...)",
    "(1 - t) x - log sigmoid x ((p - 1) t + 1): binary cross-entropy whose positives weigh p.",
    "x(3, 4), x(3, 4), positive(4); x(5), x(5), positive()",
    d_x=lambda g, x, t, p: ((p * t + 1 - t) * sigmoid(x) - p * t) * g,
    d_t=lambda g, x, p: (logsigmoid(-x) - p * logsigmoid(x)) * g)(k.positively_weighted)
binary_cross_entropy = op(PAIR, "-(t log q + (1 - t) log(1 - q)), each logarithm at least -100.",
    "unit(3, 4), unit(3, 4); unit(), unit()", types="floating",
    d_q=lambda g, q, t: g * binary_cross_entropy_slope(q, t),
    d_t=lambda g, q: g * (log1p(-q) - log(q)))(k.bce_of_probabilities)
# torch's second derivative in q, which is finite at q = 0 and 1
binary_cross_entropy_slope = op(PAIR, "(q - t) / max((1 - q) q, 1e-12)",
    "unit(3, 4), unit(3, 4); unit(), unit()", types="floating",
    d_q=lambda g, q, t: g * (q * q - 2 * q * t + t) / ((q + 1e-12) * (1 - q + 1e-12)) ** 2,
    d_t=lambda g, q: -g / clamp_min((1 - q) * q, 1e-12))(k.bce_slope)
squared_error = op(PAIR, "(a - b)**2", types="floating",
    d_a=lambda g, a, b: g * 2 * (a - b), d_b=lambda g, a, b: g * 2 * (b - a))(k.squared_error)
smooth_l1 = op(PAIR, "d**2 / (2 beta) where d = |a - b| < beta, else d - beta / 2.",
    "x(3, 4), x(3, 4); x(3, 1), x(2, 1, 4), beta=2.0", types="floating",
    d_a=lambda g, a, b, beta: g * smooth_sign(a, b, beta),
    d_b=lambda g, a, b, beta: -g * smooth_sign(a, b, beta))(k.smooth_l1)
smooth_sign = op(PAIR, "(a - b) / beta within [-1, 1]; its corners are flat.",
    "x(3, 4), x(3, 4); x(3, 1), x(2, 1, 4), beta=2.0", types="floating",
    d_a=lambda g, a, b, beta: where(abs(a - b) < beta, g / beta, 0),
    d_b=lambda g, a, b, beta: where(abs(a - b) < beta, -g / beta, 0))(k.smooth_sign)
nll = op("(n,c,...),(n,...),(?)->(?)",
    "-w[t[i]] z[i, t[i]], reduced; rows whose label is ignore_index count for nothing.",
    "x(3, 4), labels(4, 3), 1; x(3, 4, 2), labels(4, 3, 2), positive(4), reduction='sum'; "
    "x(3, 4), labels(4, 3), positive(4); "
    "x(3, 4), labels(4, 3), 1, reduction='none', ignore_index=1", types="any",
    d_z=lambda g, t, w, z_shape, reduction, ignore_index: (
        nll_adjoint(g, t, w, z_shape, reduction, ignore_index)))(k.nll)
nll_adjoint = op("(?),(n,...),(?)->(shape)", "The adjoint of nll, which is linear in z.",
    "x(), labels(4, 3), positive(4), shape=(3, 4); "
    "x(3), labels(4, 3), 1, shape=(3, 4), reduction='none', ignore_index=1", types="any",
    d_x=lambda g, t, w, reduction, ignore_index: (
        nll(g, t, w, reduction, ignore_index)))(k.nll_adjoint)

# fmt: on
# --- compositions: torch's names that are made of the ops above ----------------------------------


@composed("mask(3, 4), x(3, 4), x(4)")
def where(condition, a=None, b=None):
    """``a`` where ``condition`` is true, else ``b``; alone, the indices where it is true.

    The branch not taken still sends a cotangent of 0 back, which meets an infinite slope as nan:
    pick a safe input, not a safe output.
    """
    return nonzero(condition, as_tuple=True) if a is None else where_both(condition, a, b)


@composed("x(3, 4), -1.0, 1.0; x(3, 4), min=0.5; x(3, 4), x(4), x(3, 1)")
def clamp(x, min=None, max=None):
    """``x`` limited to [min, max]; ``max`` wins where ``min > max``; slope 1 at both bounds."""
    if min is None and max is None:
        raise said(RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None")
    if min is not None:
        x = clamp_min(x, min)
    return x if max is None else clamp_max(x, max)


@composed(
    "x(3, 4), x(4, 2); x(4), x(4); x(3, 4), x(4); x(4), x(4, 2); x(5, 3, 4), x(4); "
    "x(4), x(5, 4, 2); x(5, 1, 2, 3), x(4, 3, 2)"
)
def matmul(a, b):
    """The matrix product ``a @ b``: 1-D operands are a row and a column, batch axes broadcast.

    Shapes (...,n,k),(...,k,m)->(...,n,m); (k),(k)->(); (n,k),(k)->(n); (k),(k,m)->(m).
    """
    if a.ndim > 1 and b.ndim > 1:
        return product(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise said(
            RuntimeError,
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and "
            f"{b.ndim}D; use * for a product with a scalar",
        )
    if a.ndim == b.ndim == 1:
        return dot(a, b)
    if b.ndim == 1:
        rows = a if a.ndim == 2 else reshape(a, (count(a.shape[:-1]), a.shape[-1]))
        return reshape(mv(rows, b), a.shape[:-1])
    return squeeze(product(unsqueeze(a, 0), b), -2)


@composed("x(4), x(4)")
def dot(a, b):
    """The inner product of two vectors, (k),(k)->()."""
    if a.ndim != 1 or b.ndim != 1:
        raise said(RuntimeError, f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.shape != b.shape:
        raise said(
            RuntimeError,
            f"inconsistent tensor size, expected tensor [{a.shape[0]}] and src [{b.shape[0]}] to "
            f"have the same number of elements, but got {a.shape[0]} and {b.shape[0]} elements "
            f"respectively",
        )
    return reshape(product(unsqueeze(a, 0), unsqueeze(b, 1)), ())


@composed("x(3, 4), x(4)")
def mv(a, b):
    """The product of a matrix and a vector, (n,k),(k)->(n)."""
    if a.ndim != 2 or b.ndim != 1:
        raise said(RuntimeError, f"vector + matrix @ vector expected, got 1, {a.ndim}, {b.ndim}")
    if a.shape[1] != b.shape[0]:
        raise said(
            RuntimeError,
            f"size mismatch, got input ({a.shape[0]}), mat ({a.shape[0]}x{a.shape[1]}), "
            f"vec ({b.shape[0]}): axis k is {a.shape[1]} in the matrix and {b.shape[0]} in the "
            f"vector",
        )
    return squeeze(product(a, unsqueeze(b, 1)), -1)


@composed("x(3, 4)")
def square(x):
    """``x**2``."""
    return pow(x, 2)


@composed("x(3, 4), x(4, 2)")
def mm(a, b):
    """The product of two matrices, (n,k),(k,m)->(n,m), without broadcasting."""
    for name, x in (("self", a), ("mat2", b)):
        if x.ndim != 2:
            raise said(RuntimeError, f"{name} must be a matrix; its shape is {tuple(x.shape)}")
    return product(a, b)


@composed("x(2, 3, 4), x(2, 4, 3)")
def bmm(a, b):
    """The batched matrix product, (b,n,k),(b,k,m)->(b,n,m), without broadcasting."""
    for name, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise said(RuntimeError, f"{name} must be a 3D tensor; its shape is {tuple(x.shape)}")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise said(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]. The shapes are "
            f"{tuple(a.shape)} and {tuple(b.shape)}.",
        )
    return product(a, b)


@composed(
    "x(3, 4), x(2, 4), x(2); x(4), x(2, 4), x(2); x(2, 3, 4), x(2, 4), x(2); x(3, 4), x(2, 4)"
)
def linear(input, weight, bias=None):
    """``x W' + b`` over the last axis: (...,i),(o,i),(o)->(...,o)."""
    if not hasattr(input, "ndim"):
        not_a_tensor("linear", input)
    if bias is None:
        return matmul(input, weight.T)
    if input.ndim == 2:
        return affine(input, weight, bias)
    if input.ndim == 0:
        raise said(
            RuntimeError,
            f"both arguments to linear need to be at least 1D, but they are 0D and {weight.ndim}D",
        )
    rows = reshape(input, (count(input.shape[:-1]), input.shape[-1]))
    return reshape(affine(rows, weight, bias), (*input.shape[:-1], weight.shape[0]))


def sizes(shape: Any) -> Any:
    """The shape from ``f(2, 3)`` as well as from ``f((2, 3))``."""
    return tuple(shape[0]) if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape


@composed("x(3, 4), (2, -1); x(3, 4), 12")
def reshape(x, *shape):
    """The elements in C order in another shape, of which one size may be -1; a view if it can."""
    return reshaped(x, resolved(sizes(shape), count(x.shape)))


@composed("x(3, 4), (2, 6)")
def view(x, *size):
    """``reshape`` that shares memory or raises RuntimeError."""
    return reshaped(x, resolved(sizes(size), count(x.shape)), copy=False)


@composed("x(2, 3, 4); x(2, 3, 4), 1")
def flatten(x, start_dim=0, end_dim=-1):
    """The axes from ``start_dim`` to ``end_dim`` as one."""
    if x.ndim == 0:
        axes(start_dim, 0), axes(end_dim, 0)
        return reshape(x, (1,))
    (first,), (last,) = axes(start_dim, x.ndim), axes(end_dim, x.ndim)
    if first > last:
        raise said(RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim")
    size = count(x.shape[first : last + 1])
    return reshaped(x, (*x.shape[:first], size, *x.shape[last + 1 :]))


@composed("x(3, 1, 2, 1); x(3, 1), 1; x(3, 2), 0")
def squeeze(x, dim=None):
    """Without the axes of size 1, all or those in ``dim``. A batch of one loses its axis too."""
    if dim is None:
        return reshaped(x, tuple([n for n in x.shape if n != 1]))
    gone = axes(dim, x.ndim)
    return reshaped(x, tuple([n for i, n in enumerate(x.shape) if n != 1 or i not in gone]))


@composed("x(3, 4), 1; x(3), -1")
def unsqueeze(x, dim):
    """With a new axis of size 1 at ``dim``."""
    (at,) = axes(dim, x.ndim + 1)
    return reshaped(x, (*x.shape[:at], 1, *x.shape[at:]))


@composed("x(2, 3, 4), (2, 0, 1)")
def permute(x, *dims):
    """The axes in the order ``dims``."""
    return permuted(x, permutation(sizes(dims), x.ndim))


@composed("x(2, 3, 4), 0, -1")
def transpose(x, dim0, dim1):
    """The axes ``dim0`` and ``dim1`` exchanged."""
    order = list(range(x.ndim))
    for i, j in zip(axes(dim0, x.ndim), axes(dim1, x.ndim), strict=True):
        order[i], order[j] = order[j], order[i]
    return permuted(x, tuple(order))


@composed("x(3, 4); x(3)")
def t(x):
    """The transpose of a matrix; a vector as it is."""
    if x.ndim > 2:
        raise said(
            RuntimeError, f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D"
        )
    return permuted(x, tuple(range(x.ndim))[::-1])


@composed("x(2, 3, 4)")
def mT(x):
    """The last two axes exchanged."""
    if x.ndim < 2:
        raise said(
            RuntimeError,
            f"tensor.mT is only supported on matrices or batches of matrices. Got {x.ndim}-D "
            f"tensor.",
        )
    return transpose(x, -2, -1)


@composed("x(3, 1), (2, -1, 4)")
def expand(x, *size):
    """``x`` repeated over new and size-1 axes without copying; -1 keeps an axis."""
    shape = sizes(size)
    lead = len(shape) - x.ndim
    full = tuple(x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape))
    return broadcast_to(x, full)


@composed("x(3), (4, 2); x(2, 3), (1, 2, 2)")
def repeat(x, *repeats):
    """``x`` copied ``repeats[i]`` times along axis i; new axes come first."""
    times = sizes(repeats)
    lead = len(times) - x.ndim
    if lead < 0:
        raise said(
            RuntimeError,
            f"Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: {times} against shape {tuple(x.shape)}",
        )
    shape = (1,) * lead + tuple(x.shape)
    between = tuple(n for size in shape for n in (1, size))
    wide = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    whole = tuple(r * n for r, n in zip(times, shape, strict=True))
    return clone(reshaped(broadcast_to(reshaped(x, between), wide), whole))


def check_tensors(name, tensors):
    """torch's errors for what is no sequence of tensors."""
    if hasattr(tensors, "shape"):
        raise said(
            TypeError,
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor",
        )
    for i, x in enumerate(tensors):
        if not hasattr(x, "shape"):
            raise said(
                TypeError,
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}",
            )


@composed("[x(3, 4), x(3, 1)], 1")
def cat(tensors, dim=0):
    """The tensors one after the other along ``dim``."""
    check_tensors("cat", tensors)
    if not len(tensors):
        raise said(ValueError, "torch.cat(): expected a non-empty list of Tensors")
    for i, x in enumerate(tensors):
        if x.ndim == 0:
            raise said(
                RuntimeError, f"zero-dimensional tensor (at position {i}) cannot be concatenated"
            )
    # torch lets an empty vector pass beside tensors of any number of axes
    full = [x for x in tensors if tuple(x.shape) != (0,)]
    return concatenate(*(full or tensors), dim=dim)


@composed("[x(3, 4), x(3, 4)], 1")
def stack(tensors, dim=0):
    """The tensors along a new axis ``dim``."""
    check_tensors("stack", tensors)
    if not len(tensors):
        raise said(RuntimeError, "stack expects a non-empty TensorList")
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise said(
                RuntimeError,
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(x.shape)} at entry {i}",
            )
    return concatenate(*(unsqueeze(x, dim) for x in tensors), dim=dim)


@composed("x(5, 4), 2; x(5, 4), [1, 3], 1")
def split(x, split_size_or_sections, dim=0):
    """Views of ``split_size`` rows along ``dim`` (the last may be shorter), or of given sizes."""
    (axis,) = axes(dim, x.ndim)
    whole, parts = x.shape[axis], split_size_or_sections
    if isinstance(parts, int):
        if parts < 0 or (parts == 0 and whole):
            raise said(
                RuntimeError,
                f"split expects split_size be non-negative, but got split_size={parts}",
            )
        starts = range(0, whole, parts) if whole else [0]
        parts = [builtins.min(parts, whole - start) for start in starts]
    if builtins.sum(parts) != whole:
        raise said(
            RuntimeError,
            f"split_with_sizes expects split_sizes to sum exactly to {whole} (input tensor's size "
            f"at dimension {axis}), but got split_sizes={list(parts)}",
        )
    shapes = [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in parts]
    return tuple(getitem(x, segment(shapes, i, axis)) for i in range(len(parts)))


@composed("x(5, 4), 2")
def chunk(x, chunks, dim=0):
    """At most ``chunks`` views of equal size along ``dim``; the last may be shorter."""
    if chunks < 1:
        raise said(RuntimeError, f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    (axis,) = axes(dim, x.ndim)
    return split(x, -(-x.shape[axis] // chunks), axis)


@composed("x(3, 4), 1, labels(4, 3, 2)")
def gather(x, dim, index):
    """``y[i, j] = x[index[i, j], j]`` for dim 0, ``x[i, index[i, j]]`` for dim 1, and so on."""
    return take_along(x, index, dim)


@composed("x(3, 4), 1, labels(4, 3)")
def index_select(x, dim, index):
    """The slices of ``x`` along ``dim`` that the vector ``index`` names."""
    (axis,) = axes(dim, x.ndim)
    rows = np.asarray(index)
    if rows.ndim > 1:
        raise said(
            IndexError, f"index_select(): Index is supposed to be a vector, not {rows.ndim}-D"
        )
    if rows.dtype.kind not in "iu":
        raise said(RuntimeError, "index_select(): Expected dtype int32 or int64 for index")
    if rows.size and not -1 < rows.min() <= rows.max() < x.shape[axis]:
        raise said(
            IndexError,
            f"index out of range in self: {rows} for axis {axis} of shape {tuple(x.shape)}",
        )
    return getitem(x, (slice(None),) * axis + (rows,))


def selection(name):
    """torch's named pair of a selection along an axis, which prints as torch's does."""

    class Selection(NamedTuple):
        values: Any
        indices: Any

        def __repr__(self):
            return f"torch.return_types.{name}(\nvalues={self.values!r},\nindices={self.indices!r})"

    Selection.__name__ = Selection.__qualname__ = f"{name}_return_type"
    return Selection


MAX, MIN, MEDIAN, SORT, TOPK = map(selection, ("max", "min", "median", "sort", "topk"))


def at(x, index, dim):
    """The values of ``x`` at ``index`` along ``dim``; a 0-d ``x`` is its own."""
    return take_along(x, index, dim) if x.ndim else clone(x)


def picked(kind, x, index, dim, keepdim):
    """The selection of one index along ``dim``; all of the cotangent goes to the element picked."""
    values = at(x, index, dim)
    return kind(values, index) if keepdim else kind(squeeze(values, dim), squeeze(index, dim))


@composed("x(3, 4); x(3, 4), 1; x(3, 4), x(4); x(3, 4), 0, True")
def max(x, dim=None, keepdim=False):
    """The greatest: of all, ties sharing the cotangent; or along ``dim``, as (values, indices),
    the first tie taking it all; or of two tensors, element by element.
    """
    if dim is None:
        nonempty(x, None, "max")
        return amax(x)
    if hasattr(dim, "shape"):
        return maximum(x, dim)
    nonempty(x, dim, "max")
    return picked(MAX, x, argmax(x, dim, True), dim, keepdim)


@composed("x(3, 4); x(3, 4), 1; x(3, 4), x(4)")
def min(x, dim=None, keepdim=False):
    """The least: see :func:`max`."""
    if dim is None:
        nonempty(x, None, "min")
        return amin(x)
    if hasattr(dim, "shape"):
        return minimum(x, dim)
    nonempty(x, dim, "min")
    return picked(MIN, x, argmin(x, dim, True), dim, keepdim)


@composed("x(3, 4); x(3, 4), 1")
def median(x, dim=None, keepdim=False):
    """The lower middle value, of all or along ``dim`` as (values, indices)."""
    if dim is None:
        return median_value(x)
    middle = median_value(x, dim, True)
    at_middle = logical_or(eq(x, middle), logical_and(ne(x, x), ne(middle, middle)))
    return picked(MEDIAN, x, argmax(where(at_middle, 1, 0), dim, True), dim, keepdim)


@composed("x(3, 4); x(3, 4), 0, True")
def sort(x, dim=-1, descending=False, stable=True):
    """The values in order along ``dim``, and the indices they had."""
    order = argsort(x, dim, descending)
    return SORT(at(x, order, dim), order)


@composed("x(3, 4), 2; x(3, 4), 2, 0, False")
def topk(x, k, dim=-1, largest=True, sorted=True):
    """The ``k`` greatest (or least) along ``dim``, in order, and the indices they had."""
    size = x.shape[dim] if x.ndim else 1
    if not 0 <= k <= size:
        raise said(RuntimeError, f"selected index k out of range: k is {k}, the axis has {size}")
    order = argsort(x, dim, largest)
    if x.ndim:
        order = getitem(order, (slice(None),) * axes(dim, x.ndim)[0] + (slice(0, k),))
    return TOPK(at(x, order, dim), order)


@composed("x(3, 4); x(3, 4), 1")
def prod(x, dim=None, keepdim=False):
    """The product over all or along ``dim``; right with zeros among the factors."""
    return prod_along(flatten(x), 0) if dim is None else prod_along(x, dim, keepdim)


def corrected(name, x, dim, unbiased, correction):
    """The dim and the correction, as the older ``f(False)`` and ``unbiased=False`` mean them."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    if count(x.shape, axes(dim, x.ndim)) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            f"reduction factor (input numel divided by output numel). The result is nan or inf.",
            stacklevel=4,
        )
    return dim, correction


@composed("x(3, 4); x(3, 4), 1, correction=0")
def var(x, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """The variance; divides by n - 1 unless ``correction=0`` (or ``unbiased=False``)."""
    dim, correction = corrected("var", x, dim, unbiased, correction)
    return variance(x, dim, correction, keepdim)


@composed("x(3, 4); x(3, 4), 1, correction=0")
def std(x, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """The standard deviation; divides by n - 1 unless ``correction=0`` (``unbiased=False``)."""
    dim, correction = corrected("std", x, dim, unbiased, correction)
    return deviation(x, dim, correction, keepdim)


@composed("x(3, 4); x(3, 4), 1, 1; x(3, 4), inf, 1; x(3, 4), 3")
def norm(x, p="fro", dim=None, keepdim=False):
    """The vector norm over ``dim``: ``p`` a number, inf, -inf, 0, or "fro": 2, two dims at most."""
    if isinstance(p, str) and p != "fro":
        raise said(RuntimeError, f"linalg.matrix_norm: Order {p} not supported: a number, or 'fro'")
    if p == "fro" and isinstance(dim, tuple | list) and len(dim) > 2:
        got = " ".join(map(str, dim))
        raise said(
            RuntimeError,
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {got}; p=2 takes any number of dims",
        )
    p = 2 if p == "fro" or p is None else p
    if p == 0:
        return sum(masked_fill(zeros_of(x), ne(x, 0), 1), dim, keepdim)
    if p in (np.inf, -np.inf):
        return (amax if p > 0 else amin)(abs(x), dim, keepdim)
    return p_norm(x, p, dim, keepdim)


@composed("x(3, 4); mask(3, 4), as_tuple=True")
def nonzero(x, as_tuple=False):
    """The index of every element that isn't 0: a row each, or a tensor per axis."""
    rows = nonzero_rows(x)
    return tuple(getitem(rows, (slice(None), i)) for i in range(x.ndim)) if as_tuple else rows


@composed("x(3, 4), x(3, 4)")
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether ``|a - b| <= atol + rtol |b|``, element by element."""
    if not hasattr(b, "dtype"):
        not_a_tensor("isclose", b, "other", 2)
    if a.dtype != b.dtype:
        raise said(RuntimeError, f"{TITLES[a.dtype.name]} did not match {TITLES[b.dtype.name]}")
    for name, limit in (("rtol", rtol), ("atol", atol)):
        if limit < 0:
            raise said(
                RuntimeError, f"{name} must be greater than or equal to zero, but got {limit:g}"
            )
    near = logical_or(a == b, logical_and(isfinite(b), abs(a - b) <= abs(b) * rtol + atol))
    return logical_or(near, logical_and(isnan(a), isnan(b))) if equal_nan else near


@composed("x(3, 4), x(3, 4)")
def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether ``|a - b| <= atol + rtol |b|`` everywhere."""
    if not hasattr(b, "shape"):
        not_a_tensor("allclose", b, "other", 2)
    return bool(all(isclose(a, b, rtol, atol, equal_nan)))


@composed("x(3, 4), x(3, 4)")
def equal(a, b):
    """Whether shape and values are the same."""
    return a.shape == b.shape and bool(all(a == b))


TABLE = {name: entry for name, entry in globals().items() if isinstance(entry, Op | Composition)}
for _name, _entry in TABLE.items():
    _entry.name = _entry.__name__ = _name
    _entry.__module__ = __name__

KERNELS.update(globals())
KERNELS.update((name, entry.kernel) for name, entry in TABLE.items() if isinstance(entry, Op))


def over(name):
    """torch's name of a reduction's backward: the overload with ``dim`` is number 1."""
    return lambda saved: f"{name}Backward{int(saved['dim'] is not None)}"


def indexing(saved):
    """torch's name of the backward of ``x[index]``: that of the last step it takes."""
    index, step = saved["index"], "Slice"
    for part in index if isinstance(index, tuple) else (index,):
        if hasattr(part, "dtype"):
            return "IndexBackward0"
        if part is None:
            step = "Unsqueeze"
        elif part is not Ellipsis and part != slice(None):
            step = "Slice" if isinstance(part, slice) else "Select"
    return f"{step}Backward0"


TORCH_NAMES = {
    "affine": "Addmm", "broadcast_to": "Expand", "cast": "ToCopy", "concatenate": "Cat",
    "deviation": "Std", "getitem": indexing, "logsigmoid": "LogSigmoid", "mean": over("Mean"),
    "median_value": "Median", "nll": "NllLoss", "p_norm": "LinalgVectorNorm", "permuted": "Permute",
    "positively_weighted": "BinaryCrossEntropyWithLogits", "prod_along": "Prod", "product": "Mm",
    "replaced": "CopySlices", "reshaped": "View", "smooth_l1": "SmoothL1Loss",
    "squared_error": "MseLoss", "sum": over("Sum"), "take_along": "Gather", "variance": "Var",
    "where_both": "Where",
}  # fmt: skip
"""What torch calls the backward of an op that has another name here; of some it depends on what
they were given."""

HELPERS = (
    "affine binary_cross_entropy binary_cross_entropy_slope binary_cross_entropy_with_logits cast "
    "concatenate deviation getitem median_value mT nll nll_adjoint nonzero_rows p_norm permuted "
    "positively_weighted prod_along product product_of_others put put_along replaced reshaped "
    "rows smooth_l1 smooth_sign spread squared_error sum_to take_along ties variance where_both "
    "zeros_of"
).split()
"""Entries that torch has no public name for: they serve the others and stay in this module."""

FUNCTIONS = "cat leaky_relu linear logsigmoid one_hot softplus stack".split()
"""Entries that torch has as functions but not as methods of a tensor."""

NOT_IN_PLACE = ("argsort clone isfinite isinf isnan log_softmax maximum minimum softmax").split()
"""Elementwise entries that torch has no in-place method for."""
