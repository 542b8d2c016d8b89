# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders that hold logs: entered link by link, judged by who could change them, and worked in with their owner's rights.

Whoever may write to a folder may exchange its files at any moment, also between a look at them and the next call. So a
folder is only worked in when nobody but root and the owner of the log can write there, everything is done relative to the
open folder, and never with more rights than its owner has.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_MAX_LINKS = 40
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Refused(Exception):
    """Nothing is done with a log; the message is the end of a sentence that says why."""


class Folder:
    """An open folder.

    :ivar descriptor: relative to which everything in it is done.
    :ivar owner: its owner.
    :ivar owners: everybody, but root, who owns it or a folder above it.
    """

    def __init__(self, path: str, descriptor: int, owners: frozenset[int]) -> None:
        self.path = path
        self.descriptor = descriptor
        self.status = os.fstat(descriptor)
        self.owner = self.status.st_uid
        self.owners = owners

    def refuse_strangers(self, log_owner: int) -> None:
        """Raise unless only root and the owner of the log can exchange what is in this folder.

        :raises Refused: naming who else can.
        """
        if stat.S_IMODE(self.status.st_mode) & _OTHERS_WRITE:
            raise Refused(f"its folder may be written by others than its owner (mode {stat.S_IMODE(self.status.st_mode):04o})")
        strangers = sorted(self.owners - {log_owner})
        if strangers:
            raise Refused(f"its folder, or one above it, belongs to {_name(strangers[0])} and the log to {_name(log_owner)}")

    def sync(self) -> None:
        """Make the names in the folder survive a power cut."""
        os.fsync(self.descriptor)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextmanager
def open_folder(path: str) -> Iterator[Folder]:
    """Enter a folder from the root, one name at a time; a link is followed only when it is root's own.

    :param path: absolute and without ``..``.
    :raises Refused: when somebody could lead elsewhere whoever enters it, or it cannot be entered.
    """
    descriptor, owners = _enter(path)
    try:
        yield Folder(path, descriptor, owners)
    finally:
        os.close(descriptor)


def _enter(path: str) -> tuple[int, frozenset[int]]:
    """Return the open folder, and everybody but root who owns it or one above it."""
    descriptor, names, links = _open_directory("/"), _names(path), 0
    owners: set[int] = set()
    try:
        while names:
            name = names.pop(0)
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            _refuse_shared(os.fstat(descriptor), name)
            if not stat.S_ISLNK(found.st_mode):
                above, descriptor = descriptor, _open_directory(name, descriptor)
                os.close(above)
                owners |= {os.fstat(descriptor).st_uid} - {0}
                continue
            links += 1
            if found.st_uid != 0 or owners or links > _MAX_LINKS:
                raise Refused(f"{plain(name, 100)} in its path is a link that others than root can change")
            target = os.readlink(name, dir_fd=descriptor)
            names[:0] = _names(target)
            if target.startswith("/"):
                above, descriptor = descriptor, _open_directory("/")
                os.close(above)
    except OSError as exc:
        os.close(descriptor)
        raise Refused(f"its folder cannot be entered ({exc.strerror})") from exc
    except Refused:
        os.close(descriptor)
        raise
    return descriptor, frozenset(owners)


def _open_directory(name: str, above: int | None = None) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)


def _names(path: str) -> list[str]:
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names:
        raise Refused("its path leads upwards ('..')")
    return names


def _refuse_shared(above: os.stat_result, name: str) -> None:
    """Refuse to go on through a folder whose entries others can exchange; a sticky one keeps what is its owner's."""
    mode = stat.S_IMODE(above.st_mode)
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise Refused(f"the folder above {plain(name, 100)} in its path may be written by others (mode {mode:04o})")


def refuse_without_rights(uid: int, own: int) -> None:
    """Raise when a process of the user ``own`` cannot take the rights of the user ``uid``.

    :raises Refused: saying whose rights are missing.
    """
    if own not in (0, uid):
        raise Refused(f"its folder belongs to {_name(uid)} and this run is {_name(own)}'s; run with become: true")


@contextmanager
def acting_as(uid: int, log_groups: Collection[int] = ()) -> Iterator[None]:
    """Do what the block does with the rights of a user. The rights are those of the whole process, threads included.

    :param log_groups: groups of the logs: a new file can then be given the group that the log had, as only members may.
    """
    own = os.geteuid()
    if uid == own:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        account = pwd.getpwuid(uid)
        wanted, gid = os.getgrouplist(account.pw_name, account.pw_gid), account.pw_gid
    except KeyError:
        wanted, gid = [], next(iter(log_groups), 65534)  # a user whom only the file system knows
    try:
        os.setgroups(sorted({*wanted, *log_groups}))
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(own)
        os.setegid(group)
        os.setgroups(groups)
