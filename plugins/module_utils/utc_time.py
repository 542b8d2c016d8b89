# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UTC times as the collection writes them: ISO 8601, whole seconds, with Z."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_RUN_ID = re.compile(r"([0-9]{8}T[0-9]{6}Z)-[0-9a-f]{8}")


def utc_now() -> datetime:
    """Return the present moment, aware and in UTC."""
    return datetime.now(timezone.utc)


def to_iso(moment: datetime) -> str:
    """Return ``2026-11-22T01:43:56Z``.

    :raises ValueError: when ``moment`` carries no time zone: a naive time is nobody's time.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone cannot be written as UTC")
    return moment.astimezone(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    """Read what :func:`to_iso` writes; other offsets are accepted and converted.

    :raises ValueError: when the text is no ISO 8601 time, carries no offset, or lies outside of all calendars in UTC.
    """
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} carries no time zone")
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError(f"{text!r} lies outside of all calendars") from None


def end_of(text: str) -> datetime:
    """Return the moment that a text names as an end; one with a day alone means the end of that day, UTC.

    :raises ValueError: when it is neither a day nor a time with its offset, or outside of what can be counted.
    """
    if not _DAY.fullmatch(text):
        return from_iso(text)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc) + timedelta(days=1)
    except OverflowError:
        raise ValueError(f"{text!r} lies outside of all calendars") from None


def is_run_id(text: str) -> bool:
    """Tell whether a text has the form of the id of a run, ``YYYYMMDDTHHMMSSZ-xxxxxxxx``; its date may still be none."""
    return bool(_RUN_ID.fullmatch(text))


def run_started(run_id: str) -> datetime:
    """Return the moment a run started, which its id ``YYYYMMDDTHHMMSSZ-xxxxxxxx`` spells out.

    :raises ValueError: when ``run_id`` has another form.
    """
    match = _RUN_ID.fullmatch(run_id)
    if not match:
        raise ValueError(f"{run_id!r} is no run id (YYYYMMDDTHHMMSSZ-8 hexadecimal digits)")
    return datetime.strptime(match.group(1), "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
