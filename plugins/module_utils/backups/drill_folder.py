# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A private folder for one drill, which is removed afterwards: by the drill, or after a kill by the next one."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import DIRECTORY_FLAGS, remove_tree
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

PREFIX = "upkeep-drill-"


class NoFolder(UpkeepError):
    """There is no place for a drill."""


@contextmanager
def drill_folder(parent: str) -> Iterator[str]:
    """Give the path of a new empty folder that nobody else may enter.

    The lock that is held on it tells a folder in use from one that a killed drill has left.

    :param parent: folder in which it is made, such as ``/var/tmp``.
    :raises NoFolder: when it cannot be made.
    :raises UpkeepError: when it cannot be removed.
    """
    try:
        holder = os.open(parent, DIRECTORY_FLAGS)
    except OSError as error:
        raise NoFolder(f"{plain(parent, 300)} cannot be used for a drill: {error.strerror}") from error
    try:
        _remove_leftovers(holder)
        name = PREFIX + secrets.token_hex(4)
        try:
            os.mkdir(name, 0o700, dir_fd=holder)
            lock = os.open(name, DIRECTORY_FLAGS, dir_fd=holder)
        except OSError as error:
            raise NoFolder(f"no folder for a drill can be made in {plain(parent, 300)}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield os.path.join(parent, name)
        finally:
            _remove(name, holder)
            os.close(lock)
    finally:
        os.close(holder)


def _remove_leftovers(holder: int) -> None:
    """Remove what killed drills of this user have left; what another drill holds stays."""
    for name in os.listdir(holder):
        if not name.startswith(PREFIX):
            continue
        try:
            lock = os.open(name, DIRECTORY_FLAGS, dir_fd=holder)
        except OSError:
            continue  # a link, a file, or somebody else's
        try:
            status = os.fstat(lock)
            if stat.S_IMODE(status.st_mode) & 0o077:
                continue  # made by somebody else
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(name, holder)
        except OSError:
            continue  # in use
        finally:
            os.close(lock)


def _remove(name: str, holder: int) -> None:
    try:
        remove_tree(name, holder)
    except OSError as error:
        raise UpkeepError(f"the scratch folder {name} cannot be removed: {error.strerror}; remove it") from error
