# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write a tree below an open private directory: every name is made new, relative to its own open parent, and no link is followed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, Optional, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import DIRECTORY_FLAGS

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Attributes(NamedTuple):
    """What a file, directory or link is given besides contents.

    :ivar uid: None leaves the owner that the process gives, and so for ``gid``.
    :ivar mtime_ns: None leaves the time.
    """

    mode: int
    uid: Optional[int] = None
    gid: Optional[int] = None
    mtime_ns: Optional[int] = None


#: Of directories that no member describes.
PLAIN_DIRECTORY = Attributes(0o755)


class _Level:
    """A directory that is open; what it is to be like is given to it when it is left, since each new name in it changes its time."""

    __slots__ = ("path", "descriptor", "attributes")

    def __init__(self, path: bytes, descriptor: int, attributes: Optional[Attributes]) -> None:
        self.path = path
        self.descriptor = descriptor
        self.attributes = attributes


class TreeWriter:
    """Writes members in any order, fastest when those of a directory follow each other.

    Paths are relative to the base, without "." and "..". Only after :meth:`finish` all directories are as they are to be.
    """

    def __init__(self, base: int) -> None:
        """:param base: descriptor of the directory; it stays open."""
        self._levels = [_Level(b"", base, None)]
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._owner = (os.geteuid(), os.getegid())

    def close(self) -> None:
        """Close what is open; without :meth:`finish` before it, the tree is not whole."""
        while len(self._levels) > 1:
            os.close(self._levels.pop().descriptor)

    def finish(self) -> None:
        """Give all directories that are still open what they are to be like."""
        while len(self._levels) > 1:
            self._leave()

    def directory(self, path: bytes, attributes: Attributes) -> None:
        """Make a directory, or give its attributes to one that its members have made before."""
        self._enter(path)
        self._levels[-1].attributes = attributes

    def file(self, path: bytes, attributes: Attributes, chunks: Iterable[bytes]) -> tuple[int, str]:
        """Write a new file; return its size and the SHA-256 of its contents.

        :raises FileExistsError: when there is something of that name.
        """
        size, digest = 0, hashlib.sha256()

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        self._write(path, attributes, counted())
        return size, digest.hexdigest()

    def whole_file(self, path: bytes, attributes: Attributes, data: Union[bytes, memoryview]) -> None:
        """Write a new file with all its contents.

        :raises FileExistsError: when there is something of that name.
        """
        self._write(path, attributes, (data,) if data else ())

    def _write(self, path: bytes, attributes: Attributes, chunks: Iterable[Union[bytes, memoryview]]) -> None:
        above, _slash, name = path.rpartition(b"/")
        if self._levels[-1].path != above:
            self._enter(above)
        mode = attributes.mode & 0o777
        descriptor = os.open(name, _NEW_FILE, mode, dir_fd=self._levels[-1].descriptor)
        try:
            for chunk in chunks:
                written = os.write(descriptor, chunk)
                while written < len(chunk):
                    written += os.write(descriptor, chunk[written:])
            self._give(descriptor, attributes, mode & ~self._umask)
        finally:
            os.close(descriptor)

    def symbolic_link(self, path: bytes, target: bytes, attributes: Attributes) -> None:
        """Make a symbolic link; it is never followed here."""
        name, parent = self._parent(path)
        os.symlink(target, name, dir_fd=parent)
        self._own_link(name, parent, attributes)

    def hard_link(self, path: bytes, target: bytes) -> None:
        """Give another name to a file that was written before.

        :raises FileNotFoundError: when it was not.
        """
        name, parent = self._parent(path)
        with self._opened(target.rpartition(b"/")[0]) as descriptor:
            os.link(target.rpartition(b"/")[2], name, src_dir_fd=descriptor, dst_dir_fd=parent, follow_symlinks=False)

    @contextmanager
    def reading(self, path: bytes) -> Iterator[BinaryIO]:
        """Give a file that was written before, to be read.

        :raises OSError: when it was not, or is none.
        """
        above, _slash, name = path.rpartition(b"/")
        with self._opened(above) as parent:
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent), "rb") as stream:
                yield stream

    @contextmanager
    def _opened(self, path: bytes) -> Iterator[int]:
        descriptor = os.dup(self._levels[0].descriptor)
        try:
            for part in path.split(b"/") if path else ():
                inner = os.open(part, DIRECTORY_FLAGS, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _own_link(self, name: bytes, parent: int, attributes: Attributes) -> None:
        owner = self._other_owner(attributes)
        if owner:
            os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
        if attributes.mtime_ns is not None:
            os.utime(name, ns=(attributes.mtime_ns, attributes.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _parent(self, path: bytes) -> tuple[bytes, int]:
        """Return the last part of a path and the descriptor of the directory it is in."""
        above, _slash, name = path.rpartition(b"/")
        if self._levels[-1].path != above:
            self._enter(above)
        return name, self._levels[-1].descriptor

    def _enter(self, path: bytes) -> None:
        """Let the directory at ``path`` be the innermost open one; what is missing on the way is made."""
        while not (path + b"/").startswith(self._levels[-1].path + b"/") and len(self._levels) > 1:
            self._leave()
        here = self._levels[-1].path
        for name in path[len(here) :].strip(b"/").split(b"/") if path != here else ():
            here = here + b"/" + name if here else name
            self._levels.append(self._open(name, here, self._levels[-1].descriptor))

    def _open(self, name: bytes, path: bytes, parent: int) -> _Level:
        attributes: Optional[Attributes]
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            attributes = PLAIN_DIRECTORY
        except FileExistsError:
            attributes = None
        descriptor = os.open(name, DIRECTORY_FLAGS, dir_fd=parent)
        if attributes is None:
            status = os.fstat(descriptor)
            attributes = Attributes(status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_mtime_ns)
        return _Level(path, descriptor, attributes)

    def _leave(self) -> None:
        level = self._levels.pop()
        try:
            if level.attributes is not None:
                self._give(level.descriptor, level.attributes, 0o700)
        finally:
            os.close(level.descriptor)

    def _give(self, descriptor: int, attributes: Attributes, mode: int) -> None:
        """Give owner, mode and time, in this order: a change of the owner takes special bits away.

        :param mode: which it has now.
        """
        owner = self._other_owner(attributes)
        if owner:
            os.fchown(descriptor, *owner)
        if attributes.mode != mode:
            os.fchmod(descriptor, attributes.mode)
        if attributes.mtime_ns is not None:
            os.utime(descriptor, ns=(attributes.mtime_ns, attributes.mtime_ns))

    def _other_owner(self, attributes: Attributes) -> Optional[tuple[int, int]]:
        uid = self._owner[0] if attributes.uid is None else attributes.uid
        gid = self._owner[1] if attributes.gid is None else attributes.gid
        return None if (uid, gid) == self._owner else (uid, gid)
