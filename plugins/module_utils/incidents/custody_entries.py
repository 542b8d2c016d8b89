# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run writes into the custody log of an incident on behalf of all hosts: what is about to be done, and what became of it.

Steps that write for themselves (``evidence``, and those of ``containment`` and ``secrets``) are written here only for hosts that never came to them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, UNKNOWN
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import (
    BLOCK,
    EVIDENCE,
    ISOLATE,
    RELEASE,
    ROTATE,
    SWEEP,
    VERIFY,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.received_checks import read_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says, was_left_out
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import role_entry
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

DONE, FAILED, REFUSED, PLANNED = "done", "failed", "refused", "planned"

#: The roles whose results make up a step.
_ROLES = {
    EVIDENCE: ("evidence",), ISOLATE: ("containment",), BLOCK: ("containment",), ROTATE: ("secrets",),
    RELEASE: ("containment", "secrets"), SWEEP: ("sweep",), VERIFY: ("security_audit", "health"),
}
#: They write what they did themselves, and at once.
_WRITING = ("containment", "secrets")
_MAX_SUMMARY = 500
_MAX_NAMED = 20

Results = Mapping[str, Mapping[str, Any]]


def announced(hosts: Sequence[str], steps: Sequence[str], *, playbook: str, refused: str = "") -> list[dict[str, Any]]:
    """Return the entries of a run that begins, or that is refused before it does.

    :param refused: why, '' when it begins.
    """
    outcome, why = (REFUSED, refused) if refused else (PLANNED, f"{playbook} begins")
    return [
        {"host": host, "step": step, **_told(outcome, f"{step}: {why}.")}
        for step in steps for host in hosts
    ]


def outstanding(results: Results, steps: Collection[str]) -> list[dict[str, Any]]:
    """Return the entries of what became of the steps, as far as nobody has written them yet.

    :param results: for each host by role what it left, with ``platform``, the ping.
    """
    return [
        {"host": host, "step": step, **entry}
        for step in steps for host, found in results.items() if (entry := _entry(step, found)) is not None
    ]


def _entry(step: str, found: Mapping[str, Any]) -> dict[str, Any] | None:
    ping = found.get("platform")
    if ping is None or says(ping, "unreachable") or says(ping, "failed"):
        why = said_reason(ping) if ping is not None else "nobody asked whether it answers"
        return _told(FAILED, f"{step}: the host was not reached: {why}.")
    own = [found.get(role) for role in _ROLES[step] if role in _WRITING]
    entries = [_of_acting(step, result) for result in own if isinstance(result, Mapping) and not says(result, "skipped")]
    if entries:
        return next((entry for entry in entries if entry is not None), None)
    results = {role: found.get(role) for role in _ROLES[step]}
    if all(was_left_out(result) for result in results.values()):
        return _told(DONE, f"{step}: nothing is configured for this host, and nothing was done.")
    if step == EVIDENCE and isinstance(found.get("evidence"), Mapping) and found["evidence"].get("custody_head"):
        return None
    return _of_looks(step, results)


def _of_acting(step: str, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the entry of a step of a role that acts and could not write it itself."""
    written = next((one for one in result.get("steps") or [] if isinstance(one, Mapping) and one.get("step") == step), None)
    if result.get("logged"):
        return None
    if written is None:
        return _told(FAILED, f"{step}: the run ended before it: {said_reason(result)}.")
    return {key: written[key] for key in ("outcome", "summary", "details")}


def _of_looks(step: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a step that looks: ``done`` when it looked, whatever it found."""
    entries = {role: role_entry(role, result) for role, result in results.items() if not was_left_out(result)}
    problems = [f"{role}: {entry['reason']}" for role, entry in entries.items() if entry["reason"]]
    bad = [
        row for role in entries for row in read_checks((results[role] or {}).get("checks"))[0]
        if row["status"] in (CRITICAL, UNKNOWN) and not row.get("suppressed")
    ] if not problems else []
    statuses = {role: entry["status"] for role, entry in entries.items()}
    if problems:
        text = "; ".join(problems)
    else:
        text = ", ".join(f"{role} is {status}" for role, status in statuses.items())
        text += f"; {len(bad)} checks are critical or unknown" if bad else ""
    details = {"statuses": statuses, "problems": [f"{row['check']} {row['subject']}: {row['status']}" for row in bad[:_MAX_NAMED]]}
    return _told(FAILED if problems else DONE, f"{step}: {text}.", details)


def _told(outcome: str, summary: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"outcome": outcome, "summary": plain(summary, _MAX_SUMMARY), "details": dict(details or {})}
