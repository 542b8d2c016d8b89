# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a tree on disk differs from what a backup holds of it: counted by the manifest, without reading a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Member

_FILES = "files/"
_KINDS = {FILE: stat.S_ISREG, HARDLINK: stat.S_ISREG, DIRECTORY: stat.S_ISDIR, SYMLINK: stat.S_ISLNK}


@dataclass
class Difference:
    """What a restore would do to one target.

    :ivar exists: something is there now.
    :ivar added: members that are not there now; and so for ``changed`` (another size, time, kind or right) and ``same``.
    :ivar removed: what is there and not in the backup. What the backup left out on purpose is kept and not counted.
    :ivar bytes: of the files of the backup.
    """

    target: str
    exists: bool = False
    added: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    bytes: int = 0

    @property
    def members(self) -> int:
        return self.added + self.changed + self.same

    def row(self) -> dict[str, object]:
        """Return the figures for a result."""
        keys = ("target", "exists", "members", "bytes", "added", "changed", "same", "removed")
        return {key: getattr(self, key) for key in keys}

    def sentence(self) -> str:
        """Say it to people."""
        if not self.members:
            return f"{self.target}: the backup holds nothing of it"
        if not self.exists:
            return f"{self.target}: is not there; {self.members} files and folders come from the backup"
        return (
            f"{self.target}: {self.added} added, {self.changed} changed, {self.removed} removed, {self.same} as they are"
            " (by size, time and rights)"
        )


def resolve_targets(targets: Sequence[str], members: Callable[[], Iterable[Member]]) -> list[str]:
    """Return the targets with each wildcard replaced by what the backup has of it; one that fits nothing stays as it is.

    :param members: yields the members of the backup; not asked when there is no wildcard.
    """
    patterns = {target: target.strip("/").split("/") for target in targets if any(sign in target for sign in "*?[")}
    found: dict[str, dict[str, None]] = {target: {} for target in patterns}
    for member in members() if patterns else ():
        parts = member.name.split("/")
        for target, pattern in patterns.items():
            here = parts[1 : len(pattern) + 1]
            if parts[0] == "files" and len(here) == len(pattern) and all(map(fnmatchcase, here, pattern)):
                found[target]["/" + "/".join(here)] = None
    return list(dict.fromkeys(path for target in targets for path in (found.get(target) or [target])))


def compare(targets: Iterable[str], members: Iterable[Member], excluded: Collection[str]) -> list[Difference]:
    """Count for each target how it differs from the members of the backup.

    :param targets: absolute paths, none inside another.
    :param excluded: absolute paths that the backup left out on purpose; they stay.
    """
    differences = [Difference(target.rstrip("/") or "/", os.path.lexists(target)) for target in targets]
    for member in members:
        if not member.name.startswith(_FILES):
            continue
        path = "/" + member.name[len(_FILES):]
        for difference in differences:
            if path == difference.target or path.startswith(difference.target.rstrip("/") + "/"):
                _count(difference, path, member)
                break
    for difference in differences:
        present = _present(difference.target, frozenset(excluded))
        difference.removed = max(0, present - difference.changed - difference.same)
    return differences


def _count(difference: Difference, path: str, member: Member) -> None:
    difference.bytes += member.size
    try:
        # The name as it is on disk, also when it is no UTF-8.
        status = os.lstat(path.encode("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        difference.added += 1
        return
    if _same(status, member):
        difference.same += 1
    else:
        difference.changed += 1


def _same(status: os.stat_result, member: Member) -> bool:
    if not _KINDS[member.type](status.st_mode):
        return False
    if member.type in (FILE, HARDLINK) and status.st_mtime_ns // 1_000_000_000 != member.mtime_ns // 1_000_000_000:
        return False
    if member.type == FILE and status.st_size != member.size:
        return False
    return member.type == SYMLINK or stat.S_IMODE(status.st_mode) == member.mode


def _present(target: str, excluded: Collection[str]) -> int:
    """Return how many entries there are at and below the target, those that stay left out."""
    if not os.path.lexists(target):
        return 0
    count, waiting = 1, [target] if os.path.isdir(target) and not os.path.islink(target) else []
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.path in excluded:
                        continue
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue  # what nobody may look at is not counted; the restore itself says so
    return count
