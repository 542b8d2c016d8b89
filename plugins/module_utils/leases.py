# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases: a procedure of several tasks keeps other procedures away between its tasks.

A kernel lock ends with the module's process, a procedure does not. A lease is a file with an end: a run that was killed
blocks nobody longer than that, nor after a reboot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import sync_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

LEASE_FILE = "lease.json"
LOCK_FILE = "lock"
_LOCK_WAIT_SECONDS = 10.0


class LeaseHeld(UpkeepError):
    """Another run's procedure is under way; the message says whose and until when."""


@dataclass(frozen=True)
class Lease:
    """A lease as it stands after it was taken.

    :ivar content: run_id, playbook, boot_id, taken, expires.
    :ivar changed: False when this run held it already.
    :ivar taken_over: the expired lease of another run that it replaces, or None; report it: that run did not end well.
    """

    content: dict[str, Any]
    changed: bool
    taken_over: dict[str, Any] | None


def plan_lease(
    present: dict[str, Any] | None, owner: LockOwner, *, ttl_seconds: float, now: datetime, boot_id: str
) -> Lease:
    """Decide whether ``owner`` gets the lease.

    :param present: the lease file's content, or None when there is none or it cannot be read as one.
    :param ttl_seconds: for how long the lease is good without being renewed.
    :param boot_id: of this host now; a lease from before a reboot has expired with it.
    :raises LeaseHeld: when another run's lease is still good.
    """
    content = {
        "run_id": owner.run_id,
        "playbook": owner.playbook,
        "boot_id": boot_id,
        "taken": to_iso(now),
        "expires": to_iso(now + timedelta(seconds=ttl_seconds)),
    }
    if present is None:
        return Lease(content, True, None)
    if present.get("run_id") == owner.run_id:
        return Lease({**content, "taken": present.get("taken", content["taken"])}, False, None)
    if present.get("boot_id") == boot_id and not _expired(present, now):
        raise LeaseHeld(
            f"run {plain(str(present.get('run_id')), 60)} of {plain(str(present.get('playbook')), 60)} works on this host"
            f" since {plain(str(present.get('taken')), 40)} (its lease ends {plain(str(present.get('expires')), 40)});"
            " wait until it has ended and start again",
            holder=present,
        )
    return Lease(content, True, present)


def take_lease(
    directory: Path, owner: LockOwner, *, ttl_seconds: float, now: datetime, boot_id: str, check_mode: bool = False
) -> Lease:
    """Take or renew the lease of this host for ``owner``; read and written under the host's lock.

    :param directory: the state directory (``/var/lib/upkeep``).
    :param check_mode: decide, and write nothing.
    :raises LeaseHeld: when another run's lease is still good.
    :raises UpkeepError: when the lease cannot be written.
    """
    if check_mode:
        return plan_lease(read_lease(directory), owner, ttl_seconds=ttl_seconds, now=now, boot_id=boot_id)
    with exclusive_lock(directory / LOCK_FILE, owner, wait_seconds=_LOCK_WAIT_SECONDS):
        lease = plan_lease(read_lease(directory), owner, ttl_seconds=ttl_seconds, now=now, boot_id=boot_id)
        write_atomically(directory / LEASE_FILE, json.dumps(lease.content).encode())
    return lease


def release_lease(directory: Path, owner: LockOwner, *, check_mode: bool = False) -> bool:
    """Give the lease back; return whether this run held it. Another run's lease is never touched."""
    if check_mode or not (directory / LEASE_FILE).exists():
        return _held_by(directory, owner)
    with exclusive_lock(directory / LOCK_FILE, owner, wait_seconds=_LOCK_WAIT_SECONDS):
        if not _held_by(directory, owner):
            return False
        (directory / LEASE_FILE).unlink()
        sync_directory(directory)
    return True


def read_lease(directory: Path) -> dict[str, Any] | None:
    """Return the lease file's content; None when there is none or it is damaged (nobody can be held to it)."""
    try:
        content = json.loads((directory / LEASE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    except OSError as exc:
        raise UpkeepError(f"cannot read the lease {directory / LEASE_FILE}: {exc.strerror}") from exc
    return content if isinstance(content, dict) else None


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
