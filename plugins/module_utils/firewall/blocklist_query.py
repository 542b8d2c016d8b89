# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what lists were last is still blocked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import Entry, read_ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_planning import find_drift, networks_around_each
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import kernel_table
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_record import Applied, read_applied
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklists import Blocklist, list_of
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import find_operator

CHECK = "rules.blocklists"
_AGAIN = "Apply it again: upkeep.runbook.security_rules."

Row = dict[str, Any]


def query_lists(params: Mapping[str, Any], lists: Sequence[Blocklist], now: float) -> Row:
    """Say whether what the lists were last is blocked; the lists of the call only say which are asked about."""
    directory = Path(params["state_directory"])
    try:
        ledger, applied, kernel = read_ledger(directory), read_applied(directory), kernel_table(now)
    except nftables.Unseen as exc:
        return _unseen(str(exc), exc.hint)
    except UpkeepError as exc:
        return _unseen(exc.message, "")
    lost = set(find_drift(ledger, kernel, now, find_operator().addresses).lost)
    lasting = ledger.lasting(now)
    checks = [
        judge(name, applied.get(name), lasting, lost) for name in [one.name for one in lists] or sorted(applied)
    ] or [check_result(CHECK, "lists", OK, "No list is applied.", value=0)]
    return {"changed": False, "status": worst_of(checks), "checks": fold_ok(checks, return_all=params["return_all"]), "lists": [], "totals": {}}


def judge(name: str, applied: Applied | None, lasting: Mapping[Network, Entry], lost: Collection[Network]) -> Row:
    """Return the check of a list.

    :param lasting: what the ledger blocks, whoever wanted it.
    :param lost: what of it the kernel does not block.
    """
    if applied is None:
        return check_result(CHECK, name, WARNING, "The list was never applied here.", value=0, unit="networks")
    if applied.owned is None:
        return _judge_by_name(name, applied.size, lasting, lost)
    # An incident may have taken a network over, or blocked a wider one: what counts is that it is blocked.
    blocked = {network for network in lasting if network not in lost}
    gone = {network for network, around in networks_around_each(applied.owned, blocked).items() if not around}
    return _judged(name, len(applied.owned), gone, lost, spared=applied.size - len(applied.owned))


def _judge_by_name(name: str, size: int, lasting: Mapping[Network, Entry], lost: Collection[Network]) -> Row:
    """Return the check of a list of which nobody noted what was blocked for it: what carries its name has to do."""
    own = {network for network, entry in lasting.items() if list_of(entry.reason) == name}
    if own or not size:
        return _judged(name, len(own), own.intersection(lost), lost)
    return check_result(
        CHECK, name, UNKNOWN, f"Nothing carries the name of the list, of {size} networks: nobody renewed it, or all of it is blocked for others or"
        " spared. Which of these was not noted.", unit="networks", hint=_AGAIN,
    )


def _judged(name: str, owned: int, gone: Collection[Network], lost: Collection[Network], spared: int = 0) -> Row:
    """Return the check of a list of which so many networks were blocked.

    :param gone: which of them are not.
    :param spared: how many more it held.
    """
    if gone:
        # What the kernel has lost is lost by accident. Some that were released, and others that were not, are somebody's work.
        accident = len(gone) == owned or any(network in lost for network in gone)
        why = "after a restart, or since nobody renewed it" if accident else "released, or ended and nobody renewed them"
        return check_result(
            CHECK, name, CRITICAL if accident else WARNING, f"{len(gone)} of the {owned} networks that were blocked for the list are not any more: {why}.",
            value=owned - len(gone), unit="networks", hint=_AGAIN,
        )
    others = f"; {spared} more are blocked for others, or spared" if spared else ""
    return check_result(CHECK, name, OK, f"{owned} networks of the list are blocked{others}.", value=owned, unit="networks")


def _unseen(reason: str, hint: str) -> Row:
    checks = [check_result(CHECK, "lists", UNKNOWN, f"Nobody can tell what of the lists is blocked: {reason}", hint=hint)]
    return {"changed": False, "status": worst_of(checks), "checks": checks, "lists": [], "totals": {}}
