# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process audit: every process against every rule, and check results of what was found."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    OK,
    UNKNOWN,
    WARNING,
    check_result,
    fold_ok,
    severity,
    worst_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.allowing import Allowance, read_allowances
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.masking import masked_command
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.rules import RULES, Context, Found, Rule
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.snapshot import Seen, Snapshot, take_snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import BECOME_HINT, PROC, unit_of, user_id, user_name
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

AUDIT, ALLOW = "process.audit", "process.allow"
PRELOAD_FILE = Path("/etc/ld.so.preload")
MAX_ROWS = 100
_MAX_PIDS = 10
_PROTECTED_HINT = "They are kept even from root here: look at them from outside of the container."
#: What stands between this module and whoever started it.
_OURS = re.compile(r"(?:python|pypy)[\d.]*\Z|(?:sh|bash|dash|sudo|su|doas|runuser|ssh|env|timeout|nice|unshare)\Z")


class _Finding(NamedTuple):
    rule: Rule
    found: Found
    process: Seen
    allowance: Allowance | None


def audit_processes(params: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return what the module returns, but for ``changed``.

    :raises UpkeepError: when an option is wrong.
    """
    allowances = read_allowances(params["allow"])
    rules = _chosen(params["rules"])
    try:
        snapshot = take_snapshot(PROC)
    except OSError as exc:
        return _answer([_blind(f"this system shows none ({exc.strerror})")], [], Snapshot(), params)
    if 1 not in snapshot.processes:
        return _answer([_blind("this user may not see the processes of others (hidepid)", BECOME_HINT)], [], snapshot, params)
    context = Context(
        snapshot, frozenset(uid for uid in map(user_id, params["service_users"]) if uid),
        lambda process: _is_expected(process, params["expected"]),
    )
    findings, used = find(snapshot, context, rules, allowances, now)
    checks = [_audit_check(snapshot, rules, findings)]
    checks += _finding_checks(findings)
    if "preloaded_library" in {rule.id for rule in rules}:
        checks += _preload_file(PRELOAD_FILE)
    checks += [row for one in allowances if one.rule in {rule.id for rule in rules} for row in _allow_checks(one, one in used, now)]
    return _answer(checks, findings, snapshot, params)


def find(
    snapshot: Snapshot, context: Context, rules: Sequence[Rule], allowances: Sequence[Allowance], now: datetime
) -> tuple[list[_Finding], set[Allowance]]:
    """Return the findings, and the allowances that cover any."""
    ours = own_processes(snapshot, os.getpid())
    findings, used = [], set()
    for process in snapshot.processes.values():
        if process.pid in ours or process.kernel:
            continue
        for rule in rules:
            found = rule.look(process, context)
            if found is None:
                continue
            covering = [one for one in allowances if one.covers(rule.id, process)]
            used.update(covering)
            valid = [one for one in covering if not one.expired(now)]
            findings.append(_Finding(rule, found, process, valid[0] if valid else None))
    return findings, used


def own_processes(snapshot: Snapshot, pid: int) -> set[int]:
    """Return this process and the interpreters and shells through which Ansible started it."""
    ours = {pid}
    current = snapshot.processes.get(pid)
    for ancestor in snapshot.ancestors(current) if current else ():
        if not _OURS.match(ancestor.program):
            break
        ours.add(ancestor.pid)
    return ours


def _chosen(names: Sequence[str] | None) -> list[Rule]:
    if names is None:
        return list(RULES)
    if not names:
        raise UpkeepError("rules is empty; name at least one, or leave it out for all")
    return [rule for rule in RULES if rule.id in names]


def _is_expected(process: Seen, expected: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        fnmatchcase(" ".join(process.argv), one["command"])
        and one.get("user") in (None, user_name(process.effective_uid), str(process.effective_uid))
        for one in expected
    )


def _blind(why: str, hint: str = "") -> dict[str, Any]:
    return check_result(AUDIT, "processes", UNKNOWN, f"The processes could not be looked at: {why}.", hint=hint)


def _audit_check(snapshot: Snapshot, rules: Sequence[Rule], findings: Sequence[_Finding]) -> dict[str, Any]:
    programs = [one for one in snapshot.processes.values() if not one.kernel]
    denied = sum(one.denied for one in programs)
    if denied:
        return check_result(
            AUDIT, "processes", UNKNOWN, f"{denied} of {len(programs)} processes could not be looked at: this user has no right to.",
            value=denied, unit="count", hint=BECOME_HINT if os.geteuid() else _PROTECTED_HINT,
            evidence={"pids": [one.pid for one in programs if one.denied][:_MAX_PIDS]},
        )
    if snapshot.left_out:
        return check_result(
            AUDIT, "processes", UNKNOWN,
            f"{len(programs)} processes were looked at, and {snapshot.left_out} more were not: there are too many.",
            value=snapshot.left_out, unit="count", hint="See who starts so many: ps -eo user= | sort | uniq -c | sort -n",
        )
    if snapshot.sockets_problem and "interpreter_socket" in {rule.id for rule in rules}:
        return check_result(AUDIT, "processes", UNKNOWN, f"Sockets could not be looked at: {snapshot.sockets_problem}.")
    count = len({one.process.pid for one in findings if one.allowance is None})
    said = f"{count} of them {'is' if count == 1 else 'are'} conspicuous" if count else "none is conspicuous"
    return check_result(
        AUDIT, "processes", OK, f"{len(programs)} processes were looked at by {len(rules)} rules; {said}.",
        value=len(programs), unit="count",
    )


def _finding_checks(findings: Sequence[_Finding]) -> list[dict[str, Any]]:
    """Return one check for what is found of one program of one user by one rule, however many processes it has."""
    groups: dict[tuple[str, str], list[_Finding]] = {}
    for one in findings:
        title = one.process.script or one.process.executable or one.process.name
        groups.setdefault((one.rule.id, f"{title} ({user_name(one.process.effective_uid)})"), []).append(one)
    rows = []
    for (rule_id, subject), group in groups.items():
        counting = [one for one in group if one.allowance is None] or group
        first = max(counting, key=lambda one: severity(one.found.status))
        more = f"; {len(counting) - 1} more like it" if len(counting) > 1 else ""
        row = check_result(
            f"process.{rule_id}", subject, first.found.status,
            f"pid {first.process.pid} of {user_name(first.process.effective_uid)} {plain(first.found.reason, 350)}{more}.",
            value=len(counting), unit="count", hint=first.rule.hint,
            evidence={"pids": [one.process.pid for one in counting[:_MAX_PIDS]], "command": masked_command(first.process.argv)},
        )
        if first.allowance is not None:
            row["suppressed"] = first.allowance.suppression
        rows.append(row)
    rows.sort(key=lambda row: (bool(row.get("suppressed")), -severity(row["status"])))
    if len(rows) > MAX_ROWS:
        rest = rows[MAX_ROWS:]
        worst = worst_of(rest)
        rows = [*rows[:MAX_ROWS], check_result(
            AUDIT, "further findings", worst, f"{len(rest)} further findings are not listed.", value=len(rest), unit="count",
        )]
    return rows


def _preload_file(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            text = stream.read(4096).decode("utf-8", "backslashreplace")
    except FileNotFoundError:
        return []
    except OSError as exc:
        return [check_result(
            "process.preloaded_library", str(path), UNKNOWN, f"{path} could not be read: {exc.strerror}.", hint=BECOME_HINT,
        )]
    named = [line for line in text.split() if not line.startswith("#")]
    if not named:
        return []
    return [check_result(
        "process.preloaded_library", str(path), WARNING, f"{path} loads {plain(' '.join(named), 200)} into every program.",
        hint="See who set it; few hosts need this file.",
    )]


def _allow_checks(one: Allowance, used: bool, now: datetime) -> list[dict[str, Any]]:
    subject = plain(one.subject, 200)
    if one.expired(now):
        return [check_result(
            ALLOW, subject, WARNING, f"{one.place} ({one.reason}) has expired and does not count any more.",
            hint="Mend what it covers, or decide anew.",
        )]
    if not used:
        return [check_result(
            ALLOW, subject, WARNING, f"{one.place} ({one.reason}) covers nothing that runs now.",
            hint="Remove it, or correct its patterns.",
        )]
    return []


def _answer(
    checks: list[dict[str, Any]], findings: Sequence[_Finding], snapshot: Snapshot, params: Mapping[str, Any]
) -> dict[str, Any]:
    programs = [one for one in snapshot.processes.values() if not one.kernel]
    order = sorted(findings, key=lambda one: (one.allowance is not None, -severity(one.found.status), one.process.pid))
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "processes": [_details(one, snapshot) for one in order[:MAX_ROWS]],
        "totals": {
            "processes": len(programs), "kernel_threads": len(snapshot.processes) - len(programs), "vanished": snapshot.vanished,
            "denied": sum(one.denied for one in programs), "findings": len(findings),
            "allowed": sum(one.allowance is not None for one in findings),
        },
    }


def _details(one: _Finding, snapshot: Snapshot) -> dict[str, Any]:
    process = one.process
    parent = snapshot.processes.get(process.parent)
    return {
        "pid": process.pid, "rule": one.rule.id, "status": one.found.status, "reason": plain(one.found.reason, 300),
        "user": user_name(process.effective_uid), "name": plain(process.name, 64), "executable": plain(process.executable or "", 300),
        "command": masked_command(process.argv), "working_directory": plain(process.working_directory or "", 300),
        "parent": f"{parent.pid} {plain(parent.program or parent.name, 64)}" if parent else None, "unit": unit_of(process.pid),
        "allowed": one.allowance.place if one.allowance else None,
    }
