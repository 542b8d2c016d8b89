# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore the roles and tablespaces of a PostgreSQL server: what is missing is made, what is there is set as in the dump."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_errors import masked
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import (
    MAINTENANCE_DATABASE,
    run_script,
    server_version,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_dump import dump_globals
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts, Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, chunks_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: A role or tablespace that is there already is set as in the dump by the statements behind it. Who may be a member of what
#: is said again by later versions with a notice.
_HARMLESS = re.compile(r"(role|tablespace) \".*\" already exists|role \".*\" is already a member")


class GlobalsRestorer(Restorer):
    """The globals of a server. They are applied when they are staged, since databases need their roles to be loaded."""

    @property
    def _safety(self) -> Path:
        return Path(self.state_directory) / f"{self.restore_id}-{self.spec.name}.previous"

    @property
    def kept_as(self) -> str:
        return str(self._safety)

    def look(self, kept: Kept) -> Facts:
        server = server_version(self.spec, doing="restore", deadline=self.deadline)
        return Facts(True, f"PostgreSQL {server}", None, "", kept.look.bytes)

    def stage(self, kept: Kept) -> None:
        parts: list[bytes] = []
        dump_globals(self.spec, parts.append, self.deadline)
        write_atomically(self._safety, b"".join(parts))
        try:
            self._apply(chunks_of(kept.descriptor))
        except UpkeepError:
            self.discard_stage()
            raise

    def swap(self) -> None:
        """Nothing is left to do."""

    def has_previous(self) -> bool:
        return self._safety.exists()

    def put_back(self) -> None:
        try:
            data = self._safety.read_bytes()
        except OSError as exc:
            raise UpkeepError(f"cannot put back the {self.spec.shown}: {self._safety}: {exc.strerror}") from exc
        self._apply(iter([data]))

    def is_swapped(self) -> bool:
        return self._safety.exists()

    def discard_stage(self) -> None:
        if self._safety.exists():
            self.put_back()
            self.drop_previous()

    def drop_undone(self) -> None:
        """Roles that the restore made stay: a database may belong to them by now."""

    def drop_previous(self) -> None:
        try:
            os.unlink(self._safety)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise UpkeepError(f"cannot remove {self._safety}: {exc.strerror}") from exc

    def _apply(self, chunks: Iterator[bytes]) -> None:
        """Run the statements one by one: tablespaces cannot be made in a transaction."""
        result = run_script(
            self.spec, chunks, database=MAINTENANCE_DATABASE, doing="restore", deadline=self.deadline, stop_at_errors=False
        )
        errors = [line.partition("ERROR:")[2].strip() for line in result.said.splitlines() if "ERROR:" in line]
        real = [error for error in errors if not _HARMLESS.search(error)]
        if real:
            raise UpkeepError(f"cannot restore the {self.spec.shown}: {plain(masked('; '.join(real[:3]), self.spec), 400)}")
