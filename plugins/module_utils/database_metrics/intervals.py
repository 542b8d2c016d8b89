# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counters say of the time since an earlier look: differences that are never negative, whatever was reset meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LAST_LOOK = "the last look"
RESET = "the counters began anew"
SAMPLE = "the start of a sample"
#: Servers tell for how many whole seconds they have counted, which is none at first.
_WHOLE_SECOND = 1.0
#: By how much the start of one server may seem to differ between two looks: clocks drift, and seconds are whole.
_SAME_START_SECONDS = 60.0


@dataclass(frozen=True)
class Look:
    """Counters as one look found them.

    :ivar at: moment of the look, seconds since 1970.
    :ivar began: moment since which the server has counted, as far as it tells; 0 when it does not.
    :ivar started: moment at which the server started; 0 when it does not tell.
    :ivar counters: the counters by name; what the server did not tell is absent.
    :ivar alone: those of them that may be reset while the others go on; all others are reset together.
    """

    at: float
    began: float = 0.0
    started: float = 0.0
    counters: Mapping[str, float] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Interval:
    """What happened between two looks.

    :ivar seconds: how long it was.
    :ivar since: what it began with, for people.
    :ivar counts: how much each counter grew; absent when nobody can tell.
    """

    seconds: float
    since: str
    counts: Mapping[str, float] = field(default_factory=dict)

    def count(self, *names: str) -> float | None:
        """Return the sum of what some counters grew by; None when one of them is not known."""
        values = [self.counts.get(name) for name in names]
        return None if None in values else sum(value for value in values if value is not None)

    def rate(self, *names: str) -> float | None:
        """Return the sum per second; None when it is not known."""
        count = self.count(*names)
        return None if count is None or self.seconds <= 0 else count / self.seconds

    def share(self, part: str, *rest: str) -> float | None:
        """Return how much of the growth of all named counters is that of ``part``, in percent; None when nothing grew."""
        whole, own = self.count(part, *rest), self.count(part)
        return None if not whole or own is None else round(100.0 * own / whole, 1)


def comparable(before: Look, after: Look) -> bool:
    """Tell whether an earlier look knows each counter of a later one and was at the same server.

    A server that was up at the earlier look already and started at another moment than the one that was looked at then is another one
    under the same name, such as after a failover.
    """
    other = before.started and after.started and after.started <= before.at + 1 and abs(after.started - before.started) > _SAME_START_SECONDS
    return not other and after.counters.keys() <= before.counters.keys()


def interval_between(before: Look, after: Look, *, since: str = LAST_LOOK) -> Interval:
    """Return what happened between two looks at one server.

    A server that has counted anew since the earlier look has counted only what happened since then. That is taken when it says
    so, and also when a counter went back.
    """
    again = after.began > before.at + 1
    anew = {name for name, value in after.counters.items() if value < before.counters.get(name, 0.0)}
    reset = bool(anew - after.alone)
    if again or reset:
        anew |= after.counters.keys() if again else after.counters.keys() - after.alone
    counts = {
        name: value if name in anew else value - before.counters[name]
        for name, value in after.counters.items() if name in anew or name in before.counters
    }
    since_last = max(after.at - before.at, 0.0)
    if not again and not reset:
        return Interval(since_last, since, counts)
    # When it does not tell the moment, all that is known is that it was after the earlier look.
    began = max(before.at, after.began, 0.0 if again else after.started)
    return Interval(max(after.at - began, min(_WHOLE_SECOND, since_last)), RESET, counts)
