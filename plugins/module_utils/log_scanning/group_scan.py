# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One group of logs, read from where the last run ended: files in whatever shape they are now, or the journal."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.blocks import LineFigures
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import Counter
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import Look, look_at
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.finding import find_files
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.journal import Reading, read_journal
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.memory import MAX_RECORDS, Memory
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import BEGINNING, Group, Journal
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reach import Reach, ask_reach
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reading import Course, read_step
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.records import Record
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.resuming import MAKING, Policy, Step, plan_reading
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Gone, Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: A rotation that happens while the files are listed is over when they are listed again.
_LISTINGS = 3
#: A file that was not met is remembered for so long: it may come back packed.
_KEPT_SECONDS = 8 * 86400
_REACH_SECONDS = 30.0
_OUT_OF_TIME = "the time was over before all was read; the next run goes on there"


@dataclass
class Scanned:
    """What came of reading a group.

    :ivar problems: what could not be read, and why. :ivar warnings: sentences about lines that may be missed.
    :ivar complete: everything up to now was read.
    :ivar reach: how far back the journal reaches, when that was asked. :ivar since: where the window in it begins.
    """

    counter: Counter
    figures: LineFigures = field(default_factory=LineFigures)
    problems: list[tuple[str, Unreadable]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    logs: frozenset[str] = frozenset()
    journal: str = ""
    bytes: int = 0
    complete: bool = True
    reach: Reach | None = None
    since: datetime | str = BEGINNING


def scan_group(
    group: Group, memory: Memory, counter: Counter, *, since: datetime | str, now: datetime, deadline: float, clock_is_right: bool
) -> Scanned:
    """Read what is new in a group.

    :param since: where a first look begins.
    :param deadline: moment of ``time.monotonic()`` after which nothing more is begun.
    :param clock_is_right: False when the clock was changed since the last run, so that times of files say nothing.
    """
    scanned = Scanned(counter)
    if group.journal is not None:
        _scan_journal(group.journal, memory, scanned, since, deadline)
        return scanned
    policy = Policy(since, memory.logs, memory.written if clock_is_right else None, now.timestamp())
    looks, steps, unclaimed = _look_at_files(group.paths, memory, policy, scanned)
    _warn_of_lost(_lost(unclaimed, steps, memory), looks, scanned)
    course = Course(counter, scanned.figures, since, now, deadline)
    kept = [record for record in unclaimed if 0 <= course.seconds - record.seen <= _KEPT_SECONDS]
    read = [_read(step, course, scanned) for step in steps]
    # An older record of the same inode comes before the present one, which is the one that counts for it.
    scanned.records = [*kept, *(record for record in read if record is not None)][-MAX_RECORDS:]
    scanned.logs = frozenset(look.found.log for look in looks) | (memory.logs if scanned.problems else frozenset())
    if not scanned.complete:
        scanned.warnings.append(_OUT_OF_TIME)
    return scanned


def _look_at_files(
    paths: Sequence[str], memory: Memory, policy: Policy, scanned: Scanned
) -> tuple[list[Look], list[Step], list[Record]]:
    """Return the files, what is done with each, and the records that fit none of them."""
    looks: list[Look] = []
    steps: list[Step] = []
    unclaimed: list[Record] = []
    for _listing in range(_LISTINGS):
        found, scanned.problems = find_files(paths)
        looks, gone = [], []
        for file in found:
            try:
                looks.append(look_at(file))
            except Gone as problem:
                gone.append((file.path, problem))
            except Unreadable as problem:
                scanned.problems.append((plain(file.path, 200), problem))
        steps, unclaimed = plan_reading(looks, memory.records, policy)
        if not gone and not _lost(unclaimed, steps, memory):
            break
    # A link that leads nowhere is there and is not.
    scanned.problems += [(plain(path, 200), problem) for path, problem in gone if os.path.lexists(path)]
    return looks, steps, unclaimed


def _lost(unclaimed: Collection[Record], steps: Sequence[Step], memory: Memory) -> list[Record]:
    """Return what the last run met as a log, and nobody finds now; a rotated archive that went away is ordinary."""
    being_made = {id(step.record) for step in steps if step.state == MAKING}
    return [
        record
        for record in unclaimed
        if record.path == record.log and record.seen == memory.written and id(record) not in being_made
    ]


def _warn_of_lost(lost: Sequence[Record], looks: Sequence[Look], scanned: Scanned) -> None:
    present = {look.identity for look in looks}
    for record in lost:
        if record.identity in present:
            what = "was truncated, and no copy was found of what it held: what was written between the last run and that"
        else:
            what = "is gone or another file, and what became of it was not found: what was written to it after the last run"
        scanned.warnings.append(f"{plain(record.path, 200)} {what} may be missing")


def _read(step: Step, course: Course, scanned: Scanned) -> Record | None:
    before = course.counter.lines
    outcome = read_step(step, course)
    path = plain(step.look.found.path, 200)
    if outcome.problem is not None:
        scanned.problems.append((path, outcome.problem))
    scanned.complete = scanned.complete and outcome.complete
    scanned.bytes += outcome.bytes
    scanned.files.append(
        {"path": path, "state": step.state, "lines": course.counter.lines - before, "bytes": outcome.bytes}
    )
    return outcome.record


def _scan_journal(journal: Journal, memory: Memory, scanned: Scanned, since: datetime | str, deadline: float) -> None:
    last_run = None if memory.written is None else datetime.fromtimestamp(memory.written, timezone.utc)
    reading = Reading(cursor=memory.journal)
    before = scanned.counter.lines
    try:
        for batch in read_journal(journal, reading, since=last_run or since, deadline=deadline, fallback=last_run):
            data = bytes(batch.data)
            scanned.bytes += len(data)
            scanned.counter.feed(data, "journal", batch.levels)
    except Unreadable as problem:
        scanned.problems.append(("the journal", problem))
    if journal.reach:
        scanned.reach, scanned.since = ask_reach(_REACH_SECONDS), last_run or since
    scanned.journal = reading.cursor
    scanned.complete = reading.complete and not scanned.problems
    scanned.files.append(
        {"path": "journal", "state": "resumed" if memory.journal else "first", "lines": scanned.counter.lines - before,
         "bytes": scanned.bytes}
    )  # fmt: skip
    if reading.cursor_lost:
        scanned.warnings.append(f"the place in the journal was not found again ({reading.cursor_lost}); read from the time of the last run")
    if reading.damaged:
        scanned.warnings.append(f"{reading.damaged} entries of the journal could not be understood")
    if not reading.complete:
        scanned.warnings.append(_OUT_OF_TIME)
