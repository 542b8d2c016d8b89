# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of backups: names that appear only when a backup is whole, and what killed runs left in it."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.packing import SUFFIXES, write_all
from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    make_private_directory,
    sync_directory,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import sidecar_path
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LETTING_GO_SECONDS, flock_within
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
#: Where a file system has no locks, a draft that was written to so lately is taken for one in use.
_IN_USE_SECONDS = 3600
_TIME = r"[0-9]{8}T[0-9]{6}Z"
_ENDINGS = "(?:" + "|".join(re.escape(suffix) for suffix in SUFFIXES.values()) + ")"
_SIDECAR = re.escape(sidecar_path(""))


def check_label(label: str) -> str:
    """Return a label that names backups.

    :raises UpkeepError: when a file could not be called so.
    """
    if not _LABEL.fullmatch(label):
        raise UpkeepError(
            f"label: {plain(label, 100) or 'an empty text'} is not accepted; give letters, digits, '.', '-' and '_', at most 100,"
            " the first no '.' or '-'"
        )
    return label


def time_text(moment: datetime) -> str:
    """Return how a moment is written in the name and the id of a backup."""
    return moment.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def archive_name(label: str, moment: datetime, compression: str) -> str:
    """Return the name of an archive."""
    return f"{label}_{time_text(moment)}{SUFFIXES[compression]}"


def prepare_folder(folder: Path) -> None:
    """Create the folder of backups, or see that the one that is there is safe.

    :raises UpkeepError: when it cannot be created, or others may exchange the files in it.
    """
    make_private_directory(folder)
    refuse_unsafe(folder)


def refuse_unsafe(folder: Path) -> None:
    """Raise when others may exchange the files in a folder."""
    try:
        status = os.stat(folder)
    except OSError as exc:
        raise UpkeepError(f"cannot look at {folder}: {exc.strerror}") from exc
    if not stat.S_ISDIR(status.st_mode):
        raise UpkeepError(f"{folder} is no directory; choose another destination")
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
        raise UpkeepError(
            f"destination: in {folder} other users may exchange files, so that a backup in it proves nothing;"
            f" let it belong to this user and run chmod o-w on it"
        )


def remove_leftovers(folder: Path, label: str) -> list[str]:
    """Remove what killed runs left of backups with this label: drafts that nobody writes, and manifests without an archive.

    The caller holds the host's lock. A draft that another host writes into the same folder is locked by it.

    :return: names.
    :raises UpkeepError: when something cannot be removed.
    """
    own = re.escape(label) + "_" + _TIME + _ENDINGS
    draft = re.compile(re.escape(TEMPORARY_PREFIX) + own + f"(?:{_SIDECAR})?-[^/]+" + re.escape(TEMPORARY_SUFFIX))
    sidecar = re.compile(f"({own}){_SIDECAR}")
    removed = []
    try:
        names = [name for name in os.listdir(folder) if draft.fullmatch(name) or sidecar.fullmatch(name)]
        # Looked for before the manifests: a run of another host locks its draft until the archive has its name.
        busy = [name for name in names if draft.fullmatch(name) and _is_written(folder / name)]
        for name in sorted(names):
            match = sidecar.fullmatch(name)
            if match:
                archive = match.group(1)
                left = not os.path.lexists(folder / archive) and not any(archive in other for other in busy)
            else:
                left = name not in busy
            if left and stat.S_ISREG(os.lstat(folder / name).st_mode):
                os.unlink(folder / name)
                removed.append(name)
    except FileNotFoundError:
        pass  # the folder is yet to be made, or another run was faster
    except OSError as exc:
        raise UpkeepError(f"cannot clear up in {folder} after a run that was killed: {exc.strerror}") from exc
    return removed


def _is_written(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not flock_within(descriptor, LETTING_GO_SECONDS)
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime < _IN_USE_SECONDS
    finally:
        os.close(descriptor)


def last_archive_bytes(folder: Path, label: str) -> int | None:
    """Return the size of the newest archive with this label, or None."""
    own = re.compile(re.escape(label) + "_" + _TIME + _ENDINGS)
    try:
        newest = max((name for name in os.listdir(folder) if own.fullmatch(name)), default=None)
        return None if newest is None else os.lstat(folder / newest).st_size
    except OSError:
        return None


class Draft:
    """An archive that is being written under a name that no backup has.

    :ivar descriptor: of the file, 0600.
    :ivar path: what it is to be called.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self._published = False
        self._sidecar_written = False
        if os.path.lexists(self.path) or os.path.lexists(sidecar_path(str(self.path))):
            raise UpkeepError(f"{self.path} exists already; a backup is never overwritten. Start again in a second")
        self.descriptor, self._temporary = tempfile.mkstemp(TEMPORARY_SUFFIX, f"{TEMPORARY_PREFIX}{name}-", folder)
        try:
            # Tells other hosts that use the same folder that this is no leftover.
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # a file system without locks: a draft that was just written is then taken for one in use

    def publish(self, sidecar: Iterable[bytes]) -> None:
        """Give the archive its name, with the manifest beside it; a power cut leaves both whole or no archive.

        :raises OSError: when that cannot be done.
        :raises UpkeepError: when it was done, and a power cut may undo it.
        """
        os.fsync(self.descriptor)
        _write_sidecar(self.path, sidecar)
        self._sidecar_written = True
        os.rename(self._temporary, self.path)
        self._published = True
        try:
            sync_directory(self.path.parent)
        except OSError as exc:
            raise UpkeepError(f"{self.path} is whole, but a power cut may take its name away: {exc.strerror}") from exc

    def close(self) -> None:
        """Close the file, and remove what was not published."""
        if not self._published:
            for path in (self._temporary, sidecar_path(str(self.path)) if self._sidecar_written else None):
                try:
                    if path is not None:
                        os.unlink(path)
                except OSError:
                    pass  # the next run clears up
        os.close(self.descriptor)


def _write_sidecar(archive: Path, chunks: Iterable[bytes]) -> None:
    """Write the manifest beside an archive, which may be too large to be kept in memory."""
    path = sidecar_path(str(archive))
    prefix = f"{TEMPORARY_PREFIX}{os.path.basename(path)}-"
    descriptor, temporary = tempfile.mkstemp(TEMPORARY_SUFFIX, prefix, archive.parent)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
        os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
