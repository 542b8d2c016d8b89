"""People are told, whatever the channels, the memory or the run itself do: late or twice, but never not at all, and never for ever."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.state_file import state_path
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import with_hosts
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House, closed_port
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.notifications.sinks import (
    CERTIFICATES,
    Sink,
    mail_sink,
    webhook_sink,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, run_module, start_module

#: Parts of what must never be seen outside the variables that hold it.
URL_SECRET = "T000SECRET/B000SECRET"
HEADER_SECRET = "header-SECRET-value"
PASSWORD = "password-SECRET-value"


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[Sink]:
    with mail_sink(tmp_path / "mail") as sink:
        yield sink


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Sink]:
    with webhook_sink(tmp_path / "chat") as sink:
        yield sink


@pytest.fixture
def team(house: House, mail: Sink, chat: Sink) -> House:
    """The house with somebody to tell: a mailbox, and a chat when that fails."""
    house.platform["contacts"] = [
        {"role": "admin", "audiences": ["operations"], "channels": [{"type": "mail", "address": "a@ops.example"}]},
        {"role": "chat", "audiences": ["operations"], "order": 2, "channels": [{"type": "webhook", "name": "ops_chat"}]},
    ]
    house.variables |= {
        "notify_smtp": {"host": "127.0.0.1", "port": mail.port, "security": "none", "sender": "upkeep@ops.example"},
        "notify_webhooks": {
            "ops_chat": {"url": f"http://127.0.0.1:{chat.port}/{URL_SECRET}", "headers": {"X-Key": HEADER_SECRET}},
        },
        "notify_timeout_seconds": 2,
        "upkeep_fail_on": "never",
    }
    return house


def subjects(mail: Sink) -> list[str]:
    return [str(message["Subject"]) for message in mail.mails()]


def test_a_day_of_trouble(team: House, mail: Sink, chat: Sink) -> None:
    """Told at once, then not again by any playbook, then that it is over; a server that hangs is bounded and reported."""
    with closed_port() as port:
        team.platform["services"].append({"name": "frontend", "tcp": {"host": "127.0.0.1", "port": port}})
        first = team.run("daily")
        assert first.check("localhost", "notify.channel")["status"] == "ok"
        assert subjects(mail) == ["Test platform is UNHEALTHY: 1 new"]
        assert json.loads((team.reports / "latest.json").read_bytes()) == first.record, "the report holds what became of the channels"

        # Another playbook sees it too, and its own new problem (no heartbeat of daily is missing, so: none).
        second = team.run("health_check")
        assert "notify" not in json.dumps(second.record) and len(mail.received()) == 1

    mail.misbehave("hang")
    del team.platform["services"][-1]
    over = team.run("daily")
    assert over.seconds < PATIENCE_SECONDS
    failed = over.check("localhost", "notify.channel", "mail a@ops.example")
    assert failed["status"] == "warning" and "gave no complete answer within 2 s" in failed["summary"]
    assert over.record["health"] == "DEGRADED"
    (text,) = chat.texts()
    assert "all clear, 1 recovered" in text and "mail a@ops.example" in text and "Report: " in text

    # The test of the channels fails by name, and mends what is known of them when it passes.
    rung = team.run("notify_test")
    assert rung.rc != 0 and "mail a@ops.example (admin) failed" in rung.output
    mail.misbehave("")
    assert team.run("notify_test").rc == 0


def test_ringing_names_the_mistakes_of_the_description_as_a_run_does(team: House, mail: Sink) -> None:
    team.platform["services"][0] |= {"prot": 1, "hosts": ["alhpa"]}
    rung = team.run("notify_test")
    assert rung.rc == 2 and "upkeep_platform has 2 mistakes" in rung.output, rung.output
    assert 'did you mean "alpha"' in rung.output and "filter plugin" not in rung.output, rung.output
    assert mail.received() == []


def test_nothing_secret_is_seen_anywhere(team: House, mail: Sink, chat: Sink) -> None:
    team.variables["notify_smtp"] |= {"security": "starttls", "username": "upkeep", "password": PASSWORD}
    chat.misbehave("status 500")
    with closed_port() as port:
        team.platform["services"].append({"name": "frontend", "tcp": {"host": "127.0.0.1", "port": port}})
        done = team.run("daily", "-vvv")
    assert done.check("localhost", "notify.channel", "webhook ops_chat")["status"] == "critical"
    places = [path for path in team.watched.rglob("*") if path.is_file()]
    assert any("notify" in path.parts for path in places)
    for text in (done.output, json.dumps(done.record), *(path.read_text("utf-8", "replace") for path in places)):
        assert "SECRET" not in text
    # A wrong value is named, and not shown. What is wrong with the notifications does not hide the report.
    done = team.run("daily", "-vvv", "--tags", "health", notify_webhooks={"ops_chat": {"url": f"ftp://127.0.0.1/{URL_SECRET}"}})
    assert "webhooks.ops_chat.url cannot be used" in done.check("localhost", "role.result", "notify")["summary"]
    assert done.table and "SECRET" not in done.output


def test_silences_and_windows(team: House, mail: Sink) -> None:
    with closed_port() as port:
        team.platform["services"].append({"name": "frontend", "tcp": {"host": "127.0.0.1", "port": port}})
        silence = {"id": "move", "check": "service.*", "subject": "frontend", "until": "2099-01-01T00:00:00Z", "reason": "it moves"}
        quiet = team.run("daily", "--tags", "health", upkeep_silences=[silence])
        assert quiet.record["health"] == "HEALTHY" and "1 suppressed" in quiet.output
        assert quiet.check("alpha", "service.tcp", "frontend")["suppressed"]["reason"] == "it moves"
        assert mail.received() == []
        wrong = [{**silence, "until": "2026-01-01T00:00:00Z"}, {"id": "endless", "reason": "x"}]
        ended = team.run("daily", "--tags", "health", upkeep_silences=wrong)
    statuses = {key[3]: value for key, value in ended.statuses().items() if key[2] == "notify.silence"}
    assert statuses == {"move": "warning", "silences[1] endless": "unknown"}
    assert "it has no end" in ended.output
    assert subjects(mail) == ["Test platform is UNHEALTHY: 3 new"]


def record(status: str = "critical", subject: str = "api") -> dict[str, Any]:
    now = utc_now()
    checks = [check_result("service.http", subject, status, "It answered 500.")]
    head = {
        "schema": 1, "run_id": f"{now:%Y%m%dT%H%M%SZ}-1a2b3c4d", "platform": "P", "playbook": "daily", "check_mode": False,
        "started": to_iso(now), "ended": to_iso(now),
    }
    return with_hosts(head, {"web": {"reachable": True, "roles": {"health": {"status": status, "reason": "", "checks": checks}}}})


def options(directory: Path, mail: Sink, **more: Any) -> dict[str, Any]:
    return {
        "platform": "P", "directory": str(directory), "record": record(), "routes": {"operations": {}},
        "contacts": [{"role": "admin", "audiences": ["operations"], "channels": [{"type": "mail", "address": "a@ops.example"}]}],
        "smtp": {"host": "127.0.0.1", "port": mail.port, "security": "none", "sender": "upkeep@ops.example"},
        "timeout_seconds": 5, **more,
    }


def tell(given: dict[str, Any]) -> dict[str, Any]:
    return run_module("notify", given)


def test_killed_while_it_tells_the_next_run_tells_again(tmp_path: Path, mail: Sink, fault_runs: int, chance: random.Random) -> None:
    """Killed before, while and after the message is handed over: it is told at least once, and then not again."""
    for number in range(fault_runs):
        before = len(mail.received())
        given = options(tmp_path / f"reports{number}", mail)
        if number == 0:
            mail.misbehave("hang_after_data")  # killed between the message and the memory for certain
        process = start_module("notify", given)
        if number == 0:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(mail.received()) == before and time.monotonic() < deadline:
                time.sleep(0.02)
        else:
            time.sleep(chance.uniform(0.0, 1.0))
        process.kill()
        process.wait()
        mail.misbehave("")
        killed_after = len(mail.received()) - before
        again = tell(given)
        assert again["status"] == "ok", again
        assert len(mail.received()) - before in (1, 2)
        if number == 0:
            assert killed_after == 1 and again["told"] == ["operations"]
        assert tell(given)["told"] == []


def test_two_runs_at_once_tell_once(tmp_path: Path, mail: Sink, fault_runs: int) -> None:
    for number in range(fault_runs):
        before = len(mail.received())
        given = options(tmp_path / f"reports{number}", mail)
        answers = [answer_of(process) for process in [start_module("notify", given) for _run in range(3)]]
        assert sorted(found["told"] for found in answers) == [[], [], ["operations"]]
        assert len(mail.received()) == before + 1


def test_who_waits_too_long_says_for_whom(tmp_path: Path, mail: Sink) -> None:
    mail.misbehave("hang")
    given = options(tmp_path / "reports", mail, wait_seconds=0.2)
    first = start_module("notify", given)
    lock = state_path(tmp_path / "reports", "P").with_suffix(".lock")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (lock.exists() and lock.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = tell(given)
    first.kill()
    first.wait()
    assert second["failed"] is True and f"holds {lock}" in second["msg"]


def test_no_damage_to_the_memory_silences_or_crashes(tmp_path: Path, mail: Sink, fault_runs: int, chance: random.Random) -> None:
    given = options(tmp_path / "reports", mail)
    tell(given)
    memory = state_path(tmp_path / "reports", "P")
    whole = memory.read_bytes()
    for _number in range(fault_runs):
        damaged = bytearray(whole[: chance.randrange(len(whole))]) if chance.random() < 0.5 else bytearray(whole)
        for _flip in range(3):
            if damaged:
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        memory.write_bytes(bytes(damaged))
        new = record(subject=f"new {chance.random()}")
        found = tell({**given, "record": new})
        assert found["told"] == ["operations"], (found, bytes(damaged))
        assert tell({**given, "record": new})["told"] == []


def test_a_full_disk_does_not_silence(tmp_path: Path, mail: Sink, root: None) -> None:
    with small_disk(tmp_path / "disk") as disk:
        given = options(disk.path / "reports", mail)
        tell({**given, "record": record("ok")})
        disk.leave_free(0)
        full = tell(given)
        assert full["told"] == ["operations"] and len(mail.received()) == 1
        (row,) = [check for check in full["checks"] if check["check"] == "notify.state"]
        assert row["status"] == "warning" and "No space left on device" in row["summary"]
        disk.make_room()
        assert tell(given)["told"] == ["operations"], "told again, since nobody could remember"
        assert tell(given)["told"] == []


@pytest.mark.parametrize("fault", ["hang", "refuse", "drip", "die_after_data", "hang_after_data", "reject"])
def test_mail_servers_that_misbehave_are_bounded_and_reported(tmp_path: Path, mail: Sink, fault: str) -> None:
    mail.misbehave(fault)
    began = time.monotonic()
    found = tell(options(tmp_path / "reports", mail, timeout_seconds=1))
    assert time.monotonic() - began < 20
    assert found["told"] == [] and found["status"] == "critical"
    assert found["checks"][0]["subject"] == "mail a@ops.example" and found["checks"][0]["hint"]


@pytest.mark.parametrize("fault", ["hang", "status 500", "redirect http://127.0.0.1:1/", "endless", "endless_header", "drip"])
def test_web_servers_that_misbehave_are_bounded_and_reported(tmp_path: Path, mail: Sink, chat: Sink, fault: str) -> None:
    chat.misbehave(fault)
    given = options(tmp_path / "reports", mail, timeout_seconds=1, webhooks=json.dumps({"chat": {"url": f"http://127.0.0.1:{chat.port}/{URL_SECRET}"}}))
    given["contacts"].append({"role": "chat", "audiences": ["operations"], "level": 1, "channels": [{"type": "webhook", "name": "chat"}]})
    began = time.monotonic()
    found = tell(given)
    assert time.monotonic() - began < 20
    assert found["told"] == ["operations"], "the mailbox works"
    statuses = {check["subject"]: check["status"] for check in found["checks"]}
    assert statuses == {"mail a@ops.example": "ok", "webhook chat": "warning"}
    assert "SECRET" not in json.dumps(found)


def test_many_dead_channels_share_one_limit(tmp_path: Path, mail: Sink) -> None:
    mail.misbehave("hang")
    given = options(tmp_path / "reports", mail, timeout_seconds=1, total_seconds=2)
    given["contacts"] = [
        {"role": f"r{n}", "audiences": ["operations"], "order": n + 1, "channels": [{"type": "mail", "address": f"a{n}@ops.example"}]}
        for n in range(20)
    ]
    began = time.monotonic()
    found = tell(given)
    assert time.monotonic() - began < 20
    assert len(found["checks"]) == 20 and found["status"] == "critical"
    assert "the 2 s for all channels were over" in found["checks"][-1]["summary"]


def test_another_mail_server_takes_what_we_send(tmp_path: Path, mail: Sink) -> None:
    """aiosmtpd has nothing of ours: STARTTLS and a login are needed before it takes a message."""
    import ssl

    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    class Keep:
        envelopes: list[Any] = []

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.envelopes.append((envelope, session.ssl is not None, session.authenticated))
            return "250 kept"

    def authenticator(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"upkeep", PASSWORD.encode()), handled=False)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "good.pem")
    with closed_port() as free:
        port = free  # it cannot choose one by itself
    controller = Controller(
        Keep(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticator,
    )
    controller.start()
    try:
        smtp = {"host": "127.0.0.1", "port": port, "username": "upkeep", "password": PASSWORD, "sender": "upkeep@ops.example"}
        smtp["ca_file"] = str(CERTIFICATES / "authority.pem")
        found = tell(options(tmp_path / "reports", mail, smtp=smtp))
        assert found["told"] == ["operations"], found
        wrong = tell(options(tmp_path / "others", mail, smtp={**smtp, "password": "another"}))
        assert wrong["status"] == "critical" and "refused the user name and password" in wrong["checks"][0]["summary"]
    finally:
        controller.stop()
    ((envelope, encrypted, authenticated),) = Keep.envelopes
    assert encrypted and authenticated and envelope.rcpt_tos == ["a@ops.example"]
    assert "It answered 500." in message_from_bytes(envelope.content).get_payload()
