"""Databases of every type into one backup and back, through the modules as Ansible runs them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import psql
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.tests.integration import servers
from ansible_collections.upkeep.runbook.tests.integration.dumps import soon, spec_of
from ansible_collections.upkeep.runbook.tests.integration.servers import Server
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(module: str, **options: Any) -> dict[str, Any]:
    return run_module(module, options)


class Platform:
    """One number, kept in a database of each type."""

    def __init__(self, folder: Path, postgresql: Server, mariadb: Server, redis: Server) -> None:
        self.dumps = [
            {**redis.options, "type": "redis"},
            {**postgresql.options, "type": "postgresql", "database": "number"},
            {**mariadb.options, "type": "mysql", "database": "number"},
            {"type": "sqlite", "path": str(folder / "data" / "number.db")},
            {**postgresql.options, "type": "postgresql_globals"},
        ]
        self.redis, self.postgresql, self.mysql, self.sqlite, _globals = (spec_of(None, **dump) for dump in self.dumps)
        (folder / "data").mkdir()
        psql(self.postgresql, "DROP DATABASE IF EXISTS number; CREATE DATABASE number;", database="postgres", doing="make", deadline=soon())
        psql(self.postgresql, "CREATE TABLE t (n INT); INSERT INTO t VALUES (0);", database="number", doing="make", deadline=soon())
        ask(self.mysql, "DROP DATABASE IF EXISTS number; CREATE DATABASE number;", doing="make", deadline=soon())
        ask(self.mysql, "CREATE TABLE t (n INT); INSERT INTO t VALUES (0);", doing="make", deadline=soon(), database="number")
        self.sql("CREATE TABLE t (n INT)")
        self.sql("INSERT INTO t VALUES (0)")

    def sql(self, statement: str) -> list[Any]:
        connection = sqlite3.connect(self.sqlite.path)
        with connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    def set(self, number: int) -> None:
        psql(self.postgresql, f"UPDATE t SET n = {number};", database="number", doing="set", deadline=soon())
        ask(self.mysql, f"UPDATE t SET n = {number};", doing="set", deadline=soon(), database="number")
        self.sql(f"UPDATE t SET n = {number}")
        call_client(self.redis, "set", ["SET", "n", str(number)], deadline=soon())

    def numbers(self) -> list[int]:
        return [
            int(psql(self.postgresql, "SELECT n FROM t;", database="number", doing="ask", deadline=soon())[0][0]),
            int(ask(self.mysql, "SELECT n FROM t;", doing="ask", deadline=soon(), database="number")[0][0]),
            int(self.sql("SELECT n FROM t")[0][0]),
            int(call_client(self.redis, "ask", ["GET", "n"], deadline=soon()).output),
        ]


def test_all_of_them_in_one_backup_and_back(
    tmp_path: Path, postgresql_server: Server, mariadb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.redis_unit() as redis:
        monkeypatch.setenv("PATH", f"{redis.directory / 'bin'}:{os.environ['PATH']}")
        platform = Platform(tmp_path, postgresql_server, mariadb_server, redis)
        platform.set(1)
        files = tmp_path / "files"
        files.mkdir()
        (files / "a").write_text("a")
        state = str(tmp_path / "state")
        made = run(
            "backup_create", sources=[{"name": "files", "paths": [str(files)]}], dumps=platform.dumps, label="all",
            destination=str(tmp_path / "backups"), state_directory=state,
        )
        assert made.get("changed"), made
        platform.set(2)
        wanted = {"path": made["backup"]["path"], "dumps": platform.dumps, "state_directory": state}
        planned = run("database_restore", **wanted, _ansible_check_mode=True)
        assert planned.get("changed") and platform.numbers() == [2, 2, 2, 2], planned
        done = run("database_restore", **wanted)
        assert done.get("status") == "ok" and platform.numbers() == [1, 1, 1, 1], done
        assert done["restored"][0]["type"] == "postgresql_globals"
        shown = str(made) + str(planned) + str(done)
        assert "my \"secret\"" not in shown and "pg secret" not in shown
        platform.set(3)
        run("database_restore", state="previous", id=done["id"], dumps=platform.dumps, state_directory=state)
        assert platform.numbers() == [2, 2, 2, 2]

        # The last one fails: all of them stay.
        broken = [*platform.dumps[:3], {"type": "sqlite", "path": str(tmp_path / "nowhere" / "x.db"), "name": "sqlite-number.db.sqlite"}]
        failed = run("database_restore", **{**wanted, "dumps": broken})
        assert failed["failed"] and platform.numbers() == [2, 2, 2, 2]
        run("database_restore", state="dropped_previous", dumps=platform.dumps, state_directory=state)
