# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the figures of a server of MySQL or MariaDB mean."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, Row, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Interval
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import (
    Judged,
    counted,
    figure,
    longest,
    period_text,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.sessions import session_checks, told_sessions
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text

#: What a statement does that waits for a lock of the server itself, such as one of ALTER TABLE: InnoDB knows nothing of it.
_WAITS_FOR_A_LOCK = re.compile(r"waiting for (?:.* lock|table flush)", re.IGNORECASE)
_SESSIONS = ("queries", "transactions", "idle_transactions", "lock_waits")


def server_checks(judged: Judged, answers: Answers, interval: Interval) -> None:
    """Judge a server."""
    _connections(judged, answers, interval)
    _cache(judged, interval)
    _slow(judged, answers, interval)
    deadlocks = interval.count("deadlocks")
    if deadlocks is not None:  # some versions do not tell
        judged.add("deadlocks", deadlocks, f"{counted(deadlocks, 'deadlock')} {period_text(interval)}",
                   hint="SHOW ENGINE INNODB STATUS tells both statements of the last one: let all programs take locks in the same order.")
    elif "deadlocks" in answers.problems:
        judged.unknown(["deadlocks"], *answers.problems["deadlocks"])
    if "transactions" in answers.problems or "processes" in answers.problems:
        section = "transactions" if "transactions" in answers.problems else "processes"
        judged.unknown(_SESSIONS, *answers.problems[section])
    else:
        session_checks(judged, "mysql", _sessions(answers), _waits(answers))
    _replication(judged, answers)


def _connections(judged: Judged, answers: Answers, interval: Interval) -> None:
    status, variables = answers.one("status"), answers.one("variables")
    used, most = number(status.get("Threads_connected")), number(variables.get("max_connections"))
    if used is None or not most:
        judged.unknown(["connections"], "the server does not tell how many there are")
    else:
        value = round(100.0 * used / most, 1)
        judged.add(
            "connections", value, f"{used:.0f} of {most:.0f} connections are in use, {figure_text(value, 'percent')};"
            f" {figure_text(number(status.get('Threads_running')), 'count')} run a statement",
            hint="Find who keeps them (SHOW PROCESSLIST), use a pool of connections, or raise max_connections.",
        )
    aborted, tried = interval.count("aborted_connects"), interval.count("connections")
    if aborted is None or tried is None:
        judged.unknown(["aborted_connections"], "the server does not tell how many there were")
        return
    share = round(min(100.0, 100.0 * aborted / tried), 1) if tried else 0.0
    judged.add(
        "aborted_connections", share, f"{aborted:.0f} of {tried:.0f} connections were refused or aborted {period_text(interval)}",
        judged=tried >= judged.rules.min_events / 10, least="too few to judge",
        hint="Wrong passwords, a scan, or timeouts: look into the log of the server (log_warnings).",
    )


def _cache(judged: Judged, interval: Interval) -> None:
    requests, reads = interval.count("pool_requests"), interval.count("pool_reads")
    if requests is None or reads is None:
        judged.unknown(["cache_hits"], "the server does not tell what InnoDB reads")
        return
    hits = round(max(0.0, 100.0 * (1 - reads / requests)), 1) if requests else None
    judged.add(
        "cache_hits", hits,
        f"{figure_text(hits, 'percent')} of the pages came from the buffer pool {period_text(interval)}" if hits is not None
        else f"No page was asked for {period_text(interval)}",
        judged=hits is not None and reads >= judged.rules.min_events and (interval.rate("pool_reads") or 0) >= judged.rules.min_reads_per_second,
        least="it reads little", hint="Find statements that read whole tables (slow query log), or raise innodb_buffer_pool_size.",
    )


def _slow(judged: Judged, answers: Answers, interval: Interval) -> None:
    slow, questions = interval.count("slow_queries"), interval.count("questions")
    if slow is None or questions is None:
        judged.unknown(["slow_queries"], "the server does not tell how many there were")
        return
    share = round(min(100.0, 100.0 * slow / questions), 2) if questions else 0.0
    limit = figure_text(number(answers.one("variables").get("long_query_time")), "seconds")
    judged.add(
        "slow_queries", share, f"{slow:.0f} of {questions:.0f} statements took longer than {limit or 'long_query_time'} {period_text(interval)}",
        judged=questions >= judged.rules.min_events, least="too few to judge", hint="The slow query log names them (slow_query_log, mariadb-dumpslow).",
    )


def _sessions(answers: Answers) -> list[Row]:
    return [*map(_with_numbers, answers.rows.get("processes", [])), *map(_with_numbers, answers.rows.get("transactions", []))]


def _waits(answers: Answers) -> list[Row]:
    """Return the sessions that wait for a row, by InnoDB, and those that wait for a table, as long as their statements run."""
    rows = [row for row in map(_with_numbers, answers.rows.get("transactions", [])) if row.get("wait_seconds") is not None]
    statements = map(_with_numbers, answers.rows.get("processes", []))
    return rows + [{**row, "wait_seconds": row.get("query_seconds")} for row in statements if _WAITS_FOR_A_LOCK.fullmatch(str(row.get("state")))]


def _with_numbers(row: Row) -> dict[str, Any]:
    """Return a row whose figures are numbers: the client gives texts."""
    numbers = {key: number(value) for key, value in row.items() if key.endswith("_seconds") or key == "pid"}
    if numbers.get("pid") is not None:
        numbers["pid"] = int(numbers["pid"] or 0)
    return {**row, **numbers}


def _replication(judged: Judged, answers: Answers) -> None:
    """Judge how far this replica is behind; a server that is none has nothing to say."""
    if "replicas" in answers.problems:
        judged.unknown(["replication_lag"], *answers.problems["replicas"])
        return
    sources = [replica_state(row) for row in answers.rows.get("replicas", [])]
    if not sources:
        return
    broken = [source for source in sources if not source["receives"] or not source["applies"]]
    if broken:
        what = "receives nothing" if not broken[0]["receives"] else "applies nothing"
        judged.state("replication_lag", CRITICAL, f"This replica {what} from {broken[0]['source'] or 'its source'}: replication has stopped.",
                     hint="SHOW REPLICA STATUS (SHOW ALL SLAVES STATUS) tells the error; mend it, then START REPLICA.", evidence={"sources": sources[:10]})
        return
    late = longest(sources, "seconds")
    if late is None:
        judged.unknown(["replication_lag"], "the server does not tell how far it is behind")
        return
    judged.add("replication_lag", late["seconds"], f"This replica is {figure_text(late['seconds'], 'seconds')} behind {late['source'] or 'its source'}",
               hint="See whether the disk, a long transaction or a lock holds it back.", evidence={"sources": sources[:10]})


def replica_state(row: Row) -> dict[str, Any]:
    """Return what a row of ``SHOW REPLICA STATUS`` says, by the words of any version; its error texts may hold values and stay out."""
    def word(new: str, old: str) -> Any:
        return row.get(new, row.get(old))

    return {
        "source": str(word("Source_Host", "Master_Host") or ""),
        "receives": word("Replica_IO_Running", "Slave_IO_Running") == "Yes",
        "applies": word("Replica_SQL_Running", "Slave_SQL_Running") == "Yes",
        "seconds": number(word("Seconds_Behind_Source", "Seconds_Behind_Master")),
        "error_number": number(row.get("Last_Errno")),
    }


def figures(answers: Answers, interval: Interval) -> dict[str, Any]:
    """Return what the module says of a server beside its checks."""
    requests, reads = interval.count("pool_requests"), interval.count("pool_reads")
    status, seen = answers.one("status"), "transactions" not in answers.problems and "processes" not in answers.problems
    worst = longest(_sessions(answers), "query_seconds") if seen else None
    return {
        "per_second": figure(interval.rate("questions")),
        "cache_hit_percent": round(max(0.0, 100.0 * (1 - reads / requests)), 1) if requests and reads is not None else None,
        "slow_queries": figure(interval.count("slow_queries"), 0),
        "deadlocks": figure(interval.count("deadlocks"), 0),
        "row_lock_waits": figure(interval.count("row_lock_waits"), 0),
        "aborted_connects": figure(interval.count("aborted_connects"), 0),
        "connections": figure(number(status.get("Threads_connected")), 0),
        "threads_running": figure(number(status.get("Threads_running")), 0),
        "longest_query_seconds": figure(worst["query_seconds"] if worst else 0, 1) if seen else None,
        "sessions": told_sessions(_sessions(answers)) if seen else [],
    }
