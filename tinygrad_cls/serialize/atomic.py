"""A file that is replaced at once or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat


def write(path: str, data: bytes) -> None:
    """Writes ``data`` to ``path`` so that a reader, or the next start after a crash, finds the
    old file or the new one, never half of either.

    The bytes go to a temporary file beside the old one and to the disk, then take its name.
    An error removes the temporary file and leaves the old one as it was; a killed process leaves
    the temporary file, ``.*.tmp``, behind. The file keeps its permissions; a new one gets those
    of ``open``. A link is followed.
    """
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/null; for a folder, open's error
        with open(path, "wb") as file:
            file.write(data)
        return
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.tmp")  # short: names have a limit
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # 0o666 is what `open` asks for: the system takes the umask off. (tempfile asks for 0o600.)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.path.exists(path):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Puts the new name on the disk, where the system has a way to; the file is whole without."""
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
