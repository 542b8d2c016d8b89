# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files without a name, in which dumps are kept aside: nothing of them is left, whatever ends the process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.contents import DumpLook
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Kept:
    """A dump that is kept aside.

    :ivar descriptor: of its file, which has no name.
    :ivar look: its ends and its size.
    """

    descriptor: int
    look: DumpLook


@contextmanager
def kept_aside(chunks: Iterable[bytes], directory: str | None) -> Iterator[Kept]:
    """Give a dump as a file, since clients want to read it twice, or from several processes.

    :param directory: on whose file system it lies; None takes one that is no memory.
    :raises UpkeepError: when there is no room.
    """
    look = DumpLook()
    with unnamed_file(directory) as descriptor:
        fill(descriptor, look.watching(chunks))
        yield Kept(descriptor, look)


@contextmanager
def unnamed_file(directory: str | None) -> Iterator[int]:
    """Give the descriptor of an empty file that only this process, and who inherits it, can reach.

    :param directory: on whose file system it lies; None takes one that is no memory.
    :raises UpkeepError: when it cannot be made.
    """
    try:
        file = tempfile.TemporaryFile(dir=directory or roomy_directory())  # pylint: disable=consider-using-with
    except OSError as exc:
        raise UpkeepError(f"cannot keep a dump aside in {directory or roomy_directory()}: {exc.strerror}") from exc
    with file:
        yield file.fileno()


def roomy_directory() -> str:
    """Return a folder for large temporary files; /tmp is memory on many systems."""
    return next((path for path in ("/var/tmp", tempfile.gettempdir()) if os.access(path, os.W_OK)), "/tmp")


def free_in(directory: str) -> int | None:
    """Return the free bytes of the file system of a folder, or None when nobody here can tell."""
    try:
        room = os.statvfs(directory)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize


def fill(descriptor: int, chunks: Iterable[bytes]) -> int:
    """Write chunks to an open file and go back to its beginning; return how many bytes they were.

    :raises UpkeepError: when there is no room.
    """
    count = 0
    for chunk in chunks:
        view = memoryview(chunk)
        count += len(view)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except OSError as exc:
                raise UpkeepError(f"cannot keep a dump aside: {exc.strerror}; make room and start again") from exc
    os.lseek(descriptor, 0, os.SEEK_SET)
    return count


def chunks_of(descriptor: int) -> Iterator[bytes]:
    """Yield the contents of an open file from its beginning, without moving its position."""
    offset = 0
    while True:
        chunk = os.pread(descriptor, CHUNK_BYTES, offset)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk
