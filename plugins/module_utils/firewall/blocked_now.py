# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses are blocked on a host, by whom and until when, and whether rules that were loaded are in force: what its firewall does now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_answer import BLOCKED, MAX_ROWS
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import FILE_NAME
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import TABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import query_blocks
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.fail2ban import Jail, NotRunning, Silent, client, read_jails, switched_off
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_query import query_noted

JAILS = "fail2ban.jails"
_OURS, _FAIL2BAN = "ip_block", "fail2ban"

Row = dict[str, Any]


def blocked_now(params: Mapping[str, Any], *, now: datetime) -> Row:
    """Look at what is blocked and return what the module returns.

    :param params: the options of the module.
    """
    own = _own_blocks(params, now.timestamp())
    known, jails, checks = _jails(params["fail2ban_socket"])
    checks = [*own["checks"], *checks, *query_noted(Path(params["state_directory"]))]
    rows = [*({"by": _OURS, "jail": "", **row} for row in own["blocked"]), *_banned(jails)]
    return {
        "changed": False,
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "blocked": rows if params["return_all"] else rows[:MAX_ROWS],
        "jails": [
            {"name": jail.name, "failed": jail.failed, "banned": jail.banned, "banned_total": jail.banned_total} for jail in jails
        ],
        "totals": {
            "blocked": own["totals"].get("blocked"),
            "dropped_packets": own["totals"].get("dropped_packets"),
            "banned": sum(jail.banned for jail in jails) if known else None,
        },
    }


def _own_blocks(params: Mapping[str, Any], now: float) -> Row:
    """Return what ``ip_block`` says. Without nftables nobody can block anything with it: where nobody ever did, that is well."""
    try:
        nftables.find_nft()
    except nftables.Unseen:
        if _never_blocked(Path(params["state_directory"])):
            summary = "No address is blocked: nobody ever did so with ip_block, and nftables is not installed."
            check = check_result(BLOCKED, TABLE, OK, summary, value=0, unit="addresses")
            return {"checks": [check], "blocked": [], "totals": {"blocked": 0, "dropped_packets": 0}}
    return query_blocks(params, now)


def _never_blocked(directory: Path) -> bool:
    """Tell whether there is no ledger; when nobody can tell, there may be one."""
    try:
        os.lstat(directory / FILE_NAME)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _jails(socket: str) -> tuple[bool, list[Jail], list[Row]]:
    """Return whether it is known whom fail2ban bans, its jails, and what to say of them; nothing where it is not installed."""
    ask = client(socket)
    if ask is None:
        return False, [], []
    try:
        jails, unasked = read_jails(ask)
    except NotRunning:
        if switched_off():
            summary = "fail2ban is installed and switched off: it bans nobody."
            return True, [], [check_result(JAILS, _FAIL2BAN, OK, summary, value=0, unit="addresses")]
        summary = "fail2ban is installed and does not run: it bans nobody."
        return True, [], [check_result(JAILS, _FAIL2BAN, WARNING, summary, hint="Look why: systemctl status fail2ban. Or remove the package.")]
    except Silent as exc:
        hint = "Run the task with become: true." if os.geteuid() != 0 else "Ask it yourself: fail2ban-client status."
        return False, [], [check_result(JAILS, _FAIL2BAN, UNKNOWN, f"Nobody can tell whom fail2ban bans: {exc}.", hint=hint)]
    return not unasked, jails, [_judged(jails, unasked)]


def _judged(jails: Sequence[Jail], unasked: int) -> Row:
    """Return what is to be said of the jails.

    :param unasked: how many further ones were not looked at.
    """
    if not jails and not unasked:
        summary = "fail2ban runs without a jail: it bans nobody."
        return check_result(JAILS, _FAIL2BAN, WARNING, summary, hint="Enable one, such as sshd in /etc/fail2ban/jail.local.")
    banned, total = sum(jail.banned for jail in jails), sum(jail.banned_total for jail in jails)
    unread = sum(jail.unread for jail in jails)
    names = ", ".join(jail.name for jail in jails)
    summary = f"fail2ban bans {banned} addresses now, and banned {total} since it was started; jails: {names}."
    if not unasked and not unread:
        return check_result(JAILS, _FAIL2BAN, OK, summary, value=banned, unit="addresses")
    told = f"{unasked} further jails were not looked at" if unasked else f"{unread} of the bans are listed in a form that is not known here"
    return check_result(
        JAILS, _FAIL2BAN, UNKNOWN, f"{told}. {summary}", value=banned, unit="addresses", hint="Ask it yourself: fail2ban-client banned."
    )


def _banned(jails: Sequence[Jail]) -> list[Row]:
    return [
        {"by": _FAIL2BAN, "jail": jail.name, "address": ban.address, "reason": f"jail {jail.name}", "added": ban.added, "expires": ban.expires}
        for jail in jails for ban in jail.bans
    ]
