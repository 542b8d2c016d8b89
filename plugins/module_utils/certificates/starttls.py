# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said on a plain connection before TLS begins.

Each conversation is as short as its protocol allows: SMTP (RFC 3207), IMAP (RFC 9051), POP3 (RFC 2595), FTP
(RFC 4217), LDAP (RFC 4511), PostgreSQL and MySQL (their protocol manuals). No name and no password is ever sent.
"""

from __future__ import annotations

import struct

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_LINE_BYTES = 4096
_MOST_LINES = 100
_MOST_BINARY_BYTES = 16384
_INJECTED = "sent more data after it agreed to TLS and before TLS had begun"

#: The request code of PostgreSQL that asks for TLS.
_POSTGRESQL_REQUEST = struct.pack("!II", 8, 80877103)
#: LDAP message 1: an extended request with the object identifier of StartTLS.
_LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_MYSQL_CLIENT_SSL = 0x0800
#: Protocol 4.1, TLS and authentication of 4.1, packets of 16 MiB, latin1.
_MYSQL_REQUEST = b"\x20\x00\x00\x01" + struct.pack("<IIB23x", 0x0200 | _MYSQL_CLIENT_SSL | 0x8000, 1 << 24, 8)


def start_tls(stream: Stream, protocol: str) -> None:
    """Speak until the next byte on the connection belongs to TLS.

    :raises Broken: when the server refuses, speaks something else, or speaks on before TLS has begun.
    """
    _CONVERSATIONS[protocol](stream)
    if stream.pending:
        # Whoever sits in between could slip in answers that would count as protected.
        raise Broken(_INJECTED)


def _smtp(stream: Stream) -> None:
    _expect_code(stream, "220", "SMTP")
    stream.send(b"EHLO localhost\r\n")
    offered = _expect_code(stream, "250", "SMTP")
    if not any(line[4:].strip().upper() == "STARTTLS" for line in offered):
        raise Broken("does not offer STARTTLS")
    stream.send(b"STARTTLS\r\n")
    _expect_code(stream, "220", "SMTP")


def _ftp(stream: Stream) -> None:
    _expect_code(stream, "220", "FTP")
    stream.send(b"AUTH TLS\r\n")
    _expect_code(stream, "234", "FTP")


def _expect_code(stream: Stream, code: str, protocol: str) -> list[str]:
    """Read a reply of SMTP or FTP, which may have several lines, and return them."""
    lines = []
    for _number in range(_MOST_LINES):
        line = _line(stream)
        lines.append(line)
        if line[:3].isdigit() and line[3:4] in ("", " "):
            break
        if not lines[0][:3].isdigit():
            raise Broken(f"does not speak {protocol}: it said {plain(line, 80)!r}")
    else:
        raise Broken(f"sent more than {_MOST_LINES} lines")
    if not lines[-1].startswith(code):
        raise Broken(f"refused to start TLS: it said {plain(lines[-1], 80)!r}")
    return lines


def _imap(stream: Stream) -> None:
    _expect_start(stream, "* OK", "IMAP")
    stream.send(b"a1 STARTTLS\r\n")
    for _number in range(_MOST_LINES):
        line = _line(stream)
        if line.startswith("a1 "):
            if not line.upper().startswith("A1 OK"):
                raise Broken(f"refused to start TLS: it said {plain(line, 80)!r}")
            return
    raise Broken(f"sent more than {_MOST_LINES} lines")


def _pop3(stream: Stream) -> None:
    _expect_start(stream, "+OK", "POP3")
    stream.send(b"STLS\r\n")
    line = _line(stream)
    if not line.upper().startswith("+OK"):
        raise Broken(f"refused to start TLS: it said {plain(line, 80)!r}")


def _expect_start(stream: Stream, start: str, protocol: str) -> None:
    line = _line(stream)
    if not line.upper().startswith(start):
        raise Broken(f"does not speak {protocol}: it said {plain(line, 80)!r}")


def _line(stream: Stream) -> str:
    line = stream.read_line(_LINE_BYTES)
    if not line and stream.ended:
        raise Broken("closed the connection before TLS had begun")
    return decode(line)


def _postgresql(stream: Stream) -> None:
    stream.send(_POSTGRESQL_REQUEST)
    # All that has come: more than one byte was slipped in (CVE-2021-23222).
    answer = stream.read(64)
    if answer[:1] == b"S" and len(answer) > 1:
        raise Broken(_INJECTED)
    if answer == b"N":
        raise Broken("refused to start TLS: PostgreSQL has it switched off (ssl = off)")
    if not answer:
        raise Broken("closed the connection before TLS had begun")
    if answer != b"S":
        raise Broken(f"does not speak PostgreSQL: it answered {plain(decode(answer))!r}")


def _mysql(stream: Stream) -> None:
    head = stream.read_exactly(4)
    length = int.from_bytes(head[:3], "little")
    if not 1 <= length <= _MOST_BINARY_BYTES:
        raise Broken("does not speak MySQL")
    greeting = stream.read_exactly(length)
    version, end, rest = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or not end or len(rest) < 15:
        raise Broken(f"refused to start TLS: it said {plain(decode(greeting[3:] or version), 80)!r}")
    # Behind the version: thread id (4), part of the scramble (8), a zero, the lower half of the capabilities.
    if not int.from_bytes(rest[13:15], "little") & _MYSQL_CLIENT_SSL:
        raise Broken("does not offer TLS: MySQL has it switched off")
    stream.send(_MYSQL_REQUEST)


def _ldap(stream: Stream) -> None:
    stream.send(_LDAP_REQUEST)
    head = stream.read_exactly(2)
    length = head[1]
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(stream.read_exactly(count), "big") if 1 <= count <= 4 else 0
    if head[:1] != b"\x30" or not 1 <= length <= _MOST_BINARY_BYTES:
        raise Broken("does not speak LDAP")
    answer = stream.read_exactly(length)
    # Message 1, an extended response, and the result code within it.
    body = answer[4:]
    skip = 1 + (body[0] & 0x7F if body and body[0] & 0x80 else 0)
    if answer[:4] != b"\x02\x01\x01\x78" or body[skip : skip + 2] != b"\x0a\x01":
        raise Broken("does not speak LDAP")
    result = body[skip + 2 : skip + 3]
    if result != b"\0":
        raise Broken(f"refused to start TLS: LDAP result {result[0] if result else 'missing'}")


_CONVERSATIONS = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "ldap": _ldap,
    "postgresql": _postgresql,
    "mysql": _mysql,
}

PROTOCOLS = tuple(_CONVERSATIONS)
