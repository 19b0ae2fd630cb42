"""Writes pickles of tensors and containers in the opcodes that ``torch.save`` uses."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from pickle import encode_long
from typing import Any

from ..dtypes import Size, dtype
from ..tensor import Tensor
from .unpickler import DEEPEST, ONLY, is_key


def dumps(obj: Any, tensor: Callable[[Pickler, Tensor], None]) -> bytes:
    """``obj`` as a pickle of protocol 2; ``tensor`` writes a tensor."""
    pickler = Pickler(tensor)
    pickler.put(obj, ())
    return bytes(pickler.out + b".")


class Pickler:
    """Writes what :func:`loads` reads, and refuses all else; an object met twice stays one."""

    def __init__(self, tensor: Callable[[Pickler, Tensor], None]) -> None:
        self.out = bytearray(b"\x80\x02")
        self.tensor = tensor
        self.memo: dict[int, int] = {}

    def put(self, x: Any, path: tuple[Any, ...]) -> None:
        """Writes ``x``, which stands at ``path``."""
        kind = type(x)
        if kind in SIMPLE:
            self.out += SIMPLE[kind](x)
            return
        if id(x) in self.memo:
            self.out += b"j" + struct.pack("<I", self.memo[id(x)])
            return
        if isinstance(x, Tensor):
            self.tensor(self, x)
        elif kind not in CONTAINERS:
            raise TypeError(
                f"save: {where(path)} is a {kind.__module__}.{kind.__qualname__}; saved are "
                f"{ONLY}. Of a module or an optimizer save its state_dict(), of an array "
                f"torch.from_numpy(a), of a NumPy number its .item()."
            )
        elif len(path) >= DEEPEST:
            raise ValueError(
                f"save: containers are nested more than {DEEPEST} deep, or in themselves, at "
                f"{where(path[:5])}..."
            )
        else:
            CONTAINERS[kind](self, x, path)
        self.memo[id(x)] = len(self.memo)
        self.out += b"r" + struct.pack("<I", self.memo[id(x)])

    def call(self, name: str, *arguments: Any) -> None:
        """Writes the call of a constructor with arguments that are simple, or tuples of such."""
        self.out += named(name)
        self.plain(arguments)
        self.out += b"R"

    def plain(self, x: Any) -> None:
        """Writes a value of the pickler's own: not remembered, as its id may come again."""
        if type(x) in SIMPLE:
            self.out += SIMPLE[type(x)](x)
            return
        self.out += b"("
        for item in x:
            self.plain(item)
        self.out += b"t"

    def put_items(self, x: dict[Any, Any], path: tuple[Any, ...]) -> None:
        """Writes the keys and values of a dict."""
        self.out += b"("
        for key, value in x.items():
            if not is_key(key):
                raise TypeError(
                    f"save: {where(path)} has a key of type {type(key).__name__}: {key!r}; saved "
                    f"are strings, numbers, bytes, None and tuples of these"
                )
            self.plain(key)
            self.put(value, (*path, key))
        self.out += b"u"

    def put_dict(self, x: dict[Any, Any], path: tuple[Any, ...]) -> None:
        self.out += b"}"
        self.put_items(x, path)

    def put_ordered(self, x: OrderedDict[Any, Any], path: tuple[Any, ...]) -> None:
        self.call("collections OrderedDict")
        self.put_items(x, path)
        if "_metadata" in vars(x):  # of a state dict that torch made
            self.put_dict({"_metadata": vars(x)["_metadata"]}, path)
            self.out += b"b"

    def put_list(self, x: list[Any], path: tuple[Any, ...]) -> None:
        self.out += b"]("
        for i, item in enumerate(x):
            self.put(item, (*path, i))
        self.out += b"e"

    def put_tuple(self, x: tuple[Any, ...], path: tuple[Any, ...]) -> None:
        self.out += b"("
        for i, item in enumerate(x):
            self.put(item, (*path, i))
        self.out += b"t"

    def put_set(self, x: set[Any], path: tuple[Any, ...]) -> None:
        """In the order of their texts: a set's own changes from run to run."""
        if not all(map(is_key, x)):
            raise TypeError(f"save: the set {where(path)} holds more than plain values")
        self.out += named("__builtin__ set") + b"]("
        for item in sorted(x, key=repr):
            self.plain(item)
        self.out += b"e\x85R"

    def put_size(self, x: Size, path: tuple[Any, ...]) -> None:
        self.call("torch Size", tuple(x))


def where(path: tuple[Any, ...]) -> str:
    """A place in what is saved, as Python would write it."""
    return "obj" + "".join(f"[{key!r}]" for key in path)


def named(name: str) -> bytes:
    """The opcode that looks a name up."""
    return b"c" + name.replace(" ", "\n").encode() + b"\n"


def text(x: str) -> bytes:
    """A string."""
    raw = x.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(x: int) -> bytes:
    """An integer, in 32 bits where it fits."""
    if -(2**31) <= x < 2**31:
        return b"J" + struct.pack("<i", x)
    raw = encode_long(x)
    if len(raw) > 255:
        raise ValueError(f"save: an integer of {len(raw)} bytes; 255 are the most")
    return b"\x8a" + bytes([len(raw)]) + raw


SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda x: b"N",
    bool: lambda x: b"\x88" if x else b"\x89",
    int: integer,
    float: lambda x: b"G" + struct.pack(">d", x),
    str: text,
    bytes: lambda x: named("_codecs encode") + text(x.decode("latin1")) + text("latin1") + b"\x86R",
    dtype: lambda x: named(f"torch {x.name}"),
}
CONTAINERS: dict[type, Callable[[Pickler, Any, tuple[Any, ...]], None]] = {
    dict: Pickler.put_dict,
    OrderedDict: Pickler.put_ordered,
    list: Pickler.put_list,
    tuple: Pickler.put_tuple,
    set: Pickler.put_set,
    Size: Pickler.put_size,
}
