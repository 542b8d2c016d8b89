# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose the backup to recover from: a named one, the newest before a time, or the newest, that verifies now."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile, find_in_directory, find_path
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

#: So many backups are read before one gives up: each may be large, and ten damaged ones in a row are no accident.
MAX_VERIFIED = 10
_FUTURE = timedelta(hours=1)
#: The time in the pattern of an archive of ours, which nobody reads.
_TIME = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
_MAX_NAMED = 20

#: Reads the header of the manifest beside an archive; raises UpkeepError with the reason.
ReadHeader = Callable[[str], Mapping[str, Any]]
#: Verifies an archive; returns the reason why it is not to be used, or an empty text.
Verify = Callable[[str], str]


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    :ivar backup: path, file name or id of a backup; empty takes the newest.
    :ivar before: the backup must have ended by then; None is no limit.
    :ivar platform: the platform that the backup must be of, and so for ``host``.
    """

    directory: str
    patterns: Sequence[str]
    backup: str
    before: datetime | None
    platform: str
    host: str


@dataclass
class Chosen:
    """The backup that was chosen, or why there is none.

    :ivar passed_over: newer backups that do not verify, with the reason: data that is lost.
    :ivar left_out: why others did not count, for who wonders; bounded.
    """

    file: BackupFile | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def choose(wanted: Wanted, read_header: ReadHeader, verify: Verify, *, now: datetime) -> Chosen:
    """Return the backup to recover from. A named one is taken or refused; otherwise the newest that verifies is taken."""
    if wanted.backup:
        return _named(wanted, read_header, verify)
    found = find_in_directory(wanted.directory, wanted.patterns)
    if found.problem or found.absent:
        return Chosen(problem=f"there is no backup: {found.problem or found.absent}")
    chosen = Chosen()
    for file in found.files:
        try:
            header = read_header(file.path)
            reason = _unsuitable(file, header, wanted, now)
        except UpkeepError as error:
            header, reason = {}, error.message
        if reason:
            _note(chosen.left_out, file.path, reason)
            continue
        reason = verify(file.path)
        if not reason:
            chosen.file, chosen.header = file, header
            return chosen
        _note(chosen.passed_over, file.path, reason)
        if len(chosen.passed_over) >= MAX_VERIFIED:
            break
    chosen.problem = _none_of(wanted, chosen, found.entries)
    return chosen


def _named(wanted: Wanted, read_header: ReadHeader, verify: Verify) -> Chosen:
    """Take the named backup, whatever its age; ``before`` still counts, so that nobody overlooks it."""
    chosen = Chosen()
    try:
        file = _find_named(wanted, read_header)
        header = read_header(file.path)
        chosen.problem = _foreign(header, wanted) or _too_late(file, header, wanted) or verify(file.path)
    except UpkeepError as error:
        chosen.problem = error.message
        return chosen
    if chosen.problem:
        chosen.problem = chosen.problem if chosen.problem.startswith(file.path) else f"{file.path}: {chosen.problem}"
    else:
        chosen.file, chosen.header = file, header
    return chosen


def _find_named(wanted: Wanted, read_header: ReadHeader) -> BackupFile:
    name = wanted.backup
    if os.path.isabs(name):
        found = find_path(name)
        if found.files:
            return found.files[0]
        other = f"{found.others[0][0]} is {found.others[0][1]}" if found.others else f"{name} is no file"
        raise UpkeepError(f"there is no such backup: {found.problem or found.absent or other}")
    found = find_in_directory(wanted.directory, wanted.patterns if "/" not in name else [])
    for file in found.files:
        if os.path.basename(file.path) == name or _id_of(file, read_header) == name:
            return file
    known = ", ".join(os.path.basename(file.path) for file in found.files[:5]) or found.problem or found.absent or "none"
    raise UpkeepError(
        f"no backup in {wanted.directory} is called {plain(name, 200)}, as a file or by its id; there are: {known}"
    )


def _id_of(file: BackupFile, read_header: ReadHeader) -> str:
    try:
        return str(read_header(file.path).get("backup_id"))
    except UpkeepError:
        return ""


def _unsuitable(file: BackupFile, header: Mapping[str, Any], wanted: Wanted, now: datetime) -> str:
    """Return why a backup does not count when none was named, or an empty text."""
    if file.created > now + _FUTURE:
        return f"its name lies in the future ({to_iso(file.created)}): name it to use it all the same"
    return _foreign(header, wanted) or _too_late(file, header, wanted)


def _foreign(header: Mapping[str, Any], wanted: Wanted) -> str:
    for key, mine in (("platform", wanted.platform), ("host", wanted.host)):
        theirs = str(header.get(key) or "")
        if mine and theirs != mine:
            return f"it is of the {key} {plain(theirs, 100) or '(none)'}, not of {plain(mine, 100)}"
    return ""


def _too_late(file: BackupFile, header: Mapping[str, Any], wanted: Wanted) -> str:
    """A backup is of the time between its start and its end: the whole of it must be before the time asked for."""
    if wanted.before is None:
        return ""
    ended = file.created
    try:
        ended = max(ended, from_iso(str(header.get("ended"))))
    except ValueError:
        pass
    return "" if ended <= wanted.before else f"it ended at {to_iso(ended)}, after {to_iso(wanted.before)}"


def _none_of(wanted: Wanted, chosen: Chosen, entries: int) -> str:
    limit = f" from before {to_iso(wanted.before)}" if wanted.before else ""
    if chosen.passed_over:
        path, reason = chosen.passed_over[0]
        return f"none of the {len(chosen.passed_over)} newest backups{limit} verifies; {path}: {reason}"
    if chosen.left_out:
        path, reason = chosen.left_out[0]
        return f"no backup in {wanted.directory}{limit} can be used; {path}: {reason}"
    names = " or ".join(pattern.replace(_TIME, "<time>") for pattern in wanted.patterns[:3])
    return f"there is no backup{limit}: none of the {entries} entries of {wanted.directory} is called {names}"


def _note(rows: list[tuple[str, str]], path: str, reason: str) -> None:
    if len(rows) < _MAX_NAMED:
        rows.append((path, reason))
