# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that can refuse a restore before anything is touched: where the targets are, mount points, room."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import SYMLINK
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.name_checks import Amount
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_ESCAPE = re.compile(rb"\\([0-7]{3})")


def resolve_targets(targets: Sequence[str], *, outside: Iterable[str]) -> list[str]:
    """Return the targets with the links in their parents resolved.

    :param outside: files and folders that no target may contain: the archive, the state directory.
    :raises UpkeepError: when one cannot be replaced.
    """
    found: list[str] = []
    mounts = mount_points()
    for target in targets:
        if not os.path.isabs(target) or ".." in target.split("/") or "\0" in target:
            raise UpkeepError(f"target: {plain(target, 300)!r} is no absolute path without ..")
        path = os.path.normpath("/" + target.lstrip("/"))
        if path == "/":
            raise UpkeepError("target: the root of the system cannot be exchanged; restore the folders in it")
        parent = os.path.realpath(os.path.dirname(path))
        path = os.path.join(parent, os.path.basename(path))
        _refuse_mounts(path, mounts)
        for inner in outside:
            if is_below(os.path.realpath(inner), path):
                raise UpkeepError(f"target: {path} contains {inner}, which would be moved away with it; keep that elsewhere")
        found.append(path)
    for number, path in enumerate(found):
        for other in found[:number] + found[number + 1 :]:
            if path == other:
                raise UpkeepError(f"target: {path} is given twice")
            if is_below(path, other):
                raise UpkeepError(f"target: {path} lies in {other}; give the outer one only")
    return found


def is_below(path: str, directory: str) -> bool:
    """Tell whether a path is a directory or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def mount_points() -> list[str]:
    """Return where something is mounted, as this process sees it.

    :raises UpkeepError: when that cannot be found out.
    """
    try:
        with open("/proc/self/mountinfo", "rb") as stream:
            fields = [line.split(b" ") for line in stream]
    except OSError as exc:
        raise UpkeepError(f"cannot find out what is mounted: {exc.strerror}") from exc
    paths = [_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), parts[4]) for parts in fields if len(parts) > 4]
    return [os.fsdecode(path) for path in paths]


def _refuse_mounts(target: str, mounts: Sequence[str]) -> None:
    if target in mounts:
        raise UpkeepError(f"{target} is a mount point and cannot be exchanged; restore the folders in it, or unmount it before")
    below = sorted(path for path in mounts if is_below(path, target))
    if below:
        raise UpkeepError(f"{below[0]} is a mount point below {target} and would move away with it; unmount it before")


def refuse_kind(target: str, root: str) -> None:
    """Refuse a target that is of another kind than what is to be restored there.

    :param root: type of the member that becomes the target, or an empty text when it is a directory without a member.
    :raises UpkeepError: when one is a directory and the other is none, or the target is a link.
    """
    try:
        status = os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as exc:
        raise UpkeepError(f"cannot look at {target}: {exc.strerror}") from exc
    if stat.S_ISLNK(status.st_mode) and root != SYMLINK:
        raise UpkeepError(
            f"{target} is a symbolic link to {plain(os.readlink(target), 300)}; give the place it leads to, or remove the link"
        )
    is_directory = stat.S_ISDIR(status.st_mode)
    if is_directory != (root in ("", "directory")):
        here, there = ("a directory", f"a {root}") if is_directory else ("no directory", "a directory")
        raise UpkeepError(f"{target} is {here}, and in the archive it is {there}; move it away before")


def refuse_full_disk(targets: Sequence[str], amounts: Sequence[Amount]) -> None:
    """Refuse when a file system has no room for all that is to be written to it beside what is there.

    :raises UpkeepError: saying how much is missing where.
    """
    wanted: dict[int, tuple[str, int, int]] = {}
    for target, amount in zip(targets, amounts):
        place = existing_parent(target)
        device = os.stat(place).st_dev
        _place, size, members = wanted.get(device, (place, 0, 0))
        wanted[device] = (place, size + amount.disk_bytes, members + amount.members)
    for place, size, members in wanted.values():
        refuse_space_at(place, size, members)


def refuse_space_at(place: str, size: int, members: int) -> None:
    """Refuse when the file system of a directory has no room for so many bytes and files.

    :raises UpkeepError: saying how much is needed and how much is free.
    """
    free = os.statvfs(place)
    room = (free.f_bfree if os.geteuid() == 0 else free.f_bavail) * free.f_frsize
    if size > room:
        raise UpkeepError(
            f"{place}: {bytes_text(size)} are needed beside the present files, and {bytes_text(room)} are free; nothing was changed"
        )
    if free.f_files and members > free.f_ffree:
        raise UpkeepError(f"{place}: {members} new files are needed, and {free.f_ffree} inodes are free; nothing was changed")


def existing_parent(path: str) -> str:
    """Return the nearest directory above a path that is there."""
    parent = os.path.dirname(path)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    return parent
