"""TLS that begins after a conversation, as each protocol has it, with real connections; and servers that do it wrong."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.served import Served, Trust, ask_all
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.starttls import PROTOCOLS
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import present
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.tls_servers import (
    TlsServers,
    conversation,
)

LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
LDAP_OK = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
#: As Active Directory writes lengths.
LDAP_OK_LONG = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"
LDAP_REFUSED = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"
POSTGRESQL_REQUEST = struct.pack("!II", 8, 80877103)


def mysql_greeting(capabilities: int) -> bytes:
    body = b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", capabilities) + b"\xff\x02\0" * 6
    return len(body).to_bytes(3, "little") + b"\0" + body


SMTP = [(b"220-hello\r\n220 mail ESMTP\r\n", b"EHLO "), (b"250-mail\r\n250-SIZE\r\n250 STARTTLS\r\n", b"STARTTLS\r\n")]
GOOD = {
    "smtp": [*SMTP, (b"220 go\r\n", None)],
    "imap": [(b"* OK [CAPABILITY IMAP4rev1] ready\r\n", b"a1 STARTTLS\r\n"), (b"* BYTHEWAY\r\na1 OK now\r\n", None)],
    "pop3": [(b"+OK hello\r\n", b"STLS\r\n"), (b"+OK\r\n", None)],
    "ftp": [(b"220-a\r\n  free text\r\n220 b\r\n", b"AUTH TLS\r\n"), (b"234 go\r\n", None)],
    "ldap": [(b"", LDAP_REQUEST), (LDAP_OK, None)],
    "postgresql": [(b"", POSTGRESQL_REQUEST), (b"S", None)],
    "mysql": [(mysql_greeting(0xFFFF), b"\x20\x00\x00\x01")],
}


def look(port: int, protocol: str, timeout_seconds: float = 5.0) -> Served | Unreadable:
    endpoint = Endpoint("127.0.0.1", port, starttls=protocol)
    return ask_all([endpoint], Trust(False, ""), timeout_seconds=timeout_seconds, concurrency=1)[0]


def test_every_protocol_is_tried_here() -> None:
    assert set(GOOD) == set(PROTOCOLS)


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "active directory"])
def test_the_certificate_behind_a_conversation(tmp_path: Path, servers: TlsServers, protocol: str) -> None:
    issued = present()
    before = conversation(*GOOD.get(protocol, [(b"", LDAP_REQUEST), (LDAP_OK_LONG, None)]))
    if protocol == "mysql":  # its request is 36 bytes, which a conversation only knows by their beginning
        def before(connection):  # type: ignore[no-untyped-def, misc]
            connection.sendall(mysql_greeting(0xFFFF))
            assert len(connection.recv(36)) == 36

    answer = look(servers.start(issued.write(tmp_path / "a.pem"), before), protocol if protocol in GOOD else "ldap")
    assert isinstance(answer, Served), answer
    assert answer.leaf == issued.der


@pytest.mark.parametrize(
    ("protocol", "lines", "said"),
    [
        ("smtp", [(b"220 mail\r\n", b"EHLO "), (b"250-mail\r\n250 SIZE\r\n", None)], "does not offer STARTTLS"),
        ("smtp", [(b"554 go away\r\n", None)], "refused to start TLS: it said '554 go away'"),
        ("smtp", [*SMTP, (b"454 not now\r\n", None)], "refused to start TLS: it said '454 not now'"),
        ("smtp", [*SMTP, (b"220 go\r\n250 injected\r\n", None)], "sent more data after it agreed to TLS"),
        ("smtp", [(b"220-on and on\r\n" * 200, None)], "sent more than 100 lines"),
        ("smtp", [(b"2" * 10_000, None)], "sent a line of more than 4096 bytes"),
        ("smtp", [(b"\x00\xff\x1b[2J\r\n", None)], "does not speak SMTP"),
        ("smtp", [(b"", None)], "closed the connection before TLS had begun"),
        ("imap", [(b"* OK\r\n", b"a1 "), (b"a1 NO\r\n", None)], "refused to start TLS: it said 'a1 NO'"),
        ("imap", [(b"* BYE\r\n", None)], "does not speak IMAP"),
        ("imap", [(b"* OK\r\n", b"a1 "), (b"a1 OK\r\na2 OK\r\n", None)], "sent more data"),
        ("pop3", [(b"+OK\r\n", b"STLS"), (b"-ERR\r\n", None)], "refused to start TLS: it said '-ERR'"),
        ("ftp", [(b"220 a\r\n", b"AUTH"), (b"502 no\r\n", None)], "refused to start TLS: it said '502 no'"),
        ("ldap", [(b"", LDAP_REQUEST), (LDAP_REFUSED, None)], "refused to start TLS: LDAP result 2"),
        ("ldap", [(b"", LDAP_REQUEST), (b"HTTP/1.1 400 Bad\r\n", None)], "does not speak LDAP"),
        ("postgresql", [(b"", POSTGRESQL_REQUEST), (b"N", None)], "switched off (ssl = off)"),
        ("postgresql", [(b"", POSTGRESQL_REQUEST), (b"", None)], "closed the connection"),
        ("postgresql", [(b"", POSTGRESQL_REQUEST), (b"E", None)], "does not speak PostgreSQL"),
        ("postgresql", [(b"", POSTGRESQL_REQUEST), (b"Sinjected", None)], "sent more data"),
        ("mysql", [(mysql_greeting(0xF7FF), None)], "does not offer TLS"),
        ("mysql", [(b"\x10\0\0\0\xffj\x04Host is blocked", None)], "refused to start TLS"),
        ("mysql", [(b"\xff\xff\xff\0", None)], "does not speak MySQL"),
    ],
)
def test_a_server_that_does_not_begin_tls_is_said_to(
    servers: TlsServers, protocol: str, lines: list[tuple[bytes, bytes | None]], said: str
) -> None:
    answer = look(servers.start(before=conversation(*lines)), protocol)
    assert isinstance(answer, Unreadable)
    assert said in str(answer)


@pytest.mark.parametrize("protocol", ["", *PROTOCOLS])
@pytest.mark.parametrize("data", [b"", b"2", b"220-x\r\n"])
def test_silence_and_drops_end_in_time(servers: TlsServers, protocol: str, data: bytes) -> None:
    port = servers.start(before=servers.drip(data, 0.05) if data else servers.hold)
    started = time.monotonic()
    answer = look(port, protocol, timeout_seconds=0.2)
    assert isinstance(answer, Unreadable)
    assert time.monotonic() - started < 5
