# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find addresses and domains in text as whole words, however many are wanted: what looks like one is looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import read_address
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import ADDRESS, DOMAIN, Indicator

#: No address or name is longer.
LONGEST_BYTES = 253
# Each pattern looks at a byte a bounded number of times, also in a line without end.
_IPV4 = re.compile(rb"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(rb"(?<![0-9a-f:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}(?![0-9a-f:])")
_NAMES = re.compile(rb"[a-z0-9_.-]+")


class Words:
    """Indicators that are looked for.

    :param indicators: addresses and domains. A domain is found with names below it, too.
    """

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        addresses = {one.value: one for one in indicators if one.type == ADDRESS}
        self._ipv4 = {value.encode(): one for value, one in addresses.items() if ":" not in value}
        self._ipv6 = addresses if len(self._ipv4) < len(addresses) else {}
        self._domains = {one.value.encode(): one for one in indicators if one.type == DOMAIN}
        self._tails = {_tail(name) for name in self._domains}

    def count_in(self, data: bytes, counts: dict[Indicator, int], start: int, end: int) -> None:
        """Add how often each begins in a part of a text; what surrounds the part says whether it is a whole word."""
        lower = data.lower()
        for at, indicator in self._found(lower):
            if start <= at < end:
                counts[indicator] = counts.get(indicator, 0) + 1

    def _found(self, data: bytes) -> Iterator[tuple[int, Indicator]]:
        """Yield where each begins."""
        if self._ipv4:
            for match in _IPV4.finditer(data):
                if match[0] in self._ipv4:
                    yield match.start(), self._ipv4[match[0]]
        if self._ipv6:
            for match in _IPV6.finditer(data):
                indicator = self._ipv6.get(_ipv6(match[0]))
                if indicator is not None:
                    yield match.start(), indicator
        if self._domains:
            for match in _NAMES.finditer(data):
                name = match[0].rstrip(b".-")
                if b"." in name and _tail(name) in self._tails:
                    yield from self._domains_of(name, match.start())

    def _domains_of(self, name: bytes, start: int) -> Iterator[tuple[int, Indicator]]:
        """Yield the domains in which a name lies, itself included."""
        at = len(name)
        while at > 0 and len(name) - at <= LONGEST_BYTES:
            at = name.rfind(b".", 0, at)
            indicator = self._domains.get(name[at + 1:])
            if indicator is not None:
                yield start + at + 1, indicator


def _tail(name: bytes) -> bytes:
    """Return the last two labels of a name."""
    return name[name.rfind(b".", 0, max(name.rfind(b"."), 0)) + 1:]


def _ipv6(word: bytes) -> str:
    """Return an address in its shortest form; '' of what only looks like one, such as a time."""
    word = word[:-1] if word.endswith(b":") and not word.endswith(b"::") else word
    if b"::" not in word and word.count(b":") != 7:
        return ""
    address = read_address(word.decode())
    return "" if address is None else str(address)
