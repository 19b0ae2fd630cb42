"""Where inputs come from: named domains of numbers, and shapes and domains as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

MOST = 10_000_000
"""The most numbers that an array of a shape given as text may hold."""


class Piece(NamedTuple):
    """The numbers from ``low`` to ``high``; ``log``: drawn evenly by their logarithm."""

    low: float
    high: float
    share: float = 1.0
    log: bool = False


def both(low: float, high: float, share: float = 1.0, log: bool = False) -> tuple[Piece, ...]:
    """The numbers of that size, of either sign."""
    return Piece(low, high, share, log), Piece(-high, -low, share, log)


def point(x: float, share: float = 0.0) -> Piece:
    """A number by itself."""
    return Piece(x, x, share)


NEAR, FAR = 2.0**-10, 4.0
"""Ordinary numbers are of this size, or zero."""
SATURATED = both(20, 1000, share=1 / 8, log=True)
"""Where exp overflows or a sigmoid is 0 or 1."""


@dataclass(frozen=True)
class Domain:
    """A set of numbers to draw from.

    pieces: for a floating dtype, the intervals it is made of. kind: ``"floats"``, ``"rows"`` (each
    scaled to the sum 1), ``"whole"`` (from ``low`` to ``high``) or ``"booleans"``.
    """

    name: str
    meaning: str
    pieces: Callable[[Any], tuple[Piece, ...]] = lambda info: ()
    kind: str = "floats"
    low: int = -9
    high: int = 9

    def dtype(self, wanted: Any) -> np.dtype[Any]:
        """The dtype of its arrays where ``wanted`` is asked for; ValueError if it has none."""
        found: np.dtype[Any] = np.dtype(wanted)
        if self.kind == "booleans":
            return np.dtype(bool)
        if self.kind == "whole":
            return found if found.kind in "iu" else np.dtype(np.int64)
        if found not in (np.float16, np.float32, np.float64):
            raise ValueError(
                f"the domain {self.name!r} has no numbers of dtype {found}: take float16, float32 "
                f"or float64, or the domain 'integers' or 'mask'"
            )
        return found

    def floats(self, dtype: np.dtype[Any]) -> tuple[Piece, ...]:
        """Its pieces between numbers that ``dtype`` holds."""
        return self.pieces(np.finfo(dtype))


DOMAINS: dict[str, Domain] = {
    domain.name: domain
    for domain in (
        Domain(
            "real",
            "zero and ordinary numbers of either sign, of size 2**-10 to 4",
            lambda info: (point(0.0), *both(NEAR, FAR)),
        ),
        Domain("positive", "ordinary numbers above zero", lambda info: (Piece(NEAR, FAR),)),
        Domain("unit", "between 0 and 1, neither of them", lambda info: (Piece(NEAR, 1 - NEAR),)),
        Domain("nonzero", "ordinary numbers of either sign", lambda info: both(NEAR, FAR)),
        Domain(
            "large",
            "of size 20 to 1/eps, beyond which floats are whole numbers",
            lambda info: both(20, 1 / float(info.eps), log=True),
        ),
        Domain(
            "tiny",
            "of size eps**2 to the root of eps/2: their squares vanish beside 1",
            lambda info: both(
                max(float(info.eps) ** 2, float(info.tiny)),
                2.0 ** ((math.log2(info.eps) - 1) // 2),
                log=True,
            ),
        ),
        Domain(
            "any",
            "every finite number of the dtype, subnormals and extremes too",
            lambda info: (
                *(point(x, 1 / 16) for x in (0.0, -0.0)),
                *both(NEAR, FAR, share=1 / 4),
                *both(float(info.smallest_subnormal), float(info.max), log=True),
                *both(float(info.smallest_subnormal), float(info.smallest_subnormal), share=1 / 16),
                *both(float(info.max), float(info.max), share=1 / 16),
            ),
        ),
        Domain(
            "probabilities",
            "above zero, each row (the last axis) with the sum 1",
            lambda info: (Piece(NEAR, FAR),),
            kind="rows",
        ),
        Domain(
            "logits",
            "ordinary numbers, and some of size 20 to 1000, where exp overflows or saturates",
            lambda info: (point(0.0), *both(NEAR, FAR), *SATURATED),
        ),
        Domain("integers", "whole numbers from -9 to 9, int64 unless told", kind="whole"),
        Domain("mask", "true and false", kind="booleans"),
    )
}
"""The domains by name. ``"[-1, 1]"``, ``"(0, 3]"`` and ``"integers [0, 5)"`` are domains too."""

INTERVAL = re.compile(r"(integers\s*)?([\[(])([^,\[\]()]+),([^,\[\]()]+)([\])])")


class Interval(NamedTuple):
    """From ``low`` to ``high``, either with or without."""

    text: str
    low: float
    high: float
    above: bool
    below: bool

    def floats(self, info: Any) -> tuple[Piece]:
        """Its numbers of a dtype, from the first to the last."""
        make, infinity = info.dtype.type, info.dtype.type(np.inf)
        with np.errstate(over="ignore"):
            first, last = make(self.low), make(self.high)
            if float(first) < self.low or (self.above and float(first) == self.low):
                first = np.nextafter(first, infinity)
            if float(last) > self.high or (self.below and float(last) == self.high):
                last = np.nextafter(last, -infinity)
        if not first <= last or not np.isfinite([first, last]).all():
            raise ValueError(f"the interval {self.text} holds no finite {info.dtype}")
        return (Piece(float(first), float(last)),)

    def integers(self) -> tuple[int, int]:
        """Its first and last whole number."""
        low, high = math.ceil(self.low), math.floor(self.high)
        low += self.above and low == self.low
        high -= self.below and high == self.high
        if low > high:
            raise ValueError(f"the interval {self.text} holds no whole number")
        return low, high


def parse(text: str | Domain) -> Domain:
    """The domain of that name, or the interval.

    A square bracket takes its end in, a round one leaves it out.

    Raises:
        ValueError: There is no such domain; the message lists those there are.

    >>> parse("positive").meaning, parse("(0, 3]").name
    ('ordinary numbers above zero', '(0, 3]')
    """
    if isinstance(text, Domain):
        return text
    name = text.strip()
    if name in DOMAINS:
        return DOMAINS[name]
    match = INTERVAL.fullmatch(name)
    try:
        low, high = map(float, match.group(3, 4)) if match else (math.nan, math.nan)
    except ValueError:
        low = high = math.nan
    if not match or not math.isfinite(low) or not math.isfinite(high):
        raise ValueError(
            f"{text!r} is no domain: take {', '.join(DOMAINS)}, or an interval with finite ends "
            f"such as [-1, 1] or (0, 3]"
        )
    interval = Interval(name, low, high, match[2] == "(", match[5] == ")")
    if match[1]:
        first, last = interval.integers()
        return Domain(
            name, f"whole numbers from {first} to {last}", kind="whole", low=first, high=last
        )
    return Domain(name, f"numbers in {name}", interval.floats)


def draw(
    rng: np.random.Generator, shape: Shape, domain: str | Domain = "real", dtype: Any = "float64"
) -> Array:
    """Random numbers of a domain.

    Args:
        rng: Where they come from: ``np.random.default_rng(seed)``.
        shape: Of the array.
        domain: A name in :data:`DOMAINS`, or an interval such as ``"(0, 3]"``.
        dtype: float16, float32 or float64; ``"integers"`` take a dtype of integers (int64 for
            others), a ``"mask"`` is boolean whatever is asked for.

    Raises:
        ValueError: There is no such domain, or the dtype has no numbers in it.

    >>> draw(np.random.default_rng(0), (2, 3), "[0, 1]").round(2)
    array([[0.61, 0.73, 0.54],
           [0.94, 0.82, 0.  ]])
    """
    found = parse(domain)
    dtype = found.dtype(dtype)
    if found.kind == "booleans":
        return np.asarray(rng.random(shape) < 0.5)
    if found.kind == "whole":
        low, high = whole(found, dtype)
        return np.asarray(rng.integers(low, high, shape, dtype, endpoint=True))
    pieces = found.floats(dtype)
    shares = np.array([piece.share for piece in pieces])
    which = rng.choice(len(pieces), shape, p=shares / shares.sum())
    t = rng.random(shape)
    x = np.zeros(shape)
    for i, piece in enumerate(pieces):
        x = np.where(which == i, spread(t, piece), x)
    return rows(x.astype(dtype)) if found.kind == "rows" else x.astype(dtype)


def spread(t: Array, piece: Piece) -> Array:
    """Where in a piece the fractions ``t`` stand."""
    low, high = piece.low, piece.high
    if piece.log and low != high:
        ends = math.log(abs(low)), math.log(abs(high))
        with np.errstate(over="ignore"):
            x = math.copysign(1, low) * np.exp(ends[0] + t * (ends[1] - ends[0]))
    else:
        x = low * (1 - t) + high * t  # high - low might overflow
    return np.asarray(np.clip(x, low, high))


def whole(domain: Domain, dtype: np.dtype[Any]) -> tuple[int, int]:
    """The least and the largest of a domain's whole numbers that the dtype holds."""
    info = np.iinfo(dtype)
    low, high = max(domain.low, int(info.min)), min(domain.high, int(info.max))
    if low > high:
        raise ValueError(f"the domain {domain.name!r} has no numbers of dtype {dtype}")
    return low, high


def rows(x: Array) -> Array:
    """``x`` with each row (the last axis) scaled to the sum 1."""
    total = x.sum(axis=-1 if x.ndim else None, keepdims=True)
    return np.asarray(x / total, x.dtype)


# --- as text --------------------------------------------------------------------------------------

SIZES = r"\d+(\s*,\s*\d+)*\s*,?"
SHAPE = re.compile(rf"{SIZES}|\(\s*({SIZES})?\s*\)", re.ASCII)


def shapes(text: str) -> list[Shape]:
    """Shapes as a command line has them, a semicolon between two; ``()`` is a number's.

    Raises:
        ValueError: Something in it is no shape, or holds more than 10 million numbers.

    >>> shapes("3,4; 4; ()")
    [(3, 4), (4,), ()]
    """
    return [shape(part.strip()) for part in text.split(";")]


def shape(text: str) -> Shape:
    """One shape: ``"3,4"``, ``"(3, 4)"``, ``"4"`` or ``"()"``."""
    if not SHAPE.fullmatch(text):
        raise ValueError(
            f"{text!r} is no shape: give whole numbers with commas between them, such as 3,4, "
            f"and () for a single number"
        )
    found = tuple(map(int, re.findall(r"\d+", text)))
    if math.prod(found) > MOST:
        raise ValueError(f"the shape {found} has {math.prod(found)} numbers: at most {MOST} fit")
    return found


def per_input(text: str, count: int) -> list[Domain]:
    """A domain for each of ``count`` inputs: one for all, or one for each with semicolons.

    >>> [d.name for d in per_input("real; unit", 2)], [d.name for d in per_input("any", 2)]
    (['real', 'unit'], ['any', 'any'])
    """
    found = [parse(part) for part in text.split(";")]
    return each(found, count, "domains")


def each(values: Sequence[Any], count: int, what: str) -> list[Any]:
    """The values, one for each of ``count`` inputs; a single one is everybody's."""
    if len(values) not in (1, count):
        raise ValueError(f"{len(values)} {what} for {count} inputs: give one, or one for each")
    return list(values) if len(values) == count else list(values) * count
