"""What goes to the page: JSON without NaN, and frames of numbers as they lie in memory."""

import json
import struct
from dataclasses import fields
from typing import Any

import numpy as np

from ..experiments.output import finite
from .session import Snapshot

ALIGNED = 8
KINDS = {"<f4": "f4", "<i4": "i4", "|u1": "u1"}


def to_json(data: Any) -> bytes:
    """Compact, in ASCII, null for what is not finite: every reader can read it.

    >>> to_json({"loss": [0.5, float("inf")]})
    b'{"loss":[0.5,null]}'
    """
    return json.dumps(finite(data), allow_nan=False, separators=(",", ":")).encode()


def pack(snapshot: Snapshot) -> bytes:
    """A frame: the header's length, a JSON header, and arrays at multiples of 8 bytes.

    An array's offset counts from the end of the header, rounded up to a multiple of 8.
    """
    header = {f.name: getattr(snapshot, f.name) for f in fields(snapshot) if f.name != "arrays"}
    header["arrays"], body = [], bytearray()
    for name, array in snapshot.arrays.items():
        _pad(body)
        kind = KINDS[array.dtype.str]
        shape = list(array.shape)
        header["arrays"].append({"name": name, "dtype": kind, "shape": shape, "offset": len(body)})
        body += np.ascontiguousarray(array).tobytes()
    text = to_json(header)
    head = bytearray(struct.pack("<I", len(text)) + text)
    _pad(head)
    return bytes(head + body)


def unpack(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a frame, as the page reads it."""
    (length,) = struct.unpack_from("<I", frame)
    header = json.loads(frame[4 : 4 + length])
    start = -(-(4 + length) // ALIGNED) * ALIGNED
    arrays = {}
    for part in header.pop("arrays"):
        shape = part["shape"]
        count = int(np.prod(shape))
        flat = np.frombuffer(frame, f"<{part['dtype']}", count, start + part["offset"])
        arrays[part["name"]] = flat.reshape(shape)
    return header, arrays


def _pad(data: bytearray) -> None:
    data += bytes(-len(data) % ALIGNED)
