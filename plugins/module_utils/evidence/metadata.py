# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metadata of all that is below some folders, as lines of a body file (version 3), page by page."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.mounts import avoided_type

#: (path, its status or why there is none)
Seen = tuple[bytes, "os.stat_result | OSError"]


def body_line(path: bytes, status: os.stat_result, target: bytes = b"") -> bytes:
    """Return ``md5|name|inode|mode|uid|gid|size|atime|mtime|ctime|crtime``; what would break a line is escaped as ``\\xNN``."""
    name = _escaped(path) + (b" -> " + _escaped(target) if target else b"")
    fields = (
        status.st_ino, stat.filemode(status.st_mode), status.st_uid, status.st_gid, status.st_size,
        int(status.st_atime), int(status.st_mtime), int(status.st_ctime), 0,
    )
    return b"0|" + name + b"|" + "|".join(map(str, fields)).encode("ascii") + b"\n"


def walk(root: bytes, mounts: Mapping[bytes, str], after: bytes | None = None) -> Iterator[Seen]:
    """Yield everything from a root on, folders before what is in them, in an order that only the names decide.

    :param after: go on after this path, as if all before it had been yielded.
    """
    passed = after.split(b"/") if after is not None else []
    waiting = [] if avoided_type(root, mounts) else [root]
    while waiting:
        path = waiting.pop()
        parts = path.split(b"/")
        if passed and parts <= passed and passed[: len(parts)] != parts:
            continue
        if path in mounts:
            continue
        try:
            status = os.lstat(path)
            if not passed or parts > passed:
                yield path, status
            if stat.S_ISDIR(status.st_mode):
                waiting += [os.path.join(path, name) for name in sorted(os.listdir(path), reverse=True)]
        except OSError as exc:
            yield path, exc


def metadata_page(
    roots: Sequence[bytes], mounts: Mapping[bytes, str], after: tuple[int, bytes] | None, most_bytes: int
) -> tuple[bytes, int, list[tuple[bytes, OSError]], tuple[int, bytes] | None]:
    """Return lines, how many, what could not be looked at, and where the next page begins; None at the end.

    :param after: the number of the root and the path where the last page ended.
    """
    lines, problems, size = [], [], 0
    begin, last = after if after is not None else (0, None)
    for number in range(begin, len(roots)):
        for path, status in walk(roots[number], mounts, last if number == begin else None):
            if isinstance(status, OSError):
                problems.append((path, status))
                continue
            lines.append(body_line(path, status, _target(path, status)))
            size += len(lines[-1])
            if size >= most_bytes:
                return b"".join(lines), len(lines), problems, (number, path)
    return b"".join(lines), len(lines), problems, None


def _target(path: bytes, status: os.stat_result) -> bytes:
    if not stat.S_ISLNK(status.st_mode):
        return b""
    try:
        return os.readlink(path)
    except OSError:
        return b""


def _escaped(path: bytes) -> bytes:
    try:
        text = path.decode("utf-8")
        if text.isprintable() and "|" not in text and "\\" not in text:
            return path
    except UnicodeDecodeError:
        pass
    return b"".join(bytes([byte]) if 0x20 <= byte < 0x7F and byte not in b"|\\" else b"\\x%02x" % byte for byte in path)
