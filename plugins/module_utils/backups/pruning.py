# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which backups are kept, with the reasons, and which go. Nothing here touches a file.

Whatever is in doubt stays: backups are only removed when a newer one is known to be good, a backup dated in the future neither goes
nor takes a place, and a clock that jumped makes no backup older than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import is_remembered
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

#: How far a clock may be ahead.
_AHEAD = timedelta(hours=1)
_DAY = timedelta(days=1)
#: No policy keeps more of a kind.
_MOST = 100_000

#: What is known of a backup: read to its end without a mistake, never read as it is now, or damaged.
GOOD, UNREAD, DAMAGED = "good", "unread", "damaged"

_PERIODS: tuple[tuple[str, Callable[[datetime], str]], ...] = (
    ("daily", lambda moment: moment.strftime("%Y-%m-%d")),
    ("weekly", lambda moment: "{0}-W{1:02d}".format(*moment.isocalendar())),
    ("monthly", lambda moment: moment.strftime("%Y-%m")),
    ("yearly", lambda moment: moment.strftime("%Y")),
)


@dataclass(frozen=True)
class Policy:
    """How many backups are kept; 0 keeps none for this reason.

    :ivar last: the newest ones.
    :ivar daily: the newest of each of so many days (UTC) that have one, and so on for weeks, months and years.
    :ivar within_days: all that were made so many days before the newest good one.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within_days: int = 0


@dataclass
class Decision:
    """What becomes of one backup.

    :ivar reasons: why it is kept; empty when it goes.
    """

    file: BackupFile
    state: str
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What becomes of all backups.

    :ivar decisions: newest first.
    :ivar future: how many are dated in the future.
    :ivar newest_good: the newest backup that was verified, or None, and then nothing goes.
    """

    decisions: list[Decision]
    future: int
    newest_good: BackupFile | None

    @property
    def kept(self) -> list[Decision]:
        return [decision for decision in self.decisions if decision.reasons]

    @property
    def removed(self) -> list[Decision]:
        return [decision for decision in self.decisions if not decision.reasons]


def keep_options() -> dict[str, dict[str, Any]]:
    """Return the options of a policy as an argument spec describes them, in the order of the fields of :class:`Policy`."""
    return {f"keep_{name}": {"type": "int", "default": 0} for name in Policy.__dataclass_fields__}


def read_policy(params: Mapping[str, Any]) -> Policy:
    """Return the policy that the options ``keep_*`` name.

    :raises UpkeepError: when it keeps nothing, or a number is out of range.
    """
    options = keep_options()
    refuse_out_of_range(params, {option: (0, _MOST) for option in options})
    policy = Policy(*(params[option] for option in options))
    if policy == Policy():
        raise UpkeepError(f"This policy keeps nothing: give at least one of {', '.join(options)} above 0.")
    return policy


def state_of(file: BackupFile, records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is known of a backup from the record of verified ones; a record of other bytes says nothing.

    :param records: by path, with ``bytes``, ``mtime_ns``, ``level`` and ``status``.
    """
    record = records.get(file.path, {})
    if not is_remembered(record, file.bytes, file.mtime_ns) or record.get("level") == "exists":
        return UNREAD
    return {"ok": GOOD, "warning": GOOD, "critical": DAMAGED}.get(str(record.get("status")), UNREAD)


def plan_pruning(
    files: Sequence[BackupFile],
    policy: Policy,
    states: Mapping[str, str],
    *,
    now: datetime,
    protect: Collection[str] = (),
) -> Plan:
    """Decide what becomes of each backup.

    :param files: all backups of one kind, in any order.
    :param states: GOOD, UNREAD or DAMAGED by path; what is not in it is UNREAD.
    :param protect: paths of backups that are kept in any case.
    """
    ordered = sorted(files, key=lambda file: (file.created, file.mtime_ns, file.path), reverse=True)
    decisions = [Decision(file, states.get(file.path, UNREAD)) for file in ordered]
    past = [decision for decision in decisions if decision.file.created <= now + _AHEAD]
    first_good = next((index for index, decision in enumerate(past) if decision.state == GOOD), None)
    for decision in decisions:
        if decision.file.created > now + _AHEAD:
            decision.reasons.append("dated in the future")
        if decision.file.path in protect:
            decision.reasons.append("protected")
    if first_good is None:
        for decision in past:
            decision.reasons.append("no backup of these was verified")
        return Plan(decisions, len(decisions) - len(past), None)
    for decision in past[:first_good]:
        decision.reasons.append("newer than the newest verified")
    past[first_good].reasons.append("newest verified")
    _keep_last(past, policy.last)
    _keep_within(past[first_good:], policy.within_days)
    for name, period in _PERIODS:
        _keep_periods(past, getattr(policy, name), name, period)
    return Plan(decisions, len(decisions) - len(past), past[first_good].file)


def _keep_last(decisions: Sequence[Decision], count: int) -> None:
    # Damaged ones take no place, so that they push no good one out.
    usable = [decision for decision in decisions if decision.state != DAMAGED]
    for number, decision in enumerate(usable[:count], start=1):
        decision.reasons.append(f"last {number}")


def _keep_within(decisions: Sequence[Decision], days: int) -> None:
    """Keep what is younger than so many days, counted from the first one and not from now: a clock may be wrong."""
    if not days:
        return
    for decision, age in zip(decisions, _ages([decision.file.created for decision in decisions])):
        if age <= timedelta(days=days) and decision.state != DAMAGED:
            decision.reasons.append(f"within {days} days")


def _ages(moments: Sequence[datetime]) -> list[timedelta]:
    """Return how much older than the first each moment is, a gap longer than the usual one and a day counted as that.

    :param moments: newest first.
    """
    gaps = [later - earlier for later, earlier in zip(moments, moments[1:])]
    # Without the longest: it may be the jump of the clock.
    ordinary = sorted(gaps)[:-1]
    usual = ordinary[(len(ordinary) - 1) // 2] if ordinary else timedelta(0)
    longest = max(_DAY, usual)
    ages = [timedelta(0)]
    for gap in gaps:
        ages.append(ages[-1] + min(gap, longest))
    return ages


def _keep_periods(decisions: Sequence[Decision], count: int, name: str, period: Callable[[datetime], str]) -> None:
    """Keep the newest usable backup of each of so many periods that have one; where all are damaged, the newest of them besides."""
    by_period: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_period.setdefault(period(decision.file.created), []).append(decision)
    left = count
    for label, within in by_period.items():
        if left <= 0:
            return
        usable = [decision for decision in within if decision.state != DAMAGED]
        best = usable[0] if usable else within[0]
        best.reasons.append(f"{name} {label}" if usable else f"{name} {label}, though damaged: there is no other")
        left -= bool(usable)
