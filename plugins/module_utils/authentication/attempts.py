# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many attempts the messages of a log stand for.

One failed login leaves several lines: ``Invalid user``, the one of PAM, ``Failed password``, the end of the connection. Which
of them are written depends on version, level and method. So the messages of an address and a user within a while are
counted by their kind, and the kind that was seen most often is believed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Optional, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.messages import Sign

#: After so long without a message the next one begins anew.
QUIET_SECONDS = 600.0
LONGEST_SECONDS = 3600.0
MAX_OPEN = 10_000
_MAX_USERS = 256
#: The messages that say that a password or a code was tried.
_GUESSES = ("tried", "pam", "pam_error", "sudo", "su", "login")


#: Service, address and, where there is none, user or process.
_Key = tuple[str, Optional[str], Union[int, str, None]]


class Attempts(NamedTuple):
    """Attempts that failed, of one user from one address.

    :ivar guesses: those with something that can be guessed, which a key is not.
    :ivar exists: false when there is no such user; None when nobody said.
    """

    service: str
    address: str | None
    user: str | None
    exists: bool | None
    failed: int
    guesses: int
    first: float
    last: float


class _Visit:
    """What was seen of one address for a while."""

    def __init__(self, at: float) -> None:
        self.first = self.last = at
        self.users: dict[str | None, Counter[str]] = {}
        self.exists: dict[str | None, bool | None] = {}

    def see(self, sign: Sign, at: float) -> None:
        self.first, self.last = min(self.first, at), max(self.last, at)
        self.users.setdefault(sign.user, Counter())[sign.witness] += sign.times
        if sign.exists is not None:
            self.exists[sign.user] = sign.exists

    def attempts(self, service: str, address: str | None) -> Iterator[Attempts]:
        # PAM does not name users that do not exist; their attempts were told by sshd already, as far as it did.
        unnamed = self.users.get(None)
        told = sum(_most(seen) for user, seen in self.users.items() if user is not None and self.exists.get(user) is not True)
        for user, seen in self.users.items():
            count, guesses = _most(seen), max(seen[name] for name in _GUESSES)
            if seen is unnamed:
                count, guesses = max(0, count - told), max(0, guesses - told)
            if count:
                yield Attempts(service, address, user, self.exists.get(user), count, guesses, self.first, self.last)


def _most(seen: Counter[str]) -> int:
    return max(*seen.values(), seen["tried"] + seen["key"])


class AttemptCounter:
    """Takes signs in the order of time and hands over attempts when their visit has ended.

    :param hand_over: gets each lot of attempts once.
    """

    def __init__(self, hand_over: Callable[[Attempts], None]) -> None:
        self._hand_over = hand_over
        #: By service, address and, where there is none, user or process; in the order of their last message. The first of a
        #: plain dict is found slowly after many were taken out.
        self._visits: OrderedDict[_Key, _Visit] = OrderedDict()
        #: The visits in which a user was tried, since each login asks for those of its user.
        self._of_user: dict[str | None, dict[_Key, None]] = {}

    def see(self, sign: Sign, at: float, process: int) -> None:
        """Count a sign of a failure; :param at: seconds since 1970."""
        # The lines of one attempt may come from several processes: PAM runs in a child of sshd, su logs in two of them.
        key = (sign.service, sign.address, None if sign.address else sign.user or process)
        visit = self._visits.pop(key, None)
        if visit and (
            at - visit.last > QUIET_SECONDS or at - visit.first > LONGEST_SECONDS or len(visit.users) >= _MAX_USERS
        ):
            self._end(key, visit)
            visit = None
        visit = visit or _Visit(at)
        visit.see(sign, at)
        self._visits[key] = visit
        self._of_user.setdefault(sign.user, {})[key] = None
        while len(self._visits) > MAX_OPEN or self._is_over(at):
            self._end(*self._visits.popitem(last=False))

    def pending_for(self, user: str) -> Iterator[Attempts]:
        """Yield the attempts for one user in visits that have not ended; they will be handed over later."""
        for key in self._of_user.get(user, ()):
            yield from (one for one in self._visits[key].attempts(key[0], key[1]) if one.user == user)

    def pending_from(self, address: str, services: Iterable[str]) -> Iterator[Attempts]:
        """Yield those from one address."""
        for service in services:
            visit = self._visits.get((service, address, None))
            if visit:
                yield from visit.attempts(service, address)

    def finish(self) -> None:
        """Hand over what is left."""
        while self._visits:
            self._end(*self._visits.popitem(last=False))

    def _is_over(self, at: float) -> bool:
        return at - next(iter(self._visits.values())).last > QUIET_SECONDS

    def _end(self, key: _Key, visit: _Visit) -> None:
        for user in visit.users:
            visits = self._of_user[user]
            del visits[key]
            if not visits:
                del self._of_user[user]
        for attempts in visit.attempts(key[0], key[1]):
            self._hand_over(attempts)
