"""Dumps of real servers: what comes out, and what is said when nothing does."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.dumping import dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import identifier, literal, psql
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.integration.dumps import dumped, soon, spec_of
from ansible_collections.upkeep.runbook.tests.integration.servers import Server

#: A name as people give it and as quoting has to survive it.
ODD = "it's \"odd\" \\ $x=1"


def refusal(spec: DumpSpec, deadline: float | None = None) -> str:
    with pytest.raises(UpkeepError) as caught:
        dump(spec, lambda chunk: None, deadline or soon())
    assert not spec.password or spec.password not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("found", ["where they are", "on PATH"])
def test_postgresql(postgresql_server: Server, found: str) -> None:
    given = {"binary_directory": None} if found == "on PATH" else {}
    spec = spec_of(postgresql_server, type="postgresql", database=ODD, **given)
    psql(spec, f"DROP DATABASE IF EXISTS {identifier(ODD)};", database="postgres", doing="prepare", deadline=soon())
    psql(spec, f"CREATE DATABASE {identifier(ODD)};", database="postgres", doing="prepare", deadline=soon())
    psql(spec, "CREATE TABLE t AS SELECT 'a ' || n AS text FROM generate_series(1, 1000) n;", database=ODD, doing="fill", deadline=soon())
    info, data = dumped(spec)
    assert data.startswith(b"PGDMP") and info.bytes == len(data) and info.tool.startswith("pg_dump 1")
    listed = subprocess.run(["pg_restore", "--file=-"], input=data, capture_output=True, check=True).stdout
    assert listed.count(b"\na ") == 1000


def test_postgresql_globals(postgresql_server: Server) -> None:
    spec = spec_of(postgresql_server, type="postgresql_globals")
    psql(spec, "CREATE ROLE teller LOGIN PASSWORD 'abc';", database="postgres", doing="prepare", deadline=soon())
    info, data = dumped(spec)
    assert b"CREATE ROLE teller;" in data and info.tool.startswith("pg_dumpall 1")


def test_mariadb(mariadb_server: Server) -> None:
    spec = spec_of(mariadb_server, type="mysql", database="odd-name x")
    ask(
        spec,
        "CREATE DATABASE `odd-name x` CHARACTER SET latin1; USE `odd-name x`; CREATE TABLE t (id INT, note TEXT);"
        "INSERT INTO t VALUES (1, 'é'); CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id + 1;"
        "CREATE PROCEDURE p() SELECT 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t; CREATE VIEW v AS SELECT id FROM t;",
        doing="prepare", deadline=soon(),
    )
    info, data = dumped(spec)
    assert info.bytes == len(data) and "dump" in info.tool and b"USE `" not in data
    for part in (b"INSERT INTO `t` VALUES", b"TRIGGER tr", b"PROCEDURE `p`", b"EVENT `e`", b"VIEW `v`"):
        assert part in data
    assert data.endswith(b"-- upkeep.runbook: character set latin1 collation latin1_swedish_ci\n")


def test_sqlite_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "it's 100% odd?.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM t")
    info, data = dumped(spec_of(None, type="sqlite", path=str(path)))
    writer.execute("ROLLBACK")
    copy = tmp_path / "copy.db"
    copy.write_bytes(data)
    assert sqlite3.connect(copy).execute("SELECT count(*), sum(i) FROM t").fetchone() == (50000, 1250025000)
    assert info.tool == f"sqlite {sqlite3.sqlite_version}" and info.bytes == len(data)


def test_redis(redis_server: Server) -> None:
    spec = spec_of(redis_server, type="redis")
    for number in range(3):
        call_client(spec, "prepare", ["SET", f"key {number}", "x" * 5000], deadline=soon())
    info, data = dumped(spec)
    assert data.startswith(b"REDIS") and data[-9] == 0xFF and info.tool.startswith("redis-cli 7") and info.bytes == len(data)
    assert all(f"key {number}".encode() in data for number in range(3))


def test_a_missing_client_is_named(tmp_path: Path) -> None:
    for kind, program in (("postgresql", "pg_dump"), ("mysql", "mariadb"), ("redis", "redis-cli")):
        given = {"database": "x"} if kind != "redis" else {}
        message = refusal(spec_of(None, type=kind, host="localhost", binary_directory=str(tmp_path), **given))
        assert f"the program {program} is not in {tmp_path}; install it (Debian: apt install " in message


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "redis"])
def test_a_server_that_is_not_there_is_said(kind: str, tmp_path: Path) -> None:
    host = str(tmp_path) if kind == "postgresql" else str(tmp_path / "x.sock")
    given = {"database": "x"} if kind != "redis" else {}
    message = refusal(spec_of(None, type=kind, host=host, user="somebody", password="hush hush", **given))
    assert "the server does not answer; is it running" in message


def test_a_wrong_password_is_said_and_no_password_shown(mariadb_server: Server, redis_server: Server) -> None:
    wrong = [
        spec_of(mariadb_server, type="mysql", database="mysql", password="hush hush"),
        spec_of(redis_server, type="redis", password="hush hush"),
        spec_of(redis_server, type="redis", password=None),
    ]
    for spec in wrong:
        assert "the server refuses the user or the password" in refusal(spec), spec


def test_a_password_of_postgresql(postgresql_server: Server) -> None:
    secret = "it's: a \\ secret"
    admin = spec_of(postgresql_server, type="postgresql_globals")
    psql(admin, f"CREATE ROLE locked SUPERUSER LOGIN PASSWORD {literal(secret)};", database="postgres", doing="prepare", deadline=soon())
    given = {"type": "postgresql", "database": "postgres", "user": "locked"}
    assert dumped(spec_of(postgresql_server, **given, password=secret))[1].startswith(b"PGDMP")
    assert "the server refuses the user or the password" in refusal(spec_of(postgresql_server, **given, password="hush hush"))
    assert "the server refuses the user or the password" in refusal(spec_of(postgresql_server, **given))


def test_a_password_of_the_present_user_does_not_win(
    mariadb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".my.cnf").write_text("[client]\npassword=of somebody else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MYSQL_PWD", "of somebody else")
    spec = spec_of(mariadb_server, type="mysql", database="mysql")
    assert ask(spec, "SELECT 1;", doing="ask", deadline=soon()) == [["1"]]


def test_no_password_is_on_a_command_line(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    for name in ("pg_dump", "mariadb", "redis-cli"):
        client = tmp_path / name
        client.write_text(f"#!/bin/sh\necho \"$0 $*\" >> {noted}\nexit 1\n")
        client.chmod(0o755)
    given = {"password": "hush hush", "binary_directory": str(tmp_path), "run_as": None}
    refusal(spec_of(None, type="postgresql", database="x", host="localhost", **given))
    refusal(spec_of(None, type="mysql", database="x", **given))
    refusal(spec_of(None, type="redis", **given))
    lines = noted.read_text().splitlines()
    assert len(lines) == 3 and not [line for line in lines if "hush" in line]


def test_a_database_that_is_not_there_is_said(postgresql_server: Server, mariadb_server: Server, tmp_path: Path) -> None:
    assert "there is no such database" in refusal(spec_of(postgresql_server, type="postgresql", database="nothing"))
    assert "there is no such database" in refusal(spec_of(mariadb_server, type="mysql", database="nothing"))
    assert "there is no such file" in refusal(spec_of(None, type="sqlite", path=str(tmp_path / "nothing")))


def test_a_user_that_is_not_there_is_said(postgresql_server: Server) -> None:
    message = refusal(spec_of(postgresql_server, type="postgresql", database="x", run_as="nobody-of-this-name"))
    assert "there is no user nobody-of-this-name on this host" in message


def test_a_damaged_sqlite_database_is_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT hex(i) h FROM n")
    base.execute("CREATE INDEX i ON t(h)")
    base.close()
    with open(path, "r+b") as file:
        file.seek(5 * 4096)
        file.write(os.urandom(4096))
    assert "damaged" in refusal(spec_of(None, type="sqlite", path=str(path))) or "malformed" in refusal(
        spec_of(None, type="sqlite", path=str(path))
    )


def test_a_client_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    client = tmp_path / "pg_dump"
    client.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {noted}\nprintf PGDMP\nwait\n")
    client.chmod(0o755)
    spec = spec_of(None, type="postgresql", database="x", host="localhost", binary_directory=str(tmp_path))
    assert "was not done in time; raise timeout_seconds" in refusal(spec, time.monotonic() + 1.5)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{noted.read_text().strip()}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{noted.read_text().strip()}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "its dump is empty"),
        ("printf PGDMP; echo 'pg_dump: error: no space left on device' >&2; exit 1", "a disk is full"),
        ("echo hello", "its dump is not a dump of pg_dump"),
        ("printf 'REDIS0011abc'", "its dump is an RDB file of Redis, not a dump of pg_dump"),
        ("printf PGDMP; kill -9 $$", "was ended by signal 9"),
    ],
)
def test_a_client_that_fails_makes_no_dump(tmp_path: Path, script: str, words: str) -> None:
    client = tmp_path / "pg_dump"
    client.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 15"; exit; fi\n{script}\n')
    client.chmod(0o755)
    spec = spec_of(None, type="postgresql", database="x", host="localhost", binary_directory=str(tmp_path))
    assert words in refusal(spec)


def test_a_full_disk_of_the_reader_ends_the_client(postgresql_server: Server) -> None:
    def full(chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        dump(spec_of(postgresql_server, type="postgresql", database="postgres"), full, soon())
