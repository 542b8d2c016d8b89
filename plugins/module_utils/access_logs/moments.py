# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The time of a line, as seconds since the epoch. Every form carries its offset to UTC, so no hour is there twice."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable

_ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LOCAL = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})?(?:(Z)|([+-])(\d\d):?(\d\d))", re.ASCII)
_EPOCH = re.compile(r"(\d{9,11})(?:\.\d{1,9})?", re.ASCII)
_MILLISECONDS = re.compile(r"\d{12,14}", re.ASCII)
_MAX_REMEMBERED = 20_000


#: Where the seconds are in ``$time_local`` and in ``$time_iso8601``, by the character at the third place.
_SECONDS_AT = {"/": 18, "2": 17, "1": 17, "0": 17}
_SECONDS = {f"{second:02d}": second for second in range(60)}


class Moments:
    """Reads times and remembers the minutes of late: to read one from scratch costs as much as to count ten lines."""

    def __init__(self) -> None:
        self._minutes: dict[str, int | None] = {}
        self._zone = ""

    def read(self, texts: Iterable[str], zone: str) -> dict[str, int | None]:
        """Return the seconds since the epoch by the text; None for a text that is no time.

        :param texts: different ones.
        :param zone: what belongs behind each of them.
        """
        if zone != self._zone or len(self._minutes) > _MAX_REMEMBERED:
            self._minutes.clear()
            self._zone = zone
        minutes = self._minutes
        answer: dict[str, int | None] = {}
        for text in texts:
            place = _SECONDS_AT.get(text[2:3], 0)
            second = _SECONDS.get(text[place : place + 2])
            if not place or second is None:
                answer[text] = read_moment(text + zone)
                continue
            minute = text[:place] + text[place + 2 :]
            if minute not in minutes:
                minutes[minute] = read_moment(f"{text[:place]}00{text[place + 2 :]}{zone}")
            begin = minutes[minute]
            answer[text] = None if begin is None else begin + second
        return answer


def read_moment(text: str) -> int | None:
    """Return the whole seconds since the epoch of ``$time_local``, ``$time_iso8601`` or ``$msec`` (or
    milliseconds, as Node.js writes them); None when it is none.
    """
    match = _LOCAL.fullmatch(text)
    if match:
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        if month not in _ENGLISH:
            return None
        return _seconds(year, _ENGLISH.index(month) + 1, day, hour, minute, second, _offset(sign, hours, minutes))
    match = _ISO.fullmatch(text)
    if match:
        year, month, day, hour, minute, second, utc, sign, hours, minutes = match.groups()
        offset = 0 if utc else _offset(sign, hours, minutes)
        return _seconds(year, int(month), day, hour, minute, second, offset)
    match = _EPOCH.fullmatch(text)
    if match:
        return int(match.group(1))
    return int(text) // 1000 if _MILLISECONDS.fullmatch(text) else None


def _offset(sign: str, hours: str, minutes: str) -> int:
    seconds = int(hours) * 3600 + int(minutes) * 60
    return -seconds if sign == "-" else seconds


def _seconds(year: str, month: int, day: str, hour: str, minute: str, second: str, offset: int) -> int | None:
    if int(year) < 1970 or not 1 <= month <= 12 or not 1 <= int(day) <= calendar.monthrange(int(year), month)[1]:
        return None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    return calendar.timegm((int(year), month, int(day), int(hour), int(minute), int(second))) - offset
