# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lynis has reported, where it is installed: its index, warnings and suggestions, and how old that is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import AS_ROOT, failure_of, find_program
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

REPORT = "/var/log/lynis-report.dat"
INDEX = Rule("lynis.index", WARNING, "lynis finds much that could be safer", f"See its suggestions: grep ^suggestion {REPORT}")
AGE = Rule("lynis.age", WARNING, "it says nothing of what changed since", "Run it: lynis audit system --quick, or set security_configuration_lynis_run.")
RULES = (INDEX, AGE)
_REPORT_BYTES = 16 * 1024 * 1024
_MAX_LISTED = 200
_TEST = re.compile(r"[A-Z]{2,10}-[0-9]{1,6}|[A-Za-z0-9:_.-]{1,40}")


class Advice(NamedTuple):
    """A warning or suggestion.

    :ivar test: id of the test, such as ``AUTH-9282``.
    """

    test: str
    text: str
    details: str
    solution: str


@dataclass
class Report:
    """What a report says.

    :ivar index: 0 to 100; None when it has none: lynis did not reach its end.
    """

    version: str = ""
    index: int | None = None
    warnings: list[Advice] = field(default_factory=list)
    suggestions: list[Advice] = field(default_factory=list)


class Limits(NamedTuple):
    """What the platform asks.

    :ivar warning_index: an index below it is a warning; 0 asks for none.
    :ivar max_age_days: an older report is a warning; 0 asks for none.
    """

    warning_index: float
    max_age_days: float


def read_report(text: str) -> Report:
    """Return what a report says: lines of key and value, where ``key[]`` stands for one item of a list."""
    report = Report()
    for line in text.split("\n"):
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith("#"):
            continue
        if key == "lynis_version":
            report.version = plain(value, 40)
        elif key == "hardening_index" and value.isascii() and value.isdigit():
            report.index = min(int(value[:6]), 100)
        elif key in ("warning[]", "suggestion[]"):
            parts = [plain(part, 300) for part in value.split("|")] + ["", "", ""]
            test = parts[0] if _TEST.fullmatch(parts[0]) else "unknown"
            advice = Advice(test, parts[1], *("" if part == "-" else part for part in parts[2:4]))
            listed = report.warnings if key == "warning[]" else report.suggestions
            if len(listed) < _MAX_LISTED:
                listed.append(advice)
    return report


def judge_report(report: Report, age_days: float, limits: Limits) -> list[Finding]:
    """Return the findings of a report: each warning by its test, and how high the index is."""
    by_test: dict[str, list[Advice]] = {}
    for warning in report.warnings:
        by_test.setdefault(warning.test, []).append(warning)
    findings = [
        Finding(
            f"lynis.{test}", f"lynis {test}", WARNING, f"lynis warns: {warnings[0].text}{_more(warnings)}.".replace("..", "."),
            warnings[0].solution or f"See what it means: lynis show details {test}",
        )
        for test, warnings in by_test.items()
    ]
    count, said = len(report.suggestions), f"{len(report.warnings)} warnings and {len(report.suggestions)} suggestions"
    if report.index is None:
        findings.append(unseen("lynis", "index", "The last run of lynis did not reach its end: its report has no index.", "Run it again: lynis audit system"))
    elif report.index < limits.warning_index:
        findings.append(found(
            INDEX, "index", f"The index of lynis is {report.index} (warning below {limits.warning_index:g}), with {said}: {INDEX.why}.",
            value=report.index, warning=limits.warning_index,
        ))  # fmt: skip
    else:
        findings.append(in_order(INDEX, "index", f"The index of lynis is {report.index}, with {said}.", value=report.index, evidence={"suggestions": count}))
    days = round(age_days, 1)
    if limits.max_age_days and age_days > limits.max_age_days:
        findings.append(found(
            AGE, "report", f"The report of lynis is {days} days old (warning from {limits.max_age_days:g}): {AGE.why}.", value=days, unit="days",
            warning=limits.max_age_days,
        ))  # fmt: skip
    else:
        findings.append(in_order(AGE, "report", f"The report of lynis is {days} days old.", value=days, unit="days", warning=limits.max_age_days or None))
    return findings


def _more(warnings: Sequence[Advice]) -> str:
    details = f" ({warnings[0].details})" if warnings[0].details else ""
    return details if len(warnings) == 1 else f"{details}, and {len(warnings) - 1} more of this test"


def inspect_lynis(
    limits: Limits, *, run: bool, now: datetime, timeout_seconds: float, host: Host
) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures; no finding where there is no lynis or no report, unless lynis was to run."""
    findings = []
    program = find_program("lynis")
    if run:
        problem = _run(program, timeout_seconds)
        if problem:
            hint = "Install it: apt install lynis" if program is None else AS_ROOT if os.geteuid() != 0 else "Give it more time, or run it by hand."
            findings.append(unseen("lynis", "run", f"lynis could not be run: {problem}.", hint))
    if program is None:
        return findings, {"installed": False}
    try:
        text = decode(host.read(REPORT, _REPORT_BYTES)[0])
        changed = datetime.fromtimestamp(os.stat(host.located(REPORT)).st_mtime, timezone.utc)
    except Absent:
        return findings, {"installed": True, "report": None}
    except (Unseen, OSError, OverflowError, ValueError) as exc:
        return [*findings, unseen("lynis", "report", f"The report {REPORT} {exc}.", AS_ROOT)], {"installed": True}
    report = read_report(text)
    figures = {
        "installed": True, "version": report.version, "index": report.index,
        "warnings": [advice._asdict() for advice in report.warnings], "suggestions": [advice._asdict() for advice in report.suggestions],
    }  # fmt: skip
    return [*findings, *judge_report(report, max(0.0, (now - changed).total_seconds() / 86400), limits)], figures


def _run(program: str | None, timeout_seconds: float) -> str:
    """Run lynis, which writes its report and log; return why it did not reach its end, or nothing."""
    if program is None:
        return "it is not installed"
    if os.geteuid() != 0:
        return "only root may look at everything"
    done = run_command([program, "audit", "system", "--cronjob", "--no-colors"], timeout_seconds=timeout_seconds)
    # It also ends with another status when it has found something.
    return failure_of(done) if done.problem or done.timed_out or done.returncode is None or done.returncode < 0 else ""
