"""Random programs and every op of the table: eager mode and replay agree bit for bit, but for the
passes that take sums in another order, which keep to the contract.
"""

from functools import partial
from types import SimpleNamespace as World

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from replaying import EXACT, Twins, close, flat, same

import tinygrad_cls as tg
from tinygrad_cls import examples, nn, ops
from tinygrad_cls.replay.passes import PASSES

F = nn.functional
REORDERING = {"folded", "tiled"}
"""Passes that take sums in another order."""
CONTRACT = 1e-10
"""How far a float64 gradient may be off, relative to the greatest one of its tensor."""

# --- the table -----------------------------------------------------------------------------------

CALLS = [(name, text) for name, entry in ops.TABLE.items() for text in entry.examples]
LOOKS_AT_VALUES = {"equal", "allclose", "index_select"}
"""They are refused: their results, or their checks, are Python's."""


def tensors(x):
    """Nested arguments with a tensor for each array; floats require grad."""
    if isinstance(x, tuple | list):
        return type(x)(tensors(part) for part in x)
    if not isinstance(x, np.ndarray):
        return x
    if x.dtype.kind != "f":
        return tg.from_numpy(x.copy())
    return tg.from_numpy(x.astype(np.float32)).requires_grad_()


@pytest.mark.parametrize(("name", "text"), CALLS, ids=[f"{n}({t})" for n, t in CALLS])
def test_every_op(name, text):
    """Recorded once, an op is right for other values too: forward, backward and twice backward."""
    entry = ops.TABLE[name]
    static = examples.arguments(name, text)[1]

    def function(*args):
        results = entry(*args, **static)
        found = [y for y in flat(results) if y.is_floating_point() and y.requires_grad]
        leaves = [x for x in flat(args) if isinstance(x, tg.Tensor) and x.requires_grad]
        if not (found and leaves):
            return results, None, None
        loss = sum((y * y.detach().tanh()).sum() for y in found)
        first = tg.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        again = sum((g * g.detach().tanh()).sum() for g in first if g is not None)
        second = None
        if isinstance(again, tg.Tensor) and again.requires_grad:
            second = tg.autograd.grad(again, leaves, allow_unused=True)
        return results, [None if g is None else g.detach() for g in first], second

    compiled = tg.compile(function, passes=EXACT)
    if name in LOOKS_AT_VALUES:
        with pytest.raises(RuntimeError, match="compile: "):
            compiled(*tensors(examples.arguments(name, text)[0]))
        return
    shapes = None
    for i in range(3):
        args = examples.arguments(f"{name}{i or ''}", text)[0]
        expected = function(*tensors(args))
        given = tensors(args)
        found = [y.shape for y in flat(expected[0])]
        if shapes not in (None, found):
            with pytest.raises(RuntimeError, match=r"outside the compiled function|one_hot"):
                compiled(*given)
            continue
        shapes = found
        same(compiled(*given), expected)
    assert compiled.recordings == 1


# --- random programs -----------------------------------------------------------------------------

UNARY = {
    "relu": lambda v, _: v.relu(),
    "tanh": lambda v, _: v.tanh(),
    "sigmoid": lambda v, _: v.sigmoid(),
    "square": lambda v, _: v * v,
    "root": lambda v, _: (v.abs() + 1).sqrt(),
    "log": lambda v, _: (v.abs() + 1).log(),
    "negative": lambda v, _: -v,
    "shift": lambda v, w: v * w.k + 1.5,
    "softmax": lambda v, _: v.softmax(-1) if v.ndim else v,
    "sum": lambda v, _: v.sum(0) if v.ndim else v,
    "mean": lambda v, _: v.mean(-1, keepdim=True) if v.ndim else v,
    "max": lambda v, _: v.max(-1).values if v.ndim else v,
    "deviation": lambda v, _: v.std(0) if v.ndim and len(v) > 1 else v,
    "norm": lambda v, _: v.norm(),
    "transpose": lambda v, _: v.T if v.ndim == 2 else v,
    "flat": lambda v, _: v.reshape(-1),
    "slice": lambda v, _: v[..., ::2] if v.ndim else v,
    "rows": lambda v, _: v[[0, 0, -1]] if v.ndim else v,
    "positive": lambda v, _: tg.where(v > 0, v, v * 0.1),
    "clamp": lambda v, _: v.clamp(-0.5, 0.5),
    "fill": lambda v, _: v.masked_fill(v < 0, 0.25),
    "detach": lambda v, _: v.detach(),
    "copy": lambda v, _: v.clone(),
    "in place": lambda v, _: v.clone().mul_(2).sub_(1),
    "dropout": lambda v, w: F.dropout(v, 0.5, w.training),
    "noise": lambda v, _: v + tg.rand_like(v),
    "gram": lambda v, _: v.T @ v if v.ndim == 2 else v,
    "stack": lambda v, _: tg.stack([v, v * 2]) if v.numel() < 500 else v,
    "made": lambda v, _: v + tg.arange(v.numel()).reshape(v.shape).mul_(2) / 10,
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "greater": tg.maximum,
    "squared error": lambda a, b: (a - b) ** 2,
}


def matching(a, b):
    """Whether the shapes broadcast."""
    tails = zip(reversed(a.shape), reversed(b.shape), strict=False)
    return all(m == n or 1 in (m, n) for m, n in tails)


def interpret(w, program, x, t):
    """Runs a program on the parameters and the arguments; returns its last values."""
    values = [x, w.a, w.b, w.c, w.m.clone()]
    for name, i, j in program:
        v, u = values[i % len(values)], values[j % len(values)]
        if name in UNARY:
            values.append(UNARY[name](v, w))
        elif name in BINARY:
            if matching(v, u):
                values.append(BINARY[name](v, u))
        elif name == "layer":
            if v.ndim == 2 and v.shape[1] == 4:
                values.append(w.layers[j % 2](v))
        elif name == "product":
            if v.ndim == u.ndim == 2 and v.shape[1] == u.shape[0]:
                values.append(v @ u)
        elif name == "read":
            values.append(w.m.clone())
        elif name == "write":
            with tg.no_grad():
                if v.shape == w.m.shape:
                    w.m.mul_(0.5).add_(v)
                elif matching(w.m, v) and v.ndim <= 2:
                    w.m[0] = v.mean()
        elif name == "labels" and v.ndim == 2 and v.shape == (len(t), 4):
            values.append(F.cross_entropy(v, t, label_smoothing=0.1 * (j % 2)))
    return values[-3:]


@st.composite
def programs(draw):
    names = [*UNARY, *BINARY, "layer", "layer", "layer", "product", "read", "write", "labels"]
    step = st.tuples(st.sampled_from(names), st.integers(0, 30), st.integers(0, 30))
    return draw(st.lists(step, min_size=1, max_size=12))


events = st.lists(
    st.sampled_from(["data", "rate", "number", "mode", "shape", "no_grad", "weights", "drop"]),
    min_size=3,
    max_size=6,
)
optimizers = st.sampled_from([
    None,
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"amsgrad": True}),
])  # fmt: skip


def world(dtype, optimizer):
    """Parameters of some shapes, memory to write to, layers."""
    w = World(k=2.0, training=True)
    w.a = tg.randn(3, 4, dtype=dtype).requires_grad_()
    w.b = tg.randn(4, dtype=dtype).requires_grad_()
    w.c = tg.randn((), dtype=dtype).requires_grad_()
    w.m = tg.randn(3, 4, dtype=dtype)
    w.layers = nn.ModuleList([nn.Linear(4, 4, dtype=dtype), nn.Linear(4, 4, False, dtype=dtype)])
    w.optimizer = None
    if optimizer is not None:
        name, options = optimizer
        leaves = [w.a, w.b, w.c, *w.layers.parameters()]
        w.optimizer = getattr(tg.optim, name)(leaves, lr=0.01, **options)
    return w


def run(twins, events, dtype):
    """Calls the twins, and does something to both in between."""
    n = 3
    for event in events:
        grad = tg.enable_grad()
        if event == "rate" and twins.worlds[0].optimizer is not None:
            twins.change(lambda w: w.optimizer.param_groups[0].update(lr=0.03))
        elif event == "number":
            twins.change(lambda w: setattr(w, "k", w.k + 0.5))
        elif event == "mode":
            twins.change(lambda w: setattr(w, "training", not w.training))
        elif event == "shape":
            n = 40 if n == 3 else 3
        elif event == "no_grad":
            grad = tg.no_grad()
        elif event == "weights":
            with tg.no_grad():
                twins.change(lambda w: w.a.mul_(1.5))
        elif event == "drop":
            twins.change(lambda w: setattr(w.a, "grad", None))
        with grad:
            twins.call(tg.randn(n, 4, dtype=dtype), tg.randint(4, (n,)))


def step(program, zero):
    """The function that is compiled."""

    def make(w):
        def f(x, t):
            values = interpret(w, program, x, t)
            loss = sum(v.mean() for v in values)
            if loss.requires_grad and tg.is_grad_enabled():
                if zero and w.optimizer is not None:
                    w.optimizer.zero_grad()
                loss.backward()
                if w.optimizer is not None:
                    nn.utils.clip_grad_norm_([w.a, w.b, *w.layers.parameters()], 1.0)
                    w.optimizer.step()
            return loss, values[-1]

        return f

    return make


@pytest.mark.parametrize("passes", [EXACT, tuple(p for p in PASSES if p not in REORDERING)])
@given(programs(), events, optimizers, st.booleans())
def test_bit_for_bit(passes, program, events, optimizer, zero):
    twins = Twins(lambda: world(tg.float32, optimizer), step(program, zero), passes, same)
    run(twins, events, tg.float32)


@given(st.sampled_from([None, *PASSES]), programs(), events, optimizers, st.booleans())
def test_with_passes(without, program, events, optimizer, zero):
    """With all passes, and with all but one."""
    passes = tuple(p for p in PASSES if p != without)
    near = partial(close, limit=CONTRACT)
    twins = Twins(lambda: world(tg.float64, optimizer), step(program, zero), passes, near)
    run(twins, events, tg.float64)
