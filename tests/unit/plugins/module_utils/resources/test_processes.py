"""The processes that use most: time between two samples, pids that return, who is listed and why."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import Process, Unseen, read_processes
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.processes import (
    cpu_seconds_spent,
    process_counts,
    top_pids,
    top_processes,
)

HAS_PSUTIL = importlib.util.find_spec("psutil") is not None


def process(pid: int, cpu: float = 0.0, created: float = 1.0, rss: int = 0, state: str = "sleeping") -> Process:
    return Process(pid, 1, 0, "p", (), state, created, cpu, rss, True)


@pytest.mark.parametrize(
    ("before", "after", "spent"),
    [
        pytest.param([process(1, 100)], [process(1, 130)], {1: 30}, id="the difference"),
        pytest.param([], [process(1, 12)], {1: 12}, id="began in between"),
        pytest.param([process(1, 100)], [], {}, id="ended in between"),
        pytest.param([process(1, 100, created=1)], [process(1, 3, created=2)], {1: 3}, id="another one with the same pid"),
        pytest.param([process(1, 100)], [process(1, 90)], {1: 0}, id="never negative"),
    ],
)
def test_time_between_two_samples(before: list, after: list, spent: dict) -> None:
    assert cpu_seconds_spent(before, after) == spent


def test_most_time_first_then_most_memory() -> None:
    processes = [process(pid, rss=rss) for pid, rss in ((1, 50), (2, 900), (3, 10), (4, 0), (5, 700))]
    spent = {1: 3.0, 2: 9.0, 3: 30.0, 4: 0.0, 5: 0.0}
    assert top_pids(spent, processes, 2) == [(3, ["cpu"]), (2, ["cpu", "memory"]), (5, ["memory"])]
    assert top_pids(spent, processes, 0) == []


def test_counts_by_state() -> None:
    processes = [process(1), process(2, state="zombie"), process(3)]
    assert process_counts(processes) == {"total": 3, "by_state": {"sleeping": 2, "zombie": 1}}


def test_a_row_tells_who_it_is_and_keeps_secrets(fake_host) -> None:
    unit = "0::/system.slice/tick-backend.service"
    fake_host.add(60, argv=["node", "/opt/server.js", "--token=x"], uid=54001, cpu=1.0, rss=4000, cgroup=unit)
    before = read_processes()
    fake_host.add(60, argv=["node", "/opt/server.js", "--token=x"], uid=54001, cpu=1.5, rss=6000, cgroup=unit)
    rows = top_processes(before, read_processes(), seconds=2.0, count=1)
    assert rows == [
        {
            "pid": 60, "user": "54001", "name": "node server.js", "unit": "tick-backend.service", "state": "sleeping",
            "cpu_percent": 25.0, "rss_bytes": 6000, "pss_bytes": 3000, "top_by": ["cpu", "memory"],
        }
    ]


def test_one_that_ended_since_has_no_proportional_memory(fake_host) -> None:
    after = read_processes()
    del fake_host.shown[1]
    assert [row["pss_bytes"] for row in top_processes([], after, seconds=1.0, count=5)] == [None]


def test_a_busy_process_of_this_machine_is_found() -> None:
    """Without psutil on this Python the processes are unseen."""
    if not HAS_PSUTIL:
        with pytest.raises(Unseen):
            read_processes()
        return
    busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        before = after = read_processes()
        while cpu_seconds_spent(before, after)[busy.pid] < 0.1:
            after = read_processes()
        rows = {row["pid"]: row for row in top_processes(before, after, seconds=1.0, count=50)}
    finally:
        busy.kill()
        busy.wait()
        busy.stdout.close()
    row = rows[busy.pid]
    assert row["cpu_percent"] >= 10
    assert row["rss_bytes"] > 1_000_000
    assert row["name"].startswith("python")
    assert "cpu" in row["top_by"]
    assert row["user"]
