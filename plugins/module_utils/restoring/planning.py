# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a restore would add, change and remove in the live trees, for check and diff mode. Reads, and changes nothing."""

from __future__ import annotations

import os
import stat
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, SYMLINK, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import Rules, as_bytes, checked_path
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

MAX_NAMES = 200
_SECOND = 1_000_000_000


@dataclass
class Changes:
    """What would change below one target; the lists are bounded, the counts are not."""

    target: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    same: int = 0
    added_names: list[str] = field(default_factory=list)
    changed_names: list[str] = field(default_factory=list)
    removed_names: list[str] = field(default_factory=list)

    def note(self, what: str, path: bytes) -> None:
        """Count a path as ``added``, ``changed`` or ``removed``."""
        setattr(self, what, getattr(self, what) + 1)
        names = getattr(self, f"{what}_names")
        if len(names) < MAX_NAMES:
            names.append(plain(decode(path), 300) or ".")

    def as_result(self) -> dict[str, object]:
        """Return the counts."""
        return {"target": self.target, "added": self.added, "changed": self.changed, "removed": self.removed, "same": self.same}

    def as_text(self) -> str:
        """Return lines for people, a sign and a path each."""
        lines = [f"{self.target}: {self.added} added, {self.changed} changed, {self.removed} removed, {self.same} as they are"]
        for sign, count, names in (
            ("+", self.added, self.added_names), ("~", self.changed, self.changed_names), ("-", self.removed, self.removed_names)
        ):
            lines += [f"{sign} {name}" for name in names]
            if count > len(names):
                lines.append(f"{sign} and {count - len(names)} more")
        return "\n".join(lines) + "\n"


class Planner:
    """Is given each member in turn; :meth:`finish` then looks for what the archive has not."""

    def __init__(self, selection: Selection, rules: Rules) -> None:
        self._selection = selection
        self._rules = rules
        self.changes = [Changes(one.target) for one in selection.destinations]
        self._seen = [array("q") for _one in selection.destinations]
        self._targets = [as_bytes(one.target) for one in selection.destinations]

    def add(self, member: Member) -> None:
        """Compare a member with what is at its place: kind, size, rights, time in seconds, target of a link; no contents."""
        place = self._selection.locate(checked_path(member, self._rules), member.source)
        if place is None:
            return
        number, relative = place
        changes = self.changes[number]
        path = self._targets[number] + b"/" + relative if relative else self._targets[number]
        self._seen[number].append(hash(relative))
        try:
            status = os.lstat(path)
        except OSError:
            changes.note("added", relative)
            return
        if _differs(member, status, path):
            changes.note("changed", relative)
        else:
            changes.same += 1

    def finish(self, kept: Sequence[Sequence[bytes]]) -> list[Changes]:
        """Look for what would go.

        :param kept: for each destination the paths below its target that are carried over.
        """
        if self._selection.is_part:
            return self.changes
        for number, target in enumerate(self._targets):
            seen = array("q", sorted(self._seen[number]))
            for relative in _walk(target, kept[number]):
                at = bisect_left(seen, hash(relative))
                if at == len(seen) or seen[at] != hash(relative):
                    self.changes[number].note("removed", relative)
        return self.changes


def _differs(member: Member, status: os.stat_result, path: bytes) -> bool:
    mode = status.st_mode
    if member.type == SYMLINK:
        return not stat.S_ISLNK(mode) or os.readlink(path) != as_bytes(member.target)
    if member.type == DIRECTORY:
        return not stat.S_ISDIR(mode) or stat.S_IMODE(mode) != member.mode
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) != member.mode:
        return True
    if member.type != FILE:
        return False  # the file it is another name of is compared
    return status.st_size != member.size or status.st_mtime_ns // _SECOND != member.mtime_ns // _SECOND


def _walk(root: bytes, kept: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the paths below a directory, relative to it, but for those that are kept, what is in them and what is above them."""
    carried = set(kept)
    above = {b"/".join(path.split(b"/")[:depth]) for path in kept for depth in range(1, path.count(b"/") + 1)}
    waiting = [b""]
    while waiting:
        relative = waiting.pop()
        try:
            with os.scandir(root + b"/" + relative if relative else root) as entries:
                for entry in entries:
                    path = relative + b"/" + entry.name if relative else entry.name
                    if path in carried:
                        continue
                    if path not in above:
                        yield path
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
        except OSError:
            continue  # it is gone, or is no directory
