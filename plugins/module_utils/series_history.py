# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history of the host as one module sees it: series of its own, what is kept of them, and whether that worked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Optional, TypeVar

from ansible_collections.upkeep.runbook.plugins.module_utils.history import History, HistoryProblem, Point, open_history
from ansible_collections.upkeep.runbook.plugins.module_utils.history_checks import check_damaged, check_unusable, check_whole
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

SERIES_DAYS = 30
MAX_POINTS = 96

Opened = TypeVar("Opened", bound="SeriesHistory")


@dataclass
class SeriesHistory:
    """The history as one call sees it; without one it remembers nothing and has nothing to say.

    :cvar prefix: what the names of all its series begin with on disk.
    :ivar problems: why it could not be read or written; after the first one it is left alone.
    """

    prefix: ClassVar[str] = ""

    now: datetime
    history: Optional[History] = None
    problems: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls: type[Opened], path: str | None, *, now: datetime, read_only: bool) -> Iterator[Opened]:
        """Open the history.

        :param path: the history file; None or '' for none.
        :param read_only: for check mode.
        """
        if not path:
            yield cls(now)
            return
        with open_history(Path(path), now=now, read_only=read_only) as history:
            yield cls(now, history)

    def last(self, series: str) -> tuple[datetime, float] | None:
        """Return time and value of the newest point of a series, or None."""
        if self.history is None or self.problems:
            return None
        try:
            row = self.history.last(self.prefix + series)
        except HistoryProblem as exc:
            self.problems.append(exc.message)
            return None
        return (row[0], row[1]) if row and row[1] is not None else None

    def append(self, points: Sequence[Point]) -> None:
        """Store points of this call; their series are named without the prefix."""
        if self.history is None or self.problems:
            return
        try:
            self.history.append([Point(self.prefix + series, value, status) for series, value, status in points])
        except HistoryProblem as exc:
            self.problems.append(exc.message)

    def drawn(self, series: str, unit: str, value: float) -> dict[str, Any]:
        """Return a series with its past, oldest first, and the value of now; ask before that is stored."""
        return {"name": series, "unit": unit, "points": [*self._past(series), [to_iso(self.now), value]]}

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
            rows = self.history.values(self.prefix + series, since=self.now - timedelta(days=SERIES_DAYS), limit=MAX_POINTS - 1)
        except HistoryProblem as exc:
            self.problems.append(exc.message)
            return
        for at, value, _status in rows:
            if value is not None:
                yield [to_iso(at), round(value, 2)]
