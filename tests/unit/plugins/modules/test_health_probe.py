"""The module health_probe as Ansible runs it: in a process of its own, with its arguments on standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.modules import health_probe

RUNNER = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
arguments = json.loads(sys.argv[2])
if "inject_invocation" in PASS_VARS:  # before ansible-core 2.21 every answer holds the invocation
    arguments["_ansible_inject_invocation"] = True
with patch_module_args(arguments):
    from ansible_collections.upkeep.runbook.plugins.modules.health_probe import main
    main()
"""


def run(arguments: dict[str, Any], *, check_mode: bool = False) -> tuple[dict[str, Any], str]:
    """Run the module; return its answer, and everything it printed."""
    given = {**arguments, "_ansible_check_mode": check_mode}
    command = [sys.executable, "-c", RUNNER, json.dumps(sys.path), json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stdout + done.stderr


@pytest.fixture
def port():
    """Return a port where something listens."""
    with create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_service_that_is_down_is_a_result_and_no_failure(port):
    answer, _printed = run({"probes": [{"type": "tcp", "port": port}, {"type": "unit", "unit": "no-such-unit-here"}]})
    assert not answer.get("failed")
    assert answer["changed"] is False
    assert [row["status"] for row in answer["probes"]][0] == "ok"
    assert answer["status"] in ("critical", "unknown")
    assert {"status", "checks", "probes", "series", "uptime"} <= set(answer)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"probes": [{"type": "tcp", "port": 1}, {"type": "tcp", "prot": 1}]}, "probes[1].prot is no option of a probe of type"),
        ({"probes": [{"type": "http", "url": "ftp://u:hunter22@a.test/", "headers": {"A": "hunter22"}}]}, "probes[0].url"),
        ({"probes": [{"type": "tcp", "port": 1, "send": "hunter22"}], "concurrency": "many"}, "concurrency"),
        ({"probes": ["x"]}, "probes"),
        ({}, "probes"),
    ],
)
def test_a_wrong_option_is_a_failure_that_shows_no_secret(arguments, said):
    answer, printed = run(arguments)
    assert answer["failed"] is True
    assert said in answer["msg"]
    assert "hunter22" not in printed


def test_secrets_are_not_in_the_answer_even_when_the_target_sends_them_back():
    def echo(listener):
        connection, _address = listener.accept()
        with connection:
            head = connection.recv(65536)
            connection.sendall(head.split(b"Authorization: ")[1].split(b"\r\n")[0] + b"\r\n")

    with create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        answer, printed = run(
            {
                "probes": [{"type": "http", "name": "app", "url": url, "body": "hunter33"}],
                "secret_headers": {"app": {"Authorization": "Bearer hunter22"}},
            }
        )
    assert answer["status"] == "critical"
    assert "not HTTP" in answer["probes"][0]["summary"]
    assert "hunter" not in printed


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_history_is_kept_outside_check_mode_only(tmp_path: Path, port, check_mode):
    path = tmp_path / "state" / "history.sqlite"
    answer, _printed = run({"probes": [{"type": "tcp", "port": port}], "history": str(path)}, check_mode=check_mode)
    assert answer["changed"] is False
    assert path.exists() is not check_mode
    assert bool(answer["series"]) is not check_mode


def test_a_lookup_that_hangs_does_not_keep_the_module_from_ending(tmp_path: Path, monkeypatch):
    """A thread that is stuck in the operating system is left behind when the process ends."""
    hang = """
import socket, time
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: time.sleep(50) if host == "a.test" else real(host, *more, **named)
"""
    (tmp_path / "sitecustomize.py").write_text(hang, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    start = time.monotonic()
    answer, _printed = run({"probes": [{"type": "tcp", "host": "a.test", "port": 1, "timeout_seconds": 0.2}]})
    assert time.monotonic() - start < 30
    assert answer["status"] == "unknown"
    assert "the resolver gave no answer" in answer["probes"][0]["summary"]


def test_the_options_of_probes_are_checked_by_us_alone():
    """Ansible would give every probe the defaults of all types."""
    assert "options" in health_probe.argument_spec()["probes"]
    assert "options" not in health_probe.spec_without_probe_options()["probes"]
    assert health_probe.argument_spec()["secret_headers"]["no_log"] is True
