# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at a server of MySQL or MariaDB with its own client."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, Row, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Look
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import Target
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask_named
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Counters by their name here: what the server calls them, the first that it tells.
_COUNTED = {
    "questions": ("Questions",),
    "slow_queries": ("Slow_queries",),
    "connections": ("Connections",),
    "aborted_connects": ("Aborted_connects",),
    "pool_requests": ("Innodb_buffer_pool_read_requests",),
    "pool_reads": ("Innodb_buffer_pool_reads",),
    "row_lock_waits": ("Innodb_row_lock_waits",),
    "deadlocks": ("Innodb_deadlocks",),
}
COUNTERS = tuple(_COUNTED)
DOING = "look at"
_TEXT = 2000
GRANT_PROCESS = "Let it see the sessions of all: GRANT PROCESS ON *.* TO the user."
GRANT_REPLICATION = "Let it ask: GRANT REPLICATION CLIENT ON *.* TO the user (MariaDB 10.5 and later: SLAVE MONITOR)."

_STATUS = "SHOW GLOBAL STATUS"
_VARIABLES = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'max_connections', 'long_query_time')"
#: InnoDB tells the time of the system, and NOW() that of the session.
_NOW = "CONVERT_TZ(NOW(), @@SESSION.time_zone, 'SYSTEM')"
#: First the transactions: the server says there that a right is missing, while the list of processes just becomes shorter.
_TRANSACTIONS = (
    "SELECT t.trx_mysql_thread_id AS pid, t.trx_state AS state, p.USER AS user, p.COMMAND AS command,"
    f" TIMESTAMPDIFF(SECOND, t.trx_started, {_NOW}) AS transaction_seconds, TIMESTAMPDIFF(SECOND, t.trx_wait_started, {_NOW}) AS wait_seconds,"
    f" IF(p.COMMAND = 'Sleep', p.TIME, NULL) AS idle_seconds, LEFT(COALESCE(t.trx_query, p.INFO), {_TEXT}) AS query"
    " FROM information_schema.INNODB_TRX t LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id"
    # A prepared one (XA) whose session is gone keeps its locks and has no thread; nor have those of InnoDB itself, which hold nothing.
    " WHERE t.trx_mysql_thread_id <> 0 OR t.trx_rows_modified > 0 OR t.trx_rows_locked > 0 ORDER BY t.trx_started LIMIT 200"
)
_PROCESSES = (
    f"SELECT ID AS pid, USER AS user, COMMAND AS command, STATE AS state, TIME AS query_seconds, LEFT(INFO, {_TEXT}) AS query"
    " FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute') AND ID <> CONNECTION_ID()"
    " AND USER NOT IN ('system user', 'event_scheduler') ORDER BY TIME DESC LIMIT 50"
)
_DEADLOCKS = "SELECT COUNT AS deadlocks FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks' AND STATUS = 'enabled'"


def look_at(target: Target, deadline: float, now: float) -> Answers:
    """Ask the server everything.

    :param deadline: moment of ``time.monotonic()``.
    :param now: present moment, seconds since 1970.
    :raises UpkeepError: when the server does not answer, in words.
    """
    begun = time.monotonic()

    def ask(statement: str, database: str = "") -> list[Row]:
        return list(ask_named(target.spec, statement + ";", doing=DOING, deadline=deadline, database=database))

    if not target.first:
        version = ask("SELECT VERSION() AS version", target.spec.database)
        return Answers(version=_version(version[0].get("version") if version else ""), seconds=time.monotonic() - begun)
    variables = _named(ask(_VARIABLES, target.spec.database))
    answers = Answers(version=_version(variables.get("version")), rows={"variables": [variables]})
    status = _named(ask(_STATUS))
    answers.rows["status"] = [status]
    _section(answers, "transactions", GRANT_PROCESS, lambda: ask(_TRANSACTIONS))
    if "transactions" not in answers.problems:
        _section(answers, "processes", GRANT_PROCESS, lambda: ask(_PROCESSES))
    if "Innodb_deadlocks" not in status:
        _section(answers, "deadlocks", GRANT_PROCESS, lambda: ask(_DEADLOCKS))
        status["Innodb_deadlocks"] = str(answers.one("deadlocks").get("deadlocks"))
    _section(answers, "replicas", GRANT_REPLICATION, lambda: ask(replicas_statement(str(variables.get("version")))))
    answers.look = read_counters(status, now)
    answers.seconds = time.monotonic() - begun
    return answers


def replicas_statement(version: str) -> str:
    """Return how a version is asked of what it replicates: MySQL took another word with 8.0.22, MariaDB has several sources."""
    if "mariadb" in version.lower():
        return "SHOW ALL SLAVES STATUS"
    numbers = [int(digits) for digits in re.findall(r"\d+", version)[:3]]
    return "SHOW SLAVE STATUS" if numbers and numbers < [8, 0, 22] else "SHOW REPLICA STATUS"


def read_counters(status: Row, now: float) -> Look:
    """Return the counters of ``SHOW GLOBAL STATUS``; what a version does not tell is absent."""
    known = {name: next((number(status[word]) for word in words if number(status.get(word)) is not None), None) for name, words in _COUNTED.items()}
    uptime = number(status.get("Uptime"))
    started = 0.0 if uptime is None else now - uptime
    # FLUSH STATUS resets some of them and not others, which ones depends on the version.
    return Look(now, started, started, {name: value for name, value in known.items() if value is not None}, frozenset(COUNTERS))


def _section(answers: Answers, name: str, hint: str, ask: Callable[[], list[Row]]) -> None:
    try:
        answers.rows[name] = [{key: None if value == "NULL" else value for key, value in row.items()} for row in ask()]
    except UpkeepError as error:
        denied = "denied" in error.message.lower() or "privilege" in error.message.lower()
        answers.problems[name] = ("the user lacks the right", hint) if denied else (plain(error.message, 200).rstrip("."), "")


def _named(rows: list[Row]) -> dict[str, str]:
    """Return rows of a name and a value as one mapping."""
    return {str(row.get("Variable_name")): str(row.get("Value")) for row in rows}


def _version(text: object) -> str:
    return plain(str(text or ""), 60)
