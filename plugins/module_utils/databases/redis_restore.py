# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore Redis: its unit is stopped, its files make room for those of the dump, and it is started and has to answer."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import sync_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_check import count_keys
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_files import (
    DataFiles,
    find_files,
    note_files,
    noted_files,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts, Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.units import Unit
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, chunks_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import acting_as

_PAUSE_SECONDS = 0.1
_NEW_MODE = 0o660
#: How long Redis may take to load its data, at most.
_LOAD_SECONDS = 600.0
STAGED, PREVIOUS, UNDONE = "staged", "previous", "undone"


class RedisRestorer(Restorer):
    """All that a server holds. What is staged and kept lies in a folder of its own among the data, with the same owner."""

    #: Where its data are, once that is known; the server does not answer while it is stopped.
    _known: DataFiles | None = None

    @property
    def kept_as(self) -> str:
        return os.path.join(self._workplace(), PREVIOUS)

    def look(self, kept: Kept) -> Facts:
        if not self.spec.unit:
            raise UpkeepError(f"cannot restore the {self.spec.shown}: give its unit, which is stopped meanwhile")
        if self._unit.is_active():
            ask(self.spec, ["PING"], doing="reach", deadline=self.deadline)  # with a wrong password it would never seem to start
        files = self._files()
        keys = count_keys(self.spec, kept, self.deadline)
        room = os.statvfs(files.directory)
        self.existed = any(os.path.lexists(os.path.join(files.directory, name)) for name in files.names)
        server = f"Redis, its unit {self.spec.unit}; the dump holds {keys} keys"
        return Facts(self.existed, server, room.f_bavail * room.f_frsize, files.directory, kept.look.bytes * (1 + files.logs))

    def stage(self, kept: Kept) -> None:
        files = self._files()
        note_files(self._note, replace(files, active=self._unit.is_active()))
        with self._working("restore"):
            os.makedirs(self._place(STAGED), mode=0o700)
            # A server that keeps a log does not read the RDB file, but takes one for the beginning of its log.
            for name in (files.dump, files.log) if files.logs else (files.dump,):
                path = os.path.join(self._place(STAGED), name)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    for chunk in chunks_of(kept.descriptor):
                        file.write(chunk)
                    file.flush()
                    os.fchmod(file.fileno(), _NEW_MODE)
                    os.fsync(file.fileno())
            sync_directory(Path(self._place(STAGED)))

    def swap(self) -> None:
        if self._unit.is_active() and self._answers():
            self._save()
        self._exchange(STAGED, PREVIOUS)
        self._start()

    def has_previous(self) -> bool:
        with self._working("look at"):
            return os.path.lexists(self.kept_as)

    def put_back(self) -> None:
        if self._begun(UNDONE) and not os.path.lexists(self._place(PREVIOUS)):
            return
        self._exchange(PREVIOUS, UNDONE)
        self._start()

    def is_swapped(self) -> bool:
        if self._begun(PREVIOUS) and os.path.lexists(self._place(STAGED)):
            # A run was ended in the middle. Forward there is one way, and all can be put back from its end.
            self._exchange(STAGED, PREVIOUS)
            try:
                self._start()
            except UpkeepError:
                pass  # whoever asks puts it back, or looks at the server next
        return not os.path.lexists(self._place(STAGED))

    def discard_stage(self) -> None:
        self._remove(STAGED)
        if self._note.exists() and self._files().active and not self._unit.is_active():
            self._start()  # a run was ended after it had stopped the server, before anything was moved
        self._forget_if_empty()

    def drop_undone(self) -> None:
        self._remove(UNDONE)
        self._forget_if_empty()

    def drop_previous(self) -> None:
        self._remove(PREVIOUS)
        self._forget_if_empty()

    @property
    def _unit(self) -> Unit:
        return Unit(self.spec.unit)

    @property
    def _note(self) -> Path:
        return Path(self.state_directory) / f"{self.restore_id}-{self.spec.name}.files"

    def _files(self) -> DataFiles:
        if self._known is None:
            self._known = noted_files(self._note) or find_files(self.spec, self.deadline)
        return self._known

    def _workplace(self) -> str:
        return os.path.join(self._files().directory, f".upkeep-redis-{self.restore_id}")

    def _place(self, kind: str) -> str:
        return os.path.join(self._workplace(), kind)

    def _begun(self, outgoing: str) -> bool:
        return os.path.lexists(self._place(outgoing)) or os.path.lexists(self._place(f"{outgoing}.part"))

    def _exchange(self, incoming: str, outgoing: str) -> None:
        """Let the files of ``incoming`` take the place of the present ones; goes on where a run was ended."""
        self._unit.stop(self.deadline)
        files = self._files()
        with self._working("exchange"):
            part, work = self._place(f"{outgoing}.part"), self._workplace()
            if not os.path.lexists(self._place(outgoing)):
                os.makedirs(part, mode=0o700, exist_ok=True)
                for name in files.names:
                    _move(os.path.join(files.directory, name), os.path.join(part, name))
                os.rename(part, self._place(outgoing))
                sync_directory(Path(work))
            for name in sorted(os.listdir(self._place(incoming))):
                # What a server wrote that was started between: it is kept, and not loaded.
                _move(os.path.join(files.directory, name), os.path.join(work, f"stray-{secrets.token_hex(4)}-{name}"))
                os.rename(os.path.join(self._place(incoming), name), os.path.join(files.directory, name))
            os.rmdir(self._place(incoming))
            sync_directory(Path(files.directory))

    def _save(self) -> None:
        """Let the server write what it holds, which is kept: it may be set not to do so when it stops."""
        while True:
            try:
                ask(self.spec, ["SAVE"], doing="save", deadline=self.deadline)
                return
            except UpkeepError as exc:
                if "already in progress" not in exc.message or time.monotonic() > self.deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _start(self) -> None:
        """Start the server and wait until it has loaded its data.

        :raises UpkeepError: when it does not.
        """
        self._unit.start(self.deadline)
        last = min(self.deadline, time.monotonic() + _LOAD_SECONDS)
        while not self._answers():
            if not self._unit.is_active() or time.monotonic() > last:
                raise UpkeepError(f"the unit {self.spec.unit} does not answer with the restored data; see its log")
            time.sleep(_PAUSE_SECONDS)

    def _answers(self) -> bool:
        try:
            return ask(self.spec, ["PING"], doing="reach", deadline=self.deadline) == ["PONG"]
        except UpkeepError:
            return False

    def _remove(self, kind: str) -> None:
        with self._working("clean up after"):
            for path in (self._place(kind), self._place(f"{kind}.part")):
                if os.path.lexists(path):
                    shutil.rmtree(path)

    def _forget_if_empty(self) -> None:
        with self._working("clean up after"):
            kinds = (STAGED, PREVIOUS, UNDONE)
            if any(os.path.lexists(self._place(kind)) or self._begun(kind) for kind in kinds):
                return
            shutil.rmtree(self._workplace(), ignore_errors=True)
        self._note.unlink(missing_ok=True)

    @contextmanager
    def _working(self, doing: str) -> Iterator[None]:
        """Work with the rights of the owner of the data, who may exchange what is in his folder."""
        try:
            with acting_as(os.stat(self._files().directory).st_uid if os.geteuid() == 0 else os.geteuid()):
                yield
        except OSError as exc:
            raise UpkeepError(f"cannot {doing} the {self.spec.shown}: {exc.strerror}") from None


def _move(old: str, new: str) -> None:
    try:
        os.rename(old, new)
    except FileNotFoundError:
        pass
