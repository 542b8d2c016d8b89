# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers that are looked at, each with how it is asked and what its answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics import (
    mysql_checks,
    mysql_look,
    postgresql_checks,
    postgresql_look,
    redis_checks,
    redis_look,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Interval
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import Target

#: The counters that are remembered, by type.
COUNTERS: dict[str, Sequence[str]] = {
    "postgresql": postgresql_look.COUNTERS, "mysql": mysql_look.COUNTERS, "redis": redis_look.COUNTERS,
}
NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "redis": "Redis", "sqlite": "SQLite"}


def look_at(target: Target, rules: Rules, deadline: float, now: float) -> Answers:
    """Ask the server of a database everything.

    :param deadline: moment of ``time.monotonic()``.
    :param now: present moment, seconds since 1970.
    :raises UpkeepError: when it does not answer, in words.
    """
    if target.spec.type == "postgresql":
        return postgresql_look.look_at(target, rules, deadline, now)
    if target.spec.type == "mysql":
        return mysql_look.look_at(target, deadline, now)
    return redis_look.look_at(target, deadline, now)


def judge(target: Target, rules: Rules, answers: Answers, interval: Interval) -> tuple[list[Judged], dict[str, Any]]:
    """Return the checks of a database and of its server, and its figures."""
    own, server = Judged(target.subject, rules), Judged(target.server, rules)
    if target.spec.type == "postgresql":
        postgresql_checks.database_checks(own, answers, interval)
        if target.first:
            postgresql_checks.server_checks(server, answers)
        return [own, server], postgresql_checks.figures(answers, interval)
    if not target.first:  # all that MySQL counts, it counts for the server as a whole
        return [own], {}
    if target.spec.type == "mysql":
        mysql_checks.server_checks(server, answers, interval)
        return [own, server], mysql_checks.figures(answers, interval)
    redis_checks.server_checks(server, answers, interval)
    return [own, server], redis_checks.figures(answers, interval)
