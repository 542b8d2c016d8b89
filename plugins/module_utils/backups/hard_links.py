# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which member is another name of a file that is in the archive already."""

from __future__ import annotations

import os

#: Names are kept in memory; beyond this the further names of a file become members with its contents, which is only larger.
MOST_KEPT_BYTES = 24 * 1024 * 1024
#: What Python takes for an entry besides the name itself.
_ENTRY_BYTES = 400


class HardLinks:
    """Remembers files with several names until all of these were met."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[str, int, int, int]] = {}
        self._kept = 0

    def first_name(self, status: os.stat_result, name: str) -> str | None:
        """Return the member that has the contents of a file with several names, or None when it is to have them itself.

        A file that has changed since is no other name of what is in the archive.

        :param name: the member that asks; it is remembered when there is none yet.
        """
        identity = (status.st_dev, status.st_ino)
        known = self._known.get(identity)
        if known is not None and known[1:3] == (status.st_size, status.st_mtime_ns):
            first, size, mtime_ns, missing = known
            if missing > 1:
                self._known[identity] = (first, size, mtime_ns, missing - 1)
            else:
                del self._known[identity]
                self._kept -= _ENTRY_BYTES + len(first)
            return first
        if known is not None:
            self._kept -= _ENTRY_BYTES + len(known[0])
            del self._known[identity]
        if self._kept + _ENTRY_BYTES + len(name) <= MOST_KEPT_BYTES:
            self._known[identity] = (name, status.st_size, status.st_mtime_ns, status.st_nlink - 1)
            self._kept += _ENTRY_BYTES + len(name)
        return None
