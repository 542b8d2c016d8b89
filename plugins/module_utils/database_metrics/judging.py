# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of figures of databases: one row for each, with the figure, its thresholds and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, grade
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import LAST_LOOK, RESET, Interval
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.limits import LESS_IS_WORSE, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text, limits_text
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text

PREFIX = "database."


@dataclass(frozen=True)
class Rules:
    """What figures are compared with.

    :ivar limits: thresholds by figure.
    :ivar min_events: with fewer events, or with fewer seconds, shares of them are told and not judged.
    :ivar min_reads_per_second: a cache that lets fewer reads through is told and not judged.
    :ivar min_rows: tables with fewer dead rows are not judged.
    :ivar min_bytes: tables that waste less, and servers of Redis, are not judged.
    :ivar ignored_sessions: patterns of users and applications whose long statements are no finding.
    """

    limits: Mapping[str, Limits]
    min_events: int = 1000
    min_reads_per_second: float = 100.0
    min_rows: int = 10_000
    min_bytes: int = 100 * 1024**2
    ignored_sessions: Sequence[str] = ()


@dataclass
class Judged:
    """The checks of one subject, as they are made.

    :ivar unavailable: why a figure could not be had, by check without its prefix.
    """

    subject: str
    rules: Rules
    checks: list[dict[str, Any]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        value: float | None,
        said: str,
        *,
        figure: str = "",
        judged: bool = True,
        least: str = "",
        hint: str = "",
        evidence: dict[str, Any] | None = None,
    ) -> None:
        """Judge one figure.

        :param name: the check without its prefix.
        :param value: in the unit of the threshold; None when there is nothing to judge, which is then ok.
        :param said: a sentence without its point.
        :param figure: the figure whose thresholds apply; the same word as the check when empty.
        :param judged: whether there is enough of it to judge.
        :param least: why it is not judged otherwise.
        """
        key = figure or name
        warning, critical, unit = self.rules.limits[key]
        status = OK
        if judged and value is not None:
            status = low_grade(value, warning, critical) if key in LESS_IS_WORSE else grade(value, warning, critical)
        limits = limits_text(warning, critical, unit if unit != "ratio" else None) or "no threshold"
        note = f" ({limits})" if judged or not least else f"; {least}"
        self.checks.append(
            check_result(
                PREFIX + name, self.subject, status, f"{said}{note}.", value=None if value is None else round(value, 3), unit=unit,
                warning=warning, critical=critical, hint=hint if status != OK else None, evidence=evidence if status != OK else None,
            )
        )

    def state(self, name: str, status: str, said: str, *, hint: str = "", evidence: dict[str, Any] | None = None) -> None:
        """Add the check of something that is right or not, without a figure."""
        self.checks.append(
            check_result(PREFIX + name, self.subject, status, said, hint=hint if status != OK else None,
                         evidence=evidence if status != OK else None)
        )

    def unknown(self, names: Sequence[str], reason: str, hint: str = "") -> None:
        """Say that some checks could not be made, and what would help."""
        for name in names:
            self.unavailable[name] = reason
            self.checks.append(check_result(PREFIX + name, self.subject, UNKNOWN, f"Nobody could look: {reason}.", hint=hint or None))


def low_grade(value: float, warning: float | None, critical: float | None) -> str:
    """Grade a figure where less is worse: at or below a threshold counts as reached; None disables a threshold."""
    if critical is not None and value <= critical:
        return CRITICAL
    return WARNING if warning is not None and value <= warning else OK


def period_text(interval: Interval) -> str:
    """Return ``in the 24 hours since the last look``."""
    length = duration_text(interval.seconds) if interval.seconds >= 60 else figure_text(interval.seconds, "seconds")
    what = {LAST_LOOK: "since the last look", RESET: "since the counters began anew"}.get(interval.since, "of a sample")
    return f"in the {length} {what}"


def counted(count: float, one: str) -> str:
    """Return ``1 deadlock`` or ``3 deadlocks``."""
    return f"{figure_text(count, 'count')} {one if count == 1 else one + 's'}"


def longest(rows: Sequence[Mapping[str, Any]], key: str) -> Mapping[str, Any] | None:
    """Return the row with the greatest figure, or None."""
    known = [(found, row) for row in rows if (found := number(row.get(key))) is not None]
    return max(known, key=lambda pair: pair[0], default=(0.0, None))[1]


def figure(value: Any, digits: int = 2) -> float | None:
    """Return a number rounded for a result; None for what is none."""
    found = number(value)
    return None if found is None else round(found, digits)
