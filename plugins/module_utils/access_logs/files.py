# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a group: which there are, and which of them can hold lines of the window."""

from __future__ import annotations

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
from ansible_collections.upkeep.runbook.plugins.module_utils.followed_links import foreign_link
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import read_name

MAX_FILES = 2_000
#: A rotation that happens while the files are listed is over when they are listed again.
_LISTINGS = 3
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
    for _listing in range(_LISTINGS):
        before, found = _identities(patterns), _find_files(patterns, since)
        if before == _identities(patterns):
            return found
    found.problems[patterns[0]] = "was rotated while its files were listed, again and again"
    return found


def _identities(patterns: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return which files the names mean just now; a rotation changes that."""
    found = {}
    for path in (path for pattern in patterns for path in _paths(pattern)):
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        found[path] = (status.st_dev, status.st_ino)
    return found


def _paths(pattern: str) -> list[str]:
    return sorted(islice(glob.iglob(pattern), MAX_FILES + 1)) if glob.has_magic(pattern) else [pattern]


def _find_files(patterns: Sequence[str], since: float) -> FoundFiles:
    found = FoundFiles()
    seen: set[tuple[int, int]] = set()
    names: set[str] = set()
    for pattern in patterns:
        paths = _paths(pattern)
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
            try:
                state, head = os.fstat(descriptor), os.pread(descriptor, HEAD_BYTES, 0)
            except OSError as exc:
                found.problems[path] = f"cannot be read ({exc.strerror})"
                continue
            finally:
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
    :raises Unreadable: when it is none, may not be read, or is reached by a link of somebody else.
    """
    descriptor = -1
    try:
        _refuse_what_is_no_file(os.stat(path).st_mode)  # opening alone can wait (a pipe) or act (a tape)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        _refuse_what_is_no_file(os.fstat(descriptor).st_mode)
        if foreign_link(path, descriptor) is not None:
            raise Unreadable("is reached by a link of somebody else, which is not followed; name the file itself")
    except BaseException as exc:
        if descriptor >= 0:
            os.close(descriptor)
        if isinstance(exc, OSError) and not isinstance(exc, FileNotFoundError):
            raise Unreadable(f"cannot be read ({exc.strerror})") from exc
        if isinstance(exc, ValueError):
            raise Unreadable(f"is no path ({exc})") from exc
        raise
    return descriptor


def _refuse_what_is_no_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Unreadable(f"is {next((name for test, name in _KINDS if test(mode)), 'no file')}, not a log")
