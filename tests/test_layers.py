"""Dropout, BatchNorm1d and the activations do what PyTorch's do, over all their options.

Random options and numbers on both engines: value, gradient, gradient of the gradient, buffers. The
rules and the errors are snippets, further down.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import check, outcome, pytorch, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn

DTYPES = st.sampled_from(["float32", "float64"])


def tensor(engine: Any, values: Any, dtype: str, **options: Any) -> Any:
    return engine.tensor(np.asarray(values), dtype=getattr(engine, dtype), **options)


def differentiated(engine: Any, y: Any, inputs: list[Any], rng: np.random.Generator) -> list[Any]:
    """y, the gradients of g.y for a random g, and of a random sum of those gradients."""
    dtype = str(y.dtype).removeprefix("torch.")

    def weights(x: Any, **options: Any) -> Any:
        return tensor(engine, rng.normal(size=tuple(x.shape)), dtype, **options)

    g = weights(y, requires_grad=True)
    gradient = engine.autograd.grad
    first = gradient((y * g).sum(), inputs, create_graph=True, materialize_grads=True)
    total = sum((slope * weights(slope)).sum() for slope in first)
    second = gradient(total, [*inputs, g], materialize_grads=True)
    return [y, *(slope.detach() for slope in (*first, *second))]


# --- BatchNorm1d ----------------------------------------------------------------------------------


@st.composite
def batch_norms(draw: st.DrawFn) -> dict[str, Any]:
    """Options, and batches whose deviation is no less than a tenth of their values."""
    shape = draw(
        st.tuples(st.integers(2, 9), st.integers(1, 5))
        | st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(2, 5))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([0.1, 1.0, 30.0]))
    count = int(np.prod(shape)) // shape[1]
    batches = []
    for _ in range(draw(st.integers(1, 3))):
        columns = [rng.permutation(np.linspace(-1, 1, count)) for _ in range(shape[1])]
        x = np.array(columns).reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)
        centre = draw(st.sampled_from([0.0, -1.0, 5.0]))
        batches.append(spread * (x + rng.uniform(-0.1, 0.1, shape) / count + centre))
    return {
        "dtype": draw(DTYPES),
        "batches": batches,
        "rng": int(rng.integers(2**32)),
        "options": {
            "eps": draw(st.sampled_from([1e-5, 1e-3, 0.5])),
            "momentum": draw(st.sampled_from([0.1, 0.9, 0.0, 1.0, None])),
            "affine": draw(st.booleans()),
            "bias": draw(st.booleans()),
            "track_running_stats": draw(st.booleans()),
        },
        "learns_input": draw(st.booleans()),
    }


def trained_and_evaluated(engine: Any, case: dict[str, Any]) -> list[Any]:
    """What a BatchNorm1d computes of every batch, in training and then in evaluation mode."""
    rng = np.random.default_rng(case["rng"])
    dtype, channels = case["dtype"], case["batches"][0].shape[1]
    layer = engine.nn.BatchNorm1d(channels, dtype=getattr(engine, dtype), **case["options"])
    with engine.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(tensor(engine, rng.normal(size=channels), dtype))
    results: list[Any] = []
    for mode in (True, False):
        layer.train(mode)
        for batch in case["batches"]:
            x = tensor(engine, batch, dtype, requires_grad=case["learns_input"])
            learned = [*layer.parameters(), *[x] * case["learns_input"]]
            y = layer(x)
            results += differentiated(engine, y, learned, rng) if learned else [y]
        results += [b.clone() for b in layer.buffers()]
    return results


NEAR = 200
"""In eps of the dtype, relative to the array's largest number or the largest term that adds up to
it. A value six deviations from 0 keeps a tenth of its digits when the mean is taken off, and the
second gradient multiplies three such: 56 eps was the worst of 15000 arrays."""


@pytest.mark.needs_torch
@given(case=batch_norms())
def test_batch_norm(case: dict[str, Any]) -> None:
    ours, theirs = (
        outcome(engine, lambda engine: trained_and_evaluated(engine, case))
        for engine in (tg, pytorch())
    )
    assert (ours.error, ours.message) == (theirs.error, theirs.message) == ("", "")
    spread = np.ptp(case["batches"][0]) / 2
    terms = max(1, 1 / spread) ** 2  # what cancels in a gradient of order up to two
    near = NEAR * float(np.finfo(case["dtype"]).eps)
    for a, b in zip(ours.value, theirs.value, strict=True):
        if isinstance(b, dict):
            assert {**a, "array": 0} == {**b, "array": 0}
            largest = max(terms, float(np.abs(b["array"]).max(initial=0)))
            far = float(np.abs(a["array"] - b["array"]).max(initial=0)) / largest
            assert far <= near, (far, a["array"], b["array"])
        else:
            assert a == b


@pytest.mark.needs_torch
@snippets("""
[nn.BatchNorm1d(3), nn.BatchNorm1d(3, 1e-3, None, False, False), nn.BatchNorm1d(3, bias=False)]
nn.BatchNorm1d(3).state_dict()
nn.BatchNorm1d(3, affine=False).state_dict(), nn.BatchNorm1d(3, track_running_stats=False)
nn.BatchNorm1d(3, dtype=torch.float64, device="cpu").state_dict()
nn.BatchNorm1d(3).double().state_dict(), nn.BatchNorm1d(3).half().state_dict()
m = nn.BatchNorm1d(2); m(torch.tensor([[1.0, 2.0], [5.0, 0.0]])); m.state_dict()
m = nn.BatchNorm1d(2).eval(); m(torch.tensor([[1.0, 2.0], [5.0, 0.0]])); m.state_dict()
m = nn.BatchNorm1d(2, momentum=None); m(torch.ones(2, 2)); m(4 * torch.ones(2, 2)); m.state_dict()
m = nn.BatchNorm1d(2)
|m.num_batches_tracked, m.momentum = None, None
|m(torch.ones(2, 2)); m.running_mean
m = nn.BatchNorm1d(2); m.weight.data += 1; m.running_mean += 4; m.num_batches_tracked += 1
|m.reset_running_stats()
|before = {name: t.clone() for name, t in m.state_dict().items()}
|m.bias.data += 7; m.reset_parameters(); before, m.state_dict()
m = nn.BatchNorm1d(2, affine=False, track_running_stats=False)
|x = torch.tensor([[1.0, 2.0], [5.0, 0.0]]); torch.equal(m(x), m.eval()(x)), m(x)
m = nn.BatchNorm1d(2); m(torch.ones(0, 2)), m.state_dict()
m = nn.BatchNorm1d(2).eval(); m(torch.ones(0, 2)).shape, m(torch.ones(0, 2, 3)).shape
m = nn.BatchNorm1d(2); m(torch.ones(3, 2, 0)).shape
m = nn.BatchNorm1d(2); m(torch.ones(0, 2)).sum().backward(); m.weight.grad, m.bias.grad
m = nn.BatchNorm1d(3); m(torch.tensor([[1., 2, float('nan')], [1, 3, 4]])), m.state_dict()
m = nn.BatchNorm1d(1); m(torch.tensor([[1.0], [float('inf')]])), m.state_dict()
nn.BatchNorm1d(2, eps=0).eval()(torch.ones(1, 2))
m = nn.BatchNorm1d(2); m(torch.ones(3, 2).half()), m.half()(torch.ones(3, 2).half())
m = nn.BatchNorm1d(2); x = torch.tensor([[1.0, 2], [5, 0]], dtype=torch.float16)
|m(x), m.running_mean, m.running_var
with torch.no_grad(): y = nn.BatchNorm1d(2)(torch.ones(3, 2))
|y.requires_grad
with torch.inference_mode(): m = nn.BatchNorm1d(2)
|m(torch.ones(3, 2))
x = torch.tensor([[1.0, 2], [5, 0]], requires_grad=True); m = nn.BatchNorm1d(2)
|(m(x) + m(2 * x)).sum().backward(); m.weight.grad, m.bias.grad
m = nn.BatchNorm1d(2); m.running_mean.fill_(3); c = copy.deepcopy(m); c(torch.ones(2, 2))
|c.running_mean, m.running_mean, m.num_batches_tracked
F.batch_norm(torch.arange(60.0).reshape(5, 3, 2, 2), None, None, training=True)
F.batch_norm(torch.arange(6.0).reshape(2, 3), torch.ones(3), torch.ones(3), bias=torch.ones(3))
m, v = torch.zeros(3), torch.ones(3)
|F.batch_norm(torch.arange(6.0).reshape(2, 3), m, v, training=True, momentum=2), m, v
# errors
nn.BatchNorm1d(3)(torch.ones(3))
nn.BatchNorm1d(3)(torch.ones(2, 3, 4, 5))
nn.BatchNorm1d(3)(torch.ones(1, 3))
nn.BatchNorm1d(3)(torch.ones(1, 3, 1))
nn.BatchNorm1d(3)(torch.ones(4, 2))
nn.BatchNorm1d(3, track_running_stats=False)(torch.ones(4, 2))
nn.BatchNorm1d(3)(torch.ones(4, 3).double())
nn.BatchNorm1d(3).double()(torch.ones(4, 3))
nn.BatchNorm1d(3)(torch.ones(4, 3).long())
nn.BatchNorm1d(3)([1.0])  # type
nn.BatchNorm1d(3, eps=0)(torch.ones(4, 3))
nn.BatchNorm1d(3, eps=-1.0).eval()(torch.ones(4, 3))
nn.BatchNorm1d(-1)
nn.BatchNorm1d(2, dtype=torch.int64)
m = nn.BatchNorm1d(3); m.running_mean = None; m(torch.ones(4, 3))
F.batch_norm(torch.ones(4, 3), None, None)
F.batch_norm(torch.ones(4, 3), None, torch.ones(3))
F.batch_norm(torch.ones(4, 3), torch.ones(3), None)
F.batch_norm(torch.ones(4, 3), torch.ones(3), None, training=True)
F.batch_norm(torch.ones(4, 3), torch.ones(2), torch.ones(3), training=True)
F.batch_norm(torch.ones(4, 3), torch.ones(3), torch.ones(4))
F.batch_norm(torch.ones(4, 3), torch.ones(3), torch.ones(3), torch.ones(2))
F.batch_norm(torch.ones(4, 3), torch.ones(3), torch.ones(3), None, torch.ones(2))
F.batch_norm(torch.ones(4, 3), torch.ones(3), torch.ones(3), torch.ones(3).double())
F.batch_norm(torch.ones(4, 3), torch.ones(3).double(), torch.ones(3))
F.batch_norm(torch.ones(4, 3).half(), torch.ones(3).half(), torch.ones(3).half(), torch.ones(3))
F.batch_norm(torch.ones(4, 3), torch.ones(3, requires_grad=True), torch.ones(3))
F.batch_norm(torch.ones(4), torch.ones(3), torch.ones(3))
F.batch_norm("a", None, None)
F.batch_norm(torch.ones(4, 3), 1, 2)
F.batch_norm(torch.ones(4, 3), None, None, training=True, momentum=None)
""")
def test_batch_norm_rules(code: str) -> None:
    check(code)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_running_statistics_are_rounded_once(seed: int, momentum: float) -> None:
    """Bit by bit, where the batch's own statistics are exact: of two rows, mean +- half."""
    rng = np.random.default_rng(seed)
    mean, half = (rng.integers(-(2**9), 2**9, 8) * 2.0**-6 for _ in range(2))
    start = rng.normal(size=(2, 8)).astype(np.float32)
    running = [tg.tensor(v) for v in start]
    x = tg.tensor(np.array([mean + half, mean - half], np.float32))
    nn.functional.batch_norm(x, *running, training=True, momentum=momentum)
    towards = np.array([mean, 2 * half**2])
    once = (start.astype(np.float64) * (1 - momentum) + towards * momentum).astype(np.float32)
    np.testing.assert_array_equal([v.numpy() for v in running], once)


def test_batch_norm_without_torch() -> None:
    """By hand: mean 3 and variance 4 of (1, 5), unbiased 8; then those of evaluation mode."""
    norm = nn.BatchNorm1d(1, eps=0.001, dtype=tg.float64)
    x = tg.tensor([[1.0], [5.0]], dtype=tg.float64)
    np.testing.assert_allclose(norm(x).tolist(), [[-2 / 4.001**0.5], [2 / 4.001**0.5]], rtol=1e-15)
    assert norm.running_mean.item() == pytest.approx(0.3, rel=1e-15)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 8, rel=1e-15)
    assert norm.num_batches_tracked.item() == 1
    assert norm.eval()(x)[0].item() == pytest.approx((1 - 0.3) / 1.701**0.5, rel=1e-15)


# --- Dropout --------------------------------------------------------------------------------------

SHAPES = st.lists(st.integers(0, 7), max_size=3).map(tuple)


@pytest.mark.needs_torch
@given(
    p=st.sampled_from([0.0, 1.0, 0.5, 0.1]) | st.floats(0, 1),
    shape=SHAPES,
    dtype=DTYPES,
    seed=st.integers(0, 2**32 - 1),
    inplace=st.booleans(),
    training=st.booleans(),
    turned=st.booleans(),
)
def test_dropout_has_torchs_bits(
    p: float, shape: Any, dtype: str, seed: int, inplace: bool, training: bool, turned: bool
) -> None:
    turned = turned and not inplace  # torch's results keep an operand's order; here it is private
    values = np.random.default_rng(seed).normal(size=shape)

    def drop(engine: Any) -> Any:
        engine.manual_seed(seed)
        leaf = tensor(engine, values, dtype)
        if turned:  # a view: torch draws in the order of its memory
            leaf = engine.permute(leaf, tuple(range(len(shape)))[::-1])
        leaf.requires_grad_()
        x = leaf * 1 if inplace else leaf
        y = engine.nn.Dropout(p, inplace).train(training)(x)
        y.sum().backward()
        return y is x, y.detach(), leaf.grad, engine.rand(1)

    ours, theirs = outcome(tg, drop), outcome(pytorch(), drop)
    assert ours.error == theirs.error == "", (ours.message, theirs.message)
    for a, b in zip(ours.value, theirs.value, strict=True):
        if isinstance(b, dict):
            assert {**a, "array": 0} == {**b, "array": 0}
            np.testing.assert_array_equal(a["array"], b["array"])
        else:
            assert a == b


@pytest.mark.needs_torch
@snippets("""
[nn.Dropout(), nn.Dropout(0.2, True), nn.Dropout(p=1)]
x = torch.ones(3); m = nn.Dropout(); m.eval()(x) is x, nn.Dropout(0)(x) is x
torch.manual_seed(0); F.dropout(torch.ones(8)), F.dropout(torch.ones(8), 0.3), torch.rand(1)
torch.manual_seed(0); F.dropout(input=torch.ones(8), p=0.3, training=True, inplace=False)
torch.manual_seed(0); F.dropout(torch.ones(9, dtype=torch.float16), 0.3)
torch.manual_seed(0); F.dropout(torch.ones(3, 4).T), F.dropout(torch.ones(8)[::2])
torch.manual_seed(0); F.dropout(torch.ones(1, 3).expand(2, 3)), F.dropout(torch.tensor(2.0))
torch.manual_seed(0); F.dropout(torch.ones(6, requires_grad=True)).grad_fn
torch.manual_seed(0); F.dropout(torch.ones(6), torch.tensor(0.3))
torch.manual_seed(0); F.dropout(torch.tensor([-1.0, float("nan"), float("inf")]), 1), torch.rand(1)
F.dropout(torch.arange(4), 0), F.dropout(torch.arange(4), 1), F.dropout(torch.ones(0).long())
F.dropout(torch.tensor([True]), 1), F.dropout(torch.arange(4), training=False)
torch.manual_seed(0); m = nn.Sequential(nn.Dropout(0.5)); m.eval(); m.train(); m(torch.ones(9))
torch.manual_seed(1); x = torch.ones(4) * 3; F.dropout(x, inplace=True) is x, x
torch.manual_seed(1); x = torch.ones(4, requires_grad=True); y = x.exp()
|F.dropout(y, inplace=True).sum().backward()
F.dropout(torch.arange(4))
F.dropout(torch.tensor([True, False]))
F.dropout(torch.arange(4), inplace=True)
F.dropout(torch.ones(2), -0.1)
F.dropout(torch.ones(2), 1.5)
F.dropout(torch.ones(2), float("nan"))
F.dropout(torch.ones(2), "a")  # type
F.dropout([1.0])
F.dropout(torch.ones(2, requires_grad=True), inplace=True)
F.dropout(torch.ones(1, 1).expand(2, 2), inplace=True)
nn.Dropout(2)
nn.Dropout(p=-1)
""")
def test_dropout_rules(code: str) -> None:
    check(code)


def test_dropout_without_torch() -> None:
    """The mask that PyTorch 2.13 draws after this seed, written down."""
    tg.manual_seed(42)
    x = tg.ones(8, requires_grad=True)
    y = nn.Dropout(0.25)(x)
    y.sum().backward()
    assert repr(y.detach()) == (
        "tensor([1.3333, 1.3333, 1.3333, 1.3333, 1.3333, 1.3333, 0.0000, 0.0000])"
    )
    assert tg.equal(x.grad, y)


# --- activations ----------------------------------------------------------------------------------

NUMBERS = st.floats(-30, 30, width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-30, 100.0])
SLOPES = st.sampled_from([0.01, 0.0, 1.0, -0.5]) | st.floats(-3, 3)
LAYERS = (
    st.tuples(st.just("LeakyReLU"), st.fixed_dictionaries({"negative_slope": SLOPES}))
    | st.tuples(
        st.just("Softplus"),
        st.fixed_dictionaries(
            {"beta": st.floats(0.25, 4), "threshold": st.sampled_from([20.0, 1.0, 0.0])}
        ),
    )
    | st.tuples(st.just("LogSigmoid"), st.just({}))
)


@pytest.mark.needs_torch
@given(
    layer=LAYERS,
    values=st.lists(NUMBERS, max_size=6),
    dtype=DTYPES,
    seed=st.integers(0, 2**32 - 1),
)
def test_activations(layer: Any, values: list[float], dtype: str, seed: int) -> None:
    name, options = layer
    # beside the threshold, not on it: there the rounding of beta x says which branch is taken
    edge = options.get("threshold", 0) / options.get("beta", 1)
    kept = [x for x in values if name != "Softplus" or abs(x - edge) > 1e-4]

    def run(engine: Any) -> Any:
        x = tensor(engine, kept, dtype, requires_grad=True)
        y = getattr(engine.nn, name)(**options)(x)
        return differentiated(engine, y, [x], np.random.default_rng(seed))

    check(run)


@pytest.mark.needs_torch
@snippets("""
[nn.LeakyReLU(), nn.LeakyReLU(0.2, True), nn.Softplus(), nn.Softplus(2, 10), nn.LogSigmoid()]
nn.LeakyReLU()(torch.tensor([-1.0, 0.0, -0.0, 2.0, float("nan"), float("-inf")]))
x = torch.tensor([-1.0, 0.0, -0.0, 2.0, float("nan"), float("-inf")], requires_grad=True)
|y = F.leaky_relu(x, 0.1); y.sum().backward(); y.detach(), x.grad, y.grad_fn.name()
F.leaky_relu(torch.tensor([-1.0, 0, 1]), 0), F.leaky_relu(torch.tensor([float("-inf")]), 0)
F.leaky_relu(input=-torch.ones(2), negative_slope=2), F.leaky_relu(torch.tensor(-1.0), 3)
F.leaky_relu(-torch.ones(3, dtype=torch.float16), 0.1), nn.LeakyReLU()(torch.ones(0, 2))
x = torch.tensor([-1.0, 2.0]); y = nn.LeakyReLU(0.5, inplace=True)(x); y is x, x
x = torch.tensor([-1.0, 2.0], requires_grad=True); z = x * 3
|y = F.leaky_relu(z, 0.5, inplace=True); (y * y).sum().backward(); y is z, x.grad
nn.Softplus(beta=2)(torch.tensor([-1.0, 0.0, 50.0])), nn.Softplus(1, 2.0)(torch.tensor([1.0, 3.0]))
x = torch.tensor([-800.0, 0.0, 800.0], requires_grad=True); y = nn.LogSigmoid()(x)
|y.sum().backward(); y.detach(), x.grad
torch.manual_seed(0); nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU())(torch.ones(1, 2))
F.leaky_relu(torch.ones(2, requires_grad=True), inplace=True)
F.leaky_relu(torch.arange(3))
F.leaky_relu(torch.tensor([True]))
F.leaky_relu([1.0])
nn.Softplus()(torch.arange(3))
nn.Softplus()("a")
nn.LogSigmoid()(torch.arange(3))
nn.LeakyReLU()()
nn.ReLU()(np.ones(2))
nn.ReLU(inplace=True)(np.ones(2))
nn.LeakyReLU()(np.ones(2))
nn.LeakyReLU(inplace=True)(np.ones(2))
nn.Sigmoid()(np.ones(2))
nn.Tanh()(np.ones(2))
nn.Softplus()(np.ones(2))
nn.LogSigmoid()(np.ones(2))
nn.Flatten()(np.ones((2, 2)))  # type
F.relu(np.ones(2))
F.relu(np.ones(2), inplace=True)
F.relu(np.float32(1))
F.leaky_relu(np.ones(2))
""")
def test_activation_rules(code: str) -> None:
    check(code)


def test_what_torch_refuses_in_place() -> None:
    """torch's in-place backward looks at the result, whose sign a negative slope turns; the engine
    keeps the input.
    """
    x = tg.tensor([-1.0, 2.0], requires_grad=True)
    nn.functional.leaky_relu(x * 1, -0.5, inplace=True).sum().backward()
    assert x.grad.tolist() == [-0.5, 1.0]
