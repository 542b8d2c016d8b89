# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of a group that has an objective."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.judged import Check, Judged, row_of
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text

#: One or two failures say nothing, whatever share of the requests they are.
_LEAST_FAILURES = 3


def error_budget_check(group: Judged) -> Check:
    """Say how much of what may fail in the period has failed."""
    budget = group.figures["error_budget"]
    known, period = budget["known_days"], budget["period_days"]
    text = (
        f"{group.name} has used {figure_text(budget['used_percent'], 'percent')} of the failures that an objective of "
        f"{budget['objective_percent']:g} % allows in {period} days: {budget['errors']} of about {budget['allowed_errors']:.0f}"
    )
    if known < period:
        text += f"; {known:g} of these days are known, and no failure is assumed in the others"
    check = row_of(
        group, "access.error_budget", budget["used_percent"], "percent", "budget", text, "", requests=budget["requests"],
        few=_few(budget["errors"]), evidence={"budget": budget},
        hint="Mend what fails before anything new is released; access.error_rate says where it fails.",
    )  # fmt: skip
    if check["status"] != OK or budget["present_known"]:
        return check
    # A part is enough to say that it is too much, and not that it is well.
    summary = f"{text}; nothing is known of the present time, see access.requests, access.format and access.readable."
    hint = "Let the logs of this time be read whole; until then nobody can tell what failed in it."
    return check_result("access.error_budget", group.name, UNKNOWN, summary, value=check["value"], unit="percent", hint=hint)


def error_burn_check(group: Judged) -> Check:
    """Say how fast that goes at present."""
    budget, failing = group.figures["error_budget"], group.figures["failing_routes"]
    text = f"{group.name} fails {budget['burn_rate']:g} times as often as an objective of {budget['objective_percent']:g} % allows"
    worst = f"; most on {failing[0]['route']} ({failing[0]['errors']})" if failing else ""
    return row_of(
        group, "access.error_burn", budget["burn_rate"], "times", "burn", text, worst,
        few=_few(group.figures["status_classes"]["5xx"]), evidence={"routes": failing[:5]} if failing else None,
        hint="Look at the routes in the evidence: at this rate what may fail in the whole period has failed long before its end.",
    )  # fmt: skip


def _few(errors: int) -> str:
    return f"fewer than {_LEAST_FAILURES} failures are too few to judge" if errors < _LEAST_FAILURES else ""
