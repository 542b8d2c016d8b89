"""The module as Ansible runs it, with SQLite, which needs no server. The servers are in tests/integration."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import ManifestWriter, Member

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


class Shop:
    """A database with seven rows, and a backup with five hundred."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "data" / "shop.db"
        self.database.parent.mkdir()
        self.write(500)
        self.backup = folder / "backup.tar.gz"
        self.pack(self.database.read_bytes())
        self.database.unlink()
        self.write(7)

    def write(self, count: int) -> None:
        connection = sqlite3.connect(self.database)
        connection.execute("CREATE TABLE orders (n)")
        connection.executemany("INSERT INTO orders VALUES (?)", [(number,) for number in range(count)])
        connection.commit()
        connection.close()

    def pack(self, data: bytes, listed: bytes | None = None) -> None:
        told = data if listed is None else listed
        writer = ManifestWriter()
        writer.add(Member("dumps/sqlite-shop.db.sqlite", "file", size=len(told), sha256=hashlib.sha256(told).hexdigest(), mode=0o600))
        with tarfile.open(self.backup, "w:gz") as archive:
            for name, content in (
                ("dumps/sqlite-shop.db.sqlite", data),
                ("manifest.json", b"".join(writer.chunks({"backup_id": "20261122T014356Z-1a2b3c4d"}))),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        writer.close()

    def count(self) -> int:
        connection = sqlite3.connect(self.database)
        try:
            return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])
        finally:
            connection.close()

    def run(self, **given: Any) -> dict[str, Any]:
        options = {
            "path": str(self.backup), "dumps": [{"type": "sqlite", "path": str(self.database)}],
            "state_directory": str(self.folder / "state"), **given,
        }
        return run_module("database_restore", options)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_check_run_and_put_back(shop: Shop) -> None:
    planned = shop.run(_ansible_check_mode=True, _ansible_diff=True)
    assert planned["changed"] and shop.count() == 7 and not (shop.folder / "state").exists()
    assert planned["diff"]["after"] == f"SQLite database {shop.database}: would be restored\n"

    done = shop.run(_ansible_diff=True)
    assert done["changed"] and shop.count() == 500
    assert done["restored"][0]["previous"] == f"{shop.database}.previous-{done['id']}"
    row = done["checks"][0]
    assert (row["check"], row["subject"], row["status"], row["unit"]) == (
        "database.restore", f"SQLite database {shop.database}", "ok", "seconds"
    )

    again = shop.run()
    assert shop.count() == 500 and not Path(done["restored"][0]["previous"]).exists()
    shop.run(state="previous", id=again["id"])
    assert shop.count() == 500
    shop.run(state="dropped_previous")
    assert [entry.name for entry in shop.database.parent.iterdir()] == ["shop.db"]


def test_failures_are_told_and_change_nothing(shop: Shop) -> None:
    assert "dumps is empty" in shop.run(dumps=[])["msg"]
    assert "needs path" in shop.run(path=None)["msg"]
    assert "no such file" in shop.run(path=str(shop.folder / "nothing"))["msg"].lower()
    assert "has no dump other; its dumps: sqlite-shop.db.sqlite" in shop.run(
        dumps=[{"type": "sqlite", "path": str(shop.database), "name": "other"}]
    )["msg"]
    data = shop.backup.read_bytes()
    shop.backup.write_bytes(data[: len(data) // 2])
    assert "is cut off" in shop.run()["msg"]
    shop.pack(b"something else", b"listed")
    assert "is not a SQLite database" in shop.run()["msg"]
    shop.pack(shop.database.read_bytes(), b"listed")
    assert "is not the one that its manifest lists" in shop.run()["msg"]
    assert shop.count() == 7
    assert [entry.name for entry in shop.database.parent.iterdir()] == ["shop.db"]


def test_a_dump_that_is_damaged_is_not_restored(shop: Shop) -> None:
    shop.database.unlink()
    shop.write(5000)
    data = bytearray(shop.database.read_bytes())
    data[4096 * 3 : 4096 * 4] = b"\xee" * 4096
    shop.pack(bytes(data))
    shop.database.unlink()
    shop.write(7)
    answer = shop.run()
    assert answer["failed"] and answer["msg"].endswith("The databases are as they were before")
    assert shop.count() == 7 and [entry.name for entry in shop.database.parent.iterdir()] == ["shop.db"]


def test_something_else_in_its_place_is_refused(shop: Shop) -> None:
    real = shop.folder / "real.db"
    shop.database.rename(real)
    shop.database.symlink_to(real)
    assert "there is something else than a file" in shop.run()["msg"]
    assert shop.database.is_symlink() and real.exists()


def test_what_a_run_has_restored_is_found_by_the_run(shop: Shop) -> None:
    """As a recovery puts back what one has left that was killed and never told an id."""
    run, other = "20261122T050000Z-0000000a", "20261122T060000Z-0000000b"
    shop.run(run_id=run)
    assert shop.count() == 500
    nothing = shop.run(state="previous", of_run=other)
    assert (nothing["changed"], nothing["status"], shop.count()) == (False, "ok", 500)
    assert shop.run(state="previous", of_run=run, _ansible_check_mode=True)["changed"] and shop.count() == 500
    assert shop.run(state="previous", of_run=run)["changed"] and shop.count() == 7
    again = shop.run(state="previous", of_run=run, path=None, dumps=[])
    assert (again["changed"], shop.count()) == (False, 7), "what was taken back already stays"
