# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases: a procedure of several tasks keeps other procedures away between its tasks.

A kernel lock ends with the module's process, a procedure does not. A lease is a file with an end: a run that was killed
blocks nobody longer than that, nor after a reboot. The modules of the run that holds it renew it (``locking``), so that it need only
last for the longest time between two of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import sync_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_file import LEASE_FILE, LOCK_FILE, read_lease
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

_LOCK_WAIT_SECONDS = 10.0


class LeaseHeld(UpkeepError):
    """Another run's procedure is under way; the message says whose and until when."""


@dataclass(frozen=True)
class Lease:
    """A lease as it stands after it was taken.

    :ivar content: run_id, playbook, boot_id, taken, expires, ttl_seconds.
    :ivar changed: False when this run held it already.
    :ivar taken_over: the lease of another run that it replaces, or None; report it: that run did not end well.
    :ivar told: that run was named as one that is dead.
    """

    content: dict[str, Any]
    changed: bool
    taken_over: dict[str, Any] | None
    told: bool = False


def plan_lease(
    present: dict[str, Any] | None, owner: LockOwner, *, ttl_seconds: float, now: datetime, boot_id: str, take_over: str = ""
) -> Lease:
    """Decide whether ``owner`` gets the lease.

    :param present: the lease file's content, or None when there is none or it cannot be read as one.
    :param ttl_seconds: for how long the lease is good without being renewed.
    :param boot_id: of this host now; a lease from before a reboot has expired with it.
    :param take_over: id of a run that is known to be dead: its lease counts no more.
    :raises LeaseHeld: when another run's lease is still good.
    """
    content = {
        "run_id": owner.run_id,
        "playbook": owner.playbook,
        "boot_id": boot_id,
        "taken": to_iso(now),
        "expires": to_iso(now + timedelta(seconds=ttl_seconds)),
        "ttl_seconds": ttl_seconds,
    }
    if present is None:
        return Lease(content, True, None)
    if present.get("run_id") == owner.run_id:
        return Lease({**content, "taken": present.get("taken", content["taken"])}, False, None)
    if take_over and present.get("run_id") == take_over:
        return Lease(content, True, present, told=True)
    if present.get("boot_id") == boot_id and not _expired(present, now):
        raise LeaseHeld(
            f"run {plain(str(present.get('run_id')), 60)} of {plain(str(present.get('playbook')), 60)} works on this host"
            f" since {plain(str(present.get('taken')), 40)} (its lease ends {plain(str(present.get('expires')), 40)});"
            " wait until it has ended and start again",
            holder=present,
        )
    return Lease(content, True, present)


def take_lease(
    directory: Path, owner: LockOwner, *, ttl_seconds: float, now: datetime, boot_id: str, take_over: str = "", check_mode: bool = False
) -> Lease:
    """Take or renew the lease of this host for ``owner``; read and written under the host's lock.

    :param directory: the state directory (``/var/lib/upkeep``).
    :param check_mode: decide, and write nothing.
    :raises LeaseHeld: when another run's lease is still good.
    :raises UpkeepError: when the lease cannot be written.
    """
    if check_mode:
        return plan_lease(read_lease(directory), owner, ttl_seconds=ttl_seconds, now=now, boot_id=boot_id, take_over=take_over)
    with exclusive_lock(directory / LOCK_FILE, owner, wait_seconds=_LOCK_WAIT_SECONDS, renew=False):
        lease = plan_lease(read_lease(directory), owner, ttl_seconds=ttl_seconds, now=now, boot_id=boot_id, take_over=take_over)
        write_atomically(directory / LEASE_FILE, json.dumps(lease.content).encode())
    return lease


def release_lease(directory: Path, owner: LockOwner, *, check_mode: bool = False) -> bool:
    """Give the lease back; return whether this run held it. Another run's lease is never touched."""
    if check_mode or not (directory / LEASE_FILE).exists():
        return _held_by(directory, owner)
    with exclusive_lock(directory / LOCK_FILE, owner, wait_seconds=_LOCK_WAIT_SECONDS, renew=False):
        if not _held_by(directory, owner):
            return False
        (directory / LEASE_FILE).unlink()
        sync_directory(directory)
    return True


def read_boot_id() -> str:
    """Return the kernel's id of this boot, or an empty string where there is none (no Linux procfs)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _held_by(directory: Path, owner: LockOwner) -> bool:
    lease = read_lease(directory)
    return lease is not None and lease.get("run_id") == owner.run_id


def _expired(lease: dict[str, Any], now: datetime) -> bool:
    try:
        return from_iso(str(lease.get("expires"))) <= now
    except ValueError:
        return True
