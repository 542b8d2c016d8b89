# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The WebSocket probe: the handshake of RFC 6455 with its key check, then a ping or a conversation.

A proxy that answers 101 to everything, or a server that accepts and then hangs, is found out; a GET would not do that.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import parse_url
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.http_exchange import with_credentials
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.http_wire import Head, read_head, request_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Outcome, seconds
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream, open_stream, tls_options
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.websocket_frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Conversation,
    close_reason,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

SCHEMES = ("ws", "wss")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NORMAL_CLOSURE = struct.pack("!H", 1000)
#: How long a server may take to say goodbye; it is not judged by that.
_GOODBYE_SECONDS = 0.5


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    return f"WebSocket {parse_url(options['url'], SCHEMES).shown}"


def probe_websocket(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Open a WebSocket, prove that somebody lives behind it, and close it."""
    target = parse_url(options["url"], SCHEMES)
    stream = open_stream(target.host, target.port, deadline, tls_options(options, target.secure))
    try:
        _shake_hands(stream, options)
        conversation = Conversation(stream)
        did = _converse(conversation, options, deadline)
        latency = deadline.elapsed()
        _say_goodbye(conversation, stream)
    finally:
        stream.close()
    return Outcome(OK, f"{target_of(options)} {did} after {seconds(latency)}.", latency)


def accept_key(key: str) -> str:
    """Return what a server that understands WebSocket answers to the key of a handshake."""
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + _MAGIC, usedforsecurity=False).digest()).decode("ascii")


def _shake_hands(stream: Stream, options: dict[str, Any]) -> None:
    target = parse_url(options["url"], SCHEMES)
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    defaults = {
        "Host": options["host_header"] or target.host_header,
        "User-Agent": "upkeep.runbook health_probe",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    if options["subprotocol"]:
        defaults["Sec-WebSocket-Protocol"] = options["subprotocol"]
    headers = {
        name: value
        for name, value in with_credentials(options["headers"], target).items()
        if name.lower() not in ("upgrade", "connection", "sec-websocket-key", "sec-websocket-version")
    }
    stream.send(request_bytes("GET", target.path, defaults, headers, None))
    complaint = handshake_complaint(read_head(stream), key, options["subprotocol"])
    if complaint:
        raise Broken(complaint)


def handshake_complaint(head: Head, key: str, subprotocol: str | None) -> str:
    """Return what is wrong with the answer to a handshake, or an empty string."""
    if head.status != 101:
        return f"answered {head.status} to the handshake; 101 was expected"
    if head.joined("upgrade").lower() != "websocket":
        return "answered 101 without the header Upgrade: websocket"
    if "upgrade" not in [word.strip() for word in head.joined("connection").lower().split(",")]:
        return "answered 101 without the header Connection: Upgrade"
    accepted = head.joined("sec-websocket-accept")
    if not accepted:
        return "answered 101 without Sec-WebSocket-Accept; whatever answers there speaks no WebSocket"
    if accepted != accept_key(key):
        return "answered 101 with a wrong Sec-WebSocket-Accept; whatever answers there speaks no WebSocket"
    if head.all("sec-websocket-extensions"):
        return "chose a WebSocket extension that was not offered"
    chosen = head.joined("sec-websocket-protocol")
    if chosen != (subprotocol or ""):
        return f"chose the subprotocol {plain(chosen, 60)!r}; {subprotocol or ''!r} was offered"
    return ""


def _converse(conversation: Conversation, options: dict[str, Any], deadline: Deadline) -> str:
    """Do what the options ask for and return what the server did."""
    did = "completed the handshake"
    if options["send"] is not None:
        conversation.send(TEXT, options["send"].encode("utf-8"))
    if options["expect"] is not None:
        _await_message(conversation, options["expect"], deadline)
        did = "sent the expected message"
    if options["ping"]:
        _await_pong(conversation)
        did += " and answered a ping"
    return did


def _await_message(conversation: Conversation, pattern: str, deadline: Deadline) -> None:
    others = 0
    while True:
        try:
            message = conversation.receive()
        except Broken as exc:
            raise Broken(f"{exc}: a message with {pattern!r} was expected and {others} others came") from exc
        if message.opcode == CLOSE:
            raise Broken(f"closed the WebSocket ({close_reason(message.payload)}) before the expected message")
        if message.opcode == PONG:
            continue
        if found(pattern, decode(message.payload), deadline):
            return
        others += 1


def _await_pong(conversation: Conversation) -> None:
    proof = os.urandom(8)
    conversation.send(PING, proof)
    while True:
        try:
            message = conversation.receive()
        except Broken as exc:
            raise Broken(f"completed the handshake, but to a ping it {exc}") from exc
        if message.opcode == CLOSE:
            raise Broken(f"closed the WebSocket ({close_reason(message.payload)}) instead of answering a ping")
        if message.opcode == PONG and message.payload == proof:
            return


def _say_goodbye(conversation: Conversation, stream: Stream) -> None:
    """Close as the protocol asks for, so that the server logs no error; what it answers is not judged."""
    try:
        conversation.send(CLOSE, _NORMAL_CLOSURE)
        stream.hurry(_GOODBYE_SECONDS)
        while conversation.receive().opcode != CLOSE:
            continue
    except Broken:
        pass
