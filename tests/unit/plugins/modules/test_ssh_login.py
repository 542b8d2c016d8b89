"""The module as Ansible runs it, beside an ssh that ends as the real one does; a real one is in the tests of the self-test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.ssh_logins import Target, ssh_argv, told_outcome
from ansible_collections.upkeep.runbook.tests.faults.house import closed_port, listening
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

REFUSED = "echo 'x@127.0.0.1: Permission denied (publickey,password).' >&2; exit 255"
RESET = "echo 'Connection reset by 127.0.0.1 port 22' >&2; exit 255"


def log_in(place: Path, script: str, **options: Any) -> dict[str, Any]:
    program = place / "bin" / "ssh"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "$*" >> {place}/calls\n{script}\n')
    program.chmod(0o755)
    env = {"PATH": os.pathsep.join([str(program.parent), "/usr/bin", "/bin"])}
    return run_module("ssh_login", {"host": "127.0.0.1", "user": "x", **options}, env=env)


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("script", "counts"),
    [
        ("exit 0", (3, 0, 0, 0)),
        ("exit 1", (3, 0, 0, 0)),  # a shell that lets nobody in: logged in all the same
        (REFUSED, (0, 3, 0, 0)),
    ],
)
def test_as_many_decisions_as_are_wanted(tmp_path: Path, script: str, counts: tuple[int, ...]) -> None:
    answer = log_in(tmp_path, script, attempts=3)
    assert tuple(answer[name] for name in ("granted", "denied", "dropped", "closed")) == counts and not answer["changed"]
    assert len(calls(tmp_path)) == 3


def test_a_server_that_does_not_decide_is_asked_again_and_a_closed_port_is_not(tmp_path: Path) -> None:
    with listening() as port:
        later = f"test $(wc -l < {tmp_path}/calls) -gt 1 || {{ {RESET}; }}\n{REFUSED}"
        answer = log_in(tmp_path, later, port=port)
        assert (answer["denied"], answer["dropped"], answer["closed"]) == (1, 1, 0)
        assert log_in(tmp_path, RESET, port=port, most_seconds=1)["dropped"] >= 1
    with closed_port() as port:
        shut = log_in(tmp_path, RESET, port=port, attempts=9)
    assert (shut["denied"], shut["closed"]) == (0, 1) and shut["said"] == "Connection reset by 127.0.0.1 port 22"


def test_nothing_is_tried_in_check_mode_or_with_wrong_options(tmp_path: Path) -> None:
    assert log_in(tmp_path, "exit 0", _ansible_check_mode=True)["skipped"]
    for wrong in ({"host": "-oProxyCommand=x"}, {"user": "-l"}, {"user": "a b"}, {"attempts": 0}, {"port": 0}, {"host": "a;b"}):
        assert log_in(tmp_path, "exit 0", **wrong)["failed"], wrong
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(
    ("stderr", "status", "outcome"),
    [
        ("x@h: Permission denied (publickey).\r\n", 255, "denied"),
        ("a banner\nx@h: Permission denied (publickey,keyboard-interactive).", 255, "denied"),
        ("x@h: Permission denied (publickey).\nConnection closed by 192.0.2.1 port 22", 255, ""),
        ("ssh: connect to host h port 22: Connection refused", 255, ""),
        ("Warning: Identity file /k not accessible: Permission denied.", 255, ""),
        ("This account is currently not available.", 1, "granted"),
        ("", 0, "granted"),
        ("", -9, ""),
    ],
)
def test_what_ssh_says(stderr: str, status: int, outcome: str) -> None:
    assert told_outcome(CommandResult(("ssh",), status, "", stderr)) == outcome


def test_what_did_not_run_or_end_decides_nothing() -> None:
    assert told_outcome(CommandResult(("ssh",), 0, "", "", timed_out=True)) == told_outcome(CommandResult(("ssh",), None, "", "", problem="none")) == ""


def test_neither_keys_nor_connections_of_the_observer_are_used() -> None:
    bare, keyed = (ssh_argv("ssh", Target("2001:db8::1", 22, "x", key)) for key in ("", "/k"))
    assert {"BatchMode=yes", "ControlPath=none", "IdentityAgent=none", "IdentityFile=none", "PubkeyAuthentication=no"} <= set(bare)
    assert {"IdentityFile=/k", "PubkeyAuthentication=yes", "IdentitiesOnly=yes"} <= set(keyed)
    assert bare[:3] == ["ssh", "-F", "none"] and bare[-3:] == ["--", "2001:db8::1", "true"]
