# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DNS messages (RFC 1035): one question as bytes, an answer read with every length and pointer distrusted."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

RECORD_TYPES = {"A": 1, "AAAA": 28}
_FAMILIES = {1: socket.AF_INET, 28: socket.AF_INET6}
_SIZES = {1: 4, 28: 16}
_INTERNET = 1
_MAX_RECORDS = 200
_MAX_LABELS = 128


class Garbled(ValueError):
    """The message is no answer to the question that was asked."""


class Answer(NamedTuple):
    """What a server answered.

    :ivar code: 0 no error, 2 server failure, 3 no such name, 5 refused.
    :ivar truncated: the rest of the answer must be asked for over TCP.
    :ivar addresses: addresses of the record type that was asked for, also those behind aliases.
    """

    code: int
    truncated: bool
    addresses: tuple[str, ...]


def question(identity: int, host: str, record: str) -> bytes:
    """Return the question for the records of a host, with recursion desired.

    :raises ValueError: when the host is no valid name.
    """
    labels = [label.encode("idna") if not label.isascii() else label.encode("ascii") for label in _labels(host)]
    if any(not 0 < len(label) <= 63 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{host!r} is no valid host name")
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", RECORD_TYPES[record], _INTERNET)


def _labels(host: str) -> list[str]:
    stripped = host[:-1] if host.endswith(".") else host
    return stripped.split(".")


def read_answer(message: bytes, asked: bytes) -> Answer:
    """Read the answer to a question.

    :param asked: the question as it was sent; identity, name and type must be repeated by the answer.
    :raises Garbled: when it is no answer to that question, or breaks off.
    """
    try:
        identity, flags, questions, records, _authorities, _others = struct.unpack_from("!6H", message)
        if message[:2] != asked[:2] or not flags & 0x8000:
            raise Garbled("it answers another question")
        position = 12
        if questions:
            if message[12 : len(asked)].lower() != asked[12:].lower():
                raise Garbled("it repeats another question")
            position = len(asked)
        (kind,) = struct.unpack("!H", asked[-4:-2])
        addresses = _read_records(message, position, min(records, _MAX_RECORDS), kind)
    except (struct.error, IndexError) as exc:
        raise Garbled("it breaks off") from exc
    return Answer(flags & 0xF, bool(flags & 0x0200), addresses)


def _read_records(message: bytes, position: int, count: int, kind: int) -> tuple[str, ...]:
    found = []
    for _record in range(count):
        position = _skip_name(message, position)
        record_kind, record_class, _lifetime, length = struct.unpack_from("!2HIH", message, position)
        position += 10
        data = message[position : position + length]
        if len(data) != length:
            raise Garbled("it breaks off")
        position += length
        if record_kind == kind and record_class == _INTERNET and length == _SIZES[kind]:
            found.append(socket.inet_ntop(_FAMILIES[kind], data))
    return tuple(found)


def _skip_name(message: bytes, position: int) -> int:
    """Return the position behind a name; a pointer ends it and need not be followed."""
    for _label in range(_MAX_LABELS):
        length = message[position]
        if length & 0xC0 == 0xC0:
            return position + 2
        if length & 0xC0:
            raise Garbled("it holds a label of an unknown kind")
        position += 1 + length
        if length == 0:
            return position
    raise Garbled("it holds a name without end")
