# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How often each of very many things occurs, in little room: the frequent ones are kept, and what is lost is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import nsmallest
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.distinct import Distinct

KEPT = 10_000


class Busiest:
    """Counts things, and lets go of the rarest when they are too many.

    Whoever comes back after that is counted from then on: a figure is never too high, and too low by at most ``missing``. With
    fewer than twice ``kept`` different things every figure is exact.

    :param sketch: how many hashes tell how many different things there were; 0 when nobody asks.
    :ivar counts: how often each was seen.
    :ivar folded: how many occurrences are not in it.
    :ivar missing: by how many a figure can be too low.
    """

    def __init__(self, kept: int = KEPT, sketch: int = 0) -> None:
        self.kept = kept
        self._different = Distinct(sketch) if sketch else None
        self.counts: Counter[Any] = Counter()
        self.folded = 0
        self.missing = 0

    def add(self, things: Iterable[Any]) -> None:
        """Count some things, at most some thousands at a time."""
        self.counts.update(things)
        if len(self.counts) > 2 * self.kept:
            self._shrink()

    def merge(self, other: Busiest) -> None:
        """Add what another has counted."""
        self.counts.update(other.counts)
        self.folded += other.folded
        self.missing += other.missing
        if self._different is not None and other._different is not None:
            self._different.add_hashes(other._different.hashes)
        if len(self.counts) > 2 * self.kept:
            self._shrink()

    def top(self, number: int) -> list[tuple[Any, int]]:
        """Return the most frequent things; of equally frequent ones those that come first in the alphabet."""
        return nsmallest(number, self.counts.items(), key=lambda item: (-item[1], str(item[0])))

    def different(self) -> Distinct:
        """Return how many different things there were; it must have been asked for with ``sketch``."""
        if self._different is None:
            raise AssertionError("nobody asked for it")
        self._different.add(self.counts)
        return self._different

    def _shrink(self) -> None:
        if self._different is not None:
            self.different()  # whoever is let go of was there
        ranked = sorted(self.counts.values(), reverse=True)
        least = ranked[self.kept]
        kept = Counter({thing: number for thing, number in self.counts.items() if number > least})
        self.folded += sum(ranked) - sum(kept.values())
        self.missing += least
        self.counts = kept
