# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of a custody log: read under a lock, appended to and flushed, never rewritten."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory, sync_directory, write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.chain import Chain, read_chain
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import Entry, Head, Writer, line_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

LOG = "custody.jsonl"
_RETRY_SECONDS = 0.05
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def log_path(directory: str | Path, incident: str) -> Path:
    """Return where the log of an incident is."""
    return Path(directory) / incident / LOG


def read_log(
    path: Path, *, expected: Head | None = None, visit: Callable[[dict[str, Any]], None] | None = None, wait_seconds: float = 30.0
) -> Chain | None:
    """Read a log without changing anything; None when there is none.

    :param visit: called with each entry.
    :raises UpkeepError: when it cannot be read.
    """
    try:
        with _opened(path, os.O_RDONLY, fcntl.LOCK_SH, wait_seconds) as descriptor, _stream(descriptor) as stream:
            return read_chain(stream, expected, visit)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UpkeepError(f"cannot read the custody log {path}: {exc.strerror}") from exc


def append(
    path: Path,
    entries: Sequence[Entry],
    writer: Writer,
    now: datetime,
    *,
    expected: Head | None = None,
    wait_seconds: float = 30.0,
) -> tuple[Chain, Head]:
    """Note entries, all of them or none; return the chain as it was before and the new head.

    A chain that is broken is continued: what happens next must be noted too, and the chain stays broken for everybody who looks.

    :raises UpkeepError: when they cannot be noted (no room, no right); the log then holds what it held.
    """
    make_private_directory(path.parent.parent)
    make_private_directory(path.parent)
    try:
        with _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, fcntl.LOCK_EX, wait_seconds) as descriptor:
            with _stream(descriptor) as stream:
                chain = read_chain(stream, expected)
            head, lines, keep = _continued(path, chain, writer, now)
            for entry in entries:
                line, head = line_of(entry, head, writer, now)
                lines.append(line)
            _write(descriptor, b"".join(lines), keep)
        sync_directory(path.parent)
    except OSError as exc:
        raise UpkeepError(f"cannot write the custody log {path}: {exc.strerror}; it holds what it held before") from exc
    return chain, head


def _continued(path: Path, chain: Chain, writer: Writer, now: datetime) -> tuple[Head, list[bytes], int]:
    """Return after which line to go on, what is to be written first, and how much of the log stays."""
    if chain.unfinished:
        return chain.head, [b"\n"], chain.whole_bytes + len(chain.tail)
    # After a line that nobody can read any more, its number is all that is known.
    head = chain.head if chain.head.sha256 else Head(chain.head.sequence)
    if not chain.tail:
        return head, [], chain.whole_bytes
    aside = path.with_name(f"custody.cut-off-{now:%Y%m%dT%H%M%SZ}-{head.sequence + 1}")
    write_atomically(aside, chain.tail)
    told = "A write was cut off; the log has lost nothing that was noted." if chain.torn else (
        "What stood after the last entry was never written by this log."
    )
    line, head = line_of(
        Entry("", "custody", "failed", f"{told} {len(chain.tail)} bytes were set aside as {aside.name}."), head, writer, now
    )
    return head, [line], chain.whole_bytes


def _write(descriptor: int, data: bytes, keep: int) -> None:
    """Append, and flush to disk; what could only be written in part is taken back."""
    if os.fstat(descriptor).st_size != keep:
        os.ftruncate(descriptor, keep)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view):]
        os.fsync(descriptor)
    except OSError:
        try:
            os.ftruncate(descriptor, keep)
        except OSError:
            pass  # the next entry sets it aside
        raise


def _stream(descriptor: int) -> BinaryIO:
    return os.fdopen(descriptor, "rb", closefd=False)


@contextmanager
def _opened(path: Path, flags: int, lock: int, wait_seconds: float) -> Iterator[int]:
    """Open the log and lock it. It is never renamed, so that all lock the same file."""
    descriptor = os.open(path, flags | _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UpkeepError(f"the custody log {path} is no file; move it away")
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise UpkeepError(f"another process has written to {path} for {wait_seconds:g} seconds; start again") from None
                time.sleep(_RETRY_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
