# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of the failures that an objective allows has been used up, and how fast that goes.

An objective of 99.9 percent lets one of 1000 requests fail: over a period of days that is the budget. A burn rate of 1 uses it up
in just these days, one of 7 in four days of four weeks. Both words are those of the site reliability workbook of Google.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally


class Served(NamedTuple):
    """Requests of some time, and how many of them failed."""

    requests: int
    errors: int


class Budget(NamedTuple):
    """What is left of what an objective allows.

    :ivar objective_percent: share of the requests that must not fail.
    :ivar period_days: the days over which it holds, the present time at their end.
    :ivar known_days: so much of them is known.
    :ivar requests: of what is known, and ``errors`` among them.
    :ivar allowed_errors: what the objective allows in the whole period when as many requests come as in what is known.
    :ivar used_percent: how much of that the errors are; no failure is assumed where nothing is known.
    :ivar burn_rate: how many times as many failed in the present time as the objective allows.
    """

    objective_percent: float
    period_days: int
    known_days: float
    requests: int
    errors: int
    allowed_errors: float
    used_percent: float
    burn_rate: float


def error_budget(objective_percent: float, period_days: int, now: Served, last_hour: int, hours: Mapping[int, Served]) -> Budget:
    """Return what is left.

    :param objective_percent: below 100.
    :param now: the present time.
    :param last_hour: the hour since the epoch in which it ends.
    :param hours: what is known of it and of the time before.
    """
    period_hours = 24 * period_days
    known = [served for hour, served in hours.items() if last_hour - period_hours < hour <= last_hour]
    requests, errors = sum(served.requests for served in known), sum(served.errors for served in known)
    allowed = (100.0 - objective_percent) / 100.0 * requests / len(known) * period_hours if known else 0.0
    return Budget(
        objective_percent, period_days, round(len(known) / 24, 1), requests, errors, round(allowed, 1),
        round(100.0 * errors / allowed, 1) if allowed else 0.0, burn_rate(objective_percent, now),
    )  # fmt: skip


def burn_rate(objective_percent: float, served: Served) -> float:
    """Return how many times as many failed as an objective below 100 percent allows; 0 of nothing."""
    if not served.requests:
        return 0.0
    return round(100.0 * served.errors / served.requests / (100.0 - objective_percent), 2)


def served_hours(tally: Tally, hours: Mapping[int, int]) -> dict[int, Served]:
    """Return what was served in each hour of which the log tells at least a part.

    :param hours: the requests of those of which it tells all, also where there was none.
    """
    partly = {hour: sum(seconds) for hour, seconds in tally.hours.items() if hour not in hours}
    return {hour: Served(number, tally.failed[hour]) for hour, number in {**partly, **hours}.items()}


def add_hours(before: Mapping[int, Served], now: Mapping[int, Served]) -> dict[int, Served]:
    """Return all of both; of an hour that both have seen a part of, what has more requests."""
    return {**before, **{hour: max(served, before.get(hour, served)) for hour, served in now.items()}}
