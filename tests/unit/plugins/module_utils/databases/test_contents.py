"""What the bytes of a dump are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.contents import END_BYTES, DumpLook, kind_of

GLOBALS = b"--\n-- PostgreSQL database cluster dump\n--\nCREATE ROLE x;\n--\n-- PostgreSQL database cluster dump complete\n--\n\n"
MARIADB = b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\nCREATE TABLE t (i INT);\n-- Dump completed on 2026-11-22\n"
RDB = b"REDIS0010\xfa" + b"x" * 50 + b"\xff" + b"\0" * 8
WHOLE = {"postgresql": b"PGDMP\x01\x0e\x00", "postgresql_globals": GLOBALS, "mysql": MARIADB, "redis": RDB}


def look(data: bytes, step: int = 7) -> DumpLook:
    made = DumpLook()
    assert b"".join(made.watching([data[at : at + step] for at in range(0, len(data), step)])) == data
    return made


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_a_whole_dump_is_known_by_its_ends(kind: str) -> None:
    assert kind_of(WHOLE[kind]) == kind
    assert look(WHOLE[kind]).problem(kind) == ""


def test_a_sqlite_database_says_how_long_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (i)")
    connection.close()
    data = path.read_bytes()
    assert look(data, 1000).problem("sqlite") == ""
    assert look(data[:-1], 1000).problem("sqlite") == "is cut off"
    assert look(data + b"x", 1000).problem("sqlite") == "is cut off"


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        ("postgresql", b"", "is empty"),
        ("postgresql", b"hello", "is not a dump of pg_dump in its own format"),
        ("postgresql", RDB, "is an RDB file of Redis, not a dump of pg_dump in its own format"),
        ("mysql", GLOBALS, "is a dump of pg_dumpall --globals-only, not a dump of mysqldump"),
        ("mysql", MARIADB[:-40], "is cut off"),
        ("postgresql_globals", GLOBALS[:-60], "is cut off"),
        ("redis", RDB[:-1], "is cut off"),
        ("redis", b"REDIX00", "is not an RDB file of Redis"),
        ("sqlite", b"SQLite format 3\0", "is cut off"),
    ],
)
def test_what_is_wrong_is_said(kind: str, data: bytes, problem: str) -> None:
    assert look(data).problem(kind) == problem


@pytest.mark.parametrize("step", [1, 100, END_BYTES, 3 * END_BYTES])
def test_the_ends_are_kept_however_the_bytes_come(step: int) -> None:
    data = bytes(range(256)) * 50
    made = look(data, step)
    assert (made.head, made.tail, made.bytes) == (data[:END_BYTES], data[-END_BYTES:], len(data))
