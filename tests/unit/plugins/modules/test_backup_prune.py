"""The module backup_prune on a real folder: check mode, run, run again; what it must never touch."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import remember
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

NOW = datetime.now(timezone.utc)
OWNER = LockOwner("20261122T030000Z-1a2b3c4d", "test", "2026-11-22T03:00:00Z")


def fill(folder: Path, days: int = 10, label: str = "shop-a") -> list[Path]:
    """Make a backup with its manifest for each of so many days, newest first."""
    folder.mkdir(exist_ok=True)
    made = []
    for day in range(days):
        moment = NOW - timedelta(days=day, minutes=1)
        path = folder / f"{label}_{moment:%Y%m%dT%H%M%SZ}.tar.zst"
        path.write_bytes(b"x" * (100 + day))
        path.with_name(path.name + ".manifest.json").write_text("{}")
        made.append(path)
    return made


def verified(state: Path, *paths: Path, status: str = "ok", level: str = "content") -> None:
    found = {}
    for path in paths:
        seen = path.stat()
        found[str(path)] = {
            "bytes": seen.st_size, "mtime_ns": seen.st_mtime_ns, "backup_id": None, "level": level, "status": status,
            "verified": "2026-11-22T03:00:00Z",
        }
    remember(state, found, OWNER)


def prune(folder: Path, **options: Any) -> dict[str, Any]:
    given = {"directory": str(folder / "b"), "pattern": ["shop-a_*.tar.zst"], "keep_daily": 3, "state_directory": str(folder / "state")}
    return run_module("backup_prune", {**given, **options})


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_check_run_run(tmp_path: Path) -> None:
    backups = fill(tmp_path / "b")
    verified(tmp_path / "state", *backups)
    before = names(tmp_path / "b")
    would = prune(tmp_path, _ansible_check_mode=True, _ansible_diff=True)
    assert names(tmp_path / "b") == before
    assert not (tmp_path / "state" / "lock").exists()
    did = prune(tmp_path, _ansible_diff=True)
    for key in ("changed", "status", "kept", "removed", "bytes_freed", "totals", "checks", "diff"):
        assert would[key] == did[key], key
    assert did["changed"] is True
    assert [row["path"] for row in did["kept"]] == [str(path) for path in backups[:3]]
    assert did["kept"][0]["reasons"] == ["newest verified", f"daily {NOW - timedelta(minutes=1):%Y-%m-%d}"]
    assert did["bytes_freed"] == sum(100 + day for day in range(3, 10))
    assert names(tmp_path / "b") == sorted(name for path in backups[:3] for name in (path.name, path.name + ".manifest.json"))
    assert did["diff"]["after"].splitlines() == [path.name for path in backups[:3]]
    again = prune(tmp_path)
    assert (again["changed"], again["removed"], again["status"]) == (False, [], "ok")


def test_nothing_goes_without_a_verified_one(tmp_path: Path) -> None:
    backups = fill(tmp_path / "b")
    before = names(tmp_path / "b")
    for level, status in (("exists", "ok"), ("content", "unknown")):
        verified(tmp_path / "state", *backups, status=status, level=level)
        answer = prune(tmp_path)
        assert (answer["changed"], answer["status"], names(tmp_path / "b")) == (False, "unknown", before)
        assert "None of the 10 backups" in answer["checks"][0]["summary"]
        assert "remember: true" in answer["checks"][0]["hint"]
    verified(tmp_path / "state", *backups)
    backups[0].write_bytes(b"written since")
    assert prune(tmp_path)["totals"]["kept"] == 3
    assert backups[0].exists(), "newer than the newest verified"


def test_only_its_own_names_go(tmp_path: Path) -> None:
    backups = fill(tmp_path / "b")
    verified(tmp_path / "state", *backups)
    others = fill(tmp_path / "b", label="shop-a-2")
    folder, link = tmp_path / "b" / "shop-a_20200101T000000Z.tar.zst", tmp_path / "b" / "shop-a_20200102T000000Z.tar.zst"
    folder.mkdir()
    link.symlink_to("/etc/passwd")
    lonely = tmp_path / "b" / "shop-a_20200103T000000Z.tar.zst.manifest.json"
    lonely.write_text("{}")
    (tmp_path / "b" / "notes.manifest.json").write_text("{}")
    answer = prune(tmp_path)
    assert answer["removed_manifests"] == [lonely.name]
    assert not lonely.exists()
    assert folder.is_dir() and link.is_symlink() and all(path.exists() for path in others)
    assert (tmp_path / "b" / "notes.manifest.json").exists()


def test_a_backup_from_the_future_stays_and_is_told(tmp_path: Path) -> None:
    verified(tmp_path / "state", *fill(tmp_path / "b"))
    future = tmp_path / "b" / "shop-a_20990101T000000Z.tar.zst"
    future.write_bytes(b"x")
    answer = prune(tmp_path)
    assert (answer["status"], answer["totals"]["kept"]) == ("warning", 4)
    assert "1 of them are dated in the future" in answer["checks"][0]["summary"]
    assert future.exists()


def test_the_one_just_made_is_protected(tmp_path: Path) -> None:
    backups = fill(tmp_path / "b")
    verified(tmp_path / "state", *backups)
    assert prune(tmp_path, protect=[str(backups[8])])["totals"]["kept"] == 4
    assert backups[8].exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"keep_daily": 0}, "This policy keeps nothing: give at least one of keep_last, keep_daily"),
        ({"keep_daily": -1}, "keep_daily: -1 is not accepted"),
        ({"directory": "b"}, "is not absolute"),
        ({"pattern": ["*"]}, "a pattern of all names is none"),
        ({"pattern": ["sub/x*"]}, "pattern: give names"),
        ({"pattern": []}, "pattern: give names"),
    ],
)
def test_what_is_called_wrongly_removes_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    verified(tmp_path / "state", *fill(tmp_path / "b"))
    before = names(tmp_path / "b")
    answer = prune(tmp_path, **options)
    assert answer["failed"] is True and message in answer["msg"]
    assert names(tmp_path / "b") == before


def test_a_folder_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    answer = prune(tmp_path)
    assert (answer["changed"], answer["status"]) == (False, "unknown")
    assert "does not exist; nothing was removed" in answer["checks"][0]["summary"]


def test_a_damaged_record_removes_nothing(tmp_path: Path) -> None:
    verified(tmp_path / "state", *fill(tmp_path / "b"))
    before = names(tmp_path / "b")
    (tmp_path / "state" / "backups.json").write_text('{"/b": ')
    answer = prune(tmp_path)
    assert answer["failed"] is True and "is damaged" in answer["msg"]
    assert names(tmp_path / "b") == before


def test_another_acting_run_is_not_disturbed(tmp_path: Path) -> None:
    verified(tmp_path / "state", *fill(tmp_path / "b"))
    with exclusive_lock(tmp_path / "state" / "lock", OWNER):
        answer = prune(tmp_path)
    assert answer["failed"] is True and "20261122T030000Z-1a2b3c4d" in answer["msg"]
    assert len(names(tmp_path / "b")) == 20


def test_a_protected_one_stays_however_it_is_spelled(tmp_path: Path) -> None:
    backups = fill(tmp_path / "b")
    verified(tmp_path / "state", *backups)
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "latest").symlink_to(backups[7].name)
    folder, name = str(tmp_path / "b"), backups[8].name
    for spelled in (f"{folder}/./{name}", f"{folder}//{name}", f"{tmp_path}/linked/{name}", f"{folder}/latest"):
        answer = prune(tmp_path, protect=[spelled], _ansible_check_mode=True)
        assert answer["totals"]["kept"] == 4 and answer["kept"][3]["reasons"] == ["protected"], spelled
    assert prune(tmp_path, protect=[f"{folder}/none.tar.zst"], _ansible_check_mode=True)["totals"]["kept"] == 3
    assert "is not absolute" in prune(tmp_path, protect=[name])["msg"]
    assert all(path.exists() for path in backups)


def test_names_that_are_no_text_are_shown_and_removed(tmp_path: Path) -> None:
    verified(tmp_path / "state", *fill(tmp_path / "b", days=1))
    strange = os.path.join(os.fsencode(tmp_path), b"b", b"shop-a_20200101T000000Z-\xff\x1b[31m.tar.zst")
    with open(strange, "wb") as file:
        file.write(b"x")
    os.utime(strange, (time.time() - 10**8,) * 2)
    answer = prune(tmp_path, keep_daily=1)
    assert not os.path.exists(strange)
    assert "\x1b" not in json.dumps(answer)
    assert "\\xff" in answer["removed"][0]["path"]


def test_what_cannot_be_removed_fails_with_what_was(tmp_path: Path) -> None:
    backups = fill(tmp_path / "b", days=4)
    verified(tmp_path / "state", *backups)
    before = """
import os
unlink = os.unlink
def refuse(name, *args, **options):
    if name == NAME:
        raise PermissionError(1, "Operation not permitted")
    unlink(name, *args, **options)
os.unlink = refuse
""".replace("NAME", repr(backups[2].name))
    given = {"directory": str(tmp_path / "b"), "pattern": ["shop-a_*.tar.zst"], "keep_last": 1, "state_directory": str(tmp_path / "state")}
    answer = run_module("backup_prune", given, before=before)
    assert answer["failed"] is True and "cannot be removed: Operation not permitted" in answer["msg"]
    assert [row["path"] for row in answer["removed"]] == [str(backups[3])]
    assert answer["changed"] is True
    assert [path.exists() for path in backups] == [True, True, True, False]
