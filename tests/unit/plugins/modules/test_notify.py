"""The module as Ansible runs it: one process for each call, one JSON answer, real channels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.state_file import state_path
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import with_hosts
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.notifications.sinks import (
    Sink,
    mail_sink,
    webhook_sink,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

SECRET = "T0000/B0000/a-secret-of-ours"


def record(status: str = "critical", playbook: str = "daily") -> dict[str, Any]:
    now = utc_now()
    checks = [check_result("service.http", "api", status, "It answered 500.")]
    head = {
        "schema": 1, "run_id": f"{now:%Y%m%dT%H%M%SZ}-1a2b3c4d", "platform": "P", "playbook": playbook, "check_mode": False,
        "started": to_iso(now), "ended": to_iso(now),
    }
    return with_hosts(head, {"web": {"reachable": True, "roles": {"health": {"status": status, "reason": "", "checks": checks}}}})


class Office:
    """A platform with a mailbox first and a chat behind it."""

    def __init__(self, folder: Path, mail: Sink, chat: Sink) -> None:
        self.folder = folder
        self.mail = mail
        self.chat = chat
        self.memory = state_path(folder / "reports", "P")
        self.options: dict[str, Any] = {
            "platform": "P",
            "directory": str(folder / "reports"),
            "routes": {"operations": {"severity": "warning"}},
            "contacts": [
                {"role": "admin", "audiences": ["operations"], "channels": [{"type": "mail", "address": "a@ops.example"}]},
                {"role": "team", "audiences": ["operations"], "order": 2, "channels": [{"type": "webhook", "name": "chat"}]},
            ],
            "smtp": {"host": "127.0.0.1", "port": mail.port, "security": "none", "sender": "upkeep@ops.example"},
            "webhooks": json.dumps({"chat": {"url": f"http://127.0.0.1:{chat.port}/{SECRET}", "headers": {"X-Env": "1"}}}),
            "timeout_seconds": 2,
        }

    def call(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        answer = run_module("notify", {**self.options, **options, "_ansible_check_mode": check_mode})
        assert "secret" not in json.dumps(answer)
        return answer

    def statuses(self, answer: dict[str, Any]) -> dict[str, str]:
        return {check["subject"]: check["status"] for check in answer["checks"]}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with mail_sink(tmp_path / "mail") as mail, webhook_sink(tmp_path / "chat") as chat:
        yield Office(tmp_path, mail, chat)


def test_told_once_and_again_when_it_is_over(office: Office) -> None:
    first = office.call(record=record())
    assert (first["changed"], first["status"], first["told"]) == (False, "ok", ["operations"])
    assert office.statuses(first) == {"mail a@ops.example": "ok"}
    second = office.call(record=record())
    assert (second["checks"], second["channels"]) == ([], [])
    assert office.call(record=record("ok"))["told"] == ["operations"]
    one, two = office.mail.mails()
    assert [one["Subject"], two["Subject"]] == ["P is UNHEALTHY: 1 new", "P is HEALTHY: all clear, 1 recovered"]
    assert one["References"] == two["References"] != one["Message-ID"], "one thread"
    assert office.chat.received() == []
    assert office.memory.stat().st_mode & 0o777 == 0o640


def test_the_next_channel_is_tried_and_the_failure_is_remembered_until_it_works(office: Office) -> None:
    office.mail.misbehave("refuse")
    first = office.call(record=record())
    assert office.statuses(first) == {"mail a@ops.example": "warning", "webhook chat": "ok"}
    (text,) = office.chat.texts()
    assert "Channels that failed" in text and "no service here" in text
    # Nothing is to be told, so nothing is tried: what is known of the channel is still known.
    assert office.statuses(office.call(record=record())) == {"mail a@ops.example": "warning"}
    office.mail.misbehave("")
    assert office.statuses(office.call(mode="test")) == {"mail a@ops.example": "ok", "webhook chat": "ok"}
    assert office.call(record=record())["checks"] == []


def test_when_nobody_can_be_told_it_is_critical_and_the_next_run_tries_again(office: Office) -> None:
    office.mail.misbehave("reject")
    office.chat.misbehave("status 503")
    first = office.call(record=record())
    assert (first["status"], first["told"]) == ("critical", [])
    assert set(office.statuses(first).values()) == {"critical"}
    office.mail.misbehave("")
    assert office.call(record=record())["told"] == ["operations"]
    assert office.mail.mails()[-1]["Subject"] == "P is UNHEALTHY: 1 new"


def test_check_mode_sends_and_writes_nothing_and_shows_the_message(office: Office) -> None:
    answer = office.call(record=record(), check_mode=True)
    assert [(message["channel"], message["title"]) for message in answer["messages"]] == [("mail a@ops.example", "P is UNHEALTHY: 1 new")]
    assert answer["checks"] == []
    assert [message["channel"] for message in office.call(mode="test", check_mode=True)["messages"]] == ["mail a@ops.example", "webhook chat"]
    assert office.mail.received() == office.chat.received() == []
    assert not (office.folder / "reports").exists()


def test_a_damaged_memory_is_set_aside_and_everything_is_told_again(office: Office) -> None:
    office.call(record=record())
    office.memory.write_text('{"schema": 1, "problems": [')
    looked = office.call(record=record(), check_mode=True)
    assert office.statuses(looked)[str(office.memory)] == "warning" and office.memory.exists()
    answer = office.call(record=record())
    assert office.statuses(answer)[str(office.memory)] == "warning"
    assert answer["told"] == ["operations"] and len(office.mail.received()) == 2
    assert len(list(office.memory.parent.glob(f"{office.memory.name}.corrupt-*"))) == 1
    assert office.call(record=record())["checks"] == []


def test_channels_that_are_not_set_up_are_a_warning_before_they_are_needed(office: Office) -> None:
    answer = office.call(record=record("ok"), smtp={}, webhooks="{}")
    assert office.statuses(answer) == {"mail a@ops.example": "warning", "webhook chat": "warning"}
    assert "notify_smtp" in answer["checks"][0]["summary"] and "notify_webhooks" in answer["checks"][1]["summary"]


def test_each_channel_is_rung_and_each_failure_is_named(office: Office) -> None:
    office.chat.misbehave("status 404")
    answer = office.call(mode="test")
    assert office.statuses(answer) == {"mail a@ops.example": "ok", "webhook chat": "critical"}
    assert "test of the notifications" in office.mail.mails()[0]["Subject"]
    assert "nothing" not in answer["checks"][0]["summary"]


@pytest.mark.parametrize(("routes", "known"), [({"operations": {}, "security": {}}, "operations and security"), ({}, "nobody")])
def test_ringing_says_who_works_and_is_told_nothing_by_a_run(office: Office, routes: dict[str, Any], known: str) -> None:
    misspelled = {"role": "admin", "audiences": ["operation"], "channels": [{"type": "mail", "address": "a@ops.example"}]}
    answer = office.call(mode="test", contacts=[misspelled], routes=routes)
    assert office.statuses(answer) == {"mail a@ops.example": "ok"}
    said = f"took the test message. Runs tell operation nothing: notify_routes knows only {known}."
    assert answer["checks"][0]["summary"].endswith(said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "record is missing"),
        ({"record": {"run_id": "x"}}, "record is no run record: it has no ended, health"),
        ({"directory": "reports"}, "must be absolute"),
        ({"reminder_hours": -1}, "reminder_hours: -1 is not accepted; give 0 to 100000."),
        ({"total_seconds": 100_001}, "total_seconds: 100001 is not accepted; give 0.1 to 100000."),
        ({"timeout_seconds": 0}, "timeout_seconds: 0 is not accepted; give 0.1 to 100000."),
        ({"routes": {"operations": {"severity": "ok"}}}, "routes.operations.severity is 'ok'"),
        ({"routes": {"operations": {"check": ["x"]}}}, "routes.operations.check is no key"),
        ({"routes": {"operations": "warning"}}, "routes.operations must be a mapping"),
        ({"webhooks": '{"chat": {"url": "secret"}}'}, "webhooks.chat.url cannot be used"),
        ({"contacts": [{"role": "a"}]}, "contacts[0] is no contact"),
        ({"smtp": {"host": "x", "username": "u", "password": "secret", "colour": 1}}, "colour"),
        ({"smtp": {"host": "x", "username": "u", "password": "secret", "security": "none"}}, "a password is not sent without encryption"),
    ],
)
def test_a_wrong_option_is_named(office: Office, options: dict[str, Any], says: str) -> None:
    answer = office.call(**options)
    assert answer["failed"] is True and says in answer["msg"]
