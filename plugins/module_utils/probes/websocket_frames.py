# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""WebSocket frames (RFC 6455, section 5): what a client sends, masked, and what it accepts from a server."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)

MAX_MESSAGE_BYTES = 1024 * 1024
#: What a busy server may send before its answer counts as not coming.
MAX_RECEIVED_BYTES = 16 * 1024 * 1024
_MAX_CONTROL_BYTES = 125


class Frame(NamedTuple):
    """One frame of a server."""

    final: bool
    opcode: int
    payload: bytes


class Message(NamedTuple):
    """A whole message, or a control frame; ``opcode`` is TEXT, BINARY, CLOSE or PONG."""

    opcode: int
    payload: bytes


def client_frame(opcode: int, payload: bytes, make_mask: Callable[[int], bytes] = os.urandom) -> bytes:
    """Return one final frame, masked as everything that a client sends must be."""
    length = len(payload)
    if length <= _MAX_CONTROL_BYTES:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
    mask = make_mask(4)
    key = (mask * (length // 4 + 1))[:length]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
    return head + mask + masked


def read_frame(stream: Stream) -> Frame:
    """Read one frame.

    :raises Broken: when the server breaks the protocol, or the frame is larger than a megabyte.
    """
    first, second = stream.read_exactly(2)
    opcode, final = first & 0x0F, bool(first & 0x80)
    length = second & 0x7F
    if first & 0x70:
        raise Broken("sent a WebSocket frame of an extension that was not agreed")
    if second & 0x80:
        raise Broken("sent a masked WebSocket frame, which a server must not")
    if opcode not in _OPCODES:
        raise Broken(f"sent a WebSocket frame of an unknown kind ({opcode:#x})")
    if opcode >= CLOSE and (length > _MAX_CONTROL_BYTES or not final):
        raise Broken("sent a WebSocket control frame that is too long or in parts")
    if length == 126:
        (length,) = struct.unpack("!H", stream.read_exactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", stream.read_exactly(8))
    if length > MAX_MESSAGE_BYTES:
        raise Broken(f"sent a WebSocket frame of more than {MAX_MESSAGE_BYTES} bytes")
    return Frame(final, opcode, stream.read_exactly(length))


class Conversation:
    """An open WebSocket: messages are put together from their parts, pings of the server are answered."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._received_bytes = 0
        self._parts = bytearray()
        self._opcode = CONTINUATION
        self._open = False

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one message or control frame."""
        self._stream.send(client_frame(opcode, payload))

    def receive(self) -> Message:
        """Return the next message, pong or close.

        :raises Broken: when the server breaks the protocol or has sent far too much.
        """
        while True:
            frame = read_frame(self._stream)
            self._received_bytes += len(frame.payload) + 2
            if self._received_bytes > MAX_RECEIVED_BYTES:
                raise Broken(f"sent more than {MAX_RECEIVED_BYTES} bytes without what was expected")
            if frame.opcode == PING:
                self.send(PONG, frame.payload)
            elif frame.opcode in (CLOSE, PONG):
                return Message(frame.opcode, frame.payload)
            else:
                self._add(frame)
                if frame.final:
                    return Message(self._opcode, bytes(self._parts))

    def _add(self, frame: Frame) -> None:
        if frame.opcode == CONTINUATION:
            if not self._open:
                raise Broken("sent the continuation of a WebSocket message that never began")
        elif self._open:
            raise Broken("began a WebSocket message within another")
        else:
            self._opcode, self._parts = frame.opcode, bytearray()
        self._parts += frame.payload
        self._open = not frame.final
        if len(self._parts) > MAX_MESSAGE_BYTES:
            raise Broken(f"sent a WebSocket message of more than {MAX_MESSAGE_BYTES} bytes")


def close_reason(payload: bytes) -> str:
    """Return what a close frame says: its code and reason."""
    if len(payload) < 2:
        return "no reason given"
    (code,) = struct.unpack("!H", payload[:2])
    reason = plain(decode(payload[2:]), 100)
    return f"{code} {reason}".strip()
