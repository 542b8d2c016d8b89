"""What servers present, over real TLS: the certificate and the verdict, whatever is wrong with either."""

from __future__ import annotations

import ssl
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates import served as served_module
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.served import Served, Trust, ask_all
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import (
    Issued,
    issue,
    new_key,
    present,
    present_authority,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.tls_servers import TlsServers

ROOT = present_authority()


@pytest.fixture
def authorities(tmp_path: Path) -> str:
    (tmp_path / "authorities.pem").write_bytes(ROOT.pem)
    return str(tmp_path / "authorities.pem")


def look(port: int, ca_file: str = "", *, timeout_seconds: float = 5.0, verify: bool = True, **given: Any) -> Any:
    endpoint = Endpoint("127.0.0.1", port, **given)
    return ask_all([endpoint], Trust(verify, ca_file), timeout_seconds=timeout_seconds, concurrency=1)[0]


def test_a_trusted_one_takes_one_connection(tmp_path: Path, servers: TlsServers, authorities: str) -> None:
    issued = present(by=ROOT)
    port = servers.start(issued.write(tmp_path / "a.pem"))
    assert look(port, authorities) == Served(issued.der, verified=True)
    assert servers.connections[port] == 1


@pytest.mark.parametrize(
    ("issued", "reason"),
    [
        (present(by=ROOT, days=-1), "certificate has expired"),
        (present(by=ROOT, begins=datetime.now(timezone.utc) + timedelta(days=1)), "certificate is not yet valid"),
        (present(), "self-signed certificate"),
        (present(by=present_authority("Another", 8)), "unable to get local issuer certificate"),
    ],
    ids=["expired", "not yet valid", "self-signed", "unknown authority"],
)
def test_one_that_is_refused_is_known_all_the_same(
    tmp_path: Path, servers: TlsServers, authorities: str, issued: Issued, reason: str
) -> None:
    port = servers.start(issued.write(tmp_path / "a.pem"))
    answer = look(port, authorities)
    assert (answer.leaf, answer.verified) == (issued.der, False)
    assert answer.reason.replace("self signed", "self-signed") == reason
    assert servers.connections[port] == 2


def test_the_name_is_asked_for(tmp_path: Path, servers: TlsServers, authorities: str) -> None:
    port = servers.start(present(by=ROOT).write(tmp_path / "a.pem"))
    look(port, authorities, server_name="www.example.com")
    look(port, authorities)
    # An address is no name.
    assert servers.names[port] == ["www.example.com", None]


def test_a_root_that_expired_and_was_signed_across_is_no_trouble(tmp_path: Path, servers: TlsServers) -> None:
    """The famous end of a root in 2021: servers still sent the old chain, and tools cried although clients were content."""
    now = datetime.now(timezone.utc)
    old_root = issue(
        "Old root", key=new_key("ec", 5), begins=now - timedelta(days=900), ends=now - timedelta(days=1), authority=True
    )
    key = new_key("ec", 6)
    new_root = issue("New root", key=key, begins=now - timedelta(days=900), ends=now + timedelta(days=900), authority=True)
    across = issue(
        "New root", key=key, by=old_root, begins=now - timedelta(days=900), ends=now + timedelta(days=1), authority=True
    )
    leaf = present(by=new_root)
    (tmp_path / "authorities.pem").write_bytes(old_root.pem + new_root.pem)
    port = servers.start(leaf.write(tmp_path / "a.pem", across, old_root))
    assert look(port, str(tmp_path / "authorities.pem")) == Served(leaf.der, verified=True)


def test_the_certificates_in_between_where_python_tells_them(tmp_path: Path, servers: TlsServers, authorities: str) -> None:
    between = present("Between", 5, by=ROOT, key=new_key("ec", 4), authority=True)
    leaf = present(by=between)
    answer = look(servers.start(leaf.write(tmp_path / "a.pem", between)), authorities)
    assert answer.verified
    assert answer.issuers == ((between.der,) if sys.version_info >= (3, 13) else ())
    # Without it the chain is not whole.
    answer = look(servers.start(leaf.write(tmp_path / "b.pem")), authorities)
    assert not answer.verified
    assert answer.reason == "unable to get local issuer certificate"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_an_old_server_is_looked_at_too(tmp_path: Path, servers: TlsServers, authorities: str) -> None:
    def only_old(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1

    issued = present(by=ROOT)
    answer = look(servers.start(issued.write(tmp_path / "a.pem"), adjust=only_old), authorities)
    assert (answer.leaf, answer.verified) == (issued.der, None)
    assert "with the settings of this host TLS fails" in answer.reason


def test_a_weak_key_is_seen(tmp_path: Path, servers: TlsServers, authorities: str) -> None:
    issued = present(by=ROOT, key=new_key("rsa1024"))
    answer = look(servers.start(issued.write(tmp_path / "a.pem")), authorities)
    assert answer.leaf == issued.der
    assert not answer.verified


@pytest.mark.parametrize("what", ["missing", "empty", "folder"])
def test_authorities_that_cannot_be_used_leave_the_verdict_open(tmp_path: Path, servers: TlsServers, what: str) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    issued = present()
    port = servers.start(issued.write(tmp_path / "a.pem"))
    answer = look(port, str(tmp_path / what))
    assert (answer.leaf, answer.verified, answer.hint) == (issued.der, None, "Correct ca_file.")
    assert str(tmp_path / what) in answer.reason
    assert servers.connections[port] == 1


def test_a_host_that_trusts_nobody_has_no_verdict(
    tmp_path: Path, servers: TlsServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    answer = look(servers.start(present().write(tmp_path / "a.pem")))
    assert answer.verified is None
    assert "ca-certificates" in answer.hint


def test_the_authorities_of_the_host(tmp_path: Path, servers: TlsServers, authorities: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authorities)
    assert look(servers.start(present(by=ROOT).write(tmp_path / "a.pem"))).verified


def test_without_a_verdict_anything_goes(tmp_path: Path, servers: TlsServers) -> None:
    port = servers.start(present(days=-5).write(tmp_path / "a.pem"))
    assert look(port, verify=False).verified is None
    assert servers.connections[port] == 1


@pytest.mark.parametrize("behavior", ["silent", "garbage", "one byte at a time", "closes", "half a record"])
def test_a_server_that_misbehaves_ends_in_time(servers: TlsServers, authorities: str, behavior: str) -> None:
    before = {
        "silent": servers.hold,
        "garbage": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "one byte at a time": servers.drip(b"\x16", 0.05),
        "closes": lambda connection: None,
        "half a record": lambda connection: (connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02" * 64), servers.hold()),
    }[behavior]
    port = servers.start(before=before)
    started = time.monotonic()
    answer = look(port, authorities, timeout_seconds=0.6)
    assert isinstance(answer, Unreadable), answer
    assert str(answer)
    assert ("starttls" in answer.hint) is ("failed in the TLS handshake" in str(answer)), (str(answer), answer.hint)
    assert behavior != "garbage" or "starttls" in answer.hint
    assert time.monotonic() - started < 5
    assert servers.connections[port] <= 2


def test_nobody_there(authorities: str) -> None:
    answer = look(1, authorities)
    assert isinstance(answer, Unreadable), answer
    assert "refused the connection" in str(answer) and "whether the server runs" in answer.hint


def test_many_at_once_keep_their_order(tmp_path: Path, servers: TlsServers, authorities: str) -> None:
    one, other = present(by=ROOT), present("other", by=ROOT)
    ports = [
        servers.start(one.write(tmp_path / "a.pem")),
        servers.start(before=servers.hold),
        servers.start(other.write(tmp_path / "b.pem")),
    ]
    endpoints = [Endpoint("127.0.0.1", port) for port in ports * 10]
    started = time.monotonic()
    answers = ask_all(endpoints, Trust(True, authorities), timeout_seconds=2.0, concurrency=30)
    # One after the other the silent ones alone would take twenty seconds.
    assert time.monotonic() - started < 15
    assert [getattr(answer, "leaf", None) for answer in answers] == [one.der, None, other.der] * 10


def test_an_error_nobody_thought_of_leaves_the_others_their_answers(
    tmp_path: Path, servers: TlsServers, authorities: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = present(by=ROOT)
    port = servers.start(issued.write(tmp_path / "a.pem"))
    whole = served_module.connect

    def connect(host: str, *given: Any) -> Any:
        if host == "127.0.0.2":
            raise RuntimeError("who would have thought")
        return whole(host, *given)

    monkeypatch.setattr(served_module, "connect", connect)
    answers = ask_all(
        [Endpoint("127.0.0.2", port), Endpoint("127.0.0.1", port)], Trust(True, authorities), timeout_seconds=5, concurrency=1
    )
    assert "RuntimeError: who would have thought" in str(answers[0])
    assert answers[1] == Served(issued.der, verified=True)


def test_a_python_without_ssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssl", None)
    (answer,) = ask_all([Endpoint("127.0.0.1", 1)], Trust(True, ""), timeout_seconds=1, concurrency=1)
    assert "no ssl module" in str(answer)
