# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at everything that is watched beside a baseline: one pass, in order, files read by several threads, memory bounded."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.reading import (
    BUFFER_BYTES,
    Unreadable,
    Vanished,
    read_entry,
    read_other,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import (
    line_of,
    order_of,
    path_of,
    status_text,
    unescaped,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.walking import Folder, Found

#: A batch is what a thread is given at a time: so many files to read, or so many entries in all.
FILES_IN_BATCH = 64
ENTRIES_IN_BATCH = 4096
#: Batches that are under way, and folders that are open for them: a process may have 1024 files open.
MAX_WAITING = 64
MAX_OPEN_FOLDERS = 400
#: How long a thread may go on while another one wants to. Python's own 5 ms are the time in which 100 files are read.
_TURN_SECONDS = 0.0001


class Outcome(NamedTuple):
    """What became of one path. One that is as it was has two equal lines.

    :ivar before: its line in the baseline, or None.
    :ivar after: its line now; None when it is gone, '' when nothing is known.
    :ivar problem: why it could not be read; completes "<path> …".
    """

    before: Optional[str]
    after: Optional[str]
    problem: str = ""


@dataclass
class Effort:
    """What a pass has cost: entries met, files hashed and their bytes, files taken as they were by their status."""

    entries: int = 0
    hashed: int = 0
    hashed_bytes: int = 0
    trusted: int = 0


@dataclass
class _Batch:
    outcomes: list[Outcome] = field(default_factory=list)
    jobs: list[tuple[int, Found]] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)

    def add_job(self, found: Found, before: str | None) -> None:
        if not self.folders or self.folders[-1] is not found.folder:
            found.folder.retain()
            self.folders.append(found.folder)
        self.jobs.append((len(self.outcomes), found))
        self.outcomes.append(Outcome(before, None))


class Examination:
    """One pass.

    :param found: from a walk, sorted.
    :param lines: of the baseline, sorted.
    :param trust_before: a file that last changed before then (nanoseconds since 1970), and whose whole line in the baseline up to the
        checksum is as now, is not read again. None reads every file. It is the moment at which the baseline was begun: what changed
        later may have done so after it was read, within one tick of the clock.
    :param max_file_bytes: a larger file is not read.
    :ivar effort: complete when the pass has ended.
    """

    def __init__(
        self, found: Iterable[Found], lines: Iterator[str], *, workers: int, trust_before: int | None, capabilities: bool,
        max_file_bytes: int | None = None,
    ) -> None:
        self._found = found
        self._lines = lines
        self._workers = workers
        self._trust_before = trust_before
        self._capabilities = capabilities
        self._max_file_bytes = max_file_bytes
        self.effort = Effort()
        self._buffers = threading.local()

    def __iter__(self) -> Iterator[Outcome]:
        """Yield an outcome for each path here or there, in order."""
        waiting: deque[tuple[_Batch, Future[tuple[int, int]] | None]] = deque()
        open_folders = 0
        turn = sys.getswitchinterval()
        sys.setswitchinterval(_TURN_SECONDS)
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                for batch in self._batches():
                    waiting.append((batch, pool.submit(self._read, batch) if batch.jobs else None))
                    open_folders += len(batch.folders)
                    # A large file is read while many small ones behind it are read, too; they are taken in order.
                    while waiting and (
                        len(waiting) > MAX_WAITING or open_folders > MAX_OPEN_FOLDERS
                        or waiting[0][1] is None or waiting[0][1].done()
                    ):  # fmt: skip
                        open_folders -= len(waiting[0][0].folders)
                        yield from self._taken(waiting)
                while waiting:
                    yield from self._taken(waiting)
            finally:
                sys.setswitchinterval(turn)
                for batch, future in waiting:
                    if future is not None and not future.cancel():
                        future.exception()
                    _release(batch)

    def _taken(self, waiting: deque[tuple[_Batch, Future[tuple[int, int]] | None]]) -> Iterator[Outcome]:
        batch, future = waiting[0]
        if future is not None:
            hashed, size = future.result()
            self.effort.hashed += hashed
            self.effort.hashed_bytes += size
        waiting.popleft()
        _release(batch)
        yield from batch.outcomes

    def _batches(self) -> Iterator[_Batch]:
        batch = _Batch()
        trust, effort, lines = self._trust_before, self.effort, self._lines
        old = next(lines, None)
        for found in self._found:
            path, _folder, _name, status = found
            start = path + "\t"
            if old is not None and not old.startswith(start):
                # A path with a line of its own later sorts after this one; what sorts before it is not there any more.
                key = order_of(unescaped(path))
                while old is not None and not old.startswith(start) and order_of(path_of(old)) < key:
                    batch.outcomes.append(Outcome(old, None))
                    old = next(lines, None)
            before = None
            if old is not None and old.startswith(start):
                before, old = old, next(lines, None)
            effort.entries += 1
            if status is not None and not stat.S_ISREG(status.st_mode):
                batch.outcomes.append(_look(found, status, before))
            elif trust is not None and before is not None and status is not None and _is_as_before(before, start, status, trust):
                effort.trusted += 1
                batch.outcomes.append(Outcome(before, before))
            else:
                batch.add_job(found, before)
            if len(batch.jobs) >= FILES_IN_BATCH or len(batch.outcomes) >= ENTRIES_IN_BATCH:
                yield batch
                batch = _Batch()
        while old is not None:
            batch.outcomes.append(Outcome(old, None))
            old = next(lines, None)
            if len(batch.jobs) >= FILES_IN_BATCH or len(batch.outcomes) >= ENTRIES_IN_BATCH:
                yield batch
                batch = _Batch()
        yield batch

    def _read(self, batch: _Batch) -> tuple[int, int]:
        """Read the files of a batch, in a thread; return how many were hashed, and their bytes."""
        buffer = getattr(self._buffers, "own", None)
        if buffer is None:
            buffer = self._buffers.own = memoryview(bytearray(BUFFER_BYTES))
        hashed = total = 0
        for position, found in batch.jobs:
            before = batch.outcomes[position].before
            try:
                after, size = read_entry(
                    found.folder.descriptor, found.name, found.path, buffer, capabilities=self._capabilities,
                    max_bytes=self._max_file_bytes,
                )
            except Vanished:
                continue
            except Unreadable as exc:
                batch.outcomes[position] = Outcome(before, exc.line, str(exc))
                continue
            batch.outcomes[position] = Outcome(before, after)
            hashed += 1
            total += size
        return hashed, total


def _is_as_before(before: str, start: str, status: os.stat_result, trust_before: int) -> bool:
    if status.st_ctime_ns >= trust_before:
        return False
    known = f"{start}{status_text(status)}\t"
    return before.startswith(known) and before[len(known)] != "\t"


def _look(found: Found, status: os.stat_result, before: str | None) -> Outcome:
    if not stat.S_ISLNK(status.st_mode):
        return Outcome(before, line_of(found.path, status))
    try:
        # None is a regular file by now: the next pass reads it.
        after = read_other(found.folder.descriptor, found.name, found.path)
    except Vanished:
        return Outcome(before, None)
    except Unreadable as exc:
        return Outcome(before, exc.line, str(exc))
    return Outcome(before, after) if after is not None else Outcome(before, "", "changed each time it was read")


def _release(batch: _Batch) -> None:
    for folder in batch.folders:
        folder.release()
