"""autograd.gradcheck and gradgradcheck: torch's verdicts, snippet by snippet; and what is ours."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls.autograd import gradcheck, gradgradcheck
from tinygrad_cls.autograd.gradcheck import GradcheckError

# `of(slope)` is x ** 3 with the given slope for its derivative; `Op` and `op` other wrong ones.
START = """
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck
def op(forward, backward):
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Op", (torch.autograd.Function,), body).apply
def cube(ctx, x):
    ctx.save_for_backward(x)
    return x ** 3
def of(slope): return op(cube, lambda ctx, g: slope(ctx.saved_tensors[0], g))
def said(f, *given, **options):
    try:
        return f(*given, **options)
    except RuntimeError as error:
        return type(error).__name__, str(error).split(",")[0].split("\\n")[0]
right = of(lambda x, g: 3 * x * x * g)
wrong = of(lambda x, g: 2 * x * x * g)
nearly = of(lambda x, g: 3.003 * x * x * g)
detached = of(lambda x, g: 3 * (x * x).detach() * g)
calls = []
def noisy(x, g):
    calls.append(1)
    return 3 * x * x * g * (1 + 1e-7 * len(calls))
x = torch.tensor([0.5, 1.0, -2.0], dtype=torch.float64, requires_grad=True)
y = torch.tensor([2.0, 0.3, 1.5], dtype=torch.float64, requires_grad=True)
c = torch.tensor([2.0, 0.3, 1.5], dtype=torch.float64)
M = torch.tensor([[0.5, 1.0], [-2.0, 0.1]], dtype=torch.float64, requires_grad=True)
"""


@snippets("""
gradcheck(torch.tanh, x)
gradcheck(torch.tanh, (x,))
gradcheck(torch.tanh, [x])
gradcheck(lambda x, y: x * y, (x, y))
gradcheck(lambda x, y: (x * y, x.exp()), (x, y))
gradcheck(lambda x, c: x * c, (x, c))
gradcheck(torch.mm, (M, M.detach().clone().requires_grad_()))
gradcheck(lambda M: M.T.exp().sum(dim=0), M)
gradcheck(lambda x: x.exp().sum(), x)
gradcheck(lambda x: x[:0], x)
gradcheck(lambda x: torch.relu(x), x)
gradcheck(right, x)
gradcheck(lambda x, n: x ** n, (x, 3))
gradcheck(lambda x: x.detach() * x, x)
said(gradcheck, wrong, x)
said(gradcheck, lambda x, y: (x * y, wrong(x)), (x, y))
said(gradcheck, lambda y, x: y * wrong(x), (y, x))
said(gradcheck, lambda x: x.detach() * x, x)
gradcheck(wrong, x, raise_exception=False)
gradcheck(lambda x, y: (x * y, wrong(x)), (x, y), raise_exception=False)
gradcheck(lambda x: x.detach() * x, x, raise_exception=False)
said(gradcheck, of(noisy), x)
gradcheck(of(noisy), x, raise_exception=False)
gradcheck(of(noisy), x, nondet_tol=1e-3)
gradcheck(nearly, x, raise_exception=False)
gradcheck(nearly, x, rtol=1e-2)
gradcheck(nearly, x, rtol=0.0, atol=0.1)
gradcheck(nearly, x, rtol=0.0, atol=1e-4, raise_exception=False)
gradcheck(right, x, eps=1e-5, atol=1e-4, rtol=1e-2)
gradcheck(right, x, check_undefined_grad=False)
gradcheck(right, x, check_grad_dtypes=True)
gradcheck(right, x, check_batched_grad=False, check_batched_forward_grad=False)
gradcheck(right, x, check_forward_ad=False, check_backward_ad=True)
gradcheck(right, x, fast_mode=True)
gradcheck(wrong, x, fast_mode=True, raise_exception=False)
gradcheck(right, x, masked=False)
gradcheck(right, x, masked=None)
gradcheck(lambda x: x.nosuch(), x) # type
gradcheck(lambda x: x.nosuch(), x, raise_exception=False) # type
gradcheck(lambda x: x.view(5), x, raise_exception=False) # type
gradcheck(lambda x: (x > 0).double(), x)
said(gradcheck, lambda x: x.detach() * 2, x)
gradcheck(lambda x: x.detach() * 2, x, raise_exception=False)
said(gradcheck, op(cube, lambda ctx, g: (g, g)), x) # type
said(gradcheck, op(cube, lambda ctx, g: g.sum()), x)
said(gradcheck, op(cube, lambda ctx, g: None), x)
gradcheck(op(cube, lambda ctx, g: None), x, raise_exception=False)
gradcheck(lambda x: x * float("nan"), x, raise_exception=False)
gradcheck(right, c)
gradcheck(right, x.detach())
gradcheck(right, ())
gradcheck(right, x, nosuch=1) # type
gradcheck(right, x, 1e-6) # type
gradcheck(right) # type
""")
def test_gradcheck_as_torchs(code: str) -> None:
    check(f"{START}\n{code}")


@snippets("""
gradgradcheck(torch.tanh, x)
gradgradcheck(lambda x, y: (x * y, x.exp() * y), (x, y))
gradgradcheck(torch.mm, (M, M.detach().clone().requires_grad_()))
gradgradcheck(right, [x])
gradgradcheck(right, x, torch.ones(3, dtype=torch.float64, requires_grad=True))
gradgradcheck(right, x, [torch.ones(3, dtype=torch.float64, requires_grad=True)])
gradgradcheck(right, x, grad_outputs=(torch.ones(3, dtype=torch.float64, requires_grad=True),))
said(gradgradcheck, detached, x)
gradgradcheck(detached, x, raise_exception=False)
gradgradcheck(right, x, eps=1e-5, atol=1e-4, rtol=1e-2, nondet_tol=1e-8)
gradgradcheck(M.__mul__, M.detach().clone().requires_grad_(), gen_non_contig_grad_outputs=True)
gradgradcheck(right, x, gen_non_contig_grad_outputs=True)
gradgradcheck(right, x, check_undefined_grad=False, check_grad_dtypes=True)
gradgradcheck(right, x, check_batched_grad=False, check_fwd_over_rev=False)
gradgradcheck(right, x, check_rev_over_rev=True, fast_mode=True, masked=False)
gradgradcheck(right, c)
gradgradcheck(right, x, nosuch=1) # type
gradgradcheck(right) # type
""")
def test_gradgradcheck_as_torchs(code: str) -> None:
    check(f"{START}\n{code}")


# --- what torch does not say, or not so -----------------------------------------------------------


def x64(*values: float, grad: bool = True) -> Any:
    return tg.tensor(values, dtype=tg.float64, requires_grad=grad)


class Wrong(tg.autograd.Function):
    """x ** 3 with a slope that is a little too large."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3.1 * x * x * g


def test_the_error_has_the_report() -> None:
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect") as e:
        gradcheck(Wrong.apply, x64(0.5, 2.0))
    report = e.value.report
    assert report.verdict == "failed"
    assert report.failures[0].hint == "factor"
    assert str(report) in str(e.value)


def test_the_error_can_be_sent_elsewhere() -> None:
    with pytest.raises(GradcheckError) as e:
        gradcheck(Wrong.apply, x64(0.5, 2.0))
    assert str(pickle.loads(pickle.dumps(e.value))) == str(e.value)


def test_single_precision_is_judged_in_double() -> None:
    x = tg.tensor([0.5, 2.0], requires_grad=True)
    assert gradcheck(lambda x: (x * 1.5).tanh(), x)
    assert not gradcheck(Wrong.apply, x, raise_exception=False)


def test_a_legal_slope_at_a_kink_passes() -> None:
    assert gradcheck(tg.relu, x64(0.0, 1.0))
    assert gradcheck(tg.abs, x64(0.0, -1.0))


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (gradcheck, {"check_batched_grad": True}),
        (gradcheck, {"check_batched_forward_grad": True}),
        (gradcheck, {"check_forward_ad": True}),
        (gradcheck, {"masked": True}),
        (gradgradcheck, {"check_batched_grad": True}),
        (gradgradcheck, {"check_fwd_over_rev": True}),
        (gradgradcheck, {"masked": True}),
    ],
)
def test_what_there_is_not_is_refused(function: Callable[..., bool], options: Any) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{function.__name__}: {name}=True is not supported"):
        function(tg.tanh, x64(0.5), **options)


def test_nothing_to_check_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to check"):
        gradcheck(tg.tanh, x64(0.5), check_backward_ad=False)
    with pytest.raises(ValueError, match="nothing to check"):
        gradgradcheck(tg.tanh, x64(0.5), check_rev_over_rev=False)


def test_nothing_is_left_behind() -> None:
    x = x64(0.5, 1.0)
    before = x.detach().numpy().copy()
    tg.manual_seed(3)
    state = tg.get_rng_state()
    assert gradcheck(tg.tanh, x)
    assert gradgradcheck(tg.tanh, x)
    assert x.grad is None
    assert (x.detach().numpy() == before).all()
    assert np.array_equal(np.asarray(tg.get_rng_state()), np.asarray(state))
