# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the backups in a folder or at a path, newest first. Links, pipes and folders that are called like one are none."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.formats import SUFFIXES
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_time import created
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import sidecar_path

#: So many entries of a folder are looked at; a folder with more is not one of backups.
MAX_ENTRIES = 200_000
BECOME_HINT = "Run the task with become: true, or let its user read there."

_SIDECAR_SUFFIXES = tuple(sidecar_path(suffix) for suffix in SUFFIXES)
LINK = "a symbolic link"
#: A clock may be this much ahead.
AHEAD = timedelta(hours=1)
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISLNK, LINK), (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a device"), (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True)
class BackupFile:
    """A file that is called like a backup, as it was when it was found.

    :ivar created_from: what says when it was made, ``name`` or ``mtime``; ``manifest`` once that was read.
    """

    path: str
    bytes: int
    mtime_ns: int
    created: datetime
    created_from: str


@dataclass
class Found:
    """What was found.

    :ivar files: the backups, newest first.
    :ivar future: those that are dated in the future, once they were set aside; the newest of the others is the newest.
    :ivar others: path and kind of what is called like a backup and is no file; at most 20.
    :ivar problem: why nobody could look, or an empty text.
    :ivar absent: what does not exist, or an empty text.
    :ivar entries: how many entries the folder has.
    """

    files: list[BackupFile] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""
    absent: str = ""
    hint: str = ""
    entries: int = 0
    future: list[BackupFile] = field(default_factory=list)


def is_future(moment: datetime, now: datetime) -> bool:
    """Tell whether a backup is dated in the future; a clock may be a little ahead."""
    return moment > now + AHEAD


def set_aside_future(found: Found, now: datetime) -> None:
    """Take what is dated in the future from the backups: it would stay the newest and hide that backups stop.

    Where all of them are, they stay, since there is nothing else to look at.
    """
    present = [file for file in found.files if not is_future(file.created, now)]
    if present:
        found.future = [file for file in found.files if is_future(file.created, now)]
        found.files = present


def find_in_directory(directory: str, patterns: Sequence[str]) -> Found:
    """Find the files of a folder whose names fit one of the shell patterns."""
    found = Found()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                found.entries += 1
                if found.entries > MAX_ENTRIES:
                    found.problem = f"{directory} has more than {MAX_ENTRIES} entries"
                    found.hint = "Keep backups in a folder of their own."
                    return found
                if entry.name.endswith(_SIDECAR_SUFFIXES):
                    continue  # the manifest beside an archive is no backup, whatever the pattern
                if any(fnmatchcase(entry.name, pattern) for pattern in patterns):
                    _add(found, entry.path)
    except OSError as error:
        _note(found, error, directory)
    _sort(found)
    return found


def find_path(path: str) -> Found:
    """Find one backup. A link to a name in its own folder is followed: people call the newest one ``latest`` so."""
    found = Found(entries=1)
    try:
        if stat.S_ISLNK(os.lstat(path).st_mode):
            target = os.readlink(path)
            if "/" not in target and target not in ("", ".", ".."):
                path = os.path.join(os.path.dirname(path), target)
        os.lstat(path)
    except OSError as error:
        _note(found, error, path)
        return found
    _add(found, path)
    return found


def _add(found: Found, path: str) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return  # removed in the meantime
    if stat.S_ISREG(status.st_mode):
        moment, source = created(os.path.basename(path), status.st_mtime)
        found.files.append(BackupFile(path, status.st_size, status.st_mtime_ns, moment, source))
    elif len(found.others) < 20:
        kind = next((words for test, words in _KINDS if test(status.st_mode)), "no file")
        found.others.append((path, kind))


def _sort(found: Found) -> None:
    found.files.sort(key=lambda file: (file.created, file.mtime_ns, file.path), reverse=True)


def _note(found: Found, error: OSError, path: str) -> None:
    if error.errno == errno.ENOENT:
        found.absent = f"{path} does not exist"
    elif error.errno == errno.ENOTDIR:
        found.absent = f"{path} is no folder" if not os.path.islink(path) else f"{path} leads nowhere"
    else:
        found.problem = f"{path} cannot be looked at: {error.strerror}"
        found.hint = BECOME_HINT if error.errno in (errno.EACCES, errno.EPERM) else "Look at the file system."
