"""The processes that use most: names that lie, pids that return, arguments that are secret."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.processes import (
    Process,
    cpu_ticks_spent,
    parse_process,
    process_counts,
    process_title,
    read_processes,
    top_pids,
    top_processes,
    unit_of,
)

STAT = "{pid} ({name}) {state} 1 2 3 0 -1 4194560 100 0 0 0 {user} {system} 0 0 20 0 4 0 {started} 1000 {rss} 18446744073709551615"


def line(pid: int = 7, name: str = "node", state: str = "S", user: int = 5, system: int = 2, started: int = 99, rss: int = 10) -> str:
    return STAT.format(pid=pid, name=name, state=state, user=user, system=system, started=started, rss=rss)


@pytest.mark.parametrize("name", ["node", "a b", "evil) R 1 (", "x)", "", "new\nline", "\\xff"])
def test_no_name_confuses_the_columns(name: str) -> None:
    assert parse_process(line(name=name)) == Process(7, 99, name, "S", 7, 10)


@pytest.mark.parametrize("text", ["", "7", "7 (node", "7 (node) S 1 2", "x (node) S " + "0 " * 30])
def test_a_broken_line_is_no_process(text: str) -> None:
    assert parse_process(text) is None


def process(pid: int, ticks: int, started: int = 1, rss: int = 0) -> Process:
    return Process(pid, started, "p", "S", ticks, rss)


@pytest.mark.parametrize(
    ("before", "after", "spent"),
    [
        pytest.param([process(1, 100)], [process(1, 130)], {1: 30}, id="the difference"),
        pytest.param([], [process(1, 12)], {1: 12}, id="began in between"),
        pytest.param([process(1, 100)], [], {}, id="ended in between"),
        pytest.param([process(1, 100, started=1)], [process(1, 3, started=2)], {1: 3}, id="another one with the same pid"),
        pytest.param([process(1, 100)], [process(1, 90)], {1: 0}, id="never negative"),
    ],
)
def test_time_between_two_samples(before: list, after: list, spent: dict) -> None:
    assert cpu_ticks_spent({p.pid: p for p in before}, {p.pid: p for p in after}) == spent


def test_most_time_first_then_most_memory() -> None:
    processes = {pid: process(pid, 0, rss=rss) for pid, rss in ((1, 50), (2, 900), (3, 10), (4, 0), (5, 700))}
    spent = {1: 3, 2: 9, 3: 30, 4: 0, 5: 0}
    assert top_pids(spent, processes, 2) == [(3, ["cpu"]), (2, ["cpu", "memory"]), (5, ["memory"])]
    assert top_pids(spent, processes, 0) == []


def test_counts_by_state() -> None:
    processes = {1: process(1, 0), 2: process(2, 0)._replace(state="Z"), 3: process(3, 0)}
    assert process_counts(processes) == {"total": 3, "by_state": {"S": 2, "Z": 1}}


@pytest.mark.parametrize(
    ("cmdline", "title"),
    [
        ("", "comm"),
        ("/usr/bin/redis-server\0*:6379\0", "redis-server"),
        ("node\0--max-old-space-size=512\0/opt/app/server.js\0--token\0hunter2\0", "node server.js"),
        ("/usr/bin/python3.11\0-m\0http.server\0", "python3.11"),
        ("python3\0/usr/bin/ansible\0localhost\0", "python3 ansible"),
        ("bash\0-c\0curl -u admin:hunter2 run.sh\0", "bash"),
        ("node\0--password=hunter2.js\0", "node"),
        ("mysql\0-phunter2\0dump.sh\0", "mysql"),
        ("nginx: worker process\0", "nginx"),
        ("node\0bad\x1b[31m.js\0", "node bad\\x1b[31m.js"),
    ],
)
def test_the_title_tells_services_apart_and_keeps_secrets(cmdline: str, title: str) -> None:
    assert process_title("comm", cmdline) == title


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/tick-backend.service\n", "tick-backend.service"),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/app.service\n", "app.service"),
        ("0::/user.slice/user-0.slice/session-5.scope\n", "session-5.scope"),
        ("9:name=systemd:/system.slice/x.service\n8:pids:/other.service/y\n", "x.service"),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_the_unit_of_a_process(cgroup: str, unit: str | None) -> None:
    assert unit_of(cgroup) == unit


def test_a_busy_process_of_this_machine_is_found() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        files = HostFiles()
        before = read_processes(files)
        while read_processes(files)[busy.pid].cpu_ticks - before[busy.pid].cpu_ticks < 10:
            pass
        after = read_processes(files)
        rows = {row["pid"]: row for row in top_processes(files, before, after, seconds=1.0, count=50)}
    finally:
        busy.kill()
        busy.wait()
        busy.stdout.close()
    row = rows[busy.pid]
    assert row["cpu_percent"] >= 10 * 100 / os.sysconf("SC_CLK_TCK")
    assert row["rss_bytes"] > 1_000_000
    assert row["name"].startswith("python")
    assert "cpu" in row["top_by"]
    assert row["user"]
