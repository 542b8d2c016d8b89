# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many errors a minute are usual in a group: the median of its own runs of the last days, and how far they stray."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.memory import Point

DAYS = 7
#: A run every five minutes for a week.
MAX_POINTS = 2016
#: Makes the median deviation of a normal distribution its standard deviation.
_SCALE = 1.4826
#: A group that was always silent may have a few errors a day without being called unusual.
_LEAST_PER_MINUTE = 0.05


class Baseline(NamedTuple):
    """What is usual.

    :ivar deviation: median distance of the runs from their median, errors per minute.
    :ivar limit: more errors a minute than this are unusual.
    """

    runs: int
    median: float
    deviation: float
    limit: float


def baseline_of(points: Sequence[Point], now: float, *, factor: float) -> Baseline | None:
    """Return what is usual by the runs of the last days; None without any.

    :param factor: so many deviations above the median are unusual, and never less than half the median more.
    """
    rates = [point.per_minute for point in points if 0 <= now - point.at <= DAYS * 86400]
    if not rates:
        return None
    median = statistics.median(rates)
    deviation = statistics.median(abs(rate - median) for rate in rates)
    limit = median + max(factor * _SCALE * deviation, 0.5 * median, _LEAST_PER_MINUTE)
    return Baseline(len(rates), median, deviation, limit)


def with_point(points: Sequence[Point], point: Point | None) -> tuple[Point, ...]:
    """Return the runs with this one, without those that are too old or of the future, at most MAX_POINTS."""
    if point is None:
        return tuple(points)
    kept = [old for old in points if 0 <= point.at - old.at <= DAYS * 86400]
    return (*kept, point)[-MAX_POINTS:]
