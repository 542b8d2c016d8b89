# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to block and what to release: the request, the ledger and the kernel's table, brought together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import (
    Address,
    End,
    Network,
    collapse,
    lasts_longer,
    lies_in,
    network_of,
    read_network,
    shown_network,
    why_never_blocked,
    without_overlaps,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import (
    MAX_ENTRIES,
    MAX_REASON_CHARACTERS,
    Entry,
    Ledger,
    ends_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import BlockTable
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: The kernel counts in its own seconds, and says whole ones; what differs by less is the same.
SLACK_SECONDS = 5.0
FOUND_REASON = "found in the kernel, blocked by somebody else"
_RANGES = {"timeout_seconds": (0, 315_360_000)}


@dataclass(frozen=True)
class Wanted:
    """One address or network of the request."""

    network: Network
    timeout_seconds: int
    reason: str


@dataclass(frozen=True)
class Drift:
    """In what the kernel differs from the ledger.

    :ivar lost: entries that the kernel does not block, or not until their end.
    :ivar strays: networks that it blocks, and that the ledger does not know.
    :ivar altered: the rules are not ours, or others pass than should.
    """

    lost: list[Network] = field(default_factory=list)
    strays: dict[Network, End] = field(default_factory=dict)
    altered: bool = False


@dataclass
class BlockPlan:
    """What is done.

    :ivar table: what the kernel should have; None when nothing is blocked.
    :ivar ledger: what the ledger should have.
    :ivar added: new entries, or such with another end or reason.
    :ivar refused: addresses of the request, each with the reason why nobody may block it.
    :ivar missing: addresses that were to be released and are not blocked, with what is known of them.
    """

    table: BlockTable | None
    ledger: Ledger
    drift: Drift
    added: list[Entry] = field(default_factory=list)
    removed: list[Entry] = field(default_factory=list)
    refused: list[tuple[Network, str]] = field(default_factory=list)
    missing: list[tuple[Network, str]] = field(default_factory=list)
    changes_table: bool = False
    changes_ledger: bool = False


def read_wanted(params: Mapping[str, Any]) -> list[Wanted]:
    """Return what the options ask for, each network once; the last one counts.

    :raises UpkeepError: naming the option that is wrong.
    """
    refuse_out_of_range(params, _RANGES)
    rows = [(f"entries[{number}].", entry) for number, entry in enumerate(params["entries"])]
    if params["address"] is not None:
        rows.insert(0, ("", {"address": params["address"]}))
    found: dict[Network, Wanted] = {}
    for place, row in rows:
        refuse_out_of_range(row, _RANGES, place)
        given = {name: row.get(name) if row.get(name) is not None else params[name] for name in ("timeout_seconds", "reason")}
        network = read_network(row["address"], f"{place}address")
        found[network] = Wanted(network, given["timeout_seconds"], plain(given["reason"] or "", MAX_REASON_CHARACTERS))
    return list(found.values())


def read_allow(params: Mapping[str, Any], ledger: Ledger) -> tuple[Network, ...]:
    """Return what always passes: what the option says, or what it said last time when it is left out."""
    if params["allow"] is None:
        return ledger.allow
    networks = [read_network(text, f"allow[{number}]") for number, text in enumerate(params["allow"])]
    return tuple(sorted(collapse(networks), key=str))


def plan_blocks(
    wanted: Sequence[Wanted],
    *,
    ledger: Ledger,
    allow: tuple[Network, ...],
    operators: Iterable[Address],
    kernel: BlockTable | None,
    now: float,
    run_id: str,
    skip_refused: bool,
) -> BlockPlan:
    """Plan to block what is wanted, and what the ledger has and the kernel has lost.

    :raises UpkeepError: when something may not be blocked and is not to be skipped, or there are too many.
    """
    operators = list(operators)
    before, drift = present_entries(ledger, kernel, now, operators)
    entries = dict(before)
    added, refused = [], []
    for one in wanted:
        reason = why_refused(one.network, allow, operators)
        if reason:
            refused.append((one.network, reason))
            continue
        present = entries.get(one.network)
        if present and (present.timeout_seconds, present.reason) == (one.timeout_seconds, one.reason):
            continue
        end = None if one.timeout_seconds == 0 else now + one.timeout_seconds
        entries[one.network] = Entry(one.network, one.reason, present.added if present else now, end, one.timeout_seconds, run_id)
        added.append(entries[one.network])
    if refused and not skip_refused:
        network, reason = refused[0]
        more = f" ({len(refused) - 1} more are refused)" if len(refused) > 1 else ""
        raise UpkeepError(f"{shown_network(network)} is not blocked: it {reason}{more}. Nothing was changed.",
                          refused=refused_rows(refused))
    if len(entries) > MAX_ENTRIES:
        raise UpkeepError(f"{len(entries)} blocks are more than {MAX_ENTRIES}; block networks instead of addresses.")
    plan = planned(entries, allow, operators, ledger, kernel, drift, now)
    plan.added, plan.refused = added, refused
    return plan


def plan_release(
    networks: Sequence[Network] | None,
    *,
    ledger: Ledger,
    allow: tuple[Network, ...],
    operators: Iterable[Address],
    kernel: BlockTable | None,
    now: float,
) -> BlockPlan:
    """Plan to block some networks no longer, or none at all any more.

    :param networks: None releases everything.
    """
    operators = list(operators)
    entries, drift = present_entries(ledger, kernel, now, operators)
    removed, missing = [], []
    for network in list(entries) if networks is None else networks:
        entry = entries.pop(network, None)
        if entry is not None:
            removed.append(entry)
            continue
        around = networks_around(network, entries)
        still = f"is still blocked, as part of {shown_network(around[0])}" if around else "was not blocked"
        missing.append((network, still))
    plan = planned(entries, allow, operators, ledger, kernel, drift, now)
    plan.removed, plan.missing = removed, missing
    return plan


def why_refused(network: Network, allow: Iterable[Network], operators: Iterable[Address]) -> str | None:
    """Return why nobody may block a network, as the end of a sentence, or None."""
    never = why_never_blocked(network)
    if never:
        return never
    if any(lies_in(network_of(address), network) for address in operators):
        return "holds the address from which this run is logged in"
    around = [one for one in allow if lies_in(network, one)]
    return f"belongs to {shown_network(around[0])}, which is always allowed" if around else None


def refused_rows(refused: Iterable[tuple[Network, str]]) -> list[dict[str, str]]:
    """Return what was refused for the answer, bounded."""
    return [{"address": shown_network(network), "reason": f"it {reason}"} for network, reason in list(refused)[:1000]]


def find_drift(ledger: Ledger, kernel: BlockTable | None, now: float, operators: Iterable[Address]) -> Drift:
    """Compare the kernel with the ledger.

    :param operators: who may pass beside those whom the ledger allows.
    """
    lasting = ledger.lasting(now)
    expected = without_overlaps(ends_of(lasting.values()))
    actual = kernel.blocked if kernel else {}
    # What ends just now may be in one of the two still. What is a part of a block in the ledger needs no entry of its own.
    unexpected = {network: end for network, end in actual.items() if network not in expected and not _ends_soon(end, now)}
    covered = networks_around_each(unexpected, lasting)
    strays = {
        network: end for network, end in unexpected.items()
        if not any(_same(end, lasting[one].expires) or lasts_longer(lasting[one].expires, end) for one in covered[network])
    }
    bad = [
        network for network, end in expected.items()
        if not _ends_soon(end, now) and (network not in actual or not _same(end, actual[network]))
    ]
    lost = {network for around in networks_around_each(bad, lasting).values() for network in around}
    altered = kernel is not None and not (
        kernel.intact and _all_lie_in(ledger.allow, kernel.allowed)
        and _all_lie_in(kernel.allowed, collapse([*ledger.allow, *map(network_of, operators)]))
    )
    return Drift(sorted(lost, key=str), strays, altered)


def _all_lie_in(inner: Iterable[Network], outer: Collection[Network]) -> bool:
    return all(any(lies_in(one, other) for other in outer) for one in inner)


def networks_around(network: Network, others: Collection[Network]) -> list[Network]:
    """Return those of the others in which a network lies, the narrowest first; itself may be one of them."""
    return networks_around_each([network], others)[network]


def networks_around_each(networks: Iterable[Network], others: Collection[Network]) -> dict[Network, list[Network]]:
    """Return for each network those of the others in which it lies; asks once for each length of prefix that occurs."""
    lengths = sorted({one.prefixlen for one in others}, reverse=True)
    return {
        network: [
            around for around in (network.supernet(new_prefix=length) for length in lengths if length <= network.prefixlen)
            if around in others
        ]
        for network in networks
    }


def present_entries(
    ledger: Ledger, kernel: BlockTable | None, now: float, operators: Iterable[Address]
) -> tuple[dict[Network, Entry], Drift]:
    """Return what is to stay blocked if nothing is asked for: what the ledger has, and what somebody else has put there."""
    drift = find_drift(ledger, kernel, now, operators)
    entries = ledger.lasting(now)
    for network, end in drift.strays.items():
        if why_never_blocked(network) is None:
            entries[network] = Entry(network, FOUND_REASON, now, end, 0 if end is None else round(end - now))
    return entries, drift


def planned(
    entries: dict[Network, Entry],
    allow: tuple[Network, ...],
    operators: Sequence[Address],
    ledger: Ledger,
    kernel: BlockTable | None,
    drift: Drift,
    now: float,
) -> BlockPlan:
    """Return the plan that leaves exactly these entries blocked."""
    blocked = without_overlaps(ends_of(entries.values()))
    # An entry of somebody else, or of before this operator came, may hold the operator's address.
    ours = [network_of(address) for address in operators]
    passing = [*allow, *(one for one in ours if any(lies_in(one, network) for network in entries))]
    counted = kernel.counted if kernel else {}
    table = BlockTable(blocked, frozenset(collapse(passing)), counted) if blocked else None
    wanted = Ledger(allow, entries)
    same = kernel is None if table is None else kernel is not None and _equal(table, kernel, now)
    return BlockPlan(table, wanted, drift, changes_table=not same, changes_ledger=_changed(wanted, ledger, now))


def _equal(table: BlockTable, kernel: BlockTable, now: float) -> bool:
    lasting = {network: end for network, end in kernel.blocked.items() if network in table.blocked or not _ends_soon(end, now)}
    return kernel.intact and kernel.allowed == table.allowed and lasting.keys() == table.blocked.keys() and all(
        _same(end, table.blocked[network]) for network, end in lasting.items()
    )


def _changed(wanted: Ledger, ledger: Ledger, now: float) -> bool:
    return wanted.allow != ledger.allow or dict(wanted.entries) != ledger.lasting(now)


def _same(one: End, other: End) -> bool:
    return one == other if one is None or other is None else abs(one - other) <= SLACK_SECONDS


def _ends_soon(end: End, now: float) -> bool:
    return end is not None and end - now <= SLACK_SECONDS
