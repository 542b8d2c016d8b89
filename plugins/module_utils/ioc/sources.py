# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a host tells of connections, accounts and work on a schedule. Parsing is pure; files are read through a host."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import read_kernel_address
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
    try:
        return str(read_kernel_address(digits))
    except ValueError:
        return None


def scheduled_texts(host: Host, homes: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (path, text in lower case, '') of each file that lets something run on a schedule, and (path, '', why it was not read).

    They come one after the other: users may have many, and large ones.

    :param homes: of accounts, which may have timers of their own.
    """
    count = 0
    for path, problem in _scheduled_paths(host, homes):
        count += 1
        if count > _MAX_FILES:
            yield "further schedules", "", f"were not looked at, since there are more than {_MAX_FILES}"
            return
        if problem:
            yield path, "", problem
            continue
        try:
            yield path, decode(host.read(path)[0]).lower(), ""
        except Absent:
            continue  # also a unit that is linked to nothing
        except Unseen as exc:
            if "/systemd/" not in path or "regular" not in str(exc):  # a unit that is masked leads to /dev/null
                yield path, "", str(exc)


def _scheduled_paths(host: Host, homes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (path of a file, ''), and (path of a folder, why it was not listed)."""
    yield from ((path, "") for path in _CRON_FILES)
    for folder in [*_FOLDERS, *(posixpath.join(home, ".config/systemd/user") for home in dict.fromkeys(homes) if home.startswith("/"))]:
        for path, problem in _names_in(host, folder):
            # Folders of drop-ins hold no further ones; where links lead round in a circle, that is an end.
            if not problem and "/systemd/" in path and path.endswith((".wants", ".requires", ".d")):
                yield from (one for one in _names_in(host, path) if one[1] or one[0].endswith(_UNITS))
            elif problem or "/systemd/" not in path or path.endswith(_UNITS):
                yield path, problem


def _names_in(host: Host, folder: str) -> Iterator[tuple[str, str]]:
    try:
        yield from ((posixpath.join(folder, name), "") for name in host.names(folder))
    except Absent:
        return
    except Unseen as exc:
        yield folder, str(exc)
