"""The module as Ansible runs it, beside programs that answer as nft and fail2ban-client do, or are not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

NO_TABLE = 'echo "Error: No such file or directory" >&2; exit 1'
LIST = r"printf 'Status\n|- Number of jail:\t1\n`- Jail list:\tsshd\n'"
JAIL = r"printf 'x\n|- Total failed:\t9\n|- Currently banned:\t1\n|- Total banned:\t4\n'"
BAN = r"printf '192.0.2.8 \t2026-11-28 21:22:39 + -1 = 9999-12-31 23:59:59\n'"
FAIL2BAN = f'case "$3 $4" in "status ") {LIST};; "status sshd") {JAIL};; "get sshd") {BAN};; *) exit 1;; esac'
NOT_RUNNING = 'echo "ERROR Failed to access socket path: /x. Is fail2ban running?" >&2; exit 255'


class Machine:
    """A host with only those programs that a test gives it."""

    def __init__(self, place: Path) -> None:
        self.programs, self.state = place / "bin", place / "state"
        self.programs.mkdir()
        self.state.mkdir(mode=0o700)

    def give(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def ask(self, **options: Any) -> dict[str, Any]:
        # Programs of this machine in the folders of administration are not those of the host.
        before = (
            "from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban, nftables\n"
            f"fail2ban.SEARCH_PATH = nftables.SEARCH_PATH = {str(self.programs)!r}\n"
        )
        path = os.pathsep.join([str(self.programs), "/usr/bin", "/bin"])
        return run_module("blocked_addresses", {"state_directory": str(self.state), **options}, before=before, env={"PATH": path, "TZ": "UTC"})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def statuses(answer: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["status"] for check in answer["checks"]}


def test_without_nftables_nobody_is_blocked_where_nobody_ever_was(machine: Machine) -> None:
    answer = machine.ask()
    assert statuses(answer) == {"firewall.blocked": "ok"}, "and nothing is said of fail2ban, which is not there"
    assert "nobody ever did so" in answer["checks"][0]["summary"]
    assert (answer["status"], answer["changed"], answer["blocked"], answer["jails"]) == ("ok", False, [], [])
    assert answer["totals"] == {"blocked": 0, "dropped_packets": 0, "banned": None}


def test_without_nftables_it_is_unknown_where_somebody_was(machine: Machine) -> None:
    (machine.state / "ip_block.json").write_text('{"schema": 1, "allow": [], "entries": []}')
    answer = machine.ask()
    assert statuses(answer) == {"firewall.blocked": "unknown"}
    assert "not installed" in answer["checks"][0]["summary"]


def test_rules_that_nobody_shows_are_unknown(machine: Machine) -> None:
    machine.give("nft", 'echo "Operation not permitted (you must be root)" >&2; exit 1')
    assert statuses(machine.ask()) == {"firewall.blocked": "unknown"}


def test_both_are_listed_with_who_did_it(machine: Machine) -> None:
    entry = {
        "address": "203.0.113.7", "reason": "INC-1: <b>scans</b>", "added": "2026-11-28T20:00:00Z", "expires": None,
        "timeout_seconds": 0, "run_id": "r",
    }  # fmt: skip
    (machine.state / "ip_block.json").write_text(json.dumps({"schema": 1, "allow": [], "entries": [entry]}))
    machine.give("nft", NO_TABLE)
    machine.give("fail2ban-client", FAIL2BAN)
    answer = machine.ask()
    assert statuses(answer) == {"firewall.blocked": "warning", "firewall.ledger": "warning", "fail2ban.jails": "ok"}
    jails = next(check for check in answer["checks"] if check["check"] == "fail2ban.jails")
    assert jails["summary"] == "fail2ban bans 1 addresses now, and banned 4 since it was started; jails: sshd."
    assert [(row["address"], row["by"], row["jail"], row["expires"]) for row in answer["blocked"]] == [
        ("203.0.113.7", "ip_block", "", None), ("192.0.2.8", "fail2ban", "sshd", None),
    ]  # fmt: skip
    assert answer["jails"] == [{"name": "sshd", "failed": 9, "banned": 1, "banned_total": 4}]


@pytest.mark.parametrize(
    ("enabled", "status", "said"),
    [("enabled", "warning", "does not run"), ("disabled", "ok", "switched off"), ("masked", "ok", "switched off"), ("", "warning", "does not run")],
)
def test_fail2ban_that_does_not_run(machine: Machine, enabled: str, status: str, said: str) -> None:
    machine.give("fail2ban-client", NOT_RUNNING)
    machine.give("systemctl", f"echo {enabled}")
    answer = machine.ask()
    assert statuses(answer)["fail2ban.jails"] == status
    assert said in answer["checks"][-1]["summary"] + answer["checks"][0]["summary"]


@pytest.mark.parametrize(
    ("script", "status"),
    [(r"printf '`- Jail list:\t\n'", "warning"), ("echo '<script>'", "unknown"), ("head -c 9000000 /dev/zero", "unknown")],
)
def test_fail2ban_that_has_no_jail_or_talks_nonsense(machine: Machine, script: str, status: str) -> None:
    machine.give("fail2ban-client", script)
    answer = machine.ask()
    assert statuses(answer)["fail2ban.jails"] == status
    assert answer["totals"]["banned"] == (0 if status == "warning" else None), "what is not known is no figure"


@pytest.mark.parametrize(
    ("jails", "bans", "said", "banned"),
    [
        ("sshd, a b", BAN, "1 further jails were not looked at", None),
        ("sshd", "echo the address 192.0.2.8", "1 of the bans are listed in a form that is not known here", 1),
    ],
)
def test_what_fail2ban_lists_and_nobody_reads_is_unknown(machine: Machine, jails: str, bans: str, said: str, banned: int | None) -> None:
    listed = LIST.replace("sshd", jails)
    machine.give("fail2ban-client", f'case "$3 $4" in "status ") {listed};; "status sshd") {JAIL};; "get sshd") {bans};; *) exit 1;; esac')
    answer = machine.ask()
    assert statuses(answer)["fail2ban.jails"] == "unknown" and said in answer["checks"][0]["summary"]
    assert (answer["totals"]["banned"], answer["jails"][0]["banned"]) == (banned, 1)
