# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Indicators of compromise: what was found on a host that was broken into, and is looked for on others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import read_address
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

SHA256, PATH, ADDRESS, DOMAIN, USER, SCHEDULE = "sha256", "path", "address", "domain", "user", "schedule"
TYPES = (SHA256, PATH, ADDRESS, DOMAIN, USER, SCHEDULE)
MAX_INDICATORS = 10_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_][a-z0-9_-]{0,62}\.)+[a-z0-9-]{2,63}")


class Indicator(NamedTuple):
    """One of them.

    :ivar value: as it is compared: lower case where case means nothing, addresses in their shortest form, IPv4 in IPv6 as IPv4.
    """

    type: str
    value: str

    @property
    def subject(self) -> str:
        """What it is called in rows."""
        return f"{self.type} {self.value}"


def read_indicators(given: Sequence[Mapping[str, Any]]) -> list[Indicator]:
    """Return the indicators, each once.

    :raises UpkeepError: naming the first that could never be found.
    """
    if not given:
        raise UpkeepError("indicators: give at least one")
    if len(given) > MAX_INDICATORS:
        raise UpkeepError(f"indicators: {len(given)} are more than {MAX_INDICATORS}; look for them in several calls")
    found: dict[Indicator, None] = {}
    for position, item in enumerate(given):
        kind, value = item["type"], str(item["value"]).strip()
        wanted = _read(kind, value)
        if wanted is None:
            raise UpkeepError(f"indicators[{position}]: {plain(value, 200)!r} is not accepted as {kind}; {_ACCEPTED[kind]}")
        found[Indicator(kind, wanted)] = None
    return list(found)


_ACCEPTED = {
    SHA256: "give 64 hexadecimal digits",
    PATH: "give an absolute path, with wildcards if wanted, but no **",
    ADDRESS: "give an IPv4 or IPv6 address without an interface (%)",
    DOMAIN: "give a name such as evil.example.com",
    USER: "give the name of an account",
    SCHEDULE: "give a text of at least 3 characters",
}


def _read(kind: str, value: str) -> str | None:
    if "\0" in value or "\n" in value:
        return None
    if kind == SHA256:
        return value.lower() if _DIGEST.fullmatch(value.lower()) else None
    if kind == PATH:
        return value if value.startswith("/") and "**" not in value and ".." not in value.split("/") and value.strip("/") else None
    if kind == ADDRESS:
        address = read_address(value)
        return str(address) if address is not None and "%" not in value else None
    if kind == DOMAIN:
        name = value.lower().rstrip(".")
        return name if _DOMAIN.fullmatch(name) else None
    if kind == USER:
        return value if value and ":" not in value else None
    return value.lower() if len(value) >= 3 else None
