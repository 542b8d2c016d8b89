# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a listener on ``::`` serves IPv4 too.

From outside, and in ``/proc/net``, a socket for IPv6 only looks like one for both. The kernel tells them apart through
netlink (sock_diag(7)), as it does for ``ss``; that needs no right and connects to nothing.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked

_SOCK_DIAG = 4
_BY_FAMILY = 20
_ERROR, _DONE = 2, 3
_REQUEST_DUMP = 0x301
_LISTENING = 1 << 10
_V6ONLY = 11

#: length, type, flags, sequence, port id
_HEADER = struct.Struct("=IHHII")
#: family, protocol, extensions, padding, states; then the ports, and addresses, interface and cookie, which stay open
_QUESTION = struct.Struct("=BBBxI")
_PORTS = struct.Struct("!HH")
_REST_OF_SOCKET = 44
#: The part of an answer before its attributes: 4 bytes of states, 48 that name the socket, 20 of figures.
_FACTS_BYTES = 72
_ATTRIBUTE = struct.Struct("=HH")

_TIMEOUT_SECONDS = 2.0
_MAX_MESSAGE_BYTES = 65536
_WILDCARD = bytes(16)


def ipv6_only(port: int) -> bool:
    """Tell whether every listener on ``::`` at this port takes IPv6 connections only.

    :raises Unchecked: when the kernel does not tell.
    """
    try:
        answers = list(_ask_kernel(port))
    except (OSError, AttributeError, struct.error) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise Unchecked(f"the kernel does not tell whether its listener on :: serves IPv4 ({reason})") from exc
    told = [only for address, only in answers if address == _WILDCARD]
    if not told or None in told:
        raise Unchecked("the kernel does not tell whether its listener on :: serves IPv4")
    return all(told)


def _ask_kernel(port: int) -> Iterator[tuple[bytes, bool | None]]:
    """Yield what the kernel says of each IPv6 listener at the port."""
    asked = _QUESTION.pack(socket.AF_INET6, socket.IPPROTO_TCP, 0, _LISTENING) + _PORTS.pack(port, 0)
    asked += bytes(_REST_OF_SOCKET)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT_SECONDS)
        kernel.send(_HEADER.pack(_HEADER.size + len(asked), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + asked)
        while True:
            answer = kernel.recv(_MAX_MESSAGE_BYTES)
            for kind, content in messages(answer):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", content)[0]
                    raise OSError(number, os.strerror(number))
                yield listener(content)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each netlink message; what is cut off ends them."""
    while len(data) >= _HEADER.size:
        length, kind, _flags, _sequence, _port_id = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[_aligned(length) :]


def listener(content: bytes) -> tuple[bytes, bool | None]:
    """Return the address of a listener and whether it is for IPv6 only; None when the kernel is too old to say."""
    address = content[8:24]
    attributes = content[_FACTS_BYTES:]
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            break
        if kind == _V6ONLY and length > _ATTRIBUTE.size:
            return address, attributes[_ATTRIBUTE.size] != 0
        attributes = attributes[_aligned(length) :]
    return address, None


def _aligned(length: int) -> int:
    return (length + 3) & ~3
