# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compress a stream into a file while it is made: by the program zstd, by zlib in threads, or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

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
_READ_BYTES = 256 * 1024
_PIPE_BYTES = 1024 * 1024
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, which the module fcntl knows from Python 3.10 on
_LOOK_EVERY_BYTES = 16 * 1024 * 1024
_ERROR_BYTES = 4096


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
    """The archive itself, hashed while it is written."""

    def __init__(self, descriptor: int, reserve_bytes: int = 0) -> None:
        super().__init__(descriptor, reserve_bytes)
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._hash.update(data)


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
    return GZIP if compression == ZSTD and not shutil.which("zstd") else compression


def start_packer(compression: str, level: int | None, target: PackedFile) -> Packer:
    """Return what compresses a stream into ``target``.

    :param level: within LEVELS of the compression, or None for its default.
    :raises UpkeepError: when the program cannot be started.
    """
    if compression == NONE:
        return _Plain(target)
    chosen = _DEFAULT_LEVELS[compression] if level is None else level
    return _Zstd(chosen, target) if compression == ZSTD else _Gzip(chosen, target)


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
    """The program zstd, whose output a thread takes: so it is hashed on its way, and a full disk is our own error."""

    def __init__(self, level: int, target: PackedFile) -> None:
        program = shutil.which("zstd")
        if not program:
            raise UpkeepError("the program zstd is not installed on this host; install it or choose compression: gzip")
        threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
        # Streaming: run_command() keeps what a program writes.
        self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            (program, f"-{level}", f"-T{threads}", "--check", "--quiet", "--stdout"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env={**os.environ, "LC_ALL": "C"}, start_new_session=True, bufsize=0,
        )
        self._error: BaseException | None = None
        self._aborted = ""
        self._target = target
        if self._process.stdin is None or self._process.stdout is None or self._process.stderr is None:
            raise UpkeepError("zstd was started without pipes")
        self._stdin, self._stdout, self._stderr = self._process.stdin, self._process.stdout, self._process.stderr
        for pipe in (self._stdin, self._stdout):
            try:
                fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _PIPE_BYTES)
            except OSError:
                pass  # a smaller pipe only takes longer
        self._taker = threading.Thread(target=self._take, name="zstd output", daemon=True)
        self._taker.start()

    def write(self, parts: list[bytes]) -> None:
        try:
            for data in _joined(parts):
                write_all(self._stdin.fileno(), data)
        except BrokenPipeError:
            self._end()
            raise UpkeepError("zstd ended before it had read all that was to be packed") from None

    def finish(self) -> None:
        self._stdin.close()
        self._end()

    def abort(self, reason: str) -> None:
        self._aborted = reason
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._taker.join()
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()

    def _take(self) -> None:
        try:
            while True:
                data = os.read(self._stdout.fileno(), _READ_BYTES)
                if not data:
                    return
                self._target.write(data)
        except BaseException as error:  # belongs to who writes
            self._error = error
            self._process.kill()

    def _end(self) -> None:
        """Wait for the program, and raise what went wrong."""
        self._taker.join()
        said = os.read(self._stderr.fileno(), _ERROR_BYTES)
        status = self._process.wait()
        if self._error is not None:
            raise self._error
        if self._aborted:
            raise UpkeepError(self._aborted)
        if status:
            raise UpkeepError(f"zstd ended with {status}: {plain(decode(said), 200) or 'it said nothing'}")


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
