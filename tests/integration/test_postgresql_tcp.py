"""PostgreSQL behind host, port, user and password, as where a server is another host's: dumped, drilled, restored, put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import literal, psql
from ansible_collections.upkeep.runbook.tests.integration import servers
from ansible_collections.upkeep.runbook.tests.integration.dumps import soon, spec_of
from ansible_collections.upkeep.runbook.tests.integration.servers import Server
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: As a vault might make them, and as a file of passwords has to quote them.
SECRETS = {"keeper": "co:lon \\ and 'quote'", "admin": "an\"other:one"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with servers.postgresql(over_tcp=True) as made:
        yield made


def sql(server: Server, statements: str, database: str = "postgres", user: str = "") -> list[list[str]]:
    """Ask at the socket as the superuser, or over TCP as somebody else."""
    where = {"user": user, "password": SECRETS[user]} if user else {"host": str(server.directory), "run_as": server.user}
    spec = spec_of(server, type="postgresql", database=database, **where)
    return psql(spec, statements, database=database, doing="ask", deadline=soon())


def call(module: str, **options: Any) -> dict[str, Any]:
    answer = run_module(module, options)
    text = json.dumps(answer)
    assert not any(json.dumps(secret)[1:-1] in text for secret in SECRETS.values()), "no password is told"
    return answer


def test_dumped_drilled_restored_and_put_back(server: Server, tmp_path: Path) -> None:
    sql(server, f"CREATE ROLE keeper LOGIN CREATEDB PASSWORD {literal(SECRETS['keeper'])};")
    sql(server, f"CREATE ROLE admin LOGIN SUPERUSER PASSWORD {literal(SECRETS['admin'])}; CREATE DATABASE shop OWNER keeper;")
    sql(server, "CREATE TABLE orders AS SELECT n FROM generate_series(1, 500) n;", "shop", "keeper")
    reached = {key: server.options[key] for key in ("host", "port", "binary_directory")}
    database = {**reached, "name": "shop.pgdump", "type": "postgresql", "database": "shop", "user": "keeper", "password": SECRETS["keeper"]}
    roles = {**reached, "name": "roles.sql", "type": "postgresql_globals", "user": "admin", "password": SECRETS["admin"]}
    state = {"state_directory": str(tmp_path / "state")}
    (tmp_path / "scratch").mkdir()
    made = call(
        "backup_create", dumps=[database, roles], destination=str(tmp_path / "backups"), label="shop", compression="gzip", **state
    )
    assert not made.get("failed"), made
    before = sql(server, "SELECT datname FROM pg_database ORDER BY 1;")
    drill = {"directory": str(tmp_path / "scratch"), "dumps": [database, roles]}
    tried = call("backup_verify", path=made["backup"]["path"], level="drill", drill=drill, **state)
    assert tried["drills"][0]["status"] == "ok" and tried["drills"][0]["databases"] == [{"name": "shop.pgdump", "tables": 1, "rows": 500}]
    assert sql(server, "SELECT datname FROM pg_database ORDER BY 1;") == before

    sql(server, "DELETE FROM orders WHERE n > 7;", "shop", "keeper")
    options = {"path": made["backup"]["path"], "dumps": [roles, database], **state}
    planned = call("database_restore", **options, _ansible_check_mode=True)
    assert planned["changed"] and sql(server, "SELECT count(*) FROM orders;", "shop") == [["7"]]
    done = call("database_restore", **options)
    assert not done.get("failed"), done
    assert sql(server, "SELECT count(*), min(tableowner) FROM orders, pg_tables WHERE tablename = 'orders';", "shop") == [["500", "keeper"]]
    back = call("database_restore", state="previous", id=done["id"], dumps=[roles, database], **state)
    assert not back.get("failed"), back
    assert sql(server, "SELECT count(*) FROM orders;", "shop") == [["7"]]

    wrong = call("backup_create", dumps=[{**database, "password": "wrong"}], destination=str(tmp_path / "backups"), label="shop", **state)
    assert wrong["failed"] and "password" in wrong["msg"]
    server.stop()
    gone = call("backup_create", dumps=[database], destination=str(tmp_path / "backups"), label="shop", **state)
    assert gone["failed"] and "the server does not answer" in gone["msg"]
    assert len(list((tmp_path / "backups").iterdir())) == 2, "the backup and its manifest"
