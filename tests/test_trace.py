"""The trace: replaying its events by hand gives every .grad to the bit, whatever was traced."""

import ast
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cls as tg
from tinygrad_cls import nn, ops
from tinygrad_cls.experiments.models import BlobModel, CircleModelV1, CircleModelV2
from tinygrad_cls.trace.rules import Words, expression, rule


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    """To the bit: 0 is not -0."""
    return (found.dtype, found.shape) == (expected.dtype, expected.shape) and (
        found.tobytes() == expected.tobytes()
    )


def is_whole(t) -> None:
    """The events repeat the gradients, and the calls the values, to the bit."""
    grads = t.replay()
    last = {g.value: g.after for g in t.gradients}
    assert grads.keys() == last.keys()
    assert all(same(grads[leaf], g) for leaf, g in last.items())
    values = t.forward()
    assert all(same(values[v.id], v.array) for v in t.values if v.array is not None)


# --- replay by hand ---------------------------------------------------------------------------

UNARY = ["exp", "tanh", "sigmoid", "relu", "abs", "square", "neg", "log_softmax"]
BINARY = ["add", "sub", "mul", "maximum", "div"]


@given(st.data())
def test_replaying_by_hand(data) -> None:
    """Programs of ops with broadcasting, fan-out, reductions and products."""
    dtype = data.draw(st.sampled_from([tg.float32, tg.float64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shapes = [(3, 4), (4,), (3, 1), ()]
    leaves = [tg.tensor(rng.normal(size=s), dtype=dtype, requires_grad=True) for s in shapes]
    with tg.trace() as t:
        values = list(leaves)
        for _ in range(data.draw(st.integers(1, 7))):
            kind = data.draw(st.sampled_from(["unary", "binary", "sum", "product"]))
            a, b = (data.draw(st.sampled_from(values)) for _ in "ab")
            if kind == "unary":
                name = data.draw(st.sampled_from(UNARY))
                more = {"dim": -1} if name == "log_softmax" else {}
                values.append(getattr(tg, name)(a, **more))
            elif kind == "binary" and {3, 4} != {*a.shape[-1:], *b.shape[-1:]}:
                values.append(getattr(tg, data.draw(st.sampled_from(BINARY)))(a, b))
            elif kind == "product" and a.ndim == 2:
                values.append(a @ a.T)
            elif a.ndim:
                values.append(a.sum(dim=0))
        for _ in range(data.draw(st.integers(1, 2))):
            sum(v.sum() for v in values[4:]).backward() if values[4:] else leaves[
                0
            ].sum().backward()
            values = [*leaves, *[v * 2 for v in leaves]]
    is_whole(t)
    for leaf in leaves:
        if leaf.grad is not None:
            (found,) = {g.value for g in t.gradients if t[g.value].array is not None
                        and t[g.value].shape == str(tuple(leaf.shape))}  # fmt: skip
            assert same(t.replay()[found], leaf.grad.numpy())


ROWS = {
    "broadcast": lambda w, b: b.expand(17, 23),
    "transposed": lambda w, b: (w * 0 + b).T,
}


@pytest.mark.parametrize("rows", ROWS)
def test_the_trace_changes_no_bit(rows) -> None:
    """In which order a sum is taken depends on the layout: trace and replay keep it."""
    rng = np.random.default_rng(0)
    w, *leaves = (
        tg.tensor(a, dtype=tg.float32)
        for a in (rng.normal(size=(17, 23)), *[rng.normal(size=23)] * 2)
    )

    def run(b) -> None:
        y = ROWS[rows](w, b.requires_grad_())
        (y * y).sum().backward()

    plain, b = leaves
    run(plain)
    with tg.trace() as t:
        run(b)
    assert same(b.grad.numpy(), plain.grad.numpy())
    is_whole(t)


def test_nothing_in_it() -> None:
    """Tensors without elements."""
    w, b = tg.ones(0, 3, requires_grad=True), tg.ones(3, requires_grad=True)
    with tg.trace() as t:
        ((w + b) @ b).sum().backward()
    is_whole(t)


@pytest.mark.parametrize("model", [CircleModelV1, CircleModelV2, lambda: BlobModel(2, 4)])
def test_training(model) -> None:
    """Several steps: a parameter that the optimizer wrote to is another value."""
    tg.manual_seed(0)
    net = model()
    X = tg.randn(8, 2)
    loss_fn = nn.CrossEntropyLoss() if isinstance(net, BlobModel) else nn.BCEWithLogitsLoss()
    y = tg.randint(0, 4, (8,)) if isinstance(net, BlobModel) else tg.rand(8)
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    with tg.trace() as t:
        for _ in range(3):
            out = net(X)
            loss = loss_fn(out if isinstance(net, BlobModel) else out.squeeze(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    is_whole(t)
    leaves = {t[g.value].name for g in t.gradients}
    assert leaves == {name for name, _ in net.named_parameters()}
    assert len(t.gradients) == 3 * len(leaves) == 3 * len([*net.parameters()])
    assert {g.backward for g in t.gradients} == {0, 1, 2}


def test_accumulating() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.trace() as t:
        (w * 3).sum().backward()
        (w * w).sum().backward()
    first, second = t.gradients
    assert first.before is None
    assert second.before.tolist() == [3.0, 3.0]
    assert second.arrived.tolist() == [2.0, 4.0]
    assert second.after.tolist() == w.grad.tolist() == [5.0, 7.0]
    is_whole(t)


def test_two_arrivals() -> None:
    a = tg.tensor(3.0, requires_grad=True)
    with tg.trace() as t:
        (a * a).backward()
    one, two = t.steps
    assert (one.arrival, one.before, one.after) == (1, None, 3.0)
    assert (two.arrival, two.before, two.after) == (2, 3.0, 6.0)
    assert one.receiver == two.receiver == t.gradients[0].value
    assert [c.title for c in t.calls] == ["mul"]  # not the sum of the two


def test_what_broadcasting_summed() -> None:
    x, row, column, one = (tg.ones(*s, requires_grad=True) for s in [(2, 3), (3,), (2, 1), (1, 1)])
    with tg.trace() as t:
        (x * row * (column * one)).sum().backward()
    summed = {t[s.receiver].name: s.summed for s in t.steps}
    assert summed["row"] == (0,)
    assert summed["x"] == summed["column"] == ()
    assert summed["one"] == (0,)  # the axis of length 1 is not one that was stretched


def test_hooks_change_what_arrives() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.trace() as t:
        h = w * 2
        h.register_hook(lambda g: g * 10)
        h.sum().backward()
    assert [s.hooked for s in t.steps] == [False, True]
    is_whole(t)
    assert w.grad.tolist() == [20.0, 20.0]


def test_a_hook_of_a_leaf() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda g: g + 1)
    with tg.trace() as t:
        (w * 2).sum().backward()
    (gradient,) = t.gradients
    assert gradient.hooked
    assert gradient.arrived.tolist() == w.grad.tolist() == [3.0, 3.0]
    is_whole(t)


def test_a_result_that_retains_its_gradient() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.trace() as t:
        h = w * 2
        h.retain_grad()
        (h * h).sum().backward()
    assert [t[g.value].name for g in t.gradients] == ["h", "w"]
    assert t.gradients[0].after.tolist() == h.grad.tolist() == [4.0, 8.0]
    is_whole(t)


def test_a_hook_that_runs_another_backward() -> None:
    w, v = (tg.tensor([1.0, 2.0], requires_grad=True) for _ in "wv")

    def other(g):
        with tg.enable_grad():
            (v * 3).sum().backward()
        return g

    with tg.trace() as t:
        h = w * 2
        h.register_hook(other)
        (h * v + w).sum().backward()  # reaches v too, and adds to it last
    assert v.grad.tolist() == [5.0, 7.0]
    assert [g.backward for g in t.gradients] == [1, 0, 0]
    is_whole(t)
    (found,) = {g.value for g in t.gradients if t[g.value].name == "v"}
    assert same(t.replay()[found], v.grad.numpy())


def test_a_leaf_written_past_its_version() -> None:
    """Such as by .data or NumPy: the value is another one."""
    w = tg.tensor([1.0, 2.0])
    with tg.trace() as t:
        w.exp()
        w.numpy()[0] = 5.0
        w.exp()
    assert [c.inputs for c in t.calls] == [("v0",), ("v2",)]
    is_whole(t)


def test_a_function_of_the_users() -> None:
    class Twice(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x + 1

        @staticmethod
        def backward(ctx, g, h):
            return 2 * g + h

    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.trace() as t:
        a, b = Twice.apply(x)
        (a * b).sum().backward()
    assert t.replay()[t.gradients[0].value].tolist() == x.grad.tolist() == [6.0, 10.0]
    own = [s for s in t.steps if s.node == "TwiceBackward"]
    assert [s.op for s in own] == [None]
    assert {"a", "b"} <= {v.name for v in t.values}


def test_a_graph_from_before() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    y = (w.exp() * 3).sum()
    with tg.trace() as t:
        y.backward()
    assert [s.node for s in t.steps] == ["SumBackward0", "MulBackward0", "ExpBackward0"]
    assert same(t.replay()[t.gradients[0].value], w.grad.numpy())


def test_second_derivatives() -> None:
    x = tg.tensor(2.0, requires_grad=True)
    with tg.trace() as t:
        (slope,) = tg.autograd.grad(x**3, x, create_graph=True)
        slope.backward()
    assert x.grad.item() == 12.0
    assert t.replay()[t.gradients[-1].value] == 12.0
    assert {c.within for c in t.calls} == {None, 0}
    assert {s.backward for s in t.steps} == {0, 1}


def test_in_place() -> None:
    w = tg.tensor([1.0, -2.0], requires_grad=True)
    with tg.trace() as t:
        h = w * 2
        h.relu_()
        (h * 3).sum().backward()
    assert t.replay()[t.gradients[0].value].tolist() == w.grad.tolist() == [6.0, 0.0]


# --- what is seen -----------------------------------------------------------------------------


def test_names_and_modules() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    X = tg.ones(4, 2)
    with tg.trace() as t:
        out = net(X)
        total = out.sum()
    assert total.ndim == 0
    assert [c.group for c in t.calls] == [("0",), ("1",), ("2", "0"), ("2", "1"), ()]
    names = {v.name for v in t.values}
    assert {"X", "out", "total", "0.weight", "0.bias", "2.0.weight"} <= names


def test_a_module_called_twice_is_two_groups() -> None:
    net = CircleModelV2()
    with tg.trace() as t:
        net(tg.ones(4, 2))
    assert [c.module for c in t.calls] == ["layer_1", "relu", "layer_2", "relu ·2", "layer_3"]
    with tg.trace() as t:
        net(tg.ones(4, 2))
        net(tg.ones(4, 2))
    assert [c.group[0] for c in t.calls] == ["net"] * 5 + ["net ·2"] * 5
    assert t.calls[6].module == "net ·2.relu"


def test_a_module_that_calls_itself() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x, times=2):
            x = self.layer(x)
            return self(x, times - 1) if times > 1 else x

    net = Again()
    with tg.trace() as t:
        net(tg.ones(1, 2))
    assert [c.module for c in t.calls] == ["layer", "net.layer"]


def test_names_that_are_given() -> None:
    a, b = tg.tensor(1.0, requires_grad=True), tg.tensor(2.0)
    with tg.trace({"alpha": a, "pair": [b]}) as t:
        a * b
    assert [v.name for v in t.values] == ["alpha", "pair[0]", ""]


def test_lines() -> None:
    x = tg.ones(2)
    with tg.trace() as t:
        x.exp()  # here
    assert t.calls[0].line.endswith("x.exp()  # here")
    assert "test_trace.py" in t.calls[0].line


def test_what_it_leaves_behind() -> None:
    """Nothing: not after an error either; another thread is not seen."""
    x = tg.ones(2)

    def fails() -> None:
        with tg.trace():
            raise ValueError

    with pytest.raises(ValueError):
        fails()
    with tg.trace() as t:
        thread = threading.Thread(target=lambda: x * 2)
        thread.start(), thread.join()
    x + 1
    assert t.calls == []
    assert tg._state.state.watch is None
    assert tg._state.state.tape is None


def test_traces_recordings_and_anomaly_detection_inside_one_another() -> None:
    x = tg.tensor([-1.0, 4.0], requires_grad=True)
    with tg.recording() as tape, tg.trace() as outer, tg.trace() as inner:
        (x * 2).sum().backward()
    for t in (outer, inner):
        assert [c.title for c in t.calls] == ["mul", "sum"]
        assert len(t.steps) == 2
    assert [e.op.name for e in tape][:2] == ["mul", "sum"]
    nan = pytest.raises(RuntimeError, match="SqrtBackward0")
    lines = pytest.warns(UserWarning, match="Anomaly|Error detected")
    with tg.trace() as t, lines, nan, tg.autograd.detect_anomaly():
        x.sqrt().sum().backward()
    assert [c.title for c in t.calls] == ["sqrt", "sum"]
    assert [s.node for s in t.steps] == ["SumBackward0", "SqrtBackward0"]


def test_compiled_functions_run_op_by_op() -> None:
    w = tg.tensor([1.0], requires_grad=True)

    @tg.compile
    def step():
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tg.trace() as t:
        step()
    assert len(t.steps) == 3
    is_whole(t)


def test_without_a_graph_all_calls_are_drawn() -> None:
    with tg.trace() as t:
        tg.ones(2).exp().log()
    assert [n.label for n in t.graph().nodes][-2:] == ["exp", "log"]


def test_metrics_and_updates_are_not_in_the_picture() -> None:
    w, x = tg.ones(2, requires_grad=True), tg.ones(2)
    with tg.trace() as t:
        loss = (w * x.exp()).sum()
        (x > 0).sum()
        with tg.no_grad():
            w * 2
        loss.backward()
    labels = [n.label for n in t.graph().nodes]
    assert {"exp", "mul", "sum"} <= {*labels}
    assert "gt" not in labels
    assert labels.count("mul") == 1


def test_torchs_trace_is_another() -> None:
    with pytest.raises(TypeError, match=r"takes names.*not Tensor.*diagonal"):
        tg.trace(tg.ones(2, 2))


# --- rules as text ----------------------------------------------------------------------------

RULES = [(e, i) for e in ops.TABLE.values() if isinstance(e, ops.Op) for i in e.formulas]


@pytest.mark.parametrize(("op", "slot"), RULES, ids=lambda x: getattr(x, "name", str(x)))
def test_every_rule_has_its_text(op, slot) -> None:
    """The formula found in the source is the one that runs: compiled from the text, it gives the
    same instructions.
    """
    found = rule(op, slot)
    assert found.symbols.startswith(f"d{op.inputs[slot]} = ")
    assert len(found.words) > 3
    function = op.formula(slot).function
    again = eval(f"lambda {', '.join(function.__code__.co_varnames)}: {found.source}", vars(ops))
    if function.__name__ != "<lambda>":  # its docstring is a constant
        assert again.__code__.co_names == function.__code__.co_names
        return
    assert again.__code__.co_code == function.__code__.co_code
    assert again.__code__.co_names == function.__code__.co_names
    assert again.__code__.co_consts[-1:] == function.__code__.co_consts[-1:]


SYMBOLS = {
    ("mul", 0): "da = dy ⊙ b",
    ("affine", 1): "dW = dyᵀ · x",
    ("div", 1): "db = −dy ⊙ (a / b / b)",
    ("remainder", 1): "db = −dy ⊙ (a // b)",
    ("tanh", 0): "dx = dy ⊙ (1 − y ⊙ y)",
    ("softmax", 0): "dx = (dy − Σ dy ⊙ y) ⊙ y",
    ("sqrt", 0): "dx = dy / (2 y)",
}


@pytest.mark.parametrize(("name", "slot"), SYMBOLS)
def test_symbols(name, slot) -> None:
    assert str(rule(ops.TABLE[name], slot)) == SYMBOLS[name, slot]


def test_an_op_of_the_users() -> None:
    @tg.op("(...)->(...)", d_x=lambda g, x: g * 3 * x**2)
    def cube(x):
        """x**3"""
        return x**3

    x = tg.tensor([2.0], requires_grad=True)
    with tg.trace() as t:
        cube(x).sum().backward()
    assert t.steps[1].rule.symbols == "dx = dy ⊙ 3 ⊙ x^2"
    assert t.steps[1].local.tolist() == [12.0]


def test_a_formula_without_source() -> None:
    f = eval("lambda g, x: g")
    assert expression(f) is None
    assert Words(("x",)).of(ast.parse("-(a / b)", mode="eval").body) == "minus a divided by b"
