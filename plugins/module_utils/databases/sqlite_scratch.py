# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A scratch database of SQLite: a file in a private folder."""

from __future__ import annotations

import os
import shutil
import tempfile

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import ScratchDatabase, refuse_without_room
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.sqlite_dump import (
    PREFIX,
    SUFFIX,
    remove_leftovers,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, chunks_of, free_in, roomy_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


class SqliteScratch(ScratchDatabase):
    """A scratch database of SQLite."""

    @classmethod
    def restored(cls, spec: DumpSpec, kept: Kept, deadline: float, directory: str | None) -> SqliteScratch:
        """Return a new one that holds the dump.

        :raises UpkeepError: when it is damaged, or there is no room.
        """
        directory = directory or roomy_directory()
        remove_leftovers(directory)
        refuse_without_room(spec, kept, free_in(directory), directory)
        try:
            folder = tempfile.mkdtemp(prefix=PREFIX, suffix=SUFFIX, dir=directory)
            made = cls(spec, os.path.join(folder, "scratch"), deadline)
        except OSError as exc:
            raise UpkeepError(f"cannot restore the {spec.shown}: {exc.strerror}") from exc
        try:
            with open(made.name, "xb") as file:
                for chunk in chunks_of(kept.descriptor):
                    file.write(chunk)
            found = made.query("PRAGMA integrity_check(3)")
            if found != [["ok"]]:
                raise UpkeepError(f"cannot restore the {spec.shown}: its dump is damaged: {plain('; '.join(row[0] for row in found), 200)}")
        except OSError as exc:
            made.drop()
            raise UpkeepError(f"cannot restore the {spec.shown}: {exc.strerror}") from exc
        except UpkeepError:
            made.drop()
            raise
        return made

    def query(self, sql: str) -> list[list[str]]:
        import sqlite3
        from contextlib import closing

        try:
            with closing(sqlite3.connect(self.name, isolation_level=None)) as connection:
                return [["" if value is None else str(value) for value in row] for row in connection.execute(sql)]
        except sqlite3.Error as exc:
            raise UpkeepError(f"cannot query the {self.spec.shown}: {plain(str(exc), 200)}") from None

    def counts(self) -> dict[str, int]:
        tables = self.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
        quoted = {row[0]: '"' + row[0].replace('"', '""') + '"' for row in tables}
        return {name: int(self.query(f"SELECT count(*) FROM {quoted[name]}")[0][0]) for name in quoted}

    def drop(self) -> None:
        shutil.rmtree(os.path.dirname(self.name), ignore_errors=True)
