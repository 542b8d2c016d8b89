# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a log away from under its name, so that whoever is killed in between leaves what the next run can finish."""

from __future__ import annotations

import os
import stat
import time

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder, Refused
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import COPYING, FRESH, Archive
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.packing import like, opened, write_all
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import identity_of

_BLOCK = 256 * 1024
#: A log that more than doubles, and by more than this, while it is copied, will not be caught up with.
_FASTEST_GROWTH = 1024 * 1024 * 1024
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOG = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def rename_away(plan: LogPlan, archive: Archive, folder: Folder) -> None:
    """Give the log the name of the archive, and its name to an empty file with the same owner and permissions.

    The empty file is made whole under a name of ours and then linked: a writer that opens the name meanwhile wins, and
    never meets a file that it may not write to.

    :raises OSError: when the system does not let it; the log then has its name.
    :raises Refused: when the log is another file than the one that was looked at.
    """
    fresh, at = f"{archive.raw}{FRESH}", folder.descriptor
    with opened(plan.name, os.O_RDONLY | _LOG, at) as log:
        status = os.fstat(log)
        _refuse_other(plan, status)
        _refuse_taken(archive, folder)
        try:
            with opened(fresh, _NEW, at) as descriptor:
                like(descriptor, log, status)
                os.utime(descriptor)
            os.rename(plan.name, archive.name, src_dir_fd=at, dst_dir_fd=at)
        except OSError:
            unlink(fresh, folder)
            raise
    plan.rotated_bytes = status.st_size
    plan.raw.append((archive, identity_of(status)))
    plan.finished.append((archive, status.st_size))
    put_fresh(plan.name, fresh, folder)


def put_fresh(name: str, fresh: str, folder: Folder) -> None:
    """Give the empty file the name of the log, unless the writer has made one of its own already."""
    at = folder.descriptor
    try:
        os.link(fresh, name, src_dir_fd=at, dst_dir_fd=at, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError:
        # A file system without hard links; nobody can take the name between the two calls but the writer of the log.
        if not _exists(name, folder):
            os.rename(fresh, name, src_dir_fd=at, dst_dir_fd=at)
            return
    unlink(fresh, folder)


def unlink(name: str, folder: Folder) -> None:
    """Remove a file that need not be there."""
    try:
        os.unlink(name, dir_fd=folder.descriptor)
    except FileNotFoundError:
        pass


def _exists(name: str, folder: Folder) -> bool:
    try:
        os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _refuse_other(plan: LogPlan, status: os.stat_result) -> None:
    planned = plan.status
    if planned is None or identity_of(planned) != identity_of(status) or not stat.S_ISREG(status.st_mode):
        raise Refused("it was exchanged for another file just now; run again")
    if status.st_uid != planned.st_uid:
        raise Refused("its owner was changed just now; run again")


def _refuse_taken(archive: Archive, folder: Folder) -> None:
    """A name of ours holds a microsecond and chance; should it be taken all the same, nothing is overwritten."""
    if _exists(archive.name, folder):
        raise Refused(f"{archive.name} exists already; run again")


def copy_and_truncate(plan: LogPlan, archive: Archive, folder: Folder) -> None:
    """Copy the log to the archive and make it empty, for a writer that cannot be told.

    What is written between the last look at the end of the log and its truncation is lost; how much that may be is
    estimated from how fast the log grew meanwhile. A copy has the name of an archive only when the log was truncated.

    :raises OSError: when the copy cannot be made; the log is then whole.
    :raises Refused: when the log is another file than the one that was looked at.
    """
    draft, at = f"{archive.raw}{COPYING}", folder.descriptor
    with opened(plan.name, os.O_RDWR | _LOG, at) as log:
        status = os.fstat(log)
        _refuse_other(plan, status)
        _refuse_taken(archive, folder)
        try:
            with opened(draft, _NEW, at) as copy:
                like(copy, log, status)
                plan.rotated_bytes, plan.bytes_at_risk = _copy_whole(log, copy, 0)
        except (OSError, Refused):
            unlink(draft, folder)
            raise
    _finish_copy(plan, archive, folder, plan.rotated_bytes)


def finish_interrupted_copy(plan: LogPlan, draft: Archive, folder: Folder) -> None:
    """Go on with a copy that a killed run left behind.

    The log still begins with the copy: it was not truncated, and the copy is continued. Otherwise it was truncated, so
    what was copied is the archive. A copy that was not whole is a beginning of the log too, and is continued like one.
    """
    archive, at = draft._replace(draft=""), folder.descriptor
    with opened(draft.name, os.O_RDWR | _LOG, at) as copy:
        size = os.fstat(copy).st_size
        if not size:
            unlink(draft.name, folder)
            return
        if plan.status is not None:
            with opened(plan.name, os.O_RDWR | _LOG, at) as log:
                _refuse_other(plan, os.fstat(log))
                if _begins_with(log, copy, size):
                    os.lseek(copy, size, os.SEEK_SET)
                    more, plan.bytes_at_risk = _copy_whole(log, copy, size)
                    size += more
    _finish_copy(plan, archive, folder, size)
    plan.rotated_bytes = size
    plan.archive = archive
    plan.not_due = ""


def _finish_copy(plan: LogPlan, archive: Archive, folder: Folder, size: int) -> None:
    at = folder.descriptor
    os.rename(f"{archive.raw}{COPYING}", archive.name, src_dir_fd=at, dst_dir_fd=at)
    status = os.stat(archive.name, dir_fd=at, follow_symlinks=False)
    plan.raw.append((archive, identity_of(status)))
    plan.finished.append((archive, size))


def _copy_whole(log: int, copy: int, start: int) -> tuple[int, int]:
    """Copy from ``start`` to the end and truncate the log; return the bytes copied and how many may have been lost."""
    began, size, grown = time.monotonic(), os.fstat(log).st_size, 0
    os.lseek(log, start, os.SEEK_SET)
    copied, synced = 0, False
    while True:
        block = os.read(log, _BLOCK)
        if block:
            write_all(copy, block)
            copied += len(block)
            if copied > 2 * size + _FASTEST_GROWTH:
                raise Refused("it grows faster than it can be copied; use method: rename")
            continue
        if not synced:
            # The copy must be on the disk before the only other one goes; what came meanwhile is copied after it.
            os.fsync(copy)
            synced = True
            continue
        window = time.monotonic()
        os.ftruncate(log, 0)
        break
    ended = time.monotonic()
    os.fsync(copy)
    grown = max(0, start + copied - size)
    rate = grown / max(window - began, 1e-6)
    return copied, int(rate * (ended - window)) + 1 if grown else 0


def _begins_with(log: int, copy: int, size: int) -> bool:
    if os.fstat(log).st_size < size:
        return False
    os.lseek(log, 0, os.SEEK_SET)
    os.lseek(copy, 0, os.SEEK_SET)
    left = size
    while left:
        ours = os.read(copy, min(_BLOCK, left))
        theirs = b""
        while len(theirs) < len(ours):
            more = os.read(log, len(ours) - len(theirs))
            if not more:
                return False
            theirs += more
        if not ours or ours != theirs:
            return False
        left -= len(ours)
    return True
