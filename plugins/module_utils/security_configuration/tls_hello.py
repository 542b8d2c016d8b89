# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first message of TLS, written by hand, and what a server answers to it (RFC 5246, RFC 8446).

A library offers only what it was built with: OpenSSL of today offers neither SSL 3 nor RC4, and could not tell that a server has them.
The answer to the first message says which version and which suite the server has chosen; the handshake is not finished.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
NAMES = {SSL3: "SSL 3.0", TLS10: "TLS 1.0", TLS11: "TLS 1.1", TLS12: "TLS 1.2", TLS13: "TLS 1.3"}

#: Suites by what is weak about them. Numbers of the registry of IANA.
WEAK_SUITES: dict[str, tuple[int, ...]] = {
    "without encryption": (0x0001, 0x0002, 0x003B, 0x002C, 0x002D, 0xC001, 0xC006, 0xC00B, 0xC010, 0x00B4, 0x00B5, 0xC039),
    "without a certificate": (
        0x0018, 0x001B, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6, 0x00A7, 0x0046, 0x0089, 0xC015, 0xC016, 0xC017, 0xC018, 0xC019,
    ),
    "for export": (0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0017, 0x0019, 0x0060, 0x0062, 0x0063, 0x0064, 0x0065),
    "with RC4": (0x0004, 0x0005, 0x0066, 0x008A, 0xC002, 0xC007, 0xC00C, 0xC011),
    "with DES": (0x0009, 0x000A, 0x000C, 0x000D, 0x000F, 0x0010, 0x0012, 0x0013, 0x0015, 0x0016, 0xC003, 0xC008, 0xC00D, 0xC012),
}  # fmt: skip
#: What clients of each time offer, so that a server that has the version finds something.
_USUAL_SUITES = (
    0xC02C, 0xC030, 0x009F, 0xCCA9, 0xCCA8, 0xCCAA, 0xC02B, 0xC02F, 0x009E, 0xC024, 0xC028, 0x006B, 0xC023, 0xC027, 0x0067, 0xC00A, 0xC014,
    0x0039, 0x0038, 0xC009, 0xC013, 0x0033, 0x0032, 0x009D, 0x009C, 0x003D, 0x003C, 0x0035, 0x002F, 0x0041, 0x0084, 0xC0AC, 0xC0AD,
)  # fmt: skip
_SUITES_13 = (0x1302, 0x1303, 0x1301, 0x1304, 0x1305)
_GROUPS = (0x001D, 0x0017, 0x001E, 0x0018, 0x0019, 0x0100)
_SIGNATURES = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0303, 0x0203, 0x0301,
    0x0201, 0x0402, 0x0502, 0x0602, 0x0202,
)  # fmt: skip
_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO = 2
_MOST_RECORD = 16384 + 2048
_MOST_HELLO = 65536
#: No secure renegotiation is asked for twice: the signalling suite stands for the extension.
_SIGNALLING = 0x00FF


class Chosen(NamedTuple):
    """What a server chose."""

    version: int
    suite: int


def usual_suites(version: int) -> tuple[int, ...]:
    """Return the suites to offer when it is the version that is asked for."""
    return _SUITES_13 if version == TLS13 else (*_USUAL_SUITES, *(suite for suites in WEAK_SUITES.values() for suite in suites))


def client_hello(version: int, suites: Sequence[int], server_name: str | None) -> bytes:
    """Return the record that offers one version and these suites.

    :param server_name: the name to ask for; None for none, as for an address.
    """
    body = struct.pack("!H", min(version, TLS12)) + os.urandom(32) + b"\x20" + os.urandom(32)
    offered = [*suites] if version == TLS13 else [*suites, _SIGNALLING]
    body += _sized(b"".join(struct.pack("!H", suite) for suite in offered)) + b"\x01\x00"
    # SSL 3 knows no extensions.
    if version != SSL3:
        body += _sized(_extensions(version, server_name))
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return struct.pack("!BHH", _HANDSHAKE, SSL3 if version == SSL3 else TLS10, len(message)) + message


def _extensions(version: int, server_name: str | None) -> bytes:
    def pack(kind: int, content: bytes) -> bytes:
        return struct.pack("!H", kind) + _sized(content)

    parts = [
        pack(10, _sized(b"".join(struct.pack("!H", group) for group in _GROUPS))),
        pack(11, b"\x01\x00"),
        pack(13, _sized(b"".join(struct.pack("!H", one) for one in _SIGNATURES))),
    ]
    if server_name:
        parts.insert(0, pack(0, _sized(b"\x00" + _sized(server_name.encode("idna")))))
    if version == TLS13:
        # Any 32 bytes are a public key of X25519.
        parts += [pack(43, b"\x02\x03\x04"), pack(51, _sized(b"\x00\x1d" + _sized(os.urandom(32)))), pack(45, b"\x01\x01")]
    return b"".join(parts)


def _sized(content: bytes) -> bytes:
    return struct.pack("!H", len(content)) + content


def read_answer(stream: Stream) -> Chosen | None:
    """Return what the server chose, or None when it refuses.

    :raises Broken: when it answers something that is no TLS, or nothing in time.
    """
    message = b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        head = _exactly(stream, 5, bool(message))
        if head is None:
            return None
        kind, _version, length = struct.unpack("!BHH", head)
        if kind not in (_HANDSHAKE, _ALERT) or head[1] != 3 or length > _MOST_RECORD:
            raise Broken("does not speak TLS")
        content = stream.read_exactly(length)
        if kind == _ALERT:
            # A warning, such as one about an unknown name, goes before the answer.
            if len(content) == 2 and content[0] == 1 and content[1] != 0:
                continue
            return None
        message += content
        if message[:1] != bytes([_SERVER_HELLO]) or int.from_bytes(message[1:4].ljust(3, b"\0"), "big") > _MOST_HELLO:
            raise Broken("does not speak TLS")
    return _hello(message[4 : 4 + int.from_bytes(message[1:4], "big")])


def _exactly(stream: Stream, count: int, begun: bool) -> bytes | None:
    """Return the bytes of a head; None when the server hangs up instead of answering, which is a refusal too."""
    data = b""
    while len(data) < count:
        try:
            more = stream.read(count - len(data))
        except Broken as exc:
            if "reset" in str(exc) and not data and not begun:
                return None
            raise
        if not more:
            if data or begun:
                raise Broken("closed the connection in the middle of its answer")
            return None
        data += more
    return data


def _hello(body: bytes) -> Chosen:
    if len(body) < 38 or len(body) < 35 + body[34] + 3:
        raise Broken("does not speak TLS")
    version = int.from_bytes(body[:2], "big")
    place = 35 + body[34]
    suite = int.from_bytes(body[place : place + 2], "big")
    rest = body[place + 5 :]
    while len(rest) >= 4:
        kind, length = struct.unpack("!HH", rest[:4])
        if kind == 43 and length == 2:
            version = int.from_bytes(rest[4:6], "big")
        rest = rest[4 + length :]
    return Chosen(version, suite)
