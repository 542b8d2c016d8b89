# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names of an archive contradict each other, in eight bytes for each name, so that a million of them fit into memory."""

from __future__ import annotations

from array import array
from collections.abc import Collection

_BUCKETS = 256
#: One name that clashes is enough to refuse an archive.
_ENOUGH = 1000


class NameIndex:
    """Collects the names of all members; then tells those that clash by their hashes, which the names are to be asked for again.

    Python's own hash is keyed anew in each process. Two names with one hash are looked at twice, and nothing else follows.
    """

    def __init__(self) -> None:
        self._leaves = _table()
        self._directories = _table()
        self._above = _table()
        self._link_targets = _table()
        self._last_parent = b""

    def add(self, path: bytes, *, is_directory: bool, link_target: bytes | None = None) -> None:
        """Note a member.

        :param path: of the form that ``member_rules.checked_path`` returns.
        :param link_target: of a hard link, the member that it is another name of.
        """
        number = hash(path)
        (self._directories if is_directory else self._leaves)[number % _BUCKETS].append(number)
        if link_target is not None:
            number = hash(link_target)
            self._link_targets[number % _BUCKETS].append(number)
        parent = path.rpartition(b"/")[0]
        if parent != self._last_parent:
            last, self._last_parent = self._last_parent + b"/", parent
            while parent and not last.startswith(parent + b"/"):
                number = hash(parent)
                self._above[number % _BUCKETS].append(number)
                parent = parent.rpartition(b"/")[0]

    def suspects(self) -> set[int]:
        """Return the hashes of names that stand twice, are a directory and something else, or are linked to and not there."""
        found: set[int] = set()
        for leaves, directories, above, targets in zip(self._leaves, self._directories, self._above, self._link_targets):
            files, folders = set(leaves), set(directories)
            if len(files) < len(leaves):
                found |= _repeated(leaves)
            if len(folders) < len(directories):
                found |= _repeated(directories)
            found |= files & folders | files.intersection(above) | set(targets) - files
            if len(found) > _ENOUGH:
                break
        return found


def _table() -> list[array[int]]:
    return [array("q") for _bucket in range(_BUCKETS)]


def _repeated(numbers: Collection[int]) -> set[int]:
    seen: set[int] = set()
    return {number for number in numbers if number in seen or seen.add(number)}  # type: ignore[func-returns-value]
