# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file systems behind paths: bytes and inodes as ``df`` counts them, mount point, device, read-only or not."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import MAX_SUBJECT_CHARACTERS
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import share
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/self/mountinfo``."""

    mount_point: str
    file_system: str
    device: str


def parse_mountinfo(text: str) -> list[Mount]:
    """Return the mounts in the order they were made; lines that cannot be read are left out."""
    mounts = []
    for line in text.splitlines():
        front, separator, back = line.partition(" - ")
        first, last = front.split(" "), back.split(" ")
        if separator and len(first) >= 6 and len(last) >= 2:
            mounts.append(Mount(_unescaped(first[4]), last[0], _unescaped(last[1])))
    return mounts


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount that holds the real path ``path``: the deepest, and of equals the last, which hides the rest."""
    found: Mount | None = None
    for mount in mounts:
        point = mount.mount_point.rstrip("/") + "/"
        if (path.rstrip("/") + "/").startswith(point) and (
            found is None or len(mount.mount_point) >= len(found.mount_point)
        ):
            found = mount
    return found


def file_system_row(path: str, answer: Mapping[str, Any], mounts: Sequence[Mount]) -> dict[str, Any]:
    """Return the figures of the file system that holds ``path``.

    Used space is used / (used + available to ordinary users), so that 100 % is where a service meets a full disk;
    blocks reserved for root belong to neither. A file system that has no fixed number of inodes (btrfs, some network
    ones) has None for inodes.

    :param answer: what the probe of the path said: ``problem``, or the figures of ``statvfs``.
    """
    if "problem" in answer:
        return {"path": plain(path, MAX_SUBJECT_CHARACTERS), "problem": answer["problem"]}
    size = answer["f_frsize"] or answer["f_bsize"]
    used, available = answer["f_blocks"] - answer["f_bfree"], answer["f_bavail"]
    inodes_used = answer["f_files"] - answer["f_ffree"]
    has_inodes = answer["f_files"] > 0
    # Names arrive as the file system has them; the list of mounts was decoded, so the path must be too.
    mount = mount_of(decode(os.fsencode(answer["real_path"])), mounts)
    return {
        "path": plain(path, MAX_SUBJECT_CHARACTERS),
        "mount_point": plain(mount.mount_point) if mount else None,
        "device": plain(mount.device) if mount else None,
        "file_system": mount.file_system if mount else None,
        "read_only": answer["read_only"],
        "total_bytes": answer["f_blocks"] * size,
        "used_bytes": used * size,
        "available_bytes": available * size,
        "reserved_bytes": max(0, answer["f_bfree"] - available) * size,
        "used_percent": share(used, used + available),
        "inodes_total": answer["f_files"] if has_inodes else None,
        "inodes_used": inodes_used if has_inodes else None,
        "inodes_used_percent": share(inodes_used, inodes_used + answer["f_favail"]) if has_inodes else None,
    }


def file_system_rows(
    paths: Sequence[str], answers: Mapping[str, Mapping[str, Any]], mountinfo: str
) -> list[dict[str, Any]]:
    """Return one row for each path; paths on one file system share one reading, so that their rows agree.

    A folder with a quota of its own (XFS) says its quota in place of the size of the file system: that is another reading.
    """
    mounts = parse_mountinfo(mountinfo)
    shared_by: dict[tuple[int, int], Mapping[str, Any]] = {}
    rows = []
    for path in paths:
        answer = answers[path]
        if "problem" not in answer:
            shared = shared_by.setdefault((answer["st_dev"], answer["f_blocks"]), answer)
            # Which mount a path is reached through, and whether that mount is read-only, stays its own.
            answer = {**shared, "real_path": answer["real_path"], "read_only": answer["read_only"]}
        rows.append(file_system_row(path, answer, mounts))
    return rows


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
