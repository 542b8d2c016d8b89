"""The command probe."""

from __future__ import annotations

import os
import sys
import time

import pytest


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({"argv": ["true"]}, "ok", "Command true ended with exit status 0 after 0."),
        ({"argv": "true"}, "ok", "exit status 0"),
        ({"argv": ["false"]}, "critical", "ended with exit status 1 after"),
        ({"argv": ["false"]}, "critical", "; 0 was expected."),
        ({"argv": ["sh", "-c", "exit 3"], "expect_rc": [0, 3]}, "ok", "exit status 3"),
        ({"argv": ["echo", "$HOME; all well"], "expect_stdout": r"^\$HOME; all well$"}, "ok", "exit status 0"),
        ({"argv": ["echo", "ill"], "expect_stdout": "well"}, "critical", "'well' was not found in its output"),
        ({"argv": ["pwd"], "directory": "/usr", "expect_stdout": "^/usr$"}, "ok", "exit status 0"),
        ({"argv": ["pwd"], "expect_stdout": "^/$"}, "ok", "exit status 0"),
        ({"argv": ["sh", "-c", "kill -9 $$"]}, "critical", "was killed by signal 9"),
        ({"argv": ["/no/such/program", "--password=x"]}, "unknown", "cannot be started (/no/such/program: No such file"),
        ({"argv": ["true"], "directory": "/no/such/directory"}, "unknown", "cannot be started"),
    ],
)
def test_exit_status_and_output_are_judged(look, options, status, said):
    outcome = look("command", **options)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary
    assert "password" not in outcome.summary


def test_a_command_that_does_not_end_is_killed_with_its_children(look, tmp_path):
    mark = tmp_path / "lived"
    script = f"(sleep 1; touch {mark}) & sleep 60"
    outcome = look("command", argv=["sh", "-c", script], timeout_seconds=0.3)
    assert outcome.status == "critical"
    assert "did not end within 0.3 s and was killed" in outcome.summary
    time.sleep(1.2)
    assert not mark.exists()


def test_a_command_that_leaves_a_daemon_with_its_output_has_ended(look, tmp_path):
    script = f"sleep 300 & echo $! > {tmp_path}/pid; echo started; exit 4"
    outcome = look("command", argv=["sh", "-c", script], expect_rc=4, expect_stdout="^started$", timeout_seconds=120)
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert outcome.status == "ok", outcome.summary
    assert "ended with exit status 4 after" in outcome.summary and outcome.latency_seconds < 60


def test_output_without_end_is_bounded(look):
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    outcome = look("command", argv=[sys.executable, "-c", code], timeout_seconds=0.5)
    assert outcome.status == "critical"
