"""The PM2 probe, with a pm2 program of our own."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.attempts import look_once
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Previous, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.pm2 import find_list, list_command, read_list

DEAD = 2**22 + 1  # beyond every process id


def item(name: str = "app", pid: int | None = None, status: str = "online", restarts: int = 0, number: int = 0) -> dict[str, Any]:
    environment = {"status": status, "restart_time": restarts, "pm_uptime": 1_000, "DB_PASSWORD": "hunter22"}
    own = os.getpid() if pid is None else pid
    return {"name": name, "pid": own, "pm_id": number, "pm2_env": environment, "monit": {"memory": 5, "cpu": 0}}


@pytest.fixture
def pm2(tmp_path: Path):
    """Return what installs a pm2 that prints something, with a daemon that runs, and gives the options to use it."""

    def install(printed: str = "[]", *, daemon: str | None = None, script: str = "") -> dict[str, Any]:
        home = tmp_path / "pm2home"
        home.mkdir()
        if daemon != "":
            (home / "pm2.pid").write_text(daemon or str(os.getpid()))
        (tmp_path / "list").write_text(printed)
        program = tmp_path / "pm2"
        program.write_text(f"#!/bin/sh\necho \"$@\" \"$PM2_HOME\" > {tmp_path}/asked\n{script}\ncat {tmp_path}/list\n")
        program.chmod(0o755)
        return {"executable": str(program), "pm2_home": str(home)}

    return install


@pytest.mark.parametrize(
    ("listed", "options", "status", "said"),
    [
        ([item()], {}, "ok", "PM2 application app: 1 of 1 instances online."),
        ([item(), item(number=1), item("other", status="stopped")], {"minimum": 2}, "ok", "2 of 2 instances online."),
        ([item()], {"minimum": 2}, "critical", "1 instances online; at least 2 expected"),
        ([item(), item(status="errored", restarts=15, number=1)], {}, "critical", "instance 1 is errored after 15 restarts"),
        ([item(status="stopped")], {}, "critical", "1 of 1 instances not well: instance 0 is stopped"),
        ([item(status="launching")], {}, "critical", "launching"),
        ([item(pid=DEAD)], {}, "critical", f"online for PM2, but its process {DEAD} does not run"),
        ([item(pid=0)], {}, "critical", "does not run"),
        ([item("other")], {}, "critical", "is not known to PM2, which knows 1 others"),
        ([], {}, "critical", "is not known to PM2, which knows 0 others"),
        ([{"name": "app"}], {}, "critical", "is unknown after 0 restarts"),
        ([{"name": "app", "pid": "x", "pm2_env": [], "monit": 1}], {}, "critical", "not well"),
    ],
)
def test_what_pm2_says_is_judged_against_what_runs(pm2, look, listed, options, status, said):
    outcome = look("pm2", app="app", **options, **pm2(json.dumps(listed)))
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary
    assert "hunter22" not in str(outcome)


def test_details_tell_uptime_and_memory(pm2, look, tmp_path):
    outcome = look("pm2", app="app", **pm2(json.dumps([item(restarts=3)])))
    (row,) = outcome.details["instances"]
    assert (row["restarts"], row["memory_bytes"], row["pid"]) == (3, 5, os.getpid())
    assert row["uptime_seconds"] > 1_000_000
    assert (tmp_path / "asked").read_text().split() == ["jlist", str(tmp_path / "pm2home")]


def test_restarts_since_the_last_run_are_a_warning(pm2):
    options = pm2(json.dumps([item(restarts=3), item(restarts=4, number=1)]))
    (probe,) = read_probes([{"type": "pm2", "app": "app", **options}], {})
    outcome = look_once(probe, {probe.series: Previous("2026-11-22T00:00:00Z", 5)})
    assert outcome.status == "warning"
    assert "restarted 2 times" in outcome.summary
    assert outcome.restarts == 7


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("[]", []),
        ('[{"name": "a"}]', ["a"]),
        ('>>> In-memory PM2 is out-of-date\n[PM2] Spawning PM2 daemon\n[1/2] x\n[{"name": "a"}, {"name": "b"}]\n', ["a", "b"]),
        ('[]\n[{"name": "a"}]', ["a"]),
        ('[{"name": "a"}]\n[PM2] done', ["a"]),
        ("[PM2][ERROR] broken", None),
        ("", None),
        ('[{"name": "a"}', None),
        ("[1, 2]", None),
        ("[" * 100_000, None),
    ],
)
def test_the_list_is_found_between_banners(printed, names):
    listed = find_list(printed)
    assert (None if listed is None else [item["name"] for item in listed]) == names


@pytest.mark.parametrize(
    ("result", "said", "permanent"),
    [
        ({"returncode": 127, "stderr": "env: 'node': No such file or directory"}, "PM2 cannot be run (env: 'node'", True),
        ({"returncode": None, "problem": "pm2: No such file or directory"}, "PM2 cannot be run (pm2: No such", True),
        ({"argv": ("sudo",), "returncode": 1, "stderr": "sudo: a password is required"}, "as its user (sudo: a pass", True),
        ({"returncode": 1, "stderr": "boom"}, "pm2 jlist failed (boom)", False),
        ({"returncode": 0, "stdout": "hello"}, "printed no list", False),
    ],
)
def test_a_pm2_that_cannot_be_asked_is_unknown(result, said, permanent):
    with pytest.raises(Unchecked) as problem:
        read_list(CommandResult(**{"argv": ("pm2",), "stdout": "", "stderr": "", **result}))
    assert said in str(problem.value)
    assert problem.value.permanent is permanent


@pytest.mark.parametrize("daemon", ["", str(DEAD), "garbage"])
def test_a_daemon_that_does_not_run_is_critical_and_is_not_started(pm2, look, tmp_path, daemon):
    outcome = look("pm2", app="app", **pm2("[]", daemon=daemon))
    assert outcome.status == "critical"
    assert "does not run: " in outcome.summary
    assert not (tmp_path / "asked").exists()


def test_a_daemon_that_does_not_answer_is_critical(pm2, look):
    outcome = look("pm2", app="app", timeout_seconds=0.3, **pm2(script="sleep 30"))
    assert outcome.status == "critical"
    assert "did not answer in time" in outcome.summary


def test_no_pm2_at_all_is_unknown_and_says_how_to_install_it(look, tmp_path):
    outcome = look("pm2", app="app", executable="no-such-pm2", pm2_home=str(tmp_path))
    assert outcome.status == "unknown"
    assert "PM2 is not installed" in outcome.summary
    assert outcome.hint.startswith("Install PM2")


def test_a_user_that_does_not_exist_is_unknown(look):
    assert look("pm2", app="app", user="nosuchuser").status == "unknown"


def test_the_name_of_the_probe_is_that_of_the_application_by_default(pm2, look):
    assert look("pm2", name="app", **pm2(json.dumps([item()]))).status == "ok"


def test_pm2_is_run_as_its_user_and_never_through_a_shell():
    def command(user: str | None, own: int, uid: int) -> list[str]:
        return list_command("pm2", user, "/home/x", "/home/x/.pm2", own_uid=own, uid=uid)

    assert command(None, 5, 5) == ["pm2", "jlist"]
    assert command("x", 5, 5) == ["pm2", "jlist"]
    assert command("x", 0, 5) == ["runuser", "-u", "x", "--", "pm2", "jlist"]
    assert command("x", 7, 5)[:6] == ["sudo", "-n", "-u", "x", "--", "env"]
    assert command("x", 7, 5)[-2:] == ["pm2", "jlist"]
    assert "HOME=/home/x" in command("x", 7, 5)


def test_own_user_needs_no_other_rights(pm2, look):
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert look("pm2", app="app", user=me, **pm2(json.dumps([item()]))).status == "ok"
