# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the channels themselves are like, as check results. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import Channel
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import Attempt, Delivery
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.state_file import Failure
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import listed

CHANNEL = "notify.channel"
STATE = "notify.state"

_HINT = "Mend it, then ring every channel: ansible-playbook -i <inventory> upkeep.runbook.notify_test"


def channel_checks(
    delivery: Delivery,
    channels: Iterable[Channel],
    *,
    lacking: Mapping[str, str],
    failures: Mapping[str, Failure],
) -> list[dict[str, Any]]:
    """Return one check for each channel that was used, and for each that cannot be used or failed when it was used last.

    A channel that failed is a warning as long as another one reached its audience, and critical when nobody was reached.

    :param lacking: why channels cannot be used at all, by label.
    :param failures: the last failures before this run, by label.
    """
    checks = []
    for channel in channels:
        attempts = [attempt for attempt in delivery.attempts if attempt.channel == channel]
        failed = [attempt for attempt in attempts if attempt.reason]
        if failed:
            checks.append(_failed(failed, delivery))
        elif attempts:
            audiences = sorted({audience for attempt in attempts for audience in attempt.audiences})
            checks.append(check_result(CHANNEL, channel.label, OK, f"{channel.label} took the message to {listed(audiences, 'and')}."))
        elif channel.label in lacking:
            checks.append(check_result(CHANNEL, channel.label, WARNING, f"{channel.label} cannot be used: {lacking[channel.label]}.", hint=_HINT))
        elif channel.label in failures:
            failure = failures[channel.label]
            summary = f"{channel.label} failed when it was used last, at {failure.at}, and was not used since: {failure.reason}."
            checks.append(check_result(CHANNEL, channel.label, WARNING, summary, hint=_HINT))
    return checks


def rung_checks(delivery: Delivery, routes: Collection[str]) -> list[dict[str, Any]]:
    """Return one check for each channel that was rung as a test.

    A channel that works and whom no run uses, perhaps because its audience is misspelled, says so: this is the only place
    where somebody looks.

    :param routes: the audiences that runs tell something.
    """
    return [
        check_result(
            CHANNEL, attempt.channel.label, CRITICAL if attempt.reason else OK,
            f"{attempt.channel.label} ({attempt.contact}) {f'failed: {attempt.reason}' if attempt.reason else 'took the test message'}."
            + _unrouted(attempt, routes),
            hint="Mend it and ring again." if attempt.reason else None,
        )
        for attempt in delivery.attempts
    ]


def _unrouted(attempt: Attempt, routes: Collection[str]) -> str:
    deaf = [audience for audience in attempt.audiences if audience not in routes]
    return f" Runs tell {listed(deaf)} nothing: notify_routes knows only {listed(sorted(routes), 'and') if routes else 'nobody'}." if deaf else ""


def state_check(path: str, status: str, summary: str) -> dict[str, Any]:
    """Return the check of the memory of the notifications."""
    hint = "Look at the disk and at the rights of the report directory."
    return check_result(STATE, path, status, summary, hint=hint)


def _failed(failed: list[Attempt], delivery: Delivery) -> dict[str, Any]:
    attempt = failed[0]
    audiences = sorted({audience for one in failed for audience in one.audiences})
    deaf = [audience for audience in audiences if audience not in delivery.told]
    summary = f"{attempt.channel.label} failed: {attempt.reason}. "
    if deaf:
        summary += f"Nobody of {listed(deaf, 'and')} could be told; the next run tries again."
        return check_result(CHANNEL, attempt.channel.label, CRITICAL, summary, hint=_HINT)
    instead = [other.channel.label for other in delivery.attempts if not other.reason and set(audiences) & set(other.audiences)]
    summary += f"{listed(audiences, 'and')} was told over {listed(sorted(set(instead)), 'and')}."
    return check_result(CHANNEL, attempt.channel.label, WARNING, summary, hint=_HINT)
