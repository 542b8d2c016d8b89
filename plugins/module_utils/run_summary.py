# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every reader of a run record needs: its rows in order, its counts, its verdict. Pure functions of the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, SEVERITY, severity
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import NOT_RUN, PLATFORM_ROLE
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: At which status a run fails; ``never`` fails only when the report cannot be written.
FAIL_ON = ("warning", "unknown", "critical", "never")

_WORST_IN_VERDICT = 3


class Row(NamedTuple):
    """One check of one role on one host."""

    host: str
    role: str
    check: dict[str, Any]

    @property
    def status(self) -> str:
        """Return the status of the check."""
        return str(self.check["status"])

    @property
    def suppressed(self) -> bool:
        """Tell whether the check is kept and does not count."""
        return bool(self.check.get("suppressed"))


class Absence(NamedTuple):
    """A role without checks of its own on one host: not run, or nothing could be learned."""

    host: str
    role: str
    status: str
    reason: str


def rows(record: Mapping[str, Any]) -> list[Row]:
    """Return every check of the record, worst first, then by host, check and subject."""
    found = [
        Row(host, role, check)
        for host, entry in record["hosts"].items()
        for role, result in entry["roles"].items()
        for check in result["checks"]
    ]
    return sorted(found, key=lambda row: (-severity(row.status), row.host, row.check["check"], row.check["subject"]))


def problems(record: Mapping[str, Any]) -> list[Row]:
    """Return the checks that are not ok and count, worst first."""
    return [row for row in rows(record) if row.status != OK and not row.suppressed]


def absences(record: Mapping[str, Any]) -> list[Absence]:
    """Return the roles that have no checks, with the reason."""
    return [
        Absence(host, role, result["status"], result["reason"])
        for host, entry in record["hosts"].items()
        for role, result in entry["roles"].items()
        if not result["checks"]
    ]


def counts(record: Mapping[str, Any]) -> dict[str, int]:
    """Return how many checks have each status; a folded row counts for all that it stands for.

    The keys are the four statuses, and ``suppressed`` for those that do not count.
    """
    total = dict.fromkeys((*SEVERITY, "suppressed"), 0)
    for row in rows(record):
        total["suppressed" if row.suppressed else row.status] += int(row.check.get("folded", 1))
    return total


def host_names(record: Mapping[str, Any]) -> list[str]:
    """Return the hosts of the play; a report host that was no part of it only carries the checks of the run itself."""
    return [host for host, entry in record["hosts"].items() if PLATFORM_ROLE in entry["roles"]]


def counts_sentence(record: Mapping[str, Any]) -> str:
    """Return ``2 critical, 1 unknown, 41 ok on 3 hosts``: the worst first, no zero but that of ok."""
    total = counts(record)
    parts = [_counted(total[status], status) for status in reversed(SEVERITY) if total[status] or status == OK]
    if total["suppressed"]:
        parts.append(f"{total['suppressed']} suppressed")
    hosts = len(host_names(record))
    return f"{', '.join(parts)} on {hosts} host{'' if hosts == 1 else 's'}"


def fails(status: str, fail_on: str) -> bool:
    """Tell whether a run with this status fails.

    :param fail_on: one of :data:`FAIL_ON`.
    :raises ValueError: when it is another word.
    """
    if fail_on not in FAIL_ON:
        raise ValueError(f"fail_on is {fail_on!r}, which is none of {', '.join(FAIL_ON)}")
    return fail_on != "never" and severity(status) >= severity(fail_on)


def verdict(record: Mapping[str, Any]) -> str:
    """Return the sentence a run ends with: the health, the counts and the worst problems."""
    listed = problems(record)
    worst_rows = "; ".join(
        plain(f"{row.host} {row.check['check']} {row.check['subject']}: {row.check['summary'].rstrip('.')}", 240)
        for row in listed[:_WORST_IN_VERDICT]
    )
    more = f"; and {len(listed) - _WORST_IN_VERDICT} more" if len(listed) > _WORST_IN_VERDICT else ""
    text = f"{record['platform']} is {record['health']} ({record['playbook']}: {counts_sentence(record)})."
    return f"{text} Worst: {worst_rows}{more}." if worst_rows else text


def index_entry(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few lines about a run that the index of past runs keeps."""
    keys = ("run_id", "platform", "playbook", "check_mode", "started", "ended", "status", "health")
    return {**{key: record[key] for key in keys}, "hosts": len(host_names(record)), "counts": counts(record)}


def statistics(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``set_stats`` publishes: small, and nothing that a target wrote."""
    entry = index_entry(record)
    reachable = sum(record["hosts"][host]["reachable"] for host in host_names(record))
    not_run = sum(absence.status == NOT_RUN for absence in absences(record))
    return {**entry, "hosts_reachable": reachable, "roles_not_run": not_run}


def _counted(number: int, status: str) -> str:
    return f"{number} warning{'' if number == 1 else 's'}" if status == "warning" else f"{number} {status}"
