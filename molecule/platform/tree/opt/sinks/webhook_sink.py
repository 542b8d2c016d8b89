"""A web server that keeps what is posted to it: each request becomes a JSON file.

    python3 webhook_sink.py --directory /var/lib/sinks/webhook --port 8099

Needs nothing but Python 3.9. It prints its port, one line of JSON, as soon as it listens. A request is a file
``<number>.json`` with the keys ``method``, ``path``, ``headers`` and ``body``. What a file ``fault`` in the directory
says is how it misbehaves with the next requests:

hang               never answers
status 500         answers with that status
redirect URL       answers 302 and sends the caller elsewhere
endless            answers 200 and a body without an end
endless_header     answers with headers without an end
drip               sends its answer one byte at a time
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import ssl
import threading
from pathlib import Path
from typing import Any

MAX_BODY_BYTES = 4 * 1024 * 1024


class WebhookSink(http.server.ThreadingHTTPServer):
    """Listens; each connection has a thread of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], options: argparse.Namespace) -> None:
        self.directory = Path(options.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        super().__init__(address, Request)
        if options.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate, options.key)
            # The handshake belongs into the thread of the connection: one silent client must not stop the others.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def fault(self) -> tuple[str, str]:
        """Return how to misbehave now, and with what."""
        try:
            word, _space, rest = (self.directory / "fault").read_text(encoding="utf-8").strip().partition(" ")
        except FileNotFoundError:
            return "", ""
        return word, rest

    def keep(self, request: dict[str, Any]) -> None:
        """Write a request under the next number; a reader never sees half of it."""
        with self._lock:
            number = 1 + max((int(path.stem) for path in self.directory.glob("*.json")), default=0)
            temporary = self.directory / f"{number:06d}.new"
            temporary.write_text(json.dumps(request, indent=1) + "\n", encoding="utf-8")
            os.replace(temporary, self.directory / f"{number:06d}.json")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or that does not like the certificate, is no error of the sink."""


class Request(http.server.BaseHTTPRequestHandler):
    """One request and its answer."""

    server: WebhookSink

    def do_GET(self) -> None:
        """Whoever follows a redirect comes with GET, and is seen."""
        self.take()

    def do_POST(self) -> None:
        """Keep what was posted."""
        self.take()

    def take(self) -> None:
        """Keep the request, then answer as well or as badly as wanted."""
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY_BYTES)
        body = self.rfile.read(length).decode("utf-8", "backslashreplace")
        self.server.keep({"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body})
        fault, rest = self.server.fault()
        if fault == "hang":
            self.server.stopped.wait()
        elif fault == "endless_header":
            self.send_response(200)
            while not self.server.stopped.is_set():
                self.send_header("X-More", "x" * 1000)
                self.flush_headers()
        elif fault == "drip":
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-More: y\r\n" * 100_000:
                self.wfile.write(bytes([byte]))
                if self.server.stopped.wait(0.2):
                    return
        elif fault == "endless":
            self.send_response(200)
            self.end_headers()
            while not self.server.stopped.is_set():
                self.wfile.write(b"x" * 65536)
        else:
            self.send_response(int(rest) if fault == "status" else 302 if fault == "redirect" else 200)
            if fault == "redirect":
                self.send_header("Location", rest)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the files tell."""


def arguments() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    parser = argparse.ArgumentParser(description="A web server that keeps what is posted to it.")
    parser.add_argument("--directory", required=True, help="where the requests are kept")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--certificate", help="PEM file; with it the server speaks HTTPS")
    parser.add_argument("--key", help="PEM file with its key")
    return parser


def main() -> None:
    """Serve until killed."""
    options = arguments().parse_args()
    with WebhookSink((options.address, options.port), options) as server:
        print(json.dumps({"port": server.server_address[1]}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
