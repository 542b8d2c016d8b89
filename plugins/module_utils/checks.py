# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check result: the one value that flows from every inspecting module to every report.

A check result is a plain ``dict`` so that it crosses the wire as JSON. ``docs/check_result.md`` describes its keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value

Value = Union[int, float, str, bool, None]

OK = "ok"
WARNING = "warning"
UNKNOWN = "unknown"
CRITICAL = "critical"

#: From the mildest to the worst. ``unknown`` is worse than ``warning``: what nobody could look at may be broken.
SEVERITY = (OK, WARNING, UNKNOWN, CRITICAL)

_HEALTH = {OK: "HEALTHY", WARNING: "DEGRADED", UNKNOWN: "UNKNOWN", CRITICAL: "UNHEALTHY"}

#: A sign for each status on a page, beside its word: color never carries it alone.
SIGNS = {OK: "✓", WARNING: "!", UNKNOWN: "?", CRITICAL: "✕"}

MAX_SUMMARY_CHARACTERS = 500
MAX_SUBJECT_CHARACTERS = 300


def severity(status: str) -> int:
    """Return the rank of a status, 0 (ok) to 3 (critical).

    :raises ValueError: when ``status`` is none of :data:`SEVERITY`.
    """
    if status not in SEVERITY:
        raise ValueError(f"{status!r} is no status; a status is one of {', '.join(SEVERITY)}")
    return SEVERITY.index(status)


def worst(statuses: Iterable[str]) -> str:
    """Return the worst of the statuses; nothing looked at is ``unknown``, never ok."""
    return max(statuses, key=severity, default=UNKNOWN)


def worst_of(checks: Iterable[dict[str, Any]]) -> str:
    """Return the worst status of the check results; suppressed ones do not count.

    When every check is suppressed the whole is ok: somebody looked, and decided with a reason and an end.
    """
    listed = list(checks)
    counting = [check["status"] for check in listed if not check.get("suppressed")]
    if listed and not counting:
        return OK
    return worst(counting)


def platform_health(status: str) -> str:
    """Return the word for the health of a platform: HEALTHY, DEGRADED, UNKNOWN or UNHEALTHY."""
    return _HEALTH[status]


def check_result(
    check: str,
    subject: str,
    status: str,
    summary: str,
    *,
    value: Value = None,
    unit: str | None = None,
    warning: Value = None,
    critical: Value = None,
    hint: str | None = None,
    evidence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Build one check result.

    Text that may come from a target is made printable and bounded here, in one place, so that no consumer meets
    control characters or a megabyte of log line.

    :param check: stable dotted id, such as ``disk.space``.
    :param subject: what was looked at: a path, URL, host:port, unit or package.
    :param status: one of :data:`SEVERITY`.
    :param summary: one plain sentence with the figure and the threshold.
    :param value: what was measured, in the unit of the threshold options.
    :param warning: the threshold that applied, or None.
    :param critical: the threshold that applied, or None.
    :param hint: the next step, or the playbook to run.
    :param evidence: bounded details.
    :raises ValueError: when ``status`` is unknown to :data:`SEVERITY`.
    """
    severity(status)
    result: dict[str, Any] = {
        "check": check,
        "subject": plain(subject, MAX_SUBJECT_CHARACTERS),
        "status": status,
        "summary": plain(summary, MAX_SUMMARY_CHARACTERS),
        "value": plain_value(value),
        "unit": unit,
        "warning": warning,
        "critical": critical,
    }
    if hint:
        result["hint"] = plain(hint, MAX_SUMMARY_CHARACTERS)
    if evidence:
        result["evidence"] = plain_value(evidence)
    return result


def grade(value: float, warning: float | None, critical: float | None) -> str:
    """Grade a figure where more is worse: at or above a threshold counts as reached; None disables a threshold."""
    if critical is not None and value >= critical:
        return CRITICAL
    if warning is not None and value >= warning:
        return WARNING
    return OK


def fold_ok(checks: Sequence[dict[str, Any]], *, return_all: bool = False) -> list[dict[str, Any]]:
    """Return the checks that are not ok, worst first, and one row that stands for the ok ones of each check id.

    10 000 rows of ok cost the controller seconds and tell nobody anything. A single ok row stays as it is.

    :param checks: check results.
    :param return_all: keep every row, in the order given.
    """
    if return_all:
        return list(checks)
    problems = sorted((c for c in checks if c["status"] != OK), key=lambda c: -severity(c["status"]))
    ok_by_id: dict[str, list[dict[str, Any]]] = {}
    for row in checks:
        if row["status"] == OK:
            ok_by_id.setdefault(row["check"], []).append(row)
    folded = []
    for check_id, rows in ok_by_id.items():
        if len(rows) == 1:
            folded.append(rows[0])
            continue
        folded.append(folded_row(check_id, len(rows)))
    return problems + folded


def folded_row(check_id: str, count: int) -> dict[str, Any]:
    """Return the one row that stands for ``count`` ok subjects of a check."""
    row = check_result(check_id, f"{count} subjects", OK, f"{count} subjects are ok.")
    row["folded"] = count
    return row


def identity(platform: str, host: str, check: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return what makes a problem the same problem from run to run; never the summary, whose figures change."""
    return (platform, host, check["check"], check["subject"])
