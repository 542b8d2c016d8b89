# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the page of a run shows, decided here and only laid out by the template. Pure: values in, one dict out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, SEVERITY, SIGNS, severity
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text, limits_text
from ansible_collections.upkeep.runbook.plugins.module_utils.page_details import (
    MAX_PROCESSES,
    percent,
    processes,
    trend,
    trends,
    uptime,
    uptime_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.page_tables import host_tables
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import NOT_RUN, PLATFORM_ROLE, host_status
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import (
    Row,
    absences,
    counts,
    counts_sentence,
    problems,
    rows,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

WORDS = {"ok": "ok", "warning": "warning", "unknown": "unknown", "critical": "critical", NOT_RUN: "not run"}
SYMBOLS = {**SIGNS, NOT_RUN: "–"}
_SENTENCES = {
    "HEALTHY": "Everything that was looked at is fine.",
    "DEGRADED": "Working, and something wants attention.",
    "UNKNOWN": "Something could not be checked, so nobody knows.",
    "UNHEALTHY": "Something is broken now.",
}

#: More hosts than this are folded away unless they have a problem.
MAX_OPEN_HOSTS = 6
_MAX_RUNS = 40
_MAX_EVIDENCE = 20
_MAX_EVIDENCE_CHARACTERS = 1500


def report_page(
    record: Mapping[str, Any],
    details: Mapping[str, Mapping[str, Any]],
    *,
    runs: Sequence[Mapping[str, Any]] = (),
    stale_after_minutes: float = 0,
) -> dict[str, Any]:
    """Return the content of the page.

    :param details: for each host the registered results by role, read for ``series``, ``uptime``,
        ``top_processes`` and what the tables show; whatever is absent or malformed is left out, since the checks do not depend on it.
    :param runs: past runs, newest first, as the index keeps them.
    :param stale_after_minutes: age at which the page calls its data stale; 0 never.
    """
    total = counts(record)
    hosts = [
        _host(number, name, entry, details.get(name, {}), from_iso(record["ended"]))
        for number, (name, entry) in enumerate(record["hosts"].items(), 1)
    ]
    hosts.sort(key=lambda host: -severity(host["status"]))
    for host in hosts:
        host["open"] = len(hosts) <= MAX_OPEN_HOSTS or host["status"] != OK
    anchors = {host["name"]: host["anchor"] for host in hosts}
    seconds = (from_iso(record["ended"]) - from_iso(record["started"])).total_seconds()
    return {
        **{key: record[key] for key in ("platform", "playbook", "run_id", "check_mode", "started", "ended", "status", "health")},
        "symbol": SYMBOLS[record["status"]],
        "sentence": _SENTENCES[record["health"]],
        "counts_sentence": counts_sentence(record),
        "tiles": [
            {"status": status, "word": WORDS[status], "symbol": SYMBOLS[status], "number": total[status]}
            for status in reversed(SEVERITY)
        ],
        "ended_text": time_text(record["ended"]),
        "duration_text": figure_text(max(seconds, 0.0), "s"),
        "stale_after_seconds": max(int(stale_after_minutes * 60), 0),
        "problems": [
            {**_row(row), "anchor": anchors[row.host], "evidence": _evidence(row.check)} for row in problems(record)
        ],
        "not_run": [
            {"host": gone.host, "role": gone.role, "reason": gone.reason}
            for gone in absences(record) if gone.status == NOT_RUN
        ],
        "suppressed": [
            {
                **_row(row),
                "reason": str(row.check["suppressed"].get("reason") or ""),
                "until": str(row.check["suppressed"].get("until") or ""),
            }
            for row in rows(record) if row.suppressed
        ],
        "hosts": hosts,
        "runs": _past(record, runs),
    }


def time_text(iso: str) -> str:
    """Return ``2026-11-22 05:00 UTC``."""
    return f"{from_iso(iso):%Y-%m-%d %H:%M} UTC"


def _host(number: int, name: str, entry: Mapping[str, Any], results: Mapping[str, Any], ended: datetime) -> dict[str, Any]:
    """Return the section of one host."""
    status = host_status(entry)
    roles = [
        _role(name, role, outcome, results.get(role))
        for role, outcome in entry["roles"].items()
        # That a host answers needs no table; that it does not is a problem at the top and a word in its title.
        if not (role == PLATFORM_ROLE and outcome["status"] == OK)
    ]
    return {
        "name": name,
        "anchor": f"host-{number}",
        "status": status,
        "word": WORDS[status],
        "symbol": SYMBOLS[status],
        "reachable": entry["reachable"],
        "roles": [role for role in roles if role["rows"] or role["status"] != NOT_RUN],
        "tables": host_tables(results, ended),
        "processes": [process for result in results.values() for process in processes(result)][:MAX_PROCESSES],
    }


def _role(host: str, role: str, outcome: Mapping[str, Any], result: Any) -> dict[str, Any]:
    """Return the table of one role on one host, services grouped by name, everything else worst first."""
    drawn = trends(result)
    shares = uptime(result)
    listed = [
        {**_row(Row(host, role, check)), "trend": trend(check, drawn), "uptime": uptime_of(check, shares)}
        for check in outcome["checks"] if not check.get("suppressed")
    ]
    services = bool(listed) and all(row["check"].startswith("service.") for row in listed)
    if services:
        listed.sort(key=lambda row: (row["subject"], row["check"]))
    else:
        listed.sort(key=lambda row: -severity(row["status"]))
    return {
        "name": role,
        "title": role.replace("_", " ").capitalize(),
        "status": outcome["status"],
        "word": WORDS[outcome["status"]],
        "symbol": SYMBOLS[outcome["status"]],
        "reason": outcome["reason"],
        "rows": listed,
        "has_trend": any(row["trend"] for row in listed),
        "has_uptime": any(row["uptime"] for row in listed),
    }


def _row(row: Row) -> dict[str, Any]:
    check = row.check
    return {
        "host": row.host,
        "check": check["check"],
        "subject": check["subject"],
        "status": row.status,
        "word": WORDS[row.status],
        "symbol": SYMBOLS[row.status],
        "summary": check["summary"],
        "hint": check.get("hint", ""),
        "figure": figure_text(check["value"], check["unit"]),
        "limits": limits_text(check["warning"], check["critical"], check["unit"]),
        "first_limit": _first_limit(check),
        "bar": _bar(check["value"], check["unit"]),
    }


def _evidence(check: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what a check offers as evidence, a nested value as JSON, each bounded."""
    evidence = check.get("evidence") or {}
    return [
        {
            "name": plain(str(name), 100).replace("_", " "),
            "text": plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _MAX_EVIDENCE_CHARACTERS),
        }
        for name, value in list(evidence.items())[:_MAX_EVIDENCE]
    ]


def _first_limit(check: Mapping[str, Any]) -> str:
    """Return ``warns at 85 %``: beside every figure there is room for one threshold."""
    for verb, key in (("warns at", "warning"), ("critical at", "critical")):
        if check[key] is not None:
            return f"{verb} {figure_text(check[key], check['unit'])}"
    return ""


def _bar(value: Any, unit: Any) -> float | None:
    """Return the length of the bar of a share, of the 64 of its rail; None for what is no share."""
    share = percent(value) if unit == "percent" else None
    return None if share is None else round(share * 0.64, 1)


def _past(record: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the past runs of the same playbook and this one, oldest first."""
    entries = [
        run for run in runs
        if isinstance(run, Mapping) and run.get("playbook") == record["playbook"]
        and run.get("status") in SEVERITY and run.get("run_id") != record["run_id"]
    ]
    return [_past_run(run) for run in (*reversed(entries[: _MAX_RUNS - 1]), record)]


def _past_run(run: Mapping[str, Any]) -> dict[str, str]:
    return {
        "run_id": plain(str(run["run_id"]), 60),
        "status": plain(str(run["status"]), 20),
        "health": plain(str(run["health"]), 20),
        "ended_text": time_text(str(run["ended"])),
    }
