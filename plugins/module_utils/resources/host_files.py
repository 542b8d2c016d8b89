# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The narrow view of the host that the measurements have: text files, names in a folder, links, owners.

The root is injectable, so that a folder of prepared files can stand for another host.
"""

from __future__ import annotations

import os
from typing import IO

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

#: Room for the sockets of a very busy host (150 bytes each); nothing else comes near.
MAX_BYTES = 32 * 1024 * 1024
#: The kernel sets aside as much memory as is asked for, and refuses files below /proc/sys beyond some size.
_CHUNK_BYTES = 64 * 1024


class Unmeasurable(Exception):
    """A figure could not be had; the message is a sentence part that says why."""


class HostFiles:
    """Reads of ``/proc``, ``/sys`` and a few other places of one host.

    :param root: the folder that stands for ``/``.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def located(self, path: str) -> str:
        """Return where the absolute ``path`` of the host is found from here."""
        return path if self._root == "/" else os.path.join(self._root, path.lstrip("/"))

    def read(self, path: str) -> str:
        """Return the text of a file.

        :raises Unmeasurable: when it cannot be read.
        """
        try:
            with open(self.located(path), "rb", buffering=0) as stream:
                return decode(_read_bounded(stream))
        except OSError as exc:
            raise Unmeasurable(f"{path} cannot be read: {exc.strerror}") from exc

    def read_if_present(self, path: str) -> str | None:
        """Return the text of a file, or None when it cannot be read, for whatever reason."""
        try:
            return self.read(path)
        except Unmeasurable:
            return None

    def exists(self, path: str) -> bool:
        """Return whether something is at ``path``."""
        return os.path.exists(self.located(path))

    def names(self, path: str) -> list[str]:
        """Return the names in a folder; none when it cannot be listed."""
        try:
            return os.listdir(self.located(path))
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """Return what a symbolic link says, or None when it cannot be read."""
        try:
            return os.readlink(self.located(path))
        except OSError:
            return None

    def owner(self, path: str) -> int | None:
        """Return the user id that owns ``path``, or None when it is gone."""
        try:
            return os.stat(self.located(path)).st_uid
        except OSError:
            return None


def _read_bounded(stream: IO[bytes]) -> bytes:
    data = bytearray()
    while len(data) < MAX_BYTES:
        chunk = stream.read(_CHUNK_BYTES)
        if not chunk:
            break
        data += chunk
    return bytes(data)
