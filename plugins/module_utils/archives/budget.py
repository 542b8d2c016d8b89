# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What reading an archive may cost: time, members, unpacked bytes, memory of a decoder, depth. An archive is hostile data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread

#: So much may be unpacked whatever the ratio: a small archive of one large log is no bomb.
FREE_BYTES = 256 * 1024 * 1024
_LEAST_ARCHIVE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """The limits of one archive.

    :ivar deadline: moment of ``clock`` at which reading ends.
    :ivar ratio: unpacked bytes of all layers together, as a multiple of the size of the archive.
    :ivar members: members of the archive and of the archives inside together.
    :ivar decoder_bytes: memory that a decoder may use, in bytes.
    :ivar depth: how many layers of archives inside archives are opened.
    """

    deadline: float
    ratio: float = 1100.0
    members: int = 5_000_000
    decoder_bytes: int = 24 * 1024 * 1024
    depth: int = 2
    clock: Callable[[], float] = time.monotonic


class Budget:
    """What is spent of the limits while one archive is read."""

    def __init__(self, limits: Limits, archive_bytes: int) -> None:
        self.limits = limits
        self.unpacked_bytes = 0
        self.members = 0
        self._most_bytes = max(FREE_BYTES, int(limits.ratio * max(archive_bytes, _LEAST_ARCHIVE_BYTES)))

    @property
    def most_bytes(self) -> int:
        """How many bytes may be unpacked."""
        return self._most_bytes

    def check_time(self) -> None:
        """:raises Unread: when the time is over."""
        if self.limits.clock() > self.limits.deadline:
            raise Unread("was not read to its end: the time limit was reached", hint="Raise timeout_seconds.")

    def unpacked(self, count: int) -> None:
        """Count unpacked bytes.

        :raises Unread: when they are too many for the size of the archive, or the time is over.
        """
        self.unpacked_bytes += count
        if self.unpacked_bytes > self._most_bytes:
            raise Unread(
                f"was not read to its end: it unpacks to more than {self.limits.ratio:g} times its size",
                hint="Find out who made it; when it is right, raise max_ratio.",
            )
        self.check_time()

    def member(self, count: int = 1) -> None:
        """Count members.

        :raises Unread: when they are too many.
        """
        self.members += count
        if self.members > self.limits.members:
            raise Unread(
                f"was not read to its end: it has more than {self.limits.members} members",
                hint="Find out who made it; when it is right, raise max_members.",
            )
