# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn what was found into members: hashed, listed and packed in a thread, while the next files are read."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Union

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import tar_writer as tar
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.packing import Packer
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import manifest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.steady_reading import LargeFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import Found, unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What is handed to the thread at a time.
_BATCH_BYTES = 1024 * 1024
_BATCH_MEMBERS = 512
_ALONE_BYTES = 128 * 1024
_LOOK_SECONDS = 0.5

_KINDS = {
    manifest.FILE: tar.FILE,
    manifest.DIRECTORY: tar.DIRECTORY,
    manifest.SYMLINK: tar.SYMBOLIC_LINK,
    manifest.HARDLINK: tar.HARD_LINK,
}
_Batch = Union["list[Found]", None]


class ArchiveWriter:
    """Writes members in the order in which they come.

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

    def write_all(self, members: Iterable[Found], deadline: float) -> None:
        """Write the members that an iteration finds; a thread does, while this one finds the next.

        :param deadline: on the clock of ``time.monotonic``.
        :raises UpkeepError: when something cannot be read or written, or time is up.
        """
        batches: queue.Queue[_Batch] = queue.Queue(maxsize=1)
        failures: list[BaseException] = []
        thread = threading.Thread(target=self._take, args=(batches, failures), name="archive writer", daemon=True)
        thread.start()
        try:
            for batch in _batches(members):
                self._hand_over(batches, batch, failures, deadline)
            self._hand_over(batches, None, failures, deadline)
            while thread.is_alive() and not failures:
                thread.join(_LOOK_SECONDS)
                refuse_late(deadline)
        except BaseException:
            # What the thread waits for is ended here, and it finds a batch to end with.
            failures.append(UpkeepError("the backup was given up"))
            self._packer.abort()
            _empty(batches)
            thread.join()
            raise
        if failures:
            thread.join()
            raise failures[0]

    def write_last(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a member that is not listed, since it is the list.

        :param size: how many bytes the chunks have together.
        """
        now = int(time.time())
        owner = (os.geteuid(), os.getegid())
        entry = tar.TarEntry(name.encode(), tar.FILE, size, 0o600, *owner, user_name(owner[0]), group_name(owner[1]), now)
        self._pack(tar.header(entry))
        for chunk in chunks:
            self._pack(chunk)
        self._pack(tar.padding(size))

    def _hand_over(
        self, batches: queue.Queue[_Batch], batch: _Batch, failures: list[BaseException], deadline: float
    ) -> None:
        while True:
            if failures:
                raise failures[0]
            refuse_late(deadline)
            try:
                batches.put(batch, timeout=_LOOK_SECONDS)
                return
            except queue.Full:
                continue

    def _take(self, batches: queue.Queue[_Batch], failures: list[BaseException]) -> None:
        try:
            while not failures:
                batch = batches.get()
                if batch is None:
                    return
                self._write_batch(batch)
        except BaseException as error:  # belongs to who hands over
            failures.append(error)
            _empty(batches)

    def _write_batch(self, batch: list[Found]) -> None:
        parts: list[bytes] = []
        for found in batch:
            contents = found.contents
            if isinstance(contents, LargeFile):
                self._flush(parts)
                self._write_large(found, contents)
                continue
            data = contents or b""
            parts.append(self._header(found, len(data)))
            digest = ""
            if found.type == manifest.FILE:
                digest = hashlib.sha256(data).hexdigest()
                if len(data) > _ALONE_BYTES:
                    self._flush(parts)
                    self._pack(data)
                else:
                    parts.append(data)
                parts.append(tar.padding(len(data)))
            self._list(found, len(data), digest, found.torn)
        self._flush(parts)

    def _write_large(self, found: Found, contents: LargeFile) -> None:
        try:
            self._pack(self._header(found, contents.size))
            digest = hashlib.sha256()
            for chunk in contents.chunks():
                digest.update(chunk)
                self._pack(chunk)
        except OSError as exc:
            raise unreadable(found.name, exc) from exc
        finally:
            contents.close()
        self._pack(tar.padding(contents.size))
        self._list(found, contents.size, digest.hexdigest(), contents.torn)

    def _flush(self, parts: list[bytes]) -> None:
        self._pack(b"".join(parts))
        parts.clear()

    def _pack(self, data: bytes) -> None:
        self._packer.write(data)
        self.position += len(data)

    def _header(self, found: Found, size: int) -> bytes:
        status = found.status
        return tar.header(
            tar.TarEntry(
                found.name.encode("utf-8", "surrogateescape"), _KINDS[found.type], size, status.st_mode & 0o7777,
                status.st_uid, status.st_gid, user_name(status.st_uid), group_name(status.st_gid),
                status.st_mtime_ns // 1_000_000_000, found.target.encode("utf-8", "surrogateescape"),
            )
        )

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


def refuse_late(deadline: float) -> None:
    """Raise when time is up."""
    if time.monotonic() > deadline:
        raise UpkeepError("the backup took longer than timeout_seconds and was given up; allow more, or exclude more")


def _batches(members: Iterable[Found]) -> Iterator[list[Found]]:
    """Yield lists of members with about as many bytes as are worth a turn of the thread."""
    batch: list[Found] = []
    held = 0
    for found in members:
        batch.append(found)
        if isinstance(found.contents, bytes):
            held += len(found.contents)
        if held >= _BATCH_BYTES or len(batch) >= _BATCH_MEMBERS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _empty(batches: queue.Queue[_Batch]) -> None:
    """Let go of what waits, and of its open files; then let a thread that waits for more end."""
    while True:
        try:
            batch = batches.get_nowait()
        except queue.Empty:
            break
        for found in batch or ():
            if isinstance(found.contents, LargeFile):
                found.contents.close()
    try:
        batches.put_nowait(None)
    except queue.Full:
        pass


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
