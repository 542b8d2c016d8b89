# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of a host as they are, and as they can be written down: a name may hold any byte but zero and a slash."""

from __future__ import annotations

import base64
import os
import stat
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_SHOWN = 500


def shown(path: bytes) -> str:
    """Return a path for people."""
    return plain(os.fsdecode(path), MAX_SHOWN)


def named(path: bytes) -> dict[str, str]:
    """Return a path as JSON carries it: for people, and exactly."""
    return {"path": shown(path), "raw": base64.b64encode(path).decode("ascii")}


def path_of(raw: str) -> bytes:
    """Return the path that :func:`named` wrote down.

    :raises UpkeepError: when it is none.
    """
    try:
        path = base64.b64decode(raw, validate=True)
    except ValueError:
        path = b""
    if not path.startswith(b"/") or b"\0" in path:
        raise UpkeepError(f"{plain(raw, 80)!r} is no path in base64")
    return path


def kind_of(mode: int) -> str:
    """Return what a mode is that of."""
    for name, test in (
        ("file", stat.S_ISREG), ("folder", stat.S_ISDIR), ("link", stat.S_ISLNK), ("pipe", stat.S_ISFIFO), ("socket", stat.S_ISSOCK),
    ):
        if test(mode):
            return name
    return "device"


def status_of(status: os.stat_result) -> dict[str, Any]:
    """Return the status of a file; its times are seconds since 1970 as text, since nanoseconds are more than JSON readers count."""
    return {
        "size": status.st_size, "mode": f"{status.st_mode:o}", "uid": status.st_uid, "gid": status.st_gid, "links": status.st_nlink,
        "device": status.st_dev, "inode": status.st_ino,
        "modified": _seconds(status.st_mtime_ns), "changed": _seconds(status.st_ctime_ns), "accessed": _seconds(status.st_atime_ns),
    }


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{whole}.{rest:09d}"
