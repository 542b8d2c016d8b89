"""What people read: what has changed first, bounded, and nothing that a host wrote does anything."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.changes import Change, Tidings
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail import mime_message
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail_server import message_id_of
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import (
    MAX_CHANGES,
    Message,
    compose,
    plain_text,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.webhook import MAX_TEXT, payload
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import with_hosts

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)
AT = "2026-11-22T04:00:00Z"
HEAD = {
    "run_id": "20261122T050000Z-1a2b3c4d", "platform": "NeuroSense FX", "playbook": "daily", "started": AT, "ended": AT, "check_mode": False,
}


def a_record() -> dict[str, Any]:
    checks = [check_result("service.http", "api", "critical", "It answered 500.")]
    roles = {"health": {"status": "critical", "reason": "", "checks": checks}}
    return with_hosts(HEAD, {"web": {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": []}, **roles}}})


def change(kind: str = "new", subject: str = "api", status: str = "critical", was: str = "", summary: str = "It answered 500.") -> Change:
    return Change(kind, "web", "service.http", subject, status, was, AT, summary, "Read its log.")


def message(*changes: Change, unchanged: int = 0, left: int = 1, failures: dict[str, str] | None = None) -> Message:
    tidings = [Tidings("operations", changes, unchanged, left)]
    return compose(a_record(), tidings, report="Report: https://reports.example.com/x", failures=failures or {})


def mail_of(text: Message, **options: Any) -> Any:
    given = {"sender": "upkeep@ops.example", "recipient": "a@ops.example", "now": NOW, "message_id": "<1@x>", "thread": "", **options}
    return mime_message(text, **given)


def test_the_whole_of_a_message() -> None:
    found = message(
        change(), change("worse", "db", "critical", "warning"), change("recovered", "disk", "ok", "critical"),
        unchanged=3, failures={"mail a@b.example": "refused"},
    )
    assert found.title == "NeuroSense FX is UNHEALTHY: 1 new, 1 worse, 1 recovered"
    assert plain_text(found) == """\
NeuroSense FX is UNHEALTHY (daily: 1 critical, 0 ok on 1 host).

NEW
- CRITICAL web service.http api
  It answered 500.
  Next: Read its log.

WORSE
- CRITICAL web service.http db (was warning), since 2026-11-22T04:00:00Z
  It answered 500.
  Next: Read its log.

RECOVERED
- web service.http disk is fine again (was critical, since 2026-11-22T04:00:00Z)

CHANNELS THAT FAILED
- mail a@b.example: refused

3 more known problems, unchanged.
Run 20261122T050000Z-1a2b3c4d of daily, ended 2026-11-22T04:00:00Z.
Report: https://reports.example.com/x
"""


def test_the_last_recovery_says_so_in_the_title() -> None:
    over = change("recovered", "disk", "ok", "critical")
    fine = with_hosts(HEAD, {"web": {"reachable": True, "roles": {"health": {"status": "ok", "reason": "", "checks": []}}}})
    assert compose(fine, [Tidings("operations", (over,), 0, 0)], report="", failures={}).title.endswith("HEALTHY: all clear, 1 recovered")
    assert "all clear" not in message(over, left=0).title, "others still work on something"
    assert "all clear" not in compose(fine, [Tidings("operations", (over,), 0, 1)], report="", failures={}).title


def test_what_two_audiences_are_told_stands_there_once() -> None:
    tidings = [Tidings("management", (change("eased"),), 0, 1), Tidings("operations", (change("new"), change("new", "b")), 0, 1)]
    found = compose(a_record(), tidings, report="", failures={})
    assert found.title.endswith("2 new")


def test_very_many_changes_are_counted() -> None:
    found = message(*(change(subject=f"s{number}") for number in range(1000)))
    text = plain_text(found)
    assert text.count("- CRITICAL") == MAX_CHANGES
    assert "980 more; the report lists them." in text and "1000 new" in found.title
    assert len(text) < 10_000


EVIL = "\r\nBcc: x@evil.example\r\n\r\n<b> <!channel> @here \u202e [x](http://evil.example) ```\x1b[2J " + "A" * 3000


def test_a_mail_has_only_our_headers() -> None:
    evil = change(subject=EVIL, summary=EVIL)
    record = {**a_record(), "platform": EVIL}
    mail = mail_of(compose(record, [Tidings("operations", (evil,), 0, 1)], report=EVIL, failures={EVIL: EVIL}))
    raw = mail.as_bytes()
    head, _blank, body = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert sorted(names) == sorted(
        [
            b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"X-Upkeep-Platform", b"X-Upkeep-Status",
            b"X-Upkeep-Run", b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version",
        ]
    )
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\x1b" not in body and "\u202e" not in mail.get_content()


def test_the_headers_of_a_mail() -> None:
    mail = mail_of(message(change()), thread="<root@x>")
    assert (mail["From"], mail["To"]) == ("upkeep <upkeep@ops.example>", "a@ops.example")
    assert mail["Date"] == "Sun, 22 Nov 2026 05:00:00 +0000"
    assert (mail["Message-ID"], mail["References"], mail["Auto-Submitted"]) == ("<1@x>", "<root@x>", "auto-generated")
    assert mail.get_content_type() == "text/plain" and mail.get_content_charset() == "utf-8"


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: c@d.example", "a", "a@b.example, c@d.example", "<a@b.example>"])
def test_what_is_no_address_goes_into_no_header(address: str) -> None:
    with pytest.raises(ChannelFailed):
        mail_of(message(change()), recipient=address)


def test_the_same_message_sent_twice_has_the_same_id() -> None:
    first = message_id_of("20261122T050000Z-1a2b3c4d", "a@ops.example", "mail x", ("operations",))
    assert first == message_id_of("20261122T050000Z-1a2b3c4d", "a@ops.example", "mail x", ("operations",))
    assert first.endswith("@ops.example>")
    assert first != message_id_of("20261122T050000Z-1a2b3c4d", "a@ops.example", "mail y", ("operations",))


def test_a_chat_shows_hostile_text_as_it_is() -> None:
    text = json.loads(payload(message(change(subject=EVIL[:200], summary=EVIL[:200]))))["text"]
    assert "<" not in text and ">" not in text, "no mention and no link of Slack"
    assert "&lt;!channel&gt;" in text
    assert "@here" not in text and "@\u200bhere" in text, "no mention of Mattermost"
    assert "](" not in text, "no link and no picture of Markdown"
    assert "x@evil.example" in text, "an address stays one"


def test_a_chat_gets_a_bounded_text() -> None:
    posted = json.loads(payload(message(*(change(subject=f"s{number}", summary="B" * 400) for number in range(50)))))
    assert len(posted["text"]) <= MAX_TEXT + 100
    assert "more lines; the report has everything" in posted["text"]
    assert posted["unfurl_links"] is posted["unfurl_media"] is False
