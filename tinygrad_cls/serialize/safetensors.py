"""Hugging Face's safetensors, through their library; with a checksum, which the format lacks."""

from __future__ import annotations

import hashlib
import json
from types import ModuleType
from typing import Any

from ..dtypes import DTYPES
from ..tensor import Tensor
from .flat import Array, arrays, tensors
from .refused import FileRefused
from .storages import from_bytes, little

MARK = "tinygrad_cls.sha256"
CODES = {
    "float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
KINDS = {CODES[d.name]: d for d in DTYPES}


def library() -> ModuleType:
    """The library, or one clear sentence."""
    try:
        import safetensors.numpy
    except ModuleNotFoundError as missing:
        raise ImportError(
            "safetensors is not installed; run: pip install 'tinygrad_cls[safetensors]'"
        ) from missing
    return safetensors


def digest(found: dict[str, Array]) -> str:
    """A checksum of names, dtypes, shapes and values, in whatever order the file has them."""
    total = hashlib.sha256()
    for name in sorted(found):
        array = found[name]
        total.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        total.update(little(array))
    return f"{MARK}={total.hexdigest()}"


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the header; the library lets a key pass that stands there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FileRefused("the header says something twice")
    return found


def encode(obj: Any) -> bytes:
    """The tensors by name; the library orders them by dtype, then name."""
    found = arrays(obj, ".safetensors")
    if "__metadata__" in found:
        raise ValueError("save: safetensors keeps the key '__metadata__' for itself: rename it")
    data: bytes = library().numpy.save(found, metadata={MARK: digest(found)})
    return data


def decode(data: bytes, _anywhere: bool = False) -> dict[str, Tensor]:
    """The tensors by name. A file of ours is checked as a whole; of another's, as the format can:
    there a flipped bit of a number is not seen.
    """
    safetensors = library()
    try:
        entries = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise FileRefused(f"the library says: {error}") from None
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end], object_pairs_hook=once)
    found = {}
    for name in sorted(entries, key=lambda name: header[name]["data_offsets"]):
        entry = entries[name]
        if entry["dtype"] not in KINDS:
            raise FileRefused(
                f"the tensor {name!r} is a {entry['dtype']}; this engine's dtypes are "
                f"{', '.join(KINDS)}: convert it where it was made"
            )
        raw = bytes(entry["data"])
        found[name] = from_bytes(raw, KINDS[entry["dtype"]]).reshape(entry["shape"])
    metadata = header.get("__metadata__", {})
    # The mark stands in the key and in the value, so that damage in one place can't hide it.
    claims = [v for k, v in metadata.items() if k == MARK or v.startswith(MARK)]
    if claims and claims != [digest(found)]:
        raise FileRefused("the checksum is another than that of the tensors")
    return tensors(found.items())
