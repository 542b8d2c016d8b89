# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a backup was made: the time in its manifest, else that in its name, else the time of its last change."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

FROM_MANIFEST, FROM_NAME, FROM_MTIME, FROM_SNAPSHOT = "manifest", "name", "mtime", "snapshot"

#: 20261122T014356Z, 2026-11-22_01-43-56, 20261122_0143, 2026-11-22 …
_TIME = re.compile(
    r"(?<!\d)(?P<year>20\d\d)(?P<dash>[-_.]?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"(?:[-_T. ]?(?P<hour>\d\d)(?P<colon>[-:_.h]?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d))?)?"
    r"(?P<zone>Z|[+]00:?00)?(?!\d)"
)
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_EPOCH = re.compile(r"(?<!\d)(1[5-9]\d{8}|[2-3]\d{9})(?!\d)")


def created(name: str, mtime: float, *, zone: tzinfo | None = None) -> tuple[datetime, str]:
    """Return when a backup was made, in UTC, and what says so: FROM_NAME or FROM_MTIME.

    A name with a day and no time is a day long; the time of the last change is taken when it lies in that day, otherwise the
    beginning of the day, since a backup must not look younger than it is.

    :param mtime: time of the last change, in seconds since 1970.
    :param zone: the zone of times in names that do not say UTC; the host's own when None.
    """
    changed = datetime.fromtimestamp(mtime, timezone.utc)
    named = time_in_name(name, zone)
    if named is None:
        return changed, FROM_MTIME
    moment, length = named
    if length and moment <= changed < moment + length:
        return changed, FROM_MTIME
    return moment, FROM_NAME


def time_in_name(name: str, zone: tzinfo | None = None) -> tuple[datetime, timedelta] | None:
    """Return the last time that a file name spells, in UTC, and how long it is (a day for a date alone), or None."""
    for match in reversed(list(_TIME.finditer(name))):
        parts = match.groupdict()
        try:
            year, month, day, hour, minute, second = (int(parts[key] or 0) for key in _PARTS)
            local = datetime(year, month, day, hour, minute, second)
        except ValueError:
            continue  # digits that are no time
        moment = local.replace(tzinfo=timezone.utc if parts["zone"] else zone)
        return moment.astimezone(timezone.utc), timedelta(days=0 if parts["hour"] else 1)
    epoch = _EPOCH.search(name)
    return (datetime.fromtimestamp(int(epoch.group()), timezone.utc), timedelta(0)) if epoch else None
