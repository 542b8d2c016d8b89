# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen in the logs of a group on the days before: routes, families of agents, countries.

Only hashes of names are kept. They say whether something was seen, take as much room whatever somebody wrote into a request, and
do not tell what stood in a path. Days are numbers (:meth:`datetime.date.toordinal`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

#: How many of each kind are kept of a group.
KEPT = {"routes": 2000, "agents": 500, "countries": 300}
#: What was not seen on so many days on which somebody looked is forgotten. A host that was off for long forgets nothing.
MAX_DAYS = 60

_MARK = re.compile(r"[0-9a-f]{16}", re.ASCII)
_LAST_DAY = date.max.toordinal()


class Span(NamedTuple):
    """The first and the last day on which something was seen."""

    first: int
    last: int


@dataclass
class Known:
    """The things of one kind.

    :ivar days: on which all of a log could be read.
    :ivar things: when they were seen, by their :func:`mark`.
    """

    days: set[int] = field(default_factory=set)
    things: dict[str, Span] = field(default_factory=dict)

    def days_before(self, day: int) -> int:
        """Return on how many days before one somebody looked."""
        return sum(other < day for other in self.days)

    def has_before(self, name: str, day: int) -> bool:
        """Tell whether something was seen before a day; what that day itself has seen is new for the rest of it."""
        span = self.things.get(mark(name))
        return span is not None and span.first < day


Seen = Mapping[str, Known]


def mark(name: str) -> str:
    """Return by what the name of a thing is known."""
    return hashlib.sha256(name.encode("latin-1", "backslashreplace")).hexdigest()[:16]


def add_seen(before: Seen, now: Seen) -> dict[str, Known]:
    """Return all of both, bounded. To add the same once more changes nothing."""
    answer = {}
    for kind, most in KEPT.items():
        old, new = before.get(kind, Known()), now.get(kind, Known())
        things = dict(old.things)
        for name, span in new.things.items():
            # The later run knows better what day it is: a clock that was ahead once does not keep things for ever.
            things[name] = Span(min(span.first, things.get(name, span).first), span.last)
        days = set(sorted(old.days | new.days)[-MAX_DAYS:])
        if len(days) == MAX_DAYS:
            oldest = min(days)
            things = {name: span for name, span in things.items() if span.last >= oldest}
        if len(things) > most:
            # What came and went within a day, such as names that somebody makes up, goes before what has been there for long.
            ranked = sorted(things.items(), key=lambda item: (item[1].first - item[1].last, -item[1].last, item[0]))
            things = dict(ranked[:most])
        if days or things:
            answer[kind] = Known(days, things)
    return answer


def seen_record(seen: Seen) -> dict[str, Any]:
    """Return it as it is kept."""
    return {
        kind: {"days": sorted(known.days), "things": {name: list(span) for name, span in sorted(known.things.items())}}
        for kind, known in seen.items()
    }


def read_seen(record: Any) -> dict[str, Known]:
    """Return what was kept, without what makes no sense."""
    found = {}
    for kind in KEPT:
        given = record.get(kind) if isinstance(record, dict) else None
        if not isinstance(given, dict):
            continue
        days, things = given.get("days"), given.get("things")
        found[kind] = Known(
            {day for day in (days if isinstance(days, list) else ()) if _is_day(day)},
            {
                name: Span(*span)
                for name, span in (things.items() if isinstance(things, dict) else ())
                if _MARK.fullmatch(name) and isinstance(span, list) and len(span) == 2 and all(map(_is_day, span)) and span[0] <= span[1]
            },
        )
    return found


def _is_day(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LAST_DAY
