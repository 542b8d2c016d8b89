# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on this host now: each address and port with the programs behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.socket_tables import WILDCARDS, inodes_of, read_sockets
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import (
    PROC,
    executable_in,
    living_thread,
    process_title,
    uids_of,
    units_of,
    user_name,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

MAX_LISTENERS = 5000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, order=True)
class Owner:
    """A program that holds a listener.

    :ivar process: its name and, of an interpreter, its script.
    :ivar unit: service of systemd; None of what runs in a session or in no unit.
    """

    executable: str
    process: str
    user: str
    unit: str | None = None

    @property
    def shown(self) -> str:
        """The program for people."""
        return f"{self.process} of {self.user}" + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True)
class Listener:
    """One address and port. :ivar owners: empty when the kernel listens itself, or nobody knows."""

    protocol: str
    address: str
    port: int
    owners: tuple[Owner, ...] = ()

    @property
    def key(self) -> tuple[str, int, str]:
        """What identifies it."""
        return (self.protocol, self.port, self.address)

    @property
    def everywhere(self) -> bool:
        """True when it is bound to all addresses."""
        return self.address in WILDCARDS

    @property
    def local(self) -> bool:
        """True when only this host reaches it."""
        return self.address.startswith("127.") or self.address == "::1"

    @property
    def subject(self) -> str:
        """What identifies it to people."""
        return f"{self.protocol} {place(self.address, self.port)}"

    @property
    def shown_owners(self) -> str:
        """Its owners for people."""
        return " and ".join(owner.shown for owner in self.owners[:5]) or "no process that is visible here"


@dataclass
class Look:
    """What was seen. :ivar unowned: listeners whose owners this user may not know. :ivar ephemeral: UDP sockets left out."""

    listeners: list[Listener]
    unowned: int = 0
    ephemeral: int = 0
    left_out: int = 0


def look(protocols: Iterable[str], *, ephemeral_udp: bool, proc: Path = PROC) -> Look:
    """Return who listens.

    :param ephemeral_udp: whether UDP sockets count whose ports the kernel gave out, which clients hold while they wait for answers.
    :raises OSError: when the kernel does not say.
    """
    wanted = set(protocols)
    waiting = [one for one in read_sockets(proc) if one.listens and one.protocol in wanted]
    least, most = _ephemeral_range()
    kept = [one for one in waiting if ephemeral_udp or one.protocol != "udp" or not least <= one.port <= most]
    owners, denied = _owners({one.inode for one in kept if one.inode}, proc)
    by_key: dict[tuple[str, int, str], set[Owner]] = {}
    unowned = 0
    for one in kept:
        found = owners.get(one.inode, set())
        unowned += bool(one.inode and not found and denied)
        by_key.setdefault((one.protocol, one.port, one.address), set()).update(found)
    listeners = [
        Listener(protocol, address, port, tuple(sorted(found, key=_order)))
        for (protocol, port, address), found in sorted(by_key.items())
    ]
    return Look(listeners[:MAX_LISTENERS], unowned, len(waiting) - len(kept), max(0, len(listeners) - MAX_LISTENERS))


def _order(owner: Owner) -> tuple[str, ...]:
    return (owner.executable, owner.process, owner.user, owner.unit or "")


def _owners(inodes: set[int], proc: Path) -> tuple[dict[int, set[Owner]], bool]:
    """Return the owners by the inodes of sockets, and whether this user may not look at some process."""
    found: dict[int, set[Owner]] = {}
    denied = False
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            held = inodes.intersection(inodes_of(int(name), proc))
            if held:
                owner = _owner(int(name), proc)
        except PermissionError:
            denied = True
            continue
        except (OSError, ValueError, IndexError):
            continue  # it has ended
        for inode in held:
            found.setdefault(inode, set()).add(owner)
    return found, denied


def _owner(pid: int, proc: Path) -> Owner:
    folder = living_thread(proc / str(pid))
    argv = [decode(part) for part in _read(folder / "cmdline").split(b"\0") if part]
    executable = executable_in(folder) or ""
    services = [unit for unit in units_of(pid) if unit.endswith(".service") and not unit.startswith("user@")]
    return Owner(
        plain(executable, 300), process_title(os.path.basename(executable), argv), plain(user_name(uids_of(folder)[1]) or "", 64),
        plain(services[-1], 100) if services else None,
    )


def _ephemeral_range() -> tuple[int, int]:
    try:
        least, most = _EPHEMERAL.read_text(encoding="utf-8").split()
        return int(least), int(most)
    except (OSError, ValueError):
        return 32768, 60999


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MAX_BYTES)


def rows(listeners: Iterable[Listener]) -> list[dict[str, Any]]:
    """Return listeners as JSON takes them."""
    return [
        {
            "protocol": one.protocol, "address": one.address, "port": one.port,
            "owners": [{"executable": o.executable, "process": o.process, "user": o.user, "unit": o.unit} for o in one.owners],
        }
        for one in listeners
    ]
