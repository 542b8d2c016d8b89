# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare the members of an archive, as they are read, with the lines of its manifest, read in step.

As long as both say the same, the beginning of a line is compared as bytes and nothing is parsed. Where they differ, members
and lines wait for one another, so that one member too few is one difference and not as many as come after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import FILE, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pairing import Differences, Waiting, contents_differ
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.usual_lines import TYPES, UsualLines
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_KINDS = {b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file of GNU tar"}
_TORN = b',"torn":true}'
_new_hash = hashlib.sha256


class Comparison:
    """Is told of each member of an archive in turn: :meth:`begin`, :meth:`update` with its contents, :meth:`end`.

    :ivar found: what differs so far.
    :ivar members: how many members were compared.
    :ivar torn: how many files changed while they were packed, by the manifest.
    :ivar hashes: contents are hashed and compared; without it :meth:`update` is not called.
    """

    def __init__(self, lines: Iterator[bytes], *, hashes: bool) -> None:
        self.found = Differences()
        self.hashes = hashes
        self.members = self.torn = self.hashed_bytes = 0
        self._lines = lines
        self._line_number = 1
        self._usual = UsualLines()
        self._waiting = Waiting(self.found, hashes)
        self._expected: bytes | None = None
        self._present: TarMember | None = None
        self._hash = _new_hash()

    def begin(self, member: TarMember) -> None:
        """Take the next member."""
        self._take(member)
        if self.hashes and member.is_file:
            self._hash = _new_hash()

    def whole(self, member: TarMember, data: bytes | memoryview) -> None:
        """Take the next member, a file, with all its contents at once, which costs less."""
        self._take(member)
        self.hashed_bytes += len(data)
        expected = self._expected
        if expected is None:
            self._hash = _new_hash(data)
            self.end()
        elif _new_hash(data).hexdigest().encode() != expected:
            self.found.add_contents(contents_differ(decode(member.name)))

    def update(self, data: bytes | memoryview) -> None:
        """Take some of the contents of the present member."""
        self._hash.update(data)
        self.hashed_bytes += len(data)

    def end(self) -> None:
        """The present member has no more contents."""
        member, expected = self._present, self._expected
        if member is None or self._waiting.given_up or self.found.manifest is not None:
            return
        digest = self._hash.hexdigest() if self.hashes and member.is_file else ""
        if expected is None:
            self._waiting.member(self.members, _observed(member, digest))
        elif digest and digest.encode() != expected:
            self.found.add_contents(contents_differ(decode(member.name)))

    def finish(self) -> None:
        """The archive has no more members."""
        while not self._waiting.given_up:
            line = self._next_line()
            if line is None:
                break
            self._wait_for(line)
        if self.found.manifest is None:
            self._waiting.finish()

    def _take(self, member: TarMember) -> None:
        self.members += 1
        self._present = member
        self._expected = None
        line = self._next_line()
        if line is None:
            return
        fit = None if self._waiting.some else self._usual.fit(member, line)
        if fit is None:
            self._wait_for(line)
        else:
            self._expected = fit.sha256
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


def _observed(member: TarMember, digest: str) -> Member:
    """Return what an archive shows of a member."""
    details = member.details()
    kind = TYPES.get(member.kind) or _KINDS.get(member.kind, "something unknown")

    def text(data: bytes) -> str:
        return data.decode("utf-8", "surrogateescape")

    return Member(
        text(member.name.rstrip(b"/")), kind, member.size if kind == FILE else 0, digest, text(details.target), details.mode, details.uid,
        details.gid, text(details.user), text(details.group), details.mtime_ns,
    )
