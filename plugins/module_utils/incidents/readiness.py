# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether people are ready for an incident: how long ago the last exercise and the last self-test were, as check results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import CLOCK_TOLERANCE_SECONDS
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.exercises import Held
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

EXERCISE, SELFTEST = "security.exercise", "security.selftest"
_EXERCISE_HINT = "Hold one and write it down: docs/security_incident.md#an-exercise says how."
_SELFTEST_HINT = "Run it on the whole platform, without --limit and --tags: ansible-playbook upkeep.runbook.security_selftest"


def exercise_check(
    platform: str, held: Sequence[Held], *, unreadable: Sequence[str], broken: Sequence[str], warning_days: int, now: datetime
) -> dict[str, Any]:
    """Return how long ago the last exercise was. None at all is a warning: that is known.

    :param unreadable: sentences about what could not be read, and may tell of a later one.
    :param broken: sentences about logs that are not what was written, which do not count.
    """
    last = max(held, key=lambda one: one.day, default=None)
    days = None if last is None else max((now.date() - last.day).days, 0)
    if last is None:
        text = f"No exercise of an incident was written down for {platform}; one is expected every {warning_days} days"
    else:
        text = (
            f"The last exercise of an incident was {_days(days)} ago: {last.exercise} on {last.day}, {last.scenario}; "
            f"warning from {warning_days} days"
        )
    limits: dict[str, Any] = {"value": days, "unit": "days", "warning": warning_days}
    if days is not None and days < warning_days:
        status = WARNING if broken else OK
    else:
        status = UNKNOWN if unreadable else WARNING
    told = [*broken, *(unreadable if status == UNKNOWN else [])]
    text += f". {told[0]}" if told else ""
    text += f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return check_result(
        EXERCISE, platform, status, f"{text}.", hint=None if status == OK else _EXERCISE_HINT,
        evidence={"problems": [*broken, *unreadable][:20]} if broken or unreadable else None, **limits,
    )  # fmt: skip


def selftest_check(
    platform: str, beat: Mapping[str, Any] | None, *, damaged: str, warning_days: int, now: datetime
) -> dict[str, Any]:
    """Return how long ago the alarm was tried last. Where it did not ring then, or could not be tried, that stands until it is tried again.

    :param beat: the heartbeat of ``security_selftest``, None when there is none.
    :param damaged: why it cannot be used.
    """
    limits: dict[str, Any] = {"unit": "days", "warning": warning_days}
    if damaged:
        text = f"When the alarm was tried last, nobody can tell: {damaged}."
        return check_result(SELFTEST, platform, UNKNOWN, text, hint=_SELFTEST_HINT, **limits)
    if beat is None:
        text = f"Nobody has tried whether the alarm rings on {platform}; that is expected every {warning_days} days."
        return check_result(SELFTEST, platform, WARNING, text, hint=_SELFTEST_HINT, **limits)
    age = now - from_iso(str(beat["ended"]))
    if age.total_seconds() < -CLOCK_TOLERANCE_SECONDS:
        text = f"The last run of the self-test ended in the future ({beat['ended']}), so that nobody can tell how long ago it was."
        return check_result(SELFTEST, platform, UNKNOWN, text, hint="Compare the clocks of the controller and the report host.", **limits)
    days, ended = max(age.days, 0), str(beat["status"])
    status = OK if days < warning_days else WARNING
    if ended not in (OK, WARNING):
        status = CRITICAL if ended == CRITICAL else UNKNOWN
    text = f"Whether the alarm rings was tried {_days(days)} ago, and the run was {ended}; warning from {warning_days} days."
    return check_result(SELFTEST, platform, status, text, value=days, hint=None if status == OK else _SELFTEST_HINT, **limits)


def _days(count: int | None) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
