"""The module as Ansible runs it: one process for each call, options on standard input, one JSON answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import write_backup
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.restoring.restore_samples import looks, member, tree, write_tar
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tree(tmp_path.resolve() / "opt" / "app", {"a.txt": "live", "b.txt": "live"})


def test_check_run_check_run_and_back(app: Path, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar.gz", [member("a.txt", b"saved"), member("c.txt", b"saved")])
    given: dict[str, Any] = {"path": str(path), "target": [str(app)], "state_directory": str(tmp_path / "state")}
    before = looks(tmp_path)
    checked = run_module("backup_restore", {**given, "_ansible_check_mode": True, "_ansible_diff": True})
    assert looks(tmp_path) == before and checked["changed"]
    done = run_module("backup_restore", {**given, "_ansible_diff": True})
    assert sorted(os.listdir(app)) == ["a.txt", "c.txt"] and done["changed"] and done["diff"] == checked["diff"]
    assert done["changes"] == [{"target": str(app), "added": 1, "changed": 1, "removed": 1, "same": 0}]
    assert run_module("backup_restore", {**given, "_ansible_check_mode": True})["changes"][0]["same"] == 2
    again = run_module("backup_restore", given)
    assert again["changed"] and again["removed"] == [done["restored"][0]["previous"]]
    back = run_module("backup_restore", {"state": "previous", "id": again["id"], "state_directory": str(tmp_path / "state")})
    assert back["changed"] and back["status"] == "ok" and sorted(os.listdir(app)) == ["a.txt", "c.txt"]


def test_an_archive_that_is_refused_fails_the_task(app: Path, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", [member("../evil", b"x")])
    answer = run_module("backup_restore", {"path": str(path), "target": [str(app)], "state_directory": str(tmp_path / "state")})
    assert answer["failed"] and "../evil has a name that leads upward by .." in answer["msg"] and answer["changed"] is False
    assert sorted(os.listdir(app)) == ["a.txt", "b.txt"]


def test_the_manifest_of_the_archive_is_returned(app: Path, tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar.zst")
    given = {"path": str(backup.path), "target": [str(app)], "from": ["files/opt/app"], "state_directory": str(tmp_path / "state")}
    refused = run_module("backup_restore", {**given, "manifest": "required"})
    assert "logo.png runs with the rights of its owner or group (mode 4755)" in refused["msg"]
    answer = run_module("backup_restore", {**given, "accept": ["special_bits"], "owners": "none"})
    assert answer["manifest"]["label"] == "app" and "members" not in answer["manifest"], answer
    assert (app / "logo.png").stat().st_mode & 0o7777 == 0o4755 and os.readlink(app / "current").startswith("/nowhere/")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "path: the absolute path of the archive is needed"),
        ({"path": "/x.tar", "keep_previous": 101}, "keep_previous: 101 is not accepted; give 0 to 100."),
        ({"state": "previous"}, "no tree from before a restore of any target is kept"),
        ({"path": "/x.tar", "accept": ["all"]}, "value of accept must be one or more of"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    answer = run_module("backup_restore", {"state_directory": str(tmp_path / "state"), **options})
    assert answer["failed"] and said in answer["msg"]
