"""Random tensors are PyTorch's: any calls in any order give its numbers and leave its state.

tests/test_stream.py has seen to the arrays; here it is the functions and methods of tensors.
"""

import platform
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import check

import tinygrad_cls as tg

# Elsewhere torch's kernels were not at hand to compare with: see tinygrad_cls.stream.
pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="judged on x86-64 Linux"
)


def table(**snippets: str) -> Any:
    return pytest.mark.parametrize("code", snippets.values(), ids=snippets)


def bits(x: Any) -> tuple[Any, ...]:
    """What must be the same of a tensor of either engine."""
    a = x.detach().numpy()
    return a.shape, str(x.dtype), x.requires_grad, a.tobytes()


# --- Any calls in any order -----------------------------------------------------------------------

sizes = st.one_of(
    st.just(()),
    st.tuples(st.integers(0, 40)),
    st.tuples(st.integers(0, 7), st.integers(0, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)),
    st.sampled_from([(15,), (16,), (17,), (4, 4), (700,), (25, 25)]),
)
floats = st.sampled_from(["float16", "float32", "float64"])
low_high = st.tuples(st.floats(-9, 9), st.floats(0, 9)).map(lambda t: (t[0], t[0] + t[1]))
whole = st.sampled_from(["int64", "int32", "int16", "float32", "float64"])


@st.composite
def call(draw: Any) -> str:
    """A call as a user writes it; ``{g}`` is where ``generator=`` may go."""
    size, dtype = draw(sizes), draw(floats)
    shape = draw(st.sampled_from([f"{size}", f"size={size}", f"{list(size)}"]))
    spread = str(size)[1:-1].rstrip(",")
    low, high = draw(low_high)
    n = draw(st.integers(0, 300))
    start, span = draw(st.integers(-(2**14), 2**14)), draw(st.integers(1, 2**13))
    wide = draw(st.integers(2, 2**40))
    kind = draw(whole)
    layer = draw(st.sampled_from([(1, 1), (2, 10), (10, 3), (5, 0)]))
    return draw(
        st.sampled_from(
            [
                f"torch.rand({shape}, dtype=torch.{dtype}{{g}})",
                f"torch.rand({spread or '()'}{{g}})",
                f"torch.randn({shape}, dtype=torch.{dtype}{{g}})",
                f"torch.randn({spread or '()'}{{g}})",
                f"torch.rand_like(torch.ones({size}, dtype=torch.{dtype}))",
                f"torch.randn_like(torch.ones({size}), dtype=torch.{dtype})",
                f"torch.randint({span}, {size}{{g}})",
                f"torch.randint({start}, {start + span}, {size}, dtype=torch.{kind}{{g}})",
                f"torch.randint(low={start}, high={start + wide}, size={size}{{g}})",
                f"torch.randperm({n}, dtype=torch.{kind}{{g}})",
                f"torch.empty({size}, dtype=torch.{dtype}).uniform_({low}, {high}{{g}})",
                f"torch.empty({size}, dtype=torch.{dtype}).normal_({low}, {high - low}{{g}})",
                f"torch.empty({size}).normal_(mean={low}, std={high - low}{{g}})",
                f"torch.bernoulli(torch.full({size}, {(high - low) / 9}).to(torch.{dtype}){{g}})",
                f"torch.nn.Linear{layer}.weight" if layer[1] else "torch.nn.Linear(3, 2).bias",
                f"torch.nn.Linear({layer[0]}, 9, dtype=torch.{dtype}).weight",
                f"torch.nn.init.xavier_normal_(torch.empty({layer[0]}, {layer[1] + 1}){{g}})",
            ]
        )
    )


@pytest.mark.needs_torch
@given(st.integers(-(2**63), 2**64 - 1), st.lists(st.tuples(call(), st.booleans()), max_size=8))
def test_any_calls_in_any_order(seed: int, calls: list[tuple[str, bool]]) -> None:
    import torch

    own, drawn = {}, {}
    for engine in (tg, torch):
        engine.manual_seed(seed)
        own[engine] = engine.Generator().manual_seed(seed // 3)
        drawn[engine] = []
        for code, generator in calls:
            given = ", generator=own" if generator else ""
            names = {"torch": engine, "own": own[engine]}
            result = eval(code.format(g=given), names)
            drawn[engine].append((code, *bits(result)))
            drawn[engine].append((code, *bits(engine.get_rng_state())))
        drawn[engine].append(("own", *bits(own[engine].get_state())))
    for ours, theirs in zip(drawn[tg], drawn[torch], strict=True):
        assert ours == theirs


@pytest.mark.needs_torch
@given(st.integers(0, 2**32), sizes, st.integers(0, 40))
def test_states_are_exchanged(seed: int, size: tuple[int, ...], n: int) -> None:
    import torch

    torch.manual_seed(seed)
    torch.randn(n)
    tg.set_rng_state(tg.from_numpy(torch.get_rng_state().numpy()))
    assert tg.initial_seed() == torch.initial_seed() == seed
    assert bits(tg.randn(size)) == bits(torch.randn(size))
    own = torch.Generator()
    own.set_state(torch.from_numpy(tg.get_rng_state().numpy()))
    assert bits(tg.rand(size)) == bits(torch.rand(size, generator=own))


# --- Rules ----------------------------------------------------------------------------------------

SEEDED = "torch.manual_seed(3)\n"


@pytest.mark.needs_torch
@table(
    requires_grad="torch.rand(2, requires_grad=True), torch.randn(2, requires_grad=True)",
    integers_as_floats="torch.randint(9, (2,), dtype=torch.float32, requires_grad=True)",
    device="torch.rand(2, device='cpu'), torch.randperm(3, device=torch.device('cpu'))",
    shape_objects="torch.rand(torch.Size([2, 3])), torch.rand(torch.ones(2, 2).shape)",
    tensor_sizes="torch.rand(torch.tensor(2), 3)",
    numpy_sizes="torch.rand(np.int64(2), 3), torch.randint(np.int64(9), (2,))",
    default_dtype="""
torch.set_default_dtype(torch.float64)
try: r = torch.rand(2), torch.randn(2), torch.empty(2).uniform_()
finally: torch.set_default_dtype(torch.float32)
r""",
    in_place_is_itself="x = torch.empty(3); y = x.uniform_(); y is x, x",
    in_place_counts="x = torch.zeros(3); v = x._version; x.uniform_(); x.normal_(); x._version - v",
    in_place_row="x = torch.zeros(3, 4); x[1].uniform_(); x",
    in_place_column="x = torch.zeros(3, 4); x[:, 1].uniform_(); x",
    in_place_slices="x = torch.zeros(6, 4); x[::2].uniform_(1, 2); x",
    in_place_transposed="x = torch.zeros(2, 3); x.T.uniform_(); x",
    in_place_permuted="x = torch.zeros(2, 3, 4); x.permute(2, 0, 1).uniform_(); x",
    in_place_columns_normal="x = torch.zeros(5, 8); x[:, ::2].normal_(); x, torch.rand(1)",
    in_place_transposed_normal="x = torch.zeros(5, 8); x.T.normal_(1, 2); x, torch.rand(1)",
    in_place_half_normal="x = torch.zeros(5, 8).half(); x.T.normal_(1, 2); x, torch.rand(1)",
    normal_beyond_half="torch.empty(20).half().normal_(0, 1e5), torch.empty(9).half().normal_(1e5)",
    in_place_rows_normal="x = torch.zeros(5, 8); x[1:4].normal_(); x, torch.rand(1)",
    in_place_numpy="a = np.zeros(3); torch.from_numpy(a).uniform_(); a",
    in_place_data="x = torch.zeros(3, requires_grad=True); x.data.normal_(); x",
    in_place_no_grad="""
x = torch.zeros(3, requires_grad=True)
with torch.no_grad(): x.uniform_()
x, x.grad_fn""",
    in_place_cuts_the_graph="""
x = torch.ones(3, requires_grad=True)
y = x * 2
y.uniform_()
(y * y).sum().backward()
x.grad, y""",
    in_place_cuts_the_graph_normal="""
x = torch.ones(3, requires_grad=True)
y = x * 2
y.normal_()
y.sum().backward()
x.grad""",
    in_place_makes_stale="""
x = torch.ones(3, requires_grad=True)
y = x.exp()
y.uniform_()
y.sum().backward()""",
    bernoulli_of_a_leaf="x = torch.ones(3, requires_grad=True); torch.bernoulli(x / 2).detach()",
    bernoulli_certain="torch.bernoulli(torch.tensor([0.0, 1.0, 0.0, 1.0]))",
    generator="g = torch.Generator().manual_seed(1); torch.rand(2, generator=g), torch.rand(2)",
    generator_none="torch.rand(2, generator=None), torch.randperm(3, generator=None)",
    generator_goes_its_own_way="""
g = torch.Generator()
a = g.get_state()
torch.rand(5)
torch.equal(a, g.get_state()), g.initial_seed()""",
    generator_state="""
g = torch.Generator().manual_seed(5)
s = g.get_state()
a = torch.randn(20, generator=g)
g.set_state(s)
a, torch.equal(a, torch.randn(20, generator=g))""",
    generator_device="torch.Generator('cpu').device, torch.Generator(device='cpu').device.type",
    generator_seed="g = torch.Generator(); a = g.seed(); a == g.initial_seed(), a != g.seed()",
    state="s = torch.get_rng_state(); a = torch.rand(3); torch.set_rng_state(s); a, torch.rand(3)",
    state_is_bytes="s = torch.get_rng_state(); s.dtype, s.shape",
    state_is_apart="g = torch.get_rng_state; s = g(); torch.rand(1); torch.equal(s, g())",
    seed_is_returned="torch.manual_seed(7).initial_seed(), torch.initial_seed()",
    seed_negative="torch.manual_seed(-1).initial_seed(), torch.rand(2)",
    seed_large="torch.manual_seed(2**40 + 3); torch.rand(2)",
    seed_of_numpy="torch.manual_seed(np.int64(5)).initial_seed()",
    seed_of_a_tensor="torch.manual_seed(torch.tensor(5)).initial_seed()",
    seed_of_text="torch.manual_seed('5').initial_seed()",
    seed_of_a_float="torch.manual_seed(5.9).initial_seed()",
    seed_from_the_system="a, b = torch.seed(), torch.seed(); a != b, b == torch.initial_seed()",
    default_generator="torch.default_generator.manual_seed(9); torch.rand(2)",
    module="torch.random.manual_seed(4); torch.rand(2), torch.random.initial_seed()",
    cuda="torch.cuda.manual_seed(8); torch.cuda.manual_seed_all(8); torch.rand(2)",
)
def test_rules(code: str) -> None:
    check(SEEDED + code)


@pytest.mark.needs_torch
@table(
    no_size="try: torch.rand()\nexcept TypeError: 'no'",
    float_size="torch.rand(2.5)",
    text_size="torch.rand('a')",
    negative_size="torch.rand(2, -1)",
    negative_size_normal="torch.randn(-1)",
    integer_dtype="torch.rand(2, dtype=torch.int64)",
    integer_dtype_normal="torch.randn(2, dtype=torch.int64)",
    like_integers="torch.rand_like(torch.arange(3))",
    cuda="torch.rand(2, device='cuda')",
    randint_nothing="torch.randint(0, (3,))",
    randint_empty="torch.randint(5, 5, (3,))",
    randint_backwards="torch.randint(5, 2, (3,))",
    randint_float="try: torch.randint(10.5, (3,))\nexcept TypeError: 'no'",
    randint_number_for_size="try: torch.randint(10, 3)\nexcept TypeError: 'no'",
    randint_no_size="try: torch.randint(10)\nexcept TypeError: 'no'",
    randint_beyond_the_dtype="torch.randint(300, (3,), dtype=torch.uint8)",
    randint_below_the_dtype="torch.randint(-1, 3, (3,), dtype=torch.uint8)",
    randint_beyond_bool="torch.randint(3, (3,), dtype=torch.bool)",
    randint_integers_require_grad="torch.randint(9, (2,), requires_grad=True)",
    randperm_negative="torch.randperm(-1)",
    randperm_float="try: torch.randperm(2.5)\nexcept TypeError: 'no'",
    randperm_integers_require_grad="torch.randperm(5, requires_grad=True)",
    bernoulli_beyond_1="torch.bernoulli(torch.tensor([0.5, 1.5]))",
    bernoulli_nan="torch.bernoulli(torch.tensor([0.5, math.nan]))",
    bernoulli_integers="torch.bernoulli(torch.tensor([0, 1]))",
    bernoulli_number="torch.bernoulli(0.5)",
    uniform_backwards="torch.empty(3).uniform_(1, 0)",
    uniform_beyond_half="torch.empty(3).half().uniform_(0, 1e5)",
    uniform_too_wide_for_half="torch.empty(3).half().uniform_(-6e4, 6e4)",
    uniform_nan="torch.empty(3).uniform_(math.nan, 1)",
    uniform_integers="torch.empty(3, dtype=torch.int64).uniform_()",
    uniform_on_a_leaf="torch.zeros(3, requires_grad=True).uniform_()",
    uniform_on_a_view_of_a_leaf="torch.zeros(3, requires_grad=True)[:2].uniform_()",
    uniform_on_an_expanded="torch.zeros(1).expand(3).uniform_()",
    normal_negative="torch.empty(3).normal_(0, -1)",
    normal_integers="torch.empty(3, dtype=torch.int64).normal_()",
    seed_of_text="torch.manual_seed('a')",
    seed_of_nothing="torch.manual_seed(None)",
    seed_too_large="torch.manual_seed(2**64)",
    seed_too_small="torch.manual_seed(-(2**63) - 1)",
    generator_seed_of_text="torch.Generator().manual_seed('a')",
    state_short="torch.set_rng_state(torch.zeros(3, dtype=torch.uint8))",
    state_of_floats="torch.set_rng_state(torch.zeros(5056))",
    state_a_number="torch.set_rng_state(3)",
    state_of_zeros="torch.set_rng_state(torch.zeros(5056, dtype=torch.uint8))",
    generator_nowhere="try: torch.Generator('cuda')\nexcept (RuntimeError, AssertionError): 'no'",
)
def test_errors(code: str) -> None:
    check(SEEDED + code)


@pytest.mark.needs_torch
@pytest.mark.parametrize(
    "code", ["torch.zeros(3, requires_grad=True).uniform_()", "torch.rand(-1)"]
)
def test_an_error_draws_nothing(code: str) -> None:
    check(f"{SEEDED}try: {code}\nexcept RuntimeError: pass\ntorch.rand(2)")


# --- On this engine alone -------------------------------------------------------------------------


def test_goldens() -> None:
    """Printed by PyTorch 2.13 on x86-64."""
    tg.manual_seed(42)
    assert repr(tg.rand(3)) == "tensor([0.8823, 0.9150, 0.3829])"
    assert repr(tg.randn(2, 2)) == "tensor([[-0.8293, -1.6137],\n        [-0.2147,  0.2989]])"
    assert repr(tg.randint(10, (5,))) == "tensor([4, 0, 4, 1, 2])"
    assert repr(tg.randperm(6)) == "tensor([5, 1, 0, 4, 2, 3])"
    assert repr(tg.bernoulli(tg.full((6,), 0.5))) == "tensor([1., 1., 0., 1., 1., 1.])"
    assert repr(tg.rand(2, dtype=tg.float64)) == "tensor([0.5949, 0.0493], dtype=torch.float64)"
    tg.manual_seed(0)
    assert tg.rand(3, dtype=tg.float16).tolist() == [0.496337890625, 0.76806640625, 0.0885009765625]


def test_numpys_own_generator_is_left_alone() -> None:
    np.random.seed(0)
    expected = np.random.RandomState(0).rand(4)
    tg.manual_seed(7)
    tg.rand(5), tg.randn(5), tg.randperm(5)
    np.testing.assert_array_equal(np.random.rand(4), expected)
