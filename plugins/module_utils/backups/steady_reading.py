# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a file as it was at one moment, or say that it was torn."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

#: Files up to this are read whole, and again when they changed meanwhile.
SMALL_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
#: A change so shortly after another may leave times and size as they were: the clock of file systems ticks this slowly.
TICK_NANOSECONDS = 20_000_000

_ATTEMPTS = 8
_PAUSE_SECONDS = 0.02


def unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    """Tell whether a file has the same size and times."""
    return (
        before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
    )


def read_again(descriptor: int) -> tuple[bytes, os.stat_result, bool] | None:
    """Read a small file whole, several times if it changes while it is read.

    :return: its contents, its status, and whether it was torn: no attempt saw it unchanged. None when it has become too large.
    :raises OSError: when it cannot be read.
    """
    data = b""
    status = os.fstat(descriptor)
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS * attempt)
        status = os.fstat(descriptor)
        if status.st_size > SMALL_BYTES:
            return None
        data = _read_from_start(descriptor, status.st_size + 1)
        if len(data) == status.st_size and _settled(status) and unchanged(status, os.fstat(descriptor)):
            return data, status, False
    return data[: status.st_size], status, True


def _settled(status: os.stat_result) -> bool:
    """Tell whether a further change would show in the times; one in the future is that of a clock that was set back."""
    age = time.time_ns() - status.st_ctime_ns
    return age < 0 or age > TICK_NANOSECONDS


def _read_from_start(descriptor: int, most: int) -> bytes:
    parts = []
    at = 0
    while at < most:
        part = os.pread(descriptor, most - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


class LargeFile:
    """A file that is too large to be kept in memory: it yields exactly the bytes that its status announced.

    :param descriptor: belongs to this object, which closes it.
    :ivar status: as it was when reading began.
    :ivar size: how many bytes it announced.
    :ivar torn: after all was read: it changed meanwhile, and zeros stand for what was cut off.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.status = os.fstat(descriptor)
        self.size = self.status.st_size
        self.torn = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the contents.

        :raises OSError: when they cannot be read.
        """
        at = 0
        while at < self.size:
            data = os.pread(self._descriptor, min(self.size - at, CHUNK_BYTES), at)
            if not data:
                break
            at += len(data)
            yield data
        self.torn = at < self.size or not unchanged(self.status, os.fstat(self._descriptor))
        while at < self.size:
            data = bytes(min(self.size - at, CHUNK_BYTES))
            at += len(data)
            yield data

    def close(self) -> None:
        """Close the file; as often as one likes."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
