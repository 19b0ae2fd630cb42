"""NumPy's archives: what ``numpy.load`` reads and ``numpy.savez`` writes."""

from __future__ import annotations

import ast
import io
import math
import struct
from typing import Any

import numpy as np

from ..dtypes import DTYPES
from ..tensor import Tensor
from .archive import Archive, pack
from .flat import Array, arrays, tensors
from .refused import FileRefused
from .storages import from_bytes

PREFIXES = {b"\x93NUMPY\1\0": "<H", b"\x93NUMPY\2\0": "<I"}
"""How a .npy file begins, and the type of its header's length."""

LONGEST = 10_000  # a header, as in NumPy
STORED = {
    d.numpy.newbyteorder(order).str: (d, order == ">") for d in DTYPES for order in ("<", ">")
}


def encode(obj: Any) -> bytes:
    """A member ``key.npy`` for every tensor, in the order of the dict."""
    members = []
    for key, array in arrays(obj, ".npz").items():
        member = io.BytesIO()
        np.lib.format.write_array(member, array, allow_pickle=False)
        members.append((f"{key}.npy", member.getvalue()))
    return pack(members)


def decode(data: bytes, _anywhere: bool = False) -> dict[str, Tensor]:
    """The tensors by name, in the order of the archive; those of ``savez_compressed`` as well."""
    archive = Archive(data, compressed=True)
    if others := [name for name in archive.names if not name.endswith(".npy")]:
        raise FileRefused(f"member {others[0]!r} is no .npy file, so this is no .npz archive")
    return tensors(
        (name.removesuffix(".npy"), parse(name, archive.read(name))) for name in archive.names
    )


def parse(name: str, data: bytes) -> Array:
    """The array in a ``.npy`` file.

    NumPy's own reader of headers falls back to those of Python 2, with warnings, and allocates
    what a header claims before it looks for the data.
    """
    if data[:8] not in PREFIXES:
        raise FileRefused(f"member {name!r} does not begin as a .npy file of version 1.0 or 2.0")
    (length,) = struct.unpack_from(PREFIXES[data[:8]], data, 8)
    start = 8 + struct.calcsize(PREFIXES[data[:8]])
    if length > LONGEST:
        raise FileRefused(f"member {name!r} has a header of {length} bytes; {LONGEST} are the most")
    header = ast.literal_eval(data[start : start + length].decode("latin1"))
    descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if not isinstance(descr, str) or descr not in STORED:
        raise FileRefused(
            f"member {name!r} holds values of type {descr!r}; this engine's dtypes are "
            f"{', '.join(d.name for d in DTYPES)}"
        )
    dtype, big = STORED[descr]
    raw = data[start + length :]
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise FileRefused(f"member {name!r} has the shape {shape!r}")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise FileRefused(f"member {name!r} has {len(raw)} bytes for shape {shape} of {dtype.name}")
    vector = from_bytes(raw, dtype, big)
    return np.array(vector.reshape(shape, order="F" if fortran else "C"), order="C")
