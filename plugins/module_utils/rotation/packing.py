# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packing an archive: written beside it, flushed to disk, read back, and only then in its place."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import PACKING, SUFFIXES
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_BLOCK = 256 * 1024
_GZIP = 31  # zlib's window bits for a gzip stream with header and checksum
_LEVEL = 6
_SLOWEST_BYTES_PER_SECOND = 2 * 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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


def pack(folder: int, raw: str, compress: str) -> tuple[str, int]:
    """Write the packed copy of an archive beside it, under a name that says that it is unfinished.

    It is on the disk and was read back when this returns; nothing else has changed.

    :param folder: descriptor of the folder.
    :param raw: name of the archive.
    :param compress: ``gzip`` or ``zstd``.
    :returns: the unfinished name, and how many bytes of the archive are in it.
    :raises PackingProblem: when it cannot be packed; the unfinished copy is removed.
    """
    draft = f"{raw}{SUFFIXES[compress]}{PACKING}"
    try:
        with opened(raw, _READ, folder) as source:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise PackingProblem("it is no ordinary file of its own any more")
            _remove(draft, folder)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            if compress == "zstd":
                _zstd(folder, raw, draft, status.st_size)
                flags = os.O_RDWR  # zstd made it
            with opened(draft, flags | os.O_NOFOLLOW | os.O_CLOEXEC, folder) as target:
                size = _gzip(source, target) if compress == "gzip" else status.st_size
                like(target, source, status)
                os.fsync(target)
                if compress == "gzip":
                    _read_back(target, size)
        return draft, size
    except OSError as exc:
        _remove(draft, folder)
        raise PackingProblem(f"{exc.strerror}") from exc
    except PackingProblem:
        _remove(draft, folder)
        raise


def _remove(name: str, folder: int) -> None:
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


def _gzip(source: int, target: int) -> int:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    size = 0
    while True:
        block = os.read(source, _BLOCK)
        if not block:
            break
        size += len(block)
        write_all(target, packer.compress(block))
    write_all(target, packer.flush())
    return size


def write_all(target: int, data: bytes) -> None:
    """Write every byte, or raise what the system says."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view):]


def _read_back(target: int, size: int) -> None:
    """Unpack what was written; zlib compares the checksum that gzip keeps."""
    os.lseek(target, 0, os.SEEK_SET)
    unpacker = zlib.decompressobj(_GZIP)
    count = 0
    try:
        while not unpacker.eof:
            data = unpacker.unconsumed_tail or os.read(target, _BLOCK)
            if not data:
                break
            count += len(unpacker.decompress(data, 4 * _BLOCK))
    except zlib.error as exc:
        raise PackingProblem(f"the packed copy cannot be read back ({plain(str(exc), 100)}); look at the disk") from exc
    if not unpacker.eof or count != size or unpacker.unused_data or os.read(target, 1):
        raise PackingProblem(f"the packed copy holds {count} of {size} bytes when read back; look at the disk")


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
