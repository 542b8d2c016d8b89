# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup has left out, on purpose or because it cannot be in an archive; listed up to a bound, counted beyond it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: The reason of a directory at which another file system is mounted.
OTHER_FILE_SYSTEM = "another file system"

_MOST_BYTES = 1024 * 1024
_MOST_ROWS = 100
_MOST_NAMED = 3


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


def skipped_check(label: str, left_out: LeftOut, vanished: int = 0) -> dict[str, Any]:
    """Return the check ``backup.skipped``: another file system that nobody left out on purpose is a warning.

    :param vanished: how many files besides went away while they were read.
    """
    count = len(left_out.skipped) + vanished
    others = [row["path"] for row in left_out.skipped.rows if row["reason"] == OTHER_FILE_SYSTEM]
    if others:
        summary = f"What is mounted at {named_paths(others, len(others))} is not in the backup."
        hint = "Set one_file_system to false, or name what is left out on purpose in exclude."
        return check_result("backup.skipped", label, WARNING, summary, value=count, unit="count", hint=hint)
    summary = f"{count} sockets, pipes, devices and vanished files are not in the backup." if count else "Nothing was skipped."
    return check_result("backup.skipped", label, OK, summary, value=count, unit="count")


def named_paths(paths: Sequence[str], count: int) -> str:
    """Return the first of ``count`` paths, and how many more there are."""
    named = ", ".join(plain(path, 100) for path in paths[:_MOST_NAMED])
    return f"{named} and {count - _MOST_NAMED} more" if count > _MOST_NAMED else named


def shown_rows(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the first rows as they can be shown."""
    return [{key: plain(value) for key, value in row.items()} for row in rows[:_MOST_ROWS]]
