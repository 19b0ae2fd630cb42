"""The random stream is torch's: the same values, and the same state after every draw.

The goldens were printed by PyTorch 2.13 and need no torch; the rest is compared with it live.
"""

import copy
import hashlib
import math
import os
import pickle
import platform
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygrad_cls.stream import Stream, fma, fused_kernels

F32, F64 = np.float32, np.float64
SEEDS = st.integers(-(2**63), 2**64 - 1)
SIZES = st.one_of(st.integers(0, 40), st.sampled_from([100, 625, 8191, 8192, 8208, 8209]))
# Subnormal results are beyond `fma`.
reals = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-200)
bounds = st.tuples(reals, reals).map(sorted)
# On other machines torch's kernels were not at hand: see `fused_kernels`.
HERE = (sys.platform, platform.machine()) == ("linux", "x86_64")
x86_64_linux = pytest.mark.skipif(not HERE, reason="judged on x86-64 Linux")
avx2 = pytest.mark.skipif(not (HERE and fused_kernels()), reason="judged with AVX2 in use")


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    return pytest.importorskip("torch", reason="compares with PyTorch")


def equal(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Same shape, dtype and values (a zero's sign included)."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))


def fresh(torch: ModuleType, seed: int) -> Stream:
    """Both streams, seeded alike: torch's own and the one returned."""
    torch.manual_seed(seed)
    return Stream(seed)


def in_step(torch: ModuleType, stream: Stream) -> None:
    np.testing.assert_array_equal(stream.get_state(), torch.get_rng_state().numpy())


def linear(stream: Stream, i: int, o: int, dtype: type, **how: bool) -> list[np.ndarray]:
    """The weight and bias of a new ``torch.nn.Linear(i, o)``."""
    bound = math.sqrt(3) * (math.sqrt(2 / (1 + math.sqrt(5) ** 2)) / math.sqrt(i))
    weight = stream.uniform((o, i), dtype, -bound, bound, **how)
    return [weight, stream.uniform(o, dtype, -1 / math.sqrt(i), 1 / math.sqrt(i), **how)]


def hexes(values: np.ndarray) -> list[str]:
    return [x.hex() for x in values.ravel().tolist()]


# --- Goldens --------------------------------------------------------------------------------


def test_golden_uniform() -> None:
    stream = Stream(42)
    assert hexes(stream.uniform(3)) == [
        "0x1.c3b8cc0000000p-1",
        "0x1.d47b660000000p-1",
        "0x1.880d700000000p-2",
    ]
    assert hexes(stream.uniform(2, F64)) == ["0x1.5950ebb63f46ap-1", "0x1.9d4479941aebcp-1"]


@pytest.mark.parametrize(
    ("dtype", "fused", "values"),
    [
        (F32, True, "0x1.423bac0000000p-1 0x1.4c4a080000000p-1 0x1.51a1a80000000p-2"),
        (F32, False, "0x1.423bae0000000p-1 0x1.4c4a0a0000000p-1 0x1.51a1a80000000p-2"),
        (F64, True, "0x1.14429e96560e1p-3 0x1.1a1aa0a4d65bbp-3 0x1.64a99df0aca44p-3"),
    ],
)
def test_golden_bounds(dtype: type, fused: bool, values: str) -> None:
    assert hexes(Stream(42).uniform(3, dtype, 0.1, 0.7, fused=fused)) == values.split()


@pytest.mark.parametrize(
    ("dtype", "fused", "last_weight", "bias"),
    [
        (F32, True, "0x1.4c92a40000000p-1", "-0x1.3d4bbe0000000p-3 0x1.2439600000000p-3"),
        (F32, False, "0x1.4c92a20000000p-1", "-0x1.3d4bc00000000p-3 0x1.2439600000000p-3"),
        (F64, True, "-0x1.43f770e223710p-1", "0x1.2f3527f553b1dp-5 -0x1.0cf44296affccp-5"),
        (F64, False, "-0x1.43f770e223710p-1", "0x1.2f3527f553b20p-5 -0x1.0cf44296affd0p-5"),
    ],
)
def test_golden_linear(dtype: type, fused: bool, last_weight: str, bias: str) -> None:
    W, b = linear(Stream(42), 2, 2, dtype, fused=fused)
    assert hexes(W)[-1] == last_weight
    assert hexes(b) == bias.split()


def test_golden_integers() -> None:
    stream = Stream(42)
    assert stream.integers(0, 10, 6).tolist() == [2, 7, 6, 4, 6, 5]
    assert stream.integers(-(2**40), 2**40, 2).tolist() == [-289494324204, -659510126471]
    assert Stream(42).permutation(10).tolist() == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]
    kept = Stream(42).bernoulli((3, 4), 0.3)
    assert kept.astype(int).tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]]


def test_golden_normal() -> None:
    stream = Stream(42)
    few = [*stream.normal(3).tolist(), *stream.normal(2, F64).tolist()]
    expected = (
        "0x1.58c55cp-2 0x1.07cd3ap-3 0x1.e02dcep-3 0x1.d7b8d7b0a7c22p-3 -0x1.1f7383f8320c1p+0"
    )
    # One ulp: a C library's ln, sin and cos.
    np.testing.assert_allclose(few, [float.fromhex(x) for x in expected.split()], rtol=3e-16)
    # No C library here: the polynomials are ours.
    many = Stream(42).normal(20, fused=True)[[0, 3, 4, 19]]
    expected = "0x1.ed4a52p+0 -0x1.0d81b6p+1 -0x1.8429c4p-1 -0x1.3e41c0p-1"
    assert many.tolist() == [float.fromhex(x) for x in expected.split()]
    many = Stream(42).normal(20, F64)[[0, 3, 4, 19]]
    expected = "0x1.32bee22ccb503p-2 -0x1.dd10ce0b8c5a4p-3 -0x1.30c45c7145abep-5"
    expected = [float.fromhex(x) for x in [*expected.split(), "-0x1.53162f2f5ea4fp-2"]]
    np.testing.assert_allclose(many, expected, rtol=1e-15)


def test_golden_state() -> None:
    stream = Stream(42)
    stream.bernoulli(12, 0.3)
    stream.uniform(700)
    digest = hashlib.sha256(stream.get_state().tobytes()).hexdigest()
    assert digest == "c57a0a914e7338c33cf39ddf7b00caa147592a6e4d846fdeb4832ff8e59c0c5e"


# --- fma ------------------------------------------------------------------------------------


def once(x: float, y: float, z: float) -> float:
    """x y + z, correctly rounded to float64 by integer arithmetic."""
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    return exact.numerator / exact.denominator


def once32(x: float, y: float, z: float) -> np.float32:
    """The float32 nearest to x y + z; of two as near, the one whose last bit is 0."""
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    near = F32(float(exact))
    around = [near, np.nextafter(near, F32(np.inf)), np.nextafter(near, F32(-np.inf))]
    return min(around, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(np.int32)) & 1))


def moderate(width: int) -> st.SearchStrategy[float]:
    """Zeros and floats of every sign, with few or many bits, around 2^-40 .. 2^40."""
    bits = st.integers(0, width).flatmap(lambda k: st.integers(-(2**k), 2**k))
    return st.builds(math.ldexp, bits, st.integers(-40 - width // 2, 40 - width // 2))


@settings(deadline=None)
@given(st.lists(st.tuples(*[moderate(53)] * 3), min_size=1, max_size=30))
@example([(1 + 2**-27, 1 + 2**-26, 2**-106), (1 - 2**-53, 1 + 2**-52, -1.0), (0.0, 3.0, 7.0)])
# Ties of the sum that the far end of the product breaks: two roundings, however done, miss these.
@example([(1 + 2**-30, 2**-53 * (1 - 2**-30), 1.0), (1 + 2**-30, 2**-53 * (1 + 2**-30), 1.0)])
@example([(1 + 2**-30, -(2**-53) * (1 - 2**-30), 1 + 2**-52), (2**-40, 2**-13, 1.0)])
@example([(1 + 2**-25 - 2**-52, 1 + 2**-25 - 2**-52, 0.0)])  # lower halves full of ones
def test_fma_rounds_once(triples: list[tuple[float, float, float]]) -> None:
    x, y, z = np.array(triples).T
    assert fma(x, y, z).tolist() == [once(*t) for t in triples]
    lost = fma(x, y, -(x * y))  # all that rounding the product took away
    assert lost.tolist() == [once(a, b, -(a * b)) for a, b, _ in triples]


@settings(deadline=None)
@given(st.lists(st.tuples(*[moderate(24)] * 3), min_size=1, max_size=30))
# 1 + 2^-23 + 2^-24 - 2^-70: a tie in float32 once float64 has dropped the last term.
@example([(1 + 2**-23, 2**-24 * (1 - 2**-23), 1 + 2**-23)])
@example([(1 + 2**-23, -(2**-24) * (1 - 2**-23), -1 - 2**-23), (2**-12, -(2**-12), 1.0)])
def test_fma_rounds_once_in_float32(triples: list[tuple[float, float, float]]) -> None:
    x, y, z = np.array(triples, F32).T
    result = fma(x, y, z)
    assert result.dtype == F32
    assert result.tolist() == [float(once32(*map(float, t))) for t in zip(x, y, z, strict=True)]


def test_two_roundings_are_told_apart() -> None:
    x = np.linspace(0, 1, 1000)
    assert (fma(x, 0.7, 0.1) != x * 0.7 + 0.1).sum() > 100


@pytest.mark.parametrize("dtype", [F32, F64])
def test_fma_of_infinities_and_zeros(dtype: type) -> None:
    x, y, z = np.array(
        [[np.inf, 2, 1], [np.inf, 0, 1], [np.nan, 1, 1], [1, 2, -np.inf], [np.inf, 1, -np.inf]],
        dtype,
    ).T
    np.testing.assert_array_equal(fma(x, y, z), [np.inf, np.nan, np.nan, -np.inf, np.nan])
    big = np.finfo(dtype).max
    assert fma(dtype(big), dtype(2), dtype(0)) == np.inf
    zeros = fma(np.array([0, -1, -1, 2], dtype), dtype(0), np.array([0, 0, -0.0, -0.0], dtype))
    assert np.signbit(zeros).tolist() == [False, False, True, False]


# --- Against torch: values and state --------------------------------------------------------


@pytest.mark.needs_torch
@avx2
@settings(deadline=None)
@given(SEEDS, st.data())
def test_any_calls_in_any_order(torch: ModuleType, seed: int, data: st.DataObject) -> None:
    stream = fresh(torch, seed)
    assert stream.initial_seed == torch.initial_seed()
    for _ in range(data.draw(st.integers(1, 8))):
        n = data.draw(SIZES)
        dtype = data.draw(st.sampled_from([F32, F64]))
        theirs = torch.empty(n, dtype=torch.from_numpy(np.empty(0, dtype)).dtype)
        match data.draw(
            st.sampled_from("rand uniform randn normal randint perm bern bernt".split())
        ):
            case "rand":
                equal(stream.uniform(n, dtype), torch.rand(n, out=theirs).numpy())
            case "uniform":
                low, high = data.draw(bounds)
                equal(stream.uniform(n, dtype, low, high), theirs.uniform_(low, high).numpy())
            case "randn":
                equal(stream.normal(n, dtype), torch.randn(n, out=theirs).numpy())
            case "normal":
                m, s = data.draw(reals), abs(data.draw(reals))
                equal(stream.normal(n, dtype, m, s), theirs.normal_(m, s).numpy())
            case "randint":
                low, size = (
                    data.draw(st.integers(-(2**62), 2**62)),
                    data.draw(st.integers(1, 2**62 - 1)),
                )
                equal(
                    stream.integers(low, low + size, n),
                    torch.randint(low, low + size, (n,)).numpy(),
                )
            case "perm":
                equal(stream.permutation(n), torch.randperm(n).numpy())
            case "bern":
                p = data.draw(st.floats(0, 1))
                equal(stream.bernoulli(n, p), torch.empty(n, dtype=bool).bernoulli_(p).numpy())
            case "bernt":
                p = np.linspace(0, 1, n, dtype=dtype)
                equal(stream.bernoulli(n, p), torch.bernoulli(torch.from_numpy(p)).numpy() == 1)
        in_step(torch, stream)


@pytest.mark.needs_torch
@avx2
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_size(torch: ModuleType, dtype: str) -> None:
    """Nowhere does torch switch to another rule that the sizes above would miss."""
    stream = fresh(torch, 7)
    for n in [*range(70), 1000]:
        theirs = torch.empty(n, dtype=getattr(torch, dtype))
        equal(stream.uniform(n, dtype, -0.3, 0.9), theirs.uniform_(-0.3, 0.9).numpy())
        equal(stream.normal(n, dtype), theirs.normal_().numpy())
        equal(stream.permutation(n), torch.randperm(n).numpy())
    in_step(torch, stream)


@pytest.mark.needs_torch
@x86_64_linux
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_initial_weights(torch: ModuleType, dtype: str) -> None:
    for seed in range(100):
        i, o = 1 + seed % 11, 1 + seed % 7
        stream = fresh(torch, seed)
        layer = torch.nn.Linear(i, o, dtype=getattr(torch, dtype))
        for ours, theirs in zip(
            linear(stream, i, o, np.dtype(dtype)), layer.parameters(), strict=True
        ):
            equal(ours, theirs.detach().numpy())
        in_step(torch, stream)


@pytest.mark.needs_torch
def test_randint_changes_its_rule_at_2_to_the_28(torch: ModuleType) -> None:
    for span in (2**28 - 1, 2**28, 2**28 + 1, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1):
        stream = fresh(torch, span)
        equal(stream.integers(0, span, (2, 3)), torch.randint(span, (2, 3)).numpy())
        in_step(torch, stream)
    low, high = -(2**63), 2**63 - 1
    equal(stream.integers(low, high, 5), torch.randint(low, high, (5,)).numpy())
    words = torch.empty(5, dtype=torch.int64)
    equal(stream.integers(0, 2**63, 5), words.random_().numpy())


@pytest.mark.needs_torch
def test_values_that_round_up_to_the_bound(torch: ModuleType) -> None:
    for dtype, ulp in ((F32, 2**-23), (F64, 2**-52)):
        stream = fresh(torch, 0)
        ours = stream.uniform(1000, dtype, 1, 1 + 3 * ulp)
        theirs = torch.empty(1000, dtype=torch.from_numpy(ours).dtype).uniform_(1, 1 + 3 * ulp)
        equal(ours, theirs.numpy())
        assert ours.max() == 1 + 2 * ulp


@pytest.mark.needs_torch
def test_dropout(torch: ModuleType) -> None:
    stream = fresh(torch, 5)
    kept = torch.nn.functional.dropout(torch.ones(5, 1000), 0.3).numpy() > 0
    equal(stream.bernoulli((5, 1000), 1 - 0.3), kept)


@pytest.mark.needs_torch
def test_shuffled_batches(torch: ModuleType) -> None:
    stream = fresh(torch, 11)
    loader = torch.utils.data.DataLoader(torch.arange(50), batch_size=50, shuffle=True)
    for _ in range(3):
        (batch,) = loader
        _, seed = stream.integers(0, 2**63, 2).tolist()
        equal(Stream(seed).permutation(50), batch.numpy())
    in_step(torch, stream)


# --- The kernels of other machines ----------------------------------------------------------

OTHER = """
import sys, numpy as np, torch
out = {}
torch.manual_seed(3)
for dtype in (torch.float32, torch.float64, torch.float16):
    name = str(dtype)[6:]
    out["uniform " + name] = torch.empty(20000, dtype=dtype).uniform_(-0.3, 0.9)
    layer = torch.nn.Linear(7, 300, dtype=dtype)
    out["weight " + name], out["bias " + name] = layer.weight.detach(), layer.bias.detach()
    out["few " + name] = torch.empty(15, dtype=dtype).normal_(0.1, 0.7)
    out["many " + name] = torch.randn(20003, dtype=dtype)
out["state"] = torch.get_rng_state()
np.savez(sys.argv[1], capability=torch.backends.cpu.get_cpu_capability(), **out)
"""


@pytest.mark.needs_torch
@avx2
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_other_kernels(torch: ModuleType, tmp_path: Path, capability: str) -> None:
    environment = os.environ | {"ATEN_CPU_CAPABILITY": capability}
    command = [sys.executable, "-c", OTHER, tmp_path / "out.npz"]
    subprocess.run(command, env=environment, check=True)
    theirs = np.load(tmp_path / "out.npz")
    assert theirs["capability"] == capability.upper()
    fused, stream = capability != "default", Stream(3)
    for dtype in ("float32", "float64", "float16"):
        ours = stream.uniform(20000, dtype, -0.3, 0.9, fused=fused)
        equal(ours, theirs[f"uniform {dtype}"])
        wrong = Stream(3).uniform(20000, "float32", -0.3, 0.9, fused=not fused)
        assert (wrong != theirs["uniform float32"]).mean() > 0.2
        W, b = linear(stream, 7, 300, np.dtype(dtype), fused=fused)
        equal(W, theirs[f"weight {dtype}"])
        equal(b, theirs[f"bias {dtype}"])
        equal(stream.normal(15, dtype, 0.1, 0.7, fused=fused), theirs[f"few {dtype}"])
        many, expected = stream.normal(20003, dtype, fused=fused), theirs[f"many {dtype}"]
        if fused or dtype == "float64":
            equal(many, expected)
        else:  # logf, sinf and cosf of the C library: one ulp of a value in [2, 4)
            atol = 2.4e-7 if dtype == "float32" else 2**-9
            np.testing.assert_allclose(many, expected, rtol=0, atol=atol)
    np.testing.assert_array_equal(stream.get_state(), theirs["state"])


@pytest.mark.needs_torch
@x86_64_linux
def test_the_machine_is_read_as_torch_reads_it(torch: ModuleType) -> None:
    assert fused_kernels() == (torch.backends.cpu.get_cpu_capability() != "DEFAULT")


@pytest.mark.parametrize(
    ("system", "machine", "simd", "wish", "fused"),
    [
        ("linux", "x86_64", {"baseline": ["X86_V2"], "found": ["X86_V3"]}, None, True),
        ("linux", "x86_64", {"baseline": ["SSE"], "found": ["FMA3", "AVX2"]}, None, True),
        ("linux", "x86_64", {"baseline": ["X86_V2", "X86_V3"]}, "avx512", True),
        ("linux", "x86_64", {"baseline": ["X86_V2"], "found": ["X86_V3"]}, "default", False),
        ("linux", "x86_64", {"baseline": ["SSE"], "found": ["AVX2"]}, None, False),
        ("win32", "AMD64", {"baseline": ["X86_V2"], "found": ["X86_V3"]}, None, False),
        ("darwin", "arm64", {"baseline": ["NEON"]}, "default", True),
        ("linux", "riscv64", None, None, False),
    ],
)
def test_machines(
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    simd: dict[str, list[str]] | None,
    wish: str | None,
    fused: bool,
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    config = {} if simd is None else {"SIMD Extensions": simd}
    monkeypatch.setattr(np, "show_config", lambda mode: config)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    if wish:
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", wish)
    assert fused_kernels.__wrapped__() is fused


# --- State ----------------------------------------------------------------------------------


@pytest.mark.needs_torch
@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1247, 1248])
@pytest.mark.parametrize("normals", [0, 1, 2])
def test_states_pass_both_ways(torch: ModuleType, drawn: int, normals: int) -> None:
    stream = fresh(torch, 2**40 + drawn)
    stream.normal(normals), torch.randn(normals)
    stream.uniform(drawn), torch.rand(drawn)
    in_step(torch, stream)
    ours, theirs = Stream(), torch.Generator()
    ours.set_state(torch.get_rng_state().numpy())
    theirs.set_state(torch.from_numpy(stream.get_state()))
    assert ours.initial_seed == theirs.initial_seed() == 2**40 + drawn
    equal(ours.get_state(), theirs.get_state().numpy())
    equal(ours.normal(5), torch.randn(5, generator=theirs).numpy())
    equal(ours.uniform(1300), torch.rand(1300, generator=theirs).numpy())
    equal(ours.get_state(), theirs.get_state().numpy())


@pytest.mark.needs_torch
def test_unseeded_it_is_a_new_generator(torch: ModuleType) -> None:
    equal(Stream().get_state(), torch.Generator().get_state().numpy())


def test_a_new_seed_forgets_everything() -> None:
    stream = Stream(1)
    stream.normal(1)
    stream.seed(2)
    equal(stream.get_state(), Stream(2).get_state())


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_go_their_own_way(clone: object) -> None:
    stream = Stream(1)
    stream.normal(3)
    state, twin = stream.get_state(), clone(stream)
    values = twin.normal(5)
    equal(stream.get_state(), state)
    equal(stream.normal(5), values)
    equal(stream.get_state(), twin.get_state())


@settings(deadline=None)
@given(SEEDS, st.integers(0, 2000), st.integers(0, 2000))
def test_words_do_not_depend_on_how_they_are_drawn(seed: int, m: int, n: int) -> None:
    stream, whole = Stream(seed), Stream(seed % 2**32)
    parts = np.concatenate([stream.words(m), stream.words(n)])
    equal(parts, whole.words(m + n))
    assert stream.initial_seed == seed % 2**64


def test_threads_share_every_word_once() -> None:
    stream, drawn = Stream(0), []

    def draw() -> None:
        for _ in range(50):
            drawn.append(stream.words(7))
            stream.normal(1)  # takes the waiting normal, or four words and leaves one waiting

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = Stream(0)
    words = alone.words(400 * 7 + 200 * 4)
    assert len(set(words)) == len(words)
    mine = np.concatenate(drawn)
    assert len(set(mine)) == 400 * 7
    assert set(mine) < set(words)
    equal(stream.get_state(), alone.get_state())


# --- Errors ---------------------------------------------------------------------------------

ERRORS = {
    "seed too low": (lambda s: s.seed(-(2**63) - 1), lambda t: t.manual_seed(-(2**63) - 1)),
    "seed too high": (lambda s: s.seed(2**64), lambda t: t.manual_seed(2**64)),
    "no seed": (lambda s: s.seed(None), lambda t: t.manual_seed(None)),
    "size": (lambda s: s.uniform((2, -1)), lambda t: t.rand(2, -1)),
    "size of normals": (lambda s: s.normal(-1), lambda t: t.randn(-1)),
    "size of permutation": (lambda s: s.permutation(-1), lambda t: t.randperm(-1)),
    "order": (lambda s: s.uniform(2, F32, 1, 0.5), lambda t: t.empty(2).uniform_(1, 0.5)),
    "order, nothing drawn": (
        lambda s: s.uniform(0, F32, 1, 0),
        lambda t: t.empty(0).uniform_(1, 0),
    ),
    "from": (lambda s: s.uniform(2, F32, -1e39), lambda t: t.empty(2).uniform_(-1e39)),
    "from nan": (lambda s: s.uniform(2, F32, np.nan), lambda t: t.empty(2).uniform_(np.nan)),
    "to": (
        lambda s: s.uniform(2, F64, 0, np.inf),
        lambda t: t.empty(2, dtype=t.float64).uniform_(0, np.inf),
    ),
    "width": (lambda s: s.uniform(2, F32, -3e38, 3e38), lambda t: t.empty(2).uniform_(-3e38, 3e38)),
    "std": (lambda s: s.normal(2, F32, 0, -1), lambda t: t.empty(2).normal_(0, -1)),
    "std nan": (lambda s: s.normal(20, F32, 0, np.nan), lambda t: t.empty(20).normal_(0, np.nan)),
    "no range": (lambda s: s.integers(5, 5, 2), lambda t: t.randint(5, 5, (2,))),
    "beyond int64": (lambda s: s.integers(0, 2**64, 2), lambda t: t.randint(2**64, (2,))),
    "p": (lambda s: s.bernoulli(2, 1.5), lambda t: t.empty(2).bernoulli_(1.5)),
    "p nan": (lambda s: s.bernoulli(2, np.nan), lambda t: t.empty(2).bernoulli_(np.nan)),
    "state, short": (
        lambda s: s.set_state(np.zeros(9, np.uint8)),
        lambda t: t.set_rng_state(t.zeros(9, dtype=t.uint8)),
    ),
    "state, empty": (
        lambda s: s.set_state(np.zeros(5056, np.uint8)),
        lambda t: t.set_rng_state(t.zeros(5056, dtype=t.uint8)),
    ),
    "state, floats": (
        lambda s: s.set_state(np.zeros(5056)),
        lambda t: t.set_rng_state(t.zeros(5056)),
    ),
}


@pytest.mark.needs_torch
@pytest.mark.parametrize(("ours", "theirs"), ERRORS.values(), ids=ERRORS)
def test_errors_are_those_of_torch(torch: ModuleType, ours: object, theirs: object) -> None:
    stream = Stream(1)
    before = stream.get_state()
    with pytest.raises(Exception) as expected:
        theirs(torch)
    with pytest.raises(expected.type) as raised:
        ours(stream)
    assert str(raised.value).startswith(str(expected.value).splitlines()[0])
    equal(stream.get_state(), before)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, bool])
def test_other_dtypes_are_refused(dtype: type) -> None:
    with pytest.raises(NotImplementedError, match=f"not implemented for {np.dtype(dtype).name}"):
        Stream().uniform(2, dtype)
    with pytest.raises(NotImplementedError, match="float16, float32 or float64"):
        Stream().normal(2, dtype)


def test_what_is_left_out_says_so() -> None:
    with pytest.raises(NotImplementedError, match="214748364"):
        Stream().permutation(214748364)
    with pytest.raises(TypeError):
        Stream().integers(0, 2.5, 3)
    with pytest.raises(TypeError):
        Stream().uniform(2.5)
