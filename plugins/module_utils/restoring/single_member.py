# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One member of a backup as a stream, such as the dump of a database, compared with the manifest while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import FILE, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import ArchiveSource, opened_archive, sentence
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


@contextmanager
def open_member(path: str, name: str, *, limits: Limits) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Give a file of an archive of ours: its record in the manifest, and its contents in chunks.

    Only when the chunks have ended without an error are they what was packed: whoever uses them before must be able to
    take that back, as a transaction does.

    :param name: of the member, such as ``dumps/neurosense``.
    :raises UpkeepError: when there is no such file, the archive is damaged, or the contents are not what the manifest says;
        also while the chunks are read.
    """
    with opened_archive(path, limits, manifest_required=True) as source:
        record = _record(source, name)
        chunks = _checked(source, record)
        try:
            yield record, chunks
        finally:
            chunks.close()


def _record(source: ArchiveSource, name: str) -> Member:
    found: list[Member] = []

    def look(member: Member) -> None:
        if member.name == name:
            found.append(member)

    source.each_member(look)
    if len(found) != 1 or found[0].type != FILE:
        raise UpkeepError(f"{source.path} has no file {plain(name, 200)}")
    return found[0]


def _checked(source: ArchiveSource, record: Member) -> Generator[bytes, None, None]:
    digest = hashlib.sha256()
    size = 0
    try:
        for chunk in source.contents_of(record.name):
            digest.update(chunk)
            size += len(chunk)
            yield chunk
        if (size, digest.hexdigest()) != (record.size, record.sha256):
            raise Damaged("has other contents than when it was packed", member=plain(record.name, 300))
    except ArchiveProblem as problem:
        raise UpkeepError(sentence(source.path, problem)) from problem
