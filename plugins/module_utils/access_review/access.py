# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that a host says about who may enter it and what they may do, read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review import last_use
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accepted import ACCOUNTS, KEYS, SUDO
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.accounts import (
    Account,
    add_groups,
    add_passwords,
    is_open_to_directories,
    read_accounts,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.key_files import (
    KeyFile,
    KeySettings,
    read_key_files,
    read_settings,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.sudoers import (
    Right,
    Sudoers,
    people_of,
    read_sudoers,
)

_LOGIN_BYTES = 64 * 1024 * 1024

Read = TypeVar("Read")


@dataclass
class Access:
    """What there is.

    :ivar unseen: files that could not be read, and why, by check.
    :ivar odd: how many lines of a file say nothing.
    :ivar open_to_directories: passwd lets in accounts that are not in it.
    :ivar last_used: seconds since 1970 by name of the account.
    :ivar recorded_since: None when the records reach back without end; otherwise from when on, in seconds since 1970; 0 when there are
        none.
    """

    accounts: list[Account] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    sudoers: Sudoers | None = None
    settings: KeySettings = field(default_factory=KeySettings)
    key_files: list[KeyFile] = field(default_factory=list)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    unseen_logins: list[tuple[str, str]] = field(default_factory=list)
    odd: dict[str, int] = field(default_factory=dict)
    open_to_directories: bool = False
    last_used: dict[str, int] = field(default_factory=dict)
    recorded_since: int | None = 0

    def people_of(self, right: Right) -> list[str]:
        """Return the accounts that have a right."""
        names = [account.name for account in self.accounts]
        uids = {account.uid: account.name for account in self.accounts}
        return people_of(right, lambda group: self.groups.get(group, []), names, uids)

    def items(self) -> dict[str, list[str]]:
        """Return what is compared with what was accepted, as texts by kind; each begins with the name of an account."""
        accounts = [
            f"{item_name(account.name)} uid={account.uid} gid={account.gid} home={account.home} shell={account.shell} password={account.password}"
            for account in self.accounts
        ]
        keys = [
            f"{item_name(file.account)} {key.fingerprint} {key.type} {','.join(key.options) or 'without restriction'}"
            for file in self.key_files for key in file.keys
        ]
        sudo = []
        sudoers = self.sudoers or Sudoers()
        for right in sudoers.rights:
            people = self.people_of(right) if right.who != "ALL" else []
            sudo += [f"{item_name(name)} as {right.text}" for name in people or [right.who]]
        sudo += [f"{item_name(who)} as Defaults !authenticate" for who, _place in sudoers.not_asked]
        return {ACCOUNTS: accounts, KEYS: keys, SUDO: sudo}


def item_name(name: str) -> str:
    """Return the name with which an item begins; a space ends it, and names may hold one."""
    return name.replace(" ", "\\x20")


def read_access(host: Host) -> Access:
    """Read it; what cannot be read is noted."""
    access = Access()
    passwd = _bytes(host, "/etc/passwd", access)
    if passwd is not None:
        access.accounts, access.odd["/etc/passwd"] = read_accounts(passwd)
        access.open_to_directories = is_open_to_directories(passwd)
    shadow = _bytes(host, "/etc/shadow", access)
    if shadow is not None:
        access.odd["/etc/shadow"] = add_passwords(access.accounts, shadow)
    group = _bytes(host, "/etc/group", access)
    if group is not None:
        access.groups = add_groups(access.accounts, group)
    access.sudoers = read_sudoers(host)
    access.settings = read_settings(host)
    access.key_files = read_key_files(host, access.accounts, access.settings)
    _read_logins(host, access)
    return access


def _bytes(host: Host, path: str, access: Access) -> bytes | None:
    try:
        return host.read(path)[0]
    except Absent:
        access.unseen.append((path, "does not exist"))
    except Unseen as exc:
        access.unseen.append((path, str(exc)))
    return None


def _read_logins(host: Host, access: Access) -> None:
    names = {account.uid: account.name for account in access.accounts}
    sources: list[dict[str, int]] = []
    since: list[int] = []
    endless = False
    for path in last_use.WTMP:
        wtmp = _from_file(host, path, access, lambda data: (last_use.from_wtmp(data), last_use.first_of_wtmp(data)))
        if wtmp is not None and wtmp[0]:
            sources.append(wtmp[0])
            since.append(wtmp[1])
    found = _from_file(host, last_use.LASTLOG, access, lambda data: last_use.from_lastlog(data, names))
    if found:
        sources.append(found)
        endless = True
    for path, query in last_use.DATABASES.items():
        if host.rights(path) is None:
            continue
        try:
            found = last_use.from_database(host.located(path), query)
        except last_use.Unreadable as exc:
            access.unseen_logins.append((path, str(exc)))
            continue
        if found:
            sources.append(found)
            endless = True
    access.last_used = last_use.latest(sources)
    access.recorded_since = None if endless else min(since, default=0)


def _from_file(host: Host, path: str, access: Access, read: Callable[[bytes], Read]) -> Read | None:
    """Return what is read from a file of logins, or None."""
    try:
        return read(host.read(path, _LOGIN_BYTES)[0])
    except Absent:
        return None
    except (Unseen, last_use.Unreadable) as exc:
        access.unseen_logins.append((path, str(exc)))
        return None
