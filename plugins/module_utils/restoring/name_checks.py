# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the names of all members, one by one and together, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.listing import PLAIN_LINE, member_of
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import (
    Refused,
    Rules,
    as_bytes,
    check_symbolic_link,
    checked_name,
    checked_path,
    is_plain_path,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.name_index import NameIndex
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What a file takes on a disk besides its contents, about: its inode and its name.
_OVERHEAD_BYTES = 512
_BLOCK_BYTES = 4096
_MOST_FIRST_NAMES, _MOST_FIRST_MEMBERS = 5, 100
#: First digits of a mode without set-user-ID and set-group-ID.
_WITHOUT_SPECIAL_BITS = b"01"


@dataclass
class Amount:
    """What will be restored to one target.

    :ivar disk_bytes: of the files, in whole blocks.
    :ivar root: type of the member that becomes the target itself, or an empty text when only members below it are there.
    """

    members: int = 0
    bytes: int = 0
    disk_bytes: int = 0
    root: str = ""


class PromisedSize:
    """Adds up the sizes that members promise, so that what is too much is refused before it is unpacked."""

    def __init__(self, budget: Budget) -> None:
        self.bytes = 0
        self.most_bytes = budget.most_bytes
        self._ratio = budget.limits.ratio

    def add(self, member: Member) -> None:
        """:raises Refused: naming the member with which it is too much."""
        self.bytes += member.size
        if self.bytes > self.most_bytes:
            self.refuse(member)

    def refuse(self, member: Member) -> NoReturn:
        """:raises Refused: always."""
        raise Refused(
            f"has {member.size} bytes; with it the archive unpacks to more than {self._ratio:g} times its size", member.name,
            hint="Find out who made it; when it is right, raise max_ratio.",
        )


@dataclass
class NameChecks:
    """Is given each member in turn; :meth:`finish` looks at them together.

    :ivar amounts: for each destination of the selection.
    :ivar first_names: the first parts of the names, for messages; a few.
    """

    selection: Selection
    rules: Rules
    budget: Budget
    amounts: list[Amount] = field(default_factory=list)
    first_names: set[str] = field(default_factory=set)
    members: int = 0

    def __post_init__(self) -> None:
        self.amounts = [Amount() for _one in self.selection.destinations]
        self._index = NameIndex()
        self._size = PromisedSize(self.budget)

    def add(self, member: Member) -> None:
        """Check one member.

        :raises Refused: when it is one that is not restored, or makes the archive unpack to too much.
        """
        path = checked_path(member, self.rules)
        self.members += 1
        is_hard_link = member.type == HARDLINK
        target = checked_name(member.target, self.rules, of=member.name) if is_hard_link else None
        self._index.add(path, is_directory=member.type == DIRECTORY, link_target=target)
        self._size.add(member)
        if self.members <= _MOST_FIRST_MEMBERS and len(self.first_names) < _MOST_FIRST_NAMES:
            self.first_names.add(plain(member.name.strip("./").split("/")[0], 60))
        place = self.selection.locate(path, member.source)
        if place is not None:
            self._selected(member, place, target)
        elif self.selection.sources:
            self._refuse_left_out(path, member)

    def add_line(self, line: bytes, number: int) -> None:
        """Check the member of a line of the manifest; most lines are those of plain files and directories, and need not be taken apart.

        :raises ArchiveProblem: as :meth:`add`, and when the line is none.
        """
        match = PLAIN_LINE.fullmatch(line)
        if match is None:
            self.add(member_of(line, number))
            return
        path, size_text, mode, source = match.group(1, 2, 4, 10)
        if mode[0] not in _WITHOUT_SPECIAL_BITS or not is_plain_path(path) or self.members < _MOST_FIRST_MEMBERS:
            self.add(member_of(line, number))
            return
        is_directory = size_text is None
        size = 0 if is_directory else int(size_text)
        self.members += 1
        self._index.add(path, is_directory=is_directory)
        self._size.bytes += size
        if self._size.bytes > self._size.most_bytes:
            self._size.refuse(member_of(line, number))
        place = self.selection.locate(path, source.decode() if source else "")
        if place is None:
            if self.selection.sources:
                self._refuse_left_out(path, member_of(line, number))
            return
        amount = self.amounts[place[0]]
        amount.members += 1
        amount.bytes += size
        amount.disk_bytes += -(-size // _BLOCK_BYTES) * _BLOCK_BYTES + _OVERHEAD_BYTES
        if is_directory:
            amount.disk_bytes += _BLOCK_BYTES
        if not place[1]:
            amount.root = DIRECTORY if is_directory else FILE

    def _refuse_left_out(self, path: bytes, member: Member) -> None:
        if self.selection.leaves_out(path, member.source):
            source = plain(member.source, 60)
            raise Refused(f"lies in a target and belongs to the source {source}", member.name, hint=f"Give sources with {source} too.")

    def _selected(self, member: Member, place: tuple[int, bytes], link_target: Optional[bytes]) -> None:
        number, relative = place
        if member.type == SYMLINK:
            check_symbolic_link(member, relative, as_bytes(self.selection.destinations[number].target), self.rules)
        if link_target is not None and self.selection.locate(link_target, member.source) is None:
            raise Refused(
                f"is another name of {plain(member.target, 200)}, which is not restored with it", member.name,
                hint="Restore both, in one call.",
            )
        amount = self.amounts[number]
        amount.members += 1
        amount.bytes += member.size
        amount.disk_bytes += -(-member.size // _BLOCK_BYTES) * _BLOCK_BYTES + _OVERHEAD_BYTES
        if not relative:
            amount.root = member.type
            if member.type == DIRECTORY:
                amount.disk_bytes += _BLOCK_BYTES
        elif member.type == DIRECTORY:
            amount.disk_bytes += _BLOCK_BYTES

    def finish(self, again: Callable[[Callable[[Member], None]], None]) -> None:
        """Look at the names together.

        :param again: calls its argument with each member once more; only used when two seem to contradict each other.
        :raises Refused: when two do.
        """
        suspects = self._index.suspects()
        if suspects:
            again(_Suspicion(suspects, self.rules, again).look)


class _Suspicion:
    """Looks at the members once more, to tell names that clash from different names with the same hash."""

    def __init__(self, suspects: set[int], rules: Rules, again: Callable[[Callable[[Member], None]], None]) -> None:
        self._suspects = suspects
        self._rules = rules
        self._kinds: dict[bytes, str] = {}
        self._above: dict[bytes, str] = {}
        again(self._collect)

    def _collect(self, member: Member) -> None:
        path = checked_path(member, self._rules)
        if hash(path) in self._suspects:
            if path in self._kinds:
                raise Refused("is in it twice", member.name)
            self._kinds[path] = member.type
        parent = path.rpartition(b"/")[0]
        while parent:
            if hash(parent) in self._suspects and len(self._above) < 1000:
                self._above.setdefault(parent, member.name)
            parent = parent.rpartition(b"/")[0]

    def look(self, member: Member) -> None:
        """Refuse a member that another one contradicts."""
        path = checked_path(member, self._rules)
        if member.type == HARDLINK:
            target = checked_name(member.target, self._rules, of=member.name)
            if hash(target) in self._suspects and self._kinds.get(target) not in (FILE, HARDLINK, SYMLINK):
                raise Refused(f"is a hard link to {plain(member.target, 200)}, which is no file in it", member.name)
        if path in self._above and member.type != DIRECTORY:
            what = f"{'hard link' if member.type == HARDLINK else 'symbolic link' if member.type == SYMLINK else member.type}"
            raise Refused(f"is a {what}, and {plain(self._above[path], 200)} would be written through it", member.name)
