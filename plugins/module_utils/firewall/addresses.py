# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses and networks of IPv4 and IPv6: read strictly, compared, cut out of one another."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Optional, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

Address = Union[IPv4Address, IPv6Address]
Network = Union[IPv4Network, IPv6Network]
#: When something ends, in seconds since 1970; None is never.
End = Optional[float]

LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
#: Without these neighbors are not found any more, or they are nobody's address.
_NEEDED: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/32"), IPv4Network("224.0.0.0/4"), IPv4Network("255.255.255.255/32"), IPv6Network("::/128"),
    IPv6Network("fe80::/10"), IPv6Network("ff00::/8"),
)
#: From these nobody comes in over the network.
NOBODYS = (*LOOPBACK, IPv4Network("0.0.0.0/32"), IPv4Network("224.0.0.0/3"), IPv6Network("::/128"), IPv6Network("ff00::/8"))
#: A wider network is most of the world, or all of a provider.
_WIDEST = {4: 8, 6: 16}


def read_network(text: str, place: str) -> Network:
    """Return the network that a text names, an address as one that holds only itself.

    :param place: the option, for people.
    :raises UpkeepError: naming the option and what would be accepted.
    """
    shown = plain(text, 100)
    if "%" in text:
        raise UpkeepError(f"{place}: {shown!r} names an interface (%), which is not accepted.")
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UpkeepError(
            f"{place}: {shown!r} is no address or network; give one such as 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32."
        ) from None
    network = _unmapped(network)
    if "/" in text and network.num_addresses > 1:
        given = ipaddress.ip_address(text.strip().partition("/")[0])
        if given != network.network_address and not getattr(given, "ipv4_mapped", None):
            raise UpkeepError(f"{place}: {shown!r} has bits beyond its prefix; write {network} or the address alone.")
    return network


def read_address(text: str) -> Address | None:
    """Return an address that the system has written, without the zone, IPv4 in IPv6 as IPv4; None when it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def read_kernel_address(digits: str) -> Address:
    """Return an address of /proc/net, words of 32 bits in the order of this machine; IPv4 in IPv6 as IPv4.

    :raises ValueError: when it is none.
    """
    words = bytes.fromhex(digits)
    packed = b"".join(int.from_bytes(words[at : at + 4], "big").to_bytes(4, sys.byteorder) for at in range(0, len(words), 4))
    found: Address = ipaddress.ip_address(packed)
    return getattr(found, "ipv4_mapped", None) or found


def _unmapped(network: Network) -> Network:
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


def network_of(address: Address) -> Network:
    """Return the network that holds only this address."""
    return ipaddress.ip_network(address)


def shown_network(network: Network) -> str:
    """Return a network as people write it, without the prefix where it is one address."""
    return str(network.network_address) if is_host(network) else str(network)


def is_host(network: Network) -> bool:
    """Tell whether a network is one address."""
    return network.prefixlen == network.max_prefixlen


def lies_in(inner: Network, outer: Network) -> bool:
    """Tell whether every address of one network is in the other."""
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def why_never_blocked(network: Network) -> str | None:
    """Return why nobody may block a network at all, as the end of a sentence, or None."""
    if network.prefixlen < _WIDEST[network.version]:
        return f"is wider than /{_WIDEST[network.version]}; to cut the host off from everything, isolate it (host_isolate)"
    if any(network.overlaps(loopback) for loopback in LOOPBACK):
        return "is loopback, over which the host talks to itself"
    if any(network.overlaps(needed) for needed in _NEEDED):
        return "is needed to find neighbors or belongs to nobody"
    return None


def collapse(networks: Iterable[Network]) -> set[Network]:
    """Return the fewest networks that hold the same addresses."""
    listed = list(networks)
    found: set[Network] = set(ipaddress.collapse_addresses(one for one in listed if isinstance(one, IPv4Network)))
    found |= set(ipaddress.collapse_addresses(one for one in listed if isinstance(one, IPv6Network)))
    return found


def lasts_longer(one: End, other: End) -> bool:
    """Tell whether something ends later than something else."""
    return other is not None and (one is None or one > other)


def without_overlaps(blocks: Mapping[Network, End]) -> dict[Network, End]:
    """Return networks that do not overlap, so that each address is in the one that ends last of those it was in.

    Sets of ranges in the kernel hold no overlapping ones. Of two networks the narrow one goes when the wide one lasts
    as long; otherwise it is cut out of the wide one. Single addresses have a set of their own and stay as they are.
    """
    found = {network: end for network, end in blocks.items() if is_host(network)}
    wide = sorted((one for one in blocks if not is_host(one)), key=lambda one: (one.version, int(one[0]), one.prefixlen))
    above: list[Network] = []  # the kept networks around the present one, the widest first
    holes: dict[Network, list[Network]] = {}
    for network in wide:
        while above and not lies_in(network, above[-1]):
            above.pop()
        if above and not lasts_longer(blocks[network], blocks[above[-1]]):
            continue  # those above are kept because each lasts longer than the one around it
        if above:
            holes[above[-1]].append(network)
        holes[network] = []
        above.append(network)
    for network, inner in holes.items():
        found.update((piece, blocks[network]) for piece in _pieces(network, inner))
    return found


def _pieces(network: Network, holes: Iterable[Network]) -> Iterator[Network]:
    """Yield the networks that are left of one without the holes, which are in order and do not overlap."""
    at = int(network.network_address)
    kind = type(network.network_address)
    for hole in holes:
        if at < int(hole.network_address):
            yield from ipaddress.summarize_address_range(kind(at), kind(int(hole.network_address) - 1))
        at = int(hole.broadcast_address) + 1
    if at <= int(network.broadcast_address):
        yield from ipaddress.summarize_address_range(kind(at), network.broadcast_address)
