# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read one entry of an open folder as it was at one moment: its status, its SHA-256, where it leads."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.steady_reading import unchanged
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import line_of

#: Fits the caches of a processor.
BUFFER_BYTES = 256 * 1024

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.02
_CAPABILITY = "security.capability"
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
#: What open() says when a name has become something else than a file since it was listed.
_IS_NO_FILE = {errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR}
#: Answers of file systems that keep no such attributes.
_NO_ATTRIBUTES = {errno.ENODATA, errno.ENOTSUP, errno.ENOSYS, errno.EPERM}


class Vanished(Exception):
    """There is nothing of this name any more."""


class Unreadable(Exception):
    """It is there and could not be read; the message completes "<path> …".

    :param line: what is known of it, without a checksum; '' when nothing is.
    """

    def __init__(self, message: str, line: str = "") -> None:
        super().__init__(message)
        self.line = line


def read_entry(
    folder: int, name: str, path: str, buffer: memoryview, *, capabilities: bool, max_bytes: int | None = None
) -> tuple[str, int]:
    """Return the line of an entry, and how many bytes were hashed for it.

    :param folder: descriptor of the folder that it is in. No link is followed from there on.
    :param path: the path of the entry, escaped.
    :param max_bytes: a larger file is not read: one that is nothing but a hole costs its owner nothing, and takes years to read.
    :raises Vanished: when it is gone.
    :raises Unreadable: with the reason, also when it changed each time it was read.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS * attempt)
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=folder)
        except OSError as exc:
            if exc.errno not in _IS_NO_FILE:
                raise _problem(exc, folder, name, path) from exc
            line = read_other(folder, name, path)
            if line is not None:
                return line, 0
            continue
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                line = read_other(folder, name, path)
                if line is not None:
                    return line, 0
                continue
            if max_bytes is not None and status.st_size > max_bytes:
                raise Unreadable(f"has {status.st_size} bytes, and more than {max_bytes} are not read", line_of(path, status))
            digest = _hash(descriptor, status.st_size, buffer)
            attribute = _capability(descriptor) if capabilities and status.st_mode & _EXECUTABLE else ""
            if digest is not None and unchanged(status, os.fstat(descriptor)):
                return line_of(path, status, digest, attribute), status.st_size
        except OSError as exc:
            raise _problem(exc, folder, name, path) from exc
        finally:
            os.close(descriptor)
    raise Unreadable("changed each time it was read")


def read_other(folder: int, name: str, path: str) -> str | None:
    """Return the line of what is no regular file, or None when it is one by now.

    :raises Vanished: when it is gone.
    :raises Unreadable: with the reason.
    """
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            return None
        target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else ""
    except OSError as exc:
        if exc.errno == errno.EINVAL:  # no link any more
            return None
        raise _problem(exc, folder, name, path) from exc
    return line_of(path, status, target=target)


def _hash(descriptor: int, size: int, buffer: memoryview) -> str | None:
    """Return the SHA-256 of exactly so many bytes, or None when there are fewer."""
    count = os.readv(descriptor, [buffer])
    digest = hashlib.sha256(buffer[:count])
    done = count
    while count and done < size:
        count = os.readv(descriptor, [buffer])
        digest.update(buffer[:count])
        done += count
    return digest.hexdigest() if done == size else None


def _capability(descriptor: int) -> str:
    try:
        # To list them is quicker than to be told by an exception that there is none.
        return os.getxattr(descriptor, _CAPABILITY).hex() if _CAPABILITY in os.listxattr(descriptor) else ""
    except OSError as exc:
        if exc.errno in _NO_ATTRIBUTES:
            return ""
        raise


def _problem(problem: OSError, folder: int, name: str, path: str) -> Exception:
    if problem.errno == errno.ENOENT:
        return Vanished()
    reason = "may not be read by this user" if problem.errno in (errno.EACCES, errno.EPERM) else (
        f"could not be read ({problem.strerror})"
    )
    try:
        line = line_of(path, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        line = ""
    return Unreadable(reason, line)
