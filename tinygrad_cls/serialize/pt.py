"""torch's own files: a zip archive with a pickle and a member for every storage."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import DTYPES
from ..dtypes import dtype as Dtype
from ..nn.parameter import Parameter
from ..tensor import Tensor, new
from .archive import Archive, pack
from .pickler import Pickler, dumps
from .refused import FileRefused
from .storages import allocate, from_bytes, little
from .unpickler import Global, loads

STORAGES = {f"torch {d.title}Storage": d for d in DTYPES}
VERSIONS = range(1, 11)
"""Of the archive's format: torch 2.13 writes 3 and reads these."""


# --- writing --------------------------------------------------------------------------------


def encode(obj: Any) -> bytes:
    """``obj`` as torch.save writes it: tensors that share memory share a storage."""
    tensors: list[Tensor] = []
    dumps(obj, lambda pickler, tensor: tensors.append(tensor))
    memory, places = allocate([t._canonical() for t in tensors])
    place_of = {id(t): place for t, place in zip(tensors, places, strict=True)}

    def write(pickler: Pickler, tensor: Tensor) -> None:
        place = place_of[id(tensor)]
        parameter = isinstance(tensor, Parameter)
        if parameter:
            pickler.out += b"ctorch._utils\n_rebuild_parameter\n("
        pickler.out += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        pickler.plain("storage")
        pickler.out += f"ctorch\n{tensor.dtype.title}Storage\n".encode()
        pickler.plain(str(place.storage))
        pickler.plain("cpu")
        pickler.plain(len(memory[place.storage]))
        pickler.out += b"tQ"
        pickler.plain(place.offset)
        pickler.plain(tuple(tensor.shape))
        pickler.plain(place.strides)
        pickler.plain(tensor.requires_grad and not parameter)
        pickler.call("collections OrderedDict")  # the hooks
        pickler.out += b"tR"
        if parameter:
            pickler.plain(tensor.requires_grad)
            pickler.call("collections OrderedDict")
            pickler.out += b"tR"

    members = [
        ("data.pkl", dumps(obj, write)),
        (".format_version", b"1"),
        (".storage_alignment", b"64"),
        ("byteorder", b"little"),
        *((f"data/{i}", little(a)) for i, a in enumerate(memory)),
        ("version", b"3\n"),
    ]
    return pack(((f"archive/{name}", data) for name, data in members), alignment=64)


# --- reading --------------------------------------------------------------------------------


def decode(data: bytes, anywhere: bool = False) -> Any:
    """What the file holds, on the CPU; a tensor of another device only if ``anywhere``."""
    if data.startswith(b"\x80\x02"):  # a pickle, without an archive around it
        raise FileRefused("this is a file of torch before 1.6: load it there, and save it anew")
    archive = Archive(data)
    folder = root(archive)
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in archive.names else None
    if order not in (None, b"little", b"big"):
        raise FileRefused(f"the byte order is {order!r}, neither little nor big")
    version = archive.read(f"{folder}version")
    if not version.strip().isdigit() or int(version) not in VERSIONS:
        raise FileRefused(f"the archive's format has version {version!r}; 1 to 10 are known")
    reader = Reader(archive, folder, order == b"big", anywhere)
    pickle = archive.read(f"{folder}data.pkl")
    return loads(pickle, reader.calls, STORAGES, reader.storage)


def root(archive: Archive) -> str:
    """The folder that holds data.pkl, with its slash."""
    folders = [n.removesuffix("data.pkl") for n in archive.names if n.endswith("/data.pkl")]
    if f"{folders[0] if folders else ''}constants.pkl" in archive.names:
        raise FileRefused("this is a TorchScript archive, a program; save the state_dict() instead")
    if any(name.endswith(".npy") for name in archive.names):
        raise FileRefused("this is an archive of NumPy's: give the file a name that ends in .npz")
    if len(folders) != 1:
        raise FileRefused("the archive has no data.pkl, so it is no file of torch.save")
    return folders[0]


class Storage:
    """Memory of tensors, with the version counter that they share."""

    def __init__(self, array: np.ndarray[Any, Any], kind: Dtype) -> None:
        self.array = array
        self.kind = kind
        self.counter = [0]


class Reader:
    """Makes tensors of what a pickle says of them, having checked every number."""

    def __init__(self, archive: Archive, folder: str, big: bool, anywhere: bool) -> None:
        self.archive = archive
        self.folder = folder
        self.big = big
        self.anywhere = anywhere
        self.storages: dict[str, Storage] = {}
        self.calls: dict[str, Callable[..., Any]] = {
            "torch._utils _rebuild_tensor_v2": self.tensor,
            "torch._utils _rebuild_parameter": self.parameter,
        }

    def storage(self, identifier: Any) -> Storage:
        """The storage that ``("storage", type, key, location, numel)`` stands for."""
        match identifier:
            case ("storage", Global(name), str(key), str(location), int(numel)) if name in STORAGES:
                kind = STORAGES[name]
            case _:
                raise FileRefused("the pickle refers to something that is no storage")
        if location != "cpu" and not self.anywhere:
            device = "CUDA " if location.startswith("cuda") else ""
            raise FileRefused(
                f"Attempting to deserialize object on a {device}device but "
                f"torch.cuda.is_available() is False: the tensor was on {location!r}. Please use "
                f"load with map_location='cpu'"
            )
        if key not in self.storages:
            raw = self.archive.read(f"{self.folder}data/{key}")
            self.storages[key] = Storage(from_bytes(raw, kind, self.big), kind)
        found = self.storages[key]
        if found.kind is not kind or found.array.size != numel:
            raise FileRefused(
                f"storage {key} is said to have {numel} elements of {kind.name}, and has "
                f"{found.array.size} of {found.kind.name}"
            )
        return found

    def tensor(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        metadata: Any = None,
    ) -> Tensor:
        """A view of a storage, none of whose elements lies outside."""
        if type(storage) is not Storage or type(size) is not tuple or type(stride) is not tuple:
            raise FileRefused("a tensor is made of something other than storage, size and stride")
        if not all(type(n) is int and n >= 0 for n in (offset, *size, *stride)):
            raise FileRefused("a tensor's offset, size or stride is no whole number from 0 up")
        if type(requires_grad) is not bool or type(hooks) is not OrderedDict or hooks or metadata:
            raise FileRefused("a tensor comes with hooks, or with the marks of a complex one")
        if len(size) != len(stride):
            raise FileRefused(f"a tensor of size {size} has the stride {stride}")
        array = storage.array
        if math.prod(size):
            last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
            if last >= array.size:
                raise FileRefused(
                    f"a tensor of size {size} and stride {stride} at {offset} does not fit its "
                    f"storage of {array.size} elements"
                )
            steps = [step * array.itemsize for step in stride]
            view = np.ndarray(size, array.dtype, array, offset * array.itemsize, steps)
            if any(n > 1 and step == 0 for n, step in zip(size, stride, strict=True)):
                view.flags.writeable = False  # as expand() makes it: an element in many places
        else:
            view = np.zeros(size, array.dtype)
        made = new(view)
        made._shared, made._counter = True, storage.counter
        return made.requires_grad_() if requires_grad else made

    def parameter(self, data: Any, requires_grad: Any, hooks: Any) -> Parameter:
        """A tensor as a Parameter."""
        if type(data) is not Tensor or type(requires_grad) is not bool:
            raise FileRefused("a Parameter is made of something other than a tensor")
        if type(hooks) is not OrderedDict or hooks:
            raise FileRefused("a Parameter comes with hooks")
        return Parameter(data, requires_grad)
