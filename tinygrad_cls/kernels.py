"""NumPy kernels that are too long to stand in the table. Plain functions of arrays, no derivative.

Every kernel that computes takes ``out=``, and works when ``out`` is its own input where the op is
elementwise. Memory order is a kernel's private matter: the result of an elementwise kernel keeps
its input's order, and a product keeps tall, thin matrices feature-major.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, wraps
from typing import Any

import numpy as np

from .errors import C_NAMES, TITLES, axes, one_axis, said, sizes_must_match

Array = Any  # an ndarray, or the NumPy scalar that a ufunc makes of a 0-d one
add_up: Any = np.add.reduce
THIN = 32
"""Columns up to which a tall matrix is kept feature-major: adding a bias to an (800, 10) array,
or summing its rows, then walks ten rows of 800 numbers and not 800 rows of ten."""


def place(out: Array | None, like: Array) -> Array:
    """``out``, or new memory like ``like`` (an array, also where ``like`` is a scalar)."""
    return np.empty_like(like) if out is None else out


# --- elementwise ---------------------------------------------------------------------------------


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """torch's own formula: 0 where e**-x overflows, though the truth there is subnormal."""
    y = np.negative(x, out=place(out, x))
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def logsigmoid(x: Array, out: Array | None = None) -> Array:
    low = np.minimum(x, 0)
    y = np.abs(x, out=place(out, x))
    np.negative(y, out=y)
    np.exp(y, out=y)
    np.log1p(y, out=y)
    return np.subtract(low, y, out=y)


def softplus(
    x: Array, beta: float = 1.0, threshold: float = 20.0, out: Array | None = None
) -> Array:
    z = np.multiply(x, beta)
    curved = np.log1p(np.exp(np.minimum(z, threshold))) / beta
    y = place(out, x)
    y[...] = np.where(z > threshold, x, curved)
    return y


def add(a: Array, b: Array, alpha: float = 1, out: Array | None = None) -> Array:
    return np.add(a, b if alpha == 1 else times(b, alpha), out=out)


def subtract(a: Array, b: Array, alpha: float = 1, out: Array | None = None) -> Array:
    return np.subtract(a, b if alpha == 1 else times(b, alpha), out=out)


def times(b: Array, alpha: float) -> Any:
    """alpha b in the dtype of b."""
    kind = getattr(b, "dtype", None)
    if kind is not None and kind.kind != "f" and isinstance(alpha, float):
        raise said(
            RuntimeError,
            f"For integral input tensors, argument alpha must not be a floating point number. "
            f"It is {alpha}.",
        )
    return b * alpha if kind is None else np.asarray(b * alpha).astype(kind, copy=False)


def sign(x: Array, out: Array | None = None) -> Array:
    """-1, 0 or 1, and 0 for nan, which NumPy's sign hands through."""
    y = np.greater(x, 0).astype(x.dtype)
    return y if x.dtype.kind in "bu" else np.subtract(y, np.less(x, 0), out=out)


def power(a: Array, b: Array, out: Array | None = None) -> Array:
    """a**b; the square, the most common power, is a product as in torch."""
    if (type(b) is int or type(b) is float) and b == 2:
        return np.multiply(a, a, out=out)
    return np.power(a, b, out=out)


def divides(kernel: np.ufunc) -> Any:
    """An integer division that refuses a zero divisor, as torch does; floats give inf or nan."""

    def divide(a: Array, b: Array, out: Array | None = None) -> Array:
        if np.result_type(a, b).kind in "iu" and np.any(np.equal(b, 0)):
            raise said(RuntimeError, "ZeroDivisionError: an integer tensor is divided by zero")
        return kernel(a, b, out=out)

    divide.__name__ = kernel.__name__
    return divide


def truth_values(mask: Array, refusal: str) -> Array:
    """The mask as an array of booleans, or torch's error."""
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        kind = mask.dtype.name
        raise said(RuntimeError, refusal.format(title=TITLES[kind], c_name=C_NAMES[kind]))
    return mask


BOOL = np.dtype(np.bool_)


def where(mask: Array, a: Array, b: Array, out: Array | None = None) -> Array:
    if getattr(mask, "dtype", None) is not BOOL:
        mask = truth_values(
            mask,
            "where expected condition to be a boolean tensor, but got a tensor with dtype {title}",
        )
    if type(b) is int and b == 0 and getattr(a, "itemsize", 0) in WORDS and a.dtype.kind == "f":
        # A product with the truth value, of the bits: twice as fast as np.where, and unlike a
        # product of floats it makes no nan of an infinite or nan a.
        y = (a.view(WORDS[a.itemsize]) * mask).view(a.dtype)
    else:
        y = np.where(mask, a, b)
    return y if out is None else store(out, y)


def masked_fill(x: Array, mask: Array, value: Array, out: Array | None = None) -> Array:
    mask = truth_values(
        mask, "masked_fill_ only supports boolean masks, but got mask with dtype {c_name}"
    )
    try:
        y = np.where(mask, value, x)
    except ValueError:
        text = sizes_must_match([mask.shape, np.shape(x), np.shape(value)])
        raise said(
            RuntimeError, f"{text} masked_fill: mask {mask.shape}, x {np.shape(x)}"
        ) from None
    return y if out is None else store(out, y)


WORDS = {2: np.int16, 4: np.int32, 8: np.int64}


def store(out: Array, y: Array) -> Array:
    np.copyto(out, y)
    return out


def round_to(x: Array, decimals: int = 0, out: Array | None = None) -> Array:
    if decimals == 0 and x.dtype.kind == "f":
        return np.rint(x, out=out)
    return np.round(x, decimals, out=out)


# --- reductions ----------------------------------------------------------------------------------


def count(shape: Sequence[int], dim: Any = None) -> int:
    """How many elements each result of a reduction over ``dim`` is made of."""
    return math.prod(shape if dim is None else [shape[i] for i in axes(dim, len(shape))])


def reduced(shape: Sequence[int], dim: Any) -> tuple[int, ...]:
    """The shape with the axes ``dim`` kept as 1: what broadcasts back against ``shape``."""
    gone = axes(dim, len(shape))
    return tuple(1 if i in gone else n for i, n in enumerate(shape))


def reduction(kernel: np.ufunc) -> Any:
    """``kernel.reduce`` with torch's ``dim`` and ``keepdim``."""
    fold: Any = kernel.reduce

    def reduce(x: Array, dim: Any = None, keepdim: bool = False, out: Array | None = None) -> Array:
        axis = None if dim is None else axes(dim, x.ndim)
        return fold(x, axis=axis, keepdims=keepdim, out=out)

    return reduce


def widened(kernel: Any) -> Any:
    """A kernel that computes float16 in float32, whose sums would overflow or stand still."""

    @wraps(kernel)
    def wide(x: Array, *args: Any, out: Array | None = None, **static: Any) -> Array:
        if x.dtype != np.float16:
            return kernel(x, *args, out=out, **static)
        y = np.asarray(kernel(x.astype(np.float32), *args, **static)).astype(np.float16)
        return y if out is None else store(out, y)

    return wide


def truth(kernel: np.ufunc) -> Any:
    """``any`` or ``all``; of bytes, torch's old truth values, the result is a byte."""
    fold = reduction(kernel)

    def reduce(x: Array, dim: Any = None, keepdim: bool = False, out: Array | None = None) -> Array:
        y = fold(x, dim, keepdim, out)
        return np.asarray(y).astype(np.uint8) if x.dtype == np.uint8 and out is None else y

    return reduce


def total(x: Array, dim: Any = None, keepdim: bool = False, out: Array | None = None) -> Array:
    """The sum; integers and booleans add up in int64, float16 in float32."""
    axis = None if dim is None else axes(dim, x.ndim)
    if x.dtype.kind == "f" and x.itemsize > 2:
        return add_up(x, axis, None, out, keepdim)
    if x.dtype.kind == "f":
        y = np.asarray(add_up(x, axis, np.float32, None, keepdim)).astype(np.float16)
        return y if out is None else store(out, y)
    return add_up(x, axis, np.int64, out, keepdim)


def extremum(kernel: np.ufunc, name: str) -> Any:
    """The greatest or least along ``dim``; nan wins; an empty axis is refused."""
    fold = reduction(kernel)

    def extreme(
        x: Array, dim: Any = None, keepdim: bool = False, out: Array | None = None
    ) -> Array:
        nonempty(x, dim, name)
        return fold(x, dim, keepdim, out)

    return extreme


def nonempty(x: Array, dim: Any, name: str) -> None:
    if count(x.shape):
        return
    if dim is not None and all(
        x.shape[axes(d, len(x.shape))[0]] for d in np.atleast_1d(dim).tolist()
    ):
        return
    if dim is None:
        kind = IndexError if name.startswith("arg") else RuntimeError
        raise said(
            kind,
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            f"Specify the reduction dim with the 'dim' argument. The shape is {tuple(x.shape)}.",
        )
    if count(x.shape) == 0:
        raise said(
            IndexError,
            f"{name}(): Expected reduction dim {dim} to have non-zero size. "
            f"The shape is {tuple(x.shape)}.",
        )


def ties(x: Array, y: Array, dim: Any = None, out: Array | None = None) -> Array:
    share = (np.equal(x, y) | (np.isnan(x) & np.isnan(y))).astype(x.dtype)
    share /= np.maximum(share.sum(axis=axes(dim, share.ndim), keepdims=True), 1)
    return share if out is None else store(out, share)


def median(x: Array, dim: Any = None, keepdim: bool = False, out: Array | None = None) -> Array:
    """The lower of the two middle values; nan where a nan is among the values."""
    nonempty(x, dim, "median")
    if x.ndim == 0:
        return x.copy() if out is None else store(out, x)
    flat, axis = (x.reshape(-1), 0) if dim is None else (x, axes(dim, x.ndim)[0])
    middle = (flat.shape[axis] - 1) // 2
    y = np.take(np.partition(flat, middle, axis=axis), [middle], axis=axis)
    if x.dtype.kind == "f":
        y = np.where(np.isnan(flat).any(axis=axis, keepdims=True), np.nan, y).astype(x.dtype)
    y = y.reshape(reduced(x.shape, dim)) if keepdim else y.squeeze(axis=axis)
    return y if out is None else store(out, y)


def arg_extremum(kernel: Any, name: str) -> Any:
    """The index of the first extremum; nan counts as the extremum."""

    def arg(
        x: Array, dim: int | None = None, keepdim: bool = False, out: Array | None = None
    ) -> Array:
        if dim is not None and one_axis(dim, x.ndim or 1) >= 0 and x.ndim == 0:
            dim = None
        nonempty(x, dim, name)
        axis = None if dim is None else one_axis(dim, x.ndim)
        return kernel(x, axis=axis, keepdims=keepdim, out=out)

    arg.__name__ = name
    return arg


def variance(
    x: Array,
    dim: Any = None,
    correction: float = 1,
    keepdim: bool = False,
    out: Array | None = None,
) -> Array:
    over = axes(dim, x.ndim)
    n = count(x.shape, over)
    x64 = np.asarray(x).astype(np.float64)  # as torch: the squares would overflow float32 sooner
    mean = np.add.reduce(x64, axis=over, keepdims=True) / max(n, 1)
    away = np.subtract(x64, mean, out=x64)
    np.multiply(away, away, out=away)
    y = np.asarray(add_up(away, axis=over, keepdims=keepdim) * ratio(1.0, n - correction))
    return y.astype(x.dtype) if out is None else store(out, y.astype(x.dtype))


def ratio(a: float, b: float) -> float:
    """a/b as IEEE defines it where b is zero (or, for a variance, negative degrees of freedom)."""
    return a / b if b > 0 else math.inf


def logsumexp(x: Array, dim: Any, keepdim: bool = False, out: Array | None = None) -> Array:
    over = axes(dim, x.ndim)
    top = np.maximum.reduce(x, axis=over, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    y = np.log(np.add.reduce(np.exp(x - top), axis=over, keepdims=True)) + top
    y = y if keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in over])
    return y if out is None else store(out, y)


def softmax(x: Array, dim: int, out: Array | None = None) -> Array:
    axis = one_axis(dim, x.ndim or 1)
    if x.size == 0 or x.ndim == 0:
        return np.ones_like(x) if out is None else store(out, 1)
    y = np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True), out=place(out, x))
    np.exp(y, out=y)
    y /= np.add.reduce(y, axis=axis, keepdims=True)
    return y


def log_softmax(x: Array, dim: int, out: Array | None = None) -> Array:
    axis = one_axis(dim, x.ndim or 1)
    if x.size == 0 or x.ndim == 0:
        return np.zeros_like(x) if out is None else store(out, 0)
    y = np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True), out=place(out, x))
    y -= np.log(np.add.reduce(np.exp(y), axis=axis, keepdims=True))
    return y


def product(x: Array, dim: int, keepdim: bool = False, out: Array | None = None) -> Array:
    dtype = None if x.dtype.kind == "f" else np.int64
    multiply_up: Any = np.multiply.reduce
    return multiply_up(
        x, axis=axes(one_axis(dim, x.ndim or 1), x.ndim), keepdims=keepdim, dtype=dtype, out=out
    )


def product_of_others(x: Array, dim: int, out: Array | None = None) -> Array:
    """For every element the product of the others along ``dim``: running products from both
    ends, so that zeros need no case of their own.
    """
    x = np.moveaxis(x, dim, -1)
    one = np.ones((*x.shape[:-1], 1), x.dtype)
    before = np.cumprod(np.concatenate([one, x[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, x[..., :0:-1]], -1), -1)[..., ::-1]
    y = np.moveaxis(before * after, -1, dim) if x.shape[-1] else np.moveaxis(x, -1, dim)
    return y if out is None else store(out, y)


# --- products ------------------------------------------------------------------------------------


def feature_major(out: Array | None, rows: int, columns: int) -> bool:
    """Whether a product is laid out column by column: as ``out`` is, else if it's tall and thin."""
    if out is None:
        return columns <= THIN and rows > 4 * columns
    return bool(out.flags.f_contiguous and not out.flags.c_contiguous)


def mm(a: Array, b: Array, out: Array | None = None) -> Array:
    """The matrix product of the last two axes; the axes before them broadcast."""
    product: Any = np.matmul
    if a.ndim == b.ndim == 2:
        if a.shape[1] == b.shape[0] == 1:  # one term a sum: a broadcast product rounds the same
            product = np.multiply  # and is faster
        if feature_major(out, a.shape[0], b.shape[1]):
            return product(b.T, a.T, out=None if out is None else out.T).T
    if out is not None and not out.flags.c_contiguous:
        return store(out, product(a, b))  # straight into it, NumPy would round otherwise
    return product(a, b, out=out)


def affine(x: Array, W: Array, b: Array, out: Array | None = None) -> Array:
    """x W' + b for a batch of rows."""
    if feature_major(out, len(x), len(W)):
        z = np.matmul(W, x.T, out=None if out is None else out.T)
        z += b[:, None]
        return z.T
    z = np.matmul(x, W.T, out=out)
    z += b
    return z


def rows(x: Array, out: Array | None = None) -> Array:
    """A product with a row of ones takes half the time of a sum."""
    if x.dtype.kind != "f" or x.itemsize == 2:
        return total(x, 0, out=out)
    return np.matmul(ones(len(x), x.dtype), x, out=out)


@lru_cache(maxsize=16)
def ones(n: int, dtype: np.dtype[Any]) -> Array:
    return np.ones(n, dtype)


# --- memory, shape and index ---------------------------------------------------------------------


def clone(x: Array, out: Array | None = None) -> Array:
    return np.array(x) if out is None else store(out, x)


def zeros_of(x: Array, out: Array | None = None) -> Array:
    return np.zeros_like(x) if out is None else store(out, 0)


def cast(x: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    if out is None:
        return np.asarray(x).astype(dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def reshaped(x: Array, shape: tuple[int, ...], copy: bool = True) -> Array:
    y = x.reshape(shape)
    if not copy and x.size and not np.may_share_memory(x, y):
        raise said(
            RuntimeError,
            f"view size is not compatible with input tensor's size and stride (at least one "
            f"dimension spans across two contiguous subspaces). Use .reshape(...) instead. "
            f"The shape is {x.shape}, the strides are {x.strides} bytes.",
        )
    return y


def resolved(shape: Sequence[int], size: int) -> tuple[int, ...]:
    """``shape`` with its -1 worked out, torch's errors where it can't be."""
    shape = tuple(int(n) for n in shape)
    free = shape.count(-1)
    known = math.prod(n for n in shape if n != -1)
    if free > 1:
        raise said(RuntimeError, f"only one dimension can be inferred: shape {list(shape)}")
    if any(n < -1 for n in shape):
        at = next(i for i, n in enumerate(shape) if n < -1)
        raise said(
            RuntimeError,
            f"invalid shape dimension {shape[at]} at index {at} of shape {list(shape)}",
        )
    if free and known == 0 and size == 0:
        raise said(
            RuntimeError,
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
            f"unspecified dimension size -1 can be any value and is ambiguous",
        )
    if (size % known if known else size) if free else known != size:
        raise said(RuntimeError, f"shape '{list(shape)}' is invalid for input of size {size}")
    return tuple(size // known if n == -1 else n for n in shape) if free else shape


def spread(
    x: Array, shape: tuple[int, ...], dim: Any = None, keepdim: bool = False, out: Any = None
) -> Array:
    """``x``, the result of a reduction over ``dim``, repeated over the axes that were reduced."""
    y = np.broadcast_to(np.reshape(x, reduced(shape, dim)), shape)
    return y if out is None else store(out, y)


@widened
def sum_to(x: Array, shape: tuple[int, ...], out: Array | None = None) -> Array:
    """The sum over the axes along which ``shape`` would be broadcast: broadcasting's adjoint."""
    lead = x.ndim - len(shape)
    over = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 != x.shape[lead + i]))
    y = np.add.reduce(x, axis=over, keepdims=True) if over else x
    y = np.reshape(y, shape)
    return y if out is None else store(out, y)


def broadcast_to(x: Array, shape: Sequence[int]) -> Array:
    lead = len(shape) - x.ndim
    if lead < 0:
        raise said(
            RuntimeError,
            f"expand(torch.{TITLES[x.dtype.name]}Tensor{{{list(x.shape)}}}, size={list(shape)}): "
            f"the number of sizes provided ({len(shape)}) must be greater or equal to the number "
            f"of dimensions in the tensor ({x.ndim})",
        )
    full = tuple(x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape))
    for i, size in enumerate(x.shape):
        if size not in (1, full[lead + i]):
            raise said(
                RuntimeError,
                f"The expanded size of the tensor ({full[lead + i]}) must match the existing size "
                f"({size}) at non-singleton dimension {lead + i}.  Target sizes: {list(full)}.  "
                f"Tensor sizes: {list(x.shape)}",
            )
    return np.broadcast_to(x, full)


def permutation(dims: Sequence[int], ndim: int) -> tuple[int, ...]:
    """``dims`` counted from 0, checked to name each axis once."""
    found = tuple(axes(d, ndim)[0] for d in dims) if ndim else ()
    if len(dims) != ndim:
        raise said(
            RuntimeError,
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(dims)}",
        )
    if len(set(found)) < ndim:
        raise said(RuntimeError, f"permute(): duplicate dims are not allowed: {tuple(dims)}")
    return found


def inverse(dims: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes ``dims``."""
    n = len(dims)
    return tuple(sorted(range(n), key=lambda i: dims[i] % n))


def concatenate(*xs: Array, dim: int = 0, out: Array | None = None) -> Array:
    axis = axes(dim, max(x.ndim for x in xs))[0]
    for i, x in enumerate(xs):
        if x.ndim != xs[0].ndim:
            raise said(
                RuntimeError,
                f"Tensors must have same number of dimensions: got {xs[0].ndim} and {x.ndim}",
            )
        for d, (size, first) in enumerate(zip(x.shape, xs[0].shape, strict=True)):
            if d != axis and size != first:
                raise said(
                    RuntimeError,
                    f"Sizes of tensors must match except in dimension {axis}. Expected size "
                    f"{first} but got size {size} for tensor number {i} in the list. "
                    f"The shapes are {[x.shape for x in xs]}.",
                )
    return np.concatenate(xs, axis=axis, out=out)


def segment(shapes: Sequence[tuple[int, ...]], k: int, dim: int) -> tuple[Any, ...]:
    """The index that cuts input ``k`` out of a concatenation of inputs of these shapes."""
    axis = axes(dim, len(shapes[k]))[0]
    start = sum(shape[axis] for shape in shapes[:k])
    return (slice(None),) * axis + (slice(start, start + shapes[k][axis]),)


def getitem(x: Array, index: Any) -> Array:
    y = x[index]
    return y if isinstance(y, np.ndarray) else x[(*index, ...)]  # one element is a view too


def is_basic(index: Any) -> bool:
    """Whether an index picks no element twice, so that a plain assignment adds it up."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(p, np.ndarray) and p.dtype != np.bool_ for p in parts)


def put(x: Array, shape: tuple[int, ...], index: Any, out: Array | None = None) -> Array:
    y = np.zeros(shape, x.dtype) if out is None else store(out, 0)
    if is_basic(index):
        y[index] = x
    else:
        np.add.at(y, index, x)
    return y


def replaced(x: Array, value: Array, index: Any, out: Array | None = None) -> Array:
    y = np.array(x) if out is None else out if out is x else store(out, x)
    y[index] = value
    return y


def along(index: Array, shape: Sequence[int], dim: int) -> tuple[Array, ...]:
    """The full index for ``gather``: ``index`` on axis ``dim``, its own position elsewhere."""
    ndim = len(shape)
    if index.dtype not in (np.int32, np.int64) and index.size:
        raise said(
            RuntimeError, f"gather(): Expected dtype int32/int64 for index, got {index.dtype}"
        )
    if index.ndim != ndim:
        raise said(
            RuntimeError,
            f"Index tensor must have the same number of dimensions as input tensor: "
            f"{index.shape} against {tuple(shape)}",
        )
    if ndim == 0:
        return ()
    axis = axes(dim, ndim)[0]
    wrong = index[(index < 0) | (index >= shape[axis])]
    if wrong.size:
        raise said(
            RuntimeError,
            f"index {wrong.flat[0]} is out of bounds for dimension {axis} with size {shape[axis]}",
        )
    for d in range(ndim):
        if d != axis and index.shape[d] > shape[d]:
            raise said(
                RuntimeError,
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be "
                f"no larger than self {list(shape)} apart from dimension {axis}",
            )
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    return tuple(grid)


def take_along(x: Array, index: Array, dim: int, out: Array | None = None) -> Array:
    y = x[along(index, x.shape, dim)]
    return y if out is None else store(out, y)


def put_along(
    x: Array, index: Array, shape: tuple[int, ...], dim: int, out: Array | None = None
) -> Array:
    y = np.zeros(shape, x.dtype) if out is None else store(out, 0)
    np.add.at(y, along(index, shape, dim), x)
    return y


def argsort(x: Array, dim: int = -1, descending: bool = False, out: Array | None = None) -> Array:
    """Stable; nan counts as the greatest value."""
    axis = one_axis(dim, x.ndim or 1)
    if x.ndim == 0:
        y: Array = np.zeros((), np.int64)
    elif descending:  # equal values keep their order, which reversing twice achieves
        y = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        y = x.shape[axis] - 1 - y
    else:
        y = np.argsort(x, axis=axis, kind="stable")
    return y if out is None else store(out, y)


def one_hot(x: Array, num_classes: int = -1, out: Array | None = None) -> Array:
    if x.dtype != np.int64:
        raise said(
            RuntimeError,
            f"one_hot is only applicable to index tensor of type LongTensor, got {x.dtype}",
        )
    if x.size == 0 and num_classes < 0:
        raise said(RuntimeError, "Can not infer total number of classes from empty tensor.")
    classes = int(x.max()) + 1 if num_classes < 0 else num_classes
    if x.size and int(x.min()) < 0:
        raise said(RuntimeError, f"Class values must be non-negative: {int(x.min())} is among them")
    if x.size and int(x.max()) >= classes:
        raise said(
            RuntimeError,
            f"Class values must be smaller than num_classes. {int(x.max())} is among them, "
            f"num_classes is {classes}.",
        )
    y = np.equal(x[..., None], np.arange(classes)).astype(np.int64)
    if out is None:
        return y
    if out.shape != y.shape:
        raise said(RuntimeError, f"one_hot: {classes} classes do not fit an out of {out.shape[-1]}")
    return store(out, y)


def nonzero(x: Array) -> Array:
    return np.argwhere(x)


# --- losses --------------------------------------------------------------------------------------


def shrunk(loss: Array, reduction: str, n: float) -> Array:
    """``loss`` averaged over ``n``, summed, or as it is: the ``reduction`` of a loss."""
    if reduction == "none":
        return loss
    whole = add_up(loss, None)
    return whole / ratio_or_nan(n) if reduction == "mean" else whole


def ratio_or_nan(n: float) -> float:
    """The divisor of a mean: nan for an empty batch, whose mean is 0/0."""
    return float(n) if n else math.nan


def same_size(x: Array, t: Array) -> None:
    if getattr(x, "shape", ()) != getattr(t, "shape", ()):
        same = np.size(x) == np.size(t)
        fix = "give it the logits' shape, with .view_as()" if same else "classes: cross_entropy"
        raise said(
            ValueError,
            f"Target size (torch.Size({list(np.shape(t))})) must be the same as input size "
            f"(torch.Size({list(np.shape(x))})); {fix}",
        )


def bce(x: Array, t: Array, reduction: str = "mean", out: Array | None = None) -> Array:
    same_size(x, t)
    # torch's own formula: it must match torch's rounding, so it is not the symmetric one.
    loss = np.subtract(1, t) * x
    loss -= logsigmoid(x)
    y = shrunk(loss, reduction, loss.size)
    return y if out is None else store(out, y)


def positively_weighted(x: Array, t: Array, p: Array, out: Array | None = None) -> Array:
    same_size(x, t)
    loss = np.subtract(1, t) * x  # torch's own formula, as in bce
    y = loss - logsigmoid(x) * ((p - 1) * t + 1)
    return y if out is None else store(out, y)


def bce_of_probabilities(q: Array, t: Array, out: Array | None = None) -> Array:
    """Each logarithm is at least -100, as in torch: no infinite loss."""
    low = np.maximum(np.log(q), -100)
    high = np.maximum(np.log1p(-q), -100)
    return np.subtract((t - 1) * high, t * low, out=out)


def bce_slope(q: Array, t: Array, out: Array | None = None) -> Array:
    least = float(np.float32(1e-12))  # torch's: it keeps the slope finite at q = 0 and 1
    return np.divide(q - t, np.maximum((1 - q) * q, least), out=out)


def squared_error(a: Array, b: Array, out: Array | None = None) -> Array:
    away = np.subtract(a, b, out=out)
    return np.multiply(away, away, out=out)


def smooth_l1(a: Array, b: Array, beta: float = 1.0, out: Array | None = None) -> Array:
    d = np.abs(np.subtract(a, b))
    y = np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)
    return y if out is None else store(out, y)


def smooth_sign(a: Array, b: Array, beta: float = 1.0, out: Array | None = None) -> Array:
    return np.clip(np.subtract(a, b) / beta, -1, 1, out=out)


def labels(t: Array, shape: tuple[int, ...], ignore_index: int) -> tuple[Array | None, Array]:
    """Which rows count (None: all), and their labels, with 0 in the place of ignored ones."""
    if t.shape != shape[:1] + shape[2:]:
        raise ValueError(f"labels of shape {t.shape} do not fit scores of shape {shape}")
    classes = shape[1]
    if t.dtype == np.int64 and t.size and not 0 <= ignore_index < classes:
        greatest = np.maximum.reduce(t.view(np.uint64), axis=None)  # a negative one is huge there
        if greatest < classes:
            return None, t
    kept = t != ignore_index
    wrong = kept & ((t < 0) | (t >= classes))
    if wrong.any():
        raise said(
            IndexError,
            f"Target {t[wrong].flat[0]} is out of bounds. The labels of {classes} classes are 0 to "
            f"{classes - 1}.",
        )
    return kept, np.where(kept, t, 0)


def labelled(z: Array, label: Array) -> tuple[Array, Any]:
    """Every row's labelled class in an array of shape (n, c, ...): a view of the array, and the
    index of these elements in it.
    """
    if z.ndim == 2 and z.flags.f_contiguous:  # one index into flat memory is faster than two
        return z.T.reshape(-1), label * len(z) + upto(len(z))
    if z.ndim == 2 and z.flags.c_contiguous:
        return z.reshape(-1), label + upto(len(z)) * z.shape[1]
    grid = np.ogrid[tuple(slice(n) for n in label.shape)]
    return z, (grid[0], label, *grid[1:])


@lru_cache(maxsize=16)
def upto(n: int) -> Array:
    return np.arange(n)


def nll(
    z: Array,
    t: Array,
    w: Array,
    reduction: str = "mean",
    ignore_index: int = -100,
    out: Array | None = None,
) -> Array:
    kept, label = labels(t, z.shape, ignore_index)
    weight = weight_of(w, label)
    if z.shape[1]:
        view, index = labelled(z, label)
        loss = -view[index]
        if not (type(weight) is int and weight == 1):
            loss = loss * weight
    else:
        loss = np.zeros(t.shape, z.dtype)
    if kept is not None:
        loss = np.where(kept, loss, 0)
    y = shrunk(loss, reduction, total_weight(weight, kept, label.size))
    return y if out is None else store(out, y)


def nll_adjoint(
    x: Array,
    t: Array,
    w: Array,
    shape: tuple[int, ...],
    reduction: str = "mean",
    ignore_index: int = -100,
    out: Array | None = None,
) -> Array:
    kept, label = labels(t, shape, ignore_index)
    weight = weight_of(w, label)
    # no row counts: the mean is nan, and torch's gradient of it 0
    counts = reduction == "mean" and (kept is None or kept.any())
    each = x / total_weight(weight, kept, label.size) if counts else x
    if out is not None:
        y = out
        y.fill(0)
    elif len(shape) == 2 and feature_major(None, *shape):
        y = np.zeros(shape[::-1], x.dtype).T
    else:
        y = np.zeros(shape, x.dtype)
    if shape[1]:  # without classes all rows are ignored, else their labels were refused
        view, index = labelled(y, label)
        slope = -each if type(weight) is int and weight == 1 else -each * weight
        view[index] = slope if kept is None else np.where(kept, slope, 0)
    return y


def weight_of(w: Array, label: Array) -> Array:
    """The weight of every row: 1, or that of its class. Without classes no row counts."""
    if type(w) is int or np.ndim(w) == 0:
        return w
    return w[label] if len(w) else np.zeros(label.shape, w.dtype)


def total_weight(weight: Array, kept: Array | None, rows: int) -> float:
    """What the weighted mean divides by."""
    if type(weight) is int and kept is None:
        return float(weight * rows)
    if np.ndim(weight) == 0:
        return float((rows if kept is None else np.count_nonzero(kept)) * weight)
    return float(weight.sum() if kept is None else np.where(kept, weight, 0).sum())
