"""The real fail2ban bans who failed in a log, and the module says whom, why and until when."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

SETTINGS = """[Definition]
loglevel = INFO
logtarget = STDOUT
syslogsocket = auto
socket = {place}/socket
pidfile = {place}/pid
dbfile = None
dbpurgeage = 1d
"""
JAILS = """[DEFAULT]
filter = door
backend = polling
logpath = {place}/door.log
findtime = 600
maxretry = 3
enabled = true
[door]
bantime = 600
[for-ever]
bantime = -1
maxretry = 1000
"""
FILTER = "[Definition]\nfailregex = ^.* failed from <HOST>$\n"


class Fail2ban:
    """A server of its own, which looks at one log and does nothing to anybody's network."""

    def __init__(self, place: Path) -> None:
        self.place, self.socket = place, str(place / "socket")
        (place / "filter.d").mkdir()
        (place / "fail2ban.conf").write_text(SETTINGS.format(place=place))
        (place / "jail.conf").write_text(JAILS.format(place=place))
        (place / "filter.d" / "door.conf").write_text(FILTER)
        (place / "door.log").write_text("")

    def start(self) -> subprocess.Popen[bytes]:
        command = ["fail2ban-server", "-c", str(self.place), "-s", self.socket, "-p", str(self.place / "pid"), "-x", "-f", "start"]
        with open(self.place / "output", "wb") as output:
            return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def ask(self, *words: str) -> str:
        done = subprocess.run(["fail2ban-client", "-s", self.socket, *words], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else ""

    def wait_for(self, text: str, *words: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.ask(*words):
            assert time.monotonic() < deadline, (self.place / "output").read_text()
            time.sleep(0.1)


@pytest.fixture
def fail2ban(tmp_path: Path) -> Iterator[Fail2ban]:
    server = Fail2ban(tmp_path)
    process = server.start()
    try:
        server.wait_for("for-ever", "status")
        yield server
    finally:
        process.terminate()
        process.wait(30)


def look(server: Fail2ban, state: Path, **options: Any) -> dict[str, Any]:
    return run_module("blocked_addresses", {"fail2ban_socket": server.socket, "state_directory": str(state), **options})


@pytest.mark.usefixtures("root")
def test_who_failed_is_banned_and_told(fail2ban: Fail2ban, tmp_path: Path) -> None:
    begin = datetime.now(timezone.utc).replace(microsecond=0)
    with open(fail2ban.place / "door.log", "a", encoding="utf-8") as log:
        for _attempt in range(3):
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} failed from 192.0.2.8\n")
    fail2ban.wait_for("192.0.2.8", "status", "door")
    fail2ban.ask("set", "for-ever", "banip", "2001:db8::9")

    answer = look(fail2ban, tmp_path / "state")
    (check,) = (one for one in answer["checks"] if one["check"] == "fail2ban.jails")
    assert (check["status"], check["value"]) == ("ok", 2), check
    banned = {row["address"]: row for row in answer["blocked"] if row["by"] == "fail2ban"}
    assert banned.keys() == {"192.0.2.8", "2001:db8::9"}
    ends = datetime.fromisoformat(banned["192.0.2.8"]["expires"].replace("Z", "+00:00"))
    assert begin + timedelta(seconds=600) <= ends <= begin + timedelta(seconds=1200)
    assert (banned["192.0.2.8"]["jail"], banned["2001:db8::9"]["expires"]) == ("door", None)
    assert {jail["name"]: (jail["failed"], jail["banned"]) for jail in answer["jails"]} == {"door": (3, 1), "for-ever": (3, 1)}


def test_a_server_that_is_gone_is_said(tmp_path: Path) -> None:
    answer = look(Fail2ban(tmp_path), tmp_path / "state")
    (check,) = (one for one in answer["checks"] if one["check"] == "fail2ban.jails")
    assert (check["status"] in ("warning", "ok"), answer["jails"]) == (True, []), check
    assert "bans nobody" in check["summary"]
