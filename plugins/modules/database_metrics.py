#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_metrics
short_description: Look at the performance of databases and compare it with thresholds
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Asks servers of PostgreSQL, MySQL, MariaDB and Redis for their own figures, with their own clients, several at a time.
  - What they count is compared with the last look that O(history) remembers, so that it is about the time since then and
    not about all the time since the server started. Without an earlier look it is about O(sample_seconds).
  - What one user may not see is V(unknown) in the checks that need it; the hint names the right. All others are made.
  - Of statements it returns their kind and shape, cut short, with V(?) for every value, and never their comments.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  databases:
    description:
      - Databases to look at. What belongs to a server as a whole is looked at once for each server.
      - SQLite has no server; it is listed and has nothing to say.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description: What it is. MariaDB is V(mysql).
        type: str
        choices: [postgresql, mysql, redis, sqlite]
        required: true
      database:
        description: Name of the database. Required for V(postgresql) and V(mysql).
        type: str
      path:
        description: File of the database. Required for V(sqlite).
        type: path
      host:
        description:
          - Name or address of the server, or the absolute path of its socket (of its folder for PostgreSQL). By default
            the local socket; for Redis C(127.0.0.1).
        type: str
      port:
        description: Port of the server, V(1) to V(65535). By default the usual one.
        type: int
      user:
        description: User of the database. By default V(postgres) for PostgreSQL, and whom the client takes otherwise.
        type: str
      password:
        description: Password of that user.
        type: str
      run_as:
        description:
          - User of the system that the clients run as. By default V(postgres) for a PostgreSQL that is reached through a
            socket without a password, otherwise the user of the module.
        type: str
      binary_directory:
        description: Folder of the clients. By default they are found through C(PATH).
        type: path
      tls:
        description: Reach Redis through TLS, with the certificates that the system trusts.
        type: bool
        default: false
  thresholds:
    description:
      - Where figures become a warning and where critical. Reaching a threshold counts. V(0) switches a threshold off.
      - A warning threshold beyond its critical one is refused.
    type: dict
    default: {}
    suboptions:
      connections_warning_percent:
        description:
          - Share of the connections that the server allows which are in use, in percent.
          - This much is a warning.
        type: float
        default: 80.0
      connections_critical_percent:
        description:
          - Share of the connections that the server allows which are in use, in percent.
          - This much is critical.
        type: float
        default: 95.0
      cache_hits_warning_percent:
        description:
          - Share of the blocks or pages that came from the cache of PostgreSQL, or the buffer pool of InnoDB, in
            percent.
          - This much or less is a warning.
        type: float
        default: 80.0
      cache_hits_critical_percent:
        description:
          - Share of the blocks or pages that came from the cache of PostgreSQL, or the buffer pool of InnoDB, in
            percent.
          - This much or less is critical.
        type: float
        default: 0.0
      redis_hits_warning_percent:
        description:
          - Share of the keys asked for that Redis had, in percent.
          - This much or less is a warning.
        type: float
        default: 0.0
      redis_hits_critical_percent:
        description:
          - Share of the keys asked for that Redis had, in percent.
          - This much or less is critical.
        type: float
        default: 0.0
      rollbacks_warning_percent:
        description:
          - Share of the transactions of PostgreSQL that were rolled back, in percent.
          - This much is a warning.
        type: float
        default: 20.0
      rollbacks_critical_percent:
        description:
          - Share of the transactions of PostgreSQL that were rolled back, in percent.
          - This much is critical.
        type: float
        default: 0.0
      deadlocks_warning_count:
        description:
          - Number of deadlocks since the last look, as a number.
          - This much is a warning.
        type: float
        default: 1.0
      deadlocks_critical_count:
        description:
          - Number of deadlocks since the last look, as a number.
          - This much is critical.
        type: float
        default: 0.0
      temporary_files_warning_bytes_per_second:
        description:
          - What PostgreSQL writes to temporary files, on average, in bytes per second.
          - This much is a warning.
        type: float
        default: 10485760.0
      temporary_files_critical_bytes_per_second:
        description:
          - What PostgreSQL writes to temporary files, on average, in bytes per second.
          - This much is critical.
        type: float
        default: 0.0
      queries_warning_seconds:
        description:
          - How long the longest statement has run, in seconds.
          - This much is a warning.
        type: float
        default: 300.0
      queries_critical_seconds:
        description:
          - How long the longest statement has run, in seconds.
          - This much is critical.
        type: float
        default: 3600.0
      transactions_warning_seconds:
        description:
          - How old the oldest open or prepared transaction is, in seconds.
          - This much is a warning.
        type: float
        default: 900.0
      transactions_critical_seconds:
        description:
          - How old the oldest open or prepared transaction is, in seconds.
          - This much is critical.
        type: float
        default: 14400.0
      idle_transactions_warning_seconds:
        description:
          - How long a session has done nothing in an open transaction, in seconds.
          - This much is a warning.
        type: float
        default: 300.0
      idle_transactions_critical_seconds:
        description:
          - How long a session has done nothing in an open transaction, in seconds.
          - This much is critical.
        type: float
        default: 3600.0
      lock_waits_warning_seconds:
        description:
          - How long a session has waited for a lock, in seconds.
          - This much is a warning.
        type: float
        default: 30.0
      lock_waits_critical_seconds:
        description:
          - How long a session has waited for a lock, in seconds.
          - This much is critical.
        type: float
        default: 300.0
      dead_rows_warning_percent:
        description:
          - Share of the rows of a table of PostgreSQL that are dead, among tables with O(min_rows) dead rows or more,
            in percent.
          - This much is a warning.
        type: float
        default: 40.0
      dead_rows_critical_percent:
        description:
          - Share of the rows of a table of PostgreSQL that are dead, among tables with O(min_rows) dead rows or more,
            in percent.
          - This much is critical.
        type: float
        default: 0.0
      bloat_warning_percent:
        description:
          - Share of a table of PostgreSQL that its rows do not need, by an estimate, among tables that waste
            O(min_bytes) or more, in percent.
          - This much is a warning.
        type: float
        default: 60.0
      bloat_critical_percent:
        description:
          - Share of a table of PostgreSQL that its rows do not need, by an estimate, among tables that waste
            O(min_bytes) or more, in percent.
          - This much is critical.
        type: float
        default: 0.0
      transaction_ids_warning_percent:
        description:
          - Share of the transaction numbers that the oldest rows of PostgreSQL have used up, in percent.
          - This much is a warning.
        type: float
        default: 25.0
      transaction_ids_critical_percent:
        description:
          - Share of the transaction numbers that the oldest rows of PostgreSQL have used up, in percent.
          - This much is critical.
        type: float
        default: 50.0
      replication_lag_warning_seconds:
        description:
          - How far a replica is behind, in seconds.
          - This much is a warning.
        type: float
        default: 60.0
      replication_lag_critical_seconds:
        description:
          - How far a replica is behind, in seconds.
          - This much is critical.
        type: float
        default: 600.0
      replication_backlog_warning_bytes:
        description:
          - What was written and has not arrived at a replica, in bytes.
          - This much is a warning.
        type: float
        default: 268435456.0
      replication_backlog_critical_bytes:
        description:
          - What was written and has not arrived at a replica, in bytes.
          - This much is critical.
        type: float
        default: 0.0
      replication_slots_warning_bytes:
        description:
          - What a replication slot of PostgreSQL keeps of the WAL, in bytes.
          - This much is a warning.
        type: float
        default: 1073741824.0
      replication_slots_critical_bytes:
        description:
          - What a replication slot of PostgreSQL keeps of the WAL, in bytes.
          - This much is critical.
        type: float
        default: 10737418240.0
      slow_statements_warning_seconds:
        description:
          - How long a statement takes on average, by C(pg_stat_statements), in seconds.
          - This much is a warning.
        type: float
        default: 0.0
      slow_statements_critical_seconds:
        description:
          - How long a statement takes on average, by C(pg_stat_statements), in seconds.
          - This much is critical.
        type: float
        default: 0.0
      slow_queries_warning_percent:
        description:
          - Share of the statements that MySQL calls slow, or of the commands in the slow log of Redis, in percent.
          - This much is a warning.
        type: float
        default: 1.0
      slow_queries_critical_percent:
        description:
          - Share of the statements that MySQL calls slow, or of the commands in the slow log of Redis, in percent.
          - This much is critical.
        type: float
        default: 0.0
      aborted_connections_warning_percent:
        description:
          - Share of the connections that MySQL refused or that were aborted, in percent.
          - This much is a warning.
        type: float
        default: 10.0
      aborted_connections_critical_percent:
        description:
          - Share of the connections that MySQL refused or that were aborted, in percent.
          - This much is critical.
        type: float
        default: 0.0
      memory_warning_percent:
        description:
          - Share of C(maxmemory) that Redis uses, when it can evict nothing, in percent.
          - This much is a warning.
        type: float
        default: 85.0
      memory_critical_percent:
        description:
          - Share of C(maxmemory) that Redis uses, when it can evict nothing, in percent.
          - This much is critical.
        type: float
        default: 95.0
      evictions_warning_per_second:
        description:
          - How many keys Redis evicts, per second.
          - This much is a warning.
        type: float
        default: 10.0
      evictions_critical_per_second:
        description:
          - How many keys Redis evicts, per second.
          - This much is critical.
        type: float
        default: 0.0
      fragmentation_warning_ratio:
        description:
          - How many times its data Redis holds in memory, when it wastes O(min_bytes) or more, as a ratio.
          - This much is a warning.
        type: float
        default: 1.5
      fragmentation_critical_ratio:
        description:
          - How many times its data Redis holds in memory, when it wastes O(min_bytes) or more, as a ratio.
          - This much is critical.
        type: float
        default: 0.0
      blocked_clients_warning_count:
        description:
          - Number of clients of Redis that wait in a blocking command, as a number.
          - This much is a warning.
        type: float
        default: 0.0
      blocked_clients_critical_count:
        description:
          - Number of clients of Redis that wait in a blocking command, as a number.
          - This much is critical.
        type: float
        default: 0.0
      rejected_connections_warning_count:
        description:
          - Number of connections that Redis rejected since the last look, as a number.
          - This much is a warning.
        type: float
        default: 1.0
      rejected_connections_critical_count:
        description:
          - Number of connections that Redis rejected since the last look, as a number.
          - This much is critical.
        type: float
        default: 0.0
      save_age_warning_seconds:
        description:
          - Age of the last save of Redis, when there are newer changes and it is set up to save, in seconds.
          - This much is a warning.
        type: float
        default: 86400.0
      save_age_critical_seconds:
        description:
          - Age of the last save of Redis, when there are newer changes and it is set up to save, in seconds.
          - This much is critical.
        type: float
        default: 0.0
  min_events:
    description:
      - With fewer transactions, statements, commands or keys since the last look, shares of them are told and not judged.
        A tenth of it is enough for connections.
    type: int
    default: 1000
  min_reads_per_second:
    description:
      - With fewer blocks or pages a second that the cache did not have, its hits are told and not judged. A small server
        that has just started reads everything once.
    type: float
    default: 100.0
  min_rows:
    description: Tables with fewer dead rows than this are not judged.
    type: int
    default: 10000
  min_bytes:
    description: A table, or a Redis, that wastes fewer bytes than this is not judged.
    type: int
    default: 104857600
  ignored_sessions:
    description:
      - Shell patterns of users or applications whose long statements and transactions are no finding, such as those that
        make backups. Their waits for locks are.
    type: list
    elements: str
    default: [pg_dump, pg_dumpall, pg_restore, pg_basebackup]
  sample_seconds:
    description:
      - How long to wait between two looks where there is no earlier one, V(0.1) to V(60), in seconds. An earlier look
        that is younger than this does not count.
    type: float
    default: 1.0
  timeout_seconds:
    description: How long one database may take to answer everything, V(1) to V(600), in seconds.
    type: float
    default: 20.0
  concurrency:
    description: How many databases are asked at a time, V(1) to V(32).
    type: int
    default: 4
  history:
    description:
      - File on the host that keeps the counters of the last look and figures for trends, bounded; by default none is kept.
      - A damaged file is set aside and begun anew, which is a warning. A file that cannot be written is C(unknown).
    type: path
notes:
  - Nothing is written to a database. PostgreSQL is asked in sessions that may only read.
  - For PostgreSQL the user needs C(pg_monitor); for bloat C(pg_read_all_data), too. For MySQL C(PROCESS) and
    C(REPLICATION CLIENT); for Redis C(+info +slowlog|get +config|get).
requirements:
  - The client of each kind of server on the host, C(psql) (11 or newer), C(mariadb) or C(mysql), C(redis-cli) (7.0 or newer).
seealso:
  - module: upkeep.runbook.resource_metrics
"""

EXAMPLES = r"""
- name: Look at the databases of this host
  upkeep.runbook.database_metrics:
    databases:
      - type: postgresql
        database: neurosense
      - type: mysql
        database: shop
        user: monitor
        password: "{{ vault_monitor_password }}"
      - type: redis
    thresholds:
      queries_warning_seconds: 60
      queries_critical_seconds: 600
      redis_hits_warning_percent: 80
    history: /var/lib/upkeep/history.sqlite
  register: databases_result

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ databases_result.checks | rejectattr('status', 'eq', 'ok') | map(attribute='summary') }}"
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: warning
checks:
  description:
    - One check result for each figure. Their ids are C(database.answers), C(database.connections),
      C(database.cache_hits), C(database.queries), C(database.transactions), C(database.idle_transactions),
      C(database.lock_waits), C(database.deadlocks), C(database.rollbacks), C(database.temporary_files),
      C(database.dead_rows), C(database.bloat), C(database.transaction_ids), C(database.replication_lag),
      C(database.replication_backlog), C(database.replication_slots), C(database.slow_statements),
      C(database.slow_queries), C(database.aborted_connections), C(database.memory), C(database.fragmentation),
      C(database.evictions), C(database.blocked_clients), C(database.rejected_connections), C(database.persistence),
      C(database.save_age) and C(history.integrity).
    - A server that runs no replication has no checks of it, and one that does not tell its deadlocks none of them.
  type: list
  elements: dict
  returned: success
  sample:
    - check: database.lock_waits
      subject: postgresql neurosense
      status: warning
      summary: A session has waited for a lock for 42 s (warning 30 s, critical 5 min).
      value: 42.0
      unit: seconds
      warning: 30.0
      critical: 300.0
databases:
  description: What was found, one entry for each database, in the order of the option.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The subject of its checks.
      type: str
    type:
      description: What it is.
      type: str
    server:
      description: The subject of the checks of its server.
      type: str
    version:
      description: Version of the server.
      type: str
    seconds:
      description: How long the answers took.
      type: float
    interval_seconds:
      description: The time that what is counted is about.
      type: float
    interval_since:
      description: What that time began with, such as V(the last look).
      type: str
    figures:
      description:
        - What the server tells, by name, such as C(per_second) (transactions, statements or commands),
          C(cache_hit_percent), C(connections), C(longest_query_seconds), C(sessions) (the longest), C(tables) (those with
          most dead rows) and C(statements) (the slowest of C(pg_stat_statements) on average since its reset). Null is not
          known.
      type: dict
    unavailable:
      description: Why checks could not be made, by their id without C(database.).
      type: dict
    problem:
      description: Why the database could not be looked at, if so.
      type: str
    note:
      description: What else is to be known.
      type: str
series:
  description: Figures with their past of 30 days, at most 96 points each, oldest first.
  type: list
  elements: dict
  returned: success
  sample:
    - name: database.throughput:postgresql neurosense
      unit: per_second
      points: [["2026-01-01T00:00:00Z", 41.5]]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.inspection import inspect_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.limits import threshold_options
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import target_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    backups = ["pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup"]
    return {
        "databases": {"type": "list", "elements": "dict", "options": target_options(), "required": True},
        "thresholds": {"type": "dict", "options": threshold_options(), "default": {}},
        "min_events": {"type": "int", "default": 1000},
        "min_reads_per_second": {"type": "float", "default": 100.0},
        "min_rows": {"type": "int", "default": 10_000},
        "min_bytes": {"type": "int", "default": 100 * 1024**2},
        "ignored_sessions": {"type": "list", "elements": "str", "default": backups},
        "sample_seconds": {"type": "float", "default": 1.0},
        "timeout_seconds": {"type": "float", "default": 20.0},
        "concurrency": {"type": "int", "default": 4},
        "history": {"type": "path"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_databases(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
