# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of Linux that Python does not offer: exchange two names in one step, flush a file system, begin to write a part of a file."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

_RENAME_EXCHANGE = 2
#: Begin, and wait for nothing.
_SYNC_FILE_RANGE_WRITE = 2
#: The C library, the kernel or the file system has no such exchange.
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def exchange(first: str, first_directory: int, second: str, second_directory: int) -> bool:
    """Exchange what two names stand for in one step; nobody ever sees one of them missing.

    :param first_directory: descriptor of the directory that has the name ``first``.
    :return: False when the kernel or the file system cannot, and nothing was changed.
    :raises OSError: when it failed for another reason, and nothing was changed.
    """
    rename = _function("renameat2")
    if rename is None:
        return False
    if rename(first_directory, os.fsencode(first), second_directory, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), second)


def sync_file_system(descriptor: int) -> None:
    """Flush all that was written to the file system of an open file or directory: one call instead of one for each file.

    :raises OSError: when the disk did not take it.
    """
    sync = _function("syncfs")
    if sync is None:
        os.sync()
    elif sync(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def begin_write_back(descriptor: int, start: int, size: int) -> None:
    """Let the disk begin to write a part of a file that is in memory only, so that the fsync that follows later has less to wait for.

    Nothing is promised by it, and nothing that goes wrong is told here: fsync does both.

    :param start: the first byte.
    :param size: bytes from there.
    """
    begin = _function("sync_file_range")
    if begin is not None:
        begin(descriptor, ctypes.c_int64(start), ctypes.c_int64(size), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def _function(name: str) -> Any:
    """Return a function of the C library, or None when it has none of that name (glibc before 2.28, some others)."""
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return None
