# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures by address, user and subnet, in bounded memory however many there are."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.attempts import AttemptCounter, Attempts
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.messages import (
    ACCEPTED,
    FAILED,
    LOGIN,
    REFUSED,
    SSH,
    SU,
    SUDO,
    Sign,
)

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAX_KEYS = 20_000
_MAX_NAMES = 10
_MAX_FINDINGS = 1000
_MAX_LOGINS = 5000


@dataclass
class Figures:
    """Of one address, user or subnet.

    :ivar names: some of the users, or addresses, that belong to it.
    """

    failures: int = 0
    guesses: int = 0
    accepted: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    exists: bool | None = None
    names: dict[str, None] = field(default_factory=dict)

    def add(self, at: float, name: str | None, *, first: float | None = None) -> None:
        """Note when and with whom."""
        self.first = min(self.first or at, at if first is None else first)
        self.last = max(self.last, at)
        if name and len(self.names) < _MAX_NAMES:
            self.names[name] = None


class Table:
    """Figures by name. When there are too many, those with the fewest failures are folded into one figure.

    :ivar folded_keys: how many were folded; one that comes back afterwards counts again.
    """

    def __init__(self, limit: int = MAX_KEYS) -> None:
        self.rows: dict[str, Figures] = {}
        self.folded_keys = self.folded_failures = 0
        self._limit = limit

    def row(self, name: str) -> Figures:
        """Return the figures of a name."""
        if name not in self.rows and len(self.rows) >= 2 * self._limit:
            self._fold()
        return self.rows.setdefault(name, Figures())

    def _fold(self) -> None:
        # Who logged in stays: a login after failures is the finding that counts most.
        order = sorted(self.rows.items(), key=lambda item: (item[1].accepted > 0, item[1].failures, item[1].last), reverse=True)
        for _name, figures in order[self._limit :]:
            self.folded_keys += 1
            self.folded_failures += figures.failures
        self.rows = dict(order[: self._limit])


@dataclass
class Guessed:
    """Logins that followed many failures.

    :ivar by: ``address`` or ``user``: whose failures they were.
    """

    user: str
    address: str | None
    by: str
    method: str | None
    failures: int
    first: float
    last: float
    logins: int = 1


class Tally:
    """Everything that is counted. Feed it with :meth:`see` in the order of time, then :meth:`finish`.

    :param allowed: networks whose failures are counted and never a finding.
    :param success_after: so many guesses from one address before a login.
    :param success_after_user: so many guesses for one user, from anywhere, before a login with a password.
    """

    def __init__(self, allowed: Iterable[Network], *, success_after: int, success_after_user: int) -> None:
        self.addresses, self.users, self.subnets, self.local = Table(), Table(), Table(), Table()
        self.failures = self.accepted = self.commands = self.refused = 0
        self.services: dict[str, int] = {}
        self.logins: dict[tuple[str, str], list[Any]] = {}
        self.logins_folded = self.guessed_folded = 0
        self.guessed: dict[tuple[str, str], Guessed] = {}
        self._allowed = list(allowed)
        self._limits = (success_after, success_after_user)
        self._counter = AttemptCounter(self._take)

    def see(self, sign: Sign, at: float, process: int) -> None:
        """Take what one message says."""
        if sign.kind == FAILED:
            self._counter.see(sign, at, process)
        elif sign.kind == REFUSED:
            self.refused += 1
            figures = self.local.row(f"{sign.service} {sign.user}")
            figures.refused += 1
            figures.add(at, None)
        elif sign.service in (SUDO, SU):
            self.commands += sign.times
        elif sign.kind == ACCEPTED:
            self._login(sign, at)

    def finish(self) -> None:
        """Count what is still open."""
        self._counter.finish()

    def is_allowed(self, address: str | None) -> bool:
        """Tell whether failures from an address are no finding."""
        found = _ip(address) if self._allowed else None
        return found is not None and any(found.version == net.version and found in net for net in self._allowed)

    def _take(self, attempts: Attempts) -> None:
        self.failures += attempts.failed
        if attempts.service in self.services or len(self.services) < 50:
            self.services[attempts.service] = self.services.get(attempts.service, 0) + attempts.failed
        if attempts.service in (SUDO, SU):
            self._add(self.local, f"{attempts.service} {attempts.user or '?'}", attempts, None)
            return
        if attempts.address:
            self._add(self.addresses, attempts.address, attempts, attempts.user)
            network = subnet_of(attempts.address)
            if network:
                self._add(self.subnets, network, attempts, attempts.address)
        if attempts.user:
            self._add(self.users, attempts.user, attempts, attempts.address)

    def _add(self, table: Table, key: str, attempts: Attempts, name: str | None) -> None:
        figures = table.row(key)
        figures.failures += attempts.failed
        if not self.is_allowed(attempts.address):
            figures.guesses += attempts.guesses
        figures.exists = attempts.exists if attempts.exists is not None else figures.exists
        figures.add(attempts.last, name, first=attempts.first)

    def _login(self, sign: Sign, at: float) -> None:
        self.accepted += sign.times
        user, address = sign.user or "?", sign.address
        for table, key, name in ((self.addresses, address, user), (self.users, user, address)):
            if key:
                figures = table.row(key)
                figures.accepted += sign.times
                figures.add(at, name)
        self._note_login(user, address or "", sign, at)
        if sign.service not in (SSH, LOGIN) or self.is_allowed(address):
            return
        if address:
            guesses = self._guesses(self.addresses, address, self._counter.pending_from(address, (SSH, LOGIN)))
            if guesses >= self._limits[0] > 0:
                self._find(Guessed(user, address, "address", sign.method, guesses, at, at))
                return
        # A key cannot be guessed, so it says nothing that somebody guessed at this user before.
        if sign.method and not sign.method.startswith(("publickey", "hostbased", "gssapi")):
            guesses = self._guesses(self.users, user, self._counter.pending_for(user))
            if guesses >= self._limits[1] > 0:
                self._find(Guessed(user, address, "user", sign.method, guesses, at, at))

    def _guesses(self, table: Table, key: str, pending: Iterable[Attempts]) -> int:
        """Return how often was guessed so far, what is still being counted included."""
        figures = table.rows.get(key)
        open_ones = sum(one.guesses for one in pending if not self.is_allowed(one.address))
        return (figures.guesses if figures else 0) + open_ones

    def _find(self, found: Guessed) -> None:
        key = (found.user, found.address or "")
        known = self.guessed.get(key)
        if known:
            known.logins += 1
            known.last, known.failures = found.last, max(known.failures, found.failures)
        elif len(self.guessed) < _MAX_FINDINGS:
            self.guessed[key] = found
        else:
            self.guessed_folded += 1

    def _note_login(self, user: str, address: str, sign: Sign, at: float) -> None:
        row = self.logins.get((user, address))
        if row:
            row[0] += sign.times
            row[1] = at
        elif len(self.logins) < _MAX_LOGINS:
            self.logins[(user, address)] = [sign.times, at, sign.method or sign.service]
        else:
            self.logins_folded += sign.times


@lru_cache(maxsize=4096)
def subnet_of(address: str) -> str | None:
    """Return the /24 of an IPv4 address or the /64 of an IPv6 one; None for a host name."""
    found = _ip(address)
    if found is None:
        return None
    return str(ipaddress.ip_network(f"{found}/{24 if found.version == 4 else 64}", strict=False))


def _ip(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address or "")
    except ValueError:
        return None
