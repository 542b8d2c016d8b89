# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mail server as it is set, and what mails refer to each other by. Nothing here talks to anybody."""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

PORTS = {"starttls": 587, "tls": 465, "none": 25}

#: Strict on purpose: it stands in a header and in a command of SMTP.
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"]+@[^\s@<>()\[\],;:\\\"]+")


@dataclass(frozen=True)
class MailServer:
    """The SMTP server and how it is talked to.

    :ivar security: ``starttls``, ``tls`` (from the first byte on) or ``none``.
    :ivar sender: the address that the messages come from.
    """

    host: str
    port: int
    security: str
    username: str
    password: str
    sender: str
    validate_certs: bool
    ca_file: str


def read_mail_server(options: dict[str, Any] | None) -> MailServer | None:
    """Return the server, None when none is set.

    :raises UpkeepError: when the options contradict each other; the message holds no secret.
    """
    if not options or not options.get("host"):
        return None
    security = str(options["security"])
    if options["password"] and security == "none":
        raise UpkeepError("smtp.security is none and smtp.password is set: a password is not sent without encryption")
    if bool(options["password"]) != bool(options["username"]):
        raise UpkeepError("smtp.username and smtp.password belong together: give both or none")
    sender = options["sender"] or f"upkeep@{socket.gethostname()}"
    if not is_address(sender):
        raise UpkeepError(f"smtp.sender is {plain(sender, 100)!r}; it must be a mail address such as upkeep@example.com")
    return MailServer(
        host=str(options["host"]), port=int(options["port"] or PORTS[security]), security=security,
        username=options["username"] or "", password=options["password"] or "", sender=sender,
        validate_certs=bool(options["validate_certs"]), ca_file=options["ca_file"] or "",
    )


def message_id_of(run_id: str, sender: str, label: str, audiences: tuple[str, ...]) -> str:
    """Return the Message-ID of what one run tells these audiences over one channel: sent twice, it is the same mail."""
    mark = hashlib.sha256("\0".join((label, *audiences)).encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"<{run_id}.{mark}@{sender.rpartition('@')[2]}>"


def thread_of(run_id: str, audience: str, sender: str) -> str:
    """Return what all mails to an audience refer to, from this run until everything is fine again."""
    return message_id_of(run_id, sender, "thread", (audience,))


def is_address(text: str) -> bool:
    """Tell whether a text is one bare mail address."""
    return bool(_ADDRESS.fullmatch(text)) and text.isprintable()
