"""What figures mean: each threshold, small servers, missing figures, replicas."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics import mysql_checks, postgresql_checks, redis_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import LAST_LOOK, Interval, Look
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.limits import read_limits

DAY = 86_400.0
NOW = 1_000_000.0


def judged(check: Callable[[Judged], None]) -> dict[str, str]:
    rows = Judged("subject", Rules(read_limits({}), ignored_sessions=["pg_dump", "backup*"]))
    check(rows)
    assert all("None" not in row["summary"] for row in rows.checks), rows.checks
    return {row["check"].partition(".")[2]: row["status"] for row in rows.checks}


def postgresql(interval: dict[str, float] | None = None, seconds: float = DAY, **rows: Any) -> dict[str, str]:
    answers = Answers(rows={"statements": [], **rows})
    counts = {"xact_commit": 5, "xact_rollback": 0, "blks_hit": 10, "blks_read": 1, "deadlocks": 0, "temp_files": 0, "temp_bytes": 0, **(interval or {})}
    return judged(lambda sink: postgresql_checks.database_checks(sink, answers, Interval(seconds, LAST_LOOK, counts)))


@pytest.mark.parametrize(
    ("interval", "check", "status"),
    [
        ({}, "cache_hits", "ok"),
        ({"blks_hit": 0, "blks_read": 50_000}, "cache_hits", "ok"),  # a small server that has just started
        ({"blks_hit": 0, "blks_read": 0}, "cache_hits", "ok"),
        ({"blks_hit": 1e7, "blks_read": 1e7}, "cache_hits", "warning"),
        ({"xact_rollback": 10}, "rollbacks", "ok"),
        ({"xact_commit": 700, "xact_rollback": 300}, "rollbacks", "warning"),
        ({"deadlocks": 1}, "deadlocks", "warning"),
        ({"temp_bytes": 1e12}, "temporary_files", "warning"),
    ],
)
def test_counters_of_postgresql(interval: dict[str, float], check: str, status: str) -> None:
    assert {name: found for name, found in postgresql(interval).items() if found != "ok" or name == check} == {check: status}


@pytest.mark.parametrize(
    ("session", "found"),
    [
        ({"query_seconds": 299}, {}),
        ({"query_seconds": 300}, {"queries": "warning"}),
        ({"query_seconds": 3600, "transaction_seconds": 3600}, {"queries": "critical", "transactions": "warning"}),
        ({"idle_seconds": 300, "transaction_seconds": 301}, {"idle_transactions": "warning"}),
        ({"query_seconds": 9000, "transaction_seconds": 9000, "application": "pg_dump"}, {}),
        ({"query_seconds": 9000, "user": "backups"}, {}),
        ({"query_seconds": None}, {}),
    ],
)
def test_sessions_of_postgresql(session: dict[str, Any], found: dict[str, str]) -> None:
    assert {name: status for name, status in postgresql(sessions=[{"pid": 7, "query": "SELECT 1", **session}]).items() if status != "ok"} == found


def test_a_prepared_transaction_that_nobody_ends() -> None:
    assert postgresql(prepared=[{"gid": "x", "transaction_seconds": 20_000}])["transactions"] == "critical"
    rows = Judged("subject", Rules(read_limits({})))
    postgresql_checks.database_checks(rows, Answers(rows={"prepared": [{"gid": "x'\x1b", "transaction_seconds": 20_000}]}), Interval(DAY, LAST_LOOK))
    (row,) = [row for row in rows.checks if row["check"] == "database.transactions"]
    assert row["evidence"]["session"]["gid"] == "x'\\x1b" and "ROLLBACK PREPARED" in row["hint"], "whoever ends it needs its name"


def test_a_hint_holds_nothing_that_a_server_made_up() -> None:
    rows = Judged("subject", Rules(read_limits({})))
    session = {"pid": "1); DROP TABLE t; --", "query_seconds": 9000}
    postgresql_checks.database_checks(rows, Answers(rows={"sessions": [session]}), Interval(DAY, LAST_LOOK))
    assert all("DROP" not in row.get("hint", "") for row in rows.checks)


@pytest.mark.parametrize("made_up", [None, "x", "inf", "nan", float("inf"), float("nan"), pytest.param(10**400, id="huge"), [], {}, True, "-inf"])
def test_a_figure_that_is_none_ends_nothing(made_up: Any) -> None:
    sections = (
        "server", "counters", "sessions", "prepared", "waits", "tables", "bloat", "statements", "ids", "replicas", "standby", "slots", "status", "variables",
        "transactions", "processes", "info", "save",
    )
    keys = (
        "pid", "query", "query_seconds", "transaction_seconds", "idle_seconds", "wait_seconds", "dead_rows", "dead_percent", "live_rows", "bytes",
        "needed_bytes", "mean_seconds", "calls", "ids", "seconds", "connections", "max_connections", "reserved", "autovacuum_seconds", "standby",
        "Threads_connected", "Threads_running", "Seconds_Behind_Source", "Slave_IO_Running", "maxclients", "used_memory", "maxmemory", "used_memory_rss",
        "mem_fragmentation_ratio", "rdb_last_save_time", "connected_clients", "replayed_seconds", "blocked_by", "queryid",
    )
    answers = Answers(look=Look(NOW), rows={name: [dict.fromkeys(keys, made_up)] for name in sections})
    interval = Interval(DAY, LAST_LOOK, {})
    for engine in (mysql_checks, redis_checks):
        engine.server_checks(Judged("subject", Rules(read_limits({}))), answers, interval)
        json.dumps(engine.figures(answers, interval), allow_nan=False)
    judged = Judged("subject", Rules(read_limits({"slow_statements_warning_seconds": 1})))
    postgresql_checks.database_checks(judged, answers, interval)
    postgresql_checks.server_checks(judged, answers)
    json.dumps([judged.checks, postgresql_checks.figures(answers, interval)], allow_nan=False)


def test_waits_of_backups_count() -> None:
    assert postgresql(waits=[{"pid": 7, "application": "pg_dump", "wait_seconds": 31}])["lock_waits"] == "warning"


def test_tables_that_nobody_may_see_are_unknown_and_not_ok() -> None:
    table = {"schema": "public", "name": "t", "bytes": 1e9}
    assert postgresql(bloat=[{**table, "needed_bytes": None}])["bloat"] == "unknown"
    assert postgresql(bloat=[{**table, "needed_bytes": 3e8}])["bloat"] == "warning"
    assert postgresql(bloat=[{**table, "needed_bytes": 9.5e8}])["bloat"] == "ok"
    assert postgresql(bloat=[{**table, "needed_bytes": 9.5e8}, {**table, "needed_bytes": None}])["bloat"] == "unknown", "nobody saw the other one"
    assert postgresql(bloat=[{**table, "needed_bytes": 5e8}, {**table, "needed_bytes": None}])["bloat"] == "unknown"
    assert postgresql(bloat=[{**table, "needed_bytes": 3e8}, {**table, "needed_bytes": None}])["bloat"] == "warning", "what was seen is told"


def test_dead_rows_are_a_matter_of_the_primary() -> None:
    """A replica counts none, so that it always had none."""
    worn = [{"schema": "public", "name": "t", "live_rows": 10, "dead_rows": 90_000, "dead_percent": 99.0}]
    assert (postgresql(tables=worn)["dead_rows"], postgresql(tables=worn, server=[{"standby": True}])["dead_rows"]) == ("warning", "ok")
    rows = Judged("subject", Rules(read_limits({})))
    postgresql_checks.database_checks(rows, Answers(rows={"server": [{"standby": True}]}), Interval(DAY, LAST_LOOK))
    (row,) = [row for row in rows.checks if row["check"] == "database.dead_rows"]
    assert row["value"] is None and "its primary" in row["summary"]


def server(**rows: Any) -> dict[str, str]:
    first = {"connections": 10, "max_connections": 103, "reserved": 3, **rows.pop("server", {})}
    answers = Answers(rows={"server": [first], "ids": [{"name": "shop", "ids": 2 * 10**8}], "slots": [], "replicas": [], "standby": [], **rows})
    return judged(lambda sink: postgresql_checks.server_checks(sink, answers))


def test_a_server_of_postgresql() -> None:
    assert server() == {"connections": "ok", "transaction_ids": "ok", "replication_slots": "ok"}, "nothing of replication without any"
    assert server(server={"connections": 95})["connections"] == "critical", "those reserved for the superuser do not count"
    assert server(ids=[{"name": "shop", "ids": 6 * 10**8}])["transaction_ids"] == "warning"
    slot = {"name": "s", "active": False, "bytes": 2 * 1024**3}
    assert server(slots=[slot])["replication_slots"] == "warning"
    assert server(slots=[{**slot, "bytes": None, "status": "lost"}])["replication_slots"] == "critical"
    assert server(slots=[{**slot, "bytes": None}])["replication_slots"] == "ok"


@pytest.mark.parametrize(
    ("rows", "lag", "backlog"),
    [
        ({"replicas": [{"seconds": None, "bytes": 0}]}, "ok", "ok"),  # nothing was written lately
        ({"replicas": [{"seconds": 1, "bytes": 0}, {"seconds": 700, "bytes": 1e9}]}, "critical", "warning"),
        ({"server": {"standby": True}, "standby": [{"receiver": "streaming", "replayed_seconds": 9000, "bytes": 0}]}, "ok", "ok"),
        ({"server": {"standby": True}, "standby": [{"receiver": "streaming", "replayed_seconds": 9000, "bytes": 5}]}, "critical", "ok"),
        # A replica that has a replica of its own: whichever is worse.
        ({"server": {"standby": True}, "standby": [{"receiver": None, "replayed_seconds": 700, "bytes": 5}], "replicas": [{"seconds": 1, "bytes": 0}]},
         "critical", "ok"),
        ({"server": {"standby": True}, "standby": [{"receiver": "streaming", "bytes": 0}], "replicas": [{"seconds": 61, "bytes": 1e9}]}, "warning", "warning"),
        ({"replicas": [{"seconds": None, "bytes": None}]}, "ok", "unknown"),  # it has just begun
        ({"server": {"standby": True}, "standby": [{"receiver": None, "replayed_seconds": 90, "bytes": None}]}, "warning", "ok"),
        ({"server": {"standby": True}, "standby": [{"receiver": None, "replayed_seconds": None, "bytes": None}]}, "unknown", "ok"),
    ],
)
def test_replication_of_postgresql(rows: dict[str, Any], lag: str, backlog: str) -> None:
    found = server(**rows)
    assert (found["replication_lag"], found["replication_backlog"]) == (lag, backlog)


STATUS = {"Threads_connected": "10", "Threads_running": "2"}
MYSQL = {"questions": 10, "slow_queries": 0, "connections": 5, "aborted_connects": 0, "pool_requests": 10, "pool_reads": 5, "deadlocks": 0}


def mysql(interval: dict[str, float | None] | None = None, **rows: Any) -> dict[str, str]:
    answers = Answers(rows={"status": [STATUS], "variables": [{"max_connections": "100", "long_query_time": "10"}], **rows})
    counts = {name: value for name, value in {**MYSQL, **(interval or {})}.items() if value is not None}
    return judged(lambda sink: mysql_checks.server_checks(sink, answers, Interval(DAY, LAST_LOOK, counts)))


def test_a_server_of_mysql() -> None:
    assert set(mysql().values()) == {"ok"} and "replication_lag" not in mysql()
    assert mysql({"questions": 1e6, "slow_queries": 2e4})["slow_queries"] == "warning"
    assert mysql({"connections": 1000, "aborted_connects": 500})["aborted_connections"] == "warning"
    assert mysql({"pool_requests": 4e7, "pool_reads": 2e7})["cache_hits"] == "warning"
    assert "deadlocks" not in mysql({"deadlocks": None}), "a version that does not tell them"
    assert mysql({"slow_queries": None})["slow_queries"] == "unknown"
    assert mysql(status=[{}])["connections"] == "unknown"
    assert mysql(transactions=[{"pid": "7", "wait_seconds": "31", "transaction_seconds": "31", "idle_seconds": None}])["lock_waits"] == "warning"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Waiting for table metadata lock", "warning"), ("Waiting for global read lock", "warning"), ("Waiting for table flush", "warning"),
        ("Updating", "ok"), ("User lock", "ok"), ("Waiting for handler commit", "ok"), (None, "ok"),
    ],
)
def test_a_statement_that_waits_for_a_table_waits_for_a_lock(state: str | None, status: str) -> None:
    assert mysql(processes=[{"pid": "7", "state": state, "query_seconds": "31"}])["lock_waits"] == status


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Seconds_Behind_Master": "0"}, "ok"),
        ({"Replica_IO_Running": "Yes", "Replica_SQL_Running": "Yes", "Seconds_Behind_Source": "61"}, "warning"),
        ({"Slave_IO_Running": "Connecting", "Slave_SQL_Running": "Yes", "Seconds_Behind_Master": None}, "critical"),
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "No", "Seconds_Behind_Master": None}, "critical"),
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes"}, "unknown"),
    ],
)
def test_a_replica_of_mysql(row: dict[str, Any], status: str) -> None:
    assert mysql(replicas=[row])["replication_lag"] == status


INFO = {
    "connected_clients": "3", "maxclients": "10000", "blocked_clients": "0", "used_memory": "1000000", "maxmemory": "0",
    "used_memory_rss": "9000000", "mem_fragmentation_ratio": "9.0", "rdb_last_bgsave_status": "ok", "rdb_last_save_time": str(int(NOW - 2 * DAY)),
    "rdb_changes_since_last_save": "0", "aof_enabled": "0", "role": "master",
}
REDIS = {"commands": 5000, "hits": 10, "misses": 1000, "evicted": 0, "expired": 3, "rejected": 0, "slow": 0}


def redis(
    info: dict[str, str | None] | None = None, interval: dict[str, float] | None = None, save: str = "3600 1", **rows: Any
) -> dict[str, str]:
    told = {name: value for name, value in {**INFO, **(info or {})}.items() if value is not None}
    answers = Answers(look=Look(NOW), rows={"info": [told], "save": [{"save": save}], **rows})
    return judged(lambda sink: redis_checks.server_checks(sink, answers, Interval(DAY, LAST_LOOK, {**REDIS, **(interval or {})})))


@pytest.mark.parametrize(
    ("info", "check", "status"),
    [
        ({"connected_clients": "9600"}, "connections", "critical"),
        ({"maxclients": None}, "connections", "unknown"),
        ({"maxmemory": "1000000"}, "memory", "critical"),
        ({"maxmemory": "1000000", "maxmemory_policy": "allkeys-lru"}, "memory", "ok"),
        ({"maxmemory": "1000000", "maxmemory_policy": "volatile-lru", "db0": "keys=9,expires=0,avg_ttl=0"}, "memory", "critical"),  # nothing can go
        ({"maxmemory": "1000000", "maxmemory_policy": "volatile-lru", "db0": "keys=9,expires=0", "db1": "keys=9,expires=9"}, "memory", "ok"),
        ({"used_memory": None}, "memory", "unknown"),
        ({"used_memory": "1000000000", "used_memory_rss": "1600000000", "mem_fragmentation_ratio": "1.6"}, "fragmentation", "warning"),
        ({"rdb_last_bgsave_status": "err"}, "persistence", "critical"),
        ({"aof_enabled": "1", "aof_last_write_status": "err"}, "persistence", "critical"),
        ({"aof_enabled": "0", "aof_last_write_status": "err"}, "persistence", "ok"),
        ({"aof_enabled": "1", "aof_last_bgrewrite_status": "err"}, "persistence", "warning"),
        ({"rdb_changes_since_last_save": "5"}, "save_age", "warning"),
        ({"rdb_changes_since_last_save": "5", "aof_enabled": "1"}, "save_age", "ok"),
        ({"role": "slave", "master_link_status": "down", "master_link_down_since_seconds": "9"}, "replication_lag", "critical"),
        ({"role": "slave", "master_link_status": "up", "master_last_io_seconds_ago": "61"}, "replication_lag", "warning"),
        ({"slave0": "ip=192.0.2.1,port=6379,state=online,offset=10,lag=1", "master_repl_offset": "400000000"}, "replication_backlog", "warning"),
    ],
)
def test_a_server_of_redis(info: dict[str, str | None], check: str, status: str) -> None:
    assert redis(info)[check] == status


def test_a_server_of_redis_that_tells_less() -> None:
    old = redis({"maxclients": None, "connected_clients": "96"}, maxclients=[{"maxclients": "100"}])
    assert old["connections"] == "critical", "before version 6.2 only the settings tell how many clients it allows"
    for settings in ({"slowlog-log-slower-than": "-1", "slowlog-max-len": "128"}, {"slowlog-log-slower-than": "10000", "slowlog-max-len": "0"}):
        rows = Judged("subject", Rules(read_limits({})))
        redis_checks.server_checks(rows, Answers(rows={"info": [INFO], "slowlog": [settings]}), Interval(DAY, LAST_LOOK, REDIS))
        (row,) = [row for row in rows.checks if row["check"] == "database.slow_queries"]
        assert (row["status"], row["value"]) == ("ok", None) and "switched off" in row["summary"], "no figure is made up"


def test_counters_of_redis_and_a_small_idle_one() -> None:
    assert set(redis().values()) == {"ok"} and "replication_lag" not in redis()
    assert redis(interval={"evicted": 11 * DAY})["evictions"] == "warning"
    assert redis(interval={"rejected": 1})["rejected_connections"] == "warning"
    assert redis(interval={"slow": 100})["slow_queries"] == "warning"
    assert redis({"rdb_changes_since_last_save": "5"}, save="")["save_age"] == "ok", "it is meant to keep nothing"
