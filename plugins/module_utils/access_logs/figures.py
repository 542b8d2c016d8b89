# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was counted in a group, as figures for people and for checks."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.bursts import Burst, find_bursts
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.busiest import Busiest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.cache_words import cache_figures
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.durations import add_classes, percentiles
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.limit_lines import DRY_RUN
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import shown
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.shares import percent
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import CLIENT_SKETCH, MAX_PATHS, UPGRADED, Tally
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

#: A client that mostly asks for what is not there, or not for it, under so many different paths.
SCANNER_PATHS = 20
_SCANNER_SHARE = 0.8
_MIN_ROUTE_REQUESTS = 20
_MAX_STATUSES = 40
_CLASSES = "12345"


def iso(second: int | None) -> str | None:
    """Return a second since the epoch as ISO 8601 UTC."""
    return None if second is None else to_iso(datetime.fromtimestamp(second, timezone.utc))


def group_figures(tally: Tally, limits: Mapping[str, float], *, top: int) -> dict[str, Any]:
    """Return all figures of a group.

    :param tally: settled.
    :param top: how many of each list are returned.
    """
    statuses: Counter[str] = Counter()
    for of_route in tally.routes.values():
        statuses.update(of_route)
    latency: dict[int, int] = {}
    for classes in tally.latency.values():
        add_classes(latency, classes.items())
    lines = tally.requests + tally.excluded + tally.outside + tally.unparsed
    return {
        "totals": _totals(tally, statuses),
        "unparsed_lines": tally.unparsed,
        "unparsed_percent": percent(tally.unparsed, lines),
        "first_unparsed": tally.first_unparsed,
        "status_classes": {f"{digit}xx": sum(n for status, n in statuses.items() if status[0] == digit) for digit in _CLASSES},
        "statuses": dict(sorted(sorted(statuses.items(), key=lambda item: (-item[1], item[0]))[:_MAX_STATUSES])),
        "error_percent": percent(sum(n for status, n in statuses.items() if status[0] == "5"), tally.requests),
        "latency": percentiles(latency),
        "upstream_latency": percentiles(tally.upstream),
        **_routes(tally, top),
        "rate_limited": _rate_limited(tally, statuses, top),
        "cache": cache_figures(tally.cache.counts),
        "top_clients": _top(tally.clients, "client", top, tally.requests),
        "top_agents": _top(tally.agents, "agent", top, tally.requests),
        "top_hosts": _top(tally.hosts, "host", top, tally.requests),
        **_bursts(tally, limits, top),
        **_scanners(tally, top),
    }


def _totals(tally: Tally, statuses: Counter[str]) -> dict[str, Any]:
    seconds = (tally.last - tally.first + 1) if tally.last is not None and tally.first is not None else 0
    peak_second = max(
        ((max(row), -hour, hour * 3600 + row.index(max(row))) for hour, row in tally.hours.items()), default=(0, 0, None)
    )
    minutes = _requests_by_minute(tally)
    busiest = max(minutes, key=lambda minute: (minutes[minute], -minute), default=None)
    exact = not tally.clients.missing
    return {
        "requests": tally.requests,
        "bytes": tally.bytes,
        "clients": len(tally.clients.counts) if exact else tally.clients.different().count(),
        "clients_estimated": not exact and len(tally.clients.different().hashes) >= CLIENT_SKETCH,
        "first": iso(tally.first),
        "last": iso(tally.last),
        "requests_per_second": round(tally.requests / seconds, 3) if seconds else 0.0,
        "bytes_per_second": round(tally.bytes / seconds, 1) if seconds else 0.0,
        "peak_requests_per_second": peak_second[0],
        "peak_second": iso(peak_second[2]),
        "requests_per_minute": round(60 * tally.requests / seconds, 3) if seconds else 0.0,
        "peak_requests_per_minute": minutes[busiest] if busiest is not None else 0,
        "peak_minute": iso(busiest * 60) if busiest is not None else None,
        "upgrades": statuses[UPGRADED],
        "outside_window": tally.outside,
        "excluded": tally.excluded,
        "steps_back": tally.steps_back,
        "folded": {
            name: {"requests": busiest_of.folded, "missing_at_most": busiest_of.missing}
            for name, busiest_of in (("clients", tally.clients), ("agents", tally.agents), ("hosts", tally.hosts))
        },
    }


def _requests_by_minute(tally: Tally) -> dict[int, int]:
    minutes = {}
    for hour, row in tally.hours.items():
        for minute in range(60):
            requests = sum(row[minute * 60 : minute * 60 + 60])
            if requests:
                minutes[hour * 60 + minute] = requests
    return minutes


def _routes(tally: Tally, top: int) -> dict[str, Any]:
    rows = []
    for route, statuses in tally.routes.items():
        requests = sum(statuses.values())
        failed = sum(number for status, number in statuses.items() if status[0] == "5")
        rows.append((route, requests, failed))
    slow = [
        (-p95, row)
        for row in rows
        if row[1] >= _MIN_ROUTE_REQUESTS
        for p95 in [percentiles(tally.latency.get(row[0], {}))["p95"]]
        if p95 is not None
    ]
    slow.sort()
    return {
        "routes": [_route(row, tally) for row in sorted(rows, key=lambda row: (-row[1], row[0]))[:top]],
        "slowest_routes": [_route(row, tally) for _p95, row in slow[:top]],
        "failing_routes": [_route(row, tally) for row in sorted(rows, key=lambda row: (-row[2], row[0]))[:top] if row[2]],
        "different_routes": len(rows),
    }


def _route(row: tuple[str, int, int], tally: Tally) -> dict[str, Any]:
    route, requests, failed = row
    latency = percentiles(tally.latency.get(route, {}))
    figures = {name: value for name, value in latency.items() if name != "requests"}
    return {
        "route": shown(route),
        "requests": requests,
        "errors": failed,
        "error_percent": percent(failed, requests),
        **figures,
    }


def _rate_limited(tally: Tally, statuses: Counter[str], top: int) -> dict[str, Any]:
    zones = sorted(tally.limits.counts.items(), key=lambda item: (-item[1], item[0]))
    rejected = sum(number for (kind, _zone), number in zones if kind.endswith("rejected"))
    return {
        "responses": statuses["429"],
        "percent": percent(max(statuses["429"], rejected), tally.requests),
        "rejected_lines": rejected,
        "zones": [{"zone": shown(zone), "kind": kind, "lines": number} for (kind, zone), number in zones[:top]],
        "dry_run_lines": sum(number for (kind, _zone), number in zones if kind == DRY_RUN),
        "statuses": {shown(status): number for status, number in tally.limit_statuses.top(top)},
        "clients": [{"client": shown(client), "responses": number} for client, number in tally.limited.top(top)],
        "zone_clients": [
            {"zone": shown(zone), "client": shown(client), "lines": number}
            for (zone, client), number in tally.limit_clients.top(top)
        ],
    }


def _top(counter: Busiest, key: str, top: int, whole: int) -> list[dict[str, Any]]:
    return [
        {key: shown(thing), "requests": number, "share_percent": percent(number, whole)} for thing, number in counter.top(top)
    ]


def _bursts(tally: Tally, limits: Mapping[str, float], top: int) -> dict[str, Any]:
    if tally.first is None or tally.last is None:
        return {"bursts": [], "different_bursts": 0}
    # With the minute that is not over yet: a burst stands out in it already, and tomorrow's window begins behind it.
    span = range(tally.first // 60, tally.last // 60 + 1)
    least = int(limits["burst_min_requests"])
    threshold = min((limits[name] for name in ("burst_warning_score", "burst_critical_score") if limits[name]), default=10.0)
    clients = {minute: sketch.count() for minute, sketch in tally.minutes.items()}
    found = find_bursts("requests", _requests_by_minute(tally), span, threshold=threshold, least=least)
    found += find_bursts("clients", clients, span, threshold=threshold, least=max(1, least // 3))
    found.sort(key=lambda burst: (-burst.score, burst.begin))
    return {"bursts": [_burst(burst, clients) for burst in found[:top]], "different_bursts": len(found)}


def _burst(burst: Burst, clients: Mapping[int, int]) -> dict[str, Any]:
    minutes = range(burst.begin, burst.begin + burst.minutes)
    return {
        "kind": burst.kind, "begin": iso(burst.begin * 60), "minutes": burst.minutes, "peak": burst.peak,
        "usual": burst.usual, "score": burst.score, "clients_at_most": max((clients.get(minute, 0) for minute in minutes), default=0),
    }  # fmt: skip


def _scanners(tally: Tally, top: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for client, (refused, paths) in tally.refused.items():
        requests = max(refused, tally.clients.counts.get(client, 0))
        if len(paths) >= SCANNER_PATHS and refused >= _SCANNER_SHARE * requests:
            rows.append(
                {"client": shown(client), "requests": requests, "refused": refused, "paths": min(len(paths), MAX_PATHS)}
            )
    rows.sort(key=lambda row: (-row["refused"], row["client"]))
    return {"scanners": rows[:top], "different_scanners": len(rows)}


def usual_p95(days: Mapping[str, Mapping[str, Any]], today: str, route: str) -> float | None:
    """Return the median of the p95 that a route had on the last seven days before this one; None without any.

    :param route: '' for all routes together.
    """
    earlier = [days[day] for day in sorted(days) if day < today][-7:]
    values = [row.get("p95") if not route else (row.get("routes") or {}).get(route) for row in earlier]
    numbers = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return round(statistics.median(numbers), 4) if numbers else None
