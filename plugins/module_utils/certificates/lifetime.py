# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much time a certificate has left, and how bad that is: values in, values out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

DAY_SECONDS = 86400.0

#: The most that each option may be.
_MOST = {"days": 36500, "lifetime_percent": 100}


@dataclass(frozen=True)
class Thresholds:
    """When little time left is a warning and when it is critical.

    Where days and percent are both given, the smaller remaining time applies: 30 days and 33 percent are 30 days for a
    certificate of a year and two days for one of six days.

    :ivar warning_percent: percent of the lifetime, or None.
    """

    warning_days: float
    critical_days: float
    warning_percent: float | None = None
    critical_percent: float | None = None

    def days_for(self, lifetime_seconds: float) -> tuple[float, float]:
        """Return the days of warning and critical that apply to a certificate of this whole lifetime."""
        return (
            _smaller(self.warning_days, self.warning_percent, lifetime_seconds),
            _smaller(self.critical_days, self.critical_percent, lifetime_seconds),
        )


def _smaller(days: float, percent: float | None, lifetime_seconds: float) -> float:
    if percent is None:
        return days
    return min(days, max(0.0, lifetime_seconds) / DAY_SECONDS * percent / 100.0)


def read_thresholds(options: Mapping[str, Any]) -> Thresholds:
    """Return the thresholds among the options of the module.

    :raises UpkeepError: for a number out of range, and for a warning that would come after its critical.
    """
    for unit, most in _MOST.items():
        warning, critical = options[f"warning_{unit}"], options[f"critical_{unit}"]
        refuse_out_of_range(options, {f"warning_{unit}": (0, most), f"critical_{unit}": (0, most)})
        if warning is not None and critical is not None and warning < critical:
            raise UpkeepError(
                f"warning_{unit}: {warning:g} is less than critical_{unit}, {critical:g}: the warning would come after"
                f" the critical. Give a warning_{unit} of {critical:g} or more."
            )
    return Thresholds(
        float(options["warning_days"]),
        float(options["critical_days"]),
        options["warning_lifetime_percent"],
        options["critical_lifetime_percent"],
    )


class Lifetime(NamedTuple):
    """The time of a certificate at one moment.

    :ivar seconds_left: until it expires; negative afterwards.
    :ivar seconds_until_valid: until it becomes valid; negative or zero since then.
    :ivar warning_days: the threshold that applies to it, as ``critical_days``.
    """

    seconds_left: float
    seconds_until_valid: float
    lifetime_seconds: float
    warning_days: float
    critical_days: float

    @property
    def days_left(self) -> float:
        """Days until it expires, exact to the second: -0.5 twelve hours afterwards."""
        return round(self.seconds_left / DAY_SECONDS, 6)

    @property
    def percent_left(self) -> float:
        """Share of the lifetime that is left, in percent; negative after its end, 0 where it has no lifetime."""
        return round(100.0 * self.seconds_left / self.lifetime_seconds, 2) if self.lifetime_seconds > 0 else 0.0

    @property
    def status(self) -> str:
        """What the time left means; reaching a threshold counts, and an expired certificate is always critical."""
        if self.seconds_left <= max(0.0, self.critical_days * DAY_SECONDS):
            return CRITICAL
        return WARNING if self.seconds_left <= self.warning_days * DAY_SECONDS else OK


def lifetime_at(now: datetime, not_before: datetime, not_after: datetime, thresholds: Thresholds) -> Lifetime:
    """Return the time of a certificate as seen at ``now``; all times are aware."""
    whole = (not_after - not_before).total_seconds()
    return Lifetime(
        (not_after - now).total_seconds(), (not_before - now).total_seconds(), whole, *thresholds.days_for(whole)
    )


def duration_text(seconds: float) -> str:
    """Return a duration for people: ``12.3 days``, ``5.5 hours``, ``42 minutes``, ``8 seconds``."""
    size = abs(seconds)
    for unit, length, digits in (("days", DAY_SECONDS, 1), ("hours", 3600.0, 1), ("minutes", 60.0, 0)):
        if size >= 2 * length:
            return f"{math.floor(size / length * 10**digits) / 10**digits:g} {unit}"
    return "1 second" if round(size) == 1 else f"{size:.0f} seconds"
