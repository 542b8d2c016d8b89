"""The WebSocket probe against real servers, honest and other."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.websocket import accept_key

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def header(head: bytes, name: str) -> str:
    for line in head.decode().split("\r\n"):
        key, _colon, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


def switch(head: bytes, *headers: str) -> bytes:
    digest = hashlib.sha1((header(head, "sec-websocket-key") + GUID).encode()).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: WebSocket",
        "Connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    first = opcode | (0x80 if final else 0)
    if len(payload) < 126:
        return struct.pack("!BB", first, len(payload)) + payload
    return struct.pack("!BBH", first, 126, len(payload)) + payload


def receive(connection: socket.socket) -> tuple[int, bytes]:
    """Read one frame of a client; an unmasked one would be a mistake of ours."""
    first, second = read(connection, 2)
    assert first & 0x80 and second & 0x80, "a client sends whole, masked frames"
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", read(connection, 2))
    mask = read(connection, 4)
    payload = read(connection, length)
    return first & 0xF, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        received = connection.recv(count - len(data))
        if not received:
            raise ConnectionResetError
        data += received
    return data


@pytest.fixture
def websocket(servers, request_head):
    """Return what starts a WebSocket server that does something after the handshake and then answers pings."""

    def start(opening: bytes = b"", *, headers: tuple[str, ...] = (), on_text=None, pongs: bool = True, seen=None, tls=None):
        def handler(connection: socket.socket) -> None:
            head = request_head(connection)
            connection.sendall(switch(head, *headers) + opening)
            while True:
                opcode, payload = receive(connection)
                if seen is not None:
                    seen.append((opcode, payload))
                if opcode == 9 and pongs:
                    connection.sendall(frame(10, payload))
                elif opcode == 1 and on_text is not None:
                    connection.sendall(on_text(payload))
                elif opcode == 8:
                    connection.sendall(frame(8, payload))
                    return

        return servers.start(handler, certificate=tls)

    return start


def test_the_key_of_the_standard_gets_the_answer_of_the_standard():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_websocket_that_answers_a_ping_is_ok_and_is_closed_cleanly(websocket, look):
    seen: list[tuple[int, bytes]] = []
    outcome = look("websocket", url=f"ws://127.0.0.1:{websocket(seen=seen)}/")
    assert outcome.status == "ok"
    assert "completed the handshake and answered a ping after 0." in outcome.summary
    assert [opcode for opcode, _payload in seen] == [9, 8]
    assert seen[-1][1] == struct.pack("!H", 1000)


def test_over_tls(websocket, look, certificates):
    port = websocket(tls="good.pem")
    authority = str(certificates / "authority.pem")
    assert look("websocket", url=f"wss://localhost:{port}/", ca_file=authority).status == "ok"
    assert look("websocket", url=f"wss://localhost:{port}/", ca_file=authority, server_name="x.test").status == "critical"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "answered 200 to the handshake; 101 was expected"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "without Sec-WebSocket-Accept"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
         b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "wrong Sec-WebSocket-Accept"),
        (b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n", "without the header Upgrade"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "without the header Connection"),
        (b"nothing like it\r\n", "not HTTP"),
    ],
)
def test_an_answer_that_is_no_handshake_is_critical(answering, look, answer, said):
    outcome = look("websocket", url=f"ws://127.0.0.1:{answering(answer, hold=True)}/")
    assert (outcome.status, said in outcome.summary) == ("critical", True), outcome.summary


@pytest.mark.parametrize(
    ("opening", "said"),
    [
        (struct.pack("!BB", 0x81, 0x80) + b"\0" * 4, "masked WebSocket frame"),
        (struct.pack("!BB", 0xC1, 0), "extension that was not agreed"),
        (struct.pack("!BB", 0x83, 0), "unknown kind (0x3)"),
        (struct.pack("!BB", 0x09, 0), "control frame that is too long or in parts"),
        (struct.pack("!BBQ", 0x82, 127, 1 << 40), "more than 1048576 bytes"),
        (frame(0, b"x"), "continuation of a WebSocket message that never began"),
        (frame(1, b"x", final=False) + frame(1, b"y"), "within another"),
        (frame(8, struct.pack("!H", 1013) + b"try later"), "closed the WebSocket (1013 try later)"),
        (frame(8, b""), "closed the WebSocket (no reason given)"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_critical(websocket, look, opening, said):
    outcome = look("websocket", url=f"ws://127.0.0.1:{websocket(opening)}/")
    assert (outcome.status, said in outcome.summary) == ("critical", True), outcome.summary


def test_a_server_that_accepts_and_hangs_is_critical(websocket, look):
    port = websocket(pongs=False)
    outcome = look("websocket", url=f"ws://127.0.0.1:{port}/", timeout_seconds=0.3)
    assert outcome.status == "critical"
    assert "but to a ping it gave no complete answer within 0.3 s" in outcome.summary
    assert look("websocket", url=f"ws://127.0.0.1:{port}/", ping=False).status == "ok"


def test_a_wrong_pong_is_no_pong_and_other_messages_are_passed_over(websocket, look):
    opening = frame(1, b"tick") * 50 + frame(10, b"unasked") + frame(2, b"\0" * 2000)
    assert look("websocket", url=f"ws://127.0.0.1:{websocket(opening)}/").status == "ok"
    outcome = look("websocket", url=f"ws://127.0.0.1:{websocket(opening, pongs=False)}/", timeout_seconds=0.3)
    assert outcome.status == "critical"


def test_a_ping_of_the_server_is_answered(websocket, look):
    seen: list[tuple[int, bytes]] = []
    assert look("websocket", url=f"ws://127.0.0.1:{websocket(frame(9, b'there?'), seen=seen)}/").status == "ok"
    assert (10, b"there?") in seen


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (lambda text: frame(1, b"echo " + text), "ok", "sent the expected message"),
        (lambda text: frame(1, b"ec", final=False) + frame(9, b"") + frame(0, b"ho " + text), "ok", "expected message"),
        (lambda text: frame(1, b"x") * 3 + frame(8, struct.pack("!H", 1011)), "critical", "(1011) before the expected"),
        (lambda text: frame(1, b"x") * 3, "critical", "within 0.5 s: a message with '^echo hello$' was expected and 3 others"),
    ],
)
def test_a_conversation_is_judged(websocket, look, reply, status, said):
    port = websocket(on_text=reply)
    outcome = look(
        "websocket", url=f"ws://127.0.0.1:{port}/", send="hello", expect="^echo hello$", timeout_seconds=5 if status == "ok" else 0.5
    )
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


@pytest.mark.parametrize(
    ("offered", "headers", "status"),
    [
        ("ticks.v1", ("Sec-WebSocket-Protocol: ticks.v1",), "ok"),
        ("ticks.v1", (), "critical"),
        ("ticks.v1", ("Sec-WebSocket-Protocol: ticks.v2",), "critical"),
        (None, ("Sec-WebSocket-Protocol: ticks.v1",), "critical"),
        (None, ("Sec-WebSocket-Extensions: permessage-deflate",), "critical"),
    ],
)
def test_what_was_not_offered_must_not_be_chosen(websocket, look, offered, headers, status):
    outcome = look("websocket", url=f"ws://127.0.0.1:{websocket(headers=headers)}/", subprotocol=offered)
    assert outcome.status == status, outcome.summary


def test_headers_of_the_user_are_sent_and_cannot_spoil_the_handshake(servers, request_head, look):
    heads: list[bytes] = []

    def handler(connection: socket.socket) -> None:
        heads.append(request_head(connection))
        connection.sendall(switch(heads[0]))

    url = f"ws://user:secret@127.0.0.1:{servers.start(handler)}/path"
    outcome = look("websocket", url=url, ping=False, headers={"Origin": "https://a.test", "sec-websocket-key": "x"})
    assert outcome.status == "ok", outcome.summary
    assert header(heads[0], "origin") == "https://a.test"
    assert header(heads[0], "authorization") == "Basic dXNlcjpzZWNyZXQ="
    assert heads[0].lower().count(b"sec-websocket-key") == 1
    assert "secret" not in outcome.summary
