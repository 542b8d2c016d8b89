# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far back the journal reaches: whether silence at the beginning of a window means that nothing happened then."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.journal_begin import journal_begins
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

REACH = "log.reach"
#: It is written when a system starts for the first time, and its entries of before then are those of another machine.
_MACHINE_ID = "/etc/machine-id"
#: systemd writes it where it runs in a container.
_CONTAINER = "/run/systemd/container"
#: A journal that begins so little too late has lost nothing that matters; and so long an installation may take.
_SLACK = timedelta(hours=1)
_HINT = (
    "Let journald keep more: Storage=persistent and a larger SystemMaxUse in /etc/systemd/journald.conf; "
    "journalctl --disk-usage says what it has."
)


@dataclass(frozen=True)
class Reach:
    """How far back the journal of the system reaches.

    :ivar begins: its oldest entry; None where nobody knows.
    :ivar installed: since when this host is this host; None where nobody knows.
    """

    begins: datetime | None
    installed: datetime | None = None


def ask_reach(timeout_seconds: float) -> Reach:
    """Return how far back the journal of this host reaches."""
    begins = journal_begins(timeout_seconds, "--system")
    return Reach(_moment(begins), _moment(_changed(_MACHINE_ID)))


def kernel_may_be_silent(timeout_seconds: float) -> bool:
    """Tell whether a journal without one message of the kernel can be right: the kernel writes when it starts, and then perhaps never.

    In a container it writes into the journal of another host, and nothing is known of it.
    """
    begins = journal_begins(timeout_seconds, "--system")
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return begins is not None and begins > started + _SLACK.total_seconds() and not os.path.exists(_CONTAINER)


def has_lost(since: float, begins: float) -> bool:
    """Tell whether a journal that begins within a window held more of it: that this host was set up, or started, was no reason to begin.

    :param since: where the window begins, in seconds since 1970.
    """
    reasons = (since, _changed(_MACHINE_ID), _system_started())
    return begins > max(reason for reason in reasons if reason is not None) + _SLACK.total_seconds()


def reach_check(group: str, reach: Reach, since: datetime | str, lines: int, now: datetime) -> dict[str, Any]:
    """Return whether the journal holds the whole window.

    :param since: where the window begins; a word such as ``beginning`` asks for no moment.
    :param lines: how many were read of it.
    """
    if reach.begins is None:
        return check_result(REACH, group, UNKNOWN, f"{group}: nobody can tell how far back the journal reaches.", hint=_HINT)
    seconds = (now - reach.begins).total_seconds()
    text = f"{group}: {lines} lines were read of a journal that begins at {to_iso(reach.begins)}, {duration_text(seconds)} ago"
    days = round(seconds / 86400, 2)
    if isinstance(since, str) or reach.begins <= since + _SLACK:
        return check_result(REACH, group, OK, f"{text}.", value=days, unit="days")
    if reach.installed is not None and reach.installed > since and reach.begins <= reach.installed + _SLACK:
        return check_result(
            REACH, group, OK, f"{text}, as old as the host itself, which was set up at {to_iso(reach.installed)}.", value=days, unit="days"
        )
    missing = duration_text((reach.begins - since).total_seconds())
    return check_result(
        REACH, group, UNKNOWN, f"{text}; nobody knows what was logged in the first {missing} of the time that is looked at, since {to_iso(since)}.",
        value=days, unit="days", hint=_HINT,
    )  # fmt: skip


def _changed(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _system_started() -> float | None:
    """Return when the first process began, which in a container is the one of the container."""
    try:
        with open("/proc/1/stat", "rb") as stream:
            ticks = int(stream.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _moment(seconds: float | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None  # outside of all calendars
