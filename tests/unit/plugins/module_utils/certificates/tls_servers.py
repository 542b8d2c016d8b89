"""Real servers on 127.0.0.1 that speak TLS, at once or after a conversation, or misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

Handler = Callable[[socket.socket], Any]


class TlsServers:
    """Servers that a test starts; each connection runs in a thread."""

    def __init__(self) -> None:
        self._listeners: list[socket.socket] = []
        self.connections: dict[int, int] = {}
        self.names: dict[int, list[str | None]] = {}
        self.released = threading.Event()

    def start(
        self,
        certificate: str | None = None,
        before: Handler | None = None,
        adjust: Callable[[ssl.SSLContext], Any] | None = None,
    ) -> int:
        """Start a server and return its port.

        :param certificate: file with certificate, chain and key; None: it never speaks TLS.
        :param before: what is said before TLS begins.
        :param adjust: changes the TLS context.
        """
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listeners.append(listener)
        port = int(listener.getsockname()[1])
        self.connections[port] = 0
        self.names[port] = []
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.load_cert_chain(certificate)
            context.sni_callback = lambda _socket, name, _context: self.names[port].append(name)
            if adjust:
                adjust(context)
        threading.Thread(target=self._accept, args=(listener, port, context, before), daemon=True).start()
        return port

    def _accept(self, listener: socket.socket, port: int, context: ssl.SSLContext | None, before: Handler | None) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            self.connections[port] += 1
            threading.Thread(target=self._serve, args=(connection, context, before), daemon=True).start()

    def _serve(self, connection: socket.socket, context: ssl.SSLContext | None, before: Handler | None) -> None:
        try:
            if before:
                before(connection)
            if context:
                connection = context.wrap_socket(connection, server_side=True)
                connection.recv(1)
        except (OSError, ValueError):
            pass  # the client hung up, as it may
        finally:
            connection.close()

    def hold(self, _connection: socket.socket | None = None) -> None:
        """Say nothing until the test is over."""
        self.released.wait(60)

    def drip(self, data: bytes, seconds: float = 0.2) -> Handler:
        """Return what says one byte at a time, for good."""

        def say(connection: socket.socket) -> None:
            while not self.released.wait(seconds):
                connection.sendall(data)

        return say

    def close(self) -> None:
        self.released.set()
        for listener in self._listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()


def conversation(*lines: tuple[bytes, bytes | None]) -> Handler:
    """Return what says each answer and then waits for the request that must begin with the other text."""

    def speak(connection: socket.socket) -> None:
        for answer, request in lines:
            connection.sendall(answer)
            if request is None:
                continue
            received = b""
            while not received.startswith(request):
                data = connection.recv(4096)
                if not data:
                    raise OSError("the client hung up")
                received += data
                if len(received) >= len(request) and not received.startswith(request):
                    raise ValueError(f"unexpected {received!r}")

    return speak
