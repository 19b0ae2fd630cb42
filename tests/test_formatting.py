"""A tensor prints, byte for byte, as PyTorch prints it."""

import math
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_cls.formatting import set_printoptions, tensor_repr

FLOATS = [np.float16, np.float32, np.float64]
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8]
F32 = np.dtype(np.float32)
# An example costs a millisecond, and the cases are many: several times the profile's count.
MANY = settings(deadline=None, max_examples=6 * settings().max_examples)

# --- Known texts: no torch needed -----------------------------------------------------------

GOLDEN = [
    (np.float32(2.5), "tensor(2.5000)"),
    (np.float32(3.0), "tensor(3.)"),
    (np.float32(-0.0), "tensor(-0.)"),
    (np.float32(1e-5), "tensor(1.0000e-05)"),
    (np.float64(1.0), "tensor(1., dtype=torch.float64)"),
    (np.float16(0.1), "tensor(0.1000, dtype=torch.float16)"),
    (np.int64(7), "tensor(7)"),
    (np.uint8(7), "tensor(7, dtype=torch.uint8)"),
    (np.bool_(True), "tensor(True)"),
    (np.array([True, False]), "tensor([ True, False])"),
    (np.array([1, -20]), "tensor([  1, -20])"),
    (np.array([1.0, 2.0], np.float32), "tensor([1., 2.])"),
    (np.array([1.0, 1000.0, 0.5], np.float32), "tensor([1.0000e+00, 1.0000e+03, 5.0000e-01])"),
    (np.array([np.nan, np.inf, -np.inf], np.float32), "tensor([nan, inf, -inf])"),
    (np.array([np.nan, 1.5], np.float32), "tensor([   nan, 1.5000])"),
    (np.array([-0.0, 1.0], np.float32), "tensor([-0., 1.])"),
    (np.zeros(0, np.float32), "tensor([])"),
    (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
    (np.zeros(0, np.int64), "tensor([], dtype=torch.int64)"),
    (np.zeros((2, 0), np.bool_), "tensor([], size=(2, 0), dtype=torch.bool)"),
    (np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        np.zeros((2, 2, 2), np.float32),
        "tensor([[[0., 0.],\n         [0., 0.]],\n\n        [[0., 0.],\n         [0., 0.]]])",
    ),
    (
        np.ones((1000, 2), np.float32),
        "tensor([[1., 1.],\n        [1., 1.],\n        [1., 1.],\n        ...,\n"
        "        [1., 1.],\n        [1., 1.],\n        [1., 1.]])",
    ),
    (
        np.arange(20) * 1000,
        "tensor([    0,  1000,  2000,  3000,  4000,  5000,  6000,  7000,  8000,  9000,\n"
        "        10000, 11000, 12000, 13000, 14000, 15000, 16000, 17000, 18000, 19000])",
    ),
]


@pytest.mark.parametrize(("value", "text"), GOLDEN, ids=[text for _, text in GOLDEN])
def test_known_texts(value: Any, text: str) -> None:
    assert tensor_repr(np.asarray(value), default_float=F32) == text


def test_suffixes() -> None:
    x = np.array([1.0, 2.0], np.float32)
    double = x.astype(np.float64)
    assert (
        tensor_repr(x, default_float=F32, requires_grad=True)
        == "tensor([1., 2.], requires_grad=True)"
    )
    assert (
        tensor_repr(x, default_float=F32, requires_grad=True, grad_fn="AddBackward0")
        == "tensor([1., 2.], grad_fn=<AddBackward0>)"
    )
    assert tensor_repr(double, default_float=double.dtype) == "tensor([1., 2.])"
    assert tensor_repr(x, default_float=double.dtype) == "tensor([1., 2.], dtype=torch.float32)"
    assert (
        tensor_repr(np.arange(20) / 8, default_float=F32, grad_fn="DivBackward0")
        == "tensor([0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750, 1.0000,\n"
        "        1.1250, 1.2500, 1.3750, 1.5000, 1.6250, 1.7500, 1.8750, 2.0000, 2.1250,\n"
        "        2.2500, 2.3750], dtype=torch.float64, grad_fn=<DivBackward0>)"
    )


def test_a_million_elements_print_in_a_fifth_of_a_second() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 1000))
    assert min(timeit.repeat(lambda: tensor_repr(x, default_float=F32), number=1, repeat=3)) < 0.2


def test_a_summary_reads_the_edges_only() -> None:
    # 4 TB that share one number: a copy of the whole would not fit in memory.
    x = np.broadcast_to(np.float32(1), (10**6, 10**6))
    row = "[1., 1., 1.,  ..., 1., 1., 1.]"
    rows = ",\n        ".join([row] * 3 + ["..."] + [row] * 3)
    assert tensor_repr(x, default_float=F32) == f"tensor([{rows}])"


# --- Against torch --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="compares with PyTorch")


@contextmanager
def options(torch: Any, *calls: dict[str, Any]) -> Iterator[None]:
    """Both printers with the same ``set_printoptions`` calls made, and back to the defaults."""
    printers = set_printoptions, torch.set_printoptions
    try:
        for call in calls:
            for printer in printers:
                printer(**call)
        yield
    finally:
        for printer in printers:
            printer(profile="default")


def assert_prints_as_torch(torch: Any, array: np.ndarray) -> None:
    assert tensor_repr(array, default_float=F32) == repr(torch.from_numpy(array))


SPECIALS = [0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, -1.0, 0.5, 1e8, 1e-4, 1000.0]
LARGE = [(1001,), (7, 200), (6, 167), (3, 400), (1, 1, 1001), (2, 2, 300), (10, 11, 10), (600, 2)]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Small arrays element by element, and any size by seed around a chosen magnitude."""
    dtype = np.dtype(draw(st.sampled_from([*FLOATS, *INTEGERS, np.bool_])))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    if draw(st.booleans()):
        return draw(hnp.arrays(dtype, shape))
    shape = draw(st.sampled_from([shape, (40,), (3, 30), *LARGE]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind != "f":
        high = 2 if dtype.kind == "b" else draw(st.sampled_from([10, 100, np.iinfo(dtype).max]))
        low = -high if dtype.kind == "i" else 0
        return np.asarray(rng.integers(low, high, shape)).astype(dtype)
    decade = draw(st.sampled_from([-5, -4, 0, 2, 3, 7, 8]) | st.integers(-320, 308))
    spread = draw(st.sampled_from([0, 1, 3, 20]))
    planted = draw(st.sampled_from([0.0, 0.1, 1.0]))
    with np.errstate(all="ignore"):
        x = rng.normal(size=shape) * 10.0 ** (decade + rng.uniform(-spread, spread, shape))
        x = np.rint(x) if draw(st.booleans()) else x
        x = np.where(rng.random(shape) < planted, rng.choice(SPECIALS, shape), x)
        return x.astype(dtype)


@MANY
@given(array=arrays())
def test_prints_as_torch(torch: Any, array: np.ndarray) -> None:
    assert_prints_as_torch(torch, array)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bound", [1e-4, 1e3, 1e8])
def test_scientific_notation_starts_where_torch_starts_it(
    torch: Any, dtype: type[np.floating[Any]], bound: float
) -> None:
    with np.errstate(over="ignore"):
        x = dtype(bound)
    for near in (np.nextafter(x, dtype(0)), x, np.nextafter(x, dtype(np.inf))):
        assert_prints_as_torch(torch, np.array([near]))
        assert_prints_as_torch(torch, np.array([-near, 1.0], dtype))
        assert_prints_as_torch(torch, np.array([near, 0.0, 1.5, np.nan], dtype))


option_calls = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.sampled_from([None, 0, 1, 2, 8, 17]),
        "threshold": st.sampled_from([None, 0, 5, 20, 1000, math.inf]),
        "edgeitems": st.sampled_from([None, 0, 1, 2, 5]),
        "linewidth": st.sampled_from([None, 1, 20, 40, 79, 200]),
        "profile": st.sampled_from([None, "default", "short", "full", "unknown"]),
        "sci_mode": st.sampled_from([None, True, False]),
    },
)


@MANY
@given(array=arrays(), calls=st.lists(option_calls, min_size=1, max_size=3))
@example(array=np.array([math.nan, 1.0]), calls=[{"sci_mode": True}])
@example(array=np.array([math.nan, 0.0]), calls=[{"sci_mode": True}])
@example(array=np.array(1.5), calls=[{"threshold": 0, "edgeitems": 0}])
def test_options_act_as_in_torch(
    torch: Any, array: np.ndarray, calls: list[dict[str, Any]]
) -> None:
    with options(torch, *calls):
        assert_prints_as_torch(torch, array)


@pytest.mark.parametrize("call", [{"precision": -1}, {"precision": "4"}, {"threshold": "many"}])
def test_impossible_options_raise_as_in_torch(torch: Any, call: dict[str, Any]) -> None:
    outcomes = []
    with options(torch, call):
        for text in (
            lambda: tensor_repr(np.array([1.5, 2.5]), default_float=F32),
            lambda: repr(torch.tensor([1.5, 2.5], dtype=torch.float64)),
        ):
            try:
                outcomes.append(text())
            except (TypeError, ValueError) as error:
                outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]


@settings(deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from(FLOATS),
        hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
        elements=st.integers(-9, 9),
    ),
    default=st.sampled_from(FLOATS),
    name=st.integers(1, 30).map("T".__mul__),
    op=st.sampled_from([None, "requires_grad_", "clone", "exp", "nan_to_num"]),
)
@example(array=np.arange(9.0), default=np.float32, name="T", op="clone")
def test_suffixes_wrap_as_in_torch(
    torch: Any, array: np.ndarray, default: type, name: str, op: str | None
) -> None:
    """Class name, size, dtype and gradient, at every column where a line may end."""
    tensor = torch.from_numpy(array).as_subclass(type(name, (torch.Tensor,), {}))
    if op is not None:
        tensor = getattr(tensor.requires_grad_(), op)()
    torch.set_default_dtype(torch.from_numpy(np.zeros(0, default)).dtype)
    try:
        for linewidth in range(20, 100):
            with options(torch, {"linewidth": linewidth}):
                ours = tensor_repr(
                    tensor.detach().numpy(),
                    default_float=np.dtype(default),
                    requires_grad=tensor.requires_grad,
                    grad_fn=tensor.grad_fn and type(tensor.grad_fn).__name__,
                    prefix=f"{name}(",
                )
                assert ours == repr(tensor)
    finally:
        torch.set_default_dtype(torch.float32)
