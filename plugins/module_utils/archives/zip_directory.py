# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directory at the end of a zip archive: where it is, and what it says of each member. Nothing in it has a checksum."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, read_at

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_MOST_COMMENT = 65535
_UNIX = 3
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
ENCRYPTED, DESCRIPTOR_FOLLOWS, STRONG_ENCRYPTED, MASKED = 0x1, 0x8, 0x40, 0x2000


@dataclass(frozen=True)
class Directory:
    """Where the directory is.

    :ivar start: first byte of its entries.
    :ivar end: first byte after them.
    :ivar shift: how many bytes stand before the archive proper; all offsets in it grow by these.
    """

    start: int
    end: int
    count: int
    shift: int


@dataclass(frozen=True)
class Entry:
    """What the directory says of one member; ``offset`` is that of its local header in the file.

    :ivar is_file: false of symbolic links, whose contents are a path.
    :ivar mode: kind and permissions as Unix has them, or 0 when another system wrote the archive.
    """

    name: bytes
    version: int
    flags: int
    method: int
    time: int
    crc: int
    packed: int
    size: int
    offset: int
    is_file: bool
    mode: int = 0

    @property
    def is_symbolic_link(self) -> bool:
        return not self.is_file and not self.name.endswith(b"/")

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & (ENCRYPTED | STRONG_ENCRYPTED | MASKED))


def find_directory(descriptor: int) -> Directory:
    """Find the directory from the end of the file.

    :raises Damaged: when there is none, or its end record contradicts itself.
    :raises Unread: when it lies in several files.
    """
    size = os.fstat(descriptor).st_size
    start = max(0, size - _END.size - _MOST_COMMENT)
    tail = read_at(descriptor, start, size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise Damaged("is cut off: it ends before the directory of its members", offset=size, cut_off=True)
    _magic, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
    end = start + at
    if end + _END.size + comment != size:
        words = "has bytes that are no part of it after its end" if end + _END.size + comment < size else "is cut off in its end record"
        raise Damaged(f"{words}, at byte {min(end + _END.size + comment, size)}", offset=size, cut_off=words.startswith("is"))
    directory_end = end
    if read_at(descriptor, end - _END64_LOCATOR.size, 4) == b"PK\x06\x07" if end >= _END64_LOCATOR.size else False:
        disk, first_disk, here, count, length, offset, directory_end = _read_end64(
            descriptor, end, (disk, first_disk, here, count, length, offset)
        )
    if disk or first_disk or here != count:
        raise Unread("was not read: it is one part of a zip archive in several files")
    shift = directory_end - length - offset
    if shift < 0:
        raise Damaged(f"is damaged: its end record at byte {end} places the directory outside the file", offset=end)
    return Directory(directory_end - length, directory_end, count, shift)


def _read_end64(descriptor: int, end: int, short: tuple[int, ...]) -> tuple[int, int, int, int, int, int, int]:
    """Read the end record for large archives; a field of the ``short`` record must agree or be full of ones."""
    at = end - _END64_LOCATOR.size
    _magic, _disk, record_offset, disks = _END64_LOCATOR.unpack(read_at(descriptor, at, _END64_LOCATOR.size))
    record = at - _END64.size  # without an extensible data sector, which nobody writes
    data = read_at(descriptor, record, _END64.size) if record >= 0 else b""
    if len(data) < _END64.size or data[:4] != b"PK\x06\x06" or disks > 1:
        raise Damaged(f"is damaged: its large end record before byte {at} is wrong", offset=max(record, 0))
    _magic, length, _made, _needed, *fields = _END64.unpack(data)
    fulls = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL32, _FULL32)
    agree = all(one in (full, field) for one, full, field in zip(short, fulls, fields))
    shift = record - fields[4] - fields[5]
    if length != _END64.size - 12 or not agree or record != record_offset + shift:
        raise Damaged(f"is damaged: its end records at bytes {record} and {end} do not agree", offset=record)
    disk, first_disk, here, count, directory_bytes, offset = fields
    return disk, first_disk, here, count, directory_bytes, offset, record


def entries(descriptor: int, directory: Directory) -> Iterator[Entry]:
    """Yield what the directory says, in its order.

    :raises Damaged: when it is not a sequence of exactly so many entries.
    """
    at, window, base = directory.start, b"", directory.start
    for _number in range(directory.count):
        window_end = base + len(window)
        if at + _ENTRY.size + 3 * _FULL16 > window_end and window_end < directory.end:
            base, window = at, read_at(descriptor, at, min(CHUNK_BYTES * 2, directory.end - at))
        if len(window) - (at - base) < _ENTRY.size:
            raise _wrong(at)
        fields: tuple[Any, ...] = _ENTRY.unpack_from(window, at - base)
        if fields[0] != b"PK\x01\x02":
            raise _wrong(at)
        _magic, made, needed, flags, method, clock, day, crc, packed, size, *rest = fields
        names, extras, comments, disk, _internal, attributes, offset = rest
        begin = at - base + _ENTRY.size
        variable = window[begin : begin + names + extras + comments]
        if len(variable) < names + extras + comments:
            raise _wrong(at)
        size, packed, offset, disk = large_fields(variable[names : names + extras], (size, packed, offset, disk), at)
        if disk:
            raise Unread("was not read: it is one part of a zip archive in several files")
        yield Entry(
            variable[:names], needed & 0xFF, flags, method, day << 16 | clock, crc, packed, size, offset + directory.shift,
            not (made >> 8 == _UNIX and stat.S_ISLNK(attributes >> 16)), attributes >> 16 if made >> 8 == _UNIX else 0,
        )
        at += _ENTRY.size + names + extras + comments
    if at != directory.end:
        raise _wrong(at)


def large_fields(extra: bytes, values: tuple[int, ...], at: int) -> list[int]:
    """Replace each value that is full of ones by the one of the extra field for large archives, in order.

    :param values: size, packed size and, of the directory, offset and disk.
    :raises Damaged: when the extra field has another form.
    """
    found = list(values)
    wanted = [number for number, value in enumerate(values) if value == (_FULL16 if number == 3 else _FULL32)]
    if not wanted:
        return found
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        data = extra[position + 4 : position + 4 + length]
        if kind == 1:
            for number in wanted:
                width = 4 if number == 3 else 8
                if len(data) < width:
                    raise _wrong(at)
                found[number], data = int.from_bytes(data[:width], "little"), data[width:]
            return found
        position += 4 + length
    return found


def _wrong(at: int) -> Damaged:
    return Damaged(f"is damaged: the directory of its members is wrong at byte {at}", offset=at)
