"""Webhooks over real sockets; whatever goes wrong, no part of the URL is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.webhook import Webhook, escape, post, read_webhooks
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.notifications.sinks import (
    CERTIFICATES,
    Sink,
    webhook_sink,
)

PATH = "/services/T00000000/B-secret-part?token=another-secret"
HEADER = "Bearer a-third-secret"


def hook(sink: Sink, scheme: str = "http", **options: Any) -> Webhook:
    entry = {"url": f"{scheme}://127.0.0.1:{sink.port}{PATH}", "headers": {"Authorization": HEADER}, **options}
    return read_webhooks(json.dumps({"chat": entry}))["chat"]


def failure(webhook: Webhook, seconds: float = 10) -> str:
    began = time.monotonic()
    with pytest.raises(ChannelFailed) as caught:
        post(webhook, b'{"text": "x"}', Deadline(seconds))
    assert time.monotonic() - began < seconds + 5
    assert not [part for part in ("secret", "T00000000", "services") if part in str(caught.value)]
    return str(caught.value)


def test_what_is_posted_arrives(tmp_path: Path) -> None:
    with webhook_sink(tmp_path) as sink:
        post(hook(sink), b'{"text": "x"}', Deadline(10))
        (kept,) = sink.received()
    assert (kept["method"], kept["path"], kept["body"]) == ("POST", PATH, '{"text": "x"}')
    assert kept["headers"]["Authorization"] == HEADER
    assert kept["headers"]["Content-Type"].startswith("application/json")


def test_a_certificate_must_be_valid(tmp_path: Path) -> None:
    with webhook_sink(tmp_path, tls=True) as sink:
        assert "certificate" in failure(hook(sink, "https"))
        post(hook(sink, "https", ca_file=str(CERTIFICATES / "authority.pem")), b"{}", Deadline(10))
        post(hook(sink, "https", validate_certs=False), b"{}", Deadline(10))
        assert len(sink.received()) == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("hang", "gave no complete answer within 1 s"),
        ("status 500", "answered 500; 200 to 299 was expected"),
        ("status 404", "answered 404; 200 to 299 was expected"),
        ("endless", "sent a body of more than 65536 bytes"),
        ("endless_header", "sent more than 200 headers"),
        ("drip", "gave no complete answer within 1 s"),
    ],
)
def test_a_server_that_misbehaves(tmp_path: Path, fault: str, says: str) -> None:
    with webhook_sink(tmp_path) as sink:
        sink.misbehave(fault)
        assert says in failure(hook(sink), seconds=1)


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with webhook_sink(tmp_path / "a") as sink, webhook_sink(tmp_path / "b") as other:
        sink.misbehave(f"redirect http://127.0.0.1:{other.port}/stolen")
        assert "answered 302, a redirect, which is not followed" in failure(hook(sink))
        assert other.received() == []


def test_nobody_there(tmp_path: Path) -> None:
    with webhook_sink(tmp_path) as sink:
        webhook = hook(sink)
    assert "refused the connection" in failure(webhook)


def test_a_host_that_does_not_exist_is_not_named() -> None:
    webhook = read_webhooks(json.dumps({"chat": {"url": "https://tenant-secret.invalid/x"}}))["chat"]
    assert "tenant" not in failure(webhook)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{", "no JSON"),
        ("[]", "must be a mapping"),
        ('{"chat": "https://secret.example/"}', "must be a mapping with url"),
        ('{"chat": {}}', "url cannot be used"),
        ('{"chat": {"url": "ftp://secret.example/x"}}', "must begin with https:// or http://"),
        ('{"chat": {"url": "https://secret.example/x y"}}', "space"),
        ('{"chat": {"url": "https://secret.example/", "method": "PUT"}}', "method is no key"),
        ('{"chat": {"url": "https://secret.example/", "headers": ["secret"]}}', "headers must be a mapping"),
        ('{"chat": {"url": "https://secret.example/", "headers": {"X": "secret\\r\\nY: z"}}}', "cannot stand in a header"),
        ('{"chat": {"url": "https://secret.example/", "headers": {"X Y": "secret"}}}', "cannot stand in a header"),
    ],
)
def test_a_wrong_entry_is_named_without_its_secrets(written: str, says: str) -> None:
    with pytest.raises(UpkeepError, match=says) as caught:
        read_webhooks(written)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@here", "@|here"), ("(@here)", "(@|here)"), ("-@all", "-@|all"), (".@here", ".@|here"), ("x.@here", "x.@|here"),
        ("_@channel_", "_@|channel_"), ("ops@example.com", "ops@example.com"), ("a @ b", "a @ b"),
    ],
)
def test_nobody_is_called_by_what_a_host_wrote(text: str, shown: str) -> None:
    assert escape(text).replace("\u200b", "|") == shown


@pytest.mark.parametrize("written", [None, "", "{}"])
def test_no_webhooks(written: Any) -> None:
    assert read_webhooks(written) == {}
