# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packing an archive: written beside it, read back, and made to stay on the disk before it gets its place.

A gzip archive is a row of gzip members, each of them a piece of the log that was packed and unpacked again on its own, so
that the pieces of a large log can be packed at the same time. Every program that reads gzip reads such a row.
"""

from __future__ import annotations

import ctypes
import os
import stat
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import PACKING, SUFFIXES
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

PIECE_BYTES = 2 * 1024 * 1024
#: Pieces of one log that are in memory at the same time.
_WINDOW = 4
_GZIP = 31  # zlib's window bits for a gzip member with header and checksum
_LEVEL = 6
_SLOWEST_BYTES_PER_SECOND = 2 * 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: From so many files on it is cheaper to flush their whole file system once than each of them.
_MANY_FILES = 4


class PackingProblem(Exception):
    """An archive could not be packed; it is unchanged. The message is the end of a sentence that says why."""


@contextmanager
def opened(name: str, flags: int, folder: int, mode: int = 0o600) -> Iterator[int]:
    """Open a file relative to an open folder."""
    descriptor = os.open(name, flags, mode, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def pack(folder: int, raw: str, compress: str, pool: Executor | None = None) -> tuple[str, int]:
    """Write the packed copy of an archive beside it, under a name that says that it is unfinished.

    It was read back when this returns, and is not yet made to stay on the disk; nothing else has changed.

    :param folder: descriptor of the folder.
    :param raw: name of the archive.
    :param compress: ``gzip`` or ``zstd``.
    :param pool: threads that pack the pieces of a large log.
    :returns: the unfinished name, and how many bytes of the archive are in it.
    :raises PackingProblem: when it cannot be packed; the unfinished copy is removed.
    """
    draft = f"{raw}{SUFFIXES[compress]}{PACKING}"
    try:
        with opened(raw, _READ, folder) as source:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise PackingProblem("it is no ordinary file of its own any more")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            if compress == "zstd":
                _zstd(folder, raw, draft, status.st_size)
                flags = os.O_RDWR  # zstd made it
            with opened(draft, flags | os.O_NOFOLLOW | os.O_CLOEXEC, folder) as target:
                size = _gzip(source, target, status.st_size, pool) if compress == "gzip" else status.st_size
                like(target, source, status)
        return draft, size
    except OSError as exc:
        remove(draft, folder)
        raise PackingProblem(exc.strerror or str(exc)) from exc
    except PackingProblem:
        remove(draft, folder)
        raise


def make_durable(folder: int, names: Sequence[str]) -> None:
    """Let the contents of files survive a power cut.

    :raises OSError: when the disk does not take them.
    """
    if len(names) < _MANY_FILES:
        for name in names:
            with opened(name, _READ, folder) as descriptor:
                os.fsync(descriptor)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(folder) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def remove(name: str, folder: int) -> None:
    """Remove an unfinished copy, if it is there and that can be done; the next run tries it again."""
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass


def like(target: int, source: int, status: os.stat_result) -> None:
    """Give a file owner, group, permissions and time of another; where the group cannot be given, its rights are not."""
    mode = stat.S_IMODE(status.st_mode) & 0o777
    try:
        os.fchown(target, status.st_uid, status.st_gid)
    except PermissionError:
        mode &= 0o700
    os.fchmod(target, mode)
    try:
        # An access list widens what the group bits seem to say; without it they must not be copied.
        access = os.getxattr(source, "system.posix_acl_access")
    except OSError:
        access = None
    if access is not None:
        try:
            os.setxattr(target, "system.posix_acl_access", access)
        except OSError:
            os.fchmod(target, mode & 0o700)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _gzip(source: int, target: int, length: int, pool: Executor | None) -> int:
    """Pack piece by piece, in order; read back what was written. Return how many bytes were packed.

    :param length: of the archive; one that grows meanwhile is not followed for ever.
    """
    size = written = checksum = 0
    for packed, member in _packed_pieces(_pieces(source, length), pool):
        write_all(target, member)
        size, written, checksum = size + packed, written + len(member), zlib.crc32(member, checksum)
    _read_back(target, written, checksum)
    return size


def _pieces(source: int, length: int) -> Iterator[bytes]:
    """Yield the pieces of a file, up to the one that reaches beyond ``length``."""
    size = 0
    while size <= length and (piece := _read_piece(source)):
        size += len(piece)
        yield piece


def _packed_pieces(pieces: Iterable[bytes], pool: Executor | None) -> Iterator[tuple[int, bytes]]:
    """Yield how long each piece is, and the piece packed; with a pool several are packed at the same time."""
    if pool is None:
        for piece in pieces:
            yield len(piece), pack_piece(piece)
        return
    waiting: deque[tuple[int, Future[bytes]]] = deque()
    for piece in pieces:
        waiting.append((len(piece), pool.submit(pack_piece, piece)))
        if len(waiting) == _WINDOW:
            length, packed = waiting.popleft()
            yield length, packed.result()
    for length, packed in waiting:
        yield length, packed.result()


def _read_piece(source: int) -> bytes:
    """Return the next piece; a shorter one is the last."""
    parts, room = [], PIECE_BYTES
    while room:
        part = os.read(source, room)
        if not part:
            break
        parts.append(part)
        room -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def pack_piece(piece: bytes) -> bytes:
    """Return a gzip member of the piece, which was unpacked again to see that it holds the same.

    :raises PackingProblem: when it does not: memory or processor of this machine are faulty.
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    member = packer.compress(piece) + packer.flush()
    try:
        unpacked = zlib.decompress(member, _GZIP, len(piece))
    except zlib.error as exc:
        raise PackingProblem(f"what was packed cannot be unpacked ({plain(str(exc), 100)})") from exc
    if unpacked != piece:
        raise PackingProblem("what was packed unpacks to something else; look at the memory of this machine")
    return member


def write_all(target: int, data: bytes) -> None:
    """Write every byte, or raise what the system says."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view):]


def _read_back(target: int, size: int, checksum: int) -> None:
    """Compare what can be read with what was written."""
    os.lseek(target, 0, os.SEEK_SET)
    count, found = 0, 0
    while True:
        data = os.read(target, PIECE_BYTES)
        if not data:
            break
        count, found = count + len(data), zlib.crc32(data, found)
    if (count, found) != (size, checksum):
        raise PackingProblem("the packed copy does not read back as it was written; look at the disk")


def _zstd(folder: int, raw: str, draft: str, size: int) -> None:
    """Pack with the program zstd, which keeps a checksum and compares it when it tests the copy."""
    patience = 60 + size / _SLOWEST_BYTES_PER_SECOND
    place = f"/proc/self/fd/{folder}"
    for argv in (
        ["zstd", "-q", "-3", "--check", "-o", f"./{draft}", f"./{raw}"],
        ["zstd", "-q", "-t", f"./{draft}"],
    ):
        result = run_command(argv, timeout_seconds=patience, directory=place)
        if result.problem:
            raise PackingProblem("the program zstd is not installed on this host; install it or choose compress: gzip")
        if not result.succeeded:
            raise PackingProblem(f"zstd failed ({plain(result.stderr, 150).rstrip('.') or 'it said nothing'})")
