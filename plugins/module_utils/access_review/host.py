# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The narrow view of the host that a review of access has: bounded files, names in folders, who may write them.

The root is injectable, so that a folder of prepared files can stand for another host. Files of users are hostile: one may be a pipe, a
device or without end. Links are followed, since those who use the files follow them too; what is read is never shown as it is.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import NamedTuple

MAX_BYTES = 4 * 1024 * 1024
MAX_NAMES = 10_000

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Absent(Exception):
    """There is no such file."""


class Unseen(Exception):
    """The file is there, and what is in it could not be seen; the message completes "<path> …"."""


class Rights(NamedTuple):
    """Who owns a file and what its mode is, without the type."""

    owner: int
    mode: int

    @property
    def others_may_write(self) -> bool:
        """True when group or others may write."""
        return bool(self.mode & (stat.S_IWGRP | stat.S_IWOTH))


class Host:
    """The files of one host.

    :param root: the folder that stands for ``/``.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def located(self, path: str) -> str:
        """Return where the absolute path of the host is found from here."""
        return path if self._root == "/" else posixpath.join(self._root, path.lstrip("/"))

    def read(self, path: str, limit: int = MAX_BYTES) -> tuple[bytes, Rights]:
        """Return the content of a regular file, and its rights.

        :raises Absent: when there is none.
        :raises Unseen: with the reason, also when it has more than ``limit`` bytes.
        """
        place = self.located(path)
        try:
            if not stat.S_ISREG(os.stat(place).st_mode):  # to open some devices is to act
                raise Unseen("is no regular file")
            descriptor = os.open(place, _FLAGS)
            with os.fdopen(descriptor, "rb") as stream:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise Unseen("is no regular file")
                data = stream.read(limit + 1)
                if data is None:  # such as /proc/kmsg, to which a link of a user may lead
                    raise Unseen("has nothing to read now and would let a reader wait")
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise Absent from exc
        except OSError as exc:
            raise Unseen(f"could not be read ({exc.strerror})") from exc
        except ValueError as exc:
            raise Unseen(f"is no path ({exc})") from exc
        if len(data) > limit:
            raise Unseen(f"has more than {limit} bytes")
        return data, Rights(status.st_uid, stat.S_IMODE(status.st_mode))

    def rights(self, path: str) -> Rights | None:
        """Return the rights of a file or folder, or None when they cannot be seen."""
        try:
            status = os.stat(self.located(path))
        except (OSError, ValueError):
            return None
        return Rights(status.st_uid, stat.S_IMODE(status.st_mode))

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder.

        :raises Absent: when there is none.
        :raises Unseen: with the reason.
        """
        try:
            found = sorted(os.listdir(self.located(path)))
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise Absent from exc
        except OSError as exc:
            raise Unseen(f"could not be listed ({exc.strerror})") from exc
        if len(found) > MAX_NAMES:
            raise Unseen(f"holds more than {MAX_NAMES} names")
        return found
