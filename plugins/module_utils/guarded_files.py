# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a file that proves something only when nobody else can have written it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Forgeable(UpkeepError):
    """Others than root and this user could have written the file, or it is none that this collection made."""


def read_guarded(path: Path, most_bytes: int) -> bytes | None:
    """Return the content of a file, or None when there is none.

    :raises Forgeable: when it is a link or no file, or others can write it or exchange it in its folder.
    :raises UpkeepError: when it cannot be read, or has more than ``most_bytes``.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise Forgeable(f"{path} is a link, which this module never makes") from exc
        raise UpkeepError(f"{path} cannot be read ({exc.strerror})") from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Forgeable(f"{path} is no file")
        for name, one in ((path, status), (path.parent, os.stat(path.parent))):
            if one.st_uid not in (0, os.geteuid()) or one.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise Forgeable(f"others than root can write {name}")
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(most_bytes + 1)
    except OSError as exc:
        raise UpkeepError(f"{path} cannot be read ({exc.strerror})") from exc
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise UpkeepError(f"{path} is larger than this collection makes it")
    return data
