"""Pruning is killed at any moment, twice at once, and stopped half-way: what must stay stays, and the next run completes the work."""

from __future__ import annotations

import os
import random
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import remember
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, run_module, start_module

#: How often pruning is killed for each of FAULT_RUNS.
KILLS = 3
DAYS = 1500
#: For so long a run removes, on a quiet machine.
BUSY_SECONDS = 0.03
NOW = datetime.now(timezone.utc)


def fill(folder: Path) -> list[Path]:
    """Make a backup with its manifest for each day, newest first; the two newest are damaged and unread."""
    made = []
    for day in range(DAYS):
        moment = NOW - timedelta(days=day, minutes=1)
        path = folder / f"shop_{moment:%Y%m%dT%H%M%SZ}.tar.zst"
        path.write_bytes(b"x")
        (folder / (path.name + ".manifest.json")).write_bytes(b"{}")
        made.append(path)
    return made


def record(state: Path, backups: list[Path]) -> None:
    found = {}
    for number, path in enumerate(backups[:900]):
        seen = path.stat()
        found[str(path)] = {
            "bytes": seen.st_size, "mtime_ns": seen.st_mtime_ns, "backup_id": None, "level": "content",
            "status": "critical" if number == 0 else "ok", "verified": "2026-11-22T03:00:00Z",
        }
    del found[str(backups[1])]
    remember(state, found, LockOwner("-", "test", "2026-11-22T03:00:00Z"))


def given(tmp_path: Path, **options: Any) -> dict[str, Any]:
    return {
        "directory": str(tmp_path / "b"), "pattern": ["shop_*.tar.zst"], "state_directory": str(tmp_path / "state"),
        "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 12, "return_all": True, **options,
    }


def start(tmp_path: Path, **options: Any) -> subprocess.Popen[str]:
    return start_module("backup_prune", given(tmp_path, **options))


def prune(tmp_path: Path, **options: Any) -> dict[str, Any]:
    return run_module("backup_prune", given(tmp_path, **options))


def lonely_manifests(folder: Path) -> list[str]:
    names = set(os.listdir(folder))
    return [name for name in names if name.endswith(".manifest.json") and name[: -len(".manifest.json")] not in names]


def test_killed_at_any_moment(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    interrupted = 0
    for _kill in range(KILLS * fault_runs):
        backups = fill(folder)
        record(tmp_path / "state", backups)
        wanted = prune(tmp_path, _ansible_check_mode=True)
        kept, gone = {row["path"] for row in wanted["kept"]}, {row["path"] for row in wanted["removed"]}
        assert {str(path) for path in backups[:3]} <= kept, "the newest good one, and the damaged and unread ones before it"
        before = 2 * DAYS
        process = start(tmp_path)
        end = time.monotonic() + PATIENCE_SECONDS
        while len(os.listdir(folder)) == before and process.poll() is None and time.monotonic() < end:
            pass
        time.sleep(chance.random() * BUSY_SECONDS)
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)

        there = {str(folder / name) for name in os.listdir(folder) if not name.endswith(".manifest.json")}
        interrupted += bool(there & gone)
        assert kept <= there
        assert all(os.path.exists(path + ".manifest.json") for path in there), "a backup keeps its manifest"
        assert len(lonely_manifests(folder)) <= 1

        after = prune(tmp_path)
        assert not after.get("failed"), after
        assert {row["path"] for row in after["kept"]} == kept, "the next run completes what this one began"
        assert {str(folder / name) for name in os.listdir(folder)} == {path for one in kept for path in (one, one + ".manifest.json")}
        assert prune(tmp_path)["changed"] is False
    print(f"{interrupted} of {KILLS * fault_runs} were interrupted while they removed")
    assert interrupted


def test_two_at_once_wait_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    record(tmp_path / "state", fill(tmp_path / "b"))
    runs = [start(tmp_path, lock_wait_seconds=60) for _run in range(2)]
    answers = [answer_of(run) for run in runs]
    assert not [answer for answer in answers if answer.get("failed")]
    assert sorted(answer["changed"] for answer in answers) == [False, True]
    assert answers[0]["kept"] == answers[1]["kept"]
