# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare the members of an archive, as they are read, with the lines of its manifest, read in step.

As long as both say the same, the beginning of a line is compared as bytes and nothing is parsed. Where they differ, members
and lines wait for one another, so that one member too few is one difference and not as many as come after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.hashing_beside import ExpectedDigests
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import FILE, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pairing import MAX_DIFFERENCES, Differences, Waiting, contents_differ
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.usual_lines import TYPES, UsualLines
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_KINDS = {b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file of GNU tar"}
_TORN = b',"torn":true}'
_new_hash = hashlib.sha256


class Comparison:
    """Is told of each member of an archive in turn: :meth:`begin`, :meth:`update` with its contents, :meth:`end`.

    :ivar expected: takes the digests of files that fit their lines, to be hashed in another process when one is there.
    :ivar found: what differs so far; contents that are hashed in another process are told when the archive was read.
    :ivar members: how many members were compared.
    :ivar torn: how many files changed while they were packed, by the manifest.
    :ivar hashes: contents are hashed and compared.
    """

    def __init__(self, lines: Iterator[bytes], *, hashes: bool) -> None:
        self.expected = ExpectedDigests(MAX_DIFFERENCES, self._differ)
        self.found = Differences()
        self.hashes = hashes
        self.members = self.torn = self.hashed_bytes = 0
        self._lines = lines
        self._line_number = 1
        self._usual = UsualLines()
        self._waiting = Waiting(self.found, hashes)
        self._sha256: bytes | None = None
        self._present: TarMember | None = None
        self._hash = _new_hash()

    def begin(self, member: TarMember) -> bool:
        """Take the next member; return whether its contents are wanted."""
        self._take(member)
        if not self.hashes or not member.is_file:
            return False
        if self._sha256 is not None and self.expected.elsewhere:
            self._hand_over(member, self._sha256)
            self.hashed_bytes += member.size
            self._present = None  # its end says nothing more
            return False
        self._hash = _new_hash()
        return True

    def whole(self, member: TarMember, data: bytes | memoryview) -> None:
        """Take the next member, a file, with all its contents at once, which costs less."""
        self._take(member)
        self.hashed_bytes += len(data)
        sha256 = self._sha256
        if sha256 is None:
            self._hash = _new_hash(data)
            self.end()
        elif self.expected.elsewhere:
            self._hand_over(member, sha256)
        elif _new_hash(data).hexdigest().encode() != sha256:
            self.found.add_contents(contents_differ(decode(member.name)), self.members)

    def update(self, data: bytes | memoryview) -> None:
        """Take some of the contents of the present member."""
        self._hash.update(data)
        self.hashed_bytes += len(data)

    def end(self) -> None:
        """The present member has no more contents."""
        member, sha256 = self._present, self._sha256
        if member is None or self._waiting.given_up or self.found.manifest is not None:
            return
        digest = self._hash.hexdigest() if self.hashes and member.is_file else ""
        if sha256 is None:
            self._waiting.member(self.members, observed(member, digest))
        elif digest and digest.encode() != sha256:
            self.found.add_contents(contents_differ(decode(member.name)), self.members)

    def finish(self) -> None:
        """The archive has no more members."""
        while not self._waiting.given_up:
            line = self._next_line()
            if line is None:
                break
            self._wait_for(line)
        if self.found.manifest is None:
            self._waiting.finish()

    def _hand_over(self, member: TarMember, sha256: bytes) -> None:
        self.expected.add(member.start, member.size, sha256, self.members, member.name)

    def _differ(self, first: Sequence[tuple[int, bytes]], count: int) -> None:
        """Take what another process found."""
        for number, name in first:
            self.found.add_contents(contents_differ(decode(name)), number)
        self.found.content_count += count - len(first)

    def _take(self, member: TarMember) -> None:
        self.members += 1
        self._present = member
        self._sha256 = None
        line = self._next_line()
        if line is None:
            return
        self._sha256 = None if self._waiting.some else self._usual.digest(member, line)
        if self._sha256 is None:
            self._wait_for(line)
        else:
            self._waiting.last = (self.members, self._line_number)

    def _next_line(self) -> bytes | None:
        if self.found.manifest is not None or self._waiting.given_up:
            return None
        try:
            line = next(self._lines, None)
        except ArchiveProblem as problem:
            self.found.manifest = problem
            return None
        self._line_number += 1
        if line is not None and line.endswith(_TORN):
            self.torn += 1
        return line

    def _wait_for(self, line: bytes) -> None:
        try:
            self._waiting.line(self._line_number, parse_member(line, self._line_number))
        except ArchiveProblem as problem:
            self.found.manifest = problem


def observed(member: TarMember, digest: str) -> Member:
    """Return what an archive shows of a member."""
    details = member.details()
    kind = TYPES.get(member.kind) or _KINDS.get(member.kind, "something unknown")

    def text(data: bytes) -> str:
        return data.decode("utf-8", "surrogateescape")

    return Member(
        text(member.name.rstrip(b"/")), kind, member.size if kind == FILE else 0, digest, text(details.target), details.mode, details.uid,
        details.gid, text(details.user), text(details.group), details.mtime_ns,
    )
