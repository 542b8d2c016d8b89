"""The module as Ansible runs it: what it returns, what it refuses, and that it changes nothing."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(**options: Any) -> dict[str, Any]:
    return run_module("backup_verify", options)


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    (tmp_path / "source").write_text("x" * 100_000)
    for name in ("app.tar.gz", "etc.tar.gz"):
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            archive.add(tmp_path / "source", "source")
    return tmp_path


def test_a_folder_and_its_groups(backups: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in backups.iterdir())
    result = run(backups=[{"directory": str(backups), "pattern": f"{kind}*"} for kind in ("app", "etc")])
    assert (result["changed"], result["status"], result["backups"]) == (False, "ok", [])
    assert result["totals"] == {"backups": 2, "ok": 2, "bytes": result["totals"]["bytes"], "members": 2}
    assert {check["check"]: check.get("folded") for check in result["checks"]} == {
        f"backup.{what}": 2 for what in ("present", "age", "size", "shrink", "storage", "readable", "content")
    }
    assert sorted((path.name, path.stat().st_mtime_ns) for path in backups.iterdir()) == before


def test_check_mode_reads_the_same(backups: Path) -> None:
    path = backups / "app.tar.gz"
    path.write_bytes(path.read_bytes()[:-3])
    os.utime(path, (1_700_000_000,) * 2)
    options = {"path": str(path), "max_age_hours": 0, "return_all": True}
    result, again = run(**options), run(**options, _ansible_check_mode=True)
    assert result["status"] == again["status"] == "critical"
    for row in (*result["backups"], *again["backups"]):
        row.pop("age_hours")
    assert result["backups"] == again["backups"]
    assert result["backups"][0]["problems"] == [
        {"problem": "is cut off: its gzip stream ends before its end marker", "offset": path.stat().st_size}
    ]


def test_a_single_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "latest.sql.gz"
    path.write_bytes(gzip.compress(b"SELECT 1;\n"))
    result = run(path=str(path), return_all=True)
    assert (result["status"], result["backups"][0]["format"]) == ("ok", "gz")


def test_a_compressed_file_of_nothing_is_no_backup(tmp_path: Path) -> None:
    """What a dump that fails in front of its pipe leaves: a whole stream of no bytes."""
    path = tmp_path / "latest.sql.gz"
    path.write_bytes(gzip.compress(b""))
    result = run(path=str(path))
    assert (result["status"], result["backups"][0]["members"]) == ("critical", 0)
    assert "holds nothing" in next(row["summary"] for row in result["checks"] if row["check"] == "backup.content")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["path", "directory", "backups"]),
        ({"path": "/x", "directory": "/y"}, ["mutually exclusive"]),
        ({"path": "/x", "level": "all"}, ["level", "exists, readable"]),
        ({"path": "/x", "drill": {"files": ["../x"]}}, ["drill.files"]),
        ({"path": "/x", "drill": {"sample": []}}, ["drill.sample"]),
        ({"path": "/x", "manifest": "maybe"}, ["manifest", "required, optional, none"]),
        ({"backups": [{"pth": "/x"}]}, ["pth"]),
        ({"backups": [{"directory": "/x", "min_bytes": -1}]}, ["backups[0].min_bytes"]),
        ({"path": "/x", "max_decoder_bytes": 5}, ["max_decoder_bytes"]),
    ],
)
def test_a_wrong_option_fails_with_its_name_and_what_is_accepted(options: dict, words: list) -> None:
    result = run(**options)
    assert result["failed"] is True
    for word in words:
        assert word in result["msg"]


def test_drills_are_remembered_and_due_again_after_their_time(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in (1, 2, 3):
        with tarfile.open(folder / f"app_2026010{day}T000000Z.tar.gz", "w:gz") as archive:
            archive.add(__file__, f"app/{day}")
    options: dict[str, Any] = {
        "directory": str(folder), "level": "drill", "manifest": "optional", "max_age_hours": 0, "return_all": True, "remember": True,
        "state_directory": str(tmp_path / "state"), "drill": {"directory": str(tmp_path / "scratch"), "files": ["app/3"]},
    }

    def names(answer: dict[str, Any]) -> list[str]:
        return [check["check"] for check in answer["checks"] if check["check"].startswith("backup.drill")]

    would = run(**options, _ansible_check_mode=True)
    assert (names(would), would["drills"], would["status"]) == (["backup.drilled"], [], "critical"), "never tried, and not tried now"
    assert not (tmp_path / "state").exists()
    first = run(**options)
    assert (names(first), first["status"]) == (["backup.drill", "backup.drilled"], "ok")
    assert [drill["path"] for drill in first["drills"]] == [str(folder / "app_20260103T000000Z.tar.gz")]
    assert names(run(**options)) == ["backup.drilled"], "not due"
    now = {**options["drill"], "every_days": 0, "sample": ["newest", "oldest", "random"], "files": ["app/1"]}
    every = run(**{**options, "drill": now})
    assert [drill["status"] for drill in every["drills"]] == ["critical", "ok", "critical"], "only the oldest holds that file"
    assert {drill["path"] for drill in every["drills"]} == {str(path) for path in folder.iterdir()}
    assert every["changed"] is False
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_was_known_of_other_bytes_is_not_kept_by_a_drill(tmp_path: Path) -> None:
    """The oldest is restored without being read as a backup: its record must not say that the file of today was found good."""
    folder, state = tmp_path / "backups", tmp_path / "state"
    folder.mkdir()
    (tmp_path / "scratch").mkdir()
    for day in (1, 2):
        with tarfile.open(folder / f"app_2026010{day}T000000Z.tar.gz", "w:gz") as archive:
            archive.add(__file__, f"app/{day}")
    oldest = folder / "app_20260101T000000Z.tar.gz"
    options: dict[str, Any] = {"manifest": "optional", "max_age_hours": 0, "remember": True, "state_directory": str(state)}
    run(path=str(oldest), level="content", **options)
    assert json.loads((state / "backups.json").read_text())[str(oldest)]["status"] == "ok"
    with tarfile.open(oldest, "w:gz") as archive:
        archive.add(__file__, "app/another")
    drill = {"directory": str(tmp_path / "scratch"), "every_days": 0, "sample": ["oldest"]}
    run(directory=str(folder), level="drill", drill=drill, **options)
    record = json.loads((state / "backups.json").read_text())[str(oldest)]
    assert record["drill_status"] == "ok" and record["bytes"] == oldest.stat().st_size
    assert "status" not in record and "level" not in record
