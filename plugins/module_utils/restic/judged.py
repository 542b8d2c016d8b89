# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was found of a snapshot and its repository, as the checks that archives have, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.judging import NEW_BACKUP, count_text
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import Contents
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_SEE_READABLE = "See backup.readable."


@dataclass(frozen=True)
class RepositoryCheck:
    """What ``restic check`` has shown.

    :ivar damaged: it found errors.
    :ivar problem: why it could not be run to its end, or an empty text.
    :ivar lines: the errors it found; bounded.
    :ivar read: how much of the data was read, in words; empty for none.
    """

    damaged: bool = False
    problem: str = ""
    hint: str = ""
    lines: tuple[str, ...] = ()
    read: str = ""

    @property
    def status(self) -> str:
        return CRITICAL if self.damaged else UNKNOWN if self.problem else OK


@dataclass
class Examined:
    """One snapshot.

    :ivar contents: None when it was not or could not be listed.
    :ivar header: its manifest; None when it has none or it was not read.
    :ivar problem: why it could not be listed, or an empty text.
    :ivar manifest_problem: what is wrong with its manifest, or an empty text.
    """

    file: BackupFile
    snapshot_id: str
    backup_id: str
    contents: Contents | None = None
    header: Mapping[str, Any] | None = None
    problem: str = ""
    hint: str = ""
    manifest_problem: str = ""
    differences: list[str] = field(default_factory=list)


def readable_check(group: Group, examined: Sequence[Examined], checked: RepositoryCheck) -> dict[str, Any]:
    """Say whether the repository has all that its snapshots are made of."""
    where = group.directory
    evidence: dict[str, Any] = {"snapshots": [one.file.path for one in examined]}
    if checked.damaged:
        first = f" ({checked.lines[0]})" if checked.lines else ""
        text, hint = f"{where} is damaged: restic check found errors{first}.", checked.hint
        evidence["errors"] = list(checked.lines[:20])
    elif checked.problem:
        text, hint = f"{where} was not checked: {checked.problem}", checked.hint
    else:
        text = f"{where} has every piece that its snapshots are made of; {checked.read or 'their contents were not read'}."
        hint = ""
    unlisted = [one for one in examined if one.problem]
    status = checked.status
    if unlisted and status == OK:
        status, text, hint = UNKNOWN, f"{unlisted[0].file.path} could not be listed: {unlisted[0].problem}", unlisted[0].hint
    bad = len(examined) if status != OK else 0
    return check_result("backup.readable", group.subject, status, text, value=bad, unit="count", hint=hint, evidence=evidence)


def content_status(one: Examined) -> str:
    """Return the status of what a snapshot holds."""
    if one.contents is None:
        return UNKNOWN
    return CRITICAL if one.contents.missing or not one.contents.members else OK


def content_check(group: Group, examined: Sequence[Examined]) -> dict[str, Any]:
    """Say whether the snapshots hold something, and what is required."""
    bad = [one for one in examined if content_status(one) != OK]
    one = next((one for one in bad if content_status(one) == CRITICAL), bad[0] if bad else examined[0])
    contents, hint = one.contents, ""
    if contents is None:
        text, hint = f"What {one.file.path} holds is not known.", _SEE_READABLE
    elif contents.missing:
        named = ", ".join(plain(pattern, 80) for pattern in contents.missing[:3])
        text, hint = f"{one.file.path} has no member that fits {named}.", "Look at the sources of the backup, and at require."
    elif not contents.members:
        text, hint = f"{one.file.path} holds nothing.", NEW_BACKUP
    else:
        text = f"{one.file.path} has {count_text(contents.members, 'member')}, {bytes_text(contents.bytes)}, and those that are required."
    return check_result("backup.content", group.subject, content_status(one), text, value=len(bad), unit="count", hint=hint)


def manifest_status(one: Examined) -> str:
    """Return the status of the manifest of a snapshot; one that something else made has none and needs none."""
    if one.manifest_problem or one.differences:
        return CRITICAL
    return OK if one.header is not None or not one.backup_id else UNKNOWN


def manifest_check(group: Group, examined: Sequence[Examined]) -> dict[str, Any]:
    """Say whether the snapshots have their manifests and the dumps that these list."""
    bad = [one for one in examined if manifest_status(one) != OK]
    one = next((one for one in bad if manifest_status(one) == CRITICAL), bad[0] if bad else examined[0])
    hint = ""
    if one.manifest_problem:
        text, hint = f"{one.file.path}: {one.manifest_problem}.", NEW_BACKUP
    elif one.differences:
        text, hint = f"{one.file.path}: {one.differences[0]}.", NEW_BACKUP
    elif one.header is not None:
        text = f"{one.file.path} has its manifest, and the {count_text(len(one.header.get('dumps') or []), 'dump')} that it lists."
    elif one.backup_id:
        text, hint = f"The manifest of {one.file.path} was not read.", _SEE_READABLE
    else:
        text = f"{one.file.path} was not made by restic_backup and has no manifest."
    evidence = {"differences": one.differences[:20]} if one.differences else None
    return check_result(
        "backup.manifest", group.subject, manifest_status(one), text, value=len(bad), unit="count", hint=hint, evidence=evidence,
    )


def hashes_check(group: Group, checked: RepositoryCheck) -> dict[str, Any]:
    """Say whether every byte in the repository is the one that was stored."""
    if checked.status == OK:
        text = f"Every byte in {group.directory} was read and is the one that was stored."
    elif checked.damaged:
        text = f"{group.directory} does not hold what was stored in it."
    else:
        text = f"{group.directory} was not read to its end."
    hint = "" if checked.status == OK else _SEE_READABLE
    return check_result(
        "backup.content_hashes", group.subject, checked.status, text, value=0 if checked.status == OK else 1, unit="count", hint=hint,
    )


def dump_differences(header: Mapping[str, Any], contents: Contents) -> list[str]:
    """Return how the dumps of a snapshot differ from those of its manifest, in words."""
    found = []
    for row in header.get("dumps") or []:
        member = str(row.get("member")) if isinstance(row, Mapping) else ""
        size = contents.dumps.get(member)
        if size is None:
            found.append(f"{plain(member, 100)} is in the manifest and not in the snapshot")
        elif size != row.get("bytes"):
            found.append(f"{plain(member, 100)} has {size} bytes and not {row.get('bytes')}")
    return found
