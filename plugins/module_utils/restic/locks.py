# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks in a repository: who holds them, and whether that process is certainly gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import is_running
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


@dataclass(frozen=True)
class Lock:
    """One lock.

    :ivar time: when it was made or last refreshed, as restic writes it.
    :ivar exclusive: nobody else may work in the repository.
    """

    host: str
    pid: int
    user: str
    time: str
    exclusive: bool

    @property
    def words(self) -> str:
        return plain(f"process {self.pid} of {self.user} on {self.host} since {self.time[:19]}Z", 200)


def parse_lock(text: str) -> Lock | None:
    """Read what restic shows of a lock; None when it is none."""
    try:
        record = json.loads(text)
        return Lock(
            str(record["hostname"]), int(record["pid"]), str(record.get("username", "")), str(record["time"]),
            bool(record.get("exclusive")),
        )
    except (ValueError, TypeError, KeyError):
        return None


def all_dead(locks: Sequence[Lock | None], host: str) -> bool:
    """Say whether each of the locks belongs to a process of this host that does not run any more.

    A number that another program got meanwhile counts as running.

    :param host: the name of this host, as restic writes it.
    """
    return bool(locks) and all(lock is not None and lock.host == host and not is_running(lock.pid) for lock in locks)


def words(locks: Sequence[Lock | None], host: str) -> str:
    """Return who holds the locks, and what is known of them."""
    known = [lock for lock in locks if lock]
    if not known:
        return "nobody can say by whom"
    text = " and ".join(lock.words for lock in known[:3])
    if len(known) > 3:
        text += f" and {len(known) - 3} more"
    if all_dead(locks, host):
        return f"{text}, which does not run any more; unlock: true removes such a lock"
    return text
