"""A mail server that keeps what it is given: each message becomes a JSON file, and nothing is passed on.

    python3 smtp_sink.py --directory /var/lib/sinks/mail --port 2525

Needs nothing but Python 3.9. It prints its port, one line of JSON, as soon as it listens. A message is a file
``<number>.json`` with the keys ``from``, ``to``, ``tls``, ``user`` and ``message``. What a file ``fault`` in the
directory says is how it misbehaves with the next connections:

hang             says nothing at all
refuse           greets with 554
reject           refuses every recipient
die_after_data   takes the message, keeps it and hangs up without an answer
hang_after_data  the same, and never answers
drip             sends its greeting one byte at a time
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socketserver
import ssl
import threading
from pathlib import Path
from typing import Any

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024


class SmtpSink(socketserver.ThreadingTCPServer):
    """Listens; each connection has a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], options: argparse.Namespace) -> None:
        self.directory = Path(options.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.security: str = options.security
        self.user: str = options.user
        self.password: str = options.password
        self.context: ssl.SSLContext | None = None
        if options.security != "none":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(options.certificate, options.key)
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        super().__init__(address, Conversation)

    def fault(self) -> str:
        """Return how to misbehave now, '' for not at all."""
        try:
            return (self.directory / "fault").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def keep(self, message: dict[str, Any]) -> None:
        """Write a message under the next number; a reader never sees half of it."""
        with self._lock:
            number = 1 + max((int(path.stem) for path in self.directory.glob("*.json")), default=0)
            temporary = self.directory / f"{number:06d}.new"
            temporary.write_text(json.dumps(message, indent=1) + "\n", encoding="utf-8")
            os.replace(temporary, self.directory / f"{number:06d}.json")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or that does not like the certificate, is no error of the sink."""


class Conversation(socketserver.StreamRequestHandler):
    """What is said over one connection."""

    server: SmtpSink
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Start as the server was told to."""
        super().setup()
        self.tls = False
        self.user = ""
        self.sender: str | None = None
        self.recipients: list[str] = []
        if self.server.security == "tls":
            self.encrypt()

    def encrypt(self) -> None:
        """Go on under TLS, and forget what was said before."""
        if self.server.context is None:
            raise ConnectionError("there is no certificate")
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.tls, self.user, self.sender, self.recipients = True, "", None, []

    def finish(self) -> None:
        """Close what was opened; the other side may be gone."""
        try:
            super().finish()
            self.connection.close()
        except OSError:
            pass

    def say(self, text: str) -> None:
        """Send one line."""
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self) -> None:
        """Greet, and answer until the other side has had enough."""
        fault = self.server.fault()
        if fault == "hang":
            self.server.stopped.wait()
            return
        if fault == "refuse":
            self.say("554 no service here")
            return
        if fault == "drip":
            for byte in b"220-" + b"z" * 100_000:
                self.wfile.write(bytes([byte]))
                if self.server.stopped.wait(0.2):
                    return
        self.say("220 sink.example ESMTP")
        while True:
            line = self.rfile.readline(MAX_LINE_BYTES)
            if not line:
                return
            word, _space, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if word.upper() == "QUIT":
                self.say("221 bye")
                return
            answer = self.answer(word.upper(), rest.strip(), fault)
            if answer is None:
                return
            if answer:
                self.say(answer)

    def answer(self, word: str, rest: str, fault: str) -> str | None:
        """Return the answer to one command, '' when it was given already, None to hang up."""
        if word in ("EHLO", "HELO"):
            return self.introduce(word)
        if word == "STARTTLS" and self.server.security == "starttls" and not self.tls:
            self.say("220 go on")
            self.encrypt()
            return ""
        if word == "AUTH":
            return self.log_in(rest)
        if word == "MAIL":
            if self.server.user and not self.user:
                return "530 who are you?"
            self.sender, self.recipients = _address(rest), []
            return "250 ok"
        if word == "RCPT":
            if fault == "reject":
                return "550 nobody of that name"
            self.recipients.append(_address(rest))
            return "250 ok"
        if word == "DATA":
            return self.take(fault)
        if word in ("RSET", "NOOP"):
            self.sender, self.recipients = None, []
            return "250 ok"
        return "502 not here"

    def introduce(self, word: str) -> str:
        """Return what this server can do, the last line last."""
        if word == "EHLO":
            self.say("250-sink.example")
            self.say(f"250-SIZE {MAX_MESSAGE_BYTES}")
            self.say("250-8BITMIME")
            if self.server.security == "starttls" and not self.tls:
                self.say("250-STARTTLS")
            if self.server.user:
                self.say("250-AUTH PLAIN LOGIN")
        return "250 sink.example"

    def log_in(self, rest: str) -> str:
        """Take a user name and a password, AUTH PLAIN or LOGIN."""
        method, _space, first = rest.partition(" ")
        if method.upper() == "PLAIN":
            _identity, user, password = _decoded(first or self.asked("")).split("\0")
        elif method.upper() == "LOGIN":
            user = _decoded(first or self.asked("User Name"))
            password = _decoded(self.asked("Password"))
        else:
            return "504 not that way"
        if (user, password) != (self.server.user, self.server.password):
            return "535 no"
        self.user = user
        return "235 welcome"

    def asked(self, question: str) -> str:
        """Ask for one line and return it."""
        self.say(f"334 {base64.b64encode(question.encode()).decode()}")
        return self.rfile.readline(MAX_LINE_BYTES).decode("ascii").strip()

    def take(self, fault: str) -> str | None:
        """Read a message up to its lone dot and keep it."""
        if self.sender is None or not self.recipients:
            return "503 from whom, to whom?"
        self.say("354 go on")
        lines: list[bytes] = []
        size = 0
        while True:
            line = self.rfile.readline(MAX_LINE_BYTES)
            if not line:
                return None  # the other side died in the middle: there is no message
            if line in (b".\r\n", b".\n"):
                break
            size += len(line)
            if size <= MAX_MESSAGE_BYTES:
                lines.append(line[1:] if line.startswith(b".") else line)
        if size > MAX_MESSAGE_BYTES:
            return "552 too long"
        text = b"".join(lines).decode("utf-8", "backslashreplace")
        self.server.keep({"from": self.sender, "to": self.recipients, "tls": self.tls, "user": self.user, "message": text})
        if fault == "die_after_data":
            return None
        if fault == "hang_after_data":
            self.server.stopped.wait()
            return None
        self.sender, self.recipients = None, []
        return "250 kept"


def _address(rest: str) -> str:
    """Return the address in ``FROM:<ops@example.com> SIZE=100``."""
    return rest.partition("<")[2].partition(">")[0]


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def arguments() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    parser = argparse.ArgumentParser(description="A mail server that keeps what it is given.")
    parser.add_argument("--directory", required=True, help="where the messages are kept")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--security", choices=("none", "starttls", "tls"), default="none")
    parser.add_argument("--certificate", help="PEM file, for starttls and tls")
    parser.add_argument("--key", help="PEM file with its key")
    parser.add_argument("--user", default="", help="user who must log in; none: nobody has to")
    parser.add_argument("--password", default="", help="the password of that user")
    return parser


def main() -> None:
    """Serve until killed."""
    options = arguments().parse_args()
    with SmtpSink((options.address, options.port), options) as server:
        print(json.dumps({"port": server.server_address[1]}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
