# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP and TLS connections whose every step shares one deadline."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import resolve
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Unchecked

_READ_BYTES = 65536
_SSL_HINT = "Set ansible_python_interpreter to a Python with it, such as /usr/bin/python3."
_AUTHORITIES_HINT = "Install the package ca-certificates on this host."

#: What this host cannot do says nothing about the service.
_OWN_TROUBLE = {
    errno.ENETUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS,
    errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL,
}

_contexts: dict[tuple[bool, str], Any] = {}
_contexts_lock = threading.Lock()


class Stream:
    """A connection that is read and written until a deadline, never longer.

    Reading raises :class:`Broken` when the deadline passes or the connection breaks.

    :ivar ended: the other side sent all that it wanted to: an empty line that was read then is none.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._buffer = b""
        self.ended = False

    @property
    def pending(self) -> bool:
        """True when bytes were received that nobody has read yet."""
        return bool(self._buffer)

    def send(self, data: bytes) -> None:
        """Write all of ``data``."""
        try:
            self._connection.settimeout(self._deadline.remaining("did not take the whole request"))
            self._connection.sendall(data)
        except OSError as exc:
            raise connection_problem(exc, self._deadline) from exc

    def read(self, limit: int = _READ_BYTES) -> bytes:
        """Return at least one byte and at most ``limit``, or nothing at the end of the stream."""
        if self._buffer:
            data, self._buffer = self._buffer[:limit], self._buffer[limit:]
            return data
        try:
            self._connection.settimeout(self._deadline.remaining())
            data = self._connection.recv(min(limit, _READ_BYTES))
        except OSError as exc:
            raise connection_problem(exc, self._deadline) from exc
        self.ended = not data
        return data

    def read_exactly(self, count: int) -> bytes:
        """Return exactly ``count`` bytes.

        :raises Broken: also when the stream ends before.
        """
        parts = bytearray()
        while len(parts) < count:
            data = self.read(count - len(parts))
            if not data:
                raise Broken("closed the connection in the middle of its answer")
            parts += data
        return bytes(parts)

    def read_line(self, limit: int) -> bytes:
        """Return one line without its end; an empty stream gives an empty line.

        :raises Broken: also when the line is longer than ``limit`` bytes or the stream ends within it.
        """
        line = bytearray()
        while True:
            data = self.read()
            if not data:
                if line:
                    raise Broken("closed the connection in the middle of its answer")
                return b""
            head, newline, rest = data.partition(b"\n")
            line += head
            if len(line) > limit:
                raise Broken(f"sent a line of more than {limit} bytes")
            if newline:
                self._buffer = rest + self._buffer
                return bytes(line).rstrip(b"\r")

    def hurry(self, limit_seconds: float) -> None:
        """Give what is still to be read and written at most this much time."""
        self._deadline = self._deadline.sooner(limit_seconds)

    def close(self) -> None:
        """Close the connection; closing never fails."""
        try:
            self._connection.close()
        except OSError:
            pass


def open_stream(host: str, port: int, deadline: Deadline, tls: dict[str, Any] | None = None) -> Stream:
    """Connect to the first address of ``host`` that answers, with TLS when ``tls`` gives its options.

    :param tls: ``validate_certs``, ``ca_file`` and ``server_name`` (None: the host), or None for plain TCP.
    :raises Broken: refused, reset, silent, or the wrong certificate.
    :raises Unchecked: when this host could not try.
    """
    connection = connect(host, port, deadline)
    if tls is None:
        return Stream(connection, deadline)
    try:
        return Stream(_secure(connection, tls["server_name"] or host, tls, deadline), deadline)
    except BaseException:
        connection.close()
        raise


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a TCP connection to the first address of ``host`` that accepts one.

    Every address is tried in turn: ``localhost`` is often IPv6 first while the service listens on IPv4 only. One that
    stays silent may use its share of the time, so that the next one gets its chance.

    :raises Broken: refused, reset or silent.
    :raises Unchecked: when this host could not try.
    """
    addresses = resolve(host, port, deadline)
    problems: list[Exception] = []
    for index, (family, kind, protocol, _name, address) in enumerate(addresses):
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as exc:
            problems.append(connection_problem(exc, deadline))
            continue
        try:
            connection.settimeout(deadline.remaining("did not accept a connection") / (len(addresses) - index))
            connection.connect(address)
            if connection.getsockname() == connection.getpeername():
                # On a free port of the ephemeral range, TCP can connect a socket to itself.
                raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as exc:
            connection.close()
            problems.append(connection_problem(exc, deadline, "did not accept a connection"))
        except BaseException:
            connection.close()
            raise
    # One address that was reached and refused says more than another that this host has no route to.
    raise next((problem for problem in problems if isinstance(problem, Broken)), problems[0])


def connection_problem(problem: OSError, deadline: Deadline, silent: str = "gave no complete answer") -> Exception:
    """Say whose fault an error of a socket is, in words."""
    if isinstance(problem, (socket.timeout, BlockingIOError)) or problem.errno == errno.ETIMEDOUT:
        return Broken(f"{silent} within {deadline.limit_seconds:g} s")
    if type(problem).__module__ == "ssl":
        # Its numbers are those of OpenSSL, not of the system: 1 would read as "operation not permitted".
        return Broken(f"failed in TLS: {(getattr(problem, 'reason', None) or str(problem)).replace('_', ' ').lower()}")
    if isinstance(problem, ConnectionRefusedError):
        return Broken(f"refused the connection after {deadline.elapsed():.3f} s")
    if isinstance(problem, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return Broken("reset the connection")
    reason = problem.strerror or str(problem)
    if problem.errno in _OWN_TROUBLE:
        return Unchecked(f"{reason[:1].lower()}{reason[1:]}")
    return Broken(f"could not be reached: {reason[:1].lower()}{reason[1:]}")


def _secure(connection: socket.socket, server_name: str, tls: dict[str, Any], deadline: Deadline) -> socket.socket:
    try:
        import ssl  # here, since importing it costs more than a plain probe
    except ImportError:
        raise Unchecked("this Python has no ssl module", hint=_SSL_HINT, permanent=True) from None

    context = tls_context(tls["validate_certs"], tls["ca_file"] or "")
    try:
        connection.settimeout(deadline.remaining("did not complete the TLS handshake"))
        secured: socket.socket = context.wrap_socket(connection, server_hostname=server_name)
        return secured
    except ssl.SSLCertVerificationError as exc:
        raise Broken(f"presented a certificate that is not valid: {exc.verify_message.rstrip('.')}") from exc
    except socket.timeout as exc:
        raise Broken(f"did not complete the TLS handshake within {deadline.limit_seconds:g} s") from exc
    except ssl.SSLError as exc:
        reason = (exc.reason or str(exc)).replace("_", " ").lower()
        raise Broken(f"failed in the TLS handshake: {reason}") from exc
    except (OSError, ValueError) as exc:
        raise Broken(f"failed in the TLS handshake: {getattr(exc, 'strerror', None) or exc}") from exc


def tls_context(validate_certs: bool, ca_file: str) -> Any:
    """Return a context, made once for all probes: loading the certificates of the system takes 10 to 40 ms."""
    import ssl

    with _contexts_lock:
        key = (validate_certs, ca_file)
        if key not in _contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if not validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            elif ca_file:
                _load_authorities(context, ca_file)
            else:
                _require_system_authorities()
                context.load_default_certs()
            _contexts[key] = context
        return _contexts[key]


def _load_authorities(context: Any, ca_file: str) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as exc:  # ssl.SSLError is one
        reason = exc.strerror if exc.errno in (errno.ENOENT, errno.EACCES, errno.EISDIR) else "it holds no certificate"
        raise Unchecked(f"the CA file {ca_file} cannot be used ({reason})", permanent=True) from exc


def _require_system_authorities() -> None:
    """Refuse to judge a certificate on a host that trusts nobody: it would call every certificate wrong."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and os.listdir(paths.capath)):
        raise Unchecked("no CA certificates are installed on this host", hint=_AUTHORITIES_HINT, permanent=True)


def tls_options(options: dict[str, Any], secure: bool) -> dict[str, Any] | None:
    """Return the TLS options of a probe for :func:`open_stream`, or None for a plain connection."""
    if not secure:
        return None
    return {key: options[key] for key in ("validate_certs", "ca_file", "server_name")}
