"""Mail over real sockets: encryption, login, and servers that do not behave."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail import mime_message, send_mail
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail_server import (
    MailServer,
    read_mail_server,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import test_message as a_test_message
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.notifications.sinks import (
    CERTIFICATES,
    Sink,
    mail_sink,
)

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1", "port": None, "security": "none", "username": None, "password": None, "sender": "upkeep@ops.example",
    "validate_certs": True, "ca_file": str(CERTIFICATES / "authority.pem"),
}
PASSWORD = "a-password-of-ours"


def server_of(sink: Sink, **options: Any) -> MailServer:
    found = read_mail_server({**DEFAULTS, "port": sink.port, **options})
    assert found is not None
    return found


def send(server: MailServer, seconds: float = 10) -> None:
    message = a_test_message("P – ü", run_id="20261122T050000Z-1a2b3c4d", at="now", contact="admin", channel="mail")
    mail = mime_message(message, sender=server.sender, recipient="a@ops.example", now=utc_now(), message_id="<1@x>", thread="")
    send_mail(server, mail, "a@ops.example", Deadline(seconds))


def failure(server: MailServer, seconds: float = 10) -> str:
    began = time.monotonic()
    with pytest.raises(ChannelFailed) as caught:
        send(server, seconds)
    assert time.monotonic() - began < seconds + 5
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_message_arrives(tmp_path: Path, security: str) -> None:
    with mail_sink(tmp_path, security=security) as sink:
        send(server_of(sink, security=security))
        (kept,), (mail,) = sink.received(), sink.mails()
    assert (kept["from"], kept["to"], kept["tls"]) == ("upkeep@ops.example", ["a@ops.example"], security != "none")
    assert mail["Subject"] == "P – ü: test of the notifications"
    assert "Nothing is wrong" in mail.get_content()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_who_logs_in_is_known_there(tmp_path: Path, security: str) -> None:
    with mail_sink(tmp_path, security=security, user="upkeep", password=PASSWORD) as sink:
        send(server_of(sink, security=security, username="upkeep", password=PASSWORD))
        assert sink.received()[0]["user"] == "upkeep"
        assert "refused the user name and password (535)" in failure(server_of(sink, security=security, username="upkeep", password=PASSWORD + "x"))
        assert "530" in failure(server_of(sink, security=security))


def test_without_starttls_nothing_is_said(tmp_path: Path) -> None:
    with mail_sink(tmp_path, user="upkeep", password=PASSWORD) as sink:
        assert "offers no STARTTLS, so nothing was sent" in failure(server_of(sink, security="starttls", username="upkeep", password=PASSWORD))
        assert sink.received() == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_must_be_valid(tmp_path: Path, security: str) -> None:
    with mail_sink(tmp_path, security=security) as sink:
        assert "certificate" in failure(server_of(sink, security=security, ca_file=str(CERTIFICATES / "good.pem")))
        assert "CA file" in failure(server_of(sink, security=security, ca_file="/nonexistent.pem"))
        assert sink.received() == []
        send(server_of(sink, security=security, ca_file=None, validate_certs=False))
        assert len(sink.received()) == 1


@pytest.mark.parametrize(
    ("fault", "says", "arrived"),
    [
        ("hang", "gave no complete answer within 1 s", 0),
        ("refuse", "answered 554: no service here", 0),
        ("reject", "answered 550: refused the recipient: nobody of that name", 0),
        ("drip", "gave no complete answer within 1 s", 0),
        ("die_after_data", "closed the connection in the middle of the conversation; it may have taken the message all the same", 1),
        ("hang_after_data", "gave no complete answer within 1 s; it may have taken the message all the same", 1),
    ],
)
def test_a_server_that_misbehaves_is_named_with_the_reason(tmp_path: Path, fault: str, says: str, arrived: int) -> None:
    with mail_sink(tmp_path) as sink:
        sink.misbehave(fault)
        assert failure(server_of(sink), seconds=1) == f"the mail server 127.0.0.1:{sink.port} {says}"
        assert len(sink.received()) == arrived


def test_nobody_there(tmp_path: Path) -> None:
    with mail_sink(tmp_path) as sink:
        server = server_of(sink)
    assert "refused the connection" in failure(server)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"password": PASSWORD, "username": "u"}, "a password is not sent without encryption"),
        ({"password": PASSWORD, "security": "tls"}, "belong together"),
        ({"username": "u"}, "belong together"),
        ({"sender": "nobody"}, "must be a mail address"),
        ({"sender": "a@b.example\nBcc: c@d.example"}, "must be a mail address"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UpkeepError, match=says) as caught:
        read_mail_server({**DEFAULTS, **options})
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("options", [None, {}, {**DEFAULTS, "host": None}, {**DEFAULTS, "host": ""}])
def test_no_host_is_no_server(options: Any) -> None:
    assert read_mail_server(options) is None


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_each_security_has_its_port(security: str, port: int) -> None:
    found = read_mail_server({**DEFAULTS, "security": security})
    assert found is not None and found.port == port
