# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a SQLite database: a checked file beside the present one takes its name in one step, and the present one is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import sync_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts, Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, chunks_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import acting_as
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import find_writers, identity_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What SQLite keeps beside a database while it is used; taken for part of another file it would ruin that.
_BESIDE = ("-wal", "-shm", "-journal")
_NEW_MODE = 0o640


class SqliteRestorer(Restorer):
    """One file. All work in its folder is done with the rights of the owner of that folder, who may exchange what is there."""

    @property
    def _folder(self) -> str:
        return os.path.dirname(self.spec.path)

    def _beside(self, kind: str) -> str:
        return os.path.join(self._folder, f".upkeep-{os.path.basename(self.spec.path)}-{kind}-{self.restore_id}")

    @property
    def staged_name(self) -> str:
        return self._beside("staged")

    @property
    def previous_name(self) -> str:
        return f"{self.spec.path}.previous-{self.restore_id}"

    @property
    def undone_name(self) -> str:
        return f"{self.spec.path}.undone-{self.restore_id}"

    def look(self, kept: Kept) -> Facts:
        import sqlite3

        with self._working("restore"):
            room = os.statvfs(self._folder)
            exists = os.path.lexists(self.spec.path)
            if exists and (os.path.islink(self.spec.path) or not os.path.isfile(self.spec.path)):
                raise UpkeepError(f"cannot restore the {self.spec.shown}: there is something else than a file")
        self._refuse_in_use()
        return Facts(exists, f"SQLite {sqlite3.sqlite_version}", room.f_bavail * room.f_frsize, self._folder, kept.look.bytes)

    def stage(self, kept: Kept) -> None:
        try:
            with self._working("restore"):
                descriptor = os.open(self.staged_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with self._working("restore"):
                    for chunk in chunks_of(kept.descriptor):
                        file.write(chunk)
                    file.flush()
                    _check_integrity(self.spec, self.staged_name)
                    present = os.stat(self.spec.path, follow_symlinks=False) if self.existed else None
                _take_over(file.fileno(), present)
                os.fsync(file.fileno())
        except OSError as exc:
            self.discard_stage()
            raise UpkeepError(f"cannot restore the {self.spec.shown}: {exc.strerror}") from exc
        except UpkeepError:
            self.discard_stage()
            raise

    def swap(self) -> None:
        self._refuse_in_use()
        with self._working("exchange"):
            if self.existed:
                _settle(self.spec, self.spec.path)
                # Two names for the present file; then the new one takes the first of them in one step.
                os.link(self.spec.path, self.previous_name, follow_symlinks=False)
            _move_beside(self.spec.path, self.previous_name)
            os.replace(self.staged_name, self.spec.path)
            sync_directory(Path(self._folder))

    def has_previous(self) -> bool:
        with self._working("look at"):
            return os.path.lexists(self.kept_as)

    def put_back(self) -> None:
        self._refuse_in_use()
        with self._working("put back"):
            present = os.path.lexists(self.spec.path)
            if present and not os.path.lexists(self.undone_name) and self.is_swapped():
                _settle(self.spec, self.spec.path)
                os.link(self.spec.path, self.undone_name, follow_symlinks=False)
                _move_beside(self.spec.path, self.undone_name)
            if os.path.lexists(self.previous_name):
                os.replace(self.previous_name, self.spec.path)
                _move_beside(self.previous_name, self.spec.path)
            elif not self.existed and present:
                os.unlink(self.spec.path)
            sync_directory(Path(self._folder))

    def is_swapped(self) -> bool:
        with self._working("look at"):
            staged = os.path.lexists(self.staged_name)
            if self.existed and staged and os.path.lexists(self.previous_name):
                # A run was ended before the last step: the present file has its second name still.
                _move_beside(self.previous_name, self.spec.path)
                os.unlink(self.previous_name)
            return not staged and os.path.lexists(self.previous_name if self.existed else self.spec.path)

    def discard_stage(self) -> None:
        self._remove(self.staged_name)

    def drop_undone(self) -> None:
        self._remove(self.undone_name)

    def drop_previous(self) -> None:
        self._remove(self.previous_name)

    def _remove(self, path: str) -> None:
        with self._working("clean up after"):
            for name in (path, *(path + ending for ending in _BESIDE)):
                try:
                    os.unlink(name)
                except FileNotFoundError:
                    pass

    def _refuse_in_use(self) -> None:
        """Raise while somebody has the database open: what he writes would go to a file that nobody reads any more."""
        files = set()
        for name in (self.spec.path, f"{self.spec.path}-wal"):
            try:
                files.add(identity_of(os.stat(name)))
            except OSError:
                continue
        users = sorted({writer.pid for found in find_writers(files).by_file.values() for writer in found}) if files else []
        if users:
            who = ", ".join(map(str, users[:5]))
            raise UpkeepError(f"cannot restore the {self.spec.shown}: process {who} has it open; stop the service first")

    @contextmanager
    def _working(self, doing: str) -> Iterator[None]:
        import sqlite3

        try:
            with acting_as(os.stat(self._folder).st_uid if os.geteuid() == 0 else os.geteuid()):
                yield
        except (OSError, sqlite3.Error) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            raise UpkeepError(f"cannot {doing} the {self.spec.shown}: {plain(reason, 200)}") from None


def _take_over(descriptor: int, present: os.stat_result | None) -> None:
    """Give the new file the owner and the mode of the present one."""
    os.fchmod(descriptor, present.st_mode & 0o777 if present else _NEW_MODE)
    mine = os.fstat(descriptor)
    if present and (present.st_uid, present.st_gid) != (mine.st_uid, mine.st_gid):
        os.fchown(descriptor, present.st_uid, present.st_gid)


def _check_integrity(spec: DumpSpec, path: str) -> None:
    import sqlite3

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise UpkeepError(f"cannot restore the {spec.shown}: its dump is damaged: {plain('; '.join(found), 200)}")


def _settle(spec: DumpSpec, path: str) -> None:
    """Bring what lies beside a database into it, so that the file alone is whole. One that is damaged stays as it is."""
    import sqlite3

    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return
    for ending in _BESIDE:
        if os.path.exists(path + ending) and os.path.getsize(path + ending):
            raise UpkeepError(f"cannot exchange the {spec.shown}: somebody uses it; stop the service first")


def _move_beside(path: str, to: str) -> None:
    """Let what lies beside a database follow it; the shared memory is made anew."""
    for ending in _BESIDE:
        try:
            if ending == "-shm":
                os.unlink(path + ending)
            else:
                os.rename(path + ending, to + ending)
        except FileNotFoundError:
            pass
