"""What servers answer to a first message of TLS, real ones and ones that misbehave."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.tls import Offered, ask, inspect_tls, judge_server
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.tls_hello import (
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    WEAK_SUITES,
    client_hello,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import present
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.tls_servers import TlsServers, conversation

SECONDS = 20.0


@pytest.fixture
def servers() -> Iterator[TlsServers]:
    started = TlsServers()
    yield started
    started.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return present().write(tmp_path_factory.mktemp("tls") / "a.pem")


def asked(port: int, seconds: float = SECONDS, **more: str) -> list[Finding]:
    findings, _figures = inspect_tls([Endpoint("127.0.0.1", port, **more)], timeout_seconds=seconds, concurrency=2)
    return findings


def between(lowest: ssl.TLSVersion, highest: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> Callable[[ssl.SSLContext], None]:
    def adjust(context: ssl.SSLContext) -> None:
        context.minimum_version, context.maximum_version = lowest, highest
        context.set_ciphers(ciphers)

    return adjust


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("lowest", "highest", "ciphers", "versions", "suites"),
    [
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, "DEFAULT", [TLS13, TLS12], []),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "DEFAULT", [TLS13], []),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "DEFAULT", [TLS12], []),
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3, "DEFAULT:@SECLEVEL=0", [TLS13, TLS12, TLS11, TLS10], []),
        (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1, "DEFAULT:@SECLEVEL=0", [TLS11], []),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ALL:eNULL:@SECLEVEL=0", [TLS12], ["without encryption", "without a certificate"]),
    ],
    ids=["modern", "1.3", "1.2", "old too", "1.1 alone", "broken suites"],
)  # fmt: skip
def test_a_real_server(
    servers: TlsServers, certificate: str, lowest: ssl.TLSVersion, highest: ssl.TLSVersion, ciphers: str, versions: list[int], suites: list[str]
) -> None:
    port = servers.start(certificate, adjust=between(lowest, highest, ciphers))
    offered = ask(Endpoint("127.0.0.1", port), SECONDS)
    assert [version for version, taken in offered.versions.items() if taken is True] == versions
    assert not [reason for reason in offered.versions.values() if isinstance(reason, str)]
    assert offered.suites == suites and not offered.problem


def test_a_server_is_asked_for_its_name_and_after_starttls(servers: TlsServers, certificate: str) -> None:
    smtp = conversation((b"220 hi\r\n", b"EHLO"), (b"250-x\r\n250 STARTTLS\r\n", b"STARTTLS"), (b"220 go\r\n", None))
    port = servers.start(certificate, before=smtp, adjust=between(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, "DEFAULT"))
    (finding,) = asked(port, starttls="smtp", server_name="mail.example.com")
    assert (finding.status, finding.value) == ("ok", "TLS 1.2 and TLS 1.3")
    assert "mail.example.com" in servers.names[port]


def hello(version: int, suite: int, extensions: bytes = b"", *, cut: int | None = None) -> bytes:
    """Return a record with the answer of a server."""
    body = struct.pack("!H", version) + bytes(32) + b"\x00" + struct.pack("!H", suite) + b"\x00"
    body += struct.pack("!H", len(extensions)) + extensions if extensions else b""
    message = b"\x02" + struct.pack("!I", len(body))[1:] + body
    return (struct.pack("!BHH", 22, min(version, TLS12), len(message)) + message)[:cut]


def alert(level: int, code: int) -> bytes:
    return struct.pack("!BHHBB", 21, TLS12, 2, level, code)


def answers(choose: Callable[[int, list[int]], bytes]) -> Callable[[socket.socket], None]:
    """Return a server that answers a version and the suites that were offered."""

    def serve(connection: socket.socket) -> None:
        record = b""
        while len(record) < 5 or len(record) < 5 + int.from_bytes(record[3:5], "big"):
            record += connection.recv(65536)
        body = record[9:]
        version = int.from_bytes(body[:2], "big")
        if b"\x00\x2b\x00\x03\x02\x03\x04" in body:
            version = TLS13
        count = int.from_bytes(body[67:69], "big")
        suites = [int.from_bytes(body[69 + place : 71 + place], "big") for place in range(0, count, 2)]
        connection.sendall(choose(version, suites))

    return serve


def first_of(*wanted: int) -> Callable[[int, list[int]], bytes]:
    """Return what takes SSL 3.0 to TLS 1.2 with the first of the suites that is offered, and refuses the rest."""

    def choose(version: int, suites: list[int]) -> bytes:
        both = [suite for suite in wanted if suite in suites]
        return alert(1, 112) + hello(version, both[0]) if both and version != TLS13 else alert(2, 40)

    return choose


def test_what_no_library_offers_any_more_is_found(servers: TlsServers) -> None:
    port = servers.start(before=answers(first_of(0x0005, 0x000A, 0x0003, 0x0034, 0x0001)))
    found = {(one.rule, one.status): one for one in asked(port)}
    assert set(found) == {("tls.ssl3", "critical"), ("tls.tls10", "warning"), ("tls.tls11", "warning"), ("tls.broken_suites", "critical"),
                          ("tls.weak_suites", "warning")}  # fmt: skip
    assert found["tls.broken_suites", "critical"].value == "without encryption, without a certificate, for export"
    assert found["tls.weak_suites", "warning"].value == "with RC4, with DES"


@pytest.mark.parametrize("kind", WEAK_SUITES)
def test_each_weak_suite_is_offered_and_known(servers: TlsServers, kind: str) -> None:
    for suite in WEAK_SUITES[kind]:
        assert struct.pack("!H", suite) in client_hello(TLS12, WEAK_SUITES[kind], None)
    port = servers.start(before=answers(first_of(*WEAK_SUITES[kind])))
    assert ask(Endpoint("127.0.0.1", port), SECONDS).suites == [kind]


def test_an_answer_in_pieces_is_put_together(servers: TlsServers) -> None:
    def choose(version: int, suites: list[int]) -> bytes:
        if version != TLS12 or 0xC02F not in suites:
            return b""  # hangs up: a refusal
        message = hello(version, 0xC02F)[5:]
        return b"".join(struct.pack("!BHH", 22, TLS12, 1) + message[place : place + 1] for place in range(len(message)))

    offered = ask(Endpoint("127.0.0.1", servers.start(before=answers(choose))), SECONDS)
    assert offered == Offered({TLS13: False, TLS12: True, TLS11: False, TLS10: False, SSL3: False})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS"),
        (b"\x16\x03\x03\xff\xff" + bytes(100), "does not speak TLS"),
        (struct.pack("!BHH", 22, TLS12, 4) + b"\x02\xff\xff\xff", "does not speak TLS"),
        (struct.pack("!BHH", 22, TLS12, 4) + b"\x0b\x00\x00\x01", "does not speak TLS"),
        (struct.pack("!BHH", 22, TLS12, 0), "does not speak TLS"),
        (struct.pack("!BHH", 22, TLS12, 6) + b"\x02\x00\x00\x02\x03\x03", "does not speak TLS"),
        (hello(TLS12, 0xC02F, cut=30), "closed the connection in the middle of its answer"),
        (alert(2, 40), "refuses every version of TLS"),
        (b"", "refuses every version of TLS"),
        (b"\0" * 3, "closed the connection in the middle of its answer"),
    ],
)
def test_a_server_that_says_something_else_is_unknown(servers: TlsServers, answer: bytes, said: str) -> None:
    (finding,) = asked(servers.start(before=answers(lambda _version, _suites: answer)))
    assert finding.status == "unknown" and said in finding.summary


def test_a_server_that_stays_silent_is_given_up(servers: TlsServers) -> None:
    port = servers.start(before=servers.hold)
    (finding,) = asked(port, seconds=0.3)
    assert finding.status == "unknown" and "gave no complete answer within 0.3 s" in finding.summary
    assert servers.connections[port] == 2, "one that is down is not asked for every version"


def test_a_server_that_warns_for_ever_is_given_up(servers: TlsServers) -> None:
    port = servers.start(before=servers.drip(alert(1, 112) * 50, 0.01))
    (finding,) = asked(port, seconds=0.5)
    assert finding.status == "unknown"


def test_a_server_that_drops_old_versions_silently_is_unknown_for_these(servers: TlsServers) -> None:
    def serve(connection: socket.socket) -> None:
        answers(lambda version, suites: hello(version, suites[0]) if version == TLS12 and suites[0] == 0xC02C else (servers.hold() or b""))(connection)

    findings = asked(servers.start(before=serve), seconds=0.5)
    assert {one.status for one in findings} == {"unknown"} and len(findings) == 4  # three versions and the suites
    assert "Whether" in findings[0].summary and "SSL 3.0" in findings[0].summary
    assert len({one.subject for one in findings}) == 4


def test_nobody_there_and_no_such_name_are_unknown() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (finding,) = asked(taken.getsockname()[1])
    assert finding.status == "unknown" and "refused the connection" in finding.summary


def test_every_server_keeps_its_answer(servers: TlsServers, certificate: str) -> None:
    ports = [servers.start(certificate), servers.start(before=answers(lambda _version, _suites: b"no")), servers.start(certificate)]
    endpoints = [Endpoint("127.0.0.1", port) for port in ports] + [Endpoint("127.0.0.1", ports[0], "x" * 70 + ".example")]
    findings, figures = inspect_tls(endpoints, timeout_seconds=SECONDS, concurrency=2)
    assert [one["endpoint"] for one in figures["endpoints"]] == [str(endpoint) for endpoint in endpoints]
    unknown = [one.subject for one in findings if one.status == "unknown"]
    assert unknown == [str(endpoints[1]), str(endpoints[3])]


def test_a_server_without_tls_of_today_is_critical() -> None:
    findings = judge_server("a:1", Offered({TLS13: False, TLS12: False, TLS11: True, TLS10: False, SSL3: False}))
    assert [(one.rule, one.status) for one in findings] == [("tls.tls11", "warning"), ("tls.modern", "critical")]
    assert len({one.subject for one in findings}) == 2


def test_the_first_message_of_old_versions() -> None:
    assert client_hello(SSL3, [5], "a").startswith(b"\x16\x03\x00") and client_hello(SSL3, [5], "a").endswith(b"\x00\x04\x00\x05\x00\xff\x01\x00")
    assert client_hello(TLS10, [5], None)[9:11] == b"\x03\x01" and client_hello(TLS13, [5], None)[9:11] == b"\x03\x03"
    assert b"m\xc3" not in client_hello(TLS12, [5], "m\u00fcnchen.example") and b"xn--mnchen-3ya.example" in client_hello(TLS12, [5], "m\u00fcnchen.example")
