# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Walk what is watched in the order of a baseline, relative to open folders, so that no link that is swapped in is followed."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import ODD, escaped
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import Gap, Root

#: Each folder on the way down is open, and a process may have 1024 files open.
MAX_DEPTH = 256
MAX_GAPS = 1000
#: Of one folder, which are sorted in memory: about 200 MiB.
MAX_NAMES = 1_000_000

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BY_NAME = attrgetter("name")


class Folder:
    """An open folder, which is closed when the last one who uses it lets it go.

    :ivar prefix: what stands before the names in it, escaped.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor = descriptor
        self.path = path
        self.prefix = escaped(path if path.endswith("/") else path + "/")
        self._users = 1

    def retain(self) -> None:
        """Say that somebody else uses it too."""
        self._users += 1

    def release(self) -> None:
        """Let it go."""
        self._users -= 1
        if self._users == 0:
            os.close(self.descriptor)


#: One entry: its path (escaped), the folder it is in, its name, its status, None of a regular file of which nobody asked it.
#: A plain tuple, since to make one with names takes ten times as long.
Found = tuple[str, Folder, str, Optional[os.stat_result]]


class _Level(NamedTuple):
    folder: Folder
    entries: Iterator[os.DirEntry[str]]
    root: Root
    device: int


class Walk:
    """Yields what is below the roots, each once, sorted; a folder before what is in it.

    :param roots: sorted. One below another is watched even where the outer one leaves it out.
    :param with_status: ask the status of regular files too.
    :ivar gaps: what could not be looked at, and why.
    :ivar other_file_systems: folders that were not entered for that.
    """

    def __init__(self, roots: Sequence[Root], exclusions: Exclusions | None, *, one_file_system: bool, with_status: bool) -> None:
        self._roots = roots
        self._exclusions = exclusions
        self._one_file_system = one_file_system
        self._with_status = with_status
        self._inner, self._above = _nested(roots)
        self._met: set[str] = set()
        self.gaps: list[Gap] = []
        self.other_file_systems: list[str] = []

    def __iter__(self) -> Iterator[Found]:
        for root in self._roots:
            if root.path not in self._met:
                yield from self._walk(root)

    def _walk(self, root: Root) -> Iterator[Found]:
        self._met.add(root.path)
        head, name = posixpath.split(root.path)
        try:
            top = Folder(os.open(head, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), head)
        except OSError as exc:
            self._miss(root.path, exc)
            return
        levels: list[_Level] = []
        try:
            try:
                status = os.stat(name or ".", dir_fd=top.descriptor, follow_symlinks=False)
            except OSError as exc:
                self._miss(root.path, exc)
                return
            yield escaped(root.path), top, name or ".", status
            if stat.S_ISDIR(status.st_mode):
                self._enter(levels, top, name or ".", root.path, root, status)
            while levels:
                yield from self._next(levels)
        finally:
            for level in levels:
                level.folder.release()
            top.release()

    def _next(self, levels: list[_Level]) -> Iterator[Found]:
        """Yield entries of the innermost folder until one is entered or the last one was met."""
        folder, entries, root, device = levels[-1]
        prefix, exclusions, with_status = folder.prefix, self._exclusions, self._with_status
        nested = bool(self._inner)
        # Names of our own: this loop is all that a pass costs when no file is read.
        is_odd, is_folder = ODD.search, stat.S_ISDIR
        for entry in entries:
            name = entry.name
            is_root = False
            if exclusions is not None or nested:
                path = posixpath.join(folder.path, name)
                is_root = path in self._inner
                if not is_root and exclusions is not None and exclusions.matching(name, path, root.path):
                    yield from self._walk_below(path)
                    continue
            try:
                status = None
                if with_status or not entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as exc:
                self._miss(posixpath.join(folder.path, name), exc)
                continue
            yield prefix + (escaped(name) if is_odd(name) else name), folder, name, status
            if not nested and (status is None or not is_folder(status.st_mode)):
                continue  # nearly all
            path = posixpath.join(folder.path, name)
            if is_root:
                self._met.add(path)
            if status is None or not is_folder(status.st_mode):
                yield from self._walk_below(path)
                continue
            if not is_root and self._one_file_system and status.st_dev != device:
                self.other_file_systems.append(path)
            elif self._enter(levels, folder, name, path, root, status):
                return
            yield from self._walk_below(path)
        levels.pop().folder.release()

    def _enter(
        self, levels: list[_Level], parent: Folder, name: str, path: str, root: Root, status: os.stat_result
    ) -> bool:
        """Open a folder and list it; return whether that could be done."""
        if len(levels) >= MAX_DEPTH:
            self._note(Gap(path, f"lies more than {MAX_DEPTH} folders deep, and what is in it was not looked at"))
            return False
        try:
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent.descriptor)
        except FileNotFoundError:
            return False
        except OSError as exc:
            self._miss(path, exc)
            return False
        folder = Folder(descriptor, path)
        try:
            with os.scandir(descriptor) as listing:
                entries = sorted(islice(listing, MAX_NAMES + 1), key=_BY_NAME)
        except OSError as exc:
            folder.release()
            self._miss(path, exc)
            return False
        if len(entries) > MAX_NAMES:
            folder.release()
            self._note(Gap(path, f"holds more than {MAX_NAMES} names, and what is in it was not looked at"))
            return False
        levels.append(_Level(folder, iter(entries), root, status.st_dev))
        return True

    def _walk_below(self, path: str) -> Iterator[Found]:
        """Walk the roots below something that was not entered."""
        if path in self._above:
            for root in self._roots:
                if root.path.startswith(path + "/") and root.path not in self._met:
                    yield from self._walk(root)

    def _miss(self, path: str, problem: OSError) -> None:
        self._note(Gap(path, f"could not be looked at ({problem.strerror})", "Run the task with become: true."))

    def _note(self, gap: Gap) -> None:
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)


def _nested(roots: Sequence[Root]) -> tuple[set[str], set[str]]:
    """Return the roots below other ones, and all folders above those."""
    paths = {root.path for root in roots}
    inner: set[str] = set()
    above: set[str] = set()
    for path in paths:
        parents = []
        parent = path
        while parent != "/":
            parent = posixpath.dirname(parent)
            parents.append(parent)
        if any(parent in paths for parent in parents):
            inner.add(path)
            above.update(parents)
    return inner, above
