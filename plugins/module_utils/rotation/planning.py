# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What will be done with each log, from looking alone. Check mode, diff mode and the rotation itself come from this."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.finding import Found, find_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import (
    Folder,
    Refused,
    open_folder,
    refuse_without_rights,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import (
    COPYING,
    FRESH,
    Archive,
    archives_by_log,
    is_too_long,
    new_archive,
    read_name,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Group, newest_stamp, surplus, why_not_due
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import Identity, identity_of

#: A file can be exbibytes long and hold nothing: to read it would take years, and a copy would fill the disk.
MAX_HOLE_BYTES = 16 * 1024 * 1024 * 1024

_KINDS = (
    (stat.S_ISLNK, "it is a link"),
    (stat.S_ISDIR, "it is a directory"),
    (stat.S_ISFIFO, "it is a named pipe"),
    (stat.S_ISSOCK, "it is a socket"),
)


@dataclass
class LogPlan:
    """One log: what was found, what will be done, and, later, what was done.

    :ivar folder_identity: the folder that was looked at; nothing is done in another one.
    :ivar status: of the log; None when it is missing.
    :ivar missing: nothing has this name.
    :ivar refused: why nothing is done, as the end of a sentence.
    :ivar not_due: why it is not rotated now, as the end of a sentence.
    :ivar archive: what it becomes when it is rotated.
    :ivar drafts: unfinished files of a run that was interrupted.
    :ivar raw: archives that are not packed, with their identity; all of them when they are to be packed.
    :ivar finished: archives with their bytes.
    :ivar removals: archives that go, with bytes and reason.
    :ivar writers: processes that are seen to write to the log.
    :ivar late_writers: processes that are seen to write to an archive still.
    :ivar written: somebody writes to the log, seen or not.
    :ivar held: archives that somebody writes to, seen or not.
    :ivar unsure: archives of which nobody can tell whether somebody writes to them.
    """

    group: Group
    path: str
    folder: str = ""
    name: str = ""
    folder_identity: Identity | None = None
    owner: int = 0
    status: os.stat_result | None = None
    missing: bool = False
    refused: str = ""
    not_due: str = ""
    archive: Archive | None = None
    drafts: list[Archive] = field(default_factory=list)
    raw: list[tuple[Archive, Identity]] = field(default_factory=list)
    finished: list[tuple[Archive, int]] = field(default_factory=list)
    removals: list[tuple[Archive, int, str]] = field(default_factory=list)
    writers: set[int] = field(default_factory=set)
    late_writers: set[int] = field(default_factory=set)
    written: bool = False
    held: set[Identity] = field(default_factory=set)
    unsure: set[Identity] = field(default_factory=set)
    # What was done:
    rotated_bytes: int = 0
    bytes_at_risk: int | None = None
    packed: list[tuple[Archive, int, int]] = field(default_factory=list)
    removed: list[tuple[Archive, int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def rotates(self) -> bool:
        """The log is moved away (or copied) now."""
        return self.archive is not None and not self.refused

    @property
    def packs(self) -> bool:
        """Archives of earlier runs wait for being packed and nobody writes to them."""
        return self.group.compress != "none" and not self.refused and any(
            identity not in self.held | self.unsure for _archive, identity in self.raw
        )

    def refuse(self, reason: str) -> None:
        """Do nothing with this log."""
        self.refused, self.archive, self.removals = reason, None, []


def plan_logs(groups: Sequence[Group], now: datetime, own_uid: int) -> tuple[list[LogPlan], list[str]]:
    """Return a plan for each log, without a look at its writers, and the patterns that match nothing.

    :param own_uid: whose rights this process has.
    """
    found, unmatched = find_logs(groups)
    plans = []
    by_folder: dict[str, list[Found]] = {}
    for log in found:
        by_folder.setdefault(log.folder, []).append(log)
    entered: set[tuple[Identity, str]] = set()
    for path, logs in by_folder.items():
        try:
            with open_folder(path) as folder:
                # A folder may be named in two ways, through a link of root; the first group has the log then, too.
                place = identity_of(folder.status)
                logs = [log for log in logs if (place, log.name) not in entered]
                entered |= {(place, log.name) for log in logs}
                names = archives_by_log(os.listdir(folder.descriptor))
                plans += [_plan(log, folder, names.get(log.name, []), now, own_uid) for log in logs]
        except (Refused, OSError) as exc:
            reason = str(exc) if isinstance(exc, Refused) else f"its folder cannot be read ({exc.strerror})"
            gone = not os.path.lexists(path)
            plans += [
                LogPlan(log.group, log.path, log.folder, log.name, missing=gone, refused="" if gone else reason) for log in logs
            ]
    return plans, unmatched


def _plan(log: Found, folder: Folder, archives: list[Archive], now: datetime, own_uid: int) -> LogPlan:
    plan = LogPlan(
        log.group, log.path, log.folder, log.name, folder_identity=identity_of(folder.status), owner=folder.owner
    )
    try:
        _look(plan, folder, archives)
        if plan.missing and not plan.raw:
            return plan
        owner = plan.status.st_uid if plan.status else folder.owner
        folder.refuse_strangers(owner)
        refuse_without_rights(folder.owner, own_uid)
        _refuse_kind(plan, folder)
    except Refused as exc:
        plan.refuse(str(exc))
        return plan
    if plan.missing:  # archives of earlier runs are packed, in a folder that is safe
        return plan
    size = plan.status.st_size if plan.status else 0
    plan.not_due = why_not_due(plan.group, size, newest_stamp(plan.finished, now), now)
    if not plan.not_due:
        plan.archive = new_archive(plan.name, now, os.urandom(2))
    plan.removals = plan_removals(plan, now)
    return plan


def plan_removals(plan: LogPlan, now: datetime) -> list[tuple[Archive, int, str]]:
    """Return the archives that go; one that is about to be made counts among those that are kept."""
    there = {archive.raw for archive, _size in plan.finished}
    coming = [(plan.archive, 0)] if plan.archive and plan.archive.raw not in there else []
    return surplus(plan.group, [*plan.finished, *coming], now)


def _look(plan: LogPlan, folder: Folder, archives: list[Archive]) -> None:
    """Note the log and its archives; files with names of ours that are no ordinary files are left alone."""
    try:
        plan.status = os.stat(plan.name, dir_fd=folder.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        plan.status = None
    except OSError as exc:
        raise Refused(f"it cannot be looked at ({exc.strerror})") from exc
    for archive in archives:
        try:
            status = os.stat(archive.name, dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        if archive.draft:
            plan.drafts.append(archive)
            continue
        plan.finished.append((archive, status.st_size))
        if not archive.packed:
            plan.raw.append((archive, identity_of(status)))
    # A run that was killed may have left the raw file beside the packed one: that is one archive, which is packed anew.
    unpacked = {archive.raw for archive, _identity in plan.raw}
    plan.finished = [item for item in plan.finished if not item[0].packed or item[0].raw not in unpacked]
    interrupted = any(draft.draft in (FRESH, COPYING) for draft in plan.drafts)
    plan.missing = plan.status is None and not interrupted


def _refuse_kind(plan: LogPlan, folder: Folder) -> None:
    status = plan.status
    if status is None:
        return
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            raise Refused(words)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("it is no ordinary file")
    # A run that was killed may have left the empty file under two names.
    twins = sum(_is_same(draft, status, folder) for draft in plan.drafts if draft.draft == FRESH)
    if status.st_nlink - twins != 1:
        raise Refused(f"it has {status.st_nlink} names (hard links), which are not all known")
    holes = status.st_size - status.st_blocks * 512
    if holes > MAX_HOLE_BYTES:
        raise Refused(f"it is {bytes_text(status.st_size)} long, of which {bytes_text(holes)} were never written (holes)")
    if read_name(plan.name) is not None:
        raise Refused("its name is that of an archive")
    if is_too_long(plan.name):
        raise Refused("its name is too long for what an archive adds to it")


def _is_same(draft: Archive, status: os.stat_result, folder: Folder) -> bool:
    found = os.stat(draft.name, dir_fd=folder.descriptor, follow_symlinks=False)
    return identity_of(found) == identity_of(status)
