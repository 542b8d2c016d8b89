# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table that isolates a host: who may still come in, and nothing else. Pure functions over values.

No rule asks what is established: each way is written in both directions, so that it also holds for connections from
before, and after the tracking of connections was flushed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import (
    NOBODYS,
    Network,
    collapse,
    lies_in,
    network_of,
    read_network,
    shown_network,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.chains import Chain
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import Connection

TABLE = "upkeep_isolation"
#: Before everything else that filters or translates.
PRIORITY = -500
HOOKS = {"arriving": "input", "passing": "forward", "leaving": "output"}

#: Without these, neighbors over IPv6 are not found, and large packets of the operator's connection get stuck.
_NEEDED = {
    "arriving": (
        "icmpv6 type { mld-listener-query, nd-neighbor-advert, nd-neighbor-solicit, nd-router-advert, packet-too-big }",
        "icmp type destination-unreachable",
    ),
    "leaving": ("icmpv6 type { mld2-listener-report, nd-neighbor-advert, nd-neighbor-solicit, nd-router-solicit }",),
}

Rules = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Ways:
    """What stays open.

    :ivar operators: connections of whoever isolates; from there anybody may come in again at the same port.
    :ivar management: networks that may come in at ``ports``.
    :ivar dns: servers of names that the host may ask.
    :ivar time: servers of time that the host may ask.
    :ivar dhcp: the host may keep its address.
    """

    operators: tuple[Connection, ...]
    management: tuple[Network, ...]
    ports: tuple[int, ...]
    dns: tuple[Network, ...] = ()
    time: tuple[Network, ...] = ()
    dhcp: bool = True

    @property
    def entrances(self) -> list[tuple[Network, tuple[int, ...]]]:
        """Who may come in, at which ports, each once and in order."""
        found: dict[Network, set[int]] = {network: set(self.ports) for network in self.management}
        for one in self.operators:
            found.setdefault(network_of(one.peer), set()).add(one.port)
        return [(network, tuple(sorted(found[network]))) for network in sorted(found, key=str)]


def read_ways(params: Mapping[str, Any], operators: Sequence[Connection]) -> Ways:
    """Return what stays open.

    :raises UpkeepError: when an option is wrong, or nobody could come back.
    """
    for number, port in enumerate(params["management_ports"]):
        if not 1 <= port <= 65535:
            raise UpkeepError(f"management_ports[{number}]: {port} is not accepted; give 1 to 65535.")
    management = _networks(params["management"], "management")
    for network in management:
        if any(lies_in(network, one) for one in NOBODYS):
            raise UpkeepError(f"management: from {shown_network(network)} nobody comes in; give the networks of those who manage the host.")
    ports = {*params["management_ports"], *(one.port for one in operators)}
    if management and not params["management_ports"]:
        raise UpkeepError("management_ports: name at least one port for the networks of management.")
    if not operators and not management:
        raise UpkeepError(
            "There would be no way back to this host: no connection over ssh was found among those that started this run, and"
            " management names no network. Give management=[your network], as always where the connection is local."
        )
    return Ways(
        tuple(operators), management, tuple(sorted(ports)), _networks(params["dns_servers"], "dns_servers"),
        _networks(params["time_servers"], "time_servers"), bool(params["dhcp"]),
    )


def isolation_rules(ways: Ways) -> dict[str, list[str]]:
    """Return the rules of each chain."""
    arriving, leaving = ["iifname lo accept"], ["oifname lo accept"]
    for network, ports in ways.entrances:
        arriving.append(f"{_family(network)} saddr {shown_network(network)} tcp dport {_choice(ports)} accept")
        leaving.append(f"{_family(network)} daddr {shown_network(network)} tcp sport {_choice(ports)} accept")
    for servers, services in ((ways.dns, (("udp", 53), ("tcp", 53))), (ways.time, (("udp", 123),))):
        for network in servers:
            for protocol, port in services:
                arriving.append(f"{_family(network)} saddr {shown_network(network)} {protocol} sport {port} accept")
                leaving.append(f"{_family(network)} daddr {shown_network(network)} {protocol} dport {port} accept")
    if ways.dhcp:
        for server, client in ((67, 68), (547, 546)):
            arriving.append(f"udp sport {server} udp dport {client} accept")
            leaving.append(f"udp sport {client} udp dport {server} accept")
    arriving += [f"{rule} accept" for rule in _NEEDED["arriving"]]
    leaving += [f"{rule} accept" for rule in _NEEDED["leaving"]]
    return {"arriving": [*arriving, "counter"], "passing": ["counter"], "leaving": [*leaving, "counter"]}


def ruleset(rules: Rules | None) -> str:
    """Return the transaction that replaces whatever table of ours there is by these rules, or by none."""
    # Naming it first makes the deletion good where there is none.
    clear = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    return clear if rules is None else clear + table_text(rules)


def table_text(rules: Rules) -> str:
    """Return the table alone."""
    lines = [f"table inet {TABLE} {{"]
    for chain, hook in HOOKS.items():
        lines += [f"\tchain {chain} {{", f"\t\ttype filter hook {hook} priority {PRIORITY}; policy drop;"]
        lines += [f"\t\t{rule}" for rule in rules.get(chain, ())]
        lines.append("\t}")
    return "\n".join([*lines, "}", ""])


def is_in_force(chains: Mapping[str, Chain] | None, rules: Rules) -> bool:
    """Tell whether the kernel's chains are these, and all of these."""
    return chains == {
        name: Chain(hook, PRIORITY, "drop", ["" if rule == "counter" else rule for rule in rules.get(name, ())])
        for name, hook in HOOKS.items()
    }


def rules_of(chains: Mapping[str, Chain]) -> dict[str, list[str]]:
    """Return the rules that the kernel has, as ours are written."""
    return {name: [rule or "counter" for rule in chain.rules] for name, chain in chains.items()}


def _networks(texts: Iterable[str], option: str) -> tuple[Network, ...]:
    return tuple(sorted(collapse(read_network(text, f"{option}[{number}]") for number, text in enumerate(texts)), key=str))


def _family(network: Network) -> str:
    return "ip" if network.version == 4 else "ip6"


def _choice(ports: Sequence[int]) -> str:
    texts = sorted(map(str, ports))  # as chains.py writes what the kernel has
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"
