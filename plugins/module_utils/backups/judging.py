# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the backups of a group mean: one check of each kind for the group, whatever the number of backups looked at.

The subject is the group and not the file, whose name changes with each new backup: a problem stays the same problem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_time import (
    FROM_MANIFEST,
    FROM_MTIME,
    FROM_NAME,
    FROM_SNAPSHOT,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.examining import Examined
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import LINK, BackupFile, Found, is_future
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

NEW_BACKUP = "Make a new backup now and verify it; keep this one until then."
_PREVIOUS = 5
_SOURCES = {
    FROM_MANIFEST: "by its manifest",
    FROM_NAME: "by its name",
    FROM_MTIME: "by the time of its last change",
    FROM_SNAPSHOT: "by its snapshot",
}


def presence_check(group: Group, found: Found) -> dict[str, Any]:
    """Say whether there is a backup at all."""
    where = group.path or group.directory
    names = " or ".join(group.patterns[:3]) + (" …" if len(group.patterns) > 3 else "")
    status, hint = CRITICAL, "Look at why the backup did not run, and whether its file system is mounted; then make one."
    if found.problem:
        status, summary, hint = UNKNOWN, f"{found.problem}.", found.hint
    elif found.absent:
        summary = f"There is no backup: {found.absent}."
    elif found.files:
        status = WARNING if found.others else OK
        summary = f"{count_text(len(found.files) + len(found.future), 'backup')} in {where}." if group.directory else f"{where} exists."
        hint = "Give it another name, or a narrower pattern." if found.others else ""
    elif found.others:
        other, kind = found.others[0]
        summary = f"There is no backup: {other} is {kind}."
        if all(kind == LINK for _path, kind in found.others):
            status, hint = UNKNOWN, "Give the path of the file itself; it can be verified there."
            summary = f"{other} is {kind}, which is not followed."
    else:
        summary = f"There is no backup: none of the {found.entries} entries of {where} is called {names}."
    if found.files and found.others:
        summary += f" {found.others[0][0]} is called like one and is {found.others[0][1]}."
    evidence = {"others": [f"{path}: {kind}" for path, kind in found.others]} if found.others else None
    return check_result(
        "backup.present", group.subject, status, summary,
        value=len(found.files) + len(found.future), unit="count", hint=hint, evidence=evidence,
    )


def future_check(group: Group, found: Found, now: datetime) -> dict[str, Any] | None:
    """Say which backups are dated in the future and were set aside; None when there are none."""
    if not found.future:
        return None
    first = found.future[0]
    others = f" (and {len(found.future) - 1} more)" if len(found.future) > 1 else ""
    text = (
        f"{first.path}{others} lies {figure_text(-age_hours(first, now), 'hours')} in the future ({_SOURCES[first.created_from]}); the newest"
        f" of the others, {found.files[0].path}, counts as the newest."
    )
    return check_result(
        "backup.future", group.subject, WARNING, text, value=len(found.future), unit="count", warning=1,
        hint="Correct the clock, and name it after the time at which it was made, or remove it.",
        evidence={"paths": [file.path for file in found.future[:20]]},
    )


def age_hours(file: BackupFile, now: datetime) -> float:
    """Return the age of a backup in hours; below 0 when it lies in the future."""
    return round((now - file.created).total_seconds() / 3600, 2)


def age_check(group: Group, newest: BackupFile, now: datetime) -> dict[str, Any]:
    """Say whether the newest backup is young enough."""
    age, limit = age_hours(newest, now), group.max_age_hours
    source = _SOURCES[newest.created_from]
    text = f"The newest backup, {newest.path}, is {figure_text(age, 'hours')} old ({source})"
    hint = ""
    if is_future(newest.created, now):
        status = UNKNOWN
        text = f"The newest backup, {newest.path}, lies {figure_text(-age, 'hours')} in the future ({source})"
        hint = "Correct the clock or the name: until then it hides when backups stop."
    elif limit is not None and age > limit:
        status, text = CRITICAL, f"{text}; the limit is {figure_text(limit, 'hours')}"
        hint = "Look at why no backup was made since: the log of its job, and the space where it is kept."
    else:
        status, text = OK, text if limit is None else f"{text}; the limit is {figure_text(limit, 'hours')}"
    evidence = {"path": newest.path, "created": to_iso(newest.created), "created_from": newest.created_from}
    return check_result(
        "backup.age", group.subject, status, f"{text}.",
        value=age, unit="hours", critical=limit, hint=hint, evidence=evidence,
    )


def size_check(group: Group, files: Sequence[BackupFile]) -> dict[str, Any]:
    """Say whether the backups looked at are large enough; an empty one never is."""
    smallest = min(files, key=lambda file: file.bytes)
    least = max(group.min_bytes, 1)
    small = smallest.bytes < least
    has = "is empty" if not smallest.bytes else f"has {figure_text(smallest.bytes, 'bytes')}"
    text = f"{smallest.path} {has}; the least is {figure_text(least, 'bytes')}."
    return check_result(
        "backup.size", group.subject, CRITICAL if small else OK, text,
        value=smallest.bytes, unit="bytes", critical=least, hint=NEW_BACKUP if small else "",
    )


def shrink_check(group: Group, files: Sequence[BackupFile]) -> dict[str, Any] | None:
    """Say whether the newest backup is much smaller than those before it; None without a limit.

    :param files: newest first.
    """
    if group.max_shrink_percent is None:
        return None
    earlier = [file.bytes for file in files[1 : _PREVIOUS + 1] if file.bytes]
    newest, limit = files[0], group.max_shrink_percent
    if not earlier:
        text = f"There is no earlier backup to compare {newest.path} with."
        return check_result("backup.shrink", group.subject, OK, text, unit="percent", warning=limit)
    usual = median(earlier)
    shrunk = round(100 * (1 - newest.bytes / usual), 1)
    status = WARNING if shrunk > limit else OK
    smaller = f"{figure_text(shrunk, 'percent')} smaller" if shrunk > 0 else "not smaller"
    text = (
        f"{newest.path} has {figure_text(newest.bytes, 'bytes')}, {smaller} than the median of the"
        f" {count_text(len(earlier), 'backup')} before it, {figure_text(usual, 'bytes')}; the limit is {figure_text(limit, 'percent')}."
    )
    return check_result(
        "backup.shrink", group.subject, status, text, value=max(shrunk, 0.0), unit="percent", warning=limit,
        hint="Compare its members with those of the backup before: a source may be missing." if status != OK else "",
    )


def readable_check(group: Group, examined: Sequence[Examined]) -> dict[str, Any]:
    """Say whether the backups looked at could be read to their end, with the archives inside."""
    return worst_row("backup.readable", group, examined, readable_status, _readable_text)


def content_check(group: Group, examined: Sequence[Examined]) -> dict[str, Any]:
    """Say whether the backups looked at hold members, and those that are required."""
    return worst_row("backup.content", group, examined, content_status, _content_text)


def readable_status(one: Examined) -> str:
    """Return the status of reading one backup."""
    if one.contents is None or one.changing:
        return UNKNOWN
    return worst([OK, *(CRITICAL if isinstance(problem, Damaged) else UNKNOWN for problem in one.contents.problems)])


def content_status(one: Examined) -> str:
    """Return the status of the members of one backup; what was not read to its end may hold what is missing."""
    if one.contents is None or one.changing:
        return UNKNOWN
    if not one.contents.missing and one.contents.members:
        return OK
    return UNKNOWN if one.contents.problems else CRITICAL


def worst_row(
    check: str,
    group: Group,
    examined: Sequence[Examined],
    status_of: Callable[[Examined], str],
    text_of: Callable[[Group, Examined, str], tuple[str, str, dict[str, Any]]],
) -> dict[str, Any]:
    status = worst(status_of(one) for one in examined)
    bad = [one for one in examined if status_of(one) != OK]
    shown = next(one for one in examined if status_of(one) == status)
    text, hint, evidence = text_of(group, shown, status)
    if len(bad) > 1:
        text += f" So are {len(bad) - 1} more of the {len(examined)} looked at."
        evidence["others"] = [one.file.path for one in bad if one is not shown]
    return check_result(check, group.subject, status, text, value=len(bad), unit="count", hint=hint, evidence=evidence)


def _readable_text(group: Group, one: Examined, status: str) -> tuple[str, str, dict[str, Any]]:
    path, contents = one.file.path, one.contents
    evidence: dict[str, Any] = {"path": path}
    if contents is None:
        problem = one.problem or Unread("was not read")
        return f"{path} {problem.message}.", problem.hint, evidence
    evidence.update(format=contents.format, members=contents.members, archives_inside=contents.inner)
    if contents.problems:
        evidence["problems"] = [problem_row(problem) for problem in contents.problems]
    if one.changing:
        return f"{path} was written to while it was read.", "Verify it when the backup has ended.", evidence
    if not contents.problems:
        inner = f" and {count_text(contents.inner, 'archive')} inside" if contents.inner else ""
        text = f"{path} was read to its end: {count_text(contents.members, 'member')}{inner}."
        if contents.inner_left_out:
            left = count_text(contents.inner_left_out, "archive")
            text += f" {left} inside not opened (nested_depth, nested_exclude)."
        if not contents.checksums and not (one.verified and one.verified.hashed):
            text += " Its format has no checksum of their contents: bytes that changed inside a file are not found."
        return text, "", evidence
    kind = Damaged if status == CRITICAL else Unread
    first = next(problem for problem in contents.problems if isinstance(problem, kind))
    text = f"{path}: {first.member} inside it {first.message}." if first.member else f"{path} {first.message}."
    if contents.problem_count > 1:
        text += f" {contents.problem_count - 1} more of its members have problems."
    hint = NEW_BACKUP if isinstance(first, Damaged) else first.hint if isinstance(first, Unread) else ""
    return text, hint, evidence


def _content_text(group: Group, one: Examined, status: str) -> tuple[str, str, dict[str, Any]]:
    path, contents = one.file.path, one.contents
    evidence: dict[str, Any] = {"path": path}
    if contents is None or status == UNKNOWN:
        return f"Nobody can tell what {path} holds: it was not read to its end.", "See backup.readable.", evidence
    evidence["missing"] = contents.missing
    if not contents.members:
        return f"{path} holds nothing: it has no members.", NEW_BACKUP, evidence
    if contents.missing:
        missing = ", ".join(contents.missing[:5]) + (" …" if len(contents.missing) > 5 else "")
        text = f"{path} lacks {len(contents.missing)} of {count_text(len(group.require), 'required member')}: {missing}."
        return text, "Look at what the backup left out; a source that does not exist makes a smaller archive.", evidence
    required = f", all {len(group.require)} required ones among them" if group.require else "; none is required"
    return f"{path} has {count_text(contents.members, 'member')}{required}.", "", {}


def problem_row(problem: ArchiveProblem) -> dict[str, Any]:
    """Return one problem of an archive as a row of results."""
    row = {"member": problem.member, "problem": problem.message, "offset": problem.offset}
    return {key: value for key, value in row.items() if value not in ("", None)}


def count_text(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
