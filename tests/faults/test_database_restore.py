"""A restore of a database on a full disk: refused or failed in words, and the present data are there. The servers are in tests/integration."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import ManifestWriter, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.dumping import dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restoring import restore_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules.database_restore import argument_spec
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk

LIVE = 7


def fill(path: Path, count: int) -> None:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (n, what)")
    connection.executemany("INSERT INTO orders VALUES (?, ?)", [(number, "x" * 200) for number in range(count)])
    connection.commit()
    connection.close()


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])
    finally:
        connection.close()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup with a database of about half a megabyte."""
    source = tmp_path / "source.db"
    fill(source, 2500)
    data = source.read_bytes()
    writer = ManifestWriter()
    writer.add(Member("dumps/shop", "file", size=len(data), sha256=hashlib.sha256(data).hexdigest(), mode=0o600))
    path = tmp_path / "backup.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        manifest = b"".join(writer.chunks({"backup_id": "20261122T014356Z-1a2b3c4d"}))
        for name, content in (("dumps/shop", data), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    writer.close()
    return path


def restore(backup: Path, database: Path, state: Path) -> dict[str, Any]:
    options = {
        **{name: option.get("default") for name, option in argument_spec().items()},
        "path": str(backup), "dumps": [{"type": "sqlite", "path": str(database), "name": "shop"}], "state_directory": str(state),
    }
    return restore_databases(options, now=utc_now(), check_mode=False)


def test_without_room_for_the_database_nothing_is_touched(root: None, tmp_path: Path, backup: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        database = disk.path / "shop.db"
        fill(database, LIVE)
        disk.leave_free(200_000)
        with pytest.raises(UpkeepError, match="MiB free, and what is restored .* make room. Nothing was changed"):
            restore(backup, database, tmp_path / "state")
        assert count(database) == LIVE
        disk.make_room()
        assert sorted(entry.name for entry in disk.path.iterdir()) == ["shop.db"]


def test_a_disk_that_fills_up_meanwhile_leaves_the_present_data(
    root: None, tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.upkeep.runbook.plugins.module_utils.databases import restoring

    with small_disk(tmp_path / "disk") as disk:
        database = disk.path / "shop.db"
        fill(database, LIVE)
        monkeypatch.setattr(restoring, "_refuse_without_room", lambda plans: disk.leave_free(300_000))
        with pytest.raises(UpkeepError, match="No space left on device. The databases are as they were before"):
            restore(backup, database, tmp_path / "state")
        assert count(database) == LIVE
        disk.make_room()
        assert sorted(entry.name for entry in disk.path.iterdir()) == ["shop.db"]
        monkeypatch.undo()
        restore(backup, database, tmp_path / "state")
        assert count(database) == 2500


def test_without_room_to_keep_the_dump_aside_nothing_is_touched(root: None, tmp_path: Path, backup: Path) -> None:
    database = tmp_path / "shop.db"
    fill(database, LIVE)
    with small_disk(tmp_path / "disk") as disk:
        disk.leave_free(100_000)
        with pytest.raises(UpkeepError, match="cannot keep a dump aside: No space left on device; make room"):
            restore(backup, database, disk.path / "state")
    assert count(database) == LIVE


def test_a_dump_for_which_there_is_no_room_is_no_dump(root: None, tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    fill(source, 2500)
    with small_disk(tmp_path / "disk") as disk:
        disk.leave_free(100_000)
        spec = read_dumps([{"type": "sqlite", "path": str(source)}])[0]
        with pytest.raises(UpkeepError, match="cannot dump the SQLite database .*: (database or disk is full|No space)"):
            dump(spec, lambda chunk: None, 1e12, directory=str(disk.path))
        disk.make_room()
        assert list(disk.path.iterdir()) == []
