# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of a measurement, what was kept of earlier ones, and the check that says whether that worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.history import (
    History,
    HistoryProblem,
    Point,
    open_history,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.history_checks import (
    check_damaged,
    check_unusable,
    check_whole,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

PREFIX = "resource:"
OOM_KILLS = "memory.oom_kills"
SERIES_DAYS = 30
MAX_POINTS = 96


@dataclass(frozen=True)
class Figure:
    """One figure that is kept: its series without prefix, its unit, and the check (id, subject) whose status it has."""

    series: str
    unit: str
    value: float
    check: tuple[str, str] | None = None
    drawn: bool = True


@dataclass
class FigureHistory:
    """The history as one call sees it; without one it remembers nothing and has nothing to say.

    :ivar problems: why it could not be read or written.
    """

    now: datetime
    history: History | None = None
    problems: list[str] = field(default_factory=list)

    def last(self, series: str) -> tuple[datetime, float] | None:
        """Return time and value of the newest point of a series, or None."""
        if self.history is None or self.problems:
            return None
        try:
            row = self.history.last(PREFIX + series)
        except HistoryProblem as exc:
            self.problems.append(exc.message)
            return None
        return (row[0], row[1]) if row and row[1] is not None else None

    def keep(self, figures: Sequence[Figure], checks: Sequence[Mapping[str, Any]]) -> None:
        """Store the figures of this call with the status of their checks."""
        if self.history is None or self.problems:
            return
        statuses = {(check["check"], check["subject"]): check["status"] for check in checks}
        points = [
            Point(PREFIX + figure.series, figure.value, statuses.get(figure.check, "") if figure.check else "")
            for figure in figures
        ]
        try:
            self.history.append(points)
        except HistoryProblem as exc:
            self.problems.append(exc.message)

    def series(self, figures: Sequence[Figure]) -> list[dict[str, Any]]:
        """Return the figures that are drawn with their past, oldest first; call it before ``keep``."""
        return [
            {
                "name": figure.series,
                "unit": figure.unit,
                "points": [*self._past(figure.series), [to_iso(self.now), figure.value]],
            }
            for figure in figures
            if figure.drawn
        ]

    def checks(self) -> list[dict[str, Any]]:
        """Return the check of the history itself; none when there is no history."""
        if self.history is None:
            return []
        if self.problems:
            return [check_unusable(self.history.path, self.problems[0])]
        if self.history.set_aside is not None:
            return [check_damaged(self.history.path, self.history.set_aside)]
        return [check_whole(self.history.path)]

    def _past(self, series: str) -> Iterator[list[Any]]:
        if self.history is None or self.problems:
            return
        try:
            rows = self.history.values(
                PREFIX + series, since=self.now - timedelta(days=SERIES_DAYS), limit=MAX_POINTS - 1
            )
        except HistoryProblem as exc:
            self.problems.append(exc.message)
            return
        for at, value, _status in rows:
            if value is not None:
                yield [to_iso(at), round(value, 2)]


@contextmanager
def remember(path: str | None, *, now: datetime, read_only: bool) -> Iterator[FigureHistory]:
    """Open the history of the figures.

    :param path: the history file; None or '' for none.
    :param read_only: for check mode.
    """
    if not path:
        yield FigureHistory(now)
        return
    with open_history(Path(path), now=now, read_only=read_only) as history:
        yield FigureHistory(now, history)


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
    if metrics.get("oom_kills"):
        value = metrics["oom_kills"]["since_boot"]
        figures.append(Figure(OOM_KILLS, "count", value, (OOM_KILLS, "memory"), drawn=False))
    return figures


def kills_since(
    since_boot: int, last: tuple[datetime, float] | None, *, now: datetime, uptime_seconds: float | None
) -> int | None:
    """Return the kills since the last run, or None when there was none.

    The kernel counts from zero at each boot: after a restart all it has counted happened since the last run.
    """
    if last is None:
        return None
    at, earlier = last
    restarted = uptime_seconds is not None and at < now - timedelta(seconds=uptime_seconds)
    return since_boot if restarted or since_boot < earlier else since_boot - int(earlier)
