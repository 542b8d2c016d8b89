# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line of a baseline: what a path is, and in which respects it differs from another look at it.

A line is ``path TAB status TAB sha256 TAB capabilities TAB target``. The status is ``mode owner group size inode mtime ctime`` in
decimal digits, times in nanoseconds. Of what is no regular file only the first three say something, and ``size`` is the number of a
device. A backslash, tab or line feed in a path or target is escaped; bytes that are no UTF-8 are surrogates, as in file names.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, NamedTuple

#: The bits of a mode that let a program run with the rights of others.
SET_BITS = stat.S_ISUID | stat.S_ISGID
#: What is escaped in paths and targets.
ODD = re.compile(r"[\\\t\n]")

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_ESCAPED = re.compile(r"\\(.)")
_UNESCAPES = {"\\": "\\", "t": "\t", "n": "\n"}
_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device", stat.S_IFBLK: "block device",
}  # fmt: skip


class Record(NamedTuple):
    """What is known of one path.

    :ivar mode: with the type, as the kernel gives it.
    :ivar size: bytes of a file, number of a device, otherwise 0.
    :ivar stamp: inode, mtime and ctime of a file as one text. They tell whether to look again, and are no difference themselves.
    :ivar sha256: hexadecimal digits; '' of what is no file, or could not be read.
    :ivar capabilities: the attribute ``security.capability`` in hexadecimal digits; '' when there is none, or nobody asked.
    :ivar target: of a link.
    """

    path: str
    mode: int
    owner: int
    group: int
    size: int
    stamp: str
    sha256: str
    capabilities: str
    target: str

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return _KINDS.get(stat.S_IFMT(self.mode), "something else")

    @property
    def is_file(self) -> bool:
        """True of a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def permissions(self) -> str:
        """The mode without the type, in four octal digits."""
        return f"{stat.S_IMODE(self.mode):04o}"

    @property
    def runs_with_rights_of_others(self) -> bool:
        """True of a file with a set-user-ID or set-group-ID bit, or with capabilities."""
        return self.is_file and bool(self.mode & SET_BITS or self.capabilities)


def escaped(text: str) -> str:
    """Return a path or target as it stands in a line."""
    return ODD.sub(lambda match: _ESCAPES[match[0]], text) if ODD.search(text) else text


def unescaped(text: str) -> str:
    """Return the path or target that stands in a line."""
    return _ESCAPED.sub(lambda match: _UNESCAPES.get(match[1], match[0]), text) if "\\" in text else text


def status_text(status: os.stat_result) -> str:
    """Return the status as it stands in a line."""
    if stat.S_ISREG(status.st_mode):
        return (
            f"{status.st_mode} {status.st_uid} {status.st_gid} {status.st_size} {status.st_ino}"
            f" {status.st_mtime_ns} {status.st_ctime_ns}"
        )
    device = status.st_rdev if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode) else 0
    return f"{status.st_mode} {status.st_uid} {status.st_gid} {device} 0 0 0"


def line_of(path: str, status: os.stat_result, sha256: str = "", capabilities: str = "", target: str = "") -> str:
    """Return a line.

    :param path: escaped already, since whoever walks escapes a folder once.
    :param target: as it is.
    """
    return f"{path}\t{status_text(status)}\t{sha256}\t{capabilities}\t{escaped(target)}\n"


def path_of(line: str) -> str:
    """Return the path of a line, as it is."""
    return unescaped(line.partition("\t")[0])


def read_line(line: str) -> Record:
    """Return what a line says.

    :raises ValueError: when it is none.
    """
    path, status, sha256, capabilities, target = line.rstrip("\n").split("\t")
    mode, owner, group, size, *stamp = status.split(" ")
    if not path.startswith("/") or len(stamp) != 3:
        raise ValueError("no line of a baseline")
    return Record(
        unescaped(path), int(mode), int(owner), int(group), int(size), " ".join(stamp), sha256, capabilities, unescaped(target)
    )


def differences(before: Record, after: Record) -> dict[str, list[Any]]:
    """Return what differs, each with the values before and after; {} when only times or the inode do."""
    found: dict[str, list[Any]] = {}
    for name, old, new in (
        ("type", before.kind, after.kind),
        ("mode", before.permissions, after.permissions),
        ("owner", before.owner, after.owner),
        ("group", before.group, after.group),
        ("size", before.size, after.size),
        ("sha256", before.sha256 or None, after.sha256 or None),
        ("capabilities", before.capabilities or None, after.capabilities or None),
        ("target", before.target or None, after.target or None),
    ):
        if old != new:
            found[name] = [old, new]
    return found


def order_of(path: str) -> str:
    """Return what paths are sorted by: a folder comes directly before what is in it."""
    return path.replace("/", "\0")
