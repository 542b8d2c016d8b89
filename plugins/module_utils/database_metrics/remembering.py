# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The counters of the last look at each database, in the history of the host, and a few figures with their past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Look
from ansible_collections.upkeep.runbook.plugins.module_utils.history import History, HistoryProblem, Point, open_history
from ansible_collections.upkeep.runbook.plugins.module_utils.history_checks import check_damaged, check_unusable, check_whole
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

PREFIX = "database:"
BEGAN = "began"
STARTED = "started"
SERIES_DAYS = 30
MAX_POINTS = 96


@dataclass
class Looks:
    """The looks that the history remembers; without one it remembers nothing and has nothing to say.

    :ivar problems: why it could not be read or written.
    """

    now: datetime
    history: History | None = None
    problems: list[str] = field(default_factory=list)
    _points: list[Point] = field(default_factory=list)

    def last(self, subject: str, names: Mapping[str, float] | list[str]) -> Look | None:
        """Return the last look at a subject with those of the counters that it found, or None."""
        began = self._newest(subject, BEGAN)
        if began is None:
            return None
        at, since = began
        counters = {}
        for name in names:
            row = self._newest(subject, name)
            if row is not None and row[0] == at:  # a counter that the last look did not find has an older point
                counters[name] = row[1]
        started = self._newest(subject, STARTED)
        return Look(at.timestamp(), since, started[1] if started else 0.0, counters)

    def keep(self, subject: str, look: Look) -> None:
        """Remember a look until the history is written."""
        values = {BEGAN: look.began, STARTED: look.started, **look.counters}
        self._points += [Point(f"{PREFIX}{subject}:{name}", value, "") for name, value in values.items()]

    def series(self, figures: Mapping[str, tuple[str, float]]) -> list[dict[str, Any]]:
        """Return figures with their past, oldest first, and remember them until the history is written.

        :param figures: unit and value by the name of the series.
        """
        drawn = []
        for name, (unit, value) in figures.items():
            drawn.append({"name": name, "unit": unit, "points": [*self._past(name), [to_iso(self.now), value]]})
            self._points.append(Point(PREFIX + name, value, ""))
        return drawn

    def write(self) -> None:
        """Write what was to be remembered; nothing in check mode."""
        if self.history is None or self.problems:
            return
        try:
            self.history.append(self._points)
        except HistoryProblem as exc:
            self.problems.append(exc.message)

    def checks(self) -> list[dict[str, Any]]:
        """Return the check of the history itself; none when there is no history."""
        if self.history is None:
            return []
        if self.problems:
            return [check_unusable(self.history.path, self.problems[0])]
        if self.history.set_aside is not None:
            return [check_damaged(self.history.path, self.history.set_aside)]
        return [check_whole(self.history.path)]

    def _newest(self, subject: str, name: str) -> tuple[datetime, float] | None:
        if self.history is None or self.problems:
            return None
        try:
            row = self.history.last(f"{PREFIX}{subject}:{name}")
        except HistoryProblem as exc:
            self.problems.append(exc.message)
            return None
        return (row[0], row[1]) if row and row[1] is not None else None

    def _past(self, name: str) -> Iterator[list[Any]]:
        if self.history is None or self.problems:
            return
        try:
            rows = self.history.values(PREFIX + name, since=self.now - timedelta(days=SERIES_DAYS), limit=MAX_POINTS - 1)
        except HistoryProblem as exc:
            self.problems.append(exc.message)
            return
        for at, value, _status in rows:
            if value is not None:
                yield [to_iso(at), round(value, 2)]


@contextmanager
def remember(path: str | None, *, now: datetime, read_only: bool) -> Iterator[Looks]:
    """Open the history of the looks.

    :param path: the history file; None or '' for none.
    :param read_only: for check mode.
    """
    if not path:
        yield Looks(now)
        return
    with open_history(Path(path), now=now, read_only=read_only) as history:
        yield Looks(now, history)
