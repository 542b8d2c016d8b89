# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes that were answered, families of agents, and countries that no day before has seen.

They are made of what was counted anyway, at the end: nothing is looked at line by line for them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.agent_families import agent_families
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import NOT_HTTP, OTHER_LOGINS, OTHERS
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import shown
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.seen_things import KEPT, Known, Seen, Span, mark
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.shares import percent
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally

#: With fewer days before this one nothing is compared: what comes once a week is no news.
MIN_DAYS = 7
#: The fields that tell each kind, and the word for one of it.
_FIELDS = {"routes": ("request", "path"), "agents": ("agent",), "countries": ("country",)}
SINGULAR = {"routes": "route", "agents": "agent", "countries": "country"}
#: Something is there: it was sent, has not changed, or the protocol was switched.
_ANSWERED = ("101", "304")
#: ISO 3166, and what Cloudflare calls Tor; the other two say that nobody knows.
_COUNTRY = re.compile(r"[A-Z]{2,3}|T1", re.ASCII)
_NOWHERE = ("XX", "ZZ")


class Things(NamedTuple):
    """The things of a kind.

    :ivar counts: requests by name.
    :ivar not_kept: requests of things whose names were let go of, since there were too many.
    """

    counts: Mapping[str, int]
    not_kept: int


def things_of(tally: Tally, fields: set[str]) -> dict[str, Things]:
    """Return the things of each kind that the lines tell.

    :param tally: settled.
    :param fields: what they tell.
    """
    made = {"routes": _routes, "agents": _agents, "countries": _countries}
    return {kind: make(tally) for kind, make in made.items() if fields.intersection(_FIELDS[kind])}


def _routes(tally: Tally) -> Things:
    counts = {}
    for route, statuses in tally.routes.items():
        answered = sum(number for status, number in statuses.items() if status[0] == "2" or status in _ANSWERED)
        if answered and route not in (OTHERS, OTHER_LOGINS, NOT_HTTP):
            counts[route] = answered
    return Things(counts, sum(sum(tally.routes[route].values()) for route in (OTHERS, OTHER_LOGINS) if route in tally.routes))


def _agents(tally: Tally) -> Things:
    return Things(agent_families(tally.agents.counts), tally.agents.folded)


def _countries(tally: Tally) -> Things:
    counts: Counter[str] = Counter()
    for text, number in tally.countries.counts.items():
        country = text.upper()
        if _COUNTRY.fullmatch(country) and country not in _NOWHERE:
            counts[country] += number
    return Things(counts, tally.countries.folded)


def seen_of(things: Mapping[str, Things], day: int, *, is_whole: bool) -> dict[str, Known]:
    """Return what a run has seen as it is remembered, of each kind those with most requests.

    :param day: the number of the day.
    :param is_whole: whether all of the log could be read: what is missing may be what is usual, so that the day counts for no baseline.
    """
    answer = {}
    for kind, found in things.items():
        most = sorted(found.counts.items(), key=_most_first)[: KEPT[kind]]
        answer[kind] = Known({day} if is_whole else set(), {mark(name): Span(day, day) for name, _number in most})
    return answer


def new_figures(
    things: Mapping[str, Things], past: Seen, day: int, limits: Mapping[str, float], *, requests: int, top: int
) -> dict[str, Any]:
    """Return what is new of each kind that the lines tell.

    :param past: what the days before have seen.
    :param day: the number of the day.
    :param requests: of the whole group.
    """
    return {kind: _new(kind, found, past.get(kind, Known()), day, limits, requests, top) for kind, found in things.items()}


def _new(kind: str, found: Things, known: Known, day: int, limits: Mapping[str, float], requests: int, top: int) -> dict[str, Any]:
    days = known.days_before(day)
    rows: list[dict[str, Any]] = []
    if days >= MIN_DAYS:
        least = max(limits["new_min_requests"], 0.0 if kind == "routes" else limits["new_min_percent"] / 100.0 * requests)
        new = [(name, number) for name, number in found.counts.items() if number >= least and not known.has_before(name, day)]
        rows = [
            {SINGULAR[kind]: shown(name), "requests": number, "share_percent": percent(number, requests)}
            for name, number in sorted(new, key=_most_first)
        ]
    return {
        "baseline_days": days,
        "compared": len(found.counts) if days >= MIN_DAYS else 0,
        "requests_not_kept": found.not_kept,
        "number": len(rows),
        "newest": rows[:top],
    }


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
