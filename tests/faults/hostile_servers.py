"""HTTP servers on 127.0.0.1 that do everything to keep a probe busy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"


def endless_body(connection: socket.socket, stop: threading.Event) -> None:
    """Send as fast as it is read, for ever."""
    connection.sendall(HEAD)
    while not stop.is_set():
        connection.sendall(b"x" * 65536)


def endless_header(connection: socket.socket, stop: threading.Event) -> None:
    """Never come to the body."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.is_set():
        connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


def one_byte_at_a_time(connection: socket.socket, stop: threading.Event) -> None:
    """Send a byte so often that no single read ever times out."""
    for byte in HEAD + b"x" * 100_000:
        connection.sendall(bytes([byte]))
        if stop.wait(0.2):
            return


def redirects_in_a_loop(connection: socket.socket, stop: threading.Event) -> None:
    """Send the visitor back to where he came from."""
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def silence(connection: socket.socket, stop: threading.Event) -> None:
    """Say nothing."""
    stop.wait()


def garbage(connection: socket.socket, stop: threading.Event) -> None:
    """Speak another protocol, in bytes that are no text."""
    connection.sendall(b"\xff\xfe\x00<script>alert(1)</script>{{ 7919 * 7907 }}\x1b[2J\r\n\r\n")


def error(connection: socket.socket, stop: threading.Event) -> None:
    """Answer that it cannot."""
    connection.sendall(b"HTTP/1.1 500 \xff<b>{{ 7919 * 7907 }}</b>\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


ALL = (endless_body, endless_header, one_byte_at_a_time, redirects_in_a_loop, silence, garbage, error)


@contextmanager
def serving(*handlers: Callable[[socket.socket, threading.Event], None]) -> Iterator[dict[str, int]]:
    """Serve with each handler on a port of its own; give the ports by the name of the handler."""
    stop = threading.Event()
    servers = {handler.__name__: (socket.create_server(("127.0.0.1", 0)), handler) for handler in handlers}
    for server, handler in servers.values():
        threading.Thread(target=_accept, args=(server, handler, stop), daemon=True).start()
    try:
        yield {name: server.getsockname()[1] for name, (server, _handler) in servers.items()}
    finally:
        stop.set()
        for server, _handler in servers.values():
            server.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept()
            server.close()


def _accept(
    server: socket.socket, handler: Callable[[socket.socket, threading.Event], None], stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            connection, _address = server.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, handler, stop), daemon=True).start()


def _serve(
    connection: socket.socket, handler: Callable[[socket.socket, threading.Event], None], stop: threading.Event
) -> None:
    with connection:
        try:
            connection.recv(65536)
            handler(connection, stop)
        except OSError:
            pass  # the visitor has had enough
