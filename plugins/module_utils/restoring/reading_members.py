# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Go through the members of an archive, or of one archive inside it, as records of one form, whatever the format."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Generator, Iterator
from fnmatch import translate
from typing import Optional, Protocol, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import formats
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.igzip_pipe import igzip_program, unpack_igzip
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.process_ahead import read_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.spooling import spooled
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk, Peekable, Space, file_chunks, look_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_headers import FILE_TYPES, octal
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember, TarReader
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.unpacking import NAMES, unpack
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zip_directory import Entry
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zip_reading import read_zip
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe import unpack_zstd
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Is called for each member with its contents, which need not be read.
Visit = Callable[[Member, Iterator[bytes]], None]
#: Is called with a file and all its contents, or a directory and none, which are gone afterwards; tells whether it took them.
Usual = Callable[[TarMember, Union[bytes, memoryview]], bool]

_MOST_LINK_BYTES = 4096
_USUAL_KINDS = FILE_TYPES | {b"5"}
_MOST_OWNERS = 10_000
_SECOND = 1_000_000_000
_KINDS = {
    b"0": FILE, b"\0": FILE, b"7": FILE, b"1": HARDLINK, b"2": SYMLINK, b"5": DIRECTORY,
    b"3": "a character device", b"4": "a block device", b"6": "a pipe", b"S": "a sparse file of GNU tar",
    b"V": "the label of a volume", b"M": "the rest of a file from another volume", b"D": "a list of names of GNU tar",
}


def visit_members(
    descriptor: int, name: str, budget: Budget, visit: Visit, *, usual: Optional[Usual] = None, inside: str = "", quick: bool = False
) -> None:
    """Call ``visit`` for each member of an open archive, in its order, and read it to its end.

    :param name: of the file, which promises a format.
    :param usual: is asked first for each directory, and for each file of a tar archive that is at hand whole; ``visit`` is called when it answers no.
    :param inside: shell pattern of one archive inside, whose members are visited instead.
    :param quick: read gzip through the program igzip, where it is. For who compares contents with a manifest; what it finds is less
        than what zlib finds, so that a problem is one to look at again without it.
    :raises ArchiveProblem: when it is damaged, cannot be read, or a limit is reached.
    """
    members = _Members(budget, visit, usual)
    if inside:
        nested = _Inside(inside, budget, members)
        _visit_file(descriptor, name, budget, nested)
        nested.finish()
    else:
        _visit_file(descriptor, name, budget, members, igzip_program() if quick else None)


def tar_contents(descriptor: int, name: bytes, budget: Budget) -> Iterator[bytes]:
    """Yield the contents of one file of a tar archive, packed in whatever way.

    :raises ArchiveProblem: when it is not there, or the archive is damaged before its end.
    """
    source = Peekable(file_chunks(descriptor, budget))
    kind = formats.outer_format(source.peek(formats.HEAD_BYTES))

    def unpack_into(space: Space) -> Generator[Chunk, None, None]:
        return (chunk for chunk in source) if kind == formats.TAR else _unpacked(source, kind, budget, space)

    with read_ahead(unpack_into, os.fstat(descriptor).st_size, budget, outermost=True) as chunks:
        reader = TarReader(chunks)
        for member in reader:
            budget.member()
            if member.name == name:
                yield from reader.contents()
                return
    raise Damaged("is not in the archive", member=plain(_text(name), 300))


def _unpacked(source: Peekable, kind: str, budget: Budget, space: Space) -> Generator[Chunk, None, None]:
    if kind == formats.ZSTD:
        return unpack_zstd(source, budget, _ignore, space)
    if kind not in NAMES:
        raise Unread("is no tar archive")
    return unpack(source, kind, budget, _ignore)


class _Visitor(Protocol):
    """Goes through the members of an archive."""

    def tar(self, reader: TarReader) -> None:
        """Visit all members of a tar archive."""

    def entry(self, entry: Entry, chunks: Iterator[bytes]) -> None:
        """Visit one member of a zip archive."""


class _Members:
    """Makes records of members for who visits them."""

    def __init__(self, budget: Budget, visit: Visit, usual: Optional[Usual] = None) -> None:
        self._budget = budget
        self._visit = visit
        self._usual = usual
        self._records = _TarRecords()

    def tar(self, reader: TarReader) -> None:
        usual = self._usual
        for member in reader:
            self._budget.member()
            chunks: Iterator[bytes] = reader.contents()
            if usual is not None and member.kind in _USUAL_KINDS:
                data = reader.whole()
                if data is not None:
                    if usual(member, data):
                        continue
                    chunks = iter((bytes(data),))
            self._visit(self._records.of(member), chunks)

    def entry(self, entry: Entry, chunks: Iterator[bytes]) -> None:
        self._budget.member()
        self._visit(_zip_record(entry, chunks), chunks)


class _Inside:
    """Finds the one archive inside that is meant, and visits its members."""

    def __init__(self, pattern: str, budget: Budget, visitor: _Visitor) -> None:
        self._pattern = pattern
        self._expression = re.compile(translate(pattern).encode("utf-8", "surrogateescape"), re.DOTALL)
        self._budget = budget
        self._visitor = visitor
        self._found = ""

    def tar(self, reader: TarReader) -> None:
        for member in reader:
            self._look(member, reader.contents())

    def entry(self, entry: Entry, chunks: Iterator[bytes]) -> None:
        self._look(entry, chunks)

    def _look(self, member: Union[TarMember, Entry], chunks: Iterator[bytes]) -> None:
        self._budget.member()
        path = (member.name[2:] if member.name.startswith(b"./") else member.name).rstrip(b"/")
        if not member.is_file or not self._expression.match(path):
            return
        shown = plain(path.decode("utf-8", "surrogateescape"), 300)
        if self._found:
            raise Unread(f"has more than one archive inside that fits {plain(self._pattern, 200)}: {self._found} and {shown}")
        self._found = shown
        try:
            _visit_stream(Peekable(chunks), shown, member.size, self._budget, self._visitor)
        except ArchiveProblem as problem:
            problem.member = "/".join(filter(None, (shown, problem.member)))
            raise

    def finish(self) -> None:
        if not self._found:
            raise Unread(f"has no archive inside that fits {plain(self._pattern, 200)}")


def _visit_file(descriptor: int, name: str, budget: Budget, visitor: _Visitor, igzip: Optional[str] = None) -> None:
    source = Peekable(file_chunks(descriptor, budget))
    if formats.outer_format(source.peek(formats.HEAD_BYTES)) == formats.ZIP:
        read_zip(descriptor, budget, visitor.entry, _raise)
    else:
        _visit_stream(source, name, os.fstat(descriptor).st_size, budget, visitor, igzip, outermost=True)


def _visit_stream(
    source: Peekable, name: str, size: int, budget: Budget, visitor: _Visitor, igzip: Optional[str] = None, *, outermost: bool = False
) -> None:
    head = source.peek(formats.HEAD_BYTES)
    kind = formats.outer_format(head)
    if kind == formats.ZIP:
        with spooled(source, size) as descriptor:
            read_zip(descriptor, budget, visitor.entry, _raise)
    elif kind == formats.TAR:
        visitor.tar(TarReader(source))
    elif not kind:
        foreign = formats.foreign_format(head)
        if formats.promised_format(name):
            raise Damaged(f"is {foreign}" if foreign else "does not begin as an archive does" if head else "is empty", offset=0)
        raise Unread(f"was not read: it is {foreign or 'in no format that is known here'}")
    else:
        quick = kind == formats.GZIP and igzip

        def unpack_into(space: Space) -> Generator[Chunk, None, None]:
            return unpack_igzip(quick, source, budget, space) if quick else _unpacked(source, kind, budget, space)

        with read_ahead(unpack_into, size, budget, outermost=outermost) as chunks:
            first, inside = look_ahead(chunks, formats.HEAD_BYTES)
            if not formats.looks_like_tar(first):
                raise Unread("holds one compressed file and no members", hint="Unpack it by hand, or restore the archive it belongs to.")
            visitor.tar(TarReader(inside))


class _TarRecords:
    """Makes records of the members of tar archives. A tree has few different owners and rights: what they mean is remembered."""

    def __init__(self) -> None:
        self._owners: dict[bytes, tuple[int, int, int, str, str]] = {}

    def of(self, member: TarMember) -> Member:
        """Return the record of a member.

        :raises Damaged: when its header has a number that is none.
        """
        block, kind, name = member.block, _KINDS.get(member.kind, "of a kind that is not known here"), _text(member.name)
        # Archives from before 1988 mark a directory by its name alone.
        if kind == DIRECTORY or kind == FILE and name.endswith("/"):
            kind, name = DIRECTORY, name.rstrip("/") or name[:1]
        if kind == FILE and not member.records and block[136] < 0x80:
            owner = self._owners.get(block[100:124] + block[257:329])
            if owner is not None:
                try:
                    return Member(name, kind, member.size, "", "", *owner, octal(block[136:148]) * _SECOND)
                except ValueError:
                    pass  # what is wrong with it is told below
        details = member.details()
        if b"GNU.sparse.major" in member.records or b"GNU.sparse.size" in member.records:
            kind = _KINDS[b"S"]
        owner = (details.mode, details.uid, details.gid, _text(details.user), _text(details.group))
        if not member.records and len(self._owners) < _MOST_OWNERS:
            self._owners[block[100:124] + block[257:329]] = owner
        size = member.size if kind == FILE else 0
        return Member(name, kind, size, "", _text(details.target), *owner, details.mtime_ns)


def _zip_record(entry: Entry, chunks: Iterator[bytes]) -> Member:
    name, kind, target = entry.name, FILE, b""
    file_type = stat.S_IFMT(entry.mode)
    if name.endswith(b"/"):
        name, kind = name.rstrip(b"/"), DIRECTORY
    elif entry.is_symbolic_link:
        kind = SYMLINK
        for chunk in chunks:
            target += chunk
            if len(target) > _MOST_LINK_BYTES:
                break
    elif file_type not in (0, stat.S_IFREG):
        kind = "a device, a pipe or a socket"
    mode = stat.S_IMODE(entry.mode) or (0o755 if kind == DIRECTORY else 0o644)
    owner = (os.geteuid(), os.getegid())
    return Member(
        _text(name), kind, entry.size if kind == FILE else 0, "", _text(target), mode, *owner, mtime_ns=_dos_time(entry.time)
    )


def _dos_time(value: int) -> int:
    """Return a time of a zip archive, which is local and of two seconds, in nanoseconds since 1970."""
    day, clock = value >> 16, value & 0xFFFF
    fields = ((day >> 9) + 1980, day >> 5 & 15, day & 31, clock >> 11, clock >> 5 & 63, (clock & 31) * 2, 0, 0, -1)
    try:
        return int(time.mktime(fields)) * 1_000_000_000
    except (OverflowError, ValueError):
        return 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _raise(problem: ArchiveProblem) -> None:
    raise problem


def _ignore() -> None:
    """What has no checksum is compared with the manifest, or was never promised one."""
