"""The module as Ansible runs it, on real listeners in a network of their own: looking, accepting, and what was tampered with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: Brings the loopback interface up, and stays.
NETWORK = """
import fcntl, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
print("up", flush=True)
sys.stdin.read()
"""
LISTEN = """
import os, socket, sys
protocol, address, port, user = sys.argv[1:]
kept = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
kept.bind((address, int(port)))
if protocol == "tcp":
    kept.listen()
os.setuid(int(user))
print("listens", flush=True)
sys.stdin.read()
"""
#: Runs the module in the network of a process.
ENTER = """
import ctypes, os
assert ctypes.CDLL(None).setns(os.open("/proc/{}/ns/net", os.O_RDONLY), 0) == 0
"""


class Host:
    """A network of its own, and a state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.file = state / "port-baseline.json"
        self._started: list[subprocess.Popen[str]] = []
        self._pid = self._start(["unshare", "--net", sys.executable, "-c", NETWORK]).pid

    def listen(self, protocol: str, address: str, port: int, *, script: Path | None = None, user: int = 0) -> subprocess.Popen[str]:
        code = ["-c", LISTEN] if script is None else [str(script)]
        argv = [sys.executable, *code, protocol, address, str(port), str(user)]
        return self._start(["nsenter", f"--net=/proc/{self._pid}/ns/net", *argv])

    def _start(self, argv: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._started.append(process)
        assert process.stdout is not None and process.stdout.readline()
        return process

    def run(self, **options: Any) -> dict[str, Any]:
        return run_module("port_baseline", {"state_directory": str(self.state), **options}, before=ENTER.format(self._pid))

    def end(self, *processes: subprocess.Popen[str]) -> None:
        for process in processes or self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def host(tmp_path: Path, root: None) -> Iterator[Host]:
    found = Host(tmp_path / "state")
    yield found
    found.end()


def rows(answer: dict[str, Any]) -> dict[str, str]:
    return {f"{row['check']} {row['subject']}": row["status"] for row in answer["checks"] if row["check"] != "port.baseline"}


def baseline(answer: dict[str, Any]) -> str:
    return next(row["status"] for row in answer["checks"] if row["check"] == "port.baseline")


def test_from_the_first_look_to_what_has_changed(host: Host, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(LISTEN)
    first, second = host.listen("tcp", "127.0.0.1", 4001), host.listen("tcp", "::", 4002, script=script)
    host.listen("udp", "0.0.0.0", 4003)
    host.listen("udp", "0.0.0.0", 40004)
    answer = host.run(_ansible_check_mode=True)
    assert (answer["changed"], answer["status"], rows(answer)) == (False, "unknown", {})
    assert "upkeep.runbook.security_accept -e 'security_audit_reason=" in answer["checks"][0]["hint"]
    assert "tcp 4002 (python server.py), udp 4003" in answer["checks"][0]["summary"]
    assert answer["all_addresses"] == ["tcp [::]:4002", "udp 0.0.0.0:4003"] and answer["totals"]["ephemeral"] == 1
    assert answer["listeners"][0]["owners"][0]["executable"] == os.path.realpath(f"/proc/{first.pid}/exe")

    planned = host.run(accept=True, reason="a test", _ansible_check_mode=True, _ansible_diff=True)
    assert planned["changed"] is True and "tcp 127.0.0.1:4001" in planned["diff"]["after"] and not host.state.exists()
    accepted = host.run(accept=True, reason="a test")
    assert (accepted["changed"], accepted["status"], baseline(accepted)) == (True, "ok", "ok")
    assert (host.file.stat().st_mode & 0o777, host.state.stat().st_mode & 0o777) == (0o600, 0o700)
    again = host.run(accept=True, reason="another reason")
    assert again["changed"] is False and again["digest"] == accepted["digest"]
    looked = host.run(expected_digest=accepted["digest"].upper())
    assert (looked["changed"], looked["status"], looked["baseline"]["reason"]) == (False, "ok", "a test")

    host.end(first, second)
    host.listen("tcp", "0.0.0.0", 4001, user=65534)
    host.listen("tcp", "::1", 4444)
    host.listen("tcp", "0.0.0.0", 4445)
    answer = host.run()
    assert (answer["changed"], answer["status"]) == (False, "critical")
    assert {name: status for name, status in rows(answer).items() if status != "ok"} == {
        "port.changed tcp 0.0.0.0:4001": "critical", "port.missing tcp [::]:4002": "warning",
        "port.unexpected tcp [::1]:4444": "warning", "port.unexpected tcp 0.0.0.0:4445": "critical",
    }
    assert answer["differences"] == {"new": ["tcp [::1]:4444", "tcp 0.0.0.0:4445"], "gone": ["tcp [::]:4002"], "changed": ["tcp 0.0.0.0:4001"]}
    expected = host.run(expected=[{"port": 4445, "process": "python*"}, {"port": 4444, "user": "nobody"}, {"port": 4002}, {"port": 4001, "process": "nginx"}])
    assert rows(expected)["port.unexpected tcp [::1]:4444"] == "critical" and "port.unexpected tcp 0.0.0.0:4445" not in rows(expected)
    assert rows(expected)["port.missing tcp *:4002"] == "critical" and rows(expected)["port.unexpected tcp 0.0.0.0:4001"] == "critical"


def test_a_baseline_that_was_tampered_with(host: Host) -> None:
    host.listen("tcp", "0.0.0.0", 4001)
    digest = host.run(accept=True, reason="a test")["digest"]
    content = json.loads(host.file.read_text())

    host.file.write_text(json.dumps({**content, "listeners": []}))
    assert baseline(host.run(expected_digest=digest)) == "critical"
    refused = host.run(accept=True, reason="x", expected_digest=digest)
    assert refused["failed"] is True and refused["msg"].startswith("nothing was accepted") and json.loads(host.file.read_text())["listeners"] == []

    host.file.chmod(0o666)
    assert baseline(host.run()) == "critical"
    host.file.unlink()
    assert baseline(host.run(expected_digest=digest)) == "critical" and baseline(host.run()) == "unknown"
    for damaged in ("", "{", "[]", '{"schema": 1}', '{"schema": 2, "listeners": []}', '{"schema": 1, "listeners": [7], "accepted": "", "reason": ""}'):
        host.file.write_text(damaged)
        host.file.chmod(0o600)
        if damaged in ("", "[]"):
            assert baseline(host.run()) == "unknown"
    other = host.state / "other"
    host.file.rename(other)
    host.file.symlink_to(other)
    assert baseline(host.run()) == "critical"
    assert host.run(accept=True, reason="x")["changed"] is True and not host.file.is_symlink()
    host.file.unlink()
    host.file.mkdir()
    assert baseline(host.run()) == "critical"


HIDDEN = """
from pathlib import Path
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners import inspection, listening
listening.look.__kwdefaults__["proc"] = Path({!r})
"""


def fake_proc(tmp_path: Path, *, closed: bool) -> str:
    """Return a /proc with one listener whose owner is somebody whom this user may not look at."""
    (tmp_path / "net").mkdir()
    line = "   0: 00000000:0FA1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1 0 100 0 0 10 0\n"
    (tmp_path / "net" / "tcp").write_text("  sl  local_address\n" + line + "garbage\n 1: zz:1 zz:1 0A 0 0 0 0 0 0\n")
    (tmp_path / "7").mkdir()
    if closed:
        # What a closed folder of root looks like to others cannot be made by root, so a listing that fails stands for it.
        (tmp_path / "7" / "fd").mkdir(mode=0)
    return HIDDEN.format(str(tmp_path))


DENY = """
import os
list_all = os.listdir
def listdir(path="."):
    if str(path).endswith("/7/fd"):
        raise PermissionError(13, "Permission denied")
    return list_all(path)
os.listdir = listdir
"""


def test_owners_that_cannot_be_seen(tmp_path: Path) -> None:
    before = fake_proc(tmp_path, closed=True) + DENY
    options = {"state_directory": str(tmp_path / "state")}
    answer = run_module("port_baseline", options, before=before)
    assert {row["subject"]: row["status"] for row in answer["checks"]}["owners"] == "unknown"
    assert answer["totals"] == {"listeners": 1, "ephemeral": 0, "without_owner": 1}
    refused = run_module("port_baseline", {**options, "accept": True, "reason": "x"}, before=before)
    assert refused["failed"] is True and "owners of 1 listeners cannot be seen" in refused["msg"]
    assert not (tmp_path / "state").exists()


def test_a_kernel_that_shows_nothing_is_unknown(tmp_path: Path) -> None:
    before = HIDDEN.format(str(tmp_path / "none"))
    answer = run_module("port_baseline", {"state_directory": str(tmp_path)}, before=before)
    assert [(row["check"], row["status"]) for row in answer["checks"]] == [("port.baseline", "unknown")]
    assert run_module("port_baseline", {"state_directory": str(tmp_path), "accept": True, "reason": "x"}, before=before)["failed"] is True


def test_a_listener_of_the_kernel_can_be_accepted(tmp_path: Path) -> None:
    before = fake_proc(tmp_path, closed=False)
    options = {"state_directory": str(tmp_path / "state")}
    assert run_module("port_baseline", {**options, "accept": True, "reason": "x"}, before=before)["changed"] is True
    assert run_module("port_baseline", options, before=before)["status"] == "ok"


def test_wrong_options_are_refused_in_words(tmp_path: Path) -> None:
    assert run_module("port_baseline", {"accept": True, "state_directory": str(tmp_path)})["msg"].startswith("reason is missing")
    assert run_module("port_baseline", {"expected": [{"port": 70000}]})["msg"].startswith("expected[0].port: 70000")


def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    before = fake_proc(tmp_path, closed=False)
    answer = run_module("port_baseline", {"accept": True, "reason": "x", "state_directory": str(blocked)}, before=before)
    assert answer["failed"] is True and "exception" not in answer
