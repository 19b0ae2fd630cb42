"""What commands share: files that are there whole or not at all, and the error of a wrong call."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import Any


class WrongCall(Exception):
    """What was asked for cannot be done; the message says why in one line."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A new empty file beside `path`, which takes its place when the block ends well.

    Entering raises OSError if `path` cannot be written, so enter before the long work.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a file")
    try:
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from error
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        mask = os.umask(0)
        os.umask(mask)
        scratch.chmod(0o666 & ~mask)  # mkstemp lets the owner alone read
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def to_json(data: Any) -> str:
    """JSON with null for what is not finite, so that every reader can read it.

    >>> print(to_json({"loss": [0.5, float("nan")]}))
    {
      "loss": [
        0.5,
        null
      ]
    }
    """
    return json.dumps(finite(data), indent=2, allow_nan=False, ensure_ascii=False)


def finite(data: Any) -> Any:
    """Plain data with None for every number that is not finite."""
    match data:
        case dict():
            return {key: finite(value) for key, value in data.items()}
        case list() | tuple():
            return [finite(value) for value in data]
        case float() if not math.isfinite(data):
            return None
        case _:
            return data
