"""A file that means harm is refused: nothing that it says is executed, and it takes no memory that
its own size does not pay for.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import random
import struct
import sys
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_corruption import ALL
from weights import flat, nested, tensors

import tinygrad_cls as tg
from tinygrad_cls.serialize import FileRefused, npz, pt
from tinygrad_cls.serialize.archive import pack

STORAGE = np.arange(6, dtype=np.float32).tobytes()


@pytest.fixture(autouse=True)
def sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a hostile pickle here wants: a file named "harm". It must never come to be."""
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    yield
    assert not Path("harm").exists()
    assert not {"this", "antigravity"} & (set(sys.modules) - modules)


def archive(program: bytes, **more: bytes) -> bytes:
    """A .pt file with the pickle ``program`` and one storage of six float32."""
    members = {"data.pkl": program, "byteorder": b"little", "version": b"3\n", "data/0": STORAGE}
    return pack((f"archive/{name}", data) for name, data in (members | more).items())


def refused(data: bytes, said: str = "hostile", suffix: str = "pt") -> None:
    """The file is refused, under its name."""
    path = Path(f"hostile.{suffix}")
    path.write_bytes(data)
    with pytest.raises(FileRefused, match=said) as caught:
        tg.load(path)
    assert str(caught.value).startswith("hostile.")
    assert isinstance(caught.value, RuntimeError | pickle.UnpicklingError)


def say(*parts: Any) -> bytes:
    """A pickle: bytes as they are, anything else as a literal."""
    out = b"\x80\x02"
    for part in parts:
        out += part if isinstance(part, bytes) else literal(part)
    return out + b"."


def literal(x: Any) -> bytes:
    """The opcodes of a literal, without the memo."""
    if isinstance(x, list | tuple):
        items = b"".join(map(literal, x))
        return b"(" + items + b"t" if isinstance(x, tuple) else b"](" + items + b"e"
    return pickle.dumps(x, 2)[2:-1].split(b"q\0")[0]


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


PID = ("storage", name("torch", "FloatStorage"), "0", "cpu", 6)


def pid(*identifier: Any) -> bytes:
    parts = [x if isinstance(x, bytes) else literal(x) for x in identifier]
    return b"(" + b"".join(parts) + b"tQ"


EMPTY = name("collections", "OrderedDict") + b")R"


def tensor(
    offset: Any = 0,
    size: Any = (6,),
    stride: Any = (1,),
    requires_grad: Any = False,
    storage: Any = None,
    hooks: bytes = EMPTY,
    more: bytes = b"",
) -> bytes:
    """The opcodes of a tensor."""
    parts = [pid(*PID) if storage is None else storage]
    parts += [x if isinstance(x, bytes) else literal(x) for x in (offset, size, stride)]
    parts += [literal(requires_grad), hooks, more]
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + b"".join(parts) + b"tR"


def test_the_tools_of_these_tests_make_files_that_load() -> None:
    loaded = tg.load(io.BytesIO(archive(say(tensor(1, (2, 2), (2, 1))))))
    assert loaded.tolist() == [[1, 2], [3, 4]]
    assert tg.load(io.BytesIO(archive(say([(1, "a"), None])))) == [(1, "a"), None]


# --- nothing runs -----------------------------------------------------------------------------


class Gadget:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


GADGETS = {
    "os.system": Gadget(os.system, "touch harm"),
    "eval": Gadget(eval, "__import__('os').mknod('harm')"),
    "exec": Gadget(exec, "open('harm', 'w')"),
    "open": Gadget(open, "harm", "w"),
    "getattr": Gadget(getattr, "", "join"),
    "__import__": Gadget(__import__, "this"),
    "pickle.loads": Gadget(pickle.loads, pickle.dumps(Gadget(os.system, "touch harm"))),
    "np.load": Gadget(np.load, "harm"),
    "tg.save": Gadget(tg.save, {}, "harm"),
    "tg.load": Gadget(tg.load, "harm"),
    "tg.Tensor": Gadget(tg.Tensor, 10**12),
    "map": Gadget(map, os.system, ["touch harm"]),
}


def test_the_gadgets_work() -> None:
    """With Python's own unpickler they do harm; without that, nothing here would be shown."""
    for gadget in (GADGETS["os.system"], GADGETS["eval"], GADGETS["pickle.loads"]):
        pickle.loads(pickle.dumps(gadget))
        Path("harm").unlink()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("gadget", GADGETS.values(), ids=GADGETS)
def test_gadgets(gadget: Gadget, protocol: int) -> None:
    refused(archive(pickle.dumps(gadget, protocol)))
    refused(archive(pickle.dumps({"w": [gadget]}, protocol)))


def call(module: str, attribute: str, *arguments: Any) -> bytes:
    return name(module, attribute) + literal(arguments) + b"R"


PROGRAMS = {
    "INST": b"(X\x0a\0\0\0touch harmios\nsystem\n",
    "OBJ": b"(" + name("os", "system") + b"X\x0a\0\0\0touch harmo",
    "NEWOBJ": name("torch", "Size") + b")\x81",
    "NEWOBJ_EX": name("torch", "Size") + b")}\x92",
    "STACK_GLOBAL": b"X\x02\0\0\0osX\x06\0\0\0system\x93",
    "EXT1": b"\x82\x01",
    "PERSID": b"Pos.system\n",
    "numpy": call("numpy.core.multiarray", "_reconstruct"),
    "torch.load": call("torch", "load", "harm"),
    "a class of the package": call("tinygrad_cls.nn", "Linear", 1, 1),
    "dotted": call("torch", "Size.__class__", ()),
    "dotted out": call("torch._utils", "sys.modules", ()),
    "builtins": call("builtins", "set", [1]),  # protocol 2 says __builtin__
    "the result of a call": EMPTY + literal(()) + b"R",
    "a dtype": call("torch", "float32", 1),
    "a storage type": call("torch", "FloatStorage", 10**9),
    "arguments no tuple": name("torch", "Size") + literal([1]) + b"R",
    "another encoding": call("_codecs", "encode", "x", "rot13"),
    "encoding a list": call("_codecs", "encode", ["x"], "latin1"),
    "a set of a dict": name("__builtin__", "set") + b"}\x85R",
    "a set of sets": name("__builtin__", "set") + b"](" + EMPTY + b"e\x85R",
    "a size of strings": call("torch", "Size", ("a",)),
    "BUILD of a dict": b"}}b",
    "BUILD of a list": b"]}b",
    "BUILD of a tensor": tensor() + b"}X\x06\0\0\0_arrayNsb",
    "BUILD of a name": name("torch._utils", "_rebuild_tensor_v2") + b"}X\x04\0\0\0nameNsb",
    "BUILD of a dtype": name("torch", "float32") + b"}X\x04\0\0\0nameNsb",
    "BUILD of a method": EMPTY + b"}X\x05\0\0\0itemsNsb",
    "BUILD with slots": EMPTY + b"}X\x09\0\0\0_metadataNs}\x86b",
    "a name as a value": name("collections", "OrderedDict"),
    "a storage as a value": pid(*PID),
    "a storage in a list": b"]" + pid(*PID) + b"a",
    "append to a tuple": b")Na",
    "append to a tensor": tensor() + b"Na",
    "item of a list": b"]NNs",
    "item of a tensor": tensor() + b"K\0K\0s",
    "a key that is a list": b"}]Ns",
    "a key that is a tensor": b"}" + tensor() + b"Ns",
    "a key that is nested": b"})\x85\x85Ns",
    "nothing at all": b"",
    "two results": b"NN",
    "pop": b"NN0",
    "dup": b"N2",
    "unknown opcode": b"\xff",
}

BROKEN = {
    "OrderedDict of pairs": call("collections", "OrderedDict", [("a", 1)]),
    "arguments missing": call("torch._utils", "_rebuild_tensor_v2"),
    "too many": call("torch", "Size", (1,), (2,)),
    "odd number of items": b"}(Nu",
    "no mark": b"t",
    "memo that is not there": b"h\x07",
    "memo of nothing": b"q\x07",
    "reduce of nothing": b"R",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_programs(program: bytes) -> None:
    """Refused for what they are, not for an accident on the way."""
    refused(archive(say(program)), r"^hostile\.pt: (?!the file is damaged)")


@pytest.mark.parametrize("program", BROKEN.values(), ids=BROKEN)
def test_programs_that_no_unpickler_runs(program: bytes) -> None:
    refused(archive(say(program)), "the file is damaged")


def test_a_message_says_what_was_there() -> None:
    refused(archive(say(call("os", "system", "touch harm"))), r"hostile\.pt: the pickle names os\.")
    refused(archive(say(PROGRAMS["INST"])), r"the opcode INST \(byte 18\)")
    refused(archive(say("a") + b"."), "does not end where it should")
    refused(archive(say("a")[:-1]), r"damaged \(EOFError: the pickle has no end\)")


def test_calls_write_to_nothing_of_ours() -> None:
    """Python's unpickler would write attributes of the functions that a pickle names."""
    from tinygrad_cls.serialize import unpickler

    before = {key: dict(vars(value)) for key, value in unpickler.CALLS.items()}
    for program in PROGRAMS.values():
        refused(archive(say(program)))
    assert before == {key: dict(vars(value)) for key, value in unpickler.CALLS.items()}
    assert tg.float32.name == "float32"


def test_random_programs() -> None:
    """A pickle with random damage but a right checksum is refused or gives tensors and containers.

    Nothing else comes of it: no other exception, no warning.
    """
    draw = random.Random(0)
    file = zipfile.ZipFile(io.BytesIO(pt.encode(nested(tg))))
    members = {name: file.read(name) for name in file.namelist()}
    program = members["archive/data.pkl"]
    opcodes = [op.code.encode("latin1") for op in pickletools.opcodes]
    fates = {"refused": 0, "loaded": 0}
    for i in range(1000):
        damaged = bytearray(program)
        for _ in range(draw.randint(1, 3)):
            if i % 2:
                damaged[draw.randrange(len(damaged))] = ord(draw.choice(opcodes))
            else:
                draw.choice(ALL)(draw, damaged)
        members["archive/data.pkl"] = bytes(damaged)
        try:
            loaded = tensors(tg.load(io.BytesIO(pack(members.items()))))
            assert all(type(t) in (tg.Tensor, tg.nn.Parameter) for t in loaded)
            fates["loaded"] += 1
        except FileRefused:
            fates["refused"] += 1
    assert min(fates.values()) > 0


# --- numbers that are wrong -------------------------------------------------------------------

TENSORS = {
    "beyond the end": tensor(size=(7,)),
    "offset": tensor(1),
    "offset, huge": tensor(2**62),
    "stride": tensor(size=(3, 3), stride=(2, 1)),
    "stride, huge": tensor(size=(2,), stride=(2**63,)),
    "size, huge": tensor(size=(2**62, 2**62), stride=(0, 0)),
    "size, overflowing": tensor(size=(2**32, 2**32), stride=(0, 0)),
    "size, overflowing and empty": tensor(size=(2**62, 2**62, 0), stride=(0, 0, 0)),
    "negative offset": tensor(-1),
    "negative size": tensor(size=(-1,)),
    "negative sizes": tensor(size=(-2, -3), stride=(3, 1)),
    "negative stride": tensor(5, stride=(-1,)),
    "float size": tensor(size=(6.0,)),
    "bool size": tensor(size=(True,)),
    "size no tuple": tensor(size=[6]),
    "size a number": tensor(size=6),
    "missing stride": tensor(stride=()),
    "dimensions": tensor(size=(1,) * 100, stride=(1,) * 100),
    "requires_grad": tensor(requires_grad="yes"),
    "hooks": tensor(hooks=b"]"),
    "hooks, some": tensor(hooks=EMPTY + b"NNs"),
    "metadata": tensor(more=b"}X\x04\0\0\0conj\x88s"),
    "storage a tensor": tensor(storage=tensor()),
    "storage None": tensor(storage=b"N"),
    "integers that require grad": tensor(
        requires_grad=True,
        size=(3,),
        storage=pid("storage", name("torch", "LongStorage"), "0", "cpu", 3),
    ),
    "Parameter of a list": name("torch._utils", "_rebuild_parameter") + b"(]\x88" + EMPTY + b"tR",
    "Parameter with hooks": name("torch._utils", "_rebuild_parameter")
    + b"("
    + tensor()
    + b"\x88]tR",
}


@pytest.mark.parametrize("program", TENSORS.values(), ids=TENSORS)
def test_tensors(program: bytes) -> None:
    refused(archive(say(program)))
    refused(archive(say(b"]" + program + b"a")))


IDENTIFIERS: dict[str, tuple[Any, ...]] = {
    "empty": (),
    "another kind": ("module", *PID[1:]),
    "no type": ("storage", "FloatStorage", "0", "cpu", 6),
    "type a function": ("storage", name("torch._utils", "_rebuild_tensor_v2"), "0", "cpu", 6),
    "type a dtype": ("storage", name("torch", "float32"), "0", "cpu", 6),
    "key a number": ("storage", PID[1], 0, "cpu", 6),
    "key a path": ("storage", PID[1], "../../etc/passwd", "cpu", 6),
    "key missing": ("storage", PID[1], "1", "cpu", 6),
    "location a number": ("storage", PID[1], "0", 0, 6),
    "location elsewhere": ("storage", PID[1], "0", "cuda:0", 6),
    "too long": ("storage", PID[1], "0", "cpu", 7),
    "too short": ("storage", PID[1], "0", "cpu", 5),
    "negative": ("storage", PID[1], "0", "cpu", -6),
    "huge": ("storage", PID[1], "0", "cpu", 2**63),
    "another dtype": ("storage", name("torch", "DoubleStorage"), "0", "cpu", 6),
    "unknown dtype": ("storage", name("torch", "BFloat16Storage"), "0", "cpu", 6),
    "no bools": ("storage", name("torch", "BoolStorage"), "0", "cpu", 24),
    "longer": (*PID, None),
}


@pytest.mark.parametrize("identifier", IDENTIFIERS.values(), ids=IDENTIFIERS)
def test_storages(identifier: tuple[Any, ...]) -> None:
    refused(archive(say(tensor(storage=pid(*identifier)))))


@pytest.mark.parametrize("identifier", [b"N", b"K\0", b"X\0\0\0\0", b"]", b"}"])
def test_storages_by_something_else(identifier: bytes) -> None:
    refused(archive(say(tensor(storage=identifier + b"Q"))))


def test_one_storage_of_two_dtypes() -> None:
    double = pid("storage", name("torch", "DoubleStorage"), "0", "cpu", 3)
    refused(archive(say(b"]", tensor(), b"a", tensor(size=(3,), storage=double), b"a")))


# --- memory -----------------------------------------------------------------------------------


def bounded(act: Callable[[], Any], limit: int) -> None:
    """Runs ``act`` in so many bytes of memory at the most."""
    tracemalloc.start()
    try:
        act()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak:,} bytes"


def test_a_pickle_that_copies() -> None:
    """A list of 50,000, and 10,000 sets of it by its memo number: 20 GB from 160 kB."""
    numbers = b"](" + b"".join(b"M" + struct.pack("<H", i) for i in range(50_000)) + b"eq\0"
    again = name("__builtin__", "set") + b"q\1" + b"h\0\x85R" + b"h\1h\0\x85R" * 10_000
    program = say(b"(", numbers, again, b"t")
    bounded(lambda: refused(archive(program), "copies more than it holds"), 2**25)
    text = b"X" + struct.pack("<I", 10**5) + b"a" * 10**5 + b"q\0"
    encode = name("_codecs", "encode") + b"q\1X\6\0\0\0latin1q\2"
    again = b"h\1h\0h\2\x86R" * 10_000
    program = say(b"(", text, encode, again, b"t")
    bounded(lambda: refused(archive(program), "copies more than it holds"), 2**25)


def test_a_billion_laughs() -> None:
    """Ten times itself, ten times itself, ...: one list of ten a level, and no more."""
    program = b"](" + b"N" * 10 + b"eq\0"
    for level in range(1, 40):
        program += b"](" + (b"h" + bytes([level - 1])) * 10 + b"eq" + bytes([level])
    file = io.BytesIO(archive(say(b"(", program, b"t")))
    bounded(lambda: tg.load(file), 2**20)


def test_deep_nesting() -> None:
    for opcodes in (
        b"]" * 10**5 + b"a" * (10**5 - 1),
        b")" + b"\x85" * 10**5,
        b"N" + b"\x85" * 101,
        EMPTY + (b"}X\x09\0\0\0_metadata" + EMPTY) * 200 + b"sb" * 200,
    ):
        refused(archive(say(opcodes)), "nested more than 100 deep")
    deep = tg.load(io.BytesIO(archive(say(b"N" + b"\x85" * 100))))
    for _ in range(100):
        (deep,) = deep
    assert deep is None


def test_a_container_in_itself() -> None:
    refused(archive(say(b"]q\0h\0a")), "in themselves")
    refused(archive(say(b"}q\0Nh\0s")), "in themselves")


def test_a_memo_with_large_numbers() -> None:
    """Python's unpickler makes a table of the largest number's length."""
    program = say(b"Nr\xff\xff\xff\x7f")
    bounded(lambda: tg.load(io.BytesIO(archive(program))), 2**20)


def test_lengths_that_are_not_there() -> None:
    for opcodes in (
        b"X\xff\xff\xff\x7f",
        b"\x8a\xff",
        b"G",
        b"J",
        b"ctorch",
        b"\x8b\xff\xff\xff\x7f",
    ):
        bounded(lambda o=opcodes: refused(archive(say(o))), 2**21)


# --- archives ---------------------------------------------------------------------------------


def test_a_bomb_of_zeros() -> None:
    """Compressed a thousandfold: not in a .pt at all, in .npz up to 64 MiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", bytes(10**8))
    bounded(lambda: refused(file.getvalue(), "is compressed"), 2**22)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("w.npy", b"")
    bounded(lambda: refused(file.getvalue(), "has room for", "npz"), 2**22)


def test_a_member_that_lies_about_its_size() -> None:
    """It says 10 bytes and unpacks to 100 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("w.npy", bytes(10**8))
    data = file.getvalue().replace(struct.pack("<I", 10**8), struct.pack("<I", 10))
    bounded(lambda: refused(data, "damaged", "npz"), 2**23)


def test_archives_that_overlap() -> None:
    """Two names for one member: the sum of the sizes is what the file has no room for."""
    data = archive(say(None), big=bytes(10**4))
    start = data.index(b"PK\1\2")
    entries = data[start : data.index(b"PK\5\6")]
    entry = entries[entries.index(b"archive/big") - 46 :][: 46 + len("archive/big")]
    many = b"".join(entry.replace(b"big", b"%03d" % i) for i in range(50))
    directory = entries + many
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 55, 55, len(directory), start, 0)
    refused(data[:start] + directory + end)


def test_the_same_name_twice() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = pack([("archive/data.pkl", say(1)), ("archive/data.pkl", say(2))])
    refused(data, "twice")


def test_names_that_are_paths() -> None:
    """Nothing is ever unpacked to a disk, so a path in a name is a name."""
    members = {"../../harm": b"x", "/harm": b"x", "archive/../harm": b"x"}
    loaded = tg.load(io.BytesIO(archive(say(1), **members)))
    assert loaded == 1


def test_archives_of_another_kind() -> None:
    refused(b"", "the file is empty")
    refused(b"\x80\x02N.", r"torch before 1\.6")
    refused(pickle.dumps([1], 0), "no zip archive")
    refused(b"PK\3\4 and no more", "damaged")
    refused(pack([]), "no data.pkl")
    refused(pack([("data.pkl", say(1))]), "no data.pkl")
    refused(pack([("a/data.pkl", say(1)), ("b/data.pkl", say(1))]), "no data.pkl|data.pkl")
    refused(pack([("a/data.pkl", say(1)), ("a/constants.pkl", say(1))]), "TorchScript")
    refused(pack([("a/data.pkl", say(1))]), "no member 'a/version'")
    refused(archive(say(1), version=b"99"), "version b'99'")
    refused(archive(say(1), byteorder=b"middle"), "byte order")
    refused(archive(say(tensor()), **{"data/0": STORAGE[:-1]}), "no whole number")


# --- the flat formats -------------------------------------------------------------------------


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    raw = header.encode("latin1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(raw)) + raw + data


NPY = {
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps([1])),
    "objects inside": npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}"),
    "records": npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", bytes(4)),
    "huge": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}"),
    "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", bytes(4)),
    "negative twice": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}", bytes(4)),
    "overflowing": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2**32, 2**32)}"),
    "empty and huge": npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**70}, 0)}}"),
    "too short": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(7)),
    "too long": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(9)),
    "no bools": npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", b"\2"),
    "a call": npy("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('this')}"),
    "brackets": npy("(" * 5000),
    "minus": npy("-" * 9000 + "1"),
    "long": npy("{" + " " * 60000 + "}"),
    "version": npy("{}", version=b"\3\0"),
    "no array": b"what?",
    "nothing": b"",
}


@pytest.mark.parametrize("member", NPY.values(), ids=NPY)
def test_npz(member: bytes) -> None:
    bounded(lambda: refused(pack([("w.npy", member)]), suffix="npz"), 2**24)


def test_npz_with_other_members() -> None:
    refused(pack([("w.txt", b"")]), "no .npy file", "npz")


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, 4),
        ({"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}, 0),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, 8),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**63]}}, 4),
        ({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, 4),
        ({"w": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, 8),
        ({"w": {"dtype": "U16", "shape": [1], "data_offsets": [0, 2]}}, 2),
        ({"w": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\2"),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 5),
        ({"__metadata__": {"tinygrad_cls.sha256": "0"}}, 0),
        ({"__metadata__": {"tinygrad_cls.sha256": 1}}, 0),
        (
            '{"w": %s, "w": %s}'
            % (('{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}',) * 2),
            4,
        ),
        ([], 0),
        ("[" * 10**5, 0),
    ],
)
def test_safetensors(header: Any, data: Any) -> None:
    import json

    pytest.importorskip("safetensors")
    raw = (header if isinstance(header, str) else json.dumps(header)).encode()
    raw = struct.pack("<Q", len(raw)) + raw + (data if isinstance(data, bytes) else bytes(data))
    bounded(lambda: refused(raw, suffix="safetensors"), 2**24)
    refused(struct.pack("<Q", 2**63), suffix="safetensors")
    refused(b"", suffix="safetensors")


def test_the_other_formats_write_what_they_read() -> None:
    """The refusals above are not for want of a file that is right."""
    assert npz.decode(npz.encode(flat(tg))).keys() == flat(tg).keys()
    assert isinstance(pt.decode(pt.encode(OrderedDict())), OrderedDict)
