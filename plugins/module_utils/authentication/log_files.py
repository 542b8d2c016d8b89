# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log files with their rotations, read line by line in the order of time; compressed ones too, in bounded memory."""

from __future__ import annotations

import bz2
import errno
import glob
import gzip
import io
import lzma
import os
import re
import stat
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk, file_chunks
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe import unpack_zstd
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

DEFAULT_PATHS = ("/var/log/auth.log", "/var/log/secure")
MAX_LINE_BYTES = 32 * 1024
MAX_FILES = 500
_BUFFER_BYTES = 256 * 1024
#: Of app.log: app.log.1, app.log.2.gz, app.log-20261122, app.log-20261122.gz.
_ROTATED = re.compile(r"(?:[.-]\d{1,4}|-\d{6,8}(?:-?\d{2,12}|T\d{4,6}Z?)?(?:-[0-9a-f]{8})?|\.old)?(?:\.(?:gz|xz|bz2|zst))?")
_ROTATED_UNREADABLE = re.compile(r".*\.(?:lz4|Z|zip)")
_PACKED = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".Z", ".zip")
_OPENERS: dict[str, Any] = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open}
_MAGIC = ((b"\x1f\x8b", "gz"), (b"\xfd7zXZ\x00", "xz"), (b"BZh", "bz2"), (b"\x28\xb5\x2f\xfd", "zst"))


class Unreadable(Exception):
    """A file cannot be read, or not to its end; the message is a part of a sentence."""


@dataclass(frozen=True)
class LogFile:
    """One file of a log. :ivar changed: seconds since 1970 of its last change."""

    path: str
    changed: float


def find_log(path: str, *, since: float) -> tuple[list[LogFile], list[str]]:
    """Return the files of a log that may hold lines of the window, the oldest first, and those in a format nobody reads here.

    :param path: of the present file; it need not exist when rotated ones do.
    :param since: seconds since 1970; a file changed last before it holds nothing of the window.
    """
    found, strange = [], []
    names = set(glob.iglob(f"{glob.escape(path)}*"))
    for name in sorted(names, reverse=True):  # of equal age, the one of the higher number is the older
        if any(name.endswith(ending) and name[: -len(ending)] in names for ending in _PACKED):
            continue  # while a file is packed it is there twice
        suffix = name[len(path) :]
        readable = _ROTATED.fullmatch(suffix)
        if not readable and not (suffix[:1] in ".-" and _ROTATED_UNREADABLE.fullmatch(suffix)):
            continue
        try:
            changed = os.stat(name).st_mtime
        except OSError:
            changed = float("inf") if readable else 0.0  # opening it tells what is wrong
        if changed >= since:
            if readable:
                found.append(LogFile(name, changed))
            else:
                strange.append(name)
    found.sort(key=lambda file: (file.path == path, file.changed))
    return found[-MAX_FILES:], sorted(strange)


def names_now(path: str) -> dict[tuple[int, int], str]:
    """Return the files of a log and its rotations by device and inode, which differ after a rotation."""
    found = {}
    for name in glob.iglob(f"{glob.escape(path)}*"):
        try:
            status = os.stat(name)
        except OSError:
            continue  # its reading says what is wrong
        found[status.st_dev, status.st_ino] = name
    return found


def read_lines(file: LogFile, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines of a file without their ends; of one that is too long the first part.

    Of a file larger than the bound its end is read, of a packed one its beginning.

    :raises Unreadable: when it cannot be opened, is no file, is damaged, or is larger than the bound (after its lines).
    """
    left = max_bytes
    too_large = False
    try:
        with ExitStack() as closing:
            raw = closing.enter_context(_open(file.path))
            packed = _packing(raw)
            size = os.fstat(raw.fileno()).st_size
            stream: Any = raw
            if packed:
                stream = closing.enter_context(_unpacked(raw, packed, size))
            elif size > max_bytes:
                raw.seek(size - max_bytes)
                raw.readline(MAX_LINE_BYTES)
                too_large = True
            inside = False  # within a line whose first part was given
            while left > 0:
                piece = stream.readline(MAX_LINE_BYTES)
                if not piece:
                    break
                left -= len(piece)
                if not inside:
                    yield piece.rstrip(b"\r\n")
                inside = not piece.endswith(b"\n")
            if packed and left <= 0 and stream.read(1):
                too_large = True
    except ArchiveProblem as problem:
        raise Unreadable(f"it {problem.message}") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as exc:
        reason = "it is cut off" if isinstance(exc, EOFError) else getattr(exc, "strerror", None) or plain(str(exc), 100)
        raise Unreadable(reason) from exc
    if too_large:
        raise Unreadable(f"it is larger than max_bytes, {max_bytes}, so that a part was left out")


def _open(path: str) -> IO[bytes]:
    # A pipe must not be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _packing(stream: IO[bytes]) -> str | None:
    start = stream.read(6)
    stream.seek(0)
    return next((name for magic, name in _MAGIC if start.startswith(magic)), None)


def _unpacked(raw: IO[bytes], packing: str, size: int) -> Any:
    if packing in _OPENERS:
        return _OPENERS[packing](raw)
    # How much of it is read is bounded by its reader, and by how far anything can be packed.
    budget = Budget(Limits(deadline=float("inf")), size)
    return io.BufferedReader(_Chunks(unpack_zstd(file_chunks(raw.fileno(), budget), budget, lambda: None)), _BUFFER_BYTES)


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a file."""

    def __init__(self, chunks: Generator[Chunk, None, None]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest: Chunk = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._chunks.close()
        super().close()
