"""Who gets a signal, and who must not; with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Reopen
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.telling import Untold, find_addressee, tell

from .conftest import Rotate

_PROGRAM = """
import os, signal, sys
kind, log = sys.argv[1], sys.argv[2]
def reopen(*_):
    global stream
    stream.close()
    stream = open(log, "a", buffering=1)
    stream.write("reopened\\n")
if kind == "handles":
    signal.signal(signal.SIGUSR1, reopen)
elif kind == "ignores":
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
stream = open(log, "a", buffering=1)
stream.write("a line\\n")
print(flush=True)
while True:
    signal.pause()
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(logs: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(kind: str, user: int | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, kind, str(logs / "app.log"), "mark-of-this-test"], stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def reopen_of(logs: Path, way: str, process: subprocess.Popen[bytes]) -> dict[str, object]:
    if way == "pid_file":
        (logs / "pid").write_text(f"{process.pid}\n")
        return {"signal": "USR1", "pid_file": str(logs / "pid")}
    if way == "process":
        return {"signal": "USR1", "process": f"{logs}.*mark-of-this-test"}
    return {"command": ["kill", "-USR1", str(process.pid)]}


@pytest.mark.parametrize("way", ["pid_file", "process", "command"])
def test_a_writer_that_is_told_opens_the_new_log(logs: Path, rotate: Rotate, start: Start, way: str) -> None:
    process = start("handles")
    answer = rotate(reopen=reopen_of(logs, way, process), wait_seconds=30)
    assert answer["status"] == "ok" and answer["rotated"][0]["compressed_bytes"], answer
    assert (logs / "app.log").read_text() == "reopened\n"
    assert process.poll() is None


@pytest.mark.parametrize(("kind", "said"), [("dies", "does not handle SIGUSR1, which would end it"), ("ignores", "ignores SIGUSR1")])
@pytest.mark.parametrize("way", ["pid_file", "process"])
def test_a_writer_that_the_signal_would_end_gets_none(
    logs: Path, rotate: Rotate, start: Start, kind: str, said: str, way: str
) -> None:
    process = start(kind)
    for check_mode in (True, False):
        answer = rotate(reopen=reopen_of(logs, way, process), check_mode=check_mode)
        row = answer["checks"][0]
        assert row["status"] == "warning" and said in row["summary"] and "is not rotated" in row["summary"], row
        assert not answer["changed"]
    assert process.poll() is None
    assert (logs / "app.log").read_text() == "a line\n"


def test_a_service_that_does_not_run_needs_no_telling(logs: Path, rotate: Rotate) -> None:
    (logs / "app.log").write_text("line\n")
    for reopen in ({"signal": "USR1", "pid_file": str(logs / "pid")}, {"signal": "USR1", "process": "no such process at all"}):
        answer = rotate(reopen=reopen, min_age_hours=0)
        assert answer["status"] == "ok", answer
    assert len(list(logs.glob("app.log-*.gz"))) == 1


def test_a_log_that_somebody_else_writes_is_not_rotated_while_its_service_is_down(
    logs: Path, rotate: Rotate, start: Start
) -> None:
    process = start("handles")
    answer = rotate(reopen={"signal": "USR1", "pid_file": str(logs / "none")})
    assert f"names no process that runs, and process {process.pid} writes to it" in answer["checks"][0]["summary"]
    assert not answer["changed"]


@pytest.mark.parametrize("text", ["", "1\n", "0", "-1", "12 13", "x", "9" * 40, "²"])
def test_what_a_pid_file_must_not_hold(logs: Path, text: str) -> None:
    (logs / "pid").write_text(text, encoding="utf-8")
    with pytest.raises(Untold, match="holds no process id"):
        find_addressee(Reopen("signal", "USR1", pid_file=str(logs / "pid")), set(), written=False)


def test_a_pid_file_of_a_user_names_only_processes_of_that_user(logs: Path, start: Start) -> None:
    if os.geteuid() != 0:
        pytest.fail("files of other users can only be made by root; run the tests as root")
    process = start("handles")
    pid_file = logs / "pid"
    pid_file.write_text(str(process.pid))
    os.chown(pid_file, 65534, 65534)
    reopen = Reopen("signal", "USR1", pid_file=str(pid_file))
    with pytest.raises(Untold, match="names a process that is not theirs"):
        find_addressee(reopen, set(), written=False)
    os.chown(pid_file, 0, 0)
    pid_file.chmod(0o666)
    with pytest.raises(Untold, match="may be written by others"):
        find_addressee(reopen, set(), written=False)
    pid_file.unlink()
    pid_file.symlink_to("/proc/1/stat")
    with pytest.raises(Untold, match="cannot be read"):
        find_addressee(reopen, set(), written=False)


def test_a_process_that_got_the_number_of_another_one_gets_no_signal(logs: Path, start: Start) -> None:
    process = start("handles")
    pid_file = logs / "pid"
    pid_file.write_text(str(process.pid))
    reopen = Reopen("signal", "USR1", pid_file=str(pid_file))
    find_addressee(reopen, set(), written=True).close()
    before = time.time() - 3600
    os.utime(pid_file, (before, before))
    with pytest.raises(Untold, match=f"is older than process {process.pid}"):
        find_addressee(reopen, set(), written=True)
    # Who writes to the log is meant, whatever the clock did.
    find_addressee(reopen, {process.pid}, written=True).close()


def test_a_pipe_for_a_pid_file_holds_nobody_up(logs: Path) -> None:
    os.mkfifo(logs / "pid")
    with pytest.raises(Untold, match="holds no process id"):
        find_addressee(Reopen("signal", "USR1", pid_file=str(logs / "pid")), set(), written=False)


def test_a_process_that_ended_meanwhile_is_no_failure_and_nobody_else_is_struck(start: Start, logs: Path) -> None:
    process = start("handles")
    addressee = find_addressee(Reopen("signal", "USR1", process=f"{logs}.*mark-of-this-test"), {process.pid}, written=True)
    assert addressee.pids == [process.pid]
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    tell(addressee, 5)
    addressee.close()


@pytest.mark.parametrize(
    ("command", "said"),
    [(["false"], "false failed (it said nothing)"), (["/no/such/program"], "No such file"), (["sleep", "60"], "did not end in time")],
)
def test_a_command_that_fails_is_a_warning(logs: Path, rotate: Rotate, command: list[str], said: str) -> None:
    (logs / "app.log").write_text("line\n")
    answer = rotate(reopen={"command": command}, timeout_seconds=0.5)
    assert said in answer["checks"][0]["summary"] and answer["status"] == "warning", answer
    assert answer["rotated"][0]["compressed_bytes"], "nobody wrote, so it could be packed"


def test_a_writer_that_ends_instead_of_opening_the_new_log_is_told(logs: Path, rotate: Rotate, start: Start) -> None:
    process = start("dies")
    # SIGKILL stands for a program that handles the signal by ending.
    answer = rotate(reopen={"command": ["kill", "-KILL", str(process.pid)]}, wait_seconds=30)
    row = answer["checks"][0]
    assert row["status"] == "warning"
    assert f"process {process.pid}, which wrote it, has ended and nobody writes the new log" in row["summary"]
    assert answer["rotated"][0]["compressed_bytes"]


def test_copytruncate_refuses_a_writer_that_does_not_append(logs: Path, rotate: Rotate) -> None:
    log = logs / "app.log"
    with log.open("w") as stream:
        stream.write("line\n")
        stream.flush()
        child = subprocess.Popen(["sleep", "60"], stdout=stream)
        try:
            answer = rotate(method="copytruncate")
        finally:
            child.kill()
            child.wait(60)
    assert "does not append to it, and would leave a hole" in answer["checks"][0]["summary"]
    assert log.read_text() == "line\n"
