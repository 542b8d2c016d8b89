# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far each log was read: what is written down of a file so that it is known again under another name, or packed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import MARK_BYTES, Look, Mark

#: What follows the place where reading ended, when a packed file was not read to its end, is seldom longer.
_RECENT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Record:
    """How far a file was read.

    :ivar kind: how it was packed, or empty.
    :ivar offset: position in what it holds, unpacked; everything before is told.
    :ivar head: its first bytes. :ivar tail: the bytes before the offset.
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
            list(self.head), list(self.tail), self.seen,
        ]  # fmt: skip

    @classmethod
    def from_json(cls, stored: Any) -> Record:
        """Read what :meth:`to_json` returns.

        :raises ValueError: when it has another form.
        """
        path, log, device, inode, size, mtime_ns, kind, offset, head, tail, seen = stored
        numbers = (device, inode, size, mtime_ns, offset, head[0], tail[0])
        texts = (path, log, kind, head[1], tail[1])
        if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
            raise ValueError("a record in it has another form")
        return cls(path, log, device, inode, size, mtime_ns, kind, offset, Mark(*head), Mark(*tail), float(seen))


def record_of(look: Look, offset: int, head: Mark, tail: Mark, seen: float) -> Record:
    """Return the record of a file that was read up to ``offset``."""
    return Record(
        look.found.path, look.found.log, look.device, look.inode, look.size, look.mtime_ns, look.kind, offset, head, tail, seen
    )


def plain_marks(descriptor: int, offset: int) -> tuple[Mark, Mark]:
    """Return the marks of a plain file that was read up to ``offset``."""
    return Mark.of(os.pread(descriptor, MARK_BYTES, 0)), tail_mark(descriptor, offset, MARK_BYTES)


def tail_mark(descriptor: int, offset: int, length: int) -> Mark:
    """Return the mark of the bytes before ``offset``."""
    length = min(length, offset)
    return Mark.of(os.pread(descriptor, length, offset - length))


class Trail:
    """Watches chunks go by, and gives the marks of what went by."""

    def __init__(self) -> None:
        self._head = b""
        self._recent = b""
        self.position = 0

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks."""
        for chunk in chunks:
            if len(self._head) < MARK_BYTES:
                self._head += chunk[: MARK_BYTES - len(self._head)]
            self._recent = (self._recent + chunk)[-_RECENT_BYTES:]
            self.position += len(chunk)
            yield chunk

    def head(self, length: int) -> Mark:
        """Return the mark of the first bytes."""
        return Mark.of(self._head[:length])

    def tail(self, offset: int, length: int) -> Mark | None:
        """Return the mark of the bytes before ``offset``, or None when they are not at hand any more."""
        end = len(self._recent) - (self.position - offset)
        length = min(length, offset)
        return Mark.of(self._recent[end - length : end]) if end >= length and offset <= self.position else None
