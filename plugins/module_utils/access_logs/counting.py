# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of a log counted: those of the window, by whole columns, since a step for each line would cost several times as much."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, repeat

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.clients import Clients, Network
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.durations import (
    NONE,
    SCALES,
    SECONDS_SCALE,
    DurationClasses,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import LoginRoutes
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.moments import Moments
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import EXCLUDED, Agents, Routes
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import Rows, Unparsed, sample_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import UPGRADED, USUAL, Tally

_STEP_BACK_SECONDS = 300
_LIMITS = ("limit", "limit_connections")


@dataclass(frozen=True)
class Selection:
    """Which requests count, and whose they are.

    :ivar since: the first second since the epoch that counts; ``until`` is the first that does not.
    :ivar excluded_routes: patterns of paths that do not count; ``excluded_agents`` those of user agents.
    :ivar logins: which routes are those on which somebody logs in.
    """

    since: int
    until: int
    trusted_proxies: tuple[Network, ...] = ()
    excluded_routes: tuple[str, ...] = ()
    excluded_agents: tuple[str, ...] = ()
    logins: re.Pattern[str] | None = None


class Counting:
    """Counts the rows of one group.

    :param duration_variable: the variable that tells how long a request took, or ''.
    """

    def __init__(self, selection: Selection, duration_variable: str = "") -> None:
        self.tally = Tally(selection.logins)
        self._selection = selection
        self._moments = Moments()
        self._routes = Routes(selection.excluded_routes)
        self._agents = Agents(selection.excluded_agents)
        self._clients = Clients(selection.trusted_proxies)
        self._logins = LoginRoutes(selection.logins) if selection.logins is not None else None
        self._durations = DurationClasses(SCALES.get(duration_variable, SECONDS_SCALE))
        self._upstream = DurationClasses()
        self._last: int | None = None

    def begin_part(self) -> None:
        """Say that the next rows do not follow those before."""
        self._last = None

    def add(self, rows: Rows, *, follows: bool = True) -> None:
        """Count the rows that count, in the order of the log.

        :param follows: whether they follow those before; otherwise they were picked out from among them.
        """
        texts = Counter(rows.columns["time"])
        moments = self._moments.read(texts, rows.zone)
        selection = self._selection
        whole = [moment for moment in moments.values() if moment is not None]
        if follows:
            self._look_for_steps(whole)
        if whole:
            self.tally.note_earliest(min(whole))
        if len(whole) < len(moments):
            bad = [moments[text] is None for text in rows.columns["time"]]
            first = next(compress(rows.columns["time"], bad))
            self.tally.note_unparsed(Unparsed(sum(bad), sample_of(f"{first}{rows.zone}")))
            rows = rows.select([not is_bad for is_bad in bad])
        if whole and (min(whole) < selection.since or max(whole) >= selection.until):
            inside = {
                text for text, moment in moments.items() if moment is not None and selection.since <= moment < selection.until
            }
            mask = [text in inside for text in rows.columns["time"]]
            self.tally.outside += rows.lines - sum(mask)
            rows = rows.select(mask)
        if rows.lines:
            self._count(rows, moments, texts if rows.lines == sum(texts.values()) else None)

    def _look_for_steps(self, moments: Iterable[int]) -> None:
        last = self._last
        for moment in moments:
            if last is not None and moment < last - _STEP_BACK_SECONDS:
                self.tally.steps_back += 1
            last = moment
        self._last = last

    def _count(self, rows: Rows, moments: dict[str, int | None], texts: Counter[str] | None) -> None:
        requests = _requests(rows)
        routes = list(map(self._routes.__getitem__, requests)) if requests else ["-"] * rows.lines
        agents = rows.columns.get("agent")
        if self._selection.excluded_routes or self._selection.excluded_agents:
            mask = [route != EXCLUDED for route in routes]
            if agents and self._selection.excluded_agents:
                mask = [kept and counts for kept, counts in zip(mask, map(self._agents.__getitem__, agents))]
            if not all(mask):
                self.tally.excluded += rows.lines - sum(mask)
                rows, requests, routes = rows.select(mask), list(compress(requests, mask)), list(compress(routes, mask))
                agents, texts = rows.columns.get("agent"), None
        columns, tally = rows.columns, self.tally
        tally.requests += rows.lines
        statuses = columns["status"]
        clients = self._who(columns)
        if clients:
            tally.clients.add(clients)
        classes = self._classes(columns)
        unusual = [status != USUAL for status in statuses]
        statuses = list(compress(statuses, unusual))
        upgraded = [status == UPGRADED for status in statuses]
        tally.note_requests(
            routes,
            classes,
            unusual=zip(compress(routes, unusual), statuses),
            upgraded=compress(zip(compress(routes, unusual), compress(classes, unusual)), upgraded),
        )
        self._count_refused(list(compress(clients, unusual)), compress(requests or routes, unusual), statuses)
        if self._logins is not None and clients:
            tally.login_clients.add(self._logins.refused(compress(clients, unusual), compress(routes, unusual), statuses))
        self._count_failed(compress(columns["time"], unusual), statuses, moments)
        if agents:
            tally.agents.add(agents)
        self._count_moments(texts or Counter(columns["time"]), moments, clients)
        self._count_others(columns)

    def _classes(self, columns: dict[str, list[str]]) -> list[int]:
        if "seconds" in columns:
            return list(map(self._durations.__getitem__, columns["seconds"]))
        if "upstream_seconds" in columns:
            return list(map(self._upstream.__getitem__, columns["upstream_seconds"]))
        return [NONE] * len(columns["status"])

    def _who(self, columns: dict[str, list[str]]) -> list[str]:
        clients = columns.get("client", [])
        if clients and self._selection.trusted_proxies and "forwarded" in columns:
            return list(map(self._clients.__getitem__, zip(clients, columns["forwarded"])))
        return clients

    def _count_moments(self, texts: Counter[str], moments: dict[str, int | None], clients: Sequence[str]) -> None:
        """Count the requests of each second, and the clients of each minute, of which a log has one after the other."""
        seconds: Counter[int] = Counter()
        begin = position = 0
        minute = -1
        for text, number in texts.items():
            second = moments[text] or 0
            seconds[second] += number
            if second // 60 != minute:
                if clients and position > begin:
                    self.tally.note_clients(minute, clients[begin:position])
                begin, minute = position, second // 60
            position += number
        if clients and position > begin:
            self.tally.note_clients(minute, clients[begin:position])
        self.tally.note_seconds(seconds)

    def _count_refused(self, clients: Sequence[str], requests: Iterable[str], statuses: Sequence[str]) -> None:
        """Count what was refused to each client.

        :param requests: of the rows, with their ``statuses``; ``clients`` is empty when nobody is known.
        """
        different = set(statuses)
        if "429" in different:
            self.tally.limited.add(compress(clients, [status == "429" for status in statuses]))
        refused = {status for status in different if status[0] == "4" and status not in ("429", "499")}
        if not refused:
            return
        mask = list(map(refused.__contains__, statuses))
        paths: dict[str, list[int]] = {}
        for client, request in zip(compress(clients, mask), compress(requests, mask)):
            paths.setdefault(client, []).append(hash(request))
        for client, hashes in paths.items():
            self.tally.note_refused(client, len(hashes), set(hashes))

    def _count_failed(self, texts: Iterable[str], statuses: Sequence[str], moments: dict[str, int | None]) -> None:
        """Count what failed in each hour.

        :param texts: the times of rows, with their ``statuses``.
        """
        failed = {status for status in set(statuses) if status[0] == "5"}
        if failed:
            for text, number in Counter(compress(texts, map(failed.__contains__, statuses))).items():
                self.tally.failed[(moments[text] or 0) // 3600] += number

    def _count_others(self, columns: dict[str, list[str]]) -> None:
        tally = self.tally
        if "bytes" in columns:
            tally.bytes += _sum(columns["bytes"])
        if "seconds" in columns and "upstream_seconds" in columns:
            tally.upstream.update(map(self._upstream.__getitem__, columns["upstream_seconds"]))
        for field, counter in (
            ("cache", tally.cache),
            ("host", tally.hosts),
            ("country", tally.countries),
            *((name, tally.limit_statuses) for name in _LIMITS),
        ):
            if field in columns:
                counter.add(columns[field])


def _requests(rows: Rows) -> list[str]:
    """Return method and path of each row, without its query; nothing when the format does not tell them."""
    columns = rows.columns
    if "request" in columns:
        return [request.partition("?")[0] if "?" in request else request for request in columns["request"]]
    if "path" not in columns:
        return []
    methods: Iterable[str] = columns.get("method") or repeat("ANY")
    return [f"{method} {path.partition('?')[0]}" for method, path in zip(methods, columns["path"])]


def _sum(texts: Sequence[str]) -> int:
    """Return the sum of numbers of bytes; what is none, such as ``-``, counts as none."""
    try:
        return sum(map(int, texts))
    except ValueError:
        return sum(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 20)
