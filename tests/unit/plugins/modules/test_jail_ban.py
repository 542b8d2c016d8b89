"""The module as Ansible runs it, beside a program that answers as fail2ban-client does, or is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: A jail whose failures grow with each look at it, and that bans at the third; what it was told stands in a file.
CLIENT = r"""
shift 2
echo "$*" >> {place}/asked
case "$*" in
    status) printf 'Status\n|- Number of jail:\t1\n`- Jail list:\tsshd\n' ;;
    "status sshd")
        seen=$(grep -c '^status sshd$' {place}/asked)
        banned=$((seen >= 3)); test ! -e {place}/let-go || banned=0
        printf 'x\n|- Total failed:\t%s\n|- Currently banned:\t%s\n|- Total banned:\t4\n' $seen $banned ;;
    "get sshd banip --with-time") printf '192.0.2.8 \t2026-11-28 21:22:39 + 600 = 2026-11-28 21:32:39\n' ;;
    "set sshd unbanip 192.0.2.8") touch {place}/let-go; echo 1 ;;
    "get sshd maxretry") echo 5 ;;
    "get sshd findtime" | "get sshd bantime") echo 600 ;;
    "get sshd ignoreip") echo 'No IP address/network is ignored' ;;
    "get sshd ignorecommand") echo ;;
    "get sshd actions") printf 'The jail sshd has the following actions:\ncloud\n' ;;
    "get sshd action cloud actionban") echo "curl -H 'Authorization: a-secret-token' https://cloud.example" ;;
    *) exit 1 ;;
esac
"""
NOT_RUNNING = 'echo "ERROR Failed to access socket path: /x. Is fail2ban running?" >&2; exit 255'


class Machine:
    """A host with only those programs that a test gives it."""

    def __init__(self, place: Path) -> None:
        self.place, self.programs = place, place / "bin"
        self.programs.mkdir()

    def give(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text("#!/bin/sh\n" + script.replace("{place}", str(self.place)) + "\n")
        path.chmod(0o755)

    def ask(self, **options: Any) -> dict[str, Any]:
        before = (
            "from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban\n"
            f"fail2ban.SEARCH_PATH = {str(self.programs)!r}\n"
        )
        path = os.pathsep.join([str(self.programs), "/usr/bin", "/bin"])
        return run_module("jail_ban", {"address": "192.0.2.8", **options}, before=before, env={"PATH": path})

    def told(self) -> list[str]:
        return [line for line in (self.place / "asked").read_text().splitlines() if line.startswith("set ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_ban_is_waited_for_and_ended_and_no_command_of_an_action_is_told(machine: Machine) -> None:
    machine.give("fail2ban-client", CLIENT)
    first = machine.ask()
    assert (first["changed"], first["banned"], first["refused"]) == (False, False, "")
    assert first["jail"] == {
        "name": "sshd", "maxretry": 5, "findtime_seconds": 600, "bantime_seconds": 600, "actions": ["cloud"], "blocking_actions": 1,
        "failed_total": 1, "may_be_ignored": "",
    }  # fmt: skip
    assert "a-secret-token" not in str(first)
    seen = machine.ask(wait_banned=True, wait_seconds=60)
    assert seen["banned"] and seen["jail"]["failed_total"] == 3
    assert "banned already, by the jail sshd" in machine.ask()["refused"]
    assert machine.ask(state="absent", _ansible_check_mode=True)["changed"] and not machine.told()
    assert machine.ask(state="absent")["changed"] and machine.told() == ["set sshd unbanip 192.0.2.8"]
    assert not machine.ask(state="absent", every_jail=True)["changed"] and len(machine.told()) == 1


def test_what_does_not_come_in_time_is_no_error(machine: Machine) -> None:
    machine.give("fail2ban-client", CLIENT)
    late = machine.ask(wait_failures=100, wait_seconds=0.1)
    assert not late["banned"] and late["jail"]["failed_total"] < 100


def test_a_ban_that_stays_is_an_error(machine: Machine) -> None:
    machine.give("fail2ban-client", CLIENT.replace("touch {place}/let-go; echo 1", "echo 0"))
    machine.ask(wait_banned=True, wait_seconds=60)
    assert "is still banned" in machine.ask(state="absent")["msg"]


@pytest.mark.parametrize(
    ("script", "enabled", "expected"),
    [
        ("", "", {"installed": False, "running": False, "problem": "fail2ban is not installed"}),
        (NOT_RUNNING, "enabled", {"installed": True, "running": False, "switched_off": False, "problem": "fail2ban does not run"}),
        (NOT_RUNNING, "disabled", {"installed": True, "running": False, "switched_off": True, "problem": "fail2ban is switched off here"}),
        ("echo '<script>'", "", {"installed": True, "running": True, "problem": "fail2ban does not list its jails"}),
        (CLIENT.replace(r"list:\tsshd", r"list:\tnginx").replace('"status sshd"', '"status nginx"'), "",
         {"installed": True, "running": True, "problem": "fail2ban has no jail sshd; its jails: nginx"}),
        (CLIENT.replace("echo 5 ;;", "echo '<b>' ;;"), "", {"running": True, "jail": None, "problem": "fail2ban does not say the maxretry of a jail"}),
    ],
)  # fmt: skip
def test_what_is_not_known_is_said(machine: Machine, script: str, enabled: str, expected: dict[str, Any]) -> None:
    if script:
        machine.give("fail2ban-client", script)
    machine.give("systemctl", f"echo {enabled}")
    answer = machine.ask()
    assert {name: answer[name] for name in expected} == expected and not answer["banned"] and not answer["changed"]


@pytest.mark.parametrize("wrong", [{"address": "monitor-1"}, {"address": "192.0.2.0/24"}, {"jail": "-s /x"}, {"jail": ""}, {"wait_seconds": 601}])
def test_wrong_options_are_refused(machine: Machine, wrong: dict[str, Any]) -> None:
    machine.give("fail2ban-client", CLIENT)
    assert machine.ask(**wrong)["failed"]
    assert not (machine.place / "asked").exists()


@pytest.mark.parametrize("state", ["query", "absent"])
def test_without_fail2ban_it_does_not_matter_whose_address_it_is(machine: Machine, state: str) -> None:
    answer = machine.ask(state=state, address="")
    assert (answer["problem"], answer["changed"]) == ("fail2ban is not installed", False)
