"""Weights files: :func:`save` and :func:`load` of state dicts, in three formats.

- ``.safetensors`` holds a dict of tensors (needs ``pip install tinygrad_cls[safetensors]``), and
  keeps their values.
- ``.npz`` holds a dict of tensors, for NumPy, and keeps values and the order of the keys.
- Any other, such as ``.pt``, holds nested containers of tensors and numbers, for torch, and also
  keeps shared memory, strides, ``requires_grad``, and which tensors are Parameters.
"""

from __future__ import annotations

import os
from typing import Any

from .. import dtypes
from .._state import state
from .refused import FileRefused

__all__ = ["FileRefused", "load", "save"]


def codec(f: Any) -> Any:
    """The module that knows the format of the file ``f``: by its suffix."""
    suffix = os.path.splitext(os.fsdecode(f))[1] if is_path(f) else ""
    if suffix == ".safetensors":
        from . import safetensors

        return safetensors
    if suffix == ".npz":
        from . import npz

        return npz
    from . import pt

    return pt


def is_path(f: Any) -> bool:
    """Whether ``f`` is the name of a file."""
    return isinstance(f, str | bytes | os.PathLike)


def save(obj: Any, f: Any) -> None:
    """Writes ``obj``, such as a state dict, to the file ``f``: a path, or a binary file object.

    The suffix says the format: ``.safetensors`` and ``.npz`` hold a dict of tensors, anything
    else, ``.pt`` by custom and every file object, torch's own format: dict, OrderedDict, list,
    tuple and set of tensors, numbers, strings, bytes, None, torch.Size and dtypes. There tensors
    that share memory share it again when they are loaded, here or by ``torch.load``; a
    non-contiguous tensor keeps its strides. safetensors forgets the order of the keys, and both
    flat formats forget ``requires_grad`` and shared memory. Gradients and hooks are in none.

    The same state gives the same bytes. A path is replaced at once or not at all: an error, or a
    crash at any moment, leaves the old file. Raises TypeError, naming the key, for what the format
    can't hold; of a module or an optimizer save the ``state_dict()``.

    >>> import io
    >>> import tinygrad_cls as tg
    >>> file = io.BytesIO()
    >>> tg.save({"weight": tg.ones(2), "epoch": 3}, file)
    >>> tg.load(io.BytesIO(file.getvalue()))
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if state.recorder is not None:
        state.recorder.refuses("save()")
    if not is_path(f):
        if not hasattr(f, "write"):
            raise AttributeError(
                f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, "
                f"such as open(path, 'wb'); this is a {type(f).__name__}"
            )
        f.write(codec(f).encode(obj))
        return
    path = os.fsdecode(f)
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    from . import atomic

    atomic.write(path, codec(f).encode(obj))


def load(f: Any, map_location: Any = None, *, weights_only: bool | None = True) -> Any:
    """What :func:`save`, ``torch.save``, ``numpy.savez`` or safetensors wrote to the file ``f``.

    ``f`` is a path, or a binary file object with a ``.pt``. ``map_location="cpu"`` admits tensors
    that were on a GPU. Nothing that a file says is ever executed, so ``weights_only=False`` is
    refused. Raises :class:`FileRefused` for a file that is damaged or that holds anything but
    tensors, of this engine's dtypes, and containers; nothing is loaded then.

    A change of any bit is noticed, or changes nothing, in ``.pt`` and ``.npz``, whose members have
    a CRC-32, and in the ``.safetensors`` written here, which have a SHA-256. Other writers'
    safetensors have no checksum.
    """
    if weights_only is not None and not weights_only:
        raise ValueError(
            "weights_only=False is refused: it means to run the program that a pickle is, and this "
            "engine reads tensors and containers only. Leave it out; load anything else with torch."
        )
    if map_location is not None:
        if not isinstance(map_location, str | dtypes.device):
            raise TypeError(
                f"map_location is a {type(map_location).__name__}; this engine holds tensors on "
                f"the CPU alone: pass 'cpu'"
            )
        dtypes.on_cpu(map_location)
    name = os.fsdecode(f) if is_path(f) else getattr(f, "name", "the file object")
    data: Any
    if is_path(f):
        with open(f, "rb") as file:
            data = file.read()
    elif hasattr(f, "read"):
        data = f.read()
    else:
        raise AttributeError(
            f"{type(f).__name__!r} object has no attribute 'seek' or 'read'. You can load from a "
            f"path, or from a file opened with open(path, 'rb')."
        )
    if not isinstance(data, bytes):
        kind = type(data).__name__
        raise TypeError(f"load needs a binary file, open(path, 'rb'); this gave {kind}")
    from .archive import DAMAGE

    try:
        return codec(f).decode(data, map_location is not None)
    except ImportError:
        raise
    except FileRefused as error:
        raise FileRefused(f"{name}: {error}. {REFUSED}") from None
    except DAMAGE as error:
        what = f"{type(error).__name__}: {error}"
        raise FileRefused(f"{name}: the file is damaged ({what}). {DAMAGED}") from error


REFUSED = "Nothing was loaded; of a model, save the state_dict(), and load files that you trust."
DAMAGED = "Nothing was loaded; take a whole copy of the file."
