"""Real servers on 127.0.0.1, as well or as badly behaved as a test wants them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.attempts import look_once
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome

Handler = Callable[[socket.socket], None]

CERTIFICATES = Path(__file__).parent / "certificates"


class Servers:
    """Servers that a test starts; each runs its handler in a thread for every connection."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.released = threading.Event()

    def start(self, handler: Handler, *, certificate: str | None = None, host: str = "127.0.0.1") -> int:
        """Start a server, with TLS when it is given a certificate, and return its port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, 0))
        listener.listen(64)
        self._sockets.append(listener)
        threading.Thread(target=self._accept, args=(listener, handler, certificate), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, handler: Handler, certificate: str | None) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, handler, certificate), daemon=True).start()

    def _serve(self, connection: socket.socket, handler: Handler, certificate: str | None) -> None:
        try:
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(CERTIFICATES / certificate)
                connection = context.wrap_socket(connection, server_side=True)
            handler(connection)
        except OSError:
            pass  # the probe hung up, as it may
        finally:
            connection.close()

    def hold(self) -> None:
        """Keep the connection open and silent until the test is over."""
        self.released.wait(60)

    def close(self) -> None:
        self.released.set()
        for listener in self._sockets:
            # Closing alone does not wake a thread that waits in accept().
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.close()


@pytest.fixture
def answering(servers: Servers) -> Callable[..., int]:
    """Return what starts a server that reads one request head and answers with fixed bytes."""

    def start(answer: bytes, *, certificate: str | None = None, hold: bool = False, host: str = "127.0.0.1") -> int:
        def handler(connection: socket.socket) -> None:
            read_head(connection)
            connection.sendall(answer)
            if hold:
                servers.hold()

        return servers.start(handler, certificate=certificate, host=host)

    return start


def read_head(connection: socket.socket) -> bytes:
    """Read a request up to its empty line."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            break
        data += received
    return data


@pytest.fixture
def request_head() -> Callable[[socket.socket], bytes]:
    return read_head


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def certificates() -> Path:
    return CERTIFICATES


@pytest.fixture
def look() -> Callable[..., Outcome]:
    """Return what makes one attempt of a probe, from its options as a user gives them."""

    def attempt(kind: str, **options: Any) -> Outcome:
        (probe,) = read_probes([{"type": kind, "timeout_seconds": 5, **options}], {})
        return look_once(probe)

    return attempt
