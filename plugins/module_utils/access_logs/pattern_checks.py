# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of what is new in a group, and of those who try to log in."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.judged import Check, Judged, limits_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.new_things import MIN_DAYS, SINGULAR
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, grade, worst
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text

_SHOWN = 3
_EVIDENCE = 10


def new_check(group: Judged) -> Check:
    """Say which agents, countries and routes no day before has seen. The former are told from the latter: a release brings routes."""
    figures: dict[str, dict[str, Any]] = group.figures["new"]
    compared = {kind: found for kind, found in figures.items() if found["baseline_days"] >= MIN_DAYS}
    callers, routes = [kind for kind in compared if kind != "routes"], compared.get("routes", {"number": 0, "newest": []})
    number = sum(compared[kind]["number"] for kind in callers)
    warning, of_routes = group.limit("new_warning"), group.limit("new_routes_warning")
    status = worst([OK, grade(number, warning, None), grade(routes["number"], of_routes, None)])
    parts = []
    if callers:
        names = [_named(kind, row) for kind in callers for row in compared[kind]["newest"]]
        what = " and ".join(sorted(callers))
        parts.append(f"{number} {what} of {group.name} are new ({limits_of(warning, None, 'new')}){_first(names)}")
    if routes["newest"] or "routes" in compared:
        names = [_named("routes", row) for row in routes["newest"]]
        parts.append(f"{routes['number']} routes{'' if callers else f' of {group.name}'} were answered for the first time{_first(names)}")
    missing = [kind for kind in figures if kind not in compared]
    if missing:
        what, has = _listed(missing), "" if compared else f" of {group.name}"
        parts.append(f"{what}{has} have no baseline yet, for which {MIN_DAYS} earlier days are needed: they were not compared")
    not_kept = {kind: found["requests_not_kept"] for kind, found in compared.items() if found["requests_not_kept"]}
    if not_kept:
        parts.append(f"rare ones are not compared ({', '.join(f'{number} requests of {kind}' for kind, number in not_kept.items())})")
    if status != OK and group.requests < group.limits["min_sample"]:
        status = OK
        parts.append(f"fewer than {group.limits['min_sample']:g} requests are too few to judge")
    text = "; ".join(parts)
    return check_result(
        "access.new", group.name, status, f"{text[:1].upper()}{text[1:]}.", value=number if callers else None, unit="new", warning=warning,
        evidence={kind: found["newest"][:_EVIDENCE] for kind, found in compared.items() if found["newest"]} if status != OK else None,
        hint="See whether somebody knows them: a new client, a search engine, a release. They are told for this day, and known from tomorrow on."
        if status != OK else None,
    )  # fmt: skip


def _named(kind: str, row: dict[str, Any]) -> str:
    return f"{row[SINGULAR[kind]]} ({row['requests']}, {figure_text(row['share_percent'], 'percent')})"


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f": {', '.join(names[:_SHOWN])}{more}" if names else ""


def _listed(kinds: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))


def login_check(group: Judged) -> Check:
    """Say how many of those who try to log in are refused, and whether it is one who tries very often."""
    logins = group.figures["logins"]
    share, refused = logins["refused_percent"], logins["refused"]
    warning, critical = group.limit("logins_warning_percent"), group.limit("logins_critical_percent")
    if not logins["requests"]:
        return check_result(
            "access.logins", group.name, OK, f"No request of {group.name} was one to log in (auth_routes).", unit="percent",
            warning=warning, critical=critical,
        )  # fmt: skip
    least = group.limits["logins_min_refused"]
    of_share = grade(share, warning, critical) if refused >= least else OK
    clients = logins["clients"]
    most = clients[0]["refused"] if clients else 0
    limits = group.limit("logins_client_warning"), group.limit("logins_client_critical")
    of_client = grade(most, *limits)
    text = (
        f"{figure_text(share, 'percent')} of {logins['requests']} requests to log in at {group.name} were refused "
        f"({limits_of(warning, critical, 'percent')}), {logins['succeeded']} succeeded"
    )
    if refused and clients:
        text += (
            f"; they came from {logins['different_clients']} clients, {most} of {refused} from {clients[0]['client']} "
            f"({limits_of(*limits, 'a client')})"
        )
    if refused and refused < least:
        text += f"; fewer than {least:g} are too few to judge their share"
    status = worst([of_share, of_client])
    return check_result(
        "access.logins", group.name, status, f"{text}.", value=share, unit="percent", warning=warning, critical=critical,
        evidence={"clients": clients[:_EVIDENCE], "routes": logins["routes"][:_EVIDENCE], "statuses": logins["statuses"]} if status != OK else None,
        hint=_login_hint(of_share, of_client) if status != OK else None,
    )  # fmt: skip


def _login_hint(of_share: str, of_client: str) -> str:
    if of_client != OK:
        return "Somebody tries passwords: block the clients in the evidence, limit these routes, and see whether one of these clients got in."
    return "Many clients with few attempts each try passwords of other sites; or nobody can log in any more: try it, then limit these routes."
