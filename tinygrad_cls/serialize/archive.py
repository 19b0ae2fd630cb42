"""Zip archives of tensors: what ``.pt`` and ``.npz`` have in common."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

from .refused import FileRefused

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,  # KeyError, IndexError
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,  # NotImplementedError, RecursionError
    SyntaxError,
    TypeError,
    ValueError,  # UnicodeError
)
"""What zipfile, pickletools and NumPy raise when the bytes in memory make no sense."""

ROOM = 64 << 20
GROWTH = 100
"""Compressed members may unpack to 64 MiB, or to 100 times the file where that is more."""

HEADER, DESCRIPTOR = 30, 24
"""Bytes ahead of a member's name, and at most behind its contents."""

UTF8 = 0x800  # the flag of a member whose name is not ASCII


class Archive:
    """The members of a zip file, each read with its checksum.

    Refused are compressed members unless ``compressed``, members that unpack to more than the
    file has room for, and names that occur twice.
    """

    def __init__(self, data: bytes, compressed: bool = False) -> None:
        if not data:
            raise FileRefused("the file is empty")
        if not data.startswith(b"PK") and not zipfile.is_zipfile(io.BytesIO(data)):
            raise FileRefused("this is no zip archive")
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        members = self._zip.infolist()
        self.names = [member.filename for member in members]
        if len(set(self.names)) < len(self.names):
            raise FileRefused("the archive names a member twice")
        for member in members:
            if member.compress_type not in ((0, 8) if compressed else (0,)):
                raise FileRefused(
                    f"member {member.filename!r} is compressed, which no writer of this format does"
                )
            if not member.filename.isascii() and not member.flag_bits & UTF8:
                raise FileRefused(f"the member name {member.filename!r} is not marked as UTF-8")
        limit = max(ROOM, GROWTH * len(data)) if compressed else len(data)
        size = sum(member.file_size for member in members)
        if size > limit:
            raise FileRefused(
                f"the members claim {size} bytes, and a file of {len(data)} bytes has room for "
                f"{limit}"
            )
        self._check_order(data)

    def _check_order(self, data: bytes) -> None:
        """The members follow one another up to the directory: a name lost from the directory, by
        damage to its length say, would leave a hole, and zipfile would not miss it.
        """
        end = 0
        for member in sorted(self._zip.infolist(), key=lambda member: member.header_offset):
            start = member.header_offset
            follows(end, start)
            name, extra = struct.unpack_from("<HH", data, start + 26)
            end = start + HEADER + name + extra + member.compress_size
        follows(end, self._zip.start_dir)

    def read(self, name: str) -> bytes:
        """The bytes of a member; zipfile compares their CRC-32 at the last one."""
        if name not in self.names:
            raise FileRefused(f"the archive has no member {name!r}")
        member = self._zip.getinfo(name)
        with self._zip.open(member) as file:
            return file.read(member.file_size + 1)  # without a size it may unpack 2 GiB at once


def follows(end: int, start: int) -> None:
    """Refuses a part that does not begin where the one before it ends."""
    if not end <= start <= end + DESCRIPTOR:
        raise FileRefused(f"the archive has a hole or an overlap between bytes {end} and {start}")


def pack(members: Iterable[tuple[str, bytes]], alignment: int = 1) -> bytes:
    """A zip archive of stored members, each beginning at a multiple of ``alignment``.

    The same members give the same bytes: the time stamps say 1980.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.create_system = 0
            if alignment > 1:  # as torch does it: an extra field "FB" of the right length
                start = buffer.tell() + HEADER + len(name.encode()) + 4
                padding = -start % alignment
                member.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
            archive.writestr(member, data)
    return buffer.getvalue()
