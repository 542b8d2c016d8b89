# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A scratch database of MySQL or MariaDB."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask, identifier
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_loading import drop, load, refuse_elsewhere, server_of
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_objects import Objects, objects_of, removals
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import (
    ScratchDatabase,
    is_leftover,
    refuse_without_room,
    scratch_name,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept


class MysqlScratch(ScratchDatabase):
    """A scratch database of MySQL or MariaDB. Its events are removed: they would run."""

    @classmethod
    def restored(cls, spec: DumpSpec, kept: Kept, deadline: float) -> MysqlScratch:
        """Return a new one that holds what the dump restores to.

        :raises UpkeepError: when it does not load.
        """
        refuse_elsewhere(spec, kept)
        _version, free, place = server_of(spec, deadline)
        refuse_without_room(spec, kept, free, place)
        names = ask(spec, "SELECT schema_name FROM information_schema.schemata;", doing="restore", deadline=deadline)
        for row in names:
            if is_leftover(row[0], spec.database):
                drop(spec, row[0], deadline)
        name = scratch_name(spec.database)
        load(spec, kept, name, deadline)
        objects = objects_of(spec, name, deadline)
        events = Objects([], [], [(kind, event) for kind, event in objects.others if kind == "EVENT"])
        ask(spec, removals(name, events), doing="restore", deadline=deadline)
        return cls(spec, name, deadline)

    def query(self, sql: str) -> list[list[str]]:
        return ask(self.spec, sql, doing="query", deadline=self.deadline, database=self.name)

    def counts(self) -> dict[str, int]:
        tables = objects_of(self.spec, self.name, self.deadline).tables
        if not tables:
            return {}
        rows = self.query("".join(f"SELECT count(*) FROM {identifier(table)};\n" for table in tables))
        return {table: int(row[0]) for table, row in zip(tables, rows)}

    def drop(self) -> None:
        drop(self.spec, self.name, self.deadline)
