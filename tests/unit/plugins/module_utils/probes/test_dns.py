"""The DNS probe, with a name server of our own on UDP and TCP."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import addresses

Reply = Callable[[bytes], bytes]


def reply(
    asked: bytes, *records: tuple[int, bytes], code: int = 0, flags: int = 0x8180, name: bytes = b"\xc0\x0c"
) -> bytes:
    head = asked[:2] + struct.pack("!5H", flags | code, 1, len(records), 0, 0)
    rows = [name + struct.pack("!2HIH", kind, 1, 60, len(data)) + data for kind, data in records]
    return head + asked[12:] + b"".join(rows)


def ipv4(text: str) -> tuple[int, bytes]:
    return 1, socket.inet_aton(text)


@pytest.fixture
def name_server() -> Iterator[Callable[..., int]]:
    """Return what starts a name server that answers over UDP, and over TCP when it is given a second reply."""
    started: list[socket.socket] = []

    def start(over_udp: Callable[[bytes], list[bytes]], over_tcp: Reply | None = None) -> int:
        stream = socket.socket()
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        port = int(stream.getsockname()[1])
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", port))
        started.extend((stream, datagrams))

        def serve_udp() -> None:
            try:
                asked, client = datagrams.recvfrom(4096)
                for answer in over_udp(asked):
                    datagrams.sendto(answer, client)
            except OSError:
                pass

        def serve_tcp() -> None:
            try:
                connection, _address = stream.accept()
                with connection:
                    asked = connection.recv(4096)[2:]
                    answer = over_tcp(asked) if over_tcp else b""
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
            except OSError:
                pass

        threading.Thread(target=serve_udp, daemon=True).start()
        threading.Thread(target=serve_tcp, daemon=True).start()
        return port

    yield start
    for listener in started:
        try:
            listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        listener.close()


@pytest.mark.parametrize(
    ("answers", "options", "status", "said"),
    [
        (lambda q: [reply(q, ipv4("192.0.2.1"))], {}, "ok", "The A record of a.test is 192.0.2.1 from 127.0.0.1:"),
        (lambda q: [reply(q, (5, b"\x01b\xc0\x0e"), ipv4("192.0.2.1"))], {}, "ok", "is 192.0.2.1"),
        (lambda q: [reply(q, ipv4("192.0.2.1"))], {"expect_addresses": ["192.0.2.1"]}, "ok", "is 192.0.2.1"),
        (lambda q: [reply(q, ipv4("192.0.2.1"))], {"expect_addresses": ["192.0.2.9"]}, "critical", "192.0.2.9 was expected"),
        (lambda q: [reply(q, (28, socket.inet_pton(socket.AF_INET6, "2001:db8::1")))], {"record": "AAAA"}, "ok", "2001:db8::1"),
        (lambda q: [b"\0\0" + reply(q)[2:], reply(q, ipv4("192.0.2.1"))], {}, "ok", "is 192.0.2.1"),
        (lambda q: [reply(q, code=3)], {}, "critical", "knows no such name"),
        (lambda q: [reply(q)], {}, "critical", "knows the name without one"),
        (lambda q: [reply(q, (5, b"\x01b\xc0\x0e"))], {}, "critical", "without one"),
        (lambda q: [reply(q, code=2)], {}, "unknown", "answered server failure"),
        (lambda q: [reply(q, code=5)], {}, "unknown", "answered refused"),
        (lambda q: [], {}, "unknown", "gave no answer within"),
        (lambda q: [q], {}, "unknown", "it answers another question"),
        (lambda q: [reply(q[:12] + b"\x01b\x04test\0\0\1\0\1", ipv4("192.0.2.1"))], {}, "unknown", "another question"),
        (lambda q: [reply(q, ipv4("192.0.2.1"))[:-2]], {}, "unknown", "breaks off"),
        (lambda q: [q[:2] + b"\x81\x80"], {}, "unknown", "breaks off"),
        (lambda q: [reply(q, ipv4("192.0.2.1"), name=b"\x01a" * 200)], {}, "unknown", "a name without end"),
        (lambda q: [reply(q, ipv4("192.0.2.1"), name=b"\x80a")], {}, "unknown", "label of an unknown kind"),
    ],
)
def test_what_a_server_answers_is_judged(name_server, look, answers, options, status, said):
    port = name_server(answers)
    given = {"host": "a.test", "record": "A", "server": "127.0.0.1", "server_port": port, "timeout_seconds": 0.5, **options}
    outcome = look("dns", **given)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def test_a_truncated_answer_is_asked_for_over_tcp(name_server, look):
    port = name_server(lambda q: [reply(q, flags=0x8380)], lambda q: reply(q, *[ipv4(f"192.0.2.{n}") for n in range(1, 9)]))
    outcome = look("dns", host="a.test", record="A", server="127.0.0.1", server_port=port)
    assert outcome.status == "ok"
    assert outcome.details["addresses"] == [f"192.0.2.{number}" for number in range(1, 9)]


def test_a_server_that_is_not_there_says_nothing_about_the_name(look, free_port):
    outcome = look("dns", host="a.test", record="A", server="127.0.0.1", server_port=free_port)
    assert outcome.status == "unknown"
    assert outcome.hint


@pytest.mark.parametrize("host", ["a..test", "x" * 64 + ".test", ".".join(["x" * 60] * 5)])
def test_a_name_that_cannot_exist_is_critical(look, free_port, host):
    outcome = look("dns", host=host, record="A", server="127.0.0.1", server_port=free_port)
    assert outcome.status == "critical"


def test_the_resolver_of_the_host_is_asked_by_default(look):
    outcome = look("dns", host="localhost", record="A", expect_addresses=["127.0.0.1"])
    assert outcome.status == "ok"
    assert outcome.details["addresses"] == ["127.0.0.1"]


@pytest.mark.parametrize(("number", "status"), [(socket.EAI_NONAME, "critical"), (socket.EAI_AGAIN, "unknown")])
def test_no_such_name_is_not_a_resolver_that_fails(monkeypatch, look, number, status):
    def getaddrinfo(*_arguments):
        raise socket.gaierror(number, "why")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    assert look("dns", host="a.test").status == status
