"""The mail server and the web server of the test platform, as processes of their own on 127.0.0.1."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[5]
SINKS = CHECKOUT / "molecule" / "platform" / "tree" / "opt" / "sinks"
#: ``good.pem`` is valid for localhost and signed by ``authority.pem``.
CERTIFICATES = CHECKOUT / "tests" / "unit" / "plugins" / "module_utils" / "probes" / "certificates"


class Sink:
    """A sink that runs: what it was given, and how it shall misbehave."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port

    def received(self) -> list[dict[str, Any]]:
        """Return what it was given, in the order of its arrival."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.directory.glob("*.json"))]

    def mails(self) -> list[EmailMessage]:
        """Return the messages that a mail server was given, read as mail."""
        found = []
        for entry in self.received():
            mail = message_from_string(entry["message"], policy=policy.default)
            assert isinstance(mail, EmailMessage)
            found.append(mail)
        return found

    def texts(self) -> list[str]:
        """Return the texts that a web server was posted."""
        return [json.loads(entry["body"])["text"] for entry in self.received()]

    def misbehave(self, fault: str) -> None:
        """Set what is wrong from the next connection on; '' for nothing."""
        (self.directory / "fault").write_text(fault, encoding="utf-8")


@contextmanager
def _running(script: str, directory: Path, *arguments: str) -> Iterator[Sink]:
    command = [sys.executable, str(SINKS / script), "--directory", str(directory), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None:
                raise AssertionError("there is no pipe")
            yield Sink(directory, json.loads(process.stdout.readline())["port"])
        finally:
            process.kill()


def _tls() -> list[str]:
    return ["--certificate", str(CERTIFICATES / "good.pem"), "--key", str(CERTIFICATES / "good.pem")]


@contextmanager
def mail_sink(directory: Path, *, security: str = "none", user: str = "", password: str = "") -> Iterator[Sink]:
    """Run the mail server."""
    tls = [] if security == "none" else _tls()
    account = ["--user", user, "--password", password] if user else []
    with _running("smtp_sink.py", directory, "--security", security, *tls, *account) as sink:
        yield sink


@contextmanager
def webhook_sink(directory: Path, *, tls: bool = False) -> Iterator[Sink]:
    """Run the web server."""
    with _running("webhook_sink.py", directory, *(_tls() if tls else [])) as sink:
        yield sink
