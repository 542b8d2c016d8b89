# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tar header says besides name, kind and size: rights, owner, time and the target of a link. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_headers import number

#: No system takes a time that is further from 1970.
_MOST_NANOSECONDS = 2**60 * 1_000_000_000
_DIGITS = re.compile(rb"(-?[0-9]{1,19})(?:\.([0-9]{1,40}))?")


class TarDetails(NamedTuple):
    """What is restored of a member besides its contents.

    :ivar mode: permissions, at most 0o7777.
    :ivar user: name of the owner as it is in the archive, empty when it is not; and so ``group``.
    :ivar mtime_ns: time of the last change in nanoseconds since 1970; whole seconds unless an extended header gives more.
    :ivar target: where a symbolic link points, or the member that a hard link is another name of; else empty.
    """

    mode: int
    uid: int
    gid: int
    user: bytes
    group: bytes
    mtime_ns: int
    target: bytes


def read_details(block: bytes, records: Mapping[bytes, bytes], long_link: bytes | None, offset: int) -> TarDetails:
    """Read the details of a member.

    :param block: its header.
    :param records: those of the extended header before it; they win.
    :param long_link: what a header of GNU tar before it says of its target, or None.
    :param offset: where the member is, for messages.
    :raises Damaged: when a number is none.
    """
    is_ustar = block[257:262] == b"ustar"
    user, group = (_text(block[265:297]), _text(block[297:329])) if is_ustar else (b"", b"")
    try:
        mode, uid, gid, seconds = (number(block[start:end]) for start, end in ((100, 108), (108, 116), (116, 124), (136, 148)))
        uid, gid = (_record(records, key, default) for key, default in ((b"uid", uid), (b"gid", gid)))
        mtime_ns = _nanoseconds(records[b"mtime"]) if records.get(b"mtime") else seconds * 1_000_000_000
        if abs(mtime_ns) > _MOST_NANOSECONDS:
            raise ValueError("no time")
    except ValueError:
        raise Damaged(f"is damaged: the tar header at byte {offset} has a number that is none", offset=offset) from None
    target = records.get(b"linkpath", _text(block[157:257]) if long_link is None else long_link)
    return TarDetails(
        mode & 0o7777, uid, gid, records.get(b"uname", user), records.get(b"gname", group), mtime_ns,
        target if block[156:157] in b"12" else b"",
    )


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _record(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    text = records.get(key)
    if not text:
        return default
    if not text.isdigit() or len(text) > 19:
        raise ValueError("no number")
    return int(text)


def _nanoseconds(text: bytes) -> int:
    """Read seconds with a decimal fraction."""
    match = _DIGITS.fullmatch(text)
    if not match:
        raise ValueError("no time")
    nanoseconds = int((match.group(2) or b"0")[:9].ljust(9, b"0"))
    return int(match.group(1)) * 1_000_000_000 + (-nanoseconds if text.startswith(b"-") else nanoseconds)
