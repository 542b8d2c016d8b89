# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far each log was read: what is written down of a file so that it is known again under another name, or packed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import MARK_BYTES, Look, Mark

#: So many first bytes tell a copy of a log that is shorter than its head.
START_BYTES = 64
#: In the place of how a file is packed: it was a copy of a log, and nothing of it was read.
COPIED = "copy"
#: What follows the place where reading ended, such as a line without an end, is seldom longer.
_RECENT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Record:
    """How far a file was read.

    :ivar kind: how it was packed, empty, or COPIED.
    :ivar offset: position in what it holds, unpacked; everything before is told.
    :ivar start: its first few bytes. :ivar head: more of them. :ivar tail: the bytes before the offset.
    :ivar seen: seconds since the epoch of the last run that met it.
    """

    path: str
    log: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    kind: str
    offset: int
    start: Mark
    head: Mark
    tail: Mark
    seen: float

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    def to_json(self) -> list[Any]:
        """Return it as it is stored."""
        return [
            self.path, self.log, self.device, self.inode, self.size, self.mtime_ns, self.kind, self.offset,
            list(self.start), list(self.head), list(self.tail), self.seen,
        ]  # fmt: skip

    @classmethod
    def from_json(cls, stored: Any) -> Record:
        """Read what :meth:`to_json` returns.

        :raises ValueError: when it has another form.
        """
        path, log, device, inode, size, mtime_ns, kind, offset, *marks, seen = stored
        start, head, tail = (Mark(*mark) for mark in marks)
        numbers = (device, inode, size, mtime_ns, offset, start.length, head.length, tail.length)
        texts = (path, log, kind, start.digest, head.digest, tail.digest)
        if not all(isinstance(number, int) for number in numbers) or not all(isinstance(text, str) for text in texts) or not math.isfinite(seen):
            raise ValueError("a record in it has another form")
        return cls(path, log, device, inode, size, mtime_ns, kind, offset, start, head, tail, float(seen))


def record_of(look: Look, offset: int, head: bytes, tail: Mark, seen: float, *, kind: str | None = None) -> Record:
    """Return the record of a file that was read up to ``offset``.

    :param head: its first MARK_BYTES bytes, unpacked; empty when they are not known.
    :param kind: instead of that of the file.
    """
    return Record(
        look.found.path, look.found.log, look.device, look.inode, look.size, look.mtime_ns, look.kind if kind is None else kind,
        offset, Mark.of(head[:START_BYTES]), Mark.of(head), tail, seen,
    )  # fmt: skip


def tail_mark(descriptor: int, offset: int, length: int) -> Mark:
    """Return the mark of the bytes before ``offset``."""
    length = min(length, offset)
    return Mark.of(os.pread(descriptor, length, offset - length))


class Trail:
    """Watches chunks go by.

    :param position: of the first byte of the first chunk. :param before: the bytes before that, MARK_BYTES of them.
    :ivar head: the first MARK_BYTES bytes, or as many as went by. :ivar position: that of the next byte.
    """

    def __init__(self, position: int = 0, before: bytes = b"") -> None:
        self.head = b""
        self._recent = before
        self.position = position

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks."""
        for chunk in chunks:
            if len(self.head) < MARK_BYTES:
                self.head += chunk[: MARK_BYTES - len(self.head)]
            self._recent = (self._recent + chunk if len(chunk) < _RECENT_BYTES else chunk)[-_RECENT_BYTES:]
            self.position += len(chunk)
            yield chunk

    def tail(self, offset: int, length: int) -> Mark | None:
        """Return the mark of the bytes before ``offset``, or None when they are not at hand any more."""
        end = len(self._recent) - (self.position - offset)
        length = min(length, offset)
        return Mark.of(self._recent[end - length : end]) if end >= length and offset <= self.position else None
