# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories opened without following a link, and the identity by which a file or tree is known wherever it is moved."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: The inode. Not the device with it: its number may be another one after a restart.
Identity = int


def open_directory(path: str) -> int:
    """Return a descriptor of a directory; no part of its absolute path may be a link, as who owns one of them may make it.

    :raises OSError: when it is none, or a part is a link.
    """
    descriptor = os.open("/", DIRECTORY_FLAGS)
    for name in filter(None, path.split("/")):
        try:
            inner = os.open(name, DIRECTORY_FLAGS, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Give the descriptor of :func:`open_directory` for the block."""
    descriptor = open_directory(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def identity(name: str, directory: int) -> Optional[Identity]:
    """Return what a name stands for, not following a link, or None when there is nothing."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


def remove_tree(name: str, directory: int) -> None:
    """Remove a file, or a directory with all that is in it; links in it are removed, not followed.

    :raises OSError: when something cannot be removed.
    """
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    # rmtree() takes no descriptor before Python 3.11; this path leads through the one that is held open.
    shutil.rmtree(f"/proc/self/fd/{directory}/{name}")
