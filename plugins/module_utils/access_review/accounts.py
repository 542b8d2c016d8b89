# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts, their groups and the state of their passwords. Pure functions over the bytes of passwd, group and shadow.

A hash of a password is looked at to tell its kind, and never leaves this file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

#: States of a password. EMPTY opens the account to everybody; UNKNOWN is said when shadow could not be read.
SET, LOCKED, EMPTY, NONE, UNKNOWN = "set", "locked", "empty", "none", "unknown"

_NO_SHELLS = {"nologin", "false", "sync", "halt", "shutdown"}
_WEAK = ("$1$", "$md5", "$3$")
_TRADITIONAL = re.compile(r"[./0-9A-Za-z]{13}")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SERVICE_UIDS = range(1, 1000)


@dataclass
class Account:
    """One account.

    :ivar password: SET, LOCKED (a hash that is barred), EMPTY, NONE (none was ever set, so that it opens nothing) or UNKNOWN.
    :ivar weak_hash: the password is hashed in a way that is quickly guessed.
    :ivar password_changed: the day; None when it is not told.
    :ivar expires: the day from which the account is closed; None is never.
    :ivar groups: names, the primary one included.
    """

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: str = UNKNOWN
    weak_hash: bool = False
    password_changed: datetime | None = None
    expires: datetime | None = None
    groups: list[str] = field(default_factory=list)

    @property
    def has_shell(self) -> bool:
        """Whether its shell lets somebody work."""
        return posixpath.basename(self.shell) not in _NO_SHELLS

    @property
    def is_service(self) -> bool:
        """Whether its number is one of those that systems give to services."""
        return self.uid in _SERVICE_UIDS or self.uid == 65534

    def is_expired(self, now: datetime) -> bool:
        """Whether the account is closed by its end."""
        return self.expires is not None and self.expires <= now


def read_accounts(passwd: bytes) -> tuple[list[Account], int]:
    """Return the accounts, and how many lines are none."""
    accounts, wrong = [], 0
    for fields in _rows(passwd):
        try:
            name, password, uid, gid, _comment, home, shell = fields
            account = Account(name, int(uid), int(gid), home, shell or "/bin/sh")
        except ValueError:
            wrong += 1
            continue
        if not name:
            wrong += 1
            continue
        if password not in ("x", "*"):  # shadow is not asked for it
            account.password, account.weak_hash = _state(password)
        accounts.append(account)
    return accounts, wrong


def add_passwords(accounts: list[Account], shadow: bytes) -> int:
    """Set what shadow says of the accounts; return how many lines say nothing."""
    wrong = 0
    by_name = {account.name: account for account in accounts}
    seen = set()
    for fields in _rows(shadow):
        if len(fields) < 9:
            wrong += 1
            continue
        account = by_name.get(fields[0])
        if account is None or account.name in seen:
            continue
        seen.add(account.name)
        if account.password == UNKNOWN:
            account.password, account.weak_hash = _state(fields[1])
        account.password_changed = _day(fields[2])
        account.expires = _day(fields[7])
    for account in accounts:
        # An account without a line of its own has no password that opens it.
        if account.name not in seen and account.password == UNKNOWN:
            account.password = NONE
    return wrong


def add_groups(accounts: list[Account], group: bytes) -> dict[str, list[str]]:
    """Set the groups of the accounts; return the names of the members of each group, those by primary group included."""
    members: dict[str, list[str]] = {}
    by_name = {account.name: account for account in accounts}
    for fields in _rows(group):
        if len(fields) != 4 or not fields[2].isdigit():
            continue
        name, gid = fields[0], int(fields[2])
        listed = dict.fromkeys(member for member in fields[3].split(",") if member)
        listed.update(dict.fromkeys(account.name for account in accounts if account.gid == gid))
        members[name] = list(listed)
        for member in listed:
            if member in by_name:
                by_name[member].groups.append(name)
    return members


def members_of(groups: Mapping[str, list[str]], name: str) -> list[str]:
    """Return the members of a group; [] of one that does not exist."""
    return groups.get(name, [])


def _rows(data: bytes) -> list[list[str]]:
    lines = decode(data).split("\n")
    return [line.split(":") for line in lines if line.strip() and not line.startswith("#")]


def _state(password: str) -> tuple[str, bool]:
    if password == "":
        return EMPTY, False
    if password[0] in "!*":
        return (LOCKED if "$" in password else NONE), False
    return SET, password.startswith(_WEAK) or _TRADITIONAL.fullmatch(password) is not None


def _day(text: str) -> datetime | None:
    """Return the day of so many days since 1970."""
    if not text.isdigit() or not 0 < int(text) < 1_000_000:
        return None
    return _EPOCH + timedelta(days=int(text))
