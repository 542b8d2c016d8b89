# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a tar archive from a stream of bytes, member by member, in bounded memory.

Python's ``tarfile`` costs several times as much on trees of small files, and takes an archive whose end is missing, or that
is followed by something else, for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import tar_headers as headers
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, ByteReader, Chunk, PassOver
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_details import TarDetails, read_details
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_headers import BLOCK, FILE_TYPES, read_usual_header
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_ZEROS = bytes(BLOCK)
#: Files, links and directories: nothing but their own header says what they are.
_PLAIN_TYPES = frozenset((b"0", b"\0", b"7", b"1", b"2", b"5"))
_NO_CONTENTS = frozenset((b"1", b"2", b"5"))
_NO_RECORDS: Mapping[bytes, bytes] = {}


class TarMember(NamedTuple):
    """One member.

    :ivar name: as it is in the archive, of any bytes.
    :ivar kind: the type flag of its header.
    :ivar size: bytes of contents that the archive holds of it.
    :ivar offset: where its header is in the unpacked archive.
    :ivar start: where its contents are there.
    :ivar block: its header as it is.
    :ivar records: those of the extended header before it.
    :ivar long_link: the target that a header of GNU tar before it gives, or None.
    """

    name: bytes
    kind: bytes
    size: int
    offset: int
    start: int
    block: bytes
    records: Mapping[bytes, bytes]
    long_link: bytes | None

    @property
    def is_file(self) -> bool:
        return self.kind in FILE_TYPES

    @property
    def is_symbolic_link(self) -> bool:
        return self.kind == headers.SYMBOLIC_LINK

    def details(self) -> TarDetails:
        """Return rights, owner, time and target; read only when they are asked for, since that costs as much as all else.

        :raises Damaged: when one of them is none.
        """
        return read_details(self.block, self.records, self.long_link, self.offset)


class TarReader:
    """Iterates over the members; :meth:`contents` gives those of the present one, and what is not read is passed over.

    The iteration ends when the end marker and all that follows it were read, so that checksums behind it are checked.

    :param pass_over: passes over members that are not to be iterated over.
    """

    def __init__(self, chunks: Iterable[Chunk], pass_over: PassOver | None = None) -> None:
        self._reader = ByteReader(chunks)
        self._pass_over_members = pass_over
        self._left = 0
        self._padding = 0
        self._current = b""

    def __iter__(self) -> Iterator[TarMember]:
        while True:
            if self._left or self._padding:
                self._pass_over()
            if self._pass_over_members is not None:
                self._reader.advance(self._pass_over_members)
            offset = self._reader.position
            block = self._block()
            usual = read_usual_header(block)
            if usual is not None and usual[1] in _PLAIN_TYPES:
                name, kind, size = usual
                if kind in _NO_CONTENTS:
                    size = 0
                self._current = name
                self._left, self._padding = size, -size % BLOCK
                yield TarMember(name, kind, size, offset, offset + BLOCK, block, _NO_RECORDS, None)
            elif block == _ZEROS:
                self._read_end(offset)
                return
            else:
                yield self._member(block, offset)

    def whole(self) -> Chunk | None:
        """Return all contents of the present member when they are at hand, else None; they are gone with the next member."""
        data = self._reader.view_of(self._left)
        if data is not None:
            self._left = 0
        return data

    def contents(self) -> Generator[bytes, None, None]:
        """Yield the contents of the member that the iteration is at.

        :raises Damaged: when the archive ends before them.
        """
        while self._left:
            part = self._reader.some(min(self._left, CHUNK_BYTES))
            if not part:
                raise self._cut_off()
            self._left -= len(part)
            yield part

    def feed(self, take: Callable[[bytes | memoryview], None]) -> None:
        """Give what is left of the contents of the present member to ``take``, without a copy of them.

        :raises Damaged: when the archive ends before them.
        """
        while self._left:
            part = self._reader.view(self._left)
            if not part:
                raise self._cut_off()
            self._left -= len(part)
            take(part)

    def _member(self, block: bytes, offset: int) -> TarMember:
        """Read the member whose first header is ``block``, extended headers before its own included."""
        name: bytes | None = None
        link: bytes | None = None
        size: int | None = None
        records = _NO_RECORDS
        while True:
            header = headers.read_header(block, self._reader.position - BLOCK)
            if header.kind not in headers.EXTENDED_TYPES:
                break
            at = self._reader.position - BLOCK
            data = self._extended(header.size)
            if header.kind == headers.LONG_NAME:
                name = data.split(b"\0", 1)[0]
            elif header.kind == headers.LONG_LINK:
                link = data.split(b"\0", 1)[0]
            elif header.kind in headers.PAX_TYPES:
                records = headers.read_records(data, at)
                size = headers.extended_size(records, at)
                name = records.get(b"GNU.sparse.name") or records.get(b"path") or name
            elif header.kind == headers.PAX_GLOBAL and b"size" in headers.read_records(data, at):
                raise Unread("was not read to its end: it gives one size to all its members in a global header")
            block = self._block()
            if block == _ZEROS:
                raise Damaged(f"is damaged: the extended header at byte {at} has no member", offset=at)
        self._current = header.name if name is None else name
        stored = (header.size if size is None else size) if header.has_contents else 0
        if header.kind == headers.SPARSE:
            self._read_sparse_map(block, stored)
        self._left, self._padding = stored, -stored % BLOCK
        return TarMember(self._current, header.kind, stored, offset, self._reader.position, block, records, link)

    def _extended(self, size: int) -> bytes:
        if size > headers.MAX_EXTENDED_BYTES:
            raise Unread(f"was not read to its end: an extended header has {size} bytes, more than any real one")
        data = self._reader.take(size)
        if len(data) < size or self._reader.skip(-size % BLOCK) < -size % BLOCK:
            raise self._cut_off()
        return data

    def _read_sparse_map(self, block: bytes, stored: int) -> None:
        """Check the map of a sparse file: no checksum covers the blocks that continue it."""
        offset = self._reader.position - BLOCK
        end = held = size = 0
        fits = True
        area, count, more = block[386:482], 4, block[482]
        while True:
            try:
                for start, length in headers.sparse_extents(area, count):
                    fits = fits and start >= end
                    end, held = start + length, held + length
            except ValueError:
                fits = False
            if not more:
                break
            area, count = self._block(), 21
            more = area[504]
        try:
            size = headers.number(block[483:495])
        except ValueError:
            fits = False
        if not fits or held != stored or end > size:
            raise Damaged(f"is damaged: the sparse file at byte {offset} has a map that does not fit", offset=offset)

    def _block(self) -> bytes:
        block = self._reader.take(BLOCK)
        if len(block) < BLOCK:
            raise self._cut_off()
        return block

    def _pass_over(self) -> None:
        count = self._left + self._padding
        if self._reader.skip(count) < count:
            raise self._cut_off()
        self._left = self._padding = 0

    def _cut_off(self) -> Damaged:
        where = f" after the header of {plain(decode(self._current), 200)}" if self._current else ""
        return Damaged(
            f"is cut off: its tar archive ends at byte {self._reader.position}{where}, before its end marker",
            offset=self._reader.position,
            cut_off=True,
        )

    def _read_end(self, offset: int) -> None:
        """Read the second block of the end marker and everything behind it, which must be zeros."""
        if self._block() != _ZEROS:
            raise Damaged(f"is damaged: at byte {offset} is half of an end marker and then something else", offset=offset)
        while True:
            part = self._reader.some(CHUNK_BYTES)
            if not part:
                return
            if part.count(0) != len(part):
                raise Damaged(
                    f"has something behind the end marker at byte {offset}, which no restore would read", offset=offset
                )


class MemberContents:
    """The contents of a member for who reads an archive inside it.

    :ivar failed: reading the outer archive ended here, so that nothing can be said of the inner one.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.failed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except ArchiveProblem:
            self.failed = True
            raise
