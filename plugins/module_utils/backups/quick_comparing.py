# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell whether the members of an archive are those of its manifest, without saying in what they are not.

Most archives are what they should be, and most of their members plain files of a tree. Those are compared in one loop over what
was unpacked, which makes nothing of them. Where anything at all differs, ``comparing`` reads the archive again and finds what.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from zlib import adler32

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.formats import SUFFIXES, has_archive_name
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.hashing_beside import ExpectedDigests
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_headers import BLOCK
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.comparing import observed
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MAX_LINE_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pairing import header_differences
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.usual_lines import (
    SHA256_DIGITS,
    SUBSECOND_DIGITS,
    UNESCAPED,
    UsualLines,
    whole_seconds,
)

#: Where sources are in an archive; what else is in it, dumps and the manifest, is looked at one by one.
_FOLDER = b"files/"
#: Of a header of ustar: name; rights and owner in numbers; size and what ends it; time; checksum; type; magic and owner in names; prefix.
_FIELDS = struct.Struct("100s24s11sc12s8sc100x72s16x155s12x")
_FILE, _DIRECTORY = b"0", b"5"
_USTAR = b"ustar\x0000"
_OCTAL_DIGITS, _ENDS = b"01234567", (b"\0", b" ")
_TORN = b',"torn":true}'
_BETWEEN, _END = b",\n", b"\n]}\n"
#: The longest ending of an archive's name, from its last dot on; a tree has few different ones.
_ENDING_BYTES = max(len(suffix) - suffix.rindex(".") for suffix in SUFFIXES)
_ends_as_archive = lru_cache(maxsize=10_000)(has_archive_name)
_new_hash = hashlib.sha256


class Differs(Exception):
    """A member is not that of its line, or a line is written as this collection writes none."""


class QuickComparison:
    """Is told of each member of an archive in turn, as a comparison is, and passes over most of them.

    Whoever asks compares the digest of the file, too: what belongs to no member is not looked at.

    :param pieces: what follows the first line of the manifest.
    :ivar expected: takes the digests of files, to be hashed in another process when one is there.
    :ivar members: how many members were compared.
    :ivar torn: how many files changed while they were packed, by the manifest.
    """

    hashes = True

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.expected = ExpectedDigests(0, self._take_count)
        self.members = self.hashed_bytes = self.torn = 0
        self._lines = chain.from_iterable(self._split(pieces))
        self._put_back: bytes | None = None
        self._usual = UsualLines()
        self._different = 0
        self._sha256 = b""
        self._hash = _new_hash()

    def pass_over(self, chunk: Chunk, at: int, offset: int) -> tuple[int, int]:
        """Compare files and directories of the sources that lie wholly in a chunk, archives left out.

        :param at: where in the chunk a header begins.
        :param offset: where that is in the unpacked archive.
        :returns: where the first one begins that was not compared, and how many were.
        :raises Differs: see there.
        """
        shift = offset - at
        last = len(chunk) - BLOCK
        elsewhere, lines, usual = self.expected.elsewhere, self._lines, self._usual
        parts: list[tuple[int, int, bytes, int, bytes]] = []
        members = size = hashed_bytes = 0
        known_rights = known_owner = known_time = owner = seconds = b""
        rest = b"}"
        while at <= last:
            start = after = at + BLOCK
            block = bytes(chunk[at:start])
            name, rights, octal, octal_end, time, checksum, kind, names, prefix = _FIELDS.unpack(block)
            name = name.rstrip(b"\0")
            if prefix[0]:
                name = prefix.rstrip(b"\0") + b"/" + name
            if not name.startswith(_FOLDER) or name.translate(None, UNESCAPED) or _ends_as_archive(name[-_ENDING_BYTES:]):
                break
            if octal.translate(None, _OCTAL_DIGITS) or octal_end not in _ENDS:
                break
            # As in read_usual_header(): the low half of Adler-32 is 1 + the sum of the bytes; the checksum counts as eight blanks.
            total = (adler32(block) & 0xFFFF) - (adler32(checksum) & 0xFFFF) + 8 * 32
            if checksum != b"%06o\0 " % total or not block.isascii():
                break
            if kind == _FILE:
                if name.endswith(b"/"):
                    break
                size = int(octal, 8)
                after += size + -size % BLOCK
                if after > len(chunk):
                    break
                head = b'{"name":"%b","type":"file","size":%d,"sha256":"' % (name, size)
                end = len(head) + SHA256_DIGITS
            elif kind == _DIRECTORY:
                head = b'{"name":"%b","type":"directory' % name.rstrip(b"/")
                end = len(head)
            else:
                break
            if rights != known_rights or names != known_owner:
                if not names.startswith(_USTAR):
                    break
                owner = usual.owner(TarMember(name, kind, 0, 0, 0, block, {}, None))
                known_rights, known_owner = rights, names
            if time != known_time:
                seconds, known_time = whole_seconds(time), time
            line = next(lines, b"")
            at_seconds = end + len(owner)
            at_rest = at_seconds + len(seconds) + SUBSECOND_DIGITS
            fits = (
                line.startswith(head) and line.startswith(owner, end) and line.startswith(seconds, at_seconds)
                and line[at_rest - SUBSECOND_DIGITS : at_rest].isdigit()
                and (line[at_rest:] == rest or usual.fits_rest(line, at_rest))
            )
            if not fits:
                self._put_back = line  # it may be in another form, and is compared when the member is begun
                break
            rest = line[at_rest:]
            if kind == _FILE:
                sha256 = line[end - SHA256_DIGITS : end]
                hashed_bytes += size
                if elsewhere:
                    parts.append((start + shift, size, sha256, 0, b""))
                elif _new_hash(chunk[start : start + size]).hexdigest().encode() != sha256:
                    raise Differs
            members += 1
            at = after
        self.expected.extend(parts)
        self.members += members
        self.hashed_bytes += hashed_bytes
        return at, members

    def begin(self, member: TarMember) -> bool:
        """Take the next member; return whether its contents are wanted.

        :raises Differs: see there.
        """
        self.members += 1
        line = next(self._lines, b"") if self._put_back is None else self._put_back
        self._put_back = None
        sha256 = self._usual.digest(member, line)
        if sha256 is None:
            sha256 = _parsed_digest(member, line)
        if not member.is_file:
            return False
        self.hashed_bytes += member.size
        if self.expected.elsewhere:
            self.expected.add(member.start, member.size, sha256, 0, b"")
            return False
        self._sha256, self._hash = sha256, _new_hash()
        return True

    def whole(self, member: TarMember, data: bytes | memoryview) -> None:
        """Take the next member, a file, with all its contents at once.

        :raises Differs: see there.
        """
        if self.begin(member):
            self.update(data)
        self.end()

    def update(self, data: bytes | memoryview) -> None:
        """Take some of the contents of the present member."""
        self._hash.update(data)

    def end(self) -> None:
        """The present member has no more contents.

        :raises Differs: see there.
        """
        if self._sha256 and self._hash.hexdigest().encode() != self._sha256:
            raise Differs
        self._sha256 = b""

    def fits(self) -> bool:
        """After the archive was read to its end: it has no other members than the manifest, and all contents are those listed.

        :raises Differs: see there.
        :raises ArchiveProblem: when the manifest cannot be read to its end.
        """
        return next(self._lines, None) is None and not self._different

    def _take_count(self, _first: Sequence[tuple[int, bytes]], count: int) -> None:
        """Take how many of the files that another process hashed have other digests."""
        self._different += count

    def _split(self, pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Yield the lines, many at a time.

        :raises Differs: when they are not parted and ended as this collection does that.
        """
        rest = b""
        for piece in pieces:
            text = rest + piece
            *lines, rest = text.split(_BETWEEN)
            if text.count(b"\n") - rest.count(b"\n") != len(lines) or len(max(*lines, rest, b"", key=len)) >= MAX_LINE_BYTES:
                raise Differs
            self.torn += text.count(_TORN + _BETWEEN)
            yield lines
        last = rest[: -len(_END)]
        if not rest.endswith(_END) or b"\n" in last:
            raise Differs
        self.torn += last.endswith(_TORN)
        yield [last]


def _parsed_digest(member: TarMember, line: bytes) -> bytes:
    """Return the digest in a line that fits a member and is in a form that few are in.

    :raises Differs: when it does not fit.
    """
    try:
        listed = parse_member(line, 0)
        shown = observed(member, listed.sha256)
    except ArchiveProblem:
        raise Differs from None
    if shown.name != listed.name or header_differences(shown, listed):
        raise Differs
    return listed.sha256.encode("ascii")
