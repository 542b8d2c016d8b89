"""What goes wrong in real servers is found by its check, a healthy server has no finding, and no value of a statement is told."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.inspection import inspect_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.postgresql_sql import script
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import mysql_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import client_call, psql
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules.database_metrics import argument_spec
from ansible_collections.upkeep.runbook.tests.integration import servers
from ansible_collections.upkeep.runbook.tests.integration.dumps import soon, spec_of
from ansible_collections.upkeep.runbook.tests.integration.servers import Server, as_user

#: Stands in statements as a value that nobody may see.
SECRET = "hush-4711-hush"
#: What a dump takes and a look does not.
_OF_DUMPS = {"unit"}


def look(server: Server, kind: str, **options: Any) -> dict[str, Any]:
    """Look at the database ``metrics`` of a server (Redis: at all of it) as the module does."""
    defaults = {name: option.get("default") for name, option in argument_spec().items()}
    database = {} if kind == "redis" else {"database": "metrics"}
    reach = {key: value for key, value in server.options.items() if key not in _OF_DUMPS}
    target = {"type": kind, **database, **reach, **options.pop("target", {})}
    given = {**defaults, "return_all": True, "sample_seconds": 0.1, "databases": [target], **options}
    result = inspect_databases(given, now=utc_now(), check_mode=False)
    assert SECRET not in json.dumps(result)
    return result


def problems(result: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["status"] for row in result["checks"] if row["status"] != "ok"}


def row_of(result: dict[str, Any], check: str) -> dict[str, Any]:
    (row,) = [row for row in result["checks"] if row["check"] == f"database.{check}"]
    return row


def until(condition: Callable[[], Any]) -> Any:
    """Return what a condition gives as soon as it holds."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.2)  # InnoDB shows what it showed last to who asks again within a tenth of a second
    return found


@pytest.fixture(scope="module")
def postgresql_metrics(postgresql_server: Server) -> Server:
    sql(postgresql_server, "DROP DATABASE IF EXISTS metrics;", database="postgres")
    sql(postgresql_server, "CREATE DATABASE metrics;", database="postgres")
    sql(postgresql_server, "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'a'), (2, 'b');")
    return postgresql_server


def sql(server: Server, statements: str, database: str = "metrics") -> list[list[str]]:
    return psql(spec_of(server, type="postgresql", database="metrics"), statements, database=database, doing="prepare", deadline=soon())


@contextmanager
def session(server: Server, spec: DumpSpec) -> Iterator[subprocess.Popen[bytes]]:
    """A session of psql or the client of MariaDB that is sent statements and stays."""
    with ExitStack() as stack:
        if spec.type == "postgresql":
            arguments = ["--no-psqlrc", "--quiet", "--no-password", f"--dbname={spec.database}"]
            call = stack.enter_context(client_call(spec, "psql", arguments))
        else:
            arguments = ["--batch", "--unbuffered", f"--database={spec.database}"]
            call = stack.enter_context(mysql_client.client_call(spec, mysql_client.program_of(spec, mysql_client.PROGRAMS), arguments, None))
        process = subprocess.Popen(
            call.argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=call.descriptors, cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **call.environment}, **(as_user(call.run_as) if call.run_as else {}),
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()  # type: ignore[union-attr]


def send(process: subprocess.Popen[bytes], statement: str) -> None:
    assert process.stdin is not None
    process.stdin.write(statement.encode() + b"\n")
    process.stdin.flush()


def in_state(server: Server, condition: str) -> int:
    """Return how many sessions of PostgreSQL are in a state."""
    return int(sql(server, f"SELECT count(*) FROM pg_stat_activity WHERE {condition};")[0][0])


def postgresql_session(server: Server) -> Any:
    return session(server, spec_of(server, type="postgresql", database="metrics"))


def test_a_healthy_postgresql_has_no_finding(postgresql_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    for _run in range(2):
        result = look(postgresql_metrics, "postgresql", history=history)
        assert (result["status"], problems(result)) == ("ok", {})
        time.sleep(0.2)
    told = result["databases"][0]
    assert told["interval_since"] == "the last look" and told["version"][:2].isdigit() and told["unavailable"] == {}
    assert told["figures"]["per_second"] > 0 and told["figures"]["connections"] >= 1
    checks = {row["check"] for row in result["checks"]}
    assert {"database.lock_waits", "database.bloat", "database.transaction_ids", "database.replication_slots"} <= checks


def test_a_lock_wait_an_idle_transaction_and_their_texts_without_values(postgresql_metrics: Server) -> None:
    limits = {
        "lock_waits_warning_seconds": 0.3, "idle_transactions_warning_seconds": 0.3, "transactions_warning_seconds": 0.3,
        "queries_warning_seconds": 0.3,
    }
    with postgresql_session(postgresql_metrics) as holder, postgresql_session(postgresql_metrics) as waiter:
        send(holder, f"BEGIN; UPDATE t SET note = '{SECRET}' WHERE id = 1;")
        until(lambda: in_state(postgresql_metrics, "state = 'idle in transaction' AND query LIKE 'UPDATE%'"))
        send(waiter, f"UPDATE t SET note = '{SECRET}' /* {SECRET} */ WHERE id = 1;")
        until(lambda: sql(postgresql_metrics, "SELECT 1 FROM pg_locks WHERE NOT granted;"))
        time.sleep(0.4)
        result = look(postgresql_metrics, "postgresql", thresholds=limits)
        quiet = look(postgresql_metrics, "postgresql", thresholds=limits, ignored_sessions=["upkeep.*"])
    assert problems(result) == {f"database.{name}": "warning" for name in ("lock_waits", "idle_transactions", "transactions", "queries")}
    assert problems(quiet) == {"database.lock_waits": "warning"}
    waits = row_of(result, "lock_waits")["evidence"]["session"]
    assert waits["statement"] == "UPDATE t SET note = ? …" and waits["application"] == "upkeep.runbook"
    idle = row_of(result, "idle_transactions")["evidence"]["session"]
    assert waits["blocked_by"] == [idle["pid"]] and f"pg_terminate_backend({idle['pid']})" in row_of(result, "idle_transactions")["hint"]


def test_a_deadlock_since_the_last_look(postgresql_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    assert problems(look(postgresql_metrics, "postgresql", history=history)) == {}
    with postgresql_session(postgresql_metrics) as one, postgresql_session(postgresql_metrics) as two:
        send(one, "SET deadlock_timeout = '100ms'; BEGIN; UPDATE t SET note = 'x' WHERE id = 1;")
        send(two, "SET deadlock_timeout = '100ms'; BEGIN; UPDATE t SET note = 'x' WHERE id = 2;")
        until(lambda: in_state(postgresql_metrics, "state = 'idle in transaction' AND query LIKE 'UPDATE%'") == 2)
        send(one, "UPDATE t SET note = 'x' WHERE id = 2;")
        send(two, "UPDATE t SET note = 'x' WHERE id = 1;")
        until(lambda: in_state(postgresql_metrics, "state = 'idle in transaction (aborted)'"))
    # A session tells of its deadlock when its transaction has ended.
    until(lambda: int(sql(postgresql_metrics, "SELECT deadlocks FROM pg_stat_database WHERE datname = 'metrics';")[0][0]))
    result = look(postgresql_metrics, "postgresql", history=history)
    assert problems(result) == {"database.deadlocks": "warning"} and row_of(result, "deadlocks")["value"] == 1
    time.sleep(0.2)
    assert problems(look(postgresql_metrics, "postgresql", history=history)) == {}, "it is told once"


def test_dead_rows_bloat_temporary_files_and_rollbacks(postgresql_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    look(postgresql_metrics, "postgresql", history=history)
    sql(postgresql_metrics, "CREATE TABLE worn AS SELECT n, repeat('x', 100) AS note FROM generate_series(1, 20000) n;")
    sql(postgresql_metrics, "DELETE FROM worn WHERE n > 2000;")
    sql(postgresql_metrics, "ANALYZE worn;")
    sql(postgresql_metrics, "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT n FROM generate_series(1, 300000) n ORDER BY n DESC) s;")
    sql(postgresql_metrics, "BEGIN; SELECT 1; ROLLBACK;" * 30)
    limits = {"temporary_files_warning_bytes_per_second": 1, "rollbacks_warning_percent": 50}

    def worn() -> dict[str, Any]:
        result = look(postgresql_metrics, "postgresql", history=history, thresholds=limits, min_rows=1000, min_bytes=100_000, min_events=20)
        return result if len(problems(result)) >= 4 else {}

    try:
        result = until(worn)
        assert problems(result) == {f"database.{name}": "warning" for name in ("dead_rows", "bloat", "temporary_files", "rollbacks")}
        assert "public.worn" in row_of(result, "dead_rows")["summary"] and row_of(result, "dead_rows")["value"] == pytest.approx(90, abs=1)
        assert "public.worn" in row_of(result, "bloat")["summary"] and row_of(result, "bloat")["value"] == pytest.approx(90, abs=6)
        assert result["databases"][0]["figures"]["tables"][0]["dead_rows"] == 18_000
    finally:
        sql(postgresql_metrics, "DROP TABLE worn;")


def test_a_slot_that_keeps_wal_and_one_user_who_may_see_little(postgresql_metrics: Server) -> None:
    sql(postgresql_metrics, "SELECT pg_create_physical_replication_slot('forgotten', true);")
    sql(postgresql_metrics, "CREATE ROLE blind LOGIN;")
    try:
        sql(postgresql_metrics, "CREATE TABLE filler AS SELECT n FROM generate_series(1, 5000) n; DROP TABLE filler;")
        result = look(postgresql_metrics, "postgresql", thresholds={"replication_slots_warning_bytes": 1000})
        assert problems(result) == {"database.replication_slots": "warning"} and "forgotten keeps" in row_of(result, "replication_slots")["summary"]
        with postgresql_session(postgresql_metrics) as other:
            send(other, "BEGIN; SELECT 1;")
            until(lambda: in_state(postgresql_metrics, "state = 'idle in transaction'"))
            blind = look(postgresql_metrics, "postgresql", target={"user": "blind"})
    finally:
        sql(postgresql_metrics, "SELECT pg_drop_replication_slot('forgotten'); DROP ROLE blind;")
    unseen = ("queries", "transactions", "idle_transactions", "lock_waits", "replication_lag", "replication_backlog")
    assert problems(blind) == {f"database.{name}": "unknown" for name in unseen}
    assert row_of(blind, "queries")["hint"] == "Let it see the whole server: GRANT pg_monitor TO blind."
    assert set(blind["databases"][0]["unavailable"]) == set(unseen)
    assert blind["databases"][0]["figures"]["connections"] >= 2, "it counts those that it may not see"


def test_a_table_that_was_emptied_and_one_that_nobody_looked_into(postgresql_metrics: Server) -> None:
    sql(postgresql_metrics, "CREATE TABLE emptied AS SELECT n, repeat('x', 100) AS note FROM generate_series(1, 20000) n;")
    try:
        sql(postgresql_metrics, "DELETE FROM emptied; VACUUM (TRUNCATE off, ANALYZE) emptied;")
        bloat = row_of(look(postgresql_metrics, "postgresql", min_bytes=100_000), "bloat")
        assert (bloat["status"], bloat["value"]) == ("warning", 100.0) and "public.emptied" in bloat["summary"]
        sql(postgresql_metrics, "TRUNCATE emptied; INSERT INTO emptied SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n;")
        sql(postgresql_metrics, "CREATE TABLE unseen AS TABLE emptied; VACUUM unseen; VACUUM (ANALYZE) emptied;")
        assert "public.unseen" in row_of(look(postgresql_metrics, "postgresql", min_bytes=100_000), "bloat")["summary"]
        sql(postgresql_metrics, "ANALYZE unseen;")
        assert problems(look(postgresql_metrics, "postgresql", min_bytes=100_000)) == {}
    finally:
        sql(postgresql_metrics, "DROP TABLE emptied; DROP TABLE IF EXISTS unseen;")


def test_a_session_that_does_not_tell_what_it_does(postgresql_metrics: Server) -> None:
    with postgresql_session(postgresql_metrics) as silent:
        send(silent, "SET track_activities = off; BEGIN; SELECT 1;")
        until(lambda: in_state(postgresql_metrics, "state = 'disabled'"))
        unseen = look(postgresql_metrics, "postgresql")
    assert problems(unseen) == {f"database.{name}": "unknown" for name in ("queries", "transactions", "idle_transactions")}
    assert "track_activities" in row_of(unseen, "queries")["summary"]


def test_a_session_of_a_pool_is_left_as_it_was(postgresql_metrics: Server) -> None:
    """A pool gives it to another program afterwards, which wants to write and to find its tables."""
    names = ("search_path", "default_transaction_read_only", "statement_timeout", "lock_timeout", "client_encoding")
    shown = "".join(f"SHOW {name};" for name in names)
    text = script(seconds=4, min_rows=1, min_bytes=1, whole_server=True)
    spec = spec_of(postgresql_metrics, type="postgresql", database="metrics")
    both = psql(spec, f"{shown}\n{text}\n{shown}", database="metrics", doing="look at", deadline=soon(), stop_at_errors=False)
    assert both[: len(names)] == both[-len(names) :]


def test_bytes_that_are_no_text(postgresql_metrics: Server) -> None:
    """A database that does not know what its bytes mean."""
    sql(postgresql_metrics, "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;", database="postgres")
    try:
        with session(postgresql_metrics, spec_of(postgresql_metrics, type="postgresql", database="bytes")) as latin:
            assert latin.stdin is not None
            latin.stdin.write(b"SET client_encoding = 'SQL_ASCII'; BEGIN; SELECT 1 AS gr\xf6\xdfe;\n")
            latin.stdin.flush()
            until(lambda: in_state(postgresql_metrics, "datname = 'bytes' AND state = 'idle in transaction'"))
            result = look(postgresql_metrics, "postgresql", target={"database": "bytes"})
        assert problems(result) == {} and result["databases"][0]["figures"]["sessions"][0]["statement"] == "SELECT ? AS gr\\xf6\\xdfe"
    finally:
        sql(postgresql_metrics, "DROP DATABASE bytes WITH (FORCE);", database="postgres")


def test_what_a_user_of_the_database_calls_like_a_function_of_the_server_is_not_run(postgresql_metrics: Server) -> None:
    sql(
        postgresql_metrics,
        "CREATE TABLE trap (n int); CREATE FUNCTION public.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO trap VALUES (1); RETURN now(); END $$;"
        " ALTER DATABASE metrics SET search_path = public, pg_catalog;",
    )
    try:
        assert problems(look(postgresql_metrics, "postgresql")) == {}
        assert sql(postgresql_metrics, "SELECT count(*) FROM trap;") == [["0"]]
    finally:
        sql(postgresql_metrics, "DROP FUNCTION public.pg_postmaster_start_time(); DROP TABLE trap; ALTER DATABASE metrics RESET search_path;")


def test_a_replica_and_statements_of_postgresql() -> None:
    """A server of its own, which counts statements and has a replica."""
    with servers.postgresql(settings=("shared_preload_libraries=pg_stat_statements",)) as primary:
        sql(primary, "CREATE DATABASE metrics;", database="postgres")
        sql(primary, f"CREATE EXTENSION pg_stat_statements; CREATE ROLE r PASSWORD '{SECRET}'; SELECT pg_sleep(0.2), '{SECRET}';")
        slow = look(primary, "postgresql", thresholds={"slow_statements_warning_seconds": 0.1})
        assert problems(slow) == {"database.slow_statements": "warning"}
        assert "SELECT pg_sleep($1), $2" in [row["statement"] for row in slow["databases"][0]["figures"]["statements"]]
        with servers.postgresql_replica(primary) as replica:
            until(lambda: sql(primary, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming';", database="postgres"))
            for server in (primary, replica):
                result = look(server, "postgresql")
                assert problems(result) == {} and row_of(result, "replication_lag")["value"] < 30
            assert row_of(result, "dead_rows")["value"] is None, "a replica counts none"
            sql(primary, "CREATE TABLE replayed AS SELECT 1;")
            until(lambda: sql(replica, "SELECT 1 WHERE pg_last_xact_replay_timestamp() IS NOT NULL;"))
            sql(replica, "SELECT pg_wal_replay_pause();", database="postgres")
            sql(primary, "CREATE TABLE more AS SELECT n FROM generate_series(1, 50000) n;")
            limits = {"replication_backlog_warning_bytes": 100_000}
            for server in (primary, replica):
                until(lambda server=server: problems(look(server, "postgresql", thresholds=limits)) == {"database.replication_backlog": "warning"})
            sql(replica, "SELECT pg_wal_replay_resume();", database="postgres")


def test_a_server_that_is_gone_and_one_that_refuses(postgresql_metrics: Server, redis_server: Server) -> None:
    gone = look(postgresql_metrics, "postgresql", target={"host": str(postgresql_metrics.directory / "gone")})
    assert problems(gone) == {"database.answers": "critical"}
    refused = look(redis_server, "redis", target={"password": SECRET})
    assert problems(refused) == {"database.answers": "unknown"} and "refuses the user or the password" in row_of(refused, "answers")["summary"]
    nobody = look(postgresql_metrics, "postgresql", target={"database": "nothing"})
    assert problems(nobody) == {"database.answers": "unknown"} and "no such database" in row_of(nobody, "answers")["summary"]


@pytest.fixture(scope="module")
def mariadb_metrics(mariadb_server: Server) -> Server:
    mysql(mariadb_server, "CREATE DATABASE IF NOT EXISTS metrics;", database="")
    mysql(mariadb_server, "CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, note TEXT) ENGINE=InnoDB; INSERT INTO t VALUES (1, 'a'), (2, 'b');")
    return mariadb_server


def mysql(server: Server, statements: str, database: str = "metrics") -> list[list[str]]:
    spec = spec_of(server, type="mysql", database="metrics")
    return mysql_client.ask(spec, statements, doing="prepare", deadline=soon(), database=database)


def mariadb_session(server: Server) -> Any:
    return session(server, spec_of(server, type="mysql", database="metrics"))


def sleeping_transactions(server: Server) -> int:
    return int(mysql(server, "SELECT count(*) FROM information_schema.INNODB_TRX WHERE trx_query IS NULL AND trx_rows_modified > 0;")[0][0])


def test_a_healthy_mariadb_has_no_finding(mariadb_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    for _run in range(2):
        result = look(mariadb_metrics, "mysql", history=history)
        assert (result["status"], problems(result)) == ("ok", {})
        time.sleep(0.2)
    figures = result["databases"][0]["figures"]
    assert figures["per_second"] > 0 and figures["connections"] >= 1 and figures["deadlocks"] == 0
    assert "MariaDB" in result["databases"][0]["version"]


def test_a_lock_wait_and_a_deadlock_of_mariadb(mariadb_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    look(mariadb_metrics, "mysql", history=history)
    limits = {"lock_waits_warning_seconds": 1, "idle_transactions_warning_seconds": 1}
    with mariadb_session(mariadb_metrics) as one, mariadb_session(mariadb_metrics) as two:
        send(one, f"BEGIN; UPDATE t SET note = '{SECRET}' WHERE id = 1;")
        send(two, f"BEGIN; UPDATE t SET note = '{SECRET}' WHERE id = 2;")
        until(lambda: sleeping_transactions(mariadb_metrics) == 2)
        send(two, f"UPDATE t SET note = \"{SECRET}\" WHERE id = 1;")
        result = until(lambda: next((r for r in [look(mariadb_metrics, "mysql", thresholds=limits)] if len(problems(r)) == 2), None))
        assert problems(result) == {"database.lock_waits": "warning", "database.idle_transactions": "warning"}
        assert row_of(result, "lock_waits")["evidence"]["session"]["statement"] == "UPDATE t SET note = ? WHERE id = ?"
        send(one, "UPDATE t SET note = 'x' WHERE id = 2;")
        until(lambda: int(mysql(mariadb_metrics, "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks';")[0][1]))
    assert problems(look(mariadb_metrics, "mysql", history=history)) == {"database.deadlocks": "warning"}


def test_slow_queries_aborted_connections_and_a_user_who_may_see_little(mariadb_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    look(mariadb_metrics, "mysql", history=history)
    mysql(mariadb_metrics, "SET SESSION slow_query_log = 1; SET SESSION long_query_time = 0.01;" + f"SELECT SLEEP(0.05), '{SECRET}';" * 5)
    for _try in range(3):
        assert "unknown" in problems(look(mariadb_metrics, "mysql", target={"password": "wrong"})).values()
    result = look(mariadb_metrics, "mysql", history=history, min_events=5)
    assert {"database.slow_queries", "database.aborted_connections"} <= problems(result).keys()
    mysql(mariadb_metrics, "CREATE OR REPLACE USER blind@localhost IDENTIFIED BY 'b'; GRANT SELECT ON metrics.* TO blind@localhost;")
    blind = look(mariadb_metrics, "mysql", target={"user": "blind", "password": "b"})
    unseen = ("queries", "transactions", "idle_transactions", "lock_waits", "replication_lag")
    assert problems(blind) == {f"database.{name}": "unknown" for name in unseen}
    assert "GRANT PROCESS" in row_of(blind, "queries")["hint"]
    mysql(mariadb_metrics, "DROP USER blind@localhost;")


def test_what_waits_for_a_table_and_how_long_it_waits_wherever_the_clock_is(mariadb_metrics: Server) -> None:
    limits = {"lock_waits_warning_seconds": 1, "transactions_warning_seconds": 1}
    zone = mysql(mariadb_metrics, "SELECT @@GLOBAL.time_zone;")[0][0]
    # InnoDB tells the time of the system, whatever zone the sessions have.
    mysql(mariadb_metrics, "SET GLOBAL time_zone = '-09:00';")
    try:
        with mariadb_session(mariadb_metrics) as holder, mariadb_session(mariadb_metrics) as waiter:
            send(holder, "BEGIN; UPDATE t SET note = 'x' WHERE id = 1;")
            until(lambda: sleeping_transactions(mariadb_metrics) == 1)
            send(waiter, "ALTER TABLE t ADD COLUMN more INT;")
            result = until(lambda: next((r for r in [look(mariadb_metrics, "mysql", thresholds=limits)] if len(problems(r)) == 2), None))
    finally:
        mysql(mariadb_metrics, f"SET GLOBAL time_zone = '{zone}';")
        mysql(mariadb_metrics, "ALTER TABLE t DROP COLUMN IF EXISTS more;")
    assert problems(result) == {"database.lock_waits": "warning", "database.transactions": "warning"}
    assert row_of(result, "transactions")["value"] < 600 and row_of(result, "lock_waits")["evidence"]["session"]["state"].endswith("metadata lock")


def test_a_prepared_transaction_whose_session_is_gone(mariadb_metrics: Server) -> None:
    with mariadb_session(mariadb_metrics) as leaving:
        send(leaving, "XA START 'orphan'; UPDATE t SET note = 'x' WHERE id = 2; XA END 'orphan'; XA PREPARE 'orphan';")
        until(lambda: mysql(mariadb_metrics, "XA RECOVER;"))
    try:
        limits = {"transactions_warning_seconds": 1}
        result = until(lambda: next((r for r in [look(mariadb_metrics, "mysql", thresholds=limits)] if problems(r)), None))
        assert problems(result) == {"database.transactions": "warning"} and "XA RECOVER" in row_of(result, "transactions")["hint"]
    finally:
        mysql(mariadb_metrics, "XA ROLLBACK 'orphan';")


def test_a_mariadb_at_whose_port_nobody_listens(mariadb_metrics: Server) -> None:
    assert problems(look(mariadb_metrics, "mysql", target={"host": "127.0.0.1", "port": 1})) == {"database.answers": "critical"}


def test_a_flush_resets_no_counter_that_goes_on(mariadb_metrics: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    mysql(mariadb_metrics, "SELECT 1;" * 3000)
    look(mariadb_metrics, "mysql", history=history)
    time.sleep(1.5)
    mysql(mariadb_metrics, "FLUSH STATUS;")
    result = look(mariadb_metrics, "mysql", history=history)
    assert problems(result) == {} and result["databases"][0]["interval_since"] == "the last look"
    assert result["databases"][0]["figures"]["per_second"] < 1000


def redis(server: Server, *command: str) -> str:
    return call_client(spec_of(server, type="redis"), "prepare", command, deadline=soon()).output.decode()


def test_a_healthy_redis_has_no_finding(redis_server: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    redis(redis_server, "SET", "key", SECRET)
    for _run in range(2):
        result = look(redis_server, "redis", history=history)
        assert (result["status"], problems(result)) == ("ok", {})
        time.sleep(0.2)
    figures = result["databases"][0]["figures"]
    assert figures["per_second"] > 0 and figures["memory_bytes"] > 0 and figures["slow_queries"] == 0


def test_evictions_slow_commands_and_a_save_that_failed(tmp_path: Path) -> None:
    with servers.redis("--enable-protected-configs", "yes") as redis_server:
        _wear_out(redis_server, tmp_path)


def _wear_out(redis_server: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    look(redis_server, "redis", history=history)
    redis(redis_server, "CONFIG", "SET", "slowlog-log-slower-than", "0")
    redis(redis_server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis(redis_server, "CONFIG", "SET", "maxmemory", str(int(redis(redis_server, "INFO", "memory").split("used_memory:")[1].split()[0]) + 200_000))
    redis(redis_server, "EVAL", f"for n = 1, 300 do redis.call('SET', '{SECRET}' .. n, string.rep('x', 5000)) end", "0")
    redis(redis_server, "CONFIG", "SET", "dir", "/proc")
    redis(redis_server, "BGSAVE")
    until(lambda: "rdb_last_bgsave_status:err" in redis(redis_server, "INFO", "persistence"))
    result = look(redis_server, "redis", history=history, min_events=5, thresholds={"evictions_warning_per_second": 1})
    assert problems(result) == {
        "database.evictions": "warning", "database.slow_queries": "warning", "database.persistence": "critical",
    }
    redis(redis_server, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
    redis(redis_server, "SLOWLOG", "RESET")
    time.sleep(0.2)
    emptied = look(redis_server, "redis", history=history)
    told = emptied["databases"][0]
    assert (told["interval_since"], told["figures"]["evicted_keys"]) == ("the last look", 0), "only the slow log was emptied"
    assert row_of(emptied, "slow_queries")["value"] is None, "nobody counts"
    redis(redis_server, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert problems(look(redis_server, "redis"))["database.memory"] in ("warning", "critical")


def test_a_redis_that_was_restarted_or_reset_counts_anew(redis_server: Server, tmp_path: Path) -> None:
    history = str(tmp_path / "history.sqlite")
    redis(redis_server, "EVAL", "for n = 1, 5000 do redis.call('GET', 'nothing') end", "0")
    look(redis_server, "redis", history=history)
    redis(redis_server, "CONFIG", "RESETSTAT")
    time.sleep(0.2)
    result = look(redis_server, "redis", history=history)
    told = result["databases"][0]
    assert told["interval_since"] == "the counters began anew" and problems(result) == {}
    assert 0 < told["figures"]["per_second"] < 1000


def test_a_redis_whose_commands_have_other_names() -> None:
    with servers.redis("--rename-command", "SLOWLOG", "") as redis_server:
        renamed = look(redis_server, "redis")
        assert problems(renamed) == {"database.slow_queries": "unknown"} and "unknown command" in row_of(renamed, "slow_queries")["summary"]


def test_a_replica_of_redis_that_lost_its_primary_and_a_user_who_may_ask_little(redis_server: Server) -> None:
    redis(redis_server, "ACL", "SETUSER", "blind", "on", ">b", "+info", "+ping")
    blind = look(redis_server, "redis", target={"user": "blind", "password": "b"})
    assert problems(blind) == {"database.slow_queries": "unknown"} and "+slowlog" in row_of(blind, "slow_queries")["hint"]
    redis(redis_server, "REPLICAOF", "127.0.0.1", "1")
    assert problems(look(redis_server, "redis")) == {"database.replication_lag": "critical"}
