# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blocks of whole lines out of a part of a file, plain or packed with gzip, with room for one block at a time."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.files import LogFile, Unreadable, open_log
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.formats import GZIP
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import unpacked_chunks
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable as NotUnpacked

#: What becomes of a block takes six times its room, which is to stay in the cache that a processor has for itself.
BLOCK_BYTES = 128 * 1024
#: A longer line is no line of an access log. It is counted as one that cannot be read.
MAX_LINE_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Part:
    """What one process reads at a time.

    :ivar begin: where in a plain file its lines begin, or somewhere in the line before them; ``end`` likewise.
    :ivar stripe: of a packed file, which cannot be entered in the middle: it takes the blocks whose number leaves this
        remainder when it is divided by ``stripes``.
    """

    file: LogFile
    begin: int = 0
    end: int = 0
    stripe: int = 0
    stripes: int = 1

    @property
    def weight(self) -> int:
        """How much work it is, in bytes of plain text."""
        return self.file.size * 8 // self.stripes if self.file.packing else self.end - self.begin


@dataclass
class Reading:
    """The blocks of a part.

    :ivar too_long: lines that were passed over.
    :ivar problem: why not all of it could be read; '' when it could.
    """

    part: Part
    too_long: int = 0
    problem: str = ""

    def blocks(self) -> Iterator[bytes]:
        """Yield blocks of whole lines, none empty and none with a newline at its end."""
        try:
            descriptor = open_log(self.part.file.path)
        except FileNotFoundError:
            self.problem = "vanished while it was read"
            return
        except Unreadable as exc:
            self.problem = str(exc)
            return
        try:
            state = os.fstat(descriptor)
            if (state.st_dev, state.st_ino) != self.part.file.identity:
                self.problem = "was exchanged for another file while it was read; look again"
                return
            if self.part.file.packing:
                blocks = self._whole_lines(self._unpacked(descriptor))
                mine = (block for number, block in enumerate(blocks) if number % self.part.stripes == self.part.stripe)
                yield from mine
            else:
                yield from self._whole_lines(self._plain(descriptor))
        except OSError as exc:
            self.problem = f"cannot be read to its end ({exc.strerror})"
        finally:
            os.close(descriptor)

    def _plain(self, descriptor: int) -> Iterator[bytes]:
        """Yield the bytes of the lines that begin in the part; holes, in which nothing was ever written, are passed over."""
        position = self.part.begin
        if position:
            position = _next_line(descriptor, position - 1, self.part.end)
            if position >= self.part.end:
                return  # a line that begins before the part, and ends behind it
        while position < self.part.end:
            data = os.pread(descriptor, min(BLOCK_BYTES, self.part.end - position), position)
            if not data:
                self.problem = "was truncated while it was read, so that lines may be missing; look again"
                return
            if not data.strip(b"\0"):
                position = _next_data(descriptor, position, len(data))
                continue
            yield data
            position += len(data)
        if position == self.part.end and self.part.end < self.part.file.size:
            end = _next_line(descriptor, position - 1, position + MAX_LINE_BYTES)
            yield os.pread(descriptor, end - position, position)

    def _unpacked(self, descriptor: int) -> Iterator[bytes]:
        """Yield the content of a packed file; that it is damaged or cut off is a problem."""
        if self.part.file.packing == GZIP:
            yield from self._members(descriptor)
            return
        try:
            yield from unpacked_chunks(descriptor, self.part.file.packing, self.part.file.size, _PATIENCE_SECONDS)
        except NotUnpacked as exc:
            self.problem = str(exc)

    def _members(self, descriptor: int) -> Iterator[bytes]:
        """Yield the content of all members of a gzip file; what follows the last one and is no member is a problem."""
        unpacking, position, fresh = zlib.decompressobj(_GZIP), 0, True
        while True:
            data = os.pread(descriptor, BLOCK_BYTES // 4, position)
            position += len(data)
            if not data:
                if not fresh:
                    self.problem = "is cut off: its end is missing"
                return
            full = False
            while data or full:
                fresh = False
                try:
                    content = unpacking.decompress(data, BLOCK_BYTES)
                except zlib.error:
                    self.problem = "is damaged: it cannot be unpacked to its end"
                    return
                if content:
                    yield content
                full = len(content) == BLOCK_BYTES and not unpacking.eof
                data = unpacking.unconsumed_tail
                if unpacking.eof:
                    data = unpacking.unused_data.lstrip(b"\0")
                    unpacking, fresh = zlib.decompressobj(_GZIP), True

    def _whole_lines(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        rest, skipping = b"", False
        for chunk in chunks:
            if skipping:
                _line, newline, chunk = chunk.partition(b"\n")
                skipping = not newline
            end = chunk.rfind(b"\n")
            if end < 0:
                rest += chunk
            else:
                block = rest + chunk[:end]
                rest = chunk[end + 1 :]
                if block:
                    yield block
            if len(rest) > MAX_LINE_BYTES:
                self.too_long += 1
                rest, skipping = b"", True
        if rest:
            yield rest


def _next_line(descriptor: int, position: int, limit: int) -> int:
    """Return where the next line begins at or after a position, looking no further than ``limit``."""
    while position < limit:
        data = os.pread(descriptor, min(MAX_LINE_BYTES, limit - position), position)
        if not data:
            return limit
        found = data.find(b"\n")
        if found >= 0:
            return position + found + 1
        position += len(data)
    return limit


def _next_data(descriptor: int, position: int, length: int) -> int:
    """Return where data begin after a run of zeros: behind them, or behind the whole hole where they are one."""
    try:
        return max(position + length, os.lseek(descriptor, position + length, os.SEEK_DATA))
    except OSError:
        return position + length


def parts_of(files: list[LogFile], *, processes: int, part_bytes: int) -> list[Part]:
    """Return what there is to read, the heaviest first.

    A file packed with gzip that is more than its share of the work is given to every process: each unpacks the whole, which is the lesser
    work, and takes its share of the lines.

    :param part_bytes: how long a part of a plain file is.
    """
    whole = sum(Part(file, 0, file.size).weight for file in files)
    parts = []
    for file in files:
        if not file.packing:
            parts += [Part(file, begin, min(begin + part_bytes, file.size)) for begin in range(0, file.size, part_bytes)]
        elif file.packing == GZIP and processes > 1 and Part(file).weight * processes > whole:
            parts += [Part(file, stripe=number, stripes=processes) for number in range(processes)]
        else:
            parts.append(Part(file))
    return sorted(parts, key=lambda part: -part.weight)
