# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two copies of a manifest: the file beside an archive, and the last member of the archive itself."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, file_chunks
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.comparing import Comparison
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BECOME_HINT
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MAX_HEADER_BYTES, MEMBER_NAME, sidecar_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import read_lines
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.quick_comparing import QuickComparison
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

#: A manifest of a million members has about 300 MiB.
_MAX_KEPT_BYTES = 1024 * 1024 * 1024
_MAX_DUMPS = 1000
_MEMBER_NAME = MEMBER_NAME.encode("ascii")
_DUMPS = b"dumps/"


class _LinesDigest:
    """The digest of all that follows the first line of a manifest: the header of the copy beside an archive says more.

    :ivar first: the first line, with its line feed.
    """

    def __init__(self) -> None:
        self.first = b""
        self._in_first = True
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> bytes:
        """Take some bytes of the manifest; return those of them that follow its first line."""
        if self._in_first:
            at = data.find(b"\n") + 1
            self.first += data[:at] if at else data
            self._in_first = not at and len(self.first) <= MAX_HEADER_BYTES
            data = data[at:] if at else b""
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class SidecarCopy:
    """The manifest beside an archive, open while the ``with`` block runs.

    :ivar absent: there is none.
    :ivar problem: why it cannot be used; its message is a part of a sentence whose subject is the manifest.
    :ivar header: its header, with ``archive``; empty when it cannot be used.
    """

    def __init__(self, archive_path: str, limits: Limits) -> None:
        self._limits = limits
        self._path = sidecar_path(archive_path)
        self._descriptor = -1
        self._lines_digest = _LinesDigest()
        self.absent = False
        self.problem: ArchiveProblem | None = None
        self.header: dict[str, Any] = {}

    @property
    def usable(self) -> bool:
        return bool(self.header)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of its members, from the first one on.

        :raises ArchiveProblem: as :func:`read_lines`.
        """
        _header, lines = read_lines(self._chunks())
        yield from lines

    def pieces(self) -> Iterator[bytes]:
        """Yield all that follows its first line, as it is read."""
        digest = self._lines_digest = _LinesDigest()
        for chunk in file_chunks(self._descriptor, Budget(self._limits, 0)):
            yield digest.update(chunk)

    def digest(self) -> str:
        """Return the digest of the lines; meaningful when all of them were read, the last time that they were."""
        return self._lines_digest.hexdigest()

    def __enter__(self) -> SidecarCopy:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise Damaged("is no file")
            header, _lines = read_lines(self._chunks())
            if "archive" not in header:
                raise Damaged("does not say which archive it belongs to")
            self.header = header
        except ArchiveProblem as problem:
            self.problem = problem
        except OSError as error:
            self._note(error)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _note(self, error: OSError) -> None:
        if error.errno == errno.ENOENT:
            self.absent = True
        elif error.errno == errno.ELOOP:
            self.problem = Damaged("is a symbolic link, which is not followed")
        else:
            hint = BECOME_HINT if error.errno in (errno.EACCES, errno.EPERM) else ""
            self.problem = Unread(f"cannot be opened: {error.strerror}", hint=hint)

    def _chunks(self) -> Iterator[bytes]:
        digest = self._lines_digest = _LinesDigest()
        for chunk in file_chunks(self._descriptor, Budget(self._limits, 0)):
            digest.update(chunk)
            yield chunk


class InsideCopy:
    """The manifest inside an archive, taken as the archive is read.

    :param keep: keep it in a file without a name, so that it can be read again.
    :ivar seen: there is one.
    :ivar dumps: name and bytes of the members that are dumps.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._lines_digest = _LinesDigest()
        self._spool: IO[bytes] | None = None
        self._problem: ArchiveProblem | None = None
        self._header: dict[str, Any] | None = None
        self._bytes = 0
        self.seen = False
        self.dumps: dict[str, int] = {}

    def __enter__(self) -> InsideCopy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._spool is not None:
            self._spool.close()

    @property
    def foreign(self) -> bool:
        """A file that only has the name of a manifest: nothing of it looks like one that was written here."""
        return self.seen and not self._lines_digest.first.lstrip().startswith(b'{"schema"')

    @property
    def problem(self) -> ArchiveProblem | None:
        """Why it cannot be used, or None."""
        self._read_header()
        return self._problem

    @property
    def header(self) -> dict[str, Any]:
        """Its header, empty when it cannot be used."""
        self._read_header()
        return self._header or {}

    @property
    def backup_id(self) -> str:
        return str(self.header.get("backup_id", ""))

    def digest(self) -> str:
        return self._lines_digest.hexdigest()

    def update(self, data: bytes) -> None:
        """Take some of its bytes."""
        self._lines_digest.update(data)
        if not self._keep or self._problem is not None:
            return
        self._bytes += len(data)
        try:
            if self._spool is None:
                # /tmp is memory on many systems.
                directory = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
                self._spool = tempfile.TemporaryFile(dir=directory)  # pylint: disable=consider-using-with
            if self._bytes > _MAX_KEPT_BYTES:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            self._spool.write(data)
        except OSError as error:
            self._problem = Unread(f"could not be kept aside ({error.strerror})", hint="Make room in /var/tmp.")

    def chunks(self) -> Iterator[bytes]:
        """Yield its bytes again."""
        if self._spool is None:
            return
        self._spool.seek(0)
        while True:
            chunk = self._spool.read(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk

    def _read_header(self) -> None:
        if self._header is not None or self._problem is not None or not self.seen:
            return
        try:
            self._header, _lines = read_lines([self._lines_digest.first])
        except ArchiveProblem as problem:
            self._problem = problem


class Watching:
    """Sends the members of an archive to who compares them, and its last one, the manifest, to the copy inside."""

    def __init__(self, comparison: Comparison | QuickComparison | None, inside: InsideCopy) -> None:
        self._comparison = comparison
        self._inside = inside
        self._in_manifest = False
        self.pass_over = comparison.pass_over if isinstance(comparison, QuickComparison) else None
        self.expected = comparison.expected if comparison is not None and comparison.hashes else None

    def begin(self, member: TarMember) -> bool:
        self._in_manifest = member.name == _MEMBER_NAME and member.is_file and not self._inside.seen
        if self._in_manifest:
            self._inside.seen = True
            return True
        if member.name.startswith(_DUMPS) and len(self._inside.dumps) < _MAX_DUMPS:
            self._inside.dumps[decode(member.name)] = member.size
        if self._comparison is None:
            return False
        return self._comparison.begin(member)

    def whole(self, member: TarMember, data: bytes | memoryview) -> None:
        comparison, name = self._comparison, member.name
        if comparison is None or not comparison.hashes or name == _MEMBER_NAME or name.startswith(_DUMPS):
            if self.begin(member):
                self.update(data)
            self.end()
        else:
            comparison.whole(member, data)

    def update(self, data: bytes | memoryview) -> None:
        if self._in_manifest:
            self._inside.update(bytes(data))
        elif self._comparison is not None:
            self._comparison.update(data)

    def end(self) -> None:
        if self._comparison is not None and not self._in_manifest:
            self._comparison.end()
