"""What the mail server and the chat of the test platform were given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email import message_from_string, policy

from containers import Container

SINKS = "/var/lib/sinks"


@dataclass(frozen=True)
class Mail:
    """One mail as the server got it.

    :ivar text: its plain text.
    :ivar user: who had logged in.
    """

    to: tuple[str, ...]
    subject: str
    text: str
    tls: bool
    user: str


def mails(host: Container) -> list[Mail]:
    """The mails that arrived, in their order."""
    found = []
    for kept in _kept(host, "mail"):
        message = message_from_string(kept["message"], policy=policy.default)
        body = message.get_body(("plain",))
        text = body.get_content() if body else ""
        found.append(Mail(tuple(kept["to"]), str(message["subject"]), text, kept["tls"], kept["user"]))
    return found


def mail_to(host: Container, address: str) -> Mail:
    """The one mail that arrived for an address."""
    (found,) = (mail for mail in mails(host) if address in mail.to)
    return found


def chat(host: Container) -> list[str]:
    """The texts that were posted to the chat, in their order."""
    return [json.loads(kept["body"])["text"] for kept in _kept(host, "chat")]


def forget(host: Container) -> None:
    """Throw away what arrived so far."""
    host.sh(f"rm -f {SINKS}/*/*.json")


def _kept(host: Container, sink: str) -> list[dict]:
    """What a sink was given: one JSON document a file, none of them with a line break inside its strings."""
    listed = host.sh(f"cd {SINKS}/{sink} && for file in *.json; do [ -f $file ] && python3 -m json.tool --compact $file; done; true")
    return [json.loads(line) for line in listed.splitlines()]
