# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lists block and release: only blocks that carry the name of a list are theirs, those of incidents stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import (
    Address,
    End,
    Network,
    why_never_blocked,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import MAX_ENTRIES, Entry, Ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_planning import (
    BlockPlan,
    planned,
    present_entries,
    why_refused,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import BlockTable
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklists import Blocklist, list_of, reason_of


@dataclass(frozen=True)
class ListPlan:
    """What is done.

    :ivar blocks: with what is added and removed.
    :ivar renewed: how many blocks only got a later end.
    :ivar spared: by list, what nobody may block: networks with the reason, as the end of a sentence.
    :ivar private: by list, how many networks of those that no list can block at all (loopback, multicast) were left out.
    :ivar owned: by list, what is blocked for it, and not for another list or an incident.
    """

    blocks: BlockPlan
    renewed: int
    spared: Mapping[str, list[tuple[Network, str]]]
    private: Mapping[str, int]
    owned: Mapping[str, frozenset[Network]]


def plan_lists(
    lists: Sequence[Blocklist],
    *,
    timeout_seconds: int,
    ledger: Ledger,
    allow: tuple[Network, ...],
    operators: Iterable[Address],
    kernel: BlockTable | None,
    now: float,
    run_id: str,
) -> ListPlan:
    """Plan to block what the lists hold, and to release what carries the name of a list and is on none any more.

    A block is renewed when half of its time is over, so that a run soon after another one changes nothing.

    :raises UpkeepError: when there are too many.
    """
    operators = list(operators)
    entries, drift = present_entries(ledger, kernel, now, operators)
    spared: dict[str, list[tuple[Network, str]]] = {one.name: [] for one in lists}
    private = {one.name: 0 for one in lists}
    wanted: dict[Network, str] = {}
    for one in lists:
        for network in one.networks:
            refusal = why_refused(network, allow, operators)
            if refusal is None:
                wanted.setdefault(network, reason_of(one.name))
            elif why_never_blocked(network) is None:
                spared[one.name].append((network, refusal))
            else:
                private[one.name] += 1
    removed = [entry for network, entry in entries.items() if list_of(entry.reason) is not None and network not in wanted]
    for entry in removed:
        del entries[entry.network]
    added, renewed = [], 0
    end = None if timeout_seconds == 0 else now + timeout_seconds
    for network, reason in wanted.items():
        present = entries.get(network)
        if present is not None and list_of(present.reason) is None:
            continue  # an incident has it, and says how long
        if present is not None and present.reason == reason and _lasts(present.expires, timeout_seconds, now):
            continue
        entries[network] = Entry(network, reason, present.added if present else now, end, timeout_seconds, run_id)
        if present is not None:
            renewed += 1
        else:
            added.append(entries[network])
    _refuse_too_many(entries, lists)
    blocks = planned(entries, allow, operators, ledger, kernel, drift, now)
    blocks.added, blocks.removed = added, removed
    return ListPlan(blocks, renewed, spared, private, _owned(lists, entries))


def _owned(lists: Sequence[Blocklist], entries: Mapping[Network, Entry]) -> dict[str, frozenset[Network]]:
    found: dict[str, set[Network]] = {one.name: set() for one in lists}
    for network, entry in entries.items():
        name = list_of(entry.reason)
        if name in found:
            found[name].add(network)
    return {name: frozenset(networks) for name, networks in found.items()}


def _lasts(expires: End, timeout_seconds: int, now: float) -> bool:
    """Tell whether the end of a block is still good: more than half of the time is left, and not more than all of it."""
    if expires is None or timeout_seconds == 0:
        return expires is None and timeout_seconds == 0
    return timeout_seconds / 2 < expires - now <= timeout_seconds


def _refuse_too_many(entries: Mapping[Network, Entry], lists: Sequence[Blocklist]) -> None:
    if len(entries) <= MAX_ENTRIES:
        return
    others = sum(list_of(entry.reason) is None for entry in entries.values())
    sizes = ", ".join(f"{one.name} {len(one.networks)}" for one in lists)
    raise UpkeepError(
        f"{len(entries)} blocks are more than the {MAX_ENTRIES} that a host takes ({sizes}, and {others} that are not of lists)."
        " Leave a list out, or take one that holds networks instead of addresses. Nothing was changed."
    )
