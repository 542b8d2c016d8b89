# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""File systems that are not walked into: those that are made up by the kernel, and those on other hosts, which may not answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_MADE_UP = {
    "proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "tracefs", "securityfs", "pstore", "bpf", "configfs", "efivarfs", "mqueue",
    "hugetlbfs", "fusectl", "binfmt_misc", "rpc_pipefs", "nsfs", "selinuxfs", "autofs",
}
_ELSEWHERE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "glusterfs", "lustre", "ocfs2", "gfs2"}
_OCTAL = re.compile(rb"\\([0-7]{3})")


def avoided_mounts(mountinfo: bytes) -> dict[bytes, str]:
    """Return what is not walked into: by mount point the type of the file system.

    Known from the kernel's list alone, since to look at a mount point can wait for another host.
    """
    found: dict[bytes, str] = {}
    for line in mountinfo.splitlines():
        fields, _dash, rest = line.partition(b" - ")
        parts, kind = fields.split(b" "), rest.split(b" ")[0].decode("ascii", "replace")
        if len(parts) < 5:
            continue
        point = _OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), parts[4])
        if kind in _MADE_UP or kind in _ELSEWHERE or kind.partition(".")[0] == "fuse":
            found[point] = kind
        else:
            found.pop(point, None)  # something else was mounted over it
    # A container may have its root on one.
    found.pop(b"/", None)
    return found


def read_mounts() -> dict[bytes, str]:
    """Return them for this host; nothing when the kernel does not tell."""
    try:
        return avoided_mounts(MOUNTS.read_bytes())
    except OSError:
        return {}


def avoided_type(path: bytes, mounts: Mapping[bytes, str]) -> str:
    """Return the type of the file system that a path is in or below, when it is one to avoid; otherwise ''."""
    parts = path.split(b"/")
    for length in range(len(parts), 0, -1):
        kind = mounts.get(b"/".join(parts[:length]))
        if kind:
            return kind
    return ""
