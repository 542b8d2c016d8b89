# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the members of an archive to their places, each compared with its line of the manifest, and its contents with their hash."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import (
    DIRECTORY,
    FILE,
    MEMBER_NAME,
    SYMLINK,
    Member,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import read_lines
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.usual_lines import UsualLines, is_unescaped, owner_fields
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.listing import Listing, member_of
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import (
    Rules,
    as_bytes,
    as_text,
    check_symbolic_link,
    checked_name,
    checked_path,
    is_plain_path,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.owners import Owners
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.tree_writing import Attributes, TreeWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_SECOND = 1_000_000_000
_MOST_OWNERS = 10_000
_MOST_NAMES = 20
_SPECIAL_BITS = 0o6000
_MANIFEST = MEMBER_NAME.encode("ascii")

#: Path, time of the change in nanoseconds, source, and hash of a file or None when nobody knows it.
_Expected = tuple[bytes, int, str, Optional[str]]


@dataclass
class Written:
    """What was written to one destination."""

    members: int = 0
    bytes: int = 0


class Extractor:
    """Is called with each member of the archive and its contents.

    :ivar written: for each destination.
    :ivar differing: how many files had other contents than the manifest lists.
    :ivar differing_names: the first of them.
    """

    def __init__(
        self, selection: Selection, rules: Rules, owners: Owners, writers: Sequence[TreeWriter], roots: Sequence[bytes],
        listing: Optional[Listing], *, tolerant: bool = False,
    ) -> None:
        """
        :param tolerant: other contents than those the manifest lists are written and counted instead of refused.
        :param writers: one for each destination.
        :param roots: name below the base of each writer at which the destination is made; empty for the base itself.
        """
        self._selection = selection
        self._rules = rules
        self._owners = owners
        self._writers = writers
        self._roots = roots
        self._listing = listing
        self._lines: Optional[Iterator[bytes]] = listing.lines() if listing else None
        self._number = 1
        self._line_ahead: Optional[bytes] = None
        self._usual = UsualLines()
        self._known: dict[bytes, Optional[Attributes]] = {}
        self._manifest_seen = False
        self._tolerant = tolerant
        self.differing = 0
        self.differing_names: list[str] = []
        self.written = [Written() for _one in writers]

    def __call__(self, member: Member, chunks: Iterator[bytes]) -> None:
        """Write a member when it is selected.

        :raises ArchiveProblem: when it is not what the manifest says, or not what the check of the names has seen.
        :raises UpkeepError: when it cannot be written.
        """
        if self._listing is not None and member.name == MEMBER_NAME and member.type == FILE:
            self._check_inner(chunks)
            return
        path, mtime_ns, source, sha256 = self._expected(member) if self._lines is not None else self._unlisted(member)
        place = self._selection.locate(path, source)
        if place is None:
            return
        try:
            digest = self._write(member, mtime_ns, source, place, chunks)
        except OSError as exc:
            raise _not_written(member.name, member.target, self._selection.destinations[place[0]].target, exc) from exc
        if sha256 is not None and digest != sha256:
            self._other_contents(plain(member.name, 300))

    def usual(self, member: TarMember, data: Union[bytes, memoryview]) -> bool:
        """Write a file or make a directory that is as nearly all are; return False when it is to be looked at in full.

        :raises ArchiveProblem: when its contents are not those that the manifest says.
        :raises UpkeepError: when it cannot be written.
        """
        if member.name == _MANIFEST:
            return False
        line = self._next_line()
        attributes = self._attributes(member)
        path = member.name if member.is_file else member.name.rstrip(b"/")
        # What the line says was checked by name before; a tree is written downward in any case.
        fit = self._usual.fit(member, line) if line is not None and attributes is not None and is_plain_path(path) else None
        if fit is None or attributes is None or not is_unescaped(path):
            self._line_ahead = line
            return False
        place = self._selection.locate(path, fit.source)
        if place is None:
            return True
        number, relative = place
        attributes = Attributes(attributes.mode, attributes.uid, attributes.gid, int(fit.mtime_ns))
        try:
            if member.is_file:
                self._writers[number].whole_file(self._path(number, relative), attributes, data)
            else:
                self._writers[number].directory(self._path(number, relative), attributes)
        except OSError as exc:
            raise _not_written(as_text(path), "", self._selection.destinations[number].target, exc) from exc
        count = self.written[number]
        count.members += 1
        count.bytes += len(data)
        if fit.sha256 and hashlib.sha256(data).hexdigest().encode() != fit.sha256:
            self._other_contents(plain(as_text(path), 300))
        return True

    def _next_line(self) -> Optional[bytes]:
        """Return the next line, which is the one that was put back when there is one."""
        if self._line_ahead is not None:
            line, self._line_ahead = self._line_ahead, None
            return line
        if self._lines is None:
            return None
        self._number += 1
        return next(self._lines, None)

    def _attributes(self, member: TarMember) -> Optional[Attributes]:
        """Return what a member is restored with, but for its time; None when it has special bits."""
        fields = owner_fields(member)
        if fields in self._known:
            return self._known[fields]
        details = member.details()
        record = Member("", FILE, mode=details.mode, uid=details.uid, gid=details.gid, user=as_text(details.user), group=as_text(details.group))
        known = None if details.mode & _SPECIAL_BITS else self._owners.attributes(record, 0)
        if not member.records and len(self._known) < _MOST_OWNERS:
            self._known[fields] = known
        return known

    def finish(self) -> None:
        """Check that nothing is missing, and give the directories that are still open their attributes.

        :raises ArchiveProblem: when the manifest lists more than was in the archive.
        """
        if self._lines is not None:
            missing = self._next_line()
            if missing is not None:
                name = member_of(missing, self._number).name
                raise Damaged(f"lacks {plain(name, 300)}, which its manifest lists")
            if not self._manifest_seen:
                raise Damaged(f"lacks {MEMBER_NAME}, its last member")
        for writer in self._writers:
            writer.finish()

    def _write(self, member: Member, mtime_ns: int, source: str, place: tuple[int, bytes], chunks: Iterator[bytes]) -> str:
        """Write a member; return the SHA-256 of a file, else an empty text."""
        number, relative = place
        writer, path, digest = self._writers[number], self._path(number, relative), ""
        attributes = self._owners.attributes(member, mtime_ns)
        count = self.written[number]
        count.members += 1
        if member.type == FILE:
            size, digest = writer.file(path, attributes, chunks)
            count.bytes += size
        elif member.type == DIRECTORY:
            writer.directory(path, attributes)
        elif member.type == SYMLINK:
            check_symbolic_link(member, relative, as_bytes(self._selection.destinations[number].target), self._rules)
            writer.symbolic_link(path, as_bytes(member.target), attributes)
        else:
            target = self._selection.locate(checked_name(member.target, self._rules, of=member.name), source)
            if target is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            target_path = self._path(*target)
            if target[0] == number:
                writer.hard_link(path, target_path)
            else:
                # The targets may lie on different file systems.
                with self._writers[target[0]].reading(target_path) as stream:
                    count.bytes += writer.file(path, attributes, iter(lambda: stream.read(CHUNK_BYTES), b""))[0]
        return digest

    def _path(self, number: int, relative: bytes) -> bytes:
        root = self._roots[number]
        return root + b"/" + relative if root and relative else root or relative

    def _unlisted(self, member: Member) -> _Expected:
        return checked_path(member, self._rules), member.mtime_ns, "", None

    def _expected(self, member: Member) -> _Expected:
        """Return the path of a member, and what only the manifest says of it.

        :raises Damaged: when the header of the member says something else than the manifest.
        """
        line = self._next_line()
        if line is None:
            raise Damaged("is in the archive and not in its manifest", member=plain(member.name, 300))
        expected = member_of(line, self._number)
        # The hash is compared behind the contents; only the manifest has fractions of a second.
        same = expected._replace(sha256="", mtime_ns=expected.mtime_ns // _SECOND, source="", torn=False)
        if same != member._replace(mtime_ns=member.mtime_ns // _SECOND):
            if expected.name != member.name:
                other = plain(expected.name, 200)
                raise Damaged(f"is in the archive where its manifest has {other}", member=plain(member.name, 300))
            raise Damaged(f"is not what the manifest says: {_difference(member, expected)}", member=plain(member.name, 300))
        return checked_path(member, self._rules), expected.mtime_ns, expected.source, expected.sha256

    def _other_contents(self, name: str) -> None:
        if not self._tolerant:
            raise Damaged("has other contents than when it was packed", member=name)
        self.differing += 1
        if len(self.differing_names) < _MOST_NAMES:
            self.differing_names.append(name)

    def _check_inner(self, chunks: Iterator[bytes]) -> None:
        """See that the manifest in the archive is that of the same backup as the one that is compared."""
        self._manifest_seen = True
        if self._listing is None or not self._listing.beside:
            return
        try:
            header = read_lines(chunks)[0]
        except (Damaged, Unread) as problem:
            raise Damaged(f"has a {MEMBER_NAME} inside that {problem.message}") from None
        if header["backup_id"] != self._listing.header["backup_id"]:
            raise Damaged("has a manifest beside it that is of another backup than the one inside it")


def _difference(member: Member, expected: Member) -> str:
    for key, word in (("type", "type"), ("size", "bytes"), ("target", "link target"), ("uid", "owner"), ("gid", "group"),
                      ("user", "user"), ("group", "group")):
        one, other = getattr(member, key), getattr(expected, key)
        if one != other:
            return f"{word} {plain(str(one), 100)}, not {plain(str(other), 100)}"
    if member.mode != expected.mode:
        return f"mode {member.mode:04o}, not {expected.mode:04o}"
    return "another time of change"


def _not_written(name: str, link_target: str, target: str, exc: OSError) -> UpkeepError:
    name = plain(name, 300)
    if exc.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
        return UpkeepError(f"{name} contradicts another member of the archive ({exc.strerror}); {target} is unchanged")
    if exc.errno == errno.ENOENT:
        return UpkeepError(f"{name} is another name of {plain(link_target, 200)}, which does not stand before it; {target} is unchanged")
    return UpkeepError(f"{name} could not be written beside {target}: {exc.strerror}; {target} is unchanged")
