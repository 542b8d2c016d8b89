# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a host tells of connections, accounts and work on a schedule. Parsing is pure; files are read through a host."""

from __future__ import annotations

import ipaddress
import posixpath
import socket

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
#: Established, and being established.
_OPEN = {"01", "02"}
_CRON_FILES = ("/etc/crontab", "/etc/anacrontab")
_FOLDERS = (
    "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/var/spool/cron/crontabs",
    "/var/spool/cron/atjobs", "/etc/systemd/system", "/run/systemd/system", "/etc/systemd/user",
)  # fmt: skip
_UNITS = (".timer", ".service", ".conf")
_MAX_FILES = 20_000


def remote_addresses(host: Host) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return with how many connections each address is connected, and what could not be read."""
    found: dict[str, int] = {}
    unread = []
    for path in _TABLES:
        try:
            text = decode(host.read(path, 64 * 1024 * 1024)[0])
        except Absent:
            if not path.endswith("6"):
                unread.append((path, "does not exist"))
            continue
        except Unseen as exc:
            unread.append((path, str(exc)))
            continue
        for line in text.split("\n")[1:]:
            words = line.split()
            address = _address(words[2].partition(":")[0]) if len(words) > 3 and words[3] in _OPEN else None
            if address is not None:
                found[address] = found.get(address, 0) + 1
    return found, unread


def _address(digits: str) -> str | None:
    """Return the address that the kernel writes as 32-bit words in its own order of bytes."""
    try:
        raw = bytes.fromhex(digits)
        packed = b"".join(socket.htonl(int.from_bytes(raw[at:at + 4], "big")).to_bytes(4, "big") for at in range(0, len(raw), 4))
        address = ipaddress.ip_address(packed)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def scheduled_texts(host: Host, homes: list[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (path, text in lower case) of each file that lets something run on a schedule, and what could not be read.

    :param homes: of accounts, which may have timers of their own.
    """
    folders = [*_FOLDERS, *(posixpath.join(home, ".config/systemd/user") for home in dict.fromkeys(homes) if home.startswith("/"))]
    waiting, unread = list(_CRON_FILES), []
    while folders and len(waiting) < _MAX_FILES:
        folder = folders.pop(0)
        try:
            names = host.names(folder)
        except Absent:
            continue
        except Unseen as exc:
            unread.append((folder, str(exc)))
            continue
        for name in names:
            path = posixpath.join(folder, name)
            if "/systemd/" in path and not name.endswith(_UNITS):
                folders += [path] if name.endswith((".wants", ".requires", ".d")) else []
            else:
                waiting.append(path)
    found = []
    for path in waiting[:_MAX_FILES]:
        try:
            found.append((path, decode(host.read(path)[0]).lower()))
        except Absent:
            continue  # also a unit that is linked to nothing
        except Unseen as exc:
            if "/systemd/" not in path or "regular" not in str(exc):  # a unit that is masked leads to /dev/null
                unread.append((path, str(exc)))
    return found, unread
