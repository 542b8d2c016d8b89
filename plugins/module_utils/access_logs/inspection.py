# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What access logs tell, group by group: read, counted, compared with earlier runs, judged, remembered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.error_budget import (
    Served,
    add_hours,
    burn_rate,
    error_budget,
    served_hours,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.figures import group_figures, iso, usual_p95
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.group_counting import Counted, count_group
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.judged import Judged
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.judging import group_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.logins import login_figures
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.new_things import new_figures, seen_of, things_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import Group, Window, read_groups, read_window
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.remembering import (
    FILE_NAME,
    Damaged,
    Past,
    keep,
    read_past,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.weekly_pattern import (
    Comparison,
    compare_hours,
    complete_hours,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.history_checks import check_damaged, check_unusable, check_whole
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_TREND_DAYS = 30
_REMEMBERED_ROUTES = 30
#: What is told of a group that is ok.
_SHORT = (
    "name",
    "status",
    "totals",
    "latency",
    "status_classes",
    "error_percent",
    "unparsed_lines",
    "unparsed_percent",
    "trend",
)
#: What stands at the top, too, when there is one group only.
_PINNED = (
    "totals", "latency", "status_classes", "rate_limited", "top_clients", "bursts", "cache", "unparsed_lines", "routes",
)  # fmt: skip


@dataclass
class Memory:
    """What earlier runs left, and what this one leaves.

    :ivar directory: None when nothing is kept.
    """

    directory: Path | None
    past: dict[str, Past] = field(default_factory=dict)
    found: dict[str, Past] = field(default_factory=dict)
    problem: str = ""
    damaged: bool = False

    @classmethod
    def of(cls, directory: Path | None) -> Memory:
        """Return what is remembered in a state directory."""
        memory = cls(directory)
        try:
            memory.past = read_past(directory) if directory else {}
        except Damaged:
            memory.damaged = True
        except UpkeepError as exc:
            memory.problem = exc.message
        return memory

    def check(self, *, now: datetime, write: bool) -> list[dict[str, Any]]:
        """Keep what was found, and return the check that says whether that worked."""
        if self.directory is None:
            return []
        path, set_aside = self.directory / FILE_NAME, None
        if write and not self.problem:
            try:
                set_aside = keep(self.directory, self.found, now=now, owner=LockOwner("", "access_log_stats", to_iso(now)))
            except UpkeepError as exc:
                self.problem = exc.message
        if self.problem:
            return [check_unusable(path, self.problem)]
        if self.damaged or set_aside:
            return [check_damaged(path, set_aside or "")]
        return [check_whole(path)]


def inspect_access_logs(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Return what the module returns, but for ``changed``.

    :param params: the options of the module.
    :raises UpkeepError: when an option is wrong.
    """
    refuse_out_of_range(params, {"processes": (1, 16), "top": (1, 100)})
    window, groups = read_window(params, now=now), read_groups(params)
    memory = Memory.of(Path(params["state_directory"]) if params["history"] else None)
    processes = min(params["processes"], len(os.sched_getaffinity(0)))
    checks, details = [], []
    for group in groups:  # one after the other: the memory of one is enough
        rows, detail = _inspect(group, window, params, memory, processes)
        checks += rows
        details.append(detail)
    checks += memory.check(now=now, write=not check_mode)
    shown = [
        detail if params["return_all"] or len(groups) == 1 or detail["status"] != OK else {key: detail[key] for key in _SHORT}
        for detail in details
    ]
    alone = {key: details[0][key] for key in _PINNED} if len(groups) == 1 else {}
    return {
        **alone,
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "groups": shown,
        "window": {"since": to_iso(window.since), "until": to_iso(window.until)},
    }


def _inspect(
    group: Group, window: Window, params: Mapping[str, Any], memory: Memory, processes: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    since, until = int(window.since.timestamp()), int(window.until.timestamp())
    counted = count_group(group, since=since, until=until, processes=processes)
    figures = group_figures(counted.tally, group.limits, top=params["top"])
    hours = complete_hours(counted.tally, since, until) if not counted.problems else {}
    is_whole = not counted.problems and figures["unparsed_percent"] < (group.limits["unparsed_critical_percent"] or 100.0)
    served = served_hours(counted.tally, hours) if is_whole else {}
    past, day = memory.past.get(group.name, Past()), to_iso(window.until)[:10]
    comparison = Comparison(0, len(hours), ())
    if group.limits["pattern_warning_score"]:
        comparison = compare_hours(hours, past.hours, threshold=group.limits["pattern_warning_score"])
    things, today = things_of(counted.tally, counted.fields), date.fromisoformat(day).toordinal()
    if counted.tally.requests:
        memory.found[group.name] = Past()
        seen = seen_of(things, today, is_whole=is_whole)
        memory.found[group.name].add(hours, day, _day(counted, figures), served, seen)
    figures.update(
        logins=login_figures(counted.tally, group.logins, top=params["top"]),
        new=new_figures(things, past.seen, today, group.limits, requests=counted.tally.requests, top=params["top"]),
        usual_p95=usual_p95(past.days, day, ""),
        pattern={
            "compared": comparison.compared,
            "without_baseline": comparison.without_baseline,
            "odd": [{**odd._asdict(), "begin": iso(odd.hour * 3600)} for odd in comparison.odd],
        },
        trend=_trend(past),
    )
    for row in (*figures["routes"], *figures["slowest_routes"]):
        row["usual_p95"] = usual_p95(past.days, day, row["route"])
    objective = group.limits["objective_percent"]
    if objective:
        now = Served(counted.tally.requests, figures["status_classes"]["5xx"])
        known = add_hours(past.served, served)
        days, last_hour = int(group.limits["objective_days"]), (until - 1) // 3600
        figures["error_budget"] = {
            **error_budget(objective, days, now, last_hour, known)._asdict(),
            "present_known": is_whole and now.requests >= group.limits["min_requests"],
        }
        for row in figures["failing_routes"]:
            row["burn_rate"] = burn_rate(objective, Served(row["requests"], row["errors"]))
    kinds = _kinds(group, counted.fields)
    name = group.log_format.text if group.log_format else "json"
    checks = group_checks(Judged(group.name, name, kinds, group.limits, figures, comparison, bool(counted.problems)))
    checks += [_unreadable(path, reason) for path, reason in sorted(counted.problems.items())]
    files = {"read": counted.files, "older": counted.older, "not_read_whole": len(counted.problems)}
    return checks, {"name": group.name, "status": worst_of(checks), "files": files, **figures}


def _kinds(group: Group, fields: set[str]) -> frozenset[str]:
    """Return the fields that the lines tell, and what follows from several of them."""
    requests = not fields.isdisjoint(("request", "path"))
    more = {
        "duration": not fields.isdisjoint(("seconds", "upstream_seconds")),
        "logins": requests and group.logins is not None,
        "new": requests or not fields.isdisjoint(("agent", "country")),
    }
    return frozenset(fields | {kind for kind, told in more.items() if told})


def _unreadable(path: str, reason: str) -> dict[str, Any]:
    return check_result(
        "access.readable", path, UNKNOWN, f"{path} {reason}.",
        hint="Correct the path, or let the user of this task read the file. What else was read is counted.",
    )  # fmt: skip


def _day(counted: Counted, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is remembered of a run."""
    routes = {row["route"]: row["p95"] for row in (*figures["routes"], *figures["slowest_routes"]) if row["p95"] is not None}
    return {
        "requests": counted.tally.requests,
        "requests_per_second": figures["totals"]["requests_per_second"],
        "error_percent": figures["error_percent"],
        "p95": figures["latency"]["p95"],
        "routes": dict(list(routes.items())[:_REMEMBERED_ROUTES]),
    }


def _trend(past: Past) -> list[dict[str, Any]]:
    """Return what earlier days were like, the oldest first."""
    return [
        {"day": day, **{key: row.get(key) for key in ("requests", "requests_per_second", "error_percent", "p95")}}
        for day, row in sorted(past.days.items())[-_TREND_DAYS:]
    ]
