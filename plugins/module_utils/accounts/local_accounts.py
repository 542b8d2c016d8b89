# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Local accounts as /etc/passwd and /etc/shadow hold them, and the commands that lock and unlock them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

PASSWD, SHADOW = Path("/etc/passwd"), Path("/etc/shadow")
#: The second day of 1970: over, whatever the clock says.
EXPIRED = "1"
_PASSWORD, _EXPIRE = 1, 7
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Account:
    """A local account; its password stays in the line and is shown to nobody."""

    name: str
    uid: int
    home: str
    shadow: bytes

    @property
    def has_password_to_lock(self) -> bool:
        """Whether a lock changes it: there is one, and it is not locked. An empty one could not be unlocked again."""
        password = self._fields[_PASSWORD]
        return password != b"" and not password.startswith(b"!")

    @property
    def password_is_locked(self) -> bool:
        """Whether the password begins with what locks it."""
        return self._fields[_PASSWORD].startswith(b"!")

    @property
    def expire(self) -> str:
        """The day on which it expires, as it stands in the file."""
        return self._fields[_EXPIRE].decode("ascii", "replace")

    @property
    def digest(self) -> str:
        """Hexadecimal digits by which the line is known again."""
        return hashlib.sha256(self.shadow).hexdigest()

    @property
    def _fields(self) -> list[bytes]:
        return self.shadow.split(b":")

    def is_shut(self) -> bool:
        """Tell whether nobody can log in: it has expired, and no password opens it."""
        return self.expire == EXPIRED and not self.has_password_to_lock

    def digest_when_shut(self) -> str:
        """Return the digest that the line has after :func:`shut`."""
        fields = self._fields
        if self.has_password_to_lock:
            fields[_PASSWORD] = b"!" + fields[_PASSWORD]
        fields[_EXPIRE] = EXPIRED.encode()
        return hashlib.sha256(b":".join(fields)).hexdigest()


def read_account(name: str) -> Account:
    """Return a local account.

    :raises UpkeepError: when there is none of that name, or the files cannot be read.
    """
    wanted = name.encode()
    row = next((line for line in _lines(PASSWD) if line.split(b":")[0] == wanted), b"").split(b":")
    if len(row) < 7 or not row[2].isdigit():
        raise UpkeepError(f"{plain(name, 100)} is no local account of this host (/etc/passwd).")
    if row[_PASSWORD] != b"x":
        raise UpkeepError(
            f"the password of {name} stands in /etc/passwd, so that neither a lock nor an expiry in /etc/shadow shuts the account."
            " Nothing was changed. Look who put it there; pwconv moves it."
        )
    shadow = next((line for line in _lines(SHADOW) if line.split(b":")[0] == wanted), b"")
    if len(shadow.split(b":")) != 9:
        raise UpkeepError(f"{name} has no line in /etc/shadow that can be understood; pwconv makes one.")
    return Account(name, int(row[2]), row[5].decode("utf-8", "surrogateescape"), shadow)


def names_of(uid: int) -> list[str]:
    """Return the names of all local accounts with a number.

    :raises UpkeepError: when the file cannot be read.
    """
    rows = (line.split(b":") for line in _lines(PASSWD))
    return [decode(row[0]) for row in rows if len(row) >= 4 and row[2].isdigit() and int(row[2]) == uid]


def shut_argv(account: Account) -> list[str]:
    """Return the command that shuts an account."""
    return ["usermod", *(["--lock"] if account.has_password_to_lock else []), "--expiredate", EXPIRED, account.name]


def open_argv(account: Account, *, unlock: bool, expire: str | None) -> list[str]:
    """Return the command that opens it again; no password stands in it.

    :param unlock: the password was not locked before.
    :param expire: the day from before, None leaves it as it is.
    """
    given = [] if expire is None else ["--expiredate", expire]
    return ["usermod", *(["--unlock"] if unlock else []), *given, account.name]


def run_usermod(argv: list[str]) -> None:
    """Run one of these commands.

    :raises UpkeepError: when it fails.
    """
    done = run_command(argv, environment={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    if not done.succeeded:
        raise UpkeepError(f"{argv[-1]}: usermod failed: {plain(done.problem or done.stderr, 200)}")


def _lines(path: Path) -> list[bytes]:
    try:
        with open(path, "rb") as stream:
            return stream.read(_MAX_BYTES).split(b"\n")
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}; run the task with become: true") from exc
