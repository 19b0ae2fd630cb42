"""Finished work on disk: one line of JSON each, there before it counts.

A folder holds `sweep.json`, which says what the work is, `runs.jsonl`, a line for each finished
piece, and `lock`, which the writing process holds. Only one process writes, so that a line is whole
or the last. Killed at any moment, it leaves at most half a line, which the next one removes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..experiments.output import WrongCall, finite, replacing, to_json

IDENTITY, LINES, LOCK = "sweep.json", "runs.jsonl", "lock"
RENAMED = f".{IDENTITY}."  # what `replacing` leaves when it is killed


class JournalError(WrongCall):
    """The folder can't be written to, or holds something else; the message says what."""


class Journal:
    """The finished pieces of the work that `identity` describes, by their keys.

    Used in a `with` statement, which takes the lock, finds out what is finished, and cuts off a
    line that a kill has torn. JournalError where the folder belongs to other work or another
    process writes to it; OSError where it can't be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "squares"
    >>> with Journal(folder, {"numbers": "1-3"}) as journal:
    ...     journal.record("2", {"square": 4})
    >>> with Journal(folder, {"numbers": "1-3"}) as journal:
    ...     journal.finished, list(journal.read())
    ({'2'}, [('2', {'square': 4})])
    >>> Journal(folder, {"numbers": "1-9"}).__enter__()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_cls.sweep.journal.JournalError: ...squares belongs to another sweep, with numbers 1-3 \
instead of 1-9: name another folder
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.identity = json.loads(to_json(dict(identity)))
        self.finished: set[str] = set()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._take_lock()
            self._identify()
            self._file = os.open(
                self.folder / LINES, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o666
            )
            sync_folder(self.folder)
            try:
                self._repair()
            except BaseException:
                os.close(self._file)
                raise
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)
        os.close(self._lock)  # which sets it free, as the end of the process would

    def record(self, key: str, value: Mapping[str, Any]) -> None:
        """Write a finished piece; it's on the disk when this returns.

        OSError if it can't be (a full disk): what was written before is kept whole.
        """
        text = json.dumps({"run": key, **finite(dict(value))}, allow_nan=False)
        line = text.encode() + b"\n"
        size = os.fstat(self._file).st_size
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            raise OSError(error.errno, error.strerror, str(self.folder / LINES)) from error
        self.finished.add(key)

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and value of every finished piece, as they are on disk."""
        with open(self.folder / LINES, "rb") as file:
            for number, line in enumerate(file, 1):
                yield self._parsed(line, number)

    def _parsed(self, line: bytes, number: int) -> tuple[str, dict[str, Any]]:
        try:
            value = json.loads(line)
            return str(value.pop("run")), value
        except (ValueError, KeyError, TypeError, AttributeError):
            raise JournalError(
                f"{self.folder / LINES}, line {number}, is damaged: remove the line, and the same "
                "command does that run again"
            ) from None

    def _take_lock(self) -> None:
        try:
            lock(self._lock)
        except BlockingIOError:
            raise JournalError(f"another command is writing to {self.folder}") from None

    def _identify(self) -> None:
        path = self.folder / IDENTITY
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            others = [
                f.name
                for f in self.folder.iterdir()
                if f.name != LOCK and not f.name.startswith(RENAMED)
            ]
            if others:
                raise JournalError(
                    f"{self.folder} is not empty and holds no sweep: name another folder"
                ) from None
            with replacing(path) as scratch:
                scratch.write_text(to_json(self.identity) + "\n", encoding="utf-8")
                with open(scratch, "rb+") as file:
                    os.fsync(file.fileno())
            return
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise JournalError(f"{path} is damaged: name another folder")
        for name in [*self.identity, *found]:
            here, there = self.identity.get(name), found.get(name)
            if here != there:
                raise JournalError(
                    f"{self.folder} belongs to another sweep, with {name} {plain(there)} instead "
                    f"of {plain(here)}: name another folder"
                )

    def _repair(self) -> None:
        whole = 0
        with open(self.folder / LINES, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    os.ftruncate(self._file, whole)
                    break
                self.finished.add(self._parsed(line, number)[0])
                whole += len(line)


def plain(value: Any) -> str:
    """A value of `sweep.json` in an error.

    >>> plain([0.03, 0.1]), plain({"numpy": "2.4"}), plain(None)
    ('0.03,0.1', 'numpy 2.4', 'none')
    """
    match value:
        case None:
            return "none"
        case list():
            return ",".join(map(plain, value))
        case dict():
            return ", ".join(f"{key} {plain(part)}" for key, part in value.items())
    return str(value)


if sys.platform == "win32":
    import msvcrt

    BINARY = os.O_BINARY

    def lock(file: int) -> None:
        """Take the lock, which ends with the process, or raise BlockingIOError."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error

    def sync_folder(folder: Path) -> None:
        """Windows has no such thing."""
else:
    import fcntl

    BINARY = 0

    def lock(file: int) -> None:
        """Take the lock, which ends with the process, or raise BlockingIOError."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def sync_folder(folder: Path) -> None:
        """The names of new files are on disk, too."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
