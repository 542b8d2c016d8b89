# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The headers of tar archives: what 512 bytes and extended records say. Pure functions; formats v7, ustar, PAX and GNU."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged

BLOCK = 512
#: Extended headers and long names beyond this are no real ones.
MAX_EXTENDED_BYTES = 1024 * 1024
_MAX_SIZE = 2**63 - 1

FILE_TYPES = frozenset((b"0", b"\0", b"7"))
SYMBOLIC_LINK = b"2"
#: What ends a number that does not fill its field.
_ENDS = b"\0 "
#: Types that say something about the next member.
LONG_NAME, LONG_LINK, PAX_TYPES, PAX_GLOBAL = b"L", b"K", b"xX", b"g"
EXTENDED_TYPES = LONG_NAME + LONG_LINK + PAX_TYPES + PAX_GLOBAL
SPARSE = b"S"
#: Links, devices, folders, pipes and volume labels have no contents, whatever their size field says.
_WITHOUT_CONTENTS = b"123456V"


class Header(NamedTuple):
    """One header block.

    :ivar kind: the type flag, one byte.
    :ivar size: bytes of contents that follow, without padding, unless an extended header gives another size.
    """

    name: bytes
    kind: bytes
    size: int

    @property
    def has_contents(self) -> bool:
        return self.kind not in _WITHOUT_CONTENTS


def read_usual_header(block: bytes) -> tuple[bytes, bytes, int] | None:
    """Read a header as nearly all are: its numbers are octal digits and its checksum fits; return None for any other.

    It says of them what :func:`read_header` says, in a third of the time.
    """
    checksum, length = block[148:154], block[124:135]
    if not (checksum.isdigit() and length.isdigit() and block[135] in _ENDS and block[154] in _ENDS and block[155] in _ENDS):
        return None
    try:
        # The low half of Adler-32 is 1 + the sum of the bytes, modulo 65521; a field of spaces stands for the checksum itself.
        total = (zlib.adler32(block[:148]) & 0xFFFF) + (zlib.adler32(block[156:BLOCK]) & 0xFFFF) - 2 + 8 * 32
        # 356 bytes reach the modulus only when some of them are no ASCII.
        if total != int(checksum, 8) or not (block.isascii() or checksum_fits(block)):
            return None
        size = int(length, 8)
    except ValueError:  # 8 and 9 are no octal digits
        return None
    end = block.find(0, 0, 100)
    name = block[:100] if end < 0 else block[:end]
    if block[345] and block[257:263] == b"ustar\0":
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    return name, block[156:157], size


def checksum_fits(block: bytes) -> bool:
    """Tell whether the checksum of a header block is right; some old writers summed signed bytes."""
    try:
        stored = octal(block[148:156])
    except ValueError:
        return False
    # The low half of Adler-32 is 1 + the sum of the bytes, modulo 65521, which 256 bytes do not reach; sum() takes longer.
    halves = (zlib.adler32(block[:256]) & 0xFFFF) + (zlib.adler32(block[256:BLOCK]) & 0xFFFF) - 2
    total = halves - sum(block[148:156]) + 8 * 32
    if stored == total:
        return True
    others = block[:148] + block[156:]
    return stored == total - 256 * sum(1 for byte in others if byte > 127)


def octal(field: bytes) -> int:
    """Read octal digits that spaces and zero bytes may surround.

    :raises ValueError: when they are none.
    """
    if field[-1:] in _ENDS and field[:-1].isdigit():
        return int(field[:-1], 8)
    digits = field.rstrip(b" \0")
    if not digits.isdigit():  # int() accepts signs and underscores
        digits = field.split(b"\0", 1)[0].strip(b" ")
        if not digits:
            return 0
        if not digits.isdigit():
            raise ValueError("no octal number")
    return int(digits, 8)


def number(field: bytes) -> int:
    """Read a number: octal digits, or base 256 when the first bit is set.

    :raises ValueError: when it is neither, or negative.
    """
    first = field[0]
    if first == 0x80:
        return int.from_bytes(field[1:], "big")
    if first > 0x80:
        raise ValueError("a negative number")
    return octal(field)


def read_header(block: bytes, offset: int) -> Header:
    """Read a header block.

    :param offset: where the block is, for messages.
    :raises Damaged: when its checksum does not fit or its size is none.
    """
    if not checksum_fits(block):
        raise Damaged(f"is damaged: the tar header at byte {offset} has a wrong checksum", offset=offset)
    kind = block[156:157]
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    try:
        size = number(block[124:136])
    except ValueError:
        size = -1
    if not 0 <= size <= _MAX_SIZE:
        raise Damaged(f"is damaged: the tar header at byte {offset} has a size that is no number", offset=offset)
    return Header(name, kind, size)


def read_records(data: bytes, offset: int) -> dict[bytes, bytes]:
    """Read the records of an extended header ("<length> <key>=<value>\\n").

    :raises Damaged: when a record has another form.
    """
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 8)
        digits = data[at:space]
        length = int(digits) if space > 0 and digits.isdigit() else 0
        end = at + length
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not length or end > len(data) or not key or not equals or data[end - 1] != 0x0A:
            if not data[at:].strip(b"\0"):
                break  # padding that some writers count as contents
            raise Damaged(f"is damaged: the extended tar header at byte {offset} has a record of a wrong form", offset=offset)
        records[key] = value
        at = end
    return records


def extended_size(records: dict[bytes, bytes], offset: int) -> int | None:
    """Return the size that an extended header gives to the next member, or None.

    :raises Damaged: when it is no size.
    """
    text = records.get(b"size")
    if not text:
        return None
    if not text.isdigit() or len(text) > 19 or int(text) > _MAX_SIZE:
        raise Damaged(f"is damaged: the extended tar header at byte {offset} gives a size that is no number", offset=offset)
    return int(text)


def sparse_extents(area: bytes, count: int) -> list[tuple[int, int]]:
    """Return offset and length of ``count`` extents in the map of a sparse file of GNU tar, up to the first empty one.

    :raises ValueError: when a number is none.
    """
    extents = []
    for at in range(0, count * 24, 24):
        if not area[at]:
            break
        extents.append((number(area[at : at + 12]), number(area[at + 12 : at + 24])))
    return extents
