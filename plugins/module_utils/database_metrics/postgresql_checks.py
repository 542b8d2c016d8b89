# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the figures of a database of PostgreSQL mean."""

from __future__ import annotations

from typing import Any, NamedTuple

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
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.postgresql_tables import table_checks, told_tables
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.sessions import session_checks, told_sessions
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.statement_text import statement_head
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text, figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: The checks that need a section of the answers, beside those of tables.
_NEEDED = {
    "counters": ("cache_hits", "rollbacks", "deadlocks", "temporary_files"),
    "sessions": ("queries", "transactions", "idle_transactions"),
    "waits": ("lock_waits",),
}


def database_checks(judged: Judged, answers: Answers, interval: Interval) -> None:
    """Judge one database."""
    for section, names in _NEEDED.items():
        if section in answers.problems:
            judged.unknown(names, *answers.problems[section])
    if "counters" not in answers.problems:
        _counter_checks(judged, interval)
    if "sessions" not in answers.problems:
        waits = None if "waits" in answers.problems else answers.rows.get("waits", [])
        session_checks(judged, "postgresql", [*answers.rows.get("sessions", []), *_prepared(answers)], waits)
    table_checks(judged, answers)
    _statement_check(judged, answers)


def _prepared(answers: Answers) -> list[dict[str, Any]]:
    """Return prepared transactions as sessions: nobody may be left who ends them."""
    return [{**row, "state": "prepared transaction"} for row in answers.rows.get("prepared", [])]


def _counter_checks(judged: Judged, interval: Interval) -> None:
    rules, when = judged.rules, period_text(interval)
    hits, reads = interval.share("blks_hit", "blks_read"), interval.rate("blks_read")
    transactions = interval.count("xact_commit", "xact_rollback") or 0
    judged.add(
        "cache_hits", hits,
        f"{figure_text(hits, 'percent')} of the blocks came from the cache {when}" if hits is not None else f"No block was asked for {when}",
        judged=hits is not None and (reads or 0) >= rules.min_reads_per_second and (interval.count("blks_read") or 0) >= rules.min_events,
        least="it reads little", hint="Find statements that read whole tables (pg_stat_statements), or give it more shared_buffers.",
    )
    share = interval.share("xact_rollback", "xact_commit")
    judged.add(
        "rollbacks", share,
        f"{figure_text(share, 'percent')} of {counted(transactions, 'transaction')} were rolled back {when}" if share is not None
        else f"No transaction ended {when}",
        judged=transactions >= rules.min_events, least="too few to judge",
        hint="Look into the log of the server and of the programs: which statements fail, or run into timeouts.",
    )
    deadlocks = interval.count("deadlocks")
    judged.add(
        "deadlocks", deadlocks, f"{counted(deadlocks or 0, 'deadlock')} {when}",
        hint="The log of the server names both statements (\"deadlock detected\"): let all programs take locks in the same order.",
    )
    written, files = interval.rate("temp_bytes"), interval.count("temp_files") or 0
    judged.add(
        "temporary_files", written,
        f"{counted(files, 'temporary file')} of {bytes_text(interval.count('temp_bytes') or 0)} {when},"
        f" {figure_text(written or 0, 'bytes_per_second')} on average",
        hint="Sorts and joins do not fit into work_mem: set log_temp_files to see which statements, then mend them or raise it.",
    )


def _statement_check(judged: Judged, answers: Answers) -> None:
    limits = judged.rules.limits["slow_statements"]
    if limits.warning is None and limits.critical is None:
        return
    if "statements" in answers.problems:
        judged.unknown(["slow_statements"], *answers.problems["statements"])
        return
    if "statements" not in answers.rows:
        judged.unknown(["slow_statements"], "pg_stat_statements is not installed in this database",
                       "Add it to shared_preload_libraries, restart, and CREATE EXTENSION pg_stat_statements.")
        return
    row = longest(answers.rows["statements"], "mean_seconds")
    value = float(row["mean_seconds"]) if row else 0.0
    text = f"The slowest statement takes {figure_text(value, 'seconds')} on average" if row else "No statement was counted"
    judged.add("slow_statements", value, text, hint="Look at its plan: EXPLAIN (ANALYZE, BUFFERS).",
               evidence={"statements": told_statements(answers)})


def server_checks(judged: Judged, answers: Answers) -> None:
    """Judge what belongs to the server as a whole."""
    server, problems = answers.one("server"), answers.problems
    if "server" in problems:
        judged.unknown(["connections"], *problems["server"])
    else:
        used, allowed, reserved = (number(server.get(key)) or 0.0 for key in ("connections", "max_connections", "reserved"))
        most = max(1.0, allowed - reserved)
        value = round(100.0 * used / most, 1)
        judged.add(
            "connections", value, f"{used:.0f} of {most:.0f} connections are in use, {figure_text(value, 'percent')}",
            hint="Find who keeps them (SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2), use a pool of"
            " connections, or raise max_connections.",
        )
    if "ids" in problems:
        judged.unknown(["transaction_ids"], *problems["ids"])
    else:
        worst = answers.one("ids")
        value = round(100.0 * (number(worst.get("ids")) or 0.0) / 2**31, 1)
        judged.add(
            "transaction_ids", value,
            f"The oldest rows, in the database {worst.get('name')}, have used {figure_text(value, 'percent')} of the transaction numbers",
            hint="Autovacuum does not keep up: end old transactions and unused replication slots, then VACUUM (FREEZE) that database."
            " Near 100 % the server refuses to write.",
        )
    _slots(judged, answers)
    _replication(judged, answers, standby=bool(server.get("standby")))


def _slots(judged: Judged, answers: Answers) -> None:
    if "slots" in answers.problems:
        judged.unknown(["replication_slots"], *answers.problems["slots"])
        return
    slots = answers.rows.get("slots", [])
    lost = [slot for slot in slots if slot.get("status") in ("lost", "unreserved")]
    worst = longest(slots, "bytes")
    value = max(0.0, float(worst["bytes"])) if worst else 0.0
    idle = sum(not slot.get("active") for slot in slots)
    text = (
        f"{counted(len(slots), 'replication slot')} ({idle} not in use); {worst.get('name')} keeps {bytes_text(value)} of WAL" if worst
        else f"{counted(len(slots), 'replication slot')}, and none keeps WAL"
    )
    hint = "Connect its consumer again, or drop the slot that nobody needs: SELECT pg_drop_replication_slot(…). The disk fills up otherwise."
    if lost:
        judged.state("replication_slots", CRITICAL,
                     f"The replication slot {lost[0].get('name')} has lost WAL that its consumer needs, or is about to.",
                     hint="Its replica has to be made anew; see max_slot_wal_keep_size.", evidence={"slots": slots[:10]})
        return
    judged.add("replication_slots", value, text, hint=hint, evidence={"slots": slots[:10]})


class _Behind(NamedTuple):
    """How far a replica is behind: the figure, None when nobody can tell, and what is said of it."""

    value: float | None
    said: str
    hint: str
    evidence: dict[str, Any] | None = None


def _replication(judged: Judged, answers: Answers, *, standby: bool) -> None:
    """Judge how far this replica, or the replicas of this server, are behind; without replication there is nothing to say."""
    if "replicas" in answers.problems or "standby" in answers.problems:
        section = "replicas" if "replicas" in answers.problems else "standby"
        judged.unknown(["replication_lag", "replication_backlog"], *answers.problems[section])
        return
    replicas = answers.rows.get("replicas", [])
    # A replica may have replicas of its own: both ways count.
    found = ([_as_standby(answers.one("standby"))] if standby else []) + ([_as_primary(replicas)] if replicas else [])
    for name, behinds in zip(("replication_lag", "replication_backlog"), zip(*found)):
        blind = next((behind for behind in behinds if behind.value is None), None)
        if blind is not None:
            judged.unknown([name], blind.said, blind.hint)
            continue
        worst = max(behinds, key=lambda behind: behind.value or 0.0)
        judged.add(name, worst.value, worst.said, hint=worst.hint, evidence=worst.evidence)


def _as_primary(replicas: list[Row]) -> tuple[_Behind, _Behind]:
    """Return how far the replicas of this server are behind, in seconds and in bytes."""
    late, behind = longest(replicas, "seconds"), longest(replicas, "bytes")
    evidence = {"replicas": replicas[:10]}
    hint = "See whether the network, the disk or a long query of the replica holds it back."
    seconds = max(0.0, float(late["seconds"])) if late else 0.0  # one that waits for something new tells none
    lag = _Behind(
        seconds, f"{counted(len(replicas), 'replica')}; the latest is {figure_text(round(seconds, 1), 'seconds')} behind", hint, evidence
    )
    if behind is None:
        return lag, _Behind(None, "no replica tells how much has arrived", hint)
    waiting = max(0.0, float(behind["bytes"]))
    return lag, _Behind(waiting, f"{bytes_text(waiting)} of WAL wait for the replica that is farthest behind", hint, evidence)


def _as_standby(row: Row) -> tuple[_Behind, _Behind]:
    """Return how far this replica is behind, in seconds and in bytes."""
    waiting = max(0.0, number(row.get("bytes")) or 0.0)
    streaming = row.get("receiver") == "streaming"
    # A primary on which nothing happens sends nothing: what has been received and replayed wholly is not late.
    seconds = 0.0 if streaming and not waiting else number(row.get("replayed_seconds"))
    hint = "See whether the primary is there (primary_conninfo), and the log of this server."
    if seconds is None:
        lag = _Behind(None, "this replica has replayed no transaction since it started", hint)
    else:
        how = "receives from its primary" if streaming else "receives nothing from a primary"
        lag = _Behind(max(0.0, seconds), f"This replica {how} and is {figure_text(round(seconds, 1), 'seconds')} behind", hint)
    return lag, _Behind(waiting, f"{bytes_text(waiting)} of WAL were received and not replayed yet", "A long query may hold replay back.")


def told_statements(answers: Answers) -> list[dict[str, Any]]:
    """Return the slowest statements that pg_stat_statements knows, in the form that it normalised and without any value."""
    return [
        {
            "id": plain(str(row.get("id") or ""), 40), "calls": figure(row.get("calls"), 0), "mean_seconds": figure(row.get("mean_seconds"), 4),
            "total_seconds": figure(row.get("total_seconds"), 1), "statement": statement_head(str(row.get("query") or "")),
        }
        for row in answers.rows.get("statements", [])
    ]


def figures(answers: Answers, interval: Interval) -> dict[str, Any]:
    """Return what the module says of a database beside its checks."""
    sessions = answers.rows.get("sessions", [])
    server = answers.one("server")
    seen, oldest = "sessions" not in answers.problems, longest(sessions, "query_seconds")
    return {
        "per_second": figure(interval.rate("xact_commit", "xact_rollback")),
        "cache_hit_percent": interval.share("blks_hit", "blks_read"),
        "rollback_percent": interval.share("xact_rollback", "xact_commit"),
        "deadlocks": figure(interval.count("deadlocks"), 0),
        "temporary_bytes": figure(interval.count("temp_bytes"), 0),
        "connections": figure(server.get("connections"), 0),
        "longest_query_seconds": figure(oldest["query_seconds"] if oldest else 0, 1) if seen else None,
        "sessions": told_sessions(sessions) if seen else [],
        "tables": told_tables(answers),
        "statements": [] if "statements" in answers.problems else told_statements(answers),
    }
