# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table that blocks addresses: written as one transaction, and read back from what the kernel has."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import (
    End,
    Network,
    collapse,
    is_host,
    shown_network,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.chains import (
    Chain,
    Counted,
    read_chains,
    read_counters,
)

TABLE = "upkeep_block"
#: Before connection tracking (-200) and whatever else a host filters or translates.
PRIORITY = -310
_KINDS = {4: "ipv4_addr", 6: "ipv6_addr"}

#: Hook and rules of each chain. What a table accepts, later tables may still drop.
_CHAINS: dict[str, tuple[str, tuple[str, ...]]] = {
    "arriving": ("prerouting", ('iifname "lo" accept', *(
        f"{protocol} saddr @{name}{version} {verdict}"
        for name, verdict in (("allowed", "accept"), ("hosts", "drop"), ("networks", "drop"))
        for protocol, version in (("ip", 4), ("ip6", 6))
    ))),
    "leaving": ("postrouting", ('oifname "lo" accept', *(
        f"{protocol} daddr @{name}{version} {verdict}"
        for name, verdict in (("allowed", "accept"), ("hosts", "drop"), ("networks", "drop"))
        for protocol, version in (("ip", 4), ("ip6", 6))
    ))),
}


@dataclass(frozen=True)
class BlockTable:
    """The table, as it is or as it should be.

    :ivar blocked: networks that do not overlap, and when each ends, in seconds since 1970.
    :ivar allowed: networks that always pass, collapsed.
    :ivar counted: packets that rules have dropped, by chain and rule.
    :ivar intact: the chains are those that we write; true of what we are about to write.
    """

    blocked: Mapping[Network, End]
    allowed: frozenset[Network]
    counted: Mapping[tuple[str, str], Counted] = field(default_factory=dict)
    intact: bool = True

    @property
    def dropped(self) -> Counted:
        """What was dropped in all."""
        return Counted(sum(one.packets for one in self.counted.values()), sum(one.bytes for one in self.counted.values()))


def ruleset(table: BlockTable | None, now: float) -> str:
    """Return the transaction that replaces whatever the kernel has by this table, or by none.

    :param now: timeouts are written as what is left of them.
    """
    # Naming it first makes the deletion good where there is none.
    clear = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    return clear if table is None else clear + table_text(table, now)


def table_text(table: BlockTable, now: float) -> str:
    """Return the table alone."""
    lines = [f"table inet {TABLE} {{"]
    for name, version, members in _sets(table, now):
        flags = {"allowed": "interval", "hosts": "timeout", "networks": "interval, timeout"}[name]
        lines += [f"\tset {name}{version} {{", f"\t\ttype {_KINDS[version]}", f"\t\tflags {flags}"]
        if members:
            # One to a line: a diff then shows what has changed.
            lines += ["\t\telements = {", *(f"\t\t\t{member}," for member in members), "\t\t}"]
        lines.append("\t}")
    for chain, (hook, rules) in _CHAINS.items():
        lines += [f"\tchain {chain} {{", f"\t\ttype filter hook {hook} priority {PRIORITY}; policy accept;"]
        lines += [f"\t\t{_counting(chain, rule, table)}" for rule in rules]
        lines.append("\t}")
    return "\n".join([*lines, "}", ""])


def read_table(objects: Iterable[dict[str, Any]], now: float) -> BlockTable:
    """Return what the kernel has, from what ``nft -j list table`` says.

    :raises ValueError: when a set holds what ours never do.
    """
    listed = list(objects)
    blocked: dict[Network, End] = {}
    allowed: list[Network] = []
    for one in listed:
        if "set" not in one:
            continue
        row = one["set"]
        for element in row.get("elem", []):
            networks, end = _element(element, now)
            if row["name"].startswith("allowed"):
                allowed += networks
            else:
                blocked.update((network, end) for network in networks)
    chains = read_chains(listed)
    return BlockTable(blocked, frozenset(collapse(allowed)), read_counters(listed), chains == _expected_chains())


def _expected_chains() -> dict[str, Chain]:
    return {
        name: Chain(hook, PRIORITY, "accept", [rule.replace('"', "") for rule in rules])
        for name, (hook, rules) in _CHAINS.items()
    }


def _sets(table: BlockTable, now: float) -> Iterable[tuple[str, int, list[str]]]:
    for version in (4, 6):
        yield "allowed", version, [shown_network(one) for one in _ordered(table.allowed, version)]
        blocked = _ordered(table.blocked, version)
        yield "hosts", version, [_member(one, table.blocked[one], now) for one in blocked if is_host(one)]
        yield "networks", version, [_member(one, table.blocked[one], now) for one in blocked if not is_host(one)]


def _ordered(networks: Iterable[Network], version: int) -> list[Network]:
    return sorted((one for one in networks if one.version == version), key=lambda one: (int(one[0]), one.prefixlen))


def _member(network: Network, end: End, now: float) -> str:
    timeout = "" if end is None else f" timeout {max(1, math.ceil(end - now))}s"
    return f"{shown_network(network)}{timeout}"


def _counting(chain: str, rule: str, table: BlockTable) -> str:
    """Return a rule that drops with its counter, which goes on from where it was."""
    if not rule.endswith(" drop"):
        return rule
    counted = table.counted.get((chain, rule))
    counter = f"counter packets {counted.packets} bytes {counted.bytes}" if counted else "counter"
    return f"{rule[: -len(' drop')]} {counter} drop"


def _element(element: Any, now: float) -> tuple[list[Network], End]:
    if isinstance(element, dict) and "elem" in element:
        inner = element["elem"]
        networks, _end = _element(inner["val"], now)
        return networks, now + float(inner["expires"]) if "expires" in inner else None
    if isinstance(element, str):
        return [ipaddress.ip_network(element)], None
    if isinstance(element, dict) and "prefix" in element:
        return [ipaddress.ip_network(f"{element['prefix']['addr']}/{element['prefix']['len']}")], None
    if isinstance(element, dict) and "range" in element:
        first, last = (ipaddress.ip_address(text) for text in element["range"])
        return list(ipaddress.summarize_address_range(first, last)), None
    raise ValueError(f"the set holds {element!r}")
