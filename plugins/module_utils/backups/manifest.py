# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest of a backup: what is in the archive, one JSON object of which every member has a line of its own.

The keys of a line begin with what a tar header can show, too, and end with what only the manifest knows, so that a reader
compares the beginning of a line and does not have to parse it. ``manifest_reading`` reads it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

SCHEMA = 1
#: The last member of an archive, which the manifest itself does not list.
MEMBER_NAME = "manifest.json"
#: A name and a target of 4096 bytes, each written as \udcXX, have room; a longer line was not written here.
MAX_LINE_BYTES = 64 * 1024
MAX_HEADER_BYTES = 4 * 1024 * 1024

FILE, DIRECTORY, SYMLINK, HARDLINK = "file", "directory", "symlink", "hardlink"
TYPES = (FILE, DIRECTORY, SYMLINK, HARDLINK)

_SIDECAR_SUFFIX = ".manifest.json"
_SPOOL_CHUNK_BYTES = 256 * 1024
_text = json.encoder.encode_basestring_ascii


class Member(NamedTuple):
    """One member of the archive.

    :ivar name: in the archive, a directory without a slash at its end; bytes that are no UTF-8 as lone surrogates
        (surrogateescape), and so for ``target``.
    :ivar type: one of TYPES.
    :ivar size: bytes of a file, 0 for all else.
    :ivar sha256: of the contents of a file, 64 lower-case hexadecimal digits; empty for all else.
    :ivar target: where a symbolic link points, or the name of the member that a hard link is another name of.
    :ivar mode: permissions, at most 0o7777.
    :ivar mtime_ns: time of the last change, in nanoseconds since 1970; the archive has only its whole seconds.
    :ivar source: the source that it belongs to, empty for dumps.
    :ivar torn: the file changed while it was read, and what is in the archive may be no state that it ever had.
    """

    name: str
    type: str
    size: int = 0
    sha256: str = ""
    target: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    mtime_ns: int = 0
    source: str = ""
    torn: bool = False


def sidecar_path(archive_path: str) -> str:
    """Return where the manifest beside an archive is."""
    return archive_path + _SIDECAR_SUFFIX


def member_line(member: Member) -> bytes:
    """Return the line of a member: JSON in ASCII, without the comma and the line feed behind it."""
    if member.type == FILE:
        held = b'"size":%d,"sha256":"%b",' % (member.size, member.sha256.encode("ascii"))
    elif member.type == DIRECTORY:
        held = b""
    else:
        held = b'"target":%b,' % quoted(member.target)
    return b'{"name":%b,"type":"%b",%b%b%d%b%b}' % (
        quoted(member.name), member.type.encode("ascii"), held,
        owner_and_mode(member.mode, member.uid, member.gid, member.user, member.group), member.mtime_ns,
        b',"source":' + quoted(member.source) if member.source else b"", b',"torn":true' if member.torn else b"",
    )


@lru_cache(maxsize=10_000)
def owner_and_mode(mode: int, uid: int, gid: int, user: str, group: str) -> bytes:
    """Return what stands in a line between the contents of a member and its time; a tree has few different ones."""
    return b'"mode":"%04o","uid":%d,"gid":%d,"user":%b,"group":%b,"mtime_ns":' % (mode, uid, gid, quoted(user), quoted(group))


def quoted(text: str) -> bytes:
    """Return a text as a line has it, with its quotation marks."""
    return _text(text).encode("ascii")


class ManifestWriter:
    """Keeps the lines of the members in a file without a name until the archive is written.

    :param directory: where that file is; None is the directory for temporary files.
    :ivar members: how many there are.
    :raises UpkeepError: when the file cannot be made.
    """

    def __init__(self, directory: str | None = None) -> None:
        self.members = 0
        self._bytes = 0
        try:
            # Closed by close(), and by the end of the process.
            self._spool = tempfile.TemporaryFile(dir=directory)  # pylint: disable=consider-using-with
        except OSError as exc:
            raise UpkeepError(f"cannot keep the manifest in {directory or tempfile.gettempdir()}: {exc.strerror}") from exc

    def add(self, member: Member) -> None:
        """Add the line of a member.

        :raises UpkeepError: when it cannot be written, or is longer than any reader takes.
        """
        line = member_line(member)
        if len(line) > MAX_LINE_BYTES:
            raise UpkeepError(f"the name of {plain(member.name, 200)} is too long for a manifest; leave it out (exclude)")
        data = b",\n" + line if self.members else b"\n" + line
        try:
            self._spool.write(data)
        except OSError as exc:
            raise UpkeepError(f"cannot keep the manifest: {exc.strerror}; make room where temporary files are") from exc
        self.members += 1
        self._bytes += len(data)

    def size(self, header: Mapping[str, Any]) -> int:
        """Return how many bytes :meth:`chunks` yields."""
        return len(_begin(header)) + self._bytes + len(_END)

    def chunks(self, header: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the manifest; as often as it is asked for, with the same members.

        :param header: its keys besides ``schema`` and ``members``, in the order in which they are to appear. The manifest
            beside the archive has ``archive`` (name, bytes, sha256) besides, the one inside cannot.
        :raises UpkeepError: when the header is longer than any reader takes, or the lines cannot be read.
        """
        yield _begin(header)
        try:
            self._spool.seek(0)
            while chunk := self._spool.read(_SPOOL_CHUNK_BYTES):
                yield chunk
        except OSError as exc:
            raise UpkeepError(f"cannot read the manifest again: {exc.strerror}") from exc
        yield _END

    def close(self) -> None:
        self._spool.close()


_END = b"\n]}\n"


def _begin(header: Mapping[str, Any]) -> bytes:
    kept = {key: value for key, value in header.items() if key not in ("schema", "members")}
    data = json.dumps({"schema": SCHEMA, **kept, "members": []}, allow_nan=False).encode("ascii")[:-2]
    if len(data) > MAX_HEADER_BYTES:
        raise UpkeepError("the manifest has too much besides its members; give fewer sources and paths")
    return data
