# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an archive and its manifest say differently, in words; and which members and lines have no counterpart yet."""

from __future__ import annotations

import sys
from bisect import bisect_right
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import FILE, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_DIFFERENCES = 20
#: So many members and lines wait for one another, and so many bytes of their names and targets.
MAX_WAITING = 10_000
_MAX_WAITING_BYTES = 16 * 1024 * 1024


@dataclass
class Differences:
    """What differs, in words; the lists are bounded, the counts are not.

    :ivar members: of names, kinds, sizes, rights, owners, times and order.
    :ivar contents: of what is in files.
    :ivar manifest: why the lines of the manifest could not be read, or None.
    """

    members: list[str] = field(default_factory=list)
    member_count: int = 0
    contents: list[str] = field(default_factory=list)
    content_count: int = 0
    manifest: ArchiveProblem | None = None
    _places: list[int] = field(default_factory=list, init=False, repr=False)

    def add_member(self, words: str) -> None:
        self.member_count += 1
        if len(self.members) < MAX_DIFFERENCES:
            self.members.append(words)

    def add_contents(self, words: str, place: int = sys.maxsize) -> None:
        """Add what is said of contents.

        :param place: number of the member at which that came out; the first ones are kept, in whatever order they are added.
        """
        self.content_count += 1
        at = bisect_right(self._places, place)
        self._places.insert(at, place)
        self.contents.insert(at, words)
        del self._places[MAX_DIFFERENCES:], self.contents[MAX_DIFFERENCES:]


class Waiting:
    """Members and lines that have no counterpart yet.

    :ivar some: something waits.
    :ivar last: the numbers of the member and the line that fitted last.
    :ivar given_up: too much waited; nothing is compared any more.
    """

    def __init__(self, found: Differences, hashes: bool) -> None:
        self._found = found
        self._hashes = hashes
        self._members: dict[str, tuple[int, Member]] = {}
        self._lines: dict[str, tuple[int, Member]] = {}
        self._bytes = 0
        self.last = (0, 0)
        self._in_order = True
        self.some = self.given_up = False

    def member(self, number: int, member: Member) -> None:
        self._add(member, number, self._members, self._lines, is_line=False)

    def line(self, number: int, member: Member) -> None:
        self._add(member, number, self._lines, self._members, is_line=True)

    def finish(self) -> None:
        """What still waits has no counterpart."""
        if self.given_up:
            return
        for _number, member in self._lines.values():
            self._found.add_member(f"lacks {_shown(member.name)}")
        for _number, member in self._members.values():
            self._found.add_member(f"has {_shown(member.name)}, which its manifest does not list")

    def _add(
        self, member: Member, number: int, own: dict[str, tuple[int, Member]], others: dict[str, tuple[int, Member]], *,
        is_line: bool,
    ) -> None:
        other = others.pop(member.name, None)
        if other is not None:
            self._bytes -= len(member.name) + len(other[1].target)
            if is_line:
                self._pair(other[1], member, (other[0], number))
            else:
                self._pair(member, other[1], (number, other[0]))
        elif member.name in own:
            whose = "its manifest lists" if is_line else "has"
            self._found.add_member(f"{whose} {_shown(member.name)} twice")
        else:
            own[member.name] = (number, member)
            self._bytes += len(member.name) + len(member.target)
        self.some = bool(own or others)
        if len(own) + len(others) > MAX_WAITING or self._bytes > _MAX_WAITING_BYTES:
            self.given_up = True
            self._found.add_member(f"has other members than its manifest: more than {MAX_WAITING} of them have no counterpart")

    def _pair(self, member: Member, line: Member, numbers: tuple[int, int]) -> None:
        # Where the order is the same, pairs are complete in that order.
        if self._in_order and not (numbers[0] > self.last[0] and numbers[1] > self.last[1]):
            self._in_order = False
            self._found.add_member(f"has its members in another order from {_shown(member.name)} on")
        self.last = numbers
        differences = header_differences(member, line)
        if differences:
            self._found.add_member(f"has {_shown(member.name)} {', '.join(differences)}")
        if self._hashes and member.type == line.type == FILE and member.sha256 != line.sha256:
            # The first line of members is the second of the manifest.
            self._found.add_contents(contents_differ(member.name), max(numbers[0], numbers[1] - 1))


def header_differences(member: Member, line: Member) -> list[str]:
    """Return what an archive shows of a member that its manifest says otherwise, in words."""
    if member.type != line.type:
        return [f"as {member.type}, not {line.type}"]
    found = []
    if member.size != line.size:
        found.append(f"with {member.size} bytes, not {line.size}")
    if member.target != line.target:
        found.append(f"pointing to {_shown(member.target)}, not {_shown(line.target)}")
    if member.mode != line.mode:
        found.append(f"with mode {member.mode:04o}, not {line.mode:04o}")
    if (member.uid, member.gid) != (line.uid, line.gid):
        found.append(f"owned by {member.uid}:{member.gid}, not {line.uid}:{line.gid}")
    if (member.user, member.group) != (line.user, line.group):
        found.append(f"owned by {_owner_text(member)}, not {_owner_text(line)}")
    seconds, expected = member.mtime_ns // 1_000_000_000, line.mtime_ns // 1_000_000_000
    if seconds != expected:
        found.append(f"changed at {seconds} seconds since 1970, not {expected}")
    return found


def _owner_text(member: Member) -> str:
    return plain(f"{member.user}:{member.group}", 80)


def contents_differ(name: str) -> str:
    return f"{_shown(name)} has other contents than when it was packed"


def _shown(name: str) -> str:
    return plain(name, 200)
