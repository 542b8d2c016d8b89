# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The TCP and UDP sockets of this network namespace, from the tables of the kernel, and the processes that hold them.

This needs no psutil. A socket has an inode, and the file descriptors of processes name it.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import PROC, living_thread, unmapped

#: An IPv6 socket on :: usually takes IPv4, too.
WILDCARDS = ("0.0.0.0", "::")
_TABLES = (("tcp", "net/tcp"), ("tcp", "net/tcp6"), ("udp", "net/udp"), ("udp", "net/udp6"))
_ESTABLISHED, _LISTEN, _UNCONNECTED = "01", "0A", "07"
_MAX_DESCRIPTORS = 100_000


class Socket(NamedTuple):
    """One socket.

    :ivar remote: the other side of a connection; None of a socket that waits.
    :ivar uid: of who opened it.
    :ivar inode: its number; 0 when no process holds it any more.
    """

    protocol: str
    address: str
    port: int
    remote: str | None
    uid: int
    inode: int

    @property
    def listens(self) -> bool:
        """True of a socket that waits for others."""
        return self.remote is None


def read_sockets(proc: Path = PROC) -> list[Socket]:
    """Return the sockets that listen, and established connections.

    :raises OSError: when the kernel does not show them.
    """
    found = list(_rows("tcp", proc / "net/tcp"))
    for protocol, table in _TABLES[1:]:
        try:
            found += _rows(protocol, proc / table)
        except FileNotFoundError:
            continue  # a kernel without IPv6
    return found


def _rows(protocol: str, table: Path) -> Iterator[Socket]:
    with table.open(encoding="utf-8", errors="replace") as lines:
        next(lines, "")
        for line in lines:
            parts = line.split()
            if len(parts) < 10:
                continue
            state = parts[3]
            waits = state == _LISTEN if protocol == "tcp" else state == _UNCONNECTED
            if not waits and state != _ESTABLISHED:
                continue
            try:
                address, port = _place(parts[1])
                yield Socket(protocol, address, port, None if waits else _place(parts[2])[0], int(parts[7]), int(parts[9]))
            except (ValueError, struct.error):
                continue


def _place(text: str) -> tuple[str, int]:
    """Read an address and its port: words of 32 bits in the byte order of the machine, in hexadecimal."""
    address, _colon, port = text.partition(":")
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    family = socket.AF_INET6 if len(words) == 4 else socket.AF_INET
    return unmapped(socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))), int(port, 16)


def inodes_of(pid: int, proc: Path = PROC) -> dict[int, int]:
    """Return the inodes of the sockets that a process holds, with one file descriptor of each.

    :raises OSError: when the process is gone, or this user may not look.
    """
    folder = proc / str(pid) / "fd"
    names = os.listdir(folder)
    if not names:
        folder = living_thread(proc / str(pid)) / "fd"
        names = os.listdir(folder)
    found: dict[int, int] = {}
    for name in names[:_MAX_DESCRIPTORS]:
        try:
            link = os.readlink(folder / name)
        except PermissionError:
            raise
        except OSError:
            continue  # closed meanwhile
        if link.startswith("socket:["):
            number = int(link[8:-1])
            found[number] = min(found.get(number, int(name)), int(name))
    return found
