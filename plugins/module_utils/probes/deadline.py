# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One deadline for everything an attempt does, however many reads that takes."""

from __future__ import annotations

import time
from typing import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken


class Deadline:
    """The time an attempt has, from its creation.

    :param limit_seconds: how long the attempt may take.
    :param clock: monotonic seconds; injected by tests.
    """

    def __init__(self, limit_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_seconds = limit_seconds
        self._clock = clock
        self._start = clock()

    def elapsed(self) -> float:
        """Return the seconds since the attempt began."""
        return self._clock() - self._start

    def remaining(self, doing: str = "gave no complete answer") -> float:
        """Return the seconds that are left, always more than zero.

        :raises Broken: when none are left; ``doing`` says what the service failed to do in time.
        """
        left = self.limit_seconds - self.elapsed()
        if left <= 0:
            raise Broken(f"{doing} within {self.limit_seconds:g} s")
        return left

    def sooner(self, limit_seconds: float) -> Deadline:
        """Return a deadline this many seconds from now, or at the end of this one when that comes first."""
        return Deadline(min(limit_seconds, max(0.0, self.limit_seconds - self.elapsed())), self._clock)
