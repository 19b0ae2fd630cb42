"""autograd.functional: values, nesting, strictness and errors as torch's."""

import itertools

import numpy as np
import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls.autograd import functional as fn

START = """
fn = torch.autograd.functional
x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
z = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.25, -0.5]], dtype=torch.float64)
s = torch.tensor(1.5, dtype=torch.float64)
u = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
w = torch.tensor([0.3, 0.2, 0.1], dtype=torch.float64, requires_grad=True)
"""


@snippets("""
fn.jacobian(lambda x: x * x, x)
fn.jacobian(lambda x: x.exp().sum(), x)
fn.jacobian(lambda x: x.sum(), s)
fn.jacobian(lambda x: (x * x, x.sum()), x)
fn.jacobian(lambda x: (x.prod(),), x)
fn.jacobian(lambda x: x.tanh(), (x,))
fn.jacobian(lambda x: (x * 2,), (x,))
fn.jacobian(lambda x, z: x * z, (x, z))
fn.jacobian(lambda x, z: (x * z, z @ x, x.sum()), (x, z))
fn.jacobian(lambda x, z: z.exp(), (x, z))
fn.jacobian(lambda x: torch.ones(2), x)
fn.jacobian(lambda x: w * 2, x)
fn.jacobian(lambda x: x, x)
fn.jacobian(lambda x: x.softmax(0), x)
fn.jacobian(lambda x: x.view(3, 1) * w, x)
fn.jacobian(lambda x: x.float() * 2, x)
fn.jacobian(lambda x: (x > 1), x)
fn.jacobian(lambda x: x * x, x, vectorize=True)
fn.jacobian(lambda x, z: (x * z, x.sum()), (x, z), vectorize=True)
fn.jacobian(lambda x: torch.ones(2), x, vectorize=True)
fn.jacobian(lambda x: x * x, w, create_graph=True)
fn.jacobian(lambda x: x * x, x, create_graph=True)
fn.jacobian(lambda x: x * x * w, x, create_graph=True)
j = fn.jacobian(lambda x: x ** 3 * w, w, create_graph=True); j.sum().backward(); w.grad
fn.jacobian(lambda x: (x * w).sum(), w)
with torch.no_grad(): j = fn.jacobian(lambda x: x ** 3, x)
|j
fn.jacobian(lambda x: x ** 2, x, strict=True)
fn.jacobian(lambda x: x ** 2, w, strict=True, create_graph=True)
fn.hessian(lambda x: (x ** 3).sum(), x)
fn.hessian(lambda x: x.prod(), x)
fn.hessian(lambda x: (x ** 3).sum(), x, vectorize=True)
fn.hessian(lambda x: x ** 3, s)
fn.hessian(lambda x: (x ** 3).sum().view(1, 1), x)
fn.hessian(lambda x, z: (x * z).prod(), (x, z))
fn.hessian(lambda x, z: (x ** 2).sum(), (x, z))
fn.hessian(lambda x: (x ** 3).sum(), (x,))
fn.hessian(lambda x: x.sum(), x)
fn.hessian(lambda x: w.sum(), x)
fn.hessian(lambda x: (x ** 4).sum(), w, create_graph=True)
h = fn.hessian(lambda x: (x ** 4).sum(), w, create_graph=True); h.sum().backward(); w.grad
fn.hessian(lambda x: (x ** 3).sum(), x, strict=True)
with torch.no_grad(): h = fn.hessian(lambda x: x.exp().sum(), x)
|h
""")
def test_in_full(code):
    check(START + code)


@snippets("""
fn.vjp(lambda x: x * x, x, u)
fn.vjp(lambda x: (x * x).sum(), x)
fn.vjp(lambda x: (x * x).sum().view(1), x)
fn.vjp(lambda x: x.exp().sum(), (x,))
fn.vjp(lambda x: (x * x, x.sum()), x, (u, s))
fn.vjp(lambda x, z: x * z, (x, z), z)
fn.vjp(lambda x, z: z * 2, (x, z), z)
fn.vjp(lambda x: torch.ones(3, dtype=torch.float64), x, u)
fn.vjp(lambda x: (x.exp(), 2 * w), w, (u, u))
fn.vjp(lambda x: x ** 3, w, u, create_graph=True)
fn.vjp(lambda x: x ** 3, x, w, create_graph=True)
y, g = fn.vjp(lambda x: x ** 3, w, u, create_graph=True); g.sum().backward(); w.grad
with torch.no_grad(): y = fn.vjp(lambda x: x ** 3, x, u)
|y
fn.vjp(lambda x: x ** 3, x, u, strict=True)
fn.jvp(lambda x: x * x, x, u)
fn.jvp(lambda x: x ** 3, s)
fn.jvp(lambda x: (x * x).sum(), x, u)
fn.jvp(lambda x: (x * x, x.sum()), x, u)
fn.jvp(lambda x, z: x * z, (x, z), (u, z))
fn.jvp(lambda x, z: (x * z, z.exp(), x), (x, z), (u, z))
fn.jvp(lambda x: torch.ones(3), x, u)
fn.jvp(lambda x: (x.exp(), torch.ones(2)), x, u)
fn.jvp(lambda x: x, x, u)
fn.jvp(lambda x: x ** 3, w, u, create_graph=True)
fn.jvp(lambda x: x ** 3, w, w, create_graph=True)
y, g = fn.jvp(lambda x: x ** 3, w, u, create_graph=True); g.sum().backward(); w.grad
with torch.no_grad(): y = fn.jvp(lambda x: x ** 3, x, u)
|y
fn.jvp(lambda x: x ** 3, x, u, strict=True)
fn.jvp(lambda x: x.log_softmax(0), x, u)
fn.jvp(lambda x: x.max(), x, u)
fn.vhp(lambda x: (x ** 3).sum(), x, u)
fn.vhp(lambda x: x ** 3, s)
fn.vhp(lambda x: x.prod(), x, u)
fn.vhp(lambda x, z: (x * z).prod(), (x, z), (u, z))
fn.vhp(lambda x, z: (x ** 3).sum(), (x, z), (u, z))
fn.vhp(lambda x: x.sum(), x, u)
fn.vhp(lambda x: w.sum(), x, u)
fn.vhp(lambda x: (x ** 4).sum(), w, u, create_graph=True)
fn.vhp(lambda x: (x ** 3).sum(), x, u, strict=True)
fn.hvp(lambda x: (x ** 3).sum(), x, u)
fn.hvp(lambda x: x ** 3, s)
fn.hvp(lambda x: x.prod(), x, u)
fn.hvp(lambda x, z: (x * z).prod(), (x, z), (u, z))
fn.hvp(lambda x, z: (x ** 3).sum(), (x, z), (u, z))
fn.hvp(lambda x: x.sum(), x, u)
fn.hvp(lambda x: (x ** 4).sum(), w, u, create_graph=True)
y, g = fn.hvp(lambda x: (x ** 4).sum(), w, u, create_graph=True); g.sum().backward(); w.grad
fn.hvp(lambda x: (x ** 3).sum(), x, u, strict=True)
with torch.no_grad(): y = fn.hvp(lambda x: (x ** 3).sum(), x, u)
|y
""")
def test_products(code):
    check(START + code)


@snippets("""
fn.jacobian(lambda x: x * x, [x])
fn.jacobian(lambda x: x * x, (x, 3.0))
fn.jacobian(lambda x: [x * x], x)
fn.jacobian(lambda x: (x * x, 3.0), x)
fn.jacobian(lambda x: 3.0, x)
fn.jacobian(lambda x: x, torch.tensor([1, 2]))
fn.jacobian(lambda x: x[:0], x)
fn.jacobian(lambda x: x, x, strategy="sideways")
fn.jacobian(lambda x: x ** 2, x, strict=True, vectorize=True)
fn.jacobian(lambda x: torch.ones(2), x, strict=True)
fn.jacobian(lambda x, z: x * 2, (x, z), strict=True)
fn.jacobian(lambda x, z: (x * z, x * 2), (x, z), strict=True)
fn.jacobian(lambda x: x * 2, w, strict=True, create_graph=True)
fn.jacobian(lambda x: x * 2)
fn.hessian(lambda x: x, x)
fn.hessian(lambda x: (x.sum(),), x)
fn.hessian(lambda x: (x.sum(), x.sum()), x)
fn.hessian(lambda x: 3.0, x)
fn.hessian(lambda x: x.sum(), 3.0)
fn.hessian(lambda x: x.sum(), x, strict=True)
fn.hessian(lambda x: w.sum(), x, strict=True)
fn.hessian(lambda x: torch.tensor(1.0), x, strict=True)
fn.hessian(lambda x: (x * x).sum(), w, strict=True, create_graph=True)
fn.hessian(lambda x, z: (x * x).sum(), (x, z), strict=True)
fn.hessian(lambda x: x.sum(), x, outer_jacobian_strategy="sideways")
fn.vjp(lambda x: x, x)
fn.vjp(lambda x: (x.sum(), x.sum()), x)
fn.vjp(lambda x: x, x, s)
fn.vjp(lambda x: x, x, (u, u))
fn.vjp(lambda x: (x, x), x, (u,))
fn.vjp(lambda x: (x, x), x, (u, s))
fn.vjp(lambda x: x, x, [u])
fn.vjp(lambda x: x, x, 3.0)
fn.vjp(lambda x: x, [x], u)
fn.vjp(lambda x: [x], x, u)
fn.vjp(lambda x: torch.ones(3), x, u, strict=True)
fn.vjp(lambda x, z: x * 2, (x, z), u, strict=True)
fn.vjp(lambda x: x * 2, w, u, strict=True, create_graph=True)
fn.jvp(lambda x: x, x)
fn.jvp(lambda x, z: x, (x, z))
fn.jvp(lambda x: x, x, s)
fn.jvp(lambda x: x, x, (u, u))
fn.jvp(lambda x, z: x, (x, z), (u,))
fn.jvp(lambda x, z: x, (x, z), (u, u))
fn.jvp(lambda x: x, x, "u")
fn.jvp(lambda x: torch.ones(3), x, u, strict=True)
fn.jvp(lambda x, z: x * 2, (x, z), (u, z), strict=True)
fn.jvp(lambda x: x * 2, w, u, strict=True, create_graph=True)
fn.vhp(lambda x: x, x, u)
fn.vhp(lambda x: (x.sum(),), x, u)
fn.vhp(lambda x: x.sum(), x)
fn.vhp(lambda x: x.sum(), x, s)
fn.vhp(lambda x: x.sum(), x, u, strict=True)
fn.vhp(lambda x, z: (x ** 2).sum(), (x, z), (u, z), strict=True)
fn.vhp(lambda x: (x ** 2).sum(), w, u, strict=True, create_graph=True)
fn.hvp(lambda x: x, x, u)
fn.hvp(lambda x: (x.sum(),), x, u)
fn.hvp(lambda x: x.sum(), x)
fn.hvp(lambda x: x.sum(), x, s)
fn.hvp(lambda x: x.sum(), x, u, strict=True)
fn.hvp(lambda x, z: (x ** 2).sum(), (x, z), (u, z), strict=True)
fn.hvp(lambda x: (x ** 2).sum(), w, u, strict=True, create_graph=True)
fn.hvp(lambda x: 1 / 0, x, u)
""")
def test_refuses(code):
    check(START + code)


# What is said of every one of them.
@snippets("""
x.requires_grad_(); fn.vjp(lambda y: (y * x).sum(), x)
x.requires_grad_(); fn.jacobian(lambda y: y * x, x)
x.requires_grad_(); fn.jvp(lambda y: y * x, x, u)
x.requires_grad_(); fn.hessian(lambda y: (y * y * x).sum(), x)
fn.jacobian(lambda y: y.exp(), w); [w.grad, w.requires_grad]
fn.hvp(lambda y: (y * y * w).sum(), w, u); w.grad
h = x * 1; fn.jacobian(lambda y: y.exp(), h), h.requires_grad
fn.jacobian(lambda y: y.add_(1) * y, x), x
fn.jacobian(nn.Sequential(nn.ReLU(), nn.Sigmoid()), x)
m = nn.Linear(3, 2).double(); m.weight.data.fill_(0.5); fn.jacobian(m, x), m.weight.grad
""")
def test_only_the_arguments_count(code):
    check(START + code)


@pytest.mark.parametrize("strategy", [{"strategy": "forward-mode"}, {"vectorize": True}])
def test_forward_mode_is_refused(strategy):
    """torch has it; this engine goes backward only, and says so."""
    x = tg.ones(2)
    if "strategy" in strategy:
        with pytest.raises(NotImplementedError, match="differentiates backward only"):
            fn.jacobian(tg.exp, x, **strategy)
        with pytest.raises(NotImplementedError, match="differentiates backward only"):
            fn.hessian(lambda x: x.exp().sum(), x, outer_jacobian_strategy="forward-mode")
    else:
        assert tg.equal(fn.jacobian(tg.exp, x, **strategy), fn.jacobian(tg.exp, x))


def net(x, W, b):
    return (tg.tanh(x @ W + b) ** 2).sum(1)


@pytest.fixture
def point():
    g = tg.Generator().manual_seed(1)
    return [
        tg.rand(*shape, generator=g, dtype=tg.float64) - 0.5 for shape in ((4, 3), (3, 2), (2,))
    ]


def test_the_products_are_those_of_the_jacobian(point):
    """u' J and J v by their own passes, and by the whole matrix."""
    inputs, g = tuple(point), tg.Generator().manual_seed(2)
    vs = tuple(tg.rand(*x.shape, generator=g, dtype=tg.float64) for x in inputs)
    u = tg.rand(4, generator=g, dtype=tg.float64)
    blocks = [J.reshape(4, -1) for J in fn.jacobian(net, inputs)]
    y, uJ = fn.vjp(net, inputs, u)
    y2, Jv = fn.jvp(net, inputs, vs)
    expected = sum(J @ v.reshape(-1) for J, v in zip(blocks, vs, strict=True))
    np.testing.assert_array_equal(y.numpy(), y2.numpy())
    # sums of up to 12 products, in another order: a few units in the last place
    np.testing.assert_allclose(Jv.numpy(), expected.numpy(), rtol=1e-13, atol=1e-15)
    for J, part in zip(blocks, uJ, strict=True):
        np.testing.assert_allclose(
            (u @ J).numpy(), part.reshape(-1).numpy(), rtol=1e-13, atol=1e-15
        )


def test_the_products_are_those_of_the_hessian(point):
    inputs, g = tuple(point), tg.Generator().manual_seed(2)
    vs = tuple(tg.rand(*x.shape, generator=g, dtype=tg.float64) for x in inputs)

    def loss(*inputs):
        return net(*inputs).mean()

    H = fn.hessian(loss, inputs)
    for i, j in itertools.product(range(3), repeat=2):  # H is symmetric
        a, b = inputs[i].numel(), inputs[j].numel()
        np.testing.assert_allclose(
            H[i][j].reshape(a, b).numpy(), H[j][i].reshape(b, a).T.numpy(), rtol=1e-12, atol=1e-15
        )
    for product in (fn.vhp, fn.hvp):
        y, found = product(loss, inputs, vs)
        assert tg.equal(y, loss(*inputs))
        for row, part in zip(H, found, strict=True):
            expected = sum(
                B.reshape(part.numel(), -1) @ v.reshape(-1) for B, v in zip(row, vs, strict=True)
            )
            np.testing.assert_allclose(
                part.reshape(-1).numpy(), expected.numpy(), rtol=1e-12, atol=1e-15
            )


def test_the_jacobian_is_that_of_differences(point):
    x, W, b = point
    J = fn.jacobian(lambda x: net(x, W, b), x).numpy()
    step = 1e-6  # the error of a central difference is about step**2 = 1e-12 of a third derivative
    for i in range(x.numel()):
        moved = np.zeros(x.numel())
        moved[i] = step
        e = tg.from_numpy(moved).view(4, 3)
        slope = (net(x + e, W, b) - net(x - e, W, b)).numpy() / (2 * step)
        np.testing.assert_allclose(J.reshape(4, -1)[:, i], slope, rtol=0, atol=1e-9)


def test_a_mode_is_left_as_it_was():
    with tg.no_grad(), pytest.raises(ZeroDivisionError):
        fn.hessian(lambda x: 1 / 0, tg.ones(2))
    assert tg.is_grad_enabled()
    with tg.no_grad():
        fn.jacobian(tg.exp, tg.ones(2))
        assert not tg.is_grad_enabled()
