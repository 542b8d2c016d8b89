# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of earlier runs: the requests of each hour, what each day was like, and what was seen on it. Without it there is no
baseline.

It is bookkeeping of this host: one JSON file in the state directory. A damaged one is set aside and begun anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.error_budget import Served, add_hours
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.seen_things import (
    MAX_DAYS,
    Known,
    Seen,
    add_seen,
    read_seen,
    seen_record,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.weekly_pattern import HOURS_OF_WEEK, WEEKS
from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    read_whole,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock

FILE_NAME = "access_logs.json"
_MAX_HOURS = (WEEKS + 1) * HOURS_OF_WEEK
#: So many days of hours are kept.
OBJECTIVE_DAYS = _MAX_HOURS // 24
#: Some hundred kilobytes for each of 200 groups.
_MAX_BYTES = 64 * 1024 * 1024
_LOCK_NAME = "access_logs.json.lock"
_LOCK_SECONDS = 30.0
_DIGITS_OF_HOUR = 7


class Damaged(UpkeepError):
    """The file holds something else than this module wrote."""


class Past:
    """What is known of earlier runs of one group.

    :ivar hours: requests by hour since the epoch, of whole hours.
    :ivar served: requests by hour and how many of them failed, also of hours of which only a part was seen.
    :ivar days: by date (UTC) a mapping with ``requests``, ``error_percent``, ``p95`` and ``routes`` (their p95), in seconds.
    :ivar seen: routes, agents and countries, and when they were seen.
    """

    def __init__(self, record: Mapping[str, Any] | None = None) -> None:
        given = record or {}
        hours, days = given.get("hours"), given.get("days")
        self.hours: dict[int, int] = {
            int(hour): requests
            for hour, requests in (hours.items() if isinstance(hours, dict) else ())
            if _is_hour(hour) and isinstance(requests, int)
        }
        self.days: dict[str, dict[str, Any]] = {
            day: row
            for day, row in (days.items() if isinstance(days, dict) else ())
            if _is_date(day) and isinstance(row, dict) and isinstance(row.get("routes", {}), dict) and _is_finite(row)
        }
        self.served = read_served(given.get("served"))
        self.seen: dict[str, Known] = read_seen(given.get("seen"))

    def add(self, hours: Mapping[int, int], day: str, row: Mapping[str, Any], served: Mapping[int, Served], seen: Seen) -> None:
        """Add what this run has found. A rotation may have taken lines since an earlier run, so the larger figure stays."""
        for hour, requests in hours.items():
            self.hours[hour] = max(requests, self.hours.get(hour, 0))
        self.days[day] = dict(row)
        newest = max(self.hours, default=0)
        self.hours = {hour: number for hour, number in self.hours.items() if hour > newest - _MAX_HOURS}
        self.days = {name: self.days[name] for name in sorted(self.days)[-MAX_DAYS:]}
        self.served = add_hours(self.served, served)
        newest = max(self.served, default=0)
        self.served = {hour: known for hour, known in self.served.items() if hour > newest - _MAX_HOURS}
        self.seen = add_seen(self.seen, seen)

    def record(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "hours": {str(hour): number for hour, number in sorted(self.hours.items())},
            "days": self.days,
            "served": {str(hour): list(known) for hour, known in sorted(self.served.items())},
            "seen": seen_record(self.seen),
        }


def read_past(state_directory: Path) -> dict[str, Past]:
    """Return what is known of each group by its name; nothing when there is no file.

    :raises Damaged: when it is damaged.
    :raises UpkeepError: when it cannot be read.
    """
    path = state_directory / FILE_NAME
    data = read_whole(path, _MAX_BYTES)
    if data is None:
        return {}
    try:
        groups = json.loads(data, parse_constant=_refuse_constant)["groups"]
    except (ValueError, RecursionError, KeyError, TypeError):
        groups = None
    if not isinstance(groups, dict) or len(data) > _MAX_BYTES or not all(isinstance(group, dict) for group in groups.values()):
        raise Damaged(f"{path} is damaged")
    return {name: Past(group) for name, group in groups.items()}


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def keep(state_directory: Path, found: Mapping[str, Past], *, now: datetime, owner: LockOwner) -> str | None:
    """Add what was found to what is kept; return where a damaged file was set aside, or None.

    :param found: what this run has found, by the name of the group.
    :raises UpkeepError: when it cannot be read or written.
    """
    set_aside = None
    make_private_directory(state_directory)
    with exclusive_lock(state_directory / _LOCK_NAME, owner, wait_seconds=_LOCK_SECONDS):
        try:
            known = read_past(state_directory)
        except Damaged:
            known, set_aside = {}, f"{FILE_NAME}.corrupt-{now.strftime('%Y%m%dT%H%M%SZ')}"
            try:
                os.replace(state_directory / FILE_NAME, state_directory / set_aside)
            except OSError as exc:
                raise UpkeepError(f"{state_directory / FILE_NAME} is damaged and cannot be set aside: {exc.strerror}") from exc
        for name, past in found.items():
            before = known.setdefault(name, Past())
            for day, row in past.days.items():
                before.add(past.hours, day, row, past.served, past.seen)
        newest = max((day for past in known.values() for day in past.days), default="")
        kept = {
            name: past.record()
            for name, past in known.items()
            if past.days and _days_between(max(past.days), newest) <= MAX_DAYS
        }
        content = json.dumps({"schema": 1, "groups": kept}, sort_keys=True, allow_nan=False) + "\n"
        write_atomically(state_directory / FILE_NAME, content.encode("ascii"))
    return set_aside


def read_served(record: Any) -> dict[int, Served]:
    """Return requests and failures of hours as they were kept, those left out that make no sense."""
    found = {}
    for hour, row in record.items() if isinstance(record, dict) else ():
        if not _is_hour(hour) or not isinstance(row, list) or len(row) != 2 or not all(map(_is_whole, row)):
            continue
        requests, errors = row
        if 0 <= errors <= requests < 1 << 50:
            found[int(hour)] = Served(requests, errors)
    return found


def _is_hour(text: str) -> bool:
    return text.isdecimal() and len(text) < _DIGITS_OF_HOUR


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _days_between(day: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(day)).days


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_finite(row: Mapping[str, Any]) -> bool:
    """Tell whether a row could be kept again: 1e999 is JSON, and no number."""
    try:
        json.dumps(row, allow_nan=False)
    except ValueError:
        return False
    return True
