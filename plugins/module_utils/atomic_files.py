# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are wholly old or wholly new: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

TEMPORARY_PREFIX = ".upkeep-"
TEMPORARY_SUFFIX = ".new"


def make_private_directory(path: Path, mode: int = 0o700) -> bool:
    """Create a directory and its parents unless it is there; return whether it was created.

    :param mode: of the last directory when it is created here; one that exists keeps its mode.
    :raises UpkeepError: when it cannot be created, or something else has its name.
    """
    if path.is_dir():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode)
    except FileExistsError as exc:
        if path.is_dir():
            return False  # another run was faster
        raise UpkeepError(f"{exc.filename} exists and is no directory; move it away or choose another directory") from exc
    except OSError as exc:
        raise UpkeepError(f"cannot create the directory {path}: {exc.strerror}") from exc
    return True


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by a file with ``content``; killed at any moment, the old file or the new one is there.

    :param mode: permissions of the file, set before it holds a byte.
    :raises UpkeepError: when it cannot be written (no room, no right); the old file is then untouched.
    """
    with replacing(path, mode) as stream:
        stream.write(content)


def read_whole(path: Path, most_bytes: int) -> bytes | None:
    """Return the content of a file that this collection wrote for itself, or None when there is none.

    What lies there instead, such as a pipe or a folder, is empty; of a file that is too large ``most_bytes`` + 1 bytes are returned.

    :raises UpkeepError: when it cannot be read, or is a link, which this collection never makes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                return stream.read(most_bytes + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc


class Unwanted(Exception):
    """Raised in a block of :func:`replacing`: the old file is to stay."""


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes ``path`` when the block has ended; until then the old file is there.

    :param mode: permissions of the file, set before it holds a byte.
    :raises UpkeepError: when it cannot be written (no room, no right), also by the block; the old file is then untouched.
    """
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(TEMPORARY_SUFFIX, f"{TEMPORARY_PREFIX}{path.name}-", path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        temporary = None
    except Unwanted:
        return
    except OSError as exc:
        raise UpkeepError(f"cannot write {path}: {exc.strerror}; the previous file is unchanged") from exc
    finally:
        if temporary is not None:
            try:
                os.unlink(temporary)
            except OSError:
                pass  # remove_leftovers() takes it next time
    try:
        sync_directory(path.parent)
    except OSError as exc:
        raise UpkeepError(f"{path} is written, but a power cut may undo that: {exc.strerror}") from exc


def sync_directory(path: Path) -> None:
    """Make a rename in ``path`` survive a power cut, on file systems that can (some network ones cannot)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(directory: Path, *, now: float, min_age_seconds: float = 3600.0) -> list[str]:
    """Remove temporary files that a killed run left in ``directory``; return their names.

    Only this module's own names, and only older than ``min_age_seconds``: a younger one may be somebody's work.

    :param now: seconds since the epoch.
    """
    removed = []
    for entry in os.scandir(directory):
        if not (entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX)):
            continue
        try:
            if entry.is_file(follow_symlinks=False) and now - entry.stat(follow_symlinks=False).st_mtime > min_age_seconds:
                os.unlink(entry.path)
                removed.append(entry.name)
        except FileNotFoundError:
            continue  # another run was faster
    return sorted(removed)
