# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read of an archive: format, members, required members, archives inside, what is wrong."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from fnmatch import translate

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import formats
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.contents import Contents, Watcher
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.igzip_pipe import igzip_program, unpack_igzip
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.process_ahead import read_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.spooling import spooled
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import (
    Chunk,
    PassOver,
    Peekable,
    Space,
    file_chunks,
    look_ahead,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import MemberContents, TarMember, TarReader
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.unpacking import unpack
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zip_directory import Entry
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zip_reading import read_zip
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe import unpack_zstd
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain


def read_archive(
    descriptor: int, name: str, limits: Limits, *, require: Sequence[str] = (), exclude: Sequence[str] = (),
    watcher: Watcher | None = None, hashed: bool = False, quick: bool = False,
) -> Contents:
    """Read an open file as an archive, to its end, with the archives inside it.

    :param name: the name of the file, which promises a format.
    :param require: shell patterns of members that must be there; ``*`` fits ``/`` too, and the members of an archive inside
        are called ``<archive>/<member>``.
    :param exclude: shell patterns of archives inside that are not opened.
    :param watcher: is told of each member.
    :param hashed: return the SHA-256 of the file itself, too.
    :param quick: read gzip through the program igzip, where it is: what it finds is less than what zlib finds.
    """
    contents = Contents()
    budget = Budget(limits, os.fstat(descriptor).st_size)
    reading = _Reading(contents, budget, require, exclude, watcher, igzip_program() if quick else None)
    try:
        reading.file(descriptor, name, hashed)
        contents.ended = True
    except ArchiveProblem as problem:
        contents.add(problem)
    contents.unpacked_bytes = budget.unpacked_bytes
    contents.missing = [pattern for pattern, _expression in reading.wanted]
    return contents


class _Reading:
    def __init__(
        self, contents: Contents, budget: Budget, require: Sequence[str], exclude: Sequence[str], watcher: Watcher | None,
        igzip: str | None,
    ) -> None:
        self._contents = contents
        self._budget = budget
        self._watcher = watcher
        self._igzip = igzip
        self.wanted = [(pattern, _expression(pattern)) for pattern in require]
        self._excluded = [_expression(pattern) for pattern in exclude]

    def file(self, descriptor: int, name: str, hashed: bool) -> None:
        """Read the file itself."""
        chunks = file_chunks(descriptor, self._budget)
        source = Peekable(self._hashed(chunks) if hashed else chunks)
        head = source.peek(formats.HEAD_BYTES)
        kind = formats.outer_format(head)
        if kind == formats.ZIP:
            self._contents.format = kind
            _check_promise(name, kind)
            self._zip(descriptor, b"", 0)
        else:
            size = os.fstat(descriptor).st_size
            self._contents.format = kind
            self._stream(source, name, kind, head, b"", 0, size)

    def _hashed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
        self._contents.sha256 = digest.hexdigest()

    def _stream(
        self, source: Peekable, name: str, kind: str, head: bytes, prefix: bytes, depth: int, size: int
    ) -> None:
        """Read a tar archive or a compressed stream."""
        promised = formats.promised_format(name)
        if not kind:
            raise _no_archive(head, promised)
        if kind == formats.TAR:
            _check_promise(name, kind)
            self._contents.checksums = False if not depth else self._contents.checksums
            self._tar(source, prefix, depth)
            return

        igzip = self._igzip if kind == formats.GZIP and not depth else None
        if igzip:
            self._contents.quick = True  # here, since what is set where it is unpacked stays in the process that does that

        def unpack_into(space: Space) -> Generator[Chunk, None, None]:
            return unpack_igzip(igzip, source, self._budget, space) if igzip else self._unpacked(source, kind, depth, space)

        # Closed in any case: nothing may go on reading the outer archive behind the back of who reads it on.
        with read_ahead(
            unpack_into, size, self._budget, outermost=not depth, outcome=self._outcome, take_outcome=self._take_outcome,
            expected=None if self._watcher is None else self._watcher.expected, far=kind == formats.ZSTD,
        ) as chunks:
            first, inside = look_ahead(chunks, formats.HEAD_BYTES)
            if formats.looks_like_tar(first) or promised.startswith("tar."):
                found = f"tar.{kind}"
                self._contents.format = found if not depth else self._contents.format
                _check_promise(name, found)
                self._tar(inside, prefix, depth)
                return
            _check_promise(name, kind)
            # A dump that failed in front of its pipe leaves a whole stream of nothing.
            if sum(map(len, inside)):
                self._contents.members += not depth

    def _outcome(self) -> tuple[str, bool]:
        return self._contents.sha256, self._contents.checksums

    def _take_outcome(self, outcome: tuple[str, bool]) -> None:
        self._contents.sha256, self._contents.checksums = outcome

    def _unpacked(self, source: Iterable[bytes], kind: str, depth: int, space: Space) -> Generator[Chunk, None, None]:
        def unprotected() -> None:
            self._contents.checksums = False if not depth else self._contents.checksums

        if kind == formats.ZSTD:
            return unpack_zstd(source, self._budget, unprotected, space)
        return unpack(source, kind, self._budget, unprotected)

    def _tar(self, source: Iterable[Chunk], prefix: bytes, depth: int) -> None:
        watcher = None if depth else self._watcher
        reader = TarReader(source, None if watcher is None else self._passing_over(watcher))
        for member in reader:
            is_opened = self._member(member, prefix, depth) and member.is_file
            if watcher is not None and not is_opened and member.is_file:
                data = reader.whole()
                if data is not None:
                    watcher.whole(member, data)
                    continue
            is_wanted = watcher is not None and watcher.begin(member)
            if is_opened:
                contents: Iterator[bytes] = reader.contents()
                if watcher is not None and is_wanted:
                    contents = _told(contents, watcher.update)
                self._inner(contents, member.name, prefix, depth + 1, member.size)
            if watcher is not None:
                if is_wanted:
                    reader.feed(watcher.update)  # what the archive inside left, or all
                watcher.end()

    def _passing_over(self, watcher: Watcher) -> PassOver | None:
        """Return what has members that a watcher passes over counted; it passes over none while one of them may be required."""
        pass_over = watcher.pass_over
        if pass_over is None:
            return None

        def counted(chunk: Chunk, at: int, offset: int) -> int:
            if self.wanted:
                return at
            at, members = pass_over(chunk, at, offset)
            self._budget.member(members)
            self._contents.members += members
            return at

        return counted

    def _zip(self, descriptor: int, prefix: bytes, depth: int) -> None:
        def visit(entry: Entry, chunks: Iterator[bytes]) -> None:
            if self._member(entry, prefix, depth) and entry.is_file:
                self._inner(chunks, entry.name, prefix, depth + 1, entry.size)

        def report(problem: ArchiveProblem) -> None:
            problem.member = _inside(prefix, problem.member)
            self._contents.add(problem)

        self._contents.gap_bytes += read_zip(descriptor, self._budget, visit, report)

    def _member(self, member: TarMember | Entry, prefix: bytes, depth: int) -> bool:
        """Count a member; tell whether it is called like an archive and is to be opened."""
        name = member.name
        self._budget.member()
        self._contents.members += not depth
        is_archive = formats.has_archive_name(name)
        if not self.wanted and not is_archive:
            return False
        path = prefix + (name[2:] if name.startswith(b"./") else name).rstrip(b"/")
        # A symbolic link only says where something was on the host; restored, it may lead nowhere.
        if not member.is_symbolic_link:
            self.wanted = [(pattern, wanted) for pattern, wanted in self.wanted if not wanted.match(path)]
        if not is_archive:
            return False
        if depth >= self._budget.limits.depth or any(excluded.match(path) for excluded in self._excluded):
            self._contents.inner_left_out += 1
            return False
        return True

    def _inner(self, chunks: Iterator[bytes], name: bytes, prefix: bytes, depth: int, size: int) -> None:
        """Read an archive inside; what is wrong with it is noted, and the outer one is read on."""
        path = prefix + (name[2:] if name.startswith(b"./") else name)
        contents = MemberContents(chunks)
        try:
            source = Peekable(contents)
            head = source.peek(formats.HEAD_BYTES)
            kind = formats.outer_format(head)
            if not head:
                raise Damaged("is empty", offset=0, cut_off=True)
            if kind == formats.ZIP:
                _check_promise(decode(name), kind)
                with spooled(source, size) as descriptor:
                    self._zip(descriptor, path + b"/", depth)
            else:
                self._stream(source, decode(name), kind, head, path + b"/", depth, size)
            self._contents.inner += 1
        except ArchiveProblem as problem:
            if contents.failed:
                raise
            problem.member = _inside(path, problem.member)
            self._contents.add(problem)


def _told(contents: Iterator[bytes], update: Callable[[bytes | memoryview], None]) -> Iterator[bytes]:
    for part in contents:
        update(part)
        yield part


def _inside(path: bytes, member: str) -> str:
    """Return the name of a member of the archive inside at ``path``, for people."""
    return "/".join(filter(None, (plain(decode(path.rstrip(b"/")), 300), member)))


def _expression(pattern: str) -> re.Pattern[bytes]:
    return re.compile(translate(pattern).encode("utf-8", "surrogateescape"), re.DOTALL)


def _check_promise(name: str, found: str) -> None:
    promised = formats.promised_format(name)
    if not formats.agrees(promised, found):
        raise Damaged(f"is {found}, but its name says {promised}", offset=0)


def _no_archive(head: bytes, promised: str) -> ArchiveProblem:
    foreign = formats.foreign_format(head)
    if promised:
        what = f"is {foreign}" if foreign else "does not begin as an archive does" if head else "is empty"
        return Damaged(f"{what}, but its name says {promised}", offset=0)
    if foreign:
        return Unread(f"was not read: it is {foreign}", hint="Check it with the program that made it, or use level exists.")
    return Unread(
        "was not read: it is in no format that is known here",
        hint="Known are tar, zip, and what gzip, xz, bzip2 and zstd compress.",
    )
