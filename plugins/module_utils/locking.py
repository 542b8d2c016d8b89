# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One acting run at a time on a host: an advisory lock that the kernel releases with the process."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_file import LOCK_FILE, renew_lease
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

#: Of what isolates, blocks and shuts accounts: a backup that holds the lock of the host for an hour must not keep that away.
CONTAINMENT_LOCK_FILE = "containment.lock"

#: How long a killed process may still hold a lock: a command that it was about to start has its files until that command runs.
LETTING_GO_SECONDS = 2.0
_RETRY_SECONDS = 0.1
_MAX_NOTE_BYTES = 4096


@dataclass(frozen=True)
class LockOwner:
    """Who asks for a lock.

    :ivar run_id: id of the run (``YYYYMMDDTHHMMSSZ-xxxxxxxx``).
    :ivar playbook: name of the playbook or module that acts.
    :ivar started: ISO 8601 UTC time at which it started.
    """

    run_id: str
    playbook: str
    started: str


class LockHeld(UpkeepError):
    """Somebody else acts on this host now; the message says who."""


@contextmanager
def exclusive_lock(path: Path, owner: LockOwner, *, wait_seconds: float = 0.0, renew: bool = True) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs.

    The file itself stays: removing it would let two runs lock two different files of one name. Its text is a note for
    people; only the kernel's lock counts, so a note of a killed run does no harm. In the end a lease of the owner's run is renewed
    that lies beside the lock of the host.

    :param wait_seconds: how long to wait for the present holder.
    :param renew: renew that lease; what takes and gives it back does not.
    :raises LockHeld: when it is held by another run.
    :raises UpkeepError: when the lock file cannot be opened.
    """
    make_private_directory(path.parent)
    try:
        # No O_TRUNC: the note belongs to the holder until the lock is ours.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise UpkeepError(f"cannot open the lock {path}: {exc.strerror}") from exc
    try:
        _lock(descriptor, path, wait_seconds)
        _write_note(descriptor, json.dumps({**asdict(owner), "pid": os.getpid()}).encode())
        try:
            yield
        finally:
            # Before others can take it: however long this has lasted, the next step of the run still has the host to itself.
            if renew and path.name == LOCK_FILE:
                renew_lease(path.parent, owner.run_id, utc_now())
        _write_note(descriptor, b"")
    finally:
        os.close(descriptor)


def flock_within(descriptor: int, wait_seconds: float) -> bool:
    """Lock an open file for this process alone.

    :param wait_seconds: how long to wait for whoever holds it now.
    :return: False when it is still held then.
    :raises OSError: when the file system has no locks.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY_SECONDS)


def _lock(descriptor: int, path: Path, wait_seconds: float) -> None:
    if flock_within(descriptor, wait_seconds):
        return
    holder = _read_note(descriptor)
    if not _is_gone(holder.get("pid")) or not flock_within(descriptor, LETTING_GO_SECONDS):
        raise LockHeld(_held_message(path, holder), holder=holder)


def _is_gone(pid: object) -> bool:
    """Tell whether no such process is here. One of another host that shares the file may look so, too, and is waited for in vain."""
    return isinstance(pid, int) and not os.path.exists(f"/proc/{pid}")


def _write_note(descriptor: int, note: bytes) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
    except OSError:
        pass  # a full disk: the lock holds all the same, only the note about its holder is missing


def _read_note(descriptor: int) -> dict[str, Any]:
    try:
        note = json.loads(os.pread(descriptor, _MAX_NOTE_BYTES, 0))
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _held_message(path: Path, holder: dict[str, Any]) -> str:
    if not holder:
        return f"another run holds {path}; wait until it has ended and start again"
    return (
        f"run {plain(str(holder.get('run_id')), 60)} of {plain(str(holder.get('playbook')), 60)} "
        f"(process {plain(str(holder.get('pid')), 20)}, started {plain(str(holder.get('started')), 40)}) "
        f"holds {path}; wait until it has ended and start again"
    )
