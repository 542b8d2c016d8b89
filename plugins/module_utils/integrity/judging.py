# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows and details of what was found. Pure functions over values."""

from __future__ import annotations

import grp
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.accepting import ACCEPT_COMMAND
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    check_result,
    folded_row,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.findings import ADDED, REMOVED, Change, Findings
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import Record
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import Gap
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import user_name
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

FILES, BASELINE, COVERAGE = "integrity.files", "integrity.baseline", "integrity.coverage"

#: Rows of single paths; the others share one row, and RV(changes) lists more.
MAX_ROWS = 100
MAX_LISTED = 1000

ACCEPT_HINT = f"Accept the present state once it is known to be good: {ACCEPT_COMMAND}"
_CHANGE_HINT = f"Find out who changed it and why. What is meant to be so is accepted: {ACCEPT_COMMAND}"
_CHANGED_BASELINE_HINT = (
    "Treat the host as broken into until it is known who changed it, and isolate it: upkeep.runbook.security_incident --tags isolate. A new baseline"
    " needs state=accepted with a reason."
)


def file_rows(findings: Findings, *, severity: str, trusted: int, return_all: bool) -> list[dict[str, Any]]:
    """Return the rows of what differs or could not be read, and one for what is as it was accepted.

    :param trusted: how many files were not read.
    """
    unexplained = [change for change in findings.changes if not change.explained_by]
    rows = [_change_row(change, severity) for change in unexplained[:MAX_ROWS]]
    more = findings.differing - findings.explained - len(rows)
    if more:
        grave = findings.unlisted_grave or any(change.is_grave for change in unexplained[MAX_ROWS:])
        rows.append(check_result(
            FILES, "further paths", CRITICAL if grave else severity,
            f"{more} further paths are not as they were accepted ({_counts(findings)} in all).", value=more, unit="count",
            hint="changes lists more of them; return_all lists up to 20000.",
        ))  # fmt: skip
    rows += [
        check_result(FILES, path, UNKNOWN, f"{path} {problem}.", hint="Let it be readable, or exclude what changes all the time.")
        for path, problem in findings.unreadable[:MAX_ROWS]
    ]
    if findings.unreadable_count > MAX_ROWS:
        more = findings.unreadable_count - MAX_ROWS
        rows.append(check_result(FILES, "further unreadable paths", UNKNOWN, f"{more} further paths could not be read."))
    return rows + _fine_rows(findings, trusted, return_all)


def _fine_rows(findings: Findings, trusted: int, return_all: bool) -> list[dict[str, Any]]:
    explained = [change for change in findings.changes if change.explained_by]
    rows = []
    if explained:
        row = folded_row(FILES, len(explained))
        packages = sorted({change.explained_by for change in explained})
        row.update(
            subject="files of packages",
            summary=plain(
                f"{len(explained)} files differ from the baseline and are what packages brought since ({len(packages)} packages,"
                f" such as {', '.join(packages[:3])}).", 500
            ),
        )  # fmt: skip
        rows.append(row)
    if findings.unchanged:
        row = folded_row(FILES, findings.unchanged)
        unread = f"; {trusted} files were not read, since their status is as it was (trust_stat)" if trusted else ""
        row["summary"] = f"{findings.unchanged} paths are as they were accepted{unread}."
        rows.append(row)
    if return_all:
        rows += [
            check_result(FILES, change.path, OK, f"{change.path} is what package {change.explained_by} brought.")
            for change in explained
        ]
    return rows


def _change_row(change: Change, severity: str) -> dict[str, Any]:
    return check_result(
        FILES, change.path, CRITICAL if change.is_grave else severity, _sentence(change), value=change.kind,
        hint=_CHANGE_HINT, evidence={"differences": change.differences} if change.differences else None,
    )  # fmt: skip


def _sentence(change: Change) -> str:
    record = change.record
    if change.kind == REMOVED:
        return f"{record.path} is gone ({record.kind}, mode {record.permissions}, of {user_name(record.owner)})."
    rights = ", and runs with the rights of others" if record.runs_with_rights_of_others else ""
    if change.kind == ADDED:
        return f"{record.path} is new ({record.kind}, mode {record.permissions}, of {user_name(record.owner)}{rights})."
    what = ", ".join(
        f"{name} {_short(name, before)} → {_short(name, after)}" for name, (before, after) in change.differences.items()
    )
    return f"{record.path} was changed: {what}{rights}."


def _short(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if name == "sha256":
        return f"{value[:12]}…"
    if name == "size":
        return figure_text(value, "bytes")
    return _NAMES[name](value) if name in _NAMES else str(value)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


_NAMES: dict[str, Callable[[int], str]] = {"owner": lambda uid: str(user_name(uid)), "group": _group_name}


def _counts(findings: Findings) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in findings.counts.items())


def coverage_rows(
    paths: Sequence[str], gaps: Sequence[Gap], findings: Findings, *, return_all: bool
) -> list[dict[str, Any]]:
    """Return a row for each thing that was to be watched and is not, and one for the paths that are.

    :param paths: as they were given; none when nobody looked further.
    """
    rows = [check_result(COVERAGE, gap.subject, UNKNOWN, f"{gap.subject} {gap.reason}.", hint=gap.hint) for gap in gaps[:MAX_ROWS]]
    if len(gaps) > MAX_ROWS:
        rows.append(check_result(COVERAGE, "further paths", UNKNOWN, f"{len(gaps) - MAX_ROWS} further paths could not be looked at."))
    if findings.unwatched_count:
        rows.append(check_result(
            COVERAGE, "baseline", UNKNOWN,
            f"{findings.unwatched_count} paths of the baseline are there and were not looked at, such as {findings.unwatched[0]}: they"
            " are excluded, no longer named, or hidden by a mounted file system.",
            value=findings.unwatched_count, unit="count", hint=ACCEPT_HINT, evidence={"paths": findings.unwatched},
        ))  # fmt: skip
    missed = {gap.subject for gap in gaps}
    watched = [path for path in dict.fromkeys(paths) if path not in missed]
    if return_all or len(watched) == 1:
        rows += [check_result(COVERAGE, path, OK, f"{path} was looked at.") for path in watched]
    elif watched:
        rows.append(folded_row(COVERAGE, len(watched)))
    return rows


def baseline_row(
    subject: str,
    *,
    accepted: datetime,
    reason: str,
    digest: str,
    entries: int,
    now: datetime,
    warning_days: float,
    expected_digest: str,
    writable_by: str,
) -> dict[str, Any]:
    """Return the row of a baseline that is whole.

    :param expected_digest: what somebody else kept of it, or ''.
    :param writable_by: who else may write it, or ''.
    """
    age = (now - accepted).total_seconds()
    days = age / 86_400
    said = f"accepted on {to_iso(accepted)} ({reason})"
    status, hint = OK, None
    summary = f"The baseline of {entries} paths was {said}, {_age_text(age)} ago."
    if expected_digest and digest != expected_digest:
        status, hint = CRITICAL, _CHANGED_BASELINE_HINT
        summary = (
            f"The baseline itself was changed: its digest is {digest[:16]}…, and {expected_digest[:16]}… was kept elsewhere when it was"
            f" accepted. It claims that it was {said}."
        )
    elif writable_by:
        status, hint = CRITICAL, "Give the folder and the file to root, with modes 0700 and 0600; then accept anew."
        summary = f"The baseline can be written by {writable_by}, so that it proves nothing."
    elif days < -1:
        status, hint = WARNING, "Look at the clock of the host; then accept anew."
        summary = f"The baseline was {said}, which is in the future."
    elif warning_days and days >= warning_days:
        status, hint = WARNING, ACCEPT_HINT
        summary = f"{summary[:-1]} (warning from {figure_text(warning_days, 'days')})."
    return check_result(
        BASELINE, subject, status, summary, value=round(days, 3), unit="days", warning=warning_days or None, hint=hint,
        evidence={"digest": digest, "expected_digest": expected_digest or None},
    )  # fmt: skip


def _age_text(seconds: float) -> str:
    return figure_text(seconds / 86_400, "days") if seconds >= 172_800 else figure_text(max(round(seconds), 0), "seconds")


def no_baseline_row(subject: str, expected_digest: str) -> dict[str, Any]:
    """Return the row of a baseline that is not there: on a first run, or where there was one."""
    if expected_digest:
        return check_result(
            BASELINE, subject, CRITICAL,
            f"The baseline is gone: {subject} does not exist, and the digest {expected_digest[:16]}… of one was kept elsewhere.",
            hint=_CHANGED_BASELINE_HINT,
        )  # fmt: skip
    return check_result(BASELINE, subject, UNKNOWN, "There is no baseline yet, so that nothing was compared.", hint=ACCEPT_HINT)


def damaged_baseline_row(subject: str, problem: str) -> dict[str, Any]:
    """Return the row of a baseline that is not whole: it is only ever exchanged as a whole, so that this is no accident of ours."""
    return check_result(BASELINE, subject, CRITICAL, f"The baseline {subject} {problem}.", hint=_CHANGED_BASELINE_HINT)


def unreadable_baseline_row(subject: str, problem: OSError) -> dict[str, Any]:
    """Return the row of a baseline that could not be read, so that nothing was compared."""
    return check_result(
        BASELINE, subject, UNKNOWN, f"The baseline {subject} cannot be read ({problem.strerror}).",
        hint="Run the task with become: true.",
    )  # fmt: skip


def change_details(changes: Sequence[Change], *, return_all: bool) -> list[dict[str, Any]]:
    """Return the changes as the module returns them; bounded."""
    return [
        {
            "path": plain(change.path, 4096),
            "change": change.kind,
            "before": _record_details(change.before),
            "after": _record_details(change.after),
            "explained_by": plain(change.explained_by, 200) or None,
        }
        for change in (changes if return_all else changes[:MAX_LISTED])
    ]


def _record_details(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "type": record.kind, "mode": record.permissions, "owner": user_name(record.owner), "group": _group_name(record.group),
        "size": record.size, "sha256": record.sha256 or None, "capabilities": record.capabilities or None,
        "target": plain(record.target, 4096) or None,
    }  # fmt: skip


def diff_of(changes: Sequence[Change]) -> dict[str, str]:
    """Return what accepting changes, for diff mode."""
    shown = changes[:MAX_LISTED]
    return {
        "before": "".join(_text(change.before) for change in shown if change.before is not None),
        "after": "".join(_text(change.after) for change in shown if change.after is not None),
    }


def _text(record: Record | None) -> str:
    if record is None:
        return ""
    what = record.sha256 or (f"-> {plain(record.target, 500)}" if record.target else record.kind)
    return f"{plain(record.path, 4096)} {record.permissions} {user_name(record.owner)} {_group_name(record.group)} {what}\n"
