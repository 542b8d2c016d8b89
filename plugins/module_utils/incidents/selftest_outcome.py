# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the alarm rings: what became of each part of a self-test, as check results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.selftest_logins import (
    answers,
    judge_jail,
    judge_key,
    known_as_itself,
    noticed,
    released,
    unable_jail,
    untried_jail,
    why,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

BLOCK, FILES, ALERT, KEY, JAIL = "block", "files", "alert", "key", "jail"
#: In this order: a server that remembers failed logins (``PerSourcePenalties``) is asked for one that succeeds first.
PARTS = (BLOCK, FILES, ALERT, KEY, JAIL)
EVERYTHING = "all"
_HINTS = {
    BLOCK: "Look at the rules before ours: nft list ruleset. An address that is translated on its way is another one for the host.",
    FILES: "See what is left out (security.integrity.exclude), and accept a baseline: ansible-playbook upkeep.runbook.security_accept",
    ALERT: "Ring each channel by name: ansible-playbook upkeep.runbook.notify_test",
    KEY: "See where sshd looks for keys: sshd -T | grep -i authorized. Another file than .ssh/authorized_keys is named by selftest_key_file.",
    JAIL: "See what the jail does: fail2ban-client status, and its log. Its filter, its log and its banaction must fit this host.",
}

Results = Mapping[str, Any]


def selftest_outcome(parts: Sequence[str], results: Results, *, subjects: Mapping[str, str], check_mode: bool) -> dict[str, Any]:
    """Return ``{changed, checks}`` for the report.

    :param parts: those that were tried on this host.
    :param results: for each part what its calls returned, by name, and ``failure``, why it could not be tried to its end.
    :param subjects: for each part what it is about.
    """
    rows = []
    for part in parts:
        found = dict(results.get(part) or {})
        status, text = _judged(part, found, check_mode)
        rows.append(check_result(f"selftest.{part}", subjects.get(part) or part, status, text, hint=None if status == OK else _HINTS.get(part)))
    return {"changed": False, "checks": rows}


def selftest_plan(asked: Sequence[str], *, first: bool, key_user: str, jail: Results) -> dict[str, Any]:
    """Return ``{parts, jail_stop, jail_able, jail_goes_on}``: what to try on a host, and how far its jail can be tried.

    :param asked: what was asked for; ``all`` is everything that a host has.
    :param first: whether it is the first host of the run: channels are those of the platform, and ring for it alone.
    :param key_user: the account for the part ``key``, or ''.
    :param jail: what is known for the part ``jail`` until now.
    :return: the parts in their order, and after them what is none; why the jail is not tried, or ''; whether it can ban at all; whether
        it noticed a failed login, and of whom it was is known.
    """
    wanted, looked = set(asked), dict(jail.get("jail") or {})
    if EVERYTHING in wanted:
        wanted |= {BLOCK, FILES, ALERT}
        if key_user:
            wanted.add(KEY)
        # What cannot be asked is tried, so that its row says why.
        if "installed" not in looked or (looked["installed"] and not looked.get("switched_off")):
            wanted.add(JAIL)
    rest = [part for part in dict.fromkeys(asked) if part not in (*PARTS, EVERYTHING)]
    return {
        "parts": [part for part in PARTS if part in wanted and (first or part != ALERT)] + rest,
        "jail_stop": untried_jail(looked),
        "jail_able": not unable_jail(looked),
        "jail_goes_on": noticed(jail) and known_as_itself(jail),
    }


def _judged(part: str, found: Results, check_mode: bool) -> tuple[str, str]:
    if part not in PARTS:
        return UNKNOWN, f"{part!r} is no part of the self-test; there are {', '.join(PARTS)}."
    if part == JAIL and not released(found.get("cleared")):
        return CRITICAL, f"The ban of the observer could not be ended, and lasts as long as fail2ban lets it: {said_reason(found['cleared'])}."
    failure = plain(str(found.get("failure") or ""), 300).rstrip(".")
    if failure:
        return UNKNOWN, f"Nobody can tell whether it works: {failure}."
    silent = unable_jail(found.get("jail")) if part == JAIL else ""
    if silent:
        return CRITICAL, f"Nobody is banned: {silent}."
    if check_mode:
        return OK, "Nothing stands against trying it."
    return {BLOCK: _block, FILES: _files, ALERT: _alert, KEY: judge_key, JAIL: judge_jail}[part](found)


def _block(found: Results) -> tuple[str, str]:
    before, during, after = (answers(found.get(name)) for name in ("before", "during", "after"))
    if before is not True:
        return UNKNOWN, f"The port could not be reached before it was blocked, so that nothing is known: {why(found.get('before'))}."
    if during is None or after is None:
        return UNKNOWN, f"The port could not be asked: {why(found.get('during' if during is None else 'after'))}."
    if during:
        return CRITICAL, "The port was still open from outside while it was blocked."
    if not after:
        return CRITICAL, f"The port was closed while it was blocked, and is not open again: {why(found.get('after'))}."
    return OK, "The port was closed from outside while it was blocked, and is open again."


def _files(found: Results) -> tuple[str, str]:
    canary = str(found.get("canary") or "")
    if _change(found.get("tampered"), canary) != "changed":
        return CRITICAL, "A file was changed, and file_integrity did not find it."
    watched = found.get("watched")
    if not isinstance(watched, Mapping) or not watched.get("baseline"):
        return UNKNOWN, "A changed file was found. Whether a new one below the watched folders is, nobody can tell: there is no baseline."
    if _change(watched, canary) != "added":
        return CRITICAL, "A new file below a watched folder was not found: it is left out, or the folder is not watched."
    return OK, "A new file below a watched folder and a changed one were found."


def _change(result: Any, path: str) -> str:
    changes = result.get("changes") if isinstance(result, Mapping) else None
    found = [row.get("change") for row in changes or [] if isinstance(row, Mapping) and row.get("path") == path]
    return str(found[0]) if found else ""


def _alert(found: Results) -> tuple[str, str]:
    told = found.get("told")
    if not isinstance(told, Mapping) or says(told, "skipped"):
        return UNKNOWN, "Nobody can be told: the contacts of the platform description have no channel, or notify_enabled is false."
    bad = [row for row in told.get("checks") or [] if isinstance(row, Mapping) and row.get("status") != OK]
    if says(told, "failed") or says(told, "unreachable") or bad:
        return CRITICAL, " ".join(str(row.get("summary")) for row in bad) or f"The channels could not be rung: {said_reason(told)}."
    count = len(told.get("checks") or [])
    return OK, f"A test message reached {count} channel{'' if count == 1 else 's'}."
