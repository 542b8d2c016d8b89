# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Over which connection this process was started: what must not be cut, since the operator comes back over it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Address, read_address, read_kernel_address

PROC = Path("/proc")
_ESTABLISHED = "01"
_MAX_ANCESTORS = 64
_MAX_ENVIRON_BYTES = 1024 * 1024
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_DAEMONS = ("sshd", "sshd-session", "sshd-auth", "dropbear")


@dataclass(frozen=True)
class Connection:
    """A TCP connection of an operator.

    :ivar peer: where the operator is.
    :ivar port: the port on this host.
    """

    peer: Address
    port: int


@dataclass(frozen=True)
class Operator:
    """What is known of who started this process.

    :ivar established: connections that exist now.
    :ivar claimed: addresses that ancestors name in ``SSH_CONNECTION`` and whose connection has ended, as in a terminal
        that was left running; there is no way back over them.
    """

    established: tuple[Connection, ...]
    claimed: tuple[Address, ...]

    @property
    def addresses(self) -> set[Address]:
        """Every address that may be the operator's."""
        return {one.peer for one in self.established} | set(self.claimed)


def find_operator() -> Operator:
    """Return the connection over which an ssh server started this process, and those that ancestors claim.

    Only the nearest server is asked: the one above it takes in everybody, attackers included. One that forwards ports
    holds further connections; then ``SSH_CONNECTION`` tells which is the operator's. It is believed where such a connection
    exists, also when the server is gone from the ancestors (``async`` tasks).
    """
    sockets = _established()
    held: dict[Connection, None] = {}
    proved: dict[Connection, None] = {}
    claimed: dict[Address, None] = {}
    for pid in ancestors(os.getpid()):
        if not held and _text(PROC / str(pid) / "comm").strip() in _DAEMONS:
            held.update((sockets[inode][2], None) for inode in _socket_inodes(pid) if inode in sockets)
        claim = _claim(pid)
        if claim is None:
            continue
        peer, peer_port, port = claim
        if any((peer, peer_port, port) == (*ends, connection.port) for *ends, connection in sockets.values()):
            proved[Connection(peer, port)] = None
        else:
            claimed[peer] = None
    found = [one for one in held if one in proved] or [*held, *proved]
    return Operator(
        tuple(one for one in found if not one.peer.is_loopback), tuple(one for one in claimed if not one.is_loopback)
    )


def ancestors(pid: int) -> list[int]:
    """Return a process and those that it descends from, the nearest first."""
    line: list[int] = []
    while pid > 0 and pid not in line and len(line) < _MAX_ANCESTORS:
        line.append(pid)
        # The name stands in parentheses and may hold parentheses and spaces itself.
        fields = _text(PROC / str(pid) / "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else 0
    return line


def _claim(pid: int) -> tuple[Address, int, int] | None:
    """Return address and port of the client, and the port of the server, that SSH_CONNECTION of a process names."""
    for entry in _text(PROC / str(pid) / "environ").split("\0"):
        name, _equals, value = entry.partition("=")
        parts = value.split()
        if name == "SSH_CONNECTION" and len(parts) == 4 and parts[1].isdigit() and parts[3].isdigit():
            peer = read_address(parts[0])
            return None if peer is None else (peer, int(parts[1]), int(parts[3]))
    return None


def _established() -> dict[str, tuple[Address, int, Connection]]:
    """Return the established TCP connections of this network namespace, by the inode of their socket."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in _text(PROC / "self" / "net" / name).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _ESTABLISHED:
                local, remote = _end(fields[1]), _end(fields[2])
                found[fields[9]] = (*remote, Connection(remote[0], local[1]))
    return found


def _end(text: str) -> tuple[Address, int]:
    """Return address and port as /proc/net writes them."""
    address, _colon, port = text.partition(":")
    return read_kernel_address(address), int(port, 16)


def _socket_inodes(pid: int) -> list[str]:
    found = []
    try:
        names = os.listdir(PROC / str(pid) / "fd")
    except OSError:
        return []
    for name in names:
        try:
            match = _SOCKET.fullmatch(os.readlink(PROC / str(pid) / "fd" / name))
        except OSError:
            continue
        if match:
            found.append(match.group(1))
    return found


def _text(path: Path) -> str:
    """Return a file of /proc, or nothing when it is gone or may not be read."""
    try:
        with open(path, "rb") as stream:
            return os.fsdecode(stream.read(_MAX_ENVIRON_BYTES))
    except OSError:
        return ""
