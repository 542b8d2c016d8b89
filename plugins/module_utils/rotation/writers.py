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

_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "lustre", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone")

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
    unseen, own, remote = 0, os.getpid(), _remote_mounts(files, proc)
    if pids is None:
        # Without a /proc nobody is seen, which is not the same as nobody being there.
        names = [entry.name for entry in os.scandir(proc) if entry.name.isdigit()] if os.path.isdir(proc) else []
        unseen = 0 if names else 1
        pids = (int(name) for name in names)
    for pid in pids:
        if pid == own:
            continue
        try:
            entries = os.listdir(f"{proc}/{pid}/fd")
        except PermissionError:
            unseen += 1
            continue
        except OSError:
            continue  # it ended
        for name in entries:
            place = f"{proc}/{pid}/fd/{name}"
            try:
                if not os.readlink(place).startswith("/"):
                    continue  # a socket, a pipe or the like
                flags, mount = _open_file(proc, pid, name)
                if flags & os.O_ACCMODE == os.O_RDONLY or mount in remote:
                    continue
                identity = identity_of(os.stat(place))
            except OSError:
                continue  # closed meanwhile
            if identity in files:
                found.setdefault(identity, []).append(Writer(pid, bool(flags & os.O_APPEND)))
    return Writers(found, unseen)


def _open_file(proc: str, pid: int, descriptor: str) -> tuple[int, str]:
    """Return flags and mount of an open file; one whose flags cannot be read counts as open for writing."""
    flags, mount = os.O_RDWR, ""
    try:
        with open(f"{proc}/{pid}/fdinfo/{descriptor}", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("flags:"):
                    flags = int(line.split()[1], 8)
                elif line.startswith("mnt_id:"):
                    mount = line.split()[1]
    except (OSError, ValueError, IndexError):
        pass
    return flags, mount


def _remote_mounts(files: Collection[Identity], proc: str) -> set[str]:
    """Return the ids of mounts over the network that hold none of the files: a look at one that is dead may never end."""
    devices = {f"{os.major(device)}:{os.minor(device)}" for device, _inode in files}
    mounts = set()
    try:
        with open(f"{proc}/self/mountinfo", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                front, _separator, back = line.partition(" - ")
                words = front.split()
                if back.split(" ")[0] in _REMOTE and words[2] not in devices:
                    mounts.add(words[0])
    except (OSError, IndexError):
        pass
    return mounts


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
