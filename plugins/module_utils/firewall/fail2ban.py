# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What fail2ban says of its jails and of the addresses that it bans, asked of its client and read with suspicion."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.nftables import SEARCH_PATH
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

SOCKET = "/var/run/fail2ban/fail2ban.sock"
MAX_JAILS = 50
_TIMEOUT_SECONDS = 20.0
_MAX_OUTPUT_BYTES = 4 * 1024 * 1024
#: A jail that its client can be asked about; what looks like an option is none.
_NAME = re.compile(r"[^\s,-][^\s,]{0,99}")
#: ``192.0.2.8  2026-11-28 21:22:39 + 623 = 2026-11-28 21:33:02``, in the time zone of the host.
_BAN = re.compile(r"(\S{2,60})\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+ (-?\d+) = (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")

Ask = Callable[..., CommandResult]


class NotRunning(Exception):
    """The server of fail2ban does not run, though the package is installed."""


class Silent(Exception):
    """Nobody can tell what fail2ban does; the message is a sentence without its full stop."""


@dataclass(frozen=True)
class Ban:
    """One banned address.

    :ivar added: since when, ISO 8601 in UTC; ``""`` when fail2ban does not say.
    :ivar expires: until when; None without an end.
    """

    address: str
    added: str
    expires: str | None


@dataclass(frozen=True)
class Jail:
    """One jail.

    :ivar failed: failures that it has seen since it was started.
    :ivar banned_total: addresses that it has banned since it was started.
    :ivar unread: how many of its bans are listed in another form than fail2ban has for an address.
    """

    name: str
    failed: int
    banned_total: int
    bans: tuple[Ban, ...]
    unread: int = 0

    @property
    def banned(self) -> int:
        """How many are banned now."""
        return len(self.bans) + self.unread


def client(socket: str, configuration: str = "") -> Ask | None:
    """Return what asks the server behind ``socket``; None when fail2ban is not installed.

    :param configuration: folder that is read when the server is told to reload; that of the package without it.
    """
    program = shutil.which("fail2ban-client", path=SEARCH_PATH)
    if program is None:
        return None

    def ask(*arguments: str) -> CommandResult:
        return run_command(
            [os.path.abspath(program), *(["-c", configuration] if configuration else []), "-s", socket, *arguments],
            timeout_seconds=_TIMEOUT_SECONDS,
            max_output_bytes=_MAX_OUTPUT_BYTES,
            # The client is a Python program itself, and shall find its own modules only.
            environment={"PYTHONPATH": ""},
        )

    return ask


def read_jails(ask: Ask) -> tuple[list[Jail], int]:
    """Return the jails, at most :data:`MAX_JAILS`, and how many were not looked at.

    :raises NotRunning: when the server does not run.
    :raises Silent: when it could not be asked, or answers what it never does.
    """
    names = jail_names(answer_of(ask("status")))
    asked = [name for name in names if _NAME.fullmatch(name)][:MAX_JAILS]
    return [read_jail(name, ask) for name in asked], len(names) - len(asked)


def running_jails(ask: Ask) -> list[str]:
    """Return the names of the jails that run.

    :raises NotRunning: when the server does not run.
    :raises Silent: when it could not be asked, or answers what it never does.
    """
    return jail_names(answer_of(ask("status")))


def reload(ask: Ask) -> None:
    """Let the server read its configuration anew; bans stay.

    :raises NotRunning: when the server does not run.
    :raises Silent: when it did not, with what it said.
    """
    answer_of(ask("reload"))


def switched_off() -> bool:
    """Tell whether somebody decided that fail2ban shall not run here: its unit is disabled or masked."""
    done = run_command(["systemctl", "is-enabled", "fail2ban.service"], timeout_seconds=_TIMEOUT_SECONDS)
    return done.stdout.strip() in ("disabled", "masked")


def jail_names(status: str) -> list[str]:
    """Return the names in the answer to ``status``.

    :raises Silent: when there is no list of jails in it.
    """
    for line in status.splitlines():
        label, colon, names = line.partition("Jail list:")
        if colon and not label.strip("|`- "):
            return [name for name in (part.strip() for part in names.split(",")) if name]
    raise Silent("fail2ban does not list its jails")


def jail_figures(status: str) -> tuple[int, int, int]:
    """Return failures, addresses that are banned now, and those that were banned since the start, of one jail.

    :raises Silent: when one of them is missing.
    """
    figures = []
    for label in ("Total failed", "Currently banned", "Total banned"):
        found = re.search(rf"{label}:\s*(\d{{1,15}})\s", f"{status}\n")
        if found is None:
            raise Silent(f"fail2ban does not say {label.lower()!r} of a jail")
        figures.append(int(found[1]))
    return figures[0], figures[1], figures[2]


def jail_bans(listed: str) -> tuple[list[Ban], int]:
    """Return the bans in the answer to ``get JAIL banip --with-time``, and how many lines are of another form."""
    lines = [line.strip() for line in listed.splitlines() if line.strip()]
    found = [match for match in map(_BAN.match, lines) if match]
    bans = [Ban(plain(one[1], 60), _utc(one[2]), None if int(one[3]) < 0 else _utc(one[4])) for one in found]
    return bans, len(lines) - len(bans)


def read_jail(name: str, ask: Ask) -> Jail:
    """Return one jail.

    :raises NotRunning: when the server does not run.
    :raises Silent: when it could not be asked, or answers what it never does.
    """
    failed, banned, total = jail_figures(answer_of(ask("status", name)))
    bans, unread = jail_bans(answer_of(ask("get", name, "banip", "--with-time"))) if banned else ([], 0)
    return Jail(plain(name, 100), failed, total, tuple(bans), unread)


def answer_of(done: CommandResult) -> str:
    """Return what the client printed.

    :raises NotRunning: when the server does not run.
    :raises Silent: when it could not be asked.
    """
    if done.succeeded and not done.truncated:
        return done.stdout
    if done.timed_out:
        raise Silent(f"fail2ban-client did not end within {_TIMEOUT_SECONDS:g} s")
    if done.truncated:
        raise Silent("the answer of fail2ban-client is too large")
    said = f"{done.stderr}{done.stdout}"
    if "Permission denied" in said:
        raise Silent("fail2ban only answers to root")
    if "Is fail2ban running" in said or "Is it running" in said:
        raise NotRunning
    raise Silent(f"fail2ban-client: {plain(done.problem or said, 200) or f'it ended with {done.returncode}'}")


def _utc(local: str) -> str:
    """Return a moment on the clock of this host as ISO 8601 in UTC; '' for one that no calendar has."""
    try:
        return to_iso(datetime.strptime(local, "%Y-%m-%d %H:%M:%S").astimezone(timezone.utc))
    except (ValueError, OverflowError, OSError):
        return ""
