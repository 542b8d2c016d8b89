# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a group: which there are, and which of them can hold lines of the window."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.formats import (
    BZIP2,
    GZIP,
    HEAD_BYTES,
    XZ,
    ZSTD,
    foreign_format,
    outer_format,
    promised_format,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import read_name

MAX_FILES = 2_000
#: A file that was written last so long before the window holds nothing of it, also when clocks differ a little.
SLACK_SECONDS = 3600
_READABLE = ("", GZIP, XZ, BZIP2, ZSTD)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class Unreadable(Exception):
    """A file that cannot be read, with the reason as the end of a sentence that begins with its path."""


@dataclass(frozen=True)
class LogFile:
    """A file to be read.

    :ivar packing: ``gz``, ``xz``, ``bz2`` or ``zst``; '' of plain text.
    :ivar identity: device and inode, which tell after a rotation whether the path still is the same file.
    """

    path: str
    size: int
    packing: str
    identity: tuple[int, int]


@dataclass
class FoundFiles:
    """What the paths of a group mean.

    :ivar older: how many files were written last before the window, and are not read.
    :ivar problems: reasons by path.
    """

    files: list[LogFile] = field(default_factory=list)
    older: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def find_files(patterns: Sequence[str], *, since: float) -> FoundFiles:
    """Return the files that paths and wildcards mean, each once, also when it has several names.

    :param since: the first second since the epoch that matters.
    """
    found = FoundFiles()
    seen: set[tuple[int, int]] = set()
    names: set[str] = set()
    for pattern in patterns:
        paths = sorted(islice(glob.iglob(pattern), MAX_FILES + 1)) if glob.has_magic(pattern) else [pattern]
        if not paths:
            found.problems[pattern] = "matches no file"
        if len(paths) > MAX_FILES:
            found.problems[pattern] = f"matches more than {MAX_FILES} files, of which the rest is not read"
        names.update(paths)
        for path in paths[:MAX_FILES]:
            if promised_format(path) and os.path.splitext(path)[0] in names:
                continue  # while a file is packed it is there twice
            archive = read_name(os.path.basename(path))
            if archive is not None and archive.draft:
                continue  # log_rotate is writing it: a copy of what is read under another name
            try:
                descriptor = open_log(path)
            except FileNotFoundError:
                if path == pattern:
                    found.problems[path] = "does not exist"
                continue  # a rotation has just moved it
            except Unreadable as exc:
                if not (path != pattern and "folder" in str(exc)):
                    found.problems[path] = str(exc)
                continue
            state, head = os.fstat(descriptor), os.pread(descriptor, HEAD_BYTES, 0)
            os.close(descriptor)
            identity = (state.st_dev, state.st_ino)
            if identity in seen or not state.st_size:
                continue
            seen.add(identity)
            if state.st_mtime < since - SLACK_SECONDS:
                found.older += 1
                continue
            packing = outer_format(head)
            if foreign_format(head) or packing not in _READABLE:
                found.problems[path] = f"is {foreign_format(head) or f'a {packing} archive'}, which is not read here; pack it with gzip"
            elif promised_format(path) not in ("", packing):
                found.problems[path] = "is damaged: it does not begin as its name says"
            else:
                found.files.append(LogFile(path, state.st_size, packing, identity))
    return found


def open_log(path: str) -> int:
    """Return the descriptor of a regular file that is open for reading.

    :raises FileNotFoundError: when there is none.
    :raises Unreadable: when it is none, or may not be read. A link that is somebody else's than root's and the owner's of the
        file is not followed: it could lead to a file whose lines nobody is meant to see.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        _refuse_what_is_no_file(os.stat(path).st_mode)  # opening alone can wait (a pipe) or act (a tape)
        try:
            descriptor = os.open(path, flags | os.O_NOFOLLOW)
            owner = None
        except OSError as exc:
            if exc.errno != errno.ELOOP:
                raise
            owner = os.lstat(path).st_uid
            descriptor = os.open(os.path.realpath(path), flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise Unreadable(f"cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise Unreadable(f"is no path ({exc})") from exc
    try:
        state = os.fstat(descriptor)
        _refuse_what_is_no_file(state.st_mode)
        if owner not in (None, 0, state.st_uid):
            raise Unreadable("is a link to somebody else's file, which is not followed; name the file itself")
    except Unreadable:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_what_is_no_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Unreadable(f"is {next((name for test, name in _KINDS if test(mode)), 'no file')}, not a log")
