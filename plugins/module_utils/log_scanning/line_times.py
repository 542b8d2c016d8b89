# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where in a log a moment is: times at the beginnings of lines, for a first look that does not begin at the beginning."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta, timezone

_SEARCH_BYTES = 64 * 1024
_MONTHS = {name: number for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
#: Within the first characters of a line: ISO 8601 and that of nginx, that of access logs, of syslog, and of JSON in epoch time.
_TIME = re.compile(
    rb"(?P<iso>\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2})(?:[.,]\d{1,9})?\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?"
    rb"|(?P<clf>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}) (?P<offset>[+-]\d{4})"
    rb"|(?P<syslog>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2})"
    rb'|"(?:time|ts|timestamp|@timestamp)"\s*:\s*(?P<epoch>\d{10}(?:\d{3})?)\b'
)
_HEAD_BYTES = 200


def time_of(line: bytes, now: datetime) -> datetime | None:
    """Return when a line was written, or None when it does not begin with a time that is understood.

    A time without a zone is that of the host; one without a year is the latest that is not in the future.
    """
    match = _TIME.search(line[:_HEAD_BYTES])
    if match is None:
        return None
    try:
        if match["iso"]:
            text = match["iso"].decode().replace("/", "-").replace(" ", "T")
            return _with_zone(datetime.fromisoformat(text), match["zone"])
        if match["clf"]:
            day, month, rest = match["clf"].decode().split("/")
            moment = datetime.strptime(f"{day} {_MONTHS[month]} {rest}", "%d %m %Y:%H:%M:%S")
            return _with_zone(moment, match["offset"])
        if match["syslog"]:
            month, day, clock = match["syslog"].decode().split()
            moment = datetime.strptime(f"{now.year} {_MONTHS[month]} {day} {clock}", "%Y %m %d %H:%M:%S").astimezone()
            return moment if moment <= now + timedelta(days=1) else moment.replace(year=now.year - 1)
        seconds = int(match["epoch"])
        return datetime.fromtimestamp(seconds / 1000 if seconds > 10**11 else seconds, timezone.utc)
    except (ValueError, KeyError, OverflowError, OSError):
        return None


def _with_zone(moment: datetime, zone: bytes | None) -> datetime:
    if zone is None:
        return moment.astimezone()
    if zone == b"Z":
        return moment.replace(tzinfo=timezone.utc)
    text = zone.decode().replace(":", "")
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return moment.replace(tzinfo=timezone(offset if text[0] == "+" else -offset))


def offset_since(descriptor: int, size: int, since: datetime, now: datetime) -> int:
    """Return where in a plain log, whose times rise, to begin so that no line since a moment is missed."""
    low, high = 0, size
    while high - low > _SEARCH_BYTES:
        middle = (low + high) // 2
        data = os.pread(descriptor, _SEARCH_BYTES, middle)
        moments = (time_of(line, now) for line in data.split(b"\n")[1:])
        first = next((moment for moment in moments if moment is not None), None)
        if first is not None and first < since:
            low = middle
        else:
            high = middle
    if low == 0:
        return 0
    start = os.pread(descriptor, _SEARCH_BYTES, low).find(b"\n")
    return low + start + 1


class SinceFilter:
    """Takes the lines before a moment out of blocks; a line without a time is as old as the one before it."""

    def __init__(self, since: datetime, now: datetime) -> None:
        self._since = since
        self._now = now
        self._reached = False

    def cut(self, block: bytes) -> bytes:
        """Return a block without the lines before the moment. A log whose times are not understood is returned whole."""
        if self._reached:
            return block
        start, known = 0, False
        for line in block.split(b"\n")[:-1]:
            moment = time_of(line, self._now)
            known = known or moment is not None
            if moment is not None and moment >= self._since:
                self._reached = True
                return block[start:]
            start += len(line) + 1
        self._reached = not known
        return b"" if known else block
