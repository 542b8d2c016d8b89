# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificate that a server presents, and whether clients trust it.

A handshake that verifies gives the certificate and the verdict in one connection. Only when it fails, a second one
without verification fetches the certificate: no library gives it together with the reason.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.starttls import start_tls
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import is_literal
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream, connect, connection_problem

_AUTHORITIES_HINT = "Install the package ca-certificates on this host, or give ca_file."
_SSL_HINT = "Set ansible_python_interpreter to a Python with it, such as /usr/bin/python3."
_HANDSHAKE_HINT = "Look at whether this port speaks TLS from the first byte; where TLS is started later, name the protocol in starttls."
_SERVER_HINT = "Look at whether the server runs and can be reached from this host."


@dataclass(frozen=True)
class Served:
    """What a server presented.

    :ivar leaf: its own certificate in DER.
    :ivar issuers: the certificates between it and the trusted root, in DER, where Python tells them (3.13).
    :ivar verified: clients trust the chain; None when that could not be found out.
    :ivar reason: why not.
    :ivar hint: the next step when it could not be found out.
    """

    leaf: bytes
    issuers: tuple[bytes, ...] = ()
    verified: bool | None = None
    reason: str = ""
    hint: str = ""


class HandshakeFailed(Broken):
    """The server answers, but not with TLS, or not with one that this host knows."""


class Trust:
    """Whom this host trusts: TLS contexts, made once for all endpoints, since loading all authorities takes 10 to 40 ms.

    :param verify: False when nobody asked for a verdict on the chain.
    :param ca_file: the authorities for endpoints that name none; nothing for those of the system.
    """

    def __init__(self, verify: bool, ca_file: str) -> None:
        self._verify = verify
        self._ca_file = ca_file
        self._contexts: dict[str, Any] = {}
        self._minds_nothing: Any = None
        self._lock = threading.Lock()

    def verifying(self, endpoint: Endpoint) -> Any:
        """Return the context that verifies, or None when nobody asked for it.

        :raises Unchecked: when this host cannot verify anything.
        """
        if not self._verify:
            return None
        ca_file = endpoint.ca_file or self._ca_file
        with self._lock:
            if ca_file not in self._contexts:
                try:
                    self._contexts[ca_file] = _verifying_context(ca_file)
                except Unchecked as exc:
                    self._contexts[ca_file] = exc
            context = self._contexts[ca_file]
        if isinstance(context, Unchecked):
            raise context
        return context

    def lenient(self) -> Any:
        """Return the context that completes a handshake with whatever a server has; nothing is sent over it."""
        with self._lock:
            self._minds_nothing = self._minds_nothing or _lenient_context()
        return self._minds_nothing


def ask_all(
    endpoints: Sequence[Endpoint], trust: Trust, *, timeout_seconds: float, concurrency: int
) -> list[Served | Unreadable]:
    """Ask every endpoint, ``concurrency`` at a time; return what each presented or why it gave nothing, in order.

    :param timeout_seconds: for each endpoint, whatever it does.
    """
    try:
        import ssl  # noqa: F401  here, since importing it costs more than a few files
    except ImportError:
        return [Unreadable("could not be asked: this Python has no ssl module", _SSL_HINT) for _endpoint in endpoints]
    answers: list[Served | Unreadable] = [Unreadable("was not asked")] * len(endpoints)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(endpoints)):
        waiting.put(index)

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            answers[index] = _answer(endpoints[index], trust, timeout_seconds)

    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(concurrency, len(endpoints)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _answer(endpoint: Endpoint, trust: Trust, timeout_seconds: float) -> Served | Unreadable:
    try:
        return ask(endpoint, trust, Deadline(timeout_seconds))
    except HandshakeFailed as exc:
        return Unreadable(str(exc), _HANDSHAKE_HINT)
    except Broken as exc:
        return Unreadable(str(exc), _SERVER_HINT)
    except Unchecked as exc:
        return Unreadable(f"could not be asked: {exc}", exc.hint)
    except Exception as exc:  # whatever it is, the other endpoints must keep their answers
        return Unreadable(f"could not be asked: {type(exc).__name__}: {exc}")


def ask(endpoint: Endpoint, trust: Trust, deadline: Deadline) -> Served:
    """Return what ``endpoint`` presents.

    :raises Broken: when it does not complete a handshake in time.
    :raises Unchecked: when this host could not try.
    """
    import ssl

    verified, reason, hint = None, "", ""
    try:
        context = trust.verifying(endpoint)
    except Unchecked as exc:
        context, reason, hint = None, str(exc), exc.hint
    if context is not None:
        try:
            return _handshake(endpoint, context, deadline, _verified)
        except ssl.SSLCertVerificationError as exc:
            verified, reason = False, exc.verify_message.rstrip(".")
        except ssl.SSLError as exc:
            # Too old a protocol or too weak a key, perhaps: a client that minds nothing sees the certificate still.
            reason = f"with the settings of this host TLS fails: {_tls_reason(exc)}"
    try:
        served = _handshake(endpoint, trust.lenient(), deadline, _unverified)
    except ssl.SSLError as exc:
        raise HandshakeFailed(f"failed in the TLS handshake: {_tls_reason(exc)}") from exc
    return Served(served.leaf, (), verified, reason, hint)


def _handshake(endpoint: Endpoint, context: Any, deadline: Deadline, take: Callable[[Any], Served]) -> Served:
    import ssl

    connection = connect(endpoint.host, endpoint.port, deadline)
    try:
        if endpoint.starttls:
            start_tls(Stream(connection, deadline), endpoint.starttls)
        connection.settimeout(deadline.remaining("did not complete the TLS handshake"))
        name = None if is_literal(endpoint.name) else endpoint.name
        try:
            with context.wrap_socket(connection, server_hostname=name) as secured:
                return take(secured)
        except ssl.SSLError:
            raise
        except (OSError, ValueError) as exc:
            problem = exc if isinstance(exc, OSError) else OSError(errno.EPROTO, str(exc))
            raise connection_problem(problem, deadline, "did not complete the TLS handshake") from exc
    finally:
        connection.close()


def _verified(secured: Any) -> Served:
    leaf = secured.getpeercert(binary_form=True) or b""
    # Public since Python 3.13. The last one is the root, which clients do not ask for its time.
    chain = secured.get_verified_chain() if hasattr(secured, "get_verified_chain") else []
    return Served(leaf, tuple(bytes(der) for der in chain[1:-1]), True)


def _unverified(secured: Any) -> Served:
    leaf = secured.getpeercert(binary_form=True)
    if not leaf:
        raise Broken("presented no certificate")
    return Served(leaf)


def _tls_reason(problem: Any) -> str:
    if problem.reason:
        return str(problem.reason).replace("_", " ").lower()
    return str(problem.args[-1]) if problem.args else "no reason given"


def _verifying_context(ca_file: str) -> Any:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The name is compared with the certificate afterwards, so that both verdicts are known.
    context.check_hostname = False
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as exc:  # ssl.SSLError is one
            reason = exc.strerror if exc.errno in (errno.ENOENT, errno.EACCES, errno.EISDIR) else "it holds no certificate"
            raise Unchecked(f"the CA file {ca_file} cannot be used ({reason})", hint="Correct ca_file.") from exc
        return context
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and os.listdir(paths.capath)):
        raise Unchecked("no CA certificates are installed on this host", hint=_AUTHORITIES_HINT)
    context.load_default_certs()
    return context


def _lenient_context() -> Any:
    import ssl
    import warnings

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():  # old protocols are what is looked for here
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
