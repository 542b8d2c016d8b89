# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts, their groups and the state of their passwords. Pure functions over the bytes of passwd, group and shadow.

A hash of a password is looked at to tell its kind, and never leaves this file.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

#: States of a password. EMPTY opens the account to everybody; UNKNOWN is said when shadow could not be read.
SET, LOCKED, EMPTY, NONE, UNKNOWN = "set", "locked", "empty", "none", "unknown"

_NO_SHELLS = {"nologin", "false", "sync", "halt", "shutdown"}
_WEAK = ("$1$", "$md5", "$3$")
_TRADITIONAL = re.compile(r"[./0-9A-Za-z]{13}")
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,10}")
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
    """Return the accounts, and how many lines are none.

    Lines are read as the C library does, whose only demand is a name and two numbers: one that is cut off after them is an account.
    """
    accounts, wrong = [], 0
    for fields in _rows(passwd, most=7):
        if fields[0][:1] in ("+", "-"):
            continue  # told by is_open_to_directories
        name, password, uid, gid, _comment, home, shell = [*fields, *[""] * (7 - len(fields))]
        if not name or not _NUMBER.fullmatch(uid) or not _NUMBER.fullmatch(gid):
            wrong += 1
            continue
        account = Account(name, int(uid), int(gid), home, shell or "/bin/sh")
        if password not in ("x", "*"):  # shadow is not asked for it
            account.password, account.weak_hash = _state(password)
        accounts.append(account)
    return accounts, wrong


def is_open_to_directories(passwd: bytes) -> bool:
    """Tell whether a line lets in accounts of NIS or another directory (``+``, ``+name``, ``+@netgroup``)."""
    return any(fields[0].startswith("+") for fields in _rows(passwd))


def add_passwords(accounts: list[Account], shadow: bytes) -> int:
    """Set what shadow says of the accounts; return how many lines say nothing."""
    wrong = 0
    by_name: dict[str, list[Account]] = {}
    for account in accounts:
        by_name.setdefault(account.name, []).append(account)
    seen = set()
    for fields in _rows(shadow):
        if len(fields) not in (5, 9):  # the old form ends after five
            wrong += 1
            continue
        name, password, changed, *_ages, expires, _flag = fields if len(fields) == 9 else [*fields, "", "", "", ""]
        if name in seen:
            continue  # the first line of a name counts
        seen.add(name)
        for account in by_name.get(name, []):
            if account.password == UNKNOWN:
                account.password, account.weak_hash = _state(password)
            account.password_changed, account.expires = _day(changed), _day(expires)
    for account in accounts:
        # An account without a line of its own has no password that opens it.
        if account.name not in seen and account.password == UNKNOWN:
            account.password = NONE
    return wrong


def add_groups(accounts: list[Account], group: bytes) -> dict[str, list[str]]:
    """Set the groups of the accounts; return the names of the members of each group, those by primary group included.

    A group may have several lines, and its number several names: the kernel knows numbers only, so that their members are one.
    """
    numbers: dict[str, list[int]] = {}
    listed: dict[int, dict[str, None]] = {}
    for fields in _rows(group, most=4):
        if len(fields) >= 3 and fields[0] and _NUMBER.fullmatch(fields[2]):
            gid = int(fields[2])
            numbers.setdefault(fields[0], []).append(gid)
            names = fields[3].split(",") if len(fields) == 4 else []
            listed.setdefault(gid, {}).update(dict.fromkeys(name.strip() for name in names if name.strip()))
    for account in accounts:
        listed.setdefault(account.gid, {})[account.name] = None
    members = {name: list({member: None for gid in gids for member in listed[gid]}) for name, gids in numbers.items()}
    by_name = {account.name: account for account in accounts}
    for name, found in members.items():
        for member in found:
            if member in by_name:
                by_name[member].groups.append(name)
    return members


def _rows(data: bytes, most: int = -1) -> list[list[str]]:
    """Return the fields of each line.

    :param most: so many fields; what follows belongs to the last one.
    """
    lines = (line.lstrip() for line in decode(data).split("\n"))
    return [line.split(":", most - 1 if most > 0 else -1) for line in lines if line and not line.startswith("#")]


def _state(password: str) -> tuple[str, bool]:
    if password == "":
        return EMPTY, False
    if password[0] in "!*":
        return (LOCKED if "$" in password else NONE), False
    return SET, password.startswith(_WEAK) or _TRADITIONAL.fullmatch(password) is not None


def _day(text: str) -> datetime | None:
    """Return the day of so many days since 1970."""
    if not _NUMBER.fullmatch(text) or not 0 < int(text) < 1_000_000:
        return None
    return _EPOCH + timedelta(days=int(text))
