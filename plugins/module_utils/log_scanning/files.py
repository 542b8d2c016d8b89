# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log files: opened with care, known again by what they hold, read plain or packed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.formats import (
    BZIP2,
    GZIP,
    HEAD_BYTES,
    XZ,
    ZIP,
    ZSTD,
    foreign_format,
    outer_format,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import file_chunks
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.unpacking import unpack
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe import unpack_zstd
from ansible_collections.upkeep.runbook.plugins.module_utils.followed_links import foreign_link
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.blocks import BLOCK_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.finding import Found
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Gone, Unreadable, refused_by_system
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: So many bytes at the beginning of a log, and before the place where reading ended, tell it from others.
MARK_BYTES = 1024
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip
#: Logs pack well, and one of zeros to a thousandth.
_RATIO = 1100.0


class Mark(NamedTuple):
    """Some bytes by their number and hash."""

    length: int
    digest: str

    @classmethod
    def of(cls, data: bytes) -> Mark:
        """Return the mark of ``data``."""
        return cls(len(data), hashlib.sha256(data).hexdigest()[:32])


class Look(NamedTuple):
    """A file as it was found.

    :ivar kind: how it is packed (``gz``, ``xz``, ``bz2``, ``zst``), or empty.
    :ivar head: its first MARK_BYTES bytes; empty when it is packed.
    """

    found: Found
    device: int
    inode: int
    size: int
    mtime_ns: int
    kind: str
    head: bytes

    @property
    def identity(self) -> tuple[int, int]:
        """What makes it the same file whatever its name is."""
        return self.device, self.inode


@contextmanager
def opened(path: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file; what is none is never opened, since opening alone can wait or act.

    :raises Unreadable: with the reason; :class:`Gone` when it is not there any more.
    """
    descriptor = -1
    try:
        status = os.stat(path)
        _refuse_what_is_no_file(status.st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
            raise Gone("was exchanged for another file just now", "Run again.")
        link = foreign_link(path, descriptor)
        if link is not None:
            which = "is a link" if link == path else f"is reached by a link ({plain(link, 100)})"
            raise Unreadable(f"{which} that neither root nor the owner of the file made", "Name the log itself.")
        yield descriptor, now
    except OSError as exc:
        raise refused_by_system(exc) from None
    except ValueError as exc:
        raise Unreadable(f"is no path ({exc})", "Correct the path.") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _refuse_what_is_no_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "no file")
        raise Unreadable(f"is {kind}, and no log in a file", "Name the log itself, or take it out.")


def look_at(found: Found) -> Look:
    """Return what a file is.

    :raises Unreadable: when it cannot be opened, or is of a kind that is not read here.
    """
    with opened(found.path) as (descriptor, status):
        head = os.pread(descriptor, max(HEAD_BYTES, MARK_BYTES), 0)
    kind = outer_format(head)
    foreign = "a zip archive" if kind == ZIP else foreign_format(head)
    if foreign:
        raise Unreadable(f"is {foreign}, which is not read here", "Let logs be packed with gzip, xz, bzip2 or zstd.")
    kind = kind if kind in (GZIP, XZ, BZIP2, ZSTD) else ""
    return Look(found, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, kind, b"" if kind else head)


def plain_chunks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a file from ``start`` to ``end``; fewer when it was truncated meanwhile."""
    while start < end:
        chunk = os.pread(descriptor, min(BLOCK_BYTES, end - start), start)
        if not chunk:
            return
        start += len(chunk)
        yield chunk


def unpacked_chunks(descriptor: int, kind: str, size: int, seconds: float) -> Iterator[bytes]:
    """Yield what a packed file holds.

    :param kind: as in :class:`Look`. :param size: of the file, packed.
    :param seconds: how long that may take.
    :raises Unreadable: when it is damaged or cut off; what came before that was yielded.
    """
    budget = Budget(Limits(deadline=time.monotonic() + seconds, ratio=_RATIO), size)
    chunks = file_chunks(descriptor, budget)
    try:
        if kind == ZSTD:
            yield from map(bytes, unpack_zstd(chunks, budget, lambda: None))  # lines are kept
        else:
            yield from unpack(chunks, kind, budget, lambda: None)
    except ArchiveProblem as problem:
        hint = "Lines before that were counted. Look at what packs it: perhaps the disk was full, or it is still at it."
        raise Unreadable(problem.message, hint) from None
