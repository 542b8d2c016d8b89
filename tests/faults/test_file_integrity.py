"""Baselines are written while the process is killed or the disk is full: the old one or the new one is there, and the next run works."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import baseline as baselines
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.inspecting import watch_files
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import file_integrity
from ansible_collections.upkeep.runbook.tests.faults.forking import forked
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk

DEFAULTS = {name: option.get("default") for name, option in file_integrity.argument_spec().items()}
#: Runs that are killed for each of FAULT_RUNS.
KILLS = 10
#: Calls by which a baseline comes to be; a run is killed before each of them.
CALLS = ("mkdir", "open", "fchmod", "fsync", "replace", "unlink")
#: Files for each of FAULT_RUNS in a large tree, up to 50 000.
MANY = 4000


def plant(tree: Path, files: int, folders: int = 20) -> None:
    for number in range(folders):
        (tree / f"folder-{number}").mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (tree / f"folder-{number % folders}" / f"file-{number}").write_bytes(b"%d" % number)


def run(tmp_path: Path, **more: Any) -> dict[str, Any]:
    given = {**DEFAULTS, "paths": [str(tmp_path / "tree")], "state_directory": str(tmp_path / "state"), **more}
    return watch_files(given, now=utc_now(), check_mode=False)


def accept(tmp_path: Path, reason: str) -> dict[str, Any]:
    return run(tmp_path, state="accepted", reason=reason)


def reason_kept(tmp_path: Path) -> str:
    """Return the reason of the baseline that is there; fail unless it is whole."""
    with baselines.open_baseline(tmp_path / "state/integrity/default.baseline") as baseline:
        assert baseline is not None and len(list(baseline.lines())) == baseline.entries
        return baseline.reason


def die_before(step: int, tmp_path: Path, reason: str) -> bool:
    """Accept in a process that kills itself before its call number ``step`` of CALLS or of write."""

    def work() -> None:
        calls = [step]

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **keywords: Any) -> Any:
                calls[0] -= 1
                if calls[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **keywords)

            return wrapped

        for name in CALLS:
            setattr(os, name, dying(getattr(os, name)))
        baselines.BaselineWriter._write = dying(baselines.BaselineWriter._write)  # type: ignore[method-assign]
        accept(tmp_path, reason)

    _pid, status = os.waitpid(forked(work), 0)
    return os.WIFSIGNALED(status)


def test_killed_before_each_step(tmp_path: Path) -> None:
    plant(tmp_path / "tree", 5, 1)
    accept(tmp_path, "the first")
    kept = "the first"
    step = 0
    while True:
        (tmp_path / "tree/folder-0/file-0").write_text(f"content {step}")
        if not die_before(step, tmp_path, f"step {step}"):
            break
        now = reason_kept(tmp_path)
        assert now in (kept, f"step {step}")
        kept = now
        # What is there can be checked with, whichever it is.
        assert run(tmp_path)["status"] in ("ok", "critical")
        step += 1
    # The lock, each file, the temporary file, three writes, its sync, its name, the sync of the folder.
    assert step >= 10
    assert kept == f"step {step - 1}", "no run was killed after the new baseline had its name"
    assert reason_kept(tmp_path) == f"step {step}"
    for path in (tmp_path / "state/integrity").glob(".upkeep-*"):
        os.utime(path, (1, 1))
    (tmp_path / "tree/folder-0/file-0").write_text("the last")
    accept(tmp_path, "the last")
    assert os.listdir(tmp_path / "state/integrity") == ["default.baseline"], "what killed runs left was not cleared away"


def test_killed_at_any_moment(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    plant(tmp_path / "tree", 2000)
    began = time.monotonic()
    accept(tmp_path, "the first")
    whole = time.monotonic() - began
    killed = 0
    for number in range(KILLS * fault_runs):
        before = reason_kept(tmp_path)
        (tmp_path / "tree/folder-0/file-0").write_text(f"content {number}")
        child = forked(lambda reason=f"run {number}": accept(tmp_path, reason))  # type: ignore[misc]
        time.sleep(whole * chance.random())
        killed += os.waitpid(child, os.WNOHANG)[0] == 0 and not _finish(child)
        assert reason_kept(tmp_path) in (before, f"run {number}")
    assert killed, "every run had ended before it was killed"
    accept(tmp_path, "the last")
    assert run(tmp_path)["status"] == "ok"


def _finish(child: int) -> bool:
    """Kill a process; return whether it had ended well."""
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def test_a_full_disk_leaves_the_old_baseline(tmp_path: Path, root: None) -> None:
    plant(tmp_path / "tree", 10)
    with small_disk(tmp_path / "state") as disk:
        disk.path.chmod(0o700)
        accept(tmp_path, "the first")
        plant(tmp_path / "tree", 3000)
        for size in (0, 4096, 65536, 200_000):
            disk.leave_free(size)
            with pytest.raises(UpkeepError, match="No space left on device"):
                accept(tmp_path, "too large")
            disk.make_room()
            assert reason_kept(tmp_path) == "the first"
            assert os.listdir(tmp_path / "state/integrity") == ["default.baseline"]
        accept(tmp_path, "with room")
        assert run(tmp_path)["status"] == "ok"


def test_a_tree_that_changes_all_the_time_is_no_crash(tmp_path: Path, fault_runs: int) -> None:
    """Files are rewritten, removed and exchanged for links and folders while they are looked at."""
    plant(tmp_path / "tree", 200)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file-0").write_text("not to be read")
    accept(tmp_path, "the first")
    stop = threading.Event()

    def write(number: int) -> None:
        folder = tmp_path / "tree" / f"folder-{number}"
        turn = 0
        while not stop.is_set():
            turn += 1
            (folder / "busy").write_text("x" * (turn % 1000))
            (folder / "passing").mkdir(exist_ok=True)
            (folder / "passing").rmdir()
            (folder / "passing").symlink_to(tmp_path / "secret")
            (folder / "passing").unlink()
            folder.rename(tmp_path / f"away-{number}")
            folder.symlink_to(tmp_path / "secret")
            folder.unlink()
            (tmp_path / f"away-{number}").rename(folder)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        answers = [run(tmp_path, return_all=True) for _run in range(5 * fault_runs)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    for answer in answers:
        changed = [change for change in answer["changes"] if change["change"] == "changed" and change["after"]["type"] == "file"]
        assert not [change for change in changed if "busy" not in change["path"]], "a link was followed"
        assert answer["totals"]["unchanged"] >= 170


# The peak of memory is asked of the process itself: what wait4() says includes that of this one, from before the exec.
_RUN = """
import atexit, json, re, sys
atexit.register(lambda: sys.stderr.write(re.search("VmHWM:\\\\s+(\\\\d+) kB", open("/proc/self/status").read())[1]))
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.modules import file_integrity
with patch_module_args(json.load(sys.stdin)):
    file_integrity.main()
"""


def test_many_files_and_many_changes_take_bounded_memory_and_output(tmp_path: Path, fault_runs: int) -> None:
    many = min(MANY * fault_runs, 50_000)
    plant(tmp_path / "tree", many, 500)
    options = {"paths": [str(tmp_path / "tree")], "state_directory": str(tmp_path / "state")}

    def module(**more: Any) -> tuple[dict[str, Any], int, float]:
        process = subprocess.run(
            [sys.executable, "-c", _RUN], input=json.dumps({**options, **more}), text=True, capture_output=True, timeout=600,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        answer = json.loads(process.stdout.splitlines()[-1])
        return answer, len(process.stdout), int(process.stderr.splitlines()[-1]) / 1024

    first, size, memory = module(state="accepted", reason="first")
    assert first["baseline"]["entries"] == many + 501
    assert size < 10_000 and memory < 128
    for number in range(0, many, 2):
        (tmp_path / "tree" / f"folder-{number % 500}" / f"file-{number}").write_bytes(b"changed")
    answer, size, memory = module()
    assert answer["totals"]["changed"] == many // 2 and len(answer["changes"]) == 1000
    assert size < 2_000_000 and memory < 128, (size, memory)
