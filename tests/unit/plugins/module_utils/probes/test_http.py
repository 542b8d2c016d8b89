"""The HTTP probe against real servers, most of them hostile."""

from __future__ import annotations

import gzip
import os
import socket
import time
from pathlib import Path

import pytest

#: A probe may be late by this much on a busy machine; the servers hold out for a minute.
MARGIN_SECONDS = 10.0


def answer(status: str = "200 OK", body: bytes = b"ok", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def test_a_good_answer_is_ok_and_says_its_latency(answering, look):
    port = answering(answer(body=b'{"status":"ok"}'))
    outcome = look("http", url=f"http://127.0.0.1:{port}/health", expect_body='"status":"ok"')
    assert outcome.status == "ok"
    assert outcome.summary.startswith(f"GET http://127.0.0.1:{port}/health answered 200 after 0.")
    assert outcome.latency_seconds is not None and outcome.latency_seconds > 0
    assert outcome.details["http_status"] == 200
    assert outcome.details["body_bytes"] == 15


def test_every_address_of_localhost_is_tried(answering, look):
    # The service listens on IPv4 only, while localhost may be IPv6 first.
    assert look("http", url=f"http://localhost:{answering(answer())}/").status == "ok"
    assert look("http", url=f"http://[::1]:{answering(answer(), host='::1')}/").status == "ok"


@pytest.mark.parametrize(
    ("options", "sent", "status", "said"),
    [
        ({}, answer("500 Internal Server Error"), "critical", "answered 500 after"),
        ({}, answer("500 Internal Server Error"), "critical", "200 was expected"),
        ({"expect_status": [200, 204, 301]}, answer("301 Moved", b"", "Location: /x"), "ok", "answered 301"),
        ({"expect_status": [200, 204]}, answer("404 Not Found"), "critical", "; 200 or 204 was expected"),
        ({"expect_body": "well"}, answer(body=b"ill"), "critical", "'well' was not found in its body"),
        ({"expect_body": "well"}, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"well", mtime=0), "ok", "200"),
        ({"expect_body": "x"}, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nxxxx", "critical", "claims to be gzip"),
        ({"expect_headers": {"X-A": "^1$"}}, answer("200 OK", b"", "x-a: 1"), "ok", "answered 200"),
        ({"expect_headers": {"X-A": "^1$"}}, answer("200 OK", b"", "x-a: 2"), "critical", "header X-A does not match"),
        ({"expect_headers": {"X-A": "^1$"}}, answer(), "critical", "the header X-A is missing"),
        ({"method": "HEAD"}, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "ok", "HEAD http"),
        ({}, b"HTTP/1.1 100 Continue\r\n\r\n" + answer(), "ok", "answered 200"),
        ({}, b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "ok", "answered 200"),  # no reason phrase
        ({}, b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "ok", "answered 200"),
        ({"expect_body": "^abcdef$"}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\n"
         b"Trailer: x\r\n\r\n", "ok", "answered 200"),
        ({}, b"SSH-2.0-OpenSSH_9.2\r\n", "critical", "something that is not HTTP ('SSH-2.0-OpenSSH_9.2')"),
        ({}, b"", "critical", "closed the connection without an answer"),
        ({}, b"HTTP/1.1 200 OK\r\nConte", "critical", "in the middle of its answer"),
        ({}, b"HTTP/1.1 200 OK\r\n", "critical", "in the middle of its answer"),
        ({}, b"HTTP/1.1 200 OK\r\nServer: x\r\n", "critical", "in the middle of its answer"),
        ({}, b"HTTP/1.1 100 Continue\r\n\r\n", "critical", "closed the connection without an answer"),
        ({}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "critical", "in the middle of its answer"),
        ({}, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "critical", "after 3 of 9 bytes"),
        ({}, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "critical", "Content-Length that is no number"),
        ({}, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "critical", "Content-Length"),
        ({}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "critical", "chunked body"),
        ({}, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300, "critical", "more than 200 headers"),
        ({}, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "critical", "a line of more than"),
        ({}, b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "critical", "a header that is none"),
        ({}, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "critical", "101"),
        ({}, b"HTTP/1.1 102 Processing\r\n\r\n" * 50, "critical", "interim answers"),
        ({"max_body_bytes": 3}, answer(body=b"four"), "critical", "more than 3 bytes (max_body_bytes)"),
        ({"warning_seconds": 0}, answer(), "warning", "warning from 0 s"),
        ({"warning_seconds": 0, "critical_seconds": 0}, answer(), "critical", "critical from 0 s"),
        ({"warning_seconds": 60}, answer(), "ok", "answered 200"),
    ],
)
def test_an_answer_is_judged(answering, look, options, sent, status, said):
    outcome = look("http", url=f"http://127.0.0.1:{answering(sent)}/", **options)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Again: and again\r\n")
        time.sleep(0.05)


def endless_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 1000)
        time.sleep(0.01)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 1_000_000)


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\nx\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("misbehave", [drip, endless_headers, endless_body, flood, endless_chunks])
def test_a_server_without_end_costs_its_timeout_and_is_critical(servers, look, request_head, misbehave):
    def handler(connection: socket.socket) -> None:
        request_head(connection)
        misbehave(connection)

    start = time.monotonic()
    outcome = look("http", url=f"http://127.0.0.1:{servers.start(handler)}/", timeout_seconds=0.5)
    assert time.monotonic() - start < 0.5 + MARGIN_SECONDS
    assert outcome.status == "critical"
    assert "within 0.5 s" in outcome.summary or "max_body_bytes" in outcome.summary


@pytest.mark.parametrize("certificate", [None, "good.pem"])
def test_a_silent_server_costs_its_timeout_and_is_critical(answering, look, certificate, certificates):
    scheme = "https" if certificate else "http"
    port = answering(b"", hold=True, certificate=certificate)
    outcome = look(
        "http", url=f"{scheme}://127.0.0.1:{port}/", timeout_seconds=0.5, ca_file=str(certificates / "authority.pem")
    )
    assert outcome.status == "critical"
    assert "gave no complete answer within 0.5 s" in outcome.summary


def test_a_server_that_never_speaks_tls_is_critical(servers, look):
    port = servers.start(lambda _connection: servers.hold())
    outcome = look("http", url=f"https://127.0.0.1:{port}/", timeout_seconds=0.5, validate_certs=False)
    assert outcome.status == "critical"
    assert "did not complete the TLS handshake within 0.5 s" in outcome.summary


def test_a_plain_server_behind_https_is_critical(servers, look):
    port = servers.start(lambda connection: connection.sendall(answer()))
    outcome = look("http", url=f"https://127.0.0.1:{port}/", validate_certs=False)
    assert outcome.status == "critical"
    assert "TLS" in outcome.summary


def test_nobody_there_is_critical(look, free_port):
    outcome = look("http", url=f"http://127.0.0.1:{free_port}/")
    assert outcome.status == "critical"
    assert "refused the connection" in outcome.summary


@pytest.mark.parametrize(
    ("certificate", "options", "status", "said"),
    [
        ("good.pem", {}, "ok", "answered 200"),
        ("good.pem", {"ca_file": None}, "critical", "not valid"),
        ("good.pem", {"ca_file": "/nonexistent/authority.pem"}, "unknown", "CA file"),
        ("good.pem", {"server_name": "other.test"}, "critical", "mismatch"),
        ("expired.pem", {}, "critical", "certificate has expired"),
        ("other_name.pem", {}, "critical", "mismatch"),
        ("other_name.pem", {"server_name": "service.test"}, "ok", "answered 200"),
        ("expired.pem", {"validate_certs": False}, "ok", "answered 200"),
    ],
)
def test_the_certificate_must_be_valid_for_the_name(
    answering, look, certificates: Path, monkeypatch, certificate, options, status, said
):
    # Without ca_file the authorities of the system count, whoever they are; here somebody else.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "other_name.pem"))
    port = answering(answer(), certificate=certificate)
    given = {"ca_file": str(certificates / "authority.pem"), **options}
    outcome = look("http", url=f"https://localhost:{port}/", **given)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def test_a_server_that_breaks_tls_after_the_handshake_is_critical(servers, look):
    """OpenSSL numbers this error like "operation not permitted", which would be the fault of this host."""

    def handler(connection: socket.socket) -> None:
        connection.recv(65536)
        os.write(connection.fileno(), b"no TLS record at all" * 10)
        servers.hold()

    port = servers.start(handler, certificate="good.pem")
    outcome = look("http", url=f"https://127.0.0.1:{port}/", validate_certs=False)
    assert outcome.status == "critical"
    assert "failed in TLS" in outcome.summary


def recording(servers, request_head, answers):
    """Start a server that keeps the requests it got and answers by path."""
    requests: list[bytes] = []

    def handler(connection: socket.socket) -> None:
        head = request_head(connection)
        requests.append(head)
        connection.sendall(answers.get(head.split()[1].decode(), answer("404 Not Found")))

    return servers.start(handler), requests


def moved(place: str, status: str = "302 Found") -> bytes:
    return answer(status, b"", f"Location: {place}")


@pytest.mark.parametrize(
    ("follow", "status", "said"),
    [
        (0, "critical", "answered 302"),
        (False, "critical", "answered 302"),
        (1, "critical", "redirects more than 1 times (follow_redirects)"),
        (2, "ok", "answered 200"),
        (True, "ok", "answered 200"),
    ],
)
def test_redirects_are_followed_as_far_as_allowed(servers, request_head, look, follow, status, said):
    port, _requests = recording(servers, request_head, {"/": moved("/a"), "/a": moved("b?c"), "/b?c": answer()})
    outcome = look("http", url=f"http://127.0.0.1:{port}/", follow_redirects=follow)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


@pytest.mark.parametrize(
    ("place", "said"), [("/", "in a loop"), ("ftp://x.test/", "must begin with http"), ("http://a b/", "space")]
)
def test_bad_redirects_are_critical(servers, request_head, look, place, said):
    port, _requests = recording(servers, request_head, {"/": moved(place)})
    outcome = look("http", url=f"http://127.0.0.1:{port}/", follow_redirects=20)
    assert outcome.status == "critical"
    assert said in outcome.summary


def test_headers_go_to_the_server_they_are_meant_for_and_to_no_other(servers, request_head, look):
    stranger, at_stranger = recording(servers, request_head, {"/": answer()})
    port, at_home = recording(
        servers, request_head, {"/": moved("/again"), "/again": moved(f"http://127.0.0.1:{stranger}/")}
    )
    outcome = look("http", url=f"http://127.0.0.1:{port}/", follow_redirects=3, headers={"Authorization": "Bearer abc"})
    assert outcome.status == "ok"
    assert [b"Bearer abc" in request for request in at_home] == [True, True]
    assert [b"Bearer abc" in request for request in at_stranger] == [False]


def test_the_request_is_what_the_options_say(servers, look):
    requests: list[bytes] = []

    def handler(connection: socket.socket) -> None:
        data = b""
        while not data.endswith(b"{}"):
            data += connection.recv(65536)
        requests.append(data)
        connection.sendall(answer())

    port = servers.start(handler)
    outcome = look(
        "http",
        url=f"http://reader:s%40cret@127.0.0.1:{port}/ä?q=1",
        method="post",
        body="{}",
        headers={"Content-Type": "application/json", "user-agent": "mine"},
        host_header="www.service.test",
    )
    assert outcome.status == "ok"
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "POST /%C3%A4?q=1 HTTP/1.1"
    assert {"Host: www.service.test", "Content-Type: application/json", "user-agent: mine", "Content-Length: 2"} < {*lines}
    assert "Authorization: Basic cmVhZGVyOnNAY3JldA==" in lines
    assert not [line for line in lines if line.startswith("User-Agent")]
    assert "reader" not in outcome.summary + str(outcome.details)


def test_proxies_of_the_environment_are_not_used(answering, look, free_port, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
    assert look("http", url=f"http://127.0.0.1:{answering(answer())}/").status == "ok"


def test_what_the_server_says_is_made_plain(answering, look):
    outcome = look("http", url=f"http://127.0.0.1:{answering(bytes([27]) + b'[31mHTTP' + bytes([255, 10]))}/")
    assert outcome.status == "critical"
    assert "\x1b" not in outcome.summary
    assert "\\x1b[31mHTTP\\\\xff" in outcome.summary


def test_a_body_is_searched_within_its_bound(answering, look):
    body = b"x" * 300_000 + b"late"
    outcome = look("http", url=f"http://127.0.0.1:{answering(answer(body=body))}/", expect_body="late")
    assert outcome.status == "critical"
    assert "the first 262144 bytes of its body" in outcome.summary
    assert outcome.details["body_bytes"] == 300_004
