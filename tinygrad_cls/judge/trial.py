"""A subject under examination: called quietly, on its own copies, with random state held."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..random import get_rng_state, rand, set_rng_state
from .subject import Answer, Array, Arrays, Subject, Unfit, printable


class Trial:
    """Calls a subject. Values are one float64 vector, of all outputs end to end.

    An exception or a value that isn't finite means: outside the domain, nan.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.copies = False  # whether a call must be kept from writing into its arguments
        self.held: list[Any] | None = None  # the random state that every call starts from
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[np.dtype[Any]] = []

    def outputs(self, arrays: Arrays) -> tuple[Array, ...]:
        """The outputs as they are."""
        if self.copies:
            arrays = [a.copy() for a in arrays]
        self.rewind()
        return self.subject.values(arrays)

    def rewind(self) -> None:
        """Puts the random state back to where every call starts, if it's held."""
        if self.held is not None:
            restore(self.held)

    def learn(self, arrays: Arrays) -> tuple[Array, ...]:
        """The outputs, whose shapes and dtypes all later calls are held to."""
        ys = self.outputs(arrays)
        self.shapes, self.dtypes = [y.shape for y in ys], [y.dtype for y in ys]
        return ys

    def value(self, arrays: Arrays) -> Array:
        """The outputs as one vector, nan where the function has no value."""
        try:
            ys = self.outputs(arrays)
        except Unfit:
            raise
        except Exception:  # noqa: BLE001  (whatever a function raises outside its domain)
            return self.nowhere
        if [y.shape for y in ys] != self.shapes:
            return self.nowhere
        return flat(ys)

    @property
    def nowhere(self) -> Array:
        return np.full(self.size, np.nan)

    @property
    def size(self) -> int:
        return sum(count(shape) for shape in self.shapes)

    def cotangents(self, g: Array) -> list[Array]:
        """The vector ``g`` as cotangents of the outputs, in their dtypes."""
        parts, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            part = g[start : start + count(shape)].reshape(shape)
            kind = dtype if dtype.kind == "f" else np.dtype(np.float64)
            parts.append(np.array(part, kind))
            start += count(shape)
        return parts

    def pull(self, arrays: Arrays, g: Array) -> tuple[Any, ...]:
        """Backward's answer to the cotangent ``g``; Answer if it raises."""
        return self.pull_parts(arrays, self.cotangents(g))

    def pull_parts(self, arrays: Arrays, parts: Arrays) -> tuple[Any, ...]:
        """Backward's answer to cotangents that are arrays already."""
        if self.copies:
            arrays, parts = [a.copy() for a in arrays], [g.copy() for g in parts]
        self.rewind()
        try:
            return self.subject.pullback(arrays, parts)
        except (Answer, Unfit):
            raise
        except Exception as error:
            raise Answer("backward raises", f"backward raised {said(error)}") from error


def said(error: BaseException) -> str:
    """An exception in one line."""
    try:
        words = printable(str(error))
    except Exception:  # noqa: BLE001  (an exception that can't be printed)
        words = ""
    return f"{type(error).__name__}: {words[:300]}" if words else type(error).__name__


def count(shape: Sequence[int]) -> int:
    """How many numbers an array of that shape holds."""
    size = 1
    for n in shape:
        size *= n
    return size


def flat(arrays: Sequence[Array]) -> Array:
    """All numbers in one float64 vector; what isn't finite is nan."""
    parts = [np.asarray(a.real if a.dtype.kind == "c" else a, np.float64).ravel() for a in arrays]
    y = parts[0].copy() if len(parts) == 1 else np.concatenate(parts)
    y[~np.isfinite(y)] = np.nan
    return y


# --- what a call may depend on beside its arguments -----------------------------------------------


def states() -> list[Any]:
    """The states of all global random generators that are there."""
    found: list[Any] = [random.getstate(), np.random.get_state(), get_rng_state()]  # noqa: NPY002
    torch: Any = sys.modules.get("torch")
    found.append(torch.get_rng_state() if hasattr(torch, "get_rng_state") else None)
    return found


def draw() -> None:
    """A random number from every global generator."""
    random.random()
    np.random.random()  # noqa: NPY002  (the global generator is the subject here)
    rand(1)
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        torch.rand(1)


def restore(held: list[Any]) -> None:
    """Puts the generators back."""
    random.setstate(held[0])
    np.random.set_state(held[1])  # noqa: NPY002
    set_rng_state(held[2])
    if held[3] is not None:
        sys.modules["torch"].set_rng_state(held[3])


def moved(before: list[Any], after: list[Any]) -> bool:
    """Whether a random number was drawn between two looks at the states."""
    pairs = zip(before, after, strict=True)
    return any(repr_state(a) != repr_state(b) for a, b in pairs if a is not None)


def repr_state(state: Any) -> Any:
    """A state as something that can be compared."""
    if state is None:
        return None
    if isinstance(state, tuple):  # Python's and NumPy's
        return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)
    return np.asarray(state).tobytes()


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings, and with the random state as it was afterwards."""
    found = states()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        restore(found)
