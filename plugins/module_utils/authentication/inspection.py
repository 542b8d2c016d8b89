# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``auth_failures`` returns: checks, and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.judging import judge
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.options import (
    read_networks,
    read_window,
    refuse_wrong,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.sources import Source, read_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.tally import Figures, Table, Tally
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_MAX_NAME = 100
_MAX_LISTED = 100


def inspect_logins(params: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return what the module returns, but for ``changed``.

    :param params: the options of the module.
    :raises UpkeepError: when an option is wrong.
    """
    refuse_wrong(params)
    window = read_window(params, now)
    tally = Tally(
        read_networks(params["allow"]), success_after=params["success_after"], success_after_user=params["success_after_user"]
    )
    sources = read_sources(params, window, tally)
    tally.finish()
    checks = judge(tally, sources, params)
    addresses = _top(tally.addresses, params["top_addresses"], "address", "users")
    for row in addresses:
        row["allowed"] = tally.is_allowed(row["address"])
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "window": {"since": _iso(window.since), "until": _iso(window.until)},
        "sources": [_source(source) for source in sources],
        "addresses": addresses,
        "subnets": _top(tally.subnets, params["top_addresses"], "subnet", "addresses"),
        "users": _top(tally.users, params["top_users"], "user", "addresses"),
        "local": _top(tally.local, params["top_users"], "user", ""),
        "logins": _logins(tally),
        "successes_after_failures": [
            {
                "user": plain(one.user, _MAX_NAME), "address": one.address and plain(one.address, _MAX_NAME), "by": one.by,
                "method": one.method and plain(one.method, _MAX_NAME), "failures": one.failures, "logins": one.logins,
                "first": _iso(one.first), "last": _iso(one.last),
            }
            for one in list(tally.guessed.values())[:_MAX_LISTED]
        ],
        "totals": _totals(tally),
    }


def _totals(tally: Tally) -> dict[str, Any]:
    tables = {"addresses": tally.addresses, "subnets": tally.subnets, "users": tally.users}
    return {
        "failures": tally.failures, "accepted": tally.accepted, "sudo_commands": tally.commands, "refused": tally.refused,
        "by_service": {plain(name, 64): count for name, count in sorted(tally.services.items())},
        **{name: len(table.rows) + table.folded_keys for name, table in tables.items()},
        "folded": {name: {"count": table.folded_keys, "failures": table.folded_failures} for name, table in tables.items()},
        "logins_not_listed": tally.logins_folded + sum(row[0] for row in list(tally.logins.values())[_MAX_LISTED:]),
    }


def _top(table: Table, most: int, key: str, names: str) -> list[dict[str, Any]]:
    order = sorted(table.rows.items(), key=lambda item: (-item[1].failures, -item[1].accepted, item[0]))
    return [{key: plain(name, _MAX_NAME), **_figures(row, names)} for name, row in order[:most]]


def _figures(row: Figures, names: str) -> dict[str, Any]:
    found: dict[str, Any] = {"failures": row.failures, "accepted": row.accepted, "first": _iso(row.first), "last": _iso(row.last)}
    if names:
        found[names] = [plain(name, _MAX_NAME) for name in row.names]
    else:
        found["refused"] = row.refused
    if names == "addresses" and row.exists is not None:
        found["exists"] = row.exists
    return found


def _logins(tally: Tally) -> list[dict[str, Any]]:
    return [
        {
            "user": plain(user, _MAX_NAME), "address": plain(address, _MAX_NAME) or None, "count": count, "last": _iso(last),
            "method": plain(method, _MAX_NAME),
        }
        for (user, address), (count, last, method) in list(tally.logins.items())[:_MAX_LISTED]
    ]


def _source(source: Source) -> dict[str, Any]:
    return {
        "source": plain(source.name, 300), "lines": source.lines, "within": source.within, "messages": source.messages,
        "unparsed": source.unparsed, "forged": source.forged, "oldest": None if source.first is None else _iso(source.first),
        "problem": plain(source.problem, 300) or None,
    }


def _iso(moment: float) -> str:
    return to_iso(datetime.fromtimestamp(moment, timezone.utc))
