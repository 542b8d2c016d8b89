"""Logs are scanned while they are written, rotated and packed; the scan is killed, and its disk is full: every line counts once."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.inspection import scan_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS
from ansible_collections.upkeep.runbook.tests.faults.log_writers import writing
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import whole_options

_RUN = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
name, options = json.load(sys.stdin)
module = importlib.import_module("ansible_collections.upkeep.runbook.plugins.modules." + name)
with patch_module_args(options):
    module.main()
"""


def started(module: str, **options: Any) -> subprocess.Popen[str]:
    """Start a module in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps([module, options]))
    process.stdin.close()
    process.stdin = None
    return process


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert output.strip(), f"the module ended with {process.returncode}: {errors}"
    return json.loads(output.splitlines()[-1])


def options(tmp_path: Path, log: Path, **more: Any) -> dict[str, Any]:
    return {
        "groups": [{"name": "app", "paths": [str(log)]}], "since": "beginning", "state_directory": str(tmp_path / "state"),
        "patterns": [{"name": "all", "regex": "^line [0-9]+ of a log$", "severity": "info"}], "return_all": True, **more,
    }  # fmt: skip


def counted(result: dict[str, Any]) -> int:
    """Return how many lines a scan has counted; all of them are whole."""
    (group,) = result["groups"]
    assert group["lines"] == group["patterns"][0]["count"], group
    assert not group["problems"] and not group["warnings"], group
    return int(group["lines"])


def place(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir(mode=0o755)
    return tmp_path / "logs" / "app.log"


def rotation(tmp_path: Path, log: Path, **more: Any) -> dict[str, Any]:
    return {
        "paths": [str(log)], "keep": 0, "min_age_hours": 0, "state_directory": str(tmp_path / "state"), "check_logrotate": False,
        "reopen": {"signal": "USR1", "process": f"{log} ", "user": str(os.geteuid())}, **more,
    }  # fmt: skip


def test_every_line_counts_once_while_it_is_written_rotated_and_packed(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    log = place(tmp_path)
    found = rotations = 0
    with writing(log, pause=0.002) as writer:
        for _round in range(2 * fault_runs):
            rotating = started("log_rotate", **rotation(tmp_path, log))
            time.sleep(chance.random() * 0.5)  # a scan meets every stage of a rotation
            found += counted(scan(options(tmp_path, log)))
            result = answer(rotating)
            assert result["status"] == "ok", result
            rotations += len(result["rotated"])
            if chance.random() < 0.5:
                found += counted(scan(options(tmp_path, log)))
        written = writer.stop()
    found += counted(scan(options(tmp_path, log)))
    assert found == written
    assert rotations
    print(f"{written} lines over {rotations} rotations")


def scan(given: dict[str, Any]) -> dict[str, Any]:
    return scan_logs(whole_options(given), now=utc_now(), check_mode=False)


def test_killed_at_any_moment_the_lines_are_counted_by_the_next_run(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    log = place(tmp_path)
    given = options(tmp_path, log)
    total = killed = found = 0
    for _round in range(2 * fault_runs):
        with log.open("ab") as stream:
            for _line in range(20_000):
                stream.write(b"line %d of a log\n" % total)
                total += 1
        process = started("log_scan", **given)
        time.sleep(chance.random() * 2)
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=PATIENCE_SECONDS)
            killed += 1
        else:
            found += counted(answer(process))
    found += counted(scan(given))
    # A run that was killed after it had written its place, and before it answered, has counted lines for nobody.
    assert found <= total and (total - found) % 20_000 == 0
    assert counted(scan(given)) == 0
    print(f"{killed} of {2 * fault_runs} scans were killed")


def die_before(step: int, params: dict[str, Any]) -> bool:
    """Scan in a child that kills itself before its call number ``step`` that writes; return whether it did."""
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

        for name in ("replace", "fsync", "fchmod", "fdopen", "pwrite", "ftruncate"):
            setattr(os, name, dying(getattr(os, name)))
        try:
            scan(params)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_killed_before_each_single_step_the_place_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    log = place(tmp_path)
    given = options(tmp_path, log)
    memory = tmp_path / "state" / "log-scan" / "app.json"
    log.write_bytes(b"line 0 of a log\n")
    assert counted(scan(given)) == 1
    step = told = 0
    while True:
        with log.open("ab") as stream:
            stream.write(b"line 1 of a log\n" * 10)
        before = memory.read_bytes()
        points = json.loads(before)["points"]
        if not die_before(step, given):
            break
        kept = memory.read_bytes() == before
        after = json.loads(memory.read_bytes())
        assert len(after["points"]) <= len(points) + 1
        assert counted(scan(given)) == (10 if kept else 0), step
        told += kept
        step += 1
    assert step > 5 and told > 2, "too few steps were met"
    assert counted(scan(given)) == 0


def test_two_scans_at_once_count_each_line_once(tmp_path: Path, fault_runs: int) -> None:
    log = place(tmp_path)
    given = options(tmp_path, log)
    for _round in range(fault_runs):
        with log.open("ab") as stream:
            stream.write(b"line 1 of a log\n" * 50_000)
        both = [started("log_scan", **given) for _number in range(2)]
        assert sum(counted(answer(process)) for process in both) == 50_000


def test_a_full_disk_leaves_the_old_place_and_says_so(tmp_path: Path, root: None) -> None:
    log = place(tmp_path)
    with small_disk(tmp_path / "state") as disk:
        given = options(tmp_path, log)
        log.write_bytes(b"line 1 of a log\n" * 3)
        assert counted(scan(given)) == 3
        memory = tmp_path / "state" / "log-scan" / "app.json"
        before = memory.read_bytes()
        with log.open("ab") as stream:
            stream.write(b"line 1 of a log\n" * 5)
        disk.leave_free(0)
        for _run in range(2):
            full = scan(given)
            (row,) = [row for row in full["checks"] if row["check"] == "log.cursor"]
            assert row["status"] == "unknown" and "No space left" in row["summary"] and "tells the same again" in row["summary"]
            assert counted(full) == 5 and memory.read_bytes() == before
        disk.make_room()
        assert counted(scan(given)) == 5
        assert counted(scan(given)) == 0
        assert sorted(path.name for path in memory.parent.iterdir()) == ["app.json", "app.lock"]


@pytest.mark.parametrize("kind", ["signatures", "one line", "no line feeds packed", "holes"])
def test_memory_is_bounded_whatever_a_log_holds(tmp_path: Path, kind: str) -> None:
    log = place(tmp_path)
    if kind == "signatures":
        words = [f"{a}{b}{c}" for a in "bcghklpqvx" for b in "aeiou" for c in "npqrstvwxz"]
        with log.open("w") as stream:
            for number in range(100_000):
                first, second = divmod(number, len(words))
                stream.write(f"ERROR {words[first]} {words[second]} failed with a message that is not short\n")
    elif kind == "one line":
        log.write_bytes(b"ERROR " + b"x" * (200 * 1024 * 1024) + b"\nERROR after\n")
    elif kind == "no line feeds packed":
        packer = subprocess.Popen(["gzip", "-1"], stdin=subprocess.PIPE, stdout=log.open("wb"))
        assert packer.stdin is not None
        for _part in range(200):
            packer.stdin.write(b"ERROR x" * (1024 * 1024 // 7))
        packer.communicate()
    else:
        with log.open("wb") as stream:
            stream.truncate(256 * 1024**2)
            stream.seek(0, os.SEEK_END)
            stream.write(b"ERROR after\n")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            result = scan(options(tmp_path, log, patterns=[]))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            (group,) = result["groups"]
            (tmp_path / "result.json").write_text(json.dumps({"group": group, "grown": grown, "size": len(json.dumps(result))}))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["grown"] < 96 * 1024, result  # KiB
    assert result["size"] < 60_000
    group = result["group"]
    if kind == "signatures":
        assert group["errors"] == 100_000
        assert group["signatures"] == {"seen": 5000, "new": 5000, "folded_lines": 95_000}
        assert (tmp_path / "state" / "log-scan" / "app.json").stat().st_size < 1024 * 1024
    elif kind == "holes":
        assert (group["errors"], group["nul_bytes"]) == (1, 256 * 1024**2)
    else:
        assert group["cut_lines"] == 1 and group["errors"] == (2 if kind == "one line" else 1)
