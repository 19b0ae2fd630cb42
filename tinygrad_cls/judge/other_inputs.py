"""Inputs of other sizes and values than those given, where mistakes hide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .exam import Exam
from .subject import Array
from .trial import flat


def other_sizes(exam: Exam) -> Iterator[tuple[str, list[Array]]]:
    """The inputs with all axes of a size cut by one; to 1 and to 0 where the output's shape shows
    that the function takes that axis at any size; and 0-d inputs of an elementwise function.
    """
    shapes = [a.shape for a in exam.arrays]
    outs = exam.trial.shapes
    # torch's kernels may divide by a size of 0, which ends the process
    smallest = (1,) if exam.subject.engine == "torch" else (1, 0)
    for n in sorted({n for shape in shapes for n in shape if n > 2}):
        # one less: a function that holds another array of that size refuses it
        yield cut_to(exam, n, n - 1)
    for n in sorted({n for shape in shapes for n in shape if n > 1}):
        if any(n in shape for shape in outs):
            for to in smallest:
                yield cut_to(exam, n, to)
    for to in smallest:
        if len({s for s in shapes if s}) == 1 and outs[0] in shapes and outs[0]:
            cut = [a[tuple(slice(to) for _ in a.shape)] for a in exam.arrays]
            expected = [tuple(min(to, m) for m in shape) for shape in outs]
            yield resized(exam, cut, expected, f"all axes cut to {to}")
    if all(s == outs[0] for s in shapes) and outs[0] and len(outs) == 1 and exam.arrays[0].size:
        cut = [np.array(a.reshape(-1)[0]) for a in exam.arrays]
        yield resized(exam, cut, [()], "0-d inputs")


def cut_to(exam: Exam, n: int, to: int) -> tuple[str, list[Array]]:
    """Every axis of size ``n`` cut to ``to``, in all inputs and, as must show, in the outputs."""
    cut = list(exam.arrays)
    for i, a in enumerate(exam.arrays):
        for axis in range(a.ndim):
            if a.shape[axis] == n:
                cut[i] = np.take(cut[i], range(to), axis)
    expected = [tuple(to if m == n else m for m in shape) for shape in exam.trial.shapes]
    return resized(exam, cut, expected, f"axes of {n} cut to {to}")


def resized(
    exam: Exam, arrays: list[Array], expected: list[tuple[int, ...]], words: str
) -> tuple[str, list[Array]]:
    """The variant, or no arrays where the function doesn't take it as such."""
    try:
        ys = exam.trial.outputs(arrays)
    except Exception:  # noqa: BLE001  (the function needn't take this size)
        return words, []
    fits = [y.shape for y in ys] == expected and np.isfinite(flat(ys)).all()
    return words, arrays if fits else []


def enlarged(x: Array, times: float) -> Array:
    """``times`` x, unless all of x lies within [0, 1]."""
    return x if ((x >= 0) & (x <= 1)).all() else np.asarray(x * times)


def other_values(exam: Exam) -> Iterator[tuple[str, list[Array]]]:
    """Inputs that are larger, or tied: where branches and conventions show. What lies within
    [0, 1] may be probabilities, and stays as it is.
    """
    changes: list[tuple[str, Callable[[Array], Array]]] = [
        (f"{times} times as large", partial(enlarged, times=times)) for times in (8, 64, 1024)
    ]
    changes.append(("all elements equal", lambda x: np.full_like(x, x.flat[0]) if x.size else x))
    for words, change in changes:
        yield (
            words,
            [
                change(a).astype(a.dtype) if i in exam.judged else a
                for i, a in enumerate(exam.arrays)
            ],
        )
    first = exam.arrays[exam.judged[0]]
    same = [i for i in exam.judged if exam.arrays[i].shape == first.shape]
    if len(same) > 1:
        yield (
            "inputs equal to one another",
            [first.copy() if i in same else a for i, a in enumerate(exam.arrays)],
        )
