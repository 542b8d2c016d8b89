"""The module as Ansible runs it, on real processes of every kind that it looks for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.snapshot import _resolved
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

Start = Callable[..., "subprocess.Popen[bytes]"]
MEMORY = """
import os, sys
memory = os.memfd_create("upkeep-test")
with open("/bin/sleep", "rb") as program:
    os.write(memory, program.read())
os.execv(f"/proc/self/fd/{memory}", ["sleep", "300"])
"""
#: Its first thread ends, and another one goes on: the kernel then tells of the process as of a zombie.
HEADLESS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(300,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def run(argv: list[str], *, is_there: Callable[[int], bool] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, **{"stdin": subprocess.DEVNULL, **options})
        started.append(process)
        deadline = time.monotonic() + 30
        while is_there is not None and not is_there(process.pid):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def runs(executable: str) -> Callable[[int], bool]:
    """Tell whether a process runs a program already."""
    return lambda pid: os.readlink(f"/proc/{pid}/exe").startswith(executable)


def is_headless(pid: int) -> bool:
    """Tell whether the first thread of a process has ended."""
    return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()


def audit(**options: Any) -> dict[str, Any]:
    return run_module("process_audit", options)


def rules(answer: dict[str, Any], pid: int) -> dict[str, str]:
    return {row["rule"]: row["status"] for row in answer["processes"] if row["pid"] == pid}


def test_real_processes(tmp_path: Path, start: Start) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sleep = os.path.realpath("/bin/sleep")
        copy, gone, changed = tmp_path / "copy", tmp_path / "gone", tmp_path / "changed"
        for path in (copy, gone, changed):
            shutil.copy(sleep, path)
        script = tmp_path / "script"
        script.write_text("read x\n")
        pids = {
            "ordinary": start([sleep, "300"]), "copy": start([str(copy), "300"], is_there=runs(str(copy))),
            "gone": start([str(gone), "300"], is_there=runs(str(gone))), "changed": start([str(changed), "300"], is_there=runs(str(changed))),
            "memory": start([sys.executable, "-c", MEMORY], is_there=runs("/memfd:")),
            "worker": start(["[kworker/0:1]", "300"], executable=sleep), "sshd": start(["sshd", "-c", "read x"], executable="/bin/sh", stdin=subprocess.PIPE),
            "socket": start(["/bin/sh", "-c", "read x"], stdin=socket.create_connection(listener.getsockname())),
            "preload": start([sleep, "300"], env={"LD_PRELOAD": str(tmp_path / "none.so")}, stderr=subprocess.DEVNULL),
            "script": start(["/bin/sh", str(script), "--password", "hunter2"], stdin=subprocess.PIPE),
            "headless": start([sys.executable, "-c", HEADLESS], is_there=is_headless, stdin=socket.create_connection(listener.getsockname())),
        }
        gone.unlink()
        changed.unlink()
        shutil.copy(sleep, changed)
        time.sleep(0.3)
        answer = audit(_ansible_check_mode=True)
        found = {name: rules(answer, process.pid) for name, process in pids.items()}
        assert found == {
            "ordinary": {}, "copy": {"temporary_executable": "critical"},
            "gone": {"temporary_executable": "critical", "deleted_executable": "critical"},
            "changed": {"temporary_executable": "critical", "deleted_executable": "warning"}, "memory": {"memory_executable": "critical"},
            "worker": {"other_name": "critical"}, "sshd": {"other_name": "critical"}, "socket": {"interpreter_socket": "critical"},
            "preload": {"preloaded_library": "critical"}, "headless": {"interpreter_socket": "critical"}, "script": {"temporary_executable": "critical"},
        }
        assert (answer["changed"], answer["status"]) == (False, "critical")
        assert "hunter2" not in str(answer)
        subjects = {(row["check"], row["subject"]) for row in answer["checks"]}
        assert ("process.temporary_executable", f"{copy} ({answer['processes'][0]['user']})") in subjects


def test_who_is_allowed(tmp_path: Path, start: Start) -> None:
    copy = tmp_path / "copy"
    shutil.copy(os.path.realpath("/bin/sleep"), copy)
    pid = start([str(copy), "300"], is_there=runs(str(copy))).pid
    mine = {"rule": "temporary_executable", "executable": str(copy), "reason": "a test"}

    def ours(answer: dict[str, Any]) -> list[tuple[str, str, bool]]:
        return [(row["check"], row["status"], bool(row.get("suppressed"))) for row in answer["checks"] if str(copy) in row["subject"]]

    only = {"rules": ["temporary_executable"]}
    assert ours(audit(**only, allow=[{**mine, "expires": "2999-12-31"}])) == [("process.temporary_executable", "critical", True)]
    assert ours(audit(**only, allow=[{**mine, "command": f"{copy} *", "user": str(os.geteuid())}])) == [("process.temporary_executable", "critical", True)]
    expired = audit(**only, allow=[{**mine, "expires": "2020-01-01"}])
    assert ours(expired) == [("process.temporary_executable", "critical", False), ("process.allow", "warning", False)]
    useless = audit(**only, allow=[{**mine, "user": "nobody-here"}])
    assert ours(useless) == [("process.temporary_executable", "critical", False), ("process.allow", "warning", False)]
    assert rules(audit(rules=["other_name"], allow=[mine]), pid) == {}


def test_the_module_does_not_find_itself(tmp_path: Path) -> None:
    """It runs from a temporary folder, through a shell there, below this python, as it does under Ansible."""
    shell = tmp_path / "sh"
    shell.write_text(f'#!/bin/sh\necho $$ > {tmp_path}/pid\n"$@"\n')
    shell.chmod(0o755)
    code = f"{tmp_path}/module.py"
    Path(code).write_text(
        "import json, sys\nsys.argv[0] = 'x'\nfrom ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.upkeep.runbook.plugins.modules import process_audit\nwith patch_module_args({}):\n    process_audit.main()\n"
    )
    done = subprocess.run(
        [str(shell), sys.executable, code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["totals"]["processes"] > 2
    assert not [row for row in answer["processes"] if str(tmp_path) in row["command"] or row["pid"] in (os.getpid(), int((tmp_path / "pid").read_text()))]


def test_an_interpreter_with_a_socket_may_be_expected(start: Start) -> None:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "http.server", str(port)]

    def listens(_pid: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    pid = start(argv, is_there=listens, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid

    def found(*expected: dict[str, str]) -> dict[str, str]:
        options = {"rules": ["interpreter_socket"], "expected": [*expected]}
        return rules(run_module("process_audit", options, before=OUTSIDE_OF_SYSTEMD), pid)

    assert found() == {"interpreter_socket": "warning"}
    assert found({"command": f"*http.server {port}"}) == {}
    assert found({"command": f"*http.server {port}", "user": "nobody-here"}) != {}


#: These tests may run in a service of systemd, whose interpreters may have sockets.
OUTSIDE_OF_SYSTEMD = """
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit import rules
rules.units_of = lambda pid: []
"""


def test_without_the_right_to_look_it_is_unknown(root: None) -> None:
    answer = run_module("process_audit", {}, before=AS_NOBODY)
    row = next(row for row in answer["checks"] if row["check"] == "process.audit")
    assert row["status"] == "unknown" and "become" in row["hint"]


# What is loaded when it is first used has to be there before: nobody may not read where ansible-test keeps it.
AS_NOBODY = """
import contextlib, io, os
import ansible.module_utils.basic
import ansible.module_utils.testing
import ansible_collections.upkeep.runbook.plugins.modules.process_audit
with ansible.module_utils.testing.patch_module_args({}), contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    ansible.module_utils.basic.AnsibleModule({}).exit_json()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
"""

HIDDEN = """
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit import auditing
from pathlib import Path
auditing.PROC = Path({!r})
"""


def test_a_system_that_shows_nothing_is_unknown(tmp_path: Path) -> None:
    answer = run_module("process_audit", {}, before=HIDDEN.format(str(tmp_path / "none")))
    assert [(row["check"], row["status"]) for row in answer["checks"]] == [("process.audit", "unknown")]
    (tmp_path / "7").mkdir()
    answer = run_module("process_audit", {}, before=HIDDEN.format(str(tmp_path)))
    assert answer["status"] == "unknown" and "hidepid" in answer["checks"][0]["summary"]


def test_processes_that_vanish_and_hostile_ones(tmp_path: Path) -> None:
    def add(
        pid: int, stat: bytes | None, cmdline: bytes = b"", *, status: bytes = b"Uid:\t0\t0\t0\t0\n", environ: bytes = b""
    ) -> None:
        folder = tmp_path / str(pid)
        folder.mkdir()
        if stat is not None:
            for name, content in (("stat", stat), ("status", status), ("cmdline", cmdline), ("environ", environ)):
                (folder / name).write_bytes(content)
            (folder / "exe").symlink_to("/usr/bin/x\udcff" if pid != 1 else "/sbin/init")
            (folder / "cwd").symlink_to("/")

    add(1, b"1 (init) S 0 1 1 0 -1 4194304")
    add(2, None)
    add(3, b"")
    add(4, b"4 (a) b) S 1 1 1 0 -1 4194304", b"[kworker/u8:0]\0" + b"\x1b[2J\xff" * 100_000)
    add(5, b"5 (a) S 1 1 1 0 -1 4194304", b"a\0", environ=b"X=" + b"x" * 1_000_000 + b"\0LD_PRELOAD=/tmp/x.so\0")
    add(6, b"6 (a) S 1 1 1 0 -1 4194304", status=b"")
    before = HIDDEN.format(str(tmp_path))
    answer = run_module("process_audit", {}, before=before)
    assert answer["totals"]["vanished"] == 3 and rules(answer, 4) == {"other_name": "critical"}
    assert rules(answer, 5) == {"preloaded_library": "critical"}
    assert "\x1b" not in str(answer["processes"])
    few = "from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit import snapshot\nsnapshot.MAX_PROCESSES = 5\n"
    answer = run_module("process_audit", {}, before=before + few)
    (row,) = [row for row in answer["checks"] if row["check"] == "process.audit"]
    assert row["status"] == "unknown" and "1 more were not" in row["summary"]


def test_a_shell_with_a_connection_in_another_network(start: Start, root: None) -> None:
    """As in a container, whose sockets the tables of our own network do not hold."""
    pid = start(["unshare", "--net", sys.executable, "-c", CONNECTED_SHELL], is_there=runs(os.path.realpath("/bin/sh")), stdin=subprocess.PIPE).pid
    assert rules(audit(rules=["interpreter_socket"]), pid) == {"interpreter_socket": "critical"}


CONNECTED_SHELL = """
import fcntl, os, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # lo is up
listener = socket.create_server(("127.0.0.1", 0))
connection = socket.create_connection(listener.getsockname())
accepted, _address = listener.accept()
os.set_inheritable(accepted.fileno(), True)
os.dup2(connection.fileno(), 1)
os.execv("/bin/sh", ["sh", "-c", "read x"])
"""


def test_a_service_with_a_tree_of_its_own_is_called_by_a_link_of_the_system(tmp_path: Path, start: Start, root: None) -> None:
    """systemd gives systemd-udevd a mount namespace, and its program is udevadm."""
    link = tmp_path / "called"
    link.symlink_to(os.path.realpath("/bin/sleep"))
    pid = start(["unshare", "--mount", str(link), "300"], is_there=runs(os.path.realpath("/bin/sleep"))).pid
    folder = Path(f"/proc/{pid}")
    assert _resolved(folder, str(link), Path("/proc")) == os.path.realpath("/bin/sleep")
    assert _resolved(folder, os.path.realpath("/bin/cat"), Path("/proc")) is None


def test_wrong_options_are_refused_in_words() -> None:
    assert audit(allow=[{"rule": "none", "reason": "x", "user": "y"}])["msg"].startswith("allow[0].rule: 'none' is no rule; give one of")
    assert audit(allow=[{"rule": "other_name", "reason": "x"}])["msg"].startswith("allow[0] covers everything")
    assert audit(allow=[{"rule": "other_name", "reason": " ", "user": "y"}])["msg"].startswith("allow[0].reason is empty")
    assert "is no day" in audit(allow=[{"rule": "other_name", "reason": "x", "user": "y", "expires": "soon"}])["msg"]
    assert audit(rules=[])["failed"] is True
