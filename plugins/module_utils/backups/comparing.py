# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare the members of an archive, as they are read, with the lines of its manifest, read in step.

As long as both say the same, the beginning of a line is compared as bytes and nothing is parsed. Where they differ, members
and lines wait for one another, so that one member too few is one difference and not as many as come after it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_headers import octal
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    Member,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pairing import Differences, Waiting, contents_differ
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_MAX_OWNERS = 10_000

_TYPES = {b"0": FILE, b"\0": FILE, b"7": FILE, b"5": DIRECTORY, b"2": SYMLINK, b"1": HARDLINK}
_KINDS = {b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file of GNU tar"}
_SHA256_DIGITS = 64
_TORN = b',"torn":true}'
_SUBSECOND_DIGITS = 9
#: What follows the time: what only the manifest knows.
_REST = re.compile(rb'(?:,"source":"[ !#-\[\]-~]*")?(?:,"torn":true)?\}')
#: Records of an extended header that say no more than a name.
_NAMES = frozenset((b"path", b"linkpath"))
_new_hash = hashlib.sha256
_text = json.encoder.encode_basestring_ascii


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
        self._owners: dict[bytes, bytes] = {}
        self._waiting = Waiting(self.found, hashes)
        self._rest = b""
        self._expected: bytes | None = None
        self._present: TarMember | None = None
        self._hash = _new_hash()

    def begin(self, member: TarMember) -> None:
        """Take the next member."""
        self.members += 1
        self._present = member
        self._expected = None
        if self.hashes and member.is_file:
            self._hash = _new_hash()
        line = self._next_line()
        if line is not None and not self._fits(member, line):
            self._wait_for(line)

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

    def _fits(self, member: TarMember, line: bytes) -> bool:
        """Tell whether a line says of a member all that its header says; then keep the checksum that the line gives."""
        if self._waiting.some:
            return False
        kind, block = _TYPES.get(member.kind), member.block
        if kind is None or not _NAMES.issuperset(member.records):
            return False
        name = _text(_name(member).decode("utf-8", "surrogateescape"))
        if kind == FILE:
            head = f'{{"name":{name},"type":"file","size":{member.size},"sha256":"'.encode("ascii")
            at = len(head) + _SHA256_DIGITS
        elif kind == DIRECTORY:
            head = f'{{"name":{name},"type":"directory'.encode("ascii")
            at = len(head)
        else:
            target = _text(member.details().target.decode("utf-8", "surrogateescape"))
            head = f'{{"name":{name},"type":"{kind}","target":{target[:-1]}'.encode("ascii")
            at = len(head)
        owner = self._owner(member) + _seconds(block)
        rest = at + len(owner) + _SUBSECOND_DIGITS
        if not (line.startswith(head) and line.startswith(owner, at) and line[rest - _SUBSECOND_DIGITS : rest].isdigit()):
            return False
        if line[rest:] != self._rest:  # it is the same for most members
            if not _REST.fullmatch(line, rest):
                return False
            self._rest = line[rest:]
        self._expected = line[len(head) : at]
        self._waiting.last = (self.members, self._line_number)
        return True

    def _owner(self, member: TarMember) -> bytes:
        """Return what a line says of rights and owner; a tree has few different ones."""
        fields = member.block[100:124] + member.block[257:329]
        known = self._owners.get(fields)
        if known is None:
            details = member.details()
            user, group = (_text(name.decode("utf-8", "surrogateescape")) for name in (details.user, details.group))
            known = (
                f'","mode":"{details.mode:04o}","uid":{details.uid},"gid":{details.gid},"user":{user},"group":{group},"mtime_ns":'
            ).encode("ascii")
            if len(self._owners) >= _MAX_OWNERS:
                self._owners.clear()
            self._owners[fields] = known
        return known


def _name(member: TarMember) -> bytes:
    """Return the name of a member as a manifest has it: tar writes a slash behind those of directories."""
    return member.name.rstrip(b"/")


def _seconds(block: bytes) -> bytes:
    """Return the time of a header as a line spells its whole seconds; nothing when it is in no octal digits."""
    try:
        return b"%d" % octal(block[136:148])
    except ValueError:
        return b"-"


def _observed(member: TarMember, digest: str) -> Member:
    """Return what an archive shows of a member."""
    details = member.details()
    kind = _TYPES.get(member.kind) or _KINDS.get(member.kind, "something unknown")

    def text(data: bytes) -> str:
        return data.decode("utf-8", "surrogateescape")

    return Member(
        text(_name(member)), kind, member.size if kind == FILE else 0, digest, text(details.target), details.mode, details.uid,
        details.gid, text(details.user), text(details.group), details.mtime_ns,
    )
