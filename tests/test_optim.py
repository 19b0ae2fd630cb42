"""SGD is PyTorch's: the same bits, the same rules, the same errors."""

import os
import platform
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import check

import tinygrad_cls as tg
from tinygrad_cls.stream import fused_kernels

ROOT = Path(__file__).parents[1]
# Elsewhere torch's kernels were not at hand to compare with: see tinygrad_cls.stream.
x86_64_linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="judged on x86-64 Linux"
)


def table(**snippets: str) -> Any:
    return pytest.mark.parametrize("code", snippets.values(), ids=snippets)


def updated(engine: Any, p: np.ndarray, gradients: np.ndarray, **options: Any) -> np.ndarray:
    """The parameter after a step with each of the gradients."""
    parameter = engine.nn.Parameter(engine.tensor(p))
    optimizer = engine.optim.SGD([parameter], **options)
    for g in gradients:
        parameter.grad = engine.tensor(g)
        optimizer.step()
    return parameter.detach().numpy()


# --- The update, bit by bit -----------------------------------------------------------------------


def values(seed: int, dtype: str, n: int = 2000, steps: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and gradients of all sizes, so that every distance of exponents occurs."""
    rng = np.random.default_rng(seed)
    p = rng.normal(size=n) * 10.0 ** rng.uniform(-6, 6, n)
    g = rng.normal(size=(steps, n)) * 10.0 ** rng.uniform(-6, 6, (steps, n))
    return p.astype(dtype), g.astype(dtype)


@pytest.mark.needs_torch
@x86_64_linux
@pytest.mark.parametrize("lr", [1e-3, 0.1, 0.3, 1, 7.7, 1e-30, 1e30])
def test_float32_has_torchs_bits(lr: float) -> None:
    import torch

    p, g = values(int(lr * 10), "float32")
    theirs = updated(torch, p, g, lr=lr)
    np.testing.assert_array_equal(updated(tg, p, g, lr=lr), theirs)
    for options in ({"foreach": True}, {"foreach": False}, {"fused": True}, {"fused": False}):
        np.testing.assert_array_equal(updated(torch, p, g, lr=lr, **options), theirs)
        np.testing.assert_array_equal(updated(tg, p, g, lr=lr, **options), theirs)
    if fused_kernels() and lr in (0.1, 0.3, 7.7):  # a rounding more is seen
        assert (p - np.float32(lr) * g[0] != updated(tg, p, g[:1], lr=lr)).mean() > 0.05


@pytest.mark.needs_torch
@pytest.mark.parametrize("lr", [1e-3, 0.1, 0.3, 1, 7.7])
def test_float64_is_within_a_rounding(lr: float) -> None:
    """torch may round the product and the difference once, this engine rounds each."""
    import torch

    p, g = values(int(lr * 10), "float64", steps=1)
    ours, theirs = (updated(engine, p, g, lr=lr) for engine in (tg, torch))
    # a unit roundoff of the product, and a different neighbour of the difference
    bound = 2.0**-53 * np.abs(lr * g[0]) + np.spacing(np.abs(theirs))
    assert (np.abs(ours - theirs) <= bound).all()


@pytest.mark.needs_torch
@x86_64_linux
@given(
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    st.floats(0, 1e3),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1.0, 1e-38, 1e30]),
)
def test_any_shape_and_rate(shape: tuple[int, ...], lr: float, seed: int, size: float) -> None:
    import torch

    rng = np.random.default_rng(seed)
    p, g = (rng.normal(size=(2, *shape)) * size).astype(np.float32)
    ours, theirs = (updated(engine, p, g[None], lr=lr) for engine in (tg, torch))
    np.testing.assert_array_equal(ours, theirs)


OTHER = """
import sys, numpy as np, torch, tinygrad_cls as tg
sys.path.insert(0, "tests")
from test_optim import updated, values
for lr in (1e-3, 0.1, 7.7):
    p, g = values(3, "float32")
    ours, theirs = (updated(engine, p, g, lr=lr) for engine in (tg, torch))
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(updated(tg, p, g[:1], lr=lr), p - np.float32(lr) * g[0])
print(torch.backends.cpu.get_cpu_capability())
"""


@pytest.mark.needs_torch
@x86_64_linux
def test_default_kernels_round_twice() -> None:
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", OTHER]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["DEFAULT"]


def test_golden_update() -> None:
    """Printed by PyTorch 2.13 on x86-64, with AVX2 and without."""
    p, g = np.float32([-0.07, 0.1, -0.01]), np.float32([[1.77, -0.89, 1.32]])
    expected = (
        "-0x1.f9db220000000p-3 0x1.83126e0000000p-3 -0x1.22d0e60000000p-3"
        if fused_kernels()
        else "-0x1.f9db240000000p-3 0x1.8312700000000p-3 -0x1.22d0e80000000p-3"
    )
    assert [x.hex() for x in updated(tg, p, g, lr=0.1).tolist()] == expected.split()


# --- Rules ----------------------------------------------------------------------------------------

P = "p = nn.Parameter(torch.tensor([1.0, 2.0])); q = nn.Parameter(torch.tensor(3.0))\n"
READY = P + "o = optim.SGD([p, q], lr=0.1)\n"
CLOSURE = """
def closure():
    o.zero_grad()
    loss = (p * p).sum() * q
    loss.backward()
    return loss
"""


@pytest.mark.needs_torch
@table(
    step="(p * p).sum().backward(); o.step(), p, p.grad",
    no_gradient_is_skipped="(p * p).sum().backward(); v = q._version; o.step(); q, q._version - v",
    no_gradient_at_all="o.step(), p, q",
    zero_gradient="(p * 0).sum().backward(); o.step(); p",
    nan_and_infinity="p.grad = torch.tensor([math.nan, math.inf]); o.step(); p",
    counts_the_write="p.sum().backward(); v = p._version; o.step(); p._version - v",
    keeps_the_memory="""
d, s, a = p.data, {'p': p.detach()}, p.detach().numpy()
p.sum().backward()
o.step()
d, s, a""",
    the_graph_is_stale="l = (p * p).sum(); p.sum().backward(); o.step(); l.backward()",
    zero_grad="p.sum().backward(); o.zero_grad(); p.grad",
    zero_grad_to_zero="p.sum().backward(); o.zero_grad(set_to_none=False); p.grad, q.grad",
    zero_grad_by_place="p.sum().backward(); g = p.grad; o.zero_grad(False); p.grad is g, g",
    gradients_add_up="p.sum().backward(); p.sum().backward(); o.step(); p",
    closure=CLOSURE + "o.step(closure), p, q",
    closure_by_keyword=CLOSURE + "o.step(closure=closure), p",
    closure_under_no_grad=CLOSURE + "with torch.no_grad(): r = o.step(closure), p\nr",
    closure_of_a_number="o.step(lambda: 3)",
    closure_is_run_first=CLOSURE + "p.grad = torch.ones(2) * 100; o.step(closure); p",
    new_rate="o.param_groups[0]['lr'] = 1.0; p.sum().backward(); o.step(); p, len(o.param_groups)",
    parameters_in_the_group="[x is y for x, y in zip(o.param_groups[0]['params'], [p, q])]",
    frozen_later="p.sum().backward(); p.requires_grad_(False); o.step(); p",
    gradient_with_a_graph="""
p.grad, = torch.autograd.grad((p * p).sum(), p, create_graph=True)
o.step()
p""",
    gradient_not_contiguous="""
w = nn.Parameter(torch.ones(2, 3))
o = optim.SGD([w], lr=0.5)
(w.T * torch.arange(6.0).reshape(3, 2)).sum().backward()
o.step()
w""",
)
def test_steps(code: str) -> None:
    check(READY + code)


@pytest.mark.needs_torch
@table(
    default_rate="optim.SGD([p]).param_groups[0]['lr']",
    rate_by_place="optim.SGD([p], 0.5).param_groups[0]['lr']",
    zero_rate="o = optim.SGD([p], lr=0); p.sum().backward(); o.step(); p",
    integer_rate="o = optim.SGD([p], lr=1); p.sum().backward(); o.step(); p",
    nan_rate="o = optim.SGD([p], lr=math.nan); p.sum().backward(); o.step(); p",
    infinite_rate="o = optim.SGD([p], lr=math.inf); p.sum().backward(); o.step(); p",
    tensor_rate="o = optim.SGD([p], lr=torch.tensor(0.1)); p.sum().backward(); o.step(); p",
    tensor_rate_of_two="optim.SGD([p], lr=torch.tensor([0.1, 0.2]))",
    negative_rate="optim.SGD([p], lr=-0.1)",
    text_rate="optim.SGD([p], lr='fast')",
    no_rate="optim.SGD([p], lr=None)",
    options_off="o = optim.SGD([p], foreach=None, fused=None, differentiable=False); p",
    foreach_and_fused="optim.SGD([p], foreach=True, fused=True)",
    iterator="o = optim.SGD(iter([p, q])); len(o.param_groups[0]['params'])",
    generator="o = optim.SGD(nn.Linear(2, 1).parameters()); len(o.param_groups[0]['params'])",
    a_tuple="o = optim.SGD((p, q)); len(o.param_groups[0]['params'])",
    a_set="o = optim.SGD({p}); len(o.param_groups[0]['params'])",
    by_keyword="o = optim.SGD(params=[p], lr=1); p.sum().backward(); o.step(); p",
    a_tensor_for_a_list="optim.SGD(p)",
    nothing="optim.SGD([])",
    nothing_left="g = nn.Linear(1, 1).parameters(); list(g); optim.SGD(g)",
    none="optim.SGD(None)",
    numbers="optim.SGD([3])",
    texts="optim.SGD(['weight'])",
    a_list_in_a_list="optim.SGD([[p]])",
    a_result="optim.SGD([p * 2])",
    twice="o = optim.SGD([p, p], lr=0.1); p.sum().backward(); o.step(); p",
    a_tensor_without_gradient="o = optim.SGD([torch.ones(2)]); o.step()",
    integers="o = optim.SGD([torch.arange(2)]); o.step()",
    double="""
m = nn.Linear(2, 1).double()
nn.init.ones_(m.weight)
o = optim.SGD(m.parameters(), lr=0.1)
m(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
o.step()
m.weight""",
    converted_later="""
m = nn.Linear(2, 1, bias=False)
nn.init.ones_(m.weight)
o = optim.SGD(m.parameters(), lr=0.1)
m.double()
m(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
o.step()
m.weight""",
    half="""
w = torch.ones(2, dtype=torch.float16, requires_grad=True)
o = optim.SGD([w], lr=0.1)
(w * w).sum().backward()
o.step()
w""",
    shared="""
a = nn.Linear(1, 1, bias=False)
nn.init.ones_(a.weight)
o = optim.SGD(nn.Sequential(a, a).parameters(), lr=0.1)
a(a(torch.ones(1, 1))).sum().backward()
o.step()
a.weight""",
    copied="""
o = copy.deepcopy(optim.SGD([p], lr=0.25))
o.param_groups[0]['params'][0] is p, o.param_groups[0]['lr']""",
    pickled="pickle.loads(pickle.dumps(optim.SGD([p], lr=0.25))).param_groups[0]['lr']",
)
def test_options(code: str) -> None:
    check(P + code)


def test_what_torch_offers_and_this_engine_does_not_is_refused() -> None:
    p = tg.nn.Parameter(tg.ones(2))
    with pytest.raises(ValueError, match="differentiable=True is not supported"):
        tg.optim.SGD([p], differentiable=True)


def test_a_minimum_is_found() -> None:
    """|A x - b|^2 has its minimum where A x = b; the rate is below 2 / the largest curvature."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(6, 3))
    solution = rng.normal(size=3)
    x = tg.nn.Parameter(tg.zeros(3, dtype=tg.float64))
    low, *_, high = np.linalg.eigvalsh(2 * A.T @ A)
    optimizer = tg.optim.SGD([x], lr=1 / high)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = ((tg.tensor(A) @ x - tg.tensor(A @ solution)) ** 2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(later < earlier for earlier, later in pairwise(losses))
    # every step shortens the distance by 1 - low / high at least
    distance = np.linalg.norm(x.detach().numpy() - solution)
    assert 0 < distance <= (1 - low / high) ** 100 * np.linalg.norm(solution)
