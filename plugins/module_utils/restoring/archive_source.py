# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive that is to be restored: held open, its members checked by name, and then written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BECOME_HINT
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import FILE, MEMBER_NAME, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.extracting import Extractor
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.listing import Listing, keep_inner, member_of, open_sidecar
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import Rules, as_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.name_checks import NameChecks, PromisedSize
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.owners import Owners
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.reading_members import (
    Usual,
    Visit,
    tar_contents,
    visit_members,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.tree_writing import TreeWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Names of members with which backups of ours begin.
_BEGINNINGS = ("files/", "dumps/")
#: So many members an archive of another tool may have; nobody vouches for it.
MEMBERS_WITHOUT_MANIFEST = 500_000


class ArchiveSource:
    """An open archive.

    :ivar path: of the file.
    :ivar listing: its manifest, or None when it has none of ours.
    """

    def __init__(self, path: str, limits: Limits, descriptor: int, inside: str) -> None:
        self.path = path
        self.listing: Optional[Listing] = None
        self._limits = limits
        self._descriptor = descriptor
        self._inside = inside
        self._bytes = os.fstat(descriptor).st_size

    @property
    def header(self) -> Optional[dict[str, Any]]:
        """The manifest without its members, or None."""
        return self.listing.header if self.listing else None

    def find_manifest(self, *, required: bool, members_without: int) -> None:
        """Look for the manifest beside the archive, else read the archive to its last member.

        :param members_without: how many members are allowed when there is none.
        :raises ArchiveProblem: when it is that of another archive, or there is none and it is required.
        """
        if not self._inside:
            self.listing = open_sidecar(self.path, self._bytes)
            if self.listing is None:
                self.listing = self._inner_manifest()
        if self.listing is None:
            self._limits = replace(self._limits, members=members_without)
        if self.listing is None and required:
            raise Unread("has no manifest of this collection", hint="Give manifest: optional to restore an archive of another tool.")

    def check_names(self, selection: Selection, rules: Rules) -> NameChecks:
        """Check all members before anything is written.

        :raises ArchiveProblem: naming the one that is refused.
        """
        checks = NameChecks(selection, rules, self._budget())
        if self.listing is None:
            self.each_member(checks.add)
        else:
            for line, number in self._lines(self.listing):
                checks.add_line(line, number)
        checks.finish(self.each_member)
        return checks

    def each_member(self, take: Callable[[Member], None]) -> None:
        """Call ``take`` with each member, as the manifest lists it, else as the archive has it."""
        if self.listing is None:
            self._visit(lambda member, _chunks: take(member))
            return
        for line, number in self._lines(self.listing):
            take(member_of(line, number))

    def extract(
        self, selection: Selection, rules: Rules, owners: str, bases: Sequence[int], roots: Sequence[bytes], *,
        tolerant: bool = False, quick: bool = False,
    ) -> Extractor:
        """Write what is selected below open directories, one for each destination; return what was written.

        :param roots: names in these directories at which the destinations are made.
        :param tolerant: write contents that differ from the manifest, and count them.
        :param quick: read gzip by the quickest program there is; a problem is then one to look at again without it.
        :raises ArchiveProblem: when something is not as the manifest says.
        :raises UpkeepError: when something cannot be written.
        """
        writers = [TreeWriter(base) for base in bases]
        try:
            extractor = Extractor(selection, rules, Owners(owners), writers, roots, self.listing, tolerant=tolerant)
            usual = extractor.usual if self.listing is not None else None
            self._visit(extractor, usual=usual, quick=quick and self.listing is not None)
            try:
                extractor.finish()
            except OSError as exc:
                raise UpkeepError(f"a directory could not be finished: {exc.strerror}; nothing was changed") from exc
            return extractor
        finally:
            for writer in writers:
                writer.close()

    def contents_of(self, name: str) -> Iterator[bytes]:
        """Yield the contents of a file of a tar archive.

        :raises ArchiveProblem: when it is not there, or the archive is damaged before its end.
        """
        return tar_contents(self._descriptor, as_bytes(name), self._budget())

    def close(self) -> None:
        if self.listing is not None:
            self.listing.close()
        os.close(self._descriptor)

    def _visit(self, visit: Visit, *, usual: Optional[Usual] = None, quick: bool = False) -> None:
        name = os.path.basename(self.path)
        visit_members(self._descriptor, name, self._budget(), visit, usual=usual, inside=self._inside, quick=quick)

    def _lines(self, listing: Listing) -> Iterator[tuple[bytes, int]]:
        """Yield the lines of the members and their numbers, within the limits."""
        budget = self._budget()
        for number, line in enumerate(listing.lines(), 2):
            budget.member()
            if not number % 1000:
                budget.check_time()
            yield line, number

    def _budget(self) -> Budget:
        return Budget(self._limits, self._bytes)

    def _inner_manifest(self) -> Optional[Listing]:
        """Return the manifest that is the last member, or None."""
        last = _LastMember(self._budget())
        try:
            self._visit(last.look)
        except _NotOurs:
            return None
        except BaseException:
            last.forget()
            raise
        return last.listing


class _NotOurs(Exception):
    """The archive does not begin as those of this collection do."""


class _LastMember:
    """Keeps the manifest when it is the last member of an archive."""

    def __init__(self, budget: Budget) -> None:
        self.listing: Optional[Listing] = None
        self._first = True
        self._size = PromisedSize(budget)

    def look(self, member: Member, chunks: Iterator[bytes]) -> None:
        """Look at the next member.

        :raises _NotOurs: at the first one, when no backup of ours begins so; there is no need to read on.
        :raises Damaged: when something stands behind a manifest: the archive is ours, and not as it was packed.
        """
        if self.listing is not None:
            raise Damaged(f"stands behind {MEMBER_NAME}, which is the last member of each backup", member=plain(member.name, 300))
        is_manifest = member.name == MEMBER_NAME and member.type == FILE
        if self._first and not (is_manifest or member.name.startswith(_BEGINNINGS)):
            raise _NotOurs
        self._first = False
        self._size.add(member)
        if is_manifest:
            self.listing = keep_inner(chunks, member.size)

    def forget(self) -> None:
        """Close what was kept."""
        if self.listing is not None:
            self.listing.close()
            self.listing = None


@contextmanager
def opened_archive(
    path: str, limits: Limits, *, inside: str = "", manifest_required: bool = False, members_without: int = MEMBERS_WITHOUT_MANIFEST
) -> Iterator[ArchiveSource]:
    """Give an archive whose manifest was looked for; what is wrong with it in the block is raised as one sentence about it.

    :param inside: shell pattern of an archive inside that is meant.
    :param members_without: how many members an archive without our manifest may have.
    :raises UpkeepError: when it cannot be opened, or is damaged, refused or unknown.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        hint = BECOME_HINT if exc.errno in (errno.EACCES, errno.EPERM) else "Give the path of the archive itself."
        what = "is a symbolic link" if exc.errno == errno.ELOOP else f"cannot be opened: {exc.strerror}"
        raise UpkeepError(f"{path} {what}. {hint}") from exc
    source = ArchiveSource(path, limits, descriptor, inside)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UpkeepError(f"{path} is no file")
        source.find_manifest(required=manifest_required, members_without=members_without)
        yield source
    except ArchiveProblem as problem:
        raise UpkeepError(sentence(path, problem)) from problem
    finally:
        source.close()


def sentence(path: str, problem: ArchiveProblem) -> str:
    """Return a problem as one sentence, with the step that mends it."""
    where = f"its member {problem.member}" if problem.member else "it"
    hint = getattr(problem, "hint", "")
    if not hint and isinstance(problem, Damaged):
        hint = "Restore another backup; backup_verify says which are whole."
    return f"{path} is not restored, nothing was changed: {where} {problem.message}.{f' {hint}' if hint else ''}"
