"""Jails of the real fail2ban are brought up to date, or left as they were when they are not what they should be."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban as asking
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import jail_applying, jail_files, operators
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import read_address
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import fail2ban_jails
from ansible_collections.upkeep.runbook.tests.integration.fail2ban_server import FILTER, Fail2ban
from ansible_collections.upkeep.runbook.tests.integration.networks import given_options

MATCH, NO_MATCH = "2026-11-22 01:53:56 failed from 198.51.100.7", "2026-11-22 01:53:56 welcome to 198.51.100.7"


class Server(Fail2ban):
    """The server, and the module.

    :ivar state: folder of the module's record.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.state = place / "state"

    def __call__(self, jails: str | None = None, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Do what the module does."""
        given = {
            "jails": jails, "config_directory": str(self.config), "socket": str(self.place / "socket"), "state_directory": str(self.state), **options
        }
        given["filters"] = [{"must_match": [], "must_not_match": [], **one} for one in given.get("filters", [])]
        try:
            return jail_applying.apply_jails(given_options(fail2ban_jails, given), now=utc_now(), check_mode=check_mode)
        except UpkeepError as exc:
            return {"failed": True, "msg": exc.message}

    def killed(self, step: int, *arguments: Any, **options: Any) -> bool:
        """Do the same in a child that is killed before this step of those that change something; tell whether it was."""
        child = os.fork()
        if child == 0:
            try:
                die_before(step)
                self(*arguments, **options)
            finally:
                os._exit(0)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def die_before(step: int) -> None:
    left = [step]
    for owner, name in ((jail_applying, "write_record"), (jail_files, "write_atomically"), (asking, "reload")):
        def dying(*arguments: Any, call: Any = getattr(owner, name), **keywords: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)
        setattr(owner, name, dying)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("fail2ban"))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server(started: Server) -> Iterator[Server]:
    before = started.files()
    yield started
    if (started.state / "fail2ban_jails.json").exists():
        assert not started(state="absent").get("failed")
        (started.state / "fail2ban_jails.json").unlink()
    assert started.files() == before and started.running() == ["package"]


def status(answer: dict[str, Any]) -> str:
    (check,) = answer["checks"]
    assert check["check"] == "rules.fail2ban"
    return str(check["status"])


def test_check_run_check_run_change_and_take_away(server: Server) -> None:
    mine = {"name": "mine", "content": FILTER, "must_match": [MATCH], "must_not_match": [NO_MATCH]}
    text, before = server.jail("new", filter="mine"), server.files()
    seen = server(text, filters=[mine], check_mode=True)
    assert seen["changed"] and server.files() == before and not server.state.exists() and "+" not in seen["diff"]["before"]
    done = server(text, filters=[mine])
    assert done["changed"] and status(done) == "ok" and server.running() == ["new", "package"], done
    assert (server.config / "jail.d" / "upkeep.local").read_text() == text and (server.config / "filter.d" / "mine.local").stat().st_mode & 0o777 == 0o644
    again = server(text, filters=[mine])
    assert not again["changed"] and status(again) == "ok" and status(server(state="query")) == "ok"
    assert server(server.jail("other"))["changed"] and server.running() == ["other", "package"]
    assert not (server.config / "filter.d" / "mine.local").exists()
    subprocess.run(["fail2ban-client", "-s", str(server.place / "socket"), "stop", "other"], check=True, capture_output=True)
    assert status(server(state="query")) == "critical"
    assert server(server.jail("other"))["changed"] and status(server(state="query")) == "ok"
    (server.config / "jail.d" / "upkeep.local").write_text(server.jail("other", maxretry="99"))
    assert status(server(state="query")) == "critical"


@pytest.mark.parametrize(("changes", "filters", "says"), [
    ({"filter": "nowhere"}, [], "Unable to read the filter 'nowhere'"),
    ({"ignoreip": "203.0.113.1"}, [], "new may ban 192.0.2.0/24"),
    ({"filter": "mine"}, [{"content": "[Definition]\nfailregex = ^.*( failed from <HOST>$\n"}], "the filter mine cannot be used: Unable to compile"),
    ({"filter": "mine"}, [{"content": FILTER, "must_match": [MATCH, NO_MATCH]}], f"the filter mine finds nobody in {NO_MATCH!r}"),
    ({"filter": "mine"}, [{"content": FILTER, "must_not_match": [NO_MATCH, MATCH]}], f"the filter mine finds somebody in {MATCH!r}"),
])
def test_what_is_wrong_is_refused_and_changes_nothing(server: Server, changes: dict[str, str], filters: list[dict[str, Any]], says: str,
                                                      tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = server.files()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = server(server.jail("new", **changes), filters=[{"name": "mine", **one} for one in filters], ignored=["192.0.2.0/24"])
    assert answer["failed"] and says in answer["msg"] and "Nothing was changed" in answer["msg"], answer
    assert server.files() == before and not (server.state / "fail2ban_jails.json").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["  \n", "[new\nenabled"])
def test_a_file_of_jails_that_is_none_is_refused(server: Server, text: str) -> None:
    before = server.files()
    assert server(text)["failed"] and server.files() == before


def test_a_jail_that_may_ban_the_operator_is_refused_unless_it_is_allowed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = read_address("198.51.100.5")
    assert operator is not None
    monkeypatch.setattr(jail_applying, "find_operator", lambda: operators.Operator((operators.Connection(operator, 22),), ()))
    answer = server(server.jail("new"))
    assert answer["failed"] and "new may ban 198.51.100.5" in answer["msg"] and "package may ban" in answer["msg"]
    assert server(server.jail("new"), allow_unignored=True)["changed"]
    assert server("[DEFAULT]\nignoreip = 127.0.0.1/8 198.51.100.0/24\n" + server.jail("new"))["changed"]


def test_a_jail_that_does_not_run_is_taken_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    good = server.jail("good")
    assert server(good)["changed"]
    before = server.files()
    # What its programs accept and its server does not: a filter whose expression is no one.
    (server.config / "filter.d" / "broken.conf").write_text("[Definition]\nfailregex = ^.*( failed from <HOST>$\n")
    answer = server(server.jail("bad", filter="broken"), wait_seconds=2)
    assert answer["failed"] and "the files from before are back, and fail2ban has read them" in answer["msg"], answer
    (server.config / "filter.d" / "broken.conf").unlink()
    assert server.files() == before and server.running() == ["good", "package"] and status(server(state="query")) == "ok"
    assert not server(good)["changed"]


def test_jails_that_do_not_come_within_the_time_are_taken_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = server.files()
    monkeypatch.setattr(asking, "reload", lambda _ask: None)  # it says yes and does nothing
    answer = server(server.jail("late"), wait_seconds=1)
    assert answer["failed"] and "late: the jails do not run 1 s after" in answer["msg"] and server.files() == before, answer
    monkeypatch.undo()


#: Steps of a change that change something.
STEPS = 4


def test_killed_before_any_step_the_next_run_puts_back_and_completes(server: Server, fault_runs: int, chance: random.Random) -> None:
    for step in chance.sample(range(STEPS), min(max(fault_runs // 3, 1), STEPS)):
        server(server.jail("old"))
        assert server.killed(step, server.jail("new")), f"there is no step {step}"
        assert server(server.jail("new"))["changed"] and server.running() == ["new", "package"] and status(server(state="query")) == "ok"
    assert not server.killed(STEPS, server.jail("last")) and server.running() == ["last", "package"], "there are more steps"


def test_the_copy_that_a_killed_run_left_is_cleared_by_the_next(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(jail_applying, "try_configuration", lambda _copy: os.kill(os.getpid(), signal.SIGKILL))
    assert server.killed(STEPS, server.jail("new"))
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (left,) = tmp_path.glob("upkeep-fail2ban-*")
    assert (left / "configuration" / "jail.d" / "upkeep.local").exists()
    assert server(server.jail("new"), check_mode=True)["changed"] and left.exists()  # which changes nothing anywhere
    assert server(server.jail("new"))["changed"] and not list(tmp_path.iterdir())


def test_what_a_killed_run_wrote_is_put_back_also_where_the_server_does_not_run(server: Server, tmp_path: Path) -> None:
    server(server.jail("old"))
    before = server.files()
    assert server.killed(3, server.jail("new")) and server.files() != before
    gone = str(tmp_path / "socket")
    asked = server(server.jail("new"), socket=gone, check_mode=True)
    assert asked["failed"] and "Nothing was changed" in asked["msg"] and server.files() != before
    answer = server(server.jail("new"), socket=gone)
    assert answer["failed"] and "The files from before a run that was killed are back" in answer["msg"] and server.files() == before
    assert server(server.jail("new"))["changed"] and server.running() == ["new", "package"]


def test_a_file_of_somebody_else_is_not_replaced(server: Server) -> None:
    theirs = server.config / "filter.d" / "door.local"
    for text in ("[Definition]\nmaxlines = 1\n", "#" * (2 * 1024 * 1024)):
        theirs.write_text(text)
        before = server.files()
        for check_mode in (True, False):
            answer = server(server.jail("new"), filters=[{"name": "door", "content": FILTER}], check_mode=check_mode)
            assert answer["failed"] and "filter.d/door.local is " in answer["msg"] and server.files() == before
    theirs.unlink()


def test_a_server_that_does_not_run_is_said(tmp_path: Path, started: Server) -> None:
    gone = {"socket": str(tmp_path / "socket"), "state_directory": str(tmp_path / "state")}
    answer = started(started.jail("new"), **gone)
    assert answer["failed"] and "systemctl start fail2ban" in answer["msg"]
    assert status(started(state="query", **gone)) == "warning"
