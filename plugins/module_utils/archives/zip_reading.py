# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read every member of a zip archive, compare it with the directory, and see that no two share bytes."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, read_at
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zip_directory import (
    DESCRIPTOR_FOLLOWS,
    Directory,
    Entry,
    entries,
    find_directory,
    large_fields,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

Visit = Callable[[Entry, Iterator[bytes]], None]

_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED, _BZIP2 = 0, 8, 12
_METHODS = {1: "shrink", 6: "implode", 9: "Deflate64", 14: "LZMA", 93: "zstd", 95: "xz", 97: "WavPack", 98: "PPMd", 99: "AES"}
_NEWEST_VERSION = 63
#: Members out of order are remembered one by one, up to so many.
_MOST_OUT_OF_ORDER = 500_000


def read_zip(
    descriptor: int, budget: Budget, visit: Visit, report: Callable[[ArchiveProblem], None]
) -> int:
    """Read a zip archive to its end; return how many of its bytes belong to nothing.

    :param visit: called for each member with its contents; what it does not read is read after it.
    :param report: called with what is wrong with a member; the others are read all the same.
    :raises ArchiveProblem: when what is wrong ends the reading.
    """
    directory = find_directory(descriptor)
    areas = _Areas(directory)
    for entry in entries(descriptor, directory):
        budget.check_time()  # a member that is not there unpacks nothing
        try:
            areas.add(entry.offset, _read_member(descriptor, budget, directory, entry, visit))
        except (Damaged, Unread) as problem:
            if isinstance(problem, Unread) and not problem.member:
                raise  # a limit, not this member
            areas.gap_known = False
            report(problem)
    return areas.close()


class _Areas:
    """The bytes that the members take, to find those that two share and those that none has."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._end = self._taken = 0
        self._in_order = True
        self._starts, self._ends = array("Q"), array("Q")
        self.gap_known = True

    def add(self, start: int, end: int) -> None:
        self._in_order = self._in_order and start >= self._end
        self._end = end
        self._taken += end - start
        if len(self._starts) < _MOST_OUT_OF_ORDER:
            self._starts.append(start)
            self._ends.append(end)
        elif not self._in_order:
            raise Unread(f"was not read to its end: it has more than {_MOST_OUT_OF_ORDER} members that are out of order")

    def close(self) -> int:
        if not self._in_order:
            order = sorted(range(len(self._starts)), key=self._starts.__getitem__)
            for one, other in zip(order, order[1:]):
                if self._ends[one] > self._starts[other]:
                    at = self._starts[other]
                    raise Damaged(f"is damaged: two of its members share the bytes from {at} on", offset=at)
        return max(0, self._directory.start - self._taken) if self.gap_known else 0


def _read_member(descriptor: int, budget: Budget, directory: Directory, entry: Entry, visit: Visit) -> int:
    """Read one member; return the first byte after it."""
    shown = plain(decode(entry.name), 300)
    if entry.encrypted:
        budget.member()
        raise Unread(
            "was not read: it is encrypted",
            hint="Nobody can tell whether it is whole without its password; check it with the program that made it.",
            member=shown,
        )
    start: int = _compare(descriptor, entry, shown)
    if start + entry.packed > directory.start:
        raise Damaged("is damaged: it reaches into the directory of the archive", offset=entry.offset, member=shown)
    if entry.version > _NEWEST_VERSION or entry.method not in (_STORED, _DEFLATED, _BZIP2):
        budget.member()
        method = _METHODS.get(entry.method, f"number {entry.method}")
        raise Unread(
            f"was not read: it is packed by the method {method} (version {entry.version})",
            hint="Pack backups by deflate, or as tar.", member=shown,
        )
    contents = _contents(descriptor, budget, entry, start, shown)
    visit(entry, contents)
    for _part in contents:
        pass
    end = start + entry.packed
    if entry.flags & DESCRIPTOR_FOLLOWS:
        end += _descriptor_bytes(descriptor, entry, end, shown)
    return end


def _compare(descriptor: int, entry: Entry, shown: str) -> int:
    """Compare the header before the contents with the directory; return where the contents begin."""
    block = read_at(descriptor, entry.offset, _LOCAL.size)
    if len(block) < _LOCAL.size or block[:4] != b"PK\x03\x04":
        raise Damaged(f"is damaged: there is no header of it at byte {entry.offset}", offset=entry.offset, member=shown)
    _magic, _needed, flags, method, clock, day, crc, packed, size, names, extras = _LOCAL.unpack(block)
    variable = read_at(descriptor, entry.offset + _LOCAL.size, names + extras)
    size, packed = large_fields(variable[names:], (size, packed), entry.offset)
    expected: tuple[Any, ...] = (entry.name, entry.flags, entry.method, entry.time)
    found: tuple[Any, ...] = (variable[:names], flags, method, day << 16 | clock)
    figures, wanted = (crc, packed, size), (entry.crc, entry.packed, entry.size)
    later = flags & DESCRIPTOR_FOLLOWS and figures in ((0, 0, 0), wanted) or not any(figures[:2]) and flags & DESCRIPTOR_FOLLOWS
    if found != expected or not (figures == wanted or later):
        raise Damaged(
            f"is damaged: its header at byte {entry.offset} and the directory say different things",
            offset=entry.offset, member=shown,
        )
    return entry.offset + _LOCAL.size + len(variable)


def _contents(descriptor: int, budget: Budget, entry: Entry, start: int, shown: str) -> Generator[bytes, None, None]:
    """Yield the contents; at their end compare size and checksum with the directory."""
    crc = size = 0
    for part in _unpacked(_packed(descriptor, budget, start, entry.packed), entry, shown):
        crc = zlib.crc32(part, crc)
        size += len(part)
        budget.unpacked(len(part))
        if size > entry.size:
            break
        yield part
    if size != entry.size or crc != entry.crc:
        what = "checksum" if size == entry.size else "size"
        raise Damaged(f"is damaged: its contents do not have the {what} in the directory", offset=start, member=shown)


def _packed(descriptor: int, budget: Budget, start: int, count: int) -> Iterator[bytes]:
    end = start + count
    while start < end:
        budget.check_time()
        chunk = read_at(descriptor, start, min(CHUNK_BYTES, end - start))
        if not chunk:
            return
        start += len(chunk)
        yield chunk


def _unpacked(chunks: Iterator[bytes], entry: Entry, shown: str) -> Iterator[bytes]:
    if entry.method == _STORED:
        yield from chunks
        return
    decoder: Any
    if entry.method == _DEFLATED:
        decoder = zlib.decompressobj(wbits=-15)
    else:
        import bz2

        decoder = bz2.BZ2Decompressor()
    wrong = Damaged("is damaged: its packed contents are wrong", offset=entry.offset, member=shown)
    for chunk in chunks:
        if decoder.eof:
            raise wrong
        data, more = chunk, True
        while more:
            try:
                part = decoder.decompress(data, CHUNK_BYTES)
            except (zlib.error, OSError, ValueError, EOFError):
                raise wrong from None
            if entry.method == _DEFLATED:
                data = decoder.unconsumed_tail
                more = not decoder.eof and (bool(data) or len(part) == CHUNK_BYTES)
            else:
                data, more = b"", not decoder.eof and not decoder.needs_input
            if part:
                yield part
    if not decoder.eof or decoder.unused_data:
        raise wrong


def _descriptor_bytes(descriptor: int, entry: Entry, at: int, shown: str) -> int:
    """Compare the record behind the contents with the directory; return its length. Its form is not marked anywhere."""
    data = read_at(descriptor, at, 24)
    for begin in (4, 0) if data[:4] == b"PK\x07\x08" else (0,):
        for form in ("<3L", "<LQQ"):
            length = begin + struct.calcsize(form)
            if len(data) >= length and struct.unpack_from(form, data, begin) == (entry.crc, entry.packed, entry.size):
                return length
    raise Damaged(f"is damaged: the record behind its contents at byte {at} does not fit", offset=at, member=shown)
