"""nn.utils and what is new in nn.init: clipping gradients and flattening parameters, as PyTorch."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn

SETUP = """
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
(m(torch.ones(4, 2) * torch.tensor([[1.0], [2.0], [3.0], [4.0]])) ** 2).sum().backward()
u = nn.utils
def grads(): return [None if p.grad is None else p.grad for p in m.parameters()]
"""


@pytest.mark.needs_torch
@snippets("""
u.clip_grad_norm_(m.parameters(), 1.0), grads()
u.clip_grad_norm_(m.parameters(), 1e6), grads()
u.clip_grad_norm_(list(m.parameters()), max_norm=2, norm_type=1), grads()
u.clip_grad_norm_(m.parameters(), 0.5, float("inf")), grads()
u.clip_grad_norm_(m.parameters(), 0.5, "inf"), grads()
u.clip_grad_norm_(m.parameters(), 0.5, norm_type=0), u.clip_grad_norm_(m.parameters(), 0.5, 3)
u.clip_grad_norm_(m.parameters(), 0.5, norm_type=0.5), u.clip_grad_norm_(m.parameters(), 1, -1)
u.clip_grad_norm_(m.parameters(), 0.0), u.clip_grad_norm_(m.parameters(), 0.0), grads()
u.clip_grad_norm_(m.parameters(), -1.0), grads()
u.clip_grad_norm_(m[0].weight, 0.1), grads()
u.clip_grad_norm_(m.parameters(), 0.1, foreach=True), grads()
u.clip_grad_norm_(m.parameters(), 0.1, foreach=False), grads()
u.clip_grad_norm_(m.parameters(), torch.tensor(0.1)), grads()
m[0].weight.grad = None; u.clip_grad_norm_(m.parameters(), 0.1), grads()
m.zero_grad(); u.clip_grad_norm_(m.parameters(), 0.1), grads()
m.zero_grad(); u.clip_grad_norm_([], 0.1), u.clip_grad_norm_(iter([]), 0.1)
u.clip_grad_norm_((p for p in []), 0.1)
m.zero_grad(set_to_none=False); u.clip_grad_norm_(m.parameters(), 0.1), grads()
m[0].weight.grad[0, 0] = float("nan"); u.clip_grad_norm_(m.parameters(), 0.1), grads()
m[0].weight.grad[0, 0] = float("inf"); u.clip_grad_norm_(m.parameters(), 0.1), grads()
m[0].weight.grad[0, 0] = float("inf"); u.clip_grad_norm_(m.parameters(), 0.1, float("inf")), grads()
m[0].weight.grad[0, 0] = 1e30; u.clip_grad_norm_(m.parameters(), 0.1), grads()
m[0].weight.grad[0, 0] = float("nan")
|u.clip_grad_norm_(m.parameters(), 0.1, error_if_nonfinite=True)
m[0].weight.grad[0, 0] = float("inf")
|u.clip_grad_norm_(m.parameters(), 0.1, 1, error_if_nonfinite=True)
m[0].weight.grad[0, 0] = float("nan")
|try: u.clip_grad_norm_(m.parameters(), 0.1, error_if_nonfinite=True)
|except RuntimeError: grads()
g = m[0].weight.grad; u.clip_grad_norm_(m.parameters(), 0.1); g is m[0].weight.grad, g._version
t = u.clip_grad_norm_(m.parameters(), 0.1); t.requires_grad, t.shape, t.dtype
m[0].double(); m[0].weight.grad = m[0].weight.grad.double()
|t = u.clip_grad_norm_(m.parameters(), 0.1); t, grads()
p = torch.ones(2, requires_grad=True); (p ** 3).sum().backward(create_graph=True)
|u.clip_grad_norm_([p], 0.1); p.grad.requires_grad
u.get_total_norm(grads()), u.get_total_norm(grads(), 1), u.get_total_norm([])
u.get_total_norm(m[0].bias), u.get_total_norm(m[0].bias.detach(), norm_type="inf")
u.clip_grads_with_norm_(m.parameters(), 0.1, torch.tensor(2.0)), grads()
u.clip_grad_norm_(3, 0.1)
u.clip_grad_norm_([3], 0.1)
u.clip_grad_norm_(m.parameters(), "a")
u.clip_grad_norm_(m.parameters())  # type
# values
u.clip_grad_value_(m.parameters(), 0.5), grads()
u.clip_grad_value_(m[0].weight, clip_value=1), grads()
u.clip_grad_value_(m.parameters(), 0.5, foreach=False), grads()
u.clip_grad_value_(m.parameters(), 0), grads()
u.clip_grad_value_(m.parameters(), -1.0), grads()
u.clip_grad_value_(m.parameters(), float("inf")), grads()
m[0].weight.grad = None; u.clip_grad_value_(m.parameters(), 0.5), grads()
m[0].weight.grad[0, 0] = float("nan"); u.clip_grad_value_(m.parameters(), 0.5), grads()
m[0].weight.grad[0, 0] = -float("inf"); u.clip_grad_value_(m.parameters(), 0.5), grads()
u.clip_grad_value_(m.parameters(), "a")
# vectors
u.parameters_to_vector(m.parameters()), u.parameters_to_vector(m.parameters()).grad_fn is None
u.parameters_to_vector(iter([torch.tensor(3.0), torch.ones(2, 2)]))
v = u.parameters_to_vector(m.parameters()); (v * v).sum().backward(); grads()
u.parameters_to_vector([torch.ones(2), torch.ones(1).double()])
u.parameters_to_vector([])
u.parameters_to_vector([torch.ones(2, 3).T])  # type
v = torch.arange(13.0); u.vector_to_parameters(v, m.parameters()), m.state_dict()
v = torch.arange(13.0); u.vector_to_parameters(v, m.parameters()); v[0] = 9; m[0].weight
v = torch.arange(13.0); u.vector_to_parameters(v, m.parameters())
|optim.SGD(m.parameters(), lr=1.0).step(); v
p = m[0].weight; u.vector_to_parameters(torch.ones(13), m.parameters()); p is m[0].weight, p.grad, p
v = u.parameters_to_vector(m.parameters()); u.vector_to_parameters(v * 2, m.parameters())
|m.state_dict(), m[0].weight.is_leaf
u.vector_to_parameters(torch.ones(20), m.parameters()); m.state_dict()
u.vector_to_parameters(torch.ones(13).double(), m.parameters()); m.state_dict()
u.vector_to_parameters(torch.ones(5), m.parameters())
u.vector_to_parameters([1.0], m.parameters())
u.vector_to_parameters(np.ones(13), m.parameters())
""")
def test_utils(code: str) -> None:
    check(SETUP + code)


@pytest.mark.needs_torch
@given(
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=4),
    dtype=st.sampled_from(["float32", "float64"]),
    norm_type=st.sampled_from([1, 2.0, 3, "inf", 0.5]),
    max_norm=st.floats(0.01, 20),
    foreach=st.sampled_from([None, True, False]),
    seed=st.integers(0, 2**32 - 1),
)
def test_clipping(
    shapes: Any, dtype: str, norm_type: Any, max_norm: float, foreach: Any, seed: int
) -> None:
    values = [np.random.default_rng(seed).normal(size=shape) for shape in shapes]

    def clip(engine: Any) -> Any:
        parameters = []
        for value in values:
            p = engine.tensor(value, dtype=getattr(engine, dtype))
            p.grad = p.clone()
            parameters.append(p)
        utils = engine.nn.utils
        total = utils.clip_grad_norm_(parameters, max_norm, norm_type, foreach=foreach)
        clipped = [p.grad.clone() for p in parameters]
        utils.clip_grad_value_(parameters, max_norm / 10, foreach)
        return total, clipped, [p.grad for p in parameters]

    if norm_type == "inf" and any(value.size == 0 for value in values):
        check(clip, text=False)  # of nothing there is no greatest
    else:
        check(clip)


def test_clipping_nothing_is_nothing() -> None:
    """torch's answer is an internal error."""
    nn.utils.clip_grad_value_([], 0.5)
    nn.utils.clip_grad_value_([tg.ones(2, requires_grad=True)], 0.5)


def test_utils_without_torch() -> None:
    """A gradient (3, 4) has norm 5 and is scaled to 1 / (1 + 1e-6 / 5)."""
    p = tg.zeros(2, dtype=tg.float64, requires_grad=True)
    p.grad = tg.tensor([3.0, 4.0], dtype=tg.float64)
    assert nn.utils.clip_grad_norm_([p], 1.0).item() == 5.0
    np.testing.assert_allclose(p.grad.tolist(), [3 / 5.000001, 4 / 5.000001], rtol=1e-15)
    nn.utils.clip_grad_value_([p], 0.7)
    np.testing.assert_allclose(p.grad.tolist(), [3 / 5.000001, 0.7], rtol=1e-15)
    layer = nn.Linear(2, 3)
    nn.utils.vector_to_parameters(tg.arange(9.0), layer.parameters())
    assert layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert nn.utils.parameters_to_vector(layer.parameters()).tolist() == list(range(9))


# --- nn.init: what tests/test_nn.py leaves out ----------------------------------------------------


@pytest.mark.needs_torch
@snippets("""
nn.init.xavier_uniform_(torch.empty(3, 2), generator=torch.Generator().manual_seed(3))
nn.init.xavier_normal_(torch.empty(3, 2), 2.0, torch.Generator().manual_seed(3))
nn.init.kaiming_uniform_(torch.empty(3, 2), generator=torch.Generator().manual_seed(3))
nn.init.kaiming_normal_(torch.empty(3, 2), generator=torch.Generator().manual_seed(3))
g = torch.Generator().manual_seed(3)
|nn.init.uniform_(torch.empty(2), 1, 2, g), torch.rand(1, generator=g)
torch.manual_seed(0); nn.init.kaiming_uniform_(tensor=torch.empty(3, 4, 2), a=0, mode="fan_out")
torch.manual_seed(0); nn.init.normal_(torch.empty(2, dtype=torch.float64), std=0)
nn.init.constant_(torch.empty(2, dtype=torch.int64), 3), nn.init.zeros_(torch.ones(2).long())
nn.init.ones_(torch.empty(2, dtype=torch.bool)), nn.init.zeros_(torch.ones(()))
p = nn.Parameter(torch.empty(2)); nn.init.zeros_(p) is p, p._version > 0, p.requires_grad
nn.init.kaiming_uniform_(torch.empty(3), mode="other")
nn.init.kaiming_uniform_(torch.empty(3, 2), mode="OTHER")
nn.init.kaiming_uniform_(torch.empty(3, 2), nonlinearity="other")
nn.init.kaiming_uniform_(torch.empty(3, 2), a="x")
nn.init.kaiming_uniform_(torch.empty(3, 2), mode=3)
nn.init.xavier_uniform_(torch.empty(0, 0))
nn.init.xavier_normal_(torch.empty(()))
nn.init.normal_(torch.empty(2), std=-1.0)
nn.init.normal_(torch.empty(2).long())
nn.init.constant_(torch.empty(2), "a")  # type
nn.init.uniform_([1.0])
nn.init.ones_(3.0)
x = torch.ones(2, requires_grad=True) * 2; nn.init.zeros_(x); x.requires_grad, x
""")
def test_init(code: str) -> None:
    check(code)


@snippets("""
p = torch.ones(1); p.grad = torch.tensor([3e38]); nn.utils.clip_grad_norm_([p], 1.0), p.grad
nn.utils.get_total_norm([torch.tensor([-3e38])]), nn.utils.get_total_norm([torch.tensor(3e38)], 3)
torch.tensor([math.nan, 0.0, -2.0]).norm(0), torch.zeros(2, 3).norm(0, dim=1)
""")
def test_norms_at_the_edge(code: str) -> None:
    check(code)
