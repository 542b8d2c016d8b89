# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about the isolation of a host."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.chains import Chain
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_record import CONFIRMED, PENDING, RELEASED, Record
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_rules import (
    TABLE,
    is_in_force,
    ruleset,
    rules_of,
    table_text,
)

STATE, TIMER = "isolation.state", "isolation.timer"
_AGAIN = "Isolate the host again: upkeep.runbook.host_isolate with state=present."

Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What there is.

    :ivar chains: of the kernel's table, None when there is none.
    :ivar timers: those of the record that run.
    :ivar persistent: the host would be isolated after a restart.
    :ivar silence: why nobody can tell whether a timer of the record runs, as a sentence without its full stop; "" when it is known.
    """

    chains: Mapping[str, Chain] | None
    record: Record | None
    timers: tuple[str, ...]
    persistent: bool
    silence: str = ""


def answer_unseen(reason: str, hint: str) -> Row:
    """Return the answer of a query that could not look."""
    checks = [check_result(STATE, TABLE, UNKNOWN, f"Nobody can tell whether the host is isolated: {reason}", hint=hint)]
    return {"changed": False, "status": worst_of(checks), "checks": checks, "isolation": {}}


def answer_query(seen: Seen) -> Row:
    """Return what there is; an isolated host is a warning, since it does not work for anybody."""
    checks = judge(seen)
    return {"changed": False, "status": worst_of(checks), "checks": checks, "isolation": describe(seen)}


def answer_acting(
    state: str, before: Seen, after: Seen, rules: Mapping[str, list[str]] | None, *, changed: bool, done: bool
) -> Row:
    """Return what was done, or would be.

    :param rules: those that are or would be in force, None when the host is free.
    """
    checks = [_asked(state, row, after) for row in judge(after)] if done else _planned(state, before, changed)
    old = "" if before.chains is None else table_text(rules_of(before.chains))
    new = "" if rules is None else table_text(rules)
    return {
        "changed": changed,
        "status": worst_of(checks),
        "checks": checks,
        "isolation": describe(after),
        "ruleset": ruleset(rules) if state != "confirmed" and changed else "",
        "diff": {"before": old, "after": new} if changed else {"before": "", "after": ""},
    }


def describe(seen: Seen) -> Row:
    """Return the state of the isolation."""
    record = seen.record
    return {
        "isolated": seen.chains is not None,
        "confirmed": record is not None and record.phase == CONFIRMED and not seen.timers and not seen.silence,
        "since": record.since if record else None,
        "reason": record.reason if record else None,
        "run_id": record.run_id if record else None,
        "reverts_at": record.reverts_at if record else None,
        "timers": None if seen.silence else list(seen.timers),
        "persistent": seen.persistent,
    }


def judge(seen: Seen) -> list[Row]:
    """Return the checks."""
    rows = _judged(seen)
    if seen.silence or (seen.timers and _is_over(seen)):
        rows = [row for row in rows if row["check"] != TIMER] + [_uncertain(seen)]
    return rows


def _is_over(seen: Seen) -> bool:
    return seen.chains is None and seen.record is not None and seen.record.phase == RELEASED


def _uncertain(seen: Seen) -> Row:
    """Return the check of timers that nobody can see, or that came too late to stop."""
    status = UNKNOWN if seen.silence else WARNING
    told = seen.silence or f"{', '.join(seen.timers)} of an isolation that is over could not be stopped"
    if seen.chains is None:
        return check_result(TIMER, TABLE, status, f"{told}; there is nothing to give back.", hint="Stop it: upkeep.runbook.host_isolate with state=absent.")
    return check_result(TIMER, TABLE, status, f"{told}, and give the host back.", hint="Look at it: systemctl list-timers 'upkeep-*'")


def _judged(seen: Seen) -> list[Row]:
    record = seen.record
    if seen.chains is None:
        return [_free(record, seen.persistent)]
    if record is None or record.phase == RELEASED:
        return [check_result(
            STATE, TABLE, CRITICAL, f"The host is isolated by {TABLE}, and nobody knows since when or why: the record is lost.",
            hint=f"{_AGAIN} Or give it back: state=absent.",
        )]
    if not is_in_force(seen.chains, record.rules):
        return [check_result(STATE, TABLE, CRITICAL, f"The rules of {TABLE} are not those that were loaded.", hint=_AGAIN)]
    if record.phase == CONFIRMED:
        kept = "also after a restart" if seen.persistent else "until it is restarted"
        rows = [check_result(STATE, TABLE, WARNING, f"The host is isolated since {record.since}, {kept}{_why(record)}.",
                             hint="Give it back: upkeep.runbook.host_isolate with state=absent.")]
        if seen.timers:
            rows.append(check_result(TIMER, TABLE, CRITICAL, "A timer gives the host back, although it was confirmed.",
                                     hint="Confirm it again: upkeep.runbook.host_isolate with state=confirmed."))
        return rows
    rows = [check_result(STATE, TABLE, WARNING, f"The host is isolated since {record.since}, and not confirmed{_why(record)}.",
                         hint="Confirm it: upkeep.runbook.host_isolate with state=confirmed.")]
    if seen.timers:
        rows.append(check_result(TIMER, TABLE, OK, f"Unless it is confirmed, the host is given back at {record.reverts_at}."))
    else:
        rows.append(check_result(TIMER, TABLE, CRITICAL, "No timer gives the host back.", hint=_AGAIN))
    return rows


def _free(record: Record | None, persistent: bool) -> Row:
    if (record is None or record.phase == RELEASED) and not persistent:
        return check_result(STATE, TABLE, OK, "The host is not isolated.")
    if record is not None and record.phase == PENDING and not persistent:
        return check_result(
            STATE, TABLE, WARNING,
            f"The isolation of {record.since} was not confirmed, and its timer or a restart has given the host back{_why(record)}.",
            hint=f"{_AGAIN} Or close the matter: state=absent.",
        )
    since = f" since {record.since}" if record else ""
    return check_result(STATE, TABLE, CRITICAL, f"The host should be isolated{since}, and is not: its rules are gone.", hint=_AGAIN)


def _asked(state: str, row: Row, after: Seen) -> Row:
    """Return a check after an action: an isolation that was asked for is ok, and a late timer does a free host no harm."""
    if state == "absent" and after.chains is None and row["check"] == TIMER and row["status"] == UNKNOWN:
        return {**row, "status": WARNING}
    good = row["status"] == WARNING and row["check"] == STATE and state != "absent" and after.chains is not None
    return {**row, "status": OK} if good else row


def _planned(state: str, before: Seen, changed: bool) -> list[Row]:
    what = {"present": "The host would be isolated", "confirmed": "The isolation would be confirmed", "absent": "The host would be given back"}
    rows = [check_result(STATE, TABLE, OK, f"{what[state]}." if changed else "Nothing would change.")]
    if before.silence and state == "absent":
        free = dataclasses.replace(before, chains=None)
        rows.append(_asked(state, _uncertain(free), free))
    return rows


def _why(record: Record) -> str:
    return f" ({record.reason})" if record.reason else ""
