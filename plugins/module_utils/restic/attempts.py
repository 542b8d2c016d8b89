# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this host knows about a repository: which backups were begun and not seen to their end, and which repository it was.

restic saves a snapshot even when files could not be read, and it may be killed, or the host may, before that is told. A snapshot
counts when its backup is not among those that were begun here and not finished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import is_run_id

_FILE = "restic.json"
_MAX_BYTES = 4 * 1024 * 1024
_MAX_UNFINISHED = 1000


class Attempts:
    """The record in the state directory. Written under the host's lock only.

    :param subject: the repository, masked.
    :raises UpkeepError: when there is one that cannot be read.
    """

    def __init__(self, state_directory: str, subject: str) -> None:
        self._path = Path(state_directory) / _FILE
        self._subject = subject

    def unfinished(self) -> list[str]:
        """Return the ids of backups that were begun and not finished, oldest first."""
        return [key for key in self._own().get("unfinished", []) if isinstance(key, str) and is_run_id(key)]

    def known_repository(self) -> str:
        """Return the id of the repository that was there last time, or an empty text."""
        known = self._own().get("repository", "")
        return known if isinstance(known, str) else ""

    def begin(self, backup_id: str, repository_id: str) -> None:
        """Note a backup before restic begins it."""
        unfinished = [*self.unfinished(), backup_id]
        if len(unfinished) > _MAX_UNFINISHED:
            raise UpkeepError(f"{self._path} names {_MAX_UNFINISHED} unfinished backups; look at why snapshots cannot be forgotten")
        self._write({"repository": repository_id, "unfinished": unfinished})

    def end(self, backup_ids: set[str]) -> None:
        """Forget about backups that are finished, or whose snapshots are gone."""
        own = self._own()
        self._write({**own, "unfinished": [key for key in self.unfinished() if key not in backup_ids]})

    def _own(self) -> dict[str, Any]:
        own = self._all().get(self._subject, {})
        return own if isinstance(own, dict) else {}

    def _all(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise UpkeepError(f"cannot read {self._path}: {exc.strerror}") from exc
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if len(data) > _MAX_BYTES or not isinstance(value, dict):
            raise UpkeepError(f"{self._path} is damaged; which snapshots are whole is unknown until you remove it")
        return value

    def _write(self, own: dict[str, Any]) -> None:
        make_private_directory(self._path.parent)
        write_atomically(self._path, json.dumps({**self._all(), self._subject: own}, indent=1).encode("ascii"))
