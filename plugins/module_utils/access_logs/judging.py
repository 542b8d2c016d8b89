# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of a group of access logs."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.budget_checks import error_budget_check, error_burn_check
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.judged import Check, Judged, limits_of, row_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.pattern_checks import login_check, new_check
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.weekly_pattern import MIN_WEEKS
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result, grade
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text


def group_checks(group: Judged) -> list[Check]:
    """Return one check for each thing that can be wrong; what the format does not tell has none."""
    rows = [_format(group), _requests(group)]
    judges: list[tuple[str, str, Callable[[Judged], Check]]] = [
        ("access.error_rate", "", _error_rate),
        ("access.latency", "duration", _latency),
        ("access.rate_limited", "", _rate_limited),
        ("access.bursts", "", _bursts),
        ("access.scanners", "client", _scanners),
        ("access.cache", "cache", _cache),
        ("access.logins", "logins", login_check),
        ("access.pattern", "", _pattern),
        ("access.new", "new", new_check),
    ]
    budget = group.figures.get("error_budget")
    if budget:
        judges.append(("access.error_burn", "", error_burn_check))
    empty = group.requests == 0
    for check, kind, judge in judges:
        if kind and kind not in group.kinds:
            continue
        rows.append(_of_nothing(check, group, rows[:2]) if empty else judge(group))
    if budget:  # a time without requests takes nothing away from what earlier ones have used
        nothing = empty and not budget["requests"]
        rows.append(_of_nothing("access.error_budget", group, rows[:2]) if nothing else error_budget_check(group))
    return rows


def _of_nothing(check: str, group: Judged, reasons: list[Check]) -> Check:
    """Return the check of a group without a request: as unknown as what it is for, or ok where silence is."""
    reason = next((row for row in reasons if row["status"] == UNKNOWN), None)
    if reason is None:
        return check_result(
            check, group.name, OK, f"{group.name} has no requests in this time, which is accepted (min_requests is 0)."
        )
    return check_result(check, group.name, UNKNOWN, f"{group.name} has no requests to look at; see {reason['check']}.")


def _format(group: Judged) -> Check:
    figures = group.figures
    lines, share = figures["unparsed_lines"], figures["unparsed_percent"]
    warning, critical = group.limit("unparsed_warning_percent"), group.limit("unparsed_critical_percent")
    totals = figures["totals"]
    parsed = totals["requests"] + totals["excluded"] + totals["outside_window"]
    evidence = {"first_line": figures["first_unparsed"]} if lines else None
    if lines and not parsed:
        return check_result(
            "access.format", group.name, UNKNOWN,
            f"{group.name}: none of {lines} lines has the format {group.format_name!r}; the first is: {figures['first_unparsed']}",
            value=share, unit="percent", warning=warning, critical=critical, evidence=evidence,
            hint="Give the log_format of the web server as format: nginx -T | grep -A5 log_format",
        )  # fmt: skip
    text = f"{group.name}: {lines} of {parsed + lines} lines ({share:g} %) do not have the format ({limits_of(warning, critical, 'percent')})"
    return check_result(
        "access.format", group.name, grade(share, warning, critical),
        f"{text}; the first is: {figures['first_unparsed']}" if lines else f"{text}.",
        value=share, unit="percent", warning=warning, critical=critical, evidence=evidence,
        hint="Compare the format with the line in the evidence." if lines else None,
    )  # fmt: skip


def _requests(group: Judged) -> Check:
    least = int(group.limits["min_requests"])
    totals = group.figures["totals"]
    few = group.requests < least
    if few:
        why = ", and not all its files could be read" if group.unread else ""
        text = f"{group.name} has {group.requests} requests in this time, fewer than min_requests, {least}{why}."
    else:
        text = (
            f"{group.name} has {group.requests} requests, {totals['requests_per_second']:g} a second, and at most "
            f"{totals['peak_requests_per_second']} in one."
        )
    return check_result(
        "access.requests", group.name, UNKNOWN if few else OK, text, value=group.requests, unit="requests",
        hint="See that the server is reached and writes this log; min_requests: 0 accepts silence." if few else None,
    )  # fmt: skip


def _error_rate(group: Judged) -> Check:
    share = group.figures["error_percent"]
    failing = group.figures["failing_routes"]
    worst = f"; most on {failing[0]['route']} ({failing[0]['errors']})" if failing else ""
    text = f"{share:g} % of {group.requests} requests of {group.name} failed with 5xx"
    return row_of(
        group, "access.error_rate", share, "percent", "error", text, worst,
        hint="Look into the log of the service, and into the error log of the web server, at the time of the failures.",
        evidence={"routes": failing[:5]} if failing else None,
    )  # fmt: skip


def _latency(group: Judged) -> Check:
    latency, slow = group.figures["latency"], group.figures["slowest_routes"]
    if latency["p95"] is None:
        return check_result(
            "access.latency",
            group.name,
            OK,
            f"No request of {group.name} has a duration: all were upgrades, or none was passed on.",
        )
    worst = f"; slowest is {slow[0]['route']} ({figure_text(slow[0]['p95'], 'seconds')})" if slow else ""
    before = group.figures.get("usual_p95")
    usual = f", usually {figure_text(before, 'seconds')}" if before is not None else ""
    text = (
        f"95 % of {latency['requests']} requests of {group.name} took at most {figure_text(latency['p95'], 'seconds')}{usual}"
    )
    return row_of(
        group, "access.latency", latency["p95"], "seconds", "latency", text, worst,
        hint="Look at the slowest routes in the evidence, and at processors and database at that time.",
        evidence={"routes": slow[:5]} if slow else None,
    )  # fmt: skip


def _rate_limited(group: Judged) -> Check:
    limited = group.figures["rate_limited"]
    clients = limited["clients"] or limited["zone_clients"]
    most = f"; most from {clients[0]['client']}" if clients else ""
    lines = f" and {limited['rejected_lines']} lines of limits in the error log" if limited["rejected_lines"] else ""
    text = f"{limited['percent']:g} % of {group.requests} requests of {group.name} were limited, {limited['responses']} answers with 429{lines}"
    return row_of(
        group, "access.rate_limited", limited["percent"], "percent", "limited", text, most,
        hint="One client: ask it to slow down, or block it. Many: raise the limit, or add room.",
        evidence={"clients": clients[:5], "zones": limited["zones"][:5]} if clients else None,
    )  # fmt: skip


def _bursts(group: Judged) -> Check:
    bursts, number = group.figures["bursts"], group.figures["different_bursts"]
    warning, critical = group.limit("burst_warning_score"), group.limit("burst_critical_score")
    score = bursts[0]["score"] if bursts else 0.0
    status = grade(score, warning, critical) if bursts else OK
    if bursts:
        first = bursts[0]
        text = (
            f"{group.name} had {number} bursts; the largest began {first['begin']}, with {first['peak']} {first['kind']} in a minute "
            f"where {first['usual']:g} are usual ({limits_of(warning, critical, 'score')}, it has {score:g})."
        )
    else:
        text = f"{group.name} had no minute that stands out from the hours around it ({limits_of(warning, critical, 'score')})."
    return check_result(
        "access.bursts", group.name, status, text, value=score, unit="score", warning=warning, critical=critical,
        evidence={"bursts": bursts[:5]} if status != OK else None,
        hint="Look at the clients of that minute; many different ones at once are a sign of an attack." if status != OK else None,
    )  # fmt: skip


def _scanners(group: Judged) -> Check:
    scanners, number = group.figures["scanners"], group.figures["different_scanners"]
    warning, critical = group.limit("scanners_warning"), group.limit("scanners_critical")
    status = grade(number, warning, critical)
    most = f"; most refused is {scanners[0]['client']} ({scanners[0]['refused']})" if scanners else ""
    return check_result(
        "access.scanners", group.name, status,
        f"{number} clients of {group.name} look for what is not there ({limits_of(warning, critical, 'clients')}){most}.",
        value=number, unit="clients", warning=warning, critical=critical, evidence={"clients": scanners[:5]} if status != OK else None,
        hint="Block the clients in the evidence, and see that none of their requests succeeded." if status != OK else None,
    )  # fmt: skip


def _cache(group: Judged) -> Check:
    cache = group.figures["cache"]
    share = cache["hit_percent"]
    warning, critical = group.limit("cache_warning_percent"), group.limit("cache_critical_percent")
    # Of a CDN it is news when all of a sudden nothing may be kept: no answer is then one of the cache.
    never = cache["never_kept"]
    if share is None and not never:
        return check_result("access.cache", group.name, OK, f"No request of {group.name} asked the cache.", unit="percent")
    asked = cache["requests"] or never
    share, judged = share or 0.0, asked >= group.limits["min_sample"]
    status = OK
    if judged and warning is not None and share <= warning:
        status = WARNING
    if judged and critical is not None and share <= critical:
        status = "critical"
    few = "" if judged else "; too few to judge"
    apart = f"; {never} more were for what is never kept" if cache["requests"] and never else ""
    whole = f"{asked} requests of {group.name}" if cache["requests"] else f"{asked} requests of {group.name}, all for what is never kept,"
    return check_result(
        "access.cache", group.name, status,
        f"{share:g} % of {whole} were answered from the cache ({limits_of(warning, critical, 'percent')}){apart}{few}.",
        value=share, unit="percent", warning=warning, critical=critical, evidence={"statuses": cache["statuses"]} if status != OK else None,
        hint="See which content is not cached any more (BYPASS, EXPIRED, MISS, DYNAMIC in the evidence)." if status != OK else None,
    )  # fmt: skip


def _pattern(group: Judged) -> Check:
    pattern, limit = group.pattern, group.limit("pattern_warning_score")
    odd = sorted(group.figures["pattern"]["odd"], key=lambda row: -abs(row["score"]))
    if limit is None:
        text = f"The hours of {group.name} are not compared (pattern_warning_score is 0)."
    elif not pattern.compared:
        text = f"The hours of {group.name} have no baseline yet: {MIN_WEEKS} earlier weeks are needed. Nothing was compared."
    elif odd:
        first = odd[0]
        text = (
            f"{len(odd)} of {pattern.compared} hours of {group.name} differ from the same hours of earlier weeks; in that of "
            f"{first['begin']} there were {first['requests']} requests, usually {first['usual']:g} (warning at a score of {limit:g})."
        )
    else:
        text = f"{pattern.compared} hours of {group.name} are like those of earlier weeks (warning at a score of {limit:g})."
    if pattern.compared and pattern.without_baseline:
        text = f"{text} {pattern.without_baseline} have no baseline yet."
    return check_result(
        "access.pattern", group.name, WARNING if odd else OK, text, value=abs(odd[0]["score"]) if odd else (0.0 if pattern.compared else None),
        unit="score", warning=limit, evidence={"hours": odd[:10]} if odd else None,
        hint="See whether something was released, announced, or cut off in these hours." if odd else None,
    )  # fmt: skip
