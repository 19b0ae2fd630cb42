"""save and load: what goes in comes out, here and in PyTorch; a path is replaced whole or not at
all; what a format can't hold is refused by name.
"""

from __future__ import annotations

import copy
import errno
import importlib.util
import io
import os
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import begins, outcome, pytorch
from weights import DTYPES, WRITTEN_BY_TORCH, flat, nested, seen

import tinygrad_cls as tg
from tinygrad_cls.serialize import FileRefused, atomic, pt
from tinygrad_cls.serialize.archive import pack

FORMATS = ("pt", "npz", "safetensors")


def again(x: Any, suffix: str = "pt") -> Any:
    """``x``, saved and loaded."""
    if suffix == "pt":
        file = io.BytesIO()
        tg.save(x, file)
        return tg.load(io.BytesIO(file.getvalue()))
    module = codec(suffix)
    return module.decode(module.encode(x))


def codec(suffix: str) -> Any:
    from tinygrad_cls.serialize import codec

    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    return codec(f"w.{suffix}")


# --- what goes in comes out -------------------------------------------------------------------


@st.composite
def tensors(draw: Any) -> tg.Tensor:
    """A tensor of any dtype and shape, in one of the layouts that views have."""
    kind = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    raw = draw(st.binary(min_size=512, max_size=512))
    size = int(np.prod(shape, dtype=int))
    if kind == "bool":
        array = np.frombuffer(raw, np.uint8)[:size] % 2 == 1
    else:
        array = np.frombuffer(raw, kind)[:size]  # every bit pattern, nan with a payload too
    x = tg.from_numpy(array.reshape(shape).copy())
    for view in draw(st.lists(st.sampled_from(["T", "step", "row", "expand", "leaf"]), max_size=3)):
        if view == "T" and x.ndim:
            x = x.transpose(0, -1)
        elif view == "step" and x.ndim:
            x = x[..., ::2]
        elif view == "row" and x.ndim and x.shape[0]:
            x = x[-1]
        elif view == "expand":
            x = x.expand(2, *x.shape)
        elif view == "leaf" and x.is_floating_point():
            x = tg.nn.Parameter(x)
    return x.detach() if x.grad_fn is not None else x


keys = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(
    lambda key: key != "__metadata__"
)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.integers(-(2**2000), 2**2000), st.lists(st.integers(0, 9)).map(tg.Size),
    st.sampled_from([getattr(tg, name) for name in DTYPES]),
)  # fmt: skip
states = st.recursive(
    plain | tensors(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=3),
        st.dictionaries(st.text(), inner, max_size=3).map(OrderedDict),
        st.sets(st.integers() | st.text()),
    ),
    max_leaves=8,
)


@given(states)
def test_containers_come_back(state: Any) -> None:
    assert seen(again(state)) == seen(state)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@given(state=st.dictionaries(keys, tensors(), max_size=4))
def test_a_flat_state_comes_back(suffix: str, state: dict[str, tg.Tensor]) -> None:
    loaded = again(state, suffix)
    assert loaded.keys() == state.keys()
    for key, x in state.items():
        y = loaded[key]
        assert (y.dtype, y.shape, y.requires_grad) == (x.dtype, x.shape, False)
        assert y.is_contiguous()
        assert y.numpy().tobytes() == x.detach().contiguous().numpy().tobytes()


@pytest.mark.needs_torch
@given(states)
def test_torch_sees_the_same(state: Any) -> None:
    torch = pytorch()
    file = io.BytesIO()
    tg.save(state, file)
    theirs = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    assert seen(theirs) == seen(state)
    file = io.BytesIO()
    torch.save(theirs, file)
    assert seen(tg.load(io.BytesIO(file.getvalue()))) == seen(state)


@pytest.mark.needs_torch
def test_a_checkpoint_means_the_same_to_both_engines(tmp_path: Path) -> None:
    torch = pytorch()
    tg.save(nested(tg), tmp_path / "ours.pt")
    torch.save(nested(torch), tmp_path / "theirs.pt")
    truth = seen(nested(torch))
    assert seen(torch.load(tmp_path / "ours.pt", weights_only=True)) == truth
    assert seen(torch.load(tmp_path / "ours.pt", weights_only=True, mmap=True)) == truth
    assert seen(tg.load(tmp_path / "theirs.pt")) == truth


def test_a_file_of_torch_without_torch() -> None:
    assert seen(tg.load(WRITTEN_BY_TORCH)) == seen(nested(tg))


def test_numpy_reads_npz_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    state = flat(tg)
    tg.save(state, path)
    with np.load(path) as found:
        assert found.files == list(state)
        for key in state:
            np.testing.assert_array_equal(found[key], state[key].numpy())
    arrays = {"C": np.ones((2, 3)), "F": np.arange(6.0).reshape(2, 3, order="F"), "s": np.array(3)}
    arrays["big"] = np.arange(3, dtype=">i4")
    for write in (np.savez, np.savez_compressed):
        write(path, **arrays)
        loaded = tg.load(path)
        assert list(loaded) == list(arrays)
        for key, array in arrays.items():
            np.testing.assert_array_equal(loaded[key].numpy(), array)


def test_safetensors_reads_and_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "w.safetensors"
    state = flat(tg)
    tg.save(state, path)
    found = library.load_file(path)
    assert found.keys() == state.keys()
    for key in state:
        np.testing.assert_array_equal(found[key], state[key].numpy())
    library.save_file({"a": np.ones(2, np.float16)}, path, metadata={"format": "pt"})
    loaded = tg.load(path)
    assert loaded["a"].dtype is tg.float16
    assert loaded["a"].tolist() == [1, 1]


def test_big_endian_files_are_read() -> None:
    state = {"w": tg.arange(3.0), "n": tg.arange(3), "b": tg.tensor([True])}
    file = zipfile.ZipFile(io.BytesIO(pt.encode(state)))
    members = {name: file.read(name) for name in file.namelist()}
    members["archive/byteorder"] = b"big"
    kinds = ("<f4", "<i8", "?")
    for i, kind in enumerate(kinds):
        name = f"archive/data/{i}"
        members[name] = np.frombuffer(members[name], kind).byteswap().tobytes()
    assert seen(pt.decode(pack(members.items()))) == seen(state)


# --- what a tensor is after it ----------------------------------------------------------------


def test_shared_memory_is_shared_again() -> None:
    w = tg.arange(6.0).reshape(2, 3)
    loaded = again({"w": w, "row": w[1], "T": w.T, "alone": w.clone()})
    loaded["w"][1, 0] = 77
    assert loaded["row"][0] == 77
    assert loaded["T"][0, 1] == 77
    assert loaded["alone"][1, 0] == 3
    assert loaded["w"]._version == loaded["row"]._version == 1


def test_only_what_is_looked_at_is_saved() -> None:
    """torch saves all of a view's memory; here the file holds what the views span."""
    file = io.BytesIO()
    tg.save(tg.zeros(1000, 1000)[3, 3:6], file)
    assert len(file.getvalue()) < 4000


def test_memory_between_the_elements_stays_here() -> None:
    secret = tg.tensor([1.0, 1234.5, 2.0])
    data = pt.encode(secret[::2])
    assert struct.pack("<f", 1234.5) not in data
    assert pt.decode(data).tolist() == [1.0, 2.0]


def test_an_expanded_tensor_stays_small_and_read_only() -> None:
    loaded = again(tg.tensor([1.0]).expand(10**6))
    assert loaded.stride() == (0,)
    with pytest.raises(RuntimeError, match="more than one element"):
        loaded.add_(1)


def test_loaded_weights_train(tmp_path: Path) -> None:
    tg.manual_seed(0)
    model = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.ReLU(), tg.nn.Linear(3, 1))
    x, losses = tg.ones(4, 2), []
    for path in (tmp_path / "w.pt", tmp_path / "w.npz"):
        tg.save(model.state_dict(), path)
        twin = copy.deepcopy(model)
        for parameter in twin.parameters():
            parameter.data.zero_()
        twin.load_state_dict(tg.load(path))
        assert tg.equal(twin(x), model(x))
        loss = twin(x).square().mean()
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == losses[1]
    parameters = again(list(model.parameters()))
    assert all(type(p) is tg.nn.Parameter and p.is_leaf and p.requires_grad for p in parameters)
    (parameters[0] * 2).sum().backward()
    assert parameters[0].grad is not None


def test_metadata_of_a_state_dict_is_kept() -> None:
    state = tg.load(WRITTEN_BY_TORCH)["model"]
    assert vars(state)["_metadata"]["0"] == {"version": 1}
    assert vars(again(state))["_metadata"] == vars(state)["_metadata"]


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    for suffix in FORMATS:
        module = codec(suffix)
        make = nested if suffix == "pt" else flat
        assert module.encode(make(tg)) == module.encode(make(tg))


def test_storages_are_aligned_as_torch_does() -> None:
    file = zipfile.ZipFile(io.BytesIO(pt.encode(nested(tg))))
    for member in file.infolist():
        assert (member.header_offset + 30 + len(member.filename) + len(member.extra)) % 64 == 0


def test_optimizers_change_engines() -> None:
    """Three steps, a file, three more: as six at a stretch."""
    engines: list[Any] = [tg, pytorch()] if importlib.util.find_spec("torch") else [tg]
    straight, resumed = [], []
    for first, second in [(a, b) for a in engines for b in engines]:
        for name, options in (("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {})):

            def begin(
                engine: Any, parameters: Any, name: str = name, options: Any = options
            ) -> Any:
                optimizer = getattr(engine.optim, name)(parameters, lr=0.1, **options)
                return optimizer, engine.optim.lr_scheduler.StepLR(optimizer, 2)

            def steps(p: Any, optimizer: Any, scheduler: Any) -> None:
                for _ in range(3):
                    optimizer.zero_grad()
                    (p * p).sum().backward()
                    optimizer.step()
                    scheduler.step()

            p = first.nn.Parameter(first.ones(2, dtype=first.float64))
            optimizer, scheduler = begin(first, [p])
            steps(p, optimizer, scheduler)
            file = io.BytesIO()
            first.save([p, optimizer.state_dict(), scheduler.state_dict()], file)
            q, *saved = second.load(io.BytesIO(file.getvalue()), weights_only=True)
            steps(p, optimizer, scheduler)
            straight.append(p.tolist())
            optimizer, scheduler = begin(second, [q])
            optimizer.load_state_dict(saved[0])
            scheduler.load_state_dict(saved[1])
            steps(q, optimizer, scheduler)
            resumed.append(q.tolist())
    # each rounds a dozen operations in float64
    np.testing.assert_allclose(resumed, straight, rtol=1e-14)


# --- a path is replaced whole or not at all ---------------------------------------------------


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.pt"
    tg.save({"w": 1}, path)

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("fsync", "replace", "chmod", "fdopen"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(OSError, match="No space"):
                tg.save({"w": 2}, path)
        assert tg.load(path) == {"w": 1}
        assert os.listdir(tmp_path) == ["w.pt"]
    with pytest.raises(TypeError, match=r"obj\['w'\] is a builtins.object"):
        tg.save({"w": object()}, path)
    assert tg.load(path) == {"w": 1}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said() -> None:
    with pytest.raises(OSError, match="No space left"):
        tg.save({"w": 1}, "/dev/full")
    tg.save({"w": 1}, "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_are_those_of_open(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    (tmp_path / "plain").write_bytes(b"")
    tg.save(1, path)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)
    tg.save(2, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_link_is_followed(tmp_path: Path) -> None:
    tg.save(1, tmp_path / "w.pt")
    (tmp_path / "latest.pt").symlink_to("w.pt")
    tg.save(2, tmp_path / "latest.pt")
    assert (tmp_path / "latest.pt").is_symlink()
    assert tg.load(tmp_path / "w.pt") == 2


def test_many_writers_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "w.pt")
    blocks = [bytes([i]) * 100_000 for i in range(8)]
    writers = [
        threading.Thread(target=lambda b=b: [atomic.write(path, b) for _ in range(5)])
        for b in blocks
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if os.path.exists(path):
            assert Path(path).read_bytes() in blocks
    for writer in writers:
        writer.join()
    assert os.listdir(tmp_path) == ["w.pt"]


KILLED = """
import os, random, signal, sys, time
import tinygrad_cls as tg
path, states = sys.argv[1], [{"w": tg.full((50_000,), i)} for i in (1.0, 2.0)]
tg.save(states[0], path)
draw, finished = random.Random(0), 0
for _ in range(40):
    child = os.fork()
    if not child:
        while True:
            for state in states:
                tg.save(state, path)
    time.sleep(draw.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    w = tg.load(path)["w"]
    assert w.shape == (50_000,) and len(set(w.tolist())) == 1
    finished += w[0].item() == 2.0
print(finished)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_writer_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", KILLED, str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < 40  # both were seen


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        ([tg.ones(1)], TypeError, "a list is no dict of tensors"),
        ({"a": {"b": tg.ones(1)}}, TypeError, "the key 'a' holds a builtins.dict"),
        ({"a": 1.5}, TypeError, "the key 'a' holds a builtins.float"),
        ({1: tg.ones(1)}, TypeError, "the key 1 is a int"),
        ({"": tg.ones(1)}, ValueError, "the key ''"),
        ({"a\0": tg.ones(1)}, ValueError, r"the key 'a\\x00'"),
        ({"\ud800": tg.ones(1)}, ValueError, "the key"),
    ],
)
def test_what_a_flat_format_cannot_hold(
    tmp_path: Path, suffix: str, state: Any, error: type[Exception], said: str
) -> None:
    codec(suffix)
    path = tmp_path / f"w.{suffix}"
    with pytest.raises(error, match=said):
        tg.save(state, path)
    assert not path.exists()


class Subclass(dict[str, int]):
    pass


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        (tg.nn.Linear(1, 1), TypeError, "obj is a tinygrad_cls.nn.layers.Linear; .*state_dict"),
        ({"a": [0, np.ones(1)]}, TypeError, r"obj\['a'\]\[1\] is a numpy.ndarray; .*from_numpy"),
        ({"loss": np.float64(1)}, TypeError, r"obj\['loss'\] is a numpy.float64; .*\.item"),
        ({"f": len}, TypeError, r"obj\['f'\] is a builtins.builtin_function_or_method"),
        ({"s": Subclass()}, TypeError, r"obj\['s'\] is a test_serialize.Subclass"),
        ({frozenset(): 1}, TypeError, "a key of type frozenset"),
        ({1j: 1}, TypeError, "a key of type complex"),
        ({((),): 1}, TypeError, "a key of type tuple"),
        ([{(), frozenset()}], TypeError, r"the set obj\[0\]"),
        (1 << 3000, ValueError, "an integer of 376 bytes"),
    ],
)
def test_what_pt_does_not_hold(state: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        tg.save(state, io.BytesIO())


def test_a_container_in_itself() -> None:
    state: list[Any] = []
    state.append(state)
    with pytest.raises(ValueError, match="nested more than 100 deep, or in themselves"):
        tg.save(state, io.BytesIO())


@pytest.mark.needs_torch
@pytest.mark.parametrize(
    "code",
    [
        "torch.load('/nowhere/w.pt')",
        "torch.save({}, '/nowhere/w.pt')",
        "torch.load('/')",
        "torch.save({}, 3)",
        "torch.load(3)",
        "torch.load('/nowhere/w.pt', map_location='cpu')",
    ],
)
def test_errors_of_the_path_are_as_in_torch(code: str) -> None:
    ours, theirs = outcome(tg, code), outcome(pytorch(), code)
    assert ours.error == theirs.error != ""
    assert begins(ours.message, theirs.message)


def test_errors_of_the_arguments(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    tg.save({"w": tg.ones(1)}, path)
    with pytest.raises(ValueError, match="weights_only=False is refused"):
        tg.load(path, weights_only=False)
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        tg.load(path, map_location="cuda")
    with pytest.raises(TypeError, match="map_location is a function"):
        tg.load(path, map_location=lambda storage, location: storage)
    with pytest.raises(TypeError, match=r"binary file, open\(path, 'rb'\); this gave str"):
        tg.load(io.StringIO("text"))
    assert tg.load(path, "cpu", weights_only=None)["w"] == 1
    assert tg.load(str(path), tg.device("cpu"))["w"] == 1
    assert tg.load(os.fsencode(path))["w"] == 1


def test_a_tensor_from_another_device() -> None:
    data = pt.encode({"w": tg.ones(1)})
    file = zipfile.ZipFile(io.BytesIO(data))
    members = {name: file.read(name) for name in file.namelist()}
    members["archive/data.pkl"] = members["archive/data.pkl"].replace(
        b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"
    )
    moved = pack(members.items())
    with pytest.raises(FileRefused, match=r"CUDA device but .* map_location='cpu'"):
        tg.load(io.BytesIO(moved))
    assert tg.load(io.BytesIO(moved), map_location="cpu")["w"] == 1


@pytest.mark.needs_torch
def test_torch_files_of_other_kinds(tmp_path: Path) -> None:
    torch = pytorch()
    path = tmp_path / "w.pt"
    cases: list[tuple[Any, str]] = [
        (torch.ones(2, dtype=torch.bfloat16), "torch.BFloat16Storage.*float32, float64"),
        (torch.ones(2, dtype=torch.complex64), "torch.ComplexFloatStorage"),
        (torch.ones(2, dtype=torch.uint16), "_rebuild_tensor_v3"),
        (torch.ones(2).to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (torch.ones(2).untyped_storage(), "torch.storage.UntypedStorage"),
        (np.float64(1), "numpy"),
        (torch.device("cpu"), "torch.device"),
    ]
    for state, said in cases:
        torch.save({"w": state}, path)
        with pytest.raises(FileRefused, match=said):
            tg.load(path)
    for protocol in (3, 4, 5):
        torch.save({"w": torch.ones(2)}, path, pickle_protocol=protocol)
        with pytest.raises(FileRefused, match=f"protocol {protocol}"):
            tg.load(path)
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(FileRefused, match=r"torch before 1\.6"):
        tg.load(path)


def test_one_format_under_the_name_of_another(tmp_path: Path) -> None:
    codec("safetensors")
    said = {
        ("npz", "pt"): "ends in .npz",
        ("safetensors", "pt"): "no zip archive",
        ("pt", "npz"): "no .npz archive",
        ("safetensors", "npz"): "no zip archive",
        ("pt", "safetensors"): "the library says",
        ("npz", "safetensors"): "the library says",
    }
    for (true, claimed), what in said.items():
        tg.save(flat(tg), tmp_path / f"w.{true}")
        path = tmp_path / f"x.{claimed}"
        path.write_bytes((tmp_path / f"w.{true}").read_bytes())
        with pytest.raises(FileRefused, match=what) as caught:
            tg.load(path)
        assert str(caught.value).startswith(str(path))


def test_other_dtypes_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.ones(1, np.complex64))
    with pytest.raises(FileRefused, match=r"member 'w.npy' holds values of type '<c8'"):
        tg.load(tmp_path / "w.npz")
    library = pytest.importorskip("safetensors")
    spec = {"w": {"dtype": "bfloat16", "shape": [1], "data": b"\0\0"}}
    try:
        data = library.serialize(spec)
    except TypeError:  # later versions take the address of the data
        numpy = pytest.importorskip("safetensors.numpy")
        data = numpy.save({"w": np.zeros(1, np.uint16)}).replace(b'"U16"', b'"BF16"')
        data = struct.pack("<Q", len(data) - 10) + data[8:]
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(FileRefused, match=r"the tensor 'w' is a BF16"):
        tg.load(tmp_path / "w.safetensors")


def test_safetensors_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad_cls\[safetensors\]'"):
        tg.save({}, tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"")
    with pytest.raises(ImportError, match=r"pip install 'tinygrad_cls\[safetensors\]'"):
        tg.load(tmp_path / "w.safetensors")
