# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Links on the way to a file that root reads and shows lines of.

Whoever may make a link in the path of a log could have any file of the host read and shown. So a link is followed only when
root made it, or the owner of the file to which it leads: that one may read it anyway. A user other than root is led nowhere
where it has no rights.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Collection

_MAX_LINKS = 40


def foreign_link(path: str, descriptor: int) -> str | None:
    """Return the link of somebody else by which a file was reached, or None.

    :param path: absolute. :param descriptor: of the file that was opened by it.
    :raises FileNotFoundError: when the path leads to another file now, or nowhere: a rotation, or somebody who exchanges links.
    """
    status = os.fstat(descriptor)
    link = _first_foreign(path, (0, status.st_uid)) if os.geteuid() == 0 else None
    if link is None and not os.path.samestat(os.stat(path), status):
        raise FileNotFoundError(errno.ENOENT, "was exchanged for another file just now", path)
    return link


def _first_foreign(path: str, trusted: Collection[int]) -> str | None:
    names, folder, links = path.split("/"), "/", 0
    while names:
        name = names.pop(0)
        if name in ("", "."):
            continue
        step = posixpath.join(folder, name) if name != ".." else posixpath.dirname(folder)
        status = os.lstat(step)
        if not stat.S_ISLNK(status.st_mode):
            folder = step
            continue
        links += 1
        if status.st_uid not in trusted or links > _MAX_LINKS:
            return step
        target = os.readlink(step)
        names[:0] = target.split("/")
        folder = "/" if target.startswith("/") else folder
    return None
