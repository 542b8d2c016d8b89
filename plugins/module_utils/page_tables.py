# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables that the page shows of a host beside its checks: traffic, databases, failed logins, blocked addresses, baselines.

They are read from the results that roles registered, which any target may have written: whatever is absent or malformed is left
out, and the checks do not depend on it. Every table is one dict ``{title, caption, columns, rows}``; a row has a text for each
column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

Table = dict[str, Any]

_MAX_ROWS = 10
_MAX_GROUPS = 20
_MAX_CHARACTERS = 200
_DAY_SECONDS = 86_400


def host_tables(results: Mapping[str, Any], ended: datetime) -> list[Table]:
    """Return the tables of one host, those that have something to show.

    :param results: the registered results by role.
    :param ended: the end of the run, by which the age of a baseline is told.
    """
    parts = _mapping(_mapping(results.get("security_audit")).get("parts"))
    groups = _mappings(_mapping(results.get("traffic")).get("groups"), _MAX_GROUPS)
    tables = [
        *_traffic(groups),
        _site_logins(groups),
        _new(groups),
        _databases(_mappings(_mapping(results.get("databases")).get("databases"), _MAX_GROUPS)),
        _logins(_mapping(parts.get("logins"))),
        _blocked(_mapping(parts.get("blocks"))),
        _baselines(parts, ended),
    ]
    return [table for table in tables if table["rows"]]


def _traffic(groups: list[Mapping[str, Any]]) -> list[Table]:
    """Return the figures of each group of access logs, and its busiest routes."""
    figures = [
        [
            _text(group.get("name")),
            _figure(totals.get("requests"), "count"),
            _figure(totals.get("requests_per_second"), "per_second"),
            _figure(group.get("error_percent"), "percent"),
            *(_figure(latency.get(share), "s") for share in ("p50", "p95", "p99")),
            _figure(_mapping(group.get("rate_limited")).get("responses"), "count"),
            _figure(_mapping(group.get("cache")).get("hit_percent"), "percent"),
        ]
        for group in groups for totals, latency in [(_mapping(group.get("totals")), _mapping(group.get("latency")))]
    ]
    routes = [
        [
            _text(route.get("route")),
            _figure(route.get("requests"), "count"),
            _figure(route.get("error_percent"), "percent"),
            *(_figure(route.get(share), "s") for share in ("p50", "p95", "p99")),
        ]
        for group in groups for route in _mappings(group.get("routes"), _MAX_ROWS)
    ][:_MAX_ROWS]
    shares = ("5xx", "p50", "p95", "p99")
    return [
        _table("Traffic", "Requests as the access logs tell them", ("Site", "Requests", "Throughput", *shares, "429", "Cache hits"), figures),
        _table("Busiest routes", "Routes with most requests", ("Route", "Requests", *shares), routes),
    ]


def _site_logins(groups: list[Mapping[str, Any]]) -> Table:
    """Return how many of those who wanted to log in at each site were refused."""
    rows = [
        [
            _text(group.get("name")),
            *(_figure(logins.get(name), "count") for name in ("requests", "refused")),
            _figure(logins.get("refused_percent"), "percent"),
            *(_figure(logins.get(name), "count") for name in ("succeeded", "different_clients")),
            ", ".join(_text(row.get("client"), 60) for row in _mappings(logins.get("clients"), 3)),
        ]
        for group in groups for logins in [_mapping(group.get("logins"))] if _number(logins.get("requests"))
    ]
    columns = ("Site", "Requests", "Refused", "Share", "Succeeded", "Clients", "Most from")
    return _table("Logins at sites", "Requests to log in, and from how many clients the refused ones came", columns, rows)


def _new(groups: list[Mapping[str, Any]]) -> Table:
    """Return what no day before has seen in the access logs."""
    kinds = (("agents", "agent"), ("countries", "country"), ("routes", "route"))
    rows = [
        [_text(group.get("name")), kind.capitalize(), _text(row.get(kind)), _figure(row.get("requests"), "count"), _figure(row.get("share_percent"), "percent")]
        for group in groups for name, kind in kinds
        for row in _mappings(_mapping(_mapping(group.get("new")).get(name)).get("newest"), _MAX_ROWS)
    ][: 2 * _MAX_ROWS]
    return _table("New at sites", "Agents, countries and routes that no day before has seen", ("Site", "Kind", "Name", "Requests", "Share"), rows)


def _databases(databases: list[Mapping[str, Any]]) -> Table:
    """Return the figures of each database that tells any."""
    rows = [
        [
            _text(database.get("name")),
            _figure(figures.get("per_second"), "per_second"),
            _figure(figures.get("cache_hit_percent"), "percent"),
            _figure(figures.get("connections"), "count"),
            _figure(figures.get("longest_query_seconds"), "s"),
            _figure(figures.get("deadlocks"), "count"),
            _figure(figures.get("slow_queries"), "count"),
            _figure(figures.get("memory_bytes"), "bytes"),
        ]
        for database in databases for figures in [_mapping(database.get("figures"))] if figures
    ]
    columns = ("Database", "Throughput", "Cache hits", "Connections", "Longest statement", "Deadlocks", "Slow", "Memory")
    return _table("Databases", "What databases counted since the look before", columns, rows)


def _logins(result: Mapping[str, Any]) -> Table:
    """Return from where logins failed."""
    rows = [
        [
            _text(row.get("address")),
            _figure(row.get("failures"), "count"),
            _figure(row.get("accepted"), "count"),
            ", ".join(_text(user, 40) for user in _listed(row.get("users"), 5)),
            _text(row.get("last")),
        ]
        for row in _mappings(result.get("addresses"), 1000) if _number(row.get("failures"))
    ]
    failures = _figure(_mapping(result.get("totals")).get("failures"), "count")
    caption = f"Addresses with most failed logins{f', of {failures} in all' if failures else ''}"
    return _table("Failed logins", caption, ("Address", "Failed", "Accepted", "Users", "Last"), rows[:_MAX_ROWS])


def _blocked(result: Mapping[str, Any]) -> Table:
    """Return who is blocked, those of a person before those of a program."""
    rows = [
        [_text(row.get("address")), _text(row.get("by")), _text(row.get("reason")), _text(row.get("expires")) or "no end"]
        for row in _mappings(result.get("blocked"), 2 * _MAX_ROWS)
    ]
    total = sum(_number(number) or 0 for name, number in _mapping(result.get("totals")).items() if name in ("blocked", "banned"))
    caption = f"Addresses that the host blocks{f', {len(rows)} of {total:.0f}' if total > len(rows) else ''}"
    return _table("Blocked addresses", caption, ("Address", "By", "Reason", "Until"), rows)


def _baselines(parts: Mapping[str, Any], ended: datetime) -> Table:
    """Return how old the baselines are that somebody accepted, and why."""
    rows = []
    for name in ("ports", "files", "access"):
        baseline = _mapping(_mapping(parts.get(name)).get("baseline"))
        accepted = _moment(baseline.get("accepted"))
        if accepted is not None:
            days = max((ended - accepted).total_seconds(), 0) / _DAY_SECONDS
            age = figure_text(math.floor(days * 10) / 10, "days")
            rows.append([name.capitalize(), age, _text(baseline.get("accepted")), _text(baseline.get("reason"))])
    return _table("Baselines", "What the host is compared with, and since when", ("Baseline", "Age", "Accepted", "Reason"), rows)


def _table(title: str, caption: str, columns: Sequence[str], rows: list[list[str]]) -> Table:
    return {"title": title, "caption": caption, "columns": list(columns), "rows": rows}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any, most: int) -> list[Any]:
    return list(value[:most]) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else []


def _mappings(value: Any, most: int) -> list[Mapping[str, Any]]:
    return [entry for entry in _listed(value, most) if isinstance(entry, Mapping)]


def _number(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e18 or not math.isfinite(value):
        return None
    return float(value)


def _figure(value: Any, unit: str) -> str:
    return figure_text(_number(value), unit)


def _text(value: Any, most: int = _MAX_CHARACTERS) -> str:
    return plain(str(value), most) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _moment(value: Any) -> datetime | None:
    try:
        return from_iso(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
