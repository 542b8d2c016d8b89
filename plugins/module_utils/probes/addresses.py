# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses: URLs taken apart and shown without credentials, names resolved within a deadline."""

from __future__ import annotations

import queue
import re
import socket
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Unchecked

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")

#: Not every system has each of them.
_NO_SUCH_NAME = ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")

NETWORK_HINT = "Check the network and the name servers of this host (/etc/resolv.conf)."


@dataclass(frozen=True)
class Target:
    """A URL taken apart.

    :ivar secure: the scheme asks for TLS.
    :ivar path: what the request line asks for: path and query, percent-encoded.
    :ivar user: decoded, as is ``password``; both empty when the URL carries none.
    :ivar shown: the URL as people may see it: without user, password and fragment.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str
    password: str
    shown: str

    @property
    def secure(self) -> bool:
        return self.scheme in ("https", "wss")

    @property
    def host_header(self) -> str:
        """The Host header, with the port only where it is not the usual one of the scheme."""
        # The zone means something on this host only.
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a header that was meant for this server is bound to."""
        return (self.scheme, self.host, self.port)


def parse_url(url: str, schemes: tuple[str, ...]) -> Target:
    """Take a URL apart.

    :raises ValueError: with the reason, when it is no URL of one of the schemes; the message shows no credentials.
    """
    if _UNSAFE.search(url):
        raise ValueError("it contains a space or a control character; write %20 for a space")
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise ValueError(f"it is no URL ({str(exc).split(':', maxsplit=1)[0].lower()})") from None
    try:
        port = parts.port
    except ValueError:
        # Python repeats what it took for the port, which is a part of the password when that holds a slash.
        raise ValueError("it is no URL (its port is no number up to 65535; write %2F for a / in a password)") from None
    if parts.scheme not in schemes:
        raise ValueError(f"it must begin with {' or '.join(scheme + '://' for scheme in schemes)}")
    host = parts.hostname or ""
    if not host:
        raise ValueError("it names no host")
    if ":" in host:
        host = host.replace("%25", "%", 1)  # the zone of a link-local address (RFC 6874)
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("its host is no valid name") from None
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]") if parts.query else ""
    place = f"[{host.replace('%', '%25', 1)}]" if ":" in host else host
    shown_port = "" if port is None else f":{port}"
    return Target(
        scheme=parts.scheme,
        host=ascii_host,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        path=path + query,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        shown=f"{parts.scheme}://{place}{shown_port}{parts.path}{'?' + parts.query if parts.query else ''}",
    )


def is_literal(host: str) -> bool:
    """Tell whether the host is an IP address rather than a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.split("%", 1)[0])
            return True
        except OSError:
            continue
    return False


def resolve(host: str, port: int, deadline: Deadline, family: int = socket.AF_UNSPEC) -> list[tuple[Any, ...]]:
    """Return the addresses of a host as ``getaddrinfo`` tuples, without repetitions.

    ``getaddrinfo`` knows no timeout, so a name is looked up in a thread that is left behind when it hangs.

    :raises Broken: when the name does not exist.
    :raises Unchecked: when the resolver did not answer.
    """
    answers: queue.Queue[list[tuple[Any, ...]] | Exception] = queue.Queue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(found)))
        except (OSError, UnicodeError) as exc:
            answers.put(exc)

    if is_literal(host):
        look_up()
    else:
        threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        raise Unchecked(
            f"the resolver gave no answer for {host} within {deadline.limit_seconds:g} s", hint=NETWORK_HINT
        ) from None
    if isinstance(answer, Exception):
        raise _resolver_problem(host, answer)
    return answer


def _resolver_problem(host: str, problem: Exception) -> Exception:
    no_such_name = {getattr(socket, name) for name in _NO_SUCH_NAME if hasattr(socket, name)}
    if isinstance(problem, UnicodeError):
        return Broken(f"has a host that is no valid name ({host})")
    if isinstance(problem, socket.gaierror) and problem.errno in no_such_name:
        return Broken(f"has a host name that does not exist ({host})")
    reason = getattr(problem, "strerror", None) or str(problem)
    return Unchecked(f"the resolver failed for {host} ({reason})", hint=NETWORK_HINT)
