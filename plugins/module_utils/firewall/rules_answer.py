# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about rules of nftables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_record import CONFIRMED, Record

CHECK = "rules.nftables"
_AGAIN = "Load them again: upkeep.runbook.security_rules."

Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What there is.

    :ivar in_force: the kernel has what was loaded.
    :ivar timers: those of the record that run.
    :ivar not_kept: why the rules would not be in force after a restart; "" when they would be, None when that is not known.
    :ivar silence: why nobody can tell whether a timer of the record runs, as a sentence without its full stop; "" when it is known.
    """

    record: Record | None
    in_force: bool
    timers: tuple[str, ...]
    not_kept: str | None
    silence: str = ""


def answer_unseen(subject: str, reason: str, hint: str) -> Row:
    """Return the answer of a query that could not look."""
    checks = [check_result(CHECK, subject, UNKNOWN, f"Nobody can tell whether the rules are in force: {reason}", hint=hint)]
    return {"changed": False, "status": worst_of(checks), "checks": checks, "rules": {}}


def answer_query(subject: str, seen: Seen) -> Row:
    """Return what there is."""
    checks = [judge(subject, seen)]
    return {"changed": False, "status": worst_of(checks), "checks": checks, "rules": describe(seen)}


def answer_acting(
    subject: str, state: str, before: Seen, after: Seen, text: str, *, changed: bool, done: bool, left: str = ""
) -> Row:
    """Return what was done, or would be.

    :param text: the rules that are or would be in force, "" without.
    :param left: why a timer of rules that were taken back may still come, as a sentence without its full stop; "" when none does.
    """
    checks = [_late(_asked(judge(subject, after), state, after), left) if done else _planned(subject, state, before, changed)]
    old = before.record.rules.text if before.record and before.in_force else ""
    shows = changed and state in ("present", "absent")
    return {
        "changed": changed,
        "status": worst_of(checks),
        "checks": checks,
        "rules": describe(after),
        "diff": {"before": old, "after": text} if shows else {"before": "", "after": ""},
    }


def describe(seen: Seen) -> Row:
    """Return the state of the rules."""
    record = seen.record
    return {
        "tables": [str(table) for table in record.rules.tables] if record else [],
        "in_force": seen.in_force,
        "confirmed": record is not None and record.phase == CONFIRMED and not seen.timers and not seen.silence,
        "since": record.since if record else None,
        "run_id": record.run_id if record else None,
        "reverts_at": record.reverts_at if record else None,
        "timers": None if seen.silence else list(seen.timers),
        "kept": record is not None and seen.not_kept == "",
    }


def judge(subject: str, seen: Seen) -> Row:
    """Return the check."""
    record = seen.record
    if record is None:
        return check_result(CHECK, subject, WARNING, "No rules were ever loaded here.", hint=_AGAIN)
    tables = ", ".join(map(str, record.rules.tables))
    if seen.silence and seen.in_force:
        confirmed = "were confirmed" if record.phase == CONFIRMED else "not confirmed"
        return check_result(
            CHECK, subject, UNKNOWN, f"The rules ({tables}) are in force and {confirmed}. {seen.silence}, and take them back.",
            hint="Look at it: systemctl list-timers 'upkeep-*'",
        )
    if record.phase != CONFIRMED and seen.timers and seen.in_force:
        return check_result(
            CHECK, subject, WARNING, f"The rules ({tables}) are in force, and taken back at {record.reverts_at} unless somebody confirms them.",
            hint="Confirm them: upkeep.runbook.nft_rules with state=confirmed.",
        )
    if record.phase != CONFIRMED:
        if seen.in_force:
            return check_result(CHECK, subject, CRITICAL, f"Nobody confirmed the rules ({tables}), and no timer takes them back.", hint=_AGAIN)
        return check_result(
            CHECK, subject, CRITICAL, f"The rules of {record.since} were not confirmed, and their timer has taken them back.", hint=_AGAIN
        )
    if not seen.in_force:
        return check_result(CHECK, subject, CRITICAL, f"The rules in the kernel are not those that were loaded ({tables}).", hint=_AGAIN)
    if seen.timers:
        return check_result(CHECK, subject, CRITICAL, "A timer takes the rules back, although they were confirmed.",
                            hint="Confirm them again: upkeep.runbook.nft_rules with state=confirmed.")
    if seen.not_kept is None:
        told = f"The rules ({tables}) are in force since {record.since}, and where they are kept for a restart was not noted."
        return check_result(CHECK, subject, UNKNOWN, told, hint=_AGAIN)
    if seen.not_kept:
        return check_result(CHECK, subject, WARNING, f"The rules ({tables}) are in force, but would not be after a restart: {seen.not_kept}.")
    return check_result(CHECK, subject, OK, f"The rules ({tables}) are in force since {record.since}, and after a restart.")


def _asked(row: Row, state: str, after: Seen) -> Row:
    """Return the check after an action: what was asked for is ok, also while it waits to be confirmed."""
    if state in ("absent", "reverted") and after.record is None:
        return check_result(CHECK, row["subject"], OK, "No rules are loaded.")
    waits = after.record is not None and after.record.phase != CONFIRMED and after.in_force and bool(after.timers)
    return {**row, "status": OK} if state == "present" and waits else row


def _late(row: Row, left: str) -> Row:
    """Return the check with what is to be said of a timer that may come late, and finds no file to load."""
    if not left:
        return row
    return {**row, "status": WARNING if row["status"] == OK else row["status"], "summary": f"{row['summary']} {left}; it changes nothing any more."}


def _planned(subject: str, state: str, before: Seen, changed: bool) -> Row:
    if before.silence and not changed:
        return judge(subject, before)
    what = {
        "present": "The rules would be loaded", "confirmed": "The rules would be confirmed", "absent": "The rules would be taken away",
        "reverted": "The rules from before would be put back",
    }
    row = check_result(CHECK, subject, OK, f"{what[state]}." if changed else "Nothing would change.")
    return _late(row, before.silence)
