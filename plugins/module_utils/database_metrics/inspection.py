# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the inspection of databases, from options to results."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.engines import COUNTERS, NAMES, judge, look_at
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import SAMPLE, Interval, Look, comparable, interval_between
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.limits import read_limits
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.remembering import Looks
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import Target, read_targets
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Accepted range of each option that is a number.
RANGES = {
    "sample_seconds": (0.1, 60), "timeout_seconds": (1, 600), "concurrency": (1, 32), "min_events": (0, 10**12),
    "min_reads_per_second": (0, 10**9), "min_rows": (0, 10**12), "min_bytes": (0, 2**50),
}
#: What clients say when nobody is there, or nobody is let in; MariaDB's says 115 of a port that is closed. That one user is refused says nothing of the server.
_DOWN = re.compile(
    r"connection refused|(?:failed|could not connect to [^:]*): no such file or directory|can't connect to .* \((?:2|111|115)\b|"
    r"too many clients|too many connections(?! for role)|"
    r"max number of clients|remaining connection slots|the database system is|loading its data",
    re.IGNORECASE | re.DOTALL,
)
_HINT = "See whether its unit runs and what its log says; then whether user, password and host are right."
#: The checks whose figures are kept for trends.
_DRAWN = frozenset(
    f"database.{name}" for name in ("answers", "connections", "cache_hits", "queries", "dead_rows", "replication_lag", "memory", "evictions")
)


@dataclass(frozen=True)
class Finding:
    """What came out of one database: answers and the interval, or the reason why there are none."""

    answers: Answers | None = None
    interval: Interval | None = None
    problem: str = ""


def inspect_databases(options: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Look at the databases, compare with the thresholds and the last look, and return what the module returns.

    :param options: the options of the module ``database_metrics``.
    :param now: the moment of the look.
    :param check_mode: leave the history as it is.
    :raises UpkeepError: naming the option that is not accepted.
    """
    refuse_out_of_range(options, RANGES)
    rules = Rules(
        read_limits(options["thresholds"]),
        **{name: options[name] for name in ("min_events", "min_reads_per_second", "min_rows", "min_bytes", "ignored_sessions")},
    )
    targets = read_targets(options["databases"])
    asked = [target for target in targets if target.spec.type in COUNTERS]
    with Looks.opened(options["history"], now=now, read_only=check_mode) as past:
        before = [past.last_look(target.subject, list(COUNTERS[target.spec.type])) for target in asked]
        found = _look_at_all(asked, rules, before, options)
        checks: list[dict[str, Any]] = []
        told: dict[str, dict[str, Any]] = {}
        drawn: dict[str, tuple[str, float]] = {}
        for target, finding in zip(asked, found):
            rows, told[target.subject] = _report(target, rules, finding)
            checks += rows
            if finding.answers is not None and finding.answers.look.counters:
                past.keep(target.subject, finding.answers.look)
            drawn.update(_drawn(target, rows, told[target.subject]["figures"].get("per_second")))
        series = past.series(drawn)
        past.write()
        checks += [_not_counted(target) for target in targets if target.spec.type not in COUNTERS] + past.checks()
    for target in targets:
        told.setdefault(target.subject, {**_described(target), "note": "SQLite counts nothing."})
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=options["return_all"]),
        "databases": [told[target.subject] for target in targets],
        "series": series,
    }


def _look_at_all(
    targets: Sequence[Target], rules: Rules, before: Sequence[Look | None], options: Mapping[str, Any]
) -> list[Finding]:
    if not targets:
        return []
    timeout, sample = options["timeout_seconds"], options["sample_seconds"]
    with ThreadPoolExecutor(max_workers=min(len(targets), options["concurrency"])) as pool:
        return list(pool.map(lambda pair: _look(pair[0], rules, pair[1], timeout, sample), zip(targets, before)))


def _look(target: Target, rules: Rules, before: Look | None, timeout_seconds: float, sample_seconds: float) -> Finding:
    """Look at one database; without an earlier look twice, with a pause between them."""
    deadline = time.monotonic() + timeout_seconds
    try:
        answers = look_at(target, rules, deadline, time.time())
        if not answers.look.counters:
            return Finding(answers, Interval(0.0, SAMPLE))
        if before is not None and answers.look.at - before.at >= sample_seconds and comparable(before, answers.look):
            return Finding(answers, interval_between(before, answers.look))
        time.sleep(min(sample_seconds, max(0.0, deadline - time.monotonic())))
        first, answers = answers, look_at(target, rules, deadline, time.time())
        return Finding(answers, interval_between(first.look, answers.look, since=SAMPLE))
    except UpkeepError as error:
        return Finding(problem=error.message)


def _report(target: Target, rules: Rules, finding: Finding) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the checks of one database, and what the module says of it."""
    described = _described(target)
    if finding.answers is None or finding.interval is None:
        reason = plain(finding.problem, 400).rstrip(".")
        down = is_down(finding.problem)
        summary = f"It does not let anybody in: {reason}." if down else f"Nobody could look: {reason}."
        check = check_result("database.answers", target.subject, CRITICAL if down else UNKNOWN, summary, hint=_HINT)
        return [check], {**described, "figures": {}, "problem": reason}
    answers, interval = finding.answers, finding.interval
    judged, figures = judge(target, rules, answers, interval)
    version = f" {answers.version}" if answers.version else ""
    answered = check_result(
        "database.answers", target.subject, OK,
        f"{NAMES[target.spec.type]}{version} answered in {figure_text(round(answers.seconds, 3), 'seconds')}.",
        value=round(answers.seconds, 3), unit="seconds",
    )
    unavailable = {name: reason for part in judged for name, reason in part.unavailable.items()}
    return [answered, *(check for part in judged for check in part.checks)], {
        **described,
        "version": answers.version,
        "seconds": round(answers.seconds, 3),
        "interval_seconds": round(interval.seconds, 1),
        "interval_since": interval.since,
        "figures": figures,
        "unavailable": unavailable,
    }


def _drawn(target: Target, rows: Sequence[Mapping[str, Any]], per_second: float | None) -> dict[str, tuple[str, float]]:
    """Return the figures that are kept for trends, by check and subject, as the page looks for them."""
    drawn = {
        f"{row['check']}:{row['subject']}": (row["unit"], row["value"])
        for row in rows if row["check"] in _DRAWN and row["value"] is not None
    }
    return drawn if per_second is None else {**drawn, f"database.throughput:{target.subject}": ("per_second", per_second)}


def is_down(problem: str) -> bool:
    """Tell whether a client met no server, or one that lets nobody in."""
    return bool(_DOWN.search(problem))


def _described(target: Target) -> dict[str, Any]:
    return {"name": target.subject, "type": target.spec.type, "server": target.server}


def _not_counted(target: Target) -> dict[str, Any]:
    """Return the row of a database that has no server, so that nobody misses it."""
    return check_result("database.answers", target.subject, OK, "SQLite has no server and counts nothing; there is nothing to compare.")
