# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about contained accounts: rows, diff and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.contained import Contained
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.sessions import SessionProcess
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

LOGIN, KEYS, SESSIONS = "account.login", "account.keys", "account.sessions"
_NAMED = 5

Row = dict[str, Any]


@dataclass
class Outcome:
    """What became of an account.

    :ivar shut: it was shut, or would be.
    :ivar keys: files of keys that were moved aside or put back, or would be.
    :ivar ended: processes of sessions that were ended.
    :ivar sessions: those that are left; in check mode those that would be ended.
    :ivar unsafe: files of keys that could not be moved or put back, each with the reason.
    :ivar open: it can be logged in to.
    :ivar left_keys: files of keys that are there.
    :ivar open_names: other names of the same number that are not shut; what is done in them is done as this account.
    :ivar released: it was given back, or would be.
    :ivar differs: its line in /etc/shadow is another than before, since somebody has changed it.
    :ivar unknown: why nobody can tell.
    """

    name: str
    contained: Contained | None = None
    shut: bool = False
    keys: list[str] = field(default_factory=list)
    ended: int = 0
    sessions: list[SessionProcess] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)
    open: bool = False
    left_keys: list[str] = field(default_factory=list)
    open_names: list[str] = field(default_factory=list)
    released: bool = False
    differs: bool = False
    unknown: str = ""


def answer(outcomes: Sequence[Outcome], state: str, *, done: bool) -> Row:
    """Return what the module returns.

    :param done: false in check mode.
    """
    checks = [row for outcome in outcomes for row in _checks(outcome, state, done)]
    changed = state != "query" and any(
        one.released or one.shut or one.keys or one.ended or (not done and one.sessions) for one in outcomes
    )
    if not checks:
        checks = [check_result(LOGIN, "accounts", OK, "No account is contained.")]
    return {
        "changed": changed,
        "status": worst_of(checks),
        "checks": checks,
        "accounts": [_row(one) for one in outcomes],
        "diff": _diff(outcomes, state) if changed else {"before": "", "after": ""},
    }


def _checks(one: Outcome, state: str, done: bool) -> list[Row]:
    if one.unknown:
        return [check_result(LOGIN, one.name, UNKNOWN, f"Nobody can tell whether {one.name} is contained: {one.unknown}")]
    rows = [check_result(KEYS, one.name, CRITICAL if state != "absent" else WARNING, f"{one.name}: {reason}.",
                         hint="Look at it by hand.") for reason in one.unsafe]
    if state == "absent":
        return [*rows, _released(one, done)]
    if not done:
        return [*rows, check_result(LOGIN, one.name, OK, f"{one.name} would be contained.")]
    if one.contained is None:
        return [*rows, check_result(LOGIN, one.name, OK, f"{one.name} is not contained.")]
    if one.open:
        rows.append(check_result(LOGIN, one.name, CRITICAL, f"{one.name} should be shut, and somebody has opened it.", hint=_AGAIN))
    if one.open_names:
        rows.append(check_result(
            LOGIN, one.name, CRITICAL,
            f"The number of {one.name} can be logged in to under another name: {', '.join(one.open_names[:_NAMED])}.",
            hint="Contain these names too, or look who made them.",
        ))  # fmt: skip
    if one.left_keys:
        rows.append(check_result(KEYS, one.name, CRITICAL, f"{one.name} has keys: {', '.join(one.left_keys[:_NAMED])}.", hint=_AGAIN))
    if one.sessions:
        rows.append(check_result(SESSIONS, one.name, CRITICAL, f"{one.name} has sessions: {_named(one.sessions)}.", hint=_AGAIN))
    return rows or [check_result(LOGIN, one.name, OK, f"{one.name} is contained since {one.contained.since}{_why(one.contained)}.")]


_AGAIN = "Contain it again: upkeep.runbook.account_containment with state=present."


def _released(one: Outcome, done: bool) -> Row:
    if not one.released:
        return check_result(LOGIN, one.name, OK, f"{one.name} is not contained.")
    if not done:
        return check_result(LOGIN, one.name, OK, f"{one.name} would be given back.")
    if one.differs:
        return check_result(
            LOGIN, one.name, WARNING,
            f"{one.name} was given back, and its line in /etc/shadow is not that from before: somebody has changed it meanwhile.",
            hint=f"Look at it: chage -l {one.name}, passwd -S {one.name}",
        )
    return check_result(LOGIN, one.name, OK, f"{one.name} was given back as it was.")


def _row(one: Outcome) -> Row:
    return {
        "user": one.name,
        "contained": one.contained is not None and not one.released,
        "since": one.contained.since if one.contained else None,
        "reason": one.contained.reason if one.contained else None,
        "locked": one.shut,
        "key_files": [plain(path, 300) for path in one.keys],
        "sessions_ended": one.ended,
        "sessions": [{"pid": process.pid, "name": plain(process.name, 100)} for process in one.sessions[:100]],
    }


def _diff(outcomes: Sequence[Outcome], state: str) -> dict[str, str]:
    before, after = [], []
    for one in outcomes:
        if one.shut:
            before.append(f"{one.name}: can log in")
            after.append(f"{one.name}: locked and expired")
        if one.released:
            before.append(f"{one.name}: contained")
            after.append(f"{one.name}: as it was")
        mine = [f"{one.name}: {plain(path, 300)}" for path in one.keys]
        (after if state == "absent" else before).extend(mine)
        before += [f"{one.name}: process {process.pid} ({plain(process.name, 100)})" for process in one.sessions[:100]]
    return {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}


def _named(processes: Sequence[SessionProcess]) -> str:
    more = f" and {len(processes) - _NAMED} more" if len(processes) > _NAMED else ""
    return ", ".join(f"{one.pid} ({plain(one.name, 40)})" for one in processes[:_NAMED]) + more


def _why(contained: Contained) -> str:
    return f" ({contained.reason})" if contained.reason else ""
