"""The custody log while its writer is killed or its disk is full: what was noted stays, and the next entry finds a whole chain."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.recording import keep_custody
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import custody_log
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk

DEFAULTS = {name: option.get("default") for name, option in custody_log.argument_spec().items()}
#: Calls by which an entry comes to be; a writer is killed before each, and in the middle of each write.
CALLS = ("mkdir", "open", "write", "fsync", "ftruncate", "replace")
KILLS = 8


def keep(directory: Path, summary: str, **more: Any) -> dict[str, Any]:
    entry = {"host": "web-1", "step": "block", "outcome": "done", "summary": summary, "details": {"text": "x" * 1000}}
    given = {**DEFAULTS, "directory": str(directory), "incident": "INC-1", "entries": [entry] * 2, **more}
    return keep_custody(given, now=utc_now(), check_mode=False)


def verified(directory: Path, head: dict[str, Any] | None) -> dict[str, Any]:
    return keep(directory, "", state="verified", expected_head=head)


def killed(work: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert status == 0 or os.WIFSIGNALED(status)
    return os.WIFSIGNALED(status)


def dying(step: int, directory: Path) -> None:
    """Note an entry in a process that ends before its call number ``step``; a write is done in half."""
    left = [step]

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                if name == "write":
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 3])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)

        return wrapped

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))
    keep(directory, f"step {step}")


def test_killed_before_each_step(tmp_path: Path) -> None:
    head, steps, torn = None, 0, 0
    for first in (True, False):
        if not first:
            head = keep(tmp_path / "log", "before")["head"]
        step = 0
        while killed(lambda: dying(step, tmp_path / "log")):  # noqa: B023
            found = verified(tmp_path / "log", head)
            # Nothing that was noted is lost, and nothing looks like tampering.
            assert found["status"] in (("ok", "warning") if not first else ("ok", "warning", "unknown")), found
            torn += found["status"] == "warning"
            answer = keep(tmp_path / "log", f"after {step}", expected_head=head)
            assert answer["status"] == "ok", answer
            head, step, steps = answer["head"], step + 1, steps + 1
            assert verified(tmp_path / "log", head)["status"] == "ok"
    assert steps >= 8 and torn >= 2, "no write was cut off"


def test_killed_at_any_moment(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    began = time.monotonic()
    head = keep(tmp_path, "the first")["head"]
    whole = max(time.monotonic() - began, 0.002)
    ended = 0
    for number in range(KILLS * fault_runs):
        child = os.fork()
        if child == 0:
            try:
                for turn in range(50):
                    keep(tmp_path, f"run {number}, {turn}")
            finally:
                os._exit(0)
        time.sleep(5 * whole * chance.random())
        os.kill(child, signal.SIGKILL)
        ended += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert verified(tmp_path, head)["status"] in ("ok", "warning")
        answer = keep(tmp_path, f"after {number}", expected_head=head)
        assert answer["status"] == "ok"
        head = answer["head"]
    assert ended, "every writer had ended before it was killed"


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, root: None) -> None:
    with small_disk(tmp_path / "log") as disk:
        disk.path.chmod(0o700)
        for number in range(3):
            head = keep(disk.path, f"entry {number}")["head"]
        path = disk.path / "INC-1/custody.jsonl"
        before, failed = path.read_bytes(), 0
        for _size in range(8):
            disk.leave_free(4096)
            # Larger than the page that is left.
            with pytest.raises(UpkeepError, match="No space left on device"):
                keep(disk.path, "no room", entries=[
                    {"host": "web-1", "step": "block", "outcome": "done", "summary": "x", "details": {"text": ["x" * 2000] * 8}}
                ])
            failed += 1
            assert path.read_bytes() == before and verified(disk.path, head)["status"] == "ok"
        disk.make_room()
        answer = keep(disk.path, "with room", expected_head=head)
        assert failed and answer["status"] == "ok" and path.read_bytes().startswith(before)
        assert sorted(os.listdir(disk.path / "INC-1")) == ["custody.jsonl"]
