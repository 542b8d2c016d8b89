"""The TCP probe against real servers."""

from __future__ import annotations

import errno
import socket

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import addresses, streams
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline


def greeting(text: bytes):
    return lambda connection: connection.sendall(text)


def echo(connection: socket.socket) -> None:
    connection.sendall(b"you said " + connection.recv(100))


def test_an_accepted_connection_is_enough(servers, look):
    port = servers.start(lambda _connection: servers.hold())
    outcome = look("tcp", host="localhost", port=port)
    assert outcome.status == "ok"
    assert outcome.summary.startswith(f"TCP localhost:{port} accepted a connection after ")


@pytest.mark.parametrize(
    ("handler", "options", "status", "said"),
    [
        (greeting(b"220 mail ready\r\n"), {"expect": "^220 "}, "ok", "gave the expected answer"),
        (echo, {"send": "PING\r\n", "expect": "said PING"}, "ok", "gave the expected answer"),
        (greeting(b"554 no\r\n"), {"expect": "^220 "}, "critical", "did not send '^220 ' in 8 bytes"),
        (greeting(b""), {"expect": "x"}, "critical", "did not send 'x' in 0 bytes"),
        (greeting(b"y" * 200_000), {"expect": "x"}, "critical", "in 65536 bytes"),
    ],
)
def test_what_the_server_says_is_judged(servers, look, handler, options, status, said):
    outcome = look("tcp", host="127.0.0.1", port=servers.start(handler), **options)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def test_a_server_that_says_something_else_and_waits_is_critical(servers, look):
    def handler(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        servers.hold()

    outcome = look("tcp", host="127.0.0.1", port=servers.start(handler), expect="bye", timeout_seconds=0.3)
    assert outcome.status == "critical"
    assert "within 0.3 s: 'bye' was expected and 5 other bytes came" in outcome.summary


def test_tls_is_spoken_when_asked_for(servers, look, certificates):
    port = servers.start(greeting(b"hello"), certificate="good.pem")
    authority = str(certificates / "authority.pem")
    assert look("tcp", host="127.0.0.1", port=port, tls=True, ca_file=authority, expect="hello").status == "ok"
    assert look("tcp", host="127.0.0.1", port=port, tls=True, ca_file=authority, server_name="x.test").status == "critical"


def test_a_socket_connected_to_itself_is_no_service(monkeypatch, look):
    """On a free port of the ephemeral range a connection to oneself succeeds now and then."""
    real = socket.socket

    class SelfConnected(real):
        def connect(self, address):
            self.bind(("127.0.0.1", 0))

        def getpeername(self):
            return self.getsockname()

    monkeypatch.setattr(streams.socket, "socket", SelfConnected)
    outcome = look("tcp", host="127.0.0.1", port=50000)
    assert outcome.status == "critical"
    assert "refused the connection" in outcome.summary


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENETUNREACH, "unknown"),
        (errno.ENETDOWN, "unknown"),
        (errno.EMFILE, "unknown"),
        (errno.EPERM, "unknown"),
        (errno.EHOSTUNREACH, "critical"),
        (errno.ECONNREFUSED, "critical"),
        (errno.ECONNRESET, "critical"),
        (errno.ETIMEDOUT, "critical"),
    ],
)
def test_whose_fault_it_is_decides_the_status(monkeypatch, look, number, status):
    def connect(_self, _address):
        raise OSError(number, errno.errorcode[number])

    monkeypatch.setattr(streams.socket.socket, "connect", connect)
    outcome = look("tcp", host="127.0.0.1", port=9)
    assert outcome.status == status
    assert ("could not be checked" in outcome.summary) == (status == "unknown")


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (socket.EAI_NONAME, "critical", "host name that does not exist (service.test)"),
        (socket.EAI_AGAIN, "unknown", "the resolver failed for service.test (why)"),
        (socket.EAI_FAIL, "unknown", "the resolver failed"),
    ],
)
def test_a_name_that_does_not_exist_is_not_a_resolver_that_fails(monkeypatch, look, number, status, said):
    def getaddrinfo(*_arguments):
        raise socket.gaierror(number, "why")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    outcome = look("tcp", host="service.test", port=9)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary
    assert bool(outcome.hint) == (status == "unknown")


def test_a_resolver_that_hangs_is_left_behind(monkeypatch, servers, look):
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_arguments: servers.hold() or [])
    outcome = look("tcp", host="service.test", port=9, timeout_seconds=0.2)
    assert outcome.status == "unknown"
    assert "the resolver gave no answer for service.test within 0.2 s" in outcome.summary


def test_one_refusal_says_more_than_an_address_without_route(monkeypatch):
    places = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 9)) for address in ("192.0.2.1", "127.0.0.1")]
    problems = {"192.0.2.1": errno.ENETUNREACH, "127.0.0.1": errno.ECONNREFUSED}

    def connect(_self, address):
        raise OSError(problems[address[0]], "why")

    monkeypatch.setattr(streams, "resolve", lambda *_arguments: places)
    monkeypatch.setattr(streams.socket.socket, "connect", connect)
    with pytest.raises(streams.Broken, match="refused"):
        streams.open_stream("both.test", 9, Deadline(5))


def test_a_silent_address_leaves_time_for_the_next(monkeypatch, servers):
    port = servers.start(lambda connection: connection.sendall(b"hello"))
    places = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in ("192.0.2.1", "127.0.0.1")]
    real = socket.socket.connect

    def connect(self, address):
        if address[0] == "192.0.2.1":
            servers.released.wait(self.gettimeout())
            raise socket.timeout("timed out")
        real(self, address)

    monkeypatch.setattr(streams, "resolve", lambda *_arguments: places)
    monkeypatch.setattr(streams.socket.socket, "connect", connect)
    stream = streams.open_stream("both.test", port, Deadline(1))
    assert stream.read_exactly(5) == b"hello"
    stream.close()


def test_no_certificates_of_authorities_is_no_verdict_on_the_service(monkeypatch, tmp_path, servers, look):
    """On a bare host without ca-certificates every certificate would look wrong."""
    empty = tmp_path / "certs"
    empty.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(empty))
    monkeypatch.setattr(streams, "_contexts", {})
    outcome = look("tcp", host="127.0.0.1", port=servers.start(greeting(b""), certificate="good.pem"), tls=True)
    assert outcome.status == "unknown"
    assert "no CA certificates are installed" in outcome.summary
    assert "ca-certificates" in outcome.hint
