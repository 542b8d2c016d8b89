# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was counted in the logs of a group, in room that does not grow with them; two counts can be added up."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.busiest import Busiest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.distinct import Distinct
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.durations import NONE, add_classes
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import OTHER_LOGINS, OTHERS
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import Unparsed

#: A switch of protocols, such as to WebSocket: its line is written at the end of the connection, whose age is no latency.
UPGRADED = "101"
#: What most requests are answered with: it is told by what is left when the others are taken away.
USUAL = "200"
MINUTE_SKETCH = 64
CLIENT_SKETCH = 2048

_KEPT_ROUTES = 500
#: Rare routes are kept while all of them have no more classes of durations than these.
_MAX_FIGURES = 30_000
_KEPT_SCANNERS = 5_000
#: Different paths that are told apart for one client; more are not needed to call it a scanner.
MAX_PATHS = 40


class Tally:
    """The figures of a group.

    :param logins: which routes are those on which somebody logs in: they become no other ones however rare they are.

    :ivar requests: requests that count: in the window and not excluded.
    :ivar outside: lines before or after the window.
    :ivar first: the first second of the window with a request, ``last`` the last; ``earliest`` is that of any line.
    :ivar steps_back: how often the time of a line was more than five minutes before that of the line above it.
    :ivar hours: requests of each second, by the hour since the epoch; ``failed`` those of each hour that were answered with 5xx.
    :ivar minutes: the different clients of each minute since the epoch.
    :ivar routes: requests by route and status.
    :ivar latency: requests by route and class of their duration; that of upgrades is none.
    :ivar refused: by client, how often it got a 4xx other than 429, and hashes of the paths.
    :ivar login_clients: who was refused on a route on which somebody logs in.
    :ivar countries: requests by what the log says of their country.
    :ivar limits: lines of error logs by (kind, zone), and ``limit_clients`` by (zone, client).
    """

    def __init__(self, logins: re.Pattern[str] | None = None) -> None:
        self._logins = logins
        self.requests = self.bytes = self.outside = self.excluded = self.steps_back = 0
        self.unparsed, self.first_unparsed = 0, ""
        self.first: int | None = None
        self.earliest: int | None = None
        self.last: int | None = None
        self.hours: dict[int, array[int]] = {}
        self.failed: Counter[int] = Counter()
        self.minutes: dict[int, Distinct] = {}
        self.clients, self.agents, self.limited = Busiest(sketch=CLIENT_SKETCH), Busiest(2000), Busiest(2000)
        self.hosts, self.cache, self.limit_statuses = Busiest(500), Busiest(50), Busiest(50)
        self.limits, self.limit_clients = Busiest(500), Busiest(2000)
        self.login_clients, self.countries = Busiest(2000, sketch=CLIENT_SKETCH), Busiest(500)
        self.routes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.latency: defaultdict[str, defaultdict[int, int]] = defaultdict(_classes)
        self.upstream: Counter[int] = Counter()
        self.refused: dict[str, tuple[int, set[int]]] = {}

    def note_unparsed(self, unparsed: Unparsed) -> None:
        """Count lines that do not have the format, and keep the first of them."""
        self.unparsed += unparsed.lines
        self.first_unparsed = self.first_unparsed or unparsed.first

    def note_earliest(self, moment: int) -> None:
        """Note the time of a line, whether it counts or not: from there on the log tells everything."""
        self.earliest = _least(self.earliest, moment)

    def note_seconds(self, seconds: Mapping[int, int]) -> None:
        """Count requests by the second since the epoch."""
        for second, requests in seconds.items():
            hour = second // 3600
            if hour not in self.hours:
                self.hours[hour] = array("L", bytes(array("L").itemsize * 3600))
            self.hours[hour][second % 3600] += requests
        self.first = _least(self.first, *seconds)
        self.last = _greatest(self.last, *seconds)

    def note_clients(self, minute: int, clients: Iterable[str]) -> None:
        """Note who asked in a minute since the epoch."""
        self.minutes.setdefault(minute, Distinct(MINUTE_SKETCH)).add_hashes(set(map(hash, set(clients))))

    def note_requests(
        self,
        routes: Iterable[str],
        durations: Iterable[int],
        unusual: Iterable[tuple[str, str]] = (),
        upgraded: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Count requests. A step for each is cheaper here than to hash a pair for each.

        :param routes: of all of them, with the classes of their ``durations``.
        :param unusual: those of them that were not answered with :data:`USUAL`, each as (route, status).
        :param upgraded: those of them that were answered with :data:`UPGRADED`, each as (route, class of its duration).
        """
        for classes, duration in zip(map(self.latency.__getitem__, routes), durations):
            classes[duration] += 1
        for route, status in unusual:
            self.routes[route][status] += 1
        for route, duration in upgraded:
            self.latency[route][duration] -= 1
            self.latency[route][NONE] += 1
        if len(self.latency) > 2 * _KEPT_ROUTES and sum(map(len, self.latency.values())) > _MAX_FIGURES:
            self._fold_routes()

    def note_refused(self, client: str, requests: int, paths: set[int]) -> None:
        """Note that a client asked for what it did not get.

        :param paths: hashes of the paths.
        """
        before, known = self.refused.get(client, (0, set()))
        known.update(islice(paths, max(MAX_PATHS - len(known), 0)))
        self.refused[client] = (before + requests, known)
        if len(self.refused) > 2 * _KEPT_SCANNERS:
            busiest = sorted(self.refused.items(), key=lambda item: -item[1][0])[:_KEPT_SCANNERS]
            self.refused = dict(busiest)

    def settle(self) -> None:
        """Fold the rarest routes, and add what was answered with :data:`USUAL`, which is wanted before anything is read here."""
        if len(self.latency) > 2 * _KEPT_ROUTES:
            self._fold_routes()
        for route, classes in self.latency.items():
            statuses = self.routes[route]
            usual = sum(classes.values()) - sum(statuses.values())
            if usual:
                statuses[USUAL] += usual

    def merge(self, other: Tally) -> None:
        """Add the figures of another count of the same group."""
        for name in ("requests", "bytes", "outside", "excluded", "steps_back"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.note_unparsed(Unparsed(other.unparsed, other.first_unparsed))
        for name in (
            "clients", "agents", "limited", "hosts", "cache", "limit_statuses", "limits", "limit_clients", "login_clients", "countries",
        ):  # fmt: skip
            getattr(self, name).merge(getattr(other, name))
        self._merge_times(other)
        for route, statuses in other.routes.items():
            self.routes[route].update(statuses)
            add_classes(self.latency[route], other.latency[route].items())
        self.upstream.update(other.upstream)
        self.failed.update(other.failed)
        for client, (requests, paths) in other.refused.items():
            self.note_refused(client, requests, paths)
        self.settle()

    def _merge_times(self, other: Tally) -> None:
        for hour, seconds in other.hours.items():
            own = self.hours.get(hour)
            self.hours[hour] = array("L", map(sum, zip(own, seconds))) if own else seconds
        for minute, sketch in other.minutes.items():
            self.minutes.setdefault(minute, Distinct(MINUTE_SKETCH)).add_hashes(sketch.hashes)
        self.first = _least(self.first, other.first)
        self.earliest = _least(self.earliest, other.earliest)
        self.last = _greatest(self.last, other.last)

    def _fold_routes(self) -> None:
        """Let the rarest routes become one, and those of them on which somebody logs in another one."""
        totals = {route: sum(classes.values()) for route, classes in self.latency.items() if route not in (OTHERS, OTHER_LOGINS)}
        for route in sorted(totals, key=lambda name: -totals[name])[_KEPT_ROUTES:]:
            others = OTHER_LOGINS if self._logins is not None and self._logins.fullmatch(route) else OTHERS
            self.routes[others].update(self.routes.pop(route, {}))
            add_classes(self.latency[others], self.latency.pop(route).items())


def _classes() -> defaultdict[int, int]:
    return defaultdict(int)


def _least(*moments: int | None) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _greatest(*moments: int | None) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)
