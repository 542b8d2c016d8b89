# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much work a file asks for before its passphrase becomes a key. Bytes in, numbers out."""

from __future__ import annotations

from collections.abc import Iterator

#: Nothing can stop the library while it turns a passphrase into a key: 2 147 483 647 rounds, which a file can ask for,
#: take an hour for each passphrase. OpenSSL writes 2048 rounds, Java 10 000.
MAX_ROUNDS = 1_000_000
_MAX_DEPTH = 32
_INTEGER, _OCTETS, _CONSTRUCTED = 0x02, 0x04, 0x20
#: The object identifier of scrypt (RFC 7914). It asks for cost, size of a block and parallelism, in a row: OpenSSL writes
#: 16384, 8 and 1, which need 16 MiB. Newer versions of the library take as much memory as a file asks for.
_SCRYPT = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b"
_MOST = 2**63


def rounds_asked(der: bytes, depth: int = 0, *, scrypt: bool = False) -> Iterator[int]:
    """Yield the numbers of rounds that are asked for: each stands right behind the salt, a string of octets.

    So it is in PKCS#12 and in PKCS#8; the salt may be a string in pieces, and zeros end what has no length.

    :param scrypt: the numbers behind a salt are multiplied. Found out from the bytes.
    """
    scrypt = scrypt or _SCRYPT in der
    position, before, asked = 0, 0, 1
    while depth < _MAX_DEPTH and position + 2 <= len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length == 0x80:  # as long as what holds it
            length = len(der) - position
        elif length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[position : position + count], "big")
            position += count
        content = der[position : position + length]
        if tag == _INTEGER and before in (_OCTETS, _OCTETS | _CONSTRUCTED) and length <= 9:
            asked = min(_MOST, asked * int.from_bytes(content, "big"))
            yield asked
            tag = before if scrypt else tag
        elif tag & _CONSTRUCTED or (tag == _OCTETS and content[:1] == b"\x30"):
            yield from rounds_asked(content, depth + 1, scrypt=scrypt)
        if tag != before or not scrypt:
            asked = 1
        position += length
        before = tag or before
