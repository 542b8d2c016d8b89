# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which processes have a file open for writing, from ``/proc/*/fd``, and waiting until none has.

Writers on another host (NFS), in a container that this host does not see, or through a memory map whose descriptor was
closed, are not seen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

PROC = "/proc"
#: A second look has to confirm that nobody writes: a process may hand its open file to a younger one during the first.
_CONFIRM_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25

#: A file, whatever its name is now: device and inode.
Identity = tuple[int, int]


class Writer(NamedTuple):
    """A process that has a file open for writing.

    :ivar appends: each of its writes goes to the end of the file, wherever that is then.
    """

    pid: int
    appends: bool


class Writers(NamedTuple):
    """Who writes to each of some files.

    :ivar unseen: processes whose files could not be looked at.
    """

    by_file: dict[Identity, list[Writer]]
    unseen: int


def identity_of(status: os.stat_result) -> Identity:
    """Return what a file is known by."""
    return (status.st_dev, status.st_ino)


def find_writers(files: Collection[Identity], pids: Iterable[int] | None = None, proc: str = PROC) -> Writers:
    """Return the processes that have one of the files open for writing.

    :param pids: only these; by default every process there is.
    """
    found: dict[Identity, list[Writer]] = {}
    unseen = 0
    own = os.getpid()
    if pids is None:
        # Without a /proc nobody is seen, which is not the same as nobody being there.
        names = [entry.name for entry in os.scandir(proc) if entry.name.isdigit()] if os.path.isdir(proc) else []
        unseen = 0 if names else 1
        pids = (int(name) for name in names)
    for pid in pids:
        if pid == own:
            continue
        try:
            entries = list(os.scandir(f"{proc}/{pid}/fd"))
        except PermissionError:
            unseen += 1
            continue
        except OSError:
            continue  # it ended
        for entry in entries:
            try:
                identity = identity_of(os.stat(entry.path))
            except OSError:
                continue  # closed meanwhile, or nothing that has an inode of its own
            if identity in files:
                flags = _flags(proc, pid, entry.name)
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    found.setdefault(identity, []).append(Writer(pid, bool(flags & os.O_APPEND)))
    return Writers(found, unseen)


def _flags(proc: str, pid: int, descriptor: str) -> int:
    """Return the flags of an open file; one whose flags cannot be read counts as open for writing."""
    try:
        with open(f"{proc}/{pid}/fdinfo/{descriptor}", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("flags:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    return os.O_RDWR


def wait_until_left(
    files: Collection[Identity], seconds: float, look: Callable[..., Writers] = find_writers
) -> Writers:
    """Wait until nobody writes to any of the files, at most ``seconds``; return who still does.

    While some write only they are looked at; that nobody does is confirmed by two looks at every process.
    """
    deadline = time.monotonic() + seconds
    pause, clean = _CONFIRM_SECONDS, 0
    while True:
        writers = look(files)
        clean = 0 if writers.by_file else clean + 1
        if clean == 2:
            return writers
        known = {writer.pid for found in writers.by_file.values() for writer in found}
        while known:
            if time.monotonic() >= deadline:
                return writers
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            writers = look(files, known)
            known = {writer.pid for found in writers.by_file.values() for writer in found}
        time.sleep(_CONFIRM_SECONDS)
