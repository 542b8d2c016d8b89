# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn what was found into members: hashed and listed, and packed in a thread while the next files are read."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import tar_writer as tar
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.packing import Packer
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import manifest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.steady_reading import SMALL_BYTES, LargeFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import Found, unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: What is handed to the thread at a time.
_BATCH_BYTES = 1024 * 1024
_BATCH_MEMBERS = 512
#: Contents from this size on leave memory when they are packed, and not only when their member is listed.
_LARGE_BYTES = 32 * 1024
#: So much may wait for the thread: as much as the largest file that is read whole, which takes that memory anyway. What is larger
#: waits alone.
_MOST_WAITING_BYTES = SMALL_BYTES
_LOOK_SECONDS = 0.5

TOO_LATE = "the backup took longer than timeout_seconds and was given up; allow more, or exclude more"

_KINDS = {
    manifest.FILE: tar.FILE,
    manifest.DIRECTORY: tar.DIRECTORY,
    manifest.SYMLINK: tar.SYMBOLIC_LINK,
    manifest.HARDLINK: tar.HARD_LINK,
}


class _Batch:
    """A piece of the archive.

    :ivar parts: its bytes.
    :ivar ended: members that end in it: what was found, its size, its SHA-256 or an empty text, and whether it was torn.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.ended: list[tuple[Found, int, str, bool]] = []
        self.bytes = 0


class ArchiveWriter:
    """Writes members in the order in which they come.

    One thread finds, reads and hashes, and does all that takes the time of Python; another one packs, which lets the first one
    run. What was just read is still in the cache of the first one's processor, so it is hashed there and not handed over for that.

    :param packer: takes the archive.
    :param listed: takes the line of each member.
    :ivar files: how many members are files with contents of their own.
    :ivar contents: bytes of these.
    :ivar position: bytes of the archive so far, before compression.
    :ivar torn: names of members that changed while they were read; at most MOST_TORN, and ``torn_count`` of all.
    """

    MOST_TORN = 100

    def __init__(self, packer: Packer, listed: manifest.ManifestWriter) -> None:
        self.files = self.contents = self.position = self.torn_count = 0
        self.torn: list[str] = []
        self._packer = packer
        self._listed = listed
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._done = threading.Condition()
        self._packed: deque[_Batch] = deque()
        self._failure: BaseException | None = None

    def write_all(self, members: Iterable[Found], deadline: float) -> None:
        """Write the members that an iteration finds.

        :param deadline: on the clock of ``time.monotonic``.
        :raises UpkeepError: when something cannot be read or written, or time is up.
        """
        thread = threading.Thread(target=self._pack_batches, name="archive writer", daemon=True)
        thread.start()
        try:
            for batch in self._batches(members):
                self._hand_over(batch, deadline)
            self._hand_over(None, deadline)
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                refuse_late(deadline)
            self._list_packed()
        except BaseException:
            # What the thread waits for ends here, and it does not begin with anything else.
            self._failure = self._failure or UpkeepError("the backup was given up")
            self._packer.abort("the backup was given up")
            self._waiting.put(None)
            thread.join()
            raise

    def write_last(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a member that is not listed, since it is the list.

        :param size: how many bytes the chunks have together.
        """
        user, group = os.geteuid(), os.getegid()
        parts = [
            tar.header(name.encode(), tar.FILE, size, 0o600, user, group, user_name(user), group_name(group), int(time.time()))
        ]
        for chunk in chunks:
            parts.append(chunk)
            self._packer.write(parts)
            parts = []
        self._packer.write([tar.padding(size)])
        self.position += tar.BLOCK + size + len(tar.padding(size))

    def _batches(self, members: Iterable[Found]) -> Iterator[_Batch]:
        """Yield the archive piece by piece."""
        batch = _Batch()
        for found in members:
            contents = found.contents
            if isinstance(contents, LargeFile):
                try:
                    for chunk in self._large(batch, found, contents):
                        yield batch
                        batch = chunk
                finally:
                    contents.close()
            else:
                self._add(batch, found, contents or b"")
            if batch.bytes >= _BATCH_BYTES or len(batch.ended) >= _BATCH_MEMBERS:
                yield batch
                batch = _Batch()
        yield batch

    def _add(self, batch: _Batch, found: Found, data: bytes) -> None:
        """Add a member whose contents are in memory."""
        size = len(data)
        head = self._header(found, size)
        batch.parts.append(head)
        digest = ""
        if found.type == manifest.FILE:
            digest = hashlib.sha256(data).hexdigest()
            if size >= _LARGE_BYTES:
                # What is packed is to leave memory, even when its member is yet to be listed.
                found = found._replace(contents=None)
            batch.parts.append(data)
            batch.parts.append(tar.padding(size))
        batch.bytes += len(head) + size
        self.position += len(head) + size + -size % tar.BLOCK
        batch.ended.append((found, size, digest, found.torn))

    def _large(self, batch: _Batch, found: Found, contents: LargeFile) -> Iterator[_Batch]:
        """Add the header to a batch, and yield further ones with the contents; the last is not full."""
        size = contents.size
        head = self._header(found, size)
        batch.parts.append(head)
        digest = hashlib.sha256()
        try:
            for data in contents.chunks():
                batch = _Batch()
                batch.bytes = len(data)
                batch.parts.append(data)
                digest.update(data)
                yield batch
        except OSError as exc:
            raise unreadable(found.name, exc) from exc
        batch.parts.append(tar.padding(size))
        batch.ended.append((found, size, digest.hexdigest(), contents.torn))
        self.position += len(head) + size + -size % tar.BLOCK

    def _header(self, found: Found, size: int) -> bytes:
        status = found.status
        return tar.header(
            found.name.encode("utf-8", "surrogateescape"), _KINDS[found.type], size, status.st_mode & 0o7777,
            status.st_uid, status.st_gid, user_name(status.st_uid), group_name(status.st_gid),
            status.st_mtime_ns // 1_000_000_000, found.target.encode("utf-8", "surrogateescape"),
        )

    def _hand_over(self, batch: _Batch | None, deadline: float) -> None:
        """Give a batch to the thread, as soon as it takes one; list those that it is done with."""
        size = batch.bytes if batch is not None else 0
        while True:
            self._list_packed()
            refuse_late(deadline)
            with self._done:
                if not self._waiting_bytes or self._waiting_bytes + size <= _MOST_WAITING_BYTES:
                    self._waiting_bytes += size
                    break
                self._done.wait(_LOOK_SECONDS)
        self._waiting.put(batch)

    def _list_packed(self) -> None:
        if self._failure is not None:
            raise self._failure
        while self._packed:
            for found, size, digest, torn in self._packed.popleft().ended:
                self._list(found, size, digest, torn)

    def _list(self, found: Found, size: int, digest: str, torn: bool) -> None:
        status = found.status
        if found.type == manifest.FILE:
            self.files += 1
            self.contents += size
        if torn:
            self.torn_count += 1
            if len(self.torn) < self.MOST_TORN:
                self.torn.append(found.name)
        self._listed.add(
            Member(
                found.name, found.type, size, digest, found.target, status.st_mode & 0o7777, status.st_uid, status.st_gid,
                user_name(status.st_uid), group_name(status.st_gid), status.st_mtime_ns, found.source, torn,
            )
        )

    def _pack_batches(self) -> None:
        """The thread: pack what is handed over."""
        try:
            while self._failure is None:
                batch = self._waiting.get()
                if batch is None:
                    return
                self._packer.write(batch.parts)
                batch.parts = []
                self._packed.append(batch)
                with self._done:
                    self._waiting_bytes -= batch.bytes
                    self._done.notify()
        except BaseException as error:  # belongs to who hands over
            self._failure = error
            with self._done:
                self._done.notify()


def refuse_late(deadline: float) -> None:
    """Raise when time is up."""
    if time.monotonic() > deadline:
        raise UpkeepError(TOO_LATE)


@lru_cache(maxsize=4096)
def user_name(uid: int) -> str:
    """Return the name of a user, or an empty text."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


@lru_cache(maxsize=4096)
def group_name(gid: int) -> str:
    """Return the name of a group, or an empty text."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return ""
