# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at a database of PostgreSQL with its own client."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Look
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.postgresql_sql import SEPARATOR, script, sections
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import Target
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import run_script
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

COUNTERS = ("xact_commit", "xact_rollback", "blks_read", "blks_hit", "deadlocks", "temp_files", "temp_bytes")
DOING = "look at"
GRANT = "Let it see the whole server: GRANT pg_monitor TO {user}."

_STATES = {
    "42501": "the user lacks the right",
    "57014": "the server did not answer it in time",
    "55P03": "a lock was not had in time",
    "42P01": "this server has no such view",
    "42703": "this version does not tell it",
    "42883": "this version does not tell it",
    "55000": "it is installed and not loaded (shared_preload_libraries)",
}


def look_at(target: Target, rules: Rules, deadline: float, now: float) -> Answers:
    """Ask the server everything.

    :param deadline: moment of ``time.monotonic()``.
    :param now: present moment, seconds since 1970.
    :raises UpkeepError: when the server does not answer, in words.
    """
    begun = time.monotonic()
    # So that the few that can be slow on a large server cost themselves, and not the others.
    seconds = max(0.1, (deadline - begun) / 5)
    text = script(seconds=seconds, min_rows=rules.min_rows, min_bytes=rules.min_bytes, whole_server=target.first)
    result = run_script(
        target.spec, [text.encode()], database=target.spec.database, doing=DOING, deadline=deadline, stop_at_errors=False
    )
    answers = read_answers(result.output.decode("utf-8", "surrogateescape"), now, whole_server=target.first)
    answers.seconds = time.monotonic() - begun
    return answers


def read_answers(output: str, now: float, *, whole_server: bool) -> Answers:
    """Return what the script printed.

    :raises UpkeepError: when the server did not even say what it is.
    """
    answers = Answers()
    for line in output.split("\n"):
        kind, _separator, rest = line.partition(SEPARATOR)
        name, _separator, value = rest.partition(SEPARATOR)
        if kind == "row":
            answers.rows.setdefault(name, []).append(_row(value))
        elif kind == "end":
            answers.rows.setdefault(name, [])
            if value != "00000":
                answers.problems[name] = _problem(value)
    for name in sections(whole_server):
        if name not in answers.rows:
            answers.problems[name] = ("the client ended before it", "")
    server, counters = answers.one("server"), answers.one("counters")
    if not server:
        raise UpkeepError(f"the server does not tell what it is: {answers.problems.get('server', ('no answer', ''))[0]}")
    answers.version = str(server.get("version") or "")
    answers.look = _look(server, counters, now)
    _unseen(answers)
    return answers


def _unseen(answers: Answers) -> None:
    """Say of each section in which something is missing, though the server answered it, why it is."""
    server = answers.one("server")
    if not server.get("sees_all"):
        hint = GRANT.format(user=server.get("asked_as") or "the user")
        for name in ("sessions", "waits", "replicas", "statements"):
            answers.problems.setdefault(name, ("the user may not see the sessions of others", hint))
    if any(row.get("state") == "disabled" for row in answers.rows.get("sessions", [])):
        answers.problems.setdefault("sessions", ("sessions do not tell what they do (track_activities is off)", "Set track_activities = on."))
    if "prepared" in answers.problems:  # they are transactions like those of sessions
        answers.problems.setdefault("sessions", answers.problems["prepared"])
    if server.get("counts") is False:
        for name in ("counters", "tables"):
            answers.problems.setdefault(name, ("the server counts nothing (track_counts is off)", "Set track_counts = on: autovacuum needs it, too."))


def _look(server: Mapping[str, Any], counters: Mapping[str, Any], now: float) -> Look:
    """Return the counters, with moments by the clock of this host: that of the server may differ."""
    ahead = (number(server.get("now")) or now) - now
    moments = {name: number(row.get(name)) for name, row in (("started", server), ("reset", counters))}
    began, started = (0.0 if moment is None else moment - ahead for moment in (moments["reset"], moments["started"]))
    known = {name: number(counters.get(name)) for name in COUNTERS}
    return Look(now, began, started, {name: value for name, value in known.items() if value is not None})


def _row(text: str) -> Mapping[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _problem(state: str) -> tuple[str, str]:
    reason = _STATES.get(state, f"the server refused it with the state {state}")
    return reason, GRANT.format(user="the user") if state == "42501" else ""
