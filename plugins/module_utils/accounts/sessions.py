# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions of an account: which processes belong to them, and their end. Services that run as the account are none."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import units_of

PROC = Path("/proc")
_ROUNDS = 5
_WAIT_SECONDS = 5.0
_DAEMONS = ("sshd", "sshd-session", "login", "dropbear")
_UNSET = 2**32 - 1


@dataclass(frozen=True)
class SessionProcess:
    """A process of a session; pid and start together are one process.

    :ivar start: clock ticks since the host started.
    """

    pid: int
    start: int
    name: str


@dataclass(frozen=True)
class _Seen:
    pid: int
    parent: int
    start: int
    uid: int
    login: int
    name: str


def account_uids(pids: Collection[int]) -> set[int]:
    """Return the users of processes and those who logged in to start them; root only where nobody else did."""
    found = [seen for seen in map(_look, pids) if seen is not None]
    logins = {seen.login for seen in found} - {_UNSET}
    # Whoever became root with sudo is not root, and a login of root is known by its number.
    return logins | {seen.uid for seen in found} - {0} or {0}


def find_sessions(uid: int, spared: Collection[int]) -> list[SessionProcess]:
    """Return the processes of the sessions of a user: who logged in as the user, whoever they have become since.

    :param spared: processes that are left out, those of the operator.
    """
    seen = {one.pid: one for one in map(_look, _pids()) if one is not None}
    return [
        SessionProcess(one.pid, one.start, one.name) for one in seen.values()
        if one.pid not in spared and one.pid > 1 and (one.login == uid or _acts_as(one, uid) and _logged_in(one, uid, seen))
    ]


def end_sessions(uid: int, spared: Collection[int]) -> tuple[int, list[SessionProcess]]:
    """End these processes, again until none is left or they come back too often.

    :return: how many were ended, and which are left.
    """
    ended = 0
    for _round in range(_ROUNDS):
        found = find_sessions(uid, spared)
        if not found:
            return ended, []
        ended += _kill(found)
    return ended, find_sessions(uid, spared)


def _kill(found: Collection[SessionProcess]) -> int:
    handles = []
    for one in found:
        try:
            handle = os.pidfd_open(one.pid)
        except OSError:
            continue  # it has ended
        now = _look(one.pid)
        # The number may belong to another process by now; the handle would be of that one.
        if now is not None and now.start == one.start:
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                handles.append(handle)
                continue
            except OSError:
                pass
        os.close(handle)
    deadline = time.monotonic() + _WAIT_SECONDS
    for handle in handles:
        select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        os.close(handle)
    return len(handles)


def _acts_as(one: _Seen, uid: int) -> bool:
    """Tell whether a process has a user, and is not the part of root in the session of somebody else."""
    return one.uid == uid and (uid != 0 or one.login == _UNSET)


def _logged_in(one: _Seen, uid: int, seen: dict[int, _Seen]) -> bool:
    units = units_of(one.pid)
    if any(unit.startswith("session-") and unit.endswith(".scope") or unit == f"user@{uid}.service" for unit in units):
        return True
    above, steps = seen.get(one.parent), 0
    while above is not None and steps < 64:
        if above.name in _DAEMONS:
            return True
        above, steps = seen.get(above.parent), steps + 1
    return False


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def _look(pid: int) -> _Seen | None:
    folder = PROC / str(pid)
    try:
        stat = (folder / "stat").read_bytes()
        uid = os.stat(folder).st_uid
        status = (folder / "status").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may hold parentheses and spaces itself.
    before, _paren, after = stat.rpartition(b")")
    fields = after.split()
    if fields[0] in (b"Z", b"X"):
        return None
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            uid = int(line.split()[1])  # the folder belongs to root when the process may not be looked into
    try:
        login = int((folder / "loginuid").read_bytes())
    except (OSError, ValueError):
        login = _UNSET
    return _Seen(pid, int(fields[1]), int(fields[19]), uid, login, os.fsdecode(before.partition(b"(")[2]))
