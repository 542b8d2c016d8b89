"""What comes from a target is data: endless, malformed or malicious, it ends as text in the report and on time."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.faults import hostile_servers
from ansible_collections.upkeep.runbook.tests.faults.house import House
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk

TIMEOUT_SECONDS = 1.0

#: A name that is no UTF-8, markup for a page and a template that would make a file where the run was started; without
#: white space or slashes, at which names of programs are cut.
NAME = b"\xff\xfe<script>alert(1)<b>{{lookup('pipe','>made-by-a-template')}}"
SHOWN = r"\xff\xfe<script>alert(1)<b>{{lookup('pipe','>made-by-a-template')}}"


def test_hostile_http_servers_cost_no_more_than_their_timeout(house: House) -> None:
    with hostile_servers.serving(*hostile_servers.ALL) as ports:
        house.platform["services"] += [
            {
                "name": name,
                "http": {"url": f"http://127.0.0.1:{port}/", "timeout_seconds": TIMEOUT_SECONDS, "follow_redirects": 5},
            }
            for name, port in ports.items()
        ]
        done = house.run("daily", "--tags", "health")
    assert done.rc == 2, done.output
    for name in ports:
        check = done.check("alpha", "service.http", name)
        assert check["status"] == "critical", check
        assert check["value"] is None or check["value"] < TIMEOUT_SECONDS + 1, check
    assert done.check("alpha", "service.tcp", "ticks")["status"] == "ok"
    # All at once, so that the whole run waits for one of them at most; the rest is Ansible.
    assert done.seconds < 30
    page = (house.reports / "latest.html").read_text()
    assert "<script>alert(1)" not in page
    summary = done.check("alpha", "service.http", "error")["summary"]
    assert "62615533" not in summary, "what a server says is never a template"
    assert "\x1b" not in done.table


@contextmanager
def busy_program(name: bytes, listener: socket.socket) -> Iterator[None]:
    """Run a program of this name that takes all the processor time it can get and holds a listening socket."""
    process = subprocess.Popen(
        [name], executable=shutil.which("yes"), stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()]
    )
    listener.close()
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_program_with_a_hostile_name_is_text_everywhere(house: House) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with busy_program(NAME, listener):
        done = house.run(
            "daily",
            health_probes=[
                {"name": "front", "type": "port", "port": port, "pattern": "the right program"},
                {"name": "named", "type": "process", "pattern": r"<script>alert\(1\)"},
            ],
        )
    assert done.rc == 2, done.output
    assert done.check("alpha", "service.process", "named")["status"] == "ok"
    check = done.check("alpha", "service.port", "front")
    assert check["status"] == "critical" and SHOWN in check["summary"], check
    assert SHOWN in done.table
    assert house.records()[done.record["run_id"]] == done.record
    assert not (house.cwd / "made-by-a-template").exists()
    for name in ("latest.html", "latest.md", "index.html"):
        text = (house.reports / name).read_text("utf-8")
        assert "<script>alert" not in text, name
    page = (house.reports / "latest.html").read_text("utf-8")
    # Twice: as the program that listens, and among those that use the most processor time.
    assert page.count(r"\xff\xfe&lt;script&gt;alert(1)&lt;b&gt;{{lookup(") >= 2


def test_output_that_is_no_utf8_survives(house: House) -> None:
    speak = [sys.executable, "-c", r"import os; os.write(1, b'tick \xff\xfe\x00 tock'); os.write(2, b'\xff' * 100000)"]
    probes = [
        {"name": "found", "type": "command", "argv": speak, "expect_stdout": r"tick \\xff\\xfe"},
        {"name": "not found", "type": "command", "argv": speak, "expect_stdout": r"tick tock"},
    ]
    done = house.run("daily", "--tags", "health", health_probes=probes)
    assert done.check("alpha", "service.command", "found")["status"] == "ok"
    assert done.check("alpha", "service.command", "not found")["status"] == "critical"
    assert done.rc == 2


@pytest.mark.usefixtures("root")
def test_a_file_system_mounted_under_a_name_that_is_no_utf8(house: House, tmp_path: Path) -> None:
    mounted = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe <b>disk"))
    link = house.application / "data"
    with small_disk(mounted):
        link.symlink_to(mounted)
        done = house.run("daily", "--tags", "resources", resources_paths=[{"path": str(link)}])
    assert done.rc == 0, done.output
    check = done.check("alpha", "disk.space", str(link))
    assert check["status"] == "ok" and "on upkeep-faults" in check["summary"], check
    assert "<b>disk" not in (house.reports / "latest.html").read_text("utf-8")
