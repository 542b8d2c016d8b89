# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the comparison of backups with their manifests means: of their members, and of what these hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.examining import Examined
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import REQUIRED, Group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.judging import NEW_BACKUP, count_text, worst_row
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_verifying import BESIDE, Verified
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text

_SEE_READABLE = "See backup.readable."
_SEE_MANIFEST = "See backup.manifest."
_NO_MANIFEST = "Make backups with backup_create; for those of another program set manifest: optional, or the level readable."


def manifest_check(group: Group, examined: Sequence[Examined]) -> dict[str, Any]:
    """Say whether the backups looked at have the members of their manifests, and whole manifests."""
    return worst_row("backup.manifest", group, examined, lambda one: manifest_status(one, group.manifest), _manifest_text)


def hashes_check(group: Group, examined: Sequence[Examined]) -> dict[str, Any]:
    """Say whether every byte of the backups looked at is the one that was packed."""
    return worst_row("backup.content_hashes", group, examined, lambda one: hashes_status(one, group.manifest), _hashes_text)


def manifest_status(one: Examined, policy: str) -> str:
    """Return the status of the members of one backup beside its manifest."""
    verified = one.verified
    if verified is None or one.changing:
        return UNKNOWN
    if verified.problems or verified.found.member_count:
        return CRITICAL
    if verified.absent:
        return CRITICAL if policy == REQUIRED else OK
    if verified.unread is not None or not verified.whole:
        return UNKNOWN
    return WARNING if verified.notes else OK


def hashes_status(one: Examined, policy: str) -> str:
    """Return the status of the contents of one backup beside its manifest."""
    verified = one.verified
    if verified is None or one.changing:
        return UNKNOWN
    if verified.found.content_count:
        return CRITICAL
    if verified.absent and policy != REQUIRED:
        return OK
    return OK if verified.whole else UNKNOWN


def difference_words(verified: Verified | None) -> list[str]:
    """Return all that differs between a backup and its manifests, in words; bounded."""
    if verified is None:
        return []
    return [*verified.problems, *verified.found.members, *verified.found.contents]


def manifest_row(verified: Verified | None) -> dict[str, Any] | None:
    """Return what a result says of the manifest of a backup, or None when there was none to compare with."""
    if verified is None or not verified.compared:
        return None
    header = verified.header
    keys = ("backup_id", "label", "platform", "host", "started", "ended")
    return {"compared": verified.compared, **{key: header.get(key) for key in keys}, "members": verified.members, "torn": verified.torn}


def _manifest_text(group: Group, one: Examined, status: str) -> tuple[str, str, dict[str, Any]]:
    path, verified = one.file.path, one.verified
    evidence: dict[str, Any] = {"path": path}
    if verified is None or one.changing:
        return f"Nobody can tell whether {path} fits its manifest: it was not read to its end.", _SEE_READABLE, evidence
    found = verified.found
    if verified.problems or found.member_count:
        words = [*verified.problems, *found.members]
        more = len(verified.problems) + found.member_count - 1
        text = f"{path} {words[0]}." if not verified.problems else f"{path}: {words[0]}."
        text += f" {more} more {'difference' if more == 1 else 'differences'}." if more else ""
        evidence["differences"] = words
        return text, _hint(verified), evidence
    if verified.absent:
        text = f"{path} has no manifest, so that nobody can tell whether members are missing."
        if status == OK:
            text = f"{path} has no manifest and was verified at the level readable."
        return text, "" if status == OK else _NO_MANIFEST, evidence
    if verified.unread is not None:
        return f"{path}: {verified.unread.message}.", verified.unread.hint, evidence
    if not verified.whole:
        return f"Nobody can tell whether {path} fits its manifest: it was not read to its end.", _SEE_READABLE, evidence
    text = f"{path} has the {count_text(verified.members, 'member')} of its manifest, in their order."
    if verified.torn:
        text += f" {count_text(verified.torn, 'file')} changed while packed."
        evidence["torn"] = verified.torn
    if verified.notes:
        text += f" But {verified.notes[0]}."
    return text, "Copy the manifest together with the archive." if verified.notes else "", evidence if status != OK else {}


def _hint(verified: Verified) -> str:
    """Return the next step when an archive and its manifests differ."""
    if verified.problems and not verified.found.member_count and verified.whole and verified.compared != BESIDE:
        return "The archive fits the manifest inside it: put the right one beside it, or remove the wrong one."
    return NEW_BACKUP


def _hashes_text(group: Group, one: Examined, status: str) -> tuple[str, str, dict[str, Any]]:
    path, verified = one.file.path, one.verified
    evidence: dict[str, Any] = {"path": path}
    if verified is not None and status == CRITICAL:
        found = verified.found
        evidence["differences"] = found.contents
        more = f" So have {found.content_count - 1} more." if found.content_count > 1 else ""
        return f"{path}: {found.contents[0]}.{more}", NEW_BACKUP, evidence
    if verified is not None and verified.absent:
        if status == OK:
            return f"{path} has no manifest with checksums.", "", {}
        return f"{path} has no manifest, so that nobody can tell whether it holds what was packed.", _SEE_MANIFEST, evidence
    if verified is None or status == UNKNOWN:
        hint = _SEE_MANIFEST if verified is not None and (verified.problems or verified.unread) else _SEE_READABLE
        return f"Nobody can tell whether {path} holds what was packed: not every byte was compared.", hint, evidence
    size = figure_text(verified.hashed_bytes, "bytes")
    return f"{path} holds what was packed: {count_text(verified.members, 'member')}, {size}, each hashed.", "", {}
