"""What kind of mistake a wrong gradient looks like.

Each known mistake predicts a gradient from what is known of the right one: the Jacobian J by
differences, the cotangents g, the inputs and the outputs. The first whose prediction is the
gradient given, at every coordinate and for every cotangent, names it.
"""

from __future__ import annotations

import numpy as np

from .gradient import Evidence
from .mistakes import (
    named_factor,
    of_cotangents,
    of_formulas,
    of_normalizers,
    of_nothing,
    of_numbers,
    of_operands,
    of_order,
    of_paths,
    of_sums,
    of_swaps,
)  # fmt: skip
from .scene import Diagnosis, Scene, where
from .subject import Array


def diagnose(evidence: Evidence, i: int) -> Diagnosis:
    """The mistake that explains the gradient for input ``i``; empty if none does."""
    scene = Scene(evidence, i)
    if not scene.rows:
        return "", ""
    if evidence.narrowed:
        what = "zero" if (scene.u == 0).all() else "off"
        places = where(scene, scene.wrong)
        return "entries", f"right but for {places}, which is {what}, of {evidence.narrowed}"
    for kind in (of_nothing, of_numbers, of_swaps, of_sums, of_cotangents, of_order):
        for hint, words, prediction in kind(scene):
            if scene.fits(prediction):
                return hint, words
    found = of_sides(scene)
    if found[0]:
        return found
    for kind in (of_paths, of_normalizers, of_formulas, of_operands):
        for hint, words, prediction in kind(scene):
            if scene.fits(prediction):
                return hint, words
    return of_places(scene)


def of_sides(s: Scene) -> Diagnosis:
    """Right on one side, wrong on the other: of zero, or of a size."""
    right, wrong = ~s.wrong, s.wrong
    finite = np.asarray(np.isfinite(s.u).all(axis=0))
    size = np.abs(s.x)
    if not right.any() or not wrong.any():
        return "", ""
    if size[wrong].min() > max(10.0, size[right].max()):
        what = "wrong" if finite[wrong].all() else "nan or infinite"
        return (
            "unstable branch",
            f"{what} only where |{s.name}| > {size[right].max():.3g}: "
            + ("a branch for large numbers" if what == "wrong" else "a branch that overflows"),
        )
    moving = np.abs(s.T).max(axis=0) > 0
    for sign, word in ((-1, "negative"), (1, "positive")):
        side = np.sign(s.x) == sign
        if (
            min(wrong.sum(), (right & ~side & (s.x != 0)).sum()) > 1
            and (wrong == (side & (moving | wrong))).all()
        ):
            return "one-sided", f"wrong only where {s.name} is {word}"
    return "", ""


def of_places(s: Scene) -> Diagnosis:
    """Right in most places: what do the wrong ones have in common?"""
    right, wrong = ~s.wrong, s.wrong
    nothing = np.asarray(~np.isfinite(s.u).all(axis=0))
    size = np.abs(s.x)
    if nothing.any() and size[nothing].max() > 10:
        return "unstable branch", f"nan or infinite at {where(s, nothing)}: a branch that overflows"
    if not right.any() or not wrong.any():
        return small_errors(s)
    share = f"{int(wrong.sum())} of {wrong.size}"
    ratio = constant_ratio(s.u[:, wrong], s.T[:, wrong])
    if ratio and wrong.sum() > 1:
        return "factor", f"{named_factor(ratio, s)} x the gradient at {share}: {where(s, wrong)}"
    if wrong.sum() <= max(1, wrong.size // 2):
        zero = (s.u[:, wrong] == 0).all()
        what = "zero" if zero else "nan" if nothing.any() else "off"
        return "entries", f"right but for {share}, which are {what}: {where(s, wrong)}"
    return small_errors(s)


def constant_ratio(u: Array, T: Array) -> float:
    """The factor between two arrays, or 0 if there is none."""
    if not np.isfinite(u).all() or not T.any():
        return 0.0
    c = float((u * T).sum() / (T * T).sum())
    fits = np.abs(u - c * T).max(initial=0) <= 1e-3 * abs(c - 1) * np.abs(T).max(initial=0)
    return c if fits else 0.0


def small_errors(s: Scene) -> Diagnosis:
    """Errors of float32's size, scattered as rounding is."""
    with np.errstate(all="ignore"):
        relative = np.abs(s.u / s.T - 1)[np.abs(s.T) > 1e-6 * np.abs(s.T).max(initial=0)]
    if relative.size > 1 and np.median(relative) > 1e-9 and relative.max() < 1e-5:
        return (
            "dtype drop",
            f"errors of {relative.max():.0e}, scattered: rounded to float32 on the way",
        )
    return "", ""


def of_shape(given: Array, right: Array, cotangent: Array, name: str) -> Diagnosis:
    """Why a gradient has another shape than its input; ``right`` is the gradient by differences."""
    want = right.shape
    if given.shape == (1, *want) or given.size == right.size:
        same = np.allclose(given.reshape(-1), right.reshape(-1), rtol=1e-6, atol=1e-9)
        if (
            given.shape == want[::-1]
            and given.ndim == 2
            and np.allclose(given.T, right, 1e-6, 1e-9)
        ):
            return "transposed", f"yours is the transpose of the gradient for {name}"
        if same:
            return (
                "kept axis",
                f"yours has the right numbers in shape {given.shape}: axes of size 1 kept",
            )
    try:
        summed = sum_to(given, want)
    except ValueError:
        summed = None
    if summed is not None:
        ok = np.allclose(summed, right, rtol=1e-6, atol=1e-9)
        axes = lost(given.shape, want)
        text = f"shape {given.shape}: not summed over {axes}, which {name} was broadcast along"
        if ok or given.shape == cotangent.shape:
            return "missing sum", text
    if given.shape == want[::-1]:
        return "transposed", f"yours has the shape of the transpose of {name}"
    return (
        "wrong axis",
        f"yours was summed to shape {given.shape} over other axes than {name} has not",
    )


def lost(given: tuple[int, ...], want: tuple[int, ...]) -> str:
    """The axes that broadcasting added or stretched: ``axis 0``."""
    extra = len(given) - len(want)
    axes = [k for k in range(len(given)) if k < extra or given[k] != want[k - extra]]
    return ("axis " if len(axes) == 1 else "axes ") + " and ".join(map(str, axes))


def sum_to(a: Array, shape: tuple[int, ...]) -> Array:
    """The sum over what was broadcast from ``shape``; ValueError if nothing was."""
    if np.broadcast_shapes(a.shape, shape) != a.shape:
        raise ValueError(shape)
    extra = a.ndim - len(shape)
    a = a.sum(axis=tuple(range(extra)))
    axes = tuple(k for k, n in enumerate(shape) if n == 1 and a.shape[k] != 1)
    return np.asarray(a.sum(axis=axes, keepdims=True)) if axes else np.asarray(a)
