# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a certificate is for a name: RFC 6125 and RFC 9525, values only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def certificate_is_for(name: str, dns_names: Iterable[str], addresses: Iterable[str]) -> bool:
    """Tell whether a certificate with these alternative names is for a host name or an IP address.

    A wildcard stands for exactly one label, the whole leftmost one. The common name is not looked at, as in browsers.

    :param name: host name or IP address, as a client would ask for it.
    :param dns_names: alternative names of the kind DNS.
    :param addresses: alternative names of the kind IP address.
    """
    address = _address(name)
    if address is not None:
        return any(_address(known) == address for known in addresses)
    wanted = _ascii(name)
    return bool(wanted) and any(_matches(wanted, _ascii(pattern)) for pattern in dns_names)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _ascii(name: str) -> str:
    """Return a name as it is on the wire, or nothing when it is none."""
    lowered = name.rstrip(".").lower()
    if lowered.isascii():
        return lowered
    try:
        return lowered.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _matches(name: str, pattern: str) -> bool:
    if not pattern.startswith("*."):
        return name == pattern
    parent = pattern[2:]
    # A wildcard for a whole top level domain is for nobody; clients refuse it too.
    if "*" in parent or "." not in parent:
        return False
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == parent
