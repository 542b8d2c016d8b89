# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The counters of the last look at each database, in the history of the host, and a few figures with their past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Look
from ansible_collections.upkeep.runbook.plugins.module_utils.history import Point
from ansible_collections.upkeep.runbook.plugins.module_utils.series_history import SeriesHistory

PREFIX = "database:"
BEGAN = "began"
STARTED = "started"


@dataclass
class Looks(SeriesHistory):
    """The looks that the history remembers; without one it remembers nothing and has nothing to say."""

    prefix = PREFIX

    _points: list[Point] = field(default_factory=list)

    def last_look(self, subject: str, names: Mapping[str, float] | list[str]) -> Look | None:
        """Return the last look at a subject with those of the counters that it found, or None."""
        began = self.last(f"{subject}:{BEGAN}")
        if began is None:
            return None
        at, since = began
        counters = {}
        for name in names:
            row = self.last(f"{subject}:{name}")
            if row is not None and row[0] == at:  # a counter that the last look did not find has an older point
                counters[name] = row[1]
        started = self.last(f"{subject}:{STARTED}")
        return Look(at.timestamp(), since, started[1] if started else 0.0, counters)

    def keep(self, subject: str, look: Look) -> None:
        """Remember a look until the history is written."""
        values = {BEGAN: look.began, STARTED: look.started, **look.counters}
        self._points += [Point(f"{subject}:{name}", value, "") for name, value in values.items()]

    def series(self, figures: Mapping[str, tuple[str, float]]) -> list[dict[str, Any]]:
        """Return figures with their past, oldest first, and remember them until the history is written.

        :param figures: unit and value by the name of the series.
        """
        self._points += [Point(name, value, "") for name, (_unit, value) in figures.items()]
        return [self.drawn(name, unit, value) for name, (unit, value) in figures.items()]

    def write(self) -> None:
        """Write what was to be remembered; nothing in check mode."""
        self.append(self._points)
