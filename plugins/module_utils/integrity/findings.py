# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pass found: counts that are exact, and lists that are bounded."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.examining import Outcome
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import Record, differences, read_line, unescaped

ADDED, REMOVED, CHANGED = "added", "removed", "changed"

#: Changes that are kept to be listed and explained; more are counted.
MAX_CHANGES = 20_000
MAX_UNREADABLE = 1000


@dataclass
class Change:
    """One path that is not as it was accepted.

    :ivar kind: ADDED, REMOVED or CHANGED.
    :ivar differences: what differs of a changed one: [before, after] by attribute.
    :ivar explained_by: the package that brought it, or ''.
    """

    kind: str
    before: Record | None
    after: Record | None
    differences: dict[str, list[Any]] = field(default_factory=dict)
    explained_by: str = ""

    @property
    def record(self) -> Record:
        """What is there, or what was."""
        record = self.after or self.before
        if record is None:
            raise AssertionError("a change is of something")
        return record

    @property
    def path(self) -> str:
        """The path."""
        return self.record.path

    @property
    def is_grave(self) -> bool:
        """True when something gained the rights of others, or is another program that has them."""
        return self.after is not None and self.after.runs_with_rights_of_others


@dataclass
class Findings:
    """What differs from a baseline.

    :ivar counts: by kind of change.
    :ivar unlisted_grave: whether one that is not listed runs with the rights of others.
    :ivar unreadable: paths and why; bounded, the count is exact.
    :ivar unwatched_count: paths of the baseline that are there and were not looked at; a few are named.
    """

    unchanged: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {ADDED: 0, REMOVED: 0, CHANGED: 0})
    changes: list[Change] = field(default_factory=list)
    unlisted_grave: bool = False
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unreadable_count: int = 0
    unwatched: list[str] = field(default_factory=list)
    unwatched_count: int = 0

    @property
    def differing(self) -> int:
        """How many paths differ."""
        return sum(self.counts.values())

    @property
    def explained(self) -> int:
        """How many of them a package explains."""
        return sum(1 for change in self.changes if change.explained_by)

    def take(self, outcome: Outcome, is_there: Callable[[str], bool]) -> None:
        """Note what became of one path.

        :param is_there: tells whether a path exists, of one that the walk did not meet.
        :raises ValueError: when the line of the baseline is none.
        """
        before, after, problem = outcome
        if before == after and not problem:
            self.unchanged += before is not None  # otherwise it came and went
            return
        if problem:
            self.unreadable_count += 1
            if len(self.unreadable) < MAX_UNREADABLE:
                path, _tab, reason = problem.partition("\t")
                self.unreadable.append((unescaped(path), reason))
            return
        old = read_line(before) if before else None
        new = read_line(after) if after else None
        if old is not None and new is not None:
            what = differences(old, new)
            if what:
                self._add(Change(CHANGED, old, new, what))
            else:
                self.unchanged += 1
        elif new is not None:
            self._add(Change(ADDED, None, new))
        elif old is not None:
            self._take_missing(old, is_there)

    def _take_missing(self, old: Record, is_there: Callable[[str], bool]) -> None:
        if not is_there(old.path):
            self._add(Change(REMOVED, old, None))
            return
        self.unwatched_count += 1
        if len(self.unwatched) < 5:
            self.unwatched.append(old.path)

    def _add(self, change: Change) -> None:
        self.counts[change.kind] += 1
        if len(self.changes) < MAX_CHANGES:
            self.changes.append(change)
        elif change.is_grave:
            self.unlisted_grave = True


def exists(path: str) -> bool:
    """Tell whether a path is there; what cannot be told counts as there, since nobody saw it gone."""
    try:
        os.lstat(path)
    except OSError as exc:
        return exc.errno not in (errno.ENOENT, errno.ENOTDIR)
    return True
