# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of a measurement, what was kept of earlier ones, and the check that says whether that worked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.history import Point
from ansible_collections.upkeep.runbook.plugins.module_utils.series_history import SeriesHistory

PREFIX = "resource:"

#: What the kernel counts from its start on: the check and its subject by the key of the metrics.
COUNTERS = {
    "oom_kills": ("memory.oom_kills", "memory"),
    "listen_drops": ("network.listen_drops", "listeners"),
    "syn_flood": ("network.syn_flood", "listeners"),
}


@dataclass(frozen=True)
class Figure:
    """One figure that is kept: its series without prefix, its unit, and the check (id, subject) whose status it has."""

    series: str
    unit: str
    value: float
    check: tuple[str, str] | None = None
    drawn: bool = True


class FigureHistory(SeriesHistory):
    """The history as one call sees it; without one it remembers nothing and has nothing to say."""

    prefix = PREFIX

    def keep(self, figures: Sequence[Figure], checks: Sequence[Mapping[str, Any]]) -> None:
        """Store the figures of this call with the status of their checks."""
        statuses = {(check["check"], check["subject"]): check["status"] for check in checks}
        self.append(
            [Point(figure.series, figure.value, statuses.get(figure.check, "") if figure.check else "") for figure in figures]
        )

    def series(self, figures: Sequence[Figure]) -> list[dict[str, Any]]:
        """Return the figures that are drawn with their past, oldest first; call it before ``keep``."""
        return [self.drawn(figure.series, figure.unit, figure.value) for figure in figures if figure.drawn]


def kept_figures(metrics: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of a measurement that are kept."""
    figures = []
    for series, name, key, unit, subject in (
        ("cpu.usage", "cpu", "usage_percent", "percent", "cpu"),
        ("cpu.iowait", "cpu", "iowait_percent", "percent", "cpu"),
        ("cpu.steal", "cpu", "steal_percent", "percent", "cpu"),
        ("load.per_core", "load", "per_core", "per_core", "load"),
        ("memory.usage", "memory", "used_percent", "percent", "memory"),
        ("swap.usage", "swap", "used_percent", "percent", "swap"),
    ):
        if metrics.get(name):
            figures.append(Figure(series, unit, metrics[name][key], (series, subject)))
    for row in metrics.get("file_systems") or []:
        for check, key in (("disk.space", "used_percent"), ("disk.inodes", "inodes_used_percent")):
            if row.get(key) is not None:
                series = f"{check}:{row['path']}"
                figures.append(Figure(series, "percent", row[key], (check, row["path"]), check == "disk.space"))
    for row in metrics.get("interfaces") or []:
        for direction in ("receive", "transmit"):
            value = row[f"{direction}_bytes_per_second"]
            figures.append(Figure(f"network.{direction}:{row['name']}", "bytes_per_second", value))
    for name, identity in COUNTERS.items():
        if metrics.get(name):
            figures.append(Figure(identity[0], "count", metrics[name]["since_boot"], identity, drawn=False))
    return figures


def count_since_last_run(metrics: Mapping[str, Any], past: FigureHistory) -> dict[str, datetime | None]:
    """Say in each counter of the metrics what it counted since the last run; return when that was, None for never."""
    last_runs = {}
    for name, (series, _subject) in COUNTERS.items():
        last = past.last(series)
        last_runs[name] = last[0] if last else None
        if metrics[name] is not None:
            metrics[name]["since_last_run"] = counted_since(
                metrics[name]["since_boot"], last, now=past.now, uptime_seconds=metrics["uptime_seconds"]
            )
    return last_runs


def counted_since(
    since_boot: int, last: tuple[datetime, float] | None, *, now: datetime, uptime_seconds: float | None
) -> int | None:
    """Return what was counted since the last run, or None when there was none.

    The kernel counts from zero at each boot: after a restart all it has counted happened since the last run.
    """
    if last is None:
        return None
    at, earlier = last
    restarted = uptime_seconds is not None and at < now - timedelta(seconds=uptime_seconds)
    return since_boot if restarted or since_boot < earlier else since_boot - int(earlier)
