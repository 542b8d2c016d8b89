# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The channel mail: a message as MIME, handed to an SMTP server within one deadline.

Imported only when a mail is to be sent: most runs have nothing to say, and these imports cost as much as the rest.
"""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail_server import MailServer, is_address
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import Message, plain_text
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import connect, tls_context
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

#: What a server may say in one conversation. Python's client joins the lines of an answer without any bound.
MAX_RECEIVED_BYTES = 256 * 1024
_MAX_REASON = 200


def mime_message(
    message: Message, *, sender: str, recipient: str, now: datetime, message_id: str, thread: str
) -> EmailMessage:
    """Return a message as MIME.

    :param message_id: with its angle brackets, as is ``thread``: what all mails about one trouble refer to, or ''.
    :raises ChannelFailed: when the address cannot stand in a header.
    """
    mail = EmailMessage(policy=SMTP)
    try:
        if not is_address(recipient):
            raise ValueError("it is no bare address")
        mail["From"] = Address("upkeep", addr_spec=sender)
        mail["To"] = Address(addr_spec=recipient)
        # A header is one line; what a host wrote must not begin the next one.
        mail["Subject"] = plain(message.title, 200)
    except (ValueError, IndexError, MessageError) as exc:
        raise ChannelFailed(f"the address cannot be written into a mail ({plain(str(exc), 100)})") from None
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id
    if thread:
        mail["References"] = thread
    # Nobody's vacation notice shall answer (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Upkeep-Platform"] = plain(message.platform, 100)
    mail["X-Upkeep-Status"] = message.status
    mail["X-Upkeep-Run"] = message.run_id
    mail.set_content(plain_text(message), charset="utf-8")
    return mail


def send_mail(server: MailServer, mail: EmailMessage, recipient: str, deadline: Deadline) -> None:
    """Hand a message to the server, and do not call it sent before the server has taken it.

    :raises ChannelFailed: with the reason.
    """
    handed_over = False
    try:
        connection = connect(server.host, server.port, deadline)
        with _session(server, connection, deadline) as client:
            _secure(client, server)
            _check(client.mail(server.sender, _options(client, mail)), "the sender")
            _check(client.rcpt(recipient), "the recipient")
            handed_over = True
            _check(client.data(mail.as_bytes()), "the message")
    except (Broken, Unchecked) as exc:
        raise ChannelFailed(f"{_place(server)} {exc}") from None
    except (smtplib.SMTPException, OSError, ValueError) as exc:
        maybe = "; it may have taken the message all the same" if handed_over and not isinstance(exc, smtplib.SMTPResponseException) else ""
        raise ChannelFailed(f"{_place(server)} {_reason(exc, deadline)}{maybe}") from None


class _Client(smtplib.SMTP):
    """Python's client over a connection that is given to it, with a bound on what it reads."""

    def __init__(self, connection: socket.socket, server: MailServer) -> None:
        # Without a host it does not connect; without a name of ours it would ask name servers, which knows no timeout.
        super().__init__(local_hostname=_own_name())
        self._host = server.host  # the name that a certificate must bear
        self.sock = connection
        self._received = 0

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _Bounded:
    """A stream that ends when it has given too much."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_RECEIVED_BYTES

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise OSError(f"it sent more than {MAX_RECEIVED_BYTES} bytes")
        return line

    def close(self) -> None:
        self._stream.close()


@contextmanager
def _session(server: MailServer, connection: socket.socket, deadline: Deadline) -> Iterator[_Client]:
    """Talk until the deadline: a server that sends a byte now and then defeats every timeout of a socket."""
    if server.security == "tls":
        connection.settimeout(deadline.remaining())
        try:
            connection = tls_context(server.validate_certs, server.ca_file).wrap_socket(connection, server_hostname=server.host)
        except BaseException:
            connection.close()
            raise
    client = _Client(connection, server)
    connection.settimeout(deadline.remaining())
    watchdog = threading.Timer(deadline.remaining(), _hang_up, [client])
    watchdog.daemon = True
    watchdog.start()
    try:
        code, words = client.getreply()
        if code != 220:
            raise smtplib.SMTPResponseException(code, words)
        yield client
        try:
            client.docmd("QUIT")
        except (smtplib.SMTPException, OSError):
            pass  # the message was taken
    finally:
        watchdog.cancel()
        client.close()


def _hang_up(client: _Client) -> None:
    connection = client.sock
    try:
        if connection is not None:
            # Not the method of a TLS socket, which would end the encryption under the other thread's hands.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


def _secure(client: _Client, server: MailServer) -> None:
    client.ehlo_or_helo_if_needed()
    if server.security == "starttls":
        if not client.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("offers no STARTTLS, so nothing was sent")
        code, words = client.starttls(context=tls_context(server.validate_certs, server.ca_file))
        if code != 220:
            raise smtplib.SMTPResponseException(code, words)
        client.ehlo_or_helo_if_needed()
    if server.username:
        client.login(server.username, server.password)


def _options(client: _Client, mail: EmailMessage) -> list[str]:
    return [f"size={len(mail.as_bytes())}"] if client.has_extn("size") else []


def _check(answer: tuple[int, bytes], what: str) -> None:
    code, words = answer
    if code not in (250, 251):
        raise smtplib.SMTPResponseException(code, b"refused " + what.encode() + b": " + words)


def _reason(problem: Exception, deadline: Deadline) -> str:
    if deadline.elapsed() >= deadline.limit_seconds or isinstance(problem, socket.timeout):
        return f"gave no complete answer within {deadline.limit_seconds:g} s"
    if isinstance(problem, smtplib.SMTPAuthenticationError):
        # What it says may repeat what it was given.
        return f"refused the user name and password ({problem.smtp_code})"
    if isinstance(problem, smtplib.SMTPResponseException):
        words = problem.smtp_error
        text = decode(words) if isinstance(words, bytes) else str(words)
        return f"answered {problem.smtp_code}: {plain(text, _MAX_REASON)}"
    if isinstance(problem, smtplib.SMTPServerDisconnected):
        return "closed the connection in the middle of the conversation"
    if type(problem).__module__ == "ssl":
        verdict = getattr(problem, "verify_message", "")
        if verdict:
            return f"presented a certificate that is not valid: {plain(verdict, _MAX_REASON).rstrip('.')}"
        return f"failed in TLS: {plain(getattr(problem, 'reason', None) or str(problem), _MAX_REASON).replace('_', ' ').lower()}"
    if isinstance(problem, smtplib.SMTPNotSupportedError):
        return plain(str(problem), _MAX_REASON)
    return f"failed: {plain(getattr(problem, 'strerror', None) or str(problem) or type(problem).__name__, _MAX_REASON)}"


def _place(server: MailServer) -> str:
    return f"the mail server {plain(server.host, 100)}:{server.port}"


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() and name.isprintable() and " " not in name else "[127.0.0.1]"
