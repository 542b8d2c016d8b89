# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What earlier runs found: restart counters, latencies for sparklines, and the share of runs that found a service up.

Three series a probe: ``:latency`` (seconds, status of the check), ``:up`` (1 or 0; a run that could not look counts
neither way) and ``:restarts`` (the counter of the service).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.history import History, HistoryProblem, Point, open_history
from ansible_collections.upkeep.runbook.plugins.module_utils.history_checks import check_damaged, check_unusable
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import Probe
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome, Previous
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

SERIES_DAYS = 7
MAX_POINTS = 96
UPTIME_DAYS = {"1d": 1, "7d": 7, "30d": 30}

Uptime = dict[str, "float | None"]


@dataclass
class Recalled:
    """What the history adds to a result.

    :ivar series: points of the last seven days, one entry for each probe with latencies.
    :ivar uptime: percent of the runs that found the service up, by (type, name).
    :ivar checks: what is wrong with the history itself.
    """

    series: list[dict[str, Any]] = field(default_factory=list)
    uptime: dict[tuple[str, str], Uptime] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)


def previous_restarts(path: Path, probes: Iterable[Probe], now: datetime) -> dict[str, Previous]:
    """Return the restart counters of the last run by series of the probe; none when the history cannot be read.

    What is wrong with the history is said once, by :func:`remember`.
    """
    counting = [probe for probe in probes if "warning_restarts" in probe.options]
    found: dict[str, Previous] = {}
    if not counting:
        return found
    try:
        with open_history(path, now=now, read_only=True) as history:
            for probe in counting:
                row = history.last(f"{probe.series}:restarts")
                if row is not None and row[1] is not None:
                    found[probe.series] = Previous(to_iso(row[0]), int(row[1]))
    except HistoryProblem:
        return {}
    return found


def remember(
    path: Path, probes: Sequence[Probe], outcomes: Sequence[Outcome], now: datetime, *, read_only: bool
) -> Recalled:
    """Store what was found, unless ``read_only``, and return what the history knows with it."""
    recalled = Recalled()
    try:
        with open_history(path, now=now, read_only=read_only) as history:
            history.append([point for pair in zip(probes, outcomes) for point in points_of(*pair)])
            for probe in probes:
                _recall(history, probe, now, recalled)
            if history.set_aside is not None:
                recalled.checks.append(check_damaged(path, history.set_aside))
    except HistoryProblem as problem:
        recalled.checks.append(check_unusable(path, problem.message))
    return recalled


def points_of(probe: Probe, outcome: Outcome) -> list[Point]:
    """Return what is stored about one probe."""
    up = {OK: 1.0, WARNING: 1.0, CRITICAL: 0.0}.get(outcome.status)
    points = [Point(f"{probe.series}:up", up, "" if up is None else (OK if up else CRITICAL))]
    if "warning_seconds" in probe.options:
        points.append(Point(f"{probe.series}:latency", outcome.latency_seconds, outcome.status))
    if outcome.restarts is not None:
        points.append(Point(f"{probe.series}:restarts", float(outcome.restarts), ""))
    return points


def _recall(history: History, probe: Probe, now: datetime, recalled: Recalled) -> None:
    recalled.uptime[probe.type, probe.name] = {
        label: _percent(history.share_ok(f"{probe.series}:up", since=now - timedelta(days=days)))
        for label, days in UPTIME_DAYS.items()
    }
    if "warning_seconds" not in probe.options:
        return
    since = now - timedelta(days=SERIES_DAYS)
    rows = history.values(f"{probe.series}:latency", since=since, limit=MAX_POINTS)
    if rows:
        points = [[to_iso(when), None if value is None else round(value, 6)] for when, value, _status in rows]
        recalled.series.append({"name": f"{probe.type} {probe.name}", "unit": "s", "points": points})


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share, 2)
