"""Failed and successful logins at a real sshd, as its own log tells them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.integration.journal_server import journal_server
from ansible_collections.upkeep.runbook.tests.integration.login_server import PASSWORD, USER, LoginServer, login_server
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

pytestmark = pytest.mark.usefixtures("root")  # an sshd that asks for passwords needs it

MISLEADING = "root from 198.51.100.9 port 22 ssh2"


def look(server: LoginServer, **options: Any) -> dict[str, Any]:
    return run_module("auth_failures", {"source": "files", "paths": [str(server.log)], "return_all": True, **options})


def failures(answer: dict[str, Any]) -> dict[str, int]:
    return {row["user"]: row["failures"] for row in answer["users"]}


@pytest.mark.parametrize("keyboard_interactive", [False, True], ids=["password", "keyboard-interactive"])
def test_logins_at_a_real_sshd(keyboard_interactive: bool) -> None:
    with login_server(keyboard_interactive=keyboard_interactive) as server:
        assert server.login(USER, "wrong", prompts=3) != 0
        assert server.login("nobody-here", "wrong", prompts=2) != 0
        assert server.login(MISLEADING, "wrong") != 0
        server.wait_for(f"Connection closed by invalid user {MISLEADING} 127.0.0.1")
        answer = look(server)
        assert failures(answer) == {USER: 3, "nobody-here": 2, MISLEADING: 1}, server.log.read_text()
        assert [(row["address"], row["failures"]) for row in answer["addresses"]] == [("127.0.0.1", 6)]
        assert answer["successes_after_failures"] == [] and answer["status"] == "ok"
        assert answer["sources"][0]["unparsed"] == 0

        assert server.login(USER, "", key=f"{server.directory}/other") != 0
        assert server.login(USER, PASSWORD) == 0
        server.wait_for("Accepted ")
        answer = look(server)
        assert [(row["user"], row["address"], row["by"], row["failures"]) for row in answer["successes_after_failures"]] == [
            (USER, "127.0.0.1", "address", 6)
        ]
        assert [row["status"] for row in answer["checks"] if row["check"] == "auth.success_after_failures"] == ["critical"]
        assert look(server, allow=["127.0.0.0/8"])["status"] == "ok"

        server.login(USER, "", key=f"{server.directory}/known", command="echo wrong | su root")
        server.wait_for("FAILED SU")
        answer = look(server)
        assert [(row["user"], row["failures"]) for row in answer["local"]] == [(f"su {USER}", 1)], server.log.read_text()
        assert answer["totals"]["accepted"] == 2


def test_logins_in_a_real_journal(tmp_path: Path) -> None:
    """Entries of root count; what somebody else writes in the name of sshd does not, since the kernel says who wrote it."""
    with journal_server(tmp_path) as journal:
        for _attempt in range(5):
            journal.log("sshd-session", "Failed password for alice from 192.0.2.7 port 5 ssh2")
        journal.log("sshd-session", "Failed password for invalid user b\x1b[2J from 192.0.2.7 port 5 ssh2")
        journal.log("sshd", "Accepted password for root from 192.0.2.7 port 5 ssh2", user=65534)
        journal.log("sshd-session", "Disconnected from user alice 192.0.2.7 port 5", user=65534)  # so every session ends
        journal.log("cron", "Failed password for alice from 192.0.2.7 port 5 ssh2")
        journal.log("sshd-session", "Server listening on 192.0.2.1 port 22.")
        journal.wait_for("Server listening")
        answer = run_module("auth_failures", {"return_all": True}, before=journal.enter)
        assert [(row["source"], row["messages"], row["forged"], row["unparsed"]) for row in answer["sources"]] == [("journal", 6, 1, 0)]
        assert (answer["totals"]["failures"], answer["totals"]["accepted"], answer["successes_after_failures"]) == (6, 0, [])
        assert answer["status"] == "warning"  # the forged one
        journal.log("sshd-session", "Accepted password for alice from 192.0.2.7 port 5 ssh2")
        journal.wait_for("Accepted password for alice")
        answer = run_module("auth_failures", {"source": "journal"}, before=journal.enter)
        assert [(row["user"], row["failures"]) for row in answer["successes_after_failures"]] == [("alice", 6)]
