# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asked: the peer, or whom trusted proxies say they asked for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Union

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import MAX_REMEMBERED_CHARACTERS
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_MAX_REMEMBERED = 40_000
_MAX_HOPS = 50


class Clients(dict):  # type: ignore[type-arg]
    """The client by (peer, X-Forwarded-For); those of late are remembered."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        super().__init__()
        self._trusted = tuple(trusted)

    def __missing__(self, key: tuple[str, str]) -> str:
        if len(self) > _MAX_REMEMBERED:
            self.clear()
        found = client_of(*key, self._trusted)
        if len(key[1]) <= MAX_REMEMBERED_CHARACTERS:
            self[key] = found
        return found


def read_networks(texts: Sequence[str], place: str) -> tuple[Network, ...]:
    """Return networks in the form of CIDR; an address is a network of one.

    :raises UpkeepError: when one of them is none.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise UpkeepError(
                f"{place}: {text!r} is no network; give addresses or CIDR, such as 10.0.0.0/8 or 2001:db8::/32"
            ) from None
    return tuple(networks)


def client_of(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the last address that no trusted proxy has, going back from the peer; the peer when it is not trusted itself.

    What stands further left was written by somebody whom nobody knows: it is not looked at. A header that ends in something
    that is no address is not believed beyond that.
    """
    client = peer
    hops = forwarded.split(",")[-_MAX_HOPS:]
    while _is_trusted(client, trusted) and hops:
        hop = _address(hops.pop())
        if not hop:
            break
        client = hop
    return client


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text == "unix:"  # a proxy on this host, through a socket
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in trusted)


def _address(text: str) -> str:
    """Return the address of one hop in its usual form; '' when it is none. Ports and brackets go."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
