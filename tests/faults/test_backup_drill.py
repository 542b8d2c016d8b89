"""Drills are killed at any moment, made on a disk without room, and run what they are told as a user without rights."""

from __future__ import annotations

import os
import pwd
import random
import time
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creating import create_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules.backup_create import argument_spec
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, listing
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module, start_module

#: How often a drill is killed for each of FAULT_RUNS.
KILLS = 3
FILES = 400
FILE_BYTES = 2000


def back_up(tmp_path: Path) -> Path:
    """Make a backup of a tree with many files and a secret, and return the tree."""
    tree = tmp_path / "app"
    tree.mkdir(mode=0o755)
    for number in range(FILES):
        (tree / f"{number}.js").write_bytes(os.urandom(FILE_BYTES))
    (tree / ".env").write_text("TOKEN=secret")
    (tree / ".env").chmod(0o600)
    params: dict[str, Any] = {name: option.get("default") for name, option in argument_spec().items()}
    create_backup(
        {
            **params, "sources": [{"name": "app", "paths": [str(tree)], "exclude": [], "one_file_system": True}], "label": "app",
            "destination": str(tmp_path / "backups"), "state_directory": str(tmp_path / "state"),
        },
        now=utc_now(), check_mode=False,
    )
    return tree


def options(tmp_path: Path, scratch: Path, **drill: Any) -> dict[str, Any]:
    return {
        "directory": str(tmp_path / "backups"), "level": "drill", "remember": True, "state_directory": str(tmp_path / "state"),
        "return_all": True, "drill": {"directory": str(scratch), "every_days": 0, **drill},
    }


def drilled(tmp_path: Path, scratch: Path, **drill: Any) -> dict[str, Any]:
    return run_module("backup_verify", options(tmp_path, scratch, **drill))


def check(answer: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (row for row in answer["checks"] if row["check"] == name)
    return dict(found)


def test_killed_at_any_moment(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    tree = back_up(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = listing(tree), listing(tmp_path / "backups")
    interrupted = 0
    for _kill in range(KILLS * fault_runs):
        process = start_module("backup_verify", options(tmp_path, scratch, command=["sleep", "0.2"]))
        end = time.monotonic() + PATIENCE_SECONDS
        while not os.listdir(scratch) and process.poll() is None and time.monotonic() < end:
            pass
        time.sleep(chance.random() * 0.3)
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
        interrupted += bool(os.listdir(scratch))
        time.sleep(0.25)  # the command of the drill ends by itself
        for path in scratch.iterdir():
            assert path.stat().st_mode & 0o077 == 0, "what is left is not for others"
    done = drilled(tmp_path, scratch)
    assert check(done, "backup.drill")["status"] == "ok", done
    assert done["drills"][0]["members"] == FILES + 2
    assert os.listdir(scratch) == [], "the next drill removes what killed ones have left"
    assert (listing(tree), listing(tmp_path / "backups")) == before
    print(f"{interrupted} of {KILLS * fault_runs} were killed while they had a scratch folder")
    assert interrupted


def test_a_disk_without_room(tmp_path: Path, root: None) -> None:
    back_up(tmp_path)
    size = 4 * 1024 * 1024
    with small_disk(tmp_path / "disk", size) as disk:
        for free in (0, FILES * FILE_BYTES, FILES * (FILE_BYTES + 4096)):
            disk.leave_free(free)
            done = drilled(tmp_path, disk.path)
            assert check(done, "backup.drill")["status"] == "unknown", done
            assert any(words in check(done, "backup.drill")["summary"] for words in ("there is no room for a drill", "No space left"))
            assert check(done, "backup.drilled")["status"] == "critical", "never tried"
            assert os.listdir(disk.path) == ["filler"]
        disk.make_room()
        assert check(drilled(tmp_path, disk.path), "backup.drill")["status"] == "ok"


def test_the_command_has_no_rights_but_those_of_its_user(tmp_path: Path, root: None) -> None:
    tree = back_up(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for folder in (scratch, *scratch.parents):
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    nobody = pwd.getpwnam("nobody")
    inner = str(tree)[1:]
    script = f'test "$(id -u)" = {nobody.pw_uid} && test -r {inner}/0.js && ! cat {inner}/.env && ! touch {inner}/x && ! test -r /etc/shadow'
    done = drilled(tmp_path, scratch, command=["sh", "-c", script], run_as="nobody")
    assert check(done, "backup.drill")["status"] == "ok", done
    wrong = drilled(tmp_path, scratch, command=["sh", "-c", "touch /upkeep-drill-was-here"], run_as="nobody")
    assert check(wrong, "backup.drill")["status"] == "critical"
    assert "Permission denied" in check(wrong, "backup.drill")["summary"]
    assert os.listdir(scratch) == []
