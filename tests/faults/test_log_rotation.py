"""Logs are rotated while their writers write, the rotation is killed at any moment, and the disk is full: no line is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rotating import rotate_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import log_rotate
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS
from ansible_collections.upkeep.runbook.tests.faults.log_writers import (
    archives,
    leftovers,
    numbers,
    numbers_of_whole_lines,
    writing,
)
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: How often the log is rotated, and its rotation killed, for each of FAULT_RUNS: 3 are 9 rotations, 20 are 60.
ROTATIONS = 3

_MODULE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.modules import log_rotate
with patch_module_args(json.load(sys.stdin)):
    log_rotate.main()
"""


class Rotation:
    """One call of the module in a process of its own."""

    def __init__(self, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(options))
        self.process.stdin.close()
        self.process.stdin = None

    def answer(self) -> dict[str, Any]:
        output, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert output.strip(), f"the module ended with {self.process.returncode}: {errors}"
        return json.loads(output.splitlines()[-1])

    def kill_after(self, seconds: float) -> bool:
        """Kill it; return whether it was still at work."""
        time.sleep(seconds)
        alive = self.process.poll() is None
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_SECONDS)
        return alive


def options(tmp_path: Path, log: Path, **more: Any) -> dict[str, Any]:
    return {
        "paths": [str(log)], "keep": 0, "min_age_hours": 0, "state_directory": str(tmp_path / "state"), "return_all": True,
        "check_logrotate": False, **more
    }


def place(tmp_path: Path) -> Path:
    """Return the path of a log in a folder that only its owner may write to."""
    (tmp_path / "logs").mkdir(mode=0o755)
    return tmp_path / "logs" / "app.log"


def rotate(**given: Any) -> dict[str, Any]:
    return run_module("log_rotate", given)


def test_no_line_is_lost_whenever_the_rotation_is_killed(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    log = place(tmp_path)
    killed = 0
    with writing(log) as writer:
        reopen = {"signal": "USR1", "process": f"{log} ", "user": str(os.geteuid())}
        given = options(tmp_path, log, reopen=reopen)
        began = time.monotonic()
        first = Rotation(**given).answer()
        whole = time.monotonic() - began
        assert first["status"] == "ok" and len(first["rotated"]) == 1, first
        for _rotation in range(ROTATIONS * fault_runs):
            killed += Rotation(**given).kill_after(whole * chance.random() * 1.1)
            if chance.random() < 0.5:
                answer = rotate(**given)
                assert answer["status"] == "ok", answer
                assert not leftovers(log)
        last = rotate(**given)
        assert last["status"] == "ok", last
        written = writer.stop()
    assert numbers(log) == list(range(written))
    assert not leftovers(log)
    assert killed, "every rotation had ended before it was killed"
    print(f"{written} lines in {len(archives(log))} archives; {killed} of {ROTATIONS * fault_runs} rotations were killed at work")


def die_before(step: int, params: dict[str, Any]) -> bool:
    """Rotate in a child that kills itself before its call number ``step`` that changes something; return whether it did."""
    child = os.fork()
    if child == 0:
        calls = [step]

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **keywords: Any) -> Any:
                calls[0] -= 1
                if calls[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **keywords)
            return wrapped

        for name in ("rename", "link", "unlink", "fsync", "write", "fchmod", "ftruncate", "utime"):
            setattr(os, name, dying(getattr(os, name)))
        try:
            rotate_logs(params, now=utc_now(), check_mode=False)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_killed_before_each_single_step(tmp_path: Path, method: str) -> None:
    """Nobody writes here, so that also copytruncate may lose nothing, and every step is met."""
    log = place(tmp_path)
    given = whole_options(options(tmp_path, log, method=method))
    written = step = 0
    while True:
        with log.open("ab") as stream:
            for _line in range(50):
                stream.write(b"line %d of a log\n" % written)
                written += 1
        if not die_before(step, given):
            break
        answer = rotate_logs(given, now=utc_now(), check_mode=False)
        assert answer["status"] == "ok", (step, answer)
        assert not leftovers(log), f"left when killed before step {step}"
        assert numbers(log) == list(range(written)), f"killed before step {step}"
        step += 1
    assert numbers(log) == list(range(written))
    assert step > 15, "too few steps were met"


def whole_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the defaults of the module, for calls without a process of their own."""
    defaults = {name: option.get("default") for name, option in log_rotate.argument_spec().items()}
    return {**defaults, **given}


def test_a_writer_that_is_told_nothing_keeps_its_archive_unpacked_until_it_leaves(tmp_path: Path) -> None:
    log = place(tmp_path)
    given = options(tmp_path, log, wait_seconds=0.5)
    with writing(log) as writer:
        first = rotate(**given)
        assert [row["compressed_bytes"] for row in first["rotated"]] == [None]
        assert first["status"] == "warning" and f"process {writer.process.pid} " in first["checks"][0]["summary"], first
        before = archives(log)
        second = rotate(**given)
        assert second["status"] == "warning" and archives(log) == before and not second["changed"]
        written = writer.stop()
    last = rotate(**given)
    assert last["status"] == "ok" and len(last["completed"]) == 1, last
    assert numbers(log) == list(range(written))
    assert not leftovers(log)


def test_copytruncate_loses_nothing_outside_its_window(tmp_path: Path, fault_runs: int) -> None:
    log = place(tmp_path)
    at_risk = 0
    with writing(log) as writer:
        for _rotation in range(ROTATIONS * fault_runs):
            answer = rotate(**options(tmp_path, log, method="copytruncate"))
            assert answer["status"] == "ok", answer
            at_risk += answer["rotated"][0]["bytes_at_risk"]
        written = writer.stop()
    found = numbers_of_whole_lines(log)
    assert found == sorted(set(found)), "a line stands twice, or out of order"
    gaps = sum(after != before + 1 for before, after in zip(found, found[1:]))
    lost = written - len(found)
    # At each truncation one window at most: between two of them nothing is missing.
    assert gaps <= ROTATIONS * fault_runs
    assert found[0] == 0 and found[-1] == written - 1
    if lost:
        assert at_risk > 0, "lines were lost and the module reported no risk"
    print(f"{lost} of {written} lines in {gaps} windows; {at_risk} bytes were reported as at risk")


def test_a_full_disk_leaves_the_log_as_it_is(tmp_path: Path, root: None) -> None:
    with small_disk(tmp_path / "disk", 4 * 1024 * 1024) as disk:
        log = disk.path / "app.log"
        with writing(log, pause=0.01) as writer:
            while log.stat().st_size < 400_000:
                time.sleep(0.05)
            written = writer.stop()
        given = options(tmp_path, log)
        content = log.read_bytes()

        disk.leave_free(0)
        full = rotate(**given)
        if not full["failed"]:
            pytest.fail(f"it found room on a full disk: {full}")
        assert "No space left on device" in full["msg"] and str(log) in full["msg"], full
        assert "stays as it is" in full["msg"]
        assert [row["status"] for row in full["checks"]] == ["critical"]
        assert "Make room" in full["checks"][0]["hint"]
        kept = [path for path in disk.path.iterdir() if path.name.startswith("app.log") and path.stat().st_size]
        assert [path.read_bytes() for path in kept] == [content]

        disk.make_room()
        mended = rotate(**given)
        assert mended["status"] == "ok", mended
        assert numbers(log) == list(range(written))
        disk.make_room()
        assert [name for name in leftovers(log) if name != "filler"] == []
