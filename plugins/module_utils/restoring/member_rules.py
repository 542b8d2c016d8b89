# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which members of an archive may be restored: rules for one member alone. Pure functions; an archive is hostile data.

Python's own filter for tar archives is absent in Debian 12's Python, and has let several of these through.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, HARDLINK, SYMLINK, TYPES, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What may be accepted that is refused otherwise.
OUTSIDE_LINKS, SPECIAL_BITS, OTHER_NAMES = "outside_links", "special_bits", "other_names"
ACCEPTABLE = (OUTSIDE_LINKS, SPECIAL_BITS, OTHER_NAMES)

#: No file system of Linux takes longer ones.
_MOST_NAME_BYTES, _MOST_PATH_BYTES = 255, 4095
#: Each level is a descriptor that is held open while the tree is written.
MOST_LEVELS = 200

_SLASH = 0x2F
_SPECIAL = stat.S_ISUID | stat.S_ISGID
#: An empty part, "." or "..".
_UNUSUAL_PART = re.compile(rb"(?:^|/)\.{0,2}(?:/|$)")


class Refused(ArchiveProblem):
    """A member that is not restored, and with it the whole archive.

    :ivar hint: how it can be restored all the same, or an empty text.
    """

    def __init__(self, reason: str, member: str, hint: str = "") -> None:
        super().__init__(reason, member=plain(member, 300))
        self.hint = hint


@dataclass(frozen=True)
class Rules:
    """What is accepted.

    :ivar vouched: our own manifest lists the members: the tree had these links and names when it was saved.
    :ivar accept: some of ACCEPTABLE.
    """

    vouched: bool = False
    accept: frozenset[str] = frozenset()

    @property
    def outside_links(self) -> bool:
        return self.vouched or OUTSIDE_LINKS in self.accept

    @property
    def other_names(self) -> bool:
        return self.vouched or OTHER_NAMES in self.accept


def as_bytes(name: str) -> bytes:
    """Return a name as the archive has it and the file system gets it."""
    return name.encode("utf-8", "surrogateescape")


def as_text(name: bytes) -> str:
    """Return a name as manifests write it."""
    return name.decode("utf-8", "surrogateescape")


def is_plain_path(path: bytes) -> bool:
    """Tell whether a name of ASCII characters is one that :func:`checked_name` would return as it is; false for some that are, too."""
    return (
        0 < len(path) <= _MOST_NAME_BYTES and b"/." not in path and b"//" not in path and path[0] not in b"/."
        and path[-1] != _SLASH and path.count(b"/") < MOST_LEVELS
    )


def checked_path(member: Member, rules: Rules) -> bytes:
    """Return the path of a member, without empty parts and ".", after all that can be said of it alone was checked.

    The root of the archive is an empty path.

    :raises Refused: saying what is wrong with it.
    """
    path = checked_name(member.name, rules)
    if member.type not in TYPES:
        raise Refused(f"is {member.type}, which no backup holds", member.name)
    if member.mode & _SPECIAL and SPECIAL_BITS not in rules.accept:
        # On a directory the bit only says which group new files get.
        if not (rules.vouched and member.type == DIRECTORY and not member.mode & stat.S_ISUID):
            raise Refused(
                f"runs with the rights of its owner or group (mode {member.mode:04o})", member.name,
                hint=f"When that is right, give accept: [{SPECIAL_BITS}] (backup.accept in a platform description).",
            )
    if member.type == SYMLINK and not 0 < len(as_bytes(member.target)) <= _MOST_PATH_BYTES:
        raise Refused("is a symbolic link to a path that is none", member.name)
    if member.type == HARDLINK:
        checked_name(member.target, rules, of=member.name)
    return path


def checked_name(name: str, rules: Rules, *, of: str = "") -> bytes:
    """Return a name as a path that leads downward from the root of the archive.

    :param of: the member whose link target it is, for messages.
    :raises Refused: when it leads elsewhere, or no file can have it.
    """
    what, shown = ("is a hard link to a name that", of) if of else ("has a name that", name)
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            if not rules.other_names:
                raise Refused(f"{what} is not UTF-8", shown, hint=f"When that is right, give accept: [{OTHER_NAMES}].") from None
    path = as_bytes(name)
    if _UNUSUAL_PART.search(path):
        if path.startswith(b"/"):
            raise Refused(f"{what} is absolute", shown)
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise Refused(f"{what} leads upward by ..", shown)
        path = b"/".join(parts)
    if not path and (of or not name):
        raise Refused(f"{what} is empty", shown)
    if b"\0" in path:
        raise Refused(f"{what} has a NUL", shown)
    if len(path) > _MOST_NAME_BYTES and (
        len(path) > _MOST_PATH_BYTES or any(len(part) > _MOST_NAME_BYTES for part in path.split(b"/"))
    ):
        raise Refused(f"{what} is longer than any file system takes", shown)
    if path.count(b"/") >= MOST_LEVELS:
        raise Refused(f"{what} has more than {MOST_LEVELS} levels", shown)
    return path


def check_symbolic_link(member: Member, relative: bytes, target: bytes, rules: Rules) -> None:
    """Refuse a symbolic link that leaves the tree it is restored to, unless that is accepted.

    :param relative: its path below the target; empty when it is the target itself.
    :param target: absolute path of the target.
    :raises Refused: when it leads out.
    """
    if rules.outside_links:
        return
    link = as_bytes(member.target)
    if link.startswith(b"/"):
        below = target.rstrip(b"/") + b"/"
        leaves = not (link + b"/").startswith(below) or b".." in link.split(b"/")
    else:
        leaves = not relative or _climbs(link, relative.count(b"/"))
    if leaves:
        raise Refused(
            f"is a symbolic link that leaves the target, to {plain(member.target, 200)}", member.name,
            hint=f"When that is right, give accept: [{OUTSIDE_LINKS}].",
        )


def _climbs(link: bytes, depth: int) -> bool:
    """Tell whether a relative link leads further up than ``depth`` levels.

    A ".." behind a name may follow another link, and then leads elsewhere than it seems to; it counts as leading out.
    """
    parts = [part for part in link.split(b"/") if part not in (b"", b".")]
    ups = next((number for number, part in enumerate(parts) if part != b".."), len(parts))
    return ups > depth or b".." in parts[ups:]
