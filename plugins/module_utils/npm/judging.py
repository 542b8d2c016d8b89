# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the vulnerabilities of a project mean: its status, one sentence about it, and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Project, Unaudited
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.reports import count_severities, rank

MAX_LISTED = 100
MAX_PATHS = 20
MAX_EVIDENCE = 10
_EVIDENCE = ("id", "package", "severity", "title", "direct", "paths", "fix")
_MAX_EVIDENCE_PATHS = 3


@dataclass(frozen=True)
class Audited:
    """What came out for one project.

    :ivar problem: why it could not be audited; None when it could.
    :ivar counting: vulnerabilities, worst first.
    :ivar ignored: those that are ignored, with reason and end.
    """

    path: str
    problem: Unaudited | None = None
    project: Project | None = None
    attempts: int = 0
    counting: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    ignored: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def found(self) -> list[Mapping[str, Any]] | None:
        """Every vulnerability, ignored or not; None when nobody could look."""
        return None if self.problem else [*self.counting, *self.ignored]


def project_check(result: Audited, level: str, critical_level: str) -> dict[str, Any]:
    """Return the check of one project.

    :param level: severity from which a vulnerability is a warning.
    :param critical_level: severity from which it is critical, or ``none``.
    """
    limits: dict[str, Any] = {"unit": "severity", "warning": level, "critical": None if critical_level == "none" else critical_level}
    if result.problem is not None or result.project is None:
        problem = result.problem or Unaudited("it was not looked at")
        text = f"The dependencies of {result.path} could not be audited: {problem}."
        return check_result("dependency.audit", result.path, UNKNOWN, text, hint=problem.hint, **limits)
    worst = result.counting[0]["severity"] if result.counting else "none"
    status, sentence = _status(result.counting, level, critical_level), _sentence(result, level, critical_level)
    hint = f"See what to update: cd {shlex.quote(result.path)} && npm audit --package-lock-only" if status != OK else None
    missing = result.project.unlocked
    if missing:
        sentence += f" Not audited, since {result.project.lockfile} lacks them or their versions: {', '.join(missing[:5])}."
        status = CRITICAL if status == CRITICAL else UNKNOWN
        hint = f"Bring the lockfile up to date: npm install --package-lock-only (in the source of {result.path})."
    return check_result(
        "dependency.audit", result.path, status, sentence, value=worst, hint=hint, evidence=_evidence(result), **limits
    )


def _status(rows: Sequence[Mapping[str, Any]], level: str, critical_level: str) -> str:
    worst = max((rank(row["severity"]) for row in rows), default=-1)
    if critical_level != "none" and worst >= rank(critical_level):
        return CRITICAL
    return WARNING if worst >= rank(level) else OK


def _sentence(result: Audited, level: str, critical_level: str) -> str:
    dependencies = result.project.dependencies if result.project else 0
    ignored = f" {len(result.ignored)} ignored." if result.ignored else ""
    if not dependencies and not result.counting:
        return f"{result.path} has 0 dependencies of a registry, so nothing can be vulnerable.{ignored}"
    limits = f"warning from {level}" + ("" if critical_level == "none" else f", critical from {critical_level}")
    counts = count_severities(result.counting)
    number = counts.pop("total")
    if not number:
        counted = "1 dependency" if dependencies == 1 else f"{dependencies} dependencies"
        return f"{result.path} has {counted} and no known vulnerability ({limits}).{ignored}"
    named = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    mended = sum(1 for row in result.counting if row["fix_available"])
    worst = result.counting[0]
    return (
        f"{result.path} has {number} known {'vulnerability' if number == 1 else 'vulnerabilities'}: {named} ({limits});"
        f" {mended} can be mended. Worst: {worst['package']}, {worst['title'] or worst['id']}.{ignored}"
    )


def _evidence(result: Audited) -> dict[str, Any] | None:
    rows = [
        {**{key: row[key] for key in _EVIDENCE}, "paths": row["paths"][:_MAX_EVIDENCE_PATHS]}
        for row in result.counting[:MAX_EVIDENCE]
    ]
    ignored = [f"{row['id']} in {row['package']} until {row['expires']}: {row['reason']}" for row in result.ignored]
    found: dict[str, Any] = {}
    if rows:
        found["vulnerabilities"] = rows
    if ignored:
        found["ignored"] = ignored[:MAX_EVIDENCE]
    return found or None


def project_row(result: Audited, status: str) -> dict[str, Any]:
    """Return what the module returns of one project."""
    project, problem = result.project, result.problem
    manager = "npm" if project else problem.manager if problem else None
    return {
        "path": result.path,
        "manager": manager,
        "status": status,
        "audit_available": problem is None,
        "reason": str(problem) if problem else None,
        "lockfile": project.lockfile if project else None,
        "lockfile_version": project.lockfile_version if project else None,
        "dependencies": project.dependencies if project else None,
        "not_locked": list(project.unlocked) if project else [],
        "attempts": result.attempts,
        "totals": count_severities(result.counting) if problem is None else None,
        "vulnerabilities": _listed(result.counting),
        "ignored": _listed(result.ignored),
    }


def _listed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "paths": row["paths"][:MAX_PATHS]} for row in rows[:MAX_LISTED]]
