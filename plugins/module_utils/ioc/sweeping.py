# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the sweep for indicators, from options to results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accounts import Account, read_accounts
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    check_result,
    fold_ok,
    worst_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.examining import Examination
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import read_line
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import find_roots, refuse_wrong_paths
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.walking import Walk
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import (
    ADDRESS,
    DOMAIN,
    PATH,
    SCHEDULE,
    SHA256,
    USER,
    Indicator,
    read_indicators,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.logs import Unread, Words, search_log
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.sources import remote_addresses, scheduled_texts
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

FOUND, SCANNED = "ioc.found", "ioc.scanned"
MAX_PLACES = 20
_MAX_UNREAD_ROWS = 50
_RANGES = {"workers": (1, 8), "max_log_bytes": (1024, 2**40)}
_HINT = "Isolate the host, and keep it running for the evidence: upkeep.runbook.security_incident --tags isolate"


@dataclass
class Sweep:
    """What was found and what could not be looked at.

    :ivar places: where each indicator was found; bounded.
    :ivar hits: how often, exactly.
    :ivar scanned: how much of each source was looked at.
    """

    indicators: list[Indicator]
    places: dict[Indicator, list[str]] = field(default_factory=dict)
    hits: dict[Indicator, int] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)
    scanned: dict[str, int] = field(default_factory=dict)

    def of(self, *types: str) -> list[Indicator]:
        """Return the indicators of some types."""
        return [indicator for indicator in self.indicators if indicator.type in types]

    def found(self, indicator: Indicator, place: str, count: int = 1) -> None:
        """Note that one was found."""
        self.hits[indicator] = self.hits.get(indicator, 0) + count
        places = self.places.setdefault(indicator, [])
        if len(places) < MAX_PLACES:
            places.append(plain(place, 500))

    def saw(self, source: str, count: int) -> None:
        """Note how much of a source was looked at."""
        self.scanned[source] = self.scanned.get(source, 0) + count


def sweep_host(params: Mapping[str, Any], *, host: Host | None = None) -> dict[str, Any]:
    """Return what the module returns, but for ``changed``.

    :param params: the options of the module ``ioc_scan``.
    :param host: another one than this, for connections, accounts and schedules; for tests.
    :raises UpkeepError: when an option is not accepted.
    """
    refuse_out_of_range(params, _RANGES)
    for name in ("hash_paths", "logs"):
        if params[name]:
            try:
                refuse_wrong_paths(params[name])
            except UpkeepError as exc:
                raise UpkeepError(exc.message.replace("paths[", f"{name}[", 1)) from exc
    sweep = Sweep(read_indicators(params["indicators"]))
    here = host or Host()
    accounts = _accounts(here, sweep)
    looks: tuple[tuple[tuple[str, ...], Callable[[], None]], ...] = (
        ((PATH,), lambda: _look_at_paths(sweep)),
        ((SHA256,), lambda: _look_at_files(sweep, params)),
        ((ADDRESS,), lambda: _look_at_connections(sweep, here)),
        ((ADDRESS, DOMAIN), lambda: _look_at_logs(sweep, params)),
        ((USER,), lambda: _look_at_accounts(sweep, accounts)),
        ((SCHEDULE,), lambda: _look_at_schedules(sweep, here, [account.home for account in accounts])),
    )
    for types, look in looks:
        if sweep.of(*types):
            look()
    rows = _rows(sweep)
    return {
        "status": worst_of(rows),
        "checks": fold_ok(rows, return_all=params["return_all"]),
        "found": [
            {"type": one.type, "value": plain(one.value, 500), "count": sweep.hits[one], "places": sweep.places[one]}
            for one in sweep.indicators if one in sweep.hits
        ],
        "totals": {"indicators": len(sweep.indicators), "found": len(sweep.hits), "unread": len(sweep.unread), **sweep.scanned},
    }


def _accounts(host: Host, sweep: Sweep) -> list[Account]:
    if not sweep.of(USER, SCHEDULE):
        return []
    try:
        return read_accounts(host.read("/etc/passwd")[0])[0]
    except Absent:
        sweep.unread.append(("/etc/passwd", "does not exist"))
    except Unseen as exc:
        sweep.unread.append(("/etc/passwd", str(exc)))
    return []


def _look_at_paths(sweep: Sweep) -> None:
    for indicator in sweep.of(PATH):
        roots, gaps = find_roots([indicator.value])
        for root in roots:
            sweep.found(indicator, root.path)
        # What is not there is good news; a folder that could not be listed is none.
        sweep.unread += [(gap.subject, gap.reason) for gap in gaps if gap.reason.startswith("could not be")]
        sweep.saw("paths", 1)


def _look_at_files(sweep: Sweep, params: Mapping[str, Any]) -> None:
    if not params["hash_paths"]:
        sweep.unread.append(("hash_paths", "names no folder in which to look for checksums"))
        return
    wanted = {indicator.value: indicator for indicator in sweep.of(SHA256)}
    roots, gaps = find_roots(params["hash_paths"])
    exclusions = Exclusions(params["exclude"]) if params["exclude"] else None
    walk = Walk(roots, exclusions, one_file_system=params["one_file_system"], with_status=False)
    examination = Examination(walk, iter(()), workers=params["workers"], trust_before=None, capabilities=False)
    for _before, line, problem in examination:
        record = read_line(line) if line else None
        if problem:
            sweep.unread.append((record.path if record is not None else "a file", problem))
        elif record is not None and record.sha256 in wanted:
            sweep.found(wanted[record.sha256], record.path)
    sweep.unread += [(gap.subject, gap.reason) for gap in gaps + walk.gaps]
    sweep.saw("files_hashed", examination.effort.hashed)


def _look_at_connections(sweep: Sweep, host: Host) -> None:
    connected, unread = remote_addresses(host)
    sweep.unread += unread
    sweep.saw("connections", sum(connected.values()))
    for indicator in sweep.of(ADDRESS):
        if indicator.value in connected:
            sweep.found(indicator, f"{connected[indicator.value]} connections now", connected[indicator.value])


def _look_at_logs(sweep: Sweep, params: Mapping[str, Any]) -> None:
    if not params["logs"]:
        if sweep.of(DOMAIN):
            sweep.unread.append(("logs", "names no log in which to look for domains"))
        return
    words = Words(sweep.of(ADDRESS, DOMAIN))
    roots, gaps = find_roots(params["logs"])
    sweep.unread += [(gap.subject, gap.reason) for gap in gaps]
    for root in roots:
        if os.path.isdir(root.path):
            sweep.unread.append((root.path, "is a folder; name its logs, such as with a wildcard"))
            continue
        try:
            counts, size = search_log(root.path, words, max_bytes=params["max_log_bytes"])
        except Unread as exc:
            sweep.unread.append((root.path, str(exc)))
            counts, size = exc.counts, 0
        sweep.saw("logs", 1)
        sweep.saw("log_bytes", size)
        for indicator, count in counts.items():
            sweep.found(indicator, f"{root.path} ({count} times)", count)


def _look_at_accounts(sweep: Sweep, accounts: list[Account]) -> None:
    names = {account.name: account for account in accounts}
    sweep.saw("accounts", len(accounts))
    for indicator in sweep.of(USER):
        if indicator.value in names:
            account = names[indicator.value]
            sweep.found(indicator, f"/etc/passwd (number {account.uid}, shell {account.shell})")


def _look_at_schedules(sweep: Sweep, host: Host, homes: list[str]) -> None:
    texts, unread = scheduled_texts(host, homes)
    sweep.unread += unread
    sweep.saw("schedules", len(texts))
    for path, text in texts:
        for indicator in sweep.of(SCHEDULE):
            if indicator.value in text:
                sweep.found(indicator, path)


def _rows(sweep: Sweep) -> list[dict[str, Any]]:
    rows = []
    for indicator in sweep.indicators:
        count = sweep.hits.get(indicator, 0)
        if not count:
            rows.append(check_result(FOUND, indicator.subject, OK, f"{indicator.subject} was not found.", value=0, unit="count"))
            continue
        places = sweep.places[indicator]
        rows.append(check_result(
            FOUND, indicator.subject, CRITICAL, f"{indicator.subject} was found {count} times, such as: {places[0]}.", value=count,
            unit="count", hint=_HINT, evidence={"places": places},
        ))  # fmt: skip
    rows += [
        check_result(SCANNED, place, UNKNOWN, f"{place} {reason}.", hint="Run the task with become: true, or correct the option.")
        for place, reason in sweep.unread[:_MAX_UNREAD_ROWS]
    ]
    if len(sweep.unread) > _MAX_UNREAD_ROWS:
        more = len(sweep.unread) - _MAX_UNREAD_ROWS
        rows.append(check_result(SCANNED, "further places", UNKNOWN, f"{more} further places could not be looked at."))
    rows += [
        check_result(SCANNED, source, OK, f"{count} {source.replace('_', ' ')} were looked at.", value=count, unit="count")
        for source, count in sweep.scanned.items()
    ]
    return rows
