# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The headers of a tar archive that is being written: ustar, and PAX only where ustar cannot say it. Pure functions.

Python's ``tarfile`` takes five times as long for trees of small files.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import NamedTuple

BLOCK = 512
#: What ends an archive, filled up to a whole record of 20 blocks by :func:`end_of_archive`.
RECORD = 20 * BLOCK

FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY = b"0", b"1", b"2", b"5"
_PAX = b"x"

_NAME_BYTES, _PREFIX_BYTES, _OWNER_BYTES = 100, 155, 32
_MAX_SEVEN_DIGITS, _MAX_ELEVEN_DIGITS = 0o7777777, 0o77777777777
_MAGIC = b"ustar\x0000"
_NO_DEVICE = b"0000000\x000000000\x00"
_PADDING = tuple(bytes(-size % BLOCK) for size in range(BLOCK))


class TarEntry(NamedTuple):
    """What the headers of a member say.

    :ivar name: of any bytes but zero; a directory's without a slash at its end.
    :ivar kind: FILE, HARD_LINK, SYMBOLIC_LINK or DIRECTORY.
    :ivar size: bytes of contents of a file; 0 for all else.
    :ivar mode: permissions, at most 0o7777.
    :ivar mtime: whole seconds since 1970.
    :ivar target: of a link.
    """

    name: bytes
    kind: bytes
    size: int
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    mtime: int
    target: bytes = b""


def padding(size: int) -> bytes:
    """Return the zeros that follow contents of ``size`` bytes."""
    return _PADDING[size % BLOCK]


def end_of_archive(position: int) -> bytes:
    """Return what ends an archive of ``position`` bytes: two blocks of zeros or more, up to a whole record."""
    return bytes(2 * BLOCK + -(position + 2 * BLOCK) % RECORD)


def header(entry: TarEntry) -> bytes:
    """Return the header blocks of a member, the extended one first where one is needed.

    :raises ValueError: when a name, an owner or a target holds a zero byte, or a number is negative that cannot be.
    """
    name = entry.name + b"/" if entry.kind == DIRECTORY else entry.name
    if len(name) <= _NAME_BYTES and name.isascii() and not entry.target and entry.size <= _MAX_ELEVEN_DIGITS:
        owner = _owner_fields(entry.uid, entry.gid, entry.user, entry.group)
        if owner is not None and 0 <= entry.mtime <= _MAX_ELEVEN_DIGITS and b"\0" not in name:
            return _block(name, b"", entry.kind, entry.size, entry.mode, owner, entry.mtime, b"")
    return _extended(entry, name)


def _extended(entry: TarEntry, name: bytes) -> bytes:
    """Return the headers of a member of which ustar may not be able to say all."""
    if b"\0" in name or b"\0" in entry.target or "\0" in entry.user + entry.group:
        raise ValueError("a name in a tar archive cannot hold a zero byte")
    if entry.size < 0 or entry.uid < 0 or entry.gid < 0 or not 0 <= entry.mode <= 0o7777:
        raise ValueError("a size, an owner or a mode of a tar archive cannot be negative")
    records: dict[bytes, bytes] = {}
    split = _split(name)
    if split is None or not _plain(name):
        records[b"path"] = name
    if len(entry.target) > _NAME_BYTES or not _plain(entry.target):
        records[b"linkpath"] = entry.target
    user, group = (owner.encode("utf-8", "surrogateescape") for owner in (entry.user, entry.group))
    numbers = {}
    for key, value, most in (
        (b"size", entry.size, _MAX_ELEVEN_DIGITS), (b"uid", entry.uid, _MAX_SEVEN_DIGITS),
        (b"gid", entry.gid, _MAX_SEVEN_DIGITS), (b"mtime", entry.mtime, _MAX_ELEVEN_DIGITS),
    ):
        if not 0 <= value <= most:
            records[key] = b"%d" % value
        numbers[key] = value if 0 <= value <= most else 0
    for key, owner in ((b"uname", user), (b"gname", group)):
        if len(owner) >= _OWNER_BYTES or not owner.isascii():
            records[key] = owner
    prefix, last = split or (b"", name[:_NAME_BYTES])
    owners = _owner_bytes(numbers[b"uid"], numbers[b"gid"], user[: _OWNER_BYTES - 1], group[: _OWNER_BYTES - 1])
    own = _block(
        last, prefix, entry.kind, numbers[b"size"], entry.mode, owners, numbers[b"mtime"], entry.target[:_NAME_BYTES]
    )
    return _pax_header(records) + own if records else own


def _plain(name: bytes) -> bool:
    """Tell whether a name may stand in ustar's own fields alone: ASCII, or bytes that are in no encoding that PAX knows."""
    if name.isascii():
        return True
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Return prefix and name for ustar's two fields, or None when they have no room for it."""
    if len(name) <= _NAME_BYTES:
        return b"", name
    # The slash between the two is not stored, and neither part may be empty.
    at = name.find(b"/", max(1, len(name) - _NAME_BYTES - 1), _PREFIX_BYTES + 1)
    if at < 0 or at == len(name) - 1:
        return None
    return name[:at], name[at + 1:]


def _pax_header(records: dict[bytes, bytes]) -> bytes:
    """Return an extended header with its records."""
    binary = any(not _is_utf8(value) for value in records.values())
    lines = [_record(b"hdrcharset", b"BINARY")] if binary else []
    data = b"".join(lines + [_record(key, value) for key, value in records.items()])
    owner = _owner_bytes(0, 0, b"", b"")
    return _block(b"PaxHeaders/member", b"", _PAX, len(data), 0o600, owner, 0, b"") + data + padding(len(data))


def _is_utf8(value: bytes) -> bool:
    return value.isascii() or not _plain(value)


def _record(key: bytes, value: bytes) -> bytes:
    """Return ``<length> <key>=<value>`` and a line feed; the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


@lru_cache(maxsize=1024)
def _owner_fields(uid: int, gid: int, user: str, group: str) -> tuple[bytes, bytes] | None:
    """Return the fields of the owner, or None where ustar has no room for them."""
    if not (0 <= uid <= _MAX_SEVEN_DIGITS and 0 <= gid <= _MAX_SEVEN_DIGITS and user.isascii() and group.isascii()):
        return None
    if len(user) >= _OWNER_BYTES or len(group) >= _OWNER_BYTES or "\0" in user + group:
        return None
    return _owner_bytes(uid, gid, user.encode("ascii"), group.encode("ascii"))


def _owner_bytes(uid: int, gid: int, user: bytes, group: bytes) -> tuple[bytes, bytes]:
    names = user.ljust(_OWNER_BYTES, b"\0") + group.ljust(_OWNER_BYTES, b"\0")
    return b"%07o\0%07o\0" % (uid, gid), _MAGIC + names + _NO_DEVICE


def _block(
    name: bytes, prefix: bytes, kind: bytes, size: int, mode: int, owner: tuple[bytes, bytes], mtime: int, target: bytes
) -> bytes:
    """Return one header block."""
    before = name.ljust(_NAME_BYTES, b"\0") + b"%07o\0%b%011o\0%011o\0" % (mode, owner[0], size, mtime)
    after = kind + target.ljust(_NAME_BYTES, b"\0") + owner[1] + prefix.ljust(167, b"\0")
    return b"%b%06o\0 %b" % (before, _sum(before) + _sum(after) + 8 * 0x20, after)


def _sum(data: bytes) -> int:
    """Return the sum of the bytes; less than 512 of them in ASCII stay below the modulus of Adler-32, which is faster."""
    return (zlib.adler32(data) & 0xFFFF) - 1 if data.isascii() else sum(data)
