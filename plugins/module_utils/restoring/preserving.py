# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carry over what the live tree has and the archive has not, by further names for the same files: the live tree stays whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import DIRECTORY_FLAGS
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

#: Tells whether a path below the target was restored from the archive, with its rights.
IsRestored = Callable[[bytes], bool]


def carry_over(live: int, new: int, relative: bytes) -> int:
    """Give a file or directory of the live tree, with all that is in it, a place in the new tree; return how many names it got.

    Directories are made anew, with owner, rights, times and extended attributes; everything else is linked. What the new tree
    has already stays.

    :param live: descriptor of the directory that is the target now.
    :param new: descriptor of the one that will be.
    :param relative: path below them. What the live tree does not have is passed over.
    :raises UpkeepError: when it cannot be linked.
    """
    try:
        return _carry(live, new, relative.split(b"/"))
    except (OSError, RecursionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is nested too deep"
        raise UpkeepError(f"{plain(decode(relative), 300)} cannot be carried over to the new tree: {reason}; nothing was changed") from exc


def merge_rest(live: int, new: int, is_restored: IsRestored) -> int:
    """Carry over everything of the live tree that the new one has not; return how many names it got.

    Directories that were not restored themselves get the rights of the live ones.

    :raises UpkeepError: when something cannot be linked.
    """
    try:
        return _merge(live, new, b"", is_restored)
    except (OSError, RecursionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is nested too deep"
        raise UpkeepError(f"the rest of the tree cannot be carried over to the new one: {reason}; nothing was changed") from exc


def _carry(live: int, new: int, parts: list[bytes]) -> int:
    if len(parts) == 1:
        return _link(parts[0], live, new, b"", lambda _path: True)
    try:
        inner_live = os.open(parts[0], DIRECTORY_FLAGS, dir_fd=live)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        made = _make(parts[0], new)
        try:
            inner_new = os.open(parts[0], DIRECTORY_FLAGS, dir_fd=new)
        except NotADirectoryError:
            return 0  # the archive has a file of that name
        try:
            before = os.fstat(inner_new)
            count = _carry(inner_live, inner_new, parts[1:])
            _finish(inner_live, inner_new, made, before)
            return count + made
        finally:
            os.close(inner_new)
    finally:
        os.close(inner_live)


def _merge(live: int, new: int, relative: bytes, is_restored: IsRestored) -> int:
    before = os.fstat(new)
    count = 0
    for name in os.listdir(live):
        count += _link(os.fsencode(name), live, new, relative, is_restored)
    _finish(live, new, not is_restored(relative), before)
    return count


def _link(name: bytes, live: int, new: int, relative: bytes, is_restored: IsRestored) -> int:
    try:
        status = os.stat(name, dir_fd=live, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        try:
            os.link(name, name, src_dir_fd=live, dst_dir_fd=new, follow_symlinks=False)
        except FileExistsError:
            return 0
        return 1
    path = relative + b"/" + name if relative else name
    made = _make(name, new)
    if not made and not stat.S_ISDIR(os.stat(name, dir_fd=new, follow_symlinks=False).st_mode):
        return 0  # the archive has a file of that name
    inner_live = os.open(name, DIRECTORY_FLAGS, dir_fd=live)
    try:
        inner_new = os.open(name, DIRECTORY_FLAGS, dir_fd=new)
        try:
            return made + _merge(inner_live, inner_new, path, (lambda _path: False) if made else is_restored)
        finally:
            os.close(inner_new)
    finally:
        os.close(inner_live)


def _make(name: bytes, directory: int) -> bool:
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:
        return False
    return True


def _finish(live: int, new: int, as_live: bool, before: os.stat_result) -> None:
    """Give a directory the attributes of the live one, or the time back that it had before names were added."""
    if as_live:
        copy_attributes(live, new)
    else:
        os.utime(new, ns=(before.st_mtime_ns, before.st_mtime_ns))


def copy_attributes(source: int, target: int, status: Optional[os.stat_result] = None) -> None:
    """Give an open directory the owner, rights, extended attributes and times of another."""
    status = status or os.fstat(source)
    made = os.fstat(target)
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    try:
        for key in os.listxattr(source):
            os.setxattr(target, key, os.getxattr(source, key))
    except OSError:
        pass  # a file system without them, or labels that only a policy may set
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
