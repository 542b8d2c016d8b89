"""A drill loads the dumps of a backup into scratch databases of the real servers, counts them, and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import psql
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.tests.integration.dumps import soon, spec_of
from ansible_collections.upkeep.runbook.tests.integration.servers import Server
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def databases(server: Server) -> list[str]:
    spec = spec_of(server, type="postgresql_globals")
    return sorted(row[0] for row in psql(spec, "SELECT datname FROM pg_database;", database="postgres", doing="ask", deadline=soon()))


def drill(folder: Path, dumps: list[dict[str, Any]]) -> dict[str, Any]:
    answer = run_module(
        "backup_verify",
        {
            "directory": str(folder / "backups"), "level": "drill", "return_all": True, "remember": True, "state_directory": str(folder / "state"),
            "drill": {"directory": str(folder / "scratch"), "every_days": 0, "dumps": dumps},
        },
    )
    assert not answer.get("failed"), answer
    assert list((folder / "scratch").iterdir()) == []
    assert "red secret" not in json.dumps(answer)
    (check,) = (row for row in answer["checks"] if row["check"] == "backup.drill")
    return {**check, "databases": answer["drills"][0]["databases"]}


def test_the_dumps_of_a_backup_are_tried(postgresql_server: Server, redis_server: Server, tmp_path: Path) -> None:
    name = "drilled"
    spec = spec_of(postgresql_server, type="postgresql", database=name)
    psql(spec, "CREATE DATABASE drilled;", database="postgres", doing="prepare", deadline=soon())
    psql(spec, "CREATE TABLE tick AS SELECT n FROM generate_series(1, 42) n;", database=name, doing="fill", deadline=soon())
    call_client(spec_of(redis_server, type="redis"), "prepare", ["SET", "key", "value"], deadline=soon())
    dumps = [
        {**postgresql_server.options, "name": "ticks.pgdump", "type": "postgresql", "database": name},
        {**postgresql_server.options, "name": "roles.sql", "type": "postgresql_globals"},
        {**redis_server.options, "name": "cache.rdb", "type": "redis"},
    ]
    (tmp_path / "app").mkdir()
    (tmp_path / "scratch").mkdir()
    made = run_module(
        "backup_create",
        {
            "sources": [{"name": "app", "paths": [str(tmp_path / "app")]}], "dumps": dumps, "destination": str(tmp_path / "backups"),
            "label": "app", "compression": "gzip", "state_directory": str(tmp_path / "state"),
        },
    )
    assert not made.get("failed"), made
    before = databases(postgresql_server)
    done = drill(tmp_path, dumps)
    assert done["status"] == "ok", done
    assert done["databases"] == [{"name": "ticks.pgdump", "tables": 1, "rows": 42}, {"name": "cache.rdb", "tables": 1, "rows": 1}]
    assert databases(postgresql_server) == before

    other = [{**dumps[0], "name": "cache.rdb"}]
    failed = drill(tmp_path, other)
    assert failed["status"] == "critical" and "cache.rdb: the dump cache.rdb is" in failed["summary"], failed
    assert databases(postgresql_server) == before
