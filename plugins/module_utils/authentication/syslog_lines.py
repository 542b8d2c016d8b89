# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of a syslog file: when, which program, which process, what.

A traditional date has no year and no zone (``Nov  5 06:07:08``). The order of the lines says where a year ended, the time of
the last change of the file says which year was the last, and the zone is that of the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

_MONTHS = {
    name: number
    for number, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)
}
_TRADITIONAL = re.compile(r"(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]?\d) (\d\d):(\d\d):(\d\d) (\S+) ")
_ISO = re.compile(r"(?:<\d{1,3}>)?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d) (\S+) ")
_PROGRAM = re.compile(r"\(?([^\s:\[\]()]{1,64})\)?(?:\[(\d{1,10})\])?: ?")
_DATE = re.compile(rb"(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]?\d) \d\d:\d\d:\d\d ")
#: A step back in the calendar of more than this is a new year; a smaller one is a clock that was set.
_HALF_A_YEAR_DAYS = 183
_SLACK = timedelta(days=1)
#: The years that a calendar has in every zone, all but a few at either end; in seconds since 1970.
_CALENDAR = (-62e9, 253e9)


class Line(NamedTuple):
    """One line. :ivar at: seconds since 1970. :ivar process: its process id, 0 when it gives none."""

    at: float
    program: str
    process: int
    text: str


class Calendar:
    """Gives the lines of one file their years, in the order in which they are read.

    :param last_change: when the file was changed last; aware.
    :param new_years: how often a year ends in the file, from :func:`count_new_years`.
    """

    def __init__(self, last_change: datetime, new_years: int) -> None:
        self._latest = last_change.astimezone() + _SLACK
        self._left = new_years
        self._previous = 0
        self._seconds: dict[tuple[int, int, int, int, int], float] = {}

    def moment(self, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
        """Return a moment in seconds since 1970; None when there is no such day."""
        place = month * 31 + day
        self._left -= _year_step(self._previous, place)
        self._previous = place
        key = (month, day, hour, minute, self._left)
        known = self._seconds.get(key)
        if known is None:
            known = self._minute(month, day, hour, minute)
            if known is None:
                return None
            self._seconds = {key: known}  # lines of one minute follow each other
        return known + min(second, 59)

    def _minute(self, month: int, day: int, hour: int, minute: int) -> float | None:
        year = self._latest.year - max(self._left, 0)
        for earlier in range(9):  # from one leap year to the next there may be eight
            try:
                found = datetime(year - earlier, month, day, hour, minute).astimezone()
            except (ValueError, OverflowError):
                continue
            if found <= self._latest:
                return found.timestamp()
        return None


def count_new_years(lines: Iterable[bytes]) -> int:
    """Return how often the dates of traditional lines step from the end of a year to its beginning."""
    previous = count = 0
    for line in lines:
        match = _DATE.match(line)
        month = _MONTHS.get(match[1].decode("ascii"), 0) if match else 0
        if match and month:
            place = month * 31 + int(match[2])
            count += _year_step(previous, place)
            previous = place
    return count


def is_traditional(line: bytes) -> bool:
    """Tell whether a line begins with a date without a year."""
    return bool(_DATE.match(line))


def in_calendar(at: float) -> float:
    """Return a moment in seconds since 1970.

    :raises ValueError: when no calendar has it.
    """
    if not _CALENDAR[0] < at < _CALENDAR[1]:
        raise ValueError("a moment outside of all calendars")
    return at


def read_line(text: str, calendar: Calendar) -> Line | None:
    """Return what a line holds, or None when it is no line of syslog."""
    match = _ISO.match(text)
    at: float | None
    if match:
        zone = match[3].replace("Z", "+00:00")
        zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
        try:
            at = in_calendar(datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").timestamp())
        except (ValueError, OverflowError):
            return None
    else:
        match = _TRADITIONAL.match(text)
        month = _MONTHS.get(match[1]) if match else None
        if not match or not month:
            return None
        at = calendar.moment(month, int(match[2]), int(match[3]), int(match[4]), int(match[5]))
    rest = text[match.end() :]
    program = _PROGRAM.match(rest)
    if at is None or not program:
        return None
    return Line(at, program[1], int(program[2] or 0), rest[program.end() :])


def _year_step(previous: int, place: int) -> int:
    """Return 1 when a year began between two dates, -1 when a late line is still of the year before, else 0."""
    if not previous:
        return 0
    step = place - previous
    return 1 if step < -_HALF_A_YEAR_DAYS else -1 if step > _HALF_A_YEAR_DAYS else 0
