# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PostgreSQL is asked: one script whose answers are rows of JSON, each section ending with the state of its query.

Only views and functions of the server itself are asked, and no other schema is searched: what a user of the database calls like one
of them is not run. A section that a version does not have is left out by the version.

All of it is one transaction that may only read, with settings of its own: a pool of connections may give the session to somebody else
afterwards. psql takes each query that fails back to the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = "\x1f"
#: Rows of one section, at most. A server with more sessions than this has the longest ones in it.
_SESSIONS, _TABLES, _OTHERS = 200, 10, 50
_TEXT = 2000
_RECEIVED = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"
_NOW = "clock_timestamp()"

_SERVER = (
    "SELECT current_setting('server_version') AS version, extract(epoch FROM clock_timestamp()) AS now,"
    " extract(epoch FROM pg_postmaster_start_time()) AS started, pg_is_in_recovery() AS standby,"
    " pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all, current_user::text AS asked_as,"
    " current_setting('max_connections')::int AS max_connections,"
    # Version 16 keeps some for a role, too.
    " current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,"
    " current_setting('track_counts')::boolean AS counts,"
    # Who may not see the sessions of others is not told what they are, only that they are in a database.
    " (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend') AS connections"
)
_COUNTERS = (
    "SELECT xact_commit, xact_rollback, blks_read, blks_hit, deadlocks, temp_files, temp_bytes,"
    " extract(epoch FROM stats_reset) AS reset"
    " FROM pg_stat_database WHERE datname = current_database()"
)
_SESSIONS_SQL = (
    "SELECT pid, usename AS user, application_name AS application, state, wait_event_type AS waits_for,"
    f" CASE WHEN state = 'active' THEN extract(epoch FROM {_NOW} - query_start) END AS query_seconds,"
    f" extract(epoch FROM {_NOW} - xact_start) AS transaction_seconds,"
    f" CASE WHEN state LIKE 'idle in transaction%' THEN extract(epoch FROM {_NOW} - state_change) END AS idle_seconds,"
    f" left(query, {_TEXT}) AS query FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'"
    f" ORDER BY xact_start NULLS LAST LIMIT {_SESSIONS}"
)
_PREPARED = (
    f"SELECT gid, owner AS user, extract(epoch FROM {_NOW} - prepared) AS transaction_seconds"
    f" FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT {_OTHERS}"
)
_TABLES_SQL = (
    "SELECT schemaname AS schema, relname AS name, n_live_tup AS live_rows, n_dead_tup AS dead_rows,"
    " round(100.0 * n_dead_tup / (n_live_tup + n_dead_tup), 1) AS dead_percent,"
    f" extract(epoch FROM {_NOW} - last_autovacuum) AS autovacuum_seconds, extract(epoch FROM {_NOW} - last_vacuum) AS vacuum_seconds"
    " FROM pg_stat_user_tables WHERE n_dead_tup >= greatest(%(min_rows)d, 1)"
    f" ORDER BY n_dead_tup::float8 / (n_live_tup + n_dead_tup) DESC LIMIT {_TABLES}"
)
#: By how much a table is larger than its rows need: their number, the average width of their columns, and what each row and page costs.
_BLOAT = (
    # Of two figures of which one is not known, least() takes the other one.
    "SELECT schema, name, bytes, CASE WHEN needed IS NOT NULL THEN least(needed, bytes)::bigint END AS needed_bytes FROM ("
    "SELECT n.nspname AS schema, c.relname AS name, c.relpages::bigint * b.size AS bytes,"
    " CASE WHEN c.reltuples = 0 THEN 0 WHEN w.width IS NOT NULL THEN ceil(c.reltuples * (28 + ceil(w.width / 8) * 8) / (b.size - 24)"
    " / coalesce((SELECT option_value::float8 / 100 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 1)) * b.size END AS needed"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " CROSS JOIN (SELECT current_setting('block_size')::float8 AS size) b"
    " LEFT JOIN LATERAL (SELECT sum((1 - s.null_frac) * s.avg_width) AS width FROM pg_stats s"
    " WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited) w ON true"
    " WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    f" AND c.relpages::bigint * b.size >= greatest(%(min_bytes)d, 1) AND c.reltuples >= 0 ORDER BY c.relpages DESC LIMIT {_OTHERS}"
    ") t ORDER BY bytes - needed DESC NULLS LAST"
)
_WAITS = (
    "SELECT l.pid, a.usename AS user, a.application_name AS application, %(wait)s AS wait_seconds, l.locktype AS lock, l.mode,"
    " CASE WHEN l.relation IS NOT NULL THEN l.relation::regclass::text END AS relation,"
    f" pg_blocking_pids(l.pid) AS blocked_by, left(a.query, {_TEXT}) AS query"
    " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.datname = current_database()"
    " ORDER BY wait_seconds DESC NULLS LAST LIMIT 20"
)
_IDS = (
    "SELECT datname AS name, greatest(age(datfrozenxid), mxid_age(datminmxid)) AS ids"
    " FROM pg_database ORDER BY 2 DESC LIMIT 1"
)
_REPLICAS = (
    "SELECT application_name AS application, client_addr::text AS address, state, sync_state AS sync,"
    # Who only receives it, such as pg_receivewal, replays nothing.
    f" pg_wal_lsn_diff({_RECEIVED}, coalesce(replay_lsn, flush_lsn, write_lsn)) AS bytes, extract(epoch FROM replay_lag) AS seconds"
    f" FROM pg_stat_replication WHERE state <> 'backup' ORDER BY 5 DESC NULLS LAST LIMIT {_OTHERS}"
)
_STANDBY = (
    "SELECT (SELECT status FROM pg_stat_wal_receiver LIMIT 1) AS receiver,"
    f" extract(epoch FROM {_NOW} - pg_last_xact_replay_timestamp()) AS replayed_seconds,"
    " pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS bytes WHERE pg_is_in_recovery()"
)
_SLOTS = (
    f"SELECT slot_name AS name, slot_type AS kind, active, %(status)s AS status, pg_wal_lsn_diff({_RECEIVED}, restart_lsn) AS bytes"
    f" FROM pg_replication_slots ORDER BY 5 DESC NULLS LAST LIMIT {_OTHERS}"
)
_STATEMENTS = (
    "SELECT queryid::text AS id, calls, mean_exec_time / 1000 AS mean_seconds, total_exec_time / 1000 AS total_seconds,"
    f" rows, left(query, {_TEXT}) AS query FROM :schema.pg_stat_statements"
    " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY mean_exec_time DESC LIMIT 5"
)


def _section(name: str, query: str) -> list[str]:
    """Return a section: its rows as JSON, and how its query ended."""
    return [f"SELECT 'row', '{name}', row_to_json(x) FROM ({query}) x;", f"\\echo end{SEPARATOR}{name}{SEPARATOR}:SQLSTATE"]


def script(*, seconds: float, min_rows: int, min_bytes: int, whole_server: bool) -> str:
    """Return the script.

    :param seconds: how long one query may take.
    :param whole_server: ask for what belongs to the server as a whole, too.
    """
    lines = [
        "\\set ON_ERROR_ROLLBACK on", "BEGIN READ ONLY;", "SET LOCAL search_path = pg_catalog, pg_temp;",
        f"SET LOCAL statement_timeout = {int(seconds * 1000)};", f"SET LOCAL lock_timeout = {int(min(seconds, 2) * 1000)};",
        # A database that does not know what its bytes mean cannot convert them.
        "SELECT set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, true)"
        " AS client_encoding \\gset",
        "SELECT current_setting('server_version_num')::int >= 140000 AS tells_waits,"
        " current_setting('server_version_num')::int >= 130000 AS tells_wal \\gset",
        "SELECT count(*) > 0 AS has_statements, coalesce(max(quote_ident(n.nspname)), 'pg_catalog') AS schema"
        " FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements' \\gset",
        *_section("server", _SERVER), *_section("counters", _COUNTERS), *_section("sessions", _SESSIONS_SQL),
        *_section("prepared", _PREPARED),
        "\\if :tells_waits", *_section("waits", _WAITS % {"wait": f"extract(epoch FROM {_NOW} - l.waitstart)"}),
        "\\else", *_section("waits", _WAITS % {"wait": f"extract(epoch FROM {_NOW} - a.query_start)"}), "\\endif",
        *_section("tables", _TABLES_SQL % {"min_rows": min_rows}), *_section("bloat", _BLOAT % {"min_bytes": min_bytes}),
        "\\if :has_statements", *_section("statements", _STATEMENTS), "\\endif",
    ]
    if whole_server:
        lines += [
            *_section("ids", _IDS), *_section("replicas", _REPLICAS), *_section("standby", _STANDBY),
            "\\if :tells_wal", *_section("slots", _SLOTS % {"status": "wal_status"}),
            "\\else", *_section("slots", _SLOTS % {"status": "NULL"}), "\\endif",
        ]
    lines.append("COMMIT;")
    return "\n".join(lines) + "\n"


def sections(whole_server: bool) -> Sequence[str]:
    """Return the sections that every server answers."""
    own = ("server", "counters", "sessions", "prepared", "waits", "tables", "bloat")
    return (*own, "ids", "replicas", "standby", "slots") if whole_server else own
