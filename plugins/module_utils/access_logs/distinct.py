# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many different things there were, in little room: the smallest of their hashes tell (a KMV sketch).

Up to as many as are kept the number is exact. Hashes of text differ from one start of Python to the next, but not between a
process and those it forks, whose sketches are merged.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable

_HALF = sys.maxsize + 1


class Distinct:
    """The smallest hashes of what was seen.

    :ivar hashes: at most ``kept``, the smallest first.
    """

    __slots__ = ("hashes", "kept")

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.hashes = array("q")

    def add(self, things: Iterable[str]) -> None:
        """Note some different things."""
        self.add_hashes(map(hash, things))

    def add_hashes(self, hashes: Iterable[int]) -> None:
        """Note the hashes of some things."""
        if len(self.hashes) == self.kept:
            largest = self.hashes[-1]
            hashes = [number for number in hashes if number < largest]
            if not hashes:
                return
        self.hashes = array("q", sorted({*self.hashes, *hashes})[: self.kept])

    def count(self) -> int:
        """Return how many different things there were: exact while they are fewer than are kept, then an estimate."""
        if len(self.hashes) < self.kept:
            return len(self.hashes)
        # Hashes are spread evenly over 64 bits: the more there are, the nearer the k-th smallest is to the beginning.
        share = (self.hashes[-1] + _HALF) / (2 * _HALF)
        return round((self.kept - 1) / share)
