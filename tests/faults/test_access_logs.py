"""Logs that want to fill the memory, and logs that are rotated and cut off while they are read."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import line
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module, start_module

#: The module, and on the error stream the peak memory of it and of the largest process that it forked, in KiB.
MEASURED = r"""
import json, re, resource, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.modules import access_log_stats
try:
    with patch_module_args(json.load(sys.stdin)):
        access_log_stats.main()
finally:
    # Of itself getrusage() counts the test that has started it, too.
    own = re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]
    print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def measured(**options: Any) -> tuple[dict[str, Any], int]:
    """Run the module; return its answer and the most memory that one of its processes took, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], input=json.dumps(options), capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    return dict(json.loads(done.stdout)), max(map(int, done.stderr.split())) // 1024


def test_half_a_million_clients_paths_and_agents_take_little_memory_and_what_was_folded_is_said(tmp_path: Path) -> None:
    at = datetime.now(timezone.utc) - timedelta(hours=3)
    with (tmp_path / "a.log").open("w") as stream:
        for number in range(500_000):
            client = "203.0.113.1" if number % 20 == 0 else f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            stream.write(
                line(
                    at + timedelta(seconds=number // 50), client=client, agent=f"agent {number}",
                    request=f"GET /x{number:x}y/{number} HTTP/1.1" if number % 5 else f"POST /x{number:x}y/login HTTP/1.1",
                    status=401 if number % 5 == 0 else 404 if number % 3 else 200,
                )
            )  # fmt: skip
    result, memory = measured(paths=[str(tmp_path / "a.log")], history=False)
    assert memory < 128
    totals = result["totals"]
    assert totals["requests"] == 500_000
    assert totals["clients_estimated"] is True
    assert abs(totals["clients"] - 475_001) < 475_001 * 0.1
    most = result["top_clients"][0]
    assert most["client"] == "203.0.113.1"
    assert 25_000 - totals["folded"]["clients"]["missing_at_most"] <= most["requests"] <= 25_000
    assert totals["folded"]["clients"]["requests"] > 400_000
    assert totals["folded"]["agents"]["requests"] > 400_000
    assert result["groups"][0]["different_routes"] <= 1001
    assert result["routes"][0]["route"] == "(other routes)"
    assert sum(result["status_classes"].values()) == 500_000
    logins = result["groups"][0]["logins"]
    assert (logins["requests"], logins["refused"]) == (100_000, 100_000), "routes of logins are exact"
    assert abs(logins["different_clients"] - 75_001) < 75_001 * 0.1
    most = logins["clients"][0]
    assert most["client"] == "203.0.113.1" and 25_000 - logins["clients_missing_at_most"] <= most["refused"] <= 25_000


def test_a_log_that_is_rotated_while_it_is_read_gives_figures_and_no_crash(tmp_path: Path, fault_runs: int) -> None:
    """Whatever a rotation does meanwhile, no line is counted twice, and what was missed is said."""
    at = datetime.now(timezone.utc) - timedelta(hours=3)
    lines = [line(at + timedelta(seconds=number // 20)) for number in range(40_000)]
    log, stop = tmp_path / "access.log", threading.Event()

    def rotate() -> None:
        while not stop.is_set():
            os.replace(log, tmp_path / "access.log.1")
            log.write_text("")
            time.sleep(0.02)
            (tmp_path / "access.log.2.gz").write_bytes(
                gzip.compress(b"".join(map(str.encode, lines[:2000])), 1)[: -(1 + len(os.listdir(tmp_path)))]
            )
            os.replace(tmp_path / "access.log.1", log)
            time.sleep(0.02)

    log.write_text("".join(lines))
    thread = threading.Thread(target=rotate)
    thread.start()
    try:
        for _run in range(fault_runs):
            result = run_module("access_log_stats", {"paths": [f"{tmp_path}/access.log*"], "history": False, "min_requests": 0})
            assert "failed" not in result, result
            assert result["totals"]["requests"] <= 42_000
            if result["totals"]["requests"] < 40_000:
                assert result["status"] == "unknown" or result["totals"]["requests"] == 0
    finally:
        stop.set()
        thread.join()


def test_a_run_that_is_killed_leaves_what_was_remembered_and_no_process(tmp_path: Path, fault_runs: int) -> None:
    at = datetime.now(timezone.utc) - timedelta(hours=3)
    (tmp_path / "a.log").write_text("".join(line(at + timedelta(seconds=number // 20)) for number in range(60_000)))
    options = {"paths": [str(tmp_path / "a.log")], "state_directory": str(tmp_path / "state")}
    assert run_module("access_log_stats", options)["status"] == "ok"
    for number in range(fault_runs):
        process = start_module("access_log_stats", options)
        time.sleep(0.1 + 0.1 * (number % 10))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = json.loads((tmp_path / "state" / "access_logs.json").read_text())
        assert kept["groups"][options["paths"][0]]["hours"]
    assert run_module("access_log_stats", options)["status"] == "ok"
