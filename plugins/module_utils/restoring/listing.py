# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest of an archive, from the file beside it or from its last member, to be read as often as is needed."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, read_at
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, Member, sidecar_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member, read_lines

#: No real manifest inside an archive is larger: 10 000 000 members.
_MOST_BYTES = 4 * 1024**3
#: What is in each of ours, and where.
_SIGNS, _BEGINNING_BYTES = (b'"backup_id"', b'"members": [\n{"name":'), 64 * 1024
#: The line of a file or a directory as ``manifest.member_line`` writes most of them: a tenth of the time that JSON takes.
_TEXT = rb'"([^"\\\x00-\x1f\x7f-\xff]*)"'
_NUMBER = rb"(0|[1-9][0-9]{0,18})"
PLAIN_LINE = re.compile(
    rb'\{"name":"([^"\\\x00-\x1f\x7f-\xff]+)","type":"(?:file","size":' + _NUMBER + rb',"sha256":"([0-9a-f]{64})|directory)",'
    rb'"mode":"([0-7]{4})","uid":' + _NUMBER + rb',"gid":' + _NUMBER + rb',"user":' + _TEXT + rb',"group":' + _TEXT
    + rb',"mtime_ns":(-?(?:0|[1-9][0-9]{0,18}))(?:,"source":' + _TEXT + rb')?(,"torn":true)?\}'
)


class Listing:
    """A manifest whose form is checked while it is read.

    :ivar header: its keys without ``members``.
    :ivar beside: it is the file beside the archive.
    """

    def __init__(self, descriptor: int, *, beside: bool) -> None:
        """:raises ArchiveProblem: when its beginning is none of a manifest."""
        self._descriptor = descriptor
        self.beside = beside
        self.header: dict[str, Any] = read_lines(self._chunks())[0]

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the members as they are.

        :raises ArchiveProblem: about the manifest.
        """
        try:
            yield from read_lines(self._chunks())[1]
        except (Damaged, Unread) as problem:
            raise about_manifest(problem) from None

    def close(self) -> None:
        os.close(self._descriptor)

    def _chunks(self) -> Iterator[bytes]:
        offset = 0
        while chunk := read_at(self._descriptor, offset, CHUNK_BYTES):
            offset += len(chunk)
            yield chunk


def member_of(line: bytes, number: int) -> Member:
    """Return what a line of a manifest says.

    :param number: which line it is, for messages.
    :raises ArchiveProblem: about the manifest.
    """
    match = PLAIN_LINE.fullmatch(line)
    if match is None:
        try:
            return parse_member(line, number)
        except (Damaged, Unread) as problem:
            raise about_manifest(problem) from None
    name, size, sha256, mode, uid, gid, user, group, mtime_ns, source, torn = match.groups(b"")
    return Member(
        name.decode(), FILE if sha256 else DIRECTORY, int(size or 0), sha256.decode(), "", int(mode, 8), int(uid), int(gid), user.decode(), group.decode(),
        int(mtime_ns), source.decode(), bool(torn),
    )


def about_manifest(problem: ArchiveProblem) -> ArchiveProblem:
    """Return a problem whose subject is the manifest as one whose subject is the archive."""
    return Damaged(f"has a manifest that {problem.message}")


def open_sidecar(archive_path: str, archive_bytes: int) -> Optional[Listing]:
    """Return the manifest beside an archive, or None when there is none.

    :raises ArchiveProblem: when it cannot be read, is no manifest, or that of another archive.
    """
    path = sidecar_path(archive_path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        what = "is a link" if error.errno == errno.ELOOP else f"cannot be opened ({error.strerror})"
        raise Unread(f"has a manifest beside it that {what}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Damaged("has a manifest beside it that is no file")
        try:
            listing = Listing(descriptor, beside=True)
        except ArchiveProblem as problem:
            raise about_manifest(problem) from None
        archive = listing.header.get("archive")
        if archive is None:
            raise Damaged("has a manifest beside it that does not say of which archive it is")
        if archive["bytes"] != archive_bytes:
            raise Damaged(
                f"has {archive_bytes} bytes, and the manifest beside it is of an archive of {archive['bytes']}: "
                "it is damaged, or the manifest is that of another backup"
            )
        return listing
    except BaseException:
        os.close(descriptor)
        raise


def keep_inner(chunks: Iterable[bytes], size: int) -> Optional[Listing]:
    """Keep the contents of a member that is called like a manifest; return None when it is none.

    :raises Unread: when there is no room for it, or it was written by a later version.
    :raises Damaged: when it is one of ours, and damaged.
    """
    if size > _MOST_BYTES:
        return None
    directory = next((path for path in ("/var/tmp", tempfile.gettempdir()) if os.access(path, os.W_OK)), None)
    with tempfile.TemporaryFile(dir=directory) as file:
        try:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
        except OSError as error:
            raise Unread(f"has a manifest for which {directory} has no room ({error.strerror})") from None
        descriptor = os.dup(file.fileno())
    try:
        return Listing(descriptor, beside=False)
    except Damaged as problem:
        # A file of somebody else may have this name. One of ours that is damaged must not let its hashes go uncompared.
        is_ours = any(sign in os.pread(descriptor, _BEGINNING_BYTES, 0) for sign in _SIGNS)
        os.close(descriptor)
        if is_ours:
            raise about_manifest(problem) from None
        return None
    except BaseException:
        os.close(descriptor)
        raise
