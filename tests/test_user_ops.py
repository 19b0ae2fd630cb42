"""Ops that a user writes with ``tinygrad_cls.op`` are as good as the table's; and what is wrong
with one is said where it is defined.
"""

import gc
import importlib
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls.definition import TYPES
from tinygrad_cls.op import Op


@tg.op(
    "(...),(...)->(...)",
    types="float",
    d_a=lambda g, a, y: g * a / y,
    d_b=lambda g, b, y: g * b / y,
)
def hypot(a, b):
    """The hypotenuse, sqrt(a**2 + b**2)."""
    return np.hypot(a, b)


sinh = tg.op(
    "(...)->(...)",
    "(e**x - e**-x) / 2",
    types="float",
    d_x=lambda g, x: g * (tg.exp(x) + tg.exp(-x)) / 2,
)(np.sinh)


@tg.op(
    "(n,i),(o,i)->(n,o)",
    "Squared distances between the rows of a and of b.",
    "x(3, 4), x(2, 4)",
    types="same",
    d_a=lambda g, a, b: 2 * (a * tg.sum(g, 1, True) - g @ b),
    d_b=lambda g, a, b: 2 * (b * tg.sum(g, 0).reshape(-1, 1) - g.T @ a),
)
def distances(a, b, *, out=None):
    return np.sum(np.square(a[:, None] - b[None]), axis=2, out=out)


@tg.op(
    "(...)->(...,-dim)",
    "The sum of squares over dim.",
    d_x=lambda g, x, x_shape, dim, keepdim: 2 * x * tg.ops.spread(g, x_shape, dim, keepdim),
)
def sumsq(x, dim=None, keepdim=False):
    return np.sum(x * x, axis=dim, keepdims=keepdim)


@tg.op("(...)->(...)", view=True, d_x=lambda g: flipped(g))
def flipped(x):
    return x[..., ::-1]


@tg.op(
    "(...)*->(...)",
    "The mean of several.",
    "x(3), x(3)",
    d_xs=lambda g, xs_shapes: g / len(xs_shapes),
)
def mean_of(*xs):
    return sum(xs) / len(xs)


def real(*shape, seed=0):
    return tg.from_numpy(np.random.default_rng(seed).uniform(0.5, 2, shape))


CASES = {
    "hypot": (hypot, lambda a, b: (a * a + b * b).sqrt(), [real(3, 4), real(3, 4, seed=1)]),
    "hypot, broadcast": (
        hypot,
        lambda a, b: (a * a + b * b).sqrt(),
        [real(3, 1), real(2, 1, 4, seed=1)],
    ),
    "sinh": (sinh, lambda x: (x.exp() - (-x).exp()) / 2, [real(3, 4)]),
    "distances": (
        distances,
        lambda a, b: ((a[:, None] - b[None]) ** 2).sum(2),
        [real(3, 4), real(2, 4, seed=1)],
    ),
    "sumsq": (sumsq, lambda x: (x * x).sum(), [real(3, 4)]),
    "sumsq, dim": (
        lambda x: sumsq(x, dim=1, keepdim=True),
        lambda x: (x * x).sum(1, True),
        [real(3, 4)],
    ),
    "flipped": (flipped, lambda x: tg.stack(x.unbind(-1)[::-1], -1), [real(3, 4)]),
    "mean_of": (
        mean_of,
        lambda a, b, c: (a + b + c) / 3,
        [real(3), real(3, seed=1), real(3, seed=2)],
    ),
}


@pytest.mark.parametrize(("op", "twin", "values"), CASES.values(), ids=CASES)
def test_value_gradient_and_second_order(op, twin, values):
    """As the same function made of the table's ops has them."""
    found = []
    for f in (op, twin):
        xs = [x.clone().requires_grad_() for x in values]
        y = f(*xs)
        g = real(*y.shape, seed=3)
        first = tg.autograd.grad((y * g).sum(), xs, create_graph=True)
        mixed = sum((d * real(*d.shape, seed=4) * x).sum() for d, x in zip(first, xs, strict=True))
        second = tg.autograd.grad(mixed, xs)
        found.append([t.detach().numpy() for t in (y, *first, *second)])
    for ours, theirs in zip(*found, strict=True):
        # a dozen roundings at most, of numbers up to 100
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("op", "twin", "values"), CASES.values(), ids=CASES)
def test_three_readings(op, twin, values):
    """Fed arrays, fed Tensors for a graph of its own, and with the tape on: the same bits."""
    found = []
    for create, tape in ((False, False), (True, False), (False, True)):
        xs = [x.clone().requires_grad_() for x in values]
        y = op(*xs)
        g = real(*y.shape, seed=3)
        if tape:
            with tg.recording():
                got = tg.autograd.grad(y, xs, g)
        else:
            got = tg.autograd.grad(y, xs, g, create_graph=create)
        found.append([t.detach().numpy().tobytes() for t in got])
    assert found[0] == found[1] == found[2]


def test_fed_arrays_it_computes():
    assert hypot(np.array([3.0]), np.array([4.0])).tolist() == [5.0]
    assert isinstance(hypot, Op)
    assert hypot.__doc__ == "The hypotenuse, sqrt(a**2 + b**2)."


def test_dtypes():
    assert hypot(tg.tensor([3]), tg.tensor([4])).dtype is tg.float32  # types="float"
    assert hypot(real(2), tg.ones(2)).dtype is tg.float64
    assert sumsq(tg.tensor([1, 2])).dtype is tg.int64
    with pytest.raises(RuntimeError, match="same dtype"):
        distances(real(2, 2), tg.ones(2, 2))
    x = tg.ones(2, requires_grad=True)
    hypot(x, real(2)).sum().backward()
    assert x.grad.dtype is tg.float32


def test_a_wrong_shape_is_explained_by_the_law():
    with pytest.raises(
        RuntimeError,
        match=r"axis i is 4 in a and 5 in b\. distances: a \(3, 4\), b \(2, 5\); the law is "
        r"\(n,i\),\(o,i\)->\(n,o\)",
    ):
        distances(real(3, 4), real(2, 5))
    with pytest.raises(
        RuntimeError,
        match=r"The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton "
        r"dimension 0\. hypot: a \(3,\), b \(4,\)",
    ):
        hypot(real(3), real(4))


def test_arguments():
    x = real(3, 4)
    assert tg.equal(sumsq(x, 1), sumsq(x, dim=1))
    assert tg.equal(hypot(x, b=x), hypot(a=x, b=x))
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'dims'"):
        sumsq(x, dims=1)
    with pytest.raises(TypeError, match="missing 1 required"):
        hypot(x)
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        sinh([1.0])


def test_a_value_that_was_saved_is_checked():
    for k in (0, 1, 2):
        xs = [real(3).requires_grad_(), real(3, seed=1).requires_grad_()]
        y = hypot(*xs)
        with tg.no_grad():
            (*xs, y)[k].mul_(2)
        with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*HypotBackward0"):
            y.sum().backward()
    x = real(3).requires_grad_()
    y = flipped(x * 1)  # saves nothing
    with tg.no_grad():
        x.mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_in_place_and_out():
    x = real(3).requires_grad_()
    y = sinh(x)
    y *= 3  # sinh saves its input alone
    y[0] = 0.0
    y.sum().backward()
    expected = 3 * np.cosh(x.detach().numpy())
    np.testing.assert_allclose(x.grad.numpy(), [0, *expected[1:]], rtol=1e-15)

    out = tg.zeros(3, dtype=tg.float64)
    assert sinh(x.detach(), out=out) is out
    assert tg.equal(out, sinh(x.detach()))
    assert out._version == 1
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        sinh(x, out=out)


def test_a_view_shares_memory():
    x = tg.zeros(3)
    v = flipped(x)
    v[0] = 5.0
    assert x.tolist() == [0, 0, 5]
    assert v._version == x._version == 1


def test_in_a_model():
    class Layer(tg.nn.Module):
        def __init__(self):
            super().__init__()
            self.centres = tg.nn.Parameter(real(2, 3))

        def forward(self, x):
            return -distances(x, self.centres)

    model = Layer()
    x, t = real(20, 3, seed=5), tg.arange(20) % 2
    steps = tg.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        loss = tg.nn.functional.cross_entropy(model(x), t)
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_detection_names_it():
    x = tg.zeros(2, requires_grad=True)
    with tg.autograd.set_detect_anomaly(True):
        y = hypot(x, x).sum()
        with (
            pytest.raises(RuntimeError, match="Function 'HypotBackward0' returned nan"),
            pytest.warns(UserWarning, match="Error detected in HypotBackward0"),
        ):
            y.backward()


def test_pickle_finds_it():
    assert pickle.loads(pickle.dumps(hypot)) is hypot


def test_in_a_module_of_the_users():
    """Op, formula and use each by the names of another module than this one."""
    script = """
import numpy as np
import tinygrad_cls as torch
@torch.op("(...)->(...)", d_x=lambda g, y: g * y * slope)
def grow(x):
    return np.exp(slope * x)
slope = 0.5
x = torch.tensor([0.0, 2.0], requires_grad=True, dtype=torch.float64)
g, = torch.autograd.grad(grow(x).sum(), x, create_graph=True)
g.sum().backward()
e = np.exp([0.0, 1.0])
print(*(all(t.tolist() == k * e) for t, k in ((grow(x), 1), (g, 0.5), (x.grad, 0.25))))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True"] * 3, done.stderr


def test_the_front_doors_op_is_the_decorator():
    """Also after the module of that name was imported in every way."""
    importlib.import_module("tinygrad_cls.op")
    exec("import tinygrad_cls.op\nfrom tinygrad_cls.op import Op")
    assert callable(tg.op)
    assert "op" in tg.__all__


# --- what is wrong with a definition --------------------------------------------------------------


def same(x):
    return x


def both(a, b, dim=None):
    return a


EACH, PAIR = "(...)->(...)", "(...),(...)->(...)"
WRONG = {
    "names nothing": (
        {"law": EACH, "d_x": lambda g, z: g * z},
        same,
        ValueError,
        r"d_x of same asks for 'z', which is nothing that is there in backward\. The inputs of "
        r"same are x\. A derivative takes g first, .* x, x_dtype, x_shape, y\.",
    ),
    "names nothing of several": (
        {"law": PAIR, "d_a": lambda g, b, dim: g, "d_b": lambda g, a_size: g},
        both,
        ValueError,
        r"d_b of both asks for 'a_size'.* its static arguments dim\.",
    ),
    "no such input": (
        {"law": EACH, "d_z": lambda g: g},
        same,
        ValueError,
        r"d_z is the derivative for no input\. The inputs of same are x\.",
    ),
    "no such input of a ufunc": (
        {"law": PAIR, "d_x": lambda g: g},
        np.add,
        ValueError,
        r"d_x is the derivative for no input\. The inputs of add are a, b\.",
    ),
    "no derivative": ({"law": EACH, "veiw": True}, same, TypeError, "keyword argument 'veiw'"),
    "no function": ({"law": EACH, "d_x": 3.0}, same, TypeError, "not a callable"),
    "unknown types": (
        {"law": EACH, "types": "flaot"},
        same,
        ValueError,
        r"types='flaot' of same is none of promote, arithmetic, .*any",
    ),
    "no law": ({"law": "elementwise"}, same, ValueError, "'elementwise' is no shape law"),
    "half a law": ({"law": "(n,i)->"}, same, ValueError, "is no shape law"),
    "an open bracket": ({"law": "(n,i->(n)"}, same, ValueError, "is no shape law"),
    "two outputs": ({"law": "(n)->(n),(n)"}, same, ValueError, "is no shape law"),
    "an axis from nowhere": (
        {"law": "(n)->(n,k)", "examples": "x(3)"},
        same,
        ValueError,
        "has an axis k that is no axis of an input and no static argument",
    ),
    "too few inputs": (
        {"law": PAIR},
        same,
        ValueError,
        r"has 2 inputs, but the kernel of same takes 1",
    ),
    "no examples": (
        {"law": "(n,i),(o,i)->(n,o)"},
        both,
        ValueError,
        r"brings no examples of its own: give some calls",
    ),
}


@pytest.mark.parametrize(("given", "kernel", "kind", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_definition(given, kernel, kind, text):
    with pytest.raises(kind, match=text):
        tg.op(**given)(kernel)


def test_every_rule_of_types_is_known():
    assert {entry.types for entry in tg.ops.TABLE.values() if isinstance(entry, Op)} == set(TYPES)


def test_a_kernel_that_breaks_its_law():
    """The first result that it gives is held against the law, and again until one is right."""
    total = tg.op(EACH)(lambda x: np.sum(x))
    for _ in range(2):
        with pytest.raises(
            RuntimeError,
            match=r"returned shape \(\), but by its law \(\.\.\.\)->\(\.\.\.\) inputs of shapes "
            r"\(3,\) give \(3,\): correct the kernel, or write ->\(\?\)",
        ):
            total(tg.ones(3))
    calls = []
    kernel = tg.op(EACH)(lambda x: [calls.append(1), x][1])
    kernel(tg.ones(3)), kernel(tg.ones(3))
    assert calls == [1, 1]
    opened = tg.op("(...)->(?)", examples="x(3)")(lambda x: np.sum(x))
    assert opened(tg.ones(3)).item() == 3


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_of_the_wrong_shape(create_graph):
    wrong = tg.op(EACH, d_x=lambda g: tg.sum(g))(same)
    x = tg.ones(3, requires_grad=True)
    with pytest.raises(
        RuntimeError,
        match=r"Function SameBackward0 returned an invalid gradient at index 0 - got \[\] but "
        r"expected shape compatible with \[3\]: look at d_x of same",
    ):
        tg.autograd.grad(wrong(x).sum(), x, create_graph=create_graph)


def test_a_kernel_that_computes_with_tensors():
    """No way to write one, but it works: the inner ops are not recorded twice."""
    slow = tg.op(EACH, d_x=lambda g, x: g * 2 * x)(lambda x: (tg.tensor(x) ** 2).numpy())
    x = tg.tensor([3.0], requires_grad=True)
    y = slow(x)
    y.backward()
    assert (y.item(), x.grad.item()) == (9.0, 6.0)


# --- what the engine doesn't trust a user's op with ----------------------------------------------

KERNELS = ["a user's own global of this name"]


def test_a_result_that_aliases_its_input_is_copied():
    straight_through = tg.op(EACH, d_x=lambda g: g)(same)
    w, x = tg.ones(2, requires_grad=True), tg.tensor([2.0, 3.0])
    z = w * x
    y = straight_through(x)
    y.mul_(100)
    z.sum().backward()
    assert (w.grad.tolist(), x.tolist()) == ([2, 3], [2, 3])
    for kernel in (lambda x: x[:], lambda x: x.T, lambda x: np.broadcast_to(x[:1], x.shape)):
        y = tg.op(EACH)(kernel)(x)
        y.zero_()
        assert x.tolist() == [2, 3]


def test_a_view_is_tracked_or_copied():
    """Also where the kernel returns the input itself, or an alias that doesn't say whose."""
    for kernel in (same, lambda x: np.lib.stride_tricks.as_strided(x)):
        x = tg.tensor([2.0, 3.0])
        w = tg.ones(2, requires_grad=True)
        y = tg.op(EACH, view=True, d_x=lambda g: g)(kernel)(x)
        z = w * x
        y.mul_(100)
        if x.tolist() == [2, 3]:
            z.sum().backward()
            assert w.grad.tolist() == [2, 3]
        else:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                z.sum().backward()


def test_out_that_is_an_input():
    twice = tg.op(EACH)(lambda x, *, out=None: np.multiply(x, 2, out=out))
    a = np.ones(2)
    assert twice(a, out=a) is a
    assert a.tolist() == [2, 2]


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_has_the_inputs_dtype(create_graph):
    x = tg.ones(2, requires_grad=True)
    ramp = tg.op(EACH, d_x=lambda g: g * np.arange(2.0))(lambda x: x * np.arange(2.0, dtype="f4"))
    (g,) = tg.autograd.grad(ramp(x).sum(), x, create_graph=create_graph)
    assert (g.dtype, g.tolist()) == (tg.float32, [0, 1])
    several = tg.op("(...)*->(...)", examples="x(2), x(2)", d_xs=lambda g: g * np.arange(2.0))(
        lambda *xs: sum(xs) * np.arange(2.0, dtype="f4")
    )
    (g,) = tg.autograd.grad(several(x, x).sum(), x, create_graph=create_graph)
    assert (g.dtype, g.tolist()) == (tg.float32, [0, 2])


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("answer", "text"), [(2.0, "a float"), (None, "None"), ([1.0], "a list")])
def test_a_derivative_that_returns_no_array(answer, text, create_graph):
    wrong = tg.op(EACH, d_x=lambda g: answer)(same)
    x = tg.ones(3, requires_grad=True)
    with pytest.raises(TypeError, match=f"d_x of same returned {text}: return the gradient for x"):
        tg.autograd.grad(wrong(x).sum(), x, create_graph=create_graph)


@pytest.mark.parametrize(("answer", "text"), [(2.0, "a float"), (None, "None"), ([1.0], "a list")])
def test_a_kernel_that_returns_no_array(answer, text):
    def wrong(x):
        return answer

    for x in (tg.ones(3), np.ones(3)):
        with pytest.raises(TypeError, match=f"the kernel of wrong returned {text}: return an arr"):
            tg.op(EACH)(wrong)(x)


def test_a_gradient_that_nothing_broadcast():
    """One input has nobody to be broadcast with, and nothing sums its gradient."""
    for wrong, needs in (
        (tg.op(EACH, d_x=lambda g: g * np.ones((2, 1)))(same), 1),
        (mean_of, 2),
    ):
        x = tg.ones(3, requires_grad=True)
        with pytest.raises(RuntimeError, match=r"got \[2, 3\] but expected shape compatible with"):
            wrong(x, *[tg.ones(2, 1)] * (needs - 1)).sum().backward()


def test_a_second_order_with_numpy_is_explained():
    sine = tg.op(EACH, d_x=lambda g, x: g * np.cos(x))(np.sin)
    x = tg.ones(2, requires_grad=True)
    sine(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.cos(np.ones(2, "f4")))
    with pytest.raises(
        RuntimeError, match=r"Can't call numpy\(\).* Make d_x of sin of operators and ops, without"
    ):
        tg.autograd.grad(sine(x).sum(), x, create_graph=True)


def test_names_of_the_engine_are_free():
    """This module has a KERNELS, and these formulas close over a variable."""
    slope = 3.0
    script = {"KERNELS": {"g": None}, "tg": tg, "slope": slope}
    exec("made = tg.op('(...)->(...)', d_x=lambda g: g * slope)(lambda x: x * slope)", script)
    for made in (script["made"], tg.op(EACH, d_x=lambda g: g * slope)(lambda x: x * slope)):
        x = tg.ones(2, requires_grad=True)
        made(x).sum().backward()
        assert x.grad.tolist() == [3, 3]


@pytest.mark.filterwarnings("error")
def test_numpys_settings_stay_in_the_kernel():
    found = np.geterr()

    @tg.op(EACH)
    def strict(x):
        assert np.geterr()["divide"] == "ignore"
        np.log(x * 0)
        np.seterr(all="raise")
        return x + 1

    assert strict(tg.ones(2)).tolist() == [2, 2]
    assert np.geterr() == found
    assert tg.log(tg.zeros(1)).item() == -np.inf
    assert (tg.ones(1) / 0).item() == np.inf


def test_an_op_defined_in_a_loop_is_freed():
    gc.collect()
    gc.disable()
    try:
        made = tg.op(PAIR, d_a=lambda g: g, d_b=lambda g: g)(lambda a, b: a + b)
        x = tg.ones(2, requires_grad=True)
        made(x, x).sum().backward()
        gone = weakref.ref(made)
        del made
        assert gone() is None
    finally:
        gc.enable()
