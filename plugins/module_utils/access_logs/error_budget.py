# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of the failures that an objective allows has been used up, and how fast that goes.

An objective of 99.9 percent lets one of 1000 requests fail: over a period of days that is the budget. A burn rate of 1 uses it up
in just these days, one of 14 in two days of four weeks. Both words are those of the site reliability workbook of Google.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple


class Served(NamedTuple):
    """Requests of some time, and how many of them failed."""

    requests: int
    errors: float


class Budget(NamedTuple):
    """What is left of what an objective allows.

    :ivar objective_percent: share of the requests that must not fail.
    :ivar period_days: the days over which it holds.
    :ivar days: on so many of them the requests are known, the present one among them.
    :ivar requests: of these days, and ``errors`` among them.
    :ivar allowed_errors: what the objective allows in the whole period, when the other days are like these.
    :ivar used_percent: how much of that the errors are.
    :ivar burn_rate: how many times more failed in the present time than the objective allows.
    :ivar allowed_now: how many failures it allows in the present time.
    """

    objective_percent: float
    period_days: int
    days: int
    requests: int
    errors: int
    allowed_errors: float
    used_percent: float
    burn_rate: float
    allowed_now: float


def error_budget(
    objective_percent: float, period_days: int, now: Served, today: str, days: Mapping[str, Mapping[str, Any]]
) -> Budget:
    """Return what is left.

    :param objective_percent: below 100.
    :param now: the present time, which stands for today.
    :param today: a date, ISO 8601; what is known of it already is left out, since the present time says more.
    :param days: what is remembered of earlier days, by date.
    """
    begin = (date.fromisoformat(today) - timedelta(days=period_days - 1)).isoformat()
    earlier = [_served(row) for day, row in days.items() if begin <= day < today]
    known = [served for served in earlier if served.requests] + [now]
    requests, errors = sum(served.requests for served in known), sum(served.errors for served in known)
    share = (100.0 - objective_percent) / 100.0
    allowed = share * requests / len(known) * period_days
    return Budget(
        objective_percent, period_days, len(known), requests, round(errors), round(allowed, 1),
        round(100.0 * errors / allowed, 1) if allowed else 0.0, burn_rate(objective_percent, now), share * now.requests,
    )  # fmt: skip


def burn_rate(objective_percent: float, served: Served) -> float:
    """Return how many times more failed than an objective below 100 percent allows; 0 of nothing."""
    if not served.requests:
        return 0.0
    return round(100.0 * served.errors / served.requests / (100.0 - objective_percent), 2)


def _served(row: Mapping[str, Any]) -> Served:
    """Return what is remembered of a day, or nothing when that makes no sense."""
    requests, percent = _number(row.get("requests")), _number(row.get("error_percent"))
    if requests is None or percent is None or not 0 <= percent <= 100 or not 0 <= requests < 1 << 50:
        return Served(0, 0.0)
    return Served(int(requests), requests * percent / 100.0)


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
