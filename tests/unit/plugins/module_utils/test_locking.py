"""One acting run at a time; the second learns who is first, and a killed run holds nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import locking
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockHeld, LockOwner, exclusive_lock

FIRST = LockOwner("20261122T014356Z-0000000a", "backup", "2026-11-22T01:43:56Z")
SECOND = LockOwner("20261122T014400Z-0000000b", "prepare", "2026-11-22T01:44:00Z")

HOLDER = """
import sys, time
from pathlib import Path
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
with exclusive_lock(Path(sys.argv[1]), LockOwner("20261122T014356Z-0000000a", "backup", "2026-11-22T01:43:56Z")):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(path: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process


def test_the_second_learns_who_holds_it_and_gets_it_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    process = start_holder(path)
    try:
        with pytest.raises(LockHeld) as caught:
            with exclusive_lock(path, SECOND):
                pytest.fail("two runs held one lock")
        assert str(caught.value) == (
            f"run {FIRST.run_id} of backup (process {process.pid}, started {FIRST.started}) holds {path};"
            " wait until it has ended and start again"
        )
    finally:
        process.kill()
        process.communicate()
    with exclusive_lock(path, SECOND):
        assert json.loads(path.read_text())["run_id"] == SECOND.run_id
    assert path.read_text() == ""


def killed_holder(path: Path, keep_seconds: str) -> subprocess.Popen:
    """Return a process that is dead, and whose child, which has its files, keeps the lock for so long: what a command does until it runs."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    keeper = "import os, signal, time\n    if os.fork():\n        os.kill(os.getpid(), signal.SIGKILL)\n    time.sleep(float(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", HOLDER.replace("sys.stdin.read()", keeper), str(path), keep_seconds], env=environment)
    assert process.wait() == -signal.SIGKILL
    return process


def test_what_a_killed_run_was_about_to_start_is_waited_for(tmp_path: Path) -> None:
    killed_holder(tmp_path / "lock", "0.4")
    with exclusive_lock(tmp_path / "lock", SECOND):
        assert json.loads((tmp_path / "lock").read_text())["run_id"] == SECOND.run_id


def test_it_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LETTING_GO_SECONDS", 0.2)
    process = killed_holder(tmp_path / "lock", "5")
    with pytest.raises(LockHeld, match=f"process {process.pid}"):
        with exclusive_lock(tmp_path / "lock", SECOND):
            pytest.fail("two runs held one lock")


def test_a_holder_that_lives_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LETTING_GO_SECONDS", 3600)
    process = start_holder(tmp_path / "lock")
    try:
        with pytest.raises(LockHeld):
            with exclusive_lock(tmp_path / "lock", SECOND):
                pytest.fail("two runs held one lock")
    finally:
        process.kill()
        process.communicate()


def test_waiting_gets_the_lock_when_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = start_holder(path)
    assert process.stdin is not None
    process.stdin.close()
    with exclusive_lock(path, SECOND, wait_seconds=60):
        assert process.wait(60) == 0


@pytest.mark.parametrize("note", [b"", b"not json", b"[1]", b'{"run_id": "\x1b[31m"}'])
def test_a_damaged_note_is_no_obstacle(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "lock"
    path.write_bytes(note)
    with exclusive_lock(path, FIRST):
        with pytest.raises(LockHeld, match=FIRST.run_id):
            with exclusive_lock(path, SECOND):
                pass


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(UpkeepError, match="cannot open the lock"):
        with exclusive_lock(tmp_path / "lock", FIRST):
            pass
    assert (tmp_path / "victim").read_text() == "precious"
