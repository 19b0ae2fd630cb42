"""Calls of losses, for tests to draw: good ones with every combination of options, and mistakes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Array = Any
FUNCTIONS = {
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "cross_entropy",
    "BCELoss": "binary_cross_entropy",
    "NLLLoss": "nll_loss",
    "MSELoss": "mse_loss",
    "L1Loss": "l1_loss",
    "SmoothL1Loss": "smooth_l1_loss",
}
WAYS = ("module", "module by place", "function", "function by place")


@dataclass
class Case:
    """A call of a loss. Arrays become tensors, those in ``grads`` require grad."""

    loss: str
    input: Any
    target: Any
    options: dict[str, Any] = field(default_factory=dict)
    way: str = "module"
    grads: tuple[str, ...] = ("input",)
    seed: int = 0

    def option(self, name: str, default: Any = None) -> Any:
        return self.options.get(name, default)


def takes_weight(loss: str) -> bool:
    """Whether the loss takes a weight as a module, and as its third argument."""
    return loss in ("BCEWithLogitsLoss", "CrossEntropyLoss", "BCELoss", "NLLLoss")


# --- good calls -----------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
# 2**-20 and below: there the gradients of small logits lose digits if formed as differences
tame = st.one_of(st.floats(-4, 4, width=16), st.sampled_from([0.0, -0.0, 1.0, -1.0]))
finite = st.one_of(
    tame,
    st.floats(-1e4, 1e4, width=16),
    st.floats(-(2.0**-20), 2.0**-20, width=32),
    st.sampled_from([20.0, -20.0, 88.0, -88.0, 104.0, -104.0, 1e4, -1e4]),
)
infinite = st.one_of(finite, st.sampled_from([INF, -INF]))
numbers = st.sampled_from([tame, finite, finite, infinite, st.one_of(infinite, st.just(NAN))])
zero_or_one = st.sampled_from([0.0, 1.0])
soft = st.sampled_from([zero_or_one, st.floats(0, 1, width=16), st.floats(-1, 2, width=16)])
smoothings = st.sampled_from([None, None, 0.0, 0.1, 0.5, 1.0, 1e-3])
floating = st.sampled_from(["float32", "float64", "float32", "float64", "float16"])
reductions = st.sampled_from([None, "mean", "sum", "none"])
sides = st.sampled_from([2, 3, 1, 2, 3, 1, 2, 0])
shapes = st.sampled_from([2, 1, 3, 2, 4, 0]).flatmap(lambda n: st.tuples(*[sides] * n))
weights = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0, 0.1])


def filled(draw: Any, shape: tuple[int, ...], elements: Any, dtype: str) -> Array:
    """An array, every number of which is drawn."""
    x = draw(hnp.arrays(np.float64, shape, elements=elements, fill=st.nothing()))
    if dtype == "float16":  # ends at 65504; torch weighs before it divides by N: inf comes sooner
        x = np.where(np.isinf(x), x, x.clip(-1e3, 1e3))
    return x.astype(dtype)


def like(draw: Any, x: Array) -> str:
    """The dtype of ``x``, or now and then another."""
    return draw(st.sampled_from([str(x.dtype), draw(floating)]))


def given_options(draw: Any, **options: Any) -> dict[str, Any]:
    """Of the strategies, what is drawn and isn't None; the others are left out of the call."""
    drawn = {name: draw(option) for name, option in options.items()}
    return {name: value for name, value in drawn.items() if value is not None}


@st.composite
def maybe_weight(draw: Any, shape: tuple[int, ...]) -> Array:
    """None, or weights that broadcast to ``shape``, in any dtype."""
    if draw(st.booleans()):
        return None
    some = tuple(draw(st.sampled_from([n, n, 1])) for n in shape)
    some = some[draw(st.integers(0, len(shape))) :]
    return filled(draw, some, weights, draw(floating))


def requiring(draw: Any, target: Array) -> tuple[str, ...]:
    """Which of input and target require grad."""
    choices = [("input",), ("input", "target"), ("input", "target"), ("target",), ()]
    return draw(st.sampled_from(choices if target.dtype.kind == "f" else [("input",)]))


def made(draw: Any, loss: str, x: Array, t: Array, ways: Any = WAYS, **options: Any) -> Case:
    return Case(
        loss, x, t, given_options(draw, reduction=reductions, **options),
        draw(st.sampled_from(ways)), requiring(draw, t), draw(st.integers(0, 9)),
    )  # fmt: skip


@st.composite
def bce_with_logits(draw: Any) -> Case:
    shape = draw(shapes)
    x = filled(draw, shape, draw(numbers), draw(floating))
    t = filled(draw, shape, draw(soft), like(draw, x))
    w, p = maybe_weight(shape), maybe_weight(shape)
    return made(draw, "BCEWithLogitsLoss", x, t, weight=w, pos_weight=p)


@st.composite
def bce(draw: Any) -> Case:
    shape, dtype = draw(shapes), draw(floating)
    # A curvature of 1 / q**2 must not overflow: before it is divided by N, or after, is no matter
    small = 2.0**-6 if dtype == "float16" else 1e-15 if dtype == "float32" else 1e-30
    inner = st.one_of(st.floats(0.125, 0.875), st.floats(small, 1 - small), zero_or_one)
    q = filled(draw, shape, inner, dtype)
    t = filled(draw, shape, st.one_of(zero_or_one, st.floats(0, 1)), dtype)
    return made(draw, "BCELoss", q, t, weight=maybe_weight(shape))


@st.composite
def distance(draw: Any, loss: str) -> Case:
    shape, dtype = draw(shapes), draw(floating)
    x = filled(draw, shape, draw(numbers), dtype)
    other = tuple(draw(st.sampled_from([n] * 9 + [1])) for n in shape)
    kind = draw(st.sampled_from([dtype, dtype, draw(floating), "int64"]))
    elements = st.integers(-5, 5) if kind == "int64" else draw(numbers)
    t = filled(draw, other, elements, kind)
    if loss == "SmoothL1Loss":
        return made(draw, loss, x, t, beta=st.sampled_from([None, 1.0, 0.5, 2, 0.0, 0, 1e-3]))
    if draw(st.integers(0, 3)):
        return made(draw, loss, x, t)
    w = filled(draw, shape, weights, draw(floating))  # only the functions take one
    return made(draw, loss, x, t, WAYS[2:], weight=st.just(w))


@st.composite
def scores(draw: Any) -> Array:
    """Scores of classes: (N, C, ...) or (C,)."""
    n, c = draw(st.sampled_from([3, 2, 4, 1, 0])), draw(st.sampled_from([3, 2, 4, 3, 2, 1, 0]))
    grid = draw(st.lists(sides, min_size=1, max_size=3))
    shape = draw(st.sampled_from([(n, c), (n, c), (n, c, *grid), (n, c, *grid), (c,)]))
    if 0 in shape and len(shape) > 2:  # torch's own reshaping fails for grids without classes
        shape = (n, max(c, 1), *shape[2:])
    return filled(draw, shape, draw(numbers), draw(floating))


@st.composite
def of_labels(draw: Any, loss: str) -> Case:
    x = draw(scores())
    c = x.shape[min(1, x.ndim - 1)]
    ignore = draw(st.sampled_from([None, None, -100, -1, 0, max(c - 1, 0), c + 3]))
    # torch takes bytes for two axes at most
    dtype = "uint8" if c and x.ndim < 3 and not draw(st.integers(0, 4)) else "int64"
    ignored = -100 if ignore is None else ignore
    kinds = [st.just(ignored)] if ignored >= 0 or dtype == "int64" else []
    if c:
        label = st.integers(0, c - 1)
        kinds = [label] + [st.one_of(label, label, kind) for kind in kinds] * 4 + kinds
    shape = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    t = draw(hnp.arrays(dtype, shape, elements=draw(st.sampled_from(kinds)), fill=st.nothing()))
    more = {"label_smoothing": smoothings} if loss == "CrossEntropyLoss" else {}
    weight = maybe_classes(c, str(x.dtype))
    return made(draw, loss, x, t, weight=weight, ignore_index=st.just(ignore), **more)


@st.composite
def maybe_classes(draw: Any, c: int, dtype: str | None = None) -> Array:
    if draw(st.booleans()):
        return None
    elements = draw(st.sampled_from([weights, weights, weights, st.just(0.0)]))
    return filled(draw, (c,), elements, dtype or draw(floating))


@st.composite
def of_probabilities(draw: Any) -> Case:
    x = draw(scores())
    c = x.shape[min(1, x.ndim - 1)]
    t = filled(draw, x.shape, draw(soft), like(draw, x))
    negative = st.sampled_from([None, None, -1])  # others are refused
    return made(draw, "CrossEntropyLoss", x, t, weight=maybe_classes(c),
                label_smoothing=smoothings, ignore_index=negative)  # fmt: skip


CASES = {
    "BCEWithLogitsLoss": bce_with_logits(),
    "CrossEntropyLoss of labels": of_labels("CrossEntropyLoss"),
    "CrossEntropyLoss of probabilities": of_probabilities(),
    "BCELoss": bce(),
    "NLLLoss": of_labels("NLLLoss"),
    "MSELoss": distance("MSELoss"),
    "L1Loss": distance("L1Loss"),
    "SmoothL1Loss": distance("SmoothL1Loss"),
}


# --- mistakes -------------------------------------------------------------------------------------

OPTIONS = {
    "BCEWithLogitsLoss": ("weight", "pos_weight", "reduction"),
    "CrossEntropyLoss": ("weight", "ignore_index", "label_smoothing", "reduction"),
    "BCELoss": ("weight", "reduction"),
    "NLLLoss": ("weight", "ignore_index", "reduction"),
    "MSELoss": ("weight", "reduction"),
    "L1Loss": ("weight", "reduction"),
    "SmoothL1Loss": ("beta", "reduction"),
}
WORDS = {
    "reduction": st.sampled_from(["avg", "Mean", "", None, 1, "batchmean", "sum", "none"]),
    "ignore_index": st.sampled_from([1.5, None, "1", True, 0, 1, [1], np.int64(1)]),
    "label_smoothing": st.sampled_from(
        [1.5, -0.1, "0.1", None, True, 1, 2, NAN, [0.1], np.float32(0.5)]
    ),
    "beta": st.sampled_from([-1.0, -1e-9, -1, "1", None, True, NAN, INF, [1.0], np.float64(0.5)]),
}
no_tensors = st.sampled_from([1, 1.0, None, "x", [1.0], (0.5,), True, np.float32(1)])
SHAPES = [(2, 3), (3,), (2, 3, 2), (2, 3, 2, 1), (2, 3, 1, 2, 1), (1, 1), (), (0, 3)]
OTHERS = [
    *SHAPES,
    (2,),
    (3, 2),
    (3, 1),
    (1, 3),
    (1,),
    (2, 1, 3),
    (2, 2),
    (2, 2, 1),
    (4, 2, 3),
    (0,),
]
DTYPES = ["int64", "int32", "uint8", "bool", "float64", "float16"]


@st.composite
def mistaken(draw: Any, loss: str) -> Case:
    """A call of tame numbers with one thing wrong, or what looks so: some torch takes."""
    shape = draw(st.sampled_from(SHAPES))
    unit = st.sampled_from([0.25, 0.5, 0.75, 1.0, 0.0])
    tensors: dict[str, Any] = {n: filled(draw, shape, unit, "float32") for n in ("input", "target")}
    of_classes = loss in ("CrossEntropyLoss", "NLLLoss")
    if loss == "NLLLoss" or (of_classes and draw(st.booleans())):
        rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
        tensors["target"] = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 2)))
    grads = {"input"}
    ways = WAYS
    what = draw(st.sampled_from(["input", "target", *OPTIONS[loss]]))
    if what in WORDS:
        tensors[what] = draw(WORDS[what])
    else:
        c = shape[min(1, len(shape) - 1)] if shape else 1
        x = tensors.get(what, np.ones((c,) if of_classes else shape, np.float32))
        spoil = draw(st.sampled_from(["no tensor", "shape", "dtype", "numbers", "gradient"]))
        if spoil == "no tensor":
            x = draw(no_tensors)
        elif spoil == "shape":
            x = np.resize(x, draw(st.sampled_from(OTHERS)))
        elif spoil == "dtype":
            x = x.astype(draw(st.sampled_from(DTYPES)))
        elif spoil == "numbers":
            x = np.asarray(x + draw(st.sampled_from([3, -1, 100, -100])), x.dtype)
        else:
            grads.add(what)
        tensors[what] = x
        if what == "weight" and not takes_weight(loss):
            ways = WAYS[2:]
    x, t = tensors.pop("input"), tensors.pop("target")
    kinds = {"input": x, "target": t, **tensors}
    grads = {n for n in grads if getattr(kinds[n], "dtype", np.dtype(int)).kind == "f"}
    return Case(loss, x, t, tensors, draw(st.sampled_from(ways)), tuple(sorted(grads)))


def differs(case: Case) -> bool:
    """Where the engine knowingly answers otherwise than torch, which

    - takes a row of scores with its label in a list forward, but refuses it backward;
    - takes a weight of shape (1, C) or (C, 1) for a grid, and for a batch refuses it;
    - takes a boolean target of smooth_l1_loss, but refuses it in the second derivative;
    - takes an empty batch of scores in any dtype.

    Here the first and the third work, and the others are refused.
    """
    x, t, w = (np.asarray(v, None) for v in (case.input, case.target, case.option("weight")))
    if case.loss == "SmoothL1Loss":
        return "bool" in (x.dtype, t.dtype)
    if case.loss not in ("CrossEntropyLoss", "NLLLoss"):
        return False
    if x.size == 0 and x.dtype.kind != "f":
        return True
    return (x.ndim, t.shape) == (1, (1,)) or (x.ndim > 2 and w.ndim > 1 and w.size == x.shape[1])
