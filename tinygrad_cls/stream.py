"""PyTorch's CPU random stream, in NumPy: seeded alike, both give the same numbers.

`Stream` is the Mersenne Twister behind ``torch.manual_seed`` (Matsumoto & Nishimura, ACM TOMACS
8(1), 1998), with torch's ways of turning its 32-bit words w into values:

================  ========================  ====================================================
here              torch                     value
================  ========================  ====================================================
``uniform``       ``rand, uniform_``        u (high - low) + low, with u = (w mod 2^24) 2^-24,
                                            or u = (ww' mod 2^53) 2^-53 in float64
``normal``        ``randn, normal_``        z std + mean, with z from pairs of u
``integers``      ``randint, random_``      low + w mod (high - low); ww' for 2^28 values or more
``permutation``   ``randperm``              for every i, swap number i with number i + w mod (n - i)
``bernoulli``     ``bernoulli_, dropout``   u < p
================  ========================  ====================================================

ww' stands for 2^32 w + w'. Values equal torch's bit by bit, and the stream is left where torch
leaves it. The exception: last bits of float32 normals without AVX2 (`Stream.normal`).

**One rounding or two.** Half of a layer's initial weights depend, in their last bit, on whether a
product plus a sum is rounded once (fused multiply-add) or twice. torch rounds once where it finds
AVX2, and twice where it does not or is started with ``ATEN_CPU_CAPABILITY=default``. Here
``fused=True`` and ``False`` choose; None does as torch would on this machine (`fused_kernels`).

The rules are PyTorch 2.13's observable behaviour. Nothing here knows of tensors.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Callable
from functools import cache, cached_property
from operator import index
from threading import RLock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Stream", "fma", "fused_kernels"]

Reals: TypeAlias = NDArray[np.floating[Any]]
Real: TypeAlias = type[np.float16] | type[np.float32] | type[np.float64]
Shape: TypeAlias = int | tuple[int, ...]

BLOCK = 1 << 13  # values drawn at a time, so that what lies between words and values stays in cache

# The record in torch.get_rng_state(). Fields named _ are always 0: nothing on a CPU writes them.
_STATE = np.dtype([
    ("seed", "u8"), ("left", "i4"), ("seeded", "i4"), ("next", "u8"), ("key", "u8", 624),
    ("_x", "f8"), ("spare", "f8"), ("_rho", "f8"), ("has_spare", "i8"), ("_float_spare", "u8"),
])  # fmt: skip


class Stream:
    """torch's CPU generator (``torch.Generator()``), drawing arrays.

    Threads may share one; a copy (``copy.copy``, ``pickle``) goes its own way.

    >>> stream = Stream(42)
    >>> stream.uniform(2), stream.permutation(5)
    (array([0.88226926, 0.91500396], dtype=float32), array([1, 3, 2, 4, 0]))
    """

    def __init__(self, seed: int = 67280421310721) -> None:
        self._lock = RLock()
        self.seed(seed)

    @cached_property
    def _twister(self) -> np.random.MT19937:
        twister = np.random.MT19937(0)  # here, for loading numpy.random is a tenth of an import
        np.random.RandomState(twister).seed(self._seed % 2**32)
        return twister

    def seed(self, seed: int) -> None:
        """Start anew, as ``torch.manual_seed``; only the lower 32 bits count.

        A negative seed stands for seed + 2^64. ValueError outside [-2^63, 2^64).

        >>> stream = Stream()
        >>> stream.seed(-1)
        >>> stream.initial_seed == 2**64 - 1
        True
        """
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long long: seed {seed} not in [-2^63, 2^64)")
        with self._lock:
            self.__dict__.pop("_twister", None)  # the first draw makes a new one
            self._seed, self._drawn = seed % 2**64, False
            self._spare: float | None = None

    @property
    def initial_seed(self) -> int:
        """The seed last given, in [0, 2^64).

        >>> Stream(3).initial_seed
        3
        """
        return self._seed

    def get_state(self) -> NDArray[np.uint8]:
        """All that later draws depend on: the 5056 bytes of ``torch.get_rng_state()``.

        >>> stream = Stream(0)
        >>> state = stream.get_state()
        >>> a = stream.uniform(3)
        >>> stream.set_state(state)
        >>> bool((a == stream.uniform(3)).all())
        True
        """
        with self._lock:
            state = np.zeros(1, _STATE)
            twister = self._twister.state["state"]
            state["seed"], state["seeded"], state["key"] = self._seed, 1, twister["key"]
            state["left"] = 625 - twister["pos"]
            # NumPy has 624 both before the first word and after a block's last; torch 0 and 624.
            state["next"] = twister["pos"] if self._drawn else 0
            if self._spare is not None:
                state["spare"], state["has_spare"] = self._spare, 1
            return state.view(np.uint8)

    def set_state(self, state: NDArray[np.uint8]) -> None:
        """Go on from a state of `get_state`, or from torch's as an array.

        TypeError unless it is uint8; RuntimeError for another size or an impossible content.

        >>> stream = Stream(1)
        >>> stream.set_state(Stream(2).get_state())
        >>> stream.initial_seed
        2
        """
        if getattr(state, "dtype", None) != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor: 5056 bytes as get_state() gives")
        if state.size != _STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} "
                f"but found the input RNG state size to be {state.size}"
            )
        new = np.ascontiguousarray(state).reshape(-1).view(_STATE)[0]
        left, place = int(new["left"]), int(new["next"])
        if not (new["seeded"] and 0 < left < 625 and left + place in {1, 625}):
            raise RuntimeError("Invalid mt19937 state: not one that get_state() gives")
        key, pos = new["key"].astype(np.uint32), 625 - left
        with self._lock:
            self._twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": pos}}
            self._seed, self._drawn = int(new["seed"]), place > 0
            self._spare = float(new["spare"]) if new["has_spare"] else None

    def words(self, n: int) -> NDArray[np.uint64]:
        """The next n words, in [0, 2^32).

        >>> Stream(5489).words(3)  # the first words of Matsumoto & Nishimura's own program
        array([3499211612,  581869302, 3890346734], dtype=uint64)
        """
        with self._lock:
            self._drawn |= n > 0
            return self._twister.random_raw(n)

    def _words64(self, n: int) -> NDArray[np.uint64]:
        """The next 2n words as n numbers of 64 bits, the upper half drawn first."""
        words = self.words(2 * n)
        return words[0::2] << np.uint64(32) | words[1::2]

    def _unit(self, n: int, real: Real) -> Reals:
        """n values in [0, 1), evenly spaced by the precision of ``real``."""
        if real is np.float32:
            return (self.words(n) % 2**24).astype(real) * real(2**-24)
        return (self._words64(n) % 2**53) * real(2**-53)

    def uniform(
        self,
        shape: Shape,
        dtype: DTypeLike = np.float32,
        low: float = 0.0,
        high: float = 1.0,
        *,
        fused: bool | None = None,
    ) -> Reals:
        """u (high - low) + low, in [low, high): ``torch.rand``, ``Tensor.uniform_``.

        float32 takes one word a value, float64 two; float16 is float32 rounded. A value that
        rounds up to ``high`` becomes ``low``, as in torch. RuntimeError for bounds that torch
        refuses.

        >>> Stream(0).uniform((2, 2), np.float64, -1.0, 1.0)
        array([[ 0.940106  ,  0.41563973],
               [-0.08123411,  0.84149537]])
        """
        n, real = _size(shape), _real(dtype, "check_uniform_bounds")
        _check_bounds(low, high, real)
        wide = _computed_in(real)
        a, b = wide(low), wide(high)
        values = np.empty(n, real)
        with self._lock:
            for i in range(0, n, BLOCK):
                u = self._unit(min(BLOCK, n - i), wide)
                values[i : i + BLOCK] = u if (low, high) == (0, 1) else _line(u, b - a, a, fused)
        values[values == real(high)] = real(low)
        return values.reshape(shape)

    def normal(
        self,
        shape: Shape,
        dtype: DTypeLike = np.float32,
        mean: float = 0.0,
        std: float = 1.0,
        *,
        fused: bool | None = None,
    ) -> Reals:
        """z std + mean: ``torch.randn``, ``Tensor.normal_``.

        Box & Muller (Ann. Math. Stat. 29, 1958): from two uniforms, two normals
        z, z' = sqrt(-2 ln(1 - u)) (cos 2πu', sin 2πu').

        Fewer than 16 values come one by one from float64 pairs, and a z' left over waits for the
        next such call. From 16 on they come in blocks of 8 z and 8 z', computed in ``dtype``;
        where the blocks do not fit, the last 16 values are drawn again. float16 is float32 rounded;
        there the last 16 are drawn once.

        Equal to torch's, but for float32 blocks where torch does not use AVX2: with
        ``fused=False``, 1 value in 70 is off, z by 2.4e-7 at most (measured). RuntimeError
        unless std >= 0.

        >>> Stream(0).normal(3)
        array([ 1.5409961, -0.2934289, -2.1787894], dtype=float32)
        """
        n, real = _size(shape), _real(dtype, "normal_kernel_cpu")
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
        wide = _computed_in(real)
        values = np.empty(n, real)
        with self._lock, np.errstate(over="ignore"):
            if n < 16:
                z = np.array([self._one_normal() for _ in range(n)])
                values[:] = _line(z, std, mean, fused).astype(wide)
            whole = n - n % 16
            for i in range(0, whole, BLOCK):
                u = self._unit(min(BLOCK, whole - i), wide)
                values[i : i + len(u)] = fma(_box_muller(u, fused), std, mean)
            if 16 < n != whole:
                if real is wide:  # torch has drawn all n before it redraws the end
                    self._unit(n - whole, wide)
                values[-16:] = fma(_box_muller(self._unit(16, wide), fused), std, mean)
        return values.reshape(shape)

    def _one_normal(self) -> float:
        if self._spare is not None:
            z, self._spare = self._spare, None
            return z
        angle, u = self._unit(2, np.float64).tolist()
        radius = math.sqrt(-2 * math.log1p(-u))
        self._spare = radius * math.sin(2 * math.pi * angle)
        return radius * math.cos(2 * math.pi * angle)

    def integers(self, low: int, high: int, shape: Shape) -> NDArray[np.int64]:
        """low + w mod (high - low), in [low, high): ``torch.randint``.

        Ranges of 2^28 and more take two words a value. ``integers(0, 2**63, shape)`` is
        ``Tensor.random_()``. RuntimeError if the range is empty, ValueError beyond int64.

        >>> Stream(0).integers(0, 10, 8)
        array([4, 9, 3, 0, 3, 9, 7, 3])
        """
        n, low, high = _size(shape), index(low), index(high)
        if low >= high:
            raise RuntimeError(
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
            )
        span = high - low
        if low < -(2**63) or high > 2**63 or span == 2**64:
            raise ValueError(f"Overflow when unpacking long long: [{low}, {high}) is beyond int64")
        words = self.words(n) if span < 2**28 else self._words64(n)
        return (words % np.uint64(span) + np.uint64(low % 2**64)).view(np.int64).reshape(shape)

    def permutation(self, n: int) -> NDArray[np.int64]:
        """0 .. n-1 shuffled (Fisher & Yates): ``torch.randperm``.

        >>> Stream(0).permutation(5)
        array([4, 0, 1, 3, 2])
        """
        if _size(n) >= 2**32 // 20:
            raise NotImplementedError(f"randperm({n}): torch shuffles otherwise from 214748364 on")
        order = list(range(n))
        jumps = self.words(max(n - 1, 0)) % np.arange(n, 1, -1).astype(np.uint64)
        for i, jump in enumerate(jumps.tolist()):
            order[i], order[i + jump] = order[i + jump], order[i]
        return np.array(order, np.int64)

    def bernoulli(self, shape: Shape, p: float | Reals) -> NDArray[np.bool_]:
        """u < p, true with probability p: ``Tensor.bernoulli_``.

        u is a float64 if p is a number or an array (of that shape) of float64, else a float32.
        Dropout with probability q keeps ``bernoulli(shape, 1 - q)``. RuntimeError unless
        0 <= p <= 1.

        >>> Stream(0).bernoulli(4, 0.5)
        array([False, False,  True, False])
        """
        if not np.all(np.less_equal(0, p) & np.less_equal(p, 1)):
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        short = isinstance(p, np.ndarray) and p.dtype != np.float64
        return self.uniform(shape, np.float32 if short else np.float64) < p

    def __getstate__(self) -> NDArray[np.uint8]:
        return self.get_state()

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        Stream.__init__(self)
        self.set_state(state)


def _real(dtype: DTypeLike, kernel: str) -> Real:
    real = np.dtype(dtype).type
    if real in (np.float16, np.float32, np.float64):
        return real
    raise NotImplementedError(
        f'"{kernel}" not implemented for {real.__name__}: draw float16, float32 or float64'
    )


def _computed_in(real: Real) -> type[np.float32] | type[np.float64]:
    return np.float64 if real is np.float64 else np.float32


def _check_bounds(low: float, high: float, real: Real) -> None:
    kind = {np.float16: "Half", np.float32: "float", np.float64: "double"}[real]
    limit = float(np.finfo(real).max)
    for name, bound in (("from", low), ("to", high)):
        if not abs(bound) <= limit:
            scope = "c10::" * (real is np.float16)
            raise RuntimeError(f"{name} is out of bounds for {scope}{kind}: {bound}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{kind.title()}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )


def _size(shape: Shape) -> int:
    dims = [index(dim) for dim in (shape if isinstance(shape, tuple) else (shape,))]
    for dim in dims:
        if dim < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {dim}: {dims}")
    return math.prod(dims)


@cache
def fused_kernels() -> bool:
    """Does torch round a product plus a sum once, on this machine?

    As torch decides: yes with AVX2 and FMA, unless ``ATEN_CPU_CAPABILITY=default`` was set at the
    start. Yes on 64-bit ARM, whose compilers fuse everywhere; no on Windows, whose compiler does
    not unless told. These two follow from the compilers' manuals and have not been checked.

    >>> fused_kernels() in (True, False)
    True
    """
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return sys.platform != "win32"
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    found = {*simd.get("baseline", ()), *simd.get("found", ())}
    capable = "X86_V3" in found or {"AVX2", "FMA3"} <= found  # as NumPy says from 2.4 on; before
    wanted = os.environ.get("ATEN_CPU_CAPABILITY") != "default"
    return capable and wanted and sys.platform != "win32"


def _line(x: Reals, slope: Any, start: Any, fused: bool | None) -> Reals:
    if fused_kernels() if fused is None else fused:
        return fma(x, slope, start)
    line: Reals = x * slope + start
    return line


@np.errstate(over="ignore", invalid="ignore")
def fma(x: ArrayLike, y: ArrayLike, z: ArrayLike) -> Reals:
    """x y + z rounded once, in float32 or float64: a fused multiply-add.

    Boldo & Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Comput. 57(4),
    2008. In float64 the product must be 0 or of a size between 1e-270 and 1e300.

    >>> x = np.float64(1 + 2**-30)
    >>> float(fma(x, x, -1.0) - (x * x - 1.0)) == 2.0**-60  # what the product's rounding loses
    True
    """
    kind = np.result_type(x, y, z)
    a, b, c = (np.asarray(v, kind) for v in (x, y, z))
    p = np.multiply(a, b, dtype=np.float64)
    if kind == np.float32:  # 24 + 24 bits: p is exact
        return _sum_to_odd(p, c.astype(np.float64)).astype(np.float32)
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    p2 = a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)  # Dekker: a b = p + p2
    s, s2 = _two_sum(c, p2)
    t, t2 = _two_sum(p, s)
    r = t + _sum_to_odd(t2, s2)
    return np.where(np.isfinite(r) & (r != 0), r, p + c)  # p + c: inf, nan and a zero's sign


def _two_sum(a: Reals, b: Reals) -> tuple[Reals, Reals]:
    """Knuth: a + b = s + e exactly, s being the rounded sum."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _sum_to_odd(a: Reals, b: Reals) -> Reals:
    """a + b, and if that is inexact, of its two neighbours the one whose last bit is 1.

    Such a sum can be rounded once more, to fewer bits, as if it were exact.
    """
    s, e = _two_sum(a, b)
    bits = s.view(np.int64)
    outward = np.where((e > 0) == (s > 0), 1, -1)
    inexact = (e > 0) | (e < 0)  # false for nan
    odd: Reals = (bits + outward * (inexact & ~bits)).view(np.float64)
    return odd


def _halves(x: Reals) -> tuple[Reals, Reals]:
    """x = hi + lo, of 26 bits each: the products of such halves are exact in float64."""
    hi = (x.view(np.int64) + (1 << 26) & -(1 << 27)).view(np.float64)
    return hi, x - hi


def _box_muller(u: Reals, fused: bool | None) -> Reals:
    """Normals from uniforms, 16 by 16: 8 for radii and 8 for angles make 8 cosines and 8 sines."""
    u1, u2 = np.moveaxis(u.reshape(-1, 2, 8), 1, 0)
    if u.dtype == np.float32 and (fused_kernels() if fused is None else fused):
        log, (sin, cos) = _log(1 - u1), _sin_cos(np.float32(2 * math.pi) * u2)
    else:
        angle = (2 * math.pi * u2.astype(np.float64)).astype(u.dtype)
        log, sin, cos = _map(math.log, 1 - u1), _map(math.sin, angle), _map(math.cos, angle)
    radius = np.sqrt(-2 * log)
    return np.stack([radius * cos, radius * sin], axis=1).reshape(-1)


def _map(f: Callable[[float], float], x: Reals) -> Reals:
    """f of each element by the C library, as in torch; NumPy's own differs in last bits."""
    return np.fromiter(map(f, x.ravel().tolist()), x.dtype, x.size).reshape(x.shape)


# torch's vector kernel for float32 takes ln, sin and cos from Cephes (S. L. Moshier, Methods and
# Programs for Mathematical Functions, 1989; netlib.org/cephes/single.tgz), every a b + c fused.
_LN = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_LN2 = 0.693359375, -2.12194440e-4
_SIN = -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1
_COS = 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2
_QUARTER_PI = 0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8


def _horner(x: Reals, coefficients: tuple[float, ...]) -> Reals:
    y = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y = fma(y, x, c)
    return y


def _log(x: Reals) -> Reals:
    """ln x = e ln 2 + ln(1 + m), with 1 + m in [sqrt(1/2), sqrt 2)."""
    half, e = np.frexp(x)
    small = half < np.float32(math.sqrt(0.5))
    m, e = np.where(small, half + half, half) - 1, (e - small).astype(np.float32)
    y = fma(_horner(m, _LN) * m, m * m, e * np.float32(_LN2[1]))
    return fma(e, _LN2[0], m + fma(m * m, -0.5, y))


def _sin_cos(x: Reals) -> tuple[Reals, Reals]:
    """sin x and cos x, x >= 0, from the nearest even multiple j of π/4."""
    j = (x * np.float32(4 / math.pi)).astype(np.int32) + 1 & ~1
    for part in _QUARTER_PI:
        x = fma(j.astype(np.float32), -part, x)
    z = x * x
    sin = fma(_horner(z, _SIN) * z, x, x)
    cos = fma(_horner(z, _COS) * z, z, z * np.float32(-0.5)) + 1
    s, c = np.where(j & 2, cos, sin), np.where(j & 2, sin, cos)
    return np.where(j & 4, -s, s), np.where(j + 2 & 4, -c, c)
