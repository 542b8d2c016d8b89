"""When accounts were last used, from each of the records that systems keep."""

from __future__ import annotations

import random
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review import last_use
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import login


def test_wtmp_tells_the_last_login_of_each(tmp_path: Path) -> None:
    data = login("reboot", 90, 2) + login("ada", 100) + login("ada", 300) + login("", 400, 8) + login("bob", 200)
    assert last_use.from_wtmp(data) == {"ada": 300, "bob": 200}
    assert last_use.first_of_wtmp(data) == 90
    assert last_use.from_wtmp(data + login("eve", 1)[:100]) == {"ada": 300, "bob": 200}
    assert (last_use.from_wtmp(b""), last_use.first_of_wtmp(b"")) == ({}, 0)


def test_wtmp_with_long_times_tells_it_too() -> None:
    record = struct.Struct("<h2xi32s4s32s256s4sqqq16s20s4x")
    assert record.size == 400
    data = b"".join(
        record.pack(7, 1, b"pts/0", b"0", name, b"", b"", 0, moment, 0, b"", b"") for name, moment in ((b"ada", 100), (b"bob", 2**33))
    )
    assert last_use.from_wtmp(data) == {"ada": 100, "bob": 2**33}


def test_what_is_no_wtmp_is_told() -> None:
    for data in (b"x" * 5000, random.Random(1).randbytes(5000)):
        with pytest.raises(last_use.Unreadable):
            last_use.from_wtmp(data)


def test_lastlog_is_read_by_number() -> None:
    record = struct.Struct("<i32s256s")
    data = record.pack(50, b"", b"") + record.pack(0, b"", b"") + record.pack(70, b"pts/0", b"host")
    assert last_use.from_lastlog(data, {0: "root", 1: "ada", 2: "bob", 5: "eve"}) == {"root": 50, "bob": 70}


def test_databases_are_read(tmp_path: Path) -> None:
    for path, table in (
        ("lastlog2.db", "CREATE TABLE Lastlog2 (Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT)"),
        ("wtmp.db", "CREATE TABLE wtmp (ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT, Login INTEGER, Logout INTEGER, TTY TEXT)"),
    ):
        with closing(sqlite3.connect(tmp_path / path)) as connection:
            connection.execute(table)
            if path == "wtmp.db":
                rows = [(1, 3, "ada", 100_000_000), (2, 3, "ada", 300_000_000), (3, 1, "reboot", 400_000_000)]
                connection.executemany("INSERT INTO wtmp (ID, Type, User, Login) VALUES (?, ?, ?, ?)", rows)
            else:
                connection.execute("INSERT INTO Lastlog2 (Name, Time) VALUES ('ada', 300), ('bob', NULL)")
            connection.commit()
    for path, query in last_use.DATABASES.items():
        assert last_use.from_database(str(tmp_path / Path(path).name), query) == {"ada": 300}
        (tmp_path / "none").write_text("nonsense" * 100)
        with pytest.raises(last_use.Unreadable):
            last_use.from_database(str(tmp_path / "none"), query)


def test_the_latest_of_all_counts() -> None:
    assert last_use.latest([{"a": 1, "b": 5}, {"a": 3, "b": 2}, {}]) == {"a": 3, "b": 5}
