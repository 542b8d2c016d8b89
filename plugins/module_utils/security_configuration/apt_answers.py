# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dpkg and apt answer about packages, and what the lists of archives say of themselves. Pure functions over text."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

#: A source of security updates, as ``apt-cache policy`` prints it: bookworm-security/main, noble-security/main.
_SECURITY_SOURCE = re.compile(r"\s(?:\S+-security|\S+/updates)/\S+\s")
_HEADER = re.compile(r"(?P<name>\S+):$")
_VERSION = re.compile(r"(?P<mark> \*\*\* |     )(?P<version>\S+)(?: -?\d+)?(?: \(phased \d+%\))?$")
_HEADER_BYTES = 16 * 1024


class Package(NamedTuple):
    """An installed package.

    :ivar held: somebody told dpkg to keep its version.
    :ivar finished: it is wholly installed and configured.
    """

    name: str
    held: bool
    finished: bool


@dataclass(frozen=True)
class Update:
    """A security update that waits.

    :ivar candidate: what apt would install; the installed version when it would install nothing.
    """

    package: str
    installed: str
    security: str
    candidate: str
    held: bool

    @property
    def kept_back(self) -> bool:
        """Whether an upgrade would leave it out: it is held, or pinned."""
        return self.held or self.candidate in (self.installed, "(none)")


def read_packages(output: str) -> list[Package]:
    """Return the packages that are installed, from lines of ``${db:Status-Abbrev} ${binary:Package}``."""
    packages = []
    for line in output.splitlines():
        state, _space, name = line.rstrip().rpartition(" ")
        # The letters: what is wanted, what is there (n: nothing, c: only configuration), and R for damaged.
        if name and len(state) >= 2 and state[1] not in "nc":
            packages.append(Package(name, state[0] == "h", state[1] == "i" and not state[2:].strip()))
    return packages


def read_updates(output: str, held: Collection[str]) -> list[Update]:
    """Return the packages for which an archive of security updates has a newer version than the installed one.

    :param output: of ``apt-cache policy`` with names of packages; versions are listed from the newest to the oldest.
    :param held: names of packages that are held.
    """
    updates: list[Update] = []
    name = installed = candidate = newest = version = ""
    above = False

    def close() -> None:
        if name and newest and installed not in ("", "(none)"):
            updates.append(Update(name, installed, newest, candidate, name in held))

    for line in output.splitlines():
        header = _HEADER.match(line)
        if header is not None:
            close()
            name, installed, candidate, newest, version, above = header["name"], "", "", "", "", True
        elif line.startswith("  Installed: "):
            installed = line[13:].strip()
        elif line.startswith("  Candidate: "):
            candidate = line[13:].strip()
        elif (match := _VERSION.match(line)) is not None:
            version = match["version"]
            # From the installed version on, nothing is newer.
            above = above and match["mark"].strip() != "***"
        elif above and version and not newest and _SECURITY_SOURCE.search(line):
            newest = version
    close()
    return updates


class Archive(NamedTuple):
    """What a list of an archive says of itself.

    :ivar dated: when the archive was in this state.
    """

    name: str
    security: bool
    dated: datetime | None


def read_release(text: str) -> Archive:
    """Return what an ``InRelease`` or ``Release`` file says at its beginning."""
    fields: dict[str, str] = {}
    for line in text[:_HEADER_BYTES].splitlines():
        key, colon, value = line.partition(":")
        if colon and key in ("Label", "Suite", "Codename", "Date") and not line.startswith(" "):
            fields.setdefault(key, value.strip())
    suites = (fields.get("Suite", ""), fields.get("Codename", ""))
    security = fields.get("Label") == "Debian-Security" or any(suite.endswith("-security") for suite in suites)
    dated = None
    try:
        dated = parsedate_to_datetime(fields.get("Date", ""))
    except (TypeError, ValueError, IndexError):
        pass
    return Archive(fields.get("Suite") or fields.get("Codename") or "", security, dated if dated is not None and dated.tzinfo else None)


def read_periodic(output: str) -> dict[str, int]:
    """Return what apt does by itself, and every how many days, from ``apt-config dump``; 0 is never."""
    found = re.findall(r'^APT::Periodic::([\w-]+) "([^"]*)";$', output, re.MULTILINE)
    return {name: int(value[:9]) if value.isascii() and value.isdigit() else int(value == "always") for name, value in found}
