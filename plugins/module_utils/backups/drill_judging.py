# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What drills mean: the one that was made now, and how long ago the last good one was."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import Drill, days_since
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drilling import Drilled
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, check_result, severity, worst
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_SOONEST_DAYS = -0.05
_HINTS = {
    CRITICAL: "Make a new backup and try it with the playbook backup_drill; until one restores, count on none.",
    UNKNOWN: "Mend what kept the drill from being made, then run the playbook backup_drill.",
}


def drill_check(group: Group, drilled: Sequence[Drilled]) -> dict[str, Any]:
    """Say whether the backups that were tried now restore, and how long the longest took."""
    status = worst(one.status for one in drilled)
    longest = max(one.seconds for one in drilled)
    shown = max(drilled, key=lambda one: severity(one.status))
    name = os.path.basename(shown.path)
    if status == OK:
        text = f"{name} was restored in a scratch folder in {figure_text(shown.seconds, 'seconds')}: {_contents(shown)}."
        if len(drilled) > 1:
            text += f" So were {len(drilled) - 1} more."
    else:
        first = max(shown.problems, key=lambda problem: severity(problem[0]))[1]
        others = len(shown.problems) - 1
        text = f"{name}: {first}." + (f" {others} more problems." if others else "")
    evidence = {"drills": [drill_row(one) for one in drilled]}
    return check_result(
        "backup.drill", group.subject, status, text, value=longest, unit="seconds", hint=_HINTS.get(status, ""), evidence=evidence
    )


def drilled_check(group: Group, drill: Drill, last: datetime | None, now: datetime) -> dict[str, Any] | None:
    """Say whether the last good drill is young enough; None without a limit."""
    if not drill.max_days:
        return None
    limit, hint = drill.max_days, "Run the playbook backup_drill and look at what it says."
    if last is None:
        text = f"No backup was ever restored well; the limit is {figure_text(limit, 'days')}."
        return check_result("backup.drilled", group.subject, CRITICAL, text, unit="days", critical=limit, hint=hint)
    days = days_since(last, now)
    status = CRITICAL if days >= limit else OK
    text = f"The last good drill is {figure_text(max(days, 0), 'days')} old ({to_iso(last)}); the limit is {figure_text(limit, 'days')}."
    if days < _SOONEST_DAYS:
        status, hint = UNKNOWN, "Correct the clock, then run the playbook backup_drill."
        text = f"The last good drill lies in the future ({to_iso(last)})."
    return check_result(
        "backup.drilled", group.subject, status, text, value=days, unit="days", critical=limit, hint=hint if status != OK else ""
    )


def drill_row(one: Drilled) -> dict[str, Any]:
    """Return one drill as a row of results."""
    return {
        "path": one.path,
        "status": one.status,
        "seconds": one.seconds,
        "members": one.members,
        "bytes": one.bytes,
        "databases": one.databases,
        "problems": [text for _status, text in one.problems[:20]],
    }


def _contents(one: Drilled) -> str:
    loaded = "".join(f", {row['name']} with {row['rows']} rows in {row['tables']} tables" for row in one.databases[:5])
    return f"{one.members} members, {figure_text(one.bytes, 'bytes')}{loaded}"
