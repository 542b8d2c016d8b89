# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compress a stream into a file while it is made: by the library zstd, by zlib in threads, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_library import Compressor, ZstdError, load_library
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.kernel_calls import begin_write_back

if TYPE_CHECKING:
    from ctypes import CDLL

ZSTD, GZIP, NONE = "zstd", "gzip", "none"
SUFFIXES = {ZSTD: ".tar.zst", GZIP: ".tar.gz", NONE: ".tar"}
LEVELS = {ZSTD: (1, 19), GZIP: (1, 9), NONE: (0, 0)}
_DEFAULT_LEVELS = {ZSTD: 3, GZIP: 6}

#: Each thread of zstd takes some 11 MiB, and with more than these it would only wait for what is read and hashed.
_MOST_THREADS = 3
_GZIP_THREADS = 2
_GZIP_BLOCK_BYTES = 512 * 1024
_GZIP_WINDOW_BYTES = 32 * 1024
#: No name, no time, and the system is Unix: the same contents make the same archive.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
_RAW_DEFLATE = -15

_LARGE_PART_BYTES = 128 * 1024
_LOOK_EVERY_BYTES = 16 * 1024 * 1024
#: The disk writes while the rest is packed: else all of that comes when the archive is synced, and everybody waits for it.
_WRITE_BACK_BYTES = 16 * 1024 * 1024


class GuardedFile:
    """A file that is written, and stopped before it takes the room that others need.

    :param descriptor: of the file, which the caller closes.
    :param reserve_bytes: so much room is to stay on its file system.
    :ivar bytes: how many were written.
    """

    def __init__(self, descriptor: int, reserve_bytes: int) -> None:
        self.bytes = 0
        self._descriptor = descriptor
        self._reserve = reserve_bytes
        self._look_at = 0

    def write(self, data: bytes) -> None:
        """Append bytes.

        :raises OSError: when the disk does not take them, or too little room would be left on it.
        """
        if self._reserve and self.bytes >= self._look_at:
            self._look_at = self.bytes + _LOOK_EVERY_BYTES
            free = os.fstatvfs(self._descriptor)
            if free.f_bavail * free.f_frsize < self._reserve:
                raise OSError(errno.ENOSPC, "the room that min_free_percent keeps free is reached")
        write_all(self._descriptor, data)
        self.bytes += len(data)


class PackedFile(GuardedFile):
    """The archive itself, hashed while it is written, and on its way to the disk."""

    def __init__(self, descriptor: int, reserve_bytes: int = 0) -> None:
        super().__init__(descriptor, reserve_bytes)
        self._hash = hashlib.sha256()
        self._on_its_way = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._hash.update(data)
        if self.bytes - self._on_its_way >= _WRITE_BACK_BYTES:
            begin_write_back(self._descriptor, self._on_its_way, self.bytes - self._on_its_way)
            self._on_its_way = self.bytes


class Packer(Protocol):
    """Takes the stream; what it raises is an UpkeepError or an OSError of the file."""

    def write(self, parts: list[bytes]) -> None:
        """Take the next bytes, which are a row of parts."""

    def finish(self) -> None:
        """Write all that is left; the file then has everything."""

    def abort(self, reason: str) -> None:
        """Let a write or finish in which another thread waits end with an error that says this; any thread may call it."""

    def close(self) -> None:
        """Let go of threads, programs and pipes, whatever is lost, when no other thread uses this any more."""


def usable(compression: str) -> str:
    """Return the compression that can be had: gzip in place of a zstd that is not installed."""
    return GZIP if compression == ZSTD and load_library() is None else compression


def start_packer(compression: str, level: int | None, target: PackedFile) -> Packer:
    """Return what compresses a stream into ``target``.

    :param level: within LEVELS of the compression, or None for its default.
    :raises UpkeepError: when it cannot be had.
    """
    if compression == NONE:
        return _Plain(target)
    chosen = _DEFAULT_LEVELS[compression] if level is None else level
    if compression == GZIP:
        return _Gzip(chosen, target)
    library = load_library()
    if library is None:
        raise UpkeepError("the library libzstd is not installed on this host; install it or choose compression: gzip")
    try:
        return _Zstd(library, chosen, target)
    except ZstdError as exc:
        raise UpkeepError(f"zstd cannot pack: {exc}") from exc


def _joined(parts: list[bytes]) -> Iterator[bytes]:
    """Yield the bytes of all parts: small ones joined, since every system call has its price, large ones as they are."""
    small: list[bytes] = []
    for part in parts:
        if len(part) < _LARGE_PART_BYTES:
            small.append(part)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield part
    if small:
        yield b"".join(small)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, or raise what the system says."""
    written = os.write(descriptor, data)
    if written < len(data):
        view = memoryview(data)[written:]
        while view:
            view = view[os.write(descriptor, view):]


class _Plain:
    """No compression."""

    def __init__(self, target: PackedFile) -> None:
        self._target = target

    def write(self, parts: list[bytes]) -> None:
        for data in _joined(parts):
            self._target.write(data)

    def finish(self) -> None:
        """Everything is written already."""

    def abort(self, reason: str) -> None:
        """There is nothing that waits."""

    def close(self) -> None:
        """There is nothing to let go of."""


class _Zstd:
    """The library zstd, whose threads pack while others read and hash."""

    def __init__(self, library: CDLL, level: int, target: PackedFile) -> None:
        self._target = target
        self._aborted = ""
        self._compressor = Compressor(library, level, min(_MOST_THREADS, len(os.sched_getaffinity(0))))

    def write(self, parts: list[bytes]) -> None:
        for data in _joined(parts):
            self._take(self._compressor.pack(data))

    def finish(self) -> None:
        self._take(self._compressor.finish())

    def abort(self, reason: str) -> None:
        self._aborted = reason

    def close(self) -> None:
        self._compressor.close()

    def _take(self, packed: Iterator[bytes]) -> None:
        try:
            for data in packed:
                if self._aborted:
                    raise UpkeepError(self._aborted)
                self._target.write(data)
        except ZstdError as exc:
            raise UpkeepError(f"zstd cannot pack: {exc}") from exc


class _Gzip:
    """zlib in two threads: blocks that continue each other's window, all in one ordinary gzip member."""

    def __init__(self, level: int, target: PackedFile) -> None:
        self._level = level
        self._target = target
        self._pool = ThreadPoolExecutor(_GZIP_THREADS, "gzip")
        self._waiting: deque[Future[bytes]] = deque()
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._window = b""
        self._checksum = self._bytes = 0
        target.write(_GZIP_HEADER)

    def write(self, parts: list[bytes]) -> None:
        for data in _joined(parts):
            view = memoryview(data)
            while len(view) >= (room := _GZIP_BLOCK_BYTES - self._kept_bytes):
                self._submit(b"".join([*self._kept, view[:room]]), zlib.Z_SYNC_FLUSH)
                self._kept, self._kept_bytes, view = [], 0, view[room:]
            if view:
                self._kept.append(bytes(view))
                self._kept_bytes += len(view)

    def finish(self) -> None:
        self._submit(b"".join(self._kept), zlib.Z_FINISH)
        while self._waiting:
            self._target.write(self._waiting.popleft().result())
        self._target.write(struct.pack("<II", self._checksum, self._bytes & 0xFFFFFFFF))

    def abort(self, reason: str) -> None:
        """A block takes milliseconds, and no write waits longer than for a few of them."""

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, block: bytes, flush: int) -> None:
        self._waiting.append(self._pool.submit(_deflate, block, self._window, self._level, flush))
        self._window = block[-_GZIP_WINDOW_BYTES:]
        self._checksum = zlib.crc32(block, self._checksum)
        self._bytes += len(block)
        if len(self._waiting) > 2 * _GZIP_THREADS:
            self._target.write(self._waiting.popleft().result())


def _deflate(block: bytes, window: bytes, level: int, flush: int) -> bytes:
    """Return a block as raw deflate that may refer to the end of the block before."""
    if window:
        packer = zlib.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE, zdict=window)
    else:
        packer = zlib.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)
    return packer.compress(block) + packer.flush(flush)
