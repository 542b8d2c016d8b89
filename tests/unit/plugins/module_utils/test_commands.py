"""External commands end in time, whatever they do, and their output is bounded."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command

PYTHON = sys.executable


def test_output_status_locale_and_directory() -> None:
    code = "import os, sys; print(os.environ['LC_ALL'], os.getcwd(), os.environ['X']); sys.stderr.write('e'); sys.exit(3)"
    result = run_command([PYTHON, "-c", code], environment={"X": "x", "LC_ALL": "de_DE"})
    assert (result.returncode, result.stdout, result.stderr, result.succeeded) == (3, "C / x\n", "e", False)


def test_arguments_are_never_read_by_a_shell(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    result = run_command([PYTHON, "-c", "import sys; print(sys.argv[1])", f"$(touch {witness}); `touch {witness}`"])
    assert result.stdout.startswith("$(touch")
    assert not witness.exists()


def test_a_missing_program_is_a_result() -> None:
    result = run_command(["/nonexistent/program"])
    assert (result.returncode, result.succeeded) == (None, False)
    assert result.problem == "/nonexistent/program: No such file or directory"


def test_bytes_that_are_no_text_survive() -> None:
    assert run_command([PYTHON, "-c", r"import os; os.write(1, b'\xff\xfeok')"]).stdout == "\\xff\\xfeok"


def test_endless_output_is_bounded_and_ended() -> None:
    result = run_command([PYTHON, "-c", "while True: print('x' * 1000)"], timeout_seconds=1, max_output_bytes=10_000)
    assert (len(result.stdout), result.truncated, result.timed_out) == (10_000, True, True)


def test_large_output_within_time_is_read_to_its_end() -> None:
    result = run_command([PYTHON, "-c", "print('x' * 5_000_000)"], max_output_bytes=100)
    assert (result.returncode, result.truncated, result.timed_out) == (0, True, False)


def test_silence_and_its_children_are_killed_at_the_deadline(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    started = time.monotonic()
    result = run_command([PYTHON, "-c", code], timeout_seconds=2)
    assert result.timed_out and time.monotonic() - started < 60
    assert _gone(int(pid_file.read_text()))


DAEMON = """
import os, subprocess, sys
code = "import sys, time\\nwhile {chatters}: print('later', flush=True)\\ntime.sleep(120)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session={escapes})
print(child.pid, "x" * {size}, flush=True)
sys.stderr.write("said")
sys.exit({status})
"""


@pytest.mark.parametrize("escapes", [True, False])
@pytest.mark.parametrize("chatters", [True, False])
@pytest.mark.parametrize("status", [0, 3])
def test_a_daemon_that_holds_the_output_is_not_waited_for(escapes: bool, chatters: bool, status: int) -> None:
    code = DAEMON.format(escapes=escapes, chatters=chatters, status=status, size=10)
    started = time.monotonic()
    result = run_command([PYTHON, "-c", code], timeout_seconds=300, max_output_bytes=10_000_000)
    waited = time.monotonic() - started
    child = int(next(line for line in result.stdout.splitlines() if line[:1].isdigit()).split()[0])
    alive = not _gone(child, attempts=1)
    if alive:
        os.kill(child, 9)
    assert (result.returncode, result.timed_out, result.stderr) == (status, False, "said")
    assert waited < 100, "the command had ended long before"
    assert alive or chatters, "what a command leaves running is its own business"


def test_all_that_a_command_wrote_before_its_end_is_read() -> None:
    result = run_command([PYTHON, "-c", DAEMON.format(escapes=True, chatters=False, status=0, size=500_000)])
    os.kill(int(result.stdout.split()[0]), 9)
    assert result.stdout.count("x") == 500_000 and not result.timed_out


def test_input_is_given() -> None:
    code = "import sys; print(sys.stdin.read().upper())"
    assert run_command([PYTHON, "-c", code], input_bytes=b"quiet").stdout == "QUIET\n"
    assert run_command([PYTHON, "-c", "pass"], input_bytes=b"x" * 1000).succeeded


def _gone(pid: int, *, attempts: int = 100) -> bool:
    for _attempt in range(attempts):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
