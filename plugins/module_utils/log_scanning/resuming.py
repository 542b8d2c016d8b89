# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where reading goes on: which file of now is which of the last run, whatever happened to names and contents meanwhile.

A file is the same when device and inode are, and the bytes before the place where reading ended. Otherwise it may be a copy
(copytruncate) or have been packed: then its first bytes, and those before that place, are looked for in what it holds.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import (
    MARK_BYTES,
    Look,
    Mark,
    opened,
    unpacked_chunks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import BEGINNING, END
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.records import COPIED, Record, Trail, tail_mark
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable

#: Somebody who makes a copy has written to it lately.
_MAKING_SECONDS = 600.0
#: The kernel stamps files with a clock that is up to one tick behind.
_SLACK_SECONDS = 2.0
#: How long an archive may take to be unpacked.
_PATIENCE_SECONDS = 600.0

RESUMED, NEW, FIRST, SKIPPED, UNCHANGED, COPY, MAKING = "resumed", "new", "first", "skipped", "unchanged", "copy", "making"


class Step(NamedTuple):
    """What is done with one file.

    :ivar state: RESUMED (reading goes on at ``start``), NEW (read whole), FIRST (a first look, from ``since`` on), SKIPPED
        (a first look; it is older than ``since``), UNCHANGED (read to its end before), COPY (of a log that is read), MAKING (a
        copy that is not complete yet).
    :ivar record: what was written down of it before, if anything.
    """

    look: Look
    state: str
    start: int = 0
    record: Record | None = None


@dataclass(frozen=True)
class Policy:
    """How files are met of which nothing is written down.

    :ivar since: where a first look begins.
    :ivar known: the logs that the last run met; any other is looked at for the first time.
    :ivar last_run: seconds since the epoch; None when there was none, or the clock was changed since.
    :ivar now: the present moment, as ``last_run``.
    """

    since: datetime | str
    known: Collection[str]
    last_run: float | None
    now: float

    def meets(self, look: Look) -> str:
        """Return NEW, FIRST or SKIPPED."""
        changed = look.mtime_ns / 1e9
        if look.found.log in self.known:
            is_old = self.last_run is not None and changed < self.last_run - _SLACK_SECONDS
            return SKIPPED if is_old else NEW
        if self.since == BEGINNING:
            return NEW
        if self.since == END:
            return SKIPPED if look.kind else FIRST
        return SKIPPED if isinstance(self.since, datetime) and changed < self.since.timestamp() else FIRST


def plan_reading(looks: Sequence[Look], records: Sequence[Record], policy: Policy) -> tuple[list[Step], list[Record]]:
    """Return what is done with each file, in the order of their last change, and the records that no file fits.

    :raises Unreadable: never; a file that cannot be read is found out about when it is read.
    """
    by_identity = {record.identity: record for record in records}
    claimed: set[int] = set()
    steps: dict[tuple[int, int], Step] = {}
    unique = {look.identity: look for look in sorted(looks, key=lambda look: look.found.rotated)}  # of two names one is enough
    for identity, look in unique.items():
        record = by_identity.get(identity)
        if record is not None and _is_same(look, record):
            claimed.add(id(record))
            steps[identity] = Step(look, UNCHANGED if record.kind else RESUMED, record.offset, record)
    for identity, look in sorted(unique.items(), key=lambda item: item[1].mtime_ns):
        if identity not in steps:
            steps[identity] = _by_content(look, records, claimed, by_identity.get(identity), policy)
            if steps[identity].state == RESUMED:
                claimed.add(id(steps[identity].record))
    unclaimed = [record for record in records if id(record) not in claimed]
    return sorted(steps.values(), key=lambda step: (step.look.mtime_ns, step.look.found.path)), unclaimed


def _is_same(look: Look, record: Record) -> bool:
    """Tell whether a file is still what was read, and perhaps longer."""
    if look.kind != record.kind:
        return False
    if record.kind:
        return (look.size, look.mtime_ns) == (record.size, record.mtime_ns)
    if look.size < record.offset:
        return False
    try:
        with opened(look.found.path) as (descriptor, status):
            return (status.st_dev, status.st_ino) == look.identity and tail_mark(
                descriptor, record.offset, record.tail.length
            ) == record.tail
    except Unreadable:
        return False


def _by_content(look: Look, records: Sequence[Record], claimed: set[int], former: Record | None, policy: Policy) -> Step:
    """Return what is done with a file that is not just one of before that has grown.

    :param former: what was written down under its inode.
    """
    # Those that nothing fits yet come first; of two alike, the one that was read further.
    order = sorted(records, key=lambda record: (id(record) in claimed, -record.offset))
    record, complete = _find_record(look, order)
    if record is not None and complete:
        return Step(look, COPY if id(record) in claimed else RESUMED, record.offset, record)
    # A log that starts like the one before is none; an archive that does is a copy that somebody is still making.
    if record is not None and look.found.rotated and abs(policy.now - look.mtime_ns / 1e9) < _MAKING_SECONDS:
        return Step(look, MAKING, 0, record)
    if former is not None and former.kind == COPIED and (former.size, former.mtime_ns) == (look.size, look.mtime_ns):
        return Step(look, COPY, 0, former)
    return Step(look, policy.meets(look))


def _find_record(look: Look, records: Iterable[Record]) -> tuple[Record | None, bool]:
    """Return the record that fits what a file holds, and whether all of it that was read is there."""
    candidates = [record for record in records if record.head.length]
    if not candidates:
        return None, False
    try:
        with opened(look.found.path) as (descriptor, _status):
            if look.kind:
                return _find_in_packed(descriptor, look, candidates)
            return _find_in_plain(descriptor, look.size, candidates)
    except Unreadable:
        return None, False


def _find_in_plain(descriptor: int, size: int, candidates: Sequence[Record]) -> tuple[Record | None, bool]:
    head = os.pread(descriptor, MARK_BYTES, 0)
    alike = _alike(head, candidates)
    for record in alike:
        if size >= record.offset and tail_mark(descriptor, record.offset, record.tail.length) == record.tail:
            return record, True
    return _shorter(head, size, candidates)


def _find_in_packed(descriptor: int, look: Look, candidates: Sequence[Record]) -> tuple[Record | None, bool]:
    trail, alike = Trail(), list(candidates)
    narrowed = False
    try:
        for _chunk in trail.watch(unpacked_chunks(descriptor, look.kind, look.size, _PATIENCE_SECONDS)):
            if not narrowed and trail.position >= MARK_BYTES:
                alike, narrowed = _alike(trail.head, alike), True
            found = _reached(trail, alike)
            if found is not None:
                return found, True
            alike = [record for record in alike if record.offset > trail.position] if narrowed else alike
            if not alike:
                return None, False
    except Unreadable:
        pass  # as far as it could be read it is none of those that are left
    alike = alike if narrowed else _alike(trail.head, alike)
    found = _reached(trail, alike)
    return (found, True) if found is not None else _shorter(trail.head, trail.position, candidates)


def _alike(head: bytes, records: Iterable[Record]) -> list[Record]:
    return [record for record in records if Mark.of(head[: record.head.length]) == record.head]


def _shorter(head: bytes, size: int, records: Iterable[Record]) -> tuple[Record | None, bool]:
    """Return a record that begins as a file does which holds less than was read."""
    for record in records:
        mark = record.head if size >= record.head.length else record.start
        if size < record.offset and size >= mark.length == len(head[: mark.length]) and Mark.of(head[: mark.length]) == mark:
            return record, False
    return None, False


def _reached(trail: Trail, records: Iterable[Record]) -> Record | None:
    """Return the first record whose place went by and whose bytes before it are these."""
    for record in records:
        if record.offset <= trail.position and Mark.of(trail.head[: record.head.length]) == record.head:
            if trail.tail(record.offset, record.tail.length) == record.tail:
                return record
    return None
