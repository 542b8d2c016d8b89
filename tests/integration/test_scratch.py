"""Dumps of real servers, restored beside the databases they were made of."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import mysql_loading, postgresql_restore
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import identifier, psql
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import restore_scratch
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.integration.dumps import dumped, soon, spec_of
from ansible_collections.upkeep.runbook.tests.integration.servers import Server


def databases(server: Server) -> list[str]:
    spec = spec_of(server, type="postgresql_globals")
    return [row[0] for row in psql(spec, "SELECT datname FROM pg_database;", database="postgres", doing="ask", deadline=soon())]


def test_postgresql(postgresql_server: Server) -> None:
    name = "drill's \"source\" $upkeep$"
    spec = spec_of(postgresql_server, type="postgresql", database=name)
    psql(
        spec, f"CREATE ROLE drilled; CREATE DATABASE {identifier(name)} OWNER drilled;", database="postgres", doing="prepare", deadline=soon()
    )
    psql(
        spec,
        'CREATE TABLE "odd ""table" AS SELECT n FROM generate_series(1, 42) n; CREATE SCHEMA s; CREATE TABLE s.t (a int);'
        'ALTER TABLE s.t OWNER TO drilled; GRANT SELECT ON "odd ""table" TO drilled; CREATE EXTENSION IF NOT EXISTS plpgsql;',
        database=name, doing="fill", deadline=soon(),
    )
    data = dumped(spec)[1]
    psql(spec, f"DROP DATABASE {identifier(name)}; DROP ROLE drilled;", database="postgres", doing="prepare", deadline=soon())
    before = databases(postgresql_server)
    leftover = f"{name}_drill_{int(time.time()) - 90000:08x}"
    psql(spec, f"CREATE DATABASE {identifier(leftover)};", database="postgres", doing="prepare", deadline=soon())
    with restore_scratch(spec, [data[:1000], data[1000:]], soon()) as scratch:
        assert scratch.counts() == {'public."odd ""table"': 42, "s.t": 0}
        assert scratch.query("SELECT sum(n), 'a''b' FROM \"odd \"\"table\";") == [["903", "a'b"]]
        assert sorted(databases(postgresql_server)) == sorted([*before, scratch.name])
    assert databases(postgresql_server) == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: b"SQLite format 3\0" + data, "is a SQLite database, not a dump of pg_dump"),
        (lambda data: data[: len(data) // 2], "cannot restore the PostgreSQL database damaged"),
        (lambda data: data[:6] + bytes([99]) + data[7:], "the client is older"),
    ],
    ids=["empty", "another type", "cut off", "newer format"],
)
def test_a_dump_that_does_not_load_leaves_nothing(postgresql_server: Server, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    spec = spec_of(postgresql_server, type="postgresql", database="damaged")
    source = spec_of(postgresql_server, type="postgresql", database="damage_source")
    if "damage_source" not in databases(postgresql_server):
        psql(spec, "CREATE DATABASE damage_source;", database="postgres", doing="prepare", deadline=soon())
        psql(spec, "CREATE TABLE t AS SELECT repeat('x', 500) FROM generate_series(1, 500);", database="damage_source", doing="fill", deadline=soon())
    before = databases(postgresql_server)
    with pytest.raises(UpkeepError) as caught:
        restore_scratch(spec, [damage(dumped(source)[1])], soon())
    assert words in caught.value.message
    assert databases(postgresql_server) == before


def test_a_drill_does_not_fill_the_disk_of_a_server(
    postgresql_server: Server, mariadb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [spec_of(postgresql_server, type="postgresql", database="postgres"), spec_of(mariadb_server, type="mysql", database="mysql")]
    for spec, module in zip(specs, (postgresql_restore, mysql_loading)):
        monkeypatch.setattr(module, "free_in", lambda directory: 1000)
        with pytest.raises(UpkeepError, match="has 0 MiB free, and .* may be needed beside the present data; make room"):
            restore_scratch(spec, [dumped(spec)[1]], soon())


def test_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute('CREATE TABLE "odd ""t" (a)')
    base.executemany('INSERT INTO "odd ""t" VALUES (?)', [(n,) for n in range(7)])
    base.commit()
    spec = spec_of(None, type="sqlite", path=str(path))
    place = tmp_path / "scratch"
    place.mkdir()
    with restore_scratch(spec, [dumped(spec)[1]], soon(), directory=str(place)) as scratch:
        assert scratch.counts() == {'odd "t': 7}
        assert len(list(place.iterdir())) == 1
    assert list(place.iterdir()) == []


def test_a_damaged_sqlite_dump_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT hex(i) h FROM n")
    base.commit()
    spec = spec_of(None, type="sqlite", path=str(path))
    data = bytearray(dumped(spec)[1])
    data[2 * 4096 : 3 * 4096] = b"\xee" * 4096
    with pytest.raises(UpkeepError, match="damaged|malformed"):
        restore_scratch(spec, [bytes(data)], soon(), directory=str(tmp_path))
    with pytest.raises(UpkeepError, match="is cut off"):
        restore_scratch(spec, [bytes(data[:-4096])], soon(), directory=str(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.db"]


def test_mariadb(mariadb_server: Server) -> None:
    spec = spec_of(mariadb_server, type="mysql", database="drill source")
    ask(
        spec,
        "CREATE DATABASE `drill source` CHARACTER SET latin1; USE `drill source`; CREATE TABLE `odd ``t` (id INT); CREATE TABLE u (a TEXT);"
        "INSERT INTO `odd ``t` VALUES (1), (2), (3); CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM u;",
        doing="prepare", deadline=soon(),
    )
    data = dumped(spec)[1]
    with restore_scratch(spec, [data], soon()) as scratch:
        assert scratch.counts() == {"odd `t": 3, "u": 0}
        assert scratch.query("SELECT 'a\tb', @@character_set_database;") == [["a\tb", "latin1"]]
        assert scratch.query("SELECT count(*) FROM information_schema.events WHERE event_schema = DATABASE();") == [["0"]]
        name = scratch.name
    assert ask(spec, f"SELECT 1 FROM information_schema.schemata WHERE schema_name = '{name}';", doing="ask", deadline=soon()) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-200], "is cut off"),
        (lambda data: data.replace(b"-- Dump completed", b"SELECT broken from;\n-- Dump completed"), "error in your SQL syntax"),
        (lambda data: data.replace(b"\n-- Dump completed", b"\nUSE `mysql`;\n-- Dump completed"), "made with --databases"),
        (lambda data: data.replace(b"\n-- Dump completed", b"\n\\! touch /tmp/upkeep-shell\n-- Dump completed"), "Unknown command"),
    ],
    ids=["cut off", "broken", "another database", "shell"],
)
def test_a_dump_of_mariadb_that_does_not_load_leaves_nothing(mariadb_server: Server, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    spec = spec_of(mariadb_server, type="mysql", database="broken")
    ask(spec, "CREATE DATABASE IF NOT EXISTS broken; CREATE TABLE IF NOT EXISTS broken.t (id INT);", doing="prepare", deadline=soon())
    with pytest.raises(UpkeepError) as caught:
        restore_scratch(spec, [damage(dumped(spec)[1])], soon())
    assert words in caught.value.message
    rows = ask(spec, "SHOW DATABASES LIKE 'broken_drill%';", doing="ask", deadline=soon())
    assert rows == [] and not Path("/tmp/upkeep-shell").exists()


def test_redis(redis_server: Server) -> None:
    spec = spec_of(redis_server, type="redis")
    for number in range(5):
        call_client(spec, "prepare", ["SET", f"key {number}", "x" * 5000], deadline=soon())
    data = dumped(spec)[1]
    assert restore_scratch(spec, [data], soon()).counts() == {"keys": 5}
    middle = len(data) // 2
    with pytest.raises(UpkeepError, match="redis-check-rdb says"):
        restore_scratch(spec, [data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]], soon())
    with pytest.raises(UpkeepError, match="RDB version 9999, newer than"):
        restore_scratch(spec, [b"REDIS9999" + data[9:]], soon())
