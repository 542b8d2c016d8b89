# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams of bytes as iterators of chunks: read a file, look at the first bytes, read ahead in a thread, read exactly."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import Union

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread

CHUNK_BYTES = 256 * 1024
#: Bytes that may be gone when the next ones are asked for.
Chunk = Union[bytes, memoryview]
#: Returns memory for the next chunk, which may be gone when it is called again.
Space = Callable[[], memoryview]
#: Is given a chunk, where in it the next byte is, and the position of that in the stream; returns where in the chunk to go on.
PassOver = Callable[[Chunk, int, int], int]
_CHUNKS_AHEAD = 4
#: No file is this long, and pread() takes no larger number.
_FURTHEST = 2**62


def own_space() -> Space:
    """Return the space of who reads chunks one by one: the same memory for each."""
    view = memoryview(bytearray(CHUNK_BYTES))
    return lambda: view


def file_chunks(descriptor: int, budget: Budget) -> Iterator[bytes]:
    """Yield the bytes of an open file from its beginning, within the time of the budget."""
    offset = 0
    while True:
        budget.check_time()
        chunk = read_at(descriptor, offset, CHUNK_BYTES)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk


def read_at(descriptor: int, offset: int, count: int) -> bytes:
    """Return up to ``count`` bytes of a file.

    :raises Unread: when the file cannot be read, as on a failing disk.
    """
    if offset >= _FURTHEST:
        return b""  # a directory of a zip archive may say so
    try:
        return os.pread(descriptor, count, offset)
    except OSError as error:
        raise Unread(
            f"could not be read at byte {offset} ({error.strerror})", hint="Look at the disk: dmesg --level=err,crit"
        ) from None


def look_ahead(chunks: Iterator[Chunk], count: int) -> tuple[bytes, Iterator[Chunk]]:
    """Return the first ``count`` bytes, fewer at the end, and an iterator of all chunks."""
    head = b""
    while len(head) < count:
        chunk = next(chunks, b"")
        if not chunk:
            break
        head += chunk
    return head[:count], chain((head,) if head else (), chunks)


class Peekable:
    """An iterator of chunks whose next bytes can be looked at, and to which bytes can be given back."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._front = b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._front:
            chunk, self._front = self._front, b""
            return chunk
        return next(self._chunks)

    def peek(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end, and leave them there."""
        while len(self._front) < count:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._front += chunk
        return self._front[:count]

    def give_back(self, data: bytes) -> None:
        """Let ``data`` be read again before all else."""
        self._front = data + self._front

    def skip_zeros(self) -> int:
        """Pass over the zero bytes that come next; return how many they were."""
        count = 0
        for chunk in self:
            left = chunk.lstrip(b"\0")
            count += len(chunk) - len(left)
            if left:
                self.give_back(left)
                break
        return count


class ReadAhead:
    """An iterator that is run by a thread a few chunks ahead of who reads it: unpacking releases the interpreter.

    Whatever the iterator raises is raised to the reader. Leaving the ``with`` block ends the thread.

    :param chunks: each may be gone when the next one is asked for; those that are read stay.
    """

    def __init__(self, chunks: Generator[Chunk, None, None]) -> None:
        self._chunks = chunks
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_CHUNKS_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = True

    def __enter__(self) -> Iterator[bytes]:
        try:
            self._thread.start()
        except RuntimeError:  # the host has too many threads: it is run as it is asked for
            self._started = False
            return map(bytes, self._chunks)
        return self._read()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._started:
            self._chunks.close()
            return
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)  # makes room for a thread that waits to put
            except queue.Empty:
                pass
        self._thread.join()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for chunk in self._chunks:
                self._queue.put(bytes(chunk))
                if self._stop.is_set():
                    break
        except BaseException as error:  # whatever it is, it belongs to the reader
            end = error
        finally:
            self._chunks.close()
        if not self._stop.is_set():
            self._queue.put(end)

    def _read(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item


class ByteReader:
    """Reads exact numbers of bytes from chunks.

    :ivar position: how many bytes were read.
    :ivar ended: the stream had fewer bytes than were asked for.
    """

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._chunk: Chunk = b""
        self._at = 0
        self.position = 0
        self.ended = False

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes; fewer at the end of the stream. Small counts only."""
        start = self._at
        end = start + count
        if end <= len(self._chunk):
            self._at = end
            self.position += count
            return bytes(self._chunk[start:end])
        parts = []
        while count:
            part = self.some(count)
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def some(self, most: int) -> bytes:
        """Return up to ``most`` of the next bytes, as many as are at hand; none at the end of the stream."""
        if self._at == len(self._chunk):
            self._at = 0
            self._chunk = next(self._chunks, b"")
            if not self._chunk:
                self.ended = True
                return b""
        part = bytes(self._chunk[self._at : self._at + most])
        self._at += len(part)
        self.position += len(part)
        return part

    def view(self, most: int) -> memoryview:
        """As :meth:`some`, without a copy."""
        if self._at == len(self._chunk):
            self._at = 0
            self._chunk = next(self._chunks, b"")
            self.ended = not self._chunk
        part = memoryview(self._chunk)[self._at : self._at + most]
        self._at += len(part)
        self.position += len(part)
        return part

    def view_of(self, count: int) -> Chunk | None:
        """Return the next ``count`` bytes without a copy when they are all at hand, else None and read nothing."""
        start = self._at
        end = start + count
        if end > len(self._chunk):
            return None
        self._at = end
        self.position += count
        return self._chunk[start:end]

    def advance(self, pass_over: PassOver) -> None:
        """Go on where a function says, among the bytes that are at hand."""
        at = pass_over(self._chunk, self._at, self.position)
        self.position += at - self._at
        self._at = at

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes; return how many there were."""
        left = count
        while True:
            there = len(self._chunk) - self._at
            if left <= there:
                self._at += left
                self.position += count
                return count
            left -= there
            self._at = 0
            self._chunk = next(self._chunks, b"")
            if not self._chunk:
                self.ended = True
                self.position += count - left
                return count - left
