# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One jail of fail2ban: whether it may be tried on an address, whom it has seen and banned, and an end to a ban."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Address, read_address
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.fail2ban import Ask, Jail, NotRunning, Silent, answer_of, read_jail, read_jails
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import find_operator
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_NAME = re.compile(r"[^\s,-][^\s,]{0,99}")
_MAX_ACTIONS = 20
_POLL_SECONDS = 0.3
#: What a command that bans nobody consists of: nothing, or what the shell ends at once.
_NOTHING = re.compile(r"\s*(?:(?::|true|/bin/true|exit 0)\s*;?\s*)*")

Row = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """What a jail does, and whom it leaves alone.

    :ivar maxretry: it bans after so many failures.
    :ivar findtime: within so many seconds.
    :ivar bantime: for so many seconds; negative without an end.
    :ivar actions: names of its actions; of those that ``blocking`` counts, each runs a command when it bans.
    :ivar ignored: why it never bans the address, or ''; completes "… is left alone: …".
    :ivar may_be_ignored: why nobody can tell whether it does, or ''.
    """

    maxretry: int
    findtime: int
    bantime: int
    actions: tuple[str, ...]
    blocking: int
    ignored: str
    may_be_ignored: str


def jail_ban(params: Mapping[str, Any], *, check_mode: bool) -> Row:
    """Do what the options ask for and return what the module returns.

    :raises UpkeepError: when an option is wrong, or a ban could not be ended.
    """
    refuse_out_of_range(params, {"wait_seconds": (0, 600), "wait_failures": (0, 10**12)})
    jail, address = params["jail"], read_address(params["address"])
    ask = fail2ban.client(params["fail2ban_socket"])
    if ask is None:  # whatever was asked: nobody is banned
        return _row(problem="fail2ban is not installed")
    if not _NAME.fullmatch(jail):
        raise UpkeepError(f"jail: {plain(jail, 100)!r} is no name of a jail.")
    if address is None:
        raise UpkeepError(f"address: {plain(params['address'], 100)!r} is no address; give one such as 192.0.2.7 or 2001:db8::7.")
    if params["state"] == "absent":
        return _unban(ask, jail, address, params, check_mode=check_mode)
    row = _row(installed=True)
    try:
        jails, unasked = read_jails(ask)
        found = next((one for one in jails if one.name == jail), None)
        if found is None:
            names = ", ".join(one.name for one in jails) or "none"
            return {**row, "running": True, "problem": f"fail2ban has no jail {plain(jail, 100)}; its jails: {names}"}
        rules = read_rules(ask, jail, address)
        found = _wait(ask, found, address, params)
    except NotRunning:
        off = fail2ban.switched_off()
        return {**row, "switched_off": off, "problem": "fail2ban is switched off here" if off else "fail2ban does not run"}
    except Silent as exc:
        return {**row, "running": True, "problem": str(exc)}
    return {
        **row,
        "running": True,
        "jail": {
            "name": found.name, "maxretry": rules.maxretry, "findtime_seconds": rules.findtime, "bantime_seconds": rules.bantime,
            "actions": list(rules.actions), "blocking_actions": rules.blocking, "failed_total": found.failed,
            "may_be_ignored": rules.may_be_ignored,
        },
        "banned": is_banned(found, address),
        "refused": refusal(jails, unasked, address, rules, find_operator().addresses),
    }  # fmt: skip


def _row(*, installed: bool = False, problem: str = "") -> Row:
    return {
        "changed": False, "installed": installed, "running": False, "switched_off": False, "problem": problem, "jail": None, "banned": False,
        "refused": "",
    }  # fmt: skip


def refusal(jails: Sequence[Jail], unasked: int, address: Address, rules: Rules, operators: Collection[Address]) -> str:
    """Return why a ban of an address must not be provoked, or would show nothing; '' when it may be.

    :param unasked: how many jails were not looked at.
    :param operators: where those are from whom this process was started.
    """
    if address in operators:
        return f"{address} is the address from which this run is logged in"
    banning = [jail.name for jail in jails if is_banned(jail, address)]
    if banning:
        return f"{address} is banned already, by the jail {banning[0]}, and that ban must not end with ours"
    if unasked or any(jail.unread for jail in jails):
        return f"nobody can tell whether {address} is banned already: not all bans of fail2ban could be read"
    if rules.ignored:
        return f"{address} is left alone by the jail: {rules.ignored}"
    if rules.bantime < 0:
        return "the jail bans without an end, so that the observer would stay banned when the run is killed"
    if rules.maxretry < 2:
        return "the jail bans after a single failed login, so that nobody can see beforehand under which address the host knows the observer"
    return ""


def is_banned(jail: Jail, address: Address) -> bool:
    """Tell whether an address is among the bans of a jail."""
    return any(read_address(ban.address) == address for ban in jail.bans)


def _wait(ask: Ask, jail: Jail, address: Address, params: Mapping[str, Any]) -> Jail:
    """Wait until a jail has seen, or banned, what was waited for, or time is over; return it as it is then."""
    deadline = time.monotonic() + params["wait_seconds"]

    def came() -> bool:
        seen = not params["wait_failures"] or jail.failed >= params["wait_failures"]
        return seen and (not params["wait_banned"] or is_banned(jail, address))

    while not came() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        jail = read_jail(jail.name, ask)
    return jail


def read_rules(ask: Callable[..., Any], jail: str, address: Address) -> Rules:
    """Return what a jail does.

    :raises NotRunning: when the server does not run.
    :raises Silent: when it could not be asked, or answers what it never does.
    """
    figures = {name: _number(answer_of(ask("get", jail, name)), name) for name in ("maxretry", "findtime", "bantime")}
    actions = listed_actions(answer_of(ask("get", jail, "actions")))
    ignored, unsure = left_alone(address, answer_of(ask("get", jail, "ignoreip")), answer_of(ask("get", jail, "ignorecommand")))
    # What an action runs may hold a secret (a token of a service): it is looked at and goes no further.
    commands = [ask("get", jail, "action", name, "actionban") for name in actions[:_MAX_ACTIONS]]
    blocking = [done for done in commands if not done.succeeded or does_something(done.stdout)]
    return Rules(
        figures["maxretry"], figures["findtime"], figures["bantime"], tuple(plain(name, 100) for name in actions), len(blocking), ignored, unsure
    )


def does_something(command: str) -> bool:
    """Tell whether the command with which an action bans does anything at all; only the network tells whether it blocks."""
    lines = [line for line in command.splitlines() if not line.lstrip().startswith("#")]
    return not all(_NOTHING.fullmatch(line) for line in lines)


def listed_actions(answer: str) -> list[str]:
    """Return the names in the answer to ``get JAIL actions``."""
    first, _newline, names = answer.partition("\n")
    if first.startswith("No actions"):
        return []
    if not first.rstrip().endswith("has the following actions:"):
        raise Silent("fail2ban does not list the actions of a jail")
    return [name for name in (part.strip() for part in names.split(",")) if _NAME.fullmatch(name)]


def left_alone(address: Address, ignored: str, command: str) -> tuple[str, str]:
    """Return why a jail leaves an address alone, and why it may; '' and '' when it does not.

    :param ignored: the answer to ``get JAIL ignoreip``.
    :param command: the answer to ``get JAIL ignorecommand``.
    """
    unsure = "it has an ignorecommand" if command.strip() not in ("", "None") else ""
    for line in ignored.splitlines():
        entry = line.lstrip("|`- ").strip() if line.lstrip().startswith(("|-", "`-")) else ""
        if not entry:
            continue
        network = _network(entry)
        if network is None:
            unsure = f"its ignoreip names {plain(entry, 100)}"
        elif network.version == address.version and address in network:
            return f"its ignoreip holds {network}", ""
    return "", unsure


def _network(text: str) -> Optional[Any]:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _number(answer: str, name: str) -> int:
    found = re.fullmatch(r"\s*(-?\d{1,15})\s*", answer)
    if found is None:
        raise Silent(f"fail2ban does not say the {name} of a jail")
    return int(found[1])


def _unban(ask: Ask, jail: str, address: Address, params: Mapping[str, Any], *, check_mode: bool) -> Row:
    """End the ban of an address by one jail, or by every one."""
    row = {**_row(installed=True), "running": True}

    def banning() -> list[str]:
        jails = read_jails(ask)[0] if params["every_jail"] else [read_jail(jail, ask)]
        return [one.name for one in jails if is_banned(one, address)]

    try:
        found = banning()
        if not found or check_mode:
            return {**row, "changed": bool(found)}
        for name in found:
            answer_of(ask("set", name, "unbanip", str(address)))
        left = banning()
    except NotRunning:
        return {**row, "running": False, "problem": "fail2ban does not run"}
    except Silent as exc:
        raise UpkeepError(f"nobody can tell whether {address} is still banned: {exc}") from exc
    if left:
        raise UpkeepError(f"{address} is still banned by the jail {left[0]}, although fail2ban was told to end that")
    return {**row, "changed": True}
