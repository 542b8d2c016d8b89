# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``auth_failures``, read and refused in words."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.tally import Network
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

#: What has a threshold of each severity, by the part of the names of the options.
LEVELS = ("failures", "per_address", "per_subnet", "per_user", "sudo")
_RANGES: dict[str, tuple[float, float]] = {
    "since_hours": (0.1, 24 * 400), "timeout_seconds": (0.1, 3600), "max_bytes": (65536, 2**40), "top_users": (0, 1000),
    "top_addresses": (0, 1000), "success_after": (0, 10**9), "success_after_user": (0, 10**9),
    **{f"{severity}_{level}": (0, 10**12) for level in LEVELS for severity in ("warning", "critical")},
}
#: A clock may be wrong by years; further ahead is no calendar that the dates of a log can be compared with.
_MOST_AHEAD_SECONDS = 100 * 366 * 86_400


@dataclass(frozen=True)
class Window:
    """The time that is looked at, in seconds since 1970, both ends included."""

    since: float
    until: float


def read_window(params: Mapping[str, Any], now: datetime) -> Window:
    """Return the window.

    :raises UpkeepError: when a time is none, or the window ends before it begins.
    """
    until = _moment(params, "until") or now.timestamp()
    since = _moment(params, "since") or until - params["since_hours"] * 3600
    if until > now.timestamp() + _MOST_AHEAD_SECONDS:
        raise UpkeepError(f"until: {plain(params['until'], 60)!r} is years ahead; give a window of what was written")
    if since >= until:
        raise UpkeepError("since is not before until; give a window that begins before it ends")
    return Window(since, until)


def read_networks(texts: list[str]) -> list[Network]:
    """Return networks and single addresses.

    :raises UpkeepError: naming the one that is neither.
    """
    networks = []
    for index, text in enumerate(texts):
        try:
            networks.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise UpkeepError(f"allow[{index}]: {plain(text, 60)!r} is no address and no network such as 192.0.2.0/24") from None
    return networks


def refuse_wrong(params: Mapping[str, Any]) -> None:
    """Raise unless the numbers and paths can be meant.

    :raises UpkeepError: naming the option.
    """
    refuse_out_of_range(params, _RANGES)
    for level in LEVELS:
        warning, critical = params[f"warning_{level}"], params[f"critical_{level}"]
        if warning and critical and warning > critical:
            raise UpkeepError(f"warning_{level} is {warning}, above critical_{level}, which is {critical}")
    for path in params["paths"] or []:
        if not path.startswith("/"):
            raise UpkeepError(f"paths: {plain(path, 100)!r} is not accepted; give absolute paths")


def _moment(params: Mapping[str, Any], name: str) -> float | None:
    if not params[name]:
        return None
    try:
        return from_iso(params[name]).timestamp()
    except ValueError:
        raise UpkeepError(
            f"{name}: {plain(params[name], 60)!r} is no time with its zone, such as 2026-11-22T05:00:00Z"
        ) from None
