# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check ``log.rotation``: what became of one log, in words."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.telling import shown

CHECK = "log.rotation"
_BECOME = "Run the task with become: true, so that it may see which processes have the log open."
_SAFE = (
    "Name the log itself, in a folder that belongs to root or to the owner of the log and that nobody else may write to"
    " (chmod go-w)."
)


def check_unmatched(pattern: str) -> dict[str, Any]:
    """Return the check of a pattern that matches nothing."""
    return check_result(
        CHECK, pattern, UNKNOWN, f"{pattern} matches no log.",
        hint="Correct the path, or leave it out until the service writes a log there.",
    )


def check_log(plan: LogPlan, *, unseen: int, done: bool) -> dict[str, Any]:
    """Return the check of one log; its value is the size that it had.

    :param unseen: processes that this user may not look into.
    :param done: false in check mode: what would be done is told.
    """
    path = plan.path
    size = plan.status.st_size if plan.status else None
    if plan.missing:
        return check_result(
            CHECK, path, UNKNOWN, f"{path} does not exist.",
            hint="Correct the path, or leave it out until the service writes a log there.",
        )
    status, summary, hint = _verdict(plan, unseen, done)
    return check_result(
        CHECK, path, status, f"{path} {summary}.", value=size, unit="bytes" if size is not None else None,
        hint=hint or None, evidence=_evidence(plan) if status != OK else None,
    )


def _verdict(plan: LogPlan, unseen: int, done: bool) -> tuple[str, str, str]:
    """Return status, the rest of the sentence after the path, and the next step."""
    if plan.failures:
        what = "was rotated, but" if plan.rotated_bytes else "could not be rotated and is as it was:"
        hint = "Look at the disk and the rights of the folder, then run again: it goes on from there."
        if any("No space" in failure for failure in plan.failures):
            hint = "Make room on this file system (du -xh --max-depth=2), then run again: it goes on from there."
        return CRITICAL, f"{what} {plan.failures[0]}", hint
    if plan.refused:
        hint = "" if "writer" in plan.refused else _SAFE
        if "become" in plan.refused:
            hint = "Run the task with become: true."
        return WARNING, f"is not rotated: {plan.refused}", hint or "Correct reopen for this log, or the service; then run again."
    told = _what_was_done(plan, done)
    if plan.held:
        who = shown(min(plan.late_writers)) if plan.late_writers else "a process that cannot be seen from here"
        return WARNING, f"{told}, but {who} still writes to an archive of it, which is packed when it has left", (
            f"Tell it to open its log again (reopen, for now told: {plan.group.reopen.target}) or restart it."
        )
    if plan.notes:
        return WARNING, f"{told}, but {plan.notes[0]}", "Look at the service that writes it."
    if plan.unsure and plan.group.compress != "none":
        more = f"nobody can tell whether one of {unseen} processes of others still writes to its archive, which stays as it is"
        return WARNING, f"{told}, but {more}", _BECOME
    return OK, told, ""


def _what_was_done(plan: LogPlan, done: bool) -> str:
    would = "was" if done else "would be"
    if plan.archive is None or (done and not plan.rotated_bytes):
        return plan.not_due or "is as it was"
    size = plan.rotated_bytes if done else plan.status.st_size if plan.status else 0
    packed = [packed_size for archive, _size, packed_size in plan.packed if archive.raw == plan.archive.raw]
    text = f"{would} rotated ({bytes_text(size)}" + (f", packed to {bytes_text(packed[0])})" if packed else ")")
    if plan.bytes_at_risk:
        text += f"; about {bytes_text(plan.bytes_at_risk)} that were written while it was truncated may be lost"
    return text


def _evidence(plan: LogPlan) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if len(plan.failures) > 1:
        said["failures"] = plan.failures[1:6]
    if plan.notes[1:]:
        said["notes"] = plan.notes[1:6]
    if plan.late_writers:
        said["writers"] = [shown(pid) for pid in sorted(plan.late_writers)[:5]]
        said["archives"] = [archive.name for archive, _identity in plan.raw[:5]]
    return said
