# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a self-test that log in: whether who fails is banned, and whether a key that was taken away opens nothing any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import read_address
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

Results = Mapping[str, Any]


def unable_jail(looked: Any) -> str:
    """Return why a jail that is asked cannot ban anybody, without trying it; '' when it may. It completes "Nobody is banned: …"."""
    if not isinstance(looked, Mapping) or not looked.get("installed") or looked.get("switched_off"):
        return ""
    if not looked.get("running"):
        return "fail2ban is installed and does not run"
    jail = looked.get("jail")
    if isinstance(jail, Mapping) and not jail.get("blocking_actions"):
        return f"the jail {jail.get('name')} has no action that does anything when it bans"
    return ""


def untried_jail(looked: Any) -> str:
    """Return why a jail is not to be tried, or cannot be; '' when it can. It completes "Nobody can tell whether it works: …"."""
    if not isinstance(looked, Mapping) or says(looked, "failed") or "installed" not in looked:
        return said_reason(looked)
    if unable_jail(looked):
        return ""
    return str(looked.get("problem") or looked.get("refused") or "")


def released(cleared: Any) -> bool:
    """Tell whether clearing away has ended every ban of the observer; it has when there was nothing to clear away."""
    return not isinstance(cleared, Mapping) or not cleared or says(cleared, "skipped") or "installed" in cleared


def judge_jail(found: Results) -> tuple[str, str]:
    """Return the status of the part, and the reason.

    :param found: what the calls of the part returned.
    """
    looked = _jail_of(found.get("jail"))
    name, wanted = looked.get("name"), int(looked.get("maxretry") or 0)
    if not _count(found.get("first"), "denied"):
        return UNKNOWN, f"No failed login came about, so that nothing is known: {_said(found.get('first'))}."
    counted = found.get("counted")
    if _failed(counted):
        return UNKNOWN, f"fail2ban could not be asked: {_said(counted)}."
    if not noticed(found):
        return CRITICAL, f"sshd refused a login, and the jail {name} did not notice: it reads another log, or its filter does not know the line."
    if not known_as_itself(found):
        seen = ", ".join(seen_as(found)) or "nobody, as far as its logs say"
        return UNKNOWN, (
            f"The jail notices a failed login. No more were made: the host knows the observer as {seen}, not as {found.get('address')},"
            " and whoever shares that address would be banned as well."
        )
    return _banned(found, name=name, wanted=wanted, doubt=str(looked.get("may_be_ignored") or ""))


def _banned(found: Results, *, name: Any, wanted: int, doubt: str) -> tuple[str, str]:
    banned, guesses = found.get("banned"), found.get("guesses")
    made = _count(found.get("first"), "denied") + _count(guesses, "denied")
    if _failed(banned) or _failed(guesses):
        return UNKNOWN, f"The jail notices a failed login. Whether it bans, nobody can tell: {_said(banned if _failed(banned) else guesses)}."
    if not says(banned, "banned"):
        if made < wanted:
            return UNKNOWN, f"Only {made} of {wanted} failed logins came about, and the jail {name} does not ban before: {_said(guesses)}."
        if doubt:
            return UNKNOWN, f"The jail {name} did not ban the observer, and may leave it alone: {doubt}."
        return CRITICAL, f"The jail {name} did not ban the observer after {made} failed logins, and should have after {wanted}."
    during, after = answers(found.get("during")), answers(found.get("after"))
    if during is None:
        return UNKNOWN, f"The jail {name} banned the observer. Whether its port was closed, nobody can tell: {why(found.get('during'))}."
    released = found.get("released")
    if _failed(released):
        return CRITICAL, f"The jail {name} banned the observer, and the ban could not be ended: {_said(released)}."
    if during:
        return CRITICAL, f"The jail {name} bans the observer, and the port is still open for it: what its action does blocks nobody."
    if after is None:
        return UNKNOWN, f"The jail {name} banned the observer. Whether its port is open again, nobody can tell: {why(found.get('after'))}."
    if not after:
        return CRITICAL, f"The jail {name} banned the observer, and the port is not open again: {why(found.get('after'))}."
    return OK, f"The jail {name} banned the observer after {made} failed logins: the port was closed for it, and is open again."


def noticed(found: Results) -> bool:
    """Tell whether the jail has counted a failure since it was looked at."""
    before, after = (_jail_of(found.get(name)).get("failed_total") for name in ("jail", "counted"))
    return isinstance(before, int) and isinstance(after, int) and after > before


def known_as_itself(found: Results) -> bool:
    """Tell whether the host knows the observer under the address that would be banned, and under no other."""
    address = read_address(str(found.get("address") or ""))
    return address is not None and [read_address(one) for one in seen_as(found)] == [address]


def seen_as(found: Results) -> list[str]:
    """Return the addresses from which, as the logs say, somebody wanted to log in under the name that nobody has."""
    result = found.get("seen")
    rows = result.get("addresses") if isinstance(result, Mapping) and not says(result, "failed") else None
    listed: Sequence[Any] = rows if isinstance(rows, list) else []
    wanted = [row for row in listed if isinstance(row, Mapping) and found.get("user") in (row.get("users") or [])]
    return sorted({plain(str(row.get("address") or ""), 60) for row in wanted} - {""})


def judge_key(found: Results) -> tuple[str, str]:
    """Return the status of the part, and the reason.

    :param found: what the calls of the part returned.
    """
    opened, revoked, refused = (found.get(name) for name in ("opened", "revoked", "refused"))
    if _failed(opened) or not _count(opened, "granted"):
        return UNKNOWN, f"A new key did not log in, so that nothing is known of one that is taken away: {_said(opened)}."
    if _failed(revoked) or not says(revoked, "changed"):
        return CRITICAL, f"A key could not be taken away: {_said(revoked)}."
    if _count(refused, "granted"):
        return CRITICAL, "A revoked key still logs in: sshd has it from somewhere else, such as a second file or an AuthorizedKeysCommand."
    if _failed(refused) or not _count(refused, "denied"):
        return UNKNOWN, f"Whether a revoked key still logs in, nobody can tell: {_said(refused)}."
    return OK, "A new key logged in, and was refused as soon as it was taken away."


def answers(result: Any) -> bool | None:
    """Tell whether a port answered; None when nobody could ask."""
    probes = result.get("probes") if isinstance(result, Mapping) else None
    status = probes[0].get("status") if isinstance(probes, list) and probes and isinstance(probes[0], Mapping) else UNKNOWN
    return None if says(result, "failed") or status == UNKNOWN else status != CRITICAL


def why(result: Any) -> str:
    """Return what a probe of a port says, without a full stop at its end."""
    probes = result.get("probes") if isinstance(result, Mapping) else None
    if isinstance(probes, list) and probes and isinstance(probes[0], Mapping):
        return plain(str(probes[0].get("summary") or ""), 200).rstrip(".")
    return said_reason(result)


def _jail_of(result: Any) -> Results:
    jail = result.get("jail") if isinstance(result, Mapping) else None
    return jail if isinstance(jail, Mapping) else {}


def _count(result: Any, outcome: str) -> int:
    count = result.get(outcome) if isinstance(result, Mapping) else 0
    return count if isinstance(count, int) else 0


def _failed(result: Any) -> bool:
    return not isinstance(result, Mapping) or not result or says(result, "failed") or says(result, "unreachable") or bool(result.get("problem"))


def _said(result: Any) -> str:
    """Return why something came to nothing, without a full stop at its end."""
    said = (result.get("said") or result.get("problem")) if isinstance(result, Mapping) else ""
    return plain(str(said), 200).rstrip(".") if said else said_reason(result)
