# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What reading an archive has shown, and who is told of its members meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.hashing_beside import ExpectedDigests
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember

MAX_PROBLEMS = 20


@dataclass
class Contents:
    """What reading an archive to its end, or as far as possible, has shown.

    :ivar format: of the file itself.
    :ivar members: members of the file itself.
    :ivar inner: how many archives inside were read.
    :ivar inner_left_out: how many were not, by the exclusions or by depth.
    :ivar problems: what is wrong, of the file and of archives inside (their name in ``member``).
    :ivar problem_count: how many those are; ``problems`` is bounded.
    :ivar missing: required patterns that no member fits.
    :ivar checksums: every byte of the contents is covered by a checksum of the format.
    :ivar gap_bytes: bytes of a zip archive that belong to nothing in it.
    :ivar sha256: of the file itself, when that was asked for and every byte of it was read; else empty.
    :ivar quick: it was read quickly (``quick`` of :func:`read_archive`).
    :ivar ended: the file itself was read to its end, whatever is wrong with archives inside it.
    """

    format: str = ""
    members: int = 0
    inner: int = 0
    inner_left_out: int = 0
    unpacked_bytes: int = 0
    problems: list[ArchiveProblem] = field(default_factory=list)
    problem_count: int = 0
    missing: list[str] = field(default_factory=list)
    checksums: bool = True
    gap_bytes: int = 0
    sha256: str = ""
    quick: bool = False
    ended: bool = False

    def add(self, problem: ArchiveProblem) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            # Without the frames in which it was raised: they hold what was being read.
            problem.__traceback__ = problem.__context__ = None
            self.problems.append(problem)


class Watcher(Protocol):
    """Is told of the members of a tar archive as they are read, those of archives inside it left out.

    :ivar expected: takes digests that members must have, when a process is there that hashes them; None when none would be added.
    :ivar pass_over: takes members that lie wholly in a chunk and of which nobody else needs to be told. It is given the chunk, where in
        it a member begins, and where that is in the unpacked archive; returns where the first member begins that it did not take, and
        how many it took. None when it would take none.
    """

    @property
    def expected(self) -> ExpectedDigests | None:
        """See above."""

    @property
    def pass_over(self) -> Callable[[Chunk, int, int], tuple[int, int]] | None:
        """See above."""

    def whole(self, member: TarMember, data: bytes | memoryview) -> None:
        """Take the next member, a file, with all its contents, in place of the three calls below; they are gone afterwards."""

    def begin(self, member: TarMember) -> bool:
        """Take the next member; return whether its contents are wanted."""

    def update(self, data: bytes | memoryview) -> None:
        """Take some of its contents, in whatever thread reads them; they are gone afterwards."""

    def end(self) -> None:
        """It has no more contents."""
