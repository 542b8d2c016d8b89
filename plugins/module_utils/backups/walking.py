# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Walk the trees of a backup and read their files, relative to open directories, so that no link swapped in is followed."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import NamedTuple, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.backups import steady_reading as steady
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.hard_links import HardLinks
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import OTHER_FILE_SYSTEM, LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import Root
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

FILES_PREFIX = "files"
DESTINATION = "destination"
VANISHED = "it vanished while the backup was made"

#: So many names of a folder are sorted at a time; a folder may have a million.
_NAMES_AT_ONCE = 10_000
#: A longer name has no place in a manifest, and no program could restore it.
_MOST_NAME_CHARACTERS = 8192
_KIND_ATTEMPTS = 5

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK}
#: What open and readlink say when a name has become something else since it was looked at.
_IS_ANOTHER_NOW = {errno.ELOOP, errno.ENOTDIR, errno.EINVAL, errno.ENXIO, errno.ENODEV}
_SKIPPED = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}

Contents = Union[bytes, steady.LargeFile, None]


class Found(NamedTuple):
    """What becomes a member.

    :ivar name: of the member.
    :ivar type: FILE, DIRECTORY, SYMLINK or HARDLINK.
    :ivar contents: of a file, unless only a plan is made.
    :ivar target: of a link.
    :ivar torn: a small file that never stayed as it was for long enough to be read.
    """

    name: str
    type: str
    status: os.stat_result
    source: str
    contents: Contents = None
    target: str = ""
    torn: bool = False


class _Level:
    """A folder that is open while what is in it is looked at."""

    def __init__(self, descriptor: int, path: str, root: Root, device: int) -> None:
        self.descriptor = descriptor
        self.path = path
        self.prefix = path if path.endswith("/") else path + "/"
        self.root = root
        self.device = device
        self.entries = _sorted_entries(descriptor)

    def close(self) -> None:
        self.entries.close()
        os.close(self.descriptor)


class TreeWalk:
    """Yields what is below the roots, each once, a folder before what is in it.

    :param roots: a root below another one is walked where it is met.
    :param destination: device and inode of the folder of backups, which is no part of them.
    :param left_out: is told what is left out.
    :param read: False for a plan, which opens no file.
    """

    def __init__(self, roots: list[Root], destination: tuple[int, int] | None, left_out: LeftOut, *, read: bool) -> None:
        self._waiting = {root.path: root for root in roots}
        self._destination = destination
        self._left_out = left_out
        self._read = read
        self._links = HardLinks()
        self._fresh_since = time.time_ns() - steady.TICK_NANOSECONDS

    def __iter__(self) -> Iterator[Found]:
        """Walk.

        :raises UpkeepError: when something cannot be read.
        """
        # The outer ones first: they meet the inner ones on their way.
        for path in sorted(self._waiting, key=lambda path: path.count("/") if path != "/" else 0):
            root = self._waiting.pop(path, None)
            if root is not None:
                yield from self._walk(root)

    def _walk(self, root: Root) -> Iterator[Found]:
        levels: list[_Level] = []
        parent, name = root.open_parent()
        try:
            found, level = self._look(parent, name, root.path, root, None)
            while True:
                if level is not None:
                    levels.append(level)
                if found is not None:
                    yield found
                if not levels:
                    return
                entry = next(levels[-1].entries, None)
                found = level = None
                if entry is None:
                    levels.pop().close()
                else:
                    found, level = self._entry(levels[-1], entry)
        finally:
            for level in levels:
                level.close()
            os.close(parent)

    def _entry(self, level: _Level, entry: os.DirEntry[str]) -> tuple[Found | None, _Level | None]:
        """Look at what is in a folder, unless it is left out."""
        name = entry.name
        path = level.prefix + name
        root = level.root
        own = self._waiting.get(path)
        pattern = root.exclusions.matching(name, path, root.path)
        if pattern is not None:
            if own is None:
                self._left_out.exclude(path, pattern)
            return None, None
        if own is not None:
            del self._waiting[path]
            return self._look(level.descriptor, name, path, own, None)
        if self._read and entry.is_file(follow_symlinks=False):
            try:
                return self._file(level.descriptor, name, path, root), None
            except OSError as exc:
                if exc.errno not in _IS_ANOTHER_NOW:
                    raise unreadable(path, exc) from exc
        return self._look(level.descriptor, name, path, root, level.device)

    def _look(
        self, folder: int, name: str, path: str, root: Root, device: int | None
    ) -> tuple[Found | None, _Level | None]:
        """Look at anything by its name; what it is may change between two looks.

        :param device: the file system of the folder, or None for a root.
        """
        for _attempt in range(_KIND_ATTEMPTS):
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                kind = _KINDS.get(stat.S_IFMT(status.st_mode))
                if kind == DIRECTORY:
                    return self._folder(folder, name, path, root, device)
                if kind == FILE:
                    return self._file(folder, name, path, root) if self._read else self._planned(status, path, root), None
                if kind == SYMLINK:
                    target = os.readlink(name, dir_fd=folder)
                    return Found(member_name(path), SYMLINK, status, root.source, target=_utf8(target)), None
                what = _SKIPPED.get(stat.S_IFMT(status.st_mode), "of a kind that is not known")
                if device is None:
                    raise UpkeepError(f"{plain(path)} is {what}, and cannot be backed up; do not name it as a source")
                self._left_out.skip(path, what)
                return None, None
            except OSError as exc:
                if exc.errno == errno.ENOENT and device is not None:
                    self._left_out.skip(path, VANISHED)
                    return None, None
                if exc.errno not in _IS_ANOTHER_NOW:
                    raise unreadable(path, exc) from exc
        raise UpkeepError(f"cannot back up {plain(path)}: it turns from file to folder or link again and again; exclude it")

    def _folder(
        self, folder: int, name: str, path: str, root: Root, device: int | None
    ) -> tuple[Found | None, _Level | None]:
        if len(path) > _MOST_NAME_CHARACTERS:
            raise UpkeepError(f"cannot back up {plain(path, 200)}: its path has {len(path)} characters; exclude it")
        descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) == self._destination:
                if device is None:
                    raise UpkeepError(f"{plain(path)} is the folder of backups itself; do not name it as a source")
                self._left_out.exclude(path, DESTINATION)
                return None, None
            found = Found(member_name(path), DIRECTORY, status, root.source)
            if root.one_file_system and device is not None and status.st_dev != device:
                self._left_out.skip(path, OTHER_FILE_SYSTEM)
                return found, None
            level = _Level(descriptor, path, root, status.st_dev)
            descriptor = -1
            return found, level
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _file(self, folder: int, name: str, path: str, root: Root) -> Found | None:
        """Read a file.

        :raises OSError: when it cannot be read, or is no file any more.
        """
        try:
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
        except FileNotFoundError:
            self._left_out.skip(path, VANISHED)
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if root.not_before_ns is not None and self._too_old(status, path, root):
                return None
            member = member_name(path)
            if status.st_nlink > 1:
                first = self._links.first_name(status, member)
                if first is not None:
                    return Found(member, HARDLINK, status, root.source, target=first)
            torn = False
            contents: Contents = None
            if status.st_size <= steady.SMALL_BYTES:
                data = os.read(descriptor, status.st_size + 1)
                after = os.fstat(descriptor)
                # The whole of what reading again does costs a busy tree of small files a tenth of its time.
                if (
                    len(data) == status.st_size and status.st_ctime_ns < self._fresh_since
                    and after.st_mtime_ns == status.st_mtime_ns and after.st_ctime_ns == status.st_ctime_ns
                ):
                    return Found(member, FILE, status, root.source, data)
                again = steady.read_again(descriptor)
                if again is not None:
                    contents, status, torn = again
            if contents is None:
                contents = steady.LargeFile(descriptor)
                descriptor = -1
                status = contents.status
            return Found(member, FILE, status, root.source, contents, "", torn)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _too_old(self, status: os.stat_result, path: str, root: Root) -> bool:
        """Tell whether a file is left out because of its age, and list it then."""
        if root.not_before_ns is None or status.st_mtime_ns >= root.not_before_ns:
            return False
        self._left_out.exclude(path, f"older than {root.max_age_days:g} days")
        return True

    def _planned(self, status: os.stat_result, path: str, root: Root) -> Found | None:
        if self._too_old(status, path, root):
            return None
        member = member_name(path)
        first = self._links.first_name(status, member) if status.st_nlink > 1 else None
        return Found(member, FILE if first is None else HARDLINK, status, root.source, target=first or "")


def member_name(path: str) -> str:
    """Return the name of the member that holds what has this absolute path."""
    return _utf8(FILES_PREFIX + path.rstrip("/"))


def _utf8(text: str) -> str:
    """Return a name as its bytes read as UTF-8, whatever the locale is in which Python runs."""
    if text.isascii():
        return text
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def unreadable(path: str, error: OSError) -> UpkeepError:
    """Return what to raise when a part of a source cannot be read: nothing is left out silently."""
    return UpkeepError(
        f"cannot read {plain(path)}: {error.strerror}; a backup without it would not be whole, so none was made."
        " Mend that, or leave it out with exclude"
    )


def _sorted_entries(descriptor: int) -> Generator[os.DirEntry[str], None, None]:
    """Yield what is in a folder, sorted as long as it is no million."""
    with os.scandir(descriptor) as entries:
        while True:
            some = sorted(islice(entries, _NAMES_AT_ONCE), key=lambda entry: entry.name)
            if not some:
                return
            yield from some
