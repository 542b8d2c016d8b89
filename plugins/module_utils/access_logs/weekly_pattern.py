# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an hour had as many requests as that hour of the week usually has."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.bursts import usual_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally

HOURS_OF_WEEK = 168
WEEKS = 5
#: Fewer weeks are no pattern.
MIN_WEEKS = 3
#: Hours in which fewer requests are usual, and came, are not compared: there one client makes all the difference.
_MIN_REQUESTS = 60
_FACTOR = 2.0


class OddHour(NamedTuple):
    """An hour that differs from the same hour of earlier weeks.

    :ivar hour: since the epoch.
    :ivar score: by how many usual deviations it is above (or, negative, below) the median of those.
    """

    hour: int
    requests: int
    usual: float
    score: float


class Comparison(NamedTuple):
    """What came of comparing: how many hours could be compared, how many could not, and those that differ."""

    compared: int
    without_baseline: int
    odd: tuple[OddHour, ...]


def complete_hours(tally: Tally, since: int, until: int) -> dict[int, int]:
    """Return the requests of each hour that the log covers from its beginning to its end, also of those without any.

    :param since: the first second of the window, ``until`` the first behind it.
    """
    if tally.earliest is None:
        return {}
    begin = -(-max(since, tally.earliest) // 3600)
    return {hour: sum(tally.hours.get(hour, ())) for hour in range(begin, until // 3600)}


def compare_hours(hours: Mapping[int, int], before: Mapping[int, int], *, threshold: float) -> Comparison:
    """Compare hours with the same hours of the weeks before.

    :param hours: requests by hour since the epoch.
    :param before: the same of earlier runs.
    :param threshold: the least score, upwards or downwards, that counts.
    """
    odd, compared, without = [], 0, 0
    for hour, requests in sorted(hours.items()):
        others = [before[other] for other in same_hours(hour) if other in before]
        if len(others) < MIN_WEEKS:
            without += 1
            continue
        compared += 1
        usual = usual_of(others, least=max(1.0, sum(others) / len(others) / 10))
        score, median = usual.score(requests), usual.median
        far = requests >= _FACTOR * median or requests * _FACTOR <= median
        if abs(score) >= threshold and far and max(requests, median) >= _MIN_REQUESTS:
            odd.append(OddHour(hour, requests, median, round(score, 1)))
    return Comparison(compared, without, tuple(odd))


def same_hours(hour: int) -> list[int]:
    """Return the hours of the weeks before that have the same weekday and hour on the clock of this host.

    People keep to the clock on the wall, which is moved twice a year: a week may then have an hour more or less.
    """
    clock = _clock(hour)
    answer = []
    for week in range(1, WEEKS + 1):
        middle = hour - week * HOURS_OF_WEEK
        answer += [other for other in (middle, middle - 1, middle + 1) if _clock(other) == clock][:1]
    return answer


def _clock(hour: int) -> tuple[int, int]:
    local = time.localtime(hour * 3600)
    return (local.tm_wday, local.tm_hour)
