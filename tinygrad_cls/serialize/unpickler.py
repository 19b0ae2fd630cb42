"""Pickles of tensors and containers, without Python's unpickler.

Python's pickles are programs: they name functions and call them, and write to the attributes of
what they made. The machine here knows 31 of the 68 opcodes, those that torch writes for tensors
and containers (protocol 2). A name in a pickle is looked up in a table of a few constructors, each
of which checks its arguments; nothing is imported, no attribute is written but one.
"""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from ..dtypes import DTYPES, Size, dtype
from ..nn.parameter import Parameter
from ..tensor import Tensor
from .refused import FileRefused

DEEPEST = 100
"""How deep containers may be nested."""

KEYS = (str, int, float, bool, bytes, type(None))
LEAVES = (*KEYS, dtype, Tensor, Parameter)
ONLY = (
    "tensors, numbers, strings, bytes, None, torch.Size, dtypes, and dict, OrderedDict, list, "
    "tuple and set of these"
)


class Global(NamedTuple):
    """A name in a pickle that may be called, or that names a storage's type."""

    name: str


def is_key(x: Any) -> bool:
    """Whether ``x`` may be a key: flat, as a deeply nested tuple overflows the stack in hash()."""
    return type(x) in KEYS or (type(x) is tuple and all(type(item) in KEYS for item in x))


def loads(
    data: bytes, calls: dict[str, Callable[..., Any]], storages: dict[str, Any], persistent: Any
) -> Any:
    """The object in a pickle.

    ``calls`` are the constructors of tensors, by names such as "torch._utils _rebuild_tensor_v2";
    ``storages`` the names of storage types; ``persistent`` makes a storage of its identifier.
    """
    machine = Machine(data, calls, storages, persistent)
    file, opcode = io.BytesIO(data), ""
    while opcode != "STOP":
        code = file.read(1)
        if not code:
            raise EOFError("the pickle has no end")
        opcode = OPCODES.get(code, repr(code))
        if opcode not in ACTIONS:  # asked first: the reader of an argument may be a program too
            raise FileRefused(
                f"the pickle uses the opcode {opcode} (byte {file.tell() - 1}), which torch.save "
                f"does not write for tensors and containers"
            )
        ACTIONS[opcode](machine, READERS[opcode](file))
    if file.read(1) or len(machine.stack) != 1:
        raise FileRefused("the pickle does not end where it should")
    (result,) = machine.stack
    if height(result, 0, {}) > DEEPEST:
        raise FileRefused(f"containers are nested more than {DEEPEST} deep")
    return result


def height(x: Any, depth: int, known: dict[int, int]) -> int:
    """How deep ``x`` is nested, with a look at everything in it: nothing else may be there."""
    if type(x) in LEAVES:
        return 0
    if depth > DEEPEST:
        raise FileRefused(f"containers are nested more than {DEEPEST} deep, or in themselves")
    if id(x) not in known:
        known[id(x)] = 1 + max((height(y, depth + 1, known) for y in children(x)), default=0)
    return known[id(x)]


def children(x: Any) -> list[Any]:
    """What is directly in a container."""
    if type(x) in (list, tuple, set, Size):
        return list(x)
    if type(x) in (dict, OrderedDict):
        return [*x.values(), *getattr(x, "__dict__", {}).values()]
    raise FileRefused(f"a {type(x).__name__} stands outside of a tensor; this reads {ONLY}")


class Machine:
    """The stack, the marks on it and the memo of a pickle that runs."""

    def __init__(self, data: bytes, calls: Any, storages: Any, persistent: Any) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.budget = len(data)
        self.calls: dict[str, Callable[..., Any]] = {**CALLS, **calls}
        self.storages = storages
        self.persistent = persistent

    def push(self, x: Any) -> None:
        """A value that the opcode brings along."""
        self.stack.append(x)

    def since_mark(self) -> list[Any]:
        """Takes what was pushed since the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def last(self, n: int) -> None:
        """The last ``n`` values as one tuple."""
        items = [self.stack.pop() for _ in range(n)]
        self.push(tuple(reversed(items)))

    def extend(self, items: list[Any]) -> None:
        """Appends to the list on the stack."""
        if type(self.stack[-1]) is not list:
            raise FileRefused(f"the pickle appends to a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Sets keys and values, which alternate, in the dict on the stack."""
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict):
            raise FileRefused(f"the pickle sets an item of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not is_key(key):
                raise FileRefused(f"a {type(key).__name__} is a key of a dict")
            target[key] = value

    def name(self, name: str) -> None:
        """A dtype, or a name that may be called or that names a storage's type."""
        if name in CONSTANTS:
            self.push(CONSTANTS[name])
        elif name in self.calls or name in self.storages:
            self.push(Global(name))
        elif name.endswith("Storage"):
            raise FileRefused(
                f"the pickle holds a tensor of {name.replace(' ', '.')}; this engine's dtypes are "
                f"{', '.join(d.name for d in DTYPES)}: convert it, say with .float(), first"
            )
        else:
            raise FileRefused(f"the pickle names {name.replace(' ', '.')}; this reads {ONLY}")

    def reduce(self) -> None:
        """Calls a constructor of the table."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not Global or function.name not in self.calls:
            raise FileRefused(f"the pickle calls an object of type {type(function).__name__}")
        if type(arguments) is not tuple:
            raise FileRefused(f"{function.name} is called with a {type(arguments).__name__}")
        # A constructor that copies, fed the same long list by its memo number again and again,
        # would turn a short pickle into gigabytes. What is written out fits the pickle's length.
        self.budget -= sum(len(x) for x in arguments if isinstance(x, str | list | tuple))
        if self.budget < 0:
            raise FileRefused("the pickle copies more than it holds")
        self.push(self.calls[function.name](*arguments))

    def build(self) -> None:
        """``_metadata`` of a module's state dict, and no other attribute of anything."""
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is not OrderedDict or type(state) is not dict or {*state} != {"_metadata"}:
            raise FileRefused(
                f"the pickle sets attributes of a value of type {type(target).__name__}"
            )
        target.__dict__["_metadata"] = state["_metadata"]


def two_lines(file: io.BytesIO) -> str:
    """A module's name and one in it, as "module name"; pickletools would undo escapes in them."""
    module, name = file.readline(), file.readline()
    if not module.endswith(b"\n") or not name.endswith(b"\n"):
        raise FileRefused("the pickle ends in a name")
    return f"{module[:-1].decode()} {name[:-1].decode()}"


def protocol(number: int) -> None:
    """Protocol 2 is what torch.save writes and torch.load(weights_only=True) reads."""
    if number != 2:
        raise FileRefused(
            f"the pickle has protocol {number}: save it with torch.save's default, protocol 2"
        )


ACTIONS: dict[str, Callable[[Machine, Any], Any]] = {
    "PROTO": lambda m, x: protocol(x),
    "STOP": lambda m, x: None,
    "MARK": lambda m, x: m.marks.append(len(m.stack)),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
                    Machine.push),
    "NONE": lambda m, x: m.push(None),
    "NEWTRUE": lambda m, x: m.push(True),
    "NEWFALSE": lambda m, x: m.push(False),
    "EMPTY_LIST": lambda m, x: m.push([]),
    "EMPTY_DICT": lambda m, x: m.push({}),
    "EMPTY_TUPLE": lambda m, x: m.push(()),
    "TUPLE1": lambda m, x: m.last(1),
    "TUPLE2": lambda m, x: m.last(2),
    "TUPLE3": lambda m, x: m.last(3),
    "TUPLE": lambda m, x: m.push(tuple(m.since_mark())),
    "APPEND": lambda m, x: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, x: m.extend(m.since_mark()),
    "SETITEM": lambda m, x: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
    "SETITEMS": lambda m, x: m.set_items(m.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda m, x: m.memo.update({x: m.stack[-1]})),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, x: m.push(m.memo[x])),
    "GLOBAL": Machine.name,
    "REDUCE": lambda m, x: m.reduce(),
    "BUILD": lambda m, x: m.build(),
    "BINPERSID": lambda m, x: m.push(m.persistent(m.stack.pop())),
}  # fmt: skip


OPCODES = {op.code.encode("latin1"): op.name for op in pickletools.opcodes}
READERS: dict[str, Callable[[Any], Any]] = {
    op.name: op.arg.reader if op.arg else lambda file: None for op in pickletools.opcodes
} | {"GLOBAL": two_lines}
"""What reads an opcode's argument."""


def ordered() -> OrderedDict[Any, Any]:
    """An OrderedDict, filled later."""
    return OrderedDict()


def no_bytes() -> bytes:
    """The empty bytes, which protocol 2 writes in a way of their own."""
    return b""


def as_bytes(text: str, encoding: str) -> bytes:
    """Bytes, which protocol 2 writes as text."""
    if type(text) is not str or encoding != "latin1":
        raise FileRefused("_codecs.encode is called for something other than bytes")
    return text.encode("latin1")


def as_set(items: list[Any]) -> set[Any]:
    """A set of its elements."""
    if type(items) is not list or not all(map(is_key, items)):
        raise FileRefused("a set is made of something other than a list of plain values")
    return set(items)


def as_size(sizes: tuple[int, ...]) -> Size:
    """A shape."""
    if type(sizes) is not tuple or not all(type(n) is int for n in sizes):
        raise FileRefused("a torch.Size is made of something other than integers")
    return Size(sizes)


CONSTANTS = {f"torch {d.name}": d for d in DTYPES}
CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": ordered,
    "__builtin__ bytes": no_bytes,
    "__builtin__ set": as_set,
    "torch Size": as_size,
    "_codecs encode": as_bytes,
}
