# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on which TCP port: the socket tables of the kernel, and the processes that hold their sockets."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.process_table import PROC

_LISTEN = "0A"
_WILDCARDS = ("0.0.0.0", "::")
#: Many port probes of one call share one walk over all file descriptors.
_REUSE_SECONDS = 0.25


class Listener(NamedTuple):
    """One listening socket; ``uid`` is the user that opened it."""

    address: str
    port: int
    uid: int
    inode: int

    def serves(self, address: str | None) -> bool:
        """Tell whether connections to the address reach this socket; one on all addresses serves each of them."""
        return address is None or self.address in (address, *_WILDCARDS)


class Owners(NamedTuple):
    """Which processes hold which socket.

    :ivar by_inode: process ids by inode.
    :ivar complete: no process had to be left out for want of rights.
    """

    by_inode: dict[int, tuple[int, ...]]
    complete: bool


def read_listeners(proc: Path = PROC) -> list[Listener]:
    """Return every listening TCP socket of this network namespace.

    :raises Unchecked: when this system has no such tables.
    """
    tables = []
    for name in ("tcp", "tcp6"):
        try:
            tables.append((proc / "net" / name).read_text("ascii", "replace"))
        except FileNotFoundError:
            continue  # a kernel without IPv6
        except OSError as exc:
            raise Unchecked(f"{proc}/net/{name} cannot be read ({exc.strerror})", permanent=True) from exc
    if not tables:
        raise Unchecked(f"this system has no {proc}/net/tcp", permanent=True)
    return [listener for table in tables for listener in parse_listeners(table)]


def parse_listeners(table: str) -> list[Listener]:
    """Return the listening sockets of a table in the form of ``/proc/net/tcp``."""
    listeners = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, port = fields[1].split(":")
            listeners.append(Listener(_address(address), int(port, 16), int(fields[7]), int(fields[9])))
    return listeners


def _address(text: str) -> str:
    """Decode an address: words of 32 bits in the byte order of the machine, written in hexadecimal digits."""
    words = [int(text[index : index + 8], 16) for index in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def read_owners(proc: Path = PROC) -> Owners:
    """Walk over the file descriptors of every process and return who holds which socket."""
    found: dict[int, list[int]] = {}
    complete = True
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            descriptors = [entry.path for entry in os.scandir(proc / name / "fd")]
        except PermissionError:
            complete = False
            continue
        except OSError:
            continue  # it ended meanwhile
        for inode in _sockets(descriptors):
            found.setdefault(inode, []).append(int(name))
    return Owners({inode: tuple(sorted(set(pids))) for inode, pids in found.items()}, complete)


def _sockets(descriptors: Iterable[str]) -> Iterable[int]:
    for path in descriptors:
        try:
            link = os.readlink(path)
        except OSError:
            continue
        if link.startswith("socket:["):
            yield int(link[8:-1])


class _Shared:
    """The last walk over all file descriptors, for the probes that run at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = float("-inf")
        self._owners = Owners({}, False)

    def get(self, inodes: Iterable[int]) -> Owners:
        asked = time.monotonic()
        with self._lock:
            known = asked - self._taken <= _REUSE_SECONDS and self._owners.by_inode.keys() >= set(inodes)
            if not known and self._taken < asked:
                self._taken = time.monotonic()
                self._owners = read_owners()
            return self._owners


_shared = _Shared()


def owners(inodes: Iterable[int], proc: Path = PROC) -> Owners:
    """Return who holds the sockets, seen at most a quarter of a second ago, and just now for those that are new."""
    return _shared.get(inodes) if proc == PROC else read_owners(proc)
