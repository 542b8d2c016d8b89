# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup has left out, on purpose or because it cannot be in an archive; listed up to a bound, counted beyond it."""

from __future__ import annotations

import os

_MOST_BYTES = 1024 * 1024


class _Bounded:
    """A list that says how many more there were."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self.more = 0
        self._bytes = 0

    def add(self, path: str, key: str, value: str) -> None:
        path = path if path.isascii() else os.fsencode(path).decode("utf-8", "surrogateescape")
        self._bytes += len(path) * (1 if path.isascii() else 6) + len(value) + 40
        if self._bytes > _MOST_BYTES:
            self.more += 1
        else:
            self.rows.append({"path": path, key: value})

    def __len__(self) -> int:
        return len(self.rows) + self.more


class LeftOut:
    """Both lists.

    :ivar excluded: the top of each subtree that a pattern left out, with ``pattern``.
    :ivar skipped: what could not be a member, with ``reason``.
    """

    def __init__(self) -> None:
        self.excluded = _Bounded()
        self.skipped = _Bounded()

    def exclude(self, path: str, pattern: str) -> None:
        """List something that a pattern left out."""
        self.excluded.add(path, "pattern", pattern)

    def skip(self, path: str, reason: str) -> None:
        """List something that is no file, folder or link, or is gone."""
        self.skipped.add(path, "reason", reason)
