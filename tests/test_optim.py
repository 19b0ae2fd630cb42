"""Optimizers are PyTorch's: the same bits, rules, state dicts and errors. Every option with every
other is the matter of test_optim_lattice.py.
"""

import copy
import os
import platform
import subprocess
import sys
import weakref
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
    """The parameter after an SGD step with each of the gradients."""
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
@x86_64_linux
@pytest.mark.parametrize("lr", [1e-3, 0.1, 0.3, 1, 7.7, 1e-30, 1e30])
def test_float64_has_torchs_bits(lr: float) -> None:
    import torch

    p, g = values(int(lr * 10), "float64")
    np.testing.assert_array_equal(updated(tg, p, g, lr=lr), updated(torch, p, g, lr=lr))
    if fused_kernels() and lr in (0.1, 0.3, 7.7):  # a rounding more is seen
        assert (p - lr * g[0] != updated(tg, p, g[:1], lr=lr)).mean() > 0.05


@pytest.mark.needs_torch
@x86_64_linux
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinities_nans_and_zeros_are_torchs(dtype: str) -> None:
    import torch

    large = {"float32": float(np.finfo("float32").max), "float64": 1e300}[dtype]  # see axpy
    awkward = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, large, -large]
    p, g = (a.ravel().astype(dtype) for a in np.meshgrid(awkward, awkward))
    for lr in (1, 0.1, 0, 3.0):
        ours, theirs = (updated(engine, p, g[None], lr=lr) for engine in (tg, torch))
        np.testing.assert_array_equal(ours, theirs)
        numbers = ~np.isnan(ours)
        np.testing.assert_array_equal(np.signbit(ours)[numbers], np.signbit(theirs)[numbers])


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
options = dict(momentum=0.9, dampening=0.5, weight_decay=0.1)
for dtype in ("float32", "float64"):
    for lr in (1e-3, 0.1, 7.7):
        p, g = values(3, dtype)
        for more in ({}, options):
            ours, theirs = (updated(engine, p, g, lr=lr, **more) for engine in (tg, torch))
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(updated(tg, p, g[:1], lr=lr), p - p.dtype.type(lr) * g[0])
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


def adapted(engine: Any, p: np.ndarray, gradients: np.ndarray, **options: Any) -> list[np.ndarray]:
    """The parameter and the two averages after Adam's steps."""
    parameter = engine.nn.Parameter(engine.tensor(p))
    optimizer = engine.optim.Adam([parameter], **options)
    for g in gradients:
        parameter.grad = engine.tensor(g)
        optimizer.step()
    state = optimizer.state[parameter]
    return [x.detach().numpy() for x in (parameter, state["exp_avg"], state["exp_avg_sq"])]


@pytest.mark.needs_torch
@x86_64_linux
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta1", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_averages_have_torchs_bits(beta1: float, dtype: str) -> None:
    """Also where m is nearer to g than to the m before: 1 - beta1 >= 0.5."""
    import torch

    p, g = values(5, dtype)
    ours, theirs = (adapted(engine, p, g, betas=(beta1, 0.99)) for engine in (tg, torch))
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(ours[2], theirs[2])


@pytest.mark.needs_torch
@x86_64_linux
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_decoupled_decay_has_torchs_bits(dtype: str) -> None:
    """Of gradients 0 the update is 0, and decay alone is left."""
    import torch

    p, g = values(6, dtype)
    options = {"lr": 0.1, "weight_decay": 0.3, "decoupled_weight_decay": True}
    ours, theirs = (adapted(engine, p, 0 * g, **options) for engine in (tg, torch))
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert (ours[0] != p).all()


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


# --- Groups, names, state -------------------------------------------------------------------------


@pytest.mark.needs_torch
@table(
    shown="optim.SGD([p], lr=0.1)",
    shown_in_groups="optim.SGD([{'params': p, 'note': 1}, {'params': [q], 'lr': 1}])",
    adam_shown="optim.Adam([p, q], amsgrad=True)",
    the_dict_is_the_group="d = {'params': p}; o = optim.SGD([d]); o.param_groups[0] is d, d",
    no_params_in_a_group="optim.SGD([{'lr': 1}])",
    empty_group="optim.SGD([{'params': []}]).param_groups",
    a_set_in_a_group="optim.SGD([{'params': {p}}])",
    a_group_and_a_tensor="optim.SGD([{'params': [p]}, q])  # type",
    a_dict_for_a_list="optim.SGD({'params': [p]})",
    in_two_groups="optim.SGD([{'params': p}, {'params': p}])",
    added_again="optim.SGD([p]).add_param_group({'params': [p]})",
    added="o = optim.SGD([p]); o.add_param_group({'params': q, 'lr': 0.5}); o.param_groups[1]",
    added_what_is_no_dict="optim.SGD([p]).add_param_group([q])",
    names="o = optim.SGD([('a', p), ('b', q)]); o.param_groups[0]['param_names'], o.state_dict()",
    some_names="optim.SGD([('a', p), q])",
    a_group_without_names="optim.SGD([('a', p)]).add_param_group({'params': [q]})",
    a_group_with_names="optim.SGD([p]).add_param_group({'params': [('a', q)]})",
    named_parameters="optim.SGD(nn.Linear(1, 1).named_parameters()).param_groups[0]['param_names']",
    retained="z = p * 2; z.retain_grad(); o = optim.SGD([z]); o.param_groups[0]['lr']",
    no_step="optim.Optimizer([p], {}).step()  # type",
    arrays="optim.SGD([np.ones(2)])",
    defaults="optim.SGD([p], 0.5).defaults, optim.Adam([p], 0.5).defaults",
    state_is_empty="o = optim.SGD([p]); p.sum().backward(); o.step(); len(o.state), o.state_dict()",
    state="o = optim.SGD([p], momentum=1); p.sum().backward(); o.step(); o.state[p]",
    a_copy_of_the_gradient="""
o = optim.SGD([p], momentum=0.9)
p.sum().backward()
o.step()
p.grad.mul_(5)
o.state[p]['momentum_buffer']""",
    twice_with_momentum="""
o = optim.SGD([p, p], lr=0.1, momentum=0.5)
for _ in range(3):
    p.grad = torch.ones(2)
    o.step()
o.state_dict(), p""",
    twice_in_adam="""
o = optim.Adam([p, p], lr=0.1)
for _ in range(3):
    p.grad = torch.ones(2)
    o.step()
o.state_dict(), p""",
    loaded_of_another_dtype="""
o = optim.SGD([p], lr=0.1, momentum=0.9)
p.sum().backward()
o.step()
r = nn.Parameter(torch.ones(2, dtype=torch.float64))
other = optim.SGD([r])
other.load_state_dict(o.state_dict())
other.state[r], other.param_groups[0]['momentum']""",
    loaded_steps_keep_their_dtype="""
o = optim.Adam([p.detach().double().requires_grad_()])
s = {'step': torch.tensor(3.0), 'exp_avg': torch.ones(2), 'exp_avg_sq': torch.ones(2)}
o.load_state_dict({'state': {0: s}, 'param_groups': [{'params': [0], 'lr': 1.0}]})
o.state_dict()""",
    loaded_steps_of_old="""
o = optim.Adam([p])
s = {'step': 3, 'exp_avg': torch.ones(2), 'exp_avg_sq': torch.ones(2)}
o.load_state_dict({'state': {0: s}, 'param_groups': [{'params': [0], 'lr': 1.0}]})
o.state_dict()""",
    loaded_of_old="""
o = optim.SGD([p], nesterov=True, momentum=0.9)
o.load_state_dict({'state': {}, 'param_groups': [{'params': [7], 'lr': 1.0, 'mine': 2}]})
o.state_dict()""",
    loaded_keeps_names="""
o = optim.SGD([('a', p)])
o.load_state_dict(optim.SGD([q]).state_dict())
o.state_dict()""",
    loaded_of_fewer_groups="optim.SGD([p]).load_state_dict({'state': {}, 'param_groups': []})",
    loaded_of_more="optim.SGD([p]).load_state_dict(optim.SGD([p, q]).state_dict())",
    loaded_nothing="optim.SGD([p]).load_state_dict({})",
    loaded_none="optim.SGD([p]).load_state_dict(None)",
    deep_copied="""
o = optim.SGD([p], lr=0.1, momentum=0.9)
p.sum().backward()
o.step()
c = copy.deepcopy(o)
[r] = c.param_groups[0]['params']
r.grad = torch.ones(2)
c.step()
p, r, o.state[p], c.state[r]""",
)
def test_groups_and_state(code: str) -> None:
    check(P + code)


@pytest.mark.needs_torch
@table(
    adam_of_tensors="""
o = optim.Adam([p], lr=torch.tensor([0.1]), betas=(torch.tensor(0.5), torch.tensor([0.75])))
for _ in range(3):
    p.grad = torch.tensor([1.0, -2.0])
    o.step()
p, o.state_dict()""",
    adam_without_memory="""
o = optim.Adam([p], lr=0.1, betas=(0.0, 0.0))
for _ in range(3):
    p.grad = torch.tensor([1.0, -2.0])
    o.step()
p, o.state_dict()""",
    adam_in_float16="""
r = nn.Parameter(torch.ones(2, dtype=torch.float16))
o = optim.Adam([r], lr=0.1, eps=0.01)
for _ in range(3):
    r.grad = torch.tensor([1.0, -2.0], dtype=torch.float16)
    o.step()
r""",
    adam_of_zeros_in_float16="""
r = nn.Parameter(torch.ones(2, dtype=torch.float16))
o = optim.Adam([r], lr=0.1)
r.grad = r.detach() * 0
o.step()
r""",
    adam_counts_in_the_default_dtype="""
torch.set_default_dtype(torch.float64)
try:
    p.grad = torch.ones(2, dtype=torch.float32)
    o = optim.Adam([p])
    o.step()
finally:
    torch.set_default_dtype(torch.float32)
o.state[p]['step']""",
    a_state_of_another_shape="""
o = optim.SGD([p], momentum=0.9)
p.grad = torch.ones(2)
o.step()
o.state[p]['momentum_buffer'] = torch.ones(3)
o.step()  # type""",
    a_state_of_the_users_own="""
o = optim.Adam([p])
p.grad = torch.ones(2)
o.state[p]['note'] = 1
o.step()  # type""",
    differentiable_and_fused="optim.SGD([p], differentiable=True, fused=True)",
)
def test_corners(code: str) -> None:
    check(P + code)


@pytest.mark.parametrize("kind", [tg.optim.SGD, tg.optim.Adam])
def test_what_torch_offers_and_this_engine_does_not_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="differentiable=True is not supported"):
        kind([tg.nn.Parameter(tg.ones(2))], differentiable=True)


def trained(engine: Any, name: str, options: dict[str, Any], state: Any, steps: int) -> Any:
    """Two parameters and their optimizer, after steps from a loaded state."""
    params = [engine.nn.Parameter(engine.tensor([1.0, -2.0])), engine.nn.Parameter(engine.ones(1))]
    groups = [{"params": [p]} for p in params]
    optimizer = getattr(engine.optim, name)(groups, **options)
    if state is not None:
        optimizer.load_state_dict(state)
    for i in range(steps):
        for p in params:
            p.grad = engine.full_like(p, 0.5 + i).detach()
        optimizer.step()
    return params, optimizer


def converted(x: Any, engine: Any) -> Any:
    """The same structure with another engine's tensors."""
    if isinstance(x, dict):
        return {name: converted(value, engine) for name, value in x.items()}
    if isinstance(x, list):
        return [converted(value, engine) for value in x]
    return engine.tensor(x.detach().numpy()) if hasattr(x, "detach") else x


@pytest.mark.needs_torch
@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"momentum": 0.9}), ("SGD", {}), ("Adam", {"amsgrad": True}), ("Adam", {})],
)
def test_state_dicts_go_to_torch_and_back(name: str, options: dict[str, Any]) -> None:
    import torch

    for here, there in ((tg, torch), (torch, tg)):
        _, optimizer = trained(here, name, options, None, 3)
        state = converted(optimizer.state_dict(), there)
        params, optimizer = trained(there, name, options, state, 2)
        expected, model = trained(here, name, options, optimizer_state(here, name, options), 2)
        for p, q in zip(params, expected, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6)
        assert optimizer.state_dict().keys() == model.state_dict().keys()
        assert optimizer.state_dict()["param_groups"] == model.state_dict()["param_groups"]


def optimizer_state(engine: Any, name: str, options: dict[str, Any]) -> Any:
    return trained(engine, name, options, None, 3)[1].state_dict()


def test_a_refused_state_dict_changes_nothing() -> None:
    params, optimizer = trained(tg, "SGD", {"momentum": 0.9, "lr": 0.1}, None, 1)
    before = copy.deepcopy(optimizer.state_dict())
    good = copy.deepcopy(before)
    good["param_groups"][0]["lr"] = 7.0
    for spoilt in (
        good | {"param_groups": good["param_groups"][:1]},
        good | {"param_groups": [good["param_groups"][0], {"params": [1, 2]}]},
        good | {"state": None},
        {"param_groups": good["param_groups"]},
    ):
        with pytest.raises((ValueError, AttributeError, KeyError)):
            optimizer.load_state_dict(spoilt)
        assert str(optimizer.state_dict()) == str(before)
        assert optimizer.param_groups[0]["params"][0] is params[0]
    adam = tg.optim.Adam([{"params": [p]} for p in params])
    with pytest.raises(KeyError):  # its count of steps is missing
        adam.load_state_dict({"state": {0: {"exp_avg": 1}}, "param_groups": good["param_groups"]})
    assert adam.param_groups[0]["lr"] == 1e-3


def test_a_loaded_state_is_a_copy() -> None:
    """In torch the two optimizers would share their buffers."""
    _, source = trained(tg, "SGD", {"momentum": 0.9}, None, 1)
    state = source.state_dict()
    before = copy.deepcopy(state["state"])
    trained(tg, "SGD", {"momentum": 0.9}, state, 2)
    assert str(state["state"]) == str(before)


# --- Parameters as one vector ---------------------------------------------------------------------


def test_parameters_that_change_places_are_followed() -> None:
    """The vectors are kept between steps: not longer than their parameters keep their memory."""
    p, q = (tg.nn.Parameter(tg.ones(2)) for _ in range(2))
    optimizer = tg.optim.SGD([p, q], lr=1.0)

    def step() -> list[Any]:
        for x in optimizer.param_groups[0]["params"]:
            x.grad = tg.ones_like(x).detach()
        optimizer.step()
        return [x.tolist() for x in optimizer.param_groups[0]["params"]]

    assert step() == [[0.0, 0.0], [0.0, 0.0]]
    p.data = tg.full((3,), 5.0)
    assert step() == [[4.0, 4.0, 4.0], [-1.0, -1.0]]
    r = p.detach().requires_grad_()  # the same array, another tensor
    optimizer.param_groups[0]["params"][0] = r
    p.grad = None
    assert step() == [[3.0, 3.0, 3.0], [-2.0, -2.0]]
    optimizer.param_groups[0]["params"].reverse()
    assert step() == [[-3.0, -3.0], [2.0, 2.0, 2.0]]
    q.grad = None
    optimizer.step()
    assert q.tolist() == [-3.0, -3.0]


@pytest.mark.needs_torch
@table(
    views_of_one_memory="""
w = torch.arange(6.0)
ps = [w[:4].detach().requires_grad_(), w[2:].detach().requires_grad_()]
o = optim.SGD(ps, lr=0.5, momentum=0.9, weight_decay=0.1)
for i in range(3):
    for p in ps:
        p.grad = torch.full((4,), 1.0 + i)
    o.step()
w, ps""",
    one_array="""
a = np.ones(3, np.float32)
ps = [torch.from_numpy(a).requires_grad_(), torch.from_numpy(a).requires_grad_()]
o = optim.SGD(ps, lr=0.5)
for p in ps:
    p.grad = torch.ones(3)
o.step()
a""",
    a_gradient_that_is_a_parameter="""
p, q = (nn.Parameter(torch.full((2,), x)) for x in (1.0, 5.0))
o = optim.SGD([p, q], lr=0.5)
p.grad, q.grad = torch.ones(2), p.detach()
o.step()
p, q""",
    its_own_gradient="""
p = nn.Parameter(torch.ones(2))
o = optim.SGD([p], lr=0.25)
p.grad = p.detach()
o.step()
p""",
    another_as_gradient="""
p, q = (torch.full((2,), x).requires_grad_() for x in (1.0, 5.0))
o = optim.SGD([p, q], lr=0.25)
p.grad, q.grad = torch.ones(2), p
o.step()
p, q""",
    a_gradient_on_another_parameters_memory="""
a = np.full(2, 5, np.float32)
p, q = torch.from_numpy(a).requires_grad_(), torch.full((2,), 1.0).requires_grad_()
o = optim.SGD([p, q], lr=0.5)
p.grad, q.grad = torch.ones(2), torch.from_numpy(a)
o.step()
p, q""",
    versions="""
p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
o = optim.SGD([p, q])
p.grad = torch.ones(2)
o.step()
p._version, q._version""",
    saved_before_the_step="""
p = nn.Parameter(torch.ones(2))
loss = (p * p).sum()
p.grad = torch.ones(2)
optim.SGD([p]).step()
loss.backward()""",
    dtypes_in_one_group="""
ps = [nn.Parameter(torch.ones(2, dtype=d)) for d in (torch.float32, torch.float64, torch.float32)]
o = optim.SGD(ps, lr=0.1, momentum=0.9)
for i in range(3):
    for p in ps:
        p.grad = torch.full_like(p, 0.7).detach()
    o.step()
ps""",
)
def test_memory(code: str) -> None:
    check(code)


# --- What may not be written to -------------------------------------------------------------------


@pytest.mark.needs_torch
@pytest.mark.parametrize("options", ["SGD([p], 0.5)", "SGD([p], 0.5, 0.9)", "Adam([p], 0.5)"])
@table(
    inference_tensor="""
with torch.inference_mode(): p = torch.ones(2)
p.grad = torch.ones(2)
o.step()""",
    inference_tensor_in_inference_mode="""
with torch.inference_mode():
    p = torch.ones(2)
    p.grad = torch.ones(2)
    o.step()
p.tolist(), o.state_dict()['state'].keys()""",
    inference_mode_left="""
with torch.inference_mode():
    p = torch.ones(2)
    p.grad = torch.ones(2)
    o.step()
o.step()""",
    expanded="p = torch.ones(1).expand(3).requires_grad_(); p.grad = torch.ones(3); o.step()",
    integral="p = torch.ones(3, dtype=torch.int64); p.grad = p.clone(); o.step()",
    boolean="p = torch.ones(3, dtype=torch.bool); p.grad = p.clone(); o.step()",
)
def test_unwritable_parameters(code: str, options: str) -> None:
    check(code.replace("o.step()", f"o = globals().get('o') or optim.{options}; o.step()"))


@pytest.mark.needs_torch
@table(
    whole_rate="o = optim.SGD([n], lr=1); o.step(); n",
    rate_of_a_float="o = optim.SGD([n], lr=1.0); o.step()",
    rate_changed="o = optim.SGD([n], lr=1); o.step(); o.param_groups[0]['lr'] = 0.5; o.step()",
    whole_factors="""
o = optim.SGD([n], lr=2, momentum=3, weight_decay=2)
for _ in range(3): o.step()
n, o.state[n]""",
    decay="optim.SGD([n], lr=1, weight_decay=0.5).step()",
    decay_in_adam="optim.Adam([n], weight_decay=0.5).step()",
    whole_decay_in_adam="optim.Adam([n], weight_decay=1).step()",
    an_inference_buffer="""
p.grad = torch.ones(2)
o = optim.SGD([p], momentum=0.9)
o.step()
with torch.inference_mode(): o.state[p]['momentum_buffer'] = torch.ones(2)
o.step()""",
    an_expanded_buffer="""
p.grad = torch.ones(2)
o = optim.SGD([p], momentum=0.9)
o.step()
o.state[p]['momentum_buffer'] = torch.ones(1).expand(2)
o.step()""",
)
def test_integers_and_unwritable_states(code: str) -> None:
    check(P + "n = torch.full((3,), 40); n.grad = torch.full((3,), 3)\n" + code)


@pytest.mark.parametrize("kind", ["inference", "expanded", "integral"])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_refused_step_leaves_nothing(kind: str, name: str) -> None:
    with tg.inference_mode(kind == "inference"):
        p = tg.ones(2, dtype=tg.int64 if kind == "integral" else tg.float32)
    p = tg.ones(1).expand(2) if kind == "expanded" else p
    p.grad = tg.ones(2, dtype=p.dtype)
    options: dict[str, Any] = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(tg.optim, name)([p], lr=0.5, **options)
    for _ in range(2):
        with pytest.raises((RuntimeError, NotImplementedError)):
            optimizer.step()
    assert p.tolist() == [1, 1]
    assert not any(optimizer.state.values())


def test_a_read_only_layout_of_the_engines_own_is_written() -> None:
    """Nothing else has this memory, so that it is laid out anew, as by an in-place op."""
    p = tg.ones(2)
    p._array = np.broadcast_to(np.float32(1), 2)
    p.grad = tg.tensor([1.0, 2.0])
    tg.optim.SGD([p], lr=0.5).step()
    assert p.tolist() == [0.5, 0.0]


# --- Schedulers -----------------------------------------------------------------------------------

S = P + "o = optim.SGD([p, q], lr=0.1); L = optim.lr_scheduler\n"


@pytest.mark.needs_torch
@table(
    before_the_optimizer="s = L.StepLR(o, 2); s.step(); s.step(); s.get_last_lr()",
    after_the_optimizer="s = L.StepLR(o, 2); o.step(); s.step(); s.get_last_lr()",
    overridden="s = L.StepLR(o, 2); o.step = lambda: None; o.step(); s.step(); s.get_last_lr()",
    the_rate_that_is_not_known="L.ExponentialLR(o, 0.5).get_lr()",
    no_optimizer="L.StepLR(3, 2)",
    no_formula="L.LRScheduler(o)  # type",
    functions="L.LambdaLR(o, [abs, abs])",
    resumed="L.StepLR(o, 2, last_epoch=3)",
    an_epoch="s = L.StepLR(o, 2); o.step(); s.step(5); s.get_last_lr()",
    an_epoch_of_the_base="""
class Mine(L.LRScheduler):
    def get_lr(self):
        return [g['lr'] * 2 for g in self.optimizer.param_groups]
s = Mine(o)
o.step()
s.step(5)
s.get_last_lr(), s.state_dict()""",
    state="""
s = L.CosineAnnealingLR(o, 4, eta_min=0.01)
for _ in range(3):
    o.step()
    s.step()
t = L.CosineAnnealingLR(o, 9)
t.load_state_dict(s.state_dict())
t.state_dict()""",
    tensor_rate="""
lr = torch.tensor(0.5)
o = optim.SGD([p], lr=lr)
s = L.ExponentialLR(o, 0.5)
last = s.get_last_lr()
o.step()
s.step()
lr, last, o.param_groups[0]['lr'] is lr, s.base_lrs""",
    pickled="""
s = L.StepLR(o, 1)
o.step()
s.step()
c = pickle.loads(pickle.dumps(o))
c.step()
c""",
    steps_still_return="s = L.StepLR(o, 1); o.step(lambda: 7)",
    initial_rates="L.StepLR(o, 1); o.add_param_group({'params': nn.Parameter(q)}); o.param_groups",
)
def test_schedulers(code: str) -> None:
    check(S + code)


def test_a_scheduled_optimizer_is_freed_at_once() -> None:
    """The step that tells the scheduler that it was called holds no optimizer."""
    optimizer = tg.optim.SGD([tg.nn.Parameter(tg.ones(1))])
    tg.optim.lr_scheduler.StepLR(optimizer, 1)
    gone = weakref.ref(optimizer)
    del optimizer
    assert gone() is None


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
