# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading one file of a group from where it was left, and writing down how far."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.blocks import BLOCK_BYTES, Block, LineFigures, blocks_of
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import Counter
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import (
    MARK_BYTES,
    Mark,
    opened,
    plain_chunks,
    unpacked_chunks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.line_times import SinceFilter, offset_since
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import END
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.records import (
    COPIED,
    Record,
    Trail,
    record_of,
    tail_mark,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.resuming import (
    COPY,
    FIRST,
    MAKING,
    SKIPPED,
    UNCHANGED,
    Step,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Gone, Unreadable

_NOTHING = Mark.of(b"")
#: A line without an end in a file that nobody wrote to for so long is whole.
_IDLE_SECONDS = 300.0
#: A packed file is read to its end once it is begun, however late it is; but not for longer than this.
_MORE_SECONDS = 600.0
#: The size of a file that is looked at again although it is the same: it was damaged.
_LOOK_AGAIN = -1


@dataclass
class Outcome:
    """What came of one file.

    :ivar record: how far it was read; None when there is nothing to write down.
    :ivar bytes: how many were counted, unpacked.
    :ivar problem: why it was not read to its end.
    :ivar complete: False when the time was over before its end.
    """

    record: Record | None = None
    bytes: int = 0
    problem: Unreadable | None = None
    complete: bool = True


@dataclass(frozen=True)
class Course:
    """What is the same for all files of a run.

    :ivar deadline: moment of ``time.monotonic()`` after which nothing more is begun.
    """

    counter: Counter
    figures: LineFigures
    since: datetime | str
    now: datetime
    deadline: float

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.deadline

    @property
    def seconds(self) -> float:
        """The present moment as seconds since the epoch."""
        return self.now.timestamp()


def read_step(step: Step, course: Course) -> Outcome:
    """Read one file as planned."""
    look = step.look
    if step.state == UNCHANGED and step.record is not None:
        return Outcome(replace(step.record, path=look.found.path, log=look.found.log, seen=course.seconds))
    if step.state in (COPY, MAKING):
        return Outcome(record_of(look, 0, b"", _NOTHING, course.seconds, kind=COPIED))
    course.counter.begin_source()
    try:
        with opened(look.found.path) as (descriptor, status):
            if (status.st_dev, status.st_ino) != look.identity:
                raise Gone("was rotated just now", "The next run reads it.")
            if look.kind:
                return _read_packed(descriptor, step, course)
            return _read_plain(descriptor, step, course)
    except Gone:  # rotated just now: the next run finds it by its inode, or by how it begins, and loses nothing
        return Outcome(_unread(step, course))
    except Unreadable as problem:
        return Outcome(_unread(step, course), problem=problem)


def _unread(step: Step, course: Course) -> Record:
    """Return the record of a file of which nothing more was read, so that the next run goes on at the same place."""
    if step.record is not None:
        return step.record
    return record_of(step.look, step.start, step.look.head, _NOTHING, course.seconds)


def _read_plain(descriptor: int, step: Step, course: Course) -> Outcome:
    look, start = step.look, step.start
    if step.state == SKIPPED or (step.state == FIRST and course.since == END):
        start = _last_line_end(descriptor, look.size)
    elif step.state == FIRST and isinstance(course.since, datetime):
        start = offset_since(descriptor, look.size, course.since, course.now)
    idle = course.seconds - look.mtime_ns / 1e9 >= _IDLE_SECONDS
    # What is written down is what was read here: the log may be copied and truncated meanwhile.
    head, behind = os.pread(descriptor, MARK_BYTES, 0), max(start - MARK_BYTES, 0)
    trail = Trail(start, os.pread(descriptor, start - behind, behind))
    chunks = trail.watch(plain_chunks(descriptor, start, look.size))
    blocks = blocks_of(chunks, start, course.figures, take_unended=idle)
    outcome = Outcome()
    end = _count(blocks, start, step, course, outcome)
    tail = trail.tail(end, MARK_BYTES) or tail_mark(descriptor, end, MARK_BYTES)
    outcome.record = record_of(look, end, head, tail, course.seconds)
    outcome.bytes = end - start
    return outcome


def _read_packed(descriptor: int, step: Step, course: Course) -> Outcome:
    look = step.look
    if step.state == SKIPPED:
        return Outcome(record_of(look, 0, b"", _NOTHING, course.seconds))
    if course.late:
        return Outcome(_unread(step, course), complete=False)
    trail, outcome = Trail(), Outcome()
    seconds = max(course.deadline - time.monotonic(), 0.0) + _MORE_SECONDS
    chunks = _behind(trail.watch(unpacked_chunks(descriptor, look.kind, look.size, seconds)), step.start)
    end = _count(
        blocks_of(chunks, step.start, course.figures, take_unended=True), step.start, step, course, outcome, to_the_end=True
    )
    tail = trail.tail(end, MARK_BYTES) or _NOTHING
    record = record_of(look, end, trail.head, tail, course.seconds)
    outcome.record = replace(record, size=_LOOK_AGAIN) if outcome.problem else record
    outcome.bytes = end - step.start
    return outcome


def _count(
    blocks: Iterable[Block], start: int, step: Step, course: Course, outcome: Outcome, *, to_the_end: bool = False
) -> int:
    """Count blocks of lines; return the position up to which they were."""
    since = course.since if step.state == FIRST else None
    cut = SinceFilter(since, course.now).cut if isinstance(since, datetime) else None
    source, end = step.look.found.path, start
    try:
        for block in blocks:
            course.counter.feed(cut(block.data) if cut else block.data, source)
            end = block.end
            if course.late and not to_the_end:
                outcome.complete = False
                break
    except Unreadable as problem:
        outcome.problem = problem
    return end


def _behind(chunks: Iterable[bytes], start: int) -> Iterator[bytes]:
    """Yield what follows the first ``start`` bytes."""
    for chunk in chunks:
        if start >= len(chunk):
            start -= len(chunk)
            continue
        yield chunk[start:] if start else chunk
        start = 0


def _last_line_end(descriptor: int, size: int) -> int:
    """Return where the last whole line of a file ends; its end when that is not near."""
    begin = max(size - BLOCK_BYTES, 0)
    end = os.pread(descriptor, size - begin, begin).rfind(b"\n")
    return begin + end + 1 if end >= 0 or begin == 0 else size
