# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The headers of a tar archive that is being written: ustar, and PAX only where ustar cannot say it. Pure functions.

Python's ``tarfile`` takes five times as long for trees of small files.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

BLOCK = 512
#: What ends an archive, filled up to a whole record of 20 blocks by :func:`end_of_archive`.
RECORD = 20 * BLOCK

FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY = b"0", b"1", b"2", b"5"
_PAX = b"x"

_NAME_BYTES, _PREFIX_BYTES, _OWNER_BYTES = 100, 155, 32
#: The prefix and what is empty behind it.
_REST_BYTES = 167
#: The checksum is counted as if its own field were blank.
_BLANK_SUM = 8 * 0x20
_MAX_SEVEN_DIGITS, _MAX_ELEVEN_DIGITS = 0o7777777, 0o77777777777
_MAGIC = b"ustar\x0000"
_NO_DEVICE = b"0000000\x000000000\x00"
_PADDING = tuple(bytes(-size % BLOCK) for size in range(BLOCK))


def padding(size: int) -> bytes:
    """Return the zeros that follow contents of ``size`` bytes."""
    return _PADDING[size % BLOCK]


def end_of_archive(position: int) -> bytes:
    """Return what ends an archive of ``position`` bytes: two blocks of zeros or more, up to a whole record."""
    return bytes(2 * BLOCK + -(position + 2 * BLOCK) % RECORD)


def header(
    name: bytes,
    kind: bytes,
    size: int,
    mode: int,
    uid: int,
    gid: int,
    user: str,
    group: str,
    mtime: int,
    target: bytes = b"",
) -> bytes:
    """Return the header blocks of a member, the extended one first where one is needed.

    :param name: of any bytes but zero; a directory's without a slash at its end.
    :param kind: FILE, HARD_LINK, SYMBOLIC_LINK or DIRECTORY.
    :param size: bytes of contents of a file; 0 for all else.
    :param mode: permissions, at most 0o7777.
    :param mtime: whole seconds since 1970.
    :param target: of a link.
    :raises ValueError: when a name holds a zero byte, or a number is negative that cannot be.
    """
    if kind == DIRECTORY:
        name += b"/"
    if name.isascii() and not target and b"\0" not in name:
        known = _known_fields(kind, mode, uid, gid, user, group)
        split = (b"", name) if len(name) <= _NAME_BYTES else _split(name)
        if split and known and 0 <= mtime <= _MAX_ELEVEN_DIGITS and 0 <= size <= _MAX_ELEVEN_DIGITS:
            prefix, last = split
            before, after, after_sum = known
            start = last.ljust(_NAME_BYTES, b"\0") + before + b"%011o\0%011o\0" % (size, mtime)
            total = _sum(start) + after_sum + _sum(prefix)
            return b"%b%06o\0 %b%b" % (start, total, after, prefix.ljust(_REST_BYTES, b"\0"))
    return _extended(name, kind, size, mode, uid, gid, user, group, mtime, target)


def _extended(
    name: bytes, kind: bytes, size: int, mode: int, uid: int, gid: int, user: str, group: str, mtime: int, target: bytes
) -> bytes:
    """Return the headers of a member of which ustar may not be able to say all."""
    if b"\0" in name or b"\0" in target or "\0" in user + group:
        raise ValueError("a name in a tar archive cannot hold a zero byte")
    if size < 0 or uid < 0 or gid < 0 or not 0 <= mode <= 0o7777:
        raise ValueError("a size, an owner or a mode of a tar archive cannot be negative")
    records: dict[bytes, bytes] = {}
    split = _split(name)
    if split is None or not _plain(name):
        records[b"path"] = name
    if len(target) > _NAME_BYTES or not _plain(target):
        records[b"linkpath"] = target
    fitting = {}
    for key, value, most in (
        (b"size", size, _MAX_ELEVEN_DIGITS), (b"uid", uid, _MAX_SEVEN_DIGITS),
        (b"gid", gid, _MAX_SEVEN_DIGITS), (b"mtime", mtime, _MAX_ELEVEN_DIGITS),
    ):
        fitting[key] = value if 0 <= value <= most else 0
        if fitting[key] != value:
            records[key] = b"%d" % value
    owners = []
    for key, owner in ((b"uname", user), (b"gname", group)):
        encoded = owner.encode("utf-8", "surrogateescape")
        if len(encoded) >= _OWNER_BYTES or not encoded.isascii():
            records[key] = encoded
        owners.append(encoded[: _OWNER_BYTES - 1])
    prefix, last = split or (b"", name[:_NAME_BYTES])
    fields = _owner_bytes(fitting[b"uid"], fitting[b"gid"], owners[0], owners[1])
    own = _block(last, prefix, kind, fitting[b"size"], mode, fields, fitting[b"mtime"], target[:_NAME_BYTES])
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
def _known_fields(kind: bytes, mode: int, uid: int, gid: int, user: str, group: str) -> tuple[bytes, bytes, int] | None:
    """Return what stands between name and size, and what between checksum and prefix, with its sum; None where ustar has no room.

    Most members of a tree have these in common.
    """
    if not (0 <= uid <= _MAX_SEVEN_DIGITS and 0 <= gid <= _MAX_SEVEN_DIGITS and 0 <= mode <= 0o7777):
        return None
    if len(user) >= _OWNER_BYTES or len(group) >= _OWNER_BYTES or "\0" in user + group or not (user + group).isascii():
        return None
    numbers, names = _owner_bytes(uid, gid, user.encode("ascii"), group.encode("ascii"))
    after = kind + bytes(_NAME_BYTES) + names
    return b"%07o\0" % mode + numbers, after, _sum(after) + _BLANK_SUM


def _owner_bytes(uid: int, gid: int, user: bytes, group: bytes) -> tuple[bytes, bytes]:
    names = user.ljust(_OWNER_BYTES, b"\0") + group.ljust(_OWNER_BYTES, b"\0")
    return b"%07o\0%07o\0" % (uid, gid), _MAGIC + names + _NO_DEVICE


def _block(
    name: bytes, prefix: bytes, kind: bytes, size: int, mode: int, owner: tuple[bytes, bytes], mtime: int, target: bytes
) -> bytes:
    """Return one header block."""
    before = name.ljust(_NAME_BYTES, b"\0") + b"%07o\0%b%011o\0%011o\0" % (mode, owner[0], size, mtime)
    after = kind + target.ljust(_NAME_BYTES, b"\0") + owner[1] + prefix.ljust(_REST_BYTES, b"\0")
    return b"%b%06o\0 %b" % (before, _sum(before) + _sum(after) + _BLANK_SUM, after)


def _sum(data: bytes) -> int:
    """Return the sum of the bytes; less than 512 of them in ASCII stay below the modulus of Adler-32, which is faster."""
    return (zlib.adler32(data) & 0xFFFF) - 1 if data.isascii() else sum(data)
