# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at everything that is watched beside a baseline: one pass, in order, files read by several processes, memory bounded."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.readers import Job, Readers, Result, read_jobs
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.reading import (
    BUFFER_BYTES,
    Unreadable,
    Vanished,
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

#: A batch is what a process is given at a time: so many files to read, or so many entries in all.
FILES_IN_BATCH = 64
ENTRIES_IN_BATCH = 4096
#: Batches that are under way, and folders that are open for them: a process may have 1024 files open.
MAX_WAITING = 64
MAX_OPEN_FOLDERS = 400
#: Before so much was read, further processes cost more than they save.
_LEAST_FILES = 512
_LEAST_BYTES = 32 * 1024 * 1024


#: What became of one path: its line in the baseline, or None; its line now, None when it is gone, '' when nothing is known; '' or its
#: path (escaped), a tab, and why it could not be read, which completes "<path> …". One that is as it was has two equal lines.
Outcome = tuple[Optional[str], Optional[str], str]


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
    jobs: list[Job] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)

    def add_job(self, path: str, folder: Folder, name: str, before: str | None) -> None:
        if not self.folders or self.folders[-1] is not folder:
            folder.retain()
            self.folders.append(folder)
        self.jobs.append((len(self.outcomes), len(self.folders) - 1, name, path))
        self.outcomes.append((before, None, ""))


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
        self._buffer = memoryview(bytearray(BUFFER_BYTES))

    def __iter__(self) -> Iterator[Outcome]:
        """Yield an outcome for each path here or there, in order."""
        waiting: deque[tuple[_Batch, Callable[[], list[Result]]]] = deque()
        readers = Readers(self._read)
        started, open_folders = False, 0
        try:
            for batch in self._batches():
                if not started and self._workers > 1 and self._has_much():
                    started = readers.start(self._workers)
                    self._workers = self._workers if started else 1
                if not started:
                    yield from self._outcomes(batch, self._read([one.descriptor for one in batch.folders], batch.jobs, self._buffer))
                    _release(batch)
                    continue
                # A large file is read while many small ones behind it are read, too; they are taken in order.
                while waiting and (len(waiting) >= MAX_WAITING or open_folders + len(batch.folders) > MAX_OPEN_FOLDERS):
                    open_folders -= len(waiting[0][0].folders)
                    yield from self._taken(waiting)
                waiting.append((batch, readers.submit([one.descriptor for one in batch.folders], batch.jobs) if batch.jobs else list))
                open_folders += len(batch.folders)
            while waiting:
                yield from self._taken(waiting)
        finally:
            readers.end()
            for batch, _results in waiting:
                _release(batch)

    def _has_much(self) -> bool:
        return self.effort.hashed >= _LEAST_FILES or self.effort.hashed_bytes >= _LEAST_BYTES

    def _taken(self, waiting: deque[tuple[_Batch, Callable[[], list[Result]]]]) -> Iterator[Outcome]:
        batch, results = waiting.popleft()
        _release(batch)
        yield from self._outcomes(batch, results())

    def _outcomes(self, batch: _Batch, results: list[Result]) -> Iterator[Outcome]:
        """Yield what became of a batch, with what reading its files has shown."""
        outcomes, effort = batch.outcomes, self.effort
        for position, line, size, problem in results:
            outcomes[position] = (outcomes[position][0], line, problem)
            if size >= 0:
                effort.hashed += 1
                effort.hashed_bytes += size
        return iter(outcomes)

    def _read(self, folders: Sequence[int], jobs: Sequence[Job], buffer: memoryview) -> list[Result]:
        return read_jobs(folders, jobs, buffer, capabilities=self._capabilities, max_file_bytes=self._max_file_bytes)

    def _batches(self) -> Iterator[_Batch]:
        batch = _Batch()
        trust, effort, lines = self._trust_before, self.effort, self._lines
        old = next(lines, None)
        for path, folder, name, status in self._found:
            start = path + "\t"
            if old is not None and not old.startswith(start):
                # A path with a line of its own later sorts after this one; what sorts before it is not there any more.
                key = order_of(unescaped(path))
                while old is not None and not old.startswith(start) and order_of(path_of(old)) < key:
                    batch.outcomes.append((old, None, ""))
                    old = next(lines, None)
            before = None
            if old is not None and old.startswith(start):
                before, old = old, next(lines, None)
            effort.entries += 1
            if status is not None and not stat.S_ISREG(status.st_mode):
                batch.outcomes.append(_look(path, folder, name, status, before))
            elif trust is not None and before is not None and status is not None and _is_as_before(before, start, status, trust):
                effort.trusted += 1
                batch.outcomes.append((before, before, ""))
            else:
                batch.add_job(path, folder, name, before)
            if len(batch.jobs) >= FILES_IN_BATCH or len(batch.outcomes) >= ENTRIES_IN_BATCH:
                yield batch
                batch = _Batch()
        while old is not None:
            batch.outcomes.append((old, None, ""))
            old = next(lines, None)
            if len(batch.jobs) >= FILES_IN_BATCH or len(batch.outcomes) >= ENTRIES_IN_BATCH:
                yield batch
                batch = _Batch()
        yield batch


def _is_as_before(before: str, start: str, status: os.stat_result, trust_before: int) -> bool:
    if status.st_ctime_ns >= trust_before:
        return False
    known = f"{start}{status_text(status)}\t"
    return before.startswith(known) and before[len(known)] != "\t"


def _look(path: str, folder: Folder, name: str, status: os.stat_result, before: str | None) -> Outcome:
    if not stat.S_ISLNK(status.st_mode):
        return before, line_of(path, status), ""
    try:
        # None is a regular file by now: the next pass reads it.
        after = read_other(folder.descriptor, name, path)
    except Vanished:
        return before, None, ""
    except Unreadable as exc:
        return before, exc.line, f"{path}\t{exc}"
    return (before, after, "") if after is not None else (before, "", f"{path}\tchanged each time it was read")


def _release(batch: _Batch) -> None:
    for folder in batch.folders:
        folder.release()
