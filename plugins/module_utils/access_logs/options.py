# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked about each group of access logs, and what it may not be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.clients import Network, read_networks
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import JSON, Format, read_format
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.json_rows import JsonReader, read_keys
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import AUTH_ROUTES, login_pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.remembering import OBJECTIVE_DAYS
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import Reader, TextReader
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

#: What a group may set for itself; what it leaves out comes from the options of the module. A limit of 0 is none.
DEFAULTS: dict[str, Any] = {
    "min_requests": 1,
    "min_sample": 100,
    "unparsed_warning_percent": 1.0,
    "unparsed_critical_percent": 20.0,
    "error_warning_percent": 1.0,
    "error_critical_percent": 5.0,
    "latency_warning_seconds": 2.0,
    "latency_critical_seconds": 10.0,
    "limited_warning_percent": 5.0,
    "limited_critical_percent": 25.0,
    "burst_warning_score": 10.0,
    "burst_critical_score": 0.0,
    "burst_min_requests": 300,
    "scanners_warning": 50,
    "scanners_critical": 0,
    "cache_warning_percent": 0.0,
    "cache_critical_percent": 0.0,
    "pattern_warning_score": 8.0,
    "new_warning": 1,
    "new_routes_warning": 0,
    "new_min_requests": 100,
    "new_min_percent": 1.0,
    "logins_warning_percent": 50.0,
    "logins_critical_percent": 90.0,
    "logins_min_refused": 50,
    "logins_client_warning": 50,
    "logins_client_critical": 0,
    "objective_percent": 0.0,
    "objective_days": 28,
    "budget_warning_percent": 75.0,
    "budget_critical_percent": 100.0,
    "burn_warning_times": 3.0,
    "burn_critical_times": 7.0,
}
_RANGES: dict[str, tuple[float, float]] = {
    **{name: (0, 100 if name.endswith("_percent") else 1_000_000_000) for name in DEFAULTS},
    "objective_percent": (0, 99.9999),
    "objective_days": (1, OBJECTIVE_DAYS),
}
MAX_HOURS = 24 * 31
#: Below it is a mistake, most likely a fraction.
_LEAST_OBJECTIVE_PERCENT = 50.0
_MAX_GROUPS = 200
_MAX_NAME = 200


@dataclass(frozen=True)
class Window:
    """The time that is looked at: from the first second on that counts to the first that does not."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Group:
    """Logs of one site or service, which are counted together.

    :ivar log_format: None for JSON.
    :ivar logins: which routes are those on which somebody logs in; None for none.
    :ivar limits: figures by the names in :data:`DEFAULTS`; 0 switches one off.
    """

    name: str
    paths: tuple[str, ...]
    error_paths: tuple[str, ...]
    log_format: Format | None
    keys: dict[str, tuple[tuple[str, ...], ...]]
    trusted_proxies: tuple[Network, ...]
    excluded_routes: tuple[str, ...]
    excluded_agents: tuple[str, ...]
    logins: re.Pattern[str] | None
    limits: dict[str, float]

    @property
    def duration_variable(self) -> str:
        """The variable that tells how long a request took; '' when it is not known."""
        return self.log_format.fields.get("seconds", "") if self.log_format else ""

    def reader(self) -> Reader:
        """Return what reads lines of this group."""
        return TextReader(self.log_format) if self.log_format else JsonReader(self.keys)


def read_window(params: Mapping[str, Any], *, now: datetime) -> Window:
    """Return the time that is looked at.

    :raises UpkeepError: when an end of it is no time, or it is empty, or too long.
    """
    until = min(_moment(params.get("until"), "until") or now, now)  # hours to come are not hours of silence
    hours = params["since_hours"]
    if not 0 < hours <= MAX_HOURS:
        raise UpkeepError(f"since_hours: {hours:g} is not accepted; give more than 0 and at most {MAX_HOURS} hours")
    since = _moment(params.get("since"), "since") or until - timedelta(hours=hours)
    if not timedelta(0) < until - since <= timedelta(hours=MAX_HOURS):
        raise UpkeepError(f"since and until: the time between them must be above 0 and at most {MAX_HOURS} hours")
    return Window(since.replace(microsecond=0), until.replace(microsecond=0))


def _moment(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return from_iso(text)
    except ValueError:
        raise UpkeepError(
            f"{name}: {text!r} is not accepted; give a time such as 2026-11-28T06:00:00Z, with Z or an offset"
        ) from None


def read_groups(params: Mapping[str, Any]) -> list[Group]:
    """Return the groups that the options of the module describe.

    :raises UpkeepError: naming the option, what was given and what is accepted.
    """
    shared = {
        name: params.get(name)
        for name in (*DEFAULTS, "format", "fields", "trusted_proxies", "exclude_routes", "exclude_agents", "auth_routes")
    }
    own: list[tuple[str, Mapping[str, Any]]] = []
    if params.get("paths") or params.get("error_paths"):
        own.append(("", {"paths": params.get("paths"), "error_paths": params.get("error_paths")}))
    own += [(f"groups[{number}].", group) for number, group in enumerate(params.get("groups") or [])]
    if not own:
        raise UpkeepError("no log is named; give paths or groups")
    if len(own) > _MAX_GROUPS:
        raise UpkeepError(f"groups: {len(own)} are not accepted; give at most {_MAX_GROUPS}")
    groups = [
        _group(place, {**shared, **{key: value for key, value in given.items() if value is not None}}) for place, given in own
    ]
    names: set[str] = set()
    for (place, _given), group in zip(own, groups):
        if group.name in names:
            raise UpkeepError(f"{place}name: {group.name!r} is the name of an earlier group; every group needs its own")
        names.add(group.name)
    return groups


def _group(place: str, given: Mapping[str, Any]) -> Group:
    paths, error_paths = (_paths(place, key, given.get(key)) for key in ("paths", "error_paths"))
    if not paths:
        raise UpkeepError(f"{place}paths is empty; give at least one path")
    limits = {name: DEFAULTS[name] if given.get(name) is None else given[name] for name in DEFAULTS}
    refuse_out_of_range(limits, _RANGES, place)
    if 0 < limits["objective_percent"] < _LEAST_OBJECTIVE_PERCENT:
        raise UpkeepError(
            f"{place}objective_percent: {limits['objective_percent']:g} is not accepted, since it lets most requests fail; "
            "give a share in percent, such as 99.9"
        )
    for name, warning in limits.items():
        critical = limits.get(name.replace("_warning", "_critical"), 0)
        if (
            "_warning" in name
            and warning
            and critical
            and (warning < critical if name.startswith("cache_") else warning > critical)
        ):
            other = name.replace("_warning", "_critical")
            raise UpkeepError(f"{place}{name} is {warning:g}, which is worse than {other}, {critical:g}; exchange them")
    text, keys = given.get("format") or "combined", given.get("fields") or {}
    if keys and text != JSON:
        raise UpkeepError(f"{place}fields is only for format json")
    return Group(
        given.get("name") or paths[0],
        paths,
        error_paths,
        None if text == JSON else read_format(text, f"{place}format"),
        read_keys(keys, f"{place}fields") if text == JSON else {},
        read_networks(given.get("trusted_proxies") or (), f"{place}trusted_proxies"),
        tuple(given.get("exclude_routes") or ()),
        tuple(given.get("exclude_agents") or ()),
        login_pattern(AUTH_ROUTES if given.get("auth_routes") is None else given["auth_routes"], f"{place}auth_routes"),
        limits,
    )


def _paths(place: str, key: str, paths: Any) -> tuple[str, ...]:
    for path in paths or ():
        if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise UpkeepError(f"{place}{key}: {path!r} is not accepted; give an absolute path without '..', wildcards allowed")
    return tuple(paths or ())
